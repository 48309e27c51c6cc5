//! Pages for people: logging in, sessions, and forms that only our own pages can send.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod api_support;

use std::process::Command;

use api_support::{Answer, Bench};
use axum::{body::Body, http::Request};

const PASSWORD: &str = "correct horse";

/// A service in which ann can log in. The password is set as an operator does it.
async fn bench() -> Bench {
    let bench = Bench::new().await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_phoneai"))
        .args(["user", "add", "ann", "--admin", "--password-stdin", "--data"])
        .arg(bench.dir())
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    bench
}

/// A request of a browser that has these cookies.
async fn browse(bench: &Bench, method: &str, path: &str, cookies: &str, form: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "api.test")
        .header("accept", "text/html,*/*;q=0.8")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", cookies)
        .body(Body::from(form.to_owned()))
        .unwrap();
    bench.send(request).await
}

/// The name and value of the cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// The secret that a page's form sends back.
fn csrf(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("name=\"csrfmiddlewaretoken\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

async fn log_in(bench: &Bench, password: &str) -> Answer {
    let page = browse(bench, "GET", "/api/admin/login/?next=/api/scan/", "", "").await;
    let form = format!(
        "csrfmiddlewaretoken={}&username=ann&password={password}&next=/api/scan/",
        csrf(&page)
    );
    browse(bench, "POST", "/api/admin/login/", &cookie(&page), &form).await
}

#[tokio::test]
async fn who_logs_in_sees_the_pages_until_the_session_is_closed() {
    let bench = bench().await;
    let strange = browse(&bench, "GET", "/api/admin/", "", "").await;
    assert_eq!(strange.header("location"), "/api/admin/login/?next=/api/admin/");

    let answer = log_in(&bench, "correct+horse").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (302, "/api/scan/"));
    let set = answer.header("set-cookie").to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
    let session = cookie(&answer);

    let page = browse(&bench, "GET", "/api/scan/", &session, "").await;
    assert_eq!(page.status.as_u16(), 200);
    let home = browse(&bench, "GET", "/api/admin/", &session, "").await;
    assert!(home.body.contains("Logged in as ann."));

    let link = browse(&bench, "GET", "/api/admin/logout/", &session, "").await;
    assert_eq!(link.header("location"), "/api/admin/", "a link may not log anybody out");
    let form = format!("csrfmiddlewaretoken={}", csrf(&home));
    browse(&bench, "POST", "/api/admin/logout/", &session, &form).await;
    let after = browse(&bench, "GET", "/api/scan/", &session, "").await;
    assert_eq!(after.status.as_u16(), 403);
}

#[tokio::test]
async fn a_form_of_a_session_is_taken_only_with_its_secret() {
    let bench = bench().await;
    let session = cookie(&log_in(&bench, "correct+horse").await);
    let path = "/api/extensions/";
    let fields = "sip_username=1001&sip_password=x";
    let refused = browse(&bench, "POST", path, &session, fields).await;
    assert_eq!(refused.status.as_u16(), 403);
    assert!(refused.body.contains("CSRF Failed"));

    let page = browse(&bench, "GET", path, &session, "").await;
    let form = format!("csrfmiddlewaretoken={}&{fields}", csrf(&page));
    let taken = browse(&bench, "POST", path, &session, &form).await;
    assert_eq!(taken.status.as_u16(), 201, "{}", taken.body);
}

#[tokio::test]
async fn a_page_of_a_row_has_a_form_to_change_and_delete_it() {
    let bench = bench().await;
    let session = cookie(&log_in(&bench, "correct+horse").await);
    let list = browse(&bench, "GET", "/api/extensions/", &session, "").await;
    let secret = format!("csrfmiddlewaretoken={}", csrf(&list));
    let made = format!("{secret}&sip_username=1001&sip_password=x");
    browse(&bench, "POST", "/api/extensions/", &session, &made).await;
    let path = "/api/extensions/1/";
    let page = browse(&bench, "GET", path, &session, "").await;
    assert!(page.body.contains("name=\"sip_username\" value=\"1001\""), "{}", page.body);
    assert!(page.body.contains("<button name=\"_method\" value=\"DELETE\">"), "{}", page.body);

    let foreign = browse(&bench, "POST", path, &session, "_method=DELETE").await;
    assert_eq!(foreign.status.as_u16(), 403);
    let patch = format!("{secret}&sip_username=1002&sip_password=&_method=PATCH");
    let changed = browse(&bench, "POST", path, &session, &patch).await;
    assert_eq!(changed.status.as_u16(), 200, "{}", changed.body);
    assert!(changed.body.contains("1002"));
    let put = format!("{secret}&sip_username=1003&sip_password=&_method=PUT");
    assert_eq!(browse(&bench, "POST", path, &session, &put).await.status.as_u16(), 400);
    // What names no method of a form is what it was.
    for other in ["", "&_method=GET", "&_method=POST"] {
        let form = format!("{secret}{other}");
        assert_eq!(browse(&bench, "POST", path, &session, &form).await.status.as_u16(), 405);
    }
    let by_token = bench.ask("POST", path, &[]).await;
    assert_eq!(by_token.status.as_u16(), 405);
    let delete = format!("{secret}&_method=DELETE");
    // A page has something to show, so that it is no 204.
    assert_eq!(browse(&bench, "POST", path, &session, &delete).await.status.as_u16(), 200);
    assert_eq!(browse(&bench, "GET", path, &session, "").await.status.as_u16(), 404);
}

#[tokio::test]
async fn a_wrong_password_and_a_form_of_another_site_log_nobody_in() {
    let bench = bench().await;
    let wrong = log_in(&bench, "wrong").await;
    assert_eq!(wrong.status.as_u16(), 403);
    assert!(wrong.body.contains("The name or the password is wrong."));

    let form = "csrfmiddlewaretoken=guess&username=ann&password=correct+horse";
    let foreign = browse(&bench, "POST", "/api/admin/login/", "csrftoken=other", form).await;
    assert!(foreign.body.contains("too old"), "{}", foreign.body);
}

#[tokio::test]
async fn after_five_wrong_passwords_no_more_are_tried() {
    let bench = bench().await;
    for _ in 0..5 {
        log_in(&bench, "wrong").await;
    }
    let right = log_in(&bench, "correct+horse").await;
    assert!(right.body.contains("Too many wrong passwords"), "{}", right.body);
}

#[tokio::test]
async fn a_name_and_password_open_the_users_to_admins_only() {
    let bench = bench().await;
    let ask = |password: &str| {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        let credentials = BASE64_STANDARD.encode(format!("ann:{password}"));
        let request = Request::builder()
            .uri("/api/users/")
            .header("host", "api.test")
            .header("authorization", format!("Basic {credentials}"))
            .body(Body::empty())
            .unwrap();
        bench.send(request)
    };
    let wrong = ask("wrong").await;
    assert_eq!(wrong.header("www-authenticate"), "Basic realm=\"api\"");
    let right = ask(PASSWORD).await;
    assert_eq!(right.status.as_u16(), 200);
    assert_eq!(right.json()[0]["username"], "ann");
}
