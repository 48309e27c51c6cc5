//! The simulated carrier's HTTP services, in the shapes of Flowroute's: numbers and messages on
//! loopback, with its errors and delays to be switched on.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use phoneai_clock::Clock;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

/// Messages that are taken in any one second; more are answered with 429.
const MESSAGES_PER_SECOND: usize = 5;
/// Bytes of a request's body.
const MAX_BODY: usize = 64 * 1024;
/// Requests that are remembered.
const MAX_REQUESTS: usize = 1000;
/// Messages and numbers that are kept.
const MAX_KEPT: usize = 10_000;
/// The ids of messages begin with this, and end with a number.
const MESSAGE_ID: &str = "mdr2-5c1d2b8e8f0811ec9a3b1ea5e1a6";
/// The number at the end of the first message's id.
const FIRST_MESSAGE: usize = 0xa6f1;

/// What the services do with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What they are asked.
    #[default]
    Ok,
    /// Everything is refused with 401.
    Raise,
    /// No number is sold: 404.
    PurchaseFail,
    /// No route is set: 404.
    RouteFail,
    /// No number is on offer.
    Empty,
    /// Search and messages answer 200 with something else than they should.
    Odd,
    /// Search and messages answer 204 without a body; the message is taken.
    None,
    /// The third number on offer has no attributes.
    BadRow,
    /// A number is sold, but its messaging is not enabled: 207.
    MultiStatus,
    /// 429, with so many seconds to wait.
    Busy(u32),
    /// 503, and nothing is done.
    Down,
    /// Everything is done, and the connection closed without an answer.
    Lost,
    /// Nothing is done, and the connection closed without an answer.
    Cut,
    /// What costs money is done, and its answer never comes.
    Hang,
    /// No route is set, and the answer never comes.
    HangRoute,
}

/// How the services are set up.
#[derive(Clone, Debug)]
pub struct ServicesConfig {
    /// Address and TCP port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Access key and secret key; `None`: nobody is asked for them.
    pub keys: Option<(String, String)>,
    /// Numbers on offer and what they cost a month.
    pub offers: Vec<(String, f64)>,
    /// Whether only numbers are found that begin with what is looked for.
    pub filters: bool,
}

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMessage {
    /// Its id.
    pub id: String,
    /// To whom.
    pub to: String,
    /// From whom.
    pub from: String,
    /// The text.
    pub body: String,
}

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    delay: Duration,
    /// Numbers that were sold, with their route.
    owned: BTreeMap<String, String>,
    messages: Vec<KeptMessage>,
    recent: VecDeque<Instant>,
    requests: VecDeque<String>,
}

/// The running services. They end with [`Services::shutdown`], or when this is dropped.
#[derive(Debug)]
pub struct Services {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Services {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts the services.
///
/// # Errors
/// The port cannot be had.
pub async fn start(config: ServicesConfig, clock: Clock) -> std::io::Result<Services> {
    let listener = TcpListener::bind(config.listen).await?;
    let addr = listener.local_addr()?;
    let state = Arc::new(Mutex::new(State::default()));
    let server = Server { config: Arc::new(config), clock, state: state.clone() };
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let server = server.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| {
                    let server = server.clone();
                    async move { server.answer(request).await }
                });
                // A connection that breaks ends alone.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
            while connections.try_join_next().is_some() {}
        }
    });
    Ok(Services { addr, state, task })
}

impl Services {
    /// What is to be written as `flowroute.url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What is done with requests from now on.
    pub fn set_mode(&self, mode: Mode) {
        lock(&self.state).mode = mode;
    }

    /// How long each answer takes from now on.
    pub fn set_delay(&self, delay: Duration) {
        lock(&self.state).delay = delay;
    }

    /// Forgets what was sold, sent and asked, and does what it is asked.
    pub fn reset(&self) {
        *lock(&self.state) = State::default();
    }

    /// Numbers that were sold, with the id of their route; "0" is that of the registrations.
    pub fn owned(&self) -> BTreeMap<String, String> {
        lock(&self.state).owned.clone()
    }

    /// Messages that were taken.
    pub fn messages(&self) -> Vec<KeptMessage> {
        lock(&self.state).messages.clone()
    }

    /// The latest requests, as "METHOD /path?query".
    pub fn requests(&self) -> Vec<String> {
        lock(&self.state).requests.iter().cloned().collect()
    }

    /// Frees the port.
    pub async fn shutdown(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes the connection instead of answering.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

type Answer = (u16, Option<Value>);

#[derive(Clone)]
struct Server {
    config: Arc<ServicesConfig>,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Lost> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|_| Lost)?.to_bytes();
        let (mode, delay) = {
            let mut state = lock(&self.state);
            if state.requests.len() >= MAX_REQUESTS {
                state.requests.pop_front();
            }
            state.requests.push_back(format!("{} {}", head.method, head.uri));
            (state.mode, state.delay)
        };
        self.clock.sleep(delay).await;
        if mode == Mode::Cut {
            return Err(Lost);
        }
        if mode == Mode::HangRoute && head.method == Method::PATCH {
            std::future::pending::<()>().await;
        }
        let (status, answer) = if self.is_known(&head.headers) {
            self.act(mode, &head.method, &head.uri, &body)
        } else {
            error(401, "Unauthorized", "Authentication failed.")
        };
        if mode == Mode::Lost {
            return Err(Lost);
        }
        if mode == Mode::Hang && head.method == Method::POST {
            std::future::pending::<()>().await;
        }
        let body = answer.map_or_else(Bytes::new, |answer| Bytes::from(answer.to_string()));
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/vnd.api+json"),
        );
        if let Mode::Busy(seconds) = mode {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        Ok(response)
    }

    fn is_known(&self, headers: &header::HeaderMap) -> bool {
        let Some((access, secret)) = &self.config.keys else { return true };
        let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{access}:{secret}")));
        headers
            .get(header::AUTHORIZATION)
            .is_some_and(|given| given.as_bytes() == expected.as_bytes())
    }

    fn act(&self, mode: Mode, method: &Method, uri: &hyper::Uri, body: &[u8]) -> Answer {
        match mode {
            Mode::Raise => return error(401, "Unauthorized", "Authentication failed."),
            Mode::Busy(_) => return error(429, "Too Many Requests", ""),
            Mode::Down => return error(503, "Service Unavailable", ""),
            Mode::Ok
            | Mode::PurchaseFail
            | Mode::RouteFail
            | Mode::Empty
            | Mode::Odd
            | Mode::None
            | Mode::BadRow
            | Mode::MultiStatus
            | Mode::Lost
            | Mode::Cut
            | Mode::Hang
            | Mode::HangRoute => {}
        }
        let body = || serde_json::from_slice::<Value>(body).unwrap_or(Value::Null);
        let query = query(uri);
        let path: Vec<&str> = uri.path().split('/').skip(1).collect();
        let is = |wanted: Method| *method == wanted;
        match path.as_slice() {
            ["v2", "numbers", "available"] if is(Method::GET) => self.search(mode, &query),
            ["v2", "numbers", number] if is(Method::POST) => self.sell(mode, &plain(number)),
            ["v2", "numbers", number] if is(Method::GET) => self.show(&plain(number)),
            ["v2", "numbers", number, "relationships", "primary_route"] if is(Method::PATCH) => {
                self.set_route(mode, &plain(number), &body())
            }
            ["v2", "routes"] if is(Method::GET) => (200, Some(routes())),
            ["v2.1", "messages"] if is(Method::POST) => self.take(mode, &body()),
            ["v2.1", "messages"] if is(Method::GET) => self.list(&query),
            _ => error(404, "Not Found", ""),
        }
    }

    fn search(&self, mode: Mode, query: &BTreeMap<String, String>) -> Answer {
        match mode {
            Mode::Odd => return odd(),
            Mode::None => return (204, None),
            Mode::Empty => return (200, Some(json!({"data": []}))),
            Mode::Ok
            | Mode::Raise
            | Mode::PurchaseFail
            | Mode::RouteFail
            | Mode::BadRow
            | Mode::MultiStatus
            | Mode::Busy(_)
            | Mode::Down
            | Mode::Lost
            | Mode::Cut
            | Mode::Hang
            | Mode::HangRoute => {}
        }
        let limit = query.get("limit").map_or(Ok(10), |text| text.trim().parse::<usize>());
        let Some(limit) = limit.ok().filter(|limit| (1..=200).contains(limit)) else {
            return error(422, "Invalid Query", "limit");
        };
        let wanted = query.get("starts_with").cloned().unwrap_or_default();
        let offers = self.config.offers.iter().filter(|(number, _)| {
            let national = number.strip_prefix('1').unwrap_or(number);
            !self.config.filters || number.starts_with(&wanted) || national.starts_with(&wanted)
        });
        let mut rows: Vec<Value> = offers
            .take(limit)
            .map(|(number, cost)| {
                let attributes = json!({"value": number, "monthly_cost": cost, "setup_cost": 1.0,
                    "number_type": "standard", "rate_center": "test", "state": "dc"});
                json!({"type": "number", "id": number, "attributes": attributes})
            })
            .collect();
        if let (Mode::BadRow, Some(row)) = (mode, rows.get_mut(2)) {
            row["attributes"] = json!({});
        }
        (200, Some(json!({"data": rows, "links": {"self": "/v2/numbers/available"}})))
    }

    fn sell(&self, mode: Mode, number: &str) -> Answer {
        if mode == Mode::PurchaseFail {
            return error(404, "Not Found", "");
        }
        let mut state = lock(&self.state);
        if state.owned.contains_key(number) || state.owned.len() >= MAX_KEPT {
            return error(422, "Unprocessable Entity", "The number is not available.");
        }
        state.owned.insert(number.to_owned(), "0".to_owned());
        let status = if mode == Mode::MultiStatus { 207 } else { 201 };
        (status, Some(number_object(number, "0")))
    }

    fn show(&self, number: &str) -> Answer {
        match lock(&self.state).owned.get(number) {
            Some(route) => (200, Some(number_object(number, route))),
            None => error(404, "Not Found", ""),
        }
    }

    fn set_route(&self, mode: Mode, number: &str, body: &Value) -> Answer {
        if mode == Mode::RouteFail {
            return error(404, "Not Found", "");
        }
        let Some(route) = body.pointer("/data/id").and_then(Value::as_str) else {
            return error(422, "Unprocessable Entity", "data.id");
        };
        match lock(&self.state).owned.get_mut(number) {
            Some(owned) => {
                route.clone_into(owned);
                (204, None)
            }
            None => error(404, "Not Found", ""),
        }
    }

    fn take(&self, mode: Mode, body: &Value) -> Answer {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        state.recent.retain(|at| now.saturating_duration_since(*at) < Duration::from_secs(1));
        state.recent.push_back(now);
        if state.recent.len() > MESSAGES_PER_SECOND {
            return error(429, "Too Many Requests", "5 messages a second");
        }
        let attributes = body.pointer("/data/attributes").unwrap_or(body);
        let field = |name: &str| attributes.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(to), Some(from), Some(text)) = (field("to"), field("from"), field("body")) else {
            return error(422, "Unprocessable Entity", "to, from and body are needed");
        };
        if state.messages.len() >= MAX_KEPT {
            return error(403, "Forbidden", "the simulated carrier is full");
        }
        let id = format!("{MESSAGE_ID}{:04x}", FIRST_MESSAGE + state.messages.len());
        state.messages.push(KeptMessage { id: id.clone(), to, from, body: text });
        match mode {
            Mode::Odd => odd(),
            Mode::None => (204, None),
            Mode::Ok
            | Mode::Raise
            | Mode::PurchaseFail
            | Mode::RouteFail
            | Mode::Empty
            | Mode::BadRow
            | Mode::MultiStatus
            | Mode::Busy(_)
            | Mode::Down
            | Mode::Lost
            | Mode::Cut
            | Mode::Hang
            | Mode::HangRoute => (202, Some(json!({"data": {"id": id, "type": "message"}}))),
        }
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Answer {
        if !query.contains_key("start_date") {
            return error(422, "Unprocessable Entity", "start_date is needed");
        }
        let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
        let (limit, offset) = (number("limit").unwrap_or(10), number("offset").unwrap_or(0));
        let rows: Vec<Value> = lock(&self.state)
            .messages
            .iter()
            .skip(offset)
            .take(limit)
            .map(|KeptMessage { id, to, from, body }| {
                let attributes = json!({"to": to, "from": from, "body": body,
                    "direction": "outbound", "status": "message buffered"});
                json!({"id": id, "type": "message", "attributes": attributes})
            })
            .collect();
        (200, Some(json!({"data": rows})))
    }
}

fn number_object(number: &str, route: &str) -> Value {
    json!({"data": {
        "type": "number",
        "id": number,
        "attributes": {"value": number, "alias": null},
        "relationships": {"primary_route": {"data": {"type": "route", "id": route}}},
    }})
}

fn routes() -> Value {
    let route = |id: &str, kind: &str, value: Value| {
        let attributes = json!({"route_type": kind, "alias": kind, "value": value});
        json!({"type": "route", "id": id, "attributes": attributes})
    };
    json!({"data": [
        route("0", "sip-reg", Value::Null),
        route("12345", "host", json!("pbx.example.net:5060")),
    ]})
}

fn error(status: u16, title: &str, detail: &str) -> Answer {
    let error = json!({"status": status, "title": title, "detail": detail});
    (status, Some(json!({"errors": [error]})))
}

fn odd() -> Answer {
    (200, Some(json!({"errors": [{"title": "Invalid", "status": "422"}]})))
}

fn query(uri: &hyper::Uri) -> BTreeMap<String, String> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// A segment of a path without its escapes.
fn plain(segment: &str) -> String {
    let segment = segment.replace('+', "%2B");
    let mut pairs = url::form_urlencoded::parse(segment.as_bytes());
    pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}
