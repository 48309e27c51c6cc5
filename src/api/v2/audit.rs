//! The audit: who asked for which call, and what came of it. Read by administrators, changed by
//! nobody.

use axum::{Json, extract::State, http::StatusCode};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Admin, extract::Query, page::Page, problem::Problem, rfc3339};
use crate::{
    api::Api,
    policy::Rule,
    store::{AuditId, AuditRow},
};

/// A call that was placed or refused.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct AuditView {
    /// The line's id.
    id: i64,
    /// When, RFC 3339.
    at: Option<String>,
    /// The call's id; null when a request was refused before a call was made of it.
    call: Option<Uuid>,
    /// As it was asked for.
    number: String,
    /// From which number.
    caller_id: Option<String>,
    /// The name of who asked.
    asked_by: Option<String>,
    /// call, crawl or retry.
    purpose: String,
    /// The scan that it was for.
    scan: Option<i64>,
    /// placed, refused or put_off.
    verdict: String,
    /// The rule that objected.
    rule: Option<String>,
    /// Why.
    reason: Option<String>,
}

/// A page of the audit.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Audit {
    /// The oldest first.
    lines: Vec<AuditView>,
    /// What `after` says for the next page; null on the last one.
    next: Option<i64>,
}

/// Which lines.
#[derive(serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of this number.
    number: Option<String>,
}

/// Calls that were placed or refused, the oldest first; for administrators.
#[utoipa::path(get, path = "/api/v2/audit", tag = "v2", params(Which, Page),
    responses((status = 200, body = Audit)))]
pub(super) async fn list(
    State(api): State<Api>,
    _admin: Admin,
    Query(which): Query<Which>,
    Query(page): Query<Page>,
) -> Result<Json<Audit>, Problem> {
    let after: i64 = match page.after.as_deref() {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "after must be the id of a line")
        })?,
    };
    let lines = |limit| api.store().audit(which.number.as_deref(), AuditId(after), limit);
    let (rows, next) = page.cut(lines, |row| row.id).await?;
    let next = next.map(|id| id.0);
    Ok(Json(Audit { lines: rows.iter().map(view).collect(), next }))
}

fn view(row: &AuditRow) -> AuditView {
    AuditView {
        id: row.id.0,
        at: rfc3339(row.at),
        call: row.call,
        number: row.number.clone(),
        caller_id: row.caller_id.clone(),
        asked_by: row.asked_name.clone(),
        purpose: row.purpose.as_str().to_owned(),
        scan: row.scan.map(|scan| scan.0),
        verdict: row.verdict.as_str().to_owned(),
        rule: row.verdict.rule().map(|rule| Rule::as_str(rule).to_owned()),
        reason: row.reason.clone(),
    }
}
