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

impl Rule {
    /// Whether what it refuses for now is refused whatever the number.
    pub fn is_for_all(self) -> bool {
        match self {
            Self::Hour | Self::DayCost | Self::Stopped => true,
            Self::NotANumber
            | Self::Impossible
            | Self::Emergency
            | Self::Short
            | Self::Premium
            | Self::Satellite
            | Self::Country
            | Self::Denied
            | Self::NotListed
            | Self::OptedOut
            | Self::ScanCalls
            | Self::ScanMinutes
            | Self::ScanCost
            | Self::NoHours
            | Self::Hours
            | Self::LineBusy
            | Self::NumberHour
            | Self::NumberDay => false,
        }
    }
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
    let called = readable(number)?;
    match never::never(&called) {
        None => Ok(called),
        Some(Never::Premium) => Err(Refusal::always(
            Rule::Premium,
            "premium-rate and shared-cost numbers are never called",
        )),
        Some(Never::Satellite) => Err(Refusal::always(
            Rule::Satellite,
            "satellite and other numbers without a country are never called",
        )),
    }
}

/// Those of them that say what is a number at all: for lists of numbers, which may have some on
/// them that are not called anyway.
///
/// # Errors
/// Why it is none.
pub fn readable(number: &str) -> Result<Called, Refusal> {
    Called::read(number).map_err(|fault| match fault {
        NotCallable::NotANumber => Refusal::always(
            Rule::NotANumber,
            "it cannot be dialled: write an optional + and 1 to 15 digits",
        ),
        NotCallable::Emergency => {
            Refusal::always(Rule::Emergency, "emergency and service numbers are never called")
        }
        NotCallable::Short => Refusal::always(
            Rule::Short,
            "short numbers and extensions are never called; write + and the country code before a \
             number",
        ),
        NotCallable::Impossible => Refusal::always(
            Rule::Impossible,
            "there is no such number; write + and the country code before it",
        ),
    })
}
