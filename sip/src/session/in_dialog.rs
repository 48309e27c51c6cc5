//! Requests of the peer inside a call (RFC 3261 §12.2.2, §15.1.2).

use std::time::Instant;

use super::{Session, Stage};
use crate::{
    dialog::Sequence,
    endpoint::{
        compose::{ALLOW, SDP},
        core::{Core, Reply},
        event::{CallEvent, Ended, EndedBy},
        inbound::Inbound,
    },
    message::Method,
    transaction::TransactionId,
};

/// How long a peer is asked to wait whose request came while another was under way, in seconds
/// (§14.2 wants a random number up to 10).
const RETRY_AFTER: std::ops::RangeInclusive<u32> = 1..=10;

impl Session {
    /// True if a request with these tags belongs to this call's dialog.
    pub(crate) fn owns(&self, request: &Inbound) -> bool {
        let (local, remote) = (request.to.tag.as_deref(), request.from.tag.as_deref());
        match &self.stage {
            Stage::Calling(_) => self.may_be_early(remote),
            Stage::Ringing(incoming) => incoming.dialog().matches(local, remote),
            Stage::Up(up) => up.dialog.matches(local, remote),
            Stage::Closing(closing) => {
                closing.dialog.as_ref().is_some_and(|dialog| dialog.matches(local, remote))
            }
        }
    }

    /// Takes a request other than ACK and CANCEL; its transaction is open.
    pub(crate) fn on_request(
        &mut self,
        now: Instant,
        core: &mut Core,
        transaction: TransactionId,
        request: Inbound,
    ) {
        let dialog = match &mut self.stage {
            Stage::Calling(_) => None,
            Stage::Up(up) => Some(&mut up.dialog),
            Stage::Closing(closing) => closing.dialog.as_mut(),
            Stage::Ringing(_) => self.ringing_dialog(),
        };
        if let Some(dialog) = dialog
            && dialog.on_request(request.cseq) == Sequence::TooLow
        {
            let reply = Reply::status(500).header("Retry-After", retry_after(core));
            core.reply(now, transaction, &request, reply);
            return;
        }
        match request.method {
            Method::Bye => self.on_bye(now, core, transaction, &request),
            Method::Invite => self.on_reinvite(now, core, transaction, request),
            Method::Update => self.on_update(now, core, transaction, request),
            Method::Options => {
                let reply = Reply::status(200).header("Allow", ALLOW).header("Accept", SDP);
                core.reply(now, transaction, &request, reply);
            }
            Method::Info => self.on_info(now, core, transaction, &request),
            // No reliable provisional response and no subscription of ours is under way.
            Method::Prack | Method::Notify => {
                core.reply(now, transaction, &request, Reply::status(481));
            }
            Method::Register
            | Method::Subscribe
            | Method::Publish
            | Method::Refer
            | Method::Message
            | Method::Ack
            | Method::Cancel => {
                core.reply(now, transaction, &request, Reply::status(405).header("Allow", ALLOW));
            }
            Method::Other(_) => {
                core.reply(now, transaction, &request, Reply::status(501).header("Allow", ALLOW));
            }
        }
    }

    fn on_bye(
        &mut self,
        now: Instant,
        core: &mut Core,
        transaction: TransactionId,
        request: &Inbound,
    ) {
        core.reply(now, transaction, request, Reply::status(200));
        let ended = Ended::new(EndedBy::Remote).reason("hung up").reason_header(request);
        match &self.stage {
            Stage::Calling(_) => self.hung_up_before_answer(now, core, ended),
            Stage::Ringing(_) => self.cancelled(now, core, request),
            Stage::Up(_) => {
                let Some(up) = self.close(now, core, ended) else { return };
                self.stop_2xx();
                // The dialog is kept while a 2xx of ours or theirs may still come again.
                if let Stage::Closing(closing) = &mut self.stage {
                    closing.dialog = Some(up.dialog);
                }
            }
            // Both hung up at once: theirs ends what our BYE was for.
            Stage::Closing(_) => {
                self.stop_2xx();
                if let Stage::Closing(closing) = &mut self.stage {
                    closing.unacked = None;
                }
            }
        }
    }

    fn on_info(
        &mut self,
        now: Instant,
        core: &mut Core,
        transaction: TransactionId,
        request: &Inbound,
    ) {
        if !self.is_alive() {
            core.reply(now, transaction, request, Reply::status(481));
            return;
        }
        if request.header("Info-Package").is_some() {
            // RFC 6086 §4.2.2: we never said that we take any package.
            core.reply(now, transaction, request, Reply::status(469).header("Recv-Info", ""));
            return;
        }
        core.reply(now, transaction, request, Reply::status(200));
        let content_type = request.header("Content-Type").unwrap_or_default();
        let body = request.body().unwrap_or_else(|| [].into());
        core.emit(self.id, CallEvent::Info { content_type, body });
    }
}

/// A value for Retry-After.
pub(super) fn retry_after(core: &mut Core) -> String {
    use rand::Rng as _;
    core.rng.random_range(RETRY_AFTER).to_string()
}
