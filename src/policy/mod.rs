//! Who may be called, when, and how often: decided before every call, without I/O.
//!
//! ```text
//!   who asks ─► Policy::judge(request, counts, now) ─┬─► Clearance: call, for so long at most
//!                                                    └─► Refusal: by which rule, and until when
//! ```
//!
//! The rules, in the order in which they are asked; the first that objects is the answer:
//!
//! | rule | refuses | settings |
//! |---|---|---|
//! | `not_a_number`, `impossible` | what is no telephone number | none |
//! | `emergency`, `short` | numbers that call for help, short codes, extensions | none |
//! | `premium`, `satellite` | numbers that cost more than a call, or are on no ground | none |
//! | `country` | other countries than those listed | `policy.countries` |
//! | `denied`, `not_listed` | what the operator's lists say | `policy.deny`, `policy.allow` |
//! | `opted_out` | who asked not to be called | `phoneai opt-out` |
//! | `scan_calls`, `scan_minutes`, `scan_cost` | further calls of a scan | `crawl.max_scan_…` |
//! | `no_hours` | places of which no time zone is known, or none in common | `policy.hours` |
//! | `hours` | for now: outside of the called place's hours | `policy.hours`, `policy.days` |
//! | `line_busy` | for now: a second call to a number at the same time | none |
//! | `number_hour`, `number_day`, `hour` | for now: too many calls | `policy.max_calls_…` |
//! | `day_cost` | for now: the day's money is spent | `policy.max_day_cost` |
//!
//! One rule is not the policy's: `stopped`, as long as the kill switch of [`crate::calls::gate`] is
//! pulled.
//!
//! The first three rows hold whatever is configured: they are the code's, and no setting is asked.
//! What is refused for now has a time at which to ask again.

pub mod hours;
pub mod lists;
pub mod money;
mod never;
pub mod number;
pub(crate) mod places;
mod refusal;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::refusal::{Refusal, Rule, callable, readable};
use self::{
    hours::{Days, Hours, Permission},
    lists::{Countries, Numbers},
    money::Money,
    number::Called,
};
use crate::store::{Time, UserId};

/// The windows in which calls are counted.
pub const HOUR: Duration = Duration::from_secs(3600);
/// See [`HOUR`].
pub const DAY: Duration = Duration::from_secs(24 * 3600);
/// When to ask again where it is not known when a call ends that is in the way.
const SOON: Duration = Duration::from_secs(30);
/// A call that may last some minutes is hung up so long before their end: a carrier counts until it
/// has heard of it.
const GOODBYE: Duration = Duration::from_secs(2);

/// What the operator permits. Owned by the gate of a service, and never changed while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Countries that may be called.
    pub countries: Countries,
    /// If not empty, only these numbers may be called.
    pub allow: Numbers,
    /// Numbers that may not be called.
    pub deny: Numbers,
    /// Hours in which places may be called.
    pub hours: Hours,
    /// Days on which they may.
    pub days: Days,
    /// How much may be called.
    pub caps: Caps,
    /// How much a single scan may call.
    pub scan: ScanCaps,
}

/// How much may be called in all. `None` is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Calls to one number within an hour.
    pub number_hour: Option<u32>,
    /// Calls to one number within a day.
    pub number_day: Option<u32>,
    /// Calls to all numbers within an hour.
    pub hour: Option<u32>,
    /// What each begun minute of a call costs.
    pub minute_price: Money,
    /// What the calls of a day may cost.
    pub day_cost: Option<Money>,
    /// The longest that any call may take, in minutes: what a call that runs is counted with.
    pub call_minutes: u32,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            number_hour: Some(60),
            number_day: Some(300),
            hour: Some(1_000),
            minute_price: Money(0),
            day_cost: None,
            call_minutes: 15,
        }
    }
}

/// How much one scan may call. `None` is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanCaps {
    /// Calls.
    pub calls: Option<u32>,
    /// Begun minutes of all its calls.
    pub minutes: Option<u32>,
    /// What they may cost.
    pub cost: Option<Money>,
}

impl Default for ScanCaps {
    fn default() -> Self {
        Self { calls: Some(500), minutes: Some(1_500), cost: None }
    }
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody asked for this one call.
    Call,
    /// The first call of a scan, which somebody asked for.
    Crawl,
    /// A later call of a scan, which the scheduler places for who asked for the scan.
    Retry,
}

impl Purpose {
    const ALL: [Self; 3] = [Self::Call, Self::Crawl, Self::Retry];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Crawl => "crawl",
            Self::Retry => "retry",
        }
    }

    /// From how it is stored.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name)
    }
}

/// A call that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whom to call, as it would be dialled.
    pub number: String,
    /// From which number; `None` for the configured one.
    pub caller_id: Option<String>,
    /// Who asks; `None` if nobody is known to have asked.
    pub asked_by: Option<UserId>,
    /// What for.
    pub purpose: Purpose,
}

/// What is known of earlier calls and wishes when a request is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Whether the called party asked not to be called.
    pub opted_out: bool,
    /// Calls to the number that are not over.
    pub running: u32,
    /// Calls to the number within the last [`HOUR`].
    pub number_hour: Window,
    /// Calls to the number within the last [`DAY`].
    pub number_day: Window,
    /// Calls to all numbers within the last [`HOUR`].
    pub hour: Window,
    /// Begun minutes of all calls within the last [`DAY`]; a call that is not over counts with the
    /// longest that it may take.
    pub day_minutes: u64,
    /// When the oldest of those calls was placed.
    pub day_oldest: Option<Time>,
    /// What the scan that wants to call has used, if it is one.
    pub scan: Option<Usage>,
}

/// Calls within a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// How many.
    pub calls: u32,
    /// When the oldest was placed.
    pub oldest: Option<Time>,
}

/// What a scan has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls that were placed.
    pub calls: u32,
    /// Their begun minutes.
    pub minutes: u64,
}

/// The call may be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clearance {
    /// The number.
    pub called: Called,
    /// The most begun minutes that it may take.
    pub minutes: u32,
    /// When to hang up at the latest, from the answer on, if a limit on minutes or money asks for
    /// it before the longest time of a call is over.
    pub longest: Option<Duration>,
}

impl Policy {
    /// Whether a call may be placed at `now`, given what was called before.
    ///
    /// # Errors
    /// The first rule of the module's table that objects.
    pub fn judge(
        &self,
        request: &Request,
        counts: &Counts,
        now: Time,
    ) -> Result<Clearance, Refusal> {
        let called = callable(&request.number)?;
        self.listed(&called)?;
        if counts.opted_out {
            return Err(Refusal::always(
                Rule::OptedOut,
                "the called party asked not to be called (`phoneai opt-out list`)",
            ));
        }
        let left = self.left_of_scan(counts.scan)?;
        self.in_hours(&called, now)?;
        self.within_caps(counts, now)?;
        let left = [left, self.left_of_day(counts, now)?].into_iter().flatten().min();
        let most = u64::from(self.caps.call_minutes);
        let minutes = left.unwrap_or(most).min(most);
        let longest = left.filter(|left| *left <= most);
        Ok(Clearance {
            called,
            minutes: u32::try_from(minutes).unwrap_or(u32::MAX),
            longest: longest.map(|m| Duration::from_secs(m.saturating_mul(60)) - GOODBYE),
        })
    }

    /// The stop rule that a scan with this usage has reached, if it has reached one.
    pub fn scan_over(&self, usage: Usage) -> Option<Refusal> {
        self.left_of_scan(Some(usage)).err()
    }

    /// Countries and the operator's lists.
    fn listed(&self, called: &Called) -> Result<(), Refusal> {
        if let Err((place, entry)) = self.countries.allow(called) {
            let why = format!(
                "{place} may not be called; to permit it, add \"{entry}\" to policy.countries"
            );
            return Err(Refusal::always(Rule::Country, why));
        }
        if self.deny.contains(called) {
            let why = "the number is on the list policy.deny";
            return Err(Refusal::always(Rule::Denied, why));
        }
        if !self.allow.is_empty() && !self.allow.contains(called) {
            let why =
                "the number is not on the list policy.allow, outside of which nobody is called";
            return Err(Refusal::always(Rule::NotListed, why));
        }
        Ok(())
    }

    /// Begun minutes that the scan may still use; `None` for as many as it likes.
    fn left_of_scan(&self, usage: Option<Usage>) -> Result<Option<u64>, Refusal> {
        let (Some(Usage { calls, minutes }), caps) = (usage, &self.scan) else { return Ok(None) };
        if let Some(most) = caps.calls.filter(|most| calls >= *most) {
            let why = format!("the scan has made {calls} calls, crawl.max_scan_calls is {most}");
            return Err(Refusal::always(Rule::ScanCalls, why));
        }
        let by_time = caps.minutes.map(|most| u64::from(most).saturating_sub(minutes));
        if let (Some(0), Some(most)) = (by_time, caps.minutes) {
            let why =
                format!("the scan has used {minutes} minutes, crawl.max_scan_minutes is {most}");
            return Err(Refusal::always(Rule::ScanMinutes, why));
        }
        let price = self.caps.minute_price;
        let by_cost = caps
            .cost
            .and_then(|most| Some((most, most.minutes_at(price)?.saturating_sub(minutes))));
        if let Some((most, 0)) = by_cost {
            let spent = price.times(minutes);
            let why = format!("the scan has cost {spent}, and crawl.max_scan_cost is {most}");
            return Err(Refusal::always(Rule::ScanCost, why));
        }
        Ok([by_time, by_cost.map(|(_, left)| left)].into_iter().flatten().min())
    }

    fn in_hours(&self, called: &Called, now: Time) -> Result<(), Refusal> {
        let zones = places::zones(called);
        match hours::permission(self.hours, self.days, &zones, now) {
            Permission::Now => Ok(()),
            Permission::From(until) => {
                let why = format!(
                    "the called place ({}) is outside of the calling hours, {} on {} \
                     (policy.hours, policy.days)",
                    zones.join(", "),
                    self.hours,
                    self.days
                );
                Err(Refusal::for_now(Rule::Hours, until, why))
            }
            Permission::Never => {
                let why = format!(
                    "the zones of the called place ({}) are never within policy.hours, {}, at the \
                     same time",
                    zones.join(", "),
                    self.hours
                );
                Err(Refusal::always(Rule::NoHours, why))
            }
            Permission::Unknown => {
                let why = "the time zone of the number is not known, and policy.hours is not \
                           \"always\" on all days";
                Err(Refusal::always(Rule::NoHours, why))
            }
        }
    }

    fn within_caps(&self, counts: &Counts, now: Time) -> Result<(), Refusal> {
        if counts.running > 0 {
            let why = "another call to this number is not over yet";
            return Err(Refusal::for_now(Rule::LineBusy, now.after(SOON), why));
        }
        let caps = &self.caps;
        let of_number = "calls to this number";
        for (rule, cap, counted, window, setting, what) in [
            (
                Rule::NumberHour,
                caps.number_hour,
                counts.number_hour,
                HOUR,
                "max_calls_per_number_hour",
                of_number,
            ),
            (
                Rule::NumberDay,
                caps.number_day,
                counts.number_day,
                DAY,
                "max_calls_per_number_day",
                of_number,
            ),
            (Rule::Hour, caps.hour, counts.hour, HOUR, "max_calls_per_hour", "calls"),
        ] {
            let Some(cap) = cap.filter(|cap| counted.calls >= *cap) else { continue };
            let why = format!(
                "{} {what} within {} hours, and policy.{setting} is {cap}",
                counted.calls,
                window.as_secs() / 3600
            );
            return Err(Refusal::for_now(rule, leaves(counted.oldest, window, now), why));
        }
        Ok(())
    }

    /// Begun minutes that the day's money still pays for; `None` for as many as one likes.
    fn left_of_day(&self, counts: &Counts, now: Time) -> Result<Option<u64>, Refusal> {
        let price = self.caps.minute_price;
        let Some(most) = self.caps.day_cost else { return Ok(None) };
        let Some(paid) = most.minutes_at(price) else { return Ok(None) };
        match paid.saturating_sub(counts.day_minutes) {
            0 => {
                let why = format!(
                    "calls within 24 hours cost up to {}, and policy.max_day_cost is {most}",
                    price.times(counts.day_minutes)
                );
                // A call that runs may cost less than it is counted with.
                let until = leaves(counts.day_oldest, DAY, now).min(now.after(HOUR));
                Err(Refusal::for_now(Rule::DayCost, until, why))
            }
            left => Ok(Some(left)),
        }
    }
}

/// When the oldest call of a window is out of it; never in the past.
fn leaves(oldest: Option<Time>, window: Duration, now: Time) -> Time {
    oldest.map_or(now.after(SOON), |oldest| oldest.after(window)).max(now.after(SOON))
}
