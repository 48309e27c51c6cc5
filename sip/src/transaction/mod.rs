//! Transactions (RFC 3261 §17, RFC 6026): retransmission, matching, absorption, for all requests
//! that are under way.
//!
//! The table owns the machines and knows nothing of dialogs. Messages come in as the few facts by
//! which they are matched; what leaves goes to the caller's queue.

mod invite_client;
mod invite_server;
mod non_invite_client;
mod non_invite_server;
#[cfg(test)]
mod tests;
mod timer;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use invite_client::{InviteClient, Verdict};
use invite_server::InviteServer;
use non_invite_client::NonInviteClient;
use non_invite_server::NonInviteServer;
pub use timer::TimerValues;
pub(crate) use timer::{Agenda, TimerTable};

use crate::transport::{Flow, Transmit};

/// Names one transaction of one endpoint; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(u64);

/// All transactions of an endpoint. `U` says who uses a transaction (RFC 3261 calls it the TU).
#[derive(Debug)]
pub(crate) struct Transactions<U> {
    values: TimerValues,
    limit: usize,
    next_id: u64,
    table: HashMap<TransactionId, Entry<U>>,
    clients: HashMap<String, TransactionId>,
    servers: HashMap<String, TransactionId>,
    /// Requests outside of dialogs by Call-ID, CSeq and From tag (§8.2.2.2).
    sources: HashMap<String, TransactionId>,
    agenda: Agenda<TransactionId>,
}

#[derive(Debug)]
struct Entry<U> {
    machine: Machine,
    user: U,
    key: String,
    source: Option<String>,
    place: Option<Instant>,
}

#[derive(Debug)]
enum Machine {
    InviteClient(InviteClient),
    NonInviteClient(NonInviteClient),
    InviteServer(InviteServer),
    NonInviteServer(NonInviteServer),
}

/// The table holds as many transactions as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableFull;

/// What a request is to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matched<U> {
    /// The table has not seen it.
    New,
    /// It was sent again; the last response was too.
    Retransmission,
    /// An ACK: of a refusal (absorbed), or of a 2xx (for the user).
    Ack {
        /// Who used the INVITE, when the ACK is for a 2xx.
        accepted: Option<U>,
    },
}

/// Which INVITE or other request a client's transaction is.
pub(crate) struct ClientRequest<'a> {
    /// The branch in our Via.
    pub(crate) branch: &'a str,
    /// The method, as in CSeq.
    pub(crate) method: &'a str,
    /// The whole message.
    pub(crate) bytes: Arc<[u8]>,
    /// Where it goes.
    pub(crate) flow: Flow,
}

fn client_key(branch: &str, method: &str) -> String {
    format!("{branch} {method}")
}

impl<U: Copy> Transactions<U> {
    pub(crate) fn new(values: TimerValues, limit: usize) -> Self {
        Self {
            values,
            limit,
            next_id: 0,
            table: HashMap::new(),
            clients: HashMap::new(),
            servers: HashMap::new(),
            sources: HashMap::new(),
            agenda: Agenda::default(),
        }
    }

    /// Transactions under way.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Sends a request. ACK is not one of them: it has no transaction.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        request: ClientRequest<'_>,
        user: U,
        out: &mut VecDeque<Transmit>,
    ) -> Result<TransactionId, TableFull> {
        let key = client_key(request.branch, request.method);
        if self.table.len() >= self.limit || self.clients.contains_key(&key) {
            return Err(TableFull);
        }
        let (bytes, flow) = (request.bytes, request.flow);
        let machine = if request.method == "INVITE" {
            Machine::InviteClient(InviteClient::new(now, bytes, flow, self.values, out))
        } else {
            Machine::NonInviteClient(NonInviteClient::new(now, bytes, flow, self.values, out))
        };
        let id = self.insert(machine, user, key.clone(), None);
        self.clients.insert(key, id);
        Ok(id)
    }

    /// Matches a response by the branch of its top Via and the method of its CSeq (§17.1.3). Gives
    /// the user to whom it is news. `make_ack` builds the ACK for a refused INVITE.
    pub(crate) fn on_response(
        &mut self,
        now: Instant,
        (branch, method): (&str, &str),
        status: u16,
        make_ack: impl FnOnce(&[u8]) -> Option<Arc<[u8]>>,
        out: &mut VecDeque<Transmit>,
    ) -> Option<(TransactionId, U)> {
        let id = *self.clients.get(&client_key(branch, method))?;
        let entry = self.table.get_mut(&id)?;
        let user = entry.user;
        let verdict = match &mut entry.machine {
            Machine::InviteClient(machine) => {
                machine.on_response(now, status, self.values, make_ack, out)
            }
            Machine::NonInviteClient(machine) => machine.on_response(now, status, self.values),
            Machine::InviteServer(_) | Machine::NonInviteServer(_) => Verdict::Absorb,
        };
        self.settle(id);
        (verdict == Verdict::Pass).then_some((id, user))
    }

    /// Matches a request by `key` (see `keys`): answers a retransmission, takes an ACK.
    pub(crate) fn on_request(
        &mut self,
        now: Instant,
        key: &str,
        is_ack: bool,
        out: &mut VecDeque<Transmit>,
    ) -> Matched<U> {
        let Some(&id) = self.servers.get(key) else { return Matched::New };
        let Some(entry) = self.table.get_mut(&id) else { return Matched::New };
        let user = entry.user;
        let matched = match &mut entry.machine {
            Machine::InviteServer(machine) if is_ack => match machine.on_ack(now, self.values) {
                Verdict::Pass => Matched::Ack { accepted: Some(user) },
                Verdict::Absorb => Matched::Ack { accepted: None },
            },
            Machine::InviteServer(machine) => {
                machine.on_retransmission(out);
                Matched::Retransmission
            }
            Machine::NonInviteServer(machine) => {
                machine.on_retransmission(out);
                Matched::Retransmission
            }
            Machine::InviteClient(_) | Machine::NonInviteClient(_) => Matched::New,
        };
        self.settle(id);
        matched
    }

    /// Begins the transaction of a new request. `source` is given for requests outside of dialogs.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        key: String,
        source: Option<String>,
        (is_invite, flow): (bool, Flow),
        user: U,
    ) -> Result<TransactionId, TableFull> {
        if self.table.len() >= self.limit || self.servers.contains_key(&key) {
            return Err(TableFull);
        }
        let machine = if is_invite {
            Machine::InviteServer(InviteServer::new(flow))
        } else {
            let expires = now + self.values.give_up();
            Machine::NonInviteServer(NonInviteServer::new(expires, flow))
        };
        let id = self.insert(machine, user, key.clone(), source.clone());
        self.servers.insert(key, id);
        if let Some(source) = source {
            self.sources.entry(source).or_insert(id);
        }
        self.settle(id);
        Ok(id)
    }

    /// True if a request with the same Call-ID, CSeq and From tag is under way on another branch:
    /// it came to us along two paths (§8.2.2.2).
    pub(crate) fn is_merged(&self, source: &str) -> bool {
        self.sources.contains_key(source)
    }

    /// The user of the request with this key, for a CANCEL (§9.2), and whether it is unanswered.
    pub(crate) fn invite_of(&self, key: &str) -> Option<(TransactionId, U, bool)> {
        let id = *self.servers.get(key)?;
        let entry = self.table.get(&id)?;
        match &entry.machine {
            Machine::InviteServer(machine) => Some((id, entry.user, machine.is_open())),
            Machine::NonInviteServer(_)
            | Machine::InviteClient(_)
            | Machine::NonInviteClient(_) => None,
        }
    }

    /// True while a response to the request is still wanted.
    pub(crate) fn is_open(&self, id: TransactionId) -> bool {
        self.table.get(&id).is_some_and(|entry| match &entry.machine {
            Machine::InviteServer(machine) => machine.is_open(),
            Machine::NonInviteServer(machine) => machine.is_open(),
            Machine::InviteClient(_) | Machine::NonInviteClient(_) => false,
        })
    }

    /// Sends a response.
    pub(crate) fn respond(
        &mut self,
        now: Instant,
        id: TransactionId,
        status: u16,
        message: Arc<[u8]>,
        out: &mut VecDeque<Transmit>,
    ) {
        let Some(entry) = self.table.get_mut(&id) else { return };
        match &mut entry.machine {
            Machine::InviteServer(machine) => {
                machine.respond(now, status, message, self.values, out);
            }
            Machine::NonInviteServer(machine) => {
                machine.respond(now, status, message, self.values, out);
            }
            Machine::InviteClient(_) | Machine::NonInviteClient(_) => {}
        }
        self.settle(id);
    }

    /// Forgets a transaction whose user has given up on it.
    pub(crate) fn abandon(&mut self, id: TransactionId) {
        let Some(entry) = self.table.get_mut(&id) else { return };
        match &mut entry.machine {
            Machine::InviteClient(machine) => machine.terminate(),
            Machine::NonInviteClient(machine) => machine.terminate(),
            Machine::InviteServer(_) | Machine::NonInviteServer(_) => {}
        }
        self.settle(id);
    }

    /// Forgets an INVITE after 64 × T1 if it has no final response by then: without this, one whose
    /// call is over would wait for ever.
    pub(crate) fn abandon_later(&mut self, now: Instant, id: TransactionId) {
        let Some(entry) = self.table.get_mut(&id) else { return };
        match &mut entry.machine {
            Machine::InviteClient(machine) => machine.abandon_at(now + self.values.give_up()),
            Machine::NonInviteClient(_)
            | Machine::InviteServer(_)
            | Machine::NonInviteServer(_) => {}
        }
        self.settle(id);
    }

    /// Ends the requests that were sent over a flow which has failed (§18.4); gives their users.
    pub(crate) fn fail_flow(&mut self, flow: Flow) -> Vec<(TransactionId, U)> {
        let mut failed: Vec<(TransactionId, U)> = Vec::new();
        for (id, entry) in &mut self.table {
            let waits = match &mut entry.machine {
                Machine::InviteClient(m) => m.fail(flow),
                Machine::NonInviteClient(m) => m.fail(flow),
                Machine::InviteServer(_) | Machine::NonInviteServer(_) => false,
            };
            if waits {
                failed.push((*id, entry.user));
            }
        }
        // In the order of their making, so that a seed gives the same run each time.
        failed.sort_unstable_by_key(|(id, _)| *id);
        for (id, _) in &failed {
            self.settle(*id);
        }
        failed
    }

    /// The bytes of an INVITE that we sent, for its CANCEL.
    pub(crate) fn invite_bytes(&self, id: TransactionId) -> Option<Arc<[u8]>> {
        match &self.table.get(&id)?.machine {
            Machine::InviteClient(machine) => Some(machine.request().clone()),
            Machine::NonInviteClient(_)
            | Machine::InviteServer(_)
            | Machine::NonInviteServer(_) => None,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.agenda.next()
    }

    /// Handles timers that are due; gives one user whose request was never answered. To be called
    /// until it gives none.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        out: &mut VecDeque<Transmit>,
    ) -> Option<(TransactionId, U)> {
        while let Some(id) = self.agenda.first_due(now) {
            let mut gave_up = None;
            if let Some(entry) = self.table.get_mut(&id) {
                let verdict = match &mut entry.machine {
                    Machine::InviteClient(m) => {
                        m.timers.pop_due(now).map(|t| m.on_timer(t, now, out))
                    }
                    Machine::NonInviteClient(m) => {
                        m.timers.pop_due(now).map(|t| m.on_timer(t, now, self.values, out))
                    }
                    Machine::InviteServer(m) => m.timers.pop_due(now).map(|t| {
                        m.on_timer(t, now, self.values, out);
                        Verdict::Absorb
                    }),
                    Machine::NonInviteServer(m) => m.timers.pop_due(now).map(|t| {
                        m.on_timer(t);
                        Verdict::Absorb
                    }),
                };
                if verdict == Some(Verdict::Pass) {
                    gave_up = Some((id, entry.user));
                }
            }
            self.settle(id);
            if gave_up.is_some() {
                return gave_up;
            }
        }
        None
    }

    fn insert(
        &mut self,
        machine: Machine,
        user: U,
        key: String,
        source: Option<String>,
    ) -> TransactionId {
        let id = TransactionId(self.next_id);
        self.next_id += 1;
        self.table.insert(id, Entry { machine, user, key, source, place: None });
        self.settle(id);
        id
    }

    /// Puts the transaction where its next timer is, or forgets it when it is over.
    fn settle(&mut self, id: TransactionId) {
        let Some(entry) = self.table.get_mut(&id) else { return };
        let (over, next) = match &entry.machine {
            Machine::InviteClient(m) => (m.is_terminated(), m.timers.next()),
            Machine::NonInviteClient(m) => (m.is_terminated(), m.timers.next()),
            Machine::InviteServer(m) => (m.is_terminated(), m.timers.next()),
            Machine::NonInviteServer(m) => (m.is_terminated(), m.timers.next()),
        };
        if !over {
            self.agenda.set(id, &mut entry.place, next);
            return;
        }
        self.agenda.set(id, &mut entry.place, None);
        let Some(entry) = self.table.remove(&id) else { return };
        let keys = match entry.machine {
            Machine::InviteClient(_) | Machine::NonInviteClient(_) => &mut self.clients,
            Machine::InviteServer(_) | Machine::NonInviteServer(_) => &mut self.servers,
        };
        keys.remove(&entry.key);
        if let Some(source) = entry.source
            && self.sources.get(&source) == Some(&id)
        {
            self.sources.remove(&source);
        }
    }
}
