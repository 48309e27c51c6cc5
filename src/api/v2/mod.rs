//! The API for new clients, and for our own command line: resources, status codes as HTTP means
//! them, errors as `application/problem+json` (RFC 9457).
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/v2/events?number=N` | server-sent events, see [`events`] |
//! | `POST /api/v2/calls` `{"number", "caller_id"?}` | 202 `{"id"}` and `Location` |
//! | `GET /api/v2/calls/{id}` | a call's record |
//! | `GET /api/v2/numbers/{number}/tree` | [`tree::TreeView`] |
//! | `POST /api/v2/sms` `{"to", "body", "callback_url"?}` | 202 and the message, and `Location` |
//! | `GET /api/v2/sms/{id}` | a message and what became of it |
//! | `POST /api/v2/carrier/receipts?key=` | a carrier's delivery receipt, without a token |
//! | `POST /api/v2/carrier/messages?key=` | a carrier's inbound message, without a token |
//! | `GET /api/v2/stop` | `{"stopped", "changed_by", "changed_at"}` |
//! | `POST /api/v2/stop` | ends all calls and lets none through; `?number=N` ends that call alone |
//! | `DELETE /api/v2/stop`, `POST /api/v2/resume` | lets calls through again (administrators) |
//! | `GET /api/v2/opt-outs?after=&limit=` | `{"opt_outs", "next"}`: who is not to be called |
//! | `POST /api/v2/opt-outs` `{"number", "note"?}` | 201, or 200 if it was on the list |
//! | `DELETE /api/v2/opt-outs/{number}` | 204 (administrators) |
//! | `GET /api/v2/audit?number=&after=&limit=` | `{"lines", "next"}` (administrators) |
//! | `GET /healthz` | 200 or 503, without a token |

mod audit;
mod calls;
pub mod events;
mod extract;
mod opt_outs;
mod page;
mod problem;
mod sms;
mod stop;
pub mod tree;

use axum::{
    Json, Router,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post},
};
use serde_json::json;

use self::problem::Problem;
use super::{Api, auth, rate::Client};
use crate::store::Authenticated;

/// Where all calls are stopped.
const STOP: &str = "/api/v2/stop";

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/api/v2/events", get(events::events))
        .route("/api/v2/calls", post(calls::dial))
        .route("/api/v2/calls/{id}", get(calls::show))
        .route("/api/v2/numbers/{number}/tree", get(tree::tree))
        .route("/api/v2/sms", post(sms::send))
        .route("/api/v2/sms/{id}", get(sms::show))
        .route("/api/v2/carrier/receipts", post(sms::receipt))
        .route("/api/v2/carrier/messages", post(sms::incoming))
        .route(STOP, get(stop::show).post(stop::stop).delete(stop::resume))
        .route("/api/v2/resume", post(stop::resume))
        .route("/api/v2/opt-outs", get(opt_outs::list).post(opt_outs::add))
        .route("/api/v2/opt-outs/{number}", delete(opt_outs::remove))
        .route("/api/v2/audit", get(audit::list))
        .route("/api/v2/{*rest}", axum::routing::any(nothing_here))
}

/// Whether the service can work: the database answers. The switch is told, but a trunk that is
/// away is no reason to restart the service.
async fn healthz(State(api): State<Api>) -> Response {
    let switch = if api.0.switch.ready() { "ready" } else { "not ready" };
    match api.store().ping().await {
        Ok(()) => Json(json!({"status": "ok", "switch": switch})).into_response(),
        Err(error) => {
            tracing::error!(%error, "The database does not answer.");
            let body = Json(json!({"status": "database does not answer", "switch": switch}));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
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
