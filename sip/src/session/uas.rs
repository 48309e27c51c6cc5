//! Calls that reach us: provisional answers, acceptance, refusal, and the caller's CANCEL (RFC 3261
//! §9.2, §13.3).

use std::{sync::Arc, time::Instant};

use super::{
    CallError, CallId, REPEAT_PROVISIONAL, RING_LIMIT, Session, SessionTimer, Stage, Unacked, Up,
    sdp_body,
};
use crate::{
    dialog::Dialog,
    endpoint::{
        compose::{ALLOW, Header, SDP},
        core::{Core, Reply},
        event::{Ended, EndedBy},
        inbound::Inbound,
        login::Login,
    },
    transaction::TransactionId,
};

#[derive(Debug)]
pub(super) struct Incoming {
    invite: TransactionId,
    request: Inbound,
    dialog: Dialog,
    last_provisional: Option<Provisional>,
}

#[derive(Clone, Debug)]
struct Provisional {
    status: u16,
    sdp: Option<Arc<[u8]>>,
}

impl Incoming {
    pub(super) fn dialog(&self) -> &Dialog {
        &self.dialog
    }
}

impl Session {
    /// Takes a new INVITE, to which 100 was sent already.
    pub(crate) fn incoming(
        now: Instant,
        core: &mut Core,
        id: CallId,
        invite: TransactionId,
        request: Inbound,
    ) -> Self {
        let tag = core.token();
        let dialog = Dialog::of_request(&request, tag.clone());
        let key = (request.call_id.clone(), tag);
        let incoming = Incoming { invite, request, dialog, last_provisional: None };
        let mut session = Self::new(id, key, Stage::Ringing(Box::new(incoming)), Login::new(None));
        session.timers.set(SessionTimer::RingLimit, now + RING_LIMIT);
        session
    }

    /// Sends a provisional response, 101 to 199, with early media if `sdp` is given.
    pub(crate) fn progress(
        &mut self,
        now: Instant,
        core: &mut Core,
        status: u16,
        sdp: Option<Arc<[u8]>>,
    ) -> Result<(), CallError> {
        let Stage::Ringing(incoming) = &mut self.stage else { return Err(CallError::WrongState) };
        let status = if (101..200).contains(&status) { status } else { 180 };
        incoming.last_provisional = Some(Provisional { status, sdp });
        self.send_provisional(now, core);
        Ok(())
    }

    fn send_provisional(&mut self, now: Instant, core: &mut Core) {
        let Stage::Ringing(incoming) = &self.stage else { return };
        let Some(provisional) = incoming.last_provisional.clone() else { return };
        let reply = Reply::status(provisional.status)
            .tag(&incoming.dialog.local_tag)
            .header("Contact", core.contact_for(&incoming.request))
            .header("Allow", ALLOW)
            .body(sdp_body(provisional.sdp));
        core.reply(now, incoming.invite, &incoming.request, reply);
        self.timers.set(SessionTimer::RepeatProvisional, now + REPEAT_PROVISIONAL);
    }

    pub(super) fn repeat_provisional(&mut self, now: Instant, core: &mut Core) {
        self.send_provisional(now, core);
    }

    /// Answers the call with 200: `sdp` is our answer, or our offer if the INVITE had none.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        core: &mut Core,
        sdp: Arc<[u8]>,
    ) -> Result<(), CallError> {
        let Stage::Ringing(incoming) = &self.stage else { return Err(CallError::WrongState) };
        let request = &incoming.request;
        let reply = Reply::status(200)
            .tag(&incoming.dialog.local_tag)
            .header("Contact", core.contact_for(request))
            .header("Allow", ALLOW)
            .header("Accept", SDP)
            .body(sdp_body(Some(sdp)));
        let message = core.reply(now, incoming.invite, request, reply);
        let unacked = Unacked {
            invite: incoming.invite,
            cseq: request.cseq,
            message,
            interval: core.config.timers.t1,
            wants_answer: request.sdp().is_none(),
            is_first: true,
        };
        let dialog = incoming.dialog.clone();
        let up = Up { dialog, unacked: None, theirs: None, ours: None, we_called: false };
        self.stage = Stage::Up(Box::new(up));
        self.timers.stop(SessionTimer::RingLimit);
        self.timers.stop(SessionTimer::RepeatProvisional);
        self.expect_ack(now, core, unacked);
        Ok(())
    }

    /// Refuses the call with a final status, 300 to 699; others count as 603.
    pub(crate) fn reject(
        &mut self,
        now: Instant,
        core: &mut Core,
        status: u16,
        reason: Option<String>,
        headers: Vec<Header>,
    ) -> Result<(), CallError> {
        let Stage::Ringing(incoming) = &self.stage else { return Err(CallError::WrongState) };
        let status = if (300..700).contains(&status) { status } else { 603 };
        let mut reply = Reply::status(status).tag(&incoming.dialog.local_tag);
        reply.headers = headers;
        reply.reason = reason;
        core.reply(now, incoming.invite, &incoming.request, reply);
        let ended = Ended::new(EndedBy::Local).status(status).reason("refused");
        self.close(now, core, ended);
        Ok(())
    }

    /// The caller cancelled, or hung up, before we answered: 487 (§9.2, §15.1.2).
    pub(crate) fn cancelled(&mut self, now: Instant, core: &mut Core, by: &Inbound) {
        let Stage::Ringing(incoming) = &self.stage else { return };
        let reply = Reply::status(487).tag(&incoming.dialog.local_tag);
        core.reply(now, incoming.invite, &incoming.request, reply);
        let ended = Ended::new(EndedBy::Remote).status(487).reason("cancelled").reason_header(by);
        self.close(now, core, ended);
    }

    /// Takes a CANCEL of an INVITE that has no final response yet.
    pub(crate) fn on_cancel(
        &mut self,
        now: Instant,
        core: &mut Core,
        invite: TransactionId,
        cancel: &Inbound,
    ) {
        match &mut self.stage {
            Stage::Ringing(_) => self.cancelled(now, core, cancel),
            Stage::Up(up) => {
                // A cancelled re-INVITE: the session stays as it was.
                let theirs = up.theirs.take_if(|theirs| theirs.transaction == invite);
                if let Some(theirs) = theirs {
                    self.timers.stop(SessionTimer::AnswerLimit);
                    core.reply(now, invite, &theirs.request, Reply::status(487));
                }
            }
            Stage::Calling(_) | Stage::Closing(_) => {}
        }
    }

    /// The early or confirmed dialog of a call that reached us.
    pub(super) fn ringing_dialog(&mut self) -> Option<&mut Dialog> {
        match &mut self.stage {
            Stage::Ringing(incoming) => Some(&mut incoming.dialog),
            Stage::Calling(_) | Stage::Up(_) | Stage::Closing(_) => None,
        }
    }
}
