//! Numbers that change, prompts that were not understood well, other wordings, and what is tried
//! only on request.

use proptest::prelude::*;

use super::{
    line::{Call, Does, Line, Prompt, call, crawl},
    scenarios::{edge, log, two_levels},
};
use crate::crawl::{
    navigator::{EndReason, Limits, is_complete},
    tree::{DeadEnd, Edge, Keys, Node, NodeNo, PromptKind, Standing, Tree},
};

fn root(tree: &Tree) -> &Node {
    tree.node(NodeNo(0)).unwrap()
}

fn standings(node: &Node) -> Vec<Standing> {
    node.variants.iter().map(|v| v.standing).collect()
}

/// Goes on with calls until nothing is left.
fn go_on(mut tree: Tree, prompts: &[Prompt], limits: &Limits) -> (Tree, Vec<Call>) {
    let mut calls = Vec::new();
    for _ in 0..30 {
        if is_complete(&tree, limits) {
            return (tree, calls);
        }
        let next = call(Line::new(prompts, 600), &tree, limits);
        tree = next.tree.clone();
        calls.push(next);
    }
    panic!("it does not end: {tree:#?}\n{}", log(&calls));
}

fn new_menu() -> Vec<Prompt> {
    vec![
        Prompt::menu(
            "The harbor museum greets its visitors.",
            &[("1", "guided tours", Does::Go(1)), ("3", "the cafe", Does::Go(2))],
        ),
        Prompt::says("Tours begin at ten in the entrance hall."),
        Prompt::says("Our cafe serves fresh cake every afternoon."),
    ]
}

#[test]
fn a_number_that_has_changed_is_explored_anew_when_a_second_call_proves_it() {
    let limits = Limits::default();
    let old = two_levels();
    let first = call(Line::new(&old, 600), &Tree::default(), &limits);
    let doubt = call(Line::new(&new_menu(), 600), &first.tree, &limits);
    assert_eq!(doubt.outcome.reason, EndReason::WrongTurn);
    assert_eq!(root(&doubt.tree).text(), old[0].text(), "one call proves nothing");
    assert_eq!(standings(root(&doubt.tree)), [Standing::Suspected]);
    let (tree, calls) = go_on(doubt.tree, &new_menu(), &limits);
    assert_eq!(root(&tree).text(), new_menu()[0].text(), "{}", log(&calls));
    // The old one is kept as a variant.
    assert_eq!(standings(root(&tree)), [Standing::Former]);
    assert_eq!(root(&tree).variants[0].text(), old[0].text());
    let behind = |keys| match edge(&tree, 0, keys) {
        Some(Edge::Child(no)) => tree.node(*no).unwrap().text(),
        other => panic!("{other:?}\n{}", log(&calls)),
    };
    assert_eq!(behind("1"), new_menu()[1].text());
    assert_eq!(behind("3"), new_menu()[2].text());
    assert_eq!(edge(&tree, 0, "2"), None);
}

#[test]
fn a_prompt_behind_a_key_that_has_changed_is_replaced_and_the_rest_stays() {
    let limits = Limits::default();
    let (mut prompts, mut tree) = (two_levels(), Tree::default());
    // Until the ticket office is known, and one of its keys.
    while edge(&tree, 1, "1").is_none() {
        tree = call(Line::new(&prompts, 600), &tree, &limits).tree;
    }
    prompts[1] = Prompt::menu(
        "Our counters have moved to the lighthouse.",
        &[("4", "lost umbrellas", Does::Go(2)), ("5", "the transfer desk", Does::Go(4))],
    );
    let (tree, calls) = go_on(tree, &prompts, &limits);
    let office = tree.node(NodeNo(1)).unwrap();
    assert_eq!(office.text(), prompts[1].text(), "{}", log(&calls));
    assert_eq!(standings(office), [Standing::Former]);
    assert_eq!(root(&tree).text(), prompts[0].text());
    // What lay behind the old keys is found again behind the new ones.
    assert_eq!(edge(&tree, 1, "4"), Some(&Edge::Child(NodeNo(2))), "{}", log(&calls));
}

#[test]
fn a_key_that_leads_to_another_known_prompt_now_is_a_link_after_a_second_call() {
    let limits = Limits::default();
    let (mut prompts, mut tree) = (two_levels(), Tree::default());
    while edge(&tree, 0, "2").is_none() {
        tree = call(Line::new(&prompts, 600), &tree, &limits).tree;
    }
    let times = edge(&tree, 0, "2").cloned();
    prompts[0].keys.insert("1".into(), Does::Go(3));
    let first = call(Line::new(&prompts, 600), &tree, &limits);
    assert_eq!(edge(&first.tree, 0, "1"), Some(&Edge::Child(NodeNo(1))), "not by one call");
    let (tree, calls) = go_on(first.tree, &prompts, &limits);
    let Some(Edge::Child(no)) = times else { panic!("{times:?}") };
    assert_eq!(edge(&tree, 0, "1"), Some(&Edge::Link(no)), "{}", log(&calls));
}

#[test]
fn a_way_that_was_wrong_once_leaves_nothing_but_the_note_of_it() {
    let limits = Limits::default();
    let right = two_levels();
    let first = call(Line::new(&right, 600), &Tree::default(), &limits);
    let wrong = call(Line::new(&new_menu(), 600), &first.tree, &limits);
    let (tree, calls) = go_on(wrong.tree, &right, &limits);
    assert_eq!(root(&tree).text(), right[0].text(), "{}", log(&calls));
    assert_eq!(standings(root(&tree)), [Standing::AtTimes]);
    assert_eq!(tree.nodes().len(), 5);
}

#[test]
fn nobody_is_bothered_again_because_the_menu_has_new_words() {
    let limits = Limits::default();
    let mut prompts = vec![
        Prompt::menu(
            "Welcome to Lakeside Boats.",
            &[("0", "the operator", Does::Go(1)), ("1", "tickets", Does::Go(2))],
        ),
        Prompt::says("Please hold while I transfer your call."),
        Prompt::says("Tickets are sold at the pier. Goodbye."),
    ];
    let first = call(Line::new(&prompts, 600), &Tree::default(), &limits);
    assert_eq!(first.pressed, ["0"]);
    prompts[0] = Prompt::menu(
        "A very warm welcome from everybody at the pier to all our summer guests this year.",
        &[("0", "the operator", Does::Go(1)), ("4", "season passes", Does::Go(2))],
    );
    let (tree, calls) = go_on(first.tree, &prompts, &limits);
    assert_eq!(root(&tree).text(), prompts[0].text(), "{}", log(&calls));
    assert!(calls.iter().all(|c| !c.pressed.contains(&"0".to_owned())), "{}", log(&calls));
    assert_eq!(edge(&tree, 0, "0"), Some(&Edge::Child(NodeNo(1))));
}

#[test]
fn what_was_not_understood_well_is_heard_again_and_the_surer_words_stay() {
    let limits = Limits { confirm_below: 0.5, ..Limits::default() };
    let prompts = two_levels();
    let mut unsure = Line::new(&prompts, 600);
    unsure.confidence = 0.3;
    unsure.mishear = |word, _| if word == "tickets," { "trinkets,".into() } else { word.into() };
    let first = call(unsure, &Tree::default(), &limits);
    assert!(root(&first.tree).text().contains("trinkets"));
    let (tree, calls) = go_on(first.tree, &prompts, &limits);
    for node in tree.nodes() {
        assert!(node.confidence().unwrap() > 0.9, "{:?}\n{}", node.text(), log(&calls));
    }
    assert_eq!((root(&tree).text(), root(&tree).checks), (prompts[0].text(), 1));
    assert_eq!(root(&tree).options[0].label, "tickets");
    assert_eq!(tree.nodes().len(), 5);
}

#[test]
fn a_prompt_is_heard_again_at_most_twice_and_a_person_never() {
    let limits = Limits { confirm_below: 0.5, ..Limits::default() };
    let prompts = two_levels();
    let (mut tree, mut calls) = (Tree::default(), 0);
    while calls < 40 && !is_complete(&tree, &limits) || tree.nodes().is_empty() {
        let mut line = Line::new(&prompts, 600);
        line.confidence = 0.3;
        tree = call(line, &tree, &limits).tree;
        calls += 1;
    }
    assert!(calls < 14, "{calls} calls");
    assert!(tree.nodes().iter().all(|n| n.checks <= 2), "{tree:#?}");
    let transfer = tree.nodes().iter().find(|n| n.kind == PromptKind::Transfer).unwrap();
    assert_eq!(transfer.checks, 0);
    let (_, usual) = crawl(&prompts, 600, &limits);
    assert_eq!(usual.len(), 4, "sure words cost no call");
}

#[test]
fn another_greeting_or_news_before_the_menu_is_the_same_menu_and_kept_as_a_variant() {
    let limits = Limits::default();
    for greeting in [
        "Good evening from all of us at the shipyard by the northern lake.",
        "News: the summer festival takes place on the meadow this weekend. Welcome to Lakeside Boats.",
        "Please listen carefully because our options have recently changed. Welcome to Lakeside Boats.",
    ] {
        let day = two_levels();
        let mut other = two_levels();
        other[0].parts[0].0 = greeting.into();
        let first = call(Line::new(&day, 600), &Tree::default(), &limits);
        let mut patient = Limits { early_keys: false, ..limits.clone() };
        let second = call(Line::new(&other, 600), &first.tree, &patient);
        assert_eq!(second.outcome.mismatches, 0, "{}", second.log.join("\n"));
        assert!(second.outcome.news);
        patient.early_keys = true;
        let (tree, calls) = go_on(second.tree, &day, &patient);
        assert_eq!(tree.nodes().len(), 5, "{}", log(&calls));
        assert_eq!(root(&tree).text(), day[0].text());
        assert_eq!(standings(root(&tree)), [Standing::AtTimes]);
        assert_eq!(root(&tree).variants[0].text(), other[0].text());
    }
}

#[test]
fn a_menu_of_the_night_that_was_proved_does_not_change_back_and_forth() {
    let limits = Limits::default();
    let (day, night) = (two_levels(), new_menu());
    let mut tree = call(Line::new(&day, 600), &Tree::default(), &limits).tree;
    for _ in 0..2 {
        tree = call(Line::new(&night, 600), &tree, &limits).tree;
    }
    assert_eq!(root(&tree).text(), night[0].text());
    let again = call(Line::new(&day, 600), &tree, &limits);
    assert_eq!(again.outcome.reason, EndReason::OtherWording, "{}", again.log.join("\n"));
    assert_eq!(root(&again.tree).text(), night[0].text());
    let (tree, calls) = go_on(again.tree, &night, &limits);
    assert_eq!(standings(root(&tree)), [Standing::Former], "{}", log(&calls));
}

fn with_hidden_keys() -> Vec<Prompt> {
    let mut prompts = two_levels();
    prompts[0].keys.insert("0".into(), Does::Go(4));
    prompts[0].keys.insert("#".into(), Does::Go(0));
    prompts[0].keys.insert("*".into(), Does::Invalid);
    prompts[1].keys.insert("0".into(), Does::Nothing);
    prompts[1].keys.insert("#".into(), Does::Nothing);
    prompts[1].keys.insert("*".into(), Does::Nothing);
    prompts
}

fn keys(list: &[&str]) -> Vec<Keys> {
    list.iter().map(|k| Keys::try_new(k).unwrap()).collect()
}

#[test]
fn keys_that_no_menu_mentions_are_tried_last_and_once() {
    let limits = Limits { unannounced: keys(&["0", "*", "#"]), ..Limits::default() };
    let (tree, calls) = crawl(&with_hidden_keys(), 600, &limits);
    assert!(calls.last().unwrap().outcome.complete, "{}", log(&calls));
    assert!(matches!(edge(&tree, 0, "0"), Some(Edge::Child(_) | Edge::Link(_))), "{}", log(&calls));
    assert_eq!(edge(&tree, 0, "*"), Some(&Edge::Dead(DeadEnd::Invalid)));
    assert_eq!(edge(&tree, 0, "#"), Some(&Edge::Link(NodeNo(0))), "{}", log(&calls));
    for key in ["0", "*", "#"] {
        assert_eq!(edge(&tree, 1, key), Some(&Edge::Dead(DeadEnd::NoEffect)), "{}", log(&calls));
    }
    assert_eq!(calls[0].pressed[..2], ["1", "1"], "what is offered comes first");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_the_setting_no_key_is_pressed_that_was_not_offered(
        hidden in proptest::collection::vec((0..5_usize, 0..3_usize, 0..6_usize), 0..12),
        latency_ms in 50..2500_u32,
    ) {
        let mut prompts = two_levels();
        for (at, key, does) in hidden {
            let does = match does {
                5 => Does::HangUp,
                to => Does::Go(to),
            };
            prompts[at].keys.insert(["0", "*", "#"][key].into(), does);
        }
        let (tree, calls) = crawl(&prompts, latency_ms, &Limits::default());
        prop_assert_eq!(tree.nodes().len(), 5);
        for node in tree.nodes() {
            for keys in node.edges.keys() {
                prop_assert!(node.options.iter().any(|o| o.keys == *keys), "{}", log(&calls));
            }
        }
        let pressed = calls.iter().flat_map(|c| &c.pressed);
        let hidden = |key: &&String| ["0", "*", "#"].contains(&key.as_str());
        prop_assert_eq!(pressed.filter(hidden).count(), 0);
    }
}

/// Three levels, so that there is a key to press before the last.
fn deep() -> Vec<Prompt> {
    let mut prompts = two_levels();
    prompts[2] = Prompt::menu(
        "Children under twelve.",
        &[("5", "birthday parties", Does::Go(5)), ("6", "school classes", Does::Go(6))],
    );
    prompts.push(Prompt::says("Birthday parties are held in the old boathouse."));
    prompts.push(Prompt::says("School classes meet their guide at the pier."));
    prompts
}

#[test]
fn with_barge_in_the_keys_of_a_known_way_leave_as_soon_as_the_line_speaks() {
    let barge = Limits { barge_in: true, ..Limits::default() };
    let (tree, usual) = crawl(&deep(), 600, &Limits::default());
    let (same, calls) = crawl(&deep(), 600, &barge);
    let texts = |tree: &Tree| -> Vec<String> { tree.nodes().iter().map(Node::text).collect() };
    assert_eq!(texts(&same), texts(&tree), "{}", log(&calls));
    let total = |calls: &[Call]| -> u32 { calls.iter().map(|c| c.lasted_ms).sum() };
    assert!(total(&calls) + 4000 < total(&usual), "{} {}", total(&calls), total(&usual));
    let longest = calls.iter().max_by_key(|c| c.pressed.len()).unwrap();
    assert!(longest.pressed.len() >= 3);
    let first = longest.log.iter().find(|l| l.contains("Press {")).unwrap();
    let at: u32 = first.split(':').next().unwrap().parse().unwrap();
    let later = calls.iter().rfind(|c| c.pressed.len() >= 3).unwrap();
    assert!(at < 3000 || later.log.iter().any(|l| l.starts_with("600: Press")), "{}", log(&calls));
}

#[test]
fn a_line_that_takes_no_key_at_the_beginning_is_remembered_and_explored_patiently() {
    let mut prompts = deep();
    prompts.iter_mut().for_each(|p| p.deaf_while_speaking = true);
    let mut limits = Limits { barge_in: true, ..Limits::default() };
    let (mut tree, mut learned) = (Tree::default(), 0);
    for _ in 0..40 {
        let next = call(Line::new(&prompts, 600), &tree, &limits);
        tree = next.tree;
        if next.outcome.ignores_early_keys {
            limits.early_keys = false;
            learned += 1;
        }
        if next.outcome.complete {
            break;
        }
    }
    assert!(is_complete(&tree, &limits), "{tree:#?}");
    assert_eq!((tree.nodes().len(), learned), (7, 1));
}
