//! Why a call may not be placed.

use super::{
    never::{self, Never},
    number::{Called, NotCallable},
};
use crate::store::Time;

/// The call may not be placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// By which rule.
    pub rule: Rule,
    /// Why, and what to do about it, in one line.
    pub why: String,
    /// When to ask again, if it is refused only for now.
    pub until: Option<Time>,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $name:literal,)+) => {
        /// The rules by which calls are refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rule {
            $($(#[$doc])* $rule,)+
        }

        impl Rule {
            /// Its name in records.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)+
                }
            }

            /// From its name.
            pub fn from_name(name: &str) -> Option<Self> {
                [$(Self::$rule),+].into_iter().find(|rule| rule.as_str() == name)
            }
        }
    };
}

rules! {
    /// It is no telephone number.
    NotANumber = "not_a_number",
    /// No number can be like this.
    Impossible = "impossible",
    /// It calls for help.
    Emergency = "emergency",
    /// It is a short code, an extension, or has no area.
    Short = "short",
    /// It costs more than a call.
    Premium = "premium",
    /// It is on no ground.
    Satellite = "satellite",
    /// Its country is not listed.
    Country = "country",
    /// It is on the deny list.
    Denied = "denied",
    /// It is not on the allow list.
    NotListed = "not_listed",
    /// The called party asked not to be called.
    OptedOut = "opted_out",
    /// The scan has made all its calls.
    ScanCalls = "scan_calls",
    /// The scan has used all its minutes.
    ScanMinutes = "scan_minutes",
    /// The scan has spent all its money.
    ScanCost = "scan_cost",
    /// The place has no known hours.
    NoHours = "no_hours",
    /// The place is outside of its hours.
    Hours = "hours",
    /// Another call to the number is not over.
    LineBusy = "line_busy",
    /// The number was called too often within an hour.
    NumberHour = "number_hour",
    /// The number was called too often within a day.
    NumberDay = "number_day",
    /// Too much was called within an hour.
    Hour = "hour",
    /// The day's money is spent.
    DayCost = "day_cost",
    /// An operator has stopped all calls.
    Stopped = "stopped",
}

impl Refusal {
    pub(super) fn always(rule: Rule, why: impl Into<String>) -> Self {
        Self { rule, why: why.into(), until: None }
    }

    pub(super) fn for_now(rule: Rule, until: Time, why: impl Into<String>) -> Self {
        Self { rule, why: why.into(), until: Some(until) }
    }
}

/// The rules that no setting changes.
///
/// # Errors
/// Why the number is never called.
pub fn callable(number: &str) -> Result<Called, Refusal> {
    let refused = |rule, why| Err(Refusal::always(rule, why));
    let called = match Called::read(number) {
        Ok(called) => called,
        Err(NotCallable::NotANumber) => {
            return refused(
                Rule::NotANumber,
                "it cannot be dialled: write an optional + and 1 to 15 digits",
            );
        }
        Err(NotCallable::Emergency) => {
            return refused(Rule::Emergency, "emergency and service numbers are never called");
        }
        Err(NotCallable::Short) => {
            return refused(
                Rule::Short,
                "short numbers and extensions are never called; write + and the country code \
                 before a number",
            );
        }
        Err(NotCallable::Impossible) => {
            return refused(
                Rule::Impossible,
                "there is no such number; write + and the country code before it",
            );
        }
    };
    match never::never(&called) {
        None => Ok(called),
        Some(Never::Premium) => {
            refused(Rule::Premium, "premium-rate and shared-cost numbers are never called")
        }
        Some(Never::Satellite) => refused(
            Rule::Satellite,
            "satellite and other numbers without a country are never called",
        ),
    }
}
