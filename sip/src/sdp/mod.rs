//! Session descriptions (RFC 8866) and the offer/answer model for one audio stream (RFC 3264).
//!
//! [`SessionDescription::parse`] reads what real peers send and keeps what a call needs;
//! [`offer`], [`answer`] and [`read_answer`] agree on a codec, addresses and directions.

mod negotiate;
mod parse;

use std::net::{IpAddr, SocketAddr};

pub use self::{
    negotiate::{LocalAudio, Negotiated, Origin, answer, offer, read_answer},
    parse::{Address, Media, RtpMap, SessionDescription},
};
use crate::message::StatusCode;

/// Bytes of a description.
pub const MAX_SDP: usize = 16 * 1024;
/// Lines of a description.
pub const MAX_LINES: usize = 512;
/// Media (`m=` lines) of a description.
pub const MAX_MEDIA: usize = 16;
/// Formats of one medium.
pub const MAX_FORMATS: usize = 64;
/// The longest packet that we send, in milliseconds of sound.
pub const MAX_PTIME_MS: u16 = 60;
/// The shortest packet that we send, in milliseconds of sound; all are multiples of it.
pub const MIN_PTIME_MS: u16 = 10;

/// The codecs that we can negotiate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl Codec {
    /// All of them, in the order in which they are preferred by default.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The payload type that RFC 3551 §6 gives it.
    pub fn static_payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// Its name in `a=rtpmap`; compared without case.
    pub fn encoding_name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// RTP clock rate in Hz.
    pub fn clock_rate_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }
}

/// Which way media flows, seen from whoever wrote the description (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// Only from the writer: hold with music, or early announcements.
    SendOnly,
    /// Only to the writer.
    RecvOnly,
    /// No way: hold.
    Inactive,
}

impl Direction {
    /// True if the writer sends.
    pub fn sends(self) -> bool {
        match self {
            Self::SendRecv | Self::SendOnly => true,
            Self::RecvOnly | Self::Inactive => false,
        }
    }

    /// True if the writer wants to receive.
    pub fn receives(self) -> bool {
        match self {
            Self::SendRecv | Self::RecvOnly => true,
            Self::SendOnly | Self::Inactive => false,
        }
    }

    /// From whether the writer sends and receives.
    pub fn from_flows(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The same seen from the other end.
    pub fn reversed(self) -> Self {
        Self::from_flows(self.receives(), self.sends())
    }

    /// The name of the attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// Why a description cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// The peer broke the grammar in a line that cannot be overlooked.
    #[error("malformed session description: line {line}: {what}")]
    Malformed {
        /// Line number, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// One of our limits is exceeded.
    #[error("session description beyond our limits: more than {limit} {of}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// Of what.
        of: &'static str,
    },
    /// There is no audio over RTP/AVP that is not switched off.
    #[error("no audio stream over RTP/AVP in the session description")]
    NoAudio,
    /// The peer refused our audio stream (port 0 in its answer).
    #[error("the peer refused the audio stream")]
    Rejected,
    /// No codec that both can.
    #[error("no codec in common; the peer has {offered}")]
    NoCodec {
        /// What the peer listed, shortened.
        offered: String,
    },
    /// Media cannot be sent to that address.
    #[error("media cannot be sent to {address}")]
    BadAddress {
        /// Address and port, or the host name, as the peer wrote them.
        address: String,
    },
    /// Neither the session nor the medium has a `c=` line.
    #[error("no connection address in the session description")]
    NoAddress,
}

impl SdpError {
    /// What to answer an offer that has this error (RFC 3261 §13.3.1.3, §21.4.26).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed { .. } | Self::TooLarge { .. } | Self::NoAddress => {
                StatusCode::BAD_REQUEST
            }
            Self::NoAudio | Self::Rejected | Self::NoCodec { .. } | Self::BadAddress { .. } => {
                StatusCode::NOT_ACCEPTABLE_HERE
            }
        }
    }
}

/// An address for media, checked: where media may be sent at all.
fn unicast(ip: IpAddr, port: u16) -> Result<SocketAddr, SdpError> {
    let broadcast = match ip {
        IpAddr::V4(ip) => ip.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    let target = SocketAddr::new(ip, port);
    // The second condition closes a door: a wish to send to our own "any" address.
    if ip.is_multicast() || broadcast || ip.to_canonical().is_unspecified() || port == 0 {
        return Err(SdpError::BadAddress { address: target.to_string() });
    }
    Ok(target)
}
