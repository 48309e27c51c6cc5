//! What happens in one call, as server-sent events that can be taken up again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod api_support;

use api_support::{Bench, NUMBER};
use axum::{body::Body, http::Request};
use futures_util::StreamExt as _;
use phoneai::{
    calls::live::{LiveEvent, What},
    store::{CallEnd, New, NewCall},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

const CALL: Uuid = Uuid::from_u128(7);

fn event(call: Uuid, what: What) -> LiveEvent {
    LiveEvent { call, number: NUMBER.to_owned(), scan: None, at_ms: 0, what }
}

fn pressed(keys: &str) -> What {
    What::Pressed { keys: keys.to_owned() }
}

fn ended() -> What {
    What::Ended { reason: "the line hung up".to_owned(), status: None }
}

/// The ids and the objects of a stream.
fn events(text: &str) -> Vec<(String, Value)> {
    let blocks = text.split("\n\n").filter(|block| block.contains("data: "));
    let of = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
    };
    blocks.map(|b| (of(b, "id: "), serde_json::from_str(&of(b, "data: ")).unwrap())).collect()
}

async fn watch(bench: &Bench, last: Option<&str>) -> api_support::Answer {
    let path = format!("/api/v2/calls/{CALL}/events");
    let headers: Vec<(&str, &str)> = last.map(|id| ("last-event-id", id)).into_iter().collect();
    bench.ask("GET", &path, &headers).await
}

#[tokio::test]
async fn the_events_of_a_call_are_told_from_the_beginning_to_its_end() {
    let bench = Bench::new().await;
    assert_eq!(watch(&bench, None).await.status, 404);
    bench.live.tell(event(CALL, What::Dialling));
    bench.live.tell(event(Uuid::from_u128(8), pressed("9")));
    bench.live.tell(event(CALL, pressed("1")));
    let request = Request::get(format!("/api/v2/calls/{CALL}/events"))
        .header("authorization", format!("Token {}", bench.token))
        .body(Body::empty())
        .unwrap();
    let response = bench.api.router().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains("pressed") {
        text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    // Now as it happens.
    bench.live.tell(event(CALL, pressed("2")));
    bench.live.tell(event(CALL, ended()));
    while let Some(chunk) = body.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    let told = events(&text);
    let kinds: Vec<_> =
        told.iter().map(|(id, e)| (id.as_str(), e["event"].as_str().unwrap())).collect();
    assert_eq!(kinds, [("1", "dialling"), ("2", "pressed"), ("3", "pressed"), ("4", "ended")]);

    let rest = watch(&bench, Some("2")).await;
    let ids: Vec<String> = events(&rest.body).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["3", "4"]);
    let nothing = watch(&bench, Some("4")).await;
    assert_eq!((nothing.status.as_u16(), nothing.body.as_str()), (204, ""));
}

#[tokio::test]
async fn what_is_not_remembered_is_told_as_lost() {
    let bench = Bench::new().await;
    for _ in 0..1100 {
        bench.live.tell(event(CALL, pressed("1")));
    }
    bench.live.tell(event(CALL, ended()));
    let told = events(&watch(&bench, Some("7")).await.body);
    assert_eq!(told[0].1, json!({"event": "lost", "count": 1101 - 1024 - 7}));
    assert_eq!((told[1].0.as_str(), told.len()), ("78", 1025));
}

#[tokio::test]
async fn of_a_call_before_the_last_start_only_its_end_is_told() {
    let bench = Bench::new().await;
    let call = NewCall {
        uuid: CALL,
        scan: None,
        number: NUMBER.to_owned(),
        caller_id: None,
        asked_by: None,
    };
    bench.store.begin_call(&call).await.unwrap();
    let end = CallEnd { reason: "busy here".to_owned(), sip_status: Some(486), talked: None };
    bench.store.end_call(CALL, &end).await.unwrap();
    let answer = watch(&bench, None).await;
    let told = events(&answer.body);
    assert_eq!(told.len(), 1, "{}", answer.body);
    let (id, event) = &told[0];
    assert_eq!((&event["event"], &event["status"]), (&json!("ended"), &json!(486)));
    assert_eq!(watch(&bench, Some(id)).await.status, 204);
}

#[tokio::test]
async fn a_call_that_waits_can_be_watched_before_it_is_placed() {
    let bench = Bench::new().await;
    bench.scan_of(NUMBER, New::Fresh).await;
    let scan = Request::post("/api/v2/scans")
        .header("authorization", format!("Token {}", bench.token))
        .header("content-type", "application/json")
        .body(Body::from(json!({"number": NUMBER}).to_string()))
        .unwrap();
    let call: Uuid = bench.send(scan).await.json()["call"].as_str().unwrap().parse().unwrap();
    let request = Request::get(format!("/api/v2/calls/{call}/events"))
        .header("authorization", format!("Token {}", bench.token))
        .body(Body::empty())
        .unwrap();
    let response = bench.api.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    bench.live.tell(event(call, What::Dialling));
    bench.live.tell(event(call, ended()));
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert_eq!(events(std::str::from_utf8(&body).unwrap()).len(), 2);
}

#[tokio::test]
async fn clients_that_send_half_a_request_and_leave_do_not_hold_up_the_others() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let bench = Bench::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = phoneai::api::serve(listener, bench.api.clone(), async {
        let _ = stopped.await;
    });
    let serving = tokio::spawn(serving);
    let token = &bench.token;
    let mut halves = Vec::new();
    for path in
        ["calls", "scans", "sms", "dids", "extensions", "schedules"].iter().cycle().take(300)
    {
        let mut half = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /api/v2/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {token}\r\n\
             Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"number\":"
        );
        half.write_all(head.as_bytes()).await.unwrap();
        halves.push(half);
    }
    let whole = async || {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /api/v2/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Token {token}\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(whole().await.starts_with("HTTP/1.1 200 OK"));
    drop(halves);
    assert!(whole().await.ends_with("{\"items\":[],\"next\":null}"));
    assert!(bench.switch.dialled.lock().unwrap().is_empty());
    let numbers = bench.get("/api/v2/numbers").await.json();
    assert_eq!(numbers["items"], json!([]));
    stop.send(()).unwrap();
    serving.await.unwrap();
}
