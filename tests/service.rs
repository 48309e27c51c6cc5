//! The whole service when something goes wrong, over real sockets with a simulated carrier: numbers
//! that do not answer, a stop and a kill in the middle of a call, a trunk that is away, ports and
//! directories that cannot be had, rubbish from the network, and what the log says of it all.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{future::Future, path::Path, sync::Arc, time::Duration};

use phoneai::{
    config::Config,
    simulator::{Business, Menus},
    speech::{Engine, scripted::Scripted},
    store::{CallRecord, CallState, ScanId, Store},
};
use phoneai_clock::Clock;
use support::{Rehearsal, Stage, TWO_WAYS, ear, scan_ended, two_ways};

/// So much faster than life are calls with audio.
const PACE: u32 = 3;
/// And those in which nothing is said.
const FAST: u32 = 10;

/// What takes longer in real time will never end.
const LIMIT: Duration = Duration::from_secs(120);

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| panic!("not within {limit:?}"))
}

/// A recogniser that never hears a word.
fn deaf() -> Arc<dyn Engine> {
    Arc::new(Scripted::phrases(0, |_| Vec::new()))
}

fn samples() -> Stage {
    Stage::new(Menus::samples().expect("good samples"), deaf())
}

/// A carrier with the menu of [`two_ways`], described below `data`, and who recognises it.
fn small_stage(data: &Path) -> (Stage, Arc<Business>) {
    let (menus, business) = two_ways(&data.join("menus"));
    let engine = ear::engine(&business);
    (Stage::new(menus, engine), business)
}

/// No long pauses: neither at the end of a prompt nor between calls.
fn hasty(config: &mut Config) {
    config.crawl.silence_ms = 2_000;
    config.crawl.retry_first_seconds = 1;
}

/// The tree that is stored for a number and what is wrong with it.
async fn differences(store: &Store, number: &str, business: &Business) -> Vec<String> {
    let id = store.number(number).await.unwrap().expect("the number").id;
    let Some(found) = store.newest_tree(id).await.unwrap() else { return vec!["none".into()] };
    let tree = store.load_tree(found.scan.id).await.unwrap();
    business.truth().differences(&tree).iter().map(ToString::to_string).collect()
}

/// The only scan's calls, oldest first.
async fn calls(store: &Store) -> Vec<CallRecord> {
    store.calls_of(ScanId(1)).await.unwrap()
}

/// The only scan as `GET /api/scan/` shows it.
async fn shown_scan(rehearsal: &Rehearsal) -> serde_json::Value {
    let page = rehearsal.api("/api/scan/?limit=3").await;
    assert_eq!(page["count"], 1, "{page}");
    page["results"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_menu_is_crawled_to_the_exact_tree() {
    let data = tempfile::tempdir().unwrap();
    let (stage, business) = small_stage(data.path());
    let rehearsal = Rehearsal::on(stage, data.path(), Clock::fast(PACE), hasty).await;
    let mut live = rehearsal.service.live().watch();
    within(LIMIT, rehearsal.crawl(TWO_WAYS)).await;
    let (complete, reason) = within(LIMIT, scan_ended(&mut live)).await;
    assert!(complete, "{reason}");
    let store = rehearsal.service.store();
    assert_eq!(differences(store, TWO_WAYS, &business).await, Vec::<String>::new());
    assert_eq!(calls(store).await.len(), 2);
    within(LIMIT, rehearsal.end()).await;
}

/// Crawls a number without a menu until its scan is given up after two calls, and gives their
/// records.
async fn given_up(number: &str) -> Vec<CallRecord> {
    let data = tempfile::tempdir().unwrap();
    let patience = |config: &mut Config| {
        config.crawl.max_attempt = 2;
        config.crawl.retry_first_seconds = 4;
        config.crawl.no_speech_ms = 3_000;
    };
    let rehearsal = Rehearsal::on(samples(), data.path(), Clock::fast(FAST), patience).await;
    let mut live = rehearsal.service.live().watch();
    within(LIMIT, rehearsal.crawl(number)).await;
    let (complete, reason) = within(LIMIT, scan_ended(&mut live)).await;
    assert!(!complete, "{reason}");
    assert!(reason.starts_with("2 calls in a row brought nothing new: "), "{reason}");
    let shown = shown_scan(&rehearsal).await;
    assert_eq!((&shown["status"], &shown["attempt"]), (&"Failed".into(), &2.into()), "{shown}");
    assert_eq!(shown["completed"], "False");
    let calls = calls(rehearsal.service.store()).await;
    assert_eq!((calls.len(), rehearsal.carrier.stats().calls), (2, 2), "{calls:?}");
    let pause = calls[1].started_at.since(calls[0].ended_at.expect("an end"));
    // Up to a quarter is taken off, so that numbers that failed together do not come back together.
    assert!(pause >= Duration::from_secs(3), "called again after {pause:?}");
    within(LIMIT, rehearsal.end()).await;
    calls
}

/// The status and the reason of each call.
fn ends(calls: &[CallRecord]) -> Vec<(CallState, Option<u16>, &str)> {
    let end = |call: &CallRecord| (call.state, call.sip_status);
    calls.iter().map(|call| (end(call).0, end(call).1, call.reason.as_deref().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_number_is_called_again_later_and_then_given_up() {
    let calls = given_up("+12025550190").await;
    assert_eq!(ends(&calls), [(CallState::Failed, Some(486), "486 Busy Here"); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_number_is_called_again_later_and_then_given_up() {
    let calls = given_up("+12025550191").await;
    assert_eq!(ends(&calls), [(CallState::Failed, Some(503), "503 Service Unavailable"); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_number_is_called_again_later_and_then_given_up() {
    let calls = given_up("+12025550194").await;
    assert_eq!(ends(&calls), [(CallState::Failed, Some(404), "404 Not Found"); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_nobody_answers_is_called_again_later_and_then_given_up() {
    let calls = given_up("+12025550192").await;
    assert_eq!(ends(&calls), [(CallState::Failed, None, "nobody answered"); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_number_is_called_again_later_and_then_given_up() {
    let calls = given_up("+12025550193").await;
    assert_eq!(ends(&calls), [(CallState::Ended, None, "nothing was said"); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_hangs_up_at_once_is_called_again_later_and_then_given_up() {
    let calls = given_up("+12025550195").await;
    assert_eq!(ends(&calls), [(CallState::Ended, None, "the line hung up"); 2]);
}
