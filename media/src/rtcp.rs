//! RTCP (RFC 3550 §6): reports about the stream, sent and read as far as a telephone call needs it.
//!
//! What the peer reports is for statistics only. Nothing that arrives here ends a call or moves its
//! media: anyone can send a BYE.

use crate::rtp::Ssrc;

/// Mean time between two of our reports. RFC 3550 §6.2 sets it as the least.
pub const REPORT_INTERVAL_MS: u64 = 5000;

/// Longest CNAME that is written.
pub const MAX_CNAME: usize = 64;

/// Bytes that are enough for any report of ours.
pub const MAX_REPORT: usize = 28 + 24 + 8 + 2 + MAX_CNAME + 4 + 8;

/// What an RTCP packet told that concerns us. Everything else in it was skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Who sent a sender report, and the middle 32 bits of its NTP time, to be sent back in ours.
    pub sender_report: Option<(Ssrc, u32)>,
    /// What the peer says about our stream.
    pub about_us: Option<ReportBlock>,
    /// Who said BYE.
    pub bye: Option<Ssrc>,
}

/// How a stream is received (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whose stream.
    pub ssrc: Ssrc,
    /// Part lost since the report before, in 256ths.
    pub fraction_lost: u8,
    /// Lost since the beginning; 24 bits, may be negative when duplicates came.
    pub lost: i32,
    /// Highest sequence number with the count of wraps in the upper half.
    pub highest: u32,
    /// Jitter in samples.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0 if none came.
    pub last_sender_report: u32,
    /// Time since that report, in 65,536ths of a second.
    pub delay_since: u32,
}

/// What we have sent, for a sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// NTP time: seconds since 1900 in the upper half, their fraction in the lower.
    pub ntp: u64,
    /// The RTP timestamp of the same moment.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Bytes of payload sent.
    pub octets: u32,
}

/// A compound packet of ours: SR or RR, SDES with the CNAME, BYE at the end of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    /// The canonical name: random per call, so that calls cannot be linked (RFC 7022).
    pub cname: &'a str,
    /// What we have sent; none makes it a receiver report.
    pub sender: Option<SenderInfo>,
    /// What we have received.
    pub block: Option<ReportBlock>,
    /// True in the last report.
    pub bye: bool,
}

/// Why bytes are no RTCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// A part of the compound packet has another version than 2 or is no RTCP type.
    #[error("not an rtcp packet: first bytes {0:#04x} {1:#04x}")]
    NotRtcp(u8, u8),
    /// A part is longer than what is left, or shorter than its type demands.
    #[error("rtcp packet of type {0} is cut")]
    Cut(u8),
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

impl Heard {
    /// Reads a compound packet; `us` is the SSRC that we send with. A packet that is damaged
    /// anywhere is refused as a whole.
    pub fn parse(bytes: &[u8], us: Ssrc) -> Result<Self, RtcpError> {
        let mut heard = Self::default();
        let mut rest = bytes;
        loop {
            let Some(([first, kind, l0, l1], after)) = rest.split_first_chunk::<4>() else {
                return Err(RtcpError::Cut(rest.get(1).copied().unwrap_or(0)));
            };
            if first >> 6 != 2 || !crate::rtp::RTCP_SECOND_BYTES.contains(kind) {
                return Err(RtcpError::NotRtcp(*first, *kind));
            }
            let length = usize::from(u16::from_be_bytes([*l0, *l1])) * 4;
            let (body, next) = after.split_at_checked(length).ok_or(RtcpError::Cut(*kind))?;
            heard.read_part(*kind, first & 0x1f, body, us).ok_or(RtcpError::Cut(*kind))?;
            if next.is_empty() {
                return Ok(heard);
            }
            rest = next;
        }
    }

    fn read_part(&mut self, kind: u8, count: u8, body: &[u8], us: Ssrc) -> Option<()> {
        let blocks = match kind {
            SENDER_REPORT => {
                let middle = u32::from_be_bytes(*body.get(6..)?.first_chunk()?);
                self.sender_report = Some((ssrc_at(body, 0)?, middle));
                body.get(24..)?
            }
            RECEIVER_REPORT => body.get(4..)?,
            GOODBYE => {
                if count > 0 {
                    self.bye = Some(ssrc_at(body, 0)?);
                }
                return Some(());
            }
            _ => return Some(()),
        };
        // The count has five bits, so there are 31 blocks at most.
        for number in 0..usize::from(count) {
            let block = blocks.get(number * ReportBlock::LEN..)?.first_chunk()?;
            let block = ReportBlock::from_bytes(block);
            if block.ssrc == us {
                self.about_us = Some(block);
            }
        }
        Some(())
    }
}

fn ssrc_at(body: &[u8], at: usize) -> Option<Ssrc> {
    body.get(at..)?.first_chunk().map(|bytes| Ssrc(u32::from_be_bytes(*bytes)))
}

impl ReportBlock {
    const LEN: usize = 24;

    fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |n: usize| words.get(n).map_or(0, |w| u32::from_be_bytes(*w));
        Self {
            ssrc: Ssrc(word(0)),
            fraction_lost: (word(1) >> 24) as u8,
            lost: ((word(1) << 8) as i32) >> 8,
            highest: word(2),
            jitter: word(3),
            last_sender_report: word(4),
            delay_since: word(5),
        }
    }

    fn words(&self) -> [u32; 6] {
        let lost = self.lost.clamp(-(1 << 23), (1 << 23) - 1) as u32 & 0x00ff_ffff;
        [
            self.ssrc.0,
            (u32::from(self.fraction_lost) << 24) | lost,
            self.highest,
            self.jitter,
            self.last_sender_report,
            self.delay_since,
        ]
    }
}

impl Report<'_> {
    /// Writes the packet into an emptied `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        let count = u8::from(self.block.is_some());
        let blocks = u16::from(count) * 6;
        let word = |out: &mut Vec<u8>, value: u32| out.extend_from_slice(&value.to_be_bytes());
        match self.sender {
            Some(sender) => {
                part(out, count, SENDER_REPORT, 6 + blocks);
                word(out, self.ssrc.0);
                out.extend_from_slice(&sender.ntp.to_be_bytes());
                for value in [sender.timestamp, sender.packets, sender.octets] {
                    word(out, value);
                }
            }
            None => {
                part(out, count, RECEIVER_REPORT, 1 + blocks);
                word(out, self.ssrc.0);
            }
        }
        for value in self.block.iter().flat_map(ReportBlock::words) {
            word(out, value);
        }

        let cname = self.cname.as_bytes();
        let cname = &cname[..cname.len().min(MAX_CNAME)];
        // Item type 1, its length, the name, and 1 to 4 zeros that end the chunk.
        let zeros = 4 - (2 + cname.len()) % 4;
        let words = (4 + 2 + cname.len() + zeros) / 4;
        part(out, 1, SOURCE_DESCRIPTION, words as u16);
        word(out, self.ssrc.0);
        out.extend_from_slice(&[1, cname.len() as u8]);
        out.extend_from_slice(cname);
        out.resize(out.len() + zeros, 0);

        if self.bye {
            part(out, 1, GOODBYE, 1);
            word(out, self.ssrc.0);
        }
    }
}

fn part(out: &mut Vec<u8>, count: u8, kind: u8, words: u16) {
    let [high, low] = words.to_be_bytes();
    out.extend_from_slice(&[0x80 | count, kind, high, low]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: Ssrc(7),
        fraction_lost: 3,
        lost: -2,
        highest: 0x0001_0002,
        jitter: 80,
        last_sender_report: 9,
        delay_since: 65536,
    };

    const SENDER: SenderInfo =
        SenderInfo { ntp: 0x1111_2222_3333_4444, timestamp: 160, packets: 1, octets: 160 };

    #[test]
    fn a_written_report_is_read_again() {
        let mut out = Vec::new();
        for cname in ["", "a", "ab", "abc", "abcd", "x".repeat(100).as_str()] {
            let block = Some(BLOCK);
            Report { ssrc: Ssrc(5), cname, sender: Some(SENDER), block, bye: true }.write(&mut out);
            assert!(out.len() <= MAX_REPORT && out.len().is_multiple_of(4));
            let heard = Heard::parse(&out, Ssrc(7)).unwrap();
            let sender_report = Some((Ssrc(5), 0x2222_3333));
            assert_eq!(heard, Heard { sender_report, about_us: block, bye: Some(Ssrc(5)) });
        }
        Report { ssrc: Ssrc(5), cname: "a", sender: None, block: None, bye: false }.write(&mut out);
        assert_eq!(Heard::parse(&out, Ssrc(7)), Ok(Heard::default()));
    }

    #[test]
    fn m3_four_bytes_and_lying_lengths_are_refused() {
        assert_eq!(Heard::parse(&[0x80, 201, 0, 0], Ssrc(1)), Err(RtcpError::Cut(201)));
        assert_eq!(Heard::parse(&[0x80, 203, 0, 0], Ssrc(1)), Ok(Heard::default()));
        assert_eq!(Heard::parse(&[0x9f, 201, 0, 1, 0, 0, 0, 1], Ssrc(1)), Err(RtcpError::Cut(201)));
        assert_eq!(Heard::parse(&[0x80, 200, 0xff, 0xff], Ssrc(1)), Err(RtcpError::Cut(200)));
        assert_eq!(Heard::parse(&[0x80, 0, 0, 0], Ssrc(1)), Err(RtcpError::NotRtcp(0x80, 0)));
        assert_eq!(Heard::parse(&[], Ssrc(1)), Err(RtcpError::Cut(0)));
    }

    #[test]
    fn m3_two_hundred_receiver_reports_are_read_in_one_pass() {
        let mut bytes = Vec::new();
        for _ in 0..200 {
            bytes.extend_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 1]);
        }
        assert_eq!(Heard::parse(&bytes, Ssrc(1)), Ok(Heard::default()));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Heard::parse(&bytes, Ssrc(1));
        }
    }
}
