//! How fast a carrier may be given messages.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The span in which a carrier counts. In any window so long no more than the permitted number
/// begins, so that it does not matter where the carrier's own window begins.
const WINDOW: Duration = Duration::from_secs(1);

/// Keeps to so many attempts in any one second, and to pauses that the carrier asked for.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    per_second: usize,
    /// When the latest attempts began, at most `per_second` of them.
    recent: VecDeque<Instant>,
    paused_until: Option<Instant>,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = usize::try_from(per_second.max(1)).unwrap_or(usize::MAX);
        Self { per_second, recent: VecDeque::new(), paused_until: None }
    }

    /// How long the next attempt must wait; zero if it need not.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let window = match self.recent.front() {
            Some(first) if self.recent.len() >= self.per_second => {
                (*first + WINDOW).saturating_duration_since(now)
            }
            _ => Duration::ZERO,
        };
        let pause = self.paused_until.map_or(Duration::ZERO, |t| t.saturating_duration_since(now));
        window.max(pause)
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.recent.len() >= self.per_second {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
    }

    /// No attempt before this.
    pub(super) fn pause_until(&mut self, until: Instant) {
        self.paused_until = Some(self.paused_until.map_or(until, |before| before.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use phoneai_clock::Clock;

    use super::*;

    #[test]
    fn no_second_has_more_attempts_than_the_carrier_permits() {
        let mut now = Clock::real().now();
        let mut pace = Pace::new(5);
        let mut begun: Vec<Instant> = Vec::new();
        for step in 0..200_u64 {
            now += pace.wait(now) + Duration::from_millis(step % 7);
            assert_eq!(pace.wait(now), Duration::ZERO);
            pace.begin(now);
            begun.push(now);
        }
        for six in begun.windows(6) {
            assert!(six[5] - six[0] >= WINDOW);
        }
        assert!(begun[199] - begun[0] < Duration::from_secs(41), "slower than permitted");
    }

    #[test]
    fn a_pause_that_the_carrier_asks_for_is_kept() {
        let now = Clock::real().now();
        let mut pace = Pace::new(5);
        pace.pause_until(now + Duration::from_secs(3));
        pace.pause_until(now + Duration::from_secs(2));
        assert_eq!(pace.wait(now), Duration::from_secs(3));
        assert_eq!(pace.wait(now + Duration::from_secs(3)), Duration::ZERO);
    }
}
