//! What differs between the services that recognise speech over a WebSocket: their messages.
//!
//! A dialect writes and reads messages and knows nothing of time, connections or calls; a
//! [`Session`](super::session::Session) does the rest.

use std::time::Duration;

/// A message to a service.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
}

/// What a service tells in a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Words of a phrase.
    Phrase(Phrase),
    /// It is ready; after a [`Dialect::flush`] or [`Dialect::finish`], all that was sent before
    /// has been recognised.
    Ready,
    /// Something that changes nothing, worth a line in the log.
    Remark(String),
    /// It cannot go on.
    Fault(Fault),
}

/// Words that a service has recognised, with times from the first sample of the request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phrase {
    /// False if the next message may revise them.
    pub is_final: bool,
    /// In the order in which they were said.
    pub words: Vec<HeardWord>,
    /// Of a final phrase: no later one has words before this, if the service says so.
    pub until_ms: Option<u32>,
}

/// A word as a service tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardWord {
    /// The word.
    pub text: String,
    /// Where it begins and ends, if the service says so.
    pub place: Option<(u32, u32)>,
    /// Between 0 and 1, if the service says so.
    pub confidence: Option<f32>,
}

/// Why a service does not go on, and what helps.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What it said, or what was wrong with it.
    pub text: String,
    /// What to do.
    pub remedy: Remedy,
}

/// What to do about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Connect again soon, and send again what has not been recognised.
    Reconnect,
    /// The same, but everything that was sent counts as recognised: nothing was said in it.
    ReconnectAfterSilence,
    /// Get new credentials, and connect again once.
    NewCredentials,
    /// Nothing but another configuration helps.
    GiveUp,
}

impl Fault {
    /// A fault that a new connection may mend.
    pub fn passing(text: impl Into<String>) -> Self {
        Self { text: text.into(), remedy: Remedy::Reconnect }
    }

    /// A fault that stays.
    pub fn lasting(text: impl Into<String>) -> Self {
        Self { text: text.into(), remedy: Remedy::GiveUp }
    }
}

/// The messages of one kind of service.
pub trait Dialect: Send + Sync {
    /// What people call it.
    fn name(&self) -> &'static str;

    /// The first message on a connection, if there is one.
    fn greeting(&self) -> Option<Outgoing>;

    /// Linear samples at 8 kHz as this service takes them.
    fn audio(&self, samples: &[i16]) -> Vec<u8>;

    /// Asks for the words of everything sent so far; [`Told::Ready`] answers it.
    fn flush(&self) -> Outgoing;

    /// The same, and nothing more will be sent.
    fn finish(&self) -> Outgoing;

    /// What to send when nothing else was sent for so long.
    fn keep_alive(&self) -> Option<(Duration, Outgoing)>;

    /// True if the times of words begin again at 0 after a flush.
    fn restarts(&self) -> bool;

    /// True if [`Told::Ready`] comes once when a connection opens.
    fn says_ready(&self) -> bool;

    /// Silence that ends a phrase at this service, in milliseconds.
    fn phrase_silence_ms(&self) -> u32;

    /// Reads a text message; a message that is not one of this service's is a fault.
    fn read(&self, text: &str) -> Result<Vec<Told>, Fault>;

    /// What a closed connection means.
    fn closed(&self, code: u16, reason: &str) -> Fault {
        Fault::passing(format!("the connection was closed with {code} {reason:?}"))
    }

    /// What a refused connection means, by its HTTP status.
    fn refused(&self, status: u16) -> Fault {
        let text = format!("the service answered {status} instead of opening a WebSocket");
        match status {
            401 | 403 => Fault { text, remedy: Remedy::NewCredentials },
            408 | 425 | 429 | 500..=599 => Fault::passing(text),
            _ => Fault::lasting(text),
        }
    }
}

/// Seconds as they stand in JSON, as milliseconds. What is no time becomes 0.
pub(super) fn seconds_to_ms(seconds: f64) -> u32 {
    // The cast is saturating, and makes 0 of what is not a number.
    (seconds * 1000.0).round() as u32
}
