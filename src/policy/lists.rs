//! Lists of numbers as an operator writes them.

use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{
    number::{Called, MAX_DIGITS},
    places,
};

/// Entries of a list of numbers.
pub const MAX_LISTED: usize = 10_000;
/// Entries of a list of countries.
pub const MAX_COUNTRIES: usize = 300;
/// Digits of a country, or of an area of the North American plan.
const MAX_COUNTRY_DIGITS: usize = 4;

/// Numbers, and beginnings of numbers, in international form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Digits without the plus.
    whole: BTreeSet<String>,
    /// As above, of which the first digits are meant.
    prefixes: BTreeSet<String>,
}

impl Numbers {
    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.prefixes.is_empty()
    }

    /// Whether the number, or a beginning of it, is listed.
    pub fn contains(&self, called: &Called) -> bool {
        let digits = called.digits();
        let beginnings = (1..=digits.len()).filter_map(|length| digits.get(..length));
        self.whole.contains(digits) || beginnings.into_iter().any(|b| self.prefixes.contains(b))
    }
}

/// The text is no such list. The text completes the sentence "… is not".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAList(String);

impl NotAList {
    fn of_numbers(entry: &str) -> Self {
        Self(format!(
            "a list of numbers that can be called, or of beginnings with a star, like \
             \"+12025550123, +1202556*\"; {entry:?} is neither"
        ))
    }
}

impl FromStr for Numbers {
    type Err = NotAList;

    /// Reads entries with commas or ends of lines between them; what follows a `#` on a line is a
    /// comment. An entry is a number, or the beginning of one in international form with a `*`
    /// behind it.
    fn from_str(text: &str) -> Result<Self, NotAList> {
        let mut numbers = Self::default();
        for entry in entries(text) {
            if numbers.whole.len() + numbers.prefixes.len() >= MAX_LISTED {
                return Err(NotAList(format!("a list of at most {MAX_LISTED} numbers")));
            }
            let Some(prefix) = entry.strip_suffix('*') else {
                let called = Called::read(entry).map_err(|_| NotAList::of_numbers(entry))?;
                numbers.whole.insert(called.digits().to_owned());
                continue;
            };
            let digits = prefix.strip_prefix('+').filter(|digits| {
                (1..=MAX_DIGITS).contains(&digits.len())
                    && digits.bytes().all(|b| b.is_ascii_digit())
            });
            let digits = digits.ok_or_else(|| NotAList::of_numbers(entry))?;
            numbers.prefixes.insert(digits.to_owned());
        }
        Ok(numbers)
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.whole.iter().map(|digits| format!("+{digits}"));
        let prefixes = self.prefixes.iter().map(|digits| format!("+{digits}*"));
        f.write_str(&whole.chain(prefixes).collect::<Vec<_>>().join(", "))
    }
}

/// Countries that may be called, by code. `1` is the United States and Canada; other parts of the
/// North American plan are listed with their area code, as `1876`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Countries(BTreeSet<String>);

impl Countries {
    /// All of these codes.
    #[cfg(test)]
    pub(super) fn of(codes: Vec<String>) -> Self {
        Self(codes.into_iter().collect())
    }

    /// Whether the number's country is listed; if not, what it is called and what to list.
    ///
    /// # Errors
    /// The name of the place, and the entry that would allow it.
    pub fn allow(&self, called: &Called) -> Result<(), (String, String)> {
        let (place, entry) = match called.nanp() {
            Some(number) => match places::elsewhere(number.area) {
                Some(whose) => {
                    (format!("area code {} ({whose})", number.area), format!("1{}", number.area))
                }
                None => ("country code 1".to_owned(), "1".to_owned()),
            },
            None => (format!("country code {}", called.country()), called.country().to_owned()),
        };
        if self.0.contains(&entry) { Ok(()) } else { Err((place, entry)) }
    }
}

impl Default for Countries {
    /// The United States and Canada.
    fn default() -> Self {
        Self(BTreeSet::from(["1".to_owned()]))
    }
}

impl FromStr for Countries {
    type Err = NotAList;

    fn from_str(text: &str) -> Result<Self, NotAList> {
        let mut countries = BTreeSet::new();
        for entry in entries(text) {
            let digits = entry.strip_prefix('+').unwrap_or(entry);
            let is_code = (1..=MAX_COUNTRY_DIGITS).contains(&digits.len())
                && digits.bytes().all(|b| b.is_ascii_digit())
                && !digits.starts_with('0');
            if !is_code || countries.len() >= MAX_COUNTRIES {
                return Err(NotAList(format!(
                    "a list of country codes with commas between them, like \"1, 44\"; \
                     {entry:?} is none"
                )));
            }
            countries.insert(digits.to_owned());
        }
        Ok(Self(countries))
    }
}

impl fmt::Display for Countries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

/// Entries between commas and ends of lines, without comments.
pub(super) fn entries(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(entry, _)| entry));
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|entry| !entry.is_empty())
}
