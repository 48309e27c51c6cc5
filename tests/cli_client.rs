//! `crawl`, `call` and `tree` against a service of which only the API is real enough for them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    net::SocketAddr,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";
const NUMBER: &str = "+12025550123";
const CALL: &str = "6f2c1a44-3f08-4f6e-9a59-123456789012";

/// An API that answers what it was given.
struct Double {
    addr: SocketAddr,
    asked: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

fn stream(events: &'static str) -> Response {
    let mut answer = Body::from(events).into_response();
    answer.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    answer
}

fn allowed(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|v| v == &format!("Token {TOKEN}"))
}

impl Double {
    /// `events` is the body of the event stream; `answer` that of `makecall`.
    fn start(events: &'static str, answer: &'static str) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let (calls, posts) = (asked.clone(), asked.clone());
        let scan = "{\"count\":1,\"next\":null,\"previous\":null,\"results\":[{\"id\":1,\
                    \"status\":\"Success\",\"attempt\":1,\"completed\":\"True\"}]}";
        let refuse = |headers: &HeaderMap| {
            (!allowed(headers))
                .then(|| (StatusCode::FORBIDDEN, "{\"detail\":\"Invalid token.\"}").into_response())
        };
        let app = Router::new()
            .route(
                "/api/makecall/",
                get(async move |headers: HeaderMap| {
                    calls.fetch_add(1, Ordering::SeqCst);
                    refuse(&headers).unwrap_or_else(|| answer.into_response())
                }),
            )
            .route(
                "/api/v2/calls",
                post(async move |body: String| {
                    posts.fetch_add(1, Ordering::SeqCst);
                    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
                    assert_eq!(body, serde_json::json!({ "number": NUMBER }));
                    (StatusCode::ACCEPTED, format!("{{\"id\":\"{CALL}\"}}"))
                }),
            )
            .route(
                "/api/v2/events",
                get(async move |headers: HeaderMap| {
                    refuse(&headers).unwrap_or_else(|| stream(events))
                }),
            )
            .route("/api/scan/", get(async move || scan))
            .route("/api/callmenu/", get(async || "{\"menu\":{\"children\":[]}}"))
            .route(
                "/api/v2/numbers/{number}/tree",
                get(async |Path(number): Path<String>| {
                    assert_eq!(number, NUMBER);
                    TREE
                }),
            );
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let addr = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { addr, asked, _runtime: runtime }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_as(arguments, TOKEN)
    }

    fn run_as(&self, arguments: &[&str], token: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_phoneai"))
            .args(arguments)
            .env("PHONEAI_API", format!("http://{}/", self.addr))
            .env("PHONEAI_TOKEN", token)
            // A proxy in the environment must not get to see the token.
            .env("http_proxy", "http://127.0.0.1:1")
            .output()
            .unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An event as the service sends it.
macro_rules! event {
    ($at:literal, $rest:literal) => {
        concat!(
            "data: {\"call\":\"6f2c1a44-3f08-4f6e-9a59-123456789012\",\"number\":\"+12025550123\",",
            "\"scan\":1,\"at_ms\":",
            $at,
            ",\"event\":",
            $rest,
            "}\n\n"
        )
    };
}

const ANSWERED: &str = concat!(
    ": welcome\n\n",
    event!("0", "\"dialling\""),
    event!("10", "\"answered\""),
    event!("900", "\"words\",\"text\":\"for sa\",\"is_final\":false"),
    event!("2000", "\"words\",\"text\":\"for sales press one\",\"is_final\":true"),
    event!("7000", "\"of_a_later_version\",\"x\":1"),
    event!(
        "7000",
        "\"prompt\",\"node\":0,\"kind\":\"menu\",\"text\":\"for sales press one\",\
         \"options\":[[\"1\",\"sales\"]],\"new\":true"
    ),
    event!("7001", "\"pressed\",\"keys\":\"1\""),
    event!("9000", "\"ended\",\"reason\":\"hung up by the line\",\"status\":null"),
);
const COMPLETE: &str = event!("0", "\"scan_ended\",\"complete\":true,\"reason\":\"\"");
const INCOMPLETE: &str =
    event!("0", "\"scan_ended\",\"complete\":false,\"reason\":\"10 calls without news\"");
const BUSY: &str = concat!(
    event!("0", "\"dialling\""),
    event!("0", "\"ended\",\"reason\":\"Busy Here\",\"status\":486"),
);

const TREE: &str = r#"{"number":"+12025550123","business_name":null,"attempt":1,"completed":true,
    "scan":null,"nodes":[{"no":0,"id":7,"kind":"menu","text":"for sales press one",
    "start_ms":100,"end_ms":900,"completed":true}],"edges":[{"from":0,"keys":"1","label":"sales",
    "said":"for sales press one","confidence":0.5,"state":"dead","why":"silent"}]}"#;

const SUCCESS: &str = "{\"dial_number\":\"+12025550123\",\"status\":\"success\",\
    \"call_uuid\":\"6f2c1a44-3f08-4f6e-9a59-123456789012\",\"message\":\"\",\"fs_output\":\"\"}";

#[test]
fn a_crawl_is_shown_live_and_ends_with_the_tree() {
    let events = Box::leak(format!("{ANSWERED}{COMPLETE}").into_boxed_str());
    let double = Double::start(events, SUCCESS);
    let output = double.run(&["crawl", NUMBER]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(out.contains("sales"), "{out}");
    for line in [
        "call 1   0.0 s  answered",
        "call 1   2.0 s  heard “for sales press one”",
        "call 1   7.0 s  menu: 1 sales",
        "call 1   9.0 s  over: hung up by the line",
        "complete: nothing is left to explore",
        "1 call, 9 s of audio, 1 prompt, 1 option",
    ] {
        assert!(err.lines().any(|l| l == line), "{line}\n---\n{err}");
    }
    assert_eq!(double.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_crawl_with_json_streams_the_events_of_the_service_and_nothing_else() {
    let events = Box::leak(format!("{ANSWERED}{COMPLETE}").into_boxed_str());
    let output = Double::start(events, SUCCESS).run(&["crawl", NUMBER, "--json"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    let sent = events.lines().filter_map(|line| line.strip_prefix("data: "));
    let sent: Vec<serde_json::Value> =
        sent.filter(|l| !l.contains("later")).map(|l| serde_json::from_str(l).unwrap()).collect();
    let read: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, sent);
    assert!(!err.contains("answered"), "{err}");
}

#[test]
fn a_crawl_that_does_not_finish_prints_what_it_has_and_fails() {
    let double = Double::start(INCOMPLETE, SUCCESS);
    let output = double.run(&["crawl", NUMBER]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("sales"));
    assert!(text(&output.stderr).ends_with("error: 10 calls without news\n"));
}

#[test]
fn a_service_that_ends_during_a_crawl_is_a_clear_failure() {
    let double = Double::start(ANSWERED, SUCCESS);
    let output = double.run(&["crawl", NUMBER]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the service ended before the crawl did"));
}

#[test]
fn a_refused_crawl_says_why() {
    let refusal = "{\"dial_number\":\"\",\"status\":\"fail\",\"call_uuid\":\"\",\
                   \"message\":\"not a number\",\"fs_output\":\"\"}";
    let output = Double::start("", refusal).run(&["crawl", NUMBER]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("refuses to call: not a number"));
}

#[test]
fn a_wrong_token_is_a_clear_failure_that_does_not_repeat_it() {
    let double = Double::start("", SUCCESS);
    let output = double.run_as(&["crawl", NUMBER], "canary-8");
    assert_eq!(output.status.code(), Some(1));
    let err = text(&output.stderr);
    assert!(err.contains("refuses the token: Invalid token. Make one"), "{err}");
    assert!(!err.contains("canary"));
    assert_eq!(double.asked.load(Ordering::SeqCst), 0, "no call without a place to watch it");
}

#[test]
fn a_call_prints_the_words_and_ends_with_the_call() {
    let output = Double::start(ANSWERED, SUCCESS).run(&["call", NUMBER]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "call 1   2.0 s  heard “for sales press one”\n");
}

#[test]
fn a_call_that_nobody_answers_fails_with_the_reason() {
    let output = Double::start(BUSY, SUCCESS).run(&["call", NUMBER]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the call was not answered: Busy Here"));
}

#[test]
fn a_tree_is_asked_for_in_the_form_that_was_wanted() {
    let output = Double::start("", SUCCESS).run(&["tree", NUMBER, "--format", "mermaid"]);
    assert!(text(&output.stdout).contains("flowchart"), "{}", text(&output.stdout));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn another_program_on_the_port_is_recognised_as_such() {
    let output = Double::start("", "<html>hello</html>").run(&["crawl", NUMBER]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is it another program?"));
}
