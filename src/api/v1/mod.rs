//! The REST API of the service that phoneai replaces, for clients that must not notice.
//!
//! An endpoint is a variant of [`Route`] and a handler; everything around it is the same for all
//! and happens here in this order: path, negotiation, authentication, method, handler. That order
//! is visible: an unknown path is an HTML page whatever the credentials, and a wrong method is
//! refused only to who is known.

mod body;
mod callmenu;
mod did_numbers;
mod extensions;
mod fields;
mod input;
mod json_text;
mod makecall;
mod negotiation;
mod page;
mod phonenumber;
mod python;
mod query;
mod reply;
mod scan;
mod submenu;

use std::net::SocketAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    response::Response,
};
use serde_json::{Value, json};
use uuid::Uuid;

use self::{
    fields::Fields,
    negotiation::Render,
    query::Query,
    reply::{Refusal, Reply, Vary},
};
use super::{Api, auth, server::Peer};
use crate::store::{Authenticated, DidId, StoreError};

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Hello,
    MakeCall,
    SubMenu,
    Scan,
    CallMenu,
    PhoneNumber,
    Extensions,
    Extension,
    DidNumbers,
    DidNumber,
}

impl Route {
    const ALL: [Self; 10] = [
        Self::Hello,
        Self::MakeCall,
        Self::SubMenu,
        Self::Scan,
        Self::CallMenu,
        Self::PhoneNumber,
        Self::Extensions,
        Self::Extension,
        Self::DidNumbers,
        Self::DidNumber,
    ];

    /// Its path, after percent-decoding; that of one row is followed by the row's id and a slash.
    fn path(self) -> &'static str {
        match self {
            Self::Hello => "/api/hello/",
            Self::MakeCall => "/api/makecall/",
            Self::SubMenu => "/api/makecall_submenu/",
            Self::Scan => "/api/scan/",
            Self::CallMenu => "/api/callmenu/",
            Self::PhoneNumber => "/api/phonenumber/",
            Self::Extensions | Self::Extension => "/api/extensions/",
            Self::DidNumbers | Self::DidNumber => "/api/did_numbers/",
        }
    }

    /// Whether it is about one row.
    fn has_id(self) -> bool {
        matches!(self, Self::Extension | Self::DidNumber)
    }

    /// The endpoint at this path, with the id that the path ends with.
    fn find(path: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|route| {
            let rest = path.strip_prefix(route.path())?;
            if !route.has_id() {
                return rest.is_empty().then_some((route, ""));
            }
            let id = rest.strip_suffix('/')?;
            (!id.is_empty() && !id.contains(['/', '.'])).then_some((route, id))
        })
    }

    /// The name that OPTIONS tells.
    fn name(self) -> &'static str {
        match self {
            Self::Hello => "Hello",
            Self::MakeCall => "Make Call",
            Self::SubMenu => "Make Call Sub Menu",
            Self::Scan => "Scan Call",
            Self::CallMenu => "Show Call Menu",
            Self::PhoneNumber => "Phonenumber",
            Self::Extensions => "Extension List",
            Self::Extension => "Extension Instance",
            Self::DidNumbers => "Did Number List",
            Self::DidNumber => "Did Number Instance",
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
            Self::SubMenu => {
                "Calls a number, presses the way to a menu and connects a person there."
            }
            Self::PhoneNumber => "Enters a number (POST), or tells what is known of it.",
            Self::Extensions => "Lists the softphones' accounts, or makes one.",
            Self::Extension => "Shows, changes or deletes a softphone's account.",
            Self::DidNumbers => "Lists the telephone numbers that are ours.",
            Self::DidNumber => "Shows, changes or forgets a telephone number of ours.",
        }
    }

    /// Query parameters, for the form on its page.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Hello => &[],
            Self::MakeCall => &["number", "new", "caller_id", "business_name"],
            Self::Scan => &["number", "limit", "offset"],
            Self::CallMenu => &["number"],
            Self::SubMenu => &["id", "forwarding_number"],
            Self::PhoneNumber
            | Self::Extensions
            | Self::Extension
            | Self::DidNumbers
            | Self::DidNumber => &[],
        }
    }

    /// The methods that it answers, in the order in which `Allow` names them.
    fn allow(self) -> &'static str {
        match self {
            Self::Hello | Self::MakeCall | Self::SubMenu | Self::Scan | Self::CallMenu => {
                "GET, HEAD, OPTIONS"
            }
            Self::PhoneNumber => "POST, OPTIONS",
            Self::Extensions => "GET, POST, HEAD, OPTIONS",
            // Numbers are bought at the carrier, who is asked by nobody yet.
            Self::DidNumbers => "GET, HEAD, OPTIONS",
            Self::Extension | Self::DidNumber => "GET, PUT, PATCH, DELETE, HEAD, OPTIONS",
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
    headers: HeaderMap,
    /// Empty for a method that has none.
    body: Vec<u8>,
    /// HEAD: as GET, but nothing may happen.
    is_head: bool,
    /// Scheme and host for links, without a slash at the end.
    base: String,
}

impl Call {
    /// The fields of the body.
    fn fields(&self) -> Result<Fields, Refusal> {
        body::fields(&self.headers, &self.body)
    }
}

/// Answers every request that is not for `/api/v2` or `/healthz`.
pub(super) async fn answer(State(api): State<Api>, request: Request) -> Response {
    let (parts, sent) = request.into_parts();
    if !host_is_valid(&parts.headers) {
        return reply::bad_request_page();
    }
    let path = query::percent_decode(parts.uri.path());
    let raw_query = parts.uri.query().unwrap_or("");
    let Some((route, id)) = Route::find(&path) else {
        // The redirect comes first of all, whatever the method and the credentials.
        let with_slash = format!("{path}/");
        return match Route::find(&with_slash) {
            Some(_) => reply::redirect(&query::path_encode(&with_slash), parts.uri.query()),
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
        options(&api, route, id).await
    } else {
        let reads_body =
            matches!(method.as_str(), "POST" | "PUT" | "PATCH") && route != Route::PhoneNumber;
        let body = if reads_body { body::read(sent).await } else { Ok(Vec::new()) };
        match body {
            Ok(body) => {
                let headers = parts.headers.clone();
                let call = Call { api, who, query: query.clone(), headers, body, is_head, base };
                run(route, id.to_owned(), method.clone(), call).await
            }
            Err(refusal) => Err(refusal),
        }
    };
    reply::respond(result, render, Vary::AcceptAndCookie, &shown)
}

/// Runs a handler in a task of its own: a client that leaves does not stop it half-way, and a
/// panic becomes an answer.
async fn run(route: Route, id: String, method: String, call: Call) -> Result<Reply, Refusal> {
    let task = tokio::spawn(async move {
        match (route, method.as_str()) {
            (Route::Hello, _) => Ok(Reply::ok(json!({"message": "Hello, World!"}))),
            (Route::MakeCall, _) => makecall::makecall(&call).await,
            (Route::SubMenu, _) => submenu::submenu(&call).await,
            (Route::Scan, _) => scan::scan(&call).await,
            (Route::CallMenu, _) => callmenu::callmenu(&call).await,
            (Route::PhoneNumber, _) => phonenumber::phonenumber(&call).await,
            (Route::Extensions, "POST") => extensions::create(&call).await,
            (Route::Extensions, _) => extensions::list(&call).await,
            (Route::Extension, "PUT") => extensions::update(&call, &id, false).await,
            (Route::Extension, "PATCH") => extensions::update(&call, &id, true).await,
            (Route::Extension, "DELETE") => extensions::delete(&call, &id).await,
            (Route::Extension, _) => extensions::retrieve(&call, &id).await,
            (Route::DidNumbers, _) => did_numbers::list(&call).await,
            (Route::DidNumber, "PUT") => did_numbers::update(&call, &id, false).await,
            (Route::DidNumber, "PATCH") => did_numbers::update(&call, &id, true).await,
            (Route::DidNumber, "DELETE") => did_numbers::delete(&call, &id).await,
            (Route::DidNumber, _) => did_numbers::retrieve(&call, &id).await,
        }
    });
    task.await.unwrap_or_else(|error| Err(Refusal::internal(&error)))
}

/// What OPTIONS tells; of fields only where there is something to be sent to.
async fn options(api: &Api, route: Route, id: &str) -> Result<Reply, Refusal> {
    let id = python::row_id(id);
    let actions = match (route, id) {
        (Route::Extensions, _) => Some(("POST", extensions::actions())),
        (Route::Extension, Some(id)) => {
            let known = api.store().has_extension(id).await?;
            known.then(|| ("PUT", extensions::actions()))
        }
        (Route::DidNumbers, _) => Some(("POST", did_numbers::actions())),
        (Route::DidNumber, Some(id)) => {
            let known = api.store().did(DidId(id)).await?.is_some();
            known.then(|| ("PUT", did_numbers::actions()))
        }
        _ => None,
    };
    let mut value = json!({
        "name": route.name(),
        "description": "",
        "renders": ["application/json", "text/html"],
        "parses": [
            "application/json", "application/x-www-form-urlencoded", "multipart/form-data",
        ],
    });
    if let (Some((method, fields)), Some(members)) = (actions, value.as_object_mut()) {
        members.insert("actions".to_owned(), json!({method: fields}));
    }
    Ok(Reply::ok(value))
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
