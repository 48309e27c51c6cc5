//! The audit: who asked for which call, and what came of it. Read by administrators, changed by
//! nobody.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use super::{Admin, extract::Query, page::Page, problem::Problem, rfc3339};
use crate::{
    api::Api,
    policy::Rule,
    store::{AuditId, AuditRow},
};

/// Which lines.
#[derive(serde::Deserialize)]
pub(super) struct Which {
    number: Option<String>,
}

/// `GET /api/v2/audit`: the lines after the one with the id `after`, oldest first, in pages.
pub(super) async fn list(
    State(api): State<Api>,
    _admin: Admin,
    Query(which): Query<Which>,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let after: i64 = match page.after.as_deref() {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "after must be the id of a line")
        })?,
    };
    let lines = |limit| api.store().audit(which.number.as_deref(), AuditId(after), limit);
    let (rows, next) = page.cut(lines, |row| row.id).await?;
    let rows: Vec<Value> = rows.iter().map(view).collect();
    Ok(Json(json!({"lines": rows, "next": next})).into_response())
}

fn view(row: &AuditRow) -> Value {
    json!({
        "id": row.id,
        "at": rfc3339(row.at),
        "call": row.call,
        "number": row.number,
        "caller_id": row.caller_id,
        "asked_by": row.asked_name,
        "purpose": row.purpose.as_str(),
        "scan": row.scan,
        "verdict": row.verdict.as_str(),
        "rule": row.verdict.rule().map(Rule::as_str),
        "reason": row.reason,
    })
}
