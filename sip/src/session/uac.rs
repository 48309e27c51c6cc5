//! Calls that we make: INVITE, its responses from one or several phones, and CANCEL with its races
//! (RFC 3261 §9.1, §13.2).

use std::{net::SocketAddr, sync::Arc, time::Instant};

use super::{CallError, CallId, Closing, MAX_FORKS, Session, SessionTimer, Stage, Up, sdp_body};
use crate::{
    auth::Credentials,
    dialog::Dialog,
    endpoint::{
        compose::{ALLOW, Body, Header, RequestHead, SDP},
        core::{Core, User},
        event::{CallEvent, Ended, EndedBy},
        inbound::Inbound,
        login::{Login, Place},
    },
    message::Method,
    transaction::TransactionId,
    transport::{Flow, TransportKind},
};

/// A call to make.
#[derive(Clone, Debug)]
pub struct OutgoingCall {
    /// Whom to call: the Request-URI and To, as `sip:1001@pbx.example.net`.
    pub target_uri: String,
    /// Display name in From, if any.
    pub from_display: Option<String>,
    /// User part of From: the caller's number or account.
    pub from_user: String,
    /// Host part of From: the trunk's domain, as a rule.
    pub from_host: String,
    /// URI for P-Asserted-Identity (RFC 3325), by which trunks read the caller's number.
    pub asserted_identity: Option<String>,
    /// Where the INVITE goes: the trunk or outbound proxy.
    pub destination: SocketAddr,
    /// Over what.
    pub transport: TransportKind,
    /// Values of Route to begin with, nearest proxy first.
    pub routes: Vec<String>,
    /// For a challenge; without them a challenge ends the call.
    pub credentials: Option<Credentials>,
    /// The session description that we offer.
    pub offer: Arc<[u8]>,
    /// More headers of the INVITE.
    pub headers: Vec<Header>,
}

#[derive(Debug)]
pub(super) struct Outgoing {
    call: OutgoingCall,
    head: RequestHead,
    flow: Flow,
    invite: TransactionId,
    /// True once a provisional response came, 100 included.
    heard: bool,
    cancel: Cancel,
    /// Phones that answered provisionally, with the last session description of each.
    early: Vec<Early>,
}

#[derive(Debug)]
struct Early {
    tag: String,
    sdp: Option<Arc<[u8]>>,
}

/// How far a wish to cancel has come.
#[derive(Debug)]
enum Cancel {
    Unwanted,
    /// §9.1: no CANCEL may be sent before a provisional response came.
    WhenProvisional(Vec<Header>),
    Sent,
}

impl Session {
    /// Sends the INVITE.
    pub(crate) fn call(
        now: Instant,
        core: &mut Core,
        id: CallId,
        call: OutgoingCall,
    ) -> Result<Self, CallError> {
        let from_tag = core.token();
        let flow = Flow { peer: call.destination, transport: call.transport };
        let display = match &call.from_display {
            Some(name) => format!("\"{}\" ", name.replace('\\', "\\\\").replace('"', "\\\"")),
            None => String::new(),
        };
        let head = RequestHead {
            method: Method::Invite,
            uri: call.target_uri.clone(),
            from: format!("{display}<sip:{}@{}>;tag={from_tag}", call.from_user, call.from_host),
            from_tag: from_tag.clone(),
            to: format!("<{}>", call.target_uri),
            call_id: core.token(),
            cseq: core.first_cseq(),
            routes: call.routes.clone(),
        };
        let mut login = Login::new(call.credentials.clone());
        let invite = send_invite(now, core, id, &head, (&call, flow), &mut login)?;
        let key = (head.call_id.clone(), from_tag);
        let (cancel, early) = (Cancel::Unwanted, Vec::new());
        let outgoing = Outgoing { call, head, flow, invite, heard: false, cancel, early };
        Ok(Self::new(id, key, Stage::Calling(Box::new(outgoing)), login))
    }

    pub(super) fn cancel(&mut self, now: Instant, core: &mut Core, headers: Vec<Header>) {
        let Stage::Calling(outgoing) = &mut self.stage else { return };
        match &outgoing.cancel {
            Cancel::Unwanted if outgoing.heard => {
                send_cancel(now, core, self.id, outgoing.invite, outgoing.flow, &headers);
                outgoing.cancel = Cancel::Sent;
                self.timers.set(SessionTimer::CancelGiveUp, now + core.config.timers.give_up());
            }
            Cancel::Unwanted => outgoing.cancel = Cancel::WhenProvisional(headers),
            Cancel::WhenProvisional(_) | Cancel::Sent => {}
        }
    }

    /// The INVITE was cancelled long ago and nothing final came: it counts as cancelled.
    pub(super) fn cancel_gave_up(&mut self, now: Instant, core: &mut Core) {
        match &mut self.stage {
            Stage::Calling(outgoing) => {
                core.transactions.abandon(outgoing.invite);
                self.close(now, core, Ended::new(EndedBy::Local).reason("cancelled"));
            }
            Stage::Closing(closing) => {
                if let Some(invite) = closing.invite.take() {
                    core.transactions.abandon(invite);
                }
            }
            Stage::Ringing(_) | Stage::Up(_) => {}
        }
    }

    pub(super) fn on_invite_timeout(&mut self, now: Instant, core: &mut Core) {
        match &mut self.stage {
            Stage::Calling(outgoing) => {
                let ended = match outgoing.cancel {
                    Cancel::Unwanted => Ended::new(EndedBy::Timeout)
                        .status(408)
                        .reason("nothing answered the INVITE"),
                    Cancel::WhenProvisional(_) | Cancel::Sent => {
                        Ended::new(EndedBy::Local).reason("cancelled")
                    }
                };
                self.close(now, core, ended);
            }
            Stage::Closing(closing) => closing.invite = None,
            Stage::Ringing(_) | Stage::Up(_) => {}
        }
    }

    pub(super) fn on_invite_response(
        &mut self,
        now: Instant,
        core: &mut Core,
        transaction: TransactionId,
        response: &Inbound,
    ) {
        match (&self.stage, response.status()) {
            (Stage::Calling(_), ..200) => self.on_provisional(now, core, response),
            (Stage::Calling(_), 200..300) => self.on_answer(now, core, response),
            (Stage::Calling(outgoing), 300..) if outgoing.invite == transaction => {
                self.on_refusal(now, core, response);
            }
            (Stage::Up(_) | Stage::Closing(_), 200..300) => {
                self.on_late_answer(now, core, response);
            }
            (Stage::Closing(_), 300..) => {
                if let Stage::Closing(closing) = &mut self.stage {
                    closing.invite = None;
                }
                self.timers.stop(SessionTimer::CancelGiveUp);
            }
            (Stage::Calling(_), _) | (Stage::Up(_) | Stage::Closing(_), _) => {}
            (Stage::Ringing(_), _) => {}
        }
    }

    fn on_provisional(&mut self, now: Instant, core: &mut Core, response: &Inbound) {
        let Stage::Calling(outgoing) = &mut self.stage else { return };
        outgoing.heard = true;
        match &mut outgoing.cancel {
            Cancel::Unwanted => {}
            Cancel::WhenProvisional(headers) => {
                let headers = std::mem::take(headers);
                send_cancel(now, core, self.id, outgoing.invite, outgoing.flow, &headers);
                outgoing.cancel = Cancel::Sent;
                self.timers.set(SessionTimer::CancelGiveUp, now + core.config.timers.give_up());
                return;
            }
            Cancel::Sent => return,
        }
        if response.status() == 100 {
            return;
        }
        let sdp = response.sdp();
        let tag = response.to.tag.clone().unwrap_or_default();
        let known = outgoing.early.iter().position(|early| early.tag == tag);
        match known {
            Some(place) => {
                if let Some(early) = outgoing.early.get_mut(place) {
                    early.sdp = sdp.clone().or(early.sdp.take());
                }
            }
            None if outgoing.early.len() < MAX_FORKS => {
                outgoing.early.push(Early { tag: tag.clone(), sdp: sdp.clone() });
            }
            None => return,
        }
        let (status, reason) = (response.status(), response.reason().to_owned());
        core.emit(self.id, CallEvent::Progress { status, reason, sdp, tag });
    }

    fn on_answer(&mut self, now: Instant, core: &mut Core, response: &Inbound) {
        let Stage::Calling(outgoing) = &mut self.stage else { return };
        let dialog = Dialog::of_response(&outgoing.head, response, outgoing.flow);
        let cseq = outgoing.head.cseq;
        let tag = response.to.tag.clone().unwrap_or_default();
        let early = outgoing.early.iter().find(|early| early.tag == tag);
        // A peer that sent its answer in a provisional response may leave it out here.
        let sdp = response.sdp().or_else(|| early.and_then(|early| early.sdp.clone()));
        let cancelled = !matches!(outgoing.cancel, Cancel::Unwanted);
        self.timers.stop(SessionTimer::CancelGiveUp);
        self.forks_until = Some(now + core.config.timers.give_up());
        self.acknowledge(core, &dialog, &tag, cseq);
        let up = Up { dialog, unacked: None, theirs: None, ours: None, we_called: true };
        self.stage = Stage::Up(Box::new(up));
        if cancelled {
            let ended = Ended::of_response(EndedBy::Local, response)
                .reason("cancelled, but answered at the same moment");
            self.bye(now, core, Vec::new(), ended);
        } else {
            core.emit(self.id, CallEvent::Answered { sdp, response: Box::new(response.clone()) });
        }
    }

    /// A 2xx after the first: the first again, or of another phone that has to be hung up.
    fn on_late_answer(&mut self, now: Instant, core: &mut Core, response: &Inbound) {
        let tag = response.to.tag.clone().unwrap_or_default();
        if self.acknowledge_again(core, &tag, response.cseq) {
            return;
        }
        if self.acks.len() >= MAX_FORKS {
            return;
        }
        let head = RequestHead {
            method: Method::Invite,
            uri: response.to.uri.clone(),
            from: response.from.value.clone(),
            from_tag: self.key.1.clone(),
            to: String::new(),
            call_id: self.key.0.clone(),
            cseq: response.cseq,
            routes: Vec::new(),
        };
        let mut dialog = Dialog::of_response(&head, response, response.flow);
        self.acknowledge(core, &dialog, &tag, response.cseq);
        if self.forks_until.is_none() {
            // The call ended before any answer; this one may come again.
            let until = now + core.config.timers.give_up();
            self.forks_until = Some(until);
            self.timers.set(SessionTimer::Linger, until);
        }
        if let Stage::Closing(closing) = &mut self.stage {
            closing.invite = None;
            self.timers.stop(SessionTimer::CancelGiveUp);
        }
        let (head, flow) = dialog.next_request(Method::Bye);
        let headers = self.login.headers(&mut core.rng, Method::Bye, &head.uri, b"");
        let _ = core.send(now, &head, flow, &headers, None, User::ForkBye(self.id));
    }

    fn on_refusal(&mut self, now: Instant, core: &mut Core, response: &Inbound) {
        let Stage::Calling(outgoing) = &mut self.stage else { return };
        self.timers.stop(SessionTimer::CancelGiveUp);
        if !matches!(outgoing.cancel, Cancel::Unwanted) {
            self.close(now, core, Ended::of_response(EndedBy::Local, response));
            return;
        }
        let offer = outgoing.call.offer.clone();
        let request = (Method::Invite, outgoing.head.uri.as_str(), &*offer);
        if self.login.on_challenge(&mut core.rng, response, request, Place::First) {
            outgoing.head.cseq = outgoing.head.cseq.saturating_add(1);
            outgoing.early.clear();
            let how = (&outgoing.call, outgoing.flow);
            match send_invite(now, core, self.id, &outgoing.head, how, &mut self.login) {
                Ok(invite) => {
                    outgoing.invite = invite;
                    outgoing.heard = false;
                    return;
                }
                Err(error) => {
                    let ended = Ended::new(EndedBy::Failure).reason(error.to_string());
                    self.close(now, core, ended);
                    return;
                }
            }
        }
        self.close(now, core, Ended::of_response(EndedBy::Failure, response));
    }

    /// The peer hung up before its 2xx reached us: the INVITE has to come to an end, too.
    pub(super) fn hung_up_before_answer(&mut self, now: Instant, core: &mut Core, ended: Ended) {
        let Stage::Calling(outgoing) = &self.stage else { return };
        let (invite, flow) = (outgoing.invite, outgoing.flow);
        if outgoing.heard {
            send_cancel(now, core, self.id, invite, flow, &[]);
        }
        self.close(now, core, ended);
        self.timers.set(SessionTimer::CancelGiveUp, now + core.config.timers.give_up());
        self.stage = Stage::Closing(Box::new(Closing {
            dialog: None,
            invite: Some(invite),
            unacked: None,
            bye: None,
            bye_headers: Vec::new(),
        }));
    }

    /// True if a message from a peer with that tag may belong to a call that is not yet answered.
    pub(super) fn may_be_early(&self, remote_tag: Option<&str>) -> bool {
        matches!(&self.stage, Stage::Calling(_)) && remote_tag.is_some()
    }
}

fn send_invite(
    now: Instant,
    core: &mut Core,
    id: CallId,
    head: &RequestHead,
    (call, flow): (&OutgoingCall, Flow),
    login: &mut Login,
) -> Result<TransactionId, CallError> {
    let mut headers = vec![
        Header::new("Contact", core.contact(&call.from_user, flow.transport)),
        Header::new("Allow", ALLOW),
        Header::new("Accept", SDP),
    ];
    if let Some(identity) = &call.asserted_identity {
        headers.push(Header::new("P-Asserted-Identity", format!("<{identity}>")));
    }
    headers.extend(login.headers(&mut core.rng, Method::Invite, &head.uri, &call.offer));
    headers.extend(call.headers.iter().cloned());
    let body: Option<Body> = sdp_body(Some(call.offer.clone()));
    core.send(now, head, flow, &headers, body.as_ref(), User::Invite(id))
}

/// §9.1: the CANCEL is its INVITE's copy in all that matters to routing, branch included.
fn send_cancel(
    now: Instant,
    core: &mut Core,
    id: CallId,
    invite: TransactionId,
    flow: Flow,
    headers: &[Header],
) {
    core.cancel(now, invite, flow, headers, User::Cancel(id));
}
