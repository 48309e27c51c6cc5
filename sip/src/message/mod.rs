//! Messages: a reader that copies nothing, and a writer.
//!
//! [`Message`] is a view of one datagram (RFC 3261 §7). [`Message::parse`] finds its lines, its
//! headers and its body in one pass and touches no heap (up to [`limits::INLINE_HEADERS`] header
//! lines); a header's value is read when it is asked for. [`Message::check`] reads all that we
//! know at once: do so before a request is acted on. [`OwnedMessage`] is the same view with its
//! own copy of the bytes. [`Request`] and [`Response`] are for messages that we send.

mod body;
mod check;
mod error;
pub(crate) mod lex;
pub mod limits;
mod method;
mod name;
mod owned;
mod params;
mod parse;
mod status;
mod tagged;
mod uri;
mod value;
mod write;

use std::{borrow::Cow, fmt, str};

pub use self::{
    error::{ParseError, ParseErrorKind},
    limits::MAX_MULTIPART_DEPTH,
    method::{Method, OtherMethod},
    name::{HeaderName, Token},
    owned::OwnedMessage,
    params::{Param, Params},
    status::StatusCode,
    tagged::{DialogRef, Refresher, SessionExpires, Tagged},
    uri::{Host, Scheme, Uri},
    value::{AuthValue, CSeq, Contact, MediaType, NameAddr, RAck, Via},
    write::{Headers, Request, Response, reject, salvage},
};
use self::{
    limits::{MAX_LIST, MAX_VIAS},
    parse::{Layout, StartLine},
};

/// A view of one datagram that holds one message.
#[derive(Clone)]
pub struct Message<'a> {
    bytes: &'a [u8],
    layout: Layout,
}

/// The first line of a message.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// A request line.
    Request {
        /// What is asked.
        method: Method,
        /// Of whom: the Request-URI as it stands, read with [`Uri::parse`]. It may have a scheme
        /// that we do not know (416), but holds no blanks and only visible ASCII.
        uri: &'a [u8],
    },
    /// A status line.
    Response {
        /// The status code.
        code: StatusCode,
        /// The phrase behind it, in any bytes but line ends.
        reason: &'a [u8],
    },
}

/// One header line.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    /// Its name.
    pub name: HeaderName<'a>,
    /// What stands behind the colon, without blanks around it. Line folds are still in it.
    pub value: &'a [u8],
}

impl<'a> Message<'a> {
    /// Finds the parts of a message in one datagram (RFC 3261 §18.3: bytes behind the body are
    /// left out, and a body without Content-Length reaches to the end). Values of headers are not
    /// read yet, except Content-Length.
    ///
    /// # Errors
    /// If the datagram is no message or one of [`limits`] is exceeded. What to do with it then is
    /// [`ParseError::status`]; the response can be made with [`reject`].
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        Ok(Self { bytes: datagram, layout: Layout::of_datagram(datagram)? })
    }

    /// Reads every header that we know and says what is wrong first: missing or doubled mandatory
    /// headers, malformed values, a CSeq that names another method. For requests this is RFC 3261
    /// §8.2 as far as the message alone can tell.
    ///
    /// # Errors
    /// The first mistake; [`ParseError::status`] is what the sender earns.
    pub fn check(&self) -> Result<(), ParseError> {
        check::check(self).map_err(|e| match self.start() {
            Start::Request { method: Method::Ack, .. } | Start::Response { .. } => e.unanswerable(),
            Start::Request { .. } => e,
        })
    }

    /// The bytes it was made from.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first line.
    pub fn start(&self) -> Start<'a> {
        match self.layout.start {
            StartLine::Request { method, uri } => {
                Start::Request { method, uri: uri.of_bytes(self.bytes) }
            }
            StartLine::Response { code, reason } => {
                Start::Response { code, reason: reason.of_bytes(self.bytes) }
            }
        }
    }

    /// True for a request.
    pub fn is_request(&self) -> bool {
        self.method().is_some()
    }

    /// The method of a request.
    pub fn method(&self) -> Option<Method> {
        match self.layout.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// The Request-URI of a request, read.
    ///
    /// # Errors
    /// If it is malformed; a response has none and gives [`ParseErrorKind::StartLine`].
    pub fn request_uri(&self) -> Result<Uri<'a>, ParseError> {
        match self.layout.start {
            StartLine::Request { uri, .. } => {
                Uri::parse(uri.of_bytes(self.bytes)).map_err(|e| e.shifted(uri.start()))
            }
            StartLine::Response { .. } => Err(ParseError::new(ParseErrorKind::StartLine, 0)),
        }
    }

    /// The status code of a response.
    pub fn status(&self) -> Option<StatusCode> {
        match self.layout.start {
            StartLine::Request { .. } => None,
            StartLine::Response { code, .. } => Some(code),
        }
    }

    /// The reason phrase of a response, other bytes than UTF-8 replaced; empty for a request.
    pub fn reason(&self) -> Cow<'a, str> {
        match self.start() {
            Start::Request { .. } => Cow::Borrowed(""),
            Start::Response { reason, .. } => String::from_utf8_lossy(reason),
        }
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> &'a [u8] {
        self.layout.body.of_bytes(self.bytes)
    }

    /// All header lines in their order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> {
        self.layout.lines().map(|line| Header {
            name: line.name(self.bytes),
            value: line.value.of_bytes(self.bytes),
        })
    }

    /// The value of the first header line of that name, as it stands (line folds included).
    pub fn header(&self, name: HeaderName<'_>) -> Option<&'a [u8]> {
        self.header_lines(name).next()
    }

    /// The value of each header line of that name.
    pub fn header_lines<'m>(
        &'m self,
        name: HeaderName<'m>,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, 'm> {
        let id = name.id();
        self.layout
            .lines()
            .filter(move |line| {
                line.id == id && (id != name::UNKNOWN || line.name(self.bytes) == name)
            })
            .map(|line| line.value.of_bytes(self.bytes))
    }

    /// Each value of a list header, over all its lines and commas. Empty values are left out.
    pub fn values<'m>(
        &'m self,
        name: HeaderName<'m>,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, 'm> {
        self.header_lines(name).flat_map(lex::Commas::new).filter(|value| !value.is_empty())
    }

    /// True if the list header has that token among its values, compared without case (`Require`,
    /// `Supported`, `Allow`).
    pub fn has_token(&self, name: HeaderName<'_>, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The text of the first header line of that name; `None` if there is none or it is not
    /// UTF-8.
    pub fn text(&self, name: HeaderName<'_>) -> Option<&'a str> {
        str::from_utf8(self.header(name)?).ok()
    }

    /// The topmost Via.
    ///
    /// # Errors
    /// If it is missing or malformed.
    pub fn top_via(&self) -> Result<Via<'a>, ParseError> {
        self.vias().next().unwrap_or_else(|| Err(self.missing(HeaderName::Via)))
    }

    /// All Via values from the top.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'a>, ParseError>> {
        self.read_list(HeaderName::Via, MAX_VIAS, Via::parse)
    }

    /// From.
    ///
    /// # Errors
    /// If it is missing or malformed.
    pub fn from_(&self) -> Result<NameAddr<'a>, ParseError> {
        self.read(HeaderName::From, NameAddr::parse)
    }

    /// To.
    ///
    /// # Errors
    /// If it is missing or malformed.
    pub fn to(&self) -> Result<NameAddr<'a>, ParseError> {
        self.read(HeaderName::To, NameAddr::parse)
    }

    /// Call-ID.
    ///
    /// # Errors
    /// If it is missing or malformed.
    pub fn call_id(&self) -> Result<&'a str, ParseError> {
        self.read(HeaderName::CallId, |value| {
            if !lex::is_call_id(value) {
                return Err(ParseError::new(ParseErrorKind::Value, 0));
            }
            str::from_utf8(value).map_err(|_| ParseError::new(ParseErrorKind::Value, 0))
        })
    }

    /// CSeq.
    ///
    /// # Errors
    /// If it is missing or malformed.
    pub fn cseq(&self) -> Result<CSeq, ParseError> {
        self.read(HeaderName::CSeq, CSeq::parse)
    }

    /// Max-Forwards; `None` if it is missing.
    ///
    /// # Errors
    /// If it is not a number from 0 to 255.
    pub fn max_forwards(&self) -> Result<Option<u8>, ParseError> {
        self.read_number(HeaderName::MaxForwards, u64::from(u8::MAX))
            .map(|n| n.and_then(|n| u8::try_from(n).ok()))
    }

    /// Expires in seconds; `None` if it is missing.
    ///
    /// # Errors
    /// If it is not a number below 2^32.
    pub fn expires(&self) -> Result<Option<u32>, ParseError> {
        self.seconds(HeaderName::Expires)
    }

    /// Min-Expires in seconds; `None` if it is missing.
    ///
    /// # Errors
    /// If it is not a number below 2^32.
    pub fn min_expires(&self) -> Result<Option<u32>, ParseError> {
        self.seconds(HeaderName::MinExpires)
    }

    /// Retry-After in seconds, its comment and parameters left out; `None` if it is missing.
    ///
    /// # Errors
    /// If it does not begin with a number below 2^32.
    pub fn retry_after(&self) -> Result<Option<u32>, ParseError> {
        self.seconds(HeaderName::RetryAfter)
    }

    /// RSeq of a reliable provisional response; `None` if it is missing.
    ///
    /// # Errors
    /// If it is not a number below 2^32.
    pub fn rseq(&self) -> Result<Option<u32>, ParseError> {
        self.seconds(HeaderName::RSeq)
    }

    /// RAck of a PRACK.
    ///
    /// # Errors
    /// If it is missing or malformed.
    pub fn rack(&self) -> Result<RAck, ParseError> {
        self.read(HeaderName::RAck, RAck::parse)
    }

    /// Contact values.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact<'a>, ParseError>> {
        self.read_list(HeaderName::Contact, MAX_LIST, Contact::parse)
    }

    /// Record-Route values from the top.
    pub fn record_routes(&self) -> impl Iterator<Item = Result<NameAddr<'a>, ParseError>> {
        self.addrs(HeaderName::RecordRoute)
    }

    /// Route values from the top.
    pub fn routes(&self) -> impl Iterator<Item = Result<NameAddr<'a>, ParseError>> {
        self.addrs(HeaderName::Route)
    }

    /// The addresses of any header that is a list of them (Path, Service-Route,
    /// P-Asserted-Identity, …).
    pub fn addrs(
        &self,
        name: HeaderName<'static>,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, ParseError>> {
        self.read_list(name, MAX_LIST, NameAddr::parse)
    }

    /// Content-Type; `None` if it is missing.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn content_type(&self) -> Result<Option<MediaType<'a>>, ParseError> {
        self.read_optional(HeaderName::ContentType, MediaType::parse)
    }

    /// Challenges of WWW-Authenticate.
    pub fn www_authenticate(&self) -> impl Iterator<Item = Result<AuthValue<'a>, ParseError>> {
        self.auth_values(HeaderName::WwwAuthenticate)
    }

    /// Challenges of Proxy-Authenticate.
    pub fn proxy_authenticate(&self) -> impl Iterator<Item = Result<AuthValue<'a>, ParseError>> {
        self.auth_values(HeaderName::ProxyAuthenticate)
    }

    /// Credentials of Authorization.
    pub fn authorization(&self) -> impl Iterator<Item = Result<AuthValue<'a>, ParseError>> {
        self.auth_values(HeaderName::Authorization)
    }

    /// Credentials of Proxy-Authorization.
    pub fn proxy_authorization(&self) -> impl Iterator<Item = Result<AuthValue<'a>, ParseError>> {
        self.auth_values(HeaderName::ProxyAuthorization)
    }

    /// The value of any of the four headers of authentication, one per line.
    pub fn auth_values(
        &self,
        name: HeaderName<'static>,
    ) -> impl Iterator<Item = Result<AuthValue<'a>, ParseError>> {
        self.header_lines(name)
            .take(MAX_LIST)
            .map(move |value| AuthValue::parse(value).map_err(|e| self.located(e, value, name)))
    }

    fn missing(&self, name: HeaderName<'static>) -> ParseError {
        ParseError::new(ParseErrorKind::Missing, self.bytes.len()).within(name)
    }

    fn located(&self, e: ParseError, value: &[u8], name: HeaderName<'static>) -> ParseError {
        e.shifted(lex::offset_in(self.bytes, value)).within(name)
    }

    fn read<T>(
        &self,
        name: HeaderName<'static>,
        parse: impl Fn(&'a [u8]) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        let value = self.header(name).ok_or_else(|| self.missing(name))?;
        parse(value).map_err(|e| self.located(e, value, name))
    }

    fn read_optional<T>(
        &self,
        name: HeaderName<'static>,
        parse: impl Fn(&'a [u8]) -> Result<T, ParseError>,
    ) -> Result<Option<T>, ParseError> {
        match self.header(name) {
            None => Ok(None),
            Some(value) => parse(value).map(Some).map_err(|e| self.located(e, value, name)),
        }
    }

    fn read_number(&self, name: HeaderName<'static>, max: u64) -> Result<Option<u64>, ParseError> {
        self.read_optional(name, |value| {
            let end = value
                .iter()
                .position(|b| lex::is_lws(*b) || matches!(b, b';' | b'('))
                .unwrap_or(value.len());
            lex::number(value.get(..end).unwrap_or(value), max)
                .ok_or(ParseError::new(ParseErrorKind::Number, 0))
        })
    }

    fn seconds(&self, name: HeaderName<'static>) -> Result<Option<u32>, ParseError> {
        let number = self.read_number(name, u64::from(u32::MAX))?;
        Ok(number.and_then(|n| u32::try_from(n).ok()))
    }

    fn read_list<T>(
        &self,
        name: HeaderName<'static>,
        max: usize,
        parse: impl Fn(&'a [u8]) -> Result<T, ParseError>,
    ) -> impl Iterator<Item = Result<T, ParseError>> {
        self.values(name).take(max + 1).enumerate().map(move |(count, value)| {
            if count == max {
                let error = ParseError::new(ParseErrorKind::TooMany, 0);
                return Err(self.located(error, value, name));
            }
            parse(value).map_err(|e| self.located(e, value, name))
        })
    }
}

impl fmt::Debug for Message<'_> {
    /// The first line only: headers may hold credentials and phone numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout.start {
            StartLine::Request { method, .. } => write!(f, "Message({method})"),
            StartLine::Response { code, .. } => write!(f, "Message({code})"),
        }
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, String::from_utf8_lossy(self.value))
    }
}
