//! Several calls at a time to random menus, interleaved in virtual time, with one plan.

use std::collections::BTreeSet;

use proptest::{prelude::*, test_runner::RngSeed};

use super::{
    line::{Line, Prompt},
    random::{bones, difference, flesh},
};
use crate::{
    crawl::{
        navigator::{Action, Goal, Input, Limits, Navigator},
        plan::{Plan, Seat},
        tree::{Change, Edge, Keys, Tree},
    },
    speech::CallMs,
};

/// A call that is under way; its clock began at `began` of the clock of all.
struct Running<'a> {
    line: Line<'a>,
    seat: Seat,
    navigator: Navigator,
    began: u64,
    now: CallMs,
}

/// What a crawl with several calls at a time brought.
struct Crawl {
    plan: Plan,
    /// Everything that was to be stored, in its order.
    stored: Vec<Change>,
    calls: usize,
    most_at_once: usize,
    lasted_ms: u64,
}

/// Crawls with up to `most` calls at a time. Panics when two calls want to do the same.
fn crawl(prompts: &[Prompt], latency_ms: CallMs, most: usize, limits: &Limits) -> Crawl {
    let mut all = Crawl {
        plan: Plan::new(Tree::default(), limits.clone()),
        stored: Vec::new(),
        calls: 0,
        most_at_once: 0,
        lasted_ms: 0,
    };
    let mut running: Vec<Running> = Vec::new();
    for _ in 0..2_000_000 {
        while running.len() < most
            && all.calls < 400
            && (all.plan.free_goals() > 0 || (running.is_empty() && !all.plan.is_complete()))
        {
            let (seat, navigator) = all.plan.join(limits.clone());
            let line = Line::new(prompts, latency_ms);
            let mut call = Running { line, seat, navigator, began: all.lasted_ms, now: 0 };
            all.calls += 1;
            decide(&mut all, &mut call, |navigator| navigator.handle(0, Input::Answered));
            running.push(call);
        }
        all.most_at_once = all.most_at_once.max(running.len());
        // The call at which something happens next.
        let due = |call: &Running| {
            let timeout = call.navigator.poll_timeout().unwrap_or(call.now);
            call.began + u64::from(call.line.next_at().map_or(timeout, |at| at.min(timeout)))
        };
        let Some(next) = (0..running.len()).min_by_key(|i| due(&running[*i])) else { return all };
        all.lasted_ms = all.lasted_ms.max(due(&running[next]));
        step(&mut all, &mut running[next]);
        if running[next].navigator.outcome().is_some() {
            all.plan.leave(running.remove(next).seat);
        }
    }
    panic!("the crawl does not end");
}

/// Lets the next thing happen in one call.
fn step(all: &mut Crawl, call: &mut Running) {
    let Some(timeout) = call.navigator.poll_timeout() else { return };
    match call.line.next_at() {
        Some(at) if at <= timeout => {
            call.now = call.now.max(at);
            if let Some(input) = call.line.step() {
                let now = call.now;
                decide(all, call, |navigator| navigator.handle(now, input));
            }
        }
        _ => {
            call.now = call.now.max(timeout);
            let now = call.now;
            decide(all, call, |navigator| navigator.handle_timeout(now));
        }
    }
}

fn decide(all: &mut Crawl, call: &mut Running, happens: impl FnOnce(&mut Navigator)) {
    for (action, place) in all.plan.decide(call.seat, &mut call.navigator, happens) {
        match action {
            Action::Store(change) => {
                let place = place.expect("what is stored has a place");
                assert!(all.plan.is_turn(place));
                all.plan.written(place);
                all.stored.push(change);
            }
            Action::Press { keys, .. } => call.line.press(call.now, keys.as_str()),
            Action::HangUp(_) => call.line.gone = true,
            Action::PromptBegan { .. } | Action::PromptOver(_) | Action::Flush => {}
        }
    }
    if let Some(goal) = call.navigator.goal() {
        let others = all.plan.taken(call.seat);
        assert!(!others.contains(&goal), "two calls are about to do {goal:?}");
    }
    assert_eq!(call.navigator.tree(), all.plan.tree(), "every call knows what all know");
}

/// How often each key was pressed to learn where it leads, by what was stored of it.
fn explored_twice(stored: &[Change]) -> Option<(u32, Keys)> {
    let mut seen = BTreeSet::new();
    stored.iter().find_map(|change| match change {
        Change::Edge { from, keys, edge: Edge::Child(_) | Edge::Link(_) | Edge::Dead(_) } => {
            (!seen.insert((*from, keys.clone()))).then(|| (from.0, keys.clone()))
        }
        Change::Edge { .. } | Change::Node(_) | Change::Heard(_) => None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 8,
        max_shrink_iters: 200,
        failure_persistence: None,
        rng_seed: match ProptestConfig::default().rng_seed {
            RngSeed::Random => RngSeed::Fixed(2027),
            given => given,
        },
        ..ProptestConfig::default()
    })]

    #[test]
    fn several_calls_at_once_find_the_tree_and_explore_no_key_twice(
        bones in bones(),
        most in 2..6_usize,
    ) {
        let prompts = flesh(&bones);
        let all = crawl(&prompts, bones.latency_ms, most, &Limits::default());
        prop_assert!(all.plan.is_complete());
        if let Some(difference) = difference(&prompts, all.plan.tree()) {
            prop_assert!(false, "{difference}");
        }
        prop_assert_eq!(explored_twice(&all.stored), None);
        // What is stored, in its order, is what is known.
        let mut stored = Tree::default();
        for change in all.stored {
            prop_assert!(stored.apply(change).is_ok());
        }
        prop_assert_eq!(&stored, all.plan.tree());
    }
}

#[test]
fn four_calls_at_once_take_less_than_half_the_time_of_one() {
    let prompts = super::scenarios::synthetic(60);
    let one = crawl(&prompts, 600, 1, &Limits::default());
    let four = crawl(&prompts, 600, 4, &Limits::default());
    assert_eq!((one.most_at_once, four.most_at_once), (1, 4));
    assert_eq!(one.plan.tree().nodes().len(), four.plan.tree().nodes().len());
    assert!(four.lasted_ms * 2 < one.lasted_ms, "{} {}", four.lasted_ms, one.lasted_ms);
    assert_eq!(four.calls, one.calls, "no call is made for nothing");
}

#[test]
fn what_a_call_had_reserved_is_free_when_it_ends_and_nobody_waits_for_what_it_did_not_store() {
    let prompts = super::scenarios::two_levels();
    let limits = Limits::default();
    let known = super::line::call(Line::new(&prompts, 600), &Tree::default(), &limits).tree;
    let mut plan = Plan::new(known, limits.clone());
    let open = plan.free_goals();
    let (first, mut one) = plan.join(limits.clone());
    assert_eq!(plan.free_goals(), open - 1, "who has not decided yet will find one");
    plan.decide(first, &mut one, |navigator| navigator.handle(0, Input::Answered));
    let goal = one.goal().expect("something to explore");
    assert!(matches!(goal, Goal::Explore(_)));
    let (second, mut two) = plan.join(limits);
    plan.decide(second, &mut two, |navigator| navigator.handle(0, Input::Answered));
    assert_ne!(two.goal(), Some(goal.clone()));
    assert!(plan.taken(second).contains(&goal));
    // The first learns something, and is cut off before it is on disk.
    let actions = plan.decide(first, &mut one, |navigator| {
        navigator.handle_timeout(30_000);
    });
    let place = actions.iter().find_map(|(_, place)| *place).expect("something to store");
    assert!(plan.is_turn(place) && !plan.is_turn(place + 1));
    plan.leave(first);
    assert!(plan.is_turn(place + 1), "nobody waits for it");
    assert!(!plan.taken(second).contains(&goal));
}
