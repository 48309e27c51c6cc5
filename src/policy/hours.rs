//! When a place may be called: on which days, from when until when by its own clocks.

use std::{fmt, str::FromStr};

use jiff::{
    Timestamp, Zoned,
    civil::{Time as Clock, Weekday},
    tz::TimeZone,
};

use super::lists::entries;
use crate::store::Time;

/// Steps of the search for the next permitted moment: each goes to the beginning of hours in one
/// zone, so that a week has no more than seven for each of the few zones of a number.
const MAX_STEPS: usize = 100;
/// In the order of the week.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The hours of a day in which calls are placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hours {
    /// All.
    #[default]
    Always,
    /// From the first until before the second, by the clocks of the called place.
    Between(Clock, Clock),
}

/// The days of the week on which calls are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days([bool; 7]);

/// The text is not of this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotHours(&'static str);

/// The answer to whether a place may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Now.
    Now,
    /// From then on.
    From(Time),
    /// Never: its zones have no hour in common.
    Never,
    /// It is not known which hours it has.
    Unknown,
}

impl Default for Days {
    fn default() -> Self {
        Self([true; 7])
    }
}

impl Days {
    fn contain(self, day: Weekday) -> bool {
        let Self(days) = self;
        days.get(usize::from(day.to_monday_zero_offset().unsigned_abs())).copied().unwrap_or(false)
    }
}

/// Whether a number in these zones may be called at `now`. All zones count: a number may be
/// answered in any of them.
pub fn permission(hours: Hours, days: Days, zones: &[&str], now: Time) -> Permission {
    let (from, until) = match hours {
        Hours::Always if days == Days::default() => return Permission::Now,
        Hours::Always => (Clock::MIN, None),
        Hours::Between(from, until) => (from, Some(until)),
    };
    let zones: Option<Vec<TimeZone>> = zones.iter().map(|zone| TimeZone::get(zone).ok()).collect();
    let (Some(zones), Ok(start)) = (zones, Timestamp::from_microsecond(now.0)) else {
        return Permission::Unknown;
    };
    if zones.is_empty() {
        return Permission::Unknown;
    }
    let is_inside = |local: &Zoned| {
        days.contain(local.weekday())
            && local.time() >= from
            && until.is_none_or(|until| local.time() < until)
    };
    let mut at = start;
    for _ in 0..MAX_STEPS {
        let outside = zones.iter().map(|zone| at.to_zoned(zone.clone())).find(|l| !is_inside(l));
        let Some(local) = outside else {
            return match at == start {
                true => Permission::Now,
                false => Permission::From(Time(at.as_microsecond())),
            };
        };
        let Some(next) = opening(&local, from, days) else { return Permission::Never };
        at = next;
    }
    Permission::Never
}

/// When the hours of a place begin next after `local`, on a day on which they do.
fn opening(local: &Zoned, from: Clock, days: Days) -> Option<Timestamp> {
    let mut date = local.date();
    for _ in 0..=DAYS.len() {
        // Where clocks jump over that moment, jiff gives the one after the jump.
        let begin = date.to_datetime(from).to_zoned(local.time_zone().clone()).ok()?;
        if days.contain(date.weekday()) && begin.timestamp() > local.timestamp() {
            return Some(begin.timestamp());
        }
        date = date.tomorrow().ok()?;
    }
    None
}

impl FromStr for Hours {
    type Err = NotHours;

    fn from_str(text: &str) -> Result<Self, NotHours> {
        const FORM: NotHours =
            NotHours("\"always\", or hours of one day like \"08:00-21:00\", the earlier first");
        if text == "always" {
            return Ok(Self::Always);
        }
        let (from, until) = text.split_once('-').ok_or(FORM)?;
        let clock = |text: &str| -> Result<Clock, NotHours> {
            let (hour, minute) = text.trim().split_once(':').ok_or(FORM)?;
            let two = |text: &str| match text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())
            {
                true => text.parse::<i8>().map_err(|_| FORM),
                false => Err(FORM),
            };
            Clock::new(two(hour)?, two(minute)?, 0, 0).map_err(|_| FORM)
        };
        let (from, until) = (clock(from)?, clock(until)?);
        if from < until { Ok(Self::Between(from, until)) } else { Err(FORM) }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Between(from, until) => write!(
                f,
                "{:02}:{:02}-{:02}:{:02}",
                from.hour(),
                from.minute(),
                until.hour(),
                until.minute()
            ),
        }
    }
}

impl FromStr for Days {
    type Err = NotHours;

    /// Reads days and ranges of them, as `mon-fri, sun`.
    fn from_str(text: &str) -> Result<Self, NotHours> {
        const FORM: NotHours =
            NotHours("days and ranges of days, like \"mon-fri\" or \"mon, sat\"");
        let place = |name: &str| {
            DAYS.iter().position(|day| name.trim().eq_ignore_ascii_case(day)).ok_or(FORM)
        };
        let mut days = [false; 7];
        for entry in entries(text) {
            let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
            let (first, last) = (place(first)?, place(last)?);
            if first > last {
                return Err(FORM);
            }
            days.iter_mut().take(last + 1).skip(first).for_each(|day| *day = true);
        }
        if days.contains(&true) { Ok(Self(days)) } else { Err(FORM) }
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(days) = self;
        if *self == Self::default() {
            return f.write_str("mon-sun");
        }
        let names = DAYS.iter().zip(days).filter(|(_, is_in)| **is_in).map(|(name, _)| *name);
        f.write_str(&names.collect::<Vec<_>>().join(", "))
    }
}
