//! Answers: bodies, status codes, and the headers that every one of them has.

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::{json_text, negotiation::Render, page};
use crate::api::html::POLICY;

/// What a handler answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    status: StatusCode,
    told: Told,
}

/// What is told.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Value(Value),
    /// JSON on one line, for who wants it so.
    Written(Bytes),
    Nothing,
}

impl Reply {
    /// 200 with this value.
    pub(super) fn ok(value: Value) -> Self {
        Self { status: StatusCode::OK, told: Told::Value(value) }
    }

    /// 201 with this value.
    pub(super) fn created(value: Value) -> Self {
        Self { status: StatusCode::CREATED, told: Told::Value(value) }
    }

    /// 200 with a value that is JSON on one line already; only for a request that asks for that.
    pub(super) fn written(text: Bytes) -> Self {
        Self { status: StatusCode::OK, told: Told::Written(text) }
    }

    /// 204: it was deleted.
    pub(super) fn gone() -> Self {
        Self { status: StatusCode::NO_CONTENT, told: Told::Nothing }
    }
}

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
    /// The body is not what its type says; the text says where.
    Parse(String),
    /// Nobody reads bodies of this type.
    MediaType(String),
    /// Fields that are wrong, with what is wrong.
    Invalid(Value),
    /// The body has more bytes than this.
    TooLarge(usize),
    /// The form has more fields than this.
    TooManyFields(usize),
    /// The body did not come whole.
    CutOff,
    /// The body did not come in time.
    TooSlow,
    /// The name and password in the header are wrong; the only refusal with a challenge.
    Challenge(&'static str),
    /// The carrier sent what makes no sense; it is not told what.
    Senseless,
    /// Something else than this service did not do its part; the text says what.
    Upstream(String),
    /// It would collide with what is under way.
    Conflict(String),
    /// Too many requests; after so many seconds there is room again.
    Throttled(u32),
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
            Self::Parse(_) | Self::Invalid(_) | Self::TooManyFields(_) | Self::CutOff => {
                StatusCode::BAD_REQUEST
            }
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Challenge(_) => StatusCode::UNAUTHORIZED,
            Self::Upstream(_) => StatusCode::BAD_GATEWAY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Senseless | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn body(&self) -> Value {
        let detail = match self {
            Self::Forbidden(detail) | Self::Challenge(detail) => (*detail).to_owned(),
            Self::Upstream(detail) | Self::Conflict(detail) => detail.clone(),
            Self::Senseless => return json!({}),
            Self::NotFound => "Not found.".to_owned(),
            Self::Method(method) => format!("Method \"{method}\" not allowed."),
            Self::NotAcceptable => "Could not satisfy the request Accept header.".to_owned(),
            Self::Parse(detail) => detail.clone(),
            Self::MediaType(written) => format!("Unsupported media type \"{written}\" in request."),
            Self::Invalid(faults) => return faults.clone(),
            Self::TooLarge(max) => format!("The body must have no more than {max} bytes."),
            Self::TooManyFields(max) => format!("The form must have no more than {max} fields."),
            Self::CutOff => "The body did not come whole.".to_owned(),
            Self::TooSlow => "The body did not come in time.".to_owned(),
            Self::Throttled(seconds) => {
                format!("Request was throttled. Expected available in {seconds} seconds.")
            }
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
    let is_challenge = matches!(result, Err(Refusal::Challenge(_)));
    let wait = match &result {
        Err(Refusal::Throttled(seconds)) => Some(*seconds),
        Ok(_) | Err(_) => None,
    };
    let (status, value) = match result {
        Ok(Reply { status, told: Told::Value(value) }) => (status, value),
        Ok(Reply { status, told: Told::Written(text) }) => {
            return dressed(with(status, "application/json", text), vary, shown);
        }
        // A page always has something to show.
        Ok(Reply { told: Told::Nothing, .. }) if render == Render::Html => {
            (StatusCode::OK, Value::Null)
        }
        Ok(Reply { status, told: Told::Nothing }) => {
            let mut response = with(status, "", "");
            response.headers_mut().remove(header::CONTENT_TYPE);
            response.headers_mut().remove(header::CONTENT_LENGTH);
            return dressed(response, vary, shown);
        }
        Err(refusal) => (refusal.status(), refusal.body()),
    };
    let (content_type, body) = match render {
        Render::Json { indent } => ("application/json", json_text::text(&value, indent)),
        Render::Html => ("text/html; charset=utf-8", page::page(shown, status, &value)),
    };
    let mut response = dressed(with(status, content_type, body), vary, shown);
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if is_challenge {
        let challenge = HeaderValue::from_static("Basic realm=\"api\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    if render == Render::Html {
        let policy = HeaderValue::from_static(POLICY);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The answer with the headers that every endpoint sends.
fn dressed(mut response: Response, vary: Vary, shown: &page::Shown<'_>) -> Response {
    let headers = response.headers_mut();
    let vary = match vary {
        Vary::Accept => "Accept",
        Vary::AcceptAndCookie => "Accept, Cookie",
    };
    headers.insert(header::VARY, HeaderValue::from_static(vary));
    headers.insert(header::ALLOW, HeaderValue::from_static(shown.route.allow()));
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

fn with(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let body = body.into();
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
