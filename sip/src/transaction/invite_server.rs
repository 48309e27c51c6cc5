//! The server's side of INVITE: RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §8.5.

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
pub(super) struct InviteServer {
    flow: Flow,
    state: State,
    pub(super) timers: TimerTable<Timer>,
}

#[derive(Debug)]
enum State {
    Proceeding { provisional: Option<Arc<[u8]>> },
    Accepted,
    Completed { refusal: Arc<[u8]>, interval: Duration },
    Confirmed,
    Terminated,
}

impl InviteServer {
    /// `flow` is where responses go (§18.2.2).
    pub(super) fn new(flow: Flow) -> Self {
        let state = State::Proceeding { provisional: None };
        Self { flow, state, timers: TimerTable::default() }
    }

    pub(super) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// True until a final response was given.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    pub(super) fn on_retransmission(&mut self, out: &mut VecDeque<Transmit>) {
        match &self.state {
            State::Proceeding { provisional: Some(message) }
            | State::Completed { refusal: message, .. } => {
                out.push_back(Transmit::new(self.flow, message.clone()));
            }
            // An accepted INVITE is answered by its dialog, which repeats the 2xx on its own.
            State::Proceeding { provisional: None }
            | State::Accepted
            | State::Confirmed
            | State::Terminated => {}
        }
    }

    /// Takes an ACK that matches; `Pass` when it acknowledges a 2xx.
    pub(super) fn on_ack(&mut self, now: Instant, values: TimerValues) -> Verdict {
        match self.state {
            State::Completed { .. } => {
                self.timers.stop_all();
                if self.flow.transport.is_reliable() {
                    self.state = State::Terminated;
                } else {
                    self.timers.set(Timer::I, now + values.t4);
                    self.state = State::Confirmed;
                }
                Verdict::Absorb
            }
            State::Accepted => Verdict::Pass,
            State::Proceeding { .. } | State::Confirmed | State::Terminated => Verdict::Absorb,
        }
    }

    /// Sends a response of the user. A 2xx may be sent again as often as the user likes.
    pub(super) fn respond(
        &mut self,
        now: Instant,
        status: u16,
        message: Arc<[u8]>,
        values: TimerValues,
        out: &mut VecDeque<Transmit>,
    ) {
        match (&mut self.state, status) {
            (State::Proceeding { provisional }, ..200) => {
                *provisional = Some(message.clone());
                out.push_back(Transmit::new(self.flow, message));
            }
            (State::Proceeding { .. }, 200..300) => {
                self.timers.set(Timer::L, now + values.give_up());
                self.state = State::Accepted;
                out.push_back(Transmit::new(self.flow, message));
            }
            (State::Proceeding { .. }, 300..) => {
                if !self.flow.transport.is_reliable() {
                    self.timers.set(Timer::G, now + values.t1);
                }
                self.timers.set(Timer::H, now + values.give_up());
                self.state = State::Completed { refusal: message.clone(), interval: values.t1 };
                out.push_back(Transmit::new(self.flow, message));
            }
            (State::Accepted, 200..300) => out.push_back(Transmit::new(self.flow, message)),
            (
                State::Accepted | State::Completed { .. } | State::Confirmed | State::Terminated,
                _,
            ) => {}
        }
    }

    /// Handles one due timer.
    pub(super) fn on_timer(
        &mut self,
        timer: Timer,
        now: Instant,
        values: TimerValues,
        out: &mut VecDeque<Transmit>,
    ) {
        match (&mut self.state, timer) {
            (State::Completed { refusal, interval }, Timer::G) => {
                *interval = interval.saturating_mul(2).min(values.t2);
                self.timers.set(Timer::G, now + *interval);
                out.push_back(Transmit::new(self.flow, refusal.clone()));
            }
            (State::Completed { .. }, Timer::H)
            | (State::Confirmed, Timer::I)
            | (State::Accepted, Timer::L) => {
                self.timers.stop_all();
                self.state = State::Terminated;
            }
            _ => {}
        }
    }
}
