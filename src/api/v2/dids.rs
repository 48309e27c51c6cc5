//! The telephone numbers that are ours (direct inward dialling), and those that can be bought.

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Who,
    body::{self, Sent},
    calls::number_is_valid,
    extract::{Path, Query},
    list::{self, List},
    once::once,
    problem::{Problem, ProblemBody},
    rfc3339,
};
use crate::{
    api::Api,
    carrier::{BuyError, CarrierError, NumberSearch, Purchase},
    store::{Authenticated, DidChange, DidFilter, DidId, DidRow, ExtensionId, Slice, Unique},
};

/// Digits with which numbers that are looked for may begin.
const MAX_DIGITS: usize = 11;

/// A number of ours.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DidView {
    /// Its id.
    id: i64,
    /// The number.
    number: String,
    /// The id of the extension that is called there.
    extension: Option<i64>,
    /// The domain to which it belongs.
    domain: Option<String>,
    /// When it was entered, RFC 3339.
    created_at: Option<String>,
    /// When it was changed, RFC 3339.
    updated_at: Option<String>,
}

/// Which numbers.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// This one, compared exactly.
    number: Option<String>,
    /// Those that lead to this extension.
    extension: Option<i64>,
    /// From the `next` of the page before.
    cursor: Option<String>,
    /// Rows of the page.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Numbers of ours.
#[utoipa::path(get, path = "/api/v2/dids", tag = "v2", params(Which),
    responses((status = 200, body = List<DidView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    _who: Who,
    uri: Uri,
    Query(which): Query<Which>,
) -> Result<Json<List<DidView>>, Problem> {
    let slice = list::slice(which.cursor.as_deref(), which.limit)?;
    let extension = which.extension.map(ExtensionId);
    let filter = DidFilter { number: which.number, extension };
    let rows = api.store().list_dids(&filter, slice).await?;
    Ok(list::page(&uri, slice, rows, view))
}

/// A number of ours.
#[utoipa::path(get, path = "/api/v2/dids/{id}", tag = "v2", params(("id" = i64, Path)),
    responses((status = 200, body = DidView),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Json<DidView>, Problem> {
    Ok(Json(view(&find(&api, &id).await?)))
}

/// Where the calls to a number of ours are led.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedDid {
    /// The id of an extension; null for none.
    extension: Option<i64>,
}

/// Leads the calls to a number of ours to another extension, or to none.
#[utoipa::path(put, path = "/api/v2/dids/{id}", tag = "v2", params(("id" = i64, Path)),
    request_body = ChangedDid,
    responses((status = 200, body = DidView),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn change(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<DidView>, Problem> {
    let wanted: ChangedDid = body::json(request).await?;
    let row = find(&api, &id).await?;
    if let Some(extension) = wanted.extension {
        extension_exists(&api, extension).await?;
    }
    let extension = Some(wanted.extension.map(ExtensionId));
    let change = DidChange { extension, ..DidChange::default() };
    match api.store().update_did(row.id, &change).await? {
        Some(Unique::Done(row)) => Ok(Json(view(&row))),
        // The number itself is not changed, so that nothing can have it already.
        Some(Unique::Taken) | None => Err(missing()),
    }
}

/// Forgets a number here; at the carrier it stays bought.
#[utoipa::path(delete, path = "/api/v2/dids/{id}", tag = "v2", params(("id" = i64, Path)),
    responses((status = 204),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let row = find(&api, &id).await?;
    match api.store().delete_did(row.id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing()),
    }
}

/// A number that is to be bought.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedDid {
    /// The number as the carrier offers it.
    #[schema(pattern = r"^\+?[0-9]{1,15}$")]
    number: String,
    /// The id of the extension that is to be called there.
    extension: i64,
}

/// Buys a number.
#[utoipa::path(post, path = "/api/v2/dids", tag = "v2",
    request_body = WantedDid,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A repeated request with the same key is done once.")),
    responses((status = 201, body = DidView),
        (status = 409, description = "It is ours already, or is being bought.", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 502, description = "The carrier did not sell it, or did not say whether it did.",
            body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn buy(
    State(api): State<Api>,
    Who(who): Who,
    request: Request,
) -> Result<Response, Problem> {
    let sent = Sent::read(request).await?;
    let wanted: WantedDid = sent.json()?;
    let work = bought(api.clone(), who.clone(), wanted);
    once(&api, &who, "POST /api/v2/dids", &sent, work).await
}

async fn bought(api: Api, who: Authenticated, wanted: WantedDid) -> Result<Response, Problem> {
    number_is_valid("number", Some(&wanted.number))?;
    extension_exists(&api, wanted.extension).await?;
    if api.store().did_is_taken(&wanted.number, None).await? {
        return Err(Problem::new(StatusCode::CONFLICT, "this number is ours already"));
    }
    let first = api.store().first_provider().await?;
    if let Some(other) = first.filter(|name| Some(name.as_str()) != api.carrier().carrier_name()) {
        let detail = format!("the first provider, {other}, is none that numbers can be bought of");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    tracing::info!(number = %wanted.number, user = %who.name, "A number is bought.");
    let purchase = Purchase {
        number: wanted.number.clone(),
        extension: wanted.extension,
        asked_by: Some(who.user),
    };
    api.carrier().buy(purchase).await.map_err(not_bought)?;
    let filter = DidFilter { number: Some(wanted.number), extension: None };
    let rows = api.store().list_dids(&filter, Slice { after: None, limit: 1 }).await?;
    let (_, row) = rows.first().ok_or_else(missing)?;
    let location = [(header::LOCATION, format!("/api/v2/dids/{}", row.id))];
    Ok((StatusCode::CREATED, location, Json(view(row))).into_response())
}

fn not_bought(error: BuyError) -> Problem {
    let detail = error.to_string();
    match error {
        BuyError::Store(error) => error.into(),
        BuyError::UnderWay => Problem::new(StatusCode::CONFLICT, detail),
        BuyError::NotBought(error) => from_carrier(&error, detail),
        BuyError::Unknown(_) => Problem::new(StatusCode::BAD_GATEWAY, detail),
    }
}

/// What the carrier says, as an answer.
fn from_carrier(error: &CarrierError, detail: String) -> Problem {
    match error {
        CarrierError::NotConfigured => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail),
        CarrierError::Busy { retry_after, .. } => {
            let wait = retry_after.map_or(60, |wait| wait.as_secs());
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                .retry_after(u32::try_from(wait).unwrap_or(u32::MAX))
        }
        CarrierError::Refused { .. }
        | CarrierError::Unreachable(_)
        | CarrierError::Unknown(_)
        | CarrierError::Unreadable(_) => Problem::new(StatusCode::BAD_GATEWAY, detail),
    }
}

/// Which numbers are looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Looked {
    /// The digits with which they begin, country code first.
    #[param(pattern = "^[0-9]{1,11}$")]
    starts_with: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A number that can be bought.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OfferView {
    /// The number.
    number: String,
    /// What it costs a month in US dollars.
    #[schema(value_type = f64)]
    monthly_cost: serde_json::Number,
}

/// Numbers that can be bought.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Offers {
    /// The numbers.
    items: Vec<OfferView>,
}

/// Looks for numbers that can be bought.
#[utoipa::path(get, path = "/api/v2/did-offers", tag = "v2", params(Looked),
    responses((status = 200, body = Offers),
        (status = 502, description = "The carrier refuses, or cannot be asked.", body = ProblemBody,
            content_type = "application/problem+json")))]
pub(super) async fn offers(
    State(api): State<Api>,
    _who: Who,
    Query(looked): Query<Looked>,
) -> Result<Json<Offers>, Problem> {
    let limit = list::slice(None, looked.limit)?.limit - 1;
    let digits = looked.starts_with.filter(|digits| !digits.is_empty());
    let is_valid = |digits: &String| {
        digits.len() <= MAX_DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit())
    };
    if !digits.as_ref().is_none_or(is_valid) {
        let detail = format!("starts_with must be 1 to {MAX_DIGITS} digits");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let search = NumberSearch { starts_with: digits, limit: Some(limit.to_string()) };
    let found = api.carrier().search(&search).await.map_err(|error| {
        let detail = error.to_string();
        from_carrier(&error, detail)
    })?;
    let view = |offer: crate::carrier::Offer| OfferView {
        number: offer.number,
        monthly_cost: offer.monthly_cost,
    };
    Ok(Json(Offers { items: found.into_iter().map(view).collect() }))
}

async fn find(api: &Api, id: &str) -> Result<DidRow, Problem> {
    let id = id.parse().map(DidId).map_err(|_| missing())?;
    api.store().did(id).await?.ok_or_else(missing)
}

async fn extension_exists(api: &Api, id: i64) -> Result<(), Problem> {
    match api.store().has_extension(id).await? {
        true => Ok(()),
        false => {
            let detail = format!("there is no extension {id}");
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
        }
    }
}

fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no number of ours with this id")
}

fn view(row: &DidRow) -> DidView {
    DidView {
        id: row.id.0,
        number: row.phonenumber.clone(),
        extension: row.extension.map(|extension| extension.0),
        domain: row.domain.clone(),
        created_at: rfc3339(row.created_at),
        updated_at: rfc3339(row.updated_at),
    }
}
