//! Numbers that are scanned again and again: when, and what is told of a menu that changed.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};
use tracing::{info, warn};

use super::diff::{self, Diff};
use crate::store::{EndedScan, Store, StoreError, Time};

/// Minutes of a day.
pub const MINUTES_A_DAY: u16 = 24 * 60;
/// The shortest time between scans in seconds: an hour. A scan may take as long.
pub const MIN_INTERVAL_S: u32 = 3600;
/// The longest: a year.
pub const MAX_INTERVAL_S: u32 = 366 * 24 * 3600;

/// When a number is scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Every {
    /// So many seconds after each other.
    Seconds(u32),
    /// Once a day.
    Day {
        /// The minute of the day, from 0 to 1439.
        minute: u16,
        /// By the clocks of this zone of the IANA time zone database.
        zone: String,
    },
}

impl Every {
    /// The next scan after `now`; `None` if the zone is not known.
    ///
    /// Where clocks are put forward over the minute, it is scanned as much later; where they are put
    /// back, at the first of both times.
    pub fn next(&self, now: Time) -> Option<Time> {
        match self {
            Self::Seconds(seconds) => Some(now.after(Duration::from_secs((*seconds).into()))),
            Self::Day { minute, zone } => {
                let zone = TimeZone::get(zone).ok()?;
                let now = Timestamp::from_microsecond(now.0).ok()?;
                let (hour, minute) =
                    (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
                let clock = civil::Time::new(hour, minute, 0, 0).ok()?;
                let today = now.to_zoned(zone.clone()).date();
                [today, today.checked_add(1.day()).ok()?].into_iter().find_map(|date| {
                    let at = date.to_datetime(clock).to_zoned(zone.clone()).ok()?.timestamp();
                    (at > now).then(|| Time(at.as_microsecond()))
                })
            }
        }
    }
}

/// Compares the menus of scheduled scans that are over, and begins those that are due. Returns when
/// the next is due.
///
/// # Errors
/// The database; what was not done is done in the next turn.
pub async fn turn(store: &Store) -> Result<Option<Time>, StoreError> {
    for ended in store.ended_scheduled_scans().await? {
        let change = compare(store, &ended).await?;
        store.settle_scheduled_scan(&ended, change.as_deref()).await?;
        if change.is_some() {
            info!(schedule = %ended.schedule.id, scan = %ended.scan, "The menu has changed.");
        }
    }
    for schedule in store.due_schedules().await? {
        let Some(next_at) = schedule.every.next(store.now()) else {
            // Checked when it was made; another version of the time zone database may lack it.
            warn!(schedule = %schedule.id, "The schedule's time zone is not known; trying tomorrow.");
            let tomorrow = store.now().after(crate::policy::DAY);
            store.begin_scheduled_scan(&schedule, tomorrow).await?;
            continue;
        };
        match store.begin_scheduled_scan(&schedule, next_at).await? {
            Some(scan) => info!(schedule = %schedule.id, %scan, "A scheduled scan begins."),
            None => info!(
                schedule = %schedule.id,
                "A scheduled scan was left out: the number is being scanned."
            ),
        }
    }
    store.next_schedule_due().await
}

/// The body of the webhook, if the menu changed.
async fn compare(store: &Store, ended: &EndedScan) -> Result<Option<String>, StoreError> {
    let Some(before) = ended.before else { return Ok(None) };
    let (old, new) = (store.load_tree(before).await?, store.load_tree(ended.scan).await?);
    let found = diff::diff(&old, &new);
    Ok((!found.is_empty()).then(|| told(ended, before.0, &found)))
}

/// What is told of a change.
fn told(ended: &EndedScan, before: i64, found: &Diff) -> String {
    serde_json::json!({
        "event": "menu_changed",
        "schedule": ended.schedule.id,
        "number": ended.schedule.number,
        "from_scan": before,
        "to_scan": ended.scan,
        "added": found.added,
        "removed": found.removed,
        "moved": found.moved,
        "reworded": found.reworded,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        let time: Timestamp = text.parse().unwrap();
        Time(time.as_microsecond())
    }

    fn day(minute: u16, zone: &str) -> Every {
        Every::Day { minute, zone: zone.to_owned() }
    }

    #[test]
    fn an_interval_is_counted_from_now() {
        assert_eq!(Every::Seconds(90).next(Time(5)), Some(Time(90_000_005)));
    }

    #[test]
    fn a_daily_scan_is_at_the_same_hour_of_the_place_in_summer_and_winter() {
        let nine = day(9 * 60, "America/New_York");
        assert_eq!(nine.next(at("2026-01-15T13:59:59Z")), Some(at("2026-01-15T14:00:00Z")));
        assert_eq!(nine.next(at("2026-01-15T14:00:00Z")), Some(at("2026-01-16T14:00:00Z")));
        assert_eq!(nine.next(at("2026-07-15T12:00:00Z")), Some(at("2026-07-15T13:00:00Z")));
        // In the night of 2026-03-08 the clocks are put forward.
        assert_eq!(nine.next(at("2026-03-07T14:00:00Z")), Some(at("2026-03-08T13:00:00Z")));
    }

    #[test]
    fn a_minute_that_a_day_does_not_have_is_scanned_all_the_same() {
        let half_past_two = day(2 * 60 + 30, "America/New_York");
        let next = half_past_two.next(at("2026-03-08T06:00:00Z"));
        assert_eq!(next, Some(at("2026-03-08T07:30:00Z")));
        // One that it has twice is scanned once.
        let half_past_one = day(60 + 30, "America/New_York");
        let first = half_past_one.next(at("2026-11-01T04:00:00Z"));
        assert_eq!(first, Some(at("2026-11-01T05:30:00Z")));
        assert_eq!(half_past_one.next(first.unwrap()), Some(at("2026-11-02T06:30:00Z")));
    }

    #[test]
    fn an_unknown_zone_has_no_hours() {
        assert_eq!(day(0, "Nowhere/Land").next(Time(0)), None);
    }
}
