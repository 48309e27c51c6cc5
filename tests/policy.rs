//! Who may be called, and how calls are stopped: the whole service over real sockets with a
//! simulated carrier, and the commands of the operator beside it.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    future::Future,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use phoneai::{
    calls::live::{LiveEvent, What},
    config::Config,
    policy::{Policy, Purpose, Rule, number::Called},
    simulator::Menus,
    speech::{Engine, scripted::Scripted},
    store::{
        AuditId, AuditRow, CallEnd, CallState, CallStep, CrawlRequest, New, NewCall, ScanId,
        ScanStatus, Store, TokenCheck, Verdict,
    },
};
use phoneai_clock::Clock;
use serde_json::{Value, json};
use sqlx::Connection as _;
use support::{Rehearsal, Stage, event, scan_ended};
use tokio::sync::broadcast;

/// So much faster than life are calls in which nothing is said.
const FAST: u32 = 10;
/// What takes longer in real time will never end.
const LIMIT: Duration = Duration::from_secs(120);

const BUSY: &str = "+12025550190";
const RINGS: &str = "+12025550192";
const SILENT: &str = "+12025550193";

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("an end")
}

async fn rehearsal(data: &Path, clock: Clock, change: impl FnOnce(&mut Config)) -> Rehearsal {
    let deaf: Arc<dyn Engine> = Arc::new(Scripted::phrases(0, |_| Vec::new()));
    let stage = Stage::new(Menus::samples().expect("good samples"), deaf);
    let rehearsal = Rehearsal::on(stage, data, clock, |config| {
        config.crawl.retry_first_seconds = 1;
        change(config);
    })
    .await;
    within(rehearsal.service.ready()).await;
    rehearsal
}

/// Leaves a scan to the next service, as an earlier one would have.
async fn leave_scan(data: &Path, number: &str) {
    let store = Store::open(data, Clock::real()).await.unwrap();
    let request = CrawlRequest {
        number: number.to_owned(),
        business_name: None,
        caller_id: None,
        new: New::Fresh,
        asked_by: None,
    };
    store.request_crawl(request).await.unwrap();
    store.close().await;
}

async fn audit(store: &Store) -> Vec<AuditRow> {
    store.audit(None, AuditId(0), 1_000).await.unwrap()
}

/// What the audit says, line by line.
fn verdicts(rows: &[AuditRow]) -> Vec<(&str, Verdict)> {
    rows.iter().map(|row| (row.number.as_str(), row.verdict)).collect()
}

async fn makecall(rehearsal: &Rehearsal, number: &str) -> Value {
    rehearsal.api(&format!("/api/makecall/?number={}", number.replace('+', "%2B"))).await
}

async fn status(store: &Store, scan: ScanId) -> (ScanStatus, String) {
    let row = store.scan(scan).await.unwrap().expect("the scan");
    (row.status, row.reason.unwrap_or_default())
}

/// Waits until the scan's row says so.
async fn until_status(store: &Store, scan: ScanId, wanted: ScanStatus) -> String {
    loop {
        match status(store, scan).await {
            (found, reason) if found == wanted && !reason.is_empty() => return reason,
            _ => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_numbers_never_reach_the_carrier_and_stand_in_the_audit() {
    let data = tempfile::tempdir().unwrap();
    leave_scan(data.path(), "+19005550100").await;
    let clock = Clock::fast(FAST);
    let mut rehearsal = rehearsal(data.path(), clock, |config| {
        config.policy.deny = "+12025550191".parse().unwrap();
    })
    .await;
    let store = rehearsal.service.store().clone();
    // Left over from before this policy.
    assert_eq!(
        within(until_status(&store, ScanId(1), ScanStatus::Failed)).await,
        "premium-rate and shared-cost numbers are never called"
    );
    for (number, rule, why) in [
        ("911", Rule::Emergency, "never called"),
        ("1001", Rule::Short, "never called"),
        ("+870773123456", Rule::Satellite, "never called"),
        ("+442079460123", Rule::Country, "add \"44\" to policy.countries"),
        ("2025550191", Rule::Denied, "policy.deny"),
    ] {
        let answer = makecall(&rehearsal, number).await;
        assert_eq!((&answer["status"], &answer["fs_output"]), (&json!("fail"), &json!("")));
        assert!(answer["message"].as_str().unwrap().contains(why), "{answer}");
        let problem = rehearsal.post("/api/v2/calls", &json!({"number": number})).await;
        assert_eq!(problem["status"], 422, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
        let rows = store.audit(Some(number), AuditId(0), 10).await.unwrap();
        let refused = Verdict::Refused(rule);
        assert_eq!(verdicts(&rows), [(number, refused), (number, refused)]);
        assert_eq!(rows[0].asked_name.as_deref(), Some("test"));
        assert_eq!((rows[0].purpose, rows[1].purpose), (Purpose::Crawl, Purpose::Call));
    }
    // One that may be called shows that the line is up.
    let mut live = rehearsal.service.live().watch();
    assert_eq!(makecall(&rehearsal, BUSY).await["status"], "success");
    within(event(&mut live, |what| matches!(what, What::Ended { .. }).then_some(()))).await;
    assert_eq!(rehearsal.carrier.stats().calls, 1);
    let placed = store.audit(Some(BUSY), AuditId(0), 1).await.unwrap().remove(0);
    assert_eq!((placed.verdict, placed.purpose), (Verdict::Placed, Purpose::Crawl));
    let record = store.call(placed.call.unwrap()).await.unwrap().expect("its record");
    assert!(placed.at <= record.started_at);

    let refused = rehearsal.api("/api/v2/audit").await;
    assert_eq!(refused["status"], 403, "{refused}");
    rehearsal.token = rehearsal.service.store().create_token("boss", true).await.unwrap();
    let page = rehearsal.api("/api/v2/audit?limit=2").await;
    assert_eq!(page["lines"].as_array().unwrap().len(), 2, "{page}");
    assert_eq!(page["lines"][0]["rule"], "premium");
    let next = page["next"].as_i64().unwrap();
    let page = rehearsal.api(&format!("/api/v2/audit?after={next}&number=%2B12025550191")).await;
    assert_eq!(page["lines"].as_array().unwrap().len(), 2, "{page}");
    assert_eq!(page["next"], Value::Null);
    assert_eq!(page["lines"][0]["asked_by"], "test");
    within(rehearsal.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opted_out_is_called_neither_on_request_nor_by_the_scheduler() {
    let data = tempfile::tempdir().unwrap();
    let rehearsal = rehearsal(data.path(), Clock::fast(FAST), |_| {}).await;
    let store = rehearsal.service.store().clone();
    let mut live = rehearsal.service.live().watch();
    assert_eq!(makecall(&rehearsal, BUSY).await["status"], "success");
    within(event(&mut live, |what| matches!(what, What::Ended { .. }).then_some(()))).await;
    // While its next call is due.
    let wish = json!({"number": "2025550190", "note": "by mail"});
    let answer = rehearsal.post("/api/v2/opt-outs", &wish).await;
    assert_eq!(answer, json!({"number": BUSY, "ending": answer["ending"]}));
    let (complete, reason) = within(scan_ended(&mut live)).await;
    assert!(!complete && reason.starts_with("the called party asked not to be called"), "{reason}");
    let calls = rehearsal.carrier.stats().calls;
    let answer = makecall(&rehearsal, "12025550190").await;
    assert!(answer["message"].as_str().unwrap().contains("asked not to be called"), "{answer}");
    let problem = rehearsal.post("/api/v2/calls", &json!({"number": BUSY})).await;
    assert_eq!(problem["status"], 422, "{problem}");
    assert_eq!(rehearsal.carrier.stats().calls, calls);

    let listed = rehearsal.api("/api/v2/opt-outs").await;
    assert_eq!(listed["opt_outs"][0]["number"], BUSY, "{listed}");
    assert_eq!(listed["opt_outs"][0]["added_by"], "test");
    let bad = rehearsal.post("/api/v2/opt-outs", &json!({"number": "12"})).await;
    assert_eq!(bad["status"], 422, "{bad}");
    let called = Called::read(BUSY).unwrap();
    assert!(store.remove_opt_out(&called).await.unwrap());
    assert_eq!(makecall(&rehearsal, BUSY).await["status"], "success");
    within(rehearsal.end()).await;
}

/// The events of both calls after this moment, until both are over.
async fn until_both_ended(live: &mut broadcast::Receiver<LiveEvent>) -> Vec<LiveEvent> {
    let (mut events, mut ended) = (Vec::new(), 0);
    while ended < 2 {
        let event = live.recv().await.unwrap();
        ended += usize::from(matches!(event.what, What::Ended { .. }));
        events.push(event);
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kill_switch_ends_all_calls_at_once_and_lets_none_through_until_it_is_lifted() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::real();
    let first = rehearsal(data.path(), clock, |config| config.crawl.max_attempt = 1).await;
    let mut live = first.service.live().watch();
    // One that is answered ends with BYE, one that rings with CANCEL.
    assert_eq!(makecall(&first, SILENT).await["status"], "success");
    let placed = first.post("/api/v2/calls", &json!({"number": RINGS})).await;
    let ringing = placed["id"].as_str().unwrap_or_else(|| panic!("{placed}")).parse().unwrap();
    let (mut answered, mut rings) = (false, false);
    while !(answered && rings) {
        let event = within(live.recv()).await.unwrap();
        answered |= event.number == SILENT && matches!(event.what, What::Answered);
        rings |= event.number == RINGS && matches!(event.what, What::Progress { status: 180 });
    }
    let began = clock.now();
    let stopped = first.post("/api/v2/stop", &json!({})).await;
    assert_eq!(stopped, json!({"stopped": true, "ending": 2}));
    // Nothing happens in either call between the stop and its end.
    let events = within(until_both_ended(&mut live)).await;
    let ends: Vec<&What> = events.iter().map(|event| &event.what).collect();
    assert_eq!(ends.len(), 2, "{ends:?}");
    for what in ends {
        let What::Ended { reason, .. } = what else { panic!("{what:?}") };
        assert_eq!(reason, "an operator stopped all calls");
    }
    while first.carrier.stats().ended < 2 {
        tokio::task::yield_now().await;
    }
    println!("the carrier had the ends of both calls {:?} after the stop", clock.now() - began);

    let answer = makecall(&first, BUSY).await;
    assert!(answer["message"].as_str().unwrap().contains("stopped all calls"), "{answer}");
    let problem = first.post("/api/v2/calls", &json!({"number": BUSY})).await;
    assert_eq!(problem["status"], 503, "{problem}");
    let store = first.service.store().clone();
    assert_eq!(store.call(ringing).await.unwrap().unwrap().state, CallState::Failed);
    // Paused: not given up although one call without news would have been enough for that.
    let (status_now, reason) = status(&store, ScanId(1)).await;
    assert_eq!(
        (status_now, reason.as_str()),
        (ScanStatus::Processed, "an operator stopped all calls")
    );
    assert!(store.next_due().await.unwrap().expect("a call is due") <= store.now());
    let refused = first.post("/api/v2/resume", &json!({})).await;
    assert_eq!(refused["status"], 403, "{refused}");
    drop(store);
    within(first.end()).await;

    // A restart does not lift it.
    let mut second = rehearsal(data.path(), clock, |_| {}).await;
    assert_eq!(second.api("/api/v2/stop").await["stopped"], true);
    assert_eq!(second.api("/api/v2/stop").await["changed_by"], "test");
    let mut live = second.service.live().watch();
    assert!(makecall(&second, BUSY).await["message"].as_str().unwrap().contains("--resume"));
    assert_eq!(second.carrier.stats().calls, 0);
    second.token = second.service.store().create_token("boss", true).await.unwrap();
    assert_eq!(second.post("/api/v2/resume", &json!({})).await, json!({"stopped": false}));
    let goes_on = within(async {
        loop {
            let event = live.recv().await.unwrap();
            if matches!(event.what, What::Answered) {
                return event.number;
            }
        }
    });
    assert_eq!(goes_on.await, SILENT);
    within(second.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kill_switch_does_not_wait_for_the_database() {
    let data = tempfile::tempdir().unwrap();
    let rehearsal = rehearsal(data.path(), Clock::real(), |_| {}).await;
    let mut live = rehearsal.service.live().watch();
    assert_eq!(makecall(&rehearsal, SILENT).await["status"], "success");
    within(event(&mut live, |what| matches!(what, What::Answered).then_some(()))).await;
    // Another program holds the database: nothing can be written until it lets go.
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("phoneai.db"));
    let mut other = sqlx::SqliteConnection::connect_with(&file).await.unwrap();
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let gate = rehearsal.service.gate().clone();
    let stopping = tokio::spawn(async move { gate.stop("test").await });
    within(async {
        while rehearsal.carrier.stats().ended < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    held.rollback().await.unwrap();
    // Whether the wait was too long for the state to be kept or not, the calls were ended before.
    let _ = within(stopping).await.unwrap();
    within(rehearsal.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_the_audit_is_on_disk_before_the_invite_leaves() {
    let data = tempfile::tempdir().unwrap();
    // Takes everything and says nothing.
    let trunk = tokio::net::UdpSocket::bind(support::LOOPBACK).await.unwrap();
    let mut config = support::config(data.path(), trunk.local_addr().unwrap());
    config.trunk.as_mut().unwrap().register = false;
    let deaf: Arc<dyn Engine> = Arc::new(Scripted::phrases(0, |_| Vec::new()));
    let service = phoneai::service::start(config, deaf, Clock::real()).await.unwrap();
    let user = service.store().create_token("ann", false).await.unwrap();
    let asked_by = match service.store().authenticate(&user).await.unwrap() {
        TokenCheck::Valid(who) => Some(who.user),
        other => panic!("{other:?}"),
    };
    let carrier =
        support::carrier(support::LOOPBACK, Menus::samples().unwrap(), Clock::real()).await;
    let rehearsal = Rehearsal { carrier, service, token: user };
    assert_eq!(makecall(&rehearsal, BUSY).await["status"], "success");
    let mut datagram = vec![0; 4096];
    let (length, _) = within(trunk.recv_from(&mut datagram)).await.unwrap();
    assert!(datagram[..length].starts_with(b"INVITE sip:+12025550190@"));
    let rows = audit(rehearsal.service.store()).await;
    assert_eq!(verdicts(&rows), [(BUSY, Verdict::Placed)]);
    assert_eq!((rows[0].asked_by, rows[0].asked_name.as_deref()), (asked_by, Some("ann")));
    assert_eq!(rows[0].scan, Some(ScanId(1)));
    within(rehearsal.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signal_pulls_the_kill_switch_of_a_service() {
    // The service loads it at its start.
    support::whisper();
    let data = tempfile::tempdir().unwrap();
    let mut service = Command::new(env!("CARGO_BIN_EXE_phoneai"))
        .arg("serve")
        .env("PHONEAI_STORE_DATA_DIR", data.path())
        .env("PHONEAI_API_LISTEN", "127.0.0.1:0")
        .env("PHONEAI_SIP_LISTEN", "127.0.0.1:0")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(service.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("The service is up.")), "it ended before");
    let pid = rustix::process::Pid::from_child(&service);
    rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
    assert!(said.any(|line| line.contains("All calls are stopped.")), "it ended instead");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(said.filter(|line| line.contains("The service has ended.")).count(), 1);
    assert!(service.wait().unwrap().success());
    let store = Store::open(data.path(), Clock::real()).await.unwrap();
    let halt = store.halt().await.unwrap();
    assert_eq!((halt.stopped, halt.changed_by.as_str()), (true, "SIGUSR1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_call_to_one_number_is_stopped_alone() {
    let data = tempfile::tempdir().unwrap();
    let rehearsal = rehearsal(data.path(), Clock::real(), |_| {}).await;
    let mut live = rehearsal.service.live().watch();
    for number in [SILENT, "+12025550101"] {
        assert_eq!(makecall(&rehearsal, number).await["status"], "success");
    }
    let mut answered = 0;
    while answered < 2 {
        let event = within(live.recv()).await.unwrap();
        answered += usize::from(matches!(event.what, What::Answered));
    }
    let stopped = rehearsal.post("/api/v2/stop?number=2025550193", &json!({})).await;
    assert_eq!(stopped, json!({"number": SILENT, "ending": 1}));
    let ended = within(async {
        loop {
            let event = live.recv().await.unwrap();
            if let What::Ended { reason, .. } = event.what {
                return (event.number, reason);
            }
        }
    });
    assert_eq!(ended.await, (SILENT.to_owned(), "an operator stopped this call".to_owned()));
    let (complete, reason) = within(scan_ended(&mut live)).await;
    assert_eq!((complete, reason.as_str()), (false, "an operator stopped this call"));
    let store = rehearsal.service.store();
    let other = Called::read("+12025550101").unwrap();
    assert_eq!(store.running_calls(&other).await.unwrap(), 1);
    assert_eq!(rehearsal.api("/api/v2/stop").await["stopped"], false);
    within(rehearsal.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_outside_of_the_hours_is_put_off_until_they_begin() {
    let data = tempfile::tempdir().unwrap();
    // Three days from now by the calendar of the called place, so that no midnight interferes.
    let zone = TimeZone::get("America/New_York").unwrap();
    let now = Timestamp::from_microsecond(Clock::real().wall_micros()).unwrap();
    let day = now.to_zoned(zone.clone()).date().checked_add(3.days()).unwrap();
    let begins = day.at(8, 0, 0, 0).to_zoned(zone).unwrap().timestamp();
    let rehearsal = rehearsal(data.path(), Clock::real(), |config| {
        config.policy.hours = "08:00-21:00".parse().unwrap();
        config.policy.days = day.strftime("%a").to_string().parse().unwrap();
    })
    .await;
    let mut live = rehearsal.service.live().watch();
    assert_eq!(makecall(&rehearsal, BUSY).await["status"], "success");
    let told = within(event(&mut live, |what| match what {
        What::PutOff { in_seconds, .. } => Some(*in_seconds),
        _ => None,
    }));
    // The third day from now, at 8: two days and some hours.
    assert!((2 * 24 * 3600..4 * 24 * 3600).contains(&told.await));
    let store = rehearsal.service.store();
    let reason = within(until_status(store, ScanId(1), ScanStatus::Pending)).await;
    assert!(reason.contains("outside of the calling hours, 08:00-21:00"), "{reason}");
    assert_eq!(store.next_due().await.unwrap().unwrap().0, begins.as_microsecond());
    assert_eq!(verdicts(&audit(store).await), [(BUSY, Verdict::PutOff(Rule::Hours))]);
    // A single call does not wait.
    let problem = rehearsal.post("/api/v2/calls", &json!({"number": BUSY})).await;
    assert_eq!(problem["status"], 429, "{problem}");
    assert_eq!(rehearsal.carrier.stats().calls, 0);
    within(rehearsal.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_was_called_often_enough_is_put_off() {
    let data = tempfile::tempdir().unwrap();
    let rehearsal = rehearsal(data.path(), Clock::fast(FAST), |config| {
        config.policy.max_calls_per_number_hour = 2;
    })
    .await;
    assert_eq!(makecall(&rehearsal, BUSY).await["status"], "success");
    let store = rehearsal.service.store();
    let reason = within(async {
        loop {
            let reason = until_status(store, ScanId(1), ScanStatus::Pending).await;
            if reason.contains("max_calls_per_number_hour is 2") {
                return reason;
            }
        }
    });
    assert!(reason.await.starts_with("2 calls to this number within 1 hours"));
    let rows = audit(store).await;
    let (put_off, placed) = (Verdict::PutOff(Rule::NumberHour), Verdict::Placed);
    assert_eq!(verdicts(&rows), [(BUSY, placed), (BUSY, placed), (BUSY, put_off)]);
    assert_eq!([rows[0].purpose, rows[1].purpose], [Purpose::Crawl, Purpose::Retry]);
    let due = store.next_due().await.unwrap().unwrap();
    assert_eq!(due, rows[0].at.after(Duration::from_secs(3600)));
    assert_eq!(rehearsal.carrier.stats().calls, 2);
    within(rehearsal.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_that_are_due_wait_together_when_too_much_was_called() {
    let data = tempfile::tempdir().unwrap();
    for number in [BUSY, "+12025550191", "+12025550194"] {
        leave_scan(data.path(), number).await;
    }
    let rehearsal = rehearsal(data.path(), Clock::real(), |config| {
        config.policy.max_calls_per_hour = 1;
        config.crawl.max_concurrent_calls = 1;
        config.crawl.retry_first_seconds = 3_600;
    })
    .await;
    let store = rehearsal.service.store();
    let reason = within(until_status(store, ScanId(2), ScanStatus::Pending)).await;
    assert!(reason.contains("policy.max_calls_per_hour is 1"), "{reason}");
    // The third scan is not even asked for: it could only be refused as well.
    let rows = audit(store).await;
    let put_off = Verdict::PutOff(Rule::Hour);
    assert_eq!(verdicts(&rows), [(BUSY, Verdict::Placed), ("+12025550191", put_off)]);
    within(rehearsal.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_has_made_all_its_calls_ends_and_says_so() {
    let data = tempfile::tempdir().unwrap();
    let rehearsal =
        rehearsal(data.path(), Clock::fast(FAST), |config| config.crawl.max_scan_calls = 2).await;
    let mut live = rehearsal.service.live().watch();
    assert_eq!(makecall(&rehearsal, BUSY).await["status"], "success");
    let (complete, reason) = within(scan_ended(&mut live)).await;
    let expected = "the scan has made 2 calls, crawl.max_scan_calls is 2";
    assert_eq!((complete, reason.as_str()), (false, expected));
    let store = rehearsal.service.store();
    assert_eq!(status(store, ScanId(1)).await, (ScanStatus::Failed, expected.to_owned()));
    let again = makecall(&rehearsal, BUSY).await;
    assert_eq!(again["message"], format!("{expected}; new=force starts a fresh scan"));
    assert_eq!(rehearsal.carrier.stats().calls, 2);
    within(rehearsal.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_hung_up_where_the_money_of_its_scan_ends() {
    let data = tempfile::tempdir().unwrap();
    let rehearsal = rehearsal(data.path(), Clock::fast(FAST), |config| {
        config.policy.cost_per_minute = "0.01".parse().unwrap();
        config.crawl.max_scan_cost = "0.019".parse().ok();
        config.crawl.no_speech_ms = 300_000;
    })
    .await;
    let mut live = rehearsal.service.live().watch();
    assert_eq!(makecall(&rehearsal, SILENT).await["status"], "success");
    let ended = within(event(&mut live, |what| match what {
        What::Ended { reason, .. } => Some(reason.clone()),
        _ => None,
    }));
    assert!(ended.await.starts_with("the scan has cost 0.01, and crawl.max_scan_cost is 0.019"));
    let store = rehearsal.service.store();
    let call = store.calls_of(ScanId(1)).await.unwrap().remove(0);
    assert!(call.seconds.unwrap() >= 58.0, "{call:?}");
    assert_eq!(status(store, ScanId(1)).await.0, ScanStatus::Failed);
    within(rehearsal.end()).await;
}

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoneai"));
    command.env_clear().args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn opt_outs_are_imported_beside_a_running_service() {
    let data = tempfile::tempdir().unwrap();
    let rehearsal = rehearsal(data.path(), Clock::real(), |_| {}).await;
    let file = data.path().join("numbers.csv");
    std::fs::write(&file, "number,why\n+12025550190,mail\nnonsense\n2025550191\n").unwrap();
    let (dir, file) = (data.path().to_str().unwrap(), file.to_str().unwrap());
    let output = run(&["opt-out", "import", file, "--data", dir]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("2 numbers entered, 0 numbers on the list before."), "{said}");
    assert!(said.contains("1 line not entered:") && said.contains("csv:3: \"nonsense\""), "{said}");

    let answer = makecall(&rehearsal, BUSY).await;
    assert!(answer["message"].as_str().unwrap().contains("asked not to be called"), "{answer}");
    let output = run(&["opt-out", "list", "--data", dir]);
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<&str> = listed.lines().filter_map(|l| l.split('\t').next()).collect();
    assert_eq!(numbers, [BUSY, "+12025550191"]);
    assert!(run(&["opt-out", "remove", BUSY, "--data", dir]).status.success());
    assert!(!run(&["opt-out", "remove", BUSY, "--data", dir]).status.success());
    assert!(run(&["opt-out", "add", RINGS, "--data", dir]).status.success());
    assert_eq!(run(&["opt-out", "add", "911", "--data", dir]).status.code(), Some(2));

    let output = run(&["audit", "--data", dir, "--number", "2025550190"]);
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(lines.contains("\trefused\t+12025550190\t-\tcrawl\ttest\t-\topted_out: "), "{lines}");
    within(rehearsal.end()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_stops_and_resumes_from_the_command_line() {
    let data = tempfile::tempdir().unwrap();
    let rehearsal = rehearsal(data.path(), Clock::real(), |_| {}).await;
    let api = format!("http://{}", rehearsal.service.api_addr());
    let admin = rehearsal.service.store().create_token("boss", true).await.unwrap();
    let stop = |token: &str, more: &[&str]| {
        run(&[&["stop", "--api", &api, "--token", token], more].concat())
    };
    let output = stop(&rehearsal.token, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("All calls are stopped: 0 calls ended."));
    assert!(*rehearsal.service.gate().stopped().borrow());
    let output = stop(&rehearsal.token, &["--resume"]);
    assert!(stderr(&output).contains("token"), "{}", stderr(&output));
    assert!(*rehearsal.service.gate().stopped().borrow());
    assert!(stop(&admin, &["--resume"]).status.success());
    assert!(!*rehearsal.service.gate().stopped().borrow());
    let output = stop(&admin, &["--number", "911"]);
    assert_eq!(output.status.code(), Some(1));
    within(rehearsal.end()).await;

    let output = stop(&admin, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("no service answers at") && said.contains("kill -USR1"), "{said}");
}

/// A call of its own to a number.
fn call_to(number: &str) -> NewCall {
    NewCall {
        uuid: uuid::Uuid::new_v4(),
        scan: None,
        number: number.to_owned(),
        caller_id: None,
        asked_by: None,
    }
}

/// A policy under which so many calls to all numbers may be placed within an hour.
fn an_hour_of(calls: u32) -> Policy {
    let mut policy = Policy::default();
    policy.caps.hour = Some(calls);
    policy
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_calls_are_let_through_on_the_same_counts() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path(), Clock::real()).await.unwrap();
    let tasks = (0..20).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let (call, policy) = (call_to(&format!("+120255501{n:02}")), an_hour_of(5));
            let judged = store.clear_call(&call, true, |r, c, now| policy.judge(r, c, now)).await;
            judged.unwrap().map(|_| ()).map_err(|refusal| refusal.rule)
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut placed = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => placed += 1,
            Err(rule) => assert_eq!(rule, Rule::Hour),
        }
    }
    assert_eq!(placed, 5);
    assert_eq!(audit(&store).await.len(), 20);
    store.close().await;
}

#[tokio::test]
async fn minutes_are_counted_begun_and_those_of_calls_that_run_in_full() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path(), Clock::real()).await.unwrap();
    let policy = Policy::default();
    let clear = async |number: &str| {
        let call = call_to(number);
        let judged = store.clear_call(&call, true, |r, c, now| policy.judge(r, c, now)).await;
        judged.unwrap().map(|clearance| (call.uuid, clearance.minutes))
    };
    let (first, minutes) = clear("+12025550101").await.unwrap();
    assert_eq!(minutes, 15);
    let day = async || store.call_counts("+12025550102", true).await.unwrap().day_minutes;
    assert_eq!(day().await, 15);
    // The same number, written otherwise, while the first call is not over.
    assert_eq!(clear("2025550101").await.unwrap_err().rule, Rule::LineBusy);
    store.update_call(first, &CallStep::Answered).await.unwrap();
    let talked = Some(Duration::from_millis(60_001));
    store.end_call(first, &CallEnd { talked, ..CallEnd::default() }).await.unwrap();
    assert_eq!(day().await, 2);
    let (second, _) = clear("+12025550101").await.unwrap();
    store.end_call(second, &CallEnd::default()).await.unwrap();
    assert_eq!(day().await, 2, "who does not answer costs nothing");
    let counts = store.call_counts("12025550101", false).await.unwrap();
    assert_eq!((counts.number_hour.calls, counts.number_day.calls, counts.hour.calls), (2, 2, 2));
    store.close().await;
}

#[tokio::test]
async fn a_call_that_a_crash_cut_counts_with_no_more_than_it_was_let_through_for() {
    let data = tempfile::tempdir().unwrap();
    // A minute in some milliseconds.
    let store = Store::open(data.path(), Clock::fast(10_000)).await.unwrap();
    let mut policy = Policy::default();
    policy.caps.call_minutes = 1;
    let call = call_to("+12025550101");
    let judged = store.clear_call(&call, true, |r, c, now| policy.judge(r, c, now)).await;
    assert_eq!(judged.unwrap().unwrap().minutes, 1);
    store.update_call(call.uuid, &CallStep::Answered).await.unwrap();
    let answered = store.now();
    while store.now().since(answered) < Duration::from_secs(300) {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.recover("this").await.unwrap().calls, 1);
    assert_eq!(store.call_counts("+12025550101", true).await.unwrap().day_minutes, 1);
    store.close().await;
}
