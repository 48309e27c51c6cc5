//! Money as it is written, to the millionth, without rounding.

use std::{fmt, str::FromStr};

/// Millionths in one unit of whatever currency the carrier charges in.
const MICROS: u64 = 1_000_000;
/// Digits behind the point.
const PLACES: usize = 6;

/// An amount in the carrier's currency, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub u64);

/// The text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount with up to {PLACES} digits behind the point")]
pub struct NotMoney;

impl Money {
    /// What so many begun minutes cost at this price each.
    pub fn times(self, minutes: u64) -> Self {
        Self(self.0.saturating_mul(minutes))
    }

    /// How many whole minutes at `price` each this pays for; `None` if they cost nothing.
    pub fn minutes_at(self, price: Self) -> Option<u64> {
        self.0.checked_div(price.0)
    }
}

impl FromStr for Money {
    type Err = NotMoney;

    /// Reads figures with or without a point: `5`, `0.0085`.
    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let figures = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !figures(whole) || !figures(part) || part.len() > PLACES {
            return Err(NotMoney);
        }
        let whole: u64 = whole.parse().map_err(|_| NotMoney)?;
        let part: u64 = format!("{part:0<PLACES$}").parse().map_err(|_| NotMoney)?;
        let micros = whole.checked_mul(MICROS).and_then(|whole| whole.checked_add(part));
        micros.map(Self).ok_or(NotMoney)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:06}", self.0 % MICROS);
        match part.trim_end_matches('0') {
            "" => write!(f, "{}", self.0 / MICROS),
            part => write!(f, "{}.{part}", self.0 / MICROS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_to_the_millionth_and_written_as_they_were() {
        for (text, micros) in
            [("0", 0), ("5", 5_000_000), ("0.0085", 8_500), ("1.5", 1_500_000), ("0.000001", 1)]
        {
            assert_eq!(text.parse(), Ok(Money(micros)), "{text}");
            assert_eq!(Money(micros).to_string(), text);
        }
        assert_eq!("0.10".parse(), Ok(Money(100_000)));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "1,5", "1e3", "0.0000001", "99999999999999999999"] {
            assert_eq!(text.parse::<Money>(), Err(NotMoney), "{text}");
        }
    }

    #[test]
    fn a_budget_pays_for_whole_minutes() {
        let price = Money(8_500);
        assert_eq!(price.times(3), Money(25_500));
        assert_eq!(Money(25_499).minutes_at(price), Some(2));
        assert_eq!(Money(1).minutes_at(Money(0)), None);
    }
}
