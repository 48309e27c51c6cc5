//! The kill switch. Whoever may place calls may stop them; only an administrator lets them through
//! again.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::{Admin, Who, extract::Query, problem::Problem, rfc3339};
use crate::{api::Api, policy};

/// Which calls.
#[derive(serde::Deserialize)]
pub(super) struct Which {
    number: Option<String>,
}

/// `GET /api/v2/stop`: whether all calls are stopped.
pub(super) async fn show(State(api): State<Api>, _who: Who) -> Result<Response, Problem> {
    let halt = api.store().halt().await?;
    let ever = !halt.changed_by.is_empty();
    Ok(Json(json!({
        "stopped": halt.stopped,
        "changed_by": ever.then_some(halt.changed_by),
        "changed_at": ever.then(|| rfc3339(halt.changed_at)).flatten(),
    }))
    .into_response())
}

/// `POST /api/v2/stop`: ends all calls and lets none through; with `?number=` ends that number's
/// call alone.
pub(super) async fn stop(
    State(api): State<Api>,
    Who(who): Who,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let Some(number) = which.number else {
        let ending = api.gate().stop(&who.name).await?;
        return Ok(Json(json!({"stopped": true, "ending": ending})).into_response());
    };
    let called = policy::readable(&number)
        .map_err(|refusal| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.why))?;
    let ending = api.gate().stop_number(&called, &who.name).await?;
    let body = json!({"number": called.to_string(), "ending": ending});
    Ok(Json(body).into_response())
}

/// `DELETE /api/v2/stop` and `POST /api/v2/resume`: lets calls through again.
pub(super) async fn resume(State(api): State<Api>, Admin(who): Admin) -> Result<Response, Problem> {
    api.gate().resume(&who.name).await?;
    Ok(Json(json!({"stopped": false})).into_response())
}
