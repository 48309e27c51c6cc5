//! From a datagram to its transaction, dialog or user (RFC 3261 §8.2, §18).

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    Endpoint, Event, Reception, RequestId,
    compose::{ALLOW, SDP},
    core::{Reply, User, ack_of_refusal},
    inbound::Inbound,
};
use crate::{
    auth::{Refusal, Verdict},
    guard::Decision,
    message::{HeaderName, Message, Method, ParseError, ParseErrorKind, reject},
    session::{CallId, Session},
    transaction::{Matched, TransactionId},
    transport::{Flow, Transmit},
    verdict,
};

/// How long a caller is asked to wait when we are full, in seconds.
const BUSY_RETRY_AFTER: &str = "10";

/// How the User-Agent of tools begins that look for open switches and weak passwords. An answer of
/// any kind would tell them that there is something to try.
const SCANNERS: [&[u8]; 6] =
    [b"friendly-scanner", b"sipvicious", b"sipcli", b"sundayddr", b"sip-scan", b"pplsip"];

/// Lines about what strangers send, at most so many in each second.
const LOG_LINES: u32 = 5;

/// Magic cookie of STUN (RFC 8489 §5), behind type and length.
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Lets a few log lines a second pass.
#[derive(Debug, Default)]
pub(super) struct LogGate {
    second: Option<Instant>,
    lines: u32,
}

impl LogGate {
    fn opens(&mut self, now: Instant) -> bool {
        let same = self
            .second
            .is_some_and(|second| now.saturating_duration_since(second) < Duration::from_secs(1));
        if !same {
            self.second = Some(now);
            self.lines = 0;
        }
        self.lines = self.lines.saturating_add(1);
        self.lines <= LOG_LINES
    }
}

impl Endpoint {
    /// Takes one datagram that came from `source`.
    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) {
        self.handle_message(now, Flow::udp(source), datagram);
    }

    /// Takes one message that came over `flow`.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, datagram: &[u8]) {
        if !self.is_welcome(now, flow) {
            return;
        }
        if is_stun(datagram) {
            self.core.statistics.keep_alives += 1;
            return;
        }
        let checked =
            Message::parse(datagram).and_then(|message| message.check().map(|()| message));
        if let Ok(message) = &checked
            && message.is_request()
        {
            if is_scanner(message) {
                self.core.statistics.scanners += 1;
                return;
            }
            if message.method() == Some(Method::Register) && self.on_register(now, flow, message) {
                return;
            }
        }
        match checked.and_then(|message| Inbound::read(&message, flow)) {
            Ok(message) if message.is_request() => self.on_request(now, message),
            Ok(message) => self.on_response(now, &message),
            Err(error) => self.on_malformed(now, flow, datagram, error),
        }
    }

    /// Has the reception answer a REGISTER; false if it is not for it.
    fn on_register(&mut self, now: Instant, flow: Flow, message: &Message<'_>) -> bool {
        let Some(reception) = &mut self.reception else { return false };
        let us = (self.secret, self.core.config.user_agent.as_str());
        let Some((answer, verdict)) = reception.register(now, flow, message, us) else {
            return false;
        };
        self.core.statistics.registers += 1;
        self.judge(now, flow, verdict.as_ref());
        self.answer_stranger(now, flow, message.bytes().len(), answer);
        true
    }

    /// Asks the guard whether what comes from there is read at all.
    fn is_welcome(&mut self, now: Instant, flow: Flow) -> bool {
        let Some(guard) = &mut self.guard else { return true };
        let ip = flow.peer.ip();
        let trusted = self.reception.as_ref().is_some_and(|reception| reception.trusts(ip));
        trusted || guard.on_datagram(now, ip) == Decision::Pass
    }

    /// Tells the guard what credentials from there were worth.
    fn judge(&mut self, now: Instant, flow: Flow, verdict: Option<&Verdict>) {
        let (Some(guard), Some(verdict)) = (&mut self.guard, verdict) else { return };
        match verdict {
            Verdict::Accepted { .. } => guard.on_proof(now, flow.peer.ip()),
            // Behind a nonce of ours, which only that address was given.
            Verdict::Refused(Refusal::WrongPassword) => {
                if guard.on_failure(now, flow.peer.ip()) && self.log.opens(now) {
                    tracing::warn!(peer = %flow.peer, "Banned for a while: too many wrong passwords.");
                }
            }
            // Nothing that a third party could not have sent as well.
            Verdict::Stale
            | Verdict::Refused(
                Refusal::Missing | Refusal::Malformed | Refusal::WrongUri | Refusal::ForeignNonce,
            ) => {}
        }
    }

    /// Sends an answer for which nobody has proven anything, unless it would make us a weapon.
    fn answer_stranger(&mut self, now: Instant, flow: Flow, received: usize, answer: Transmit) {
        if let Some(guard) = &mut self.guard {
            let ip = flow.peer.ip();
            let trusted = self.reception.as_ref().is_some_and(|reception| reception.trusts(ip));
            // Who has made a connection gets what we send: nobody can do that in another's name.
            let proven = trusted || flow.transport.is_reliable();
            if !proven && !guard.may_answer(now, ip, received, answer.payload.len()) {
                return;
            }
        }
        self.core.transmit(answer);
    }

    /// A connection has ended, or could not be made: what waits for an answer there has waited in
    /// vain, and phones that are reached by it cannot be reached any more (RFC 5626 §5.3).
    pub fn handle_closed(&mut self, now: Instant, flow: Flow) {
        for (transaction, user) in self.core.transactions.fail_flow(flow) {
            self.on_request_timeout(now, transaction, user);
        }
        if let Some(registrar) = self.reception.as_mut().and_then(Reception::registrar_mut) {
            registrar.remove_flow(flow);
        }
    }

    fn on_malformed(&mut self, now: Instant, flow: Flow, datagram: &[u8], error: ParseError) {
        if error.kind == ParseErrorKind::KeepAlive {
            self.core.statistics.keep_alives += 1;
            return;
        }
        self.core.statistics.malformed += 1;
        if self.log.opens(now) {
            tracing::warn!(peer = %flow.peer, %error, "Message not understood.");
        }
        // An answer goes to where the datagram came from, whatever its Via says.
        if let Some(bytes) = reject(datagram, &error) {
            let answer = Transmit::new(flow, bytes.into());
            self.answer_stranger(now, flow, datagram.len(), answer);
        }
    }

    fn on_response(&mut self, now: Instant, response: &Inbound) {
        let message = response.message();
        let branch = response.top_via.branch.as_deref().unwrap_or_default();
        // §8.1.3.3: several Vias mean that it was not for us.
        if message.values(HeaderName::Via).nth(1).is_some() {
            self.core.statistics.strays += 1;
            return;
        }
        let core = &mut self.core;
        let matched = core.transactions.on_response(
            now,
            (branch, response.method.as_str()),
            response.status(),
            |invite| ack_of_refusal(invite, response),
            &mut core.transmits,
        );
        let Some((transaction, user)) = matched else {
            self.core.statistics.strays += 1;
            return;
        };
        match user {
            User::Invite(call)
            | User::Cancel(call)
            | User::Reinvite(call)
            | User::Bye(call)
            | User::ForkBye(call)
            | User::Served(call) => {
                self.with_call(call, |call, core| {
                    call.on_response(now, core, (transaction, user), response);
                });
            }
            User::Register(id) => self.with_registration(id, |registration, core| {
                registration.on_response(now, core, transaction, response);
            }),
            User::Request | User::Nobody => {}
        }
    }

    pub(super) fn on_request_timeout(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        user: User,
    ) {
        match user {
            User::Invite(call)
            | User::Cancel(call)
            | User::Reinvite(call)
            | User::Bye(call)
            | User::ForkBye(call)
            | User::Served(call) => {
                self.with_call(call, |call, core| {
                    call.on_request_timeout(now, core, transaction, user);
                });
            }
            User::Register(id) => self.with_registration(id, |registration, core| {
                registration.on_timeout(now, core, transaction);
            }),
            User::Request | User::Nobody => {}
        }
    }

    fn on_request(&mut self, now: Instant, request: Inbound) {
        let is_ack = request.method == Method::Ack;
        let key_method = if is_ack { Method::Invite } else { request.method };
        let key = request.server_key(key_method);
        let core = &mut self.core;
        match core.transactions.on_request(now, &key, is_ack, &mut core.transmits) {
            Matched::Retransmission | Matched::Ack { accepted: None } => return,
            Matched::Ack { accepted: Some(_) } | Matched::New => {}
        }
        if is_ack {
            self.on_ack(now, &request);
        } else if request.method == Method::Cancel {
            self.on_cancel(now, key, &request);
        } else if request.to.tag.is_some() {
            self.on_request_in_dialog(now, key, request);
        } else {
            self.on_new_request(now, key, request);
        }
    }

    /// An ACK of a 2xx. It is matched by its dialog (§13.3.1.4).
    fn on_ack(&mut self, now: Instant, ack: &Inbound) {
        match self.call_of(ack) {
            Some(call) => {
                self.with_call(call, |call, core| call.on_ack(now, core, ack));
            }
            None => self.core.statistics.strays += 1,
        }
    }

    fn on_cancel(&mut self, now: Instant, key: String, cancel: &Inbound) {
        let invite = self.core.transactions.invite_of(&cancel.server_key(Method::Invite));
        let Some((invite, user, is_open)) = invite else {
            self.refuse(now, cancel, Reply::status(481));
            return;
        };
        let flow = cancel.reply_flow();
        let opened = self.core.transactions.accept(now, key, None, (false, flow), User::Nobody);
        let Ok(transaction) = opened else { return };
        // §9.2: the To tag is that of the INVITE's responses.
        let call = match user {
            User::Served(call) => Some(call),
            User::Invite(_)
            | User::Cancel(_)
            | User::Reinvite(_)
            | User::Bye(_)
            | User::ForkBye(_)
            | User::Register(_)
            | User::Request
            | User::Nobody => None,
        };
        let tag = call.and_then(|call| self.calls.get(&call)).map(|call| call.key.1.clone());
        let reply = Reply { to_tag: tag, ..Reply::status(200) };
        self.core.reply(now, transaction, cancel, reply);
        if let (true, Some(call)) = (is_open, call) {
            self.with_call(call, |call, core| call.on_cancel(now, core, invite, cancel));
        }
    }

    fn on_request_in_dialog(&mut self, now: Instant, key: String, request: Inbound) {
        let Some(call) = self.call_of(&request) else {
            self.refuse(now, &request, Reply::status(481));
            return;
        };
        if let Some(refusal) = refusal(&request) {
            self.refuse(now, &request, refusal);
            return;
        }
        let is_invite = request.method == Method::Invite;
        let flow = request.reply_flow();
        let user = User::Served(call);
        let Ok(transaction) =
            self.core.transactions.accept(now, key, None, (is_invite, flow), user)
        else {
            self.core.statistics.refused_by_limit += 1;
            self.refuse(now, &request, Reply::status(503).header("Retry-After", BUSY_RETRY_AFTER));
            return;
        };
        if is_invite {
            self.core.reply(now, transaction, &request, Reply::status(100));
        }
        self.with_call(call, |call, core| call.on_request(now, core, transaction, request));
    }

    fn on_new_request(&mut self, now: Instant, key: String, request: Inbound) {
        let refusal = refusal(&request).or_else(|| {
            let source = request.source_key();
            self.core.transactions.is_merged(&source).then(|| Reply::status(482))
        });
        if let Some(refusal) = refusal {
            self.refuse(now, &request, refusal);
            return;
        }
        let is_invite = request.method == Method::Invite;
        if (is_invite && self.is_full()) || self.is_crowded() {
            self.core.statistics.refused_by_limit += 1;
            self.refuse(now, &request, Reply::status(503).header("Retry-After", BUSY_RETRY_AFTER));
            return;
        }
        if self.core.config.handled.contains(&request.method) && !is_invite {
            if let Ok(id) = self.open(now, key, &request, User::Request) {
                let request = Box::new(request);
                self.core.events.push_back(Event::Request { id: RequestId(id), request });
            }
            return;
        }
        match request.method {
            Method::Invite => self.on_invite(now, key, request),
            Method::Options => {
                let reply = Reply::status(200).header("Allow", ALLOW).header("Accept", SDP);
                self.refuse(now, &request, reply);
            }
            // These live in dialogs or subscriptions only.
            Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Notify => {
                self.refuse(now, &request, Reply::status(481));
            }
            Method::Register
            | Method::Subscribe
            | Method::Publish
            | Method::Refer
            | Method::Message
            | Method::Ack
            | Method::Cancel => {
                self.refuse(now, &request, Reply::status(405).header("Allow", ALLOW));
            }
            Method::Other(_) => {
                self.refuse(now, &request, Reply::status(501).header("Allow", ALLOW));
            }
        }
    }

    fn on_invite(&mut self, now: Instant, key: String, mut request: Inbound) {
        if let Some(reception) = &mut self.reception {
            let (admitted, verdict) = reception.admit(now, &request);
            self.judge(now, request.flow, verdict.as_ref());
            match admitted {
                Ok(sender) => request.sender = sender,
                Err(refusal) => {
                    self.refuse(now, &request, refusal);
                    return;
                }
            }
        }
        let id = CallId(self.fresh_id());
        let Ok(transaction) = self.open(now, key, &request, User::Served(id)) else { return };
        // At once rather than after 200 ms (§17.2.1): the user may be asked over a network.
        self.core.reply(now, transaction, &request, Reply::status(100));
        let session = Session::incoming(now, &mut self.core, id, transaction, request.clone());
        self.insert(id, session);
        self.core.events.push_back(Event::Incoming { call: id, request: Box::new(request) });
    }

    fn open(
        &mut self,
        now: Instant,
        key: String,
        request: &Inbound,
        user: User,
    ) -> Result<TransactionId, crate::transaction::TableFull> {
        let what = (request.method == Method::Invite, request.reply_flow());
        self.core.transactions.accept(now, key, Some(request.source_key()), what, user)
    }

    /// Answers without a transaction (§8.2.7): retransmissions get the same answer again, and a
    /// stranger's request leaves nothing behind.
    fn refuse(&mut self, now: Instant, request: &Inbound, mut reply: Reply) {
        let mut hasher = DefaultHasher::new();
        self.secret.hash(&mut hasher);
        request.server_key(request.method).hash(&mut hasher);
        reply.to_tag = Some(format!("{:016x}", hasher.finish()));
        let bytes = reply.bytes(request, &self.core.config);
        let answer = Transmit::new(request.reply_flow(), bytes);
        let received = request.message().bytes().len();
        self.answer_stranger(now, request.flow, received, answer);
    }

    /// The call in whose dialog the message is. All three of Call-ID and tags must be right.
    fn call_of(&self, message: &Inbound) -> Option<CallId> {
        let key = (message.call_id.clone(), message.to.tag.clone()?);
        let id = *self.dialogs.get(&key)?;
        self.calls.get(&id)?.owns(message).then_some(id)
    }
}

/// What is wrong with a request before its method is looked at (§8.2.2, §8.2.3). Max-Forwards 0 is
/// not: whom a request has reached need not forward it (§16.3).
fn refusal(request: &Inbound) -> Option<Reply> {
    let refusal = verdict::user_agent(&request.message()).err()?;
    Some(Reply { headers: refusal.headers, ..Reply::status(refusal.status.as_u16()) })
}

/// True if the request says that it comes from a scanner. Who hides that is met by other means.
fn is_scanner(message: &Message<'_>) -> bool {
    let agent = message.header(HeaderName::UserAgent).unwrap_or_default();
    SCANNERS
        .iter()
        .any(|name| agent.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name)))
}

fn is_stun(datagram: &[u8]) -> bool {
    // RFC 7983: the first byte of STUN is 0 to 3, that of SIP is a letter.
    datagram.first().is_some_and(|first| *first < 4) && datagram.get(4..8) == Some(&STUN_COOKIE)
}
