//! Numbers that were asked for, and what changed between their scans.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Who,
    extract::{Path, Query},
    list::{self, List, Moment},
    problem::Problem,
    rfc3339,
};
use crate::{
    api::Api,
    crawl::diff::{self, Change, Choice},
    store::{NumberFilter, NumberRow, ScanId},
};

/// A number that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NumberView {
    /// As it was first written; null only for rows of an older service.
    number: Option<String>,
    /// Whose number it is.
    business_name: Option<String>,
    /// Calls placed to it.
    attempt: i64,
    /// Whether nothing is left to explore.
    completed: bool,
    /// Whether calls are placed without being asked for, until its scan is complete.
    retry_auto: bool,
    /// When it was first asked for, RFC 3339.
    created_at: Option<String>,
    /// When something changed, RFC 3339.
    updated_at: Option<String>,
}

/// Which numbers.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// This one, compared exactly.
    number: Option<String>,
    /// Those at which nothing, or something, is left to explore.
    completed: Option<bool>,
    /// Asked for first at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Moment>,
    /// Asked for first before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Moment>,
    /// From the `next` of the page before.
    cursor: Option<String>,
    /// Rows of the page.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Numbers that were asked for.
#[utoipa::path(get, path = "/api/v2/numbers", tag = "v2", params(Which),
    responses((status = 200, body = List<NumberView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    _who: Who,
    uri: Uri,
    Query(which): Query<Which>,
) -> Result<Json<List<NumberView>>, Problem> {
    let slice = list::slice(which.cursor.as_deref(), which.limit)?;
    let filter = NumberFilter {
        number: which.number,
        completed: which.completed,
        created: list::span(which.since, which.until),
    };
    let rows = api.store().list_numbers(&filter, slice).await?;
    Ok(list::page(&uri, slice, rows, view))
}

/// A number.
#[utoipa::path(get, path = "/api/v2/numbers/{number}", tag = "v2", params(("number" = String, Path)),
    responses((status = 200, body = NumberView), (status = 404, body = super::problem::ProblemBody,
        content_type = "application/problem+json")))]
pub(super) async fn show(
    State(api): State<Api>,
    _who: Who,
    Path(number): Path<String>,
) -> Result<Json<NumberView>, Problem> {
    Ok(Json(view(&find(&api, &number).await?)))
}

/// A number that was asked for, written exactly so.
pub(super) async fn find(api: &Api, number: &str) -> Result<NumberRow, Problem> {
    let found = api.store().number(number).await?;
    found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "this number was never asked for"))
}

fn view(row: &NumberRow) -> NumberView {
    NumberView {
        number: row.number.clone(),
        business_name: row.business_name.clone(),
        attempt: row.attempt,
        completed: row.completed,
        retry_auto: row.retry_auto,
        created_at: rfc3339(row.created_at),
        updated_at: rfc3339(row.updated_at),
    }
}

/// What changed between two scans of a number.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DiffView {
    /// The number.
    number: String,
    /// The id of the older scan.
    from: i64,
    /// The id of the newer one.
    to: i64,
    /// Options that only the newer one has.
    added: Vec<Choice>,
    /// Options that only the older one has.
    removed: Vec<Choice>,
    /// Options that are under other keys, or in another menu.
    moved: Vec<Change>,
    /// Options that are announced by other words.
    reworded: Vec<Change>,
}

/// Which scans are compared.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Compared {
    /// The id of the older scan; without it the one before the newer.
    from: Option<i64>,
    /// The id of the newer scan; without it the newest that heard something.
    to: Option<i64>,
}

/// What changed between two scans of a number: by itself the newest two that heard something.
#[utoipa::path(get, path = "/api/v2/numbers/{number}/diff", tag = "v2",
    params(("number" = String, Path), Compared),
    responses((status = 200, body = DiffView), (status = 404, body = super::problem::ProblemBody,
        content_type = "application/problem+json")))]
pub(super) async fn difference(
    State(api): State<Api>,
    _who: Who,
    Path(number): Path<String>,
    Query(Compared { from, to }): Query<Compared>,
) -> Result<Json<DiffView>, Problem> {
    let row = find(&api, &number).await?;
    let missing = |detail: &str| Problem::new(StatusCode::NOT_FOUND, detail);
    let store = api.store();
    let (from, to) = match (from, to) {
        (Some(from), Some(to)) => (ScanId(from), ScanId(to)),
        (from, to) => {
            let to = match to {
                Some(to) => Some(ScanId(to)),
                None => store.scans_with_menus(row.id, ScanId(i64::MAX), 1).await?.first().copied(),
            };
            let to = to.ok_or_else(|| missing("no scan of this number has heard anything"))?;
            let from = match from {
                Some(from) => Some(ScanId(from)),
                None => store.scans_with_menus(row.id, to, 1).await?.first().copied(),
            };
            let none = || missing("no scan of this number before that has heard anything");
            (from.ok_or_else(none)?, to)
        }
    };
    for scan in [from, to] {
        let of_this = store.scan(scan).await?.is_some_and(|found| found.number == row.number);
        if !of_this {
            return Err(missing(&format!("this number has no scan {scan}")));
        }
    }
    let (old, new) = (store.load_tree(from).await?, store.load_tree(to).await?);
    // Trees of a client's choice: their comparison may take some milliseconds.
    let found = tokio::task::spawn_blocking(move || diff::diff(&old, &new))
        .await
        .map_err(|error| Problem::internal(&error))?;
    let diff::Diff { added, removed, moved, reworded } = found;
    Ok(Json(DiffView { number, from: from.0, to: to.0, added, removed, moved, reworded }))
}
