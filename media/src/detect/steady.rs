//! What goes on and on: music, and the noise of an open line.
//!
//! No standard describes either. Music keeps the pitch of its strongest partial from frame to frame
//! and has few pauses; speech glides and pauses several times a second. Noise is faint and keeps its
//! level. Music that is only drums, or talk over music, is not told.

use super::{Sound, SoundEvent, spectrum::ToneFrame};
use crate::{FRAME_MS, StreamMs};

/// Frames over which music is judged: 3 s.
const MUSIC_FRAMES: u32 = 150;

/// Part of the frames with sound in which the pitch holds. Music of notes has 0.6 and more.
const HELD: f32 = 0.6;

/// Part of the frames that may be pauses.
const PAUSES: f32 = 0.15;

/// Music is over when the pitch holds in less than this part, or pauses are more than that.
const HELD_NO_MORE: f32 = 0.4;
const PAUSES_TOO_MANY: f32 = 0.4;

/// Softer frames are pauses.
const FAINTEST_DBOV: f32 = -45.0;

/// The pitch holds within this part of itself.
const SAME_PITCH: f32 = 0.008;

/// Weight of a frame in the running means, a time constant of 1.5 s.
const WEIGHT: f32 = 0.0133;

/// Noise must keep its level for this many frames, 500 ms, within this many dB.
const NOISE_FRAMES: u32 = 25;
const NOISE_SPREAD_DB: f32 = 4.0;

/// Levels of noise: below is digital silence, above is sound.
const NOISE_DBOV: std::ops::RangeInclusive<f32> = -80.0..=-40.0;

/// Finds music.
#[derive(Clone, Debug, Default)]
pub struct MusicDetector {
    since_ms: Option<StreamMs>,
    frames: u32,
    held: f32,
    pauses: f32,
    dbov: f32,
    last_hz: f32,
    told: Option<SoundEvent>,
}

impl MusicDetector {
    /// Takes a frame, and whether a tone of the exchange is heard, which is no music.
    pub fn push(&mut self, frame: &ToneFrame, in_cadence: bool) -> Option<SoundEvent> {
        let sound = frame.dbov >= FAINTEST_DBOV && frame.peak_hz > 0.0;
        // One held tone is not music, however steady.
        let is_tone = frame.tone.is_some_and(|tone| tone.second.is_none());
        let held =
            sound && (frame.peak_hz - self.last_hz).abs() <= self.last_hz * SAME_PITCH && !is_tone;
        self.last_hz = frame.peak_hz;
        if in_cadence {
            self.frames = 0;
        }
        if self.frames == 0 {
            if !sound || in_cadence {
                return self.end(frame.at_ms);
            }
            (self.since_ms, self.held, self.pauses) = (Some(frame.at_ms), 0.5, 0.0);
        }
        self.frames += 1;
        if sound {
            self.held += (f32::from(u8::from(held)) - self.held) * WEIGHT;
            self.dbov = frame.dbov;
        }
        self.pauses += (f32::from(u8::from(!sound)) - self.pauses) * WEIGHT;
        if self.pauses > PAUSES_TOO_MANY || (self.frames > MUSIC_FRAMES && self.held < HELD_NO_MORE)
        {
            self.frames = 0;
            return self.end(frame.at_ms);
        }
        let music = self.frames >= MUSIC_FRAMES && self.held >= HELD && self.pauses <= PAUSES;
        if !music || self.told.is_some() {
            return None;
        }
        let from_ms = self.since_ms.unwrap_or(frame.at_ms);
        let event = SoundEvent { sound: Sound::Music, from_ms, to_ms: None, dbov: self.dbov };
        self.told = Some(event);
        Some(event)
    }

    fn end(&mut self, at_ms: StreamMs) -> Option<SoundEvent> {
        self.told.take().map(|event| SoundEvent { to_ms: Some(at_ms), ..event })
    }
}

/// Finds comfort noise.
#[derive(Clone, Debug, Default)]
pub struct ComfortNoiseDetector {
    since_ms: StreamMs,
    frames: u32,
    mean: f32,
    odd: u32,
    told: Option<SoundEvent>,
}

impl ComfortNoiseDetector {
    /// Takes a frame, and says what began or ended.
    pub fn push(&mut self, frame: &ToneFrame) -> Option<SoundEvent> {
        let fits = NOISE_DBOV.contains(&frame.dbov)
            && frame.tone.is_none()
            && (self.frames == 0 || (frame.dbov - self.mean).abs() <= NOISE_SPREAD_DB);
        if fits {
            if self.frames == 0 {
                (self.since_ms, self.mean) = (frame.at_ms, frame.dbov);
            }
            self.frames += 1;
            self.odd = 0;
            self.mean += (frame.dbov - self.mean) / self.frames.min(NOISE_FRAMES) as f32;
            if self.frames < NOISE_FRAMES || self.told.is_some() {
                return None;
            }
            let event = SoundEvent {
                sound: Sound::ComfortNoise,
                from_ms: self.since_ms,
                to_ms: None,
                dbov: self.mean,
            };
            self.told = Some(event);
            return Some(event);
        }
        // A single crackle does not end it once it is sure.
        self.odd += 1;
        if self.told.is_some() && self.odd < 2 {
            return None;
        }
        self.frames = 0;
        let over = frame.end_ms().saturating_sub(self.odd * FRAME_MS);
        self.told.take().map(|event| SoundEvent { to_ms: Some(over), ..event })
    }
}
