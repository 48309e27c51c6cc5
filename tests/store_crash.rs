//! A process that is killed while it writes: nothing that it was told is on disk is missing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use phoneai::{
    crawl::tree::{Change, Edge, Keys, Node, NodeNo, PromptKind},
    speech::{Transcript, Word},
    store::{
        CallState, CrawlAnswer, CrawlRequest, New, NewCall, Recovered, ScanId, Store, StoreError,
    },
};
use phoneai_clock::Clock;

/// Tells this test program that it is the one to be killed, and where to write.
const DIRECTORY: &str = "PHONEAI_TEST_CRASH_DIRECTORY";
const WORKER: &str = "worker";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The prompt with this number, in which every field depends on it.
fn node(no: u32) -> Node {
    let word = Word { text: format!("word{no}"), start_ms: no, end_ms: no + 1, confidence: 0.5 };
    Node {
        no: NodeNo(no),
        kind: PromptKind::Menu,
        transcripts: vec![Transcript { words: vec![word; 50], confidence: 0.5 }],
        start_ms: no,
        end_ms: no + 1000,
        options: Vec::new(),
        audio_file: Some(format!("{no}.wav")),
        edges: BTreeMap::new(),
        checks: 0,
        variants: Vec::new(),
    }
}

/// What is learned right after the prompt.
fn edge(no: u32) -> Change {
    Change::Edge {
        from: NodeNo(no),
        keys: Keys::try_new("1").unwrap(),
        edge: Edge::Child(NodeNo(no + 1)),
    }
}

/// Not a test of its own: the process that is killed. Says on its output what was acknowledged.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    runtime().block_on(async {
        let store = Store::open(&directory, Clock::real()).await.unwrap();
        let request = CrawlRequest {
            number: "12025550100".to_owned(),
            business_name: None,
            caller_id: None,
            new: New::Fresh,
            asked_by: None,
        };
        let answer = store.request_crawl(request).await.unwrap();
        assert!(matches!(answer, CrawlAnswer::Queued { scan: ScanId(1), .. }));
        let job = store.lease_next(WORKER, Duration::from_secs(600)).await.unwrap().unwrap();
        store.begin_call(&NewCall::of(&job)).await.unwrap();
        println!("\ncall {}", job.call_uuid);
        for no in 0.. {
            store.apply_change(job.scan, &Change::Node(node(no))).await.unwrap();
            println!("node {no}");
            store.apply_change(job.scan, &edge(no)).await.unwrap();
            println!("edge {no}");
        }
    });
}

fn start(directory: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// Reads until a line with this word and number; gives what follows the word in the last one of
/// each kind.
fn read_until(lines: &mut Lines<BufReader<ChildStdout>>, wanted: &str) {
    for line in lines {
        if line.unwrap() == wanted {
            return;
        }
    }
    panic!("the child ended before {wanted:?}");
}

#[test]
fn nothing_acknowledged_is_missing_after_a_kill_at_any_moment() {
    for kill_after in ["node 0", "edge 3", "node 17", "edge 40"] {
        let directory = tempfile::tempdir().unwrap();
        let (mut child, mut lines) = start(directory.path());
        read_until(&mut lines, kill_after);
        // SIGKILL: it gets no chance to tidy up.
        child.kill().unwrap();
        child.wait().unwrap();
        let (mut nodes, mut edges) = (0, 0);
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        for line in std::iter::once(kill_after).chain(rest.iter().map(String::as_str)) {
            match line.split_once(' ') {
                Some(("node", no)) => {
                    nodes = no.parse::<u32>().unwrap() + 1;
                    edges = edges.max(nodes - 1);
                }
                Some(("edge", no)) => {
                    edges = no.parse::<u32>().unwrap() + 1;
                    nodes = nodes.max(edges);
                }
                _ => {}
            }
        }

        runtime().block_on(async {
            let store = Store::open(directory.path(), Clock::real()).await.unwrap();
            let tree = store.load_tree(ScanId(1)).await.unwrap();
            assert!(tree.nodes().len() >= nodes as usize, "a prompt is missing: {kill_after}");
            for (no, stored) in (0..).zip(tree.nodes()) {
                let heard = Node { edges: BTreeMap::new(), ..stored.clone() };
                assert_eq!(heard, node(no), "a prompt is not whole");
                let known = stored.edges.len() == 1;
                assert!(known || no >= edges, "what was learned of a key is missing: {no}");
            }
        });
    }
}

#[test]
fn after_a_kill_the_scan_is_due_again_and_its_call_is_aborted() {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, mut lines) = start(directory.path());
    read_until(&mut lines, "edge 0");
    child.kill().unwrap();
    child.wait().unwrap();
    runtime().block_on(async {
        let store = Store::open(directory.path(), Clock::real()).await.unwrap();
        assert_eq!(store.recover(WORKER).await.unwrap(), Recovered { scans: 1, calls: 1 });
        let calls = store.calls_of(ScanId(1)).await.unwrap();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].state, CallState::Aborted);
        let job = store.lease_next(WORKER, Duration::from_secs(60)).await.unwrap().unwrap();
        // It heard something before it was killed.
        assert_eq!((job.scan, job.attempt, job.calls_without_news), (ScanId(1), 1, 0));
    });
}

#[test]
fn another_process_has_the_directory_until_it_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, mut lines) = start(directory.path());
    read_until(&mut lines, "node 0");
    runtime().block_on(async {
        let refused = Store::open(directory.path(), Clock::real()).await.map(|_| ());
        let Err(StoreError::InUse { pid, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(pid, Some(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        Store::open(directory.path(), Clock::real()).await.unwrap();
    });
}
