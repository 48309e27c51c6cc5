//! What arrived and what did not: the sequence numbers and the jitter of one source (RFC 3550
//! §6.4.1, appendices A.1, A.3 and A.8).

use std::time::Instant;

use crate::{
    SAMPLES_PER_MS,
    rtp::{Header, SequenceNumber},
};

/// A.1: a step forward by more packets than this is a restart, not loss.
const MAX_DROPOUT: i16 = 3000;

/// Packets whose arrival is remembered, to tell a duplicate from a packet that was overtaken. A.1
/// takes 100 for the same purpose.
const REMEMBERED: u16 = 128;

/// How a packet fits into what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// First arrival of its number; it may have been overtaken.
    New,
    /// This number was here already.
    Duplicate,
    /// Far from what was expected; if the next packet follows it, the sender has restarted.
    Stray,
    /// The second of two packets in a row far from what was expected: counting starts anew here.
    Restarted,
}

/// The state of one source. Owned by its stream.
#[derive(Debug, Default)]
pub struct Reception {
    run: Option<Run>,
    /// Of runs before the last restart.
    expected_before: u64,
    received: u64,
    stray_next: Option<SequenceNumber>,
    transit: Option<(Instant, Header)>,
    jitter_samples: f32,
    reported: (u64, u64),
}

#[derive(Clone, Copy, Debug)]
struct Run {
    first: SequenceNumber,
    highest: SequenceNumber,
    /// Highest number counted from `first` without wrapping.
    span: u64,
    /// Bit n: the packet n before the highest was received.
    seen: u128,
}

impl Reception {
    /// Takes the header of a packet that arrived at `now`.
    pub fn packet(&mut self, now: Instant, header: &Header) -> Arrival {
        let arrival = self.place(header.sequence);
        match arrival {
            Arrival::New => {
                self.received += 1;
                self.measure_jitter(now, header);
            }
            Arrival::Restarted => {
                self.received += 1;
                self.transit = Some((now, *header));
            }
            Arrival::Duplicate | Arrival::Stray => {}
        }
        arrival
    }

    /// Another source follows: the next packet begins a new run.
    pub fn restart(&mut self) {
        self.expected_before += self.run.map_or(0, |run| run.span + 1);
        self.run = None;
        self.stray_next = None;
        self.transit = None;
    }

    /// Packets received, duplicates not counted.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets that should have been received by now.
    pub fn expected(&self) -> u64 {
        self.expected_before + self.run.map_or(0, |run| run.span + 1)
    }

    /// Packets that should have been received and were not.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// Mean deviation of the packets' spacing (A.8), in milliseconds.
    pub fn jitter_ms(&self) -> f32 {
        self.jitter_samples / SAMPLES_PER_MS as f32
    }

    /// The same in samples, for a report.
    pub fn jitter_samples(&self) -> u32 {
        self.jitter_samples as u32
    }

    /// The highest number received, with the count of its wraps in the upper half.
    pub fn extended_highest(&self) -> u32 {
        self.run.map_or(0, |run| (u64::from(run.first.0) + run.span) as u32)
    }

    /// Part of the packets lost since the last call, in 256ths (A.3).
    pub fn fraction_lost(&mut self) -> u8 {
        let (expected, received) = (self.expected(), self.received);
        let (expected_then, received_then) = self.reported;
        self.reported = (expected, received);
        let expected = expected.saturating_sub(expected_then);
        let lost = expected.saturating_sub(received.saturating_sub(received_then));
        u8::try_from((lost << 8).checked_div(expected).unwrap_or(0)).unwrap_or(u8::MAX)
    }

    fn place(&mut self, sequence: SequenceNumber) -> Arrival {
        let Some(run) = &mut self.run else {
            self.run = Some(Run::starting_at(sequence));
            return Arrival::New;
        };
        let step = sequence.since(run.highest);
        if (1..=MAX_DROPOUT).contains(&step) {
            let step = step.unsigned_abs();
            run.seen = run.seen.checked_shl(u32::from(step)).unwrap_or(0) | 1;
            run.span += u64::from(step);
            run.highest = sequence;
            self.stray_next = None;
            return Arrival::New;
        }
        if step <= 0 && step.unsigned_abs() < REMEMBERED {
            let bit = 1u128 << step.unsigned_abs();
            if run.seen & bit != 0 {
                return Arrival::Duplicate;
            }
            run.seen |= bit;
            // A packet from before the first one was expected after all.
            if u64::from(step.unsigned_abs()) > run.span {
                run.first = sequence;
                run.span = u64::from(step.unsigned_abs());
            }
            return Arrival::New;
        }
        if self.stray_next == Some(sequence) {
            self.restart();
            self.run = Some(Run::starting_at(sequence));
            return Arrival::Restarted;
        }
        self.stray_next = Some(sequence.next());
        Arrival::Stray
    }

    fn measure_jitter(&mut self, now: Instant, header: &Header) {
        if let Some((then, before)) = self.transit {
            let stated = f64::from(header.timestamp.since(before.timestamp));
            // The packets of a telephone-event share a timestamp and say nothing of jitter.
            if stated == 0.0 {
                return;
            }
            let arrived = now.saturating_duration_since(then).as_secs_f64();
            let deviation = (arrived * f64::from(crate::SAMPLE_RATE) - stated).abs() as f32;
            // A pause without packets is no jitter.
            if deviation < crate::SAMPLE_RATE as f32 {
                self.jitter_samples += (deviation - self.jitter_samples) / 16.0;
            }
        }
        self.transit = Some((now, *header));
    }
}

impl Run {
    fn starting_at(first: SequenceNumber) -> Self {
        Self { first, highest: first, span: 0, seen: 1 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rtp::{PayloadType, RtpTimestamp, Ssrc};

    fn header(sequence: u16) -> Header {
        Header {
            marker: false,
            payload_type: PayloadType::PCMU,
            sequence: SequenceNumber(sequence),
            timestamp: RtpTimestamp(u32::from(sequence) * 160),
            ssrc: Ssrc(1),
        }
    }

    fn start() -> Instant {
        phoneai_clock::Clock::real().now()
    }

    #[test]
    fn loss_reordering_and_duplicates_are_told_apart() {
        let (mut reception, now) = (Reception::default(), start());
        let arrivals: Vec<_> = [65534, 65535, 1, 0, 0, 1, 5, 65533]
            .map(|sequence| reception.packet(now, &header(sequence)))
            .into();
        use Arrival::{Duplicate, New};
        assert_eq!(arrivals, [New, New, New, New, Duplicate, Duplicate, New, New]);
        assert_eq!((reception.received(), reception.expected(), reception.lost()), (6, 9, 3));
        assert_eq!(reception.extended_highest(), 65536 + 5);
        assert_eq!(reception.fraction_lost(), 85);
        assert_eq!(reception.fraction_lost(), 0);
    }

    #[test]
    fn m5_a_jump_of_30000_is_a_restart_only_when_two_packets_agree() {
        let (mut reception, now) = (Reception::default(), start());
        reception.packet(now, &header(100));
        assert_eq!(reception.packet(now, &header(30_100)), Arrival::Stray);
        assert_eq!(reception.packet(now, &header(101)), Arrival::New);
        assert_eq!(reception.packet(now, &header(30_200)), Arrival::Stray);
        assert_eq!(reception.packet(now, &header(30_201)), Arrival::Restarted);
        assert_eq!(reception.packet(now, &header(30_202)), Arrival::New);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn jitter_is_the_mean_deviation_of_the_spacing() {
        let (mut reception, begin) = (Reception::default(), start());
        for i in 0..500u16 {
            let shift = if i % 2 == 0 { 0 } else { 10 };
            let at = begin + Duration::from_millis(u64::from(i) * 20 + shift);
            reception.packet(at, &header(i));
        }
        assert!((reception.jitter_ms() - 10.0).abs() < 0.1, "{}", reception.jitter_ms());
    }
}
