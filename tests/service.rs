//! The whole service when something goes wrong, over real sockets with a simulated carrier: numbers
//! that do not answer, a stop and a kill in the middle of a call, a trunk that is away, ports and
//! directories that cannot be had, rubbish from the network, and what the log says of it all.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    future::Future,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use phoneai::{
    calls::live::What,
    config::Config,
    simulator::{Business, Menus, Simulator},
    speech::{
        CallMs, Engine, Listening, SpeechError, SpeechEvent, Transcriber, scripted::Scripted,
    },
    store::{CallRecord, CallState, ScanId, ScanStatus, Store},
};
use phoneai_clock::Clock;
use support::{Rehearsal, Stage, TWO_WAYS, ear, event, scan_ended, two_ways};
use tokio::sync::{Notify, mpsc};

/// So much faster than life are calls with audio.
const PACE: u32 = 3;
/// And those in which nothing is said.
const FAST: u32 = 10;

/// A service whose calls can be hung up ends within this real time.
const SOON: Duration = Duration::from_secs(3);
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

/// Until the carrier says that so many calls are over.
async fn hung_up(carrier: &Simulator, calls: u64) {
    while carrier.stats().ended < calls {
        tokio::task::yield_now().await;
    }
}

fn answered(what: &What) -> Option<()> {
    matches!(what, What::Answered).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_a_call_hangs_up_and_the_next_start_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::fast(PACE);
    // The call that is cut off must not count as one that the number could have used.
    let once = |config: &mut Config| {
        hasty(config);
        config.crawl.max_attempt = 1;
    };
    let (stage, business) = small_stage(data.path());
    let rehearsal = Rehearsal::on(stage, data.path(), clock, once).await;
    let mut live = rehearsal.service.live().watch();
    within(LIMIT, rehearsal.crawl(TWO_WAYS)).await;
    within(LIMIT, event(&mut live, answered)).await;
    let Rehearsal { carrier, service, token: _ } = rehearsal;
    within(SOON, service.shutdown()).await;
    within(SOON, hung_up(&carrier, 1)).await;

    let store = Store::open(data.path(), clock).await.unwrap();
    let scan = store.scan(ScanId(1)).await.unwrap().unwrap();
    assert_eq!((scan.status, scan.completed), (ScanStatus::Processed, false));
    let records = calls(&store).await;
    assert_eq!(ends(&records), [(CallState::Ended, None, "the service stops")]);
    assert!(store.next_due().await.unwrap().expect("a call is due") <= store.now());
    store.close().await;
    drop(carrier);

    let (stage, _) = small_stage(data.path());
    let rehearsal = Rehearsal::on(stage, data.path(), clock, once).await;
    let mut live = rehearsal.service.live().watch();
    let (complete, reason) = within(LIMIT, scan_ended(&mut live)).await;
    assert!(complete, "{reason}");
    let store = rehearsal.service.store();
    assert_eq!(differences(store, TWO_WAYS, &business).await, Vec::<String>::new());
    within(LIMIT, rehearsal.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_it_rings_takes_the_call_back() {
    let data = tempfile::tempdir().unwrap();
    let once = |config: &mut Config| config.crawl.max_attempt = 1;
    let rehearsal = Rehearsal::on(samples(), data.path(), Clock::fast(PACE), once).await;
    let mut live = rehearsal.service.live().watch();
    within(LIMIT, rehearsal.crawl("+12025550192")).await;
    let rings = |what: &What| matches!(what, What::Progress { status: 180 }).then_some(());
    within(LIMIT, event(&mut live, rings)).await;
    let Rehearsal { carrier, service, token: _ } = rehearsal;
    let store = service.store().clone();
    within(SOON, service.shutdown()).await;
    within(SOON, hung_up(&carrier, 1)).await;
    drop(store);
    let store = Store::open(data.path(), Clock::real()).await.unwrap();
    assert_eq!(ends(&calls(&store).await), [(CallState::Failed, None, "the service stops")]);
    let scan = store.scan(ScanId(1)).await.unwrap().unwrap();
    assert_eq!(scan.status, ScanStatus::Processed, "it was not given up");
}

/// A recogniser that never says that it is done. `finished` is told when a call waits for that.
#[derive(Default)]
struct Stuck {
    open: Mutex<Vec<mpsc::Sender<SpeechEvent>>>,
    finished: Arc<Notify>,
}

impl Engine for Stuck {
    fn open(&self, _call: &str) -> Result<Listening, SpeechError> {
        let (sender, events) = mpsc::channel(1);
        self.open.lock().unwrap().push(sender);
        Ok(Listening { ear: Box::new(StuckEar(self.finished.clone())), events })
    }
}

struct StuckEar(Arc<Notify>);

impl Transcriber for StuckEar {
    fn push(&mut self, _at_ms: CallMs, _samples: &[i16]) {}

    fn flush(&mut self) {}

    fn finish(self: Box<Self>) {
        self.0.notify_one();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_the_words_of_a_call_that_is_over() {
    let data = tempfile::tempdir().unwrap();
    let engine = Arc::new(Stuck::default());
    let stage = Stage::new(Menus::samples().expect("good samples"), engine.clone());
    let rehearsal = Rehearsal::on(stage, data.path(), Clock::real(), |_| {}).await;
    within(LIMIT, rehearsal.crawl("+12025550195")).await;
    within(LIMIT, engine.finished.notified()).await;
    let Rehearsal { carrier, service, token: _ } = rehearsal;
    within(SOON, service.shutdown()).await;
    carrier.shutdown().await;
    let store = Store::open(data.path(), Clock::real()).await.unwrap();
    assert_eq!(ends(&calls(&store).await), [(CallState::Ended, None, "the line hung up")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_long_for_a_trunk_that_is_gone() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::fast(PACE);
    // Takes everything and says nothing.
    let trunk = std::net::UdpSocket::bind(support::LOOPBACK).unwrap();
    let mut config = support::config(data.path(), trunk.local_addr().unwrap());
    config.trunk.as_mut().unwrap().register = false;
    let service = phoneai::service::start(config, deaf(), clock).await.unwrap();
    let token = service.store().create_token("test", false).await.unwrap();
    let carrier = support::carrier(support::LOOPBACK, samples().menus, clock).await;
    let rehearsal = Rehearsal { carrier, service, token };
    let mut live = rehearsal.service.live().watch();
    within(LIMIT, rehearsal.crawl("+12025550101")).await;
    let dialling = |what: &What| matches!(what, What::Dialling).then_some(());
    within(LIMIT, event(&mut live, dialling)).await;
    let began = clock.now();
    within(LIMIT, rehearsal.service.shutdown()).await;
    let took = clock.now() - began;
    assert!(took < Duration::from_secs(12), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_asked_for_while_the_trunk_is_away_is_called_when_it_is_back() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::fast(FAST);
    let place = std::net::UdpSocket::bind(support::LOOPBACK).unwrap();
    let trunk = place.local_addr().unwrap();
    let mut config = support::config(data.path(), trunk);
    config.crawl.max_attempt = 1;
    let service = phoneai::service::start(config, deaf(), clock).await.unwrap();
    let token = service.store().create_token("test", false).await.unwrap();
    let elsewhere = support::carrier(support::LOOPBACK, samples().menus, clock).await;
    let rehearsal = Rehearsal { carrier: elsewhere, service, token };
    let mut live = rehearsal.service.live().watch();
    let answer = rehearsal.api("/api/makecall/?number=%2B12025550190").await;
    assert_eq!(answer["status"], "fail");
    assert_eq!(answer["message"], "Switch Connection error");
    let due = rehearsal.service.store().next_due().await.unwrap();
    assert!(due.is_some(), "the scan waits for the trunk");
    drop(place);
    let back = support::carrier(trunk, samples().menus, clock).await;
    within(LIMIT, scan_ended(&mut live)).await;
    // Calls while there was no trunk would have been counted.
    let calls = calls(rehearsal.service.store()).await;
    assert_eq!(ends(&calls), [(CallState::Failed, Some(486), "486 Busy Here")]);
    assert_eq!(back.stats().calls, 1);
    within(LIMIT, rehearsal.end()).await;
    back.shutdown().await;
}
