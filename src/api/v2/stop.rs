//! The kill switch. Whoever may place calls may stop them; only an administrator lets them through
//! again.

use axum::{Json, extract::State, http::StatusCode};
use utoipa::{IntoParams, ToSchema};

use super::{Admin, Who, extract::Query, problem::Problem, rfc3339};
use crate::{api::Api, policy};

/// Whether all calls are stopped.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct StopView {
    /// Whether they are.
    stopped: bool,
    /// Who changed that last.
    changed_by: Option<String>,
    /// When, RFC 3339.
    changed_at: Option<String>,
}

/// Calls that are being ended.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Stopping {
    /// True if all calls are stopped; absent if those of one number are ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<bool>,
    /// The number whose calls are ended; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    /// How many.
    ending: usize,
}

/// Calls are let through again.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Resumed {
    /// False.
    stopped: bool,
}

/// Which calls.
#[derive(serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those of this number alone.
    number: Option<String>,
}

/// Whether all calls are stopped.
#[utoipa::path(get, path = "/api/v2/stop", tag = "v2",
    responses((status = 200, body = StopView)))]
pub(super) async fn show(State(api): State<Api>, _who: Who) -> Result<Json<StopView>, Problem> {
    let halt = api.store().halt().await?;
    let ever = !halt.changed_by.is_empty();
    Ok(Json(StopView {
        stopped: halt.stopped,
        changed_by: ever.then_some(halt.changed_by),
        changed_at: ever.then(|| rfc3339(halt.changed_at)).flatten(),
    }))
}

/// Ends all calls and lets none through; with a number, ends that number's calls alone.
#[utoipa::path(post, path = "/api/v2/stop", tag = "v2", params(Which),
    responses((status = 200, body = Stopping)))]
pub(super) async fn stop(
    State(api): State<Api>,
    Who(who): Who,
    Query(which): Query<Which>,
) -> Result<Json<Stopping>, Problem> {
    let Some(number) = which.number else {
        let ending = api.gate().stop(&who.name).await?;
        return Ok(Json(Stopping { stopped: Some(true), number: None, ending }));
    };
    let called = policy::readable(&number)
        .map_err(|refusal| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.why))?;
    let ending = api.gate().stop_number(&called, &who.name).await?;
    Ok(Json(Stopping { stopped: None, number: Some(called.to_string()), ending }))
}

/// Lets calls through again; for administrators.
#[utoipa::path(delete, path = "/api/v2/stop", tag = "v2",
    responses((status = 200, body = Resumed)))]
pub(super) async fn resume(
    State(api): State<Api>,
    Admin(who): Admin,
) -> Result<Json<Resumed>, Problem> {
    api.gate().resume(&who.name).await?;
    Ok(Json(Resumed { stopped: false }))
}

/// Lets calls through again; for administrators.
#[utoipa::path(post, path = "/api/v2/resume", tag = "v2",
    responses((status = 200, body = Resumed)))]
pub(super) async fn resume_by_post(api: State<Api>, who: Admin) -> Result<Json<Resumed>, Problem> {
    resume(api, who).await
}
