//! A service in a temporary directory, with a switch that only remembers what it was asked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use phoneai::{
    api::{Api, CallRequest, ConnectRequest, DialError, Options, Parts, Switch},
    calls::{gate::Gate, live::Live},
    carrier::{Desk, DeskSettings},
    crawl::tree::{Change, Edge, Keys, MenuOption, Node, NodeNo, PromptKind},
    policy::Policy,
    speech::{Transcript, Word},
    store::{CallOutcome, CrawlAnswer, CrawlRequest, New, NewCall, ScanId, Store},
};
use phoneai_clock::Clock;
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

pub const NUMBER: &str = "12025550100";

/// What the API asked of the switch.
#[derive(Default)]
pub struct StubSwitch {
    pub away: AtomicBool,
    pub wakes: AtomicUsize,
    pub dialled: Mutex<Vec<CallRequest>>,
    pub connected: Mutex<Vec<ConnectRequest>>,
    pub refuses: Mutex<Option<DialError>>,
}

impl Switch for StubSwitch {
    fn ready(&self) -> bool {
        !self.away.load(Ordering::SeqCst)
    }

    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }

    fn connect(&self, request: ConnectRequest) -> Result<Uuid, DialError> {
        if !self.ready() {
            return Err(DialError::NotReady);
        }
        self.connected.lock().unwrap().push(request);
        Ok(Uuid::from_u128(8))
    }

    fn dial(&self, request: CallRequest) -> Result<Uuid, DialError> {
        if let Some(error) = self.refuses.lock().unwrap().clone() {
            return Err(error);
        }
        self.dialled.lock().unwrap().push(request);
        Ok(Uuid::from_u128(7))
    }
}

/// The service and what is behind it.
pub struct Bench {
    pub api: Api,
    pub store: Store,
    pub switch: Arc<StubSwitch>,
    pub live: Live,
    pub token: String,
    dir: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// The value of a header, "" when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    /// The same with what the operator chose.
    pub async fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Clock::real()).await.unwrap();
        let token = store.create_token("ann", false).await.unwrap();
        let (switch, live) = (Arc::new(StubSwitch::default()), Live::new());
        let api = Api::of(Parts {
            store: store.clone(),
            switch: Arc::clone(&switch) as Arc<dyn Switch>,
            live: live.clone(),
            carrier: Desk::new(None, store.clone(), DeskSettings::default()),
            gate: Gate::new(Policy::default(), store.clone(), false),
            options,
        });
        Self { api, store, switch, live, token, dir }
    }

    /// The data directory.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Sends a request exactly as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.api.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A request with the token and these headers.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "api.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("authorization", format!("Token {}", self.token));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    /// A scan of a number.
    pub async fn scan_of(&self, number: &str, new: New) -> ScanId {
        let request = CrawlRequest {
            number: number.to_owned(),
            business_name: None,
            caller_id: None,
            new,
            asked_by: None,
        };
        match self.store.request_crawl(request).await.unwrap() {
            CrawlAnswer::Queued { scan, .. } => scan,
            CrawlAnswer::CompletedAlready => panic!("expected to be queued"),
        }
    }

    /// The call of the scan that is due; whether it left anything to explore.
    pub async fn call(&self, complete: bool) {
        let job = self.store.lease_next("w", std::time::Duration::from_secs(60)).await;
        let job = job.unwrap().expect("a scan is due");
        self.store.begin_call(&NewCall::of(&job)).await.unwrap();
        let outcome = CallOutcome { news: true, complete, ..CallOutcome::default() };
        self.store.finish_call(&job, &outcome, Some(self.store.now())).await.unwrap();
    }

    /// Stores the prompts of a scan; each is its words and its keys with what was said of them and
    /// where they lead.
    pub async fn store_tree(&self, scan: ScanId, prompts: &[Prompt<'_>]) {
        for (no, (text, options)) in (0..).zip(prompts) {
            let node = node(no, text, options);
            self.store.apply_change(scan, &Change::Node(node)).await.unwrap();
        }
    }
}

/// A prompt's words, and its keys: what to press, what was said, which prompt it leads to.
pub type Prompt<'a> = (&'a str, Vec<(&'a str, &'a str, Option<u32>)>);

fn node(no: u32, text: &str, options: &[(&str, &str, Option<u32>)]) -> Node {
    let words = (0..).zip(text.split_whitespace()).map(|(at, word)| Word {
        text: word.to_owned(),
        start_ms: 1000 + at * 250,
        end_ms: 1200 + at * 250,
        confidence: 0.9,
    });
    let key = |text: &str| Keys::try_new(text).unwrap();
    Node {
        no: NodeNo(no),
        kind: PromptKind::Menu,
        transcripts: vec![Transcript { words: words.collect(), confidence: 0.876 }],
        start_ms: 1000,
        end_ms: 3000,
        options: options
            .iter()
            .map(|(keys, said, _)| MenuOption {
                keys: key(keys),
                label: format!("label of {keys}"),
                said: (*said).to_owned(),
                start_ms: 1000,
                end_ms: 2000,
                confidence: 0.5,
            })
            .collect(),
        audio_file: None,
        edges: options
            .iter()
            .filter_map(|(keys, _, target)| {
                let target = (*target)?;
                let to = NodeNo(target);
                Some((key(keys), if target > no { Edge::Child(to) } else { Edge::Link(to) }))
            })
            .collect(),
        checks: 0,
        variants: Vec::new(),
    }
}
