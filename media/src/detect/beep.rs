//! One tone by itself: the beep after a voicemail's greeting; and a fax that calls.
//!
//! No standard fixes the beep. Those of the field are one or two sines of 300 to 2500 Hz that last
//! 100 ms to 2.5 s and keep their frequency, with silence behind them, in which the machine
//! records. Keys, tones of an exchange and melodies do not count. CNG (ITU-T T.30 §4.3.3.3) is
//! 1100 ± 38 Hz for 0.5 s ± 15 % with 3 s ± 15 % of silence, and sure with its second tone.

use super::{
    Sound, SoundEvent,
    burst::{Burst, BurstState},
    progress,
    spectrum::ToneFrame,
};
use crate::StreamMs;

/// How long a beep is. Shorter is a click or a vowel.
const BEEP_MS: std::ops::RangeInclusive<u32> = 100..=2600;

/// Its frequencies.
const BEEP_HZ: std::ops::RangeInclusive<f32> = 300.0..=2600.0;

/// Softer tones are the hum of a line.
const FAINTEST_DBOV: f32 = -40.0;

/// Silence behind a beep after which it is one. Notes of a melody follow each other sooner.
const QUIET_MS: u32 = 300;

/// Silence is this much below the beep: a line's noise may be 15 dB below, and varies.
const QUIET_DB: f32 = 11.0;

/// A vowel may be steady for 200 ms, but sound surrounds it; a short beep must come out of silence.
const SHORT_MS: u32 = 240;

/// Hummed consonants and closed vowels by themselves are pure, low and short: in an hour of speech
/// there were 38 of 301 to 518 Hz, none as long as [`SHORT_MS`].
const SHORT_FROM_HZ: f32 = 600.0;

/// A burst that may be a ring of a single tone must wait as long as that would need to be told.
const CADENCE_MS: u32 = 1300;

/// After a burst, another one within this time makes both no beep.
const ALONE_MS: u32 = 1000;

/// Frames in a row of sound that is no tone: in one, a tone may begin or fade.
const OTHER_FRAMES: u32 = 2;

/// CNG.
const CNG_HZ: f32 = 1100.0;
const CNG_OFF_HZ: f32 = 38.0;
const CNG_MS: std::ops::RangeInclusive<u32> = 400..=600;
const CNG_PERIOD_MS: std::ops::RangeInclusive<u32> = 2900..=4100;

/// The detector. Takes tone frames and bursts in order.
#[derive(Clone, Debug, Default)]
pub struct BeepDetector {
    waiting: Option<Waiting>,
    last_end: Option<StreamMs>,
    last_cng: Option<Burst>,
    /// Frames in a row with sound that is no tone.
    other_frames: u32,
    /// The last frame with sound that was no tone, before the burst that sounds.
    last_other: Option<StreamMs>,
    /// The last such frame within or just behind the burst that sounds.
    other_behind: Option<StreamMs>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    burst: Burst,
    quiet_ms: u32,
}

impl BeepDetector {
    /// Takes a frame with the state of its burst; whether a tone of the exchange is heard; and when
    /// the last key ended. Says what was heard.
    pub fn push(
        &mut self,
        frame: &ToneFrame,
        burst: &BurstState,
        in_cadence: bool,
        last_key: Option<StreamMs>,
    ) -> Option<SoundEvent> {
        let other = frame.dbov > FAINTEST_DBOV && frame.tone.is_none();
        self.other_frames = if other { self.other_frames + 1 } else { 0 };
        if self.other_frames >= OTHER_FRAMES {
            match burst {
                BurstState::None => self.last_other = Some(frame.at_ms),
                BurstState::Sounding(_) | BurstState::Over(_) => {
                    self.other_behind = Some(frame.at_ms);
                }
            }
        }
        let event = match burst {
            BurstState::Over(burst) => {
                let cng = self.calling(burst);
                let key = last_key.is_some_and(|end| end + 100 >= burst.from_ms);
                let alone =
                    self.last_end.is_none_or(|end| burst.from_ms.saturating_sub(end) >= ALONE_MS);
                let short = burst.length_ms() < SHORT_MS;
                let from_silence =
                    self.last_other.is_none_or(|at| burst.from_ms.saturating_sub(at) >= 80);
                // A vowel that holds its pitch comes from other sound or passes into it. It is no
                // note of a melody, and says nothing against a beep behind the greeting.
                let other_behind = self.other_behind.take();
                let is_vowel =
                    other_behind.is_some_and(|at| at >= burst.to_ms) || (short && !from_silence);
                self.last_other = other_behind.or(self.last_other);
                if is_beep(burst) && !is_vowel {
                    self.last_end = Some(burst.to_ms);
                }
                let beep = is_beep(burst) && alone && !key && (from_silence || !short);
                self.waiting = beep.then_some(Waiting { burst: *burst, quiet_ms: QUIET_MS });
                if let Some(waiting) = &mut self.waiting {
                    if may_be_calling(burst) {
                        waiting.quiet_ms = CNG_PERIOD_MS.end() - CNG_MS.start();
                    } else if progress::may_be_cadence(burst) {
                        waiting.quiet_ms = CADENCE_MS;
                    }
                }
                cng
            }
            BurstState::Sounding(_) => {
                self.waiting = None;
                None
            }
            BurstState::None => None,
        };
        if event.is_some() || in_cadence {
            self.waiting = None;
            return event;
        }
        let waiting = self.waiting?;
        let after = frame.end_ms().saturating_sub(waiting.burst.to_ms);
        // The frame in which the beep fades still has its end.
        if after > 60 && frame.dbov > waiting.burst.tone.dbov() - QUIET_DB {
            self.waiting = None;
            return None;
        }
        if after < waiting.quiet_ms {
            return None;
        }
        self.waiting = None;
        let sound = Sound::Beep { hz: waiting.burst.tone.first.hz };
        Some(told(sound, &waiting.burst, waiting.burst.from_ms))
    }

    fn calling(&mut self, burst: &Burst) -> Option<SoundEvent> {
        if !may_be_calling(burst) {
            return None;
        }
        let before = self.last_cng.replace(*burst)?;
        let period = burst.from_ms.saturating_sub(before.from_ms);
        CNG_PERIOD_MS.contains(&period).then(|| told(Sound::FaxCalling, burst, before.from_ms))
    }
}

/// True for one tone of CNG. A beep that is like it is told when no second one has come.
fn may_be_calling(burst: &Burst) -> bool {
    burst.tone.second.is_none()
        && (burst.tone.first.hz - CNG_HZ).abs() <= CNG_OFF_HZ
        && CNG_MS.contains(&burst.length_ms())
}

fn is_beep(burst: &Burst) -> bool {
    let (low, high) = burst.tone.frequencies();
    BEEP_MS.contains(&burst.length_ms())
        && BEEP_HZ.contains(&low)
        && high.is_none_or(|high| BEEP_HZ.contains(&high))
        && (low >= SHORT_FROM_HZ || burst.length_ms() >= SHORT_MS)
        && burst.tone.dbov() >= FAINTEST_DBOV
}

fn told(sound: Sound, burst: &Burst, from_ms: StreamMs) -> SoundEvent {
    SoundEvent { sound, from_ms, to_ms: Some(burst.to_ms), dbov: burst.tone.dbov() }
}
