//! What is heard in a recording: a timeline of speech, silence and tones, the level that it was told
//! from, and who answered.
//!
//! The detectors and the classifier are those of a call; here they are driven by a recording from
//! its beginning to its end, so that what they decide can be looked at.
//!
//! ```text
//! samples ─┬─ silence detector ─ stretches of sound ─┐
//!          ├─ detectors ─ tones, keys, music, noise ─┼─ timeline ─ plot
//!          └─ recogniser ─ words ────────────────────┤
//!                                                    └─ who answered
//! ```

mod answered;
mod canvas;
mod font;
mod plot;
mod timeline;

use phoneai_media::{
    FRAME_MS, FRAME_SAMPLES, SILENCE, Samples,
    detect::{
        Detectors, Sound, SoundEvent,
        silence::{SilenceDetector, SpeechChange},
    },
};

use crate::{
    calls::answer::Verdict,
    speech::{CallMs, SpeechEvent, Word},
};

pub use plot::{PlotError, plot};

/// Frames of silence pushed behind a recording: detectors judge a frame when some more have come,
/// and end what still sounds when it has been away for long enough.
const FRAMES_AFTER: usize = 350;

/// What is heard in a stretch of a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// Nothing that stands out from the line's noise.
    Silence,
    /// Sound that no detector of tones knows. Whether it has words, the recogniser says.
    Speech,
    /// A sound of the network, a key, music, or the noise of an open line.
    Sound(Sound),
}

/// A stretch of a recording. Stretches follow each other without gap or overlap.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Where it begins.
    pub from_ms: CallMs,
    /// Where it ends.
    pub to_ms: CallMs,
    /// What is heard. A cadence such as ringback is one stretch, its pauses included.
    pub what: What,
    /// Mean power of the stretch, −100 to 0 dBov.
    pub level_dbov: f32,
}

/// The level of one frame of 20 ms, and what it was compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The frame's level, −100 to 0 dBov.
    pub dbov: f32,
    /// The level from which on it would count as sound.
    pub threshold_dbov: f32,
}

/// What a recording holds.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// How long it is.
    pub duration_ms: CallMs,
    /// What is heard, from the beginning to the end.
    pub spans: Vec<Span>,
    /// A level for each frame of 20 ms.
    pub levels: Vec<Level>,
    /// Who answered: each verdict corrects those before. Never empty.
    pub verdicts: Vec<Verdict>,
}

/// Analyses a recording, 8000 linear samples a second.
///
/// `told` is what a recogniser would have told a call with this sound, each with its time (see
/// [`crate::speech::local::listen`]); it may be empty. The recording counts as begun when the call
/// was answered, or if it begins with ringback, as answered when that ends; and as followed by
/// silence.
pub fn analyse(samples: &[i16], told: &[(CallMs, SpeechEvent)]) -> Analysis {
    let duration_ms = u32::try_from(samples.len() / 8).unwrap_or(u32::MAX);
    let heard = hear(samples);
    let spans = timeline::timeline(samples, &heard.stretches, &heard.sounds);
    let verdicts = answered::verdicts(&spans, &heard.sounds, told);
    Analysis { duration_ms, spans, levels: heard.levels, verdicts }
}

/// A detector's event, and the beginning of the frame with which it was told.
type Told = (CallMs, SoundEvent);

/// What the detectors say of a recording.
#[derive(Default)]
struct Heard {
    /// Stretches of sound in order.
    stretches: Vec<(CallMs, CallMs)>,
    sounds: Vec<Told>,
    levels: Vec<Level>,
}

fn hear(samples: &[i16]) -> Heard {
    let (mut silence, mut detectors) = (SilenceDetector::default(), Detectors::default());
    let mut heard = Heard::default();
    let mut since = None;
    let frames = samples.len().div_ceil(FRAME_SAMPLES);
    let mut at_ms = 0;
    for number in 0..frames + FRAMES_AFTER {
        let frame = frame(samples, number);
        match silence.push(at_ms, &frame) {
            Some(SpeechChange::Started { at_ms }) => since = Some(at_ms),
            Some(SpeechChange::Ended { at_ms }) => {
                heard.stretches.extend(since.take().map(|from| (from, at_ms)));
            }
            None => {}
        }
        if number < frames {
            let (dbov, threshold_dbov) = (silence.level_dbov(), silence.start_dbov());
            heard.levels.push(Level { dbov, threshold_dbov });
        }
        detectors.push(at_ms, &frame);
        heard.sounds.extend(std::iter::from_fn(|| detectors.poll_event()).map(|e| (at_ms, e)));
        at_ms = at_ms.saturating_add(FRAME_MS);
    }
    heard
}

/// A frame of a recording, filled up with silence.
fn frame(samples: &[i16], number: usize) -> Samples {
    let mut frame = SILENCE;
    let part = samples.iter().skip(number.saturating_mul(FRAME_SAMPLES));
    frame.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
    frame
}

/// The words of a stretch, joined by blanks: those whose middle lies in it.
pub fn words_within(words: &[Word], from_ms: CallMs, to_ms: CallMs) -> String {
    let middle = |word: &Word| word.start_ms.midpoint(word.end_ms);
    let within = words.iter().filter(|word| (from_ms..to_ms).contains(&middle(word)));
    within.map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
