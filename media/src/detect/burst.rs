//! Tones in time: a burst is a tone that keeps its frequencies, from its beginning to its end.

use super::spectrum::{Component, Tone, ToneFrame};
use crate::{FRAME_MS, StreamMs};

/// Holes and disturbed frames within a burst: a lost packet that was concealed badly. Cadences have
/// no pauses below 100 ms (E.180).
const BRIDGED_FRAMES: u32 = 2;

/// Shorter bursts are none: vowels keep their pitch so long. The shortest of a cadence is 100 ms.
const SHORTEST_MS: u32 = 60;

/// Within a burst a frequency stays within this part of itself, or that many hertz.
const DRIFT: f32 = 0.012;
const DRIFT_HZ: f32 = 6.0;

/// A tone from `from_ms` to `to_ms`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// What it consists of; frequencies and levels are those of its middle.
    pub tone: Tone,
    /// When it began.
    pub from_ms: StreamMs,
    /// When it ended, or how far it has come.
    pub to_ms: StreamMs,
}

impl Burst {
    /// How long it is.
    pub fn length_ms(&self) -> u32 {
        self.to_ms.saturating_sub(self.from_ms)
    }
}

/// What became of a burst with a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BurstState {
    /// There is none, or one that is too young to tell.
    None,
    /// It goes on.
    Sounding(Burst),
    /// It is over. Told once.
    Over(Burst),
}

/// Finds the bursts in the frames of one side of a call.
#[derive(Clone, Debug, Default)]
pub struct Bursts {
    current: Option<Current>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    burst: Burst,
    frames: u32,
    /// Frames at the end that did not fit.
    odd: u32,
}

impl Bursts {
    /// Takes the next frame and says what it means for the burst.
    pub fn push(&mut self, frame: &ToneFrame) -> BurstState {
        let begun = |tone| Current {
            burst: Burst { tone, from_ms: frame.at_ms, to_ms: frame.end_ms() },
            frames: 1,
            odd: 0,
        };
        let Some(mut current) = self.current else {
            self.current = frame.tone.map(begun);
            return BurstState::None;
        };
        match frame.tone {
            Some(tone) if same(&current.burst.tone, &tone) => {
                // The first window is half empty: the middle ones know best.
                if current.frames < 4 || tone.dbov() > current.burst.tone.dbov() + 1.0 {
                    current.burst.tone = tone;
                }
                current.burst.to_ms = frame.end_ms();
                current.frames += 1;
                current.odd = 0;
            }
            Some(tone) if current.frames <= BRIDGED_FRAMES => {
                // At its beginning two close tones look like one.
                current.burst.tone = tone;
                current.burst.to_ms = frame.end_ms();
                current.frames += 1;
            }
            Some(_) | None => current.odd += 1,
        }
        self.current = Some(current);
        let told = current.burst.length_ms() >= SHORTEST_MS;
        if current.odd <= BRIDGED_FRAMES {
            return if told { BurstState::Sounding(current.burst) } else { BurstState::None };
        }
        // The frames that did not fit may be the beginning of the next burst.
        self.current = frame.tone.map(|tone| {
            let mut next = begun(tone);
            next.burst.from_ms = frame.at_ms.saturating_sub(BRIDGED_FRAMES * FRAME_MS);
            next
        });
        if told { BurstState::Over(current.burst) } else { BurstState::None }
    }
}

fn same(a: &Tone, b: &Tone) -> bool {
    let close = |x: f32, y: f32| (x - y).abs() <= (x * DRIFT).max(DRIFT_HZ);
    let ((a_low, a_high), (b_low, b_high)) = (a.frequencies(), b.frequencies());
    close(a_low, b_low)
        && match (a_high, b_high) {
            (Some(a_high), Some(b_high)) => close(a_high, b_high),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
}

/// True if a sine is within `part` of `hz`.
pub(super) fn is_near(sine: f32, hz: f32, part: f32) -> bool {
    (sine - hz).abs() <= hz * part
}

/// The level of the strongest sine.
pub(super) fn loudest(tone: &Tone) -> f32 {
    let Component { dbov, .. } = tone.first;
    dbov
}
