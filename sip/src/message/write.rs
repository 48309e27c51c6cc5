//! Messages that we send.
//!
//! Nothing that is put into a message can add a header or end it: line ends and NUL in a value
//! become one blank (so that a folded value that was received is unfolded), and other bytes that
//! would end a request line are escaped.

use super::{HeaderName, Message, Method, ParseError, ParseErrorKind, StatusCode, lex};

/// The headers of a message that we make, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    lines: Vec<(Name, Vec<u8>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Known(HeaderName<'static>),
    Other(Box<str>),
}

impl Name {
    fn of(name: HeaderName<'_>) -> Self {
        match super::name::known(name.id()) {
            Some(known) => Self::Known(known),
            None => Self::Other(name.as_str().into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Known(name) => name.as_str(),
            Self::Other(name) => name,
        }
    }

    fn is(&self, name: HeaderName<'_>) -> bool {
        match self {
            Self::Known(known) => known.id() == name.id(),
            Self::Other(other) => {
                matches!(name, HeaderName::Other(t) if t.as_str().eq_ignore_ascii_case(other))
            }
        }
    }
}

impl Headers {
    /// Adds a line below the others.
    pub fn push(&mut self, name: HeaderName<'_>, value: impl AsRef<[u8]>) {
        self.lines.push((Name::of(name), clean(value.as_ref())));
    }

    /// Adds a line above the others.
    pub fn push_front(&mut self, name: HeaderName<'_>, value: impl AsRef<[u8]>) {
        self.lines.insert(0, (Name::of(name), clean(value.as_ref())));
    }

    /// Puts the value in the place of the first line of that name and removes the others; adds a
    /// line if there is none.
    pub fn set(&mut self, name: HeaderName<'_>, value: impl AsRef<[u8]>) {
        let Some(place) = self.lines.iter().position(|(n, _)| n.is(name)) else {
            return self.push(name, value);
        };
        let mut at = 0;
        self.lines.retain(|(n, _)| {
            at += 1;
            at - 1 <= place || !n.is(name)
        });
        if let Some((_, old)) = self.lines.get_mut(place) {
            *old = clean(value.as_ref());
        }
    }

    /// Puts these values, a line each, in the place of the first line of that name and removes the
    /// others; at the end if there is none.
    pub fn replace(&mut self, name: HeaderName<'_>, values: Vec<Vec<u8>>) {
        let place = self.lines.iter().position(|(n, _)| n.is(name)).unwrap_or(self.lines.len());
        self.remove(name);
        let tail = self.lines.split_off(place.min(self.lines.len()));
        for value in values {
            self.push(name, value);
        }
        self.lines.extend(tail);
    }

    /// Removes all lines of that name.
    pub fn remove(&mut self, name: HeaderName<'_>) {
        self.lines.retain(|(n, _)| !n.is(name));
    }

    /// The value of the first line of that name.
    pub fn find(&self, name: HeaderName<'_>) -> Option<&[u8]> {
        self.lines.iter().find(|(n, _)| n.is(name)).map(|(_, value)| value.as_slice())
    }

    /// The value of each line of that name.
    pub fn all<'h>(&'h self, name: HeaderName<'h>) -> impl Iterator<Item = &'h [u8]> {
        self.lines.iter().filter(move |(n, _)| n.is(name)).map(|(_, value)| value.as_slice())
    }

    fn write(&self, out: &mut Vec<u8>, body: &[u8]) {
        for (name, value) in &self.lines {
            // We count the body ourselves.
            if name.is(HeaderName::ContentLength) {
                continue;
            }
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"Content-Length: ");
        push_number(out, body.len());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(body);
    }

    fn len(&self) -> usize {
        self.lines.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
    }
}

/// A request that we make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    method: Method,
    uri: Vec<u8>,
    headers: Headers,
    body: Vec<u8>,
}

impl Request {
    /// A request without headers. Bytes that may not stand in a request line are escaped.
    pub fn new(method: Method, uri: impl AsRef<[u8]>) -> Self {
        let uri = escape_uri(uri.as_ref());
        Self { method, uri, headers: Headers::default(), body: Vec::new() }
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The Request-URI.
    pub fn uri(&self) -> &[u8] {
        &self.uri
    }

    /// Changes the Request-URI.
    pub fn set_uri(&mut self, uri: impl AsRef<[u8]>) {
        self.uri = escape_uri(uri.as_ref());
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: HeaderName<'_>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Puts a body in, and its Content-Type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.set_body(content_type, body);
        self
    }

    /// Puts a body in, and its Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Vec<u8>>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body.into();
    }

    /// Changes the body alone; its Content-Type is a header like others then.
    pub fn set_content(&mut self, body: impl Into<Vec<u8>>) {
        self.body = body.into();
    }

    /// The body; empty if there is none.
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to change them.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Appends the message to `out`, with Content-Length.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.uri.len() + self.headers.len() + self.body.len() + 96);
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(&self.uri);
        out.extend_from_slice(b" SIP/2.0\r\n");
        self.headers.write(out, &self.body);
    }

    /// The message as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

/// A response that we make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    code: StatusCode,
    reason: Vec<u8>,
    headers: Headers,
    body: Vec<u8>,
}

impl Response {
    /// The response to a request with what RFC 3261 §8.2.6.2 wants copied: Via, From, To, Call-ID,
    /// CSeq, and Timestamp in a 100.
    pub fn to(request: &Message<'_>, code: StatusCode) -> Self {
        let mut headers = Headers::default();
        let names = [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::CSeq,
            HeaderName::Timestamp,
        ];
        for name in names {
            if name == HeaderName::Timestamp && code != StatusCode::TRYING {
                continue;
            }
            for value in request.header_lines(name) {
                headers.push(name, value);
                // Doubled From, To, Call-ID and CSeq are the sender's mistake, not ours.
                if name != HeaderName::Via {
                    break;
                }
            }
        }
        Self { code, reason: code.reason().into(), headers, body: Vec::new() }
    }

    /// A response without headers.
    pub fn new(code: StatusCode) -> Self {
        Self { code, reason: code.reason().into(), headers: Headers::default(), body: Vec::new() }
    }

    /// The status code.
    pub fn code(&self) -> StatusCode {
        self.code
    }

    /// Another reason phrase than the usual one.
    #[must_use]
    pub fn reason(mut self, reason: impl AsRef<[u8]>) -> Self {
        self.reason = clean(reason.as_ref());
        self
    }

    /// Gives To our tag, unless it has one already. `tag` must be a token.
    #[must_use]
    pub fn to_tag(mut self, tag: &str) -> Self {
        let to = self.headers.find(HeaderName::To).unwrap_or_default();
        let has_tag = super::NameAddr::parse(to).is_ok_and(|to| to.tag().is_some());
        if !has_tag && !to.is_empty() && lex::is_token(tag.as_bytes()) {
            let mut to = to.to_vec();
            to.extend_from_slice(b";tag=");
            to.extend_from_slice(tag.as_bytes());
            self.headers.set(HeaderName::To, to);
        }
        self
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: HeaderName<'_>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Puts a body in, and its Content-Type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body.into();
        self
    }

    /// Changes the body alone; its Content-Type is a header like others then.
    pub fn set_content(&mut self, body: impl Into<Vec<u8>>) {
        self.body = body.into();
    }

    /// The body; empty if there is none.
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to change them.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Appends the message to `out`, with Content-Length.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.reason.len() + self.headers.len() + self.body.len() + 48);
        out.extend_from_slice(b"SIP/2.0 ");
        push_number(out, usize::from(self.code.as_u16()));
        out.push(b' ');
        out.extend_from_slice(&self.reason);
        out.extend_from_slice(b"\r\n");
        self.headers.write(out, &self.body);
    }

    /// The message as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

/// The response to a datagram that [`Message::parse`] refused, made from the headers that can still
/// be read; `None` if none is due, or there is no Via to send it by.
pub fn reject(datagram: &[u8], error: &ParseError) -> Option<Vec<u8>> {
    let code = error.status()?;
    let mended = salvage(datagram);
    let message = Message::parse(&mended).ok()?;
    message.top_via().ok()?;
    Some(Response::to(&message, code).reason(reason_of(code, error)).to_bytes())
}

/// A message made of the headers of a datagram that can be read alone though the whole cannot: Via,
/// From, To, Call-ID and CSeq, below a request line of ours.
pub fn salvage(datagram: &[u8]) -> Vec<u8> {
    // What is wrong may be anywhere, so each header line is looked at by itself.
    let mut mended = b"OPTIONS sip:unreadable.invalid SIP/2.0\r\n".to_vec();
    let mut rest = datagram;
    let mut lines = 0;
    while let Some(at) = memchr::memchr(b'\n', rest) {
        let (line, behind) = lex::around(rest, at);
        rest = behind;
        lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if lines > super::limits::MAX_HEADERS || (line.is_empty() && mended.len() > 48) {
            break;
        }
        let wanted = match line.first() {
            Some(b' ' | b'\t') => false,
            Some(_) | None => {
                let colon = memchr::memchr(b':', line).unwrap_or(0);
                let name = super::name::id_of(lex::trim(line.get(..colon).unwrap_or_default()));
                let due = [
                    HeaderName::Via,
                    HeaderName::From,
                    HeaderName::To,
                    HeaderName::CallId,
                    HeaderName::CSeq,
                ];
                due.iter().any(|d| d.id() == name)
            }
        };
        if wanted && line.len() <= super::limits::MAX_HEADER_LEN {
            mended.extend(clean(line));
            mended.extend_from_slice(b"\r\n");
        }
    }
    mended.extend_from_slice(b"\r\n");
    mended
}

fn reason_of(code: StatusCode, error: &ParseError) -> String {
    match error.kind {
        ParseErrorKind::Version | ParseErrorKind::TooLarge => code.reason().to_owned(),
        _ => format!("{} ({error})", code.reason()),
    }
}

/// The value with each run of line ends and NUL made one blank, and without blanks around it.
fn clean(value: &[u8]) -> Vec<u8> {
    let value = lex::trim(value);
    let is_end = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
    if !value.iter().any(is_end) {
        return value.to_vec();
    }
    let mut out = Vec::with_capacity(value.len());
    let mut parts = value.split(is_end).map(lex::trim).filter(|part| !part.is_empty());
    if let Some(first) = parts.next() {
        out.extend_from_slice(first);
    }
    for part in parts {
        out.push(b' ');
        out.extend_from_slice(part);
    }
    out
}

fn escape_uri(uri: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(uri.len());
    for byte in uri {
        if *byte > b' ' && *byte < 0x7f && !matches!(byte, b'<' | b'>' | b'"' | b'\\') {
            out.push(*byte);
        } else {
            out.push(b'%');
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
    out
}

fn push_number(out: &mut Vec<u8>, mut number: usize) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // `number % 10` is below 10, and 20 digits hold any usize.
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
