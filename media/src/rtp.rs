//! RTP packets (RFC 3550 §5.1): reading without copying, writing, and the arithmetic of sequence
//! numbers and timestamps.

use std::ops::RangeInclusive;

/// Bytes of an RTP header without contributing sources or extension.
pub const HEADER_LEN: usize = 12;

/// Second bytes that mean RTCP where RTP is expected too (RFC 5761 §4): packet types 192 to 223.
/// An RTP packet would need the marker and a payload type of 64 to 95 to look like that, and those
/// payload types are kept free for this reason.
pub const RTCP_SECOND_BYTES: RangeInclusive<u8> = 192..=223;

/// Synchronisation source: names one sender within a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ssrc(pub u32);

/// What the payload of a packet is: 0 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PayloadType(u8);

impl PayloadType {
    /// PCMU at 8000 Hz (RFC 3551 §6).
    pub const PCMU: Self = Self(0);
    /// PCMA at 8000 Hz (RFC 3551 §6).
    pub const PCMA: Self = Self(8);
    /// Comfort noise at 8000 Hz (RFC 3389 §4).
    pub const COMFORT_NOISE: Self = Self(13);

    /// A payload type from its number; `None` above 127.
    pub const fn try_new(number: u8) -> Option<Self> {
        if number < 128 { Some(Self(number)) } else { None }
    }

    /// The number, 0 to 127.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A packet's place in the order of sending; wraps at 65,536.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number of the next packet.
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How many packets after `earlier` this one was sent; negative if before. Right as long as
    /// they are less than 32,768 apart.
    pub const fn since(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0) as i16
    }
}

/// When the first sample of a packet was taken, in samples of the payload's clock; wraps at 2³².
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RtpTimestamp(pub u32);

impl RtpTimestamp {
    /// The time `samples` later.
    pub const fn plus(self, samples: u32) -> Self {
        Self(self.0.wrapping_add(samples))
    }

    /// The time `samples` earlier.
    pub const fn minus(self, samples: u32) -> Self {
        Self(self.0.wrapping_sub(samples))
    }

    /// Samples from `earlier` to this time; negative if this is the earlier one. Right as long as
    /// they are less than 2³¹ samples (three days at 8000 Hz) apart.
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }
}

/// The fields of an RTP header that a sender chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// For audio: the first packet after a silence; for telephone-events: the first of an event.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: PayloadType,
    /// Place in the order of sending.
    pub sequence: SequenceNumber,
    /// When the first sample was taken.
    pub timestamp: RtpTimestamp,
    /// Who sends.
    pub ssrc: Ssrc,
}

impl Header {
    /// The header's bytes: version 2, no padding, no extension, no contributing sources.
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let [s0, s1] = self.sequence.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.0.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.0.to_be_bytes();
        let second = (u8::from(self.marker) << 7) | self.payload_type.0;
        [VERSION << 6, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }
}

/// A received packet; the payload is where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The header without contributing sources and extension, which mean nothing to us.
    pub header: Header,
    /// What follows the header, without padding. May be empty.
    pub payload: &'a [u8],
}

/// Why bytes are no RTP packet. Each is the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// Fewer bytes than the header, its contributing sources and its extension need.
    #[error("rtp packet is cut: {got} bytes where {need} are needed")]
    Cut {
        /// Bytes needed at least.
        need: usize,
        /// Bytes received.
        got: usize,
    },
    /// The version is not 2.
    #[error("rtp version {0} is unknown, expected 2")]
    Version(u8),
    /// The second byte belongs to RTCP (RFC 5761 §4).
    #[error("packet of type {0} is rtcp, not rtp")]
    Rtcp(u8),
    /// The padding is zero or longer than the payload.
    #[error("rtp padding of {padding} bytes does not fit in {payload} bytes of payload")]
    Padding {
        /// What the last byte claims.
        padding: usize,
        /// Bytes after the header.
        payload: usize,
    },
}

const VERSION: u8 = 2;

impl<'a> Packet<'a> {
    /// Reads a packet. Contributing sources and a header extension are skipped, padding is cut off.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let Some((fixed, mut rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(RtpError::Cut { need: HEADER_LEN, got: bytes.len() });
        };
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != VERSION {
            return Err(RtpError::Version(first >> 6));
        }
        if RTCP_SECOND_BYTES.contains(&second) {
            return Err(RtpError::Rtcp(second));
        }
        let cut = |need: usize| RtpError::Cut { need, got: bytes.len() };

        let sources = usize::from(first & 0x0f) * 4;
        rest = rest.get(sources..).ok_or(cut(HEADER_LEN + sources))?;
        if first & 0x10 != 0 {
            let Some(([_, _, l0, l1], after)) = rest.split_first_chunk::<4>() else {
                return Err(cut(HEADER_LEN + sources + 4));
            };
            let length = usize::from(u16::from_be_bytes([*l0, *l1])) * 4;
            rest = after.get(length..).ok_or(cut(HEADER_LEN + sources + 4 + length))?;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(rest.last().copied().unwrap_or(0));
            let payload = rest.len();
            rest = match payload.checked_sub(padding).and_then(|end| rest.get(..end)) {
                Some(unpadded) if padding > 0 => unpadded,
                _ => return Err(RtpError::Padding { padding, payload }),
            };
        }
        Ok(Self {
            header: Header {
                marker: second & 0x80 != 0,
                payload_type: PayloadType(second & 0x7f),
                sequence: SequenceNumber(u16::from_be_bytes([s0, s1])),
                timestamp: RtpTimestamp(u32::from_be_bytes([t0, t1, t2, t3])),
                ssrc: Ssrc(u32::from_be_bytes([c0, c1, c2, c3])),
            },
            payload: rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        Header {
            marker: true,
            payload_type: PayloadType::try_new(101).unwrap(),
            sequence: SequenceNumber(0xfffe),
            timestamp: RtpTimestamp(0x0102_0304),
            ssrc: Ssrc(0xdead_beef),
        }
    }

    fn packet(first: u8, after_header: &[u8]) -> Vec<u8> {
        let mut bytes = header().to_bytes().to_vec();
        bytes[0] = first;
        bytes.extend_from_slice(after_header);
        bytes
    }

    #[test]
    fn a_written_packet_is_read_again() {
        let bytes = packet(0x80, b"payload");
        let read = Packet::parse(&bytes).unwrap();
        assert_eq!((read.header, read.payload), (header(), &b"payload"[..]));
    }

    #[test]
    fn contributing_sources_extension_and_padding_are_skipped() {
        let mut after = vec![9; 8]; // two contributing sources
        after.extend_from_slice(&[0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        after.extend_from_slice(b"audio");
        after.extend_from_slice(&[0, 0, 3]);
        let bytes = packet(0x80 | 0x20 | 0x10 | 2, &after);
        assert_eq!(Packet::parse(&bytes).unwrap().payload, b"audio");
    }

    #[test]
    fn m5_headers_that_lie_are_refused() {
        for version in [0u8, 1, 3] {
            let refused = Packet::parse(&packet(version << 6, b"x")).map(|p| p.header.marker);
            assert_eq!(refused, Err(RtpError::Version(version)));
        }
        let extension_missing = packet(0x90, &[]);
        assert!(matches!(Packet::parse(&extension_missing), Err(RtpError::Cut { need: 16, .. })));
        let extension_short = packet(0x90, &[0, 0, 0xff, 0xff, 1, 2]);
        assert!(matches!(Packet::parse(&extension_short), Err(RtpError::Cut { .. })));
        let fifteen_sources = packet(0x8f, &[0; 59]);
        assert!(matches!(Packet::parse(&fifteen_sources), Err(RtpError::Cut { need: 72, .. })));
        for padding in [0u8, 3] {
            let bytes = packet(0xa0, &[1, padding]);
            assert!(matches!(Packet::parse(&bytes), Err(RtpError::Padding { payload: 2, .. })));
        }
        assert!(matches!(Packet::parse(&packet(0xa0, &[])), Err(RtpError::Padding { .. })));
        assert_eq!(Packet::parse(&[0x80; 11]), Err(RtpError::Cut { need: 12, got: 11 }));
    }

    #[test]
    fn payloads_of_none_and_of_1400_bytes_are_read() {
        assert_eq!(Packet::parse(&packet(0x80, &[])).unwrap().payload.len(), 0);
        assert_eq!(Packet::parse(&packet(0x80, &[7; 1400])).unwrap().payload.len(), 1400);
    }

    #[test]
    fn rtcp_is_never_taken_for_rtp() {
        for second in RTCP_SECOND_BYTES {
            let mut bytes = packet(0x80, &[]);
            bytes[1] = second;
            assert_eq!(Packet::parse(&bytes), Err(RtpError::Rtcp(second)));
        }
    }

    #[test]
    fn distances_hold_across_the_wrap() {
        assert_eq!(SequenceNumber(1).since(SequenceNumber(0xfffe)), 3);
        assert_eq!(SequenceNumber(0xfffe).since(SequenceNumber(1)), -3);
        assert_eq!(RtpTimestamp(60).since(RtpTimestamp(u32::MAX - 99)), 160);
        assert_eq!(RtpTimestamp(0).minus(160).plus(160), RtpTimestamp(0));
    }

    proptest! {
        #[test]
        fn reading_agrees_with_another_implementation(
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
            first in prop_oneof![Just(0x80u8), Just(0x81), Just(0x90), Just(0xa0), any::<u8>()],
        ) {
            let mut bytes = bytes;
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            let ours = Packet::parse(&bytes);
            let theirs = rtp_types::RtpPacket::parse(&bytes);
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => {
                    prop_assert_eq!(ours.header.marker, theirs.marker_bit());
                    prop_assert_eq!(ours.header.payload_type.number(), theirs.payload_type());
                    prop_assert_eq!(ours.header.sequence.0, theirs.sequence_number());
                    prop_assert_eq!(ours.header.timestamp.0, theirs.timestamp());
                    prop_assert_eq!(ours.header.ssrc.0, theirs.ssrc());
                    prop_assert_eq!(ours.payload, theirs.payload());
                }
                (Err(_), Err(_)) | (Err(RtpError::Rtcp(_)), Ok(_)) => {}
                // It lets padding reach into the header's extension, or be of no length.
                (Err(RtpError::Padding { .. }), Ok(_)) => {}
                (ours, theirs) => prop_assert!(false, "{ours:?} but {theirs:?}"),
            }
        }
    }
}
