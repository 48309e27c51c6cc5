//! Single calls: place one, see what became of it.

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Who,
    body::Sent,
    extract::{Path, Query},
    list::{self, List, Moment},
    once::once,
    problem::{Problem, ProblemBody},
    rfc3339,
};
use crate::{
    api::{Api, CallRequest, is_number},
    calls::{gate::Patience, trunk},
    policy::{self, Purpose, Refusal, Rule},
    store::{Authenticated, CallFilter, CallRecord, CallState, ScanId},
};

/// A call's record.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CallView {
    /// Its id.
    id: Uuid,
    /// The scan that it served, if it did.
    scan: Option<i64>,
    /// What was dialled.
    number: String,
    /// From which number; null for the configured one.
    caller_id: Option<String>,
    /// Where it stands.
    state: CallState,
    /// When it was placed, RFC 3339.
    started_at: Option<String>,
    /// When it was answered.
    answered_at: Option<String>,
    /// When it was over.
    ended_at: Option<String>,
    /// The SIP status that refused it.
    sip_status: Option<u16>,
    /// Why it ended, in one line.
    reason: Option<String>,
    /// From the answer to the end.
    seconds: Option<f64>,
    /// Where its recording is.
    recording: Option<String>,
}

/// Which calls.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// To this number, compared exactly.
    number: Option<String>,
    /// In this state.
    state: Option<CallState>,
    /// Of this scan.
    scan: Option<i64>,
    /// Placed at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Moment>,
    /// Placed before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Moment>,
    /// From the `next` of the page before.
    cursor: Option<String>,
    /// Rows of the page.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Calls that were placed.
#[utoipa::path(get, path = "/api/v2/calls", tag = "v2", params(Which),
    responses((status = 200, body = List<CallView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    _who: Who,
    uri: Uri,
    Query(which): Query<Which>,
) -> Result<Json<List<CallView>>, Problem> {
    let slice = list::slice(which.cursor.as_deref(), which.limit)?;
    let filter = CallFilter {
        number: which.number,
        state: which.state,
        scan: which.scan.map(ScanId),
        placed: list::span(which.since, which.until),
    };
    let rows = api.store().list_calls(&filter, slice).await?;
    Ok(list::page(&uri, slice, rows, view))
}

/// A call that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedCall {
    /// A + or none, and 1 to 15 digits; or `sip:` and the name of an extension of ours.
    #[schema(pattern = r"^(\+?[0-9]{1,15}|sip:[A-Za-z0-9_.+-]{1,100}(@[A-Za-z0-9.:-]{1,100})?)$")]
    number: String,
    /// From which number; without it the configured one.
    #[schema(pattern = r"^\+?[0-9]{1,15}$")]
    caller_id: Option<String>,
}

/// A call that was placed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlacedCall {
    /// Its id.
    id: Uuid,
}

/// Places a call and answers at once with its id.
#[utoipa::path(post, path = "/api/v2/calls", tag = "v2", request_body = WantedCall,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A repeated request with the same key is done once.")),
    responses((status = 202, body = PlacedCall)))]
pub(super) async fn dial(
    State(api): State<Api>,
    Who(who): Who,
    request: Request,
) -> Result<Response, Problem> {
    let sent = Sent::read(request).await?;
    let wanted: WantedCall = sent.json()?;
    let work = place(api.clone(), who.clone(), wanted);
    once(&api, &who, "POST /api/v2/calls", &sent, work).await
}

async fn place(api: Api, who: Authenticated, wanted: WantedCall) -> Result<Response, Problem> {
    if trunk::extension(&wanted.number).is_none() {
        number_is_valid("number", Some(&wanted.number))?;
    }
    number_is_valid("caller_id", wanted.caller_id.as_ref())?;
    let request = policy::Request {
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
    Ok((StatusCode::ACCEPTED, location, Json(PlacedCall { id })).into_response())
}

/// Refuses a field that is not a number which can be dialled.
pub(super) fn number_is_valid(name: &str, number: Option<&String>) -> Result<(), Problem> {
    match number.is_none_or(|number| is_number(number)) {
        true => Ok(()),
        false => {
            let detail = format!("{name} must be a + or none, and 1 to 15 digits, without blanks");
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
        }
    }
}

/// What the policy says, as an answer.
pub(super) fn refused(api: &Api, refusal: Refusal) -> Problem {
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

/// A call's record.
#[utoipa::path(get, path = "/api/v2/calls/{id}", tag = "v2", params(("id" = String, Path)),
    responses((status = 200, body = CallView),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Json<CallView>, Problem> {
    Ok(Json(view(&find(&api, &id).await?)))
}

/// The call with this id.
pub(super) async fn find(api: &Api, id: &str) -> Result<CallRecord, Problem> {
    let id = Uuid::parse_str(id).map_err(|_| missing())?;
    api.store().call(id).await?.ok_or_else(missing)
}

/// There is no such call.
pub(super) fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no call with this id")
}

fn view(call: &CallRecord) -> CallView {
    CallView {
        id: call.uuid,
        scan: call.scan.map(|scan| scan.0),
        number: call.number.clone(),
        caller_id: call.caller_id.clone(),
        state: call.state,
        started_at: rfc3339(call.started_at),
        answered_at: call.answered_at.and_then(rfc3339),
        ended_at: call.ended_at.and_then(rfc3339),
        sip_status: call.sip_status,
        reason: call.reason.clone(),
        seconds: call.seconds,
        recording: call
            .recording
            .as_ref()
            .map(|_| format!("/api/v2/calls/{}/recording", call.uuid)),
    }
}
