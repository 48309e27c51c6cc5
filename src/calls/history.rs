//! What calls told lately, so that a watcher that comes late, or comes back, has missed nothing.
//!
//! Bounded in both directions: so many calls, so many events of each. What is older is forgotten,
//! and who asks for it is told how much that was.

use std::collections::VecDeque;

use uuid::Uuid;

use super::live::{LiveEvent, What};

/// Calls whose events are kept; those that are over are forgotten first.
pub const MAX_CALLS: usize = 128;
/// Events of one call that are kept.
pub const MAX_EVENTS: usize = 1024;

/// The events of some calls, oldest call first.
#[derive(Debug, Default)]
pub struct History {
    calls: VecDeque<Told>,
}

#[derive(Debug)]
struct Told {
    call: Uuid,
    /// Events that were forgotten; the number of the first kept is one more.
    forgotten: u64,
    events: VecDeque<LiveEvent>,
    is_over: bool,
}

/// What a call told after an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// Events that were forgotten.
    pub lost: u64,
    /// The others with their numbers, which count from 1 in each call.
    pub events: Vec<(u64, LiveEvent)>,
}

impl History {
    /// Keeps an event.
    pub fn note(&mut self, event: &LiveEvent) {
        if !self.calls.iter().any(|told| told.call == event.call) {
            if self.calls.len() >= MAX_CALLS {
                let over = self.calls.iter().position(|told| told.is_over).unwrap_or(0);
                self.calls.remove(over);
            }
            self.calls.push_back(Told {
                call: event.call,
                forgotten: 0,
                events: VecDeque::new(),
                is_over: false,
            });
        }
        // The calls that tell are the youngest.
        let told = self.calls.iter_mut().rev().find(|told| told.call == event.call);
        let Some(told) = told else { return };
        if told.events.len() >= MAX_EVENTS {
            told.events.pop_front();
            told.forgotten += 1;
        }
        told.is_over |= matches!(event.what, What::Ended { .. });
        told.events.push_back(event.clone());
    }

    /// What a call told after its event number `after`, 0 for all; `None` if nothing is known of it.
    pub fn since(&self, call: Uuid, after: u64) -> Option<Past> {
        let told = self.calls.iter().rev().find(|told| told.call == call)?;
        let lost = told.forgotten.saturating_sub(after);
        let numbered = (told.forgotten + 1..).zip(&told.events);
        let events = numbered.filter(|(no, _)| *no > after).map(|(no, e)| (no, e.clone()));
        Some(Past { lost, events: events.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(call: u128, what: What) -> LiveEvent {
        let number = "12025550100".to_owned();
        LiveEvent { call: Uuid::from_u128(call), number, scan: None, at_ms: 0, what }
    }

    fn ended() -> What {
        What::Ended { reason: String::new(), status: None }
    }

    fn numbers(past: Option<Past>) -> Vec<u64> {
        past.unwrap().events.into_iter().map(|(no, _)| no).collect()
    }

    #[test]
    fn events_are_numbered_in_each_call_and_read_from_any_number_on() {
        let mut history = History::default();
        for call in [1, 2, 1] {
            history.note(&event(call, What::Answered));
        }
        assert_eq!(numbers(history.since(Uuid::from_u128(1), 0)), [1, 2]);
        assert_eq!(numbers(history.since(Uuid::from_u128(1), 1)), [2]);
        assert_eq!(numbers(history.since(Uuid::from_u128(1), 9)), [0; 0]);
        assert_eq!(history.since(Uuid::from_u128(3), 0), None);
    }

    #[test]
    fn of_a_long_call_the_end_is_kept_and_the_loss_told() {
        let mut history = History::default();
        for _ in 0..MAX_EVENTS + 5 {
            history.note(&event(1, What::Answered));
        }
        let past = history.since(Uuid::from_u128(1), 2).unwrap();
        assert_eq!((past.lost, past.events[0].0, past.events.len()), (3, 6, MAX_EVENTS));
    }

    #[test]
    fn calls_that_are_over_are_forgotten_first() {
        let mut history = History::default();
        history.note(&event(0, What::Answered));
        history.note(&event(1, ended()));
        for call in 2..=MAX_CALLS as u128 {
            history.note(&event(call, What::Answered));
        }
        assert_eq!(history.calls.len(), MAX_CALLS);
        assert!(history.since(Uuid::from_u128(0), 0).is_some());
        assert!(history.since(Uuid::from_u128(1), 0).is_none());
    }
}
