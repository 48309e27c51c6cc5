//! Codecs: linear samples to payloads and back.

pub mod g711;

use crate::rtp::PayloadType;

/// A codec that a stream can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, 8000 Hz, one byte a sample.
    Pcmu,
    /// G.711 A-law, 8000 Hz, one byte a sample.
    Pcma,
}

impl Codec {
    /// The name in SDP's `rtpmap` (RFC 3551 §6).
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The codec with this `rtpmap` name, whatever its case (RFC 4566 §6 compares it so).
    pub fn from_encoding_name(name: &str) -> Option<Self> {
        [Self::Pcmu, Self::Pcma].into_iter().find(|c| c.encoding_name().eq_ignore_ascii_case(name))
    }

    /// The payload type that means this codec without an `rtpmap` (RFC 3551 §6).
    pub const fn static_payload_type(self) -> PayloadType {
        match self {
            Self::Pcmu => PayloadType::PCMU,
            Self::Pcma => PayloadType::PCMA,
        }
    }

    /// How many samples a payload of `bytes` bytes holds.
    pub const fn samples_in(self, bytes: usize) -> usize {
        match self {
            Self::Pcmu | Self::Pcma => bytes,
        }
    }

    /// Decodes as many samples as both sides hold, and says how many.
    pub fn decode(self, payload: &[u8], samples: &mut [i16]) -> usize {
        match self {
            Self::Pcmu => g711::decode_ulaw(payload, samples),
            Self::Pcma => g711::decode_alaw(payload, samples),
        }
    }

    /// Encodes as many samples as both sides hold, and says how many bytes were written.
    pub fn encode(self, samples: &[i16], payload: &mut [u8]) -> usize {
        match self {
            Self::Pcmu => g711::encode_ulaw(samples, payload),
            Self::Pcma => g711::encode_alaw(samples, payload),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(Codec::from_encoding_name("pcmu"), Some(Codec::Pcmu));
        assert_eq!(Codec::from_encoding_name("PCMA"), Some(Codec::Pcma));
        assert_eq!(Codec::from_encoding_name("G729"), None);
    }
}
