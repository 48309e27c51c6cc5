//! The section about who may be called, when, and how often.

use super::{Config, reader::Reader};
use super::{
    reader::Section,
    setting::{Setting, quoted},
};
use crate::policy::{
    self, Caps, ScanCaps,
    hours::{Days, Hours},
    lists::{Countries, Numbers},
    money::Money,
    number::begins_with_emergency,
};

/// `[policy]`: who may be called, when, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Countries that may be called.
    pub countries: Countries,
    /// If not empty, only these numbers may be called.
    pub allow: Numbers,
    /// Numbers that may not be called.
    pub deny: Numbers,
    /// Hours in which places may be called, by their own clocks.
    pub hours: Hours,
    /// Days on which they may.
    pub days: Days,
    /// Calls to one number within an hour; 0 for no limit.
    pub max_calls_per_number_hour: u32,
    /// Calls to one number within a day; 0 for no limit.
    pub max_calls_per_number_day: u32,
    /// Calls to all numbers within an hour; 0 for no limit.
    pub max_calls_per_hour: u32,
    /// What each begun minute of a call costs.
    pub cost_per_minute: Money,
    /// What the calls of a day may cost; `None` for no limit.
    pub max_day_cost: Option<Money>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            countries: Countries::default(),
            allow: Numbers::default(),
            deny: Numbers::default(),
            hours: Hours::default(),
            days: Days::default(),
            max_calls_per_number_hour: 60,
            max_calls_per_number_day: 300,
            max_calls_per_hour: 1_000,
            cost_per_minute: Money::default(),
            max_day_cost: None,
        }
    }
}

impl Policy {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let policy = Self {
            countries: s.read("countries", default.countries),
            allow: s.read("allow", default.allow),
            deny: s.read("deny", default.deny),
            hours: s.read("hours", default.hours),
            days: s.read("days", default.days),
            max_calls_per_number_hour: s.read_in(
                "max_calls_per_number_hour",
                default.max_calls_per_number_hour,
                0..=100_000,
            ),
            max_calls_per_number_day: s.read_in(
                "max_calls_per_number_day",
                default.max_calls_per_number_day,
                0..=1_000_000,
            ),
            max_calls_per_hour: s.read_in(
                "max_calls_per_hour",
                default.max_calls_per_hour,
                0..=1_000_000,
            ),
            cost_per_minute: s.read("cost_per_minute", default.cost_per_minute),
            max_day_cost: s.read("max_day_cost", default.max_day_cost),
        };
        if policy.max_day_cost.is_some() && policy.cost_per_minute == Money(0) {
            s.wrong(
                "max_day_cost",
                "is set, but policy.cost_per_minute is 0",
                "write what the carrier charges for a minute",
            );
        }
        if let Some(most) = policy.max_day_cost.filter(|most| *most < policy.cost_per_minute) {
            s.wrong(
                "max_day_cost",
                format!("is {most}, which pays for no minute"),
                "make it at least policy.cost_per_minute",
            );
        }
        policy
    }
}

impl Config {
    /// What the operator permits, from all sections that say something about it.
    pub fn policy(&self) -> policy::Policy {
        let Policy { countries, allow, deny, hours, days, .. } = self.policy.clone();
        let limit = |most: u32| (most > 0).then_some(most);
        policy::Policy {
            countries,
            allow,
            deny,
            hours,
            days,
            caps: Caps {
                number_hour: limit(self.policy.max_calls_per_number_hour),
                number_day: limit(self.policy.max_calls_per_number_day),
                hour: limit(self.policy.max_calls_per_hour),
                minute_price: self.policy.cost_per_minute,
                day_cost: self.policy.max_day_cost,
                call_minutes: self.crawl.max_call_seconds.div_ceil(60),
            },
            scan: ScanCaps {
                calls: limit(self.crawl.max_scan_calls),
                minutes: limit(self.crawl.max_scan_minutes),
                cost: self.crawl.max_scan_cost,
            },
        }
    }

    /// What the policy has to do with other sections.
    pub(super) fn check_policy(&self, reader: &mut Reader<'_>) {
        let price = self.policy.cost_per_minute;
        if self.crawl.max_scan_cost.is_some() && price == Money(0) {
            reader.section("crawl").wrong(
                "max_scan_cost",
                "is set, but policy.cost_per_minute is 0",
                "write what the carrier charges for a minute",
            );
        } else if let Some(most) = self.crawl.max_scan_cost.filter(|most| *most < price) {
            reader.section("crawl").wrong(
                "max_scan_cost",
                format!("is {most}, which pays for no minute"),
                "make it at least policy.cost_per_minute",
            );
        }
        // Digits alone run together with those of the number, and a switch may act on the first.
        let prefix = self.trunk.as_ref().map_or("", |trunk| trunk.tech_prefix.as_str());
        if begins_with_emergency(prefix.trim_start_matches('+')) && !prefix.contains(['*', '#']) {
            reader.section("trunk").wrong(
                "tech_prefix",
                "begins like a number that calls for help",
                "write the prefix as the carrier states it, like \"12345678*\"",
            );
        }
    }
}

impl Setting for Money {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            "an amount with up to six digits behind the point, like \"0.0085\"".to_owned()
        })
    }

    fn to_toml(&self) -> String {
        quoted(&self.to_string())
    }
}

/// Types whose errors complete the sentence "… must be".
macro_rules! told_by_its_error {
    ($($of:ty),+) => {$(
        impl Setting for $of {
            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: <$of as std::str::FromStr>::Err| error.to_string())
            }

            fn to_toml(&self) -> String {
                quoted(&self.to_string())
            }
        }
    )+};
}

told_by_its_error!(Hours, Days, Countries, Numbers);
