//! Numbers that are not to be called because somebody asked for that. Whoever may place calls may
//! enter one; only an administrator takes one off the list.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use super::{
    Admin, Who,
    calls::body,
    extract::{Path, Query},
    page::Page,
    problem::Problem,
    rfc3339,
};
use crate::{
    api::Api,
    policy::{self, number::Called},
    store::OptOut,
};

/// Characters of a note.
const MAX_NOTE: usize = 500;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    number: String,
    note: Option<String>,
}

/// `GET /api/v2/opt-outs`: the list by number, in pages.
pub(super) async fn list(
    State(api): State<Api>,
    _who: Who,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let after = page.after.as_deref().unwrap_or("").trim_start_matches('+');
    let (rows, next) =
        page.cut(|limit| api.store().opt_outs(after, limit), |row| row.number.clone()).await?;
    let rows: Vec<Value> = rows.iter().map(view).collect();
    Ok(Json(json!({"opt_outs": rows, "next": next})).into_response())
}

/// `POST /api/v2/opt-outs`: enters a number, and ends a call to it.
pub(super) async fn add(
    State(api): State<Api>,
    Who(who): Who,
    request: Request,
) -> Result<Response, Problem> {
    let wanted: Wanted = body(request).await?;
    let note = wanted.note.unwrap_or_default();
    if note.chars().count() > MAX_NOTE || note.contains('\0') {
        let detail = format!("note must have no more than {MAX_NOTE} characters, and no NUL");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let called = read(&wanted.number)?;
    let added = api.store().add_opt_outs(std::slice::from_ref(&called), &note, &who.name).await?;
    let ending = api.gate().stop_number(&called, &who.name).await?;
    tracing::info!(user = %who.name, "A number was entered that is not to be called.");
    let status = if added > 0 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(json!({"number": called.to_string(), "ending": ending}))).into_response())
}

/// `DELETE /api/v2/opt-outs/{number}`: takes a number off the list.
pub(super) async fn remove(
    State(api): State<Api>,
    Admin(who): Admin,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    let called = read(&number)?;
    if !api.store().remove_opt_out(&called).await? {
        return Err(Problem::new(StatusCode::NOT_FOUND, "the number is not on the list"));
    }
    tracing::info!(user = %who.name, "A number may be called again that had opted out.");
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn read(number: &str) -> Result<Called, Problem> {
    policy::readable(number).map_err(|refusal| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("number: {}", refusal.why))
    })
}

fn view(row: &OptOut) -> Value {
    json!({
        "number": row.number,
        "note": row.note,
        "added_by": row.added_by,
        "created_at": rfc3339(row.created_at),
    })
}
