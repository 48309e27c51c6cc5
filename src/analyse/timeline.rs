//! Detectors overlap: a ringing telephone is a tone and a sound at once, a key is pressed while
//! somebody speaks. The timeline says one thing for each moment, the most telling.

use std::collections::HashSet;

use phoneai_media::detect::{Sound, SoundEvent};

use super::{Span, Told, What};
use crate::speech::CallMs;

/// Milliseconds of a step of the timeline: keys are placed as finely.
const STEP_MS: u32 = 10;

/// Sound no longer than this beside a tone is the tone's edge: detectors place tones within 40 ms,
/// and a frame on either side may hold its first or last sample.
const EDGE_MS: u32 = 80;

/// Samples of a step at 8000 Hz.
const STEP: usize = STEP_MS as usize * 8;

/// Makes the timeline of a recording from its stretches of sound and what the detectors told.
pub(super) fn timeline(samples: &[i16], sound: &[(CallMs, CallMs)], told: &[Told]) -> Vec<Span> {
    let mut steps = vec![What::Silence; samples.len().div_ceil(STEP)];
    let mut sounds: Vec<SoundEvent> = told.iter().map(|(_, event)| *event).collect();
    // What was told twice, when it was sure and when it was over, counts when it was over. What
    // was never over lasts until the end of the recording.
    let end_ms = u32::try_from(samples.len() / 8).unwrap_or(u32::MAX);
    let over: HashSet<(CallMs, &str)> = sounds
        .iter()
        .filter(|event| event.to_ms.is_some())
        .map(|event| (event.from_ms, event.sound.name()))
        .collect();
    sounds.retain(|event| {
        event.to_ms.is_some() || !over.contains(&(event.from_ms, event.sound.name()))
    });
    sounds.sort_by_key(|event| rank(&event.sound));
    let (faint, telling): (Vec<_>, Vec<_>) =
        sounds.into_iter().partition(|event| event.sound == Sound::ComfortNoise);
    for event in faint {
        paint(&mut steps, event.from_ms, event.to_ms.unwrap_or(end_ms), What::Sound(event.sound));
    }
    for (from, to) in sound {
        paint(&mut steps, *from, *to, What::Speech);
    }
    for event in telling {
        paint(&mut steps, event.from_ms, event.to_ms.unwrap_or(end_ms), What::Sound(event.sound));
    }
    let mut runs = runs(&steps);
    take_edges(&mut runs);
    settle_pauses(&mut runs);
    spans(samples, &runs)
}

/// What says more is painted later: a key may be pressed during ringback or music.
fn rank(sound: &Sound) -> u8 {
    match sound {
        Sound::ComfortNoise => 0,
        Sound::Music => 1,
        Sound::DialTone(_) => 2,
        Sound::Ringback(_) | Sound::Busy(_) | Sound::Reorder(_) => 3,
        Sound::FaxAnswer | Sound::ModemAnswer | Sound::FaxCalling => 4,
        Sound::Beep { .. } | Sound::Special(_) => 5,
        Sound::Key(_) => 6,
    }
}

fn paint(steps: &mut [What], from_ms: CallMs, to_ms: CallMs, what: What) {
    let (from, to) = ((from_ms / STEP_MS) as usize, to_ms.div_ceil(STEP_MS) as usize);
    let to = to.min(steps.len());
    if let Some(steps) = steps.get_mut(from.min(to)..to) {
        steps.fill(what);
    }
}

/// Equal steps in a row: what, and how many.
type Run = (What, usize);

fn runs(steps: &[What]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for step in steps {
        match runs.last_mut() {
            Some((what, count)) if what == step => *count += 1,
            Some(_) | None => runs.push((*step, 1)),
        }
    }
    runs
}

/// Gives the edges of tones, which look like speech or noise, to the tones.
fn take_edges(runs: &mut Vec<Run>) {
    let is_tone = |run: Option<&Run>| {
        run.is_some_and(|(what, _)| match what {
            What::Sound(sound) => *sound != Sound::ComfortNoise,
            What::Speech | What::Silence => false,
        })
    };
    let mut at = 0;
    while let Some((what, count)) = runs.get(at).copied() {
        let short = count as u32 * STEP_MS <= EDGE_MS && what == What::Speech;
        let before = at.checked_sub(1).filter(|before| is_tone(runs.get(*before)));
        let tone = before.or(Some(at + 1).filter(|after| is_tone(runs.get(*after))));
        match tone {
            Some(tone) if short => {
                if let Some((_, steps)) = runs.get_mut(tone) {
                    *steps += count;
                }
                runs.remove(at);
            }
            Some(_) | None => at += 1,
        }
    }
    join_alike(runs);
}

/// A pause is silence or noise as a whole: the detector of noise begins late and ends early.
fn settle_pauses(runs: &mut Vec<Run>) {
    const NOISE: What = What::Sound(Sound::ComfortNoise);
    let is_pause = |what: &What| *what == What::Silence || *what == NOISE;
    for pause in runs.chunk_by_mut(|a, b| is_pause(&a.0) && is_pause(&b.0)) {
        let steps = |pause: &[Run], what| -> usize {
            pause.iter().filter(|run| run.0 == what).map(|run| run.1).sum()
        };
        let noise = steps(pause, NOISE);
        if noise > 0 {
            let what = if noise > steps(pause, What::Silence) { NOISE } else { What::Silence };
            pause.iter_mut().for_each(|run| run.0 = what);
        }
    }
    join_alike(runs);
}

/// Makes one of neighbours that have become alike.
fn join_alike(runs: &mut Vec<Run>) {
    runs.dedup_by(|later, earlier| {
        let alike = later.0 == earlier.0;
        if alike {
            earlier.1 += later.1;
        }
        alike
    });
}

fn spans(samples: &[i16], runs: &[Run]) -> Vec<Span> {
    let mut first = 0;
    let at = |step: usize| u32::try_from((step * STEP).min(samples.len()) / 8).unwrap_or(u32::MAX);
    runs.iter()
        .map(|(what, count)| {
            let from = first;
            first += count;
            let sound = samples.get(from * STEP..(first * STEP).min(samples.len()));
            let level_dbov = level(sound.unwrap_or_default());
            Span { from_ms: at(from), to_ms: at(first), what: *what, level_dbov }
        })
        .collect()
}

/// The mean power of some samples without their mean, −100 to 0 dBov.
fn level(samples: &[i16]) -> f32 {
    let count = samples.len().max(1) as f64;
    let sum: f64 = samples.iter().map(|s| f64::from(*s)).sum();
    let squares: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    let power = (squares / count - (sum / count).powi(2)) / 32_768f64.powi(2);
    (10.0 * power.max(1e-10).log10()) as f32
}
