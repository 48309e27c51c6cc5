//! Pages with which a browser gets a session: `/api/admin/`, its `login/` and `logout/`, and the
//! same under `/api/api-auth/`, where the old service's pages linked to.
//!
//! A session is a cookie that scripts cannot read. A form that changes something must send back a
//! secret of the session; the form of the login itself sends back that of a cookie which came with
//! the page, so that no other site can log somebody in.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use http_body_util::{BodyExt as _, Limited};

use super::{
    Api,
    auth::{self, SESSION_COOKIE},
    html::{POLICY, escape, fill},
    password::Login,
    server::Peer,
};
use crate::{
    config::{Secret, same_bytes},
    store::StoreError,
};

const LOGIN: &str = include_str!("login.html");
const ADMIN: &str = include_str!("admin.html");
/// The cookie whose value the form of the login sends back.
const CSRF_COOKIE: &str = "csrftoken";
/// Where who has logged in goes.
const HOME: &str = "/api/admin/";
/// Bytes of a form.
const MAX_FORM: usize = 16 * 1024;
/// Of the form's cookie, in seconds: a year, as the old service had it.
const CSRF_LIFE: u32 = 31_449_600;

/// `/api/admin/`: what there is, for who has logged in.
pub(super) async fn admin(State(api): State<Api>, request: Request) -> Response {
    let target = request.uri().path();
    if !target.ends_with('/') {
        return redirect_for_good(&format!("{target}/"));
    }
    match auth::session(api.store(), request.headers()).await {
        Ok(Some(_)) if target != HOME => {
            with(StatusCode::NOT_FOUND, "There is no such page.".to_owned())
        }
        Ok(Some(session)) => {
            let page = fill(ADMIN, |name| match name {
                "user" => escape(&session.who.name),
                "csrf" => escape(session.csrf.expose()),
                _ => String::new(),
            });
            with(StatusCode::OK, page)
        }
        Ok(None) => redirect(&format!("{HOME}login/?next={target}")),
        Err(error) => broken(&error),
    }
}

/// `/api/admin/login/`: the form, and what it sends.
pub(super) async fn login(State(api): State<Api>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let next = parameter(parts.uri.query().unwrap_or(""), "next");
    if parts.method != Method::POST {
        return form(&parts.headers, next.as_deref(), "");
    }
    let Ok(body) = Limited::new(body, MAX_FORM).collect().await else {
        return form(&parts.headers, next.as_deref(), "The form was not sent whole.");
    };
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let field = |name| parameter(&body, name);
    let next = field("next").or(next);
    let shown = auth::cookie(&parts.headers, CSRF_COOKIE);
    let given = field("csrfmiddlewaretoken");
    let ours = match (&shown, &given) {
        (Some(shown), Some(given)) => same_bytes(shown.as_bytes(), given.as_bytes()),
        _ => false,
    };
    if !ours {
        return form(&parts.headers, next.as_deref(), "The form is too old. Send it again.");
    }
    let name = field("username").unwrap_or_default();
    let password = Secret::new(field("password").unwrap_or_default());
    let who = match api.doorkeeper().login(api.store(), &name, password).await {
        Ok(Login::Done(who)) => who,
        Ok(Login::Wrong) => {
            tracing::warn!(user = %name, "A login was refused.");
            return form(&parts.headers, next.as_deref(), "The name or the password is wrong.");
        }
        Ok(Login::TooMany) => {
            return form(&parts.headers, next.as_deref(), auth::Fault::TooMany.detail());
        }
        Err(error) => return broken(&error),
    };
    match api.store().open_session(who.user).await {
        Ok(session) => {
            tracing::info!(user = %who.name, "Logged in.");
            let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
            let secure = if is_encrypted(&parts.headers, peer) { "; Secure" } else { "" };
            let mut response = redirect(next.as_deref().filter(|n| is_local(n)).unwrap_or(HOME));
            set_cookie(
                &mut response,
                &format!(
                    "{SESSION_COOKIE}={}; HttpOnly; Max-Age={}; Path=/; SameSite=Lax{secure}",
                    session.cookie.expose(),
                    session.life.as_secs()
                ),
            );
            response
        }
        Err(error) => broken(&error),
    }
}

/// `/api/admin/logout/`: ends the session.
pub(super) async fn logout(State(api): State<Api>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let session = match auth::session(api.store(), &parts.headers).await {
        Ok(session) => session,
        Err(error) => return broken(&error),
    };
    if let Some(session) = session {
        let body = match Limited::new(body, MAX_FORM).collect().await {
            Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            Err(_) => String::new(),
        };
        let field = parameter(&body, "csrfmiddlewaretoken");
        if parts.method != Method::POST
            || !auth::shows_csrf(&parts.headers, field.as_deref(), &session.csrf)
        {
            // Another site's link may not log anybody out.
            return redirect(HOME);
        }
        if let Some(cookie) = auth::cookie(&parts.headers, SESSION_COOKIE)
            && let Err(error) = api.store().close_session(&cookie).await
        {
            return broken(&error);
        }
    }
    let mut response = redirect(&format!("{HOME}login/"));
    let gone = format!("{SESSION_COOKIE}=; HttpOnly; Max-Age=0; Path=/; SameSite=Lax");
    set_cookie(&mut response, &gone);
    response
}

/// The page with the form, with what went wrong.
fn form(headers: &HeaderMap, next: Option<&str>, wrong: &str) -> Response {
    let known = auth::cookie(headers, CSRF_COOKIE)
        .filter(|c| (16..=128).contains(&c.len()) && c.bytes().all(|b| b.is_ascii_alphanumeric()));
    let csrf = known.unwrap_or_else(|| {
        let (a, b) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        format!("{}{}", a.simple(), b.simple())
    });
    let page = fill(LOGIN, |name| match name {
        "csrf" => escape(&csrf),
        "next" => escape(next.unwrap_or("")),
        "wrong" => escape(wrong),
        _ => String::new(),
    });
    let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::FORBIDDEN };
    let mut response = with(status, page);
    let cookie =
        format!("{CSRF_COOKIE}={csrf}; HttpOnly; Max-Age={CSRF_LIFE}; Path=/; SameSite=Lax");
    set_cookie(&mut response, &cookie);
    response
}

/// A path on this server: nothing else may be the target of a redirect.
fn is_local(target: &str) -> bool {
    target.starts_with('/')
        && !target.starts_with("//")
        && !target.contains(['\\', '\r', '\n'])
        && target.bytes().all(|b| (0x21..0x7f).contains(&b))
}

fn is_encrypted(headers: &HeaderMap, peer: Option<SocketAddr>) -> bool {
    let trusted = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    trusted && headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https")
}

/// A field of a form or query, the last of those with the name.
fn parameter(text: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(text.as_bytes())
        .filter(|(key, _)| key == name)
        .last()
        .map(|(_, value)| value.into_owned())
}

fn redirect(target: &str) -> Response {
    let mut response = with(StatusCode::FOUND, String::new());
    let target = HeaderValue::from_str(target).unwrap_or(HeaderValue::from_static(HOME));
    response.headers_mut().insert(header::LOCATION, target);
    response
}

/// To the path with a slash at its end, as the API does it.
fn redirect_for_good(target: &str) -> Response {
    let mut response = redirect(target);
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().remove(header::VARY);
    response.headers_mut().remove(header::X_FRAME_OPTIONS);
    response
}

fn broken(error: &StoreError) -> Response {
    tracing::error!(%error, "A page was not made.");
    with(StatusCode::INTERNAL_SERVER_ERROR, "The database does not answer.".to_owned())
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

fn with(status: StatusCode, page: String) -> Response {
    let length = page.len();
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = status;
    let fixed: [(HeaderName, &'static str); 7] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=0, no-cache, no-store, must-revalidate, private"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::VARY, "Cookie"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_on_this_server() {
        for good in ["/api/admin/", "/api/scan/?limit=3"] {
            assert!(is_local(good), "{good}");
        }
        for bad in ["", "//evil.test", "https://evil.test", "/\\evil.test", "/a b", "/a\r\nX: y"] {
            assert!(!is_local(bad), "{bad}");
        }
    }
}
