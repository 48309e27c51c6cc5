//! When a number that is not finished is called again.
//!
//! A call that brought news is followed soon: the line is up and its menu known to answer. Calls
//! without news (busy, no answer, nothing new heard) wait longer each time, and the scan ends when
//! there were too many of them in a row.

use std::time::Duration;

/// How patient a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Between a call that brought news and the next.
    pub gap: Duration,
    /// After the first call without news; doubles with each further one.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// Calls in a row without news after which the scan is given up.
    pub max_attempt: u32,
}

/// What follows a call of a scan that is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Call again after this time.
    CallIn(Duration),
    /// Enough calls brought no news.
    GiveUp,
}

impl RetryPolicy {
    /// Decides after a call; `without_news` counts the calls in a row that brought none, this one
    /// included, and is 0 when this one did. `spread` in 0..=1 moves the wait by up to a quarter,
    /// so that numbers that failed together do not come back together.
    pub fn after_call(&self, without_news: u32, spread: f64) -> Next {
        if without_news == 0 {
            return Next::CallIn(self.gap);
        }
        if without_news >= self.max_attempt {
            return Next::GiveUp;
        }
        let doublings = (without_news - 1).min(31);
        let wait = self.first.saturating_mul(1 << doublings).min(self.max);
        Next::CallIn(wait.mul_f64(0.75 + 0.25 * spread.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        gap: Duration::from_secs(2),
        first: Duration::from_secs(60),
        max: Duration::from_secs(3600),
        max_attempt: 10,
    };

    #[test]
    fn news_bring_the_next_call_soon() {
        assert_eq!(POLICY.after_call(0, 0.5), Next::CallIn(Duration::from_secs(2)));
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<Next> = (1..10).map(|n| POLICY.after_call(n, 1.0)).collect();
        let expected = [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600];
        let expected: Vec<Next> =
            expected.iter().map(|s| Next::CallIn(Duration::from_secs(*s))).collect();
        assert_eq!(waits, expected);
    }

    #[test]
    fn the_tenth_call_without_news_is_the_last() {
        assert_eq!(POLICY.after_call(10, 0.0), Next::GiveUp);
        assert_eq!(POLICY.after_call(u32::MAX, 0.0), Next::GiveUp);
    }

    #[test]
    fn spread_shortens_by_a_quarter_at_most() {
        assert_eq!(POLICY.after_call(1, 0.0), Next::CallIn(Duration::from_secs(45)));
        assert_eq!(POLICY.after_call(1, 9.0), Next::CallIn(Duration::from_secs(60)));
    }
}
