//! What a message earns before any state is looked at: by its syntax, by the rules of a user agent
//! (RFC 3261 §8.2) and by those of a proxy (§16.3).
//!
//! The endpoint asks [`user_agent`]; [`inspect`] asks all three about one datagram and tells what
//! it found, for people and for tests.

use std::net::IpAddr;

use crate::{
    endpoint::Header,
    message::{
        Contact, HeaderName, MAX_MULTIPART_DEPTH, Message, Method, Scheme, Start, StatusCode, Uri,
        salvage,
    },
};

/// The media type of session descriptions.
const SDP: &str = "application/sdp";

/// Extensions that a request may require of us (RFC 3261 §8.2.2.3), without case.
pub const SUPPORTED_OPTIONS: [&str; 0] = [];

/// Extensions that a REGISTER may require of a registrar (RFC 3327, RFC 5626).
pub const REGISTRAR_OPTIONS: [&str; 2] = ["path", "outbound"];

/// Why a request is not served. For a response or an ACK, which nobody answers, the status says
/// what a request would have earned and is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer with.
    pub status: StatusCode,
    /// What is wrong, for people.
    pub reason: String,
    /// Headers that the answer must have.
    pub headers: Vec<Header>,
}

impl Refusal {
    fn new(status: u16, reason: impl Into<String>) -> Self {
        let status = StatusCode::new(status).unwrap_or(StatusCode::BAD_REQUEST);
        Self { status, reason: reason.into(), headers: Vec::new() }
    }

    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(Header::new(name, value));
        self
    }
}

/// What a user agent says of a checked request by itself, in the order of RFC 3261 §8.2: the
/// Request-URI's scheme, required extensions, the body. Methods are not judged here: which ones
/// are served is for the endpoint to say.
///
/// # Errors
/// The refusal that the request earns.
pub fn user_agent(message: &Message<'_>) -> Result<(), Refusal> {
    let Some(method) = message.method() else { return Ok(()) };
    let known = message.request_uri().is_ok_and(|uri| is_known(&uri));
    if !known {
        return Err(Refusal::new(416, "the scheme of the Request-URI is not one that is served"));
    }
    required(message, method)?;
    content(message, method)?;
    if method == Method::Register {
        registrar(message)?;
    }
    Ok(())
}

/// What a proxy says of a checked request by itself (RFC 3261 §16.3 steps 2, 3 and 5).
///
/// # Errors
/// The refusal that the request earns.
pub fn proxy(message: &Message<'_>) -> Result<(), Refusal> {
    if !message.is_request() {
        return Ok(());
    }
    if message.max_forwards().ok().flatten() == Some(0) {
        return Err(Refusal::new(483, "no hops are left: Max-Forwards is 0"));
    }
    let required = tokens(message, HeaderName::ProxyRequire, &[]);
    if required.is_empty() {
        return Ok(());
    }
    let reason = format!("extensions are required of proxies that are not known: {required}");
    Err(Refusal::new(420, reason).header("Unsupported", required))
}

/// Schemes of requests that can mean something here: `urn:service:…` is an emergency call
/// (RFC 5031), every other URN is not.
fn is_known(uri: &Uri<'_>) -> bool {
    match uri.scheme() {
        Scheme::Sip | Scheme::Sips | Scheme::Tel => true,
        Scheme::Other(scheme) => {
            let service = uri.as_str().get(..12);
            scheme.eq_ignore_ascii_case("urn")
                && service.is_some_and(|text| text.eq_ignore_ascii_case("urn:service:"))
        }
    }
}

/// §8.2.2.3. ACK and CANCEL require nothing, whatever they say.
pub(crate) fn required(message: &Message<'_>, method: Method) -> Result<(), Refusal> {
    let known: &[&str] = match method {
        Method::Ack | Method::Cancel => return Ok(()),
        Method::Register => &REGISTRAR_OPTIONS,
        _ => &SUPPORTED_OPTIONS,
    };
    let unknown = tokens(message, HeaderName::Require, known);
    if unknown.is_empty() {
        return Ok(());
    }
    let reason = format!("extensions are required that are not supported: {unknown}");
    Err(Refusal::new(420, reason).header("Unsupported", unknown))
}

/// The values of a header that are not among `known`, as one list.
fn tokens(message: &Message<'_>, name: HeaderName<'static>, known: &[&str]) -> String {
    let unknown = message
        .values(name)
        .filter(|tag| !known.iter().any(|known| tag.eq_ignore_ascii_case(known.as_bytes())));
    unknown.map(String::from_utf8_lossy).collect::<Vec<_>>().join(", ")
}

/// §8.2.3: whether the body can be understood, and our answer's by the sender.
fn content(message: &Message<'_>, method: Method) -> Result<(), Refusal> {
    if message.multipart_depth() > MAX_MULTIPART_DEPTH {
        let reason = format!("the body has parts within parts deeper than {MAX_MULTIPART_DEPTH}");
        return Err(Refusal::new(400, reason));
    }
    // What other requests may carry is for their applications to say.
    if !matches!(method, Method::Invite | Method::Update | Method::Prack) {
        return Ok(());
    }
    let encoded = message
        .values(HeaderName::ContentEncoding)
        .any(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    if !message.body().is_empty() && !is_optional(message) {
        if encoded {
            return Err(Refusal::new(415, "the body is in an encoding that cannot be read")
                .header("Accept-Encoding", "identity"));
        }
        if message.session_description().is_none() {
            return Err(Refusal::new(415, "the body is of a type that cannot be read")
                .header("Accept", SDP));
        }
    }
    if method == Method::Invite && !takes_sdp(message) {
        // RFC 4475 §3.3.15: no answer can be made that the sender would read.
        return Err(Refusal::new(406, "Accept leaves no way to answer with a session description"));
    }
    Ok(())
}

/// RFC 3261 §20.11: a body that may be ignored.
fn is_optional(message: &Message<'_>) -> bool {
    message.content_disposition().is_some_and(|disposition| {
        disposition.params.text("handling").is_some_and(|h| h.eq_ignore_ascii_case("optional"))
    })
}

/// True unless Accept names types and none of them covers SDP. An empty Accept, which means "no
/// body at all" (§20.1), is what some phones write by mistake.
fn takes_sdp(message: &Message<'_>) -> bool {
    let mut ranges = message.values(HeaderName::Accept).peekable();
    ranges.peek().is_none()
        || ranges.any(|range| {
            let end = range.iter().position(|b| *b == b';').unwrap_or(range.len());
            let kind = range.get(..end).unwrap_or(range).trim_ascii();
            ["application/sdp", "application/*", "*/*"]
                .iter()
                .any(|wanted| kind.eq_ignore_ascii_case(wanted.as_bytes()))
        })
}

/// §10.3 steps 5 and 6, as far as they need no table: an address of record is a SIP address
/// (RFC 4475 §3.3.4), and `*` removes everything or is a mistake.
fn registrar(message: &Message<'_>) -> Result<(), Refusal> {
    let is_sip = message.to().is_ok_and(|to| matches!(to.uri.scheme(), Scheme::Sip | Scheme::Sips));
    if !is_sip {
        return Err(Refusal::new(400, "the address of record in To is not a SIP address"));
    }
    let star = message.contacts().flatten().any(|contact| matches!(contact, Contact::Star));
    if star && message.expires().ok().flatten() != Some(0) {
        return Err(Refusal::new(400, "Contact is *, but Expires is not 0"));
    }
    Ok(())
}

/// What was found in one datagram. What cannot be read is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// `None` if the message is taken; else why not.
    pub refusal: Option<Reason>,
    /// What is remarkable in a message that is taken.
    pub remark: Option<&'static str>,
    /// Of a request.
    pub method: Option<Method>,
    /// Of a response.
    pub code: Option<u16>,
    /// Of a request, as written.
    pub request_uri: Option<String>,
    /// Call-ID.
    pub call_id: Option<String>,
    /// The number in CSeq.
    pub cseq: Option<u32>,
    /// The tag of From.
    pub from_tag: Option<String>,
    /// The tag of To.
    pub to_tag: Option<String>,
    /// Via values over all lines.
    pub via_count: usize,
    /// The branch of the topmost Via.
    pub top_branch: Option<String>,
    /// Bytes of the body.
    pub body_len: usize,
}

/// Why a datagram is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What its sender is told; `None` if it is dropped in silence.
    pub status: Option<u16>,
    /// What is wrong, and where.
    pub text: String,
}

/// Judges a datagram by itself, as a user agent and as a proxy: the stricter of the two counts.
/// A method that we do not know is no reason, since proxies pass it on (§16.3); the endpoint
/// answers it with 501.
pub fn inspect(datagram: &[u8]) -> Inspection {
    match Message::parse(datagram) {
        Ok(message) => {
            let refusal = refusal(&message);
            let unknown = matches!(message.method(), Some(Method::Other(_)));
            let remark = (unknown && refusal.is_none())
                .then_some("the method is not known: a user agent answers it with 501");
            Inspection { refusal, remark, ..facts(&message) }
        }
        Err(error) => {
            let refusal =
                Reason { status: error.status().map(StatusCode::as_u16), text: error.to_string() };
            let mended = salvage(datagram);
            let found = Message::parse(&mended).map_or_else(
                |_| Inspection::nothing(),
                |message| {
                    // The first line was put there to make it readable.
                    Inspection { method: None, request_uri: None, ..facts(&message) }
                },
            );
            Inspection { refusal: Some(refusal), ..found }
        }
    }
}

fn refusal(message: &Message<'_>) -> Option<Reason> {
    if let Err(error) = message.check() {
        let status = error.status().map(StatusCode::as_u16);
        return Some(Reason { status, text: error.to_string() });
    }
    let answered = message.method().is_some_and(|method| method != Method::Ack);
    let refused = user_agent(message).and_then(|()| proxy(message)).err().map(|refusal| Reason {
        status: answered.then_some(refusal.status.as_u16()),
        text: refusal.reason,
    });
    refused.or_else(|| aimed_at_many(message))
}

/// RFC 4475 §3.3.10: a response that would be passed on to a broadcast or multicast address is an
/// attack; proxies drop it, and to a user agent a second Via means that it went astray (§8.1.3.3).
fn aimed_at_many(message: &Message<'_>) -> Option<Reason> {
    if message.is_request() {
        return None;
    }
    let many = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_broadcast() || ip.is_multicast() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_multicast() || ip.is_unspecified(),
    };
    let aimed = message.vias().flatten().skip(1).any(|via| via.host.ip().is_some_and(many));
    let text = "a response whose next Via is a broadcast or multicast address";
    aimed.then(|| Reason { status: None, text: text.to_owned() })
}

impl Inspection {
    fn nothing() -> Self {
        Self {
            refusal: None,
            remark: None,
            method: None,
            code: None,
            request_uri: None,
            call_id: None,
            cseq: None,
            from_tag: None,
            to_tag: None,
            via_count: 0,
            top_branch: None,
            body_len: 0,
        }
    }
}

fn facts(message: &Message<'_>) -> Inspection {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let tag = |value: Option<&str>| value.map(str::to_owned);
    let request_uri = match message.start() {
        Start::Request { uri, .. } => Some(text(uri)),
        Start::Response { .. } => None,
    };
    Inspection {
        method: message.method(),
        code: message.status().map(StatusCode::as_u16),
        request_uri,
        call_id: message.header(HeaderName::CallId).map(text),
        cseq: message.cseq().ok().map(|cseq| cseq.number),
        from_tag: tag(message.from_().ok().and_then(|from| from.tag())),
        to_tag: tag(message.to().ok().and_then(|to| to.tag())),
        via_count: message.values(HeaderName::Via).count(),
        top_branch: tag(message.top_via().ok().and_then(|via| via.branch())),
        body_len: message.body().len(),
        ..Inspection::nothing()
    }
}
