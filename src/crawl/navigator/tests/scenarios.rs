//! One line after the other, each with its own manners.

use super::line::{Call, Does, Line, Prompt, Timeout, call, crawl};
use crate::{
    crawl::{
        menu_text,
        navigator::{Action, EndReason, Input, Limits, Navigator, Tone, is_complete},
        tree::{DeadEnd, Edge, Keys, NodeNo, PromptKind, Tree},
    },
    speech::{CallMs, SpeechEvent},
};

pub(super) fn edge<'a>(tree: &'a Tree, no: u32, keys: &str) -> Option<&'a Edge> {
    tree.node(NodeNo(no))?.edges.get(&Keys::try_new(keys)?)
}

pub(super) fn log(calls: &[Call]) -> String {
    let logs: Vec<String> = calls.iter().map(|c| c.log.join("\n")).collect();
    logs.join("\n-- next call --\n")
}

/// Crawls with defaults and expects that nothing is left.
fn whole(prompts: &[Prompt]) -> (Tree, Vec<Call>) {
    let (tree, calls) = crawl(prompts, 600, &Limits::default());
    assert!(calls.last().unwrap().outcome.complete, "{}", log(&calls));
    assert!(is_complete(&tree, &Limits::default()));
    (tree, calls)
}

fn child(no: u32) -> Option<Edge> {
    Some(Edge::Child(NodeNo(no)))
}

fn link(no: u32) -> Option<Edge> {
    Some(Edge::Link(NodeNo(no)))
}

const BYE: &str = "Our shop is at the old harbor bridge. Thank you and goodbye.";

pub(super) fn two_levels() -> Vec<Prompt> {
    vec![
        Prompt::menu(
            "Welcome to Lakeside Boats.",
            &[("1", "tickets", Does::Go(1)), ("2", "opening times", Does::Go(3))],
        ),
        Prompt::menu(
            "Ticket office.",
            &[
                ("1", "children", Does::Go(2)),
                ("2", "groups", Does::Go(4)),
                ("9", "the main menu", Does::Go(0)),
            ],
        ),
        Prompt::says("Children ride free on Sundays with a grown up."),
        Prompt::says(BYE),
        Prompt::says("Please hold while I transfer your call."),
    ]
}

#[test]
fn a_tree_of_two_levels_is_found_whole() {
    let (tree, calls) = whole(&two_levels());
    assert_eq!(tree.nodes().len(), 5, "{}", log(&calls));
    assert_eq!(edge(&tree, 0, "1"), child(1).as_ref());
    assert_eq!(edge(&tree, 1, "1"), child(2).as_ref());
    assert_eq!(edge(&tree, 1, "9"), link(0).as_ref());
    assert_eq!(tree.node(NodeNo(4)).unwrap().kind, PromptKind::Transfer);
    // Each branch that ends takes a call, the nearest first; the link takes none.
    let pressed: Vec<String> = calls.iter().map(|c| c.pressed.join(" ")).collect();
    assert_eq!(pressed, ["1 1", "2", "1 2", "1 9"], "{}", log(&calls));
}

#[test]
fn known_keys_are_pressed_as_soon_as_their_option_is_heard() {
    let prompts = two_levels();
    let (_, calls) = whole(&prompts);
    // The third call reaches the second level before the first menu has been read to its end.
    let first_press = |c: &Call| -> u32 {
        let line = c.log.iter().find(|l| l.contains("Press {")).unwrap();
        line.split(':').next().unwrap().parse().unwrap()
    };
    assert!(first_press(&calls[2]) + 6000 < first_press(&calls[0]), "{}", log(&calls));
}

#[test]
fn options_read_twice_are_one_prompt() {
    let mut prompts = two_levels();
    prompts[0].twice = true;
    let (tree, calls) = whole(&prompts);
    assert_eq!(tree.nodes().len(), 5, "{}", log(&calls));
    assert_eq!(tree.node(NodeNo(0)).unwrap().text(), prompts[0].text());
}

#[test]
fn a_pause_inside_a_menu_does_not_cut_it() {
    let mut prompts = two_levels();
    prompts[0].parts[1].1 = 2500;
    let (tree, calls) = whole(&prompts);
    assert_eq!(tree.node(NodeNo(0)).unwrap().options.len(), 2, "{}", log(&calls));
    assert_eq!(tree.nodes().len(), 5);
}

#[test]
fn a_menu_that_times_out_to_an_operator_is_stored_without_him() {
    let mut prompts = two_levels();
    prompts.push(Prompt::says("Please hold for the next available agent."));
    prompts[0].timeout_ms = 3000;
    prompts[0].timeout = Timeout::Go(5);
    let (tree, calls) = whole(&prompts);
    assert_eq!(calls[0].outcome.reason, EndReason::MovedOn, "{}", log(&calls));
    assert_eq!(tree.node(NodeNo(0)).unwrap().text(), prompts[0].text());
    assert_eq!(tree.nodes().len(), 5, "{}", log(&calls));
}

#[test]
fn a_menu_that_reads_itself_again_after_three_seconds_is_heard_once() {
    let mut prompts = two_levels();
    prompts[0].timeout_ms = 3000;
    prompts[0].timeout = Timeout::Repeat(50);
    let (tree, calls) = whole(&prompts);
    assert_eq!(tree.node(NodeNo(0)).unwrap().text(), prompts[0].text(), "{}", log(&calls));
    assert_eq!(tree.nodes().len(), 5);
}

#[test]
fn a_line_that_ignores_early_keys_is_explored_all_the_same() {
    let mut prompts = two_levels();
    prompts.iter_mut().for_each(|p| p.deaf_while_speaking = true);
    let (tree, calls) = whole(&prompts);
    assert_eq!(tree.nodes().len(), 5, "{}", log(&calls));
    assert!(calls.iter().any(|c| c.outcome.ignores_early_keys), "{}", log(&calls));
}

#[test]
fn an_invalid_key_is_a_dead_end_and_the_call_goes_on() {
    let mut prompts = two_levels();
    prompts[0].keys.insert("1".into(), Does::Invalid);
    let (tree, calls) = whole(&prompts);
    assert_eq!(edge(&tree, 0, "1"), Some(&Edge::Dead(DeadEnd::Invalid)), "{}", log(&calls));
    assert_eq!(calls.len(), 1, "{}", log(&calls));
    assert_eq!(edge(&tree, 0, "2"), child(1).as_ref());
}

#[test]
fn a_key_that_hangs_up_or_silences_the_line_is_a_dead_end() {
    let prompts = [Prompt::menu(
        "Welcome to the gym.",
        &[
            ("1", "lockers", Does::HangUp),
            ("2", "showers", Does::Silence),
            ("3", "towels", Does::InvalidHangUp),
        ],
    )];
    let (tree, calls) = whole(&prompts);
    assert_eq!(edge(&tree, 0, "1"), Some(&Edge::Dead(DeadEnd::HungUp)), "{}", log(&calls));
    assert_eq!(edge(&tree, 0, "2"), Some(&Edge::Dead(DeadEnd::Silent)), "{}", log(&calls));
    assert_eq!(edge(&tree, 0, "3"), Some(&Edge::Dead(DeadEnd::Invalid)), "{}", log(&calls));
}

#[test]
fn an_option_that_repeats_the_menu_is_a_link_to_it() {
    let mut prompts = two_levels();
    prompts[0] = Prompt::menu(
        "Welcome to Lakeside Boats.",
        &[("*", "hearing these options again", Does::Go(0)), ("1", "opening times", Does::Go(3))],
    );
    let (tree, calls) = whole(&prompts);
    assert_eq!(edge(&tree, 0, "*"), link(0).as_ref(), "{}", log(&calls));
    assert_eq!(calls.len(), 1, "{}", log(&calls));
}

#[test]
fn an_unnamed_repeat_is_told_from_a_key_without_effect() {
    let mut prompts = two_levels();
    prompts[0] = Prompt::menu(
        "Welcome to Lakeside Boats.",
        &[
            ("1", "our boats", Does::Go(0)),
            ("2", "our ferries", Does::Nothing),
            ("3", "opening times", Does::Go(3)),
        ],
    );
    prompts[0].timeout_ms = 12_000;
    prompts[0].timeout = Timeout::Repeat(20);
    let (tree, calls) = whole(&prompts);
    assert_eq!(edge(&tree, 0, "1"), link(0).as_ref(), "{}", log(&calls));
    assert_eq!(edge(&tree, 0, "2"), Some(&Edge::Dead(DeadEnd::NoEffect)), "{}", log(&calls));
    assert_eq!(edge(&tree, 0, "3"), child(1).as_ref(), "{}", log(&calls));
}

#[test]
fn an_announcement_that_returns_to_the_menu_is_told_from_the_menu() {
    let mut prompts = two_levels();
    let says = "We are open from nine to five on all days.";
    prompts[0].keys.insert("2".into(), Does::SayThenGo(says, 0));
    let (tree, calls) = whole(&prompts);
    let Some(Edge::Child(no)) = edge(&tree, 0, "2") else { panic!("{}", log(&calls)) };
    assert_eq!(tree.node(*no).unwrap().text(), says, "{}", log(&calls));
    assert_eq!(tree.nodes().len(), 5, "{}", log(&calls));
}

#[test]
fn voicemail_and_a_request_for_a_number_end_their_branches() {
    let prompts = [
        Prompt::menu(
            "Welcome to the clinic.",
            &[("1", "doctors", Does::Go(1)), ("2", "billing", Does::Go(2))],
        ),
        Prompt::says("Nobody is here. Please leave a message after the tone."),
        Prompt::says("Please enter your account number followed by the pound key."),
    ];
    let (tree, calls) = whole(&prompts);
    let kinds: Vec<PromptKind> = tree.nodes().iter().map(|n| n.kind).collect();
    assert_eq!(kinds, [PromptKind::Menu, PromptKind::Voicemail, PromptKind::Input]);
    assert_eq!(calls.len(), 2);
}

#[test]
fn a_wrong_turn_never_enters_the_tree() {
    let right = two_levels();
    let limits = Limits::default();
    let first = call(Line::new(&right, 600), &Tree::default(), &limits);
    // The number now says something else.
    let wrong = [Prompt::says("The number you have dialled is not in service at this time.")];
    let second = call(Line::new(&wrong, 600), &first.tree, &limits);
    assert_eq!(second.outcome.reason, EndReason::WrongTurn);
    assert_eq!(second.outcome.mismatches, 1);
    assert!(!second.outcome.news);
    assert_eq!(second.tree.nodes(), {
        let mut expected = first.tree.clone();
        second.changes.iter().for_each(|c| expected.apply(c.clone()).unwrap());
        expected.nodes().to_vec()
    });
    assert_eq!(second.tree.nodes().len(), first.tree.nodes().len());
    // And when it is right again, the crawl goes on.
    let third = call(Line::new(&right, 600), &second.tree, &limits);
    assert!(third.outcome.news, "{}", third.log.join("\n"));
}

#[test]
fn a_misheard_way_is_still_the_way() {
    let prompts = two_levels();
    let limits = Limits::default();
    let first = call(Line::new(&prompts, 600), &Tree::default(), &limits);
    let mut line = Line::new(&prompts, 600);
    line.mishear = |word, n| match (word, n % 7) {
        ("tickets,", _) => "ticket".into(),
        ("press", _) => "Press".into(),
        ("Welcome", _) => "Well come".into(),
        ("children,", _) => "childrens".into(),
        ("For", 0) => "four".into(),
        _ => word.to_lowercase(),
    };
    let second = call(line, &first.tree, &limits);
    assert_eq!(second.outcome.mismatches, 0, "{}", second.log.join("\n"));
    assert!(second.outcome.news, "{}", second.log.join("\n"));
}

#[test]
fn a_silent_line_is_left_after_the_limit() {
    let silent = [Prompt { timeout: Timeout::Silence, ..Prompt::says("") }];
    let call = call(Line::new(&silent, 600), &Tree::default(), &Limits::default());
    assert_eq!(call.outcome.reason, EndReason::NoSpeech);
    assert_eq!((call.lasted_ms, call.outcome.complete), (30_000, false));
}

#[test]
fn the_depth_limit_is_kept_and_noted() {
    let limits = Limits { max_depth: 1, ..Limits::default() };
    let (tree, calls) = crawl(&two_levels(), 600, &limits);
    assert!(calls.last().unwrap().outcome.complete, "{}", log(&calls));
    assert_eq!(tree.nodes().len(), 3);
    assert_eq!(edge(&tree, 1, "1"), Some(&Edge::Dead(DeadEnd::TooDeep)));
}

#[test]
fn a_call_that_lasts_too_long_is_ended_and_its_key_counted() {
    let limits = Limits { max_call_ms: 16_000, ..Limits::default() };
    let call = call(Line::new(&two_levels(), 600), &Tree::default(), &limits);
    assert_eq!(call.outcome.reason, EndReason::CallTooLong, "{}", call.log.join("\n"));
    assert_eq!(edge(&call.tree, 0, "1"), Some(&Edge::Tried(1)));
}

#[test]
fn nothing_is_decided_before_the_recogniser_has_caught_up() {
    let prompts = two_levels();
    let (tree, calls) = crawl(&prompts, 9000, &Limits::default());
    assert_eq!(tree.nodes().len(), 5, "{}", log(&calls));
    assert_eq!(tree.node(NodeNo(0)).unwrap().text(), prompts[0].text());
}

#[test]
fn a_call_that_is_not_answered_brings_nothing() {
    let mut navigator = Navigator::new(Tree::default(), Limits::default());
    navigator.handle(0, Input::HungUp);
    assert_eq!(navigator.outcome().map(|o| o.reason), Some(EndReason::NotAnswered));
    assert_eq!(navigator.poll_timeout(), None);
}

/// Words at 300 ms each from `start_ms` on.
pub(super) fn said(text: &str, start_ms: CallMs) -> Input {
    let mut transcript = menu_text::transcript_of(text);
    for word in &mut transcript.words {
        word.start_ms += start_ms;
        word.end_ms += start_ms;
    }
    Input::Speech(SpeechEvent::Final(transcript))
}

pub(super) fn actions(navigator: &mut Navigator) -> Vec<Action> {
    std::iter::from_fn(|| navigator.poll_action()).collect()
}

#[test]
fn options_that_are_recognised_too_late_are_added() {
    let limits = Limits { patience_ms: 10_000, ..Limits::default() };
    let mut navigator = Navigator::new(Tree::default(), limits);
    navigator.handle(0, Input::Answered);
    navigator.handle(500, Input::SpeechStarted { at: 400 });
    navigator.handle(3000, said("For tickets, press one.", 400));
    navigator.handle(6000, Input::SpeechEnded { at: 5800 });
    // The recogniser owes the words from 1600 to 5800; it is waited for, then no more.
    assert_eq!(navigator.poll_timeout(), Some(5800 + 1000), "first it is asked to hurry");
    navigator.handle_timeout(6800);
    assert_eq!(actions(&mut navigator).last(), Some(&Action::Flush));
    assert_eq!(navigator.poll_timeout(), Some(5800 + 5000 + 10_000));
    navigator.handle_timeout(20_800);
    let press = |keys| Action::Press { keys: Keys::try_new(keys).unwrap(), slow: false };
    assert_eq!(actions(&mut navigator).last(), Some(&press("1")));
    navigator.handle(21_000, said("For groups, press two.", 3000));
    let stored = actions(&mut navigator);
    assert!(matches!(&stored[..], [Action::Store(_)]), "{stored:?}");
    assert_eq!(navigator.tree().node(NodeNo(0)).unwrap().options.len(), 2);
}

#[test]
fn a_prompt_of_which_no_word_is_understood_is_kept() {
    let mut navigator = Navigator::new(Tree::default(), Limits::default());
    let heard_until = |at| Input::Speech(SpeechEvent::HeardUntil(at));
    navigator.handle(0, Input::Answered);
    navigator.handle(500, Input::SpeechStarted { at: 400 });
    navigator.handle(3100, Input::SpeechEnded { at: 3000 });
    navigator.handle(3200, said("For Spanish, press two.", 400));
    navigator.handle(8100, heard_until(8000));
    let two = Keys::try_new("2").unwrap();
    let press = Action::Press { keys: two.clone(), slow: false };
    assert_eq!(actions(&mut navigator).last(), Some(&press));
    navigator.handle(8300, Input::KeysSent { keys: two, at: 8200 });
    navigator.handle(9100, Input::SpeechStarted { at: 9000 });
    navigator.handle(15_000, Input::SpeechEnded { at: 14_700 });
    navigator.handle(15_100, Input::HungUp);
    navigator.handle(15_200, heard_until(CallMs::MAX));
    actions(&mut navigator);
    let tree = navigator.tree();
    assert_eq!(edge(tree, 0, "2"), Some(&Edge::Child(NodeNo(1))));
    let node = tree.node(NodeNo(1)).unwrap();
    assert_eq!((node.start_ms, node.text().as_str()), (9000, ""));
    assert!(navigator.outcome().unwrap().complete);
}

#[test]
fn a_transfer_to_a_person_is_left_within_two_seconds() {
    let mut navigator = Navigator::new(Tree::default(), Limits::default());
    navigator.handle(0, Input::Answered);
    navigator.handle(500, Input::SpeechStarted { at: 400 });
    navigator.handle(3100, Input::SpeechEnded { at: 3000 });
    navigator.handle(3200, said("Please hold while I transfer your call.", 400));
    navigator.handle(3200, Input::Speech(SpeechEvent::HeardUntil(3000)));
    assert_eq!(navigator.poll_timeout(), Some(4500));
    navigator.handle_timeout(4500);
    let last = actions(&mut navigator).pop();
    assert_eq!(last, Some(Action::HangUp(EndReason::NothingLeft)));
    assert!(navigator.outcome().unwrap().complete);
}

/// A call that has pressed 0 at a menu, and what was done until then.
pub(super) fn behind_zero() -> Navigator {
    let mut navigator = Navigator::new(Tree::default(), Limits::default());
    let zero = Keys::try_new("0").unwrap();
    navigator.handle(0, Input::Answered);
    navigator.handle(500, Input::SpeechStarted { at: 400 });
    navigator.handle(3100, Input::SpeechEnded { at: 3000 });
    navigator.handle(3200, said("For the operator, press zero.", 400));
    navigator.handle(8100, Input::Speech(SpeechEvent::HeardUntil(8000)));
    navigator.handle(8300, Input::KeysSent { keys: zero, at: 8200 });
    actions(&mut navigator);
    navigator
}

/// What became of a call that was left in the middle: the prompt behind the key.
fn left(mut navigator: Navigator) -> PromptKind {
    let done = actions(&mut navigator);
    let first = done.iter().find(|a| **a != Action::Flush);
    assert_eq!(first, Some(&Action::HangUp(EndReason::Taken)), "before anything is understood");
    navigator.handle(20_000, Input::Speech(SpeechEvent::HeardUntil(CallMs::MAX)));
    let after = actions(&mut navigator);
    assert!(!after.iter().any(|a| matches!(a, Action::HangUp(_) | Action::Press { .. })));
    let outcome = navigator.outcome().expect("it is over");
    assert_eq!((outcome.reason, outcome.complete), (EndReason::Taken, true));
    assert_eq!(edge(navigator.tree(), 0, "0"), Some(&Edge::Child(NodeNo(1))));
    navigator.tree().node(NodeNo(1)).unwrap().kind
}

#[test]
fn ringing_music_a_beep_and_a_voice_end_the_call_at_once_and_the_option_is_never_taken_again() {
    let at = 12_000;
    for (input, kind) in [
        (Input::Tone { tone: Tone::Ringback, at }, PromptKind::Transfer),
        (Input::Tone { tone: Tone::Music, at }, PromptKind::Queue),
        (Input::Tone { tone: Tone::Beep, at }, PromptKind::Voicemail),
        (Input::Tone { tone: Tone::Fax, at }, PromptKind::Announcement),
        (Input::Person { at }, PromptKind::Person),
        (said("Hello?", 11_500), PromptKind::Person),
    ] {
        let mut navigator = behind_zero();
        navigator.handle(at, input);
        // Silence follows, and no words.
        navigator.handle_timeout(at + 1500);
        assert_eq!(left(navigator), kind);
    }
}

#[test]
fn music_behind_a_menu_and_ringing_before_one_are_no_reason_to_leave() {
    let mut navigator = behind_zero();
    navigator.handle(11_000, said("For boats, press one.", 9_000));
    navigator.handle(12_000, Input::Tone { tone: Tone::Music, at: 12_000 });
    assert_eq!(actions(&mut navigator).iter().find(|a| matches!(a, Action::HangUp(_))), None);
    let mut first = Navigator::new(Tree::default(), Limits::default());
    first.handle(0, Input::Answered);
    first.handle(900, Input::Tone { tone: Tone::Ringback, at: 900 });
    assert_eq!(actions(&mut first), []);
}

#[test]
fn a_greeting_that_begins_with_hello_is_heard_on() {
    let mut navigator = Navigator::new(Tree::default(), Limits::default());
    navigator.handle(0, Input::Answered);
    navigator.handle(500, Input::SpeechStarted { at: 400 });
    navigator.handle(800, Input::SpeechEnded { at: 700 });
    navigator.handle(1000, said("Hello.", 400));
    navigator.handle(1000, Input::Speech(SpeechEvent::HeardUntil(900)));
    assert_eq!(navigator.poll_timeout(), Some(700 + 1500), "a person is left within two seconds");
    navigator.handle(1500, Input::SpeechStarted { at: 1400 });
    navigator.handle(4000, said("For tickets, press one.", 1400));
    assert!(!actions(&mut navigator).iter().any(|a| matches!(a, Action::HangUp(_))));
}

#[test]
fn a_prompt_that_stops_in_the_middle_of_an_option_is_waited_for() {
    let mut navigator = Navigator::new(Tree::default(), Limits::default());
    navigator.handle(0, Input::Answered);
    navigator.handle(500, Input::SpeechStarted { at: 400 });
    navigator.handle(3100, Input::SpeechEnded { at: 3000 });
    navigator.handle(3200, said("For tickets, press one. For groups, press", 400));
    navigator.handle(3200, Input::Speech(SpeechEvent::HeardUntil(3000)));
    assert_eq!(navigator.poll_timeout(), Some(3000 + 10_000));
}

#[test]
fn a_recogniser_that_fails_makes_no_dead_ends() {
    let prompts = two_levels();
    let first = call(Line::new(&prompts, 600), &Tree::default(), &Limits::default());
    let mut navigator = Navigator::new(first.tree, Limits::default());
    navigator.handle(0, Input::Answered);
    let failed = SpeechEvent::Failed { message: "out of memory".into() };
    navigator.handle(100, Input::Speech(failed));
    navigator.handle_timeout(30_000);
    let dead = actions(&mut navigator).iter().any(|a| format!("{a:?}").contains("Dead"));
    assert!(!dead && navigator.outcome().is_some_and(|o| !o.news));
}

/// A menu of so many prompts, three keys each; the names are of words of which no two sound alike.
pub(super) fn synthetic(count: usize) -> Vec<Prompt> {
    const SOUNDS: [&str; 10] =
        ["bako", "dilu", "femi", "gonu", "harp", "jett", "kiri", "lomba", "musta", "prindo"];
    let name =
        |n: usize| format!("{} {} {}", SOUNDS[n / 100 % 10], SOUNDS[n / 10 % 10], SOUNDS[n % 10]);
    let prompt = |n: usize| {
        let greeting = format!("This is {} of {}.", name(n), name((n * 7 + 3) % 1000));
        let children: Vec<usize> = (3 * n + 1..=3 * n + 3).filter(|c| *c < count).collect();
        let labels: Vec<String> = children.iter().map(|c| name(*c)).collect();
        let options: Vec<(&str, &str, Does)> = children
            .iter()
            .zip(&labels)
            .zip(["1", "2", "3"])
            .map(|((c, label), key)| (key, label.as_str(), Does::Go(*c)))
            .collect();
        Prompt::menu(&greeting, &options)
    };
    (0..count).map(prompt).collect()
}

#[test]
fn a_crawl_takes_a_call_for_each_leaf_and_the_keys_on_its_way_however_many_prompts_there_are() {
    for (count, depth) in [(250, 5), (500, 6), (1000, 6)] {
        let prompts = synthetic(count);
        let (tree, calls) = crawl(&prompts, 600, &Limits::default());
        assert!(calls.last().unwrap().outcome.complete);
        assert_eq!(tree.nodes().len(), count);
        let leaves = prompts.iter().filter(|p| p.keys.is_empty()).count();
        assert_eq!(calls.len(), leaves, "{count}");
        let presses: usize = calls.iter().map(|call| call.pressed.len()).sum();
        assert!(presses <= depth * leaves, "{count}: {presses} keys in {leaves} calls");
        let changes: usize = calls.iter().map(|call| call.changes.len()).sum();
        assert!(changes <= (depth + 3) * count, "{count}: {changes} changes");
        let seconds: u64 = calls.iter().map(|call| u64::from(call.lasted_ms) / 1000).sum();
        assert!(seconds < 60 * count as u64, "{count}: {seconds} s");
    }
}
