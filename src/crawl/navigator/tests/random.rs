//! Random phone menus, and what holds for all of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, test_runner::RngSeed};

use super::line::{Call, Does, Line, Prompt, Timeout, call, crawl};
use crate::crawl::{
    navigator::Limits,
    tree::{DeadEnd, Edge, Keys, NodeNo, Tree},
};

/// Words of which no two sound alike, so that a prompt is named by three of them.
const NAMES: [&str; 10] =
    ["bako", "dilu", "femi", "gonu", "harp", "jett", "kiri", "lomba", "musta", "prindo"];
const KEYS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "*", "#"];

fn name(n: usize) -> String {
    format!("{} {} {}", NAMES[n % 10], NAMES[(n / 10 + 3 * n) % 10], NAMES[(7 * n + 5) % 10])
}

/// A key that a random menu has, besides those that make the tree.
#[derive(Clone, Debug)]
enum Extra {
    Link(usize),
    SayThenGo,
    HangUp,
    Silence,
    Invalid,
    InvalidHangUp,
    Repeat,
}

/// The bones of a random menu: prompt `n + 1` hangs on prompt `parents[n] % (n + 1)`.
#[derive(Clone, Debug)]
pub(super) struct Bones {
    parents: Vec<usize>,
    extras: Vec<(usize, Extra)>,
    manners: Vec<(u8, bool, bool)>,
    pub(super) latency_ms: u32,
}

pub(super) fn bones() -> impl Strategy<Value = Bones> {
    let extra = prop_oneof![
        4 => (0..64_usize).prop_map(Extra::Link),
        1 => Just(Extra::SayThenGo),
        1 => Just(Extra::HangUp),
        1 => Just(Extra::Silence),
        1 => Just(Extra::Invalid),
        1 => Just(Extra::InvalidHangUp),
        1 => Just(Extra::Repeat),
    ];
    (
        proptest::collection::vec(0..64_usize, 0..12),
        proptest::collection::vec((0..64_usize, extra), 0..8),
        proptest::collection::vec((0..8_u8, any::<bool>(), any::<bool>()), 13),
        50..2500_u32,
    )
        .prop_map(|(parents, extras, manners, latency_ms)| Bones {
            parents,
            extras,
            manners,
            latency_ms,
        })
}

/// The menu of some bones. Its first prompt always is a menu.
pub(super) fn flesh(bones: &Bones) -> Vec<Prompt> {
    const SAYS: [&str; 3] = [
        "The harvest fair takes place on the meadow.",
        "Visitors leave their umbrellas with our doorkeeper.",
        "Fresh bread is baked every morning except holidays.",
    ];
    let count = bones.parents.len() + 1;
    let mut keys: Vec<Vec<(String, Does)>> = vec![Vec::new(); count];
    for (n, parent) in bones.parents.iter().enumerate() {
        let of = &mut keys[parent % (n + 1)];
        of.push((name(n + 1), Does::Go(n + 1)));
    }
    let mut said = 0;
    for (i, (at, extra)) in bones.extras.iter().enumerate() {
        let label = |what: &str| format!("{what} {}", NAMES[(3 * i + 1) % 10]);
        let at = at % count;
        keys[at].push(match extra {
            Extra::Link(to) => (label("link"), Does::Go(to % count)),
            Extra::SayThenGo if said >= SAYS.len() => (label("gone"), Does::HangUp),
            Extra::SayThenGo => {
                said += 1;
                (label("news"), Does::SayThenGo(SAYS[said - 1], 0))
            }
            Extra::HangUp => (label("gone"), Does::HangUp),
            Extra::Silence => (label("quiet"), Does::Silence),
            Extra::Invalid => (label("wrong"), Does::Invalid),
            Extra::InvalidHangUp => (label("bad"), Does::InvalidHangUp),
            Extra::Repeat => ("hearing this menu again".to_owned(), Does::Go(at)),
        });
    }
    keys.iter()
        .enumerate()
        .map(|(n, keys)| {
            let greeting = format!("You are at {}.", name(n));
            let options: Vec<(&str, &str, Does)> = keys
                .iter()
                .zip(KEYS)
                .map(|((label, does), key)| (key, label.as_str(), does.clone()))
                .collect();
            let mut prompt = Prompt::menu(&greeting, &options);
            let (timeout, twice, deaf) = bones.manners[n % bones.manners.len()];
            prompt.twice = twice && !options.is_empty();
            prompt.deaf_while_speaking = deaf;
            (prompt.timeout_ms, prompt.timeout) = match timeout {
                0 => (6000, Timeout::HangUp),
                1 => (3500, Timeout::Repeat(30)),
                2 => (60_000, Timeout::Silence),
                3 => (9000, Timeout::Repeat(30)),
                _ => (7000, Timeout::Repeat(3)),
            };
            prompt
        })
        .collect()
}

/// The prompts that can be reached by pressing keys.
fn reachable(prompts: &[Prompt]) -> BTreeSet<String> {
    let (mut texts, mut seen, mut left) = (BTreeSet::new(), BTreeSet::new(), vec![0]);
    while let Some(at) = left.pop() {
        if seen.insert(at) {
            texts.insert(prompts[at].text());
            for does in prompts[at].keys.values() {
                match does {
                    Does::Go(to) => left.push(*to),
                    Does::SayThenGo(says, to) => {
                        texts.insert((*says).to_owned());
                        left.push(*to);
                    }
                    Does::HangUp
                    | Does::Silence
                    | Does::Invalid
                    | Does::InvalidHangUp
                    | Does::Nothing => {}
                }
            }
        }
    }
    texts
}

/// Says how a tree differs from the menu that it should be of.
pub(super) fn difference(prompts: &[Prompt], tree: &Tree) -> Option<String> {
    let found: Vec<String> = tree.nodes().iter().map(|n| n.text()).collect();
    let once: BTreeSet<String> = found.iter().cloned().collect();
    if once.len() != found.len() {
        return Some(format!("a prompt is there twice: {found:#?}"));
    }
    let truth = reachable(prompts);
    if once != truth {
        return Some(format!("found {once:#?}\ninstead of {truth:#?}"));
    }
    let mut children = BTreeMap::new();
    for node in tree.nodes() {
        let Some(prompt) = prompts.iter().find(|p| p.text() == node.text()) else { continue };
        for (keys, does) in &prompt.keys {
            let edge = Keys::try_new(keys).and_then(|k| node.edges.get(&k));
            let leads = |to: &NodeNo| tree.node(*to).map(|n| n.text());
            let right = match (does, edge) {
                (Does::Go(to), Some(Edge::Child(no) | Edge::Link(no))) => {
                    leads(no) == Some(prompts[*to].text())
                }
                (Does::SayThenGo(says, _), Some(Edge::Child(no))) => {
                    leads(no).as_deref() == Some(*says)
                }
                (Does::HangUp, Some(Edge::Dead(why))) => *why == DeadEnd::HungUp,
                (Does::Silence, Some(Edge::Dead(why))) => *why == DeadEnd::Silent,
                (Does::Invalid | Does::InvalidHangUp, Some(Edge::Dead(why))) => {
                    *why == DeadEnd::Invalid
                }
                (Does::Nothing, Some(Edge::Dead(why))) => *why == DeadEnd::NoEffect,
                _ => false,
            };
            if !right {
                return Some(format!("key {keys} of {:?}: {does:?} became {edge:?}", node.text()));
            }
            if let Some(Edge::Child(no)) = edge
                && let Some(other) = children.insert(*no, (node.no, keys.clone()))
            {
                return Some(format!("{no:?} is the child of {other:?} and of {:?}", node.no));
            }
        }
    }
    None
}

fn log(calls: &[Call]) -> String {
    let logs: Vec<String> = calls.iter().map(|c| c.log.join("\n")).collect();
    logs.join("\n-- next call --\n")
}

proptest! {
    #![proptest_config(ProptestConfig {
        // An eighth of what is usual, because each case is a whole crawl; PROPTEST_CASES asks for more.
        cases: ProptestConfig::default().cases / 8,
        max_shrink_iters: 200,
        failure_persistence: None,
        // The same menus each time, so that no change fails for another's sake;
        // PROPTEST_RNG_SEED asks for others.
        rng_seed: match ProptestConfig::default().rng_seed {
            RngSeed::Random => RngSeed::Fixed(2026),
            given => given,
        },
        ..ProptestConfig::default()
     })]

    #[test]
    fn whatever_the_menu_the_tree_is_the_truth(bones in bones()) {
        let prompts = flesh(&bones);
        let (tree, calls) = crawl(&prompts, bones.latency_ms, &Limits::default());
        let complete = calls.last().is_some_and(|c| c.outcome.complete);
        prop_assert!(complete, "incomplete: {tree:#?}\n{}", log(&calls));
        if let Some(difference) = difference(&prompts, &tree) {
            prop_assert!(false, "{difference}\n{}", log(&calls));
        }
    }

    #[test]
    fn a_tree_cut_at_any_moment_grows_to_the_same(bones in bones(), cuts in proptest::collection::vec(0..30_usize, 1..12)) {
        let prompts = flesh(&bones);
        let limits = Limits::default();
        let (mut tree, mut calls, mut barren) = (Tree::default(), Vec::new(), 0);
        let mut cuts = cuts.into_iter();
        while barren < 10 {
            let next = call(Line::new(&prompts, bones.latency_ms), &tree, &limits);
            let kept = cuts.next().unwrap_or(usize::MAX);
            // The program is killed here: what was stored is all that is left.
            for change in next.changes.iter().take(kept) {
                tree.apply(change.clone()).expect("a stored change fits");
            }
            let complete = next.outcome.complete && kept >= next.changes.len();
            barren = if next.outcome.news || kept < next.changes.len() { 0 } else { barren + 1 };
            calls.push(next);
            if complete {
                break;
            }
        }
        if let Some(difference) = difference(&prompts, &tree) {
            prop_assert!(false, "{difference}\n{}", log(&calls));
        }
    }

    #[test]
    fn a_deaf_or_raving_line_is_left_in_time(bones in bones(), deaf in any::<bool>()) {
        let mut prompts = flesh(&bones);
        for prompt in &mut prompts {
            for does in prompt.keys.values_mut() {
                *does = if deaf { Does::Nothing } else { does.clone() };
            }
        }
        let limits = Limits { max_call_ms: 120_000, max_presses: 7, ..Limits::default() };
        // `call` panics when a call does not end or presses what was not offered.
        let (tree, calls) = crawl(&prompts, bones.latency_ms, &limits);
        for call in &calls {
            prop_assert!(call.outcome.presses <= 7);
            prop_assert!(call.lasted_ms <= 160_000, "{}", call.log.join("\n"));
        }
        let truth = reachable(&prompts);
        let texts: Vec<String> = tree.nodes().iter().map(|n| n.text()).collect();
        prop_assert!(texts.iter().all(|t| truth.contains(t)), "{texts:#?}\n{}", log(&calls));
    }
}
