//! Scans: crawls of a number, each with its own tree.

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
    calls::{number_is_valid, refused},
    extract::{Path, Query},
    list::{self, List, Moment},
    once::once,
    problem::{Problem, ProblemBody},
    rfc3339,
};
use crate::{
    api::Api,
    calls::gate::Patience,
    policy::{self, Purpose},
    store::{Authenticated, CrawlAnswer, CrawlRequest, New, ScanId, ScanRow, ScanStatus, ScansOf},
};

/// Characters of a business's name.
const MAX_NAME: usize = 250;

/// A crawl of a number.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ScanDetail {
    /// Its id.
    id: i64,
    /// The number.
    number: Option<String>,
    /// Whose number it is.
    business_name: Option<String>,
    /// pending, calling, answered, processed, success or failed.
    state: String,
    /// Whether nothing is left to explore.
    completed: bool,
    /// The number's calls when the scan's latest call was placed.
    attempt: i64,
    /// Why it ended, or why its latest call brought no news.
    reason: Option<String>,
    /// Where its tree is.
    tree: String,
    /// When it was asked for, RFC 3339; null only for rows of an older service.
    created_at: Option<String>,
    /// When something changed, RFC 3339.
    updated_at: Option<String>,
}

/// A scan that was asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AskedScan {
    #[serde(flatten)]
    scan: ScanDetail,
    /// The id of its next call, to follow it by.
    call: Uuid,
}

/// Where a scan stands.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ScanState {
    Pending,
    Calling,
    Answered,
    Processed,
    Success,
    Failed,
}

impl From<ScanState> for ScanStatus {
    fn from(state: ScanState) -> Self {
        match state {
            ScanState::Pending => Self::Pending,
            ScanState::Calling => Self::Calling,
            ScanState::Answered => Self::Answered,
            ScanState::Processed => Self::Processed,
            ScanState::Success => Self::Success,
            ScanState::Failed => Self::Failed,
        }
    }
}

/// Which scans.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of this number, compared exactly.
    number: Option<String>,
    /// In this state.
    #[param(inline)]
    state: Option<ScanState>,
    /// Asked for at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Moment>,
    /// Asked for before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Moment>,
    /// From the `next` of the page before.
    cursor: Option<String>,
    /// Rows of the page.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Scans of all numbers, or of one.
#[utoipa::path(get, path = "/api/v2/scans", tag = "v2", params(Which),
    responses((status = 200, body = List<ScanDetail>)))]
pub(super) async fn list(
    State(api): State<Api>,
    _who: Who,
    uri: Uri,
    Query(which): Query<Which>,
) -> Result<Json<List<ScanDetail>>, Problem> {
    let slice = list::slice(which.cursor.as_deref(), which.limit)?;
    let filter = ScansOf {
        number: which.number,
        status: which.state.map(ScanStatus::from),
        created: list::span(which.since, which.until),
    };
    let rows = api.store().list_scans(&filter, slice).await?;
    Ok(list::page(&uri, slice, rows, view))
}

/// A scan.
#[utoipa::path(get, path = "/api/v2/scans/{id}", tag = "v2", params(("id" = i64, Path)),
    responses((status = 200, body = ScanDetail),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Json<ScanDetail>, Problem> {
    let id = id.parse().map(ScanId).map_err(|_| missing())?;
    Ok(Json(view(&api.store().scan(id).await?.ok_or_else(missing)?)))
}

/// There is no such scan.
pub(super) fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no scan with this id")
}

/// What is to be scanned.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedScan {
    /// A + or none, and 1 to 15 digits.
    #[schema(pattern = r"^\+?[0-9]{1,15}$")]
    number: String,
    /// Whose number it is; without it, what is known is kept.
    #[schema(max_length = 250)]
    business_name: Option<String>,
    /// From which number to call.
    #[schema(pattern = r"^\+?[0-9]{1,15}$")]
    caller_id: Option<String>,
    /// What is done when the number was scanned before.
    #[serde(default)]
    mode: Mode,
}

/// What is done when a number was scanned before.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// An unfinished scan goes on; after a complete one a fresh one begins.
    #[default]
    Fresh,
    /// An unfinished scan goes on; after a complete one nothing is done.
    Continue,
    /// A fresh one begins.
    Force,
}

/// Has a number called and its menu explored.
#[utoipa::path(post, path = "/api/v2/scans", tag = "v2", request_body = WantedScan,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A repeated request with the same key is done once.")),
    responses((status = 202, body = AskedScan),
        (status = 409, description = "The scan is complete already, or a request with this key is being done.",
         body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn ask(
    State(api): State<Api>,
    Who(who): Who,
    request: Request,
) -> Result<Response, Problem> {
    let sent = Sent::read(request).await?;
    let wanted: WantedScan = sent.json()?;
    let work = start(api.clone(), who.clone(), wanted);
    once(&api, &who, "POST /api/v2/scans", &sent, work).await
}

async fn start(api: Api, who: Authenticated, wanted: WantedScan) -> Result<Response, Problem> {
    number_is_valid("number", Some(&wanted.number))?;
    number_is_valid("caller_id", wanted.caller_id.as_ref())?;
    let name = wanted.business_name.filter(|name| !name.is_empty());
    if name.as_ref().is_some_and(|n| n.chars().count() > MAX_NAME || n.contains('\0')) {
        let detail = format!("business_name must have at most {MAX_NAME} characters, and no NUL");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let asked = policy::Request {
        number: wanted.number.clone(),
        caller_id: wanted.caller_id.clone(),
        asked_by: Some(who.user),
        purpose: Purpose::Crawl,
    };
    if let Some(refusal) = api.gate().ask(&asked, Patience::Waits).await? {
        return Err(refused(&api, refusal));
    }
    let request = CrawlRequest {
        number: wanted.number,
        business_name: name,
        caller_id: wanted.caller_id,
        new: match wanted.mode {
            Mode::Fresh => New::Fresh,
            Mode::Continue => New::Continue,
            Mode::Force => New::Force,
        },
        asked_by: Some(who.user),
    };
    let (scan, call) = match api.store().request_crawl(request).await? {
        CrawlAnswer::Queued { scan, call_uuid } => (scan, call_uuid),
        CrawlAnswer::CompletedAlready => {
            let detail = "the scan of this number is complete; mode \"force\" starts a fresh one";
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
    };
    if let Some(over) = api.gate().scan_over(api.store().scan_usage(scan).await?) {
        let detail = format!("{over}; mode \"force\" starts a fresh scan");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    // Placing calls costs money: who asked for them is on record.
    tracing::info!(%scan, %call, user = %who.name, "A crawl was asked for.");
    // Where there is no trunk now, the scan waits for it.
    api.0.switch.wake();
    let row = api.store().scan(scan).await?.ok_or_else(missing)?;
    let location = [(header::LOCATION, format!("/api/v2/scans/{scan}"))];
    let body = Json(AskedScan { scan: view(&row), call });
    Ok((StatusCode::ACCEPTED, location, body).into_response())
}

fn view(row: &ScanRow) -> ScanDetail {
    ScanDetail {
        id: row.id.0,
        number: row.number.clone(),
        business_name: row.business_name.clone(),
        state: row.status.as_str().to_ascii_lowercase(),
        completed: row.completed,
        attempt: row.attempt,
        reason: row.reason.clone(),
        tree: format!("/api/v2/scans/{}/tree", row.id),
        created_at: row.created_at.and_then(rfc3339),
        updated_at: row.updated_at.and_then(rfc3339),
    }
}
