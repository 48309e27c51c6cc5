//! A scheduled scan in the whole service, through a simulated carrier: it begins by itself, calls as
//! any other, and what it found is compared with what was known.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{collections::BTreeMap, path::Path, time::Duration};

use phoneai::{
    crawl::{
        menu_text,
        schedule::Every,
        tree::{Change, Node, NodeNo},
    },
    store::{CallOutcome, CrawlAnswer, CrawlRequest, New, NewCall, NewSchedule, Store, TokenCheck},
};
use phoneai_clock::Clock;
use support::{Rehearsal, Stage, TWO_WAYS, ear, scan_ended, two_ways};

/// So much faster than life are calls with audio.
const PACE: u32 = 3;
/// What takes longer in real time will never end.
const LIMIT: Duration = Duration::from_secs(120);

/// Stores a complete scan of the number in which it offered something else, and a schedule that is
/// due.
async fn prepare(data: &Path) {
    let store = Store::open(data, Clock::real()).await.unwrap();
    let token = store.create_token("ann", false).await.unwrap();
    let TokenCheck::Valid(who) = store.authenticate(&token).await.unwrap() else { panic!("ann") };
    let request = CrawlRequest {
        number: TWO_WAYS.to_owned(),
        business_name: None,
        caller_id: None,
        new: New::Fresh,
        asked_by: Some(who.user),
    };
    let answer = store.request_crawl(request).await.unwrap();
    let CrawlAnswer::Queued { scan, .. } = answer else { panic!("{answer:?}") };
    let job = store.lease_next("w", Duration::from_secs(60)).await.unwrap().unwrap();
    store.begin_call(&NewCall::of(&job)).await.unwrap();
    let text = "For news about a known outage, press one. For a job in our garden, press three.";
    let heard = menu_text::transcript_of(text);
    let understood = menu_text::understand(std::slice::from_ref(&heard));
    let node = Node {
        no: NodeNo(0),
        kind: understood.kind,
        transcripts: vec![heard],
        start_ms: 0,
        end_ms: 9000,
        options: understood.options,
        audio_file: None,
        edges: BTreeMap::new(),
        checks: 0,
        variants: Vec::new(),
    };
    store.apply_change(scan, &Change::Node(node)).await.unwrap();
    let outcome = CallOutcome { news: true, complete: true, ..CallOutcome::default() };
    store.finish_call(&job, &outcome, None).await.unwrap();
    let schedule = NewSchedule {
        number: TWO_WAYS.to_owned(),
        every: Every::Seconds(86_400),
        caller_id: None,
        callback_url: Some("https://hooks.example/menu".to_owned()),
        next_at: Some(store.now()),
    };
    store.create_schedule(&schedule, who.user).await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_is_due_has_its_number_scanned_and_the_menus_compared() {
    let data = tempfile::tempdir().unwrap();
    prepare(data.path()).await;
    let (menus, business) = two_ways(&data.path().join("menus"));
    let stage = Stage::new(menus, ear::engine(&business));
    let rehearsal = Rehearsal::on(stage, data.path(), Clock::fast(PACE), |config| {
        config.crawl.silence_ms = 2_000;
        config.crawl.retry_first_seconds = 1;
    })
    .await;
    let mut live = rehearsal.service.live().watch();
    let (complete, reason) = tokio::time::timeout(LIMIT, scan_ended(&mut live)).await.unwrap();
    assert!(complete, "{reason}");
    let compared = async {
        loop {
            let page = rehearsal.api("/api/v2/schedules").await;
            let schedule = page["items"][0].clone();
            if schedule["compared_scan"].is_number() {
                return schedule;
            }
        }
    };
    let schedule = tokio::time::timeout(LIMIT, compared).await.unwrap();
    assert!(schedule["changed_at"].is_string() && schedule["scan"].is_null(), "{schedule}");
    let path = format!("/api/v2/numbers/{}/diff", TWO_WAYS.replace('+', "%2B"));
    let diff = rehearsal.api(&path).await;
    assert_eq!(diff["to"], schedule["compared_scan"]);
    let keys = |list: &str| diff[list].as_array().unwrap()[0]["keys"].clone();
    assert_eq!((keys("added"), keys("removed")), ("2".into(), "3".into()), "{diff}");
    tokio::time::timeout(LIMIT, rehearsal.end()).await.unwrap();
}
