//! `/api/v2` for people: lists, filters, entity tags, keys of idempotency, trees in all forms, diffs,
//! schedules, and what goes wrong with them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod api_support;

use std::collections::BTreeSet;

use api_support::{Answer, Bench, NUMBER};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use phoneai::{
    api::DialError,
    crawl::schedule,
    store::{CallEnd, CallStep, New, NewCall, Store},
};
use phoneai_clock::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

async fn send(bench: &Bench, method: &str, path: &str, key: Option<&str>, body: &str) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Token {}", bench.token))
        .header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    bench.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn post(bench: &Bench, path: &str, body: Value) -> Answer {
    send(bench, "POST", path, None, &body.to_string()).await
}

/// A call that is over, and its id.
async fn ended_call(bench: &Bench, n: u128, number: &str) -> Uuid {
    let uuid = Uuid::from_u128(n);
    let call =
        NewCall { uuid, scan: None, number: number.to_owned(), caller_id: None, asked_by: None };
    bench.store.begin_call(&call).await.unwrap();
    let end = CallEnd { reason: "busy here".to_owned(), sip_status: Some(486), talked: None };
    bench.store.end_call(uuid, &end).await.unwrap();
    uuid
}

/// All rows of a list, page by page.
async fn all(bench: &Bench, first: &str) -> Vec<Value> {
    let (mut rows, mut path) = (Vec::new(), first.to_owned());
    loop {
        let page = bench.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.body);
        let page = page.json();
        rows.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { return rows };
        path = next.to_owned();
    }
}

fn ids(rows: &[Value], field: &str) -> Vec<String> {
    rows.iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lists_come_in_pages_from_the_newest_on_and_can_be_filtered() {
    let bench = Bench::new().await;
    for n in 1..=5 {
        let number = if n % 2 == 0 { "12025550101" } else { NUMBER };
        ended_call(&bench, n, number).await;
    }
    let newest_first: Vec<String> =
        [5, 4, 3, 2, 1].into_iter().map(|n| Uuid::from_u128(n).to_string()).collect();
    assert_eq!(ids(&all(&bench, "/api/v2/calls?limit=2").await, "id"), newest_first);
    let odd = all(&bench, &format!("/api/v2/calls?limit=1&number={NUMBER}&state=failed")).await;
    let expected: Vec<&String> = newest_first.iter().step_by(2).collect();
    assert_eq!(ids(&odd, "id").iter().collect::<Vec<_>>(), expected);
    assert!(all(&bench, "/api/v2/calls?state=ringing").await.is_empty());
    assert!(all(&bench, "/api/v2/calls?scan=1").await.is_empty());
    let started = odd[1]["started_at"].as_str().unwrap();
    let later = all(&bench, &format!("/api/v2/calls?since={started}")).await;
    assert_eq!(ids(&later, "id"), newest_first[..3]);
    let earlier = all(&bench, &format!("/api/v2/calls?until={started}")).await;
    assert_eq!(ids(&earlier, "id"), newest_first[3..]);
    // Rows that come meanwhile shift nothing.
    let page = bench.get("/api/v2/calls?limit=2").await.json();
    ended_call(&bench, 6, NUMBER).await;
    let next = bench.get(page["next"].as_str().unwrap()).await.json();
    assert_eq!(ids(next["items"].as_array().unwrap(), "id"), newest_first[2..4]);
}

#[tokio::test]
async fn every_list_is_there_and_names_what_it_does_not_know() {
    let bench = Bench::new().await;
    bench.scan_of(NUMBER, New::Fresh).await;
    for list in ["numbers", "scans", "calls", "sms", "extensions", "dids", "schedules"] {
        let path = format!("/api/v2/{list}");
        let page = bench.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{list}: {}", page.body);
        assert!(page.json()["items"].is_array() && page.json()["next"].is_null());
        let answer = bench.get(&format!("{path}?colour=red")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.json()["detail"].as_str().unwrap().contains("colour"), "{}", answer.body);
        for query in ["limit=0", "limit=101", "limit=-1", "limit=x", "cursor=x", "cursor="] {
            let answer = bench.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{list} {query}");
        }
        assert_eq!(bench.get(&format!("{path}/4711")).await.status, StatusCode::NOT_FOUND);
        assert_eq!(bench.get(&format!("{path}/%00")).await.status, StatusCode::NOT_FOUND);
        let answer = bench.ask("GET", &path, &[("accept", "text/html")]).await;
        assert_eq!(answer.status, StatusCode::NOT_ACCEPTABLE, "{list}");
        let answer = bench.ask("PUT", &path, &[]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{list}");
        assert!(answer.header("allow").contains("GET"), "{list}: {:?}", answer.headers);
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    let numbers = all(&bench, "/api/v2/numbers?completed=false").await;
    assert_eq!(ids(&numbers, "number"), [NUMBER]);
    let scans = all(&bench, &format!("/api/v2/scans?state=pending&number={NUMBER}")).await;
    assert_eq!((scans.len(), &scans[0]["tree"]), (1, &json!("/api/v2/scans/1/tree")));
    assert!(all(&bench, "/api/v2/scans?number=%00").await.is_empty());
    assert!(bench.get("/api/v2/calls?since=yesterday").await.body.contains("RFC 3339"));
}

#[tokio::test]
async fn who_has_an_answer_already_is_told_so_until_it_changes() {
    let bench = Bench::new().await;
    let scan = bench.scan_of(NUMBER, New::Fresh).await;
    bench.store_tree(scan, &[("press one", vec![("1", "press one", None)])]).await;
    for path in [
        format!("/api/v2/numbers/{NUMBER}"),
        format!("/api/v2/numbers/{NUMBER}/tree"),
        format!("/api/v2/numbers/{NUMBER}/tree?format=csv"),
        format!("/api/v2/scans/{scan}"),
        "/api/v2/calls".to_owned(),
    ] {
        let first = bench.get(&path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{path}: {tag}");
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let again = bench.ask("GET", &path, &[("if-none-match", &known)]).await;
            assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""), "{path} {known}");
            assert_eq!(again.header("etag"), tag);
        }
        let again = bench.ask("GET", &path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!((again.status, &again.body), (StatusCode::OK, &first.body));
        let head = bench.ask("HEAD", &path, &[]).await;
        assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""), "{path}");
    }
    let path = format!("/api/v2/numbers/{NUMBER}/tree");
    let tag = bench.get(&path).await.header("etag").to_owned();
    bench.store_tree(scan, &[("press two", vec![("2", "press two", None)])]).await;
    let changed = bench.ask("GET", &path, &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn a_repeated_request_with_its_key_is_done_once() {
    let bench = Bench::new().await;
    let body = r#"{"number":"+12025550100"}"#;
    let call = async |key, body| send(&bench, "POST", "/api/v2/calls", Some(key), body).await;
    let first = call("a", body).await;
    assert_eq!(first.status, StatusCode::ACCEPTED);
    let again = call("a", body).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(again.header("idempotency-replayed"), "true");
    let other = call("a", r#"{"number":"+12025550101"}"#).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bench.switch.dialled.lock().unwrap().len(), 1);
    call("b", body).await;
    assert_eq!(bench.switch.dialled.lock().unwrap().len(), 2);
    // A key belongs to one operation.
    let scan = send(&bench, "POST", "/api/v2/scans", Some("a"), body).await;
    assert_eq!(scan.status, StatusCode::ACCEPTED, "{}", scan.body);
    let again = send(&bench, "POST", "/api/v2/scans", Some("a"), body).await;
    assert_eq!(scan.json(), again.json());
    for key in ["", &"k".repeat(256), "\u{e9}"] {
        assert_eq!(call(key, body).await.status, StatusCode::BAD_REQUEST, "{key:?}");
    }
}

#[tokio::test]
async fn what_could_not_be_done_now_may_be_tried_again_under_the_same_key() {
    let bench = Bench::new().await;
    let body = r#"{"number":"+12025550100"}"#;
    let call = async || send(&bench, "POST", "/api/v2/calls", Some("k"), body).await;
    *bench.switch.refuses.lock().unwrap() = Some(DialError::NotReady);
    assert_eq!(call().await.status, StatusCode::SERVICE_UNAVAILABLE);
    *bench.switch.refuses.lock().unwrap() = Some(DialError::Refused("never".to_owned()));
    assert_eq!(call().await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // That was an answer, and it stays.
    *bench.switch.refuses.lock().unwrap() = None;
    assert_eq!(call().await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bench.switch.dialled.lock().unwrap().is_empty());
}

#[tokio::test]
async fn keys_survive_a_restart_and_an_interrupted_request_is_not_done_again() {
    use phoneai::store::{KeptAnswer, KeyClaim, KeyedRequest, UserId};
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Clock::real()).await.unwrap();
    store.create_token("ann", false).await.unwrap();
    let request = |key: &str| KeyedRequest {
        user: UserId(1),
        operation: "POST /api/v2/calls",
        key: key.to_owned(),
        body_sha256: "0".repeat(64),
    };
    for key in ["done", "cut"] {
        assert_eq!(store.claim_key(&request(key)).await.unwrap(), KeyClaim::New);
    }
    assert_eq!(store.claim_key(&request("cut")).await.unwrap(), KeyClaim::InFlight);
    let answer = KeptAnswer {
        status: 202,
        content_type: "application/json".to_owned(),
        location: None,
        body: "{}".to_owned(),
    };
    store.keep_answer(&request("done"), &answer).await.unwrap();
    store.close().await;
    let store = Store::open(dir.path(), Clock::real()).await.unwrap();
    store.recover("this").await.unwrap();
    assert_eq!(store.claim_key(&request("done")).await.unwrap(), KeyClaim::Done(answer));
    assert_eq!(store.claim_key(&request("cut")).await.unwrap(), KeyClaim::Interrupted);
    let other = KeyedRequest { body_sha256: "1".repeat(64), ..request("done") };
    assert_eq!(store.claim_key(&other).await.unwrap(), KeyClaim::OtherBody);
}

#[tokio::test]
async fn a_tree_is_had_in_the_form_that_is_asked_for() {
    let bench = Bench::new().await;
    let scan = bench.scan_of(NUMBER, New::Fresh).await;
    let hostile = "=cmd|'/c calc'!A0";
    let prompts = [
        ("\"]; n9[\"<b>x</b>\"", vec![("1", hostile, Some(1)), ("2", "+1 says \"a, b\"", None)]),
        ("bye", vec![]),
    ];
    bench.store_tree(scan, &prompts).await;
    let path = format!("/api/v2/numbers/{NUMBER}/tree");
    for (kind, query, begins) in [
        ("application/json", "json", "{\"number\":"),
        ("text/vnd.mermaid; charset=utf-8", "mermaid", "flowchart TD\n"),
        ("text/vnd.graphviz; charset=utf-8", "dot", "digraph menu {\n"),
        ("text/csv; charset=utf-8; header=present", "csv", "prompt,kind,text,keys,"),
        ("text/plain; charset=utf-8", "text", "[0] menu: "),
    ] {
        let by_query = bench.ask("GET", &format!("{path}?format={query}"), &[]).await;
        assert_eq!((by_query.header("content-type"), by_query.header("vary")), (kind, "Accept"));
        assert!(by_query.body.starts_with(begins), "{}", by_query.body);
        let plain = kind.split(';').next().unwrap();
        let by_header = bench.ask("GET", &path, &[("accept", plain)]).await;
        assert_eq!(by_header.body, by_query.body, "{kind}");
        let of_scan = bench.get(&format!("/api/v2/scans/{scan}/tree?format={query}")).await;
        assert_eq!(of_scan.body, by_query.body, "{kind}");
        // What is kept is the same as what was made.
        assert_eq!(bench.ask("GET", &path, &[("accept", plain)]).await.body, by_query.body);
    }
    let csv = bench.get(&format!("{path}?format=csv")).await.body;
    assert!(csv.contains(",\"'=cmd|'/c calc'!A0\","), "{csv}");
    assert!(csv.contains(",\"'+1 says \"\"a, b\"\"\","), "{csv}");
    assert_eq!(csv.matches("\r\n").count(), 4, "{csv}");
    assert_eq!(bench.get(&format!("{path}?format=exe")).await.status, StatusCode::BAD_REQUEST);
    let answer = bench.ask("GET", &path, &[("accept", "image/png")]).await;
    assert_eq!(answer.status, StatusCode::NOT_ACCEPTABLE);
    assert!(answer.body.contains("text/vnd.mermaid"), "{}", answer.body);
}

/// A complete scan of the number with these prompts.
async fn scanned(bench: &Bench, prompts: &[api_support::Prompt<'_>]) -> i64 {
    let scan = bench.scan_of(NUMBER, New::Force).await;
    bench.store_tree(scan, prompts).await;
    bench.call(true).await;
    scan.0
}

#[tokio::test]
async fn the_diff_of_a_number_is_that_of_its_newest_scans_unless_others_are_named() {
    let bench = Bench::new().await;
    let path = format!("/api/v2/numbers/{NUMBER}/diff");
    assert_eq!(bench.get(&path).await.status, StatusCode::NOT_FOUND);
    let first = scanned(&bench, &[("press one", vec![("1", "press one", None)])]).await;
    assert_eq!(bench.get(&path).await.status, StatusCode::NOT_FOUND);
    let both = vec![("1", "press one", None), ("2", "press two", None)];
    let second = scanned(&bench, &[("press one or two", both.clone())]).await;
    let third = scanned(&bench, &[("press one or two", both)]).await;
    let same = bench.get(&path).await.json();
    assert_eq!((&same["from"], &same["to"]), (&json!(second), &json!(third)));
    assert_eq!((&same["added"], &same["removed"]), (&json!([]), &json!([])));
    let named = bench.get(&format!("{path}?from={first}&to={third}")).await.json();
    let expected = json!([{"way": [], "keys": "2", "label": "label of 2", "said": "press two"}]);
    assert_eq!((&named["added"], &named["removed"]), (&expected, &json!([])));
    let back = bench.get(&format!("{path}?from={third}&to={first}")).await.json();
    assert_eq!(back["removed"], expected);
    for query in [format!("from=99&to={first}"), "to=99".to_owned()] {
        assert_eq!(bench.get(&format!("{path}?{query}")).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(bench.get(&format!("{path}?from=x")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_scan_is_asked_for_and_goes_on_until_another_is_forced() {
    let bench = Bench::new().await;
    let asked = post(&bench, "/api/v2/scans", json!({"number": NUMBER})).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    assert_eq!(asked.header("location"), "/api/v2/scans/1");
    let (scan, call) = (asked.json(), asked.json()["call"].clone());
    assert_eq!((&scan["id"], &scan["state"]), (&json!(1), &json!("pending")));
    let again = post(&bench, "/api/v2/scans", json!({"number": NUMBER})).await.json();
    assert_eq!((&again["id"], &again["call"]), (&json!(1), &call));
    bench.call(true).await;
    let going_on = json!({"number": NUMBER, "mode": "continue"});
    let answer = post(&bench, "/api/v2/scans", going_on).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
    let forced = json!({"number": NUMBER, "mode": "force", "business_name": "Lakeside"});
    let forced = post(&bench, "/api/v2/scans", forced).await.json();
    assert_eq!((&forced["id"], &forced["business_name"]), (&json!(2), &json!("Lakeside")));
    for (body, status) in [
        (json!({"number": "911"}), 422),
        (json!({"number": "x"}), 422),
        (json!({"number": NUMBER, "caller_id": "x"}), 422),
        (json!({"number": NUMBER, "business_name": "\u{0}"}), 422),
        (json!({"number": NUMBER, "mode": "loud"}), 400),
        (json!({"number": NUMBER, "colour": "red"}), 400),
    ] {
        let answer = post(&bench, "/api/v2/scans", body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.body);
    }
}

#[tokio::test]
async fn extensions_are_made_changed_and_deleted_and_passwords_are_in_no_list() {
    let bench = Bench::new().await;
    let wanted = json!({"sip_username": "ann", "sip_password": "canary-1f"});
    let made = post(&bench, "/api/v2/extensions", wanted.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let path = made.header("location").to_owned();
    assert_eq!(bench.get(&path).await.json()["sip_password"], "canary-1f");
    assert!(!bench.get("/api/v2/extensions").await.body.contains("canary-1f"));
    assert_eq!(post(&bench, "/api/v2/extensions", wanted).await.status, StatusCode::CONFLICT);
    let change = r#"{"sip_username":"bob"}"#;
    assert_eq!(send(&bench, "PATCH", &path, None, change).await.json()["sip_username"], "bob");
    for body in [r#"{"sip_username":""}"#, r#"{"sip_username":"a\u0000"}"#] {
        let answer = send(&bench, "PATCH", &path, None, body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(bench.ask("DELETE", &path, &[]).await.status, StatusCode::NO_CONTENT);
    assert_eq!(bench.ask("DELETE", &path, &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_number_is_not_bought_for_nobody_or_without_a_carrier() {
    let bench = Bench::new().await;
    let wanted = json!({"number": "12025550123", "extension": 1});
    let answer = post(&bench, "/api/v2/dids", wanted.clone()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.body);
    post(&bench, "/api/v2/extensions", json!({"sip_username": "a", "sip_password": "b"})).await;
    let answer = post(&bench, "/api/v2/dids", wanted).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    let answer = bench.get("/api/v2/did-offers?starts_with=1202").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    let answer = bench.get("/api/v2/did-offers?starts_with=x").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
}

#[tokio::test]
async fn schedules_are_kept_with_the_hours_of_their_place() {
    let bench = Bench::new().await;
    let wanted = json!({"number": NUMBER, "daily_at": "09:30",
                        "callback_url": "https://hooks.example/menu"});
    let made = post(&bench, "/api/v2/schedules", wanted.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(made.json()["time_zone"], "America/New_York");
    let path = made.header("location").to_owned();
    assert_eq!(post(&bench, "/api/v2/schedules", wanted).await.status, StatusCode::CONFLICT);
    let off = json!({"number": NUMBER, "every_seconds": 86_400, "enabled": false}).to_string();
    let changed = send(&bench, "PUT", &path, None, &off).await.json();
    assert_eq!((&changed["next_at"], &changed["callback_url"]), (&Value::Null, &Value::Null));
    assert_eq!(all(&bench, "/api/v2/schedules").await, [changed]);
    for body in [
        json!({"number": NUMBER}),
        json!({"number": NUMBER, "every_seconds": 3599}),
        json!({"number": NUMBER, "every_seconds": 86_400, "daily_at": "09:30"}),
        json!({"number": NUMBER, "every_seconds": 86_400, "time_zone": "Europe/Paris"}),
        json!({"number": NUMBER, "daily_at": "25:00"}),
        json!({"number": NUMBER, "daily_at": "09:30", "time_zone": "../etc/passwd"}),
        json!({"number": "18005550199", "daily_at": "09:30"}),
        json!({"number": "911", "every_seconds": 86_400}),
        json!({"number": NUMBER, "every_seconds": 86_400, "callback_url": "file:///etc/passwd"}),
    ] {
        let answer = post(&bench, "/api/v2/schedules", body.clone()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", answer.body);
    }
    let other = json!({"number": "12025550101", "every_seconds": 86_400}).to_string();
    let answer = send(&bench, "PUT", &path, None, &other).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bench.ask("DELETE", &path, &[]).await.status, StatusCode::NO_CONTENT);
    assert_eq!(bench.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_scheduled_scan_tells_of_a_changed_menu_once() {
    let bench = Bench::new().await;
    let one = vec![("1", "press one", None)];
    scanned(&bench, &[("press one", one.clone())]).await;
    let wanted = json!({"number": NUMBER, "every_seconds": 3600,
                        "callback_url": "https://hooks.example/menu"});
    assert_eq!(post(&bench, "/api/v2/schedules", wanted).await.status, StatusCode::CREATED);
    let row = bench.store.list_schedules(None, whole()).await.unwrap()[0].1.clone();
    // Nothing is due yet.
    let due = schedule::turn(&bench.store).await.unwrap();
    assert_eq!((due, row.scan), (row.next_at, None));
    let mut expected = Vec::new();
    for (prompts, change) in [(one.clone(), None), (vec![("2", "press two", None)], Some("2"))] {
        let row = bench.store.list_schedules(None, whole()).await.unwrap()[0].1.clone();
        let next = bench.store.now().after(std::time::Duration::from_secs(3600));
        let scan = bench.store.begin_scheduled_scan(&row, next).await.unwrap().unwrap();
        // Who comes second with the same turn begins nothing.
        assert_eq!(bench.store.begin_scheduled_scan(&row, next).await.unwrap(), None);
        schedule::turn(&bench.store).await.unwrap();
        assert!(bench.store.ended_scheduled_scans().await.unwrap().is_empty());
        bench.store_tree(scan, &[("press it", prompts)]).await;
        bench.call(true).await;
        schedule::turn(&bench.store).await.unwrap();
        schedule::turn(&bench.store).await.unwrap();
        expected.extend(change);
        let told = bench.store.due_deliveries(&[], 10).await.unwrap();
        assert_eq!(told.len(), expected.len());
        let row = bench.store.list_schedules(None, whole()).await.unwrap()[0].1.clone();
        assert_eq!((row.scan, row.compared_scan), (None, Some(scan)));
        assert_eq!(row.changed_at.is_some(), change.is_some());
    }
    let told = bench.store.due_deliveries(&[], 10).await.unwrap();
    let body: Value = serde_json::from_str(&told[0].body).unwrap();
    assert_eq!((&body["event"], &body["number"]), (&json!("menu_changed"), &json!(NUMBER)));
    assert_eq!(body["added"][0]["keys"], "2");
    assert_eq!(body["removed"][0]["keys"], "1");
    assert_eq!(told[0].url, "https://hooks.example/menu");
}

fn whole() -> phoneai::store::Slice {
    phoneai::store::Slice { after: None, limit: 100 }
}

#[tokio::test]
async fn recordings_are_sent_whole_or_in_part_and_nothing_else_is() {
    let bench = Bench::new().await;
    let call = ended_call(&bench, 1, NUMBER).await;
    let path = format!("/api/v2/calls/{call}/recording");
    assert_eq!(bench.get(&path).await.status, StatusCode::NOT_FOUND);
    let file = format!("recordings/{call}/call.wav");
    bench.store.update_call(call, &CallStep::Recording(file.clone())).await.unwrap();
    assert_eq!(bench.get(&path).await.status, StatusCode::NOT_FOUND);
    std::fs::create_dir_all(bench.dir().join(&file).parent().unwrap()).unwrap();
    std::fs::write(bench.dir().join(&file), "RIFF0123456789").unwrap();
    let whole = bench.get(&path).await;
    assert_eq!((whole.status, whole.body.as_str()), (StatusCode::OK, "RIFF0123456789"));
    assert_eq!(
        (whole.header("content-type"), whole.header("accept-ranges")),
        ("audio/wav", "bytes")
    );
    let (tag, modified) =
        (whole.header("etag").to_owned(), whole.header("last-modified").to_owned());
    assert!(modified.ends_with(" GMT"), "{modified}");
    for (headers, status, body, range) in [
        (vec![("range", "bytes=0-3")], 206, "RIFF", "bytes 0-3/14"),
        (vec![("range", "bytes=-2")], 206, "89", "bytes 12-13/14"),
        (
            vec![("range", "bytes=4-"), ("if-range", tag.as_str())],
            206,
            "0123456789",
            "bytes 4-13/14",
        ),
        (
            vec![("range", "bytes=12-"), ("if-range", modified.as_str())],
            206,
            "89",
            "bytes 12-13/14",
        ),
        (vec![("range", "bytes=0-3"), ("if-range", "\"old\"")], 200, "RIFF0123456789", ""),
        (vec![("range", "bytes=0-3,5-6")], 200, "RIFF0123456789", ""),
        (vec![("if-none-match", tag.as_str())], 304, "", ""),
    ] {
        let answer = bench.ask("GET", &path, &headers).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, body), "{headers:?}");
        assert_eq!(answer.header("content-range"), range, "{headers:?}");
    }
    let answer = bench.ask("GET", &path, &[("range", "bytes=14-")]).await;
    assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(answer.header("content-range"), "bytes */14");
    let head = bench.ask("HEAD", &path, &[]).await;
    assert_eq!((head.header("content-length"), head.body.as_str()), ("14", ""));
    for stranger in ["phoneai.db", "../x.wav", "recordings/../phoneai.db", "/etc/passwd"] {
        let step = CallStep::Recording(stranger.to_owned());
        bench.store.update_call(call, &step).await.unwrap();
        assert_eq!(bench.get(&path).await.status, StatusCode::NOT_FOUND, "{stranger}");
    }
    // Nor by a link that leads out.
    #[cfg(unix)]
    {
        let link = format!("recordings/{call}/link.wav");
        std::os::unix::fs::symlink(bench.dir().join("phoneai.db"), bench.dir().join(&link))
            .unwrap();
        bench.store.update_call(call, &CallStep::Recording(link)).await.unwrap();
        assert_eq!(bench.get(&path).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(bench.get("/api/v2/prompts/1/recording").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_operation_of_the_description_is_there_and_none_fails() {
    let bench = Bench::new().await;
    let document = bench.get("/api/schema/").await.json();
    let mut seen = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let filled = path.replace("{number}", "1").replace("{id}", "1");
            // Events do not end, and the carrier's old webhooks answer rubbish with 500 and {}.
            if filled.ends_with("/events") || filled.starts_with("/api/sms/") {
                continue;
            }
            let answer = send(&bench, &method.to_uppercase(), &filled, None, "{}").await;
            let status = answer.status.as_u16();
            // There is no carrier here, and only that is a 5xx.
            let is_fine = status < 500 && status != 405 || answer.body.contains("no carrier is");
            assert!(is_fine, "{method} {path}: {status} {}", answer.body);
            let there = "there is nothing at this address";
            assert!(!answer.body.contains(there), "{method} {path}");
            seen.insert(operation["operationId"].as_str().unwrap().to_owned());
        }
    }
    assert!(seen.len() > 50, "{seen:?}");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in ["CallView", "List_CallView", "TreeView", "ProblemBody", "WantedSchedule"] {
        assert!(schemas.contains_key(name), "{name}: {:?}", schemas.keys());
    }
}

#[tokio::test]
async fn bodies_at_their_limits_get_a_4xx_with_a_reason() {
    let bench = Bench::new().await;
    let nested = format!("{{\"number\":{}", "[".repeat(30_000));
    let large = format!("{{\"number\":\"{}\"}}", "1".repeat(10_000_000));
    for path in ["calls", "scans", "sms", "dids", "extensions", "schedules", "opt-outs"] {
        let path = format!("/api/v2/{path}");
        for body in [nested.as_bytes(), large.as_bytes(), b"\xff\xfe", b"\0", b"", b"null", b"[]"] {
            let request = Request::post(&path)
                .header("authorization", format!("Token {}", bench.token))
                .header("content-type", "application/json")
                .body(Body::from(body.to_vec()))
                .unwrap();
            let answer = bench.send(request).await;
            let expected = if body.len() > 1_000_000 { 413 } else { 400 };
            let begin = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
            assert_eq!(answer.status.as_u16(), expected, "{path} {begin:?}: {}", answer.body);
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
}
