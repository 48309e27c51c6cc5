//! Text messages: send one, see what became of it; and what the carrier sends to us.
//!
//! The carrier's webhooks have no token. Who may send them is `carrier.webhook_sources` and
//! `carrier.webhook_key`; all shapes of a carrier are taken here, of which the old API's paths take
//! only the one that they always took.

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Who,
    body::{Sent, any_json},
    calls::number_is_valid,
    extract::{Path, Query},
    list::{self, List, Moment},
    once::once,
    problem::{Problem, ProblemBody},
    rfc3339,
};
use crate::{
    api::{Api, server::Peer},
    carrier::{self, ReceiptError},
    store::{Authenticated, NewSms, SmsFilter, SmsId, SmsRow, SmsState},
};

/// Characters of a message: ten parts of a text in Unicode, which is more than carriers join.
const MAX_TEXT: usize = 670;
/// Characters of an address.
const MAX_URL: usize = 250;

/// A message and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SmsView {
    /// Its id.
    id: i64,
    /// To which number.
    to: String,
    /// The text.
    body: String,
    /// Who is told of the answer to it.
    callback_url: Option<String>,
    /// queued, sending, sent, delivered, undelivered, failed or unknown.
    state: String,
    /// Why, when it failed or is unknown.
    reason: Option<String>,
    /// The carrier's id of it.
    carrier_id: Option<String>,
    /// How often the carrier was told.
    attempts: i64,
    /// The code of the latest receipt.
    receipt_code: Option<i64>,
    /// The words of the latest receipt.
    receipt_status: Option<String>,
    /// When it was accepted, RFC 3339.
    created_at: Option<String>,
    /// When it changed, RFC 3339.
    updated_at: Option<String>,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum MessageState {
    Queued,
    Sending,
    Sent,
    Delivered,
    Undelivered,
    Failed,
    Unknown,
}

impl From<MessageState> for SmsState {
    fn from(state: MessageState) -> Self {
        match state {
            MessageState::Queued => Self::Queued,
            MessageState::Sending => Self::Sending,
            MessageState::Sent => Self::Sent,
            MessageState::Delivered => Self::Delivered,
            MessageState::Undelivered => Self::Undelivered,
            MessageState::Failed => Self::Failed,
            MessageState::Unknown => Self::Unknown,
        }
    }
}

/// Which messages.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// To this number, compared exactly.
    number: Option<String>,
    /// In this state.
    #[param(inline)]
    state: Option<MessageState>,
    /// Accepted at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Moment>,
    /// Accepted before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Moment>,
    /// From the `next` of the page before.
    cursor: Option<String>,
    /// Rows of the page.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Messages that were to be sent.
#[utoipa::path(get, path = "/api/v2/sms", tag = "v2", params(Which),
    responses((status = 200, body = List<SmsView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    _who: Who,
    uri: Uri,
    Query(which): Query<Which>,
) -> Result<Json<List<SmsView>>, Problem> {
    let slice = list::slice(which.cursor.as_deref(), which.limit)?;
    let filter = SmsFilter {
        number: which.number,
        state: which.state.map(SmsState::from),
        created: list::span(which.since, which.until),
    };
    let rows = api.store().list_sms(&filter, slice).await?;
    Ok(list::page(&uri, slice, rows, view))
}

/// A message that is to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedSms {
    /// A + or none, and 1 to 15 digits.
    #[schema(pattern = r"^\+?[0-9]{1,15}$")]
    to: String,
    /// The text.
    #[schema(min_length = 1, max_length = 670)]
    body: String,
    /// Who is told of the answer to it.
    #[schema(max_length = 250)]
    callback_url: Option<String>,
}

/// Accepts a message and answers at once; it is sent within a day.
#[utoipa::path(post, path = "/api/v2/sms", tag = "v2", request_body = WantedSms,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A repeated request with the same key is done once.")),
    responses((status = 202, body = SmsView)))]
pub(super) async fn send(
    State(api): State<Api>,
    Who(who): Who,
    request: Request,
) -> Result<Response, Problem> {
    let sent = Sent::read(request).await?;
    let wanted: WantedSms = sent.json()?;
    let work = accept(api.clone(), who.clone(), wanted);
    once(&api, &who, "POST /api/v2/sms", &sent, work).await
}

async fn accept(api: Api, who: Authenticated, wanted: WantedSms) -> Result<Response, Problem> {
    number_is_valid("to", Some(&wanted.to))?;
    if !(1..=MAX_TEXT).contains(&wanted.body.chars().count()) || wanted.body.contains('\0') {
        let detail = "body must have 1 to 670 characters, and no NUL";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    callback_is_valid(wanted.callback_url.as_deref())?;
    if api.carrier().carrier_name().is_none() {
        let detail = "no carrier is configured; set carrier.name";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    }
    let WantedSms { to, body, callback_url } = wanted;
    let sms = NewSms { to, body, callback_url, asked_by: Some(who.user) };
    let row = api.carrier().queue_sms(&sms).await?;
    // Messages cost money: who asked for them is on record.
    tracing::info!(sms = %row.id, user = %who.name, "A message was asked for.");
    let location = [(header::LOCATION, format!("/api/v2/sms/{}", row.id))];
    Ok((StatusCode::ACCEPTED, location, Json(view(&row))).into_response())
}

/// Refuses an address that no webhook can be sent to.
pub(super) fn callback_is_valid(callback: Option<&str>) -> Result<(), Problem> {
    let Some(callback) = callback else { return Ok(()) };
    let is_web = url::Url::parse(callback).is_ok_and(|u| matches!(u.scheme(), "http" | "https"));
    match is_web && callback.chars().count() <= MAX_URL && !callback.contains('\0') {
        true => Ok(()),
        false => {
            let detail = format!(
                "callback_url must be an http or https address of at most {MAX_URL} characters"
            );
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
        }
    }
}

/// A message and what became of it.
#[utoipa::path(get, path = "/api/v2/sms/{id}", tag = "v2", params(("id" = i64, Path)),
    responses((status = 200, body = SmsView),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Json<SmsView>, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "there is no message with this id");
    let id: i64 = id.parse().map_err(|_| missing())?;
    Ok(Json(view(&api.store().sms(SmsId(id)).await?.ok_or_else(missing)?)))
}

fn view(row: &SmsRow) -> SmsView {
    SmsView {
        id: row.id.0,
        to: row.to.clone(),
        body: row.body.clone(),
        callback_url: row.callback_url.clone(),
        state: row.state.as_str().to_owned(),
        reason: row.reason.clone(),
        carrier_id: row.provider_id.clone(),
        attempts: row.attempts,
        receipt_code: (row.dlr_code != 0).then_some(row.dlr_code),
        receipt_status: row.dlr_status.clone(),
        created_at: rfc3339(row.created_at),
        updated_at: rfc3339(row.updated_at),
    }
}

/// The key in the query of a carrier's webhook.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Key {
    /// What `carrier.webhook_key` says.
    key: Option<String>,
}

/// What came from the carrier was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Taken {
    /// Always "ok".
    status: String,
}

/// For the carrier: a delivery receipt.
#[utoipa::path(post, path = "/api/v2/carrier/receipts", tag = "v2", params(Key), security(()),
    request_body = serde_json::Value, responses((status = 200, body = Taken)))]
pub(super) async fn receipt(
    State(api): State<Api>,
    Query(key): Query<Key>,
    request: Request,
) -> Result<Response, Problem> {
    admit(&api, &key, &request)?;
    let body = any_json(request).await?;
    let receipt = carrier::read_receipt(&body).ok_or_else(|| unreadable("a delivery receipt"))?;
    match api.carrier().receipt(receipt).await {
        Ok(()) => Ok(taken()),
        Err(ReceiptError::Store(error)) => Err(error.into()),
        Err(error @ ReceiptError::NoMessage) => {
            Err(Problem::new(StatusCode::NOT_FOUND, error.to_string()))
        }
    }
}

/// For the carrier: a message that came in.
#[utoipa::path(post, path = "/api/v2/carrier/messages", tag = "v2", params(Key), security(()),
    request_body = serde_json::Value, responses((status = 200, body = Taken)))]
pub(super) async fn incoming(
    State(api): State<Api>,
    Query(key): Query<Key>,
    request: Request,
) -> Result<Response, Problem> {
    admit(&api, &key, &request)?;
    let body = any_json(request).await?;
    let message = carrier::read_inbound(&body).ok_or_else(|| unreadable("a message"))?;
    api.carrier().inbound(&message).await?;
    Ok(taken())
}

fn taken() -> Response {
    Json(Taken { status: "ok".to_owned() }).into_response()
}

fn admit(api: &Api, Key { key }: &Key, request: &Request) -> Result<(), Problem> {
    // Without a connection, as in a test, there is no address that could be permitted.
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let peer = peer.unwrap_or(std::net::Ipv6Addr::UNSPECIFIED.into());
    match api.carrier().gate().admits(peer, key.as_deref()) {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::FORBIDDEN, "this is for the carrier only")),
    }
}

fn unreadable(what: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the body is not that of {what}"))
}
