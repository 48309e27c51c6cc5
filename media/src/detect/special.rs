//! Special information tones (ITU-T E.180 §7): three rising tones before an announcement that a
//! call failed; in North America their times and frequencies say why (Telcordia GR-1162).
//!
//! The first two tones are short (276 ms) or long (380 ms), and low (913.8, 1370.6 Hz) or high
//! (985.2, 1428.5 Hz); the third is 1776.7 Hz. The lengths of the first two name the meaning:
//!
//! | first, second | frequencies | meaning |
//! |---|---|---|
//! | short, short | low low | intercept: the number was changed or is out of service |
//! | long, short | high low | vacant code: there is no such number |
//! | short, long | low high, between carriers high low | reorder: it cannot be connected now |
//! | long, long | high high, between carriers low low | no circuit |
//!
//! E.180 itself has 330 ± 70 ms of 950, 1400 and 1800 Hz without further meaning.

use super::{
    Sound, SoundEvent,
    spectrum::{Component, ToneFrame},
};
use crate::{FRAME_MS, StreamMs};

/// The three bands: 950, 1400 and 1800 ± 50 Hz (E.180), a little wider for the analyser.
const BANDS_HZ: [(f32, f32); 3] = [(890.0, 1010.0), (1340.0, 1460.0), (1730.0, 1860.0)];

/// How long one of the tones is: 330 ± 70 ms, and a frame.
const SEGMENT_MS: std::ops::RangeInclusive<u32> = 220..=440;

/// Between short and long: 276 and 380 ms.
const LONG_FROM_MS: u32 = 330;

/// Silence between two of the tones: up to 30 ms, which may touch two frames and more by a packet
/// that was lost.
const GAP_MS: u32 = 60;

/// The coded tones are within 1 % of their frequencies; 950 and 1400 Hz are between.
const CODED: f32 = 0.012;

/// Why the call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialTone {
    /// The number was changed, disconnected, or goes to an operator.
    Intercept,
    /// No such number.
    VacantCode,
    /// It cannot be connected at the moment, or as dialled.
    Reorder,
    /// All lines to there are taken.
    NoCircuit,
    /// The three tones of E.180 without a code.
    Unspecified,
}

impl SpecialTone {
    /// A short name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intercept => "intercept",
            Self::VacantCode => "vacant_code",
            Self::Reorder => "reorder",
            Self::NoCircuit => "no_circuit",
            Self::Unspecified => "unspecified",
        }
    }
}

/// The detector. Takes tone frames in order.
#[derive(Clone, Debug, Default)]
pub struct SpecialDetector {
    state: Option<Segments>,
}

/// The tones so far.
#[derive(Clone, Copy, Debug)]
struct Segments {
    /// Those that are over, then the one that sounds.
    parts: [Segment; 3],
    current: usize,
    dbov: f32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    from_ms: StreamMs,
    to_ms: StreamMs,
    hz_sum: f32,
    frames: u32,
}

impl Segment {
    fn new(frame: &ToneFrame, hz: f32) -> Self {
        Self { from_ms: frame.at_ms, to_ms: frame.end_ms(), hz_sum: hz, frames: 1 }
    }

    fn length_ms(&self) -> u32 {
        self.to_ms.saturating_sub(self.from_ms)
    }

    fn hz(&self) -> f32 {
        self.hz_sum / self.frames.max(1) as f32
    }
}

impl SpecialDetector {
    /// Takes a frame, and tells the tones when the third is over.
    pub fn push(&mut self, frame: &ToneFrame) -> Option<SoundEvent> {
        // Where one tone passes into the next the window holds both; the stronger counts.
        let heard = frame.tone.and_then(|tone| band(tone.first));
        let Some(state) = &mut self.state else {
            if let Some((0, sine)) = heard {
                let segment = Segment::new(frame, sine.hz);
                let parts = [segment, Segment::default(), Segment::default()];
                self.state = Some(Segments { parts, current: 0, dbov: sine.dbov });
            }
            return None;
        };
        let current = state.current;
        let segment = state.parts.get_mut(current)?;
        match heard {
            Some((band, sine)) if band == current => {
                segment.to_ms = frame.end_ms();
                segment.hz_sum += sine.hz;
                segment.frames += 1;
                state.dbov = state.dbov.max(sine.dbov);
                if segment.length_ms() > *SEGMENT_MS.end() {
                    self.state = None;
                }
                None
            }
            Some((band, sine))
                if band == current + 1 && SEGMENT_MS.contains(&segment.length_ms()) =>
            {
                state.current = band;
                if let Some(next) = state.parts.get_mut(band) {
                    *next = Segment::new(frame, sine.hz);
                }
                None
            }
            Some(_) | None => {
                let over = frame.end_ms().saturating_sub(segment.to_ms) > GAP_MS;
                if !over {
                    return None;
                }
                let done = *state;
                self.state = None;
                done.event()
            }
        }
    }

    /// True while the tones are heard.
    pub fn is_sounding(&self) -> bool {
        self.state.is_some_and(|state| state.current > 0)
    }
}

impl Segments {
    fn event(&self) -> Option<SoundEvent> {
        let [first, second, third] = self.parts;
        if self.current < 2 || !SEGMENT_MS.contains(&third.length_ms()) {
            return None;
        }
        let sound = Sound::Special(meaning(&first, &second));
        Some(SoundEvent {
            sound,
            from_ms: first.from_ms,
            to_ms: Some(third.to_ms),
            dbov: self.dbov,
        })
    }
}

fn meaning(first: &Segment, second: &Segment) -> SpecialTone {
    let coded =
        |hz: f32, nominal: [f32; 2]| nominal.iter().any(|n| super::burst::is_near(hz, *n, CODED));
    if !coded(first.hz(), [913.8, 985.2]) || !coded(second.hz(), [1370.6, 1428.5]) {
        return SpecialTone::Unspecified;
    }
    let long = |segment: &Segment| segment.length_ms() + FRAME_MS / 2 >= LONG_FROM_MS;
    match (long(first), long(second)) {
        (false, false) => SpecialTone::Intercept,
        (true, false) => SpecialTone::VacantCode,
        (false, true) => SpecialTone::Reorder,
        (true, true) => SpecialTone::NoCircuit,
    }
}

fn band(sine: Component) -> Option<(usize, Component)> {
    let within = |(low, high): &(f32, f32)| (*low..=*high).contains(&sine.hz);
    BANDS_HZ.iter().position(within).map(|band| (band, sine))
}
