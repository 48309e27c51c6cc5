//! Who answered: the classifier of a call, driven by a recording.

use phoneai_media::{
    FRAME_MS,
    detect::{Sound, silence::DEFAULT_HANGOVER_MS},
};

use super::{Span, Told, What};
use crate::{
    calls::answer::{Answer, Verdict},
    speech::{CallMs, SpeechEvent},
};

/// Frames that a call has heard of a sound when it is told that it began.
const START_MS: u32 = 2 * FRAME_MS;

enum Input<'a> {
    Began(CallMs),
    Ended(CallMs),
    Sound(&'a Told),
    Speech(&'a SpeechEvent),
}

/// The verdicts that a call would have come to, each with the time when it was sure.
pub(super) fn verdicts(
    spans: &[Span],
    sounds: &[Told],
    told: &[(CallMs, SpeechEvent)],
) -> Vec<Verdict> {
    let mut inputs: Vec<(CallMs, Input<'_>)> = Vec::new();
    for (from, to) in talk(spans) {
        inputs.push((from.saturating_add(START_MS), Input::Began(from)));
        inputs.push((to.saturating_add(DEFAULT_HANGOVER_MS), Input::Ended(to)));
    }
    inputs.extend(sounds.iter().map(|sound| (sound.0, Input::Sound(sound))));
    inputs.extend(told.iter().map(|(at, event)| (*at, Input::Speech(event))));
    inputs.sort_by_key(|(at, _)| *at);

    let mut answer = Answer::default();
    let mut verdicts = Vec::new();
    answer.handle_answered(answered(spans));
    for (now, input) in inputs {
        wait(&mut answer, now, &mut verdicts);
        match input {
            Input::Began(at) => answer.handle_speech_started(now, at),
            Input::Ended(at) => answer.handle_speech_ended(now, at),
            Input::Sound((_, event)) => answer.handle_sound(now, event),
            Input::Speech(event) => answer.handle_speech(now, event),
        }
        verdicts.extend(answer.poll_verdict());
    }
    wait(&mut answer, CallMs::MAX, &mut verdicts);
    verdicts
}

/// Lets the time pass until `until`.
fn wait(answer: &mut Answer, until: CallMs, verdicts: &mut Vec<Verdict>) {
    while let Some(due) = answer.poll_timeout().filter(|due| *due <= until) {
        answer.handle_timeout(due);
        verdicts.extend(answer.poll_verdict());
        if answer.poll_timeout() == Some(due) {
            break;
        }
    }
}

/// Stretches of talk. Tones between and beside are none, and pauses shorter than a call's hangover
/// do not show in the timeline.
fn talk(spans: &[Span]) -> impl Iterator<Item = (CallMs, CallMs)> {
    spans.iter().filter(|span| span.what == What::Speech).map(|span| (span.from_ms, span.to_ms))
}

/// When the call was answered: at the end of the ringing with which the recording begins.
fn answered(spans: &[Span]) -> CallMs {
    let first = spans.iter().find(|span| match span.what {
        What::Silence | What::Sound(Sound::ComfortNoise) => false,
        What::Speech | What::Sound(_) => true,
    });
    match first {
        Some(Span { what: What::Sound(Sound::Ringback(_)), to_ms, .. }) => *to_ms,
        Some(_) | None => 0,
    }
}
