//! The endpoints of the old API that keep rows: numbers, extensions, and how bodies are read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod api_support;

use api_support::{Answer, Bench};
use axum::{body::Body, http::Request};
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A request with a body of this type, from the holder of `token`.
async fn send(bench: &Bench, token: &str, asked: (&str, &str), sent: (&str, &str)) -> Answer {
    let request = Request::builder()
        .method(asked.0)
        .uri(asked.1)
        .header("host", "api.test")
        .header("content-type", sent.0)
        .header("authorization", format!("Token {token}"));
    bench.send(request.body(Body::from(sent.1.to_owned())).unwrap()).await
}

async fn post(bench: &Bench, kind: &str, body: &str) -> (u16, String) {
    let answer = send(bench, &bench.token, ("POST", "/api/extensions/"), (kind, body)).await;
    (answer.status.as_u16(), answer.body)
}

fn made(id: i64, name: &str, password: &str) -> (u16, String) {
    let domain = "phoneai.local";
    let body = json!({"id": id, "sip_username": name, "sip_password": password, "domain": domain});
    (201, body.to_string())
}

fn refused(body: &Value) -> (u16, String) {
    (400, body.to_string())
}

#[tokio::test]
async fn an_extension_is_made_from_json_a_form_or_parts() {
    let bench = Bench::new().await;
    let json = r#"{"sip_username": "  2001 ", "sip_password": 1e3, "id": 77}"#;
    assert_eq!(post(&bench, JSON, json).await, made(1, "2001", "1000.0"));
    let form = "sip_username=1&sip_username=caf%C3%A9+2&sip_password=100%";
    assert_eq!(post(&bench, FORM, form).await, made(2, "café 2", "100%"));
    let parts = "--q\r\nContent-Disposition: form-data; name=\"sip_username\"\r\n\r\n2003\r\n--q\r\n\
                 Content-Disposition: form-data; name=\"sip_password\"\r\n\r\np\r\n--q--\r\n";
    let kind = "multipart/form-data; boundary=q";
    assert_eq!(post(&bench, kind, parts).await, made(3, "2003", "p"));
    let rows = bench.get("/api/extensions/").await.json();
    let names: Vec<&str> =
        rows.as_array().unwrap().iter().map(|r| r["sip_username"].as_str().unwrap()).collect();
    assert_eq!(names, ["2001", "café 2", "2003"]);
}

#[tokio::test]
async fn what_is_wrong_with_fields_is_told_together_and_in_their_order() {
    let bench = Bench::new().await;
    let both = |m: &str| refused(&json!({"sip_username": [m], "sip_password": [m]}));
    for (body, message) in [
        ("{}", "This field is required."),
        ("", "This field is required."),
        (r#"{"sip_password": null, "sip_username": null}"#, "This field may not be null."),
        (r#"{"sip_username": " ", "sip_password": ""}"#, "This field may not be blank."),
        (r#"{"sip_username": true, "sip_password": []}"#, "Not a valid string."),
        (
            r#"{"sip_username": "a\u0000", "sip_password": "\u0000b"}"#,
            "Null characters are not allowed.",
        ),
        (
            r#"{"sip_username": "\ud800", "sip_password": "\ud800"}"#,
            "Surrogate characters are not allowed: U+D800.",
        ),
    ] {
        assert_eq!(post(&bench, JSON, body).await, both(message), "{body}");
    }
    let long = format!(r#"{{"sip_username": "{0}", "sip_password": "{0}"}}"#, "é".repeat(101));
    let message = "Ensure this field has no more than 100 characters.";
    assert_eq!(post(&bench, JSON, &long).await, both(message));
    for (body, kind) in [("[]", "list"), ("\"x\"", "str"), ("5", "int"), ("true", "bool")] {
        let message = format!("Invalid data. Expected a dictionary, but got {kind}.");
        let expected = refused(&json!({"non_field_errors": [message]}));
        assert_eq!(post(&bench, JSON, body).await, expected);
    }
    let expected = refused(&json!({"non_field_errors": ["No data provided"]}));
    assert_eq!(post(&bench, JSON, "null").await, expected);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_its_reason() {
    let bench = Bench::new().await;
    let (status, body) = post(&bench, JSON, "{\"sip_username\": \"1\",}").await;
    let message = "JSON parse error - Expecting property name enclosed in double quotes: \
                   line 1 column 22 (char 21)";
    assert_eq!((status, body), refused(&json!({"detail": message})));
    let (status, body) = post(&bench, "text/plain; charset=x", "hello").await;
    let message = "Unsupported media type \"text/plain; charset=x\" in request.";
    assert_eq!((status, body), (415, json!({"detail": message}).to_string()));
    let (status, body) = post(&bench, "multipart/form-data", "--q").await;
    let message = "Multipart form parse error - Invalid boundary in multipart: None";
    assert_eq!((status, body), refused(&json!({"detail": message})));
    assert_eq!(post(&bench, JSON, &"[".repeat(1_000_000)).await.0, 400);
    assert_eq!(post(&bench, JSON, &" ".repeat(10_000_000)).await.0, 413);
    assert_eq!(post(&bench, FORM, &"a=1&".repeat(2000)).await.0, 400);
}

#[tokio::test]
async fn an_extension_is_shown_changed_and_deleted() {
    let bench = Bench::new().await;
    let token = &bench.token;
    post(&bench, JSON, r#"{"sip_username": "2001", "sip_password": "a"}"#).await;
    post(&bench, JSON, r#"{"sip_username": "2002", "sip_password": "b"}"#).await;
    let shown = bench.get("/api/extensions/1/").await.json();
    let keys: Vec<&String> = shown.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "user_id",
            "sip_username",
            "sip_password",
            "updated_at",
            "domain",
            "user",
            "created_at"
        ]
    );
    assert_eq!(shown["user"], json!({"id": 1, "username": "ann"}));
    let taken = json!({"sip_username": ["Extension with this SIP Username already exists."]});
    let both = |name: &str| json!({"sip_username": name, "sip_password": "c"}).to_string();
    for (method, body, expected) in [
        ("PUT", both("2009"), (200, both("2009"))),
        ("PUT", both("2002"), refused(&taken)),
        ("PUT", both("2009"), (200, both("2009"))),
        ("PATCH", "{}".to_owned(), (200, both("2009"))),
        ("PATCH", json!({"sip_username": "2002"}).to_string(), refused(&taken)),
        ("PATCH", json!({"sip_username": "2001"}).to_string(), (200, both("2001"))),
    ] {
        let answer = send(&bench, token, (method, "/api/extensions/1/"), (JSON, &body)).await;
        assert_eq!((answer.status.as_u16(), answer.body), expected, "{method} {body}");
    }
    let answer = send(&bench, token, ("PUT", "/api/extensions/99/"), (JSON, "{")).await;
    assert_eq!(answer.status.as_u16(), 404, "the row is looked up before the body is read");
    let answer = bench.ask("DELETE", "/api/extensions/1/", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("content-type"), "");
    assert_eq!(answer.header("allow"), "GET, PUT, PATCH, DELETE, HEAD, OPTIONS");
    assert_eq!(bench.ask("DELETE", "/api/extensions/1/", &[]).await.status.as_u16(), 404);
}

#[tokio::test]
async fn an_id_is_read_as_an_integer_and_unknown_ones_are_404() {
    let bench = Bench::new().await;
    post(&bench, JSON, r#"{"sip_username": "2001", "sip_password": "a"}"#).await;
    for id in ["1", "01", "+1", "%201", "0_1"] {
        assert_eq!(bench.get(&format!("/api/extensions/{id}/")).await.status.as_u16(), 200);
    }
    for id in ["0", "-1", "abc", "2", "99999999999999999999"] {
        let answer = bench.get(&format!("/api/extensions/{id}/")).await;
        assert_eq!(answer.body, r#"{"detail":"Not found."}"#, "{id}");
        assert_eq!(answer.status.as_u16(), 404);
    }
    for path in ["1.0/", "1/2/"] {
        let answer = bench.get(&format!("/api/extensions/{path}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (404, "text/html"));
    }
    let answer = bench.get("/api/extensions/1?x=%20").await;
    assert_eq!(answer.header("location"), "/api/extensions/1/?x=%20");
}

#[tokio::test]
async fn everybody_reads_extensions_and_only_owner_and_admin_change_them() {
    let bench = Bench::new().await;
    post(&bench, JSON, r#"{"sip_username": "2001", "sip_password": "a"}"#).await;
    let other = bench.store.create_token("bob", false).await.unwrap();
    let admin = bench.store.create_token("root", true).await.unwrap();
    let one = "/api/extensions/1/";
    let read = send(&bench, &other, ("GET", one), (JSON, "")).await;
    assert_eq!(read.json()["sip_password"], "a");
    for method in ["PUT", "PATCH", "DELETE"] {
        let answer = send(&bench, &other, (method, one), (JSON, "{")).await;
        let detail = r#"{"detail":"You do not have permission to perform this action."}"#;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (403, detail));
    }
    let answer = send(&bench, &admin, ("PATCH", one), (JSON, "{}")).await;
    assert_eq!(answer.status.as_u16(), 200);
}

#[tokio::test]
async fn passwords_of_extensions_are_not_in_the_database_and_open_for_the_registrar() {
    let bench = Bench::new().await;
    post(&bench, JSON, r#"{"sip_username": "2001", "sip_password": "canary-5c1d"}"#).await;
    let account = bench.store.sip_account("2001").await.unwrap().unwrap();
    assert_eq!(account.sip_password.expose(), "canary-5c1d");
    assert!(!format!("{account:?}").contains("canary"));
    for file in std::fs::read_dir(bench.dir()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
    }
    assert_eq!(bench.store.sip_account("2002").await.unwrap(), None);
}

#[tokio::test]
async fn phonenumber_reads_the_query_and_leaves_the_body_alone() {
    let bench = Bench::new().await;
    let token = &bench.token;
    let ask = async |query: &str, kind: &str, body: &str| {
        let path = format!("/api/phonenumber/?{query}");
        let answer = send(&bench, token, ("POST", &path), (kind, body)).await;
        assert_eq!(answer.status.as_u16(), 200, "{query}");
        answer.json()
    };
    let row = ask("number=%2012025550100&business_name=Acme%20Inc", JSON, "{").await;
    assert_eq!(
        (&row["number"], &row["business_name"]),
        (&json!(" 12025550100"), &json!("Acme Inc"))
    );
    let again = ask("number=%2012025550100&business_name=", "text/plain", "x").await;
    assert_eq!((&again["id"], &again["business_name"]), (&row["id"], &json!("Acme Inc")));
    assert_eq!(again["created_at"], row["created_at"]);
    assert_eq!(ask("", JSON, r#"{"number": "1"}"#).await["number"], "");
    let nul = ask("number=%00", JSON, "").await;
    assert_eq!(nul["number"], "\0");
    assert_eq!(ask("number=%00", JSON, "").await["id"], nul["id"]);
}

#[tokio::test]
async fn a_menu_is_called_only_with_somebody_to_connect() {
    let bench = Bench::new().await;
    let scan = bench.scan_of(api_support::NUMBER, phoneai::store::New::Fresh).await;
    bench.store_tree(scan, &[("hello", vec![])]).await;
    let message = async |query: &str| {
        let answer = bench.get(&format!("/api/makecall_submenu/?{query}")).await;
        assert_eq!(answer.json()["fs_output"], "");
        answer.json()["message"].as_str().unwrap().to_owned()
    };
    for query in ["", "id=1", "id=1&forwarding_number="] {
        assert_eq!(message(query).await, "forwarding_number is required!");
    }
    for id in ["", "abc", "0", "2", "1.0", "99999999999999999999"] {
        let query = format!("id={id}&forwarding_number=12025550123");
        assert_eq!(message(&query).await, "menu not found", "{id}");
    }
    for number in ["abc", "%20", "1,x", "9999999999999999"] {
        let query = format!("id=1&forwarding_number={number}");
        assert!(message(&query).await.starts_with("forwarding_number must be"), "{number}");
    }
    bench.switch.away.store(true, Ordering::SeqCst);
    assert_eq!(message("id=%201%20&forwarding_number=1").await, "Switch Connection error");
    bench.switch.away.store(false, Ordering::SeqCst);
    let path = "/api/makecall_submenu/?id=1&forwarding_number=12025550123";
    let called = bench.get(path).await.json();
    assert_eq!(
        (&called["status"], &called["dial_number"]),
        (&json!("success"), &json!(api_support::NUMBER))
    );
    let asked = bench.switch.connected.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].menu.0, asked[0].forwarding_number.as_str()), (1, "12025550123"));
    assert_eq!(bench.ask("HEAD", path, &[]).await.status.as_u16(), 200);
    assert_eq!(bench.switch.connected.lock().unwrap().len(), 1, "HEAD calls nobody");
}

#[tokio::test]
async fn options_tells_the_fields_where_something_can_be_sent() {
    let bench = Bench::new().await;
    let list = bench.ask("OPTIONS", "/api/extensions/", &[]).await.json();
    assert_eq!(list["name"], "Extension List");
    assert_eq!(list["actions"]["POST"]["sip_password"]["max_length"], 100);
    let unknown = bench.ask("OPTIONS", "/api/extensions/9/", &[]).await.json();
    assert_eq!(
        (&unknown["name"], &unknown["actions"]),
        (&json!("Extension Instance"), &Value::Null)
    );
    assert_eq!(bench.get("/api/did_numbers/").await.body, "[]");
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let options = phoneai::api::Options { max_requests: 1, ..Default::default() };
    let bench = Bench::with(options).await;
    // Five seconds' worth may come at once; a slow machine lets a few more in.
    let mut answers = Vec::new();
    for _ in 0..200 {
        answers.push(bench.get("/api/hello/").await);
    }
    assert!(answers.iter().take(5).all(|answer| answer.status.as_u16() == 200));
    let refused = answers.iter().find(|answer| answer.status.as_u16() == 429).unwrap();
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.json()["detail"], "Request was throttled. Expected available in 1 seconds.");
    assert_eq!(bench.get("/api/v2/calls/x").await.status.as_u16(), 404, "it is another bucket");
}

#[tokio::test]
async fn passwords_of_extensions_are_shown_as_stars_where_the_operator_wants_it() {
    let options = phoneai::api::Options { expose_sip_passwords: false, ..Default::default() };
    let bench = Bench::with(options).await;
    let body = r#"{"sip_username": "1001", "sip_password": "secret-word"}"#;
    let token = bench.token.clone();
    let made = send(&bench, &token, ("POST", "/api/extensions/"), (JSON, body)).await;
    assert_eq!(made.status.as_u16(), 201);
    for answer in [made, bench.get("/api/extensions/").await, bench.get("/api/extensions/1/").await]
    {
        assert!(answer.body.contains("********"), "{}", answer.body);
        assert!(!answer.body.contains("secret-word"), "{}", answer.body);
    }
    let account = bench.store.sip_account("1001").await.unwrap().unwrap();
    assert_eq!(account.sip_password.expose(), "secret-word");
}

#[tokio::test]
async fn a_completed_menu_is_refused_where_the_operator_wants_it() {
    let options = phoneai::api::Options { refuse_completed_menu: true, ..Default::default() };
    let bench = Bench::with(options).await;
    let scan = bench.scan_of(api_support::NUMBER, phoneai::store::New::Fresh).await;
    bench.store_tree(scan, &[("hello", vec![])]).await;
    let path = "/api/makecall_submenu/?id=1&forwarding_number=12025550123";
    let completed = bench.store.number_of_menu(phoneai::store::MenuId(1)).await.unwrap().unwrap();
    let message = bench.get(path).await.json()["message"].clone();
    let expected = if completed.completed { "menu is completed already." } else { "" };
    assert_eq!(message, expected);
    assert!(completed.completed, "a menu without keys has nothing left to explore");
}
