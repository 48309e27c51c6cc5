//! Text messages: send one, see what became of it; and what the carrier sends to us.
//!
//! The carrier's webhooks have no token. Who may send them is `carrier.webhook_sources` and
//! `carrier.webhook_key`; all shapes of a carrier are taken here, of which the old API's paths take
//! only the one that they always took.

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use super::{
    Who,
    calls::body,
    calls::json_body,
    extract::{Path, Query},
    problem::Problem,
    rfc3339,
};
use crate::{
    api::{Api, is_number, server::Peer},
    carrier::{self, ReceiptError},
    store::{NewSms, SmsId, SmsRow},
};

/// Characters of a message: ten parts of a text in Unicode, which is more than carriers join.
const MAX_TEXT: usize = 670;
/// Characters of an address.
const MAX_URL: usize = 250;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    to: String,
    body: String,
    callback_url: Option<String>,
}

/// `POST /api/v2/sms`: accepts a message and answers at once; it is sent within a day.
pub(super) async fn send(
    State(api): State<Api>,
    Who(who): Who,
    request: Request,
) -> Result<Response, Problem> {
    let wanted: Wanted = body(request).await?;
    let refused = |detail: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    if !is_number(&wanted.to) {
        return Err(refused("to must be a + or none, and 1 to 15 digits, without blanks"));
    }
    if !(1..=MAX_TEXT).contains(&wanted.body.chars().count()) || wanted.body.contains('\0') {
        return Err(refused("body must have 1 to 670 characters, and no NUL"));
    }
    if let Some(callback) = &wanted.callback_url {
        let is_web =
            url::Url::parse(callback).is_ok_and(|u| matches!(u.scheme(), "http" | "https"));
        if !is_web || callback.chars().count() > MAX_URL {
            return Err(refused(
                "callback_url must be an http or https address of at most 250 characters",
            ));
        }
    }
    if api.carrier().carrier_name().is_none() {
        let detail = "no carrier is configured; set carrier.name";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    }
    let Wanted { to, body, callback_url } = wanted;
    let sms = NewSms { to, body, callback_url, asked_by: Some(who.user) };
    let row = api.carrier().queue_sms(&sms).await?;
    // Messages cost money: who asked for them is on record.
    tracing::info!(sms = %row.id, user = %who.name, "A message was asked for.");
    let location = [(header::LOCATION, format!("/api/v2/sms/{}", row.id))];
    Ok((StatusCode::ACCEPTED, location, Json(view(&row))).into_response())
}

/// `GET /api/v2/sms/{id}`: a message and what became of it.
pub(super) async fn show(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "there is no message with this id");
    let id: i64 = id.parse().map_err(|_| missing())?;
    let row = api.store().sms(SmsId(id)).await?.ok_or_else(missing)?;
    Ok(Json(view(&row)).into_response())
}

fn view(row: &SmsRow) -> Value {
    json!({
        "id": row.id,
        "to": row.to,
        "body": row.body,
        "callback_url": row.callback_url,
        "state": row.state.as_str(),
        "reason": row.reason,
        "carrier_id": row.provider_id,
        "attempts": row.attempts,
        "receipt_code": (row.dlr_code != 0).then_some(row.dlr_code),
        "receipt_status": row.dlr_status,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    })
}

/// The key in the query of a carrier's webhook.
#[derive(serde::Deserialize)]
pub(super) struct Key {
    key: Option<String>,
}

/// `POST /api/v2/carrier/receipts`: a delivery receipt.
pub(super) async fn receipt(
    State(api): State<Api>,
    Query(key): Query<Key>,
    request: Request,
) -> Result<Response, Problem> {
    admit(&api, &key, &request)?;
    let body = json_body(request).await?;
    let receipt = carrier::read_receipt(&body).ok_or_else(|| unreadable("a delivery receipt"))?;
    match api.carrier().receipt(receipt).await {
        Ok(()) => Ok(Json(json!({"status": "ok"})).into_response()),
        Err(ReceiptError::Store(error)) => Err(error.into()),
        Err(error @ ReceiptError::NoMessage) => {
            Err(Problem::new(StatusCode::NOT_FOUND, error.to_string()))
        }
    }
}

/// `POST /api/v2/carrier/messages`: a message that came in.
pub(super) async fn incoming(
    State(api): State<Api>,
    Query(key): Query<Key>,
    request: Request,
) -> Result<Response, Problem> {
    admit(&api, &key, &request)?;
    let body = json_body(request).await?;
    let message = carrier::read_inbound(&body).ok_or_else(|| unreadable("a message"))?;
    api.carrier().inbound(&message).await?;
    Ok(Json(json!({"status": "ok"})).into_response())
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
