//! The server's side of every request but INVITE and ACK: RFC 3261 §17.2.2.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::timer::{Timer, TimerTable, TimerValues};
use crate::transport::{Flow, Transmit};

#[derive(Debug)]
pub(super) struct NonInviteServer {
    flow: Flow,
    state: State,
    pub(super) timers: TimerTable<Timer>,
}

#[derive(Debug)]
enum State {
    Trying,
    Proceeding { provisional: Arc<[u8]> },
    Completed { response: Arc<[u8]> },
    Terminated,
}

impl NonInviteServer {
    /// `flow` is where responses go (§18.2.2). When the user has not answered by `expires`, nobody
    /// waits for the answer any more and the transaction ends without one (RFC 4320 §4.2).
    pub(super) fn new(expires: Instant, flow: Flow) -> Self {
        let mut timers = TimerTable::default();
        timers.set(Timer::J, expires);
        Self { flow, state: State::Trying, timers }
    }

    pub(super) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding { .. })
    }

    pub(super) fn on_retransmission(&mut self, out: &mut VecDeque<Transmit>) {
        match &self.state {
            State::Proceeding { provisional: message } | State::Completed { response: message } => {
                out.push_back(Transmit::new(self.flow, message.clone()));
            }
            State::Trying | State::Terminated => {}
        }
    }

    pub(super) fn respond(
        &mut self,
        now: Instant,
        status: u16,
        message: Arc<[u8]>,
        values: TimerValues,
        out: &mut VecDeque<Transmit>,
    ) {
        match self.state {
            State::Trying | State::Proceeding { .. } if status < 200 => {
                self.state = State::Proceeding { provisional: message.clone() };
                out.push_back(Transmit::new(self.flow, message));
            }
            State::Trying | State::Proceeding { .. } => {
                out.push_back(Transmit::new(self.flow, message.clone()));
                if self.flow.transport.is_reliable() {
                    self.timers.stop_all();
                    self.state = State::Terminated;
                } else {
                    self.timers.set(Timer::J, now + values.give_up());
                    self.state = State::Completed { response: message };
                }
            }
            State::Completed { .. } | State::Terminated => {}
        }
    }

    pub(super) fn on_timer(&mut self, timer: Timer) {
        if timer == Timer::J {
            self.timers.stop_all();
            self.state = State::Terminated;
        }
    }
}
