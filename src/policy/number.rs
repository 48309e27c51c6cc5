//! What a written number means: the number in the form of ITU-T E.164, and which plan it is of.
//!
//! Carriers here speak the North American plan: without a plus, `1` and ten digits, or ten digits
//! with an assigned area code, are of that plan, `011` and `00` lead abroad, and anything else is
//! read as country code and number.

use std::fmt;

use super::places;

/// Most digits of a number in international form (ITU-T E.164 §6.2).
pub const MAX_DIGITS: usize = 15;
/// With so many digits or fewer it is no number of a subscriber: short codes and emergency numbers
/// have up to six, and a local number of seven has no meaning without its area.
const MAX_SHORT: usize = 7;
/// Country codes of two digits (ITU-T E.164, list of assigned codes). Those that begin with 1 or 7
/// are that one digit; all others have three.
const TWO_DIGITS: &str = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 \
                          57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98";

/// Numbers that call for help, or are kept for it, in the plans of the world: those in use in more
/// than one country, and those of North America (NANPA: 911, 933 to test it, 988). Each is shorter
/// than any number that is called; the list gives the refusal its right name, and keeps away what
/// merely begins like one that a switch reacts to at once.
const EMERGENCY: [&str; 36] = [
    "000", "060", "061", "066", "100", "101", "102", "103", "104", "105", "106", "108", "110",
    "111", "112", "113", "114", "115", "116", "117", "118", "119", "120", "122", "123", "128",
    "190", "191", "192", "193", "199", "911", "933", "988", "997", "999",
];
/// Those of them at which a switch may stop collecting digits, whatever follows.
const AT_ONCE: [&str; 5] = ["911", "112", "999", "933", "988"];

/// A number that can be looked at by its parts, in E.164 form without the plus: 8 to 15 digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Called(String);

/// Why a text is no number that may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCallable {
    /// Not a plus or none, and 1 to 15 digits.
    NotANumber,
    /// It calls for help, or may be taken for such a call.
    Emergency,
    /// A short code, an extension, or a number without its area.
    Short,
    /// Its country code, or its area or exchange in North America, cannot exist.
    Impossible,
}

impl Called {
    /// Reads a number as it is dialled.
    ///
    /// # Errors
    /// Why it may not be called, whatever is configured.
    pub fn read(text: &str) -> Result<Self, NotCallable> {
        let (plus, digits) = match text.strip_prefix('+') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let is_number = (1..=MAX_DIGITS).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            return Err(NotCallable::NotANumber);
        }
        // Behind the prefix for calls abroad of North America, or that of most other countries,
        // stands what would stand behind a plus.
        let abroad = digits.strip_prefix("011").or_else(|| digits.strip_prefix("00"));
        let at_once = !plus && begins_with_emergency(digits);
        if at_once || is_emergency(digits) || abroad.is_some_and(is_emergency) {
            return Err(NotCallable::Emergency);
        }
        if abroad.unwrap_or(digits).len() <= MAX_SHORT {
            return Err(NotCallable::Short);
        }
        if plus {
            return Self::international(digits);
        }
        if let Some(abroad) = abroad {
            return Self::international(abroad);
        }
        if digits.len() == 10 && digits.get(..3).is_some_and(places::is_assigned) {
            return Self::international(&format!("1{digits}"));
        }
        Self::international(digits)
    }

    /// A number whose country code stands first.
    fn international(digits: &str) -> Result<Self, NotCallable> {
        let called = Self(digits.to_owned());
        match called.nanp() {
            Some(number) => number.possible()?,
            // No country code begins with 0, and behind 1 there are ten digits.
            None if digits.starts_with(['0', '1']) => return Err(NotCallable::Impossible),
            None => {}
        }
        Ok(called)
    }

    /// The digits, country code first, without the plus.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The country code: one to three digits.
    pub fn country(&self) -> &str {
        let length = match self.0.get(..2) {
            Some(two) if two.starts_with(['1', '7']) => 1,
            Some(two) if TWO_DIGITS.split_whitespace().any(|code| code == two) => 2,
            Some(_) | None => 3,
        };
        self.0.get(..length).unwrap_or(&self.0)
    }

    /// Its parts, if it is of the North American plan and has the right length.
    pub fn nanp(&self) -> Option<Nanp<'_>> {
        let national = self.0.strip_prefix('1').filter(|national| national.len() == 10)?;
        let (area, rest) = national.split_at_checked(3)?;
        let (exchange, line) = rest.split_at_checked(3)?;
        Some(Nanp { area, exchange, line })
    }
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

/// The parts of a number of the North American Numbering Plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nanp<'a> {
    /// The area code.
    pub area: &'a str,
    /// The exchange.
    pub exchange: &'a str,
    /// The last four digits.
    pub line: &'a str,
}

impl Nanp<'_> {
    /// NANPA: area codes and exchanges are NXX with N from 2 to 9; N11 is neither, because a switch
    /// would take it for the service code (911 among them).
    fn possible(&self) -> Result<(), NotCallable> {
        for code in [self.area, self.exchange] {
            if is_service_code(code) {
                return Err(NotCallable::Emergency);
            }
            if code.starts_with(['0', '1']) {
                return Err(NotCallable::Impossible);
            }
        }
        // Area codes with these digits are kept for help and will not be assigned.
        match AT_ONCE.contains(&self.area) {
            true => Err(NotCallable::Emergency),
            false => Ok(()),
        }
    }
}

fn is_emergency(digits: &str) -> bool {
    // With the trunk prefix of North America before it, it is the same call.
    let bare = digits.strip_prefix('1').filter(|rest| rest.len() == 3).unwrap_or(digits);
    EMERGENCY.contains(&digits) || EMERGENCY.contains(&bare) || is_service_code(bare)
}

/// NANPA: N11 codes, 211 to 911.
fn is_service_code(code: &str) -> bool {
    code.len() == 3 && code.ends_with("11") && !code.starts_with(['0', '1'])
}

/// True if digits that a switch gets in one go begin with a number that calls for help.
pub fn begins_with_emergency(digits: &str) -> bool {
    AT_ONCE.iter().any(|number| digits.starts_with(number))
}
