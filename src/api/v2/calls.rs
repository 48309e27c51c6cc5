//! Single calls: place one, see what became of it.

use std::time::Duration;

use axum::{
    Json,
    body::to_bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use uuid::Uuid;

use super::{Who, extract::Path, problem::Problem, rfc3339};
use crate::{
    api::{Api, CallRequest, is_number},
    calls::{gate::Patience, trunk},
    policy::{Purpose, Refusal, Request, Rule},
};

/// Bytes of a request's body.
const MAX_BODY: usize = 64 * 1024;
/// So long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    number: String,
    caller_id: Option<String>,
}

/// `POST /api/v2/calls`: places a call and answers at once with its id.
pub(super) async fn dial(
    State(api): State<Api>,
    Who(who): Who,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    let wanted: Wanted = body(request).await?;
    for (name, number) in
        [("number", Some(&wanted.number)), ("caller_id", wanted.caller_id.as_ref())]
    {
        let is_phone = |text: &str| name == "number" && trunk::extension(text).is_some();
        if number.is_some_and(|number| !is_number(number) && !is_phone(number)) {
            let detail = format!("{name} must be a + or none, and 1 to 15 digits, without blanks");
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
    }
    let request = Request {
        number: wanted.number.clone(),
        caller_id: wanted.caller_id.clone(),
        asked_by: Some(who.user),
        purpose: Purpose::Call,
    };
    if let Some(refusal) = api.gate().ask(&request, Patience::Now).await? {
        return Err(refused(&api, refusal));
    }
    let id = api.0.switch.dial(CallRequest {
        number: wanted.number,
        caller_id: wanted.caller_id,
        asked_by: who.user,
    })?;
    // Placing calls costs money: who asked for them is on record.
    tracing::info!(call = %id, user = %who.name, "A call was asked for.");
    let location = [(header::LOCATION, format!("/api/v2/calls/{id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(json!({"id": id}))).into_response())
}

/// What the policy says, as an answer.
fn refused(api: &Api, refusal: Refusal) -> Problem {
    match (refusal.rule, refusal.until) {
        (Rule::Stopped, _) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, refusal.why),
        (_, None) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.why),
        (_, Some(until)) => {
            let wait = until.since(api.store().now()).as_secs().saturating_add(1);
            let wait = u32::try_from(wait).unwrap_or(u32::MAX);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, refusal.why).retry_after(wait)
        }
    }
}

/// `GET /api/v2/calls/{id}`: a call's record.
pub(super) async fn show(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "there is no call with this id");
    let id = Uuid::parse_str(&id).map_err(|_| missing())?;
    let call = api.store().call(id).await?.ok_or_else(missing)?;
    Ok(Json(json!({
        "id": call.uuid,
        "scan": call.scan,
        "number": call.number,
        "caller_id": call.caller_id,
        "state": call.state,
        "started_at": rfc3339(call.started_at),
        "answered_at": call.answered_at.and_then(rfc3339),
        "ended_at": call.ended_at.and_then(rfc3339),
        "sip_status": call.sip_status,
        "reason": call.reason,
        "seconds": call.seconds,
    }))
    .into_response())
}

/// The body of a request, which must be JSON.
pub(super) async fn body<T: serde::de::DeserializeOwned>(
    request: axum::extract::Request,
) -> Result<T, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let media_type = content_type.unwrap_or("").split(';').next().unwrap_or("").trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let detail = "send the body as application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    json_body(request).await
}

/// The body of a request, which must be JSON whatever its media type says: carriers have types of
/// their own.
pub(super) async fn json_body<T: serde::de::DeserializeOwned>(
    request: axum::extract::Request,
) -> Result<T, Problem> {
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(request.into_body(), MAX_BODY));
    let bytes = read
        .await
        .map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to come"))?
        .map_err(|_| {
            let detail = format!("the body is cut off, or has more than {MAX_BODY} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        })?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not as expected: {e}"))
    })
}
