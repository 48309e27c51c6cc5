//! A message that is kept.

use std::{fmt, sync::Arc};

use super::{Message, ParseError, parse::Layout};

/// A message with its own copy of the bytes; copies share them.
#[derive(Clone)]
pub struct OwnedMessage {
    bytes: Arc<[u8]>,
    layout: Layout,
}

impl OwnedMessage {
    /// Keeps a datagram.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn parse(datagram: impl Into<Arc<[u8]>>) -> Result<Self, ParseError> {
        let bytes = datagram.into();
        let layout = Layout::of_datagram(&bytes)?;
        Ok(Self { bytes, layout })
    }

    /// The view of it. Costs a copy of the table of headers, no parsing.
    pub fn message(&self) -> Message<'_> {
        Message { bytes: &self.bytes, layout: self.layout.clone() }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<&Message<'_>> for OwnedMessage {
    fn from(message: &Message<'_>) -> Self {
        Self { bytes: message.bytes.into(), layout: message.layout.clone() }
    }
}

impl fmt::Debug for OwnedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owned{:?}", self.message())
    }
}
