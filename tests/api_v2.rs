//! `/api/v2`, `/healthz`, and the connections under both versions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod api_support;

use std::{sync::atomic::Ordering, time::Duration};

use api_support::{Bench, NUMBER};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use phoneai::{
    api::{
        CallRequest, DialError, serve,
        v2::tree::{Leads, TreeView},
    },
    calls::live::{LiveEvent, What},
    policy::number::Called,
    store::{CallEnd, CallStep, New, NewCall, TokenCheck},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use uuid::Uuid;

/// Real time that nothing here takes, so that a fault does not hang the tests.
const PATIENCE: Duration = Duration::from_secs(20);

async fn post_call(
    bench: &Bench,
    content_type: &str,
    body: impl Into<Body>,
) -> api_support::Answer {
    let request = Request::post("/api/v2/calls")
        .header("authorization", format!("Token {}", bench.token))
        .header("content-type", content_type)
        .body(body.into())
        .unwrap();
    bench.send(request).await
}

#[tokio::test]
async fn strangers_get_401_and_a_problem() {
    let bench = Bench::new().await;
    for (method, path) in [
        ("GET", "/api/v2/events"),
        ("POST", "/api/v2/calls"),
        ("GET", "/api/v2/calls/x"),
        ("GET", "/api/v2/numbers/1/tree"),
        ("GET", "/api/v2/stop"),
        ("POST", "/api/v2/stop"),
        ("DELETE", "/api/v2/stop"),
        ("POST", "/api/v2/resume"),
        ("GET", "/api/v2/opt-outs"),
        ("POST", "/api/v2/opt-outs"),
        ("DELETE", "/api/v2/opt-outs/12025550100"),
        ("GET", "/api/v2/audit"),
        ("GET", "/api/v2/nope"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = bench.send(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.header("www-authenticate"), "Token");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["status"], 401);
        assert_eq!(problem["title"], "Unauthorized");
        assert_eq!(problem["detail"], "Authentication credentials were not provided.");
    }
    assert_eq!(bench.get("/api/v2/nope").await.status, StatusCode::NOT_FOUND);
    for (method, path) in [
        ("DELETE", "/api/v2/stop"),
        ("POST", "/api/v2/resume"),
        ("DELETE", "/api/v2/opt-outs/12025550100"),
        ("GET", "/api/v2/audit"),
        ("PUT", "/api/v2/audit"),
        ("DELETE", "/api/v2/audit"),
    ] {
        let answer = bench.ask(method, path, &[]).await;
        let expected = match method {
            "PUT" => StatusCode::METHOD_NOT_ALLOWED,
            "DELETE" if path.ends_with("audit") => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::FORBIDDEN,
        };
        assert_eq!(answer.status, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn opt_outs_come_in_pages_in_the_order_of_their_numbers() {
    let bench = Bench::new().await;
    let numbers: Vec<Called> =
        (0..5).map(|n| Called::read(&format!("+1202555010{n}")).unwrap()).collect();
    assert_eq!(bench.store.add_opt_outs(&numbers, "a list", "ann").await.unwrap(), 5);
    assert_eq!(bench.store.add_opt_outs(&numbers, "again", "bob").await.unwrap(), 0);
    let (mut seen, mut path) = (Vec::new(), "/api/v2/opt-outs?limit=2".to_owned());
    loop {
        let page = bench.get(&path).await.json();
        let rows = page["opt_outs"].as_array().unwrap().clone();
        assert!(rows.iter().all(|row| row["note"] == "a list" && row["added_by"] == "ann"));
        seen.extend(rows.iter().map(|row| row["number"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v2/opt-outs?limit=2&after={}", next.replace('+', "%2B"));
    }
    assert_eq!(seen, numbers.iter().map(ToString::to_string).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_call_is_placed_for_who_asks_and_its_record_can_be_read() {
    let bench = Bench::new().await;
    let body = json!({"number": "+12025550100", "caller_id": "12025550199"}).to_string();
    let answer = post_call(&bench, "application/json; charset=utf-8", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let id = Uuid::from_u128(7);
    assert_eq!(answer.json(), json!({"id": id}));
    let location = answer.header("location").to_owned();
    assert_eq!(location, format!("/api/v2/calls/{id}"));
    let TokenCheck::Valid(who) = bench.store.authenticate(&bench.token).await.unwrap() else {
        panic!("expected to be known")
    };
    let expected = CallRequest {
        number: "+12025550100".to_owned(),
        caller_id: Some("12025550199".to_owned()),
        asked_by: who.user,
    };
    assert_eq!(*bench.switch.dialled.lock().unwrap(), [expected]);

    assert_eq!(bench.get(&location).await.status, StatusCode::NOT_FOUND);
    let call = NewCall {
        uuid: id,
        scan: None,
        number: "+12025550100".to_owned(),
        caller_id: None,
        asked_by: Some(who.user),
    };
    bench.store.begin_call(&call).await.unwrap();
    bench.store.update_call(id, &CallStep::Ringing).await.unwrap();
    assert_eq!(bench.get(&location).await.json()["state"], "ringing");
    let end = CallEnd { reason: "busy here".to_owned(), sip_status: Some(486), talked: None };
    bench.store.end_call(id, &end).await.unwrap();
    let record = bench.get(&location).await.json();
    assert_eq!((&record["state"], &record["sip_status"]), (&json!("failed"), &json!(486)));
}

#[tokio::test]
async fn a_call_that_cannot_be_placed_says_why() {
    let bench = Bench::new().await;
    let json = "application/json";
    for (content_type, body, status) in [
        ("text/plain", "{}", 415),
        (json, "{", 400),
        (json, "{}", 400),
        (json, r#"{"number":5}"#, 400),
        (json, r#"{"number":"1","colour":"red"}"#, 400),
        (json, r#"{"number":"sip:@b"}"#, 422),
        (json, r#"{"number":""}"#, 422),
        (json, r#"{"number":"1","caller_id":"1\r\n"}"#, 422),
    ] {
        let answer = post_call(&bench, content_type, body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    let large = format!(r#"{{"number":"{}"}}"#, "1".repeat(100_000));
    assert_eq!(post_call(&bench, json, large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    for (error, status, retry) in [
        (DialError::NotReady, 503, "5"),
        (DialError::Busy(4), 429, "5"),
        (DialError::Refused("this number is on the list of those not called".to_owned()), 422, ""),
    ] {
        let detail = error.to_string();
        *bench.switch.refuses.lock().unwrap() = Some(error);
        let answer = post_call(&bench, json, r#"{"number":"+12025550100"}"#).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (status, retry));
        assert_eq!(answer.json()["detail"], detail);
    }
    assert!(bench.switch.dialled.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_tree_has_nodes_and_an_edge_for_each_key() {
    let bench = Bench::new().await;
    let path = format!("/api/v2/numbers/{NUMBER}/tree");
    assert_eq!(bench.get(&path).await.status, StatusCode::NOT_FOUND);
    let scan = bench.scan_of(NUMBER, New::Fresh).await;
    let empty: TreeView = serde_json::from_str(&bench.get(&path).await.body).unwrap();
    assert!(empty.scan.is_none() && empty.nodes.is_empty());

    let prompts = [
        ("press one", vec![("1", "press one", Some(1)), ("2", "press two", None)]),
        ("bye", vec![("*", "main menu", Some(0))]),
    ];
    bench.store_tree(scan, &prompts).await;
    let tree: TreeView = serde_json::from_str(&bench.get(&path).await.body).unwrap();
    let edges: Vec<_> = tree.edges.iter().map(|e| (e.from, e.keys.as_str(), e.leads)).collect();
    assert_eq!(
        edges,
        [
            (0, "1", Leads::Child { to: 1 }),
            (0, "2", Leads::Unexplored),
            (1, "*", Leads::Link { to: 0 }),
        ]
    );
    assert_eq!(tree.nodes[0].text, "press one");
    assert_eq!((tree.nodes[0].completed, tree.nodes[1].completed), (false, true));
    let raw = bench.get(&path).await.json();
    assert_eq!(
        raw["edges"][0],
        json!({"from": 0, "keys": "1", "label": "label of 1", "said": "press one",
               "confidence": 0.5, "state": "child", "to": 1})
    );
}

#[tokio::test]
async fn health_is_told_to_anybody() {
    let bench = Bench::new().await;
    let ask = async || bench.send(Request::get("/healthz").body(Body::empty()).unwrap()).await;
    assert_eq!(ask().await.json(), json!({"status": "ok", "switch": "ready"}));
    bench.switch.away.store(true, Ordering::SeqCst);
    assert_eq!(ask().await.json(), json!({"status": "ok", "switch": "not ready"}));
}

/// The service on loopback.
struct Served {
    bench: Bench,
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn served() -> Served {
    let bench = Bench::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let api = bench.api.clone();
    let task = tokio::spawn(async move {
        serve(listener, api, async {
            let _ = stopped.await;
        })
        .await;
    });
    Served { bench, address, stop, task }
}

impl Served {
    async fn connect(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = request.replace("{TOKEN}", &self.bench.token);
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// Sends text and reads until the other side closes.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect(request).await;
        let mut answer = Vec::new();
        // A reset after the answer is an end too.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

/// Reads until the text is there.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut read = String::new();
    let mut buffer = [0; 4096];
    while !read.contains(wanted) {
        let n = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(n, 0, "the connection ended before {wanted:?}: {read}");
        read.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    read
}

const HELLO: &str = "GET /api/hello/ HTTP/1.1\r\nHost: x\r\nAuthorization: Token {TOKEN}\r\n";
const EVENTS: &str = "GET /api/v2/events?number=12025550100 HTTP/1.1\r\nHost: x\r\nAuthorization: Token {TOKEN}\r\n\r\n";

fn pressed(number: &str, keys: &str) -> LiveEvent {
    LiveEvent {
        call: Uuid::from_u128(7),
        number: number.to_owned(),
        scan: Some(1),
        at_ms: 1500,
        what: What::Pressed { keys: keys.to_owned() },
    }
}

/// The objects in the data lines of a stream.
fn data(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|json| serde_json::from_str(json).unwrap()).collect()
}

#[tokio::test]
async fn answers_go_over_a_socket_with_the_headers_of_the_old_service() {
    let served = served().await;
    let answer = served.exchange(&format!("{HELLO}Connection: close\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Type: application/json\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"message\":\"Hello, World!\"}"), "{answer}");
    let head = HELLO.replace("GET", "HEAD");
    let answer = served.exchange(&format!("{head}Connection: close\r\n\r\n")).await;
    assert!(answer.contains("\r\nContent-Length: 27\r\n") && answer.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn a_proxy_on_this_machine_may_say_https_but_not_the_host() {
    let served = served().await;
    served.bench.scan_of(NUMBER, New::Force).await;
    served.bench.scan_of(NUMBER, New::Force).await;
    let request = "GET /api/scan/?limit=1 HTTP/1.1\r\nHost: x:81\r\nX-Forwarded-Proto: https\r\n\
                   X-Forwarded-Host: evil\r\nAuthorization: Token {TOKEN}\r\nConnection: close\r\n\r\n";
    let answer = served.exchange(request).await;
    assert!(answer.contains("\"next\":\"https://x:81/api/scan/?limit=1&offset=1\""), "{answer}");
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let served = served().await;
    let many = (0..101).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let large = format!("X-Large: {}\r\n", "y".repeat(70_000));
    for more in [many, large] {
        let answer = served.exchange(&format!("{HELLO}{more}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let answer = served.exchange("BLAH\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn events_of_a_number_come_as_they_happen_and_end_with_the_service() {
    let served = served().await;
    let mut stream = served.connect(EVENTS).await;
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.contains("Content-Type: text/event-stream"), "{head}");
    served.bench.live.tell(pressed("12025550101", "9"));
    served.bench.live.tell(pressed(NUMBER, "1"));
    let text = read_until(&mut stream, "\n\n\r\n").await;
    let expected = json!({"call": Uuid::from_u128(7), "number": NUMBER, "scan": 1, "at_ms": 1500,
                          "event": "pressed", "keys": "1"});
    assert_eq!(data(&text), [expected]);

    served.stop.send(()).unwrap();
    let mut rest = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the stream was ended properly: {rest:?}");
    tokio::time::timeout(PATIENCE, served.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_watcher_that_was_too_slow_is_told_how_much_it_missed() {
    let bench = Bench::new().await;
    let request = Request::get("/api/v2/events")
        .header("authorization", format!("Token {}", bench.token))
        .body(Body::empty())
        .unwrap();
    let router = bench.api.router();
    let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
    for _ in 0..1500 {
        bench.live.tell(pressed(NUMBER, "1"));
    }
    let mut body = response.into_body().into_data_stream();
    let mut first = std::pin::pin!(futures_util::StreamExt::next(&mut body));
    let chunk = first.as_mut().await.unwrap().unwrap();
    let lost = data(std::str::from_utf8(&chunk).unwrap());
    assert_eq!(lost, [json!({"event": "lost", "count": 1500 - 1024})]);
}

#[tokio::test]
async fn watchers_have_a_limit_and_their_places_come_back() {
    let bench = Bench::new().await;
    let request = || {
        Request::get("/api/v2/events")
            .header("authorization", format!("Token {}", bench.token))
            .body(Body::empty())
            .unwrap()
    };
    let mut watchers = Vec::new();
    for _ in 0..256 {
        let response = tower::ServiceExt::oneshot(bench.api.router(), request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        watchers.push(response);
    }
    let answer = bench.send(request()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "10");
    watchers.pop();
    let response = tower::ServiceExt::oneshot(bench.api.router(), request()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let served = served().await;
    let mut idle = served.connect(&format!("{HELLO}\r\n")).await;
    read_until(&mut idle, "World!").await;
    served.stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, served.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_a_problem_too() {
    let bench = Bench::new().await;
    for path in ["/api/v2/opt-outs?limit=", "/api/v2/opt-outs?limit=x", "/api/v2/calls/%ff"] {
        let answer = bench.get(path).await;
        assert_eq!(answer.status.as_u16(), 400, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
    }
}

#[tokio::test]
async fn the_description_is_open_api_for_programs_and_a_page_for_browsers() {
    let bench = Bench::new().await;
    let document = bench.get("/api/schema/").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/extensions/{id}/"]["patch"].is_object());
    let page = bench.ask("GET", "/api/schema/", &[("accept", "text/html")]).await;
    assert!(page.body.contains("<code>/api/v2/stop</code>"), "{}", page.body);
}
