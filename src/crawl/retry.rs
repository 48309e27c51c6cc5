//! When a number that is not finished is called again.
//!
//! A call that brought news is followed soon: the line is up, and its menu known to answer. After
//! calls without news (busy, no answer, nothing new heard) the wait doubles each time. How many of
//! those end a scan is a property of the number, kept by the store.

use std::time::Duration;

/// How patient a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Between a call that brought news and the next.
    pub gap: Duration,
    /// After the first call without news; doubles with each further one.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Backoff {
    /// The wait after a call; `without_news` counts the calls in a row that brought none, this one
    /// included, and is 0 when this one did. `spread` in 0..=1 takes up to a quarter off, so that
    /// numbers that failed together do not come back together.
    pub fn wait(&self, without_news: u32, spread: f64) -> Duration {
        let Some(doublings) = without_news.checked_sub(1) else { return self.gap };
        let wait = self.first.saturating_mul(1 << doublings.min(31)).min(self.max);
        wait.mul_f64(1.0 - 0.25 * spread.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        gap: Duration::from_secs(2),
        first: Duration::from_secs(60),
        max: Duration::from_secs(3600),
    };

    #[test]
    fn news_bring_the_next_call_soon() {
        assert_eq!(BACKOFF.wait(0, 0.5), Duration::from_secs(2));
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u64> = (1..10).map(|n| BACKOFF.wait(n, 0.0).as_secs()).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
        assert_eq!(BACKOFF.wait(u32::MAX, 0.0).as_secs(), 3600);
    }

    #[test]
    fn spread_shortens_by_a_quarter_at_most() {
        assert_eq!(BACKOFF.wait(1, 1.0), Duration::from_secs(45));
        assert_eq!(BACKOFF.wait(1, 9.0), Duration::from_secs(45));
        assert_eq!(BACKOFF.wait(1, -1.0), Duration::from_secs(60));
    }
}
