//! What the simulated services have in common: how they read their clients and what they answer.

use crate::speech::{CallMs, Transcript};

/// What a service does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Do {
    /// Listen to these samples.
    Hear(Vec<i16>),
    /// Recognise all that was heard; then [`Desk::settled`].
    Settle,
    /// The same, and then close.
    SettleAndClose,
    /// Send a text message.
    Say(String),
    /// Close with this code and reason.
    Close(u16, &'static str),
}

/// The protocol of a service, without sockets and clocks. Times are in milliseconds since the
/// connection was opened.
pub trait Desk: Send {
    /// A text message came.
    fn text(&mut self, now_ms: u64, text: &str) -> Vec<Do>;

    /// A binary message came.
    fn binary(&mut self, now_ms: u64, bytes: &[u8]) -> Vec<Do>;

    /// Time has passed.
    fn tick(&mut self, _now_ms: u64) -> Vec<Do> {
        Vec::new()
    }

    /// Writes words, with times from the first sample of the connection.
    fn words(&mut self, transcript: &Transcript, is_final: bool) -> String;

    /// All audio up to `heard_ms` of the connection was recognised.
    fn settled(&mut self, now_ms: u64, heard_ms: CallMs) -> Vec<Do>;

    /// What an error is written like.
    fn error(&self, text: &str) -> String;
}

/// Why a client is not served: an HTTP status.
pub type Refused = u16;

/// What a client asks for when it connects.
pub struct Opening<'a> {
    /// The path.
    pub path: &'a str,
    /// The query's parameters, decoded.
    pub query: Vec<(String, String)>,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
}

impl Opening<'_> {
    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub(super) fn seconds(ms: CallMs) -> f64 {
    f64::from(ms) / 1_000.0
}

pub(super) fn mean_confidence(transcript: &Transcript) -> f64 {
    f64::from(transcript.confidence)
}
