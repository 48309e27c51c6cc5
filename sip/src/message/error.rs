//! What can be wrong with a message, where, and which response it earns.

use std::fmt;

use super::{HeaderName, StatusCode, limits};

/// What is wrong. The text is lowercase and fits behind "bad message: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// Only line ends: a keep-alive (RFC 5626 §3.5.1), not a message.
    #[error("a keep-alive without a message")]
    KeepAlive,
    /// The first line is neither a request line nor a status line.
    #[error("the first line is neither a request line nor a status line")]
    StartLine,
    /// The method is no token.
    #[error("the method is not a token")]
    Method,
    /// The protocol version is not SIP/2.0.
    #[error("the protocol version is not SIP/2.0")]
    Version,
    /// The status code is not a number from 100 to 699.
    #[error("the status code is not a number from 100 to 699")]
    StatusCode,
    /// A header line has no colon or no token before it.
    #[error("a header line does not begin with a name and a colon")]
    HeaderLine,
    /// A carriage return without line feed, or a NUL, in the header part.
    #[error("a bare carriage return or a NUL byte among the headers")]
    ControlByte,
    /// No empty line ends the headers.
    #[error("no empty line after the headers")]
    Unterminated,
    /// The message is longer than [`limits::MAX_MESSAGE`].
    #[error("longer than {} bytes", limits::MAX_MESSAGE)]
    TooLarge,
    /// More header lines than [`limits::MAX_HEADERS`].
    #[error("more than {} header lines", limits::MAX_HEADERS)]
    TooManyHeaders,
    /// A name, method, URI or value longer than its limit in [`limits`].
    #[error("a name or value is longer than its limit")]
    TooLong,
    /// More values or parameters than their limit in [`limits`].
    #[error("more values or parameters than their limit")]
    TooMany,
    /// A header that every message must have is missing.
    #[error("a mandatory header is missing")]
    Missing,
    /// A header that may occur once occurs again with another value.
    #[error("a header that may occur only once occurs with two values")]
    Conflict,
    /// Content-Length is not a number.
    #[error("the content length is not a number")]
    ContentLength,
    /// The body is shorter than Content-Length says.
    #[error("the body is shorter than its content length")]
    BodyTooShort,
    /// A value is empty or malformed as a whole.
    #[error("malformed value")]
    Value,
    /// A number is not decimal or out of its range.
    #[error("not a number, or out of range")]
    Number,
    /// A quoted string does not end.
    #[error("a quoted string has no end")]
    Quote,
    /// `<` without `>`, or text where none may stand around them.
    #[error("angle brackets do not enclose an address")]
    Brackets,
    /// A parameter is malformed.
    #[error("malformed parameter")]
    Parameter,
    /// A URI has no scheme or contains bytes that no URI may contain.
    #[error("malformed URI")]
    Uri,
    /// A host is neither a name nor an address.
    #[error("the host is neither a name nor an address")]
    Host,
    /// A port is not a number from 0 to 65535.
    #[error("the port is not a number from 0 to 65535")]
    Port,
    /// The CSeq's method is not the request's.
    #[error("the method of CSeq is not the request's")]
    MethodMismatch,
}

/// Why bytes were refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where, in bytes from the beginning of what was parsed.
    pub offset: usize,
    /// The header in which it is wrong, if it is one that we know.
    pub header: Option<HeaderName<'static>>,
    answer: Answer,
}

/// Whether the sender may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    ByKind,
    Never,
    With(StatusCode),
}

impl ParseError {
    /// An error at `offset`.
    pub(crate) fn new(kind: ParseErrorKind, offset: usize) -> Self {
        Self { kind, offset, header: None, answer: Answer::ByKind }
    }

    /// The same error as seen from text that begins `by` bytes earlier.
    pub(crate) fn shifted(mut self, by: usize) -> Self {
        self.offset = self.offset.saturating_add(by);
        self
    }

    /// The same error, found in `header`.
    pub(crate) fn within(mut self, header: HeaderName<'static>) -> Self {
        self.header = Some(header);
        self
    }

    /// The same error in a message that must not be answered: a response or an ACK.
    pub(crate) fn unanswerable(mut self) -> Self {
        self.answer = Answer::Never;
        self
    }

    /// The same error with another answer than its kind has.
    pub(crate) fn answered_with(mut self, status: StatusCode) -> Self {
        self.answer = Answer::With(status);
        self
    }

    /// The response that the sender of a request earns; `None` if it is to be dropped in silence
    /// (keep-alives, noise, responses, ACK).
    pub fn status(&self) -> Option<StatusCode> {
        match self.answer {
            Answer::Never => return None,
            Answer::With(status) => return Some(status),
            Answer::ByKind => {}
        }
        match self.kind {
            ParseErrorKind::KeepAlive | ParseErrorKind::StartLine | ParseErrorKind::StatusCode => {
                None
            }
            ParseErrorKind::Version => Some(StatusCode::VERSION_NOT_SUPPORTED),
            ParseErrorKind::TooLarge => Some(StatusCode::MESSAGE_TOO_LARGE),
            ParseErrorKind::Method
            | ParseErrorKind::HeaderLine
            | ParseErrorKind::ControlByte
            | ParseErrorKind::Unterminated
            | ParseErrorKind::TooManyHeaders
            | ParseErrorKind::TooLong
            | ParseErrorKind::TooMany
            | ParseErrorKind::Missing
            | ParseErrorKind::Conflict
            | ParseErrorKind::ContentLength
            | ParseErrorKind::BodyTooShort
            | ParseErrorKind::Value
            | ParseErrorKind::Number
            | ParseErrorKind::Quote
            | ParseErrorKind::Brackets
            | ParseErrorKind::Parameter
            | ParseErrorKind::Uri
            | ParseErrorKind::Host
            | ParseErrorKind::Port
            | ParseErrorKind::MethodMismatch => Some(StatusCode::BAD_REQUEST),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(header) = self.header {
            write!(f, ", in {header}")?;
        }
        write!(f, ", at byte {}", self.offset)
    }
}

impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParseError({self})")
    }
}

impl std::error::Error for ParseError {}
