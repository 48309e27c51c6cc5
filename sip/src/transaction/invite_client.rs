//! The client's side of INVITE: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §8.4.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::timer::{Timer, TimerTable, TimerValues};
use crate::transport::{Flow, Transmit};

/// What a machine wants done with a message or timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Tell the transaction's user.
    Pass,
    /// Nothing that the user should hear of.
    Absorb,
}

#[derive(Debug)]
pub(super) struct InviteClient {
    request: Arc<[u8]>,
    flow: Flow,
    state: State,
    pub(super) timers: TimerTable<Timer>,
}

#[derive(Debug)]
enum State {
    Calling { interval: Duration },
    Proceeding,
    Accepted,
    Completed { ack: Option<Arc<[u8]>> },
    Terminated,
}

impl InviteClient {
    /// Sends the request and starts timers A and B.
    pub(super) fn new(
        now: Instant,
        request: Arc<[u8]>,
        flow: Flow,
        values: TimerValues,
        out: &mut VecDeque<Transmit>,
    ) -> Self {
        let mut timers = TimerTable::default();
        if !flow.transport.is_reliable() {
            timers.set(Timer::A, now + values.t1);
        }
        timers.set(Timer::B, now + values.give_up());
        out.push_back(Transmit::new(flow, request.clone()));
        Self { request, flow, state: State::Calling { interval: values.t1 }, timers }
    }

    pub(super) fn request(&self) -> &Arc<[u8]> {
        &self.request
    }

    pub(super) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// Takes a response that matches; `make_ack` builds the ACK for a refusal (§17.1.1.3).
    pub(super) fn on_response(
        &mut self,
        now: Instant,
        status: u16,
        values: TimerValues,
        make_ack: impl FnOnce(&[u8]) -> Option<Arc<[u8]>>,
        out: &mut VecDeque<Transmit>,
    ) -> Verdict {
        match (&self.state, status) {
            (State::Calling { .. }, ..200) => {
                self.timers.stop(Timer::A);
                self.timers.stop(Timer::B);
                self.state = State::Proceeding;
                Verdict::Pass
            }
            (State::Proceeding, ..200) => Verdict::Pass,
            (State::Calling { .. } | State::Proceeding, 200..300) => {
                self.timers.stop_all();
                self.timers.set(Timer::M, now + values.give_up());
                self.state = State::Accepted;
                Verdict::Pass
            }
            (State::Calling { .. } | State::Proceeding, 300..) => {
                let ack = make_ack(&self.request);
                if let Some(ack) = &ack {
                    out.push_back(Transmit::new(self.flow, ack.clone()));
                }
                self.timers.stop_all();
                if self.flow.transport.is_reliable() {
                    self.state = State::Terminated;
                } else {
                    self.timers.set(Timer::D, now + values.d());
                    self.state = State::Completed { ack };
                }
                Verdict::Pass
            }
            // RFC 6026 §8.4: every 2xx goes to the user, who acknowledges it; the rest is late.
            (State::Accepted, 200..300) => Verdict::Pass,
            (State::Completed { ack }, 300..) => {
                if let Some(ack) = ack {
                    out.push_back(Transmit::new(self.flow, ack.clone()));
                }
                Verdict::Absorb
            }
            (State::Accepted | State::Completed { .. } | State::Terminated, _) => Verdict::Absorb,
        }
    }

    /// Handles one due timer; `Pass` means that nothing ever answered (timer B).
    pub(super) fn on_timer(
        &mut self,
        timer: Timer,
        now: Instant,
        out: &mut VecDeque<Transmit>,
    ) -> Verdict {
        match (&mut self.state, timer) {
            (State::Calling { interval }, Timer::A) => {
                *interval = interval.saturating_mul(2);
                self.timers.set(Timer::A, now + *interval);
                out.push_back(Transmit::new(self.flow, self.request.clone()));
                Verdict::Absorb
            }
            (State::Calling { .. }, Timer::B) => {
                self.terminate();
                Verdict::Pass
            }
            (State::Completed { .. }, Timer::D)
            | (State::Accepted, Timer::M)
            | (State::Calling { .. } | State::Proceeding, Timer::Orphan) => {
                self.terminate();
                Verdict::Absorb
            }
            _ => Verdict::Absorb,
        }
    }

    /// Ends by `at` without a word, unless a final response comes before.
    pub(super) fn abandon_at(&mut self, at: Instant) {
        match self.state {
            State::Calling { .. } | State::Proceeding => self.timers.set(Timer::Orphan, at),
            State::Accepted | State::Completed { .. } | State::Terminated => {}
        }
    }

    fn awaits_final(&self) -> bool {
        match self.state {
            State::Calling { .. } | State::Proceeding => true,
            State::Accepted | State::Completed { .. } | State::Terminated => false,
        }
    }

    /// The flow has failed; true if that ends it without a final response.
    pub(super) fn fail(&mut self, flow: Flow) -> bool {
        let waits = self.flow == flow && self.awaits_final();
        if waits {
            self.terminate();
        }
        waits
    }

    pub(super) fn terminate(&mut self) {
        self.timers.stop_all();
        self.state = State::Terminated;
    }
}
