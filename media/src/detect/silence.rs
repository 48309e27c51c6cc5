//! Speech or silence, by energy: an adaptive noise floor, hysteresis and a hangover.
//!
//! Sound is everything that stands out from the line's noise, music and tones included; telling
//! speech from them is for other detectors. The level of a frame is that of its second loudest
//! quarter, so that a click of a few milliseconds does not count, and means are taken off, so that a
//! converter's offset is no sound.
//!
//! ```text
//!            2 frames above start                    hangover below stop
//! silence ──────────────────────────▶ sound ─────────────────────────────▶ silence
//!    │  floor follows the level         │  steady and faint: it is noise
//!    └──────────────────────────────────┴──────────────────────────────────────▶
//! ```

use super::dbov;
use crate::{FRAME_MS, FRAME_SAMPLES, Samples, StreamMs};

/// Level of digital silence as it is reported: below the least bit of a 16-bit sample.
pub const DIGITAL_SILENCE_DBOV: f32 = -100.0;

/// Where the floor begins: the noise of an ordinary digital line.
const INITIAL_FLOOR_DBOV: f32 = -65.0;

/// The floor never sinks below: after digital silence even the faintest noise would be sound.
const LOWEST_FLOOR_DBOV: f32 = -70.0;

/// The floor never rises above. Speech is at −16 to −36 dBov (ITU-T P.56 levels of telephone
/// networks), hold music at the like; noise louder than this cannot be told from them by energy.
const HIGHEST_FLOOR_DBOV: f32 = -40.0;

/// Sound stands out from the floor by this much. A quarter frame of white noise has a spread of
/// 1 dB, so noise alone does not reach it; a soft voice is 15 dB above.
const START_ABOVE_FLOOR_DB: f32 = 9.0;

/// No sound is fainter than this: noise and comfort noise of −46 dBov that set in at once are
/// silence from the first frame. Recordings of real lines have noise of −48 dBov.
const FAINTEST_START_DBOV: f32 = -43.0;

/// Sound goes on until it is this much below the start: the ends of words fade, and a level between
/// the two must not flicker.
const HYSTERESIS_DB: f32 = 3.0;

/// Frames in a row above the start, before there is sound. With the second loudest quarter as the
/// level, a single frame is a crackle.
const START_FRAMES: u32 = 2;

/// Part by which the floor sinks towards a lower level in a frame, time constant 80 ms: a pause in
/// the noise shows the true floor.
const FLOOR_DOWN: f32 = 0.22;

/// Part by which the floor rises towards a higher level in a frame, time constant 1 s: faint speech
/// between must not lift it.
const FLOOR_UP: f32 = 0.02;

/// Frames over which faint sound must be steady to be noise: 240 ms. Longer than a consonant or the
/// end of a vowel is, shorter than the pauses of a prompt, so that the noise of a line shows in the
/// first of them.
const STEADY_FRAMES: u32 = 12;

/// Spread of the level within which it is steady. Noise of a line keeps within 4 dB, speech changes
/// by more from one sound to the next.
const STEADY_DB: f32 = 4.0;

/// Quarters of a frame.
const QUARTERS: usize = 4;
const QUARTER: usize = FRAME_SAMPLES / QUARTERS;

/// Silence after which sound is over, unless configured: pauses between the words of a phrase are
/// shorter, stop consonants much shorter.
pub const DEFAULT_HANGOVER_MS: u32 = 300;

/// A change between silence and sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeechChange {
    /// Sound began.
    Started {
        /// The beginning of the first frame that stood out.
        at_ms: StreamMs,
    },
    /// Sound ended. Told after the hangover.
    Ended {
        /// The end of the last frame with sound, before the hangover.
        at_ms: StreamMs,
    },
}

/// The detector for one side of one call.
#[derive(Clone, Debug)]
pub struct SilenceDetector {
    hangover_ms: u32,
    level: f32,
    floor: f32,
    state: State,
    steady: Option<Steady>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Silence,
    /// Frames above the start so far, the first of them at `since_ms`.
    Rising {
        since_ms: StreamMs,
        frames: u32,
    },
    /// The last frame with sound ended at `until_ms`.
    Sound {
        until_ms: StreamMs,
    },
}

/// The stretch over which the level has been faint and steady.
#[derive(Clone, Copy, Debug)]
struct Steady {
    since_ms: StreamMs,
    frames: u32,
    least: f32,
    most: f32,
}

impl Default for SilenceDetector {
    fn default() -> Self {
        Self::new(DEFAULT_HANGOVER_MS)
    }
}

impl SilenceDetector {
    /// A detector that takes silence for the end of sound after `hangover_ms` of it.
    pub fn new(hangover_ms: u32) -> Self {
        Self {
            hangover_ms,
            level: DIGITAL_SILENCE_DBOV,
            floor: INITIAL_FLOOR_DBOV,
            state: State::Silence,
            steady: None,
        }
    }

    /// Takes the frame that begins at `at_ms`, and says what it changed.
    pub fn push(&mut self, at_ms: StreamMs, frame: &Samples) -> Option<SpeechChange> {
        let (level, lasting) = levels(frame);
        self.level = level;
        let start = self.start_dbov();
        let end_ms = at_ms.saturating_add(FRAME_MS);
        match self.state {
            State::Silence | State::Rising { .. } if lasting < start => {
                self.state = State::Silence;
                self.follow(lasting);
                None
            }
            State::Silence => {
                self.state = State::Rising { since_ms: at_ms, frames: 1 };
                self.steady = None;
                None
            }
            State::Rising { since_ms, frames } if frames + 1 < START_FRAMES => {
                self.state = State::Rising { since_ms, frames: frames + 1 };
                None
            }
            State::Rising { since_ms, .. } => {
                self.state = State::Sound { until_ms: end_ms };
                Some(SpeechChange::Started { at_ms: since_ms })
            }
            State::Sound { until_ms } => {
                let noise = self.steady_noise(at_ms, lasting);
                if let Some(noise) = noise
                    && lasting >= start - HYSTERESIS_DB
                {
                    self.floor = (noise.least + noise.most) / 2.0;
                    self.state = State::Silence;
                    return Some(SpeechChange::Ended { at_ms: until_ms.min(noise.since_ms) });
                }
                if lasting >= start - HYSTERESIS_DB {
                    self.state = State::Sound { until_ms: end_ms };
                    return None;
                }
                self.follow(lasting);
                if end_ms.saturating_sub(until_ms) < self.hangover_ms {
                    return None;
                }
                self.state = State::Silence;
                Some(SpeechChange::Ended { at_ms: until_ms })
            }
        }
    }

    /// True from the change to sound until the change to silence.
    pub fn is_sound(&self) -> bool {
        match self.state {
            State::Sound { .. } => true,
            State::Silence | State::Rising { .. } => false,
        }
    }

    /// Level of the last frame without its mean, −100 (digital silence) to 0 dBov.
    pub fn level_dbov(&self) -> f32 {
        self.level
    }

    /// The noise floor, −70 to −40 dBov.
    pub fn floor_dbov(&self) -> f32 {
        self.floor
    }

    /// The level above which there is sound.
    pub fn start_dbov(&self) -> f32 {
        (self.floor + START_ABOVE_FLOOR_DB).max(FAINTEST_START_DBOV)
    }

    fn follow(&mut self, level: f32) {
        let level = level.clamp(LOWEST_FLOOR_DBOV, HIGHEST_FLOOR_DBOV);
        let part = if level < self.floor { FLOOR_DOWN } else { FLOOR_UP };
        self.floor += (level - self.floor) * part;
    }

    /// The stretch that has been as faint and steady as only noise is, once it is long enough.
    fn steady_noise(&mut self, at_ms: StreamMs, level: f32) -> Option<Steady> {
        if level > HIGHEST_FLOOR_DBOV {
            self.steady = None;
            return None;
        }
        let begun = Steady { since_ms: at_ms, frames: 1, least: level, most: level };
        let grown = self.steady.map_or(begun, |steady| Steady {
            since_ms: steady.since_ms,
            frames: steady.frames + 1,
            least: steady.least.min(level),
            most: steady.most.max(level),
        });
        let steady = if grown.most - grown.least > STEADY_DB { begun } else { grown };
        self.steady = Some(steady);
        (steady.frames >= STEADY_FRAMES).then_some(steady)
    }
}

/// The level of a frame and that of its second loudest quarter, in dBov. Each quarter has its own
/// mean taken off: a click shifts the mean of the whole frame.
fn levels(frame: &Samples) -> (f32, f32) {
    let (mut all, mut all_squares) = (0i64, 0i64);
    let mut quarters = [0i64; QUARTERS];
    for (energy, samples) in quarters.iter_mut().zip(frame.chunks_exact(QUARTER)) {
        let sum = i64::from(samples.iter().map(|&s| i32::from(s)).sum::<i32>());
        let squares: i64 = samples.iter().map(|&s| i64::from(i32::from(s) * i32::from(s))).sum();
        *energy = squares - sum * sum / QUARTER as i64;
        all += sum;
        all_squares += squares;
    }
    quarters.sort_unstable();
    let [.., second, _] = quarters;
    let energy = all_squares - all * all / FRAME_SAMPLES as i64;
    (dbov(energy, FRAME_SAMPLES), dbov(second, QUARTER))
}

#[cfg(test)]
mod tests;
