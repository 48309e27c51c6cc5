//! What calls, registrations and the endpoint share: transactions, the queues, randomness.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Instant};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    EndpointConfig, MAX_EVENTS, Statistics,
    compose::{self, Body, Header, OurVia, RequestHead},
    event::{CallEvent, Event},
    inbound::{Inbound, MAGIC_COOKIE},
};
use crate::{
    message::{HeaderName, Method},
    registration::RegistrationId,
    session::{CallError, CallId},
    transaction::{ClientRequest, TransactionId, Transactions},
    transport::{Flow, Transmit, TransportKind},
};

/// Who uses a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// The INVITE that began a call of ours.
    Invite(CallId),
    /// Its CANCEL.
    Cancel(CallId),
    /// An INVITE of ours inside a call.
    Reinvite(CallId),
    /// The BYE that ends a call.
    Bye(CallId),
    /// The BYE to a phone that answered too late.
    ForkBye(CallId),
    /// A request that the peer sent in a call.
    Served(CallId),
    /// A REGISTER of ours.
    Register(RegistrationId),
    /// A request that waits for the user's answer.
    Request,
    /// A request that is answered already.
    Nobody,
}

/// A response under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) reason: Option<String>,
    pub(crate) to_tag: Option<String>,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Option<Body>,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(Header::new(name, value));
        self
    }

    pub(crate) fn tag(mut self, tag: &str) -> Self {
        self.to_tag = Some(tag.to_owned());
        self
    }

    pub(crate) fn body(mut self, body: Option<Body>) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn bytes(&self, request: &Inbound, config: &EndpointConfig) -> Arc<[u8]> {
        let mut headers = self.headers.clone();
        headers.push(Header::new("Server", config.user_agent.clone()));
        let first = (self.status, self.reason.as_deref());
        let to_tag = self.to_tag.as_deref();
        compose::response(request, first, to_tag, &headers, self.body.as_ref())
    }
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: EndpointConfig,
    pub(crate) transactions: Transactions<User>,
    pub(crate) transmits: VecDeque<Transmit>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) statistics: Statistics,
    pub(crate) rng: StdRng,
}

impl Core {
    pub(crate) fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        // A quarter on top is for calls that exist: they go on when strangers have used up the rest.
        let limit = config.max_transactions.saturating_add(config.max_transactions / 4);
        Self {
            transactions: Transactions::new(config.timers, limit),
            config,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            statistics: Statistics::default(),
            rng: StdRng::from_seed(seed),
        }
    }

    /// Text that nobody can guess, for tags, branches and Call-IDs: 120 bits.
    pub(crate) fn token(&mut self) -> String {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut bits: u128 = self.rng.random();
        let mut token = String::with_capacity(24);
        for _ in 0..24 {
            // Below 32, the alphabet's length.
            token.push(char::from(ALPHABET[(bits & 31) as usize]));
            bits >>= 5;
        }
        token
    }

    /// A CSeq to begin with (§8.1.1.5: below 2^31); low, so that it is easy to read in a capture.
    pub(crate) fn first_cseq(&mut self) -> u32 {
        self.rng.random_range(1..10_000)
    }

    /// A Contact value that reaches this endpoint over a transport.
    pub(crate) fn contact(&self, user: &str, transport: TransportKind) -> String {
        format!("<sip:{user}@{}>", self.address(transport))
    }

    /// Our Contact in answer to `request`: under the user that was asked for, over what it came.
    pub(crate) fn contact_for(&self, request: &Inbound) -> String {
        let user = crate::message::Uri::parse(request.request_uri().as_bytes())
            .ok()
            .and_then(|uri| uri.user().map(str::to_owned));
        let transport = request.flow.transport;
        match user {
            Some(user) => self.contact(&user, transport),
            None => format!("<sip:{}>", self.address(transport)),
        }
    }

    /// The host part and parameters of our URI over a transport. There, `tls` is what peers write
    /// and understand, though RFC 3261 §26.2.2 wanted it gone.
    fn address(&self, transport: TransportKind) -> String {
        let address = self.sent_by(transport);
        match transport {
            TransportKind::Udp => address.to_string(),
            TransportKind::Tcp | TransportKind::Tls | TransportKind::Ws | TransportKind::Wss => {
                format!("{address};transport={}", transport.via_name().to_ascii_lowercase())
            }
        }
    }

    /// Where peers reach us over a transport.
    fn sent_by(&self, transport: TransportKind) -> SocketAddr {
        let own = match transport {
            TransportKind::Tls | TransportKind::Wss => self.config.advertised_tls,
            TransportKind::Udp | TransportKind::Tcp | TransportKind::Ws => None,
        };
        own.unwrap_or(self.config.advertised)
    }

    /// Begins a client's transaction.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        head: &RequestHead,
        flow: Flow,
        headers: &[Header],
        body: Option<&Body>,
        user: User,
    ) -> Result<TransactionId, CallError> {
        let branch = format!("{MAGIC_COOKIE}{}", self.token());
        let bytes = self.compose(head, flow, &branch, headers, body);
        let request = ClientRequest { branch: &branch, method: head.method.as_str(), bytes, flow };
        self.transactions.send(now, request, user, &mut self.transmits).map_err(|_| CallError::Full)
    }

    /// Sends the ACK of a 2xx, which has a branch of its own and no transaction (§13.2.2.4).
    pub(crate) fn send_ack(
        &mut self,
        head: &RequestHead,
        flow: Flow,
        headers: &[Header],
    ) -> Transmit {
        let branch = format!("{MAGIC_COOKIE}{}", self.token());
        let bytes = self.compose(head, flow, &branch, headers, None);
        let ack = Transmit::new(flow, bytes);
        self.transmit(ack.clone());
        ack
    }

    /// Sends a request that nobody waits for the answer of.
    pub(crate) fn send_once(&mut self, head: &RequestHead, flow: Flow) {
        let branch = format!("{MAGIC_COOKIE}{}", self.token());
        let bytes = self.compose(head, flow, &branch, &[], None);
        self.transmit(Transmit::new(flow, bytes));
    }

    fn compose(
        &self,
        head: &RequestHead,
        flow: Flow,
        branch: &str,
        headers: &[Header],
        body: Option<&Body>,
    ) -> Arc<[u8]> {
        let sent_by = &self.sent_by(flow.transport);
        let via = OurVia { transport: flow.transport, sent_by, branch };
        let mut all = headers.to_vec();
        all.push(Header::new("User-Agent", self.config.user_agent.clone()));
        compose::request(head, &via, &all, body)
    }

    /// Sends the CANCEL of an INVITE (§9.1): same Request-URI, Call-ID, To, From, CSeq number,
    /// Route and top Via.
    pub(crate) fn cancel(
        &mut self,
        now: Instant,
        invite: TransactionId,
        flow: Flow,
        headers: &[Header],
        user: User,
    ) {
        let Some(bytes) = self.transactions.invite_bytes(invite) else { return };
        let Some((branch, bytes)) = compose::of_invite(&bytes, Method::Cancel, None, headers)
        else {
            return;
        };
        let request = ClientRequest { branch: &branch, method: "CANCEL", bytes, flow };
        // Without room for it the INVITE runs into its own end.
        let _ = self.transactions.send(now, request, user, &mut self.transmits);
    }

    /// Sends a response through its transaction.
    pub(crate) fn reply(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        request: &Inbound,
        reply: Reply,
    ) -> Arc<[u8]> {
        let bytes = reply.bytes(request, &self.config);
        self.respond_bytes(now, transaction, reply.status, bytes.clone());
        bytes
    }

    pub(crate) fn respond_bytes(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        status: u16,
        bytes: Arc<[u8]>,
    ) {
        self.transactions.respond(now, transaction, status, bytes, &mut self.transmits);
    }

    pub(crate) fn transmit(&mut self, transmit: Transmit) {
        self.transmits.push_back(transmit);
    }

    /// Tells the user. Progress is dropped when nobody listens; what a call cannot do without is
    /// kept, and is bounded by the number of calls.
    pub(crate) fn emit(&mut self, call: CallId, event: CallEvent) {
        let may_drop = match &event {
            CallEvent::Progress { .. } | CallEvent::Info { .. } => true,
            CallEvent::Answered { .. }
            | CallEvent::MediaAnswer { .. }
            | CallEvent::Offer { .. }
            | CallEvent::OfferAnswered { .. }
            | CallEvent::OfferRefused { .. }
            | CallEvent::Ended(_) => false,
        };
        if may_drop && self.events.len() >= MAX_EVENTS {
            self.statistics.events_dropped += 1;
            return;
        }
        self.events.push_back(Event::Call { call, event });
    }
}

/// The ACK of a refusal (§17.1.1.3): the INVITE's copy with the response's To.
pub(crate) fn ack_of_refusal(invite: &[u8], response: &Inbound) -> Option<Arc<[u8]>> {
    let to = response.message().header(HeaderName::To)?.to_vec();
    compose::of_invite(invite, Method::Ack, Some(&to), &[]).map(|(_, bytes)| bytes)
}
