//! What the endpoint tells its user.

use std::{sync::Arc, time::Duration};

use super::inbound::Inbound;
use crate::{
    message::{HeaderName, NameAddr},
    registration::{RegistrationId, RegistrationState},
    session::CallId,
    transaction::TransactionId,
};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody calls us. 100 was sent; ring, accept or reject it.
    Incoming {
        /// The new call.
        call: CallId,
        /// The INVITE: who calls whom, from where; its body is the offer, if there is one.
        request: Box<Inbound>,
    },
    /// Something happened in a call.
    Call {
        /// Which one.
        call: CallId,
        /// What.
        event: CallEvent,
    },
    /// A registration's state changed.
    Registration {
        /// Which one.
        id: RegistrationId,
        /// Its new state.
        state: RegistrationState,
    },
    /// A request outside of calls, of a method that the configuration asks for. To be answered
    /// with `respond`; unanswered it is forgotten when its sender has given up.
    Request {
        /// For `respond`.
        id: RequestId,
        /// The request.
        request: Box<Inbound>,
    },
}

/// Names a request that waits for `respond`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub(crate) TransactionId);

/// One thing that happened in a call. Session descriptions are as the peer wrote them.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// A provisional response to our INVITE, 101 to 199.
    Progress {
        /// Its status code.
        status: u16,
        /// Its reason phrase.
        reason: String,
        /// Early media: what the phone will send and take before it answers.
        sdp: Option<Arc<[u8]>>,
        /// Which phone: forked calls ring at several, each with a tag of its own.
        tag: String,
    },
    /// Our call was answered.
    Answered {
        /// The answer to our offer; that of the phone's last provisional response if the 2xx has
        /// none. `None` if the phone never answered the offer.
        sdp: Option<Arc<[u8]>>,
        /// The 2xx.
        response: Box<Inbound>,
    },
    /// The answer to the offer that we made in our 2xx came in the ACK.
    MediaAnswer {
        /// The answer.
        sdp: Arc<[u8]>,
    },
    /// The peer wants to change the session (hold, another address, a refresh). Answer it with
    /// `answer_offer`.
    Offer {
        /// Its offer; `None` if it asks us to make one.
        sdp: Option<Arc<[u8]>>,
    },
    /// Our offer in a call was answered.
    OfferAnswered {
        /// The answer.
        sdp: Option<Arc<[u8]>>,
    },
    /// Our offer in a call was refused; the session stays as it was.
    OfferRefused {
        /// With this status code.
        status: u16,
    },
    /// The peer sent an INFO (RFC 6086), which was answered.
    Info {
        /// Its Content-Type, empty if it has none.
        content_type: String,
        /// Its body.
        body: Arc<[u8]>,
    },
    /// The call is over. The last event of a call, and the only one of its kind.
    Ended(Box<Ended>),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// By whom or what.
    pub by: EndedBy,
    /// The final status code of the INVITE, if it was refused, or 408 when nothing answered it.
    pub status: Option<u16>,
    /// In words: the reason phrase, or what went wrong.
    pub reason: String,
    /// The Reason header of the message that ended the call (RFC 3326), as `Q.850;cause=16`.
    pub reason_header: Option<String>,
    /// When the peer suggests to try again (Retry-After).
    pub retry_after: Option<Duration>,
    /// The peer's Warning header.
    pub warning: Option<String>,
    /// Where a redirection (3xx) points to, in the peer's order.
    pub contacts: Vec<String>,
}

/// By whom or what a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// We hung up, cancelled or refused.
    Local,
    /// The peer hung up or cancelled.
    Remote,
    /// The peer fell silent.
    Timeout,
    /// The peer refused, or broke the rules so that the call could not go on.
    Failure,
}

impl Ended {
    pub(crate) fn new(by: EndedBy) -> Self {
        Self {
            by,
            status: None,
            reason: String::new(),
            reason_header: None,
            retry_after: None,
            warning: None,
            contacts: Vec::new(),
        }
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub(crate) fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    pub(crate) fn reason_header(mut self, message: &Inbound) -> Self {
        self.reason_header = message.header("Reason");
        self
    }

    pub(crate) fn of_response(by: EndedBy, response: &Inbound) -> Self {
        let message = response.message();
        let contacts = match response.status() {
            300..400 => message
                .values(HeaderName::Contact)
                .filter_map(|value| Some(NameAddr::parse(value).ok()?.uri.as_str().to_owned()))
                .collect(),
            _ => Vec::new(),
        };
        Self {
            retry_after: message
                .retry_after()
                .ok()
                .flatten()
                .map(|seconds| Duration::from_secs(seconds.into())),
            warning: response.header("Warning"),
            contacts,
            ..Self::new(by)
        }
        .status(response.status())
        .reason(response.reason())
        .reason_header(response)
    }
}
