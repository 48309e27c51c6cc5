//! Answers: bodies, status codes, and the headers that every one of them has.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::{json_text, negotiation::Render, page};

/// What a handler answers, with status 200.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply(pub Value);

/// Why a request is refused. The one place where errors become status codes and messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody, or somebody who may not; never 401, for the old service had no challenge to offer.
    Forbidden(&'static str),
    /// There is no such row, or no such `?format=`.
    NotFound,
    /// This method is not among those of the endpoint.
    Method(String),
    /// No form of the answer is acceptable.
    NotAcceptable,
    /// Our fault.
    Internal,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn body(&self) -> Value {
        let detail = match self {
            Self::Forbidden(detail) => (*detail).to_owned(),
            Self::NotFound => "Not found.".to_owned(),
            Self::Method(method) => format!("Method \"{method}\" not allowed."),
            Self::NotAcceptable => "Could not satisfy the request Accept header.".to_owned(),
            Self::Internal => "A server error occurred.".to_owned(),
        };
        json!({"detail": detail})
    }
}

/// What an answer depends on, for caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vary {
    /// It was decided before anybody asked who sent the request.
    Accept,
    /// It depends on who sent it.
    AcceptAndCookie,
}

/// The answer of an endpoint in the form that was asked for.
pub(super) fn respond(
    result: Result<Reply, Refusal>,
    render: Render,
    vary: Vary,
    shown: &page::Shown<'_>,
) -> Response {
    let (status, value) = match result {
        Ok(Reply(value)) => (StatusCode::OK, value),
        Err(refusal) => (refusal.status(), refusal.body()),
    };
    let (content_type, body) = match render {
        Render::Json { indent } => ("application/json", json_text::text(&value, indent)),
        Render::Html => ("text/html; charset=utf-8", page::page(shown, status, &value)),
    };
    let mut response = with(status, content_type, body);
    let headers = response.headers_mut();
    let vary = match vary {
        Vary::Accept => "Accept",
        Vary::AcceptAndCookie => "Accept, Cookie",
    };
    headers.insert(header::VARY, HeaderValue::from_static(vary));
    headers.insert(header::ALLOW, HeaderValue::from_static(shown.route.allow()));
    if render == Render::Html {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
    }
    response
}

/// The redirect to the path with a slash at its end; the query string is kept byte for byte.
pub(super) fn redirect(path: &str, raw_query: Option<&str>) -> Response {
    let location = match raw_query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut response =
        with(StatusCode::MOVED_PERMANENTLY, "text/html; charset=utf-8", String::new());
    response.headers_mut().remove(header::X_FRAME_OPTIONS);
    match HeaderValue::from_str(&location) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Err(_) => bad_request_page(),
    }
}

/// No such path: a page, whatever was asked for.
pub(super) fn not_found_page() -> Response {
    let text = "The requested resource was not found on this server.";
    tiny_page(StatusCode::NOT_FOUND, "Not Found", "Not Found", text)
}

/// A request that is refused before its path is looked at.
pub(super) fn bad_request_page() -> Response {
    tiny_page(StatusCode::BAD_REQUEST, "Bad Request (400)", "Bad Request (400)", "")
}

fn tiny_page(status: StatusCode, title: &str, heading: &str, text: &str) -> Response {
    let body = format!(
        "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>{title}</title>\n</head>\n<body>\n  \
         <h1>{heading}</h1><p>{text}</p>\n</body>\n</html>\n"
    );
    with(status, "text/html", body)
}

fn with(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_TYPE, content_type),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}
