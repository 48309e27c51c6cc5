//! Telephone keys: what they are, and how they travel.

pub mod events;
pub mod tones;

use std::fmt;

/// One key of a telephone, as it is signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DtmfDigit(u8);

/// The characters by event code (RFC 4733 §3.2, table 3).
const CHARACTERS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

impl DtmfDigit {
    /// The key 0.
    pub const ZERO: Self = Self(0);

    /// The key of a character: `0`–`9`, `*`, `#`, `A`–`D` in either case; `None` for others.
    pub fn from_char(character: char) -> Option<Self> {
        let upper = character.to_ascii_uppercase();
        let code = CHARACTERS.iter().position(|&c| c == upper)?;
        u8::try_from(code).ok().map(Self)
    }

    /// The keys of a string such as `"12#"`; `None` if a character of it is no key.
    pub fn parse_all(keys: &str) -> Option<Vec<Self>> {
        keys.chars().map(Self::from_char).collect()
    }

    /// The key of an event code; `None` for events that are no key (16 is a hook flash).
    pub const fn from_event_code(code: u8) -> Option<Self> {
        if code < 16 { Some(Self(code)) } else { None }
    }

    /// The event code (RFC 4733 §3.2), 0 to 15.
    pub const fn event_code(self) -> u8 {
        self.0
    }

    /// The character: `0`–`9`, `*`, `#`, `A`–`D`.
    pub fn to_char(self) -> char {
        CHARACTERS.get(usize::from(self.0)).copied().unwrap_or('?')
    }
}

impl fmt::Display for DtmfDigit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_char())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_code_and_character() {
        for (code, character) in (0u8..).zip(CHARACTERS) {
            let digit = DtmfDigit::from_event_code(code).unwrap();
            assert_eq!(DtmfDigit::from_char(character), Some(digit));
            assert_eq!((digit.event_code(), digit.to_string()), (code, character.to_string()));
        }
        assert_eq!(DtmfDigit::from_event_code(16), None);
        assert_eq!(DtmfDigit::from_char('d'), DtmfDigit::from_event_code(15));
        assert_eq!(DtmfDigit::parse_all("1 2"), None);
    }
}
