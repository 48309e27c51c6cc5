//! The whole service when something goes wrong, over real sockets with a simulated carrier: numbers
//! that do not answer, a stop and a kill in the middle of a call, a trunk that is away, ports and
//! directories that cannot be had, rubbish from the network, and what the log says of it all.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    future::Future,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use phoneai::{
    calls::live::What,
    config::{self, Config, LogFormat},
    crawl::tree::Tree,
    simulator::{Business, Menus, Simulator},
    speech::{
        CallMs, Engine, Listening, SpeechError, SpeechEvent, Transcriber, scripted::Scripted,
    },
    store::{CallRecord, CallState, CrawlRequest, New, ScanId, ScanStatus, Store},
};
use phoneai_clock::Clock;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use support::{Rehearsal, Stage, TWO_WAYS, ear, event, scan_ended, two_ways};
use tokio::sync::{Notify, mpsc};

/// So much faster than life are calls with audio.
const PACE: u32 = 3;
/// And those in which nothing is said.
const FAST: u32 = 10;

/// A service whose calls can be hung up ends within this real time.
const SOON: Duration = Duration::from_secs(5);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_hangs_up_calls_that_serve_no_scan_and_keeps_their_records() {
    let data = tempfile::tempdir().unwrap();
    let not_registered = |config: &mut Config| config.trunk.as_mut().unwrap().register = false;
    let clock = Clock::fast(PACE);
    let rehearsal = Rehearsal::on(samples(), data.path(), clock, not_registered).await;
    let mut live = rehearsal.service.live().watch();
    let number = serde_json::json!({ "number": "+12025550193" });
    let placed = within(LIMIT, rehearsal.post("/api/v2/calls", &number)).await;
    let id = placed["id"].as_str().unwrap_or_else(|| panic!("{placed}")).parse().unwrap();
    within(LIMIT, event(&mut live, answered)).await;
    let Rehearsal { carrier, service, token: _ } = rehearsal;
    within(SOON, service.shutdown()).await;
    within(SOON, hung_up(&carrier, 1)).await;
    let store = Store::open(data.path(), clock).await.unwrap();
    let call = store.call(id).await.unwrap().expect("its record");
    assert_eq!(ends(&[call]), [(CallState::Ended, None, "the service stops")]);
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
async fn numbers_are_called_when_the_trunk_is_there_and_not_before() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::fast(FAST);
    // Left over from an earlier life.
    let store = Store::open(data.path(), clock).await.unwrap().with_max_attempt(1);
    let left_over = CrawlRequest {
        number: "+12025550190".into(),
        business_name: None,
        caller_id: None,
        new: New::Fresh,
        asked_by: None,
    };
    store.request_crawl(left_over).await.unwrap();
    store.close().await;
    let place = tokio::net::UdpSocket::bind(support::LOOPBACK).await.unwrap();
    let trunk = place.local_addr().unwrap();
    let mut config = support::config(data.path(), trunk);
    config.crawl.max_attempt = 1;
    let service = phoneai::service::start(config, deaf(), clock).await.unwrap();
    let token = service.store().create_token("test", false).await.unwrap();
    let elsewhere = support::carrier(support::LOOPBACK, samples().menus, clock).await;
    let rehearsal = Rehearsal { carrier: elsewhere, service, token };
    let mut live = rehearsal.service.live().watch();
    let answer = rehearsal.api("/api/makecall/?number=%2B12025550194").await;
    assert_eq!(answer["status"], "fail");
    assert_eq!(answer["message"], "Switch Connection error");
    let mut datagram = vec![0; 4096];
    for _ in 0..4 {
        let (length, _) = within(LIMIT, place.recv_from(&mut datagram)).await.unwrap();
        let text = String::from_utf8_lossy(&datagram[..length]);
        assert!(text.starts_with("REGISTER "), "called without a trunk: {text}");
    }
    drop(place);
    let back = support::carrier(trunk, samples().menus, clock).await;
    within(LIMIT, scan_ended(&mut live)).await;
    within(LIMIT, scan_ended(&mut live)).await;
    let store = rehearsal.service.store();
    let busy = store.calls_of(ScanId(1)).await.unwrap();
    assert_eq!(ends(&busy), [(CallState::Failed, Some(486), "486 Busy Here")]);
    let unknown = store.calls_of(ScanId(2)).await.unwrap();
    assert_eq!(ends(&unknown), [(CallState::Failed, Some(404), "404 Not Found")]);
    assert_eq!(back.stats().calls, 2);
    within(LIMIT, rehearsal.end()).await;
    back.shutdown().await;
}

/// Why a service with this configuration does not start.
async fn refused(data: &Path, change: impl FnOnce(&mut Config)) -> String {
    let mut config = support::config(data, support::LOOPBACK);
    config.trunk = None;
    change(&mut config);
    match phoneai::service::start(config, deaf(), Clock::real()).await {
        Ok(_) => panic!("it starts"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_busy_port_is_named_with_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind(support::LOOPBACK).unwrap();
    let address = taken.local_addr().unwrap();
    let text = refused(data.path(), |config| config.api.listen = address).await;
    let start = format!("api.listen: cannot listen on {address}: ");
    assert!(text.starts_with(&start) && text.contains("set another port"), "{text}");

    let taken = std::net::UdpSocket::bind(support::LOOPBACK).unwrap();
    let address = taken.local_addr().unwrap();
    let text = refused(data.path(), |config| config.sip.listen = address).await;
    let start = format!("sip.listen: UDP port {address} is in use by another program");
    assert!(text.starts_with(&start) && text.contains("choose another port"), "{text}");

    let elsewhere = "192.0.2.1:0".parse().unwrap();
    let text = refused(data.path(), |config| config.sip.listen = elsewhere).await;
    assert!(
        text.starts_with("sip.listen: 192.0.2.1:0 is not an address of this machine"),
        "{text}"
    );
    let text = refused(data.path(), |config| config.api.listen = elsewhere).await;
    assert!(text.starts_with("api.listen: cannot listen on 192.0.2.1:0"), "{text}");
    // Nothing of the failed starts is left.
    let config = support::config(data.path(), address);
    let service = phoneai::service::start(config, deaf(), Clock::real()).await.unwrap();
    within(LIMIT, service.shutdown()).await;
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_is_named_with_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    for dir in [file.clone(), file.join("below")] {
        let text = refused(&dir, |_| {}).await;
        let start = format!("cannot use the data directory {}: ", dir.display());
        assert!(text.starts_with(&start) && text.contains("check that it exists"), "{text}");
    }
    let damaged = data.path().join("damaged");
    std::fs::create_dir(&damaged).unwrap();
    std::fs::write(damaged.join("phoneai.db"), "no database".repeat(1_000)).unwrap();
    let text = refused(&damaged, |_| {}).await;
    assert!(text.starts_with("the database is damaged: "), "{text}");
    assert!(text.contains("restore a backup"), "{text}");
    let used = data.path().join("used");
    let _other = Store::open(&used, Clock::real()).await.unwrap();
    let text = refused(&used, |_| {}).await;
    assert!(text.contains("is in use by another phoneai"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_recorded_goes_on_and_its_tree_is_stored() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("recordings"), "not a directory").unwrap();
    let (stage, business) = small_stage(data.path());
    let rehearsal = Rehearsal::on(stage, data.path(), Clock::fast(PACE), hasty).await;
    let mut live = rehearsal.service.live().watch();
    within(LIMIT, rehearsal.crawl(TWO_WAYS)).await;
    let (complete, reason) = within(LIMIT, scan_ended(&mut live)).await;
    assert!(complete, "{reason}");
    let store = rehearsal.service.store();
    assert_eq!(differences(store, TWO_WAYS, &business).await, Vec::<String>::new());
    within(LIMIT, rehearsal.end()).await;
}

/// Ports for the audio of [`rubbish_from_the_network_disturbs_no_call`], on an address that no
/// other test uses.
const RUBBISH_PORTS: std::ops::RangeInclusive<u16> = 30_000..=30_007;
/// Datagrams for SIP, and as many for the audio.
const RUBBISH: usize = 3_000;

/// A datagram that is nothing, or almost a SIP message, or almost an RTP packet.
fn rubbish(random: &mut StdRng) -> Vec<u8> {
    const SIP: &str = "INVITE sip:x@127.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.3;branch=z9hG4bKx\r\n\
        From: <sip:a@127.0.0.3>;tag=1\r\nTo: <sip:x@127.0.0.2>\r\nCall-ID: rubbish\r\nCSeq: 1 INVITE\r\n\
        Content-Length: 999999999999\r\n\r\nv=0";
    let mut bytes = match random.random_range(0..3) {
        0 => (0..random.random_range(0..400)).map(|_| random.random()).collect(),
        1 => SIP.as_bytes().to_vec(),
        _ => [[0x80, 0, 0, 1].as_slice(), &[random.random::<u8>(); 168]].concat(),
    };
    for _ in 0..random.random_range(0..4) {
        let length = bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(random.random_range(0..length)) {
            *byte = random.random();
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_from_the_network_disturbs_no_call() {
    let data = tempfile::tempdir().unwrap();
    let (stage, business) = small_stage(data.path());
    let here: std::net::IpAddr = "127.0.0.2".parse().unwrap();
    let apart = |config: &mut Config| {
        hasty(config);
        config.sip.listen = (here, 0).into();
        config.media.bind = Some(here);
        config.media.port_min = *RUBBISH_PORTS.start();
        config.media.port_max = *RUBBISH_PORTS.end();
    };
    let rehearsal = Rehearsal::on(stage, data.path(), Clock::fast(PACE), apart).await;
    let mut live = rehearsal.service.live().watch();
    within(LIMIT, rehearsal.crawl(TWO_WAYS)).await;
    let words = |what: &What| matches!(what, What::Words { .. }).then_some(());
    within(LIMIT, event(&mut live, words)).await;
    let stranger = tokio::net::UdpSocket::bind("127.0.0.3:0").await.unwrap();
    let mut random = StdRng::seed_from_u64(2);
    for n in 0..RUBBISH {
        let sip = rehearsal.service.sip_addr();
        stranger.send_to(&rubbish(&mut random), sip).await.unwrap();
        let ports = u16::try_from(n % RUBBISH_PORTS.len()).unwrap();
        let audio = (here, RUBBISH_PORTS.start() + ports);
        // A port that is closed by now is no error of ours.
        let _ = stranger.send_to(&rubbish(&mut random), audio).await;
        tokio::task::yield_now().await;
    }
    let (complete, reason) = within(LIMIT, scan_ended(&mut live)).await;
    assert!(complete, "{reason}");
    let store = rehearsal.service.store();
    assert_eq!(differences(store, TWO_WAYS, &business).await, Vec::<String>::new());
    assert_eq!(calls(store).await.len(), 2);
    within(LIMIT, rehearsal.end()).await;
}

/// Tells this program that it is the child of a test, and where to keep its data.
const DIRECTORY: &str = "PHONEAI_TEST_SERVICE_DIRECTORY";
/// How the child logs.
const FORMAT: &str = "PHONEAI_TEST_SERVICE_LOG_FORMAT";

fn child(test: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(DIRECTORY, directory).stdin(Stdio::null());
    command
}

/// Not a test of its own: the process that is killed. Says when a call has gone on from a prompt
/// that is stored.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_crawls_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let (stage, _) = small_stage(&directory);
    let rehearsal = Rehearsal::on(stage, &directory, Clock::fast(PACE), hasty).await;
    let mut live = rehearsal.service.live().watch();
    within(LIMIT, rehearsal.crawl(TWO_WAYS)).await;
    let pressed = |what: &What| matches!(what, What::Pressed { .. }).then_some(());
    within(LIMIT, event(&mut live, pressed)).await;
    println!("\npressed");
    within(LIMIT, scan_ended(&mut live)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_killed_during_a_call_goes_on_where_it_was() {
    let data = tempfile::tempdir().unwrap();
    let mut child = child("child_that_crawls_until_it_is_killed", data.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let killed = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let pressed = lines.any(|line| line == "pressed");
        // SIGKILL: it gets no chance to tidy up.
        child.kill().unwrap();
        child.wait().unwrap();
        pressed
    });
    assert!(within(LIMIT, killed).await.unwrap(), "the child ended by itself");

    let clock = Clock::fast(PACE);
    let store = Store::open(data.path(), clock).await.unwrap();
    let known = store.load_tree(ScanId(1)).await.unwrap();
    assert!(!known.nodes().is_empty(), "what was stored is there");
    assert_eq!(calls(&store).await.len(), 1);
    store.close().await;

    let (stage, business) = small_stage(data.path());
    let rehearsal = Rehearsal::on(stage, data.path(), clock, hasty).await;
    let mut live = rehearsal.service.live().watch();
    let (complete, reason) = within(LIMIT, scan_ended(&mut live)).await;
    assert!(complete, "{reason}");
    let store = rehearsal.service.store();
    assert_eq!(differences(store, TWO_WAYS, &business).await, Vec::<String>::new());
    let tree = store.load_tree(ScanId(1)).await.unwrap();
    let first = |tree: &Tree| tree.nodes()[0].transcripts.clone();
    assert_eq!(first(&tree)[0], first(&known)[0], "it was not begun anew");
    let calls = calls(store).await;
    assert_eq!(calls[0].state, CallState::Aborted);
    assert!(calls[1..].iter().all(|call| call.state == CallState::Ended), "{calls:?}");
    within(LIMIT, rehearsal.end()).await;
}

/// Not a test of its own: logs all there is to log of a whole crawl.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_logs_everything_of_a_crawl() {
    let (Some(directory), Ok(format)) = (std::env::var_os(DIRECTORY), std::env::var(FORMAT)) else {
        return;
    };
    let format = if format == "json" { LogFormat::Json } else { LogFormat::Text };
    let log = config::Log { level: "trace".into(), format, redact_numbers: true };
    phoneai::log::init(&log).unwrap();
    let directory = PathBuf::from(directory);
    let (stage, _) = small_stage(&directory);
    let rehearsal = Rehearsal::on(stage, &directory, Clock::fast(PACE), hasty).await;
    let mut live = rehearsal.service.live().watch();
    within(LIMIT, rehearsal.crawl(TWO_WAYS)).await;
    within(LIMIT, scan_ended(&mut live)).await;
    within(LIMIT, rehearsal.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_of_a_crawl_has_the_trunk_password_or_a_number() {
    for format in ["text", "json"] {
        let data = tempfile::tempdir().unwrap();
        let mut child = child("child_that_logs_everything_of_a_crawl", data.path());
        child.env(FORMAT, format);
        let output = tokio::task::spawn_blocking(move || child.output().unwrap());
        let output = within(LIMIT, output).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains("Pressing.") && text.contains("The scan is over."), "it logs");
        assert!(text.contains("***10"), "it would have the number");
        for secret in [support::PASSWORD, "2025550110", "2025550199"] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is in the log");
        }
    }
}
