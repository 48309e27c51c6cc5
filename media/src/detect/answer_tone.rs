//! The tones with which machines answer: fax (CED) and modem (ANS, ANSam, Bell).
//!
//! CED (ITU-T T.30 §4.3.3.2) is 2100 ± 15 Hz for 2.6 to 4 s, as is a modem's answer (V.25). A modem
//! turns the phase by 180° each 450 ± 25 ms to switch echo cancellers off (V.25 §4), and V.8's
//! ANSam does the same with a level that sways at 15 Hz; V.34 fax machines send ANSam too. Bell
//! 103 and 212A modems answer with 2225 Hz.

use super::{Sound, SoundEvent, spectrum::ToneFrame};
use crate::{FRAME_MS, SAMPLE_RATE, Samples, StreamMs};

/// The answer tone and how far off it may seem. A turn of phase within the window moves it by 12 Hz.
const ANSWER_HZ: f32 = 2100.0;
const OFF_HZ: f32 = 28.0;

/// Bell's answer tone, within 1 %.
const BELL_HZ: f32 = 2225.0;
const BELL_OFF_HZ: f32 = 22.0;

/// A tone of this length is an answer, and after this long it is sure whether its phase turns.
const SURE_BELL_MS: u32 = 400;
const SURE_MS: u32 = 1000;

/// The first turn of phase that comes makes it a modem; frames without the tone end it.
const GONE_FRAMES: u32 = 4;

/// Angle of a turn, in radians, between half frames; an offset of 28 Hz turns by 1.8.
const TURN: f32 = 2.3;

/// The detector. Takes tone frames in order.
#[derive(Clone, Debug, Default)]
pub struct AnswerToneDetector {
    current: Option<Current>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    bell: bool,
    from_ms: StreamMs,
    to_ms: StreamMs,
    dbov: f32,
    gone: u32,
    turns: u32,
    /// Where the last turn was: one may show in two half frames.
    turned_ms: Option<StreamMs>,
    /// The phases of the last two half frames.
    phases: [Option<(f32, f32)>; 2],
    told: Option<Sound>,
}

impl AnswerToneDetector {
    /// Takes a frame, and says what began or ended.
    pub fn push(&mut self, frame: &ToneFrame) -> Option<SoundEvent> {
        let heard = frame.tone.filter(|tone| tone.second.is_none_or(|s| near_answer(s.hz)));
        let (answer, bell) = match heard {
            Some(tone) => (
                (tone.first.hz - ANSWER_HZ).abs() <= OFF_HZ,
                (tone.first.hz - BELL_HZ).abs() <= BELL_OFF_HZ,
            ),
            None => (false, false),
        };
        let Some(current) = &mut self.current else {
            if answer || bell {
                self.current = Some(Current {
                    bell,
                    from_ms: frame.at_ms,
                    to_ms: frame.end_ms(),
                    dbov: frame.dbov,
                    gone: 0,
                    turns: 0,
                    turned_ms: None,
                    phases: [None, None],
                    told: None,
                });
            }
            return None;
        };
        let goes_on = if current.bell { bell } else { answer };
        if goes_on {
            current.gone = 0;
            current.to_ms = frame.end_ms();
            current.dbov = current.dbov.max(frame.dbov);
        } else {
            current.gone += 1;
        }
        if current.gone > GONE_FRAMES {
            let over = *current;
            self.current = None;
            return over.told.map(|sound| over.event(sound, Some(over.to_ms)));
        }
        if !current.bell {
            current.watch_phase(frame.at_ms, &frame.samples);
        }
        let length = current.to_ms.saturating_sub(current.from_ms);
        let sound = if current.bell {
            (length >= SURE_BELL_MS).then_some(Sound::ModemAnswer)?
        } else if length >= SURE_MS {
            if current.turns > 0 { Sound::ModemAnswer } else { Sound::FaxAnswer }
        } else {
            return None;
        };
        if current.told.is_some() {
            return None;
        }
        current.told = Some(sound);
        Some(current.event(sound, None))
    }
}

impl Current {
    fn event(&self, sound: Sound, to_ms: Option<StreamMs>) -> SoundEvent {
        SoundEvent { sound, from_ms: self.from_ms, to_ms, dbov: self.dbov }
    }

    /// 2100 Hz has 21 whole periods in half a frame: its phase stays, but for a small steady turn
    /// if the frequency is off; a turn of 180° stands out from that, across one half frame.
    fn watch_phase(&mut self, at_ms: StreamMs, samples: &Samples) {
        for (half, part) in (0..).zip(samples.chunks_exact(samples.len() / 2)) {
            let now = correlate(part);
            let [before, last] = self.phases;
            if let (Some(before), Some(last)) = (before, last) {
                let steady = angle(before, last);
                let turn = wrapped(angle(last, now) - steady).abs();
                let place = at_ms.saturating_add(half * FRAME_MS / 2);
                let fresh = self.turned_ms.is_none_or(|t| place.saturating_sub(t) > 100);
                // The half frame with the turn in its middle is weak and has any phase; so a turn
                // counts if it shows in either of two steps.
                if turn >= TURN && fresh && place.saturating_sub(self.from_ms) > 100 {
                    self.turns += 1;
                    self.turned_ms = Some(place);
                }
            }
            self.phases = [last, Some(now)];
        }
    }
}

fn near_answer(hz: f32) -> bool {
    (hz - ANSWER_HZ).abs() <= 2.0 * OFF_HZ
}

/// The part of 2100 Hz in half a frame, as a vector.
fn correlate(samples: &[i16]) -> (f32, f32) {
    let step = std::f32::consts::TAU * ANSWER_HZ / SAMPLE_RATE as f32;
    samples.iter().zip(0u16..).fold((0.0, 0.0), |(re, im), (&sample, n)| {
        let (sin, cos) = (step * f32::from(n)).sin_cos();
        let sample = f32::from(sample);
        (re + sample * cos, im - sample * sin)
    })
}

/// The angle from one vector to another.
fn angle(from: (f32, f32), to: (f32, f32)) -> f32 {
    let re = from.0 * to.0 + from.1 * to.1;
    let im = from.0 * to.1 - from.1 * to.0;
    im.atan2(re)
}

fn wrapped(angle: f32) -> f32 {
    let turn = std::f32::consts::TAU;
    angle - turn * (angle / turn).round()
}
