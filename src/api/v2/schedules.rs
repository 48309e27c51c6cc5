//! Numbers that are scanned again and again, with a webhook when their menu changed.

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
    calls::{number_is_valid, refused},
    extract::{Path, Query},
    list::{self, List},
    problem::{Problem, ProblemBody},
    rfc3339, sms,
};
use crate::{
    api::Api,
    calls::gate::Patience,
    crawl::schedule::{Every, MAX_INTERVAL_S, MIN_INTERVAL_S, MINUTES_A_DAY},
    policy::{self, Purpose, places},
    store::{Authenticated, NewSchedule, ScheduleId, ScheduleRow, StoreError, Unique},
};

/// A number that is scanned again and again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduleView {
    /// Its id.
    id: i64,
    /// The number.
    number: String,
    /// Seconds between the beginnings of scans; null if it is scanned daily.
    every_seconds: Option<u32>,
    /// The time of the day as HH:MM; null if it is scanned at intervals.
    daily_at: Option<String>,
    /// The zone of that time, of the IANA time zone database.
    time_zone: Option<String>,
    /// From which number; null for the configured one.
    caller_id: Option<String>,
    /// Who is told when the menu changed.
    callback_url: Option<String>,
    /// Whether it is switched on.
    enabled: bool,
    /// When the next scan begins, RFC 3339.
    next_at: Option<String>,
    /// The id of the scan that was begun last, until it is over and compared.
    scan: Option<i64>,
    /// The id of the scan that was compared last.
    compared_scan: Option<i64>,
    /// When a comparison last found a change, RFC 3339.
    changed_at: Option<String>,
    /// When it was made, RFC 3339.
    created_at: Option<String>,
    /// When it was changed, RFC 3339.
    updated_at: Option<String>,
}

/// Which schedules.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// That of this number, compared exactly.
    number: Option<String>,
    /// From the `next` of the page before.
    cursor: Option<String>,
    /// Rows of the page.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// When a number is to be scanned: either `every_seconds` or `daily_at`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedSchedule {
    /// A + or none, and 1 to 15 digits. It cannot be changed.
    #[schema(pattern = r"^\+?[0-9]{1,15}$")]
    number: String,
    /// Seconds between the beginnings of scans.
    #[schema(minimum = 3600, maximum = 31_622_400)]
    every_seconds: Option<u32>,
    /// The time of the day as HH:MM.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    daily_at: Option<String>,
    /// The zone of that time; without it the number's own.
    time_zone: Option<String>,
    /// From which number to call.
    #[schema(pattern = r"^\+?[0-9]{1,15}$")]
    caller_id: Option<String>,
    /// Who is told when the menu changed.
    #[schema(max_length = 250)]
    callback_url: Option<String>,
    /// False switches it off.
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// Schedules.
#[utoipa::path(get, path = "/api/v2/schedules", tag = "v2", params(Which),
    responses((status = 200, body = List<ScheduleView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    _who: Who,
    uri: Uri,
    Query(which): Query<Which>,
) -> Result<Json<List<ScheduleView>>, Problem> {
    let slice = list::slice(which.cursor.as_deref(), which.limit)?;
    let rows = api.store().list_schedules(which.number.as_deref(), slice).await?;
    Ok(list::page(&uri, slice, rows, view))
}

/// A schedule.
#[utoipa::path(get, path = "/api/v2/schedules/{id}", tag = "v2", params(("id" = i64, Path)),
    responses((status = 200, body = ScheduleView),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Json<ScheduleView>, Problem> {
    Ok(Json(view(&find(&api, &id).await?)))
}

/// Has a number scanned again and again. A number has one schedule.
#[utoipa::path(post, path = "/api/v2/schedules", tag = "v2", request_body = WantedSchedule,
    responses((status = 201, body = ScheduleView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(api): State<Api>,
    Who(who): Who,
    request: Request,
) -> Result<Response, Problem> {
    let wanted: WantedSchedule = body::json(request).await?;
    let schedule = checked(&api, &who, wanted).await?;
    match api.store().create_schedule(&schedule, who.user).await {
        Ok(Unique::Done(row)) => {
            tracing::info!(schedule = %row.id, user = %who.name, "A schedule was made.");
            api.0.switch.wake();
            let location = [(header::LOCATION, format!("/api/v2/schedules/{}", row.id))];
            Ok((StatusCode::CREATED, location, Json(view(&row))).into_response())
        }
        Ok(Unique::Taken) => {
            let detail = "this number has a schedule; change that one";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Err(error @ StoreError::TooMany { .. }) => {
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Replaces all of a schedule but its number; another user's only an administrator does.
#[utoipa::path(put, path = "/api/v2/schedules/{id}", tag = "v2", params(("id" = i64, Path)),
    request_body = WantedSchedule,
    responses((status = 200, body = ScheduleView),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn change(
    State(api): State<Api>,
    Who(who): Who,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ScheduleView>, Problem> {
    let wanted: WantedSchedule = body::json(request).await?;
    let row = find(&api, &id).await?;
    may_change(&who, &row)?;
    if wanted.number != row.number {
        let detail = "the number of a schedule cannot be changed; make another schedule";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let schedule = checked(&api, &who, wanted).await?;
    let changed = api.store().update_schedule(row.id, &schedule).await?;
    api.0.switch.wake();
    changed.map(|row| Json(view(&row))).ok_or_else(missing)
}

/// Deletes a schedule; another user's only an administrator does. A scan that it began goes on.
#[utoipa::path(delete, path = "/api/v2/schedules/{id}", tag = "v2", params(("id" = i64, Path)),
    responses((status = 204),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Who(who): Who,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let row = find(&api, &id).await?;
    may_change(&who, &row)?;
    match api.store().delete_schedule(row.id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing()),
    }
}

/// A schedule that can be kept, of what a client wants.
async fn checked(
    api: &Api,
    who: &Authenticated,
    wanted: WantedSchedule,
) -> Result<NewSchedule, Problem> {
    number_is_valid("number", Some(&wanted.number))?;
    number_is_valid("caller_id", wanted.caller_id.as_ref())?;
    sms::callback_is_valid(wanted.callback_url.as_deref())?;
    let every = every(&wanted)?;
    let asked = policy::Request {
        number: wanted.number.clone(),
        caller_id: wanted.caller_id.clone(),
        asked_by: Some(who.user),
        purpose: Purpose::Crawl,
    };
    if let Some(refusal) = api.gate().ask(&asked, Patience::Waits).await? {
        return Err(refused(api, refusal));
    }
    let next_at = match wanted.enabled {
        true => Some(every.next(api.store().now()).ok_or_else(unknown_zone)?),
        false => None,
    };
    Ok(NewSchedule {
        number: wanted.number,
        every,
        caller_id: wanted.caller_id,
        callback_url: wanted.callback_url,
        next_at,
    })
}

fn every(wanted: &WantedSchedule) -> Result<Every, Problem> {
    let invalid = |detail: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    match (wanted.every_seconds, &wanted.daily_at) {
        (Some(seconds), None) if (MIN_INTERVAL_S..=MAX_INTERVAL_S).contains(&seconds) => {
            match wanted.time_zone {
                None => Ok(Every::Seconds(seconds)),
                Some(_) => Err(invalid("time_zone belongs to daily_at only")),
            }
        }
        (Some(_), None) => {
            let detail = format!("every_seconds must be from {MIN_INTERVAL_S} to {MAX_INTERVAL_S}");
            Err(invalid(&detail))
        }
        (None, Some(text)) => {
            let minute = minute(text)
                .ok_or_else(|| invalid("daily_at must be a time of the day as HH:MM"))?;
            let zone = match &wanted.time_zone {
                Some(zone) => zone.clone(),
                None => own_zone(&wanted.number)?,
            };
            let every = Every::Day { minute, zone };
            // A zone that is not known has no next time.
            every.next(crate::store::Time(0)).ok_or_else(unknown_zone)?;
            Ok(every)
        }
        (Some(_), Some(_)) | (None, None) => Err(invalid("give either every_seconds or daily_at")),
    }
}

/// The minute of the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str| match text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u16>().ok(),
        false => None,
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let of_day = hour * 60 + minute;
    (minute < 60 && of_day < MINUTES_A_DAY).then_some(of_day)
}

/// The time zone of the place to which a number belongs.
fn own_zone(number: &str) -> Result<String, Problem> {
    let invalid = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let called = policy::readable(number).map_err(|refusal| invalid(refusal.why))?;
    match places::zones(&called).as_slice() {
        [zone] => Ok((*zone).to_owned()),
        [] => Err(invalid("it is not known where this number is; give its time_zone".to_owned())),
        several => {
            let names = several.join(", ");
            Err(invalid(format!("this number may be in {names}; give its time_zone")))
        }
    }
}

fn unknown_zone() -> Problem {
    let detail = "time_zone must be a name of the IANA time zone database, like America/New_York";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

async fn find(api: &Api, id: &str) -> Result<ScheduleRow, Problem> {
    let id = id.parse().map(ScheduleId).map_err(|_| missing())?;
    api.store().schedule(id).await?.ok_or_else(missing)
}

fn may_change(who: &Authenticated, row: &ScheduleRow) -> Result<(), Problem> {
    match who.is_admin || row.asked_by == who.user {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::FORBIDDEN, "this schedule is another user's")),
    }
}

fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no schedule with this id")
}

fn view(row: &ScheduleRow) -> ScheduleView {
    let (every_seconds, daily_at, time_zone) = match &row.every {
        Every::Seconds(seconds) => (Some(*seconds), None, None),
        Every::Day { minute, zone } => {
            let at = format!("{:02}:{:02}", minute / 60, minute % 60);
            (None, Some(at), Some(zone.clone()))
        }
    };
    ScheduleView {
        id: row.id.0,
        number: row.number.clone(),
        every_seconds,
        daily_at,
        time_zone,
        caller_id: row.caller_id.clone(),
        callback_url: row.callback_url.clone(),
        enabled: row.next_at.is_some(),
        next_at: row.next_at.and_then(rfc3339),
        scan: row.scan.map(|scan| scan.0),
        compared_scan: row.compared_scan.map(|scan| scan.0),
        changed_at: row.changed_at.and_then(rfc3339),
        created_at: rfc3339(row.created_at),
        updated_at: rfc3339(row.updated_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_day_has_two_digits_each() {
        assert_eq!(minute("00:00"), Some(0));
        assert_eq!(minute("23:59"), Some(1439));
        for text in ["24:00", "12:60", "9:00", "09:0", "09", "09:00:00", "+9:00", "a9:00", ""] {
            assert_eq!(minute(text), None, "{text}");
        }
    }
}
