//! The REST API as clients of the old service use it, from the contract.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod api_support;

use std::sync::atomic::Ordering;

use api_support::{Answer, Bench, NUMBER};
use axum::{
    body::Body,
    http::{HeaderValue, Request, StatusCode},
};
use phoneai::store::{New, ScanFilter};
use serde_json::{Value, json};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const GET_ONLY: &str = "GET, HEAD, OPTIONS";

/// Checks status, body and the headers that every answer of an endpoint has.
fn check(answer: &Answer, status: u16, vary: &str, body: &str) {
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, body));
    for (name, value) in [
        ("content-type", "application/json"),
        ("vary", vary),
        ("allow", GET_ONLY),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("content-length", &body.len().to_string()),
        ("www-authenticate", ""),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
}

fn bare(method: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

fn with_authorization(value: &[u8]) -> Request<Body> {
    let mut request = bare("GET", "/api/hello/");
    request.headers_mut().insert("authorization", HeaderValue::from_bytes(value).unwrap());
    request
}

#[tokio::test]
async fn hello_says_hello() {
    let bench = Bench::new().await;
    let answer = bench.get("/api/hello/").await;
    check(&answer, 200, "Accept, Cookie", r#"{"message":"Hello, World!"}"#);
}

#[tokio::test]
async fn every_fault_of_the_token_is_403_with_its_message() {
    let bench = Bench::new().await;
    bench.store.create_token("old", false).await.unwrap();
    let inactive = bench.store.create_token("gone", false).await.unwrap();
    bench.store.set_user_active("gone", false).await.unwrap();
    let none = "Authentication credentials were not provided.";
    let spaces = "Invalid token header. Token string should not contain spaces.";
    let token = &bench.token;
    let own = |text: String| text.into_bytes();
    for (header, detail) in [
        (own(format!("Bearer {token}")), none),
        (own(token.clone()), none),
        (own(String::new()), none),
        (own("Basic YTpi".to_owned()), none),
        (own("Token".to_owned()), "Invalid token header. No credentials provided."),
        (own("Token ".to_owned()), "Invalid token header. No credentials provided."),
        (own(format!("Token {} {}", &token[..10], &token[10..])), spaces),
        (
            b"Token caf\xe9".to_vec(),
            "Invalid token header. Token string should not contain invalid characters.",
        ),
        (own("Token café☎".to_owned()), "Invalid token."),
        (own(format!("Token {}", token.to_uppercase())), "Invalid token."),
        (own(format!("Token {}", "f".repeat(40))), "Invalid token."),
        (own(format!("Token {inactive}")), "User inactive or deleted."),
    ] {
        let answer = bench.send(with_authorization(&header)).await;
        check(&answer, 403, "Accept, Cookie", &json!({"detail": detail}).to_string());
    }
    let answer = bench.send(bare("GET", "/api/hello/")).await;
    check(&answer, 403, "Accept, Cookie", &json!({"detail": none}).to_string());
    for header in [
        format!("token {token}"),
        format!("TOKEN {token}"),
        format!("Token\t{token} "),
        format!("Token   {token}   "),
    ] {
        let answer = bench.send(with_authorization(header.as_bytes())).await;
        assert_eq!(answer.status, StatusCode::OK, "{header:?}");
    }
}

#[tokio::test]
async fn a_path_is_looked_up_before_anything_else() {
    let bench = Bench::new().await;
    let page = "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Not Found</title>\n</head>\n\
                <body>\n  <h1>Not Found</h1><p>The requested resource was not found on this \
                server.</p>\n</body>\n</html>\n";
    for path in [
        "/",
        "/api/nope/",
        "/api/nope",
        "//api/hello/",
        "/api//hello/",
        "/api/Hello/",
        "/api/x/../hello/",
        "/api/hello.json",
        "/api/hello//",
        "/api/v1/hello/",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = bench.send(bare(method, path)).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, page), "{path}");
            assert_eq!(answer.header("content-type"), "text/html");
            assert_eq!((answer.header("vary"), answer.header("allow")), ("", ""));
            assert_eq!(answer.header("x-frame-options"), "DENY");
        }
    }
    for path in ["/api/%68ello/", "/api%2Fhello/"] {
        assert_eq!(bench.get(path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_missing_slash_is_redirected_for_any_method_without_credentials() {
    let bench = Bench::new().await;
    for (path, location) in [
        ("/api/hello", "/api/hello/"),
        ("/api/%68ello", "/api/hello/"),
        ("/api/scan?limit=3&number=%2B1&x", "/api/scan/?limit=3&number=%2B1&x"),
        ("/api/makecall?", "/api/makecall/?"),
    ] {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
            let answer = bench.send(bare(method, path)).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (301, ""), "{path}");
            assert_eq!(answer.header("location"), location);
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
            assert_eq!(answer.header("content-length"), "0");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            for absent in ["x-frame-options", "vary", "allow"] {
                assert_eq!(answer.header(absent), "", "{absent}");
            }
        }
    }
}

#[tokio::test]
async fn negotiation_comes_before_credentials_and_credentials_before_the_method() {
    let bench = Bench::new().await;
    let not_acceptable = r#"{"detail":"Could not satisfy the request Accept header."}"#;
    let mut request = bare("POST", "/api/hello/");
    request.headers_mut().insert("accept", HeaderValue::from_static("application/xml"));
    check(&bench.send(request).await, 406, "Accept", not_acceptable);
    let answer = bench.send(bare("GET", "/api/hello/?format=xml")).await;
    check(&answer, 404, "Accept", r#"{"detail":"Not found."}"#);
    let answer = bench.send(bare("DELETE", "/api/hello/")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);

    let path = format!("/api/makecall/?number={NUMBER}");
    let answer = bench.ask("GET", &path, &[("accept", "application/xml")]).await;
    check(&answer, 406, "Accept", not_acceptable);
    assert!(bench.store.number(NUMBER).await.unwrap().is_none(), "nothing was done");
}

#[tokio::test]
async fn a_method_that_an_endpoint_has_not_is_405_by_its_name() {
    let bench = Bench::new().await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "FROB"] {
        let headers = [("x-http-method-override", "GET")];
        let answer = bench.ask(method, "/api/hello/", &headers).await;
        let body = format!(r#"{{"detail":"Method \"{method}\" not allowed."}}"#);
        check(&answer, 405, "Accept, Cookie", &body);
    }
}

#[tokio::test]
async fn options_describes_the_endpoint() {
    let bench = Bench::new().await;
    for (path, name) in [
        ("/api/hello/", "Hello"),
        ("/api/makecall/", "Make Call"),
        ("/api/scan/", "Scan Call"),
        ("/api/callmenu/", "Show Call Menu"),
    ] {
        let body = format!(
            r#"{{"name":"{name}","description":"","renders":["application/json","text/html"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]}}"#
        );
        check(&bench.ask("OPTIONS", path, &[]).await, 200, "Accept, Cookie", &body);
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let bench = Bench::new().await;
    let answer = bench.ask("HEAD", "/api/hello/", &[]).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
    assert_eq!((answer.header("content-length"), answer.header("allow")), ("27", GET_ONLY));
}

#[tokio::test]
async fn json_is_indented_on_request() {
    let bench = Bench::new().await;
    let accept = [("accept", "application/json; indent=4")];
    let answer = bench.ask("GET", "/api/hello/", &accept).await;
    assert_eq!(answer.body, "{\n    \"message\": \"Hello, World!\"\n}");
}

#[tokio::test]
async fn a_browser_gets_a_page_in_which_nothing_from_outside_is_html() {
    let bench = Bench::new().await;
    let path = "/api/scan/?limit=3&number=%3Cscript%3E%22%27{{form}}";
    let answer = bench.ask("GET", path, &[("accept", BROWSER)]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!((answer.header("vary"), answer.header("allow")), ("Accept, Cookie", GET_ONLY));
    assert!(answer.header("content-security-policy").contains("default-src 'none'"));
    assert!(answer.body.contains("<h1>Scan Call</h1>"));
    assert!(answer.body.contains("&quot;count&quot;: 0,"));
    assert!(answer.body.contains("value=\"&lt;script&gt;&quot;&#39;{{form}}\""), "{}", answer.body);
    assert!(!answer.body.contains("<script"));

    let mut request = bare("GET", "/api/hello/");
    request.headers_mut().insert("accept", HeaderValue::from_static(BROWSER));
    let answer = bench.send(request).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn a_host_that_is_none_is_refused() {
    let bench = Bench::new().await;
    for (host, status) in [
        ("api.test", 200),
        ("api.test:8443", 200),
        ("[::1]:80", 200),
        ("127.0.0.1", 200),
        ("", 400),
        ("a b", 400),
        ("api.test:", 400),
        ("api.test:x", 400),
        ("a/b", 400),
        ("a@b", 400),
        ("[::1", 400),
        ("<x>", 400),
    ] {
        let mut request = with_authorization(format!("Token {}", bench.token).as_bytes());
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = bench.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{host:?}");
        assert_eq!(answer.body.contains("Bad Request (400)"), status == 400);
    }
}

#[tokio::test]
async fn makecall_answers_with_the_id_of_the_call_and_wakes_the_scheduler() {
    let bench = Bench::new().await;
    let answer = bench.get(&format!("/api/makecall/?number={NUMBER}&new=1")).await;
    let job =
        bench.store.lease_next("w", std::time::Duration::from_secs(9)).await.unwrap().unwrap();
    let id = job.call_uuid;
    let body = format!(
        r#"{{"dial_number":"{NUMBER}","status":"success","call_uuid":"{id}","message":"","fs_output":"+OK Job-UUID: {id}\n"}}"#
    );
    check(&answer, 200, "Accept, Cookie", &body);
    assert_eq!(bench.switch.wakes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn makecall_without_a_switch_fails_and_keeps_the_scan() {
    let bench = Bench::new().await;
    bench.switch.away.store(true, Ordering::SeqCst);
    let answer = bench.get(&format!("/api/makecall/?number={NUMBER}")).await;
    let body = r#"{"status":"fail","message":"Switch Connection error","fs_output":""}"#;
    check(&answer, 200, "Accept, Cookie", body);
    let (count, _) = bench.store.scans(&ScanFilter::default(), 9, 0).await.unwrap();
    assert_eq!(count, 1);
    assert_eq!(bench.switch.wakes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn makecall_of_a_complete_number_starts_afresh_unless_new_is_0() {
    let bench = Bench::new().await;
    bench.scan_of(NUMBER, New::Fresh).await;
    bench.call(true).await;
    let ask = async |new: &str| {
        bench.get(&format!("/api/makecall/?number={NUMBER}{new}")).await.json()["message"].clone()
    };
    let body = r#"{"status":"fail","message":"crawl is completed already","fs_output":""}"#;
    let answer = bench.get(&format!("/api/makecall/?number={NUMBER}&new=0")).await;
    check(&answer, 200, "Accept, Cookie", body);
    // It is known before the switch is asked.
    bench.switch.away.store(true, Ordering::SeqCst);
    assert_eq!(ask("&new=0").await, "crawl is completed already");
    bench.switch.away.store(false, Ordering::SeqCst);

    let scans = async || bench.store.scans(&ScanFilter::default(), 9, 0).await.unwrap().0;
    for (new, expected) in [
        ("", 2),
        ("&new=1", 2),
        ("&new=0", 2),
        ("&new=yes", 2),
        ("&new=force", 3),
        ("&new=force", 4),
    ] {
        assert_eq!(ask(new).await, "");
        assert_eq!(scans().await, expected, "{new:?}");
    }
}

#[tokio::test]
async fn makecall_refuses_what_is_no_number_and_does_nothing() {
    let bench = Bench::new().await;
    let number = "number must be a + or none, and 1 to 15 digits, without blanks";
    let caller = "caller_id must be a + or none, and 1 to 15 digits, without blanks";
    for (query, message) in [
        ("", "number is required!"),
        ("number=", "number is required!"),
        ("number=abc", number),
        ("number=%2B1%20202%20555%200113", number),
        ("number=1111111111111111", number),
        ("number=%2B", number),
        ("number=1%0d%0aX:", number),
        ("number=%EF%BC%93", number),
        ("number=1&caller_id=1%7D%7Bx%3D1", caller),
        ("number=1&caller_id=sip:a@b", caller),
    ] {
        let answer = bench.get(&format!("/api/makecall/?{query}")).await;
        let body = json!({"status": "fail", "message": message, "fs_output": ""}).to_string();
        check(&answer, 200, "Accept, Cookie", &body);
    }
    assert_eq!(bench.store.scans(&ScanFilter::default(), 9, 0).await.unwrap().0, 0);
    assert_eq!(bench.switch.wakes.load(Ordering::SeqCst), 0);
    let fine = "/api/makecall/?number=%2B12025550100&caller_id=12025550199&business_name=Zo%C3%AB";
    assert_eq!(bench.get(fine).await.json()["status"], "success");
    let row = bench.store.number("+12025550100").await.unwrap().unwrap();
    assert_eq!(row.business_name.as_deref(), Some("Zoë"));
}

#[tokio::test]
async fn makecall_takes_a_business_name_of_any_length_and_keeps_no_nul() {
    let bench = Bench::new().await;
    let long = format!("/api/makecall/?number=12025550100&business_name=%00{}", "x".repeat(300));
    assert_eq!(bench.get(&long).await.json()["status"], "success");
    let row = bench.store.number("12025550100").await.unwrap().unwrap();
    assert_eq!(row.business_name, Some(format!("\u{fffd}{}", "x".repeat(300))));
}

#[tokio::test]
async fn head_on_makecall_calls_nobody() {
    let bench = Bench::new().await;
    let path = format!("/api/makecall/?number={NUMBER}");
    let head = bench.ask("HEAD", &path, &[]).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    assert!(bench.store.number(NUMBER).await.unwrap().is_none());
    assert_eq!(bench.switch.wakes.load(Ordering::SeqCst), 0);
    let get = bench.get(&path).await;
    assert_eq!(head.header("content-length"), get.header("content-length"));
}

#[tokio::test]
async fn a_scan_row_has_the_documented_keys_and_then_the_old_ones() {
    let bench = Bench::new().await;
    let scan = bench.scan_of(NUMBER, New::Fresh).await;
    bench.call(false).await;
    let answer = bench.get("/api/scan/?limit=3").await;
    let row = answer.json()["results"][0].clone();
    let expected = format!(
        r#"{{"count":1,"next":null,"previous":null,"results":[{{"id":{scan},"number":"{NUMBER}","status":"Processed","attempt":1,"created_at":{},"updated_at":{},"phone_number":"{NUMBER}","business_name":null,"completed":"False"}}]}}"#,
        row["created_at"], row["updated_at"]
    );
    check(&answer, 200, "Accept, Cookie", &expected);
    let created = row["created_at"].as_str().unwrap();
    let time: jiff::Timestamp = created.parse().unwrap();
    assert!(created.ends_with('Z') && created.as_bytes()[10] == b'T');
    let fraction = time.as_microsecond() % 1_000_000;
    assert_eq!(created.len(), if fraction == 0 { 20 } else { 27 });
}

#[tokio::test]
async fn scan_shows_an_attempt_for_each_scan() {
    let bench = Bench::new().await;
    for _ in 0..3 {
        bench.scan_of(NUMBER, New::Force).await;
        bench.call(true).await;
    }
    let answer = bench.get("/api/scan/?limit=9").await.json();
    let column = |name: &str| -> Vec<Value> {
        answer["results"].as_array().unwrap().iter().map(|row| row[name].clone()).collect()
    };
    assert_eq!(column("attempt"), [3, 2, 1]);
    assert_eq!(column("status"), ["Success", "Success", "Success"]);
    assert_eq!(column("completed"), ["True", "True", "True"]);
}

#[tokio::test]
async fn scan_links_to_the_pages_before_and_after() {
    let bench = Bench::new().await;
    for _ in 0..7 {
        bench.scan_of(NUMBER, New::Force).await;
    }
    let url = |query: &str| json!(format!("http://api.test/api/scan/?{query}"));
    let n = NUMBER;
    for (query, next, previous, rows) in [
        (
            format!("limit=3&offset=0&number={n}"),
            url(&format!("limit=3&number={n}&offset=3")),
            Value::Null,
            3,
        ),
        (
            format!("limit=3&number={n}&offset=3"),
            url(&format!("limit=3&number={n}&offset=6")),
            url(&format!("limit=3&number={n}")),
            3,
        ),
        (
            format!("limit=3&number={n}&offset=6"),
            Value::Null,
            url(&format!("limit=3&number={n}&offset=3")),
            1,
        ),
        ("limit=3&offset=2".to_owned(), url("limit=3&offset=5"), url("limit=3"), 3),
        ("limit=3&offset=1000".to_owned(), Value::Null, url("limit=3&offset=997"), 0),
        (
            "limit=3&offset=99999999999999999999".to_owned(),
            Value::Null,
            url("limit=3&offset=99999999999999999996"),
            0,
        ),
        ("limit=3&offset=-5".to_owned(), url("limit=3&offset=3"), Value::Null, 3),
        ("limit=3&offset=abc".to_owned(), url("limit=3&offset=3"), Value::Null, 3),
        ("limit=%EF%BC%93".to_owned(), url("limit=3&offset=3"), Value::Null, 3),
        ("limit=2&limit=%203%20".to_owned(), url("limit=3&offset=3"), Value::Null, 3),
        ("limit=7".to_owned(), Value::Null, Value::Null, 7),
        (
            "limit=2&name=a+b%2Bc&flag&name=!~".to_owned(),
            url("flag=&limit=2&name=a+b%2Bc&name=%21~&offset=2"),
            Value::Null,
            2,
        ),
        ("limit=2&a=1;b=2".to_owned(), url("a=1%3Bb%3D2&limit=2&offset=2"), Value::Null, 2),
    ] {
        let answer = bench.get(&format!("/api/scan/?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
        let page = answer.json();
        assert_eq!(page["count"], 7);
        assert_eq!((&page["next"], &page["previous"]), (&next, &previous), "{query}");
        assert_eq!(page["results"].as_array().unwrap().len(), rows, "{query}");
    }
}

#[tokio::test]
async fn scan_without_a_usable_limit_takes_100_and_never_more_than_1000() {
    let bench = Bench::new().await;
    bench.scan_of(NUMBER, New::Fresh).await;
    for query in ["", "limit=", "limit=0", "limit=-1", "limit=abc", "limit=1.5", "limit=0x3"] {
        let page = bench.get(&format!("/api/scan/?{query}&offset=500")).await.json();
        assert_eq!(page["previous"], "http://api.test/api/scan/?limit=100&offset=400", "{query}");
    }
    for limit in ["1001", "9223372036854775807", "99999999999999999999999"] {
        let page = bench.get(&format!("/api/scan/?limit={limit}&offset=5000")).await.json();
        assert_eq!(page["previous"], "http://api.test/api/scan/?limit=1000&offset=4000");
    }
}

#[tokio::test]
async fn scan_compares_the_number_exactly_and_takes_an_empty_one_for_all() {
    let bench = Bench::new().await;
    bench.scan_of(NUMBER, New::Fresh).await;
    let count = async |query: &str| {
        bench.get(&format!("/api/scan/?limit=2&{query}")).await.json()["count"].clone()
    };
    for query in ["", "number=", "number=12025550100", "number=x&number=12025550100"] {
        assert_eq!(count(query).await, 1, "{query}");
    }
    for query in
        ["number=1202", "number=12025550100%20", "number=%25", "number=%00", "number=%D9%A1"]
    {
        assert_eq!(count(query).await, 0, "{query}");
    }
}

#[tokio::test]
async fn callmenu_shows_the_tree_with_words_and_times() {
    let bench = Bench::new().await;
    let scan = bench.scan_of(NUMBER, New::Fresh).await;
    let prompts = [
        (
            "press 1 for sales",
            vec![("1", "press one for sales", Some(1)), ("2", "press two", None)],
        ),
        ("goodbye", vec![]),
    ];
    bench.store_tree(scan, &prompts).await;
    bench.call(true).await;
    let answer = bench.get(&format!("/api/callmenu/?number={NUMBER}")).await;
    let expected = format!(
        r#"{{"id":1,"number":"{NUMBER}","business_name":null,"retry_enabled":1,"attempt":1,"completed":true,"menu":{{"id":1,"info":{{"parent_text":"","keys_to_reach":""}},"key":"","audio_text":" press 1 for sales","audio_text_debug":[{{"transcript":"press 1 for sales ","confidence":0.88,"timestamps":[["press",1.0,1.2],["1",1.25,1.45],["for",1.5,1.7],["sales",1.75,1.95]]}}],"children":[{{"id":2,"info":{{"parent_text":"press one for sales","keys_to_reach":"1"}},"key":"1","audio_text":" goodbye","audio_text_debug":[{{"transcript":"goodbye ","confidence":0.88,"timestamps":[["goodbye",1.0,1.2]]}}],"children":[]}}]}}}}"#
    );
    check(&answer, 200, "Accept, Cookie", &expected);
}

/// A menu drawn as its id, its path, and what is below it.
fn outline(node: &Value) -> String {
    let children: Vec<String> = node["children"].as_array().unwrap().iter().map(outline).collect();
    format!(
        "{}:{}({})",
        node["id"],
        node["info"]["keys_to_reach"].as_str().unwrap(),
        children.join(" ")
    )
}

async fn outline_of(bench: &Bench, prompts: &[api_support::Prompt<'_>]) -> String {
    let scan = bench.scan_of(NUMBER, New::Fresh).await;
    bench.store_tree(scan, prompts).await;
    outline(&bench.get(&format!("/api/callmenu/?number={NUMBER}")).await.json()["menu"])
}

#[tokio::test]
async fn keys_to_reach_is_the_whole_path_whatever_the_length_of_its_keys() {
    let bench = Bench::new().await;
    let mut prompts: Vec<api_support::Prompt<'_>> =
        (1..12).map(|next| ("level", vec![("12", "go", Some(next))])).collect();
    prompts.push(("end", vec![]));
    let outline = outline_of(&bench, &prompts).await;
    let path = ["12"; 11].join(",");
    assert!(outline.contains(&format!("12:{path}()")), "{outline}");
    assert!(outline.contains("2:12(3:12,12("), "{outline}");
}

#[tokio::test]
async fn a_menu_reached_by_two_keys_is_shown_twice_with_the_path_of_the_first() {
    let bench = Bench::new().await;
    let prompts = [
        ("top", vec![("1", "a", Some(1)), ("2", "b", Some(1))]),
        ("same", vec![("3", "c", Some(2))]),
        ("end", vec![]),
    ];
    assert_eq!(outline_of(&bench, &prompts).await, "1:(2:1(3:1,3()) 2:1(3:1,3()))");
}

#[tokio::test]
async fn a_way_back_is_shown_once_and_not_followed() {
    let bench = Bench::new().await;
    let prompts = [
        ("top", vec![("1", "a", Some(1)), ("9", "repeat", Some(0))]),
        ("sub", vec![("2", "b", Some(2)), ("*", "main menu", Some(0))]),
        ("end", vec![("8", "previous menu", Some(1))]),
    ];
    assert_eq!(outline_of(&bench, &prompts).await, "1:(2:1(3:1,2(2:1()) 1:()) 1:())");
}

#[tokio::test]
async fn few_menus_with_many_links_do_not_fill_the_memory() {
    let bench = Bench::new().await;
    // Each of 40 menus leads by four keys to the next: 4^40 ways.
    let mut prompts: Vec<api_support::Prompt<'_>> = (1..40)
        .map(|next| ("x", ["1", "2", "3", "4"].map(|key| (key, "go", Some(next))).to_vec()))
        .collect();
    prompts.push(("end", vec![]));
    let outline = outline_of(&bench, &prompts).await;
    assert_eq!(outline.matches('(').count(), 20_000);
}

#[tokio::test]
async fn callmenu_of_an_unknown_number_is_404_and_of_a_silent_one_null() {
    let bench = Bench::new().await;
    for query in ["", "?number=", "?number=12025550199", "?number=%00"] {
        let answer = bench.get(&format!("/api/callmenu/{query}")).await;
        check(&answer, 404, "Accept, Cookie", r#"{"detail":"Not found."}"#);
    }
    bench.scan_of(NUMBER, New::Fresh).await;
    let answer = bench.get(&format!("/api/callmenu/?number={NUMBER}")).await;
    let expected = format!(
        r#"{{"id":1,"number":"{NUMBER}","business_name":null,"retry_enabled":1,"attempt":0,"completed":false,"menu":null}}"#
    );
    check(&answer, 200, "Accept, Cookie", &expected);
}

#[tokio::test]
async fn too_many_parameters_are_refused() {
    let bench = Bench::new().await;
    let answer = bench.get(&format!("/api/scan/?{}", "a&".repeat(1001))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn callmenu_shows_a_change_at_once() {
    let bench = Bench::new().await;
    let scan = bench.scan_of(NUMBER, New::Fresh).await;
    let path = format!("/api/callmenu/?number={NUMBER}");
    assert_eq!(bench.get(&path).await.json()["menu"], Value::Null);
    bench.store_tree(scan, &[("hello", vec![])]).await;
    let shown = bench.get(&path).await;
    assert_eq!(shown.json()["menu"]["audio_text"], " hello");
    // The same bytes again, and in the form that is asked for.
    assert_eq!(bench.get(&path).await.body, shown.body);
    let indented = bench.ask("GET", &path, &[("accept", "application/json; indent=2")]).await;
    assert!(indented.body.starts_with("{\n  \"id\""), "{}", indented.body);
    let fresh = bench.scan_of(NUMBER, New::Force).await;
    bench.store_tree(fresh, &[("good morning", vec![])]).await;
    assert_eq!(bench.get(&path).await.json()["menu"]["audio_text"], " good morning");
}
