//! Numbers that are not to be called because somebody asked for that. Whoever may place calls may
//! enter one; only an administrator takes one off the list.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use utoipa::ToSchema;

use super::{
    Admin, Who, body,
    extract::{Path, Query},
    page::Page,
    problem::{Problem, ProblemBody},
    rfc3339,
};
use crate::{
    api::Api,
    policy::{self, number::Called},
    store::OptOut,
};

/// Characters of a note.
const MAX_NOTE: usize = 500;

/// A number that is not to be called.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct OptOutView {
    /// In international form without the plus.
    number: String,
    /// Why.
    note: String,
    /// Who entered it.
    added_by: String,
    /// When, RFC 3339.
    created_at: Option<String>,
}

/// A page of the list.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct OptOuts {
    /// By number.
    opt_outs: Vec<OptOutView>,
    /// What `after` says for the next page; null on the last one.
    next: Option<String>,
}

/// A number that was entered.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Entered {
    /// In international form.
    number: String,
    /// How many calls to it are being ended.
    ending: usize,
}

/// A number that is to be entered.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedOptOut {
    /// The number, written in any way that is readable.
    number: String,
    /// Why.
    #[schema(max_length = 500)]
    note: Option<String>,
}

/// Numbers that are not to be called.
#[utoipa::path(get, path = "/api/v2/opt-outs", tag = "v2", params(Page),
    responses((status = 200, body = OptOuts)))]
pub(super) async fn list(
    State(api): State<Api>,
    _who: Who,
    Query(page): Query<Page>,
) -> Result<Json<OptOuts>, Problem> {
    let after = page.after.as_deref().unwrap_or("").trim_start_matches('+');
    let (rows, next) =
        page.cut(|limit| api.store().opt_outs(after, limit), |row| row.number.clone()).await?;
    Ok(Json(OptOuts { opt_outs: rows.iter().map(view).collect(), next }))
}

/// Enters a number that is not to be called, and ends calls to it.
#[utoipa::path(post, path = "/api/v2/opt-outs", tag = "v2", request_body = WantedOptOut,
    responses((status = 200, description = "It was on the list.", body = Entered),
        (status = 201, body = Entered)))]
pub(super) async fn add(
    State(api): State<Api>,
    Who(who): Who,
    request: Request,
) -> Result<Response, Problem> {
    let wanted: WantedOptOut = body::json(request).await?;
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
    Ok((status, Json(Entered { number: called.to_string(), ending })).into_response())
}

/// Takes a number off the list; for administrators.
#[utoipa::path(delete, path = "/api/v2/opt-outs/{number}", tag = "v2",
    params(("number" = String, Path)),
    responses((status = 204),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
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

fn view(row: &OptOut) -> OptOutView {
    OptOutView {
        number: row.number.clone(),
        note: row.note.clone(),
        added_by: row.added_by.clone(),
        created_at: rfc3339(row.created_at),
    }
}
