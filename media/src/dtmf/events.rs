//! Telephone-events (RFC 4733): keys as RTP packets of their own.
//!
//! Sending follows the RFC to the letter, because some gateways drop a digit without a marker or
//! with a moving timestamp. Receiving assumes nothing: all packets with one timestamp are one
//! digit, whichever of them arrive, in whatever order and however often.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    FRAME_MS, FRAME_SAMPLES, SAMPLES_PER_MS, StreamMs, dtmf::DtmfDigit, rtp::RtpTimestamp,
};

/// Bytes of one event in a payload (RFC 4733 §2.3).
pub const EVENT_LEN: usize = 4;

/// How long a key is held unless said otherwise. The shortest that every gateway must detect is
/// 40 ms (Q.24), but menus behind a second conversion to tones lose such digits; 100 ms is what
/// telephones send and what the field asks for.
pub const DEFAULT_TONE_MS: u32 = 100;

/// Pause between two keys unless said otherwise.
pub const DEFAULT_GAP_MS: u32 = 100;

/// Longest time a key may be held.
pub const MAX_TONE_MS: u32 = 60_000;

/// Longest pause between two keys.
pub const MAX_GAP_MS: u32 = 10_000;

/// Keys that may wait to be sent; a card number with its expiry date is far shorter.
pub const MAX_QUEUED_DIGITS: usize = 64;

/// RFC 4733 §2.5.1.4: the last packet of an event is sent three times in all.
const END_PACKETS: u8 = 3;

/// Longest duration that a packet can state; a longer event goes on as a new segment (§2.5.1.3).
const MAX_SEGMENT: u32 = 0xffff;

/// Loudness of the key, 10 dB below 1 mW: what telephones send (RFC 4733 §2.3.3 takes 0 to 63).
const VOLUME: u8 = 10;

/// One event as its four bytes say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened; 0 to 15 are keys.
    pub code: u8,
    /// True in the last packets of the event.
    pub end: bool,
    /// dB below 1 mW, 0 to 63.
    pub volume: u8,
    /// How long the event has lasted since the packet's timestamp, in samples.
    pub duration: u16,
}

impl Event {
    /// The bytes of the event.
    pub fn to_bytes(self) -> [u8; EVENT_LEN] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, (u8::from(self.end) << 7) | (self.volume & 0x3f), high, low]
    }

    /// Reads four bytes; the reserved bit is ignored.
    pub fn from_bytes([code, second, high, low]: [u8; EVENT_LEN]) -> Self {
        let duration = u16::from_be_bytes([high, low]);
        Self { code, end: second & 0x80 != 0, volume: second & 0x3f, duration }
    }
}

/// What the sender puts in the place of one packet of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// Set in the first packet of a key.
    pub marker: bool,
    /// When the key, or this segment of it, began: the same in all its packets.
    pub timestamp: RtpTimestamp,
    /// The payload.
    pub event: Event,
    /// True in the last packet of the last key that was waiting.
    pub last: bool,
}

/// Why keys are not sent; then none of those that were passed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PressError {
    /// The queue of keys to send is full.
    #[error("cannot send {0} more digits, {MAX_QUEUED_DIGITS} may wait; send them later")]
    TooMany(usize),
    /// There is no SDP of the peer yet.
    #[error("cannot send digits: offer and answer are not done yet")]
    NotOffered,
}

/// Turns keys into event packets, one for each 20 ms. Owned by its stream, ends with it.
#[derive(Debug, Default)]
pub struct EventSender {
    queue: VecDeque<Press>,
    state: SendState,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    digit: DtmfDigit,
    tone: u32,
    gap: u32,
}

#[derive(Clone, Copy, Debug, Default)]
enum SendState {
    #[default]
    Idle,
    Tone {
        press: Press,
        segment_start: RtpTimestamp,
        /// Samples of the tone before this segment.
        before: u32,
        first: bool,
    },
    End {
        press: Press,
        timestamp: RtpTimestamp,
        event: Event,
        sent: u8,
        ended_at: RtpTimestamp,
    },
    Gap {
        until: RtpTimestamp,
    },
}

impl EventSender {
    /// Queues keys, each held for `tone_ms` (20 ms to [`MAX_TONE_MS`]) and followed by at least
    /// `gap_ms` (to [`MAX_GAP_MS`]) without a key; values outside are moved to the limit.
    pub fn press(
        &mut self,
        digits: &[DtmfDigit],
        tone_ms: u32,
        gap_ms: u32,
    ) -> Result<(), PressError> {
        if self.queue.len() + digits.len() > MAX_QUEUED_DIGITS {
            return Err(PressError::TooMany(digits.len()));
        }
        let tone = tone_ms.clamp(FRAME_MS, MAX_TONE_MS) * SAMPLES_PER_MS;
        let gap = gap_ms.min(MAX_GAP_MS) * SAMPLES_PER_MS;
        self.queue.extend(digits.iter().map(|&digit| Press { digit, tone, gap }));
        Ok(())
    }

    /// Drops the keys that were not begun; the one that is held is finished.
    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// True while a key is held, repeated at its end, or waits.
    pub fn is_busy(&self) -> bool {
        !self.queue.is_empty()
            || matches!(self.state, SendState::Tone { .. } | SendState::End { .. })
    }

    /// What to send at `now`, the timestamp of the audio packet that it replaces; `None` if audio
    /// is to be sent. To be called once for each 20 ms.
    pub fn next_packet(&mut self, now: RtpTimestamp) -> Option<EventPacket> {
        if let SendState::Gap { until } = self.state
            && now.since(until) >= 0
        {
            self.state = SendState::Idle;
        }
        if matches!(self.state, SendState::Idle) {
            let press = self.queue.pop_front()?;
            self.state = SendState::Tone { press, segment_start: now, before: 0, first: true };
        }
        match self.state {
            SendState::Idle | SendState::Gap { .. } => None,
            SendState::Tone { press, segment_start, before, first } => {
                Some(self.tone_packet(now, press, segment_start, before, first))
            }
            SendState::End { press, timestamp, event, sent, ended_at } => {
                self.state = if sent + 1 < END_PACKETS {
                    SendState::End { press, timestamp, event, sent: sent + 1, ended_at }
                } else {
                    SendState::Gap { until: ended_at.plus(press.gap) }
                };
                let last = sent + 1 == END_PACKETS && self.queue.is_empty();
                Some(EventPacket { marker: false, timestamp, event, last })
            }
        }
    }

    /// A packet sent at `now` tells of the 20 ms that it covers, as an audio packet would.
    fn tone_packet(
        &mut self,
        now: RtpTimestamp,
        press: Press,
        segment_start: RtpTimestamp,
        before: u32,
        first: bool,
    ) -> EventPacket {
        let in_segment = now.since(segment_start).max(0).unsigned_abs() + FRAME_SAMPLES as u32;
        let left = press.tone.saturating_sub(before);
        let timestamp = segment_start;
        let code = press.digit.event_code();
        let event = |end, duration: u32| Event {
            code,
            end,
            volume: VOLUME,
            duration: u16::try_from(duration).unwrap_or(u16::MAX),
        };
        let packet = |event| EventPacket { marker: first, timestamp, event, last: false };
        if in_segment >= left && left <= MAX_SEGMENT {
            let ended_at = segment_start.plus(left);
            let event = event(true, left);
            self.state = SendState::End { press, timestamp, event, sent: 1, ended_at };
            return packet(event);
        }
        // §2.5.1.3: a segment that is full says 0xFFFF without the end bit, and the next one
        // begins where it ended, without a marker.
        let (segment_start, before) = if in_segment >= MAX_SEGMENT {
            (segment_start.plus(MAX_SEGMENT), before + MAX_SEGMENT)
        } else {
            (segment_start, before)
        };
        self.state = SendState::Tone { press, segment_start, before, first: false };
        packet(event(false, in_segment))
    }
}

/// A key that the peer pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedDigit {
    /// Which key.
    pub digit: DtmfDigit,
    /// When its first packet arrived.
    pub at_ms: StreamMs,
    /// How long it was held, as far as the packets that arrived say; 0 if they say nothing.
    pub duration_ms: u32,
}

/// Nothing more of an event for this long ends it, should all end packets be lost. RFC 4733
/// §2.6.1.3 leaves the time open; senders update every 20 to 50 ms, so two lost updates are
/// survived.
const EVENT_TIMEOUT: Duration = Duration::from_millis(160);

/// A finished event's timestamp is remembered this long, so that a packet that comes late or twice
/// is no second digit.
const FINISHED_MEMORY: Duration = Duration::from_secs(20);

/// Finished events that are remembered; more digits than that in [`FINISHED_MEMORY`] would be 20 ms
/// apart and less.
const MAX_FINISHED: usize = 256;

/// Events packed in one payload that are read (RFC 4733 §2.5.1.5).
const MAX_EVENTS_A_PACKET: usize = 4;

/// Digits that may wait for [`EventReceiver::poll_digit`].
const MAX_WAITING: usize = 64;

/// Turns event packets into digits. Owned by its stream, ends with it.
#[derive(Debug, Default)]
pub struct EventReceiver {
    current: Option<Current>,
    finished: VecDeque<(RtpTimestamp, Instant)>,
    waiting: VecDeque<ReceivedDigit>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    digit: DtmfDigit,
    timestamp: RtpTimestamp,
    /// Samples of the segments before `timestamp`.
    before: u32,
    duration: u16,
    at_ms: StreamMs,
    last_packet: Instant,
}

impl EventReceiver {
    /// Takes the payload of a telephone-event packet that arrived at `now`, `at_ms` on the stream's
    /// clock. Events that are no keys are ignored, as are bytes that make no whole event.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        at_ms: StreamMs,
        timestamp: RtpTimestamp,
        payload: &[u8],
    ) {
        self.handle_timeout(now);
        let mut timestamp = timestamp;
        let (events, _) = payload.as_chunks::<EVENT_LEN>();
        for event in events.iter().take(MAX_EVENTS_A_PACKET) {
            let event = Event::from_bytes(*event);
            self.handle_event(now, at_ms, timestamp, event);
            timestamp = timestamp.plus(u32::from(event.duration));
        }
    }

    /// Ends an event of which nothing was heard for a while; to be called each 20 ms.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(current) = self.current
            && now.saturating_duration_since(current.last_packet) >= EVENT_TIMEOUT
        {
            self.finish(current, now);
        }
    }

    /// The source of the packets has changed: timestamps start anew.
    pub fn restart(&mut self, now: Instant) {
        if let Some(current) = self.current {
            self.finish(current, now);
        }
        self.finished.clear();
    }

    /// The next digit that is complete.
    pub fn poll_digit(&mut self) -> Option<ReceivedDigit> {
        self.waiting.pop_front()
    }

    fn handle_event(
        &mut self,
        now: Instant,
        at_ms: StreamMs,
        timestamp: RtpTimestamp,
        event: Event,
    ) {
        let Some(digit) = DtmfDigit::from_event_code(event.code) else { return };
        if self.is_finished(now, timestamp) {
            return;
        }
        let current = match self.current {
            Some(mut current) if current.timestamp == timestamp => {
                // Reordered packets may say less than what is known already.
                current.duration = current.duration.max(event.duration);
                current.last_packet = now;
                current
            }
            Some(current) if current.goes_on_at(timestamp, digit) => {
                self.remember(current.timestamp, now);
                Current {
                    timestamp,
                    before: current.before + MAX_SEGMENT,
                    duration: event.duration,
                    last_packet: now,
                    ..current
                }
            }
            Some(current) if timestamp.since(current.timestamp) < 0 => {
                // All of an earlier digit was overtaken by a later one. It is told at once: its
                // other packets will not come before the later digit's either.
                self.tell(digit, at_ms, u32::from(event.duration));
                self.remember(timestamp, now);
                self.current = Some(current);
                return;
            }
            other => {
                if let Some(previous) = other {
                    self.finish(previous, now);
                }
                let duration = event.duration;
                Current { digit, timestamp, before: 0, duration, at_ms, last_packet: now }
            }
        };
        self.current = Some(current);
        if event.end {
            self.finish(current, now);
        }
    }

    fn finish(&mut self, current: Current, now: Instant) {
        self.current = None;
        self.tell(current.digit, current.at_ms, current.before + u32::from(current.duration));
        self.remember(current.timestamp, now);
    }

    fn tell(&mut self, digit: DtmfDigit, at_ms: StreamMs, duration: u32) {
        if self.waiting.len() < MAX_WAITING {
            let duration_ms = duration / SAMPLES_PER_MS;
            self.waiting.push_back(ReceivedDigit { digit, at_ms, duration_ms });
        }
    }

    fn remember(&mut self, timestamp: RtpTimestamp, now: Instant) {
        if self.finished.len() == MAX_FINISHED {
            self.finished.pop_front();
        }
        self.finished.push_back((timestamp, now));
    }

    fn is_finished(&mut self, now: Instant, timestamp: RtpTimestamp) -> bool {
        while let Some((_, at)) = self.finished.front()
            && now.saturating_duration_since(*at) > FINISHED_MEMORY
        {
            self.finished.pop_front();
        }
        self.finished.iter().any(|(finished, _)| *finished == timestamp)
    }
}

impl Current {
    /// Whether an event at `timestamp` is the next segment of this one (RFC 4733 §2.5.1.3).
    fn goes_on_at(&self, timestamp: RtpTimestamp, digit: DtmfDigit) -> bool {
        digit == self.digit && timestamp == self.timestamp.plus(MAX_SEGMENT)
    }
}

#[cfg(test)]
mod tests;
