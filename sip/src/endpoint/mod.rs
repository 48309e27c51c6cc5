//! A SIP user agent without sockets: datagrams and time in, datagrams and events out.
//!
//! The owner feeds [`Endpoint::handle_datagram`], calls [`Endpoint::handle_timeout`] when
//! [`Endpoint::poll_timeout`] says so, and after either, and after each command, drains
//! [`Endpoint::poll_transmit`] and [`Endpoint::poll_event`].

pub(crate) mod compose;
pub(crate) mod core;
pub(crate) mod event;
pub(crate) mod inbound;
pub(crate) mod login;
mod receive;
mod reception;
pub(crate) mod target;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

pub use compose::{Body, Header};
pub use event::{CallEvent, Ended, EndedBy, Event, RequestId};
pub use inbound::{Inbound, Party, Sender, Start};
pub use reception::Reception;

use self::{
    compose::RequestHead,
    core::{Core, Reply},
};
use crate::{
    guard::{Guard, GuardConfig, GuardStatistics},
    message::Method,
    registrar::Binding,
    registration::{Registration, RegistrationConfig, RegistrationId, RegistrationState},
    session::{CallError, CallId, OutgoingCall, Session},
    transaction::{Agenda, TimerValues},
    transport::Transmit,
};

/// Events that may wait for the user before new calls are refused and progress is dropped.
pub(crate) const MAX_EVENTS: usize = 4096;

/// Registrations of one endpoint.
pub const MAX_REGISTRATIONS: usize = 256;

/// Sessions that may be kept for each call that may be alive: those that ended a moment ago still
/// absorb what is late.
const ENDED_PER_CALL: usize = 4;

/// The shortest T1 that makes sense on any network.
const MIN_T1: Duration = Duration::from_millis(1);

/// What an endpoint is told when it is made.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Where peers reach us: stands in Via and Contact. An address of this machine or of the NAT
    /// in front of it, never `0.0.0.0`.
    pub advertised: SocketAddr,
    /// The same for TLS; `None` if nobody can connect to us with it.
    pub advertised_tls: Option<SocketAddr>,
    /// For User-Agent and Server.
    pub user_agent: String,
    /// T1, T2 and T4.
    pub timers: TimerValues,
    /// Calls at a time, both ways together. Beyond, callers get 503.
    pub max_calls: usize,
    /// Transactions at a time. Beyond, strangers get 503; calls that exist have a quarter more.
    pub max_transactions: usize,
    /// Methods of requests outside of calls that the user answers by himself ([`Event::Request`]).
    pub handled: Vec<Method>,
}

impl EndpointConfig {
    /// The defaults for an endpoint that is reached at `advertised`.
    pub fn new(advertised: SocketAddr) -> Self {
        Self {
            advertised,
            advertised_tls: None,
            user_agent: concat!("phoneai/", env!("CARGO_PKG_VERSION")).to_owned(),
            timers: TimerValues::default(),
            max_calls: 1000,
            max_transactions: 20_000,
            handled: Vec::new(),
        }
    }
}

/// What has been counted since the endpoint was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Datagrams that hold no SIP message, or one that breaks the rules.
    pub malformed: u64,
    /// Keep-alives and STUN messages.
    pub keep_alives: u64,
    /// Responses and ACKs that belong to nothing.
    pub strays: u64,
    /// REGISTERs that the registrar answered, challenges included.
    pub registers: u64,
    /// Requests of known scanners, dropped in silence.
    pub scanners: u64,
    /// Requests refused because a table is full.
    pub refused_by_limit: u64,
    /// Events that were dropped because the user was too slow.
    pub events_dropped: u64,
    /// What the guard kept away.
    pub guard: GuardStatistics,
}

/// Who waits for a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Call(CallId),
    Registration(RegistrationId),
}

/// A SIP user agent. Owned by one driver.
#[derive(Debug)]
pub struct Endpoint {
    core: Core,
    next_id: u64,
    calls: HashMap<CallId, Session>,
    /// Calls by Call-ID and our tag.
    dialogs: HashMap<(String, String), CallId>,
    alive: usize,
    registrations: HashMap<RegistrationId, Registration>,
    agenda: Agenda<Owner>,
    /// Makes tags of stateless responses unpredictable, yet the same for retransmissions.
    secret: u64,
    log: receive::LogGate,
    reception: Option<Reception>,
    guard: Option<Guard>,
}

impl Endpoint {
    /// An endpoint without calls. All that is random in it comes from `seed`.
    pub fn new(mut config: EndpointConfig, seed: [u8; 32]) -> Self {
        // A timer of no length would fire for ever.
        config.timers.t1 = config.timers.t1.max(MIN_T1);
        config.timers.t2 = config.timers.t2.max(config.timers.t1);
        let mut core = Core::new(config, seed);
        let secret = rand::Rng::random(&mut core.rng);
        Self {
            core,
            next_id: 0,
            calls: HashMap::new(),
            dialogs: HashMap::new(),
            alive: 0,
            registrations: HashMap::new(),
            agenda: Agenda::default(),
            secret,
            log: receive::LogGate::default(),
            reception: None,
            guard: None,
        }
    }

    /// The same with a reception. Without one everybody may call, as far as the endpoint is
    /// concerned, and nobody can register.
    #[must_use]
    pub fn with_reception(self, reception: Reception) -> Self {
        Self { reception: Some(reception), ..self }
    }

    /// The same with a guard, who knows the phones that are registered already. Peers that the
    /// reception trusts are not its business.
    #[must_use]
    pub fn with_guard(self, now: Instant, config: GuardConfig) -> Self {
        let mut guard = Guard::new(now, config);
        for source in self.reception.iter().flat_map(Reception::sources) {
            guard.on_proof(now, source.peer.ip());
        }
        Self { guard: Some(guard), ..self }
    }

    /// Its reception, if it has one.
    pub fn reception_mut(&mut self) -> Option<&mut Reception> {
        self.reception.as_mut()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.core.transmits.pop_front()
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.events.pop_front()
    }

    /// When to call [`Endpoint::handle_timeout`]; `None` if nothing waits for time.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let reception = self.reception.as_ref().and_then(Reception::poll_timeout);
        let all = [self.core.transactions.poll_timeout(), self.agenda.next(), reception];
        all.into_iter().flatten().min()
    }

    /// Does what is due at `now`. Early calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((transaction, user)) =
            self.core.transactions.handle_timeout(now, &mut self.core.transmits)
        {
            self.on_request_timeout(now, transaction, user);
        }
        let pings = self.reception.as_mut().map(|reception| reception.handle_timeout(now));
        for phone in pings.into_iter().flatten() {
            self.ping(&phone);
        }
        while let Some(owner) = self.agenda.first_due(now) {
            match owner {
                Owner::Call(id) => {
                    self.with_call(id, |call, core| call.handle_timeout(now, core));
                }
                Owner::Registration(id) => {
                    self.with_registration(id, |registration, core| {
                        registration.handle_timeout(now, core);
                    });
                }
            }
        }
    }

    /// Sends an OPTIONS to a phone behind a NAT. It has no transaction: it comes again anyway.
    fn ping(&mut self, phone: &Binding) {
        let core = &mut self.core;
        let tag = core.token();
        let us = format!("<sip:{}>", core.config.advertised);
        let head = RequestHead {
            method: Method::Options,
            uri: target::without_headers(&phone.contact),
            from: format!("{us};tag={tag}"),
            from_tag: tag,
            to: format!("<{}>", phone.contact),
            call_id: core.token(),
            cseq: 1,
            routes: phone.path.clone(),
        };
        core.send_once(&head, phone.source);
    }

    /// Calls somebody.
    ///
    /// # Errors
    /// [`CallError::Full`] if there are as many calls or transactions as there may be.
    pub fn invite(&mut self, now: Instant, call: OutgoingCall) -> Result<CallId, CallError> {
        if self.is_full() {
            return Err(CallError::Full);
        }
        let id = CallId(self.fresh_id());
        let session = Session::call(now, &mut self.core, id, call)?;
        self.insert(id, session);
        Ok(id)
    }

    /// Tells a caller that it rings (180), or what else goes on (181 to 199), with early media if
    /// `sdp` is given.
    ///
    /// # Errors
    /// If there is no such call, or it is not one that rings at us.
    pub fn progress(
        &mut self,
        now: Instant,
        call: CallId,
        status: u16,
        sdp: Option<Arc<[u8]>>,
    ) -> Result<(), CallError> {
        self.command(call, |call, core| call.progress(now, core, status, sdp))
    }

    /// Answers a call; `sdp` is the answer to its offer, or an offer if it brought none.
    ///
    /// # Errors
    /// As [`Endpoint::progress`].
    pub fn accept(&mut self, now: Instant, call: CallId, sdp: Arc<[u8]>) -> Result<(), CallError> {
        self.command(call, |call, core| call.accept(now, core, sdp))
    }

    /// Refuses a call with a status from 300 to 699 and its usual reason phrase, or another one.
    /// `headers` may hold a challenge, a Retry-After, a Contact.
    ///
    /// # Errors
    /// As [`Endpoint::progress`].
    pub fn reject(
        &mut self,
        now: Instant,
        call: CallId,
        status: u16,
        reason: Option<String>,
        headers: Vec<Header>,
    ) -> Result<(), CallError> {
        self.command(call, |call, core| call.reject(now, core, status, reason, headers))
    }

    /// Offers the peer a changed session: hold, another address.
    ///
    /// # Errors
    /// If the call is not answered, or another offer is under way.
    pub fn offer(&mut self, now: Instant, call: CallId, sdp: Arc<[u8]>) -> Result<(), CallError> {
        self.command(call, |call, core| call.offer(now, core, sdp))
    }

    /// Answers the peer's [`CallEvent::Offer`], or refuses it with a status, 488 as a rule.
    ///
    /// # Errors
    /// If there is no such call or nothing to answer in it.
    pub fn answer_offer(
        &mut self,
        now: Instant,
        call: CallId,
        answer: Result<Arc<[u8]>, u16>,
    ) -> Result<(), CallError> {
        self.command(call, |call, core| call.answer_offer(now, core, answer))
    }

    /// Ends a call as its state demands: CANCEL, 603, or BYE. `headers` go into the CANCEL, the
    /// refusal or the BYE (`Reason`, for one).
    ///
    /// # Errors
    /// If there is no such call, or it is over.
    pub fn hangup(
        &mut self,
        now: Instant,
        call: CallId,
        headers: Vec<Header>,
    ) -> Result<(), CallError> {
        self.command(call, |call, core| call.hangup(now, core, headers))
    }

    /// Ends all calls.
    pub fn hangup_all(&mut self, now: Instant) {
        let mut alive: Vec<CallId> =
            self.calls.iter().filter(|(_, call)| call.is_alive()).map(|(id, _)| *id).collect();
        // In the order of their making, so that a seed gives the same run each time.
        alive.sort_unstable();
        for id in alive {
            let _ = self.hangup(now, id, Vec::new());
        }
    }

    /// Registers an address and keeps it registered.
    ///
    /// # Errors
    /// [`CallError::Full`] if there are [`MAX_REGISTRATIONS`].
    pub fn register(
        &mut self,
        now: Instant,
        config: RegistrationConfig,
    ) -> Result<RegistrationId, CallError> {
        if self.registrations.len() >= MAX_REGISTRATIONS {
            return Err(CallError::Full);
        }
        let id = RegistrationId(self.fresh_id());
        let registration = Registration::new(now, &mut self.core, id, config);
        self.registrations.insert(id, registration);
        self.settle_registration(id);
        Ok(id)
    }

    /// Removes a registration, at the registrar too. It ends with the state `Unregistered`.
    pub fn unregister(&mut self, now: Instant, id: RegistrationId) {
        self.with_registration(id, |registration, core| registration.unregister(now, core));
    }

    /// How a registration stands; `None` once it is removed.
    pub fn registration(&self, id: RegistrationId) -> Option<&RegistrationState> {
        self.registrations.get(&id).map(Registration::state)
    }

    /// Answers an [`Event::Request`]. Nothing happens if its sender has given up already.
    pub fn respond(
        &mut self,
        now: Instant,
        id: RequestId,
        request: &Inbound,
        status: u16,
        headers: Vec<Header>,
        body: Option<Body>,
    ) {
        if !self.core.transactions.is_open(id.0) {
            return;
        }
        let tag = self.core.token();
        let mut reply = Reply::status(status).tag(&tag).body(body);
        reply.headers = headers;
        self.core.reply(now, id.0, request, reply);
    }

    /// Calls whose end was not told yet.
    pub fn calls_alive(&self) -> usize {
        self.alive
    }

    /// Calls that were told to be over and are not quite: a BYE is unanswered, a 2xx may come
    /// again.
    pub fn calls_closing(&self) -> usize {
        self.calls.len() - self.alive
    }

    /// Calls of ours or of the peer's whose last requests are not answered: BYE, CANCEL, an ACK
    /// that is awaited.
    pub fn byes_pending(&self) -> usize {
        self.calls.values().filter(|call| call.is_waiting()).count()
    }

    /// Transactions under way, ended ones that still absorb retransmissions included.
    pub fn transactions(&self) -> usize {
        self.core.transactions.len()
    }

    /// True when there is no call, no registration and no transaction.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.registrations.is_empty() && self.transactions() == 0
    }

    /// What was counted.
    pub fn statistics(&self) -> Statistics {
        let guard = self.guard.as_ref().map(Guard::statistics).unwrap_or_default();
        Statistics { guard, ..self.core.statistics }
    }

    /// What it was made with.
    pub fn config(&self) -> &EndpointConfig {
        &self.core.config
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// True if no stranger may begin a call.
    fn is_full(&self) -> bool {
        let limits = &self.core.config;
        self.alive >= limits.max_calls
            || self.calls.len() >= limits.max_calls.saturating_mul(ENDED_PER_CALL)
            || self.is_crowded()
    }

    /// True if no stranger may begin anything.
    fn is_crowded(&self) -> bool {
        self.core.transactions.len() >= self.core.config.max_transactions
            || self.core.events.len() >= MAX_EVENTS
    }

    fn command(
        &mut self,
        id: CallId,
        command: impl FnOnce(&mut Session, &mut Core) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        self.with_call(id, command).unwrap_or(Err(CallError::NoSuchCall))
    }

    fn insert(&mut self, id: CallId, session: Session) {
        self.dialogs.insert(session.key.clone(), id);
        self.alive += usize::from(session.is_alive());
        self.calls.insert(id, session);
        self.with_call(id, |_, _| ());
    }

    /// Does something to a call, then puts it where its next timer is or forgets it.
    fn with_call<R>(
        &mut self,
        id: CallId,
        work: impl FnOnce(&mut Session, &mut Core) -> R,
    ) -> Option<R> {
        let session = self.calls.get_mut(&id)?;
        let was_alive = session.is_alive();
        let result = work(session, &mut self.core);
        if was_alive && !session.is_alive() {
            self.alive = self.alive.saturating_sub(1);
        }
        let next = session.poll_timeout();
        if session.is_gone() {
            self.agenda.set(Owner::Call(id), &mut session.place, None);
            self.dialogs.remove(&session.key);
            self.calls.remove(&id);
        } else {
            self.agenda.set(Owner::Call(id), &mut session.place, next);
        }
        Some(result)
    }

    fn with_registration(
        &mut self,
        id: RegistrationId,
        work: impl FnOnce(&mut Registration, &mut Core),
    ) {
        if let Some(registration) = self.registrations.get_mut(&id) {
            work(registration, &mut self.core);
        }
        self.settle_registration(id);
    }

    fn settle_registration(&mut self, id: RegistrationId) {
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        let next = registration.poll_timeout();
        let owner = Owner::Registration(id);
        if registration.is_gone() {
            self.agenda.set(owner, &mut registration.place, None);
            self.registrations.remove(&id);
        } else {
            self.agenda.set(owner, &mut registration.place, next);
        }
    }
}
