//! The store through its public door: requests, the queue, trees, tokens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{collections::BTreeMap, time::Duration};

use phoneai::{
    crawl::tree::{
        Change, DeadEnd, Edge, Keys, MenuOption, Node, NodeNo, PromptKind, Standing, Tree, Variant,
    },
    speech::{Transcript, Word},
    store::{
        AfterCall, CallOutcome, CallState, CallStep, CrawlAnswer, CrawlRequest, Import, New,
        NewCall, OldKey, OldMenu, OldNumber, OldScan, OldUser, Recovered, ScanFilter, ScanId,
        ScanJob, ScanRow, ScanStatus, Store, StoreError, Time, TokenCheck,
    },
};
use phoneai_clock::Clock;
use proptest::prelude::*;
use tempfile::TempDir;

const NUMBER: &str = "12025550100";
const LEASE: Duration = Duration::from_secs(60);

async fn open(dir: &TempDir) -> Store {
    Store::open(dir.path(), Clock::real()).await.unwrap()
}

async fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    (dir, store)
}

fn request(number: &str, new: New) -> CrawlRequest {
    CrawlRequest {
        number: number.to_owned(),
        business_name: None,
        caller_id: None,
        new,
        asked_by: None,
    }
}

async fn ask(store: &Store, new: New) -> CrawlAnswer {
    store.request_crawl(request(NUMBER, new)).await.unwrap()
}

/// Asks, expects to be queued, and gives the scan.
async fn queued(store: &Store, new: New) -> ScanId {
    match ask(store, new).await {
        CrawlAnswer::Queued { scan, .. } => scan,
        CrawlAnswer::CompletedAlready => panic!("expected to be queued"),
    }
}

async fn lease(store: &Store) -> ScanJob {
    store.lease_next("w", LEASE).await.unwrap().expect("a scan is due")
}

async fn row(store: &Store, scan: ScanId) -> ScanRow {
    store.scan(scan).await.unwrap().unwrap()
}

fn outcome(news: bool, complete: bool) -> CallOutcome {
    CallOutcome { news, complete, reason: "the menu ended".to_owned(), ..CallOutcome::default() }
}

/// A whole call of the next due scan.
async fn call(store: &Store, outcome: &CallOutcome) -> AfterCall {
    let job = lease(store).await;
    store.begin_call(&NewCall::of(&job)).await.unwrap();
    store.finish_call(&job, outcome, Some(store.now())).await.unwrap()
}

#[tokio::test]
async fn a_first_request_makes_number_and_scan_and_is_due_at_once() {
    let (_dir, store) = store().await;
    let CrawlAnswer::Queued { scan, call_uuid } = ask(&store, New::Continue).await else {
        panic!("expected to be queued")
    };
    assert_eq!(row(&store, scan).await.status, ScanStatus::Pending);
    assert!(store.next_due().await.unwrap().unwrap() <= store.now());
    let job = lease(&store).await;
    assert_eq!((job.scan, job.call_uuid, job.number.as_str()), (scan, call_uuid, NUMBER));
    assert_eq!(row(&store, scan).await.status, ScanStatus::Calling);
}

#[tokio::test]
async fn asking_again_goes_on_with_the_unfinished_scan_under_the_same_call_id() {
    let (_dir, store) = store().await;
    let first = ask(&store, New::Fresh).await;
    assert_eq!(ask(&store, New::Fresh).await, first);
    assert_eq!(ask(&store, New::Continue).await, first);
    let job = lease(&store).await;
    assert_eq!(ask(&store, New::Fresh).await, first);
    // It runs: nothing else is due, and it was not queued a second time.
    assert_eq!(store.lease_next("x", LEASE).await.unwrap(), None);
    let after = store.finish_call(&job, &outcome(true, false), None).await.unwrap();
    assert!(matches!(after, AfterCall::GivenUp { .. }));
}

#[tokio::test]
async fn a_complete_scan_is_followed_by_a_fresh_one_unless_only_the_old_one_is_wanted() {
    let (_dir, store) = store().await;
    let first = queued(&store, New::Fresh).await;
    assert_eq!(call(&store, &outcome(true, true)).await, AfterCall::Complete);
    assert_eq!(row(&store, first).await.status, ScanStatus::Success);
    assert!(store.number(NUMBER).await.unwrap().unwrap().completed);

    assert_eq!(ask(&store, New::Continue).await, CrawlAnswer::CompletedAlready);
    let second = queued(&store, New::Fresh).await;
    assert_ne!(first, second);
    assert!(!store.number(NUMBER).await.unwrap().unwrap().completed);
}

#[tokio::test]
async fn a_forced_scan_replaces_an_unfinished_one_and_waits_for_its_call() {
    let (_dir, store) = store().await;
    let first = queued(&store, New::Fresh).await;
    let job = lease(&store).await;
    let second = queued(&store, New::Force).await;
    assert_ne!(first, second);
    // One call per number at a time.
    assert_eq!(store.lease_next("x", LEASE).await.unwrap(), None);
    assert!(store.next_due().await.unwrap().unwrap() > store.now());

    let after = store.finish_call(&job, &outcome(true, false), Some(store.now())).await.unwrap();
    assert!(matches!(after, AfterCall::GivenUp { .. }));
    assert_eq!(lease(&store).await.scan, second);

    let third = queued(&store, New::Force).await;
    assert_ne!(second, third);
}

#[tokio::test]
async fn different_numbers_are_leased_at_the_same_time_the_longest_due_first() {
    let (_dir, store) = store().await;
    for number in ["12025550101", "12025550102"] {
        store.request_crawl(request(number, New::Fresh)).await.unwrap();
    }
    let (a, b) = tokio::join!(store.lease_next("a", LEASE), store.lease_next("b", LEASE));
    let mut numbers = [a.unwrap().unwrap().number, b.unwrap().unwrap().number];
    numbers.sort();
    assert_eq!(numbers, ["12025550101", "12025550102"]);
}

#[tokio::test]
async fn attempts_are_counted_when_a_call_begins() {
    let (_dir, store) = store().await;
    let scan = queued(&store, New::Fresh).await;
    for attempt in 1..=3 {
        let job = lease(&store).await;
        store.begin_call(&NewCall::of(&job)).await.unwrap();
        assert_eq!(row(&store, scan).await.attempt, attempt);
        store.finish_call(&job, &outcome(true, false), Some(store.now())).await.unwrap();
    }
    assert_eq!(store.number(NUMBER).await.unwrap().unwrap().attempt, 3);
    assert_eq!(store.calls_of(scan).await.unwrap().len(), 3);
}

#[tokio::test]
async fn calls_without_news_end_a_scan_and_news_starts_the_count_anew() {
    let (_dir, store) = store().await;
    let scan = queued(&store, New::Fresh).await;
    for _ in 0..9 {
        assert!(matches!(call(&store, &outcome(false, false)).await, AfterCall::Again(_)));
    }
    call(&store, &outcome(true, false)).await;
    for without_news in 0..9 {
        let job = lease(&store).await;
        assert_eq!((job.calls_without_news, job.max_attempt), (without_news, 10));
        store.finish_call(&job, &outcome(false, false), Some(store.now())).await.unwrap();
    }
    let AfterCall::GivenUp { reason } = call(&store, &outcome(false, false)).await else {
        panic!("expected to be given up")
    };
    assert_eq!(reason, "10 calls in a row brought nothing new: the menu ended");
    let given_up = row(&store, scan).await;
    assert_eq!((given_up.status, given_up.completed), (ScanStatus::Failed, false));
    assert_eq!(store.next_due().await.unwrap(), None);

    // Who asks again gets the same scan and all its calls.
    assert_eq!(queued(&store, New::Fresh).await, scan);
    assert_eq!(lease(&store).await.calls_without_news, 0);
}

#[tokio::test]
async fn a_number_that_once_ignored_an_early_key_is_known_to_after_a_restart() {
    let (dir, store) = store().await;
    queued(&store, New::Fresh).await;
    let job = lease(&store).await;
    assert!(!job.ignores_early_keys);
    let deaf = CallOutcome { ignores_early_keys: true, ..outcome(true, false) };
    store.finish_call(&job, &deaf, Some(store.now())).await.unwrap();
    // A call that pressed no early key proves nothing.
    call(&store, &outcome(true, false)).await;
    store.close().await;
    let store = open(&dir).await;
    assert!(lease(&store).await.ignores_early_keys);
}

#[tokio::test]
async fn the_next_call_is_due_when_the_caller_says() {
    let (_dir, store) = store().await;
    queued(&store, New::Fresh).await;
    let job = lease(&store).await;
    let later = store.now().after(Duration::from_secs(3600));
    let after = store.finish_call(&job, &outcome(false, false), Some(later)).await.unwrap();
    assert_eq!(after, AfterCall::Again(later));
    assert_eq!(store.next_due().await.unwrap(), Some(later));
    assert_eq!(store.lease_next("w", LEASE).await.unwrap(), None);
}

#[tokio::test]
async fn a_call_is_on_record_from_its_beginning_to_its_end() {
    let (_dir, store) = store().await;
    let scan = queued(&store, New::Fresh).await;
    let job = lease(&store).await;
    store.begin_call(&NewCall::of(&job)).await.unwrap();
    let state = async || store.call(job.call_uuid).await.unwrap().unwrap().state;
    assert_eq!(state().await, CallState::Dialling);
    store.update_call(job.call_uuid, &CallStep::Ringing).await.unwrap();
    assert_eq!(state().await, CallState::Ringing);
    store.update_call(job.call_uuid, &CallStep::Answered).await.unwrap();
    assert_eq!(state().await, CallState::Answered);
    assert_eq!(row(&store, scan).await.status, ScanStatus::Answered);
    store.update_call(job.call_uuid, &CallStep::Recording("a.wav".to_owned())).await.unwrap();
    let outcome = CallOutcome { talked: Some(Duration::from_millis(1500)), ..outcome(true, false) };
    store.finish_call(&job, &outcome, Some(store.now())).await.unwrap();

    let record = store.call(job.call_uuid).await.unwrap().unwrap();
    assert_eq!((record.state, record.seconds), (CallState::Ended, Some(1.5)));
    assert_eq!(record.recording.as_deref(), Some("a.wav"));
    assert!(record.ended_at.unwrap() >= record.started_at);
    assert_eq!(row(&store, scan).await.status, ScanStatus::Processed);
    // A late step does not bring it back.
    store.update_call(job.call_uuid, &CallStep::Ringing).await.unwrap();
    assert_eq!(state().await, CallState::Ended);
}

#[tokio::test]
async fn a_refused_call_keeps_its_sip_status() {
    let (_dir, store) = store().await;
    queued(&store, New::Fresh).await;
    let job = lease(&store).await;
    store.begin_call(&NewCall::of(&job)).await.unwrap();
    let refused = CallOutcome { sip_status: Some(486), ..outcome(false, false) };
    store.finish_call(&job, &refused, Some(store.now())).await.unwrap();
    let record = store.call(job.call_uuid).await.unwrap().unwrap();
    assert_eq!((record.state, record.sip_status), (CallState::Failed, Some(486)));
}

#[tokio::test]
async fn a_lease_that_ran_out_is_taken_over_and_its_old_owner_is_told() {
    let (_dir, store) = store().await;
    let scan = queued(&store, New::Fresh).await;
    let old = store.lease_next("old", Duration::ZERO).await.unwrap().unwrap();
    store.begin_call(&NewCall::of(&old)).await.unwrap();
    let new = store.lease_next("new", LEASE).await.unwrap().unwrap();
    assert_eq!(new.scan, scan);
    assert_ne!(new.call_uuid, old.call_uuid);
    assert_eq!(new.calls_without_news, 1);
    let aborted = store.call(old.call_uuid).await.unwrap().unwrap();
    assert_eq!(aborted.state, CallState::Aborted);

    let lost = |result| matches!(result, Err(StoreError::LeaseLost(_)));
    assert!(lost(store.renew_lease(&old, LEASE).await));
    assert!(lost(store.finish_call(&old, &outcome(true, true), None).await.map(|_| ())));
    store.renew_lease(&new, LEASE).await.unwrap();
}

#[tokio::test]
async fn a_restart_takes_back_what_it_had_and_leaves_what_others_have() {
    let (dir, store) = store().await;
    queued(&store, New::Fresh).await;
    let mine = store.lease_next("me", LEASE).await.unwrap().unwrap();
    store.begin_call(&NewCall::of(&mine)).await.unwrap();
    store.request_crawl(request("12025550101", New::Fresh)).await.unwrap();
    store.lease_next("you", LEASE).await.unwrap().unwrap();
    drop(store);

    let store = open(&dir).await;
    let recovered = store.recover("me").await.unwrap();
    assert_eq!(recovered, Recovered { scans: 1, calls: 1 });
    let again = lease(&store).await;
    assert_eq!(again.scan, mine.scan);
    assert_eq!(store.lease_next("w", LEASE).await.unwrap(), None);
}

#[tokio::test]
async fn a_call_that_was_leased_but_not_placed_keeps_its_id_over_a_restart() {
    let (_dir, store) = store().await;
    queued(&store, New::Fresh).await;
    let job = lease(&store).await;
    assert_eq!(store.recover("w").await.unwrap(), Recovered { scans: 1, calls: 0 });
    let again = lease(&store).await;
    assert_eq!((again.call_uuid, again.calls_without_news), (job.call_uuid, 0));
}

#[tokio::test]
async fn an_aborted_call_that_heard_something_new_is_not_counted_as_one_without_news() {
    let (_dir, store) = store().await;
    let scan = queued(&store, New::Fresh).await;
    let job = lease(&store).await;
    store.begin_call(&NewCall::of(&job)).await.unwrap();
    store.apply_change(scan, &Change::Node(node(0))).await.unwrap();
    store.recover("w").await.unwrap();
    assert_eq!(lease(&store).await.calls_without_news, 0);
}

#[tokio::test]
async fn a_name_is_kept_unless_another_is_given() {
    let (_dir, store) = store().await;
    let name = async || store.number(NUMBER).await.unwrap().unwrap().business_name;
    for (given, kept) in [
        (None, None),
        (Some("Acme"), Some("Acme")),
        (None, Some("Acme")),
        (Some(""), Some("Acme")),
        (Some("Zoë"), Some("Zoë")),
    ] {
        let request =
            CrawlRequest { business_name: given.map(str::to_owned), ..request(NUMBER, New::Fresh) };
        store.request_crawl(request).await.unwrap();
        assert_eq!(name().await.as_deref(), kept);
    }
}

#[tokio::test]
async fn scans_are_listed_newest_first_with_their_count() {
    let (_dir, store) = store().await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.insert(0, queued(&store, New::Force).await);
    }
    store.request_crawl(request("12025550101", New::Fresh)).await.unwrap();
    let of_number = ScanFilter { number: Some(NUMBER.to_owned()) };
    let page = async |filter: &ScanFilter, limit, offset| {
        let (count, rows) = store.scans(filter, limit, offset).await.unwrap();
        (count, rows.iter().map(|r| r.id).collect::<Vec<_>>())
    };
    assert_eq!(page(&of_number, 2, 1).await, (5, all[1..3].to_vec()));
    assert_eq!(page(&of_number, 9, 4).await, (5, all[4..].to_vec()));
    assert_eq!(page(&of_number, 9, u64::MAX).await, (5, vec![]));
    assert_eq!(page(&ScanFilter::default(), 1, 1).await, (6, all[..1].to_vec()));
    let nul = ScanFilter { number: Some("\0".to_owned()) };
    assert_eq!(page(&nul, 9, 0).await, (0, vec![]));
}

#[tokio::test]
async fn a_tree_is_shown_from_the_newest_scan_that_heard_something() {
    let (_dir, store) = store().await;
    let first = queued(&store, New::Fresh).await;
    let number = store.number(NUMBER).await.unwrap().unwrap().id;
    assert!(store.newest_tree(number).await.unwrap().is_none());
    store.apply_change(first, &Change::Node(node(0))).await.unwrap();
    let second = queued(&store, New::Force).await;
    let shown = async || store.newest_tree(number).await.unwrap().unwrap().scan.id;
    assert_eq!(shown().await, first);
    store.apply_change(second, &Change::Node(node(0))).await.unwrap();
    assert_eq!(shown().await, second);
    // Every scan keeps its own tree.
    assert_eq!(store.load_tree(first).await.unwrap().nodes().len(), 1);
}

#[tokio::test]
async fn changes_that_would_leave_a_hole_are_refused() {
    let (_dir, store) = store().await;
    let scan = queued(&store, New::Fresh).await;
    let keys = Keys::try_new("1").unwrap();
    let edge = Change::Edge { from: NodeNo(0), keys, edge: Edge::Tried(1) };
    for change in [Change::Node(node(1)), edge] {
        let refused = store.apply_change(scan, &change).await;
        assert!(matches!(refused, Err(StoreError::Hole(_))), "{refused:?}");
    }
    assert_eq!(store.load_tree(scan).await.unwrap(), Tree::default());
}

#[tokio::test]
async fn a_token_is_forty_digits_and_is_known_only_as_it_is() {
    let (_dir, store) = store().await;
    let token = store.create_token("ann", true).await.unwrap();
    assert!(token.len() == 40 && token.bytes().all(|b| b"0123456789abcdef".contains(&b)));
    let TokenCheck::Valid(who) = store.authenticate(&token).await.unwrap() else {
        panic!("expected to be known")
    };
    assert!(who.name == "ann" && who.is_admin);
    let other = store.create_token("ann", false).await.unwrap();
    assert_ne!(token, other);
    for wrong in ["", &token[1..], &token.to_uppercase()] {
        assert_eq!(store.authenticate(wrong).await.unwrap(), TokenCheck::Unknown);
    }
    assert!(store.set_user_active("ann", false).await.unwrap());
    assert_eq!(store.authenticate(&token).await.unwrap(), TokenCheck::Inactive);
}

#[tokio::test]
async fn no_file_of_the_database_has_a_token_in_it() {
    let (dir, store) = store().await;
    let token = store.create_token("ann", false).await.unwrap();
    store.authenticate(&token).await.unwrap();
    store.close().await;
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(token.len()).any(|w| w == token.as_bytes()));
    }
}

#[tokio::test]
async fn a_second_store_on_the_same_directory_is_refused_until_the_first_is_gone() {
    let (dir, store) = store().await;
    let refused = Store::open(dir.path(), Clock::real()).await.map(|_| ()).unwrap_err();
    assert!(
        matches!(refused, StoreError::InUse { pid: Some(pid), .. } if pid == std::process::id())
    );
    assert!(refused.to_string().contains("stop that one, or give this one another directory"));
    drop(store);
    open(&dir).await;
}

#[tokio::test]
async fn a_new_number_allows_as_many_calls_without_news_as_the_store_says() {
    let (_dir, store) = store().await;
    let store = store.with_max_attempt(2);
    queued(&store, New::Fresh).await;
    for expected in [false, true] {
        let job = lease(&store).await;
        assert_eq!(job.max_attempt, 2);
        let after = store.finish_call(&job, &CallOutcome::default(), Some(store.now())).await;
        assert_eq!(matches!(after.unwrap(), AfterCall::GivenUp { .. }), expected);
    }
}

#[tokio::test]
async fn a_short_command_joins_the_process_that_has_the_directory() {
    let (dir, store) = store().await;
    let joined = Store::join(dir.path(), Clock::real()).await.unwrap();
    let token = joined.create_token("visitor", false).await.unwrap();
    joined.close().await;
    assert!(matches!(store.authenticate(&token).await.unwrap(), TokenCheck::Valid(_)));
    drop(store);
    // With nobody there it is the owner itself.
    let alone = Store::join(dir.path(), Clock::real()).await.unwrap();
    assert!(matches!(Store::open(dir.path(), Clock::real()).await, Err(StoreError::InUse { .. })));
    drop(alone);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = Store::open(&file.join("data"), Clock::real()).await.map(|_| ()).unwrap_err();
    assert!(matches!(&refused, StoreError::Directory { dir, .. } if dir.ends_with("file/data")));
}

#[tokio::test]
async fn rows_of_an_older_service_keep_their_ids_and_what_they_say() {
    let (_dir, store) = store().await;
    let number = |id, number: Option<&str>, completed| OldNumber {
        id,
        number: number.map(str::to_owned),
        business_name: None,
        retry_auto: false,
        attempt: 3,
        completed,
        created_at: Time(1),
        updated_at: Time(2),
    };
    let scan = |id, number| OldScan { id, number, status: 3, created_at: None, updated_at: None };
    let menu = |id, text: Option<&str>, debug: Option<&str>, keys| OldMenu {
        id,
        scan: 40,
        text: text.map(str::to_owned),
        debug: debug.map(str::to_owned),
        audio_file: Some(String::new()),
        completed: true,
        keys,
    };
    let key = |keys: Option<&str>, target| OldKey {
        keys: keys.map(str::to_owned),
        said: Some("press".to_owned()),
        target,
    };
    let heard =
        r#"[{"transcript":"press one ","confidence":0.5,"timestamps":[["press",7.8,8.07]]}]"#;
    let import = Import {
        users: vec![OldUser {
            email: String::new(),
            id: 4,
            name: "ann".to_owned(),
            is_admin: true,
            is_active: true,
            tokens: vec!["a token".to_owned()],
        }],
        numbers: vec![
            number(14, Some(NUMBER), false),
            number(15, Some(NUMBER), true),
            number(16, None, false),
        ],
        scans: vec![scan(40, 14), scan(41, 15), scan(42, 16)],
        menus: vec![
            menu(
                70,
                Some(" press one"),
                Some(heard),
                vec![key(Some("1"), Some(72)), key(None, Some(71)), key(Some("2"), Some(999))],
            ),
            menu(71, None, None, vec![]),
            menu(72, None, Some("not json"), vec![key(Some("9"), Some(70))]),
        ],
        ..Import::default()
    };
    store.import(&import).await.unwrap();

    assert!(matches!(store.authenticate("a token").await.unwrap(), TokenCheck::Valid(_)));
    // Of two rows with the same number the first is used, and both keep their scans.
    let row = store.number(NUMBER).await.unwrap().unwrap();
    assert_eq!((row.id.0, row.completed), (14, false));
    let filter = ScanFilter { number: Some(NUMBER.to_owned()) };
    let (count, rows) = store.scans(&filter, 9, 0).await.unwrap();
    let shown: Vec<_> = rows.iter().map(|r| (r.id.0, r.number_completed, r.attempt)).collect();
    assert_eq!((count, shown), (2, vec![(41, true, 3), (40, false, 3)]));

    // A key without a name and one that leads out of the scan are not for the crawl.
    let tree = store.load_tree(ScanId(40)).await.unwrap();
    let edges: Vec<_> = tree
        .nodes()
        .iter()
        .flat_map(|n| n.edges.iter().map(|(k, e)| (n.no.0, k.as_str(), e.clone())))
        .collect();
    let link = Edge::Link(NodeNo(0));
    assert_eq!(edges, [(0, "1", Edge::Child(NodeNo(2))), (2, "9", link)]);
    assert_eq!(tree.nodes()[0].options.len(), 2);
    let words = &tree.nodes()[0].transcripts[0].words;
    assert_eq!((words[0].start_ms, words[0].end_ms), (7800, 8070));

    // Nothing is due; the scan is complete; new ids go on after the old ones.
    assert_eq!(store.next_due().await.unwrap(), None);
    assert_eq!(ask(&store, New::Continue).await, CrawlAnswer::CompletedAlready);
    assert_eq!(queued(&store, New::Fresh).await, ScanId(43));
    // All or nothing: these ids are taken.
    assert!(store.import(&import).await.is_err());
}

#[test]
fn times_are_compared_in_microseconds() {
    let time = Time(1_000_000);
    assert_eq!(time.after(Duration::from_millis(1)), Time(1_001_000));
    assert_eq!(Time(1_001_000).since(time), Duration::from_millis(1));
    assert_eq!(time.since(Time(2_000_000)), Duration::ZERO);
}

fn node(no: u32) -> Node {
    Node {
        no: NodeNo(no),
        kind: PromptKind::Menu,
        transcripts: Vec::new(),
        start_ms: 0,
        end_ms: 1000,
        options: Vec::new(),
        audio_file: None,
        edges: BTreeMap::new(),
        checks: 0,
        variants: Vec::new(),
    }
}

fn any_keys() -> impl Strategy<Value = Keys> {
    "[0-9*#]{1,3}".prop_map(|text| Keys::try_new(&text).unwrap())
}

fn any_edge() -> impl Strategy<Value = Edge> {
    prop_oneof![
        any::<u32>().prop_map(Edge::Tried),
        any::<u32>().prop_map(|no| Edge::Child(NodeNo(no))),
        (0..5u32).prop_map(|no| Edge::Link(NodeNo(no))),
        prop_oneof![
            Just(DeadEnd::HungUp),
            Just(DeadEnd::Invalid),
            Just(DeadEnd::Silent),
            Just(DeadEnd::NoEffect),
            Just(DeadEnd::TooDeep),
        ]
        .prop_map(Edge::Dead),
    ]
}

fn any_transcript() -> impl Strategy<Value = Transcript> {
    let word = ("\\PC{0,8}", any::<u32>(), any::<u32>(), 0.0..=1.0f32).prop_map(
        |(text, start_ms, end_ms, confidence)| Word { text, start_ms, end_ms, confidence },
    );
    (prop::collection::vec(word, 0..4), 0.0..=1.0f32)
        .prop_map(|(words, confidence)| Transcript { words, confidence })
}

fn any_option() -> impl Strategy<Value = MenuOption> {
    (any_keys(), "\\PC{0,8}", "\\PC{0,8}", any::<u32>(), any::<u32>(), 0.0..=1.0f32).prop_map(
        |(keys, label, said, start_ms, end_ms, confidence)| MenuOption {
            keys,
            label,
            said,
            start_ms,
            end_ms,
            confidence,
        },
    )
}

/// A prompt with number 0; whoever uses it gives it its number.
fn any_variant() -> impl Strategy<Value = Variant> {
    let standing =
        prop_oneof![Just(Standing::Suspected), Just(Standing::AtTimes), Just(Standing::Former)];
    (
        standing,
        prop::collection::vec(any_transcript(), 0..2),
        (any::<u32>(), any::<u32>()),
        prop::option::of("\\PC{0,8}"),
        (any::<i64>(), any::<i64>()),
    )
        .prop_map(|(standing, transcripts, (start_ms, end_ms), audio_file, (first, last))| {
            Variant {
                standing,
                kind: PromptKind::Menu,
                transcripts,
                start_ms,
                end_ms,
                audio_file,
                first_heard: Some(first),
                last_heard: Some(last),
            }
        })
}

fn any_node() -> impl Strategy<Value = Node> {
    let kind = prop_oneof![
        Just(PromptKind::Menu),
        Just(PromptKind::Language),
        Just(PromptKind::Input),
        Just(PromptKind::Transfer),
        Just(PromptKind::Queue),
        Just(PromptKind::Voicemail),
        Just(PromptKind::Invalid),
        Just(PromptKind::Announcement),
    ];
    (
        kind,
        prop::collection::vec(any_transcript(), 0..3),
        (any::<u32>(), any::<u32>()),
        prop::collection::vec(any_option(), 0..4),
        prop::option::of("\\PC{0,8}"),
        (
            prop::collection::btree_map(any_keys(), any_edge(), 0..3),
            prop::collection::vec(any_variant(), 0..3),
        ),
    )
        .prop_map(|(kind, transcripts, times, options, audio_file, (edges, variants))| Node {
            no: NodeNo(0),
            kind,
            transcripts,
            start_ms: times.0,
            end_ms: times.1,
            options,
            audio_file,
            edges,
            checks: times.0 % 3,
            variants,
        })
}

/// A step that may or may not fit a tree: a prompt, or something learned of a key.
fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..6u32, any_node()).prop_map(|(no, node)| Change::Node(Node { no: NodeNo(no), ..node })),
        (0..5u32, any_keys(), any_edge()).prop_map(|(from, keys, edge)| Change::Edge {
            from: NodeNo(from),
            keys,
            edge
        }),
        (0..5u32).prop_map(|no| Change::Heard(NodeNo(no))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// The store keeps the tree that the same changes make in memory, over a restart too, and
    /// refuses what the tree refuses.
    #[test]
    fn any_tree_is_read_back_exactly(
        first in any_node(),
        changes in prop::collection::vec(any_change(), 0..12),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (dir, store) = store().await;
            let scan = queued(&store, New::Fresh).await;
            let mut tree = Tree::default();
            for change in std::iter::once(Change::Node(first)).chain(changes) {
                let stored = store.apply_change(scan, &change).await;
                prop_assert_eq!(stored.is_ok(), tree.apply(change).is_ok());
            }
            prop_assert_eq!(&store.load_tree(scan).await.unwrap(), &tree);
            drop(store);
            let store = open(&dir).await;
            prop_assert_eq!(&store.load_tree(scan).await.unwrap(), &tree);
            Ok(())
        })?;
    }
}
