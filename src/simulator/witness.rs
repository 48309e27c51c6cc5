//! What the called side has seen of a call: with whom or what the caller spent the time.

use std::time::{Duration, Instant};

use super::line;

/// A call that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The number that was called, in E.164 form with `+`.
    pub number: String,
    /// From its INVITE to the end.
    pub lasted: Duration,
    /// From the answer to the end; zero if it was not answered.
    pub answered: Duration,
    /// How much of that went by after the last prompt of a way: ringing, music, a recording.
    pub after: Duration,
    /// How much a person waited for somebody to speak, hello included.
    pub person: Duration,
    /// Menus that were entered and keys that were heard, for a look at what happened: `main 1 sales`.
    pub way: String,
}

/// Most letters of [`Witnessed::way`].
const MAX_WAY: usize = 2_000;

/// Keeps the time of a call.
#[derive(Debug)]
pub(super) struct Watch {
    seen: Witnessed,
    began: Instant,
    since: Instant,
    stage: Option<line::Stage>,
    at: String,
}

impl Watch {
    pub(super) fn new(now: Instant, number: String) -> Self {
        let zero = Duration::ZERO;
        let way = String::new();
        let seen =
            Witnessed { number, lasted: zero, answered: zero, after: zero, person: zero, way };
        Self { seen, began: now, since: now, stage: None, at: String::new() }
    }

    /// Notes that since now the caller has to do with `stage`, in the menu `at`; `None` before the
    /// answer. To be called whenever something may have changed.
    pub(super) fn look(&mut self, now: Instant, stage: Option<line::Stage>, at: Option<&str>) {
        let spent = now.saturating_duration_since(self.since);
        self.since = now;
        match self.stage {
            None | Some(line::Stage::Over) => {}
            Some(line::Stage::Menu) => self.seen.answered += spent,
            Some(line::Stage::After) => {
                self.seen.answered += spent;
                self.seen.after += spent;
            }
            Some(line::Stage::Person) => {
                self.seen.answered += spent;
                self.seen.person += spent;
            }
        }
        self.stage = stage;
        if let Some(at) = at.filter(|at| *at != self.at) {
            self.at = at.to_owned();
            self.add(at);
        }
    }

    pub(super) fn key(&mut self, key: char) {
        self.add(key.encode_utf8(&mut [0; 4]));
    }

    fn add(&mut self, word: &str) {
        if self.seen.way.len() + word.len() < MAX_WAY {
            if !self.seen.way.is_empty() {
                self.seen.way.push(' ');
            }
            self.seen.way.push_str(word);
        }
    }

    pub(super) fn over(mut self, now: Instant) -> Witnessed {
        self.look(now, None, None);
        self.seen.lasted = now.saturating_duration_since(self.began);
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_by_what_the_caller_had_to_do_with() {
        let start = phoneai_clock::Clock::real().now();
        let at = |s| start + Duration::from_secs(s);
        let mut watch = Watch::new(start, "+12025550101".to_owned());
        watch.look(at(1), Some(line::Stage::Menu), Some("main"));
        watch.key('1');
        watch.look(at(4), Some(line::Stage::Menu), Some("desk"));
        watch.look(at(5), Some(line::Stage::After), Some("desk"));
        watch.look(at(11), Some(line::Stage::Person), Some("desk"));
        let seen = watch.over(at(13));
        assert_eq!(seen.way, "main 1 desk");
        let seconds = [seen.lasted, seen.answered, seen.after, seen.person].map(|d| d.as_secs());
        assert_eq!(seconds, [13, 12, 6, 2]);
    }
}
