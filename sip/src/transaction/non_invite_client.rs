//! The client's side of every request but INVITE and ACK: RFC 3261 §17.1.2.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    invite_client::Verdict,
    timer::{Timer, TimerTable, TimerValues},
};
use crate::transport::{Flow, Transmit};

#[derive(Debug)]
pub(super) struct NonInviteClient {
    request: Arc<[u8]>,
    flow: Flow,
    state: State,
    pub(super) timers: TimerTable<Timer>,
}

#[derive(Debug)]
enum State {
    Trying { interval: Duration },
    Proceeding,
    Completed,
    Terminated,
}

impl NonInviteClient {
    /// Sends the request and starts timers E and F.
    pub(super) fn new(
        now: Instant,
        request: Arc<[u8]>,
        flow: Flow,
        values: TimerValues,
        out: &mut VecDeque<Transmit>,
    ) -> Self {
        let mut timers = TimerTable::default();
        if !flow.transport.is_reliable() {
            timers.set(Timer::E, now + values.t1);
        }
        timers.set(Timer::F, now + values.give_up());
        out.push_back(Transmit::new(flow, request.clone()));
        Self { request, flow, state: State::Trying { interval: values.t1 }, timers }
    }

    pub(super) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    pub(super) fn on_response(
        &mut self,
        now: Instant,
        status: u16,
        values: TimerValues,
    ) -> Verdict {
        match self.state {
            State::Trying { .. } | State::Proceeding if status < 200 => {
                // A running timer E goes on to fire when it would have; from then on each T2.
                self.state = State::Proceeding;
                Verdict::Pass
            }
            State::Trying { .. } | State::Proceeding => {
                self.timers.stop_all();
                if self.flow.transport.is_reliable() {
                    self.state = State::Terminated;
                } else {
                    self.timers.set(Timer::K, now + values.t4);
                    self.state = State::Completed;
                }
                Verdict::Pass
            }
            State::Completed | State::Terminated => Verdict::Absorb,
        }
    }

    /// Handles one due timer; `Pass` means that no final response came in time (timer F).
    pub(super) fn on_timer(
        &mut self,
        timer: Timer,
        now: Instant,
        values: TimerValues,
        out: &mut VecDeque<Transmit>,
    ) -> Verdict {
        match (&mut self.state, timer) {
            (State::Trying { interval }, Timer::E) => {
                *interval = interval.saturating_mul(2).min(values.t2);
                self.timers.set(Timer::E, now + *interval);
                out.push_back(Transmit::new(self.flow, self.request.clone()));
                Verdict::Absorb
            }
            (State::Proceeding, Timer::E) => {
                self.timers.set(Timer::E, now + values.t2);
                out.push_back(Transmit::new(self.flow, self.request.clone()));
                Verdict::Absorb
            }
            (State::Trying { .. } | State::Proceeding, Timer::F) => {
                self.terminate();
                Verdict::Pass
            }
            (State::Completed, Timer::K) => {
                self.terminate();
                Verdict::Absorb
            }
            _ => Verdict::Absorb,
        }
    }

    fn awaits_final(&self) -> bool {
        match self.state {
            State::Trying { .. } | State::Proceeding => true,
            State::Completed | State::Terminated => false,
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
