//! A service that is killed at any moment, with the real store on a real disk.

use phoneai_clock::Clock;

use super::{
    line::{Line, Prompt},
    scenarios::two_levels,
};
use crate::{
    crawl::{
        navigator::{Action, Input, Limits, Navigator, Outcome},
        tree::{Edge, Tree},
    },
    store::{
        AfterCall, CallOutcome, CallState, CrawlAnswer, CrawlRequest, New, NewCall, ScanId, Store,
        StoreError, Time,
    },
};

const OWNER: &str = "the service";
const NUMBER: &str = "+12025550123";

/// A life of the service, which ends by itself after so many things that it does.
struct Life {
    left: u64,
}

/// The service was killed.
struct Killed;

impl Life {
    /// One more thing is about to be done.
    fn goes_on(&mut self) -> Result<(), Killed> {
        self.left = self.left.checked_sub(1).ok_or(Killed)?;
        Ok(())
    }
}

/// Makes a call and stores what is learned as a call's task does.
async fn call(
    life: &mut Life,
    store: &Store,
    scan: ScanId,
    prompts: &[Prompt],
) -> Result<Outcome, Killed> {
    let tree = store.load_tree(scan).await.unwrap();
    let mut navigator = Navigator::new(tree, Limits::default());
    let mut line = Line::new(prompts, 600);
    let mut now = 0;
    navigator.handle(now, Input::Answered);
    loop {
        while let Some(action) = navigator.poll_action() {
            life.goes_on()?;
            match action {
                Action::Store(change) => store.apply_change(scan, &change).await.unwrap(),
                Action::Press { keys, .. } => line.press(now, keys.as_str()),
                Action::HangUp(_) => line.gone = true,
                Action::PromptBegan { .. } | Action::PromptOver(_) | Action::Flush => {}
            }
        }
        if let Some(outcome) = navigator.outcome() {
            return Ok(outcome);
        }
        let timeout = navigator.poll_timeout().unwrap();
        match line.next_at() {
            Some(at) if at <= timeout => {
                life.goes_on()?;
                now = now.max(at);
                if let Some(input) = line.step() {
                    navigator.handle(now, input);
                }
            }
            _ => {
                now = now.max(timeout);
                navigator.handle_timeout(now);
            }
        }
    }
}

/// Works off the queue until nothing is due.
async fn work(life: &mut Life, store: &Store, prompts: &[Prompt]) -> Result<(), Killed> {
    loop {
        life.goes_on()?;
        let lease = std::time::Duration::from_secs(60);
        let Some(job) = store.lease_next(OWNER, lease).await.unwrap() else { return Ok(()) };
        life.goes_on()?;
        store.begin_call(&NewCall::of(&job)).await.unwrap();
        life.goes_on()?;
        let outcome = call(life, store, job.scan, prompts).await?;
        life.goes_on()?;
        let outcome = CallOutcome {
            news: outcome.news,
            complete: outcome.complete,
            reason: format!("{:?}", outcome.reason),
            ..CallOutcome::default()
        };
        let at_once = Some(Time(0));
        let after = store.finish_call(&job, &outcome, at_once).await.unwrap();
        assert!(!matches!(after, AfterCall::GivenUp { .. }), "{after:?}");
    }
}

/// The directory's lock is given back when the last connection is closed, which takes a moment.
async fn reopened(directory: &std::path::Path) -> Store {
    loop {
        match Store::open(directory, Clock::real()).await {
            Ok(store) => return store,
            Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A crawl in lives of these lengths and a last one without end: its tree, its calls, and what was
/// done in the last life.
async fn crawl(lives: &[u64]) -> (Tree, usize, u64) {
    let directory = tempfile::tempdir().unwrap();
    let prompts = two_levels();
    let store = Store::open(directory.path(), Clock::real()).await.unwrap();
    let request = CrawlRequest {
        number: NUMBER.to_owned(),
        business_name: None,
        caller_id: None,
        new: New::Fresh,
        asked_by: None,
    };
    let CrawlAnswer::Queued { scan, .. } = store.request_crawl(request).await.unwrap() else {
        panic!("a fresh number is crawled");
    };
    let mut store = store;
    for length in lives {
        let mut life = Life { left: *length };
        // An error is the kill.
        let _ = work(&mut life, &store, &prompts).await;
        drop(store);
        store = reopened(directory.path()).await;
        store.recover(OWNER).await.unwrap();
    }
    let mut last = Life { left: u64::MAX };
    assert!(work(&mut last, &store, &prompts).await.is_ok());
    let calls = store.calls_of(scan).await.unwrap();
    let cut = calls.iter().filter(|call| call.state == CallState::Aborted).count();
    assert!(cut <= lives.len(), "{cut} calls were cut off");
    let tree = store.load_tree(scan).await.unwrap();
    (tree, calls.len(), u64::MAX - last.left)
}

/// The tree without times: each prompt's words and where its keys lead.
fn shape(tree: &Tree) -> Vec<String> {
    let mut prompts: Vec<String> = tree
        .nodes()
        .iter()
        .map(|node| {
            let edges = node.edges.iter().map(|(keys, edge)| {
                let to = match edge {
                    Edge::Child(no) | Edge::Link(no) => {
                        tree.node(*no).map(|n| n.text()).unwrap_or_default()
                    }
                    Edge::Tried(_) | Edge::Dead(_) => {
                        format!("{edge:?}")
                    }
                };
                format!("{keys} {to}")
            });
            format!("{} {:?}", node.text(), edges.collect::<Vec<_>>())
        })
        .collect();
    prompts.sort();
    prompts
}

#[tokio::test]
async fn killed_at_a_hundred_moments_a_scan_goes_on_and_repeats_one_call_at_most() {
    let (whole, calls, length) = crawl(&[]).await;
    assert_eq!((whole.nodes().len(), calls), (5, 4));
    // The seed says which moments; the same each time, so that no change fails for another's sake.
    let seed = std::env::var("PHONEAI_TEST_SEED").ok().and_then(|s| s.parse().ok());
    let mut state: u64 = seed.unwrap_or(2026);
    println!("PHONEAI_TEST_SEED={state}");
    for _ in 0..100 {
        // Knuth's MMIX generator.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = (state >> 33) % length;
        let (tree, killed_calls, _) = crawl(&[moment]).await;
        assert_eq!(shape(&tree), shape(&whole), "killed after {moment} of {length} things");
        assert!(
            killed_calls <= calls + 1,
            "killed after {moment} of {length} things it took {killed_calls} calls, not {calls}"
        );
    }
}

#[tokio::test]
async fn killed_again_and_again_a_scan_still_ends_with_the_whole_tree() {
    let (whole, calls, _) = crawl(&[]).await;
    let lives = [40, 55, 70, 85, 100, 60];
    let (tree, killed_calls, _) = crawl(&lives).await;
    assert_eq!(shape(&tree), shape(&whole));
    assert!(killed_calls <= calls + lives.len(), "{killed_calls}");
}
