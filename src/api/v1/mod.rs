//! The REST API of the service that phoneai replaces, for clients that must not notice.
//!
//! An endpoint is a variant of [`Route`] and a handler; everything around it is the same for all
//! and happens here in this order: path, negotiation, authentication, method, handler. That order
//! is visible: an unknown path is an HTML page whatever the credentials, and a wrong method is
//! refused only to who is known.

mod callmenu;
mod json_text;
mod makecall;
mod negotiation;
mod page;
mod python;
mod query;
mod reply;
mod scan;

use std::net::SocketAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    response::Response,
};
use serde_json::{Value, json};
use uuid::Uuid;

use self::{
    negotiation::Render,
    query::Query,
    reply::{Refusal, Reply, Vary},
};
use super::{Api, auth, server::Peer};
use crate::store::{Authenticated, StoreError};

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Hello,
    MakeCall,
    Scan,
    CallMenu,
}

impl Route {
    const ALL: [Self; 4] = [Self::Hello, Self::MakeCall, Self::Scan, Self::CallMenu];

    /// Its path, after percent-decoding.
    fn path(self) -> &'static str {
        match self {
            Self::Hello => "/api/hello/",
            Self::MakeCall => "/api/makecall/",
            Self::Scan => "/api/scan/",
            Self::CallMenu => "/api/callmenu/",
        }
    }

    fn find(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.path() == path)
    }

    /// The name that OPTIONS tells.
    fn name(self) -> &'static str {
        match self {
            Self::Hello => "Hello",
            Self::MakeCall => "Make Call",
            Self::Scan => "Scan Call",
            Self::CallMenu => "Show Call Menu",
        }
    }

    /// What it does, for a person who reads its page.
    fn description(self) -> &'static str {
        match self {
            Self::Hello => "Says hello, to try the address and the token.",
            Self::MakeCall => {
                "Calls a number to explore its menu. new=1 goes on with an unfinished scan or \
                 starts another one, new=0 only goes on, new=force always starts another one."
            }
            Self::Scan => "Lists the scans, the newest first.",
            Self::CallMenu => "Shows the menu of a number as a tree.",
        }
    }

    /// Query parameters, for the form on its page.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Hello => &[],
            Self::MakeCall => &["number", "new", "caller_id", "business_name"],
            Self::Scan => &["number", "limit", "offset"],
            Self::CallMenu => &["number"],
        }
    }

    /// The methods that it answers, in the order in which `Allow` names them.
    fn allow(self) -> &'static str {
        match self {
            Self::Hello | Self::MakeCall | Self::Scan | Self::CallMenu => "GET, HEAD, OPTIONS",
        }
    }

    fn allows(self, method: &str) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method)
    }
}

/// A request that is found, negotiated, and comes from somebody.
struct Call {
    api: Api,
    who: Authenticated,
    query: Query,
    /// HEAD: as GET, but nothing may happen.
    is_head: bool,
    /// Scheme and host for links, without a slash at the end.
    base: String,
}

/// Answers every request that is not for `/api/v2` or `/healthz`.
pub(super) async fn answer(State(api): State<Api>, request: Request) -> Response {
    let (parts, _body) = request.into_parts();
    if !host_is_valid(&parts.headers) {
        return reply::bad_request_page();
    }
    let path = query::percent_decode(parts.uri.path());
    let raw_query = parts.uri.query().unwrap_or("");
    let Some(route) = Route::find(&path) else {
        // The redirect comes first of all, whatever the method and the credentials.
        return match Route::find(&format!("{path}/")) {
            Some(route) => reply::redirect(route.path(), parts.uri.query()),
            None => reply::not_found_page(),
        };
    };
    let Some(query) = Query::parse(raw_query) else {
        return reply::bad_request_page();
    };
    // Methods are compared in upper case, as the old gateway did it.
    let method = parts.method.as_str().to_ascii_uppercase();
    let shown = page::Shown { route, method: &method, target: &parts.uri, query: &query };

    let render = match negotiation::negotiate(&query, &parts.headers) {
        Ok(render) => render,
        Err(refusal) => {
            let render = Render::Json { indent: None };
            return reply::respond(Err(refusal), render, Vary::Accept, &shown);
        }
    };
    let who = match auth::authenticate(api.store(), &parts.headers).await {
        Ok(Ok(who)) => who,
        Ok(Err(fault)) => {
            let refusal = Err(Refusal::Forbidden(fault.detail()));
            return reply::respond(refusal, render, Vary::AcceptAndCookie, &shown);
        }
        Err(error) => {
            let refusal = Err(error.into());
            return reply::respond(refusal, render, Vary::AcceptAndCookie, &shown);
        }
    };
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let base = base(&parts.headers, peer);
    let is_head = parts.method == Method::HEAD;
    let result = if !route.allows(&method) {
        Err(Refusal::Method(method.clone()))
    } else if method == "OPTIONS" {
        Ok(options(route))
    } else {
        let call = Call { api, who, query: query.clone(), is_head, base };
        run(route, call).await
    };
    reply::respond(result, render, Vary::AcceptAndCookie, &shown)
}

/// Runs a handler in a task of its own: a client that leaves does not stop it half-way, and a
/// panic becomes an answer.
async fn run(route: Route, call: Call) -> Result<Reply, Refusal> {
    let task = tokio::spawn(async move {
        match route {
            Route::Hello => Ok(Reply(json!({"message": "Hello, World!"}))),
            Route::MakeCall => makecall::makecall(&call).await,
            Route::Scan => scan::scan(&call).await,
            Route::CallMenu => callmenu::callmenu(&call).await,
        }
    });
    task.await.unwrap_or_else(|error| Err(Refusal::internal(&error)))
}

/// What OPTIONS tells.
fn options(route: Route) -> Reply {
    Reply(json!({
        "name": route.name(),
        "description": "",
        "renders": ["application/json", "text/html"],
        "parses": [
            "application/json", "application/x-www-form-urlencoded", "multipart/form-data",
        ],
    }))
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl Refusal {
    /// Something unforeseen: told to the log with an id, and to the client without details.
    fn internal(error: &dyn std::fmt::Display) -> Self {
        let id = Uuid::new_v4();
        tracing::error!(%id, %error, "A request to the API failed.");
        Self::Internal
    }
}

/// Whether the `Host` header, if there is one, is a host name or address with or without a port.
fn host_is_valid(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let (name, port) = match host.rfind(':') {
        Some(at) if !host.ends_with(']') => {
            let (name, port) = host.split_at(at);
            (name, Some(port.trim_start_matches(':')))
        }
        Some(_) | None => (host, None),
    };
    let name_is_valid = match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        Some(v6) => {
            v6.contains(':') && v6.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b))
        }
        None => {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
        }
    };
    name_is_valid && port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

/// Scheme and host of the request as the client sees them. A proxy is believed only on this
/// machine; what it says of the host is not.
fn base(headers: &HeaderMap, peer: Option<SocketAddr>) -> String {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let trusted = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let is_https = trusted && text("x-forwarded-proto") == Some("https");
    let scheme = if is_https { "https" } else { "http" };
    format!("{scheme}://{}", text("host").unwrap_or("localhost"))
}

/// A time as clients read it: UTC, six digits or none when they would be zero.
fn timestamp(time: crate::store::Time) -> Value {
    let Ok(whole) = jiff::Timestamp::from_microsecond(time.0) else { return Value::Null };
    let micros = time.0.rem_euclid(1_000_000);
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    json!(format!("{}{fraction}Z", whole.strftime("%Y-%m-%dT%H:%M:%S")))
}

/// A JSON value as the old service wrote it, on one line.
pub(super) fn one_line(value: &serde_json::Value) -> String {
    json_text::text(value, None)
}
