//! The API for new clients, and for our own command line: resources, status codes as HTTP means
//! them, errors as `application/problem+json` (RFC 9457).
//!
//! `/api/schema/` describes all of it; `openapi::Description` is made of the handlers.
//!
//! What is the same everywhere: lists come in pages, the newest row first, with `next` as the
//! address of the next one (`list`); answers to GET have an entity tag (`etag`); what costs
//! money takes an `Idempotency-Key` (`once`); a filter or field that is not known is refused and
//! named.

mod accept;
mod audit;
mod body;
mod call_events;
mod calls;
mod dids;
mod etag;
pub mod events;
mod extensions;
mod extract;
mod list;
mod numbers;
mod once;
pub(super) mod openapi;
mod opt_outs;
mod page;
mod problem;
mod range;
mod recordings;
mod scans;
mod schedules;
mod sms;
mod stop;
pub mod tree;

use axum::{
    Json, Router,
    extract::{FromRequestParts, Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::{Next, from_fn},
    response::Response,
    routing::{delete, get, post},
};

use self::problem::Problem;
use super::{Api, auth, rate::Client};
use crate::store::Authenticated;

/// Where all calls are stopped.
const STOP: &str = "/api/v2/stop";

pub(super) fn routes() -> Router<Api> {
    let json = Router::new()
        .route("/api/v2/numbers", get(numbers::list))
        .route("/api/v2/numbers/{number}", get(numbers::show))
        .route("/api/v2/numbers/{number}/diff", get(numbers::difference))
        .route("/api/v2/scans", get(scans::list).post(scans::ask))
        .route("/api/v2/scans/{id}", get(scans::show))
        .route("/api/v2/calls", get(calls::list).post(calls::dial))
        .route("/api/v2/calls/{id}", get(calls::show))
        .route("/api/v2/sms", get(sms::list).post(sms::send))
        .route("/api/v2/sms/{id}", get(sms::show))
        .route("/api/v2/extensions", get(extensions::list).post(extensions::create))
        .route(
            "/api/v2/extensions/{id}",
            get(extensions::show).patch(extensions::change).delete(extensions::remove),
        )
        .route("/api/v2/dids", get(dids::list).post(dids::buy))
        .route("/api/v2/dids/{id}", get(dids::show).put(dids::change).delete(dids::remove))
        .route("/api/v2/did-offers", get(dids::offers))
        .route("/api/v2/schedules", get(schedules::list).post(schedules::create))
        .route(
            "/api/v2/schedules/{id}",
            get(schedules::show).put(schedules::change).delete(schedules::remove),
        )
        .route(STOP, get(stop::show).post(stop::stop).delete(stop::resume))
        .route("/api/v2/resume", post(stop::resume_by_post))
        .route("/api/v2/opt-outs", get(opt_outs::list).post(opt_outs::add))
        .route("/api/v2/opt-outs/{number}", delete(opt_outs::remove))
        .route("/api/v2/audit", get(audit::list))
        .layer(from_fn(accept::json));
    // A message is not refused for what its carrier says of answers, which it does not read.
    let carrier = Router::new()
        .route("/api/v2/carrier/receipts", post(sms::receipt))
        .route("/api/v2/carrier/messages", post(sms::incoming));
    let trees = Router::new()
        .route("/api/v2/numbers/{number}/tree", get(tree::of_number))
        .route("/api/v2/scans/{id}/tree", get(tree::of_scan));
    let events = Router::new()
        .route("/api/v2/events", get(events::events))
        .route("/api/v2/calls/{id}/events", get(call_events::events))
        .layer(from_fn(accept::events));
    let audio = Router::new()
        .route("/api/v2/calls/{id}/recording", get(recordings::of_call))
        .route("/api/v2/prompts/{id}/recording", get(recordings::of_prompt))
        .layer(from_fn(accept::audio));
    json.merge(trees)
        .layer(from_fn(etag::tagged))
        .merge(events)
        .merge(audio)
        .merge(carrier)
        .route("/api/v2/{*rest}", axum::routing::any(nothing_here))
        .method_not_allowed_fallback(not_so)
        .layer(from_fn(guarded))
        .route("/healthz", get(healthz))
}

/// Nothing here is a page, whatever a browser makes of it.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Whether the service works.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
struct Health {
    /// "ok", or what is wrong.
    status: String,
    /// "ready", or "not ready" while the trunk is away.
    switch: String,
}

/// Whether the service can work: the database answers. The switch is told, but a trunk that is away
/// is no reason to restart the service.
#[utoipa::path(get, path = "/healthz", tag = "v2", security(()), responses(
    (status = 200, body = Health), (status = 503, body = Health)))]
async fn healthz(State(api): State<Api>) -> (StatusCode, Json<Health>) {
    let switch = if api.0.switch.ready() { "ready" } else { "not ready" }.to_owned();
    match api.store().ping().await {
        Ok(()) => (StatusCode::OK, Json(Health { status: "ok".to_owned(), switch })),
        Err(error) => {
            tracing::error!(%error, "The database does not answer.");
            let status = "database does not answer".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status, switch }))
        }
    }
}

/// The answer to a method that a path does not have; which it has, its `Allow` header says.
async fn not_so(_who: Who, method: Method) -> Problem {
    let detail = format!("{method} is not possible here; the Allow header says what is");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

async fn nothing_here(_who: Who) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address")
}

/// Who sent the request; a handler that takes it is closed to strangers.
pub(crate) struct Who(pub(crate) Authenticated);

impl FromRequestParts<Api> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        match auth::authenticate(api.store(), &parts.headers).await? {
            Ok(who) => {
                let is_stop = parts.uri.path() == STOP;
                match api.0.rate_v2.take(Client::User(who.user)) {
                    Err(seconds) if !is_stop => {
                        let detail = format!("too many requests; try again in {seconds} seconds");
                        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
                            .retry_after(seconds))
                    }
                    Ok(()) | Err(_) => Ok(Self(who)),
                }
            }
            Err(auth::Fault::Inactive) => {
                Err(Problem::new(StatusCode::FORBIDDEN, auth::Fault::Inactive.detail()))
            }
            Err(fault) => Err(Problem::new(StatusCode::UNAUTHORIZED, fault.detail())),
        }
    }
}

/// An administrator who sent the request; a handler that takes it is closed to all others.
pub(crate) struct Admin(pub(crate) Authenticated);

impl FromRequestParts<Api> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Who(who) = Who::from_request_parts(parts, api).await?;
        match who.is_admin {
            true => Ok(Self(who)),
            false => {
                let detail = "this needs the token of an administrator: \
                              `phoneai token create NAME --admin` makes one";
                Err(Problem::new(StatusCode::FORBIDDEN, detail))
            }
        }
    }
}

/// A time as RFC 3339 has it, in UTC.
fn rfc3339(time: crate::store::Time) -> Option<String> {
    jiff::Timestamp::from_microsecond(time.0).ok().map(|t| t.to_string())
}
