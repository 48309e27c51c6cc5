//! A received message: its bytes, and the facts on which the endpoint decides, read once.

use std::{io::Write as _, net::SocketAddr, sync::Arc};

use crate::{
    message::{
        Contact, HeaderName, Message, Method, NameAddr, OwnedMessage, ParseError, Start as First,
    },
    transport::Flow,
};

/// A message that came in. Cheap to clone: the bytes are shared.
#[derive(Clone, Debug)]
pub struct Inbound {
    message: OwnedMessage,
    /// Where it really came from, and how.
    pub flow: Flow,
    /// Request or response.
    pub start: Start,
    /// The Call-ID header.
    pub call_id: String,
    /// Who sends the request.
    pub from: Party,
    /// To whom it was sent.
    pub to: Party,
    /// The number in CSeq.
    pub cseq: u32,
    /// The method: the request's, or of the request that is answered.
    pub method: Method,
    /// Who sent the request, as far as it is proven.
    pub sender: Sender,
    /// URIs of the Contact headers.
    pub contacts: Vec<String>,
    /// Values of Record-Route, topmost first.
    pub(crate) record_route: Vec<String>,
    pub(crate) top_via: TopVia,
}

/// The first line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// A request to this URI.
    Request {
        /// The Request-URI as it was written.
        uri: String,
    },
    /// A response.
    Response {
        /// 100 to 699.
        status: u16,
        /// The reason phrase.
        reason: String,
    },
}

/// Who sent a request, as far as it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Anybody: nothing was asked.
    Unproven,
    /// A peer that is known by its address: a trunk.
    Trusted,
    /// The user of this account, who answered our challenge.
    Account(String),
}

/// What stands in From or To.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The whole value with all parameters.
    pub value: String,
    /// The display name without quotes, if there is one.
    pub display: Option<String>,
    /// The URI.
    pub uri: String,
    /// The user part of the URI, escapes resolved; a number, or an extension.
    pub user: Option<String>,
    /// The tag parameter.
    pub tag: Option<String>,
}

/// What the topmost Via says.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopVia {
    pub(crate) branch: Option<String>,
    /// Host and port as written, by which requests of different senders are told apart.
    pub(crate) sent_by: String,
    /// The port that responses go to when the sender asks for no other.
    pub(crate) port: Option<u16>,
    /// True if the sender asks for responses to the port that it sent from (RFC 3581).
    pub(crate) rport: bool,
}

impl Inbound {
    /// Reads a message that was checked.
    pub(crate) fn read(message: &Message<'_>, flow: Flow) -> Result<Self, ParseError> {
        let start = match message.start() {
            First::Request { uri, .. } => {
                Start::Request { uri: String::from_utf8_lossy(uri).into_owned() }
            }
            First::Response { code, .. } => {
                Start::Response { status: code.as_u16(), reason: message.reason().into_owned() }
            }
        };
        let via = message.top_via()?;
        let cseq = message.cseq()?;
        let host = via.host.to_string().to_ascii_lowercase();
        let sent_by = format!("{host}:{}", via.port.unwrap_or(flow.transport.default_port()));
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Ok(Self {
            flow,
            start,
            call_id: message.call_id()?.to_owned(),
            from: Party::read(&message.from_()?),
            to: Party::read(&message.to()?),
            cseq: cseq.number,
            method: cseq.method,
            sender: Sender::Unproven,
            contacts: message
                .contacts()
                .flatten()
                .filter_map(|contact: Contact<'_>| Some(contact.addr()?.uri.as_str().to_owned()))
                .collect(),
            record_route: message.values(HeaderName::RecordRoute).map(text).collect(),
            top_via: TopVia {
                branch: via.branch().map(str::to_owned),
                sent_by,
                port: via.port,
                rport: via.rport().is_some(),
            },
            message: OwnedMessage::from(message),
        })
    }

    /// The message, to read any header of it.
    pub fn message(&self) -> Message<'_> {
        self.message.message()
    }

    /// The text of the first header of that name; `None` if there is none or it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<String> {
        let message = self.message();
        message.text(HeaderName::from_token(name)?).map(str::to_owned)
    }

    /// The Request-URI; empty for a response.
    pub fn request_uri(&self) -> &str {
        match &self.start {
            Start::Request { uri } => uri,
            Start::Response { .. } => "",
        }
    }

    pub(crate) fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The status code; 0 for a request.
    pub fn status(&self) -> u16 {
        match &self.start {
            Start::Request { .. } => 0,
            Start::Response { status, .. } => *status,
        }
    }

    /// The reason phrase; empty for a request.
    pub fn reason(&self) -> &str {
        match &self.start {
            Start::Request { .. } => "",
            Start::Response { reason, .. } => reason,
        }
    }

    /// The body, if there is one, whatever its type.
    pub fn body(&self) -> Option<Arc<[u8]>> {
        let message = self.message();
        let body = message.body();
        (!body.is_empty()).then(|| body.into())
    }

    /// The body, if it is a session description or has one among its parts. A body without Content-Type is taken for one:
    /// there are phones that forget it.
    pub fn sdp(&self) -> Option<Arc<[u8]>> {
        self.message().session_description().map(Into::into)
    }

    /// The first Contact.
    pub(crate) fn contact(&self) -> Option<&str> {
        self.contacts.first().map(String::as_str)
    }

    /// Where responses to this request go (§18.2.2, RFC 3581 §4): to the address it came from, at
    /// the port it came from if the sender asks for it, else at the port in its Via. `maddr` is
    /// not followed: it would let anyone aim our responses at a third party.
    pub(crate) fn reply_flow(&self) -> Flow {
        reply_flow(self.flow, self.top_via.port, self.top_via.rport)
    }

    /// The Via values of a response: the topmost says where the request really came from.
    pub(crate) fn vias_for_response(&self) -> Vec<Vec<u8>> {
        vias_for_response(&self.message(), self.flow.peer)
    }

    /// The key under which a server's transaction is kept (§17.2.3). ACK and CANCEL are asked for
    /// under the method that they speak of.
    pub(crate) fn server_key(&self, method: Method) -> String {
        match &self.top_via.branch {
            Some(branch)
                if branch.starts_with(MAGIC_COOKIE) && branch.len() > MAGIC_COOKIE.len() =>
            {
                format!("{branch} {} {method}", self.top_via.sent_by)
            }
            // RFC 2543, or a branch without an id (RFC 4475 §3.2.1): neither branch nor the To tag, which an ACK has and its INVITE has not.
            Some(_) | None => format!(
                "2543 {} {} {} {} {} {method}",
                self.request_uri(),
                self.from.tag.as_deref().unwrap_or_default(),
                self.call_id,
                self.cseq,
                self.top_via.sent_by,
            ),
        }
    }

    /// What tells two paths of one request (§8.2.2.2).
    pub(crate) fn source_key(&self) -> String {
        let from_tag = self.from.tag.as_deref().unwrap_or_default();
        format!("{} {} {from_tag} {}", self.call_id, self.cseq, self.method)
    }
}

/// See [`Inbound::reply_flow`]; `port` and `rport` are those of the topmost Via.
pub(crate) fn reply_flow(mut flow: Flow, port: Option<u16>, rport: bool) -> Flow {
    if !flow.transport.is_reliable() && !rport {
        flow.peer.set_port(port.unwrap_or(flow.transport.default_port()));
    }
    flow
}

/// The Via values of a response to a request that came from `peer` (§18.2.1, RFC 3581 §4).
pub(crate) fn vias_for_response(message: &Message<'_>, peer: SocketAddr) -> Vec<Vec<u8>> {
    let mut vias: Vec<Vec<u8>> = message.values(HeaderName::Via).map(<[u8]>::to_vec).collect();
    let (Some(first), Ok(via)) = (vias.first_mut(), message.top_via()) else { return vias };
    let mut text = Vec::with_capacity(first.len() + 48);
    // Writing to memory does not fail, here and below.
    let _ = write!(text, "SIP/2.0/{} {}", via.transport, via.host);
    if let Some(port) = via.port {
        let _ = write!(text, ":{port}");
    }
    for param in via.params.iter() {
        let ours = ["received", "rport"];
        if ours.iter().any(|name| param.name.eq_ignore_ascii_case(name)) {
            continue;
        }
        text.push(b';');
        text.extend_from_slice(param.name.as_bytes());
        if let Some(value) = param.value {
            text.push(b'=');
            text.extend_from_slice(value);
        }
    }
    let _ = write!(text, ";received={}", peer.ip());
    if via.rport().is_some() {
        let _ = write!(text, ";rport={}", peer.port());
    }
    *first = text;
    vias
}

/// How a branch of RFC 3261 begins (§8.1.1.7).
pub(crate) const MAGIC_COOKIE: &str = "z9hG4bK";

impl Party {
    fn read(address: &NameAddr<'_>) -> Self {
        let uri = address.uri.as_str().to_owned();
        let tag = address.tag().map(str::to_owned);
        let display = address.display_name().into_owned();
        // Written anew, so that it can be sent again whatever bytes stood in the name.
        let mut value = format!("<{uri}>");
        if let Ok(name) = std::str::from_utf8(address.raw_display_name())
            && !name.is_empty()
        {
            value = format!("{name} {value}");
        }
        if let Ok(params) = std::str::from_utf8(address.params.raw()) {
            value.push_str(params);
        }
        Self {
            value,
            display: (!display.is_empty()).then_some(display),
            user: address.uri.user_decoded().map(|user| user.into_owned()),
            uri,
            tag,
        }
    }
}
