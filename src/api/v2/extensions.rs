//! Extensions: the accounts with which softphones register.

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Who, body,
    extract::{Path, Query},
    list::{self, List},
    problem::{Problem, ProblemBody},
    rfc3339,
};
use crate::{
    api::{Api, FIRST_DOMAIN},
    config::Secret,
    store::{Authenticated, ExtensionChange, ExtensionId, ExtensionRow, Unique},
};

/// Characters of a name and of a password.
const MAX_TEXT: usize = 100;

/// An extension.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExtensionView {
    /// Its id.
    id: i64,
    /// The name under which it registers.
    sip_username: String,
    /// The domain in which it registers.
    domain: String,
    /// The name of its owner.
    owner: String,
    /// Its password; null in lists, and where the operator does not show passwords.
    sip_password: Option<String>,
    /// When it was made, RFC 3339.
    created_at: Option<String>,
    /// When it was changed, RFC 3339.
    updated_at: Option<String>,
}

/// Which extensions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The one with this name, compared exactly.
    sip_username: Option<String>,
    /// From the `next` of the page before.
    cursor: Option<String>,
    /// Rows of the page.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A new extension.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedExtension {
    /// The name under which it registers.
    #[schema(min_length = 1, max_length = 100)]
    sip_username: String,
    /// Its password.
    #[schema(min_length = 1, max_length = 100)]
    sip_password: String,
}

/// What is changed of an extension; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedExtension {
    /// Another name.
    #[schema(min_length = 1, max_length = 100)]
    sip_username: Option<String>,
    /// Another password.
    #[schema(min_length = 1, max_length = 100)]
    sip_password: Option<String>,
}

/// Extensions.
#[utoipa::path(get, path = "/api/v2/extensions", tag = "v2", params(Which),
    responses((status = 200, body = List<ExtensionView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    _who: Who,
    uri: Uri,
    Query(which): Query<Which>,
) -> Result<Json<List<ExtensionView>>, Problem> {
    let slice = list::slice(which.cursor.as_deref(), which.limit)?;
    let rows = api.store().list_extensions(which.sip_username.as_deref(), slice).await?;
    Ok(list::page(&uri, slice, rows, |row| view(row, None)))
}

/// An extension.
#[utoipa::path(get, path = "/api/v2/extensions/{id}", tag = "v2", params(("id" = i64, Path)),
    responses((status = 200, body = ExtensionView),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Json<ExtensionView>, Problem> {
    Ok(Json(whole(&api, &find(&api, &id).await?)))
}

/// Makes an extension.
#[utoipa::path(post, path = "/api/v2/extensions", tag = "v2", request_body = WantedExtension,
    responses((status = 201, body = ExtensionView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(api): State<Api>,
    Who(who): Who,
    request: Request,
) -> Result<Response, Problem> {
    let wanted: WantedExtension = body::json(request).await?;
    let name = checked("sip_username", wanted.sip_username)?;
    let password = Secret::new(checked("sip_password", wanted.sip_password)?);
    match api.store().create_extension(who.user, &name, &password, FIRST_DOMAIN).await? {
        Unique::Done(row) => {
            let location = [(header::LOCATION, format!("/api/v2/extensions/{}", row.id))];
            Ok((StatusCode::CREATED, location, Json(whole(&api, &row))).into_response())
        }
        Unique::Taken => Err(taken()),
    }
}

/// Changes an extension; another user's only an administrator does.
#[utoipa::path(patch, path = "/api/v2/extensions/{id}", tag = "v2", params(("id" = i64, Path)),
    request_body = ChangedExtension,
    responses((status = 200, body = ExtensionView),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn change(
    State(api): State<Api>,
    Who(who): Who,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ExtensionView>, Problem> {
    let wanted: ChangedExtension = body::json(request).await?;
    let row = find(&api, &id).await?;
    may_change(&who, &row)?;
    let name = wanted.sip_username.map(|name| checked("sip_username", name)).transpose()?;
    let password = wanted.sip_password.map(|text| checked("sip_password", text)).transpose()?;
    let change = ExtensionChange { sip_username: name, sip_password: password.map(Secret::new) };
    match api.store().update_extension(row.id, &change).await? {
        Some(Unique::Done(row)) => Ok(Json(whole(&api, &row))),
        Some(Unique::Taken) => Err(taken()),
        None => Err(missing()),
    }
}

/// Deletes an extension and the numbers that lead to it; another user's only an administrator does.
#[utoipa::path(delete, path = "/api/v2/extensions/{id}", tag = "v2", params(("id" = i64, Path)),
    responses((status = 204),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Who(who): Who,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let row = find(&api, &id).await?;
    may_change(&who, &row)?;
    match api.store().delete_extension(row.id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing()),
    }
}

async fn find(api: &Api, id: &str) -> Result<ExtensionRow, Problem> {
    let id = id.parse().map(ExtensionId).map_err(|_| missing())?;
    api.store().extension(id).await?.ok_or_else(missing)
}

fn may_change(who: &Authenticated, row: &ExtensionRow) -> Result<(), Problem> {
    match who.is_admin || row.owner == who.user {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::FORBIDDEN, "this extension is another user's")),
    }
}

fn checked(name: &str, text: String) -> Result<String, Problem> {
    match (1..=MAX_TEXT).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        true => Ok(text),
        false => {
            let detail =
                format!("{name} must have 1 to {MAX_TEXT} characters, and no control characters");
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
        }
    }
}

fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no extension with this id")
}

fn taken() -> Problem {
    Problem::new(StatusCode::CONFLICT, "another extension has this sip_username")
}

fn whole(api: &Api, row: &ExtensionRow) -> ExtensionView {
    view(row, api.options().expose_sip_passwords.then_some(&row.sip_password))
}

fn view(row: &ExtensionRow, password: Option<&Secret<String>>) -> ExtensionView {
    ExtensionView {
        id: row.id.0,
        sip_username: row.sip_username.clone(),
        domain: row.domain.clone(),
        owner: row.owner_name.clone(),
        sip_password: password.map(|password| password.expose().clone()),
        created_at: rfc3339(row.created_at),
        updated_at: rfc3339(row.updated_at),
    }
}
