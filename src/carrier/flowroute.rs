//! Flowroute's HTTP services: Numbers v2 and Messages v2.1, JSON:API with Basic authentication.
//!
//! Limits and shapes are those of developer.flowroute.com; where its samples and its text differ,
//! both are taken: statuses in errors are integers or texts, an answer may have no id, 200 to 208
//! are all success (a purchase whose messaging was not enabled is a 207).

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper::{HeaderMap, Method, StatusCode, body::Bytes, header};
use serde_json::{Value, json};
use url::Url;

use super::{
    Carrier, CarrierError, Message, NumberDetails, NumberSearch, Offer, Reply, Route, SentMessage,
    Taken,
};
use crate::{
    config::Secret,
    http::{Answer, Client, HttpError, Request},
    store::Time,
};

/// The media type of JSON:API.
const JSON_API: &str = "application/vnd.api+json";
/// The longest page that its lists give.
const PAGE: usize = 200;
/// Pages that are read of a list of messages, 1000 of them.
const MAX_PAGES: usize = 5;
/// Messages in any one second, for each account; failed attempts count.
const MESSAGES_PER_SECOND: u32 = 5;
/// Questions are asked so often when the answer does not come.
const ATTEMPTS: usize = 2;
/// Characters of its words that are kept.
const MAX_REASON: usize = 300;

/// How Flowroute is reached.
#[derive(Clone, Debug)]
pub struct FlowrouteSettings {
    /// `https://api.flowroute.com`, or a stand-in.
    pub url: Url,
    /// The access key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: Secret<String>,
}

/// Flowroute.
#[derive(Clone)]
pub struct Flowroute {
    client: Client,
    url: Url,
    authorization: header::HeaderValue,
}

impl Flowroute {
    /// Flowroute, asked by `client`.
    pub fn new(client: Client, settings: &FlowrouteSettings) -> Self {
        let pair = format!("{}:{}", settings.access_key, settings.secret_key.expose());
        let basic = format!("Basic {}", BASE64_STANDARD.encode(pair));
        // Base64 has no character that a header may not have.
        let mut authorization = header::HeaderValue::from_str(&basic)
            .unwrap_or_else(|_| header::HeaderValue::from_static("Basic"));
        authorization.set_sensitive(true);
        Self { client, url: settings.url.clone(), authorization }
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        // An error means an address that has no path, which the configuration does not take.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// One request. What `Ok` gives is a success; its body is null if there is none.
    async fn ask(
        &self,
        method: Method,
        url: Url,
        body: Option<Value>,
    ) -> Result<Value, CarrierError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        headers.insert(header::ACCEPT, header::HeaderValue::from_static(JSON_API));
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(JSON_API));
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let answered = self.client.send(Request { method, url, headers, body }).await;
        let Answer { status, headers, body } = answered.map_err(not_answered)?;
        if (200..=208).contains(&status.as_u16()) {
            // Whatever the body is: it was done.
            return Ok(serde_json::from_slice(&body).unwrap_or(Value::Null));
        }
        Err(refusal(status, &headers, &body))
    }

    /// A question that can be asked again.
    async fn look(&self, url: Url) -> Result<Value, CarrierError> {
        let mut attempt = 1;
        loop {
            match self.ask(Method::GET, url.clone(), None).await {
                Err(CarrierError::Unknown(_) | CarrierError::Unreachable(_))
                    if attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }
}

/// What an answer that did not come means.
fn not_answered(error: HttpError) -> CarrierError {
    match error.may_have_arrived() {
        true => CarrierError::Unknown(error.to_string()),
        false => CarrierError::Unreachable(error.to_string()),
    }
}

/// What a status other than success means. Of a server's own failure nobody knows how far it came.
fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> CarrierError {
    let reason = words(status, body);
    if status == StatusCode::TOO_MANY_REQUESTS {
        let seconds = headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        let retry_after = seconds.map(|s: u64| Duration::from_secs(s.min(3600)));
        return CarrierError::Busy { retry_after, reason };
    }
    if status.is_server_error() {
        return CarrierError::Unknown(format!("status {}: {reason}", status.as_u16()));
    }
    CarrierError::Refused { status: status.as_u16(), reason }
}

/// What the first error in a body says: its title and its detail, each of which may be missing.
fn words(status: StatusCode, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let part = |name: &str| {
        let text = body.pointer(&format!("/errors/0/{name}"))?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let code = body.pointer("/errors/0/status").map(super::inbound::plain);
    let other = code.filter(|code| *code != status.as_u16().to_string());
    let other = other.map(|code| format!("status {code}"));
    let said: Vec<String> = [part("title"), part("detail"), other].into_iter().flatten().collect();
    let said = match said.is_empty() {
        true => status.canonical_reason().unwrap_or("no reason given").to_owned(),
        false => said.join(": "),
    };
    said.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
}

/// The list in an answer.
fn rows(answer: &Value) -> Result<&Vec<Value>, CarrierError> {
    answer
        .get("data")
        .and_then(Value::as_array)
        .ok_or_else(|| CarrierError::Unreadable("it has no list".to_owned()))
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_owned)
}

/// An id, which is a text but stands as a number in some answers.
fn id(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).filter(|v| v.is_string() || v.is_number()).map(super::inbound::plain)
}

/// A number on offer; `None` if the row has not what it takes.
fn offer(row: &Value) -> Option<Offer> {
    let cost = row.pointer("/attributes/monthly_cost")?;
    let monthly_cost = match cost {
        Value::Number(cost) => cost.clone(),
        Value::String(text) => serde_json::from_str(text).ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(Offer { number: id(row, "/attributes/value")?, monthly_cost })
}

fn route(row: &Value) -> Option<Route> {
    Some(Route {
        id: id(row, "/id")?,
        kind: text(row, "/attributes/route_type")?,
        value: text(row, "/attributes/value"),
        alias: text(row, "/attributes/alias"),
    })
}

fn sent(row: &Value) -> Option<SentMessage> {
    if text(row, "/attributes/direction").is_some_and(|direction| direction != "outbound") {
        return None;
    }
    let message = Message {
        to: text(row, "/attributes/to")?,
        from: text(row, "/attributes/from")?,
        body: text(row, "/attributes/body")?,
    };
    Some(SentMessage { id: text(row, "/id")?, message })
}

impl Carrier for Flowroute {
    fn name(&self) -> &'static str {
        "Flowroute"
    }

    fn search<'a>(&'a self, search: &'a NumberSearch) -> Reply<'a, Vec<Offer>> {
        Box::pin(async move {
            let mut url = self.at(&["v2", "numbers", "available"]);
            for (name, value) in [("starts_with", &search.starts_with), ("limit", &search.limit)] {
                if let Some(value) = value {
                    url.query_pairs_mut().append_pair(name, value);
                }
            }
            let answer = self.look(url).await?;
            // A row that makes no sense ends the list, as it did for the old API's clients.
            Ok(rows(&answer)?.iter().map_while(offer).collect())
        })
    }

    fn buy<'a>(&'a self, number: &'a str) -> Reply<'a, ()> {
        Box::pin(async move {
            self.ask(Method::POST, self.at(&["v2", "numbers", number]), None).await?;
            Ok(())
        })
    }

    fn number<'a>(&'a self, number: &'a str) -> Reply<'a, Option<NumberDetails>> {
        Box::pin(async move {
            let answer = match self.look(self.at(&["v2", "numbers", number])).await {
                Ok(answer) => answer,
                Err(CarrierError::Refused { status: 404, .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let number = id(&answer, "/data/id")
                .ok_or_else(|| CarrierError::Unreadable("it has no number".to_owned()))?;
            let primary_route = id(&answer, "/data/relationships/primary_route/data/id");
            Ok(Some(NumberDetails { number, primary_route }))
        })
    }

    fn routes(&self) -> Reply<'_, Vec<Route>> {
        Box::pin(async move {
            let mut url = self.at(&["v2", "routes"]);
            url.query_pairs_mut().append_pair("limit", &PAGE.to_string());
            let answer = self.look(url).await?;
            Ok(rows(&answer)?.iter().filter_map(route).collect())
        })
    }

    fn set_primary_route<'a>(&'a self, number: &'a str, route: &'a str) -> Reply<'a, ()> {
        Box::pin(async move {
            let url = self.at(&["v2", "numbers", number, "relationships", "primary_route"]);
            let body = json!({"data": {"type": "route", "id": route}});
            let mut attempt = 1;
            loop {
                // Twice is the same as once.
                match self.ask(Method::PATCH, url.clone(), Some(body.clone())).await {
                    Ok(_) => return Ok(()),
                    Err(CarrierError::Unknown(_) | CarrierError::Unreachable(_))
                        if attempt < ATTEMPTS =>
                    {
                        attempt += 1;
                    }
                    Err(error) => return Err(error),
                }
            }
        })
    }

    fn send<'a>(&'a self, message: &'a Message) -> Reply<'a, Taken> {
        Box::pin(async move {
            let Message { to, from, body } = message;
            let attributes = json!({"to": to, "from": from, "body": body});
            let asked = json!({"data": {"type": "message", "attributes": attributes}});
            let answer =
                self.ask(Method::POST, self.at(&["v2.1", "messages"]), Some(asked)).await?;
            Ok(Taken { id: text(&answer, "/data/id") })
        })
    }

    fn sent_since(&self, since: Time) -> Reply<'_, Vec<SentMessage>> {
        Box::pin(async move {
            let start = jiff::Timestamp::from_microsecond(since.0)
                .map_err(|error| CarrierError::Unreadable(error.to_string()))?;
            let mut messages = Vec::new();
            for page in 0..MAX_PAGES {
                let mut url = self.at(&["v2.1", "messages"]);
                url.query_pairs_mut()
                    .append_pair("start_date", &start.to_string())
                    .append_pair("limit", &PAGE.to_string())
                    .append_pair("offset", &(page * PAGE).to_string());
                let answer = self.look(url).await?;
                let rows = rows(&answer)?;
                messages.extend(rows.iter().filter_map(sent));
                if rows.len() < PAGE {
                    return Ok(messages);
                }
            }
            // A list that was not read to its end cannot show that a message is not in it.
            Err(CarrierError::Unreadable(format!("more than {} messages", MAX_PAGES * PAGE)))
        })
    }

    fn messages_per_second(&self) -> u32 {
        MESSAGES_PER_SECOND
    }
}
