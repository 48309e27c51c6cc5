//! The messages that the endpoint sends, as bytes.

use std::{fmt, sync::Arc};

use super::inbound::Inbound;
use crate::{
    message::{HeaderName, Headers, Message, Method, Request, Response, StatusCode},
    transport::TransportKind,
};

/// The media type of session descriptions.
pub(crate) const SDP: &str = "application/sdp";

/// Methods that we answer, for the Allow header.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE";

/// One header of a message, in addition to those that the endpoint writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name. A header whose name is no token is left out of the message.
    pub name: String,
    /// The value. Line ends in it are written as blanks.
    pub value: String,
}

impl Header {
    /// A header from its parts.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// What a message carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Its media type.
    pub content_type: String,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

impl Body {
    /// A session description.
    pub fn sdp(bytes: Arc<[u8]>) -> Self {
        Self { content_type: SDP.to_owned(), bytes }
    }
}

/// The part of a request that its dialog or its sender decides.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) from: String,
    pub(crate) from_tag: String,
    pub(crate) to: String,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    /// Values of Route, nearest proxy first.
    pub(crate) routes: Vec<String>,
}

/// Our Via, on requests.
pub(crate) struct OurVia<'a> {
    pub(crate) transport: TransportKind,
    pub(crate) sent_by: &'a dyn fmt::Display,
    pub(crate) branch: &'a str,
}

/// A request.
pub(crate) fn request(
    head: &RequestHead,
    via: &OurVia<'_>,
    headers: &[Header],
    body: Option<&Body>,
) -> Arc<[u8]> {
    let mut request = Request::new(head.method, &head.uri);
    let lines = request.headers_mut();
    // RFC 3581 §3: we always ask for responses to the port that we send from.
    let (name, sent_by, branch) = (via.transport.via_name(), via.sent_by, via.branch);
    lines.push(HeaderName::Via, format!("SIP/2.0/{name} {sent_by};branch={branch};rport"));
    lines.push(HeaderName::MaxForwards, "70");
    for route in &head.routes {
        lines.push(HeaderName::Route, route);
    }
    lines.push(HeaderName::From, &head.from);
    lines.push(HeaderName::To, &head.to);
    lines.push(HeaderName::CallId, &head.call_id);
    lines.push(HeaderName::CSeq, format!("{} {}", head.cseq, head.method));
    append(lines, headers);
    if let Some(body) = body {
        request.set_body(&body.content_type, &*body.bytes);
    }
    request.to_bytes().into()
}

/// A response. `to_tag` is added to To unless it has a tag; Record-Route is copied when the
/// response may create a dialog (RFC 3261 §12.1.1).
pub(crate) fn response(
    request: &Inbound,
    (status, reason): (u16, Option<&str>),
    to_tag: Option<&str>,
    headers: &[Header],
    body: Option<&Body>,
) -> Arc<[u8]> {
    let code = StatusCode::new(status).unwrap_or(StatusCode::SERVER_INTERNAL_ERROR);
    let mut response = Response::new(code);
    if let Some(reason) = reason {
        response = response.reason(reason);
    }
    let lines = response.headers_mut();
    for via in request.vias_for_response() {
        lines.push(HeaderName::Via, via);
    }
    let creates_dialog = request.method == Method::Invite && (101..300).contains(&status);
    if creates_dialog {
        for route in &request.record_route {
            lines.push(HeaderName::RecordRoute, route);
        }
    }
    let message = request.message();
    lines.push(HeaderName::From, message.header(HeaderName::From).unwrap_or_default());
    lines.push(HeaderName::To, message.header(HeaderName::To).unwrap_or_default());
    lines.push(HeaderName::CallId, &request.call_id);
    lines.push(HeaderName::CSeq, format!("{} {}", request.cseq, request.method));
    if status == 100
        && let Some(timestamp) = message.header(HeaderName::Timestamp)
    {
        lines.push(HeaderName::Timestamp, timestamp);
    }
    append(lines, headers);
    if let Some(tag) = to_tag {
        response = response.to_tag(tag);
    }
    if let Some(body) = body {
        response = response.body(&body.content_type, &*body.bytes);
    }
    response.to_bytes().into()
}

fn append(lines: &mut Headers, headers: &[Header]) {
    for header in headers {
        // A name that is no token cannot be written.
        if let Some(name) = HeaderName::from_token(&header.name) {
            lines.push(name, &header.value);
        }
    }
}

/// A request that shares its INVITE's top Via, Request-URI, Route, From, Call-ID and CSeq number:
/// its CANCEL (RFC 3261 §9.1) or the ACK of its refusal (§17.1.1.3, `to` being the response's).
/// Gives the branch, too.
pub(crate) fn of_invite(
    invite: &[u8],
    method: Method,
    to: Option<&[u8]>,
    headers: &[Header],
) -> Option<(String, Arc<[u8]>)> {
    let invite = Message::parse(invite).ok()?;
    let branch = invite.top_via().ok()?.branch()?.to_owned();
    let mut request = Request::new(method, invite.request_uri().ok()?.as_str());
    let lines = request.headers_mut();
    lines.push(HeaderName::Via, invite.header(HeaderName::Via)?);
    lines.push(HeaderName::MaxForwards, "70");
    for route in invite.header_lines(HeaderName::Route) {
        lines.push(HeaderName::Route, route);
    }
    lines.push(HeaderName::From, invite.header(HeaderName::From)?);
    lines.push(HeaderName::To, to.or(invite.header(HeaderName::To))?);
    lines.push(HeaderName::CallId, invite.call_id().ok()?);
    lines.push(HeaderName::CSeq, format!("{} {method}", invite.cseq().ok()?.number));
    append(lines, headers);
    Some((branch, request.to_bytes().into()))
}
