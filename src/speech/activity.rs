//! A light watch on the level of a line, enough to cut its audio at pauses.

use super::cutter::Activity;

/// Frames louder than the line's noise by this many dB are speech.
const ABOVE_NOISE_DB: f32 = 9.0;

/// Speech goes on while it is louder than the noise by this.
const STILL_ABOVE_DB: f32 = 6.0;

/// Nothing below this is speech, however quiet the line, in dBov.
const SOFTEST_DBOV: f32 = -55.0;

/// The noise is not taken to be louder than this when the first frame comes, in dBov: a call may
/// begin in the middle of a word.
const FIRST_NOISE_DBOV: f32 = -50.0;

/// The noise follows a softer frame by this part of the difference.
const FALL: f32 = 0.2;

/// The noise rises by this many dB per frame while the line is louder: 1.5 dB per second.
const RISE_DB: f32 = 0.03;

/// Level against an adaptive noise floor, with hysteresis.
#[derive(Clone, Debug)]
pub struct Level {
    noise: Option<f32>,
    active: bool,
}

impl Level {
    /// A watch that has heard nothing.
    pub fn new() -> Self {
        Self { noise: None, active: false }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::new()
    }
}

impl Activity for Level {
    fn is_active(&mut self, frame: &[i16]) -> bool {
        let level = dbov(frame);
        let noise = self.noise.get_or_insert(level.min(FIRST_NOISE_DBOV));
        if level < *noise {
            *noise += (level - *noise) * FALL;
        } else {
            *noise = (*noise + RISE_DB).min(level);
        }
        let above = if self.active { STILL_ABOVE_DB } else { ABOVE_NOISE_DB };
        self.active = level > (*noise + above).max(SOFTEST_DBOV);
        self.active
    }
}

/// Level of a frame without its constant part, in dB relative to the overload point of a sine
/// (full scale of a square wave), at least −96.
fn dbov(frame: &[i16]) -> f32 {
    let count = frame.len().max(1) as f32;
    let mean = frame.iter().map(|&s| f32::from(s)).sum::<f32>() / count;
    let power = frame.iter().map(|&s| (f32::from(s) - mean).powi(2)).sum::<f32>() / count;
    (10.0 * (power / (32_768.0 * 32_768.0)).max(1e-12).log10()).max(-96.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(frames: usize, amplitude: f32) -> Vec<[i16; 160]> {
        let mut state = 1u32;
        (0..frames)
            .map(|_| {
                std::array::from_fn(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (((state >> 16) as f32 / 32_768.0 - 1.0) * amplitude) as i16
                })
            })
            .collect()
    }

    #[test]
    fn steady_noise_is_silence_after_a_while_and_speech_above_it_is_heard() {
        let mut level = Level::new();
        let frames = noise(1500, 120.0);
        let active = frames.iter().filter(|f| level.is_active(*f)).count();
        assert!(active < 200, "{active}");
        assert!(noise(10, 2000.0).iter().all(|f| level.is_active(f)));
        assert!(!level.is_active(&frames[0]));
    }

    #[test]
    fn a_constant_offset_is_silence() {
        let mut level = Level::new();
        assert!((0..50).all(|_| !level.is_active(&[4000; 160])));
    }

    #[test]
    fn a_call_that_begins_in_a_word_is_heard_at_once() {
        assert!(Level::new().is_active(&noise(1, 6000.0)[0]));
    }
}
