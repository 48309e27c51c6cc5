//! The jitter buffer: packets in as they come, one frame out each 20 ms, whatever happens.
//!
//! Audio lies on a line of timestamps. The playout reads 160 samples of it at each pull; what is
//! missing by then is concealed. How early packets come before they are needed (their slack) is
//! measured against that timetable, and the playout is moved by whole pitch periods: back when more
//! than one packet in a hundred would come too late, forward when all come earlier than needed. This
//! follows jitter, a changed path and the drift of the sender's clock alike.
//!
//! Samples are decoded when they arrive: G.711 has no memory between packets.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    FRAME_MS, FRAME_SAMPLES, SAMPLES_PER_MS, Samples,
    conceal::{self, Concealer, SHORTEN_INPUT},
    noise::NoiseSource,
    rtp::RtpTimestamp,
};

/// Audio held back before the first sample is played: two packets of 20 ms, so that one may be
/// overtaken by the next.
pub const INITIAL_DELAY: Duration = Duration::from_millis(40);

/// Longest delay unless configured otherwise: jitter of ±80 ms with room to spare.
pub const DEFAULT_MAX_DELAY: Duration = Duration::from_millis(240);

/// No configuration may delay by more.
pub const LONGEST_MAX_DELAY: Duration = Duration::from_secs(2);

/// Packets held at most; beyond, the newest is dropped. Two seconds of packets of 20 ms.
pub const MAX_PACKETS: usize = 128;

/// Samples of one packet that are read: the largest payload that fits in an Ethernet frame.
pub const MAX_PACKET_SAMPLES: usize = 1500;

/// What a packet holds, for the buffer.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Decoded audio; samples beyond [`MAX_PACKET_SAMPLES`] are ignored.
    Audio(&'a [i16]),
    /// From here on the sender is silent, and this is the level of the noise behind it, in dBov
    /// (RFC 3389); `None` for digital silence.
    Comfort(Option<f32>),
}

/// Counters since the stream began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets that came after their time.
    pub late: u64,
    /// Packets that were dropped because the buffer was full or they lay nowhere near the timetable.
    pub dropped: u64,
    /// Frames of which at least a part was concealed.
    pub concealed: u64,
    /// How often the timetable was laid anew: restart of the sender, jump of its timestamps.
    pub resets: u64,
    /// Pitch periods said twice to wait for late packets, or left out to catch up.
    pub stretched: u64,
}

/// The buffer of one stream. Owned by it.
#[derive(Debug)]
pub struct JitterBuffer {
    max_delay: i32,
    queue: VecDeque<Entry>,
    /// Emptied sample buffers, so that no packet allocates.
    spare: Vec<Vec<i16>>,
    timetable: Option<Timetable>,
    slack: SlackWindow,
    stray_next: Option<RtpTimestamp>,
    late_in_a_row: u32,
    pulls: u32,
    /// Samples by which the playout is to be moved back (negative) or forward.
    correction: i32,
    filler: Filler,
    concealer: Concealer,
    noise: NoiseSource,
    stats: JitterStats,
}

#[derive(Debug)]
struct Entry {
    timestamp: RtpTimestamp,
    kind: EntryKind,
}

#[derive(Debug)]
enum EntryKind {
    Audio(Vec<i16>),
    Comfort(Option<f32>),
}

#[derive(Clone, Copy, Debug)]
struct Timetable {
    /// The next sample to be played.
    position: RtpTimestamp,
    /// When it will be asked for.
    next_pull: Instant,
}

/// What is played where no packet is.
#[derive(Clone, Copy, Debug)]
enum Filler {
    /// Nothing was played yet.
    Silence,
    Conceal,
    Comfort(f32),
}

/// Packets that come too late in a row, after which the timetable is laid anew: the sender's clock
/// stood still, or the path has become longer at a stroke.
const LATE_RUN: u32 = 5;

/// A packet this much behind its time (one second) belongs to another timetable.
const MAX_BEHIND: i32 = 8000;

/// The playout is judged after each so many pulls.
const JUDGED_EVERY: u32 = 5;

/// Slack that all but one packet in a hundred shall have at least: a frame, because a packet that
/// begins within a frame is needed when the frame begins, and 2 ms for the clock's steps.
const LEAST_SLACK: i32 = 22 * SAMPLES_PER_MS as i32;

/// Slack above which delay is taken away. An undisturbed stream begins with 40 to 60 ms; a period
/// less leaves at least 45 ms, so that forward and back cannot alternate.
const MOST_SLACK: i32 = 60 * SAMPLES_PER_MS as i32;

/// Packets that must have been seen before delay is taken away: two seconds.
const SEEN_BEFORE_SHORTENING: usize = 100;

impl JitterBuffer {
    /// An empty buffer that never delays by more than `max_delay`, itself not above
    /// [`LONGEST_MAX_DELAY`] and not below twice [`INITIAL_DELAY`].
    pub fn new(max_delay: Duration) -> Self {
        let max_delay = max_delay.clamp(INITIAL_DELAY * 2, LONGEST_MAX_DELAY);
        Self {
            max_delay: samples_of(max_delay),
            queue: VecDeque::new(),
            spare: Vec::new(),
            timetable: None,
            slack: SlackWindow::default(),
            stray_next: None,
            late_in_a_row: 0,
            pulls: 0,
            correction: 0,
            filler: Filler::Silence,
            concealer: Concealer::default(),
            noise: NoiseSource::default(),
            stats: JitterStats::default(),
        }
    }

    /// Takes a packet that arrived at `now`; duplicates must have been sorted out before.
    pub fn insert(&mut self, now: Instant, timestamp: RtpTimestamp, content: Content<'_>) {
        let Some(timetable) = self.timetable else {
            self.lay_timetable(now, timestamp);
            self.store(timestamp, content);
            return;
        };
        let length = match content {
            Content::Audio(samples) => samples.len().min(MAX_PACKET_SAMPLES) as i32,
            Content::Comfort(_) => 0,
        };
        let ahead = timestamp.since(timetable.position);
        if let Content::Comfort(_) = content {
            // All packets of a telephone-event bear the timestamp of its beginning, however long
            // ago that was: they say nothing of the timetable.
            if (-MAX_BEHIND..self.max_delay).contains(&ahead) {
                self.store(timestamp, content);
            }
            return;
        }
        let end = ahead.saturating_add(length);
        if ahead < -MAX_BEHIND || end > self.max_delay + FRAME_SAMPLES as i32 * 2 {
            // One packet may be damaged; a second one behind it means a new timetable.
            if self.stray_next.is_some_and(|next| next == timestamp) {
                self.restart_at(now, timestamp);
                self.store(timestamp, content);
            } else {
                self.stats.dropped += 1;
            }
            self.stray_next = Some(timestamp.plus(length.unsigned_abs()));
            return;
        }
        self.stray_next = None;

        self.slack.push(timetable.slack(now, ahead));
        let frame_begins = ahead.div_euclid(FRAME_SAMPLES as i32) * FRAME_SAMPLES as i32;
        if timetable.slack(now, frame_begins) < 0 {
            self.stats.late += 1;
            self.late_in_a_row += 1;
        } else {
            self.late_in_a_row = 0;
        }
        if self.late_in_a_row >= LATE_RUN {
            self.restart_at(now, timestamp);
        } else if end <= 0 {
            return;
        }
        self.store(timestamp, content);
    }

    /// The sender has changed: what it sent before is forgotten, what was heard is not.
    pub fn restart(&mut self) {
        if self.timetable.take().is_some() {
            self.stats.resets += 1;
        }
        self.forget_packets();
    }

    /// The next frame, to be pulled at 20 ms intervals; `now` is when it was due. Says whether a
    /// part of it had to be concealed.
    pub fn pull(&mut self, now: Instant, frame: &mut Samples) -> bool {
        self.pulls = self.pulls.wrapping_add(1);
        let Some(timetable) = &mut self.timetable else {
            return self.pull_without_timetable(frame);
        };
        timetable.next_pull = now + Duration::from_millis(u64::from(FRAME_MS));
        let position = timetable.position;
        if self.pulls.is_multiple_of(JUDGED_EVERY) {
            self.judge();
        }

        let (concealed, used) = self.play(position, frame);
        if let Some(timetable) = &mut self.timetable {
            timetable.position = position.plus(used as u32);
        }
        let moved = used as i32 - FRAME_SAMPLES as i32;
        if moved != 0 {
            self.stats.stretched += 1;
            self.slack.shift(-moved);
            // A period may be more than was asked for; that is not to be taken back.
            let left = self.correction - moved;
            self.correction = if left.signum() == self.correction.signum() { left } else { 0 };
        }
        self.stats.concealed += u64::from(concealed);
        concealed
    }

    /// Audio between the playout and the newest packet, in milliseconds.
    pub fn delay_ms(&self) -> u32 {
        let (Some(timetable), Some(newest)) = (&self.timetable, self.queue.back()) else {
            return 0;
        };
        newest.end().since(timetable.position).max(0).unsigned_abs() / SAMPLES_PER_MS
    }

    /// Counters since the stream began.
    pub fn stats(&self) -> JitterStats {
        self.stats
    }

    fn lay_timetable(&mut self, now: Instant, timestamp: RtpTimestamp) {
        let delay = samples_of(INITIAL_DELAY).unsigned_abs();
        self.timetable = Some(Timetable { position: timestamp.minus(delay), next_pull: now });
        self.slack = SlackWindow::default();
        self.late_in_a_row = 0;
        self.correction = 0;
    }

    fn restart_at(&mut self, now: Instant, timestamp: RtpTimestamp) {
        let next_pull = self.timetable.map_or(now, |t| t.next_pull);
        self.restart();
        self.lay_timetable(now, timestamp);
        if let Some(timetable) = &mut self.timetable {
            timetable.next_pull = next_pull;
        }
    }

    fn forget_packets(&mut self) {
        while let Some(entry) = self.queue.pop_front() {
            self.recycle(entry);
        }
        self.stray_next = None;
        if let Filler::Comfort(_) = self.filler {
            self.filler = Filler::Conceal;
        }
    }

    fn store(&mut self, timestamp: RtpTimestamp, content: Content<'_>) {
        if self.queue.len() >= MAX_PACKETS {
            self.stats.dropped += 1;
            return;
        }
        let kind = match content {
            Content::Audio(samples) => {
                let mut buffer = self.spare.pop().unwrap_or_default();
                buffer.clear();
                buffer.extend_from_slice(&samples[..samples.len().min(MAX_PACKET_SAMPLES)]);
                EntryKind::Audio(buffer)
            }
            Content::Comfort(level) => EntryKind::Comfort(level),
        };
        let earlier = self.queue.iter().rev().take_while(|e| e.timestamp.since(timestamp) > 0);
        let place = self.queue.len() - earlier.count();
        self.queue.insert(place, Entry { timestamp, kind });
    }

    fn recycle(&mut self, entry: Entry) {
        if let EntryKind::Audio(buffer) = entry.kind
            && self.spare.len() < MAX_PACKETS
        {
            self.spare.push(buffer);
        }
    }

    fn judge(&mut self) {
        let Some((least, most)) = self.slack.quantiles() else { return };
        self.correction = if least < LEAST_SLACK {
            // As far back as the delay may grow.
            (least - LEAST_SLACK).max(most - self.max_delay).min(0)
        } else if least > MOST_SLACK && self.slack.len() >= SEEN_BEFORE_SHORTENING {
            least - MOST_SLACK
        } else {
            0
        };
    }

    fn pull_without_timetable(&mut self, frame: &mut Samples) -> bool {
        match self.filler {
            Filler::Silence | Filler::Comfort(_) => {
                frame.fill(0);
                self.concealer.filled(frame);
                false
            }
            Filler::Conceal => {
                self.concealer.conceal(frame);
                self.stats.concealed += 1;
                true
            }
        }
    }

    /// Makes a frame from `position` on, and says whether a part was concealed and how many samples
    /// of the line it used up.
    fn play(&mut self, position: RtpTimestamp, frame: &mut Samples) -> (bool, usize) {
        // Forward in small steps, a tenth faster at most: nothing is lost by waiting.
        if self.correction > 0 && self.pulls.is_multiple_of(JUDGED_EVERY) {
            let mut input = [0; SHORTEN_INPUT];
            if self.peek(position, &mut input) {
                let used = conceal::shorten(&input, frame);
                self.consume(position.plus(used as u32));
                self.concealer.received(frame);
                return (false, used);
            }
        }
        if self.correction < 0 {
            let mut input = [0; FRAME_SAMPLES];
            if self.peek(position, &mut input) {
                let used = conceal::lengthen(&input, frame);
                self.consume(position.plus(used as u32));
                self.concealer.received(frame);
                return (false, used);
            }
            let next_is_far = self
                .queue
                .front()
                .is_none_or(|entry| entry.timestamp.since(position) >= FRAME_SAMPLES as i32);
            if self.correction <= -(FRAME_SAMPLES as i32) && next_is_far {
                // Nothing to play and more delay needed: wait for a frame's length.
                return (self.fill(frame), 0);
            }
        }
        (self.play_line(position, frame), FRAME_SAMPLES)
    }

    /// Copies the line from `position` on, if all of it is there, without using it up.
    fn peek(&self, position: RtpTimestamp, samples: &mut [i16]) -> bool {
        let mut filled = 0;
        for entry in &self.queue {
            let EntryKind::Audio(audio) = &entry.kind else { return false };
            let skip = position.plus(filled as u32).since(entry.timestamp);
            let Ok(skip) = usize::try_from(skip) else { return false };
            let part = audio.get(skip..).unwrap_or_default();
            let count = part.len().min(samples.len() - filled);
            samples[filled..filled + count].copy_from_slice(&part[..count]);
            filled += count;
            if filled == samples.len() {
                return true;
            }
        }
        false
    }

    /// Drops packets that end at or before `position`.
    fn consume(&mut self, position: RtpTimestamp) {
        while let Some(entry) = self.queue.front()
            && entry.end().since(position) <= 0
            && let Some(entry) = self.queue.pop_front()
        {
            match entry.kind {
                EntryKind::Audio(_) => self.filler = Filler::Conceal,
                EntryKind::Comfort(level) => {
                    self.filler = Filler::Comfort(level.unwrap_or(f32::NEG_INFINITY));
                }
            }
            self.recycle(entry);
        }
    }

    fn play_line(&mut self, position: RtpTimestamp, frame: &mut Samples) -> bool {
        let mut concealed = false;
        let mut filled = 0;
        while filled < FRAME_SAMPLES {
            let here = position.plus(filled as u32);
            self.consume(here);
            let room = FRAME_SAMPLES - filled;
            let front = self.queue.front();
            let ahead = front.map_or(i32::MAX, |entry| entry.timestamp.since(here));
            match front.map(|entry| &entry.kind) {
                Some(EntryKind::Audio(audio)) if ahead <= 0 => {
                    let skip = ahead.unsigned_abs() as usize;
                    let part = audio.get(skip..).unwrap_or_default();
                    let count = part.len().min(room);
                    frame[filled..filled + count].copy_from_slice(&part[..count]);
                    self.concealer.received(&mut frame[filled..filled + count]);
                    self.filler = Filler::Conceal;
                    filled += count;
                }
                _ => {
                    let gap = usize::try_from(ahead.max(1)).unwrap_or(room).min(room);
                    concealed |= self.fill(&mut frame[filled..filled + gap]);
                    filled += gap;
                }
            }
        }
        self.consume(position.plus(FRAME_SAMPLES as u32));
        concealed
    }

    /// Fills what no packet holds, and says whether that is a concealment.
    fn fill(&mut self, samples: &mut [i16]) -> bool {
        match self.filler {
            Filler::Silence => {
                samples.fill(0);
                self.concealer.filled(samples);
                false
            }
            Filler::Comfort(level) => {
                self.noise.fill(level, samples);
                self.concealer.filled(samples);
                false
            }
            Filler::Conceal => {
                self.concealer.conceal(samples);
                true
            }
        }
    }
}

impl Entry {
    fn end(&self) -> RtpTimestamp {
        match &self.kind {
            EntryKind::Audio(samples) => self.timestamp.plus(samples.len() as u32),
            EntryKind::Comfort(_) => self.timestamp,
        }
    }
}

impl Timetable {
    /// How long before it is played a sample arrived that is `ahead` of the playout, in samples;
    /// negative if it came too late.
    fn slack(&self, now: Instant, ahead: i32) -> i32 {
        let until_pull = if self.next_pull >= now {
            samples_of(self.next_pull.saturating_duration_since(now))
        } else {
            -samples_of(now.saturating_duration_since(self.next_pull))
        };
        ahead.saturating_add(until_pull)
    }
}

fn samples_of(duration: Duration) -> i32 {
    let samples = duration.as_micros() * u128::from(SAMPLES_PER_MS) / 1000;
    i32::try_from(samples).unwrap_or(i32::MAX)
}

/// Packets whose slack is remembered: four seconds.
const WINDOW: usize = 200;

/// The slack of the last packets.
#[derive(Debug)]
struct SlackWindow {
    slacks: [i32; WINDOW],
    len: usize,
    next: usize,
    shifted: i32,
}

impl Default for SlackWindow {
    fn default() -> Self {
        Self { slacks: [0; WINDOW], len: 0, next: 0, shifted: 0 }
    }
}

impl SlackWindow {
    fn push(&mut self, slack: i32) {
        self.slacks[self.next] = slack.saturating_sub(self.shifted);
        self.next = (self.next + 1) % WINDOW;
        self.len = (self.len + 1).min(WINDOW);
    }

    fn len(&self) -> usize {
        self.len
    }

    /// The timetable has moved: all slacks change by this.
    fn shift(&mut self, by: i32) {
        self.shifted = self.shifted.saturating_add(by);
    }

    /// The slack that one packet in a hundred does not reach, and the largest.
    fn quantiles(&self) -> Option<(i32, i32)> {
        let mut sorted = self.slacks;
        let sorted = &mut sorted[..self.len];
        let most = *sorted.iter().max()?;
        let (_, least, _) = sorted.select_nth_unstable(self.len / 100);
        Some((least.saturating_add(self.shifted), most.saturating_add(self.shifted)))
    }
}

#[cfg(test)]
mod tests;
