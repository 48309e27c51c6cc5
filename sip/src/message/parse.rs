//! Where the parts of a message are: one pass over its bytes that touches no heap.

use super::{
    HeaderName, Method, ParseError, ParseErrorKind as Kind, StatusCode, lex,
    limits::{INLINE_HEADERS, MAX_HEADER_LEN, MAX_HEADERS, MAX_MESSAGE, MAX_NAME_LEN, MAX_URI_LEN},
    name,
};

/// A stretch of the message's bytes. Messages are at most 65,535 bytes long, hence `u16`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    start: u16,
    len: u16,
}

impl Span {
    /// The span of `part` in `whole`, of which it is a part.
    fn of(whole: &[u8], part: &[u8]) -> Self {
        let fit = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Self { start: fit(lex::offset_in(whole, part)), len: fit(part.len()) }
    }

    pub(super) fn start(self) -> usize {
        usize::from(self.start)
    }

    pub(super) fn of_bytes(self, bytes: &[u8]) -> &[u8] {
        let start = self.start();
        bytes.get(start..start + usize::from(self.len)).unwrap_or_default()
    }
}

/// The place of one header line, folded lines included.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    pub(super) id: u8,
    name_len: u8,
    name_start: u16,
    pub(super) value: Span,
}

impl Line {
    pub(super) fn name(self, bytes: &[u8]) -> HeaderName<'_> {
        let span = Span { start: self.name_start, len: u16::from(self.name_len) };
        name::from_line(self.id, span.of_bytes(bytes))
    }
}

/// The first line.
#[derive(Clone, Copy, Debug)]
pub(super) enum StartLine {
    Request { method: Method, uri: Span },
    Response { code: StatusCode, reason: Span },
}

/// Where everything is; meaningful only together with the bytes it was made from.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) start: StartLine,
    inline: [Line; INLINE_HEADERS],
    count: usize,
    more: Vec<Line>,
    pub(super) body: Span,
}

impl Layout {
    pub(super) fn lines(&self) -> impl Iterator<Item = Line> {
        self.inline.iter().take(self.count).chain(&self.more).copied()
    }

    fn push(&mut self, line: Line) -> bool {
        match self.inline.get_mut(self.count) {
            Some(place) => {
                *place = line;
                self.count += 1;
            }
            None if self.count + self.more.len() < MAX_HEADERS => self.more.push(line),
            None => return false,
        }
        true
    }

    /// Finds the parts of one datagram.
    pub(super) fn of_datagram(bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(ParseError::new(Kind::TooLarge, MAX_MESSAGE));
        }
        // RFC 3261 §7.5: line ends before the start line are ignored.
        let skipped = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let text = bytes.get(skipped..).unwrap_or_default();
        if text.is_empty() {
            return Err(ParseError::new(Kind::KeepAlive, 0));
        }
        let (first, rest) = line_of(text).ok_or(ParseError::new(Kind::StartLine, skipped))?;
        let start = start_line(bytes, first)?;
        let mut layout = Self {
            start,
            inline: [Line::default(); INLINE_HEADERS],
            count: 0,
            more: Vec::new(),
            body: Span::default(),
        };
        let result = layout.headers_and_body(bytes, rest);
        match (result, start) {
            (Ok(()), _) => Ok(layout),
            (Err(error), StartLine::Request { method, .. }) if method != Method::Ack => Err(error),
            (Err(error), _) => Err(error.unanswerable()),
        }
    }

    fn headers_and_body(&mut self, bytes: &[u8], mut rest: &[u8]) -> Result<(), ParseError> {
        let at = |part: &[u8]| lex::offset_in(bytes, part);
        let mut content_length: Option<usize> = None;
        loop {
            let Some((mut line, mut behind)) = line_of(rest) else {
                return Err(ParseError::new(Kind::Unterminated, at(rest)));
            };
            if line.is_empty() {
                rest = behind;
                break;
            }
            // A line that begins with a blank continues the one before it (§7.3.1).
            while let [b' ' | b'\t', ..] = behind {
                let Some((more, next)) = line_of(behind) else {
                    return Err(ParseError::new(Kind::Unterminated, at(behind)));
                };
                let end = at(more) + more.len();
                line = bytes.get(at(line)..end).unwrap_or(line);
                behind = next;
                if line.len() > MAX_HEADER_LEN {
                    return Err(ParseError::new(Kind::TooLong, at(line)));
                }
            }
            let found = header_line(bytes, line)?;
            if !self.push(found) {
                return Err(ParseError::new(Kind::TooManyHeaders, at(line)));
            }
            if found.id == HeaderName::ContentLength.id() {
                let value = found.value.of_bytes(bytes);
                let error = |kind| {
                    ParseError::new(kind, found.value.start()).within(HeaderName::ContentLength)
                };
                let length = lex::number(value, u64::from(u32::MAX))
                    .and_then(|n| usize::try_from(n).ok())
                    .ok_or(error(Kind::ContentLength))?;
                if content_length.is_some_and(|before| before != length) {
                    return Err(error(Kind::Conflict));
                }
                content_length = Some(length);
            }
            rest = behind;
        }
        // §18.3: over UDP, bytes behind the body are dropped and a missing length means "the rest".
        let body = match content_length {
            None => rest,
            Some(length) => match rest.get(..length) {
                Some(body) => body,
                None => {
                    return Err(ParseError::new(Kind::BodyTooShort, bytes.len())
                        .within(HeaderName::ContentLength));
                }
            },
        };
        self.body = Span::of(bytes, body);
        Ok(())
    }
}

/// The first line without its end, and what is behind it; `None` if no line feed is left. A bare
/// line feed ends a line as CRLF does: every reader here sees the same lines.
fn line_of(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = lex::around(bytes, memchr::memchr(b'\n', bytes)?);
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest))
}

fn start_line(bytes: &[u8], line: &[u8]) -> Result<StartLine, ParseError> {
    let offset = lex::offset_in(bytes, line);
    let fail = |kind| Err(ParseError::new(kind, offset));
    let Some(space) = memchr::memchr(b' ', line) else { return fail(Kind::StartLine) };
    let (first, rest) = lex::around(line, space);
    if let Some((name, version)) = split_version(first) {
        // A status line. Nobody answers a response, whatever is wrong with it.
        if !name || version != b"2.0" {
            return Err(ParseError::new(Kind::Version, offset).unanswerable());
        }
        let (code, reason) = match memchr::memchr(b' ', rest) {
            // The blank before an empty reason is often left out.
            None => (rest, <&[u8]>::default()),
            Some(at) => lex::around(rest, at),
        };
        let code = if code.len() == 3 { lex::number(code, 699) } else { None };
        let Some(code) = code.and_then(|c| u16::try_from(c).ok()).and_then(StatusCode::new) else {
            return Err(ParseError::new(Kind::StatusCode, offset + space + 1).unanswerable());
        };
        if reason.iter().any(|b| matches!(b, b'\r' | 0)) {
            return Err(ParseError::new(Kind::ControlByte, offset).unanswerable());
        }
        return Ok(StartLine::Response { code, reason: Span::of(bytes, reason) });
    }
    let Some(last) = memchr::memrchr(b' ', rest) else { return fail(Kind::StartLine) };
    let (uri, version) = lex::around(rest, last);
    match split_version(version) {
        Some((true, b"2.0")) => {}
        Some((true, _)) => return fail(Kind::Version),
        Some((false, _)) | None => {
            // Blanks behind the version make this a request line all the same (RFC 4475 §3.1.2.9).
            let trimmed = lex::trim(rest);
            let last = memchr::memrchr(b' ', trimmed).map(|at| lex::around(trimmed, at).1);
            let is_sip = last.and_then(split_version).is_some_and(|(is_sip, _)| is_sip);
            let kind = if is_sip { Kind::Uri } else { Kind::StartLine };
            return fail(kind);
        }
    }
    let Some(method) = Method::from_token(first) else { return fail(Kind::Method) };
    let error = |kind| {
        let error = ParseError::new(kind, lex::offset_in(bytes, uri));
        Err(if method == Method::Ack { error.unanswerable() } else { error })
    };
    if uri.len() > MAX_URI_LEN {
        return error(Kind::TooLong);
    }
    // What a Request-URI means is for the core to say (416), but these bytes stand in none.
    if uri.is_empty() || uri.iter().any(|b| *b <= b' ' || *b >= 0x7f || matches!(b, b'<' | b'>')) {
        return error(Kind::Uri);
    }
    Ok(StartLine::Request { method, uri: Span::of(bytes, uri) })
}

/// Splits `SIP/2.0`: whether the name is SIP, and the version. `None` if it has no such form.
fn split_version(text: &[u8]) -> Option<(bool, &[u8])> {
    let (name, version) = lex::around(text, memchr::memchr(b'/', text)?);
    let form = !version.is_empty() && version.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    form.then_some((name.eq_ignore_ascii_case(b"SIP"), version))
}

fn header_line(bytes: &[u8], line: &[u8]) -> Result<Line, ParseError> {
    let offset = lex::offset_in(bytes, line);
    if line.len() > MAX_HEADER_LEN {
        return Err(ParseError::new(Kind::TooLong, offset));
    }
    check_bytes(line).map_err(|e| e.shifted(offset))?;
    let bad = ParseError::new(Kind::HeaderLine, offset);
    let colon = memchr::memchr(b':', line).ok_or(bad)?;
    let (name, value) = lex::around(line, colon);
    // Blanks may stand before the colon (§7.3.1); a filter that overlooks them lets headers pass.
    let blanks = name.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let name = name.get(..name.len() - blanks).unwrap_or(name);
    if !lex::is_token(name) {
        return Err(bad);
    }
    if name.len() > MAX_NAME_LEN {
        return Err(ParseError::new(Kind::TooLong, offset));
    }
    Ok(Line {
        id: name::id_of(name),
        name_len: u8::try_from(name.len()).map_err(|_| bad)?,
        name_start: u16::try_from(offset).map_err(|_| bad)?,
        value: Span::of(bytes, lex::trim(value)),
    })
}

/// Refuses a carriage return that ends no line, and NUL except escaped in a quoted string.
fn check_bytes(line: &[u8]) -> Result<(), ParseError> {
    let mut from = 0;
    while let Some(found) = line.get(from..).and_then(|rest| memchr::memchr2(b'\r', 0, rest)) {
        let at = from + found;
        let before = at.checked_sub(1).and_then(|i| line.get(i));
        match (line.get(at), line.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => {}
            (Some(0), _) if before == Some(&b'\\') => {}
            _ => return Err(ParseError::new(Kind::ControlByte, at)),
        }
        from = at + 1;
    }
    Ok(())
}
