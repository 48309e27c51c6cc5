//! The REST API of the service that phoneai replaces, for clients that must not notice.
//!
//! An endpoint is a variant of [`Route`] and a handler; everything around it is the same for all
//! and happens here in this order: path, negotiation, authentication, method, handler. That order
//! is visible: an unknown path is an HTML page whatever the credentials, and a wrong method is
//! refused only to who is known.

mod body;
mod callmenu;
mod carrier_hooks;
mod did_numbers;
mod extensions;
mod fields;
mod form_method;
mod input;
mod json_text;
mod makecall;
mod negotiation;
mod page;
mod phonenumber;
mod python;
mod query;
mod reply;
mod route;
mod scan;
mod sendsms;
mod submenu;
mod users;

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    response::Response,
};
use serde_json::{Value, json};
use uuid::Uuid;

use self::{
    fields::Fields,
    input::Input,
    negotiation::Render,
    query::Query,
    reply::{Refusal, Reply, Vary},
    route::{Access, Found, Route},
};
use super::{
    Api, auth,
    rate::Client,
    schema::{self, Operation},
    server::Peer,
};
use crate::{
    config::Secret,
    store::{Authenticated, DidId, StoreError, UserId},
};

/// A password that is not shown.
const MASK: &str = "********";

/// What each endpoint takes and answers, for the API's description.
pub(super) fn operations() -> Vec<Operation> {
    let of = |route: Route| {
        let methods = route.allow().split(", ").filter(|m| !matches!(*m, "HEAD" | "OPTIONS"));
        methods.map(move |method| Operation {
            method: method.to_ascii_lowercase(),
            path: route.pattern(),
            summary: route.description().to_owned(),
            who: match route.access() {
                Access::Known => schema::Who::Token,
                Access::Admin => schema::Who::Admin,
                Access::Anybody => schema::Who::Anybody,
            },
            query: match method {
                "GET" => route.parameters().to_vec(),
                _ if route == Route::PhoneNumber => route.parameters().to_vec(),
                _ => Vec::new(),
            },
            fields: match method {
                "POST" | "PUT" | "PATCH" => route.fields(method == "PATCH"),
                _ => Vec::new(),
            },
            takes_forms: true,
            success: match method {
                "DELETE" => (204, "application/json"),
                "POST" if route.creates() => (201, "application/json"),
                _ => (200, "application/json"),
            },
            error: "application/json",
        })
    };
    Route::ALL.into_iter().flat_map(of).collect()
}

/// A request that is found, negotiated, and let in.
struct Call {
    api: Api,
    /// Who sent it; `None` where anybody may.
    sender: Option<Authenticated>,
    query: Query,
    headers: HeaderMap,
    /// Empty for a method that has none.
    body: Vec<u8>,
    /// HEAD: as GET, but nothing may happen.
    is_head: bool,
    /// Whether the path ends with `.json`.
    has_suffix: bool,
    /// Scheme and host for links, without a slash at the end.
    base: String,
    /// From where it came.
    peer: Option<SocketAddr>,
    /// The form of the answer.
    render: Render,
}

impl Call {
    /// The fields of the body.
    fn fields(&self) -> Result<Fields, Refusal> {
        body::fields(&self.headers, &self.body)
    }

    /// Who sent it.
    fn who(&self) -> Result<&Authenticated, Refusal> {
        self.sender.as_ref().ok_or(Refusal::Forbidden(auth::Fault::NotProvided.detail()))
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
    let Some(Found { route, id, has_suffix }) = Route::find(&path) else {
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
    let shown =
        page::Shown { route, method: &method, target: &parts.uri, query: &query, csrf: None };

    let render = match negotiation::negotiate(&query, &parts.headers) {
        Ok(render) => render,
        Err(refusal) => {
            let render = Render::Json { indent: None };
            return reply::respond(Err(refusal), render, Vary::Accept, &shown);
        }
    };
    let (sender, csrf) = match admit(&api, route, &parts.headers).await {
        Ok(Some(known)) => (Some(known.who), known.csrf),
        Ok(None) => (None, None),
        Err(refusal) => {
            let decided_early = matches!(refusal, Refusal::Challenge(_));
            let vary = if decided_early { Vary::Accept } else { Vary::AcceptAndCookie };
            return reply::respond(Err(refusal), render, vary, &shown);
        }
    };
    let (method, posted) =
        form_method(route, method.clone(), csrf.as_ref(), &parts.headers, sent).await;
    let mut shown = page::Shown { method: &method, ..shown };
    shown.csrf = csrf.as_ref();
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let base = base(&parts.headers, peer);
    let is_head = parts.method == Method::HEAD;
    let client = match (&sender, peer) {
        (Some(who), _) => Client::User(who.user),
        (None, Some(peer)) => Client::At(peer.ip()),
        (None, None) => Client::Others,
    };
    let result = if let Err(seconds) = api.0.rate.take(client) {
        Err(Refusal::Throttled(seconds))
    } else if !route.allows(&method) {
        Err(Refusal::Method(method.clone()))
    } else if method == "OPTIONS" {
        options(&api, route, id).await
    } else {
        let changes = matches!(method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE");
        let reads_body = changes && method != "DELETE" && route != Route::PhoneNumber;
        let body = match posted {
            Posted::Read(body) => Ok(body),
            Posted::Unread(sent) if reads_body => body::read(sent).await,
            Posted::Unread(_) => Ok(Vec::new()),
        };
        match body {
            Ok(body) => {
                let headers = parts.headers.clone();
                let query = query.clone();
                let call = Call {
                    api,
                    sender,
                    query,
                    headers,
                    body,
                    is_head,
                    has_suffix,
                    base,
                    peer,
                    render,
                };
                match csrf.as_ref().filter(|_| changes) {
                    Some(csrf) if !shows_csrf(&call, csrf) => {
                        Err(Refusal::Forbidden(auth::Fault::Csrf.detail()))
                    }
                    Some(_) | None => run(route, id.to_owned(), method.clone(), call).await,
                }
            }
            Err(refusal) => Err(refusal),
        }
    };
    reply::respond(result, render, Vary::AcceptAndCookie, &shown)
}

/// A body that may have been read already.
enum Posted {
    Unread(Body),
    Read(Vec<u8>),
}

/// The method that a form of a browser's session means; any other request's own.
async fn form_method(
    route: Route,
    method: String,
    csrf: Option<&Secret<String>>,
    headers: &HeaderMap,
    sent: Body,
) -> (String, Posted) {
    if method != "POST" || route.allows("POST") || !route.allows("PUT") || csrf.is_none() {
        return (method, Posted::Unread(sent));
    }
    // POST is refused here, whatever its body is.
    let Ok(body) = body::read(sent).await else { return (method, Posted::Read(Vec::new())) };
    match form_method::meant(headers, &body) {
        Some((meant, fields)) => (meant.to_owned(), Posted::Read(fields)),
        None => (method, Posted::Read(body)),
    }
}

/// Who sent the request, if the endpoint lets them in; `None` is anybody.
async fn admit(
    api: &Api,
    route: Route,
    headers: &HeaderMap,
) -> Result<Option<auth::Known>, Refusal> {
    let by_password = match route.access() {
        Access::Known => None,
        Access::Admin | Access::Anybody => auth::basic(api, headers).await?,
    };
    let by_password = by_password.transpose().map_err(|f| Refusal::Challenge(f.detail()))?;
    let by_password = by_password.map(|who| auth::Known { who, csrf: None });
    match (route.access(), by_password) {
        (Access::Anybody, known) => Ok(known),
        (Access::Admin, Some(known)) => admin(known).map(Some),
        (Access::Known | Access::Admin, _) => {
            let known = auth::session_or_token(api.store(), headers)
                .await?
                .map_err(|fault| Refusal::Forbidden(fault.detail()))?;
            match route.access() {
                Access::Admin => admin(known).map(Some),
                Access::Known | Access::Anybody => Ok(Some(known)),
            }
        }
    }
}

fn admin(known: auth::Known) -> Result<auth::Known, Refusal> {
    match known.who.is_admin {
        true => Ok(known),
        false => Err(Refusal::Forbidden("You do not have permission to perform this action.")),
    }
}

/// Whether a browser's request shows that a page of ours sent it.
fn shows_csrf(call: &Call, csrf: &Secret<String>) -> bool {
    let fields = call.fields().ok();
    let field = fields.as_ref().and_then(|fields| fields.get(page::CSRF_FIELD));
    let field = match field {
        Some(Input::Text(text)) => Some(text.text.as_str()),
        _ => call.query.last(page::CSRF_FIELD),
    };
    auth::shows_csrf(&call.headers, field, csrf)
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
            (Route::SendSms, _) => sendsms::sendsms(&call).await,
            (Route::SmsCallback, _) => carrier_hooks::callback(&call).await,
            (Route::SmsIncoming, _) => carrier_hooks::incoming(&call).await,
            (Route::Extensions, "POST") => extensions::create(&call).await,
            (Route::Extensions, _) => extensions::list(&call).await,
            (Route::Extension, "PUT") => extensions::update(&call, &id, false).await,
            (Route::Extension, "PATCH") => extensions::update(&call, &id, true).await,
            (Route::Extension, "DELETE") => extensions::delete(&call, &id).await,
            (Route::Extension, _) => extensions::retrieve(&call, &id).await,
            (Route::DidSearch, _) => did_numbers::search(&call).await,
            (Route::DidNumbers, "POST") => did_numbers::create(&call).await,
            (Route::DidNumbers, _) => did_numbers::list(&call).await,
            (Route::DidNumber, "PUT") => did_numbers::update(&call, &id, false).await,
            (Route::DidNumber, "PATCH") => did_numbers::update(&call, &id, true).await,
            (Route::DidNumber, "DELETE") => did_numbers::delete(&call, &id).await,
            (Route::DidNumber, _) => did_numbers::retrieve(&call, &id).await,
            (Route::Root, _) => Ok(users::root(&call)),
            (Route::Users, "POST") => users::create(&call).await,
            (Route::Users, _) => users::list(&call).await,
            (Route::User, "PUT") => users::update(&call, &id, false).await,
            (Route::User, "PATCH") => users::update(&call, &id, true).await,
            (Route::User, "DELETE") => users::delete(&call, &id).await,
            (Route::User, _) => users::retrieve(&call, &id).await,
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
        (Route::Users, _) => Some(("POST", users::actions())),
        (Route::User, Some(id)) => {
            let known = api.store().user(UserId(id)).await?.is_some();
            known.then(|| ("PUT", users::actions()))
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
