//! What is heard in the frames of a call. Each detector is a plain struct that takes frames in order
//! with their time; [`Detectors`] is all those for what is not speech.
//!
//! ```text
//! frame ─┬─ spectrum ─ tone frames ─ bursts ─┬─ progress: ringback, busy, reorder, dial tone
//!        │                  │                ├─ beep: voicemail beep, fax calling tone
//!        │                  │                └─ special: special information tones
//!        │                  ├─ answer_tone: fax and modem
//!        │                  └─ steady: music, comfort noise
//!        └─ dtmf: keys
//! ```
//!
//! [`silence`] tells sound from silence and stands by itself: callers want its own answers.

pub mod answer_tone;
pub mod beep;
pub mod burst;
pub mod dtmf;
pub mod progress;
pub mod silence;
pub mod special;
pub mod spectrum;
pub mod steady;

use std::collections::VecDeque;

use self::{
    answer_tone::AnswerToneDetector,
    beep::BeepDetector,
    burst::{Burst, Bursts},
    dtmf::DtmfDetector,
    progress::{Plan, ProgressDetector},
    special::{SpecialDetector, SpecialTone},
    spectrum::Spectrum,
    steady::{ComfortNoiseDetector, MusicDetector},
};
use crate::{FRAME_MS, FRAME_SAMPLES, SILENCE, Samples, StreamMs, dtmf::DtmfDigit};

/// Events that may wait for [`Detectors::poll_event`]; beyond, the newest is dropped. A frame makes
/// one or two.
pub const MAX_WAITING_EVENTS: usize = 64;

/// A sound that is no speech.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sound {
    /// The far telephone rings.
    Ringback(Plan),
    /// The far telephone is taken.
    Busy(Plan),
    /// The network has no way there (congestion, "fast busy").
    Reorder(Plan),
    /// The exchange waits for a number.
    DialTone(Plan),
    /// Three rising tones before an announcement that a call failed.
    Special(SpecialTone),
    /// A fax that was called (CED, ITU-T T.30): 2100 Hz, unbroken.
    FaxAnswer,
    /// A modem that was called (ITU-T V.25, V.8): 2100 Hz with turns of phase, or 2225 Hz.
    ModemAnswer,
    /// A fax that calls (CNG, ITU-T T.30): 1100 Hz, half a second each 3.5 s.
    FaxCalling,
    /// One tone by itself, as a voicemail sends when it begins to record.
    Beep {
        /// Its frequency.
        hz: f32,
    },
    /// A key of the far telephone.
    Key(DtmfDigit),
    /// Music that goes on.
    Music,
    /// Faint, steady noise: the line is open and nobody speaks.
    ComfortNoise,
}

impl Sound {
    /// A short name in lower case, without its details: `ringback`, `busy`, `reorder`, `dial_tone`,
    /// `special`, `fax_answer`, `modem_answer`, `fax_calling`, `beep`, `key`, `music`, `noise`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ringback(_) => "ringback",
            Self::Busy(_) => "busy",
            Self::Reorder(_) => "reorder",
            Self::DialTone(_) => "dial_tone",
            Self::Special(_) => "special",
            Self::FaxAnswer => "fax_answer",
            Self::ModemAnswer => "modem_answer",
            Self::FaxCalling => "fax_calling",
            Self::Beep { .. } => "beep",
            Self::Key(_) => "key",
            Self::Music => "music",
            Self::ComfortNoise => "noise",
        }
    }

    /// What there is to say beyond the name: the plan, the meaning, the frequency, the key.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Ringback(plan)
            | Self::Busy(plan)
            | Self::Reorder(plan)
            | Self::DialTone(plan) => Some(plan.name().to_owned()),
            Self::Special(tone) => Some(tone.name().to_owned()),
            Self::Beep { hz } => Some(format!("{hz:.0} Hz")),
            Self::Key(digit) => Some(digit.to_string()),
            Self::FaxAnswer
            | Self::ModemAnswer
            | Self::FaxCalling
            | Self::Music
            | Self::ComfortNoise => None,
        }
    }
}

/// A sound and its place. What lasts is told twice: when it is sure, and when it is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoundEvent {
    /// What it is.
    pub sound: Sound,
    /// Where it began, which is before it was sure.
    pub from_ms: StreamMs,
    /// Where it ended; `None` while it goes on.
    pub to_ms: Option<StreamMs>,
    /// How loud it is.
    pub dbov: f32,
}

/// All detectors for what is not speech, of one side of one call.
#[derive(Clone, Debug, Default)]
pub struct Detectors {
    spectrum: Spectrum,
    bursts: Bursts,
    progress: ProgressDetector,
    special: SpecialDetector,
    answer_tone: AnswerToneDetector,
    beep: BeepDetector,
    dtmf: DtmfDetector,
    music: MusicDetector,
    noise: ComfortNoiseDetector,
    events: VecDeque<SoundEvent>,
}

impl Detectors {
    /// Takes the frame that begins at `at_ms`. Tones are told about 60 ms late, their times are
    /// those of the sound.
    pub fn push(&mut self, at_ms: StreamMs, samples: &Samples) {
        let key = self.dtmf.push(at_ms, samples);
        self.tell(key);
        let frame = self.spectrum.push(at_ms, samples);
        let burst = self.bursts.push(&frame);
        let keyed = self.dtmf.last_key_end();
        let progress = self.progress.push(&frame, &burst);
        self.tell(progress);
        let special = self.special.push(&frame);
        self.tell(special);
        let answer = self.answer_tone.push(&frame);
        self.tell(answer);
        let in_cadence = self.progress.is_sounding() || self.special.is_sounding();
        let beep = self.beep.push(&frame, &burst, in_cadence, keyed);
        self.tell(beep);
        let music = self.music.push(&frame, in_cadence);
        self.tell(music);
        let noise = self.noise.push(&frame);
        self.tell(noise);
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<SoundEvent> {
        self.events.pop_front()
    }

    fn tell(&mut self, event: Option<SoundEvent>) {
        if self.events.len() < MAX_WAITING_EVENTS {
            self.events.extend(event);
        }
    }
}

/// Stretches of a recording at 8000 Hz in which nobody speaks: steady tones of 100 ms and more,
/// rising and without overlap, in milliseconds from its beginning. What a recogniser finds there it
/// made up.
pub fn tones(samples: &[i16]) -> Vec<(StreamMs, StreamMs)> {
    let (mut spectrum, mut bursts) = (Spectrum::default(), Bursts::default());
    let mut found: Vec<(StreamMs, StreamMs)> = Vec::new();
    let frames = samples.len().div_ceil(FRAME_SAMPLES);
    // The last frames are judged when as many more have come, and end what still sounds.
    for number in 0..frames + FRAMES_AFTER {
        let from = number * FRAME_SAMPLES;
        let part = samples.get(from.min(samples.len())..).unwrap_or_default();
        let mut frame = SILENCE;
        frame.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        let judged = spectrum.push(number as u32 * FRAME_MS, &frame);
        if let burst::BurstState::Over(burst) = bursts.push(&judged)
            && burst.length_ms() >= SHORTEST_TONE_MS
        {
            found.push(within(&burst, found.last()));
        }
    }
    found
}

/// The shortest stretch that [`tones`] calls a tone: vowels are steady for less.
const SHORTEST_TONE_MS: u32 = 100;

/// Frames after the end until everything is judged.
const FRAMES_AFTER: usize = 8;

fn within(burst: &Burst, before: Option<&(StreamMs, StreamMs)>) -> (StreamMs, StreamMs) {
    let from = before.map_or(burst.from_ms, |(_, end)| burst.from_ms.max(*end));
    (from, burst.to_ms.max(from))
}

/// The level of an energy, which is a sum of squares of 16-bit samples.
fn dbov(energy: i64, samples: usize) -> f32 {
    const FULL_SCALE: f32 = 32768.0 * 32768.0;
    let mean_square = energy as f32 / samples as f32;
    (10.0 * (mean_square / FULL_SCALE).log10()).max(silence::DIGITAL_SILENCE_DBOV)
}

#[cfg(test)]
mod tests;
