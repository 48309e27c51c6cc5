//! The one place of phoneai that reads the time.
//!
//! Everything that decides takes `now` as an argument. Only the drivers (sockets, tasks) hold a
//! [`Clock`], and `clippy.toml` bans `Instant::now` and its like everywhere else.
//!
//! A clock may run faster than the wall's: a test or a rehearsal starts the service and the
//! simulated carrier on one fast clock, and both live through a minute of a call (packets each
//! 20 ms, timers of SIP, silences) in a fraction of one, over real sockets.

#![allow(clippy::disallowed_methods, reason = "this crate is the place that reads the time")]

use std::time::{Duration, Instant, SystemTime};

/// A source of time that drivers share; copies agree with each other.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    origin_wall: SystemTime,
    pace: u32,
}

impl Clock {
    /// A clock that runs as the wall's does.
    pub fn real() -> Self {
        Self::fast(1)
    }

    /// A clock on which `pace` seconds pass in each real one; a pace of 0 counts as 1.
    pub fn fast(pace: u32) -> Self {
        Self { origin: Instant::now(), origin_wall: SystemTime::now(), pace: pace.max(1) }
    }

    /// Seconds of this clock in one real second.
    pub fn pace(&self) -> u32 {
        self.pace
    }

    /// The present on this clock. Comparable only with instants of the same clock.
    pub fn now(&self) -> Instant {
        let real = self.origin.elapsed();
        real.checked_mul(self.pace).and_then(|d| self.origin.checked_add(d)).unwrap_or(self.origin)
    }

    /// The wall's time and date. On a fast clock it runs ahead by as much as [`Clock::now`] does.
    pub fn wall(&self) -> SystemTime {
        if self.pace == 1 {
            return SystemTime::now();
        }
        self.origin_wall + self.now().saturating_duration_since(self.origin)
    }

    /// Microseconds since 1970-01-01T00:00:00Z, the form in which times are stored.
    pub fn wall_micros(&self) -> i64 {
        let since = self.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    /// Completes when this clock reaches `deadline`; at once if it has passed.
    pub async fn sleep_until(&self, deadline: Instant) {
        let on_this_clock = deadline.saturating_duration_since(self.origin);
        tokio::time::sleep_until((self.origin + on_this_clock / self.pace).into()).await;
    }

    /// Completes after `duration` of this clock.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.pace).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_runs_ahead_of_the_real_one_by_its_pace() {
        let clock = Clock::fast(1000);
        let (real, fast) = (Instant::now(), clock.now());
        while real.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        assert!(clock.now().duration_since(fast) >= Duration::from_secs(2));
    }

    #[test]
    fn a_pace_of_zero_counts_as_one() {
        assert_eq!(Clock::fast(0).pace(), 1);
    }
}
