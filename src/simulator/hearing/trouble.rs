//! How a simulated recogniser misbehaves.

use tokio_tungstenite::tungstenite::Message;

use super::desk::Desk;

/// What goes wrong with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is refused with this HTTP status.
    Refuse(u16),
    /// The socket is cut after so many bytes of audio, without a word.
    Cut(usize),
    /// After so many bytes of audio nothing is heard and nothing is said any more.
    Stall(usize),
    /// After so many bytes of audio an error is told, and the service goes on as if nothing were.
    Error(usize, String),
    /// After so many bytes of audio a message of 2 MB comes.
    Huge(usize),
    /// After so many bytes of audio a message that is no JSON comes.
    Malformed(usize),
    /// After so many bytes of audio a binary message comes.
    Binary(usize),
    /// Each final result comes again with the next one, so that they are out of order.
    Repeat,
}

/// The misbehaviour of one connection.
pub(super) struct Mischief {
    trouble: Option<Trouble>,
    bytes: usize,
    is_done: bool,
    last: Option<String>,
}

impl Mischief {
    pub(super) fn new(trouble: Option<Trouble>) -> Self {
        Self { trouble, bytes: 0, is_done: false, last: None }
    }

    /// Audio came: whether the socket is cut now.
    pub(super) fn cuts(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        matches!(self.trouble, Some(Trouble::Cut(after)) if self.bytes >= after)
    }

    /// Whether nothing is heard or said any more.
    pub(super) fn is_deaf(&self) -> bool {
        matches!(self.trouble, Some(Trouble::Stall(after)) if self.bytes >= after)
    }

    /// The message that should not come, once.
    pub(super) fn message(&mut self, desk: &dyn Desk) -> Option<Message> {
        let (after, message) = match &self.trouble {
            Some(Trouble::Error(after, text)) => (*after, Message::text(desk.error(text))),
            Some(Trouble::Huge(after)) => (*after, Message::text("[".repeat(2 << 20))),
            Some(Trouble::Malformed(after)) => (*after, Message::text("{\"results\": [")),
            Some(Trouble::Binary(after)) => (*after, Message::binary(vec![0; 10])),
            Some(Trouble::Refuse(_) | Trouble::Cut(_) | Trouble::Stall(_) | Trouble::Repeat)
            | None => return None,
        };
        let due = self.bytes >= after && !std::mem::replace(&mut self.is_done, self.bytes >= after);
        due.then_some(message)
    }

    /// The final result before, if it is told again.
    pub(super) fn again(&mut self, message: &str) -> Option<String> {
        let repeats = self.trouble == Some(Trouble::Repeat);
        repeats.then(|| self.last.replace(message.to_owned())).flatten()
    }
}
