//! Changing an answered session: re-INVITE and UPDATE from either side (RFC 3261 §14, RFC 3311).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::Rng as _;

use super::{
    ANSWER_LIMIT, CallError, Session, SessionTimer, Stage, Unacked, in_dialog::retry_after,
    sdp_body,
};
use crate::{
    endpoint::{
        compose::{ALLOW, Header},
        core::{Core, Reply, User},
        event::{CallEvent, Ended, EndedBy},
        inbound::Inbound,
        login::Place,
    },
    message::Method,
    transaction::TransactionId,
};

/// How often an offer of ours is made again after glare.
const MAX_GLARE: u8 = 5;

/// The peer's offer, or its request for one, that the user has not answered.
#[derive(Debug)]
pub(super) struct Theirs {
    pub(super) transaction: TransactionId,
    pub(super) request: Inbound,
}

/// Our offer.
#[derive(Debug)]
pub(super) struct Ours {
    sdp: Arc<[u8]>,
    /// The re-INVITE under way; none between glare and the next try.
    reinvite: Option<(TransactionId, u32)>,
    glare: u8,
}

impl Ours {
    /// The re-INVITE under way.
    pub(super) fn transaction(&self) -> Option<TransactionId> {
        self.reinvite.map(|(transaction, _)| transaction)
    }
}

impl Session {
    /// Takes a re-INVITE. 100 was sent already.
    pub(super) fn on_reinvite(
        &mut self,
        now: Instant,
        core: &mut Core,
        transaction: TransactionId,
        request: Inbound,
    ) {
        match &self.stage {
            // §14.2: an INVITE before the final answer to the one before it.
            Stage::Ringing(_) | Stage::Calling(_) => {
                let reply = Reply::status(500).header("Retry-After", retry_after(core));
                core.reply(now, transaction, &request, reply);
            }
            Stage::Closing(_) => {
                core.reply(now, transaction, &request, Reply::status(481));
            }
            Stage::Up(_) => self.on_offer(now, core, transaction, request),
        }
    }

    pub(super) fn on_update(
        &mut self,
        now: Instant,
        core: &mut Core,
        transaction: TransactionId,
        request: Inbound,
    ) {
        let has_offer = request.sdp().is_some();
        match &mut self.stage {
            Stage::Closing(_) => {
                core.reply(now, transaction, &request, Reply::status(481));
            }
            // RFC 3311 §5.2: our offer in the INVITE is not answered; theirs is not answered by us.
            Stage::Calling(_) if has_offer => {
                core.reply(now, transaction, &request, Reply::status(491));
            }
            Stage::Ringing(_) if has_offer => {
                let reply = Reply::status(500).header("Retry-After", retry_after(core));
                core.reply(now, transaction, &request, reply);
            }
            Stage::Up(_) if has_offer => self.on_offer(now, core, transaction, request),
            Stage::Calling(_) | Stage::Ringing(_) | Stage::Up(_) => {
                if let Stage::Up(up) = &mut self.stage {
                    up.dialog.refresh_target(&request);
                }
                let contact = core.contact_for(&request);
                let reply = Reply::status(200).header("Contact", contact).header("Allow", ALLOW);
                core.reply(now, transaction, &request, reply);
            }
        }
    }

    fn on_offer(
        &mut self,
        now: Instant,
        core: &mut Core,
        transaction: TransactionId,
        request: Inbound,
    ) {
        let Stage::Up(up) = &mut self.stage else { return };
        let answer_owed = up.unacked.as_ref().is_some_and(|unacked| unacked.wants_answer);
        let under_way = up.ours.as_ref().is_some_and(|ours| ours.reinvite.is_some());
        if answer_owed || under_way {
            // §14.2, and RFC 5407 §3.1.4 for the ACK that is still to come.
            core.reply(now, transaction, &request, Reply::status(491));
            return;
        }
        if up.theirs.is_some() {
            let reply = Reply::status(500).header("Retry-After", retry_after(core));
            core.reply(now, transaction, &request, reply);
            return;
        }
        let sdp = request.sdp();
        up.theirs = Some(Theirs { transaction, request });
        self.timers.set(SessionTimer::AnswerLimit, now + ANSWER_LIMIT);
        core.emit(self.id, CallEvent::Offer { sdp });
    }

    /// Answers the peer's offer: with our answer (or our offer, if it asked for one), or with a
    /// status that refuses it, 488 as a rule. A refusal leaves the session as it was.
    pub(crate) fn answer_offer(
        &mut self,
        now: Instant,
        core: &mut Core,
        answer: Result<Arc<[u8]>, u16>,
    ) -> Result<(), CallError> {
        let Stage::Up(up) = &mut self.stage else { return Err(CallError::WrongState) };
        let Some(Theirs { transaction, request }) = up.theirs.take() else {
            return Err(CallError::WrongState);
        };
        self.timers.stop(SessionTimer::AnswerLimit);
        let sdp = match answer {
            Ok(sdp) => sdp,
            Err(status) => {
                let status = if (300..700).contains(&status) { status } else { 488 };
                core.reply(now, transaction, &request, Reply::status(status));
                return Ok(());
            }
        };
        // RFC 6141 §4: the target changes when the change is accepted.
        up.dialog.refresh_target(&request);
        let reply = Reply::status(200)
            .header("Contact", core.contact_for(&request))
            .header("Allow", ALLOW)
            .body(sdp_body(Some(sdp)));
        let message = core.reply(now, transaction, &request, reply);
        if request.method == Method::Invite {
            let unacked = Unacked {
                invite: transaction,
                cseq: request.cseq,
                message,
                interval: core.config.timers.t1,
                wants_answer: request.sdp().is_none(),
                is_first: false,
            };
            self.expect_ack(now, core, unacked);
        }
        Ok(())
    }

    /// Offers a changed session to the peer, by re-INVITE.
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        core: &mut Core,
        sdp: Arc<[u8]>,
    ) -> Result<(), CallError> {
        let Stage::Up(up) = &mut self.stage else { return Err(CallError::WrongState) };
        if up.theirs.is_some() || up.ours.is_some() || up.unacked.is_some() {
            return Err(CallError::OfferPending);
        }
        up.ours = Some(Ours { sdp, reinvite: None, glare: 0 });
        let sent = self.send_reinvite(now, core);
        if sent.is_err()
            && let Stage::Up(up) = &mut self.stage
        {
            up.ours = None;
        }
        sent
    }

    fn send_reinvite(&mut self, now: Instant, core: &mut Core) -> Result<(), CallError> {
        let Stage::Up(up) = &mut self.stage else { return Err(CallError::WrongState) };
        let Some(ours) = &mut up.ours else { return Err(CallError::WrongState) };
        let (head, flow) = up.dialog.next_request(Method::Invite);
        let contact = core.contact(&self.key.1, flow.transport);
        let mut headers = vec![Header::new("Contact", contact), Header::new("Allow", ALLOW)];
        headers.extend(self.login.headers(&mut core.rng, Method::Invite, &head.uri, &ours.sdp));
        let body = sdp_body(Some(ours.sdp.clone()));
        let user = User::Reinvite(self.id);
        let transaction = core.send(now, &head, flow, &headers, body.as_ref(), user)?;
        ours.reinvite = Some((transaction, head.cseq));
        Ok(())
    }

    pub(super) fn offer_again(&mut self, now: Instant, core: &mut Core) {
        let Stage::Up(up) = &mut self.stage else { return };
        if up.theirs.is_some() || up.unacked.is_some() {
            // The peer was first; ours waits until that is settled.
            self.timers.set(SessionTimer::OfferAgain, now + Duration::from_millis(500));
            return;
        }
        if self.send_reinvite(now, core).is_err() {
            self.refuse_ours(core, 503);
        }
    }

    fn refuse_ours(&mut self, core: &mut Core, status: u16) {
        let Stage::Up(up) = &mut self.stage else { return };
        if up.ours.take().is_some() {
            core.emit(self.id, CallEvent::OfferRefused { status });
        }
    }

    pub(super) fn on_reinvite_response(
        &mut self,
        now: Instant,
        core: &mut Core,
        transaction: TransactionId,
        response: &Inbound,
    ) {
        let status = response.status();
        if status < 200 {
            return;
        }
        let tag = response.to.tag.clone().unwrap_or_default();
        if status < 300 {
            if !self.acknowledge_again(core, &tag, response.cseq) {
                self.acknowledge_reinvite(core, &tag, response);
            }
            let Stage::Up(up) = &mut self.stage else { return };
            let is_ours =
                |ours: &super::offer::Ours| ours.reinvite.is_some_and(|(id, _)| id == transaction);
            if up.ours.take_if(|ours| is_ours(ours)).is_some() {
                up.dialog.refresh_target(response);
                core.emit(self.id, CallEvent::OfferAnswered { sdp: response.sdp() });
            }
            return;
        }
        let Stage::Up(up) = &mut self.stage else { return };
        let we_called = up.we_called;
        let uri = up.dialog.request_uri();
        let Some(ours) = &mut up.ours else { return };
        if ours.reinvite.is_none_or(|(id, _)| id != transaction) {
            return;
        }
        ours.reinvite = None;
        let request = (Method::Invite, uri.as_str(), &*ours.sdp.clone());
        match status {
            491 if ours.glare < MAX_GLARE => {
                // §14.1: who chose the Call-ID waits 2.1 to 4 s, the other 0 to 2 s.
                ours.glare += 1;
                let units = if we_called { 210..=400 } else { 0..=200 };
                let pause = Duration::from_millis(core.rng.random_range(units) * 10);
                self.timers.set(SessionTimer::OfferAgain, now + pause);
            }
            401 | 407
                if self.login.on_challenge(&mut core.rng, response, request, Place::InDialog) =>
            {
                if self.send_reinvite(now, core).is_err() {
                    self.refuse_ours(core, 503);
                }
            }
            // §12.2.1.2: the peer does not know the call any more.
            408 | 481 => {
                let ended = Ended::of_response(EndedBy::Remote, response);
                self.bye(now, core, Vec::new(), ended);
            }
            status => self.refuse_ours(core, status),
        }
    }

    fn acknowledge_reinvite(&mut self, core: &mut Core, tag: &str, response: &Inbound) {
        let dialog = match &self.stage {
            Stage::Up(up) => Some(up.dialog.clone()),
            Stage::Closing(closing) => closing.dialog.clone(),
            Stage::Calling(_) | Stage::Ringing(_) => None,
        };
        if let Some(mut dialog) = dialog {
            dialog.refresh_target(response);
            self.acknowledge(core, &dialog, tag, response.cseq);
        }
    }

    /// §12.2.1.2: silence means that the peer is gone.
    pub(super) fn on_reinvite_timeout(
        &mut self,
        now: Instant,
        core: &mut Core,
        transaction: TransactionId,
    ) {
        let Stage::Up(up) = &self.stage else { return };
        let under_way = up.ours.as_ref().and_then(|ours| ours.reinvite);
        if under_way.is_some_and(|(id, _)| id == transaction) {
            let ended =
                Ended::new(EndedBy::Timeout).status(408).reason("nothing answered our offer");
            self.bye(now, core, Vec::new(), ended);
        }
    }
}
