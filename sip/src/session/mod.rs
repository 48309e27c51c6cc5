//! Calls: INVITE sessions from the first request to the last absorbed retransmission (RFC 3261
//! §13–15).
//!
//! A session knows who owes an offer or an answer and what is still due on the wire. What offers
//! and answers say is the user's business: session descriptions are opaque here.

mod in_dialog;
mod offer;
mod uac;
mod uas;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use uac::OutgoingCall;

use crate::{
    dialog::Dialog,
    endpoint::{
        compose::{Body, Header},
        core::{Core, Reply, User},
        event::{CallEvent, Ended, EndedBy},
        inbound::Inbound,
        login::{Login, Place},
    },
    message::Method,
    transaction::{TimerTable, TransactionId},
    transport::Transmit,
};

/// Answers of different phones to one INVITE that a call keeps apart.
const MAX_FORKS: usize = 16;

/// How long an incoming call may ring before we refuse it with 480.
const RING_LIMIT: Duration = Duration::from_secs(180);

/// How often a provisional response is repeated, so that no proxy gives up (§13.3.1.1).
const REPEAT_PROVISIONAL: Duration = Duration::from_secs(60);

/// How long the user may think about the peer's new offer before we refuse it with 500.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Names one call of one endpoint; never used again. It is not the Call-ID header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(crate) u64);

impl std::fmt::Display for CallId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why a command to a call was not carried out. The call goes on as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The call is over or never was.
    #[error("there is no such call")]
    NoSuchCall,
    /// The call's state does not allow it: who rings cannot offer, who talks cannot accept.
    #[error("the call's state does not allow it")]
    WrongState,
    /// An offer of either side is under way; try again when it is answered.
    #[error("another offer is under way")]
    OfferPending,
    /// The endpoint holds as many transactions as it may.
    #[error("the endpoint has no room for another transaction")]
    Full,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: CallId,
    /// The dialog's Call-ID and our tag: under these all messages of the call are found.
    pub(crate) key: (String, String),
    stage: Stage,
    timers: TimerTable<SessionTimer>,
    pub(crate) place: Option<Instant>,
    /// Acknowledgements of 2xx, to be repeated when a 2xx is (§13.2.2.4).
    acks: Vec<SentAck>,
    /// Until when another 2xx to our INVITE may come (RFC 6026, timer M).
    forks_until: Option<Instant>,
    login: Login,
}

/// Where the call stands.
#[derive(Debug)]
enum Stage {
    /// We called; there is no final response yet.
    Calling(Box<uac::Outgoing>),
    /// We are called and have not given a final response.
    Ringing(Box<uas::Incoming>),
    /// It was answered.
    Up(Box<Up>),
    /// The user knows that it is over; the wire does not yet.
    Closing(Box<Closing>),
}

/// An answered call.
#[derive(Debug)]
struct Up {
    dialog: Dialog,
    unacked: Option<Unacked>,
    theirs: Option<offer::Theirs>,
    ours: Option<offer::Ours>,
    /// True if we called: decides who waits longer after glare (§14.1).
    we_called: bool,
}

/// A call of which something is still on the wire.
#[derive(Debug)]
struct Closing {
    dialog: Option<Dialog>,
    /// An INVITE that was not finally answered when the call ended.
    invite: Option<TransactionId>,
    /// A 2xx that the peer has not acknowledged: our BYE waits for it (§15).
    unacked: Option<Unacked>,
    bye: Option<TransactionId>,
    /// For a BYE that is held back or has to be repeated with credentials.
    bye_headers: Vec<Header>,
}

/// Our 2xx to an INVITE, sent again until its ACK comes (§13.3.1.4).
#[derive(Debug)]
struct Unacked {
    invite: TransactionId,
    cseq: u32,
    message: Arc<[u8]>,
    interval: Duration,
    /// True if the 2xx carried an offer, so that the ACK must carry the answer.
    wants_answer: bool,
    /// False for the 2xx of a re-INVITE.
    is_first: bool,
}

#[derive(Debug)]
struct SentAck {
    tag: String,
    cseq: u32,
    ack: Transmit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionTimer {
    /// When to send a 2xx again (§13.3.1.4).
    Retransmit2xx,
    /// When to give up waiting for an ACK (§13.3.1.4).
    AckMissing,
    /// When a cancelled INVITE counts as cancelled though nothing answered (§9.1).
    CancelGiveUp,
    /// When to stop ringing at the user.
    RingLimit,
    /// When to repeat the last provisional response (§13.3.1.1).
    RepeatProvisional,
    /// When to refuse an offer that the user does not answer.
    AnswerLimit,
    /// When to offer again after glare (§14.1).
    OfferAgain,
    /// When nothing of an ended call can arrive any more.
    Linger,
}

impl Session {
    fn new(id: CallId, key: (String, String), stage: Stage, login: Login) -> Self {
        Self {
            id,
            key,
            stage,
            timers: TimerTable::default(),
            place: None,
            acks: Vec::new(),
            forks_until: None,
            login,
        }
    }

    /// True when nothing of the call is left to do.
    pub(crate) fn is_gone(&self) -> bool {
        match &self.stage {
            Stage::Closing(closing) => {
                closing.bye.is_none()
                    && closing.unacked.is_none()
                    && closing.invite.is_none()
                    && self.timers.next().is_none()
            }
            Stage::Calling(_) | Stage::Ringing(_) | Stage::Up(_) => false,
        }
    }

    /// True if the call is over for the user and the peer still owes us a message.
    pub(crate) fn is_waiting(&self) -> bool {
        match &self.stage {
            Stage::Closing(closing) => {
                closing.bye.is_some() || closing.unacked.is_some() || closing.invite.is_some()
            }
            Stage::Calling(_) | Stage::Ringing(_) | Stage::Up(_) => false,
        }
    }

    /// True until the user has been told that the call is over.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.stage, Stage::Closing(_))
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Ends the call as its state demands: CANCEL, a refusal, or BYE. The event `Ended` comes at
    /// once, but for a call that is being cancelled: how that ends is for the peer to say.
    pub(crate) fn hangup(
        &mut self,
        now: Instant,
        core: &mut Core,
        headers: Vec<Header>,
    ) -> Result<(), CallError> {
        match &mut self.stage {
            Stage::Calling(_) => {
                self.cancel(now, core, headers);
                Ok(())
            }
            Stage::Ringing(_) => self.reject(now, core, 603, None, headers),
            Stage::Up(_) => {
                self.bye(now, core, headers, Ended::new(EndedBy::Local));
                Ok(())
            }
            Stage::Closing(_) => Err(CallError::NoSuchCall),
        }
    }

    /// Tells the user and leaves the dialog with a BYE, now or when the peer's ACK has come.
    fn bye(&mut self, now: Instant, core: &mut Core, headers: Vec<Header>, ended: Ended) {
        let Some(up) = self.close(now, core, ended) else { return };
        let hold_back = up.unacked.filter(|unacked| unacked.is_first);
        if hold_back.is_none() {
            self.stop_2xx();
        }
        self.stage = Stage::Closing(Box::new(Closing {
            dialog: Some(up.dialog),
            invite: None,
            bye: None,
            bye_headers: headers,
            unacked: hold_back,
        }));
        self.send_bye_unless_held_back(now, core);
    }

    fn send_bye_unless_held_back(&mut self, now: Instant, core: &mut Core) {
        let Stage::Closing(closing) = &mut self.stage else { return };
        let (None, Some(dialog)) = (&closing.unacked, &mut closing.dialog) else { return };
        let (head, flow) = dialog.next_request(Method::Bye);
        let mut headers = self.login.headers(&mut core.rng, Method::Bye, &head.uri, b"");
        headers.extend(closing.bye_headers.iter().cloned());
        // Without room for a transaction the peer has to find out by itself.
        closing.bye = core.send(now, &head, flow, &headers, None, User::Bye(self.id)).ok();
    }

    /// Leaves the answered state: refuses what the peer asked, tells the user.
    fn close(&mut self, now: Instant, core: &mut Core, ended: Ended) -> Option<Up> {
        let linger = self.forks_until.filter(|until| *until > now);
        let closing = Closing {
            dialog: None,
            invite: None,
            unacked: None,
            bye: None,
            bye_headers: Vec::new(),
        };
        if !self.is_alive() {
            return None;
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Closing(Box::new(closing)));
        for timer in [
            SessionTimer::AnswerLimit,
            SessionTimer::OfferAgain,
            SessionTimer::RingLimit,
            SessionTimer::RepeatProvisional,
        ] {
            self.timers.stop(timer);
        }
        if let Some(until) = linger {
            self.timers.set(SessionTimer::Linger, until);
        }
        core.emit(self.id, CallEvent::Ended(Box::new(ended)));
        let Stage::Up(mut up) = stage else { return None };
        if let Some(theirs) = up.theirs.take() {
            // §15.1.2: requests that are pending when the BYE comes or goes get a 487.
            core.reply(now, theirs.transaction, &theirs.request, Reply::status(487));
        }
        if let Some(reinvite) = up.ours.take().and_then(|ours| ours.transaction()) {
            core.transactions.abandon_later(now, reinvite);
        }
        Some(*up)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, core: &mut Core) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                SessionTimer::Retransmit2xx => self.repeat_2xx(now, core),
                SessionTimer::AckMissing => self.ack_missing(now, core),
                SessionTimer::CancelGiveUp => self.cancel_gave_up(now, core),
                SessionTimer::RingLimit => {
                    let _ = self.reject(now, core, 480, None, Vec::new());
                }
                SessionTimer::RepeatProvisional => self.repeat_provisional(now, core),
                SessionTimer::AnswerLimit => {
                    let _ = self.answer_offer(now, core, Err(500));
                }
                SessionTimer::OfferAgain => self.offer_again(now, core),
                SessionTimer::Linger => {}
            }
        }
    }

    fn unacked(&mut self) -> Option<&mut Option<Unacked>> {
        match &mut self.stage {
            Stage::Up(up) => Some(&mut up.unacked),
            Stage::Closing(closing) => Some(&mut closing.unacked),
            Stage::Calling(_) | Stage::Ringing(_) => None,
        }
    }

    /// Sends a 2xx that the transaction layer will not repeat, and waits for its ACK.
    fn expect_ack(&mut self, now: Instant, core: &Core, unacked: Unacked) {
        self.timers.set(SessionTimer::Retransmit2xx, now + unacked.interval);
        self.timers.set(SessionTimer::AckMissing, now + core.config.timers.give_up());
        if let Some(place) = self.unacked() {
            *place = Some(unacked);
        }
    }

    fn repeat_2xx(&mut self, now: Instant, core: &mut Core) {
        let t2 = core.config.timers.t2;
        let Some(Some(unacked)) = self.unacked() else { return };
        unacked.interval = unacked.interval.saturating_mul(2).min(t2);
        core.respond_bytes(now, unacked.invite, 200, unacked.message.clone());
        let next = now + unacked.interval;
        self.timers.set(SessionTimer::Retransmit2xx, next);
    }

    fn ack_missing(&mut self, now: Instant, core: &mut Core) {
        self.timers.stop(SessionTimer::Retransmit2xx);
        let Some(unacked) = self.unacked() else { return };
        *unacked = None;
        if self.is_alive() {
            let ended = Ended::new(EndedBy::Timeout).reason("the answer was never acknowledged");
            self.bye(now, core, Vec::new(), ended);
        } else {
            self.send_bye_unless_held_back(now, core);
        }
    }

    /// Takes an ACK of a 2xx.
    pub(crate) fn on_ack(&mut self, now: Instant, core: &mut Core, ack: &Inbound) {
        let matches = |unacked: &Unacked| unacked.cseq == ack.cseq;
        let Some(place) = self.unacked() else { return };
        let Some(unacked) = place.take_if(|unacked| matches(unacked)) else { return };
        self.stop_2xx();
        if !self.is_alive() {
            self.send_bye_unless_held_back(now, core);
        } else if unacked.wants_answer {
            match ack.sdp() {
                Some(sdp) => core.emit(self.id, CallEvent::MediaAnswer { sdp }),
                None => {
                    // §13.2.1: the answer had to be here; without it there is no session.
                    let ended = Ended::new(EndedBy::Failure).reason("the ACK carried no answer");
                    self.bye(now, core, Vec::new(), ended);
                }
            }
        }
    }

    /// Acknowledges a 2xx and remembers the ACK for the next copy of the 2xx.
    fn acknowledge(&mut self, core: &mut Core, dialog: &Dialog, tag: &str, cseq: u32) {
        let (head, flow) = dialog.ack(cseq);
        let ack = core.send_ack(&head, flow, self.login.of_invite());
        self.acks.retain(|sent| sent.tag != tag);
        if self.acks.len() < MAX_FORKS {
            self.acks.push(SentAck { tag: tag.to_owned(), cseq, ack });
        }
    }

    fn stop_2xx(&mut self) {
        self.timers.stop(SessionTimer::Retransmit2xx);
        self.timers.stop(SessionTimer::AckMissing);
    }

    /// True if the 2xx was acknowledged before; then it was again.
    fn acknowledge_again(&self, core: &mut Core, tag: &str, cseq: u32) -> bool {
        match self.acks.iter().find(|sent| sent.tag == tag && sent.cseq == cseq) {
            Some(sent) => {
                core.transmit(sent.ack.clone());
                true
            }
            None => false,
        }
    }

    /// Takes a response to a request of this call.
    pub(crate) fn on_response(
        &mut self,
        now: Instant,
        core: &mut Core,
        (transaction, user): (TransactionId, User),
        response: &Inbound,
    ) {
        let status = response.status();
        match user {
            User::Invite(_) => self.on_invite_response(now, core, transaction, response),
            User::Reinvite(_) => self.on_reinvite_response(now, core, transaction, response),
            User::Bye(_) if status >= 200 => {
                let Stage::Closing(closing) = &mut self.stage else { return };
                if closing.bye != Some(transaction) {
                    return;
                }
                closing.bye = None;
                let uri = closing.dialog.as_ref().map(Dialog::request_uri).unwrap_or_default();
                let request = (Method::Bye, uri.as_str(), &[][..]);
                if self.login.on_challenge(&mut core.rng, response, request, Place::InDialog) {
                    self.send_bye_unless_held_back(now, core);
                }
            }
            User::Bye(_)
            | User::Cancel(_)
            | User::ForkBye(_)
            | User::Served(_)
            | User::Register(_)
            | User::Request
            | User::Nobody => {}
        }
    }

    /// A request of this call was never answered.
    pub(crate) fn on_request_timeout(
        &mut self,
        now: Instant,
        core: &mut Core,
        transaction: TransactionId,
        user: User,
    ) {
        match user {
            User::Invite(_) => self.on_invite_timeout(now, core),
            User::Reinvite(_) => self.on_reinvite_timeout(now, core, transaction),
            User::Bye(_) => {
                if let Stage::Closing(closing) = &mut self.stage
                    && closing.bye == Some(transaction)
                {
                    closing.bye = None;
                }
            }
            User::Cancel(_)
            | User::ForkBye(_)
            | User::Served(_)
            | User::Register(_)
            | User::Request
            | User::Nobody => {}
        }
    }
}

fn sdp_body(sdp: Option<Arc<[u8]>>) -> Option<Body> {
    sdp.map(Body::sdp)
}
