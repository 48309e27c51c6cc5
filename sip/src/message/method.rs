//! Methods.

use std::{fmt, hash, str};

use super::{lex, limits::MAX_METHOD_LEN};

/// A request's method. Names are compared by case (RFC 3261 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 3261 §13.
    Invite,
    /// RFC 3261 §13.
    Ack,
    /// RFC 3261 §15.
    Bye,
    /// RFC 3261 §9.
    Cancel,
    /// RFC 3261 §10.
    Register,
    /// RFC 3261 §11.
    Options,
    /// RFC 3262.
    Prack,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3903.
    Publish,
    /// RFC 6086.
    Info,
    /// RFC 3515.
    Refer,
    /// RFC 3428.
    Message,
    /// RFC 3311.
    Update,
    /// Any other token.
    Other(OtherMethod),
}

/// The name of a method that we do not know, up to [`MAX_METHOD_LEN`] bytes.
#[derive(Clone, Copy)]
pub struct OtherMethod {
    len: u8,
    name: [u8; MAX_METHOD_LEN],
}

impl Method {
    /// The method of that name; `None` if it is no token or longer than [`MAX_METHOD_LEN`].
    pub fn from_token(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"REGISTER" => Self::Register,
            b"OPTIONS" => Self::Options,
            b"PRACK" => Self::Prack,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"PUBLISH" => Self::Publish,
            b"INFO" => Self::Info,
            b"REFER" => Self::Refer,
            b"MESSAGE" => Self::Message,
            b"UPDATE" => Self::Update,
            other => {
                if !lex::is_token(other) {
                    return None;
                }
                let mut name = [0; MAX_METHOD_LEN];
                name.get_mut(..other.len())?.copy_from_slice(other);
                Self::Other(OtherMethod { len: u8::try_from(other.len()).ok()?, name })
            }
        })
    }

    /// The name as it stands in a message.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Prack => "PRACK",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Publish => "PUBLISH",
            Self::Info => "INFO",
            Self::Refer => "REFER",
            Self::Message => "MESSAGE",
            Self::Update => "UPDATE",
            Self::Other(other) => other.as_str(),
        }
    }
}

impl OtherMethod {
    /// The name.
    pub fn as_str(&self) -> &str {
        // Only tokens are stored, and tokens are ASCII.
        self.name.get(..usize::from(self.len)).and_then(|n| str::from_utf8(n).ok()).unwrap_or("")
    }
}

impl PartialEq for OtherMethod {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for OtherMethod {}

impl hash::Hash for OtherMethod {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for OtherMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
