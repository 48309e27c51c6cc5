//! A recogniser that knows the recordings that it will hear: it finds out which of them is played,
//! and from where, by how loud it is from moment to moment. It takes no time, so that whole calls
//! run without a model.

use std::{collections::VecDeque, sync::Arc};

use phoneai::{
    simulator::menu::{Business, Prompt},
    speech::{CallMs, Engine, SpeechEvent, Transcript, Word, scripted::Scripted},
};

const FRAME_MS: u32 = 20;
const FRAME_SAMPLES: usize = 160;
/// Frames that tell one recording, and one place in it, from all others.
const FINGERPRINT: usize = 50;
/// Louder than this is speech, in dB of full scale; telephone noise is below it.
const SPEECH_DB: f32 = -45.0;
/// Quieter than this counts as this: nobody hears a difference there.
const FLOOR_DB: f32 = -60.0;
/// The mean difference up to which a fingerprint is recognised.
const ALIKE_DB: f32 = 3.0;
/// A word that began this long ago has been said.
const BEGUN_MS: CallMs = 200;
/// So many frames of an unknown sound may precede a recording: 3 s.
const PATIENCE: usize = 150;
/// After so many quiet frames a sound that no recording has is over.
const QUIET_FRAMES: usize = 15;

/// One recording.
struct Known {
    /// How loud each frame is.
    levels: Vec<f32>,
    /// Its words and their times from its beginning, in sentences.
    sentences: Vec<Vec<Word>>,
}

/// What the ear takes the sound of the moment for.
enum Now {
    /// Nothing is said.
    Quiet,
    /// Something goes on; the levels of its last frames, where they begin, and how many were before
    /// them that no recording has, such as the rest of a prompt that was cut off by a key.
    Beginning(VecDeque<f32>, CallMs, usize),
    /// A known recording, which began then (on the call's clock it may be before zero).
    Playing { sentences: Vec<Vec<Word>>, began: i64, ends: i64 },
    /// A sound of another kind, quiet for so many frames.
    Noise(usize),
}

/// An engine that knows the prompts of `business`.
pub fn engine(business: &Business) -> Arc<dyn Engine> {
    let prompts = business.menus().iter().map(|menu| &menu.prompt);
    let prompts = prompts.chain([&business.invalid, &business.goodbye]).chain(&business.early);
    let known: Arc<Vec<Known>> = Arc::new(prompts.map(known).collect());
    Arc::new(Scripted::new(move |_| {
        let known = known.clone();
        let mut now = Now::Quiet;
        Box::new(move |at, samples| match samples.is_empty() {
            // Whoever asks for words now has pressed a key, or the prompt is over: what follows is
            // recognised anew.
            true => said(std::mem::replace(&mut now, Now::Quiet), at),
            false => hear(&known, &mut now, at, level(samples)),
        })
    }))
}

fn known(prompt: &Prompt) -> Known {
    let levels: Vec<f32> = prompt.samples.chunks(FRAME_SAMPLES).map(level).collect();
    let spoken: Vec<usize> =
        levels.iter().enumerate().filter(|(_, db)| **db > SPEECH_DB).map(|(n, _)| n).collect();
    let letters = prompt.text.len().max(1);
    let moment = |letter: usize| {
        let frame = spoken.get(letter * spoken.len() / letters).or(spoken.last());
        frame.map_or(0, |frame| CallMs::try_from(*frame).unwrap() * FRAME_MS)
    };
    let mut sentences = vec![Vec::new()];
    let mut letter = 0;
    for text in prompt.text.split(' ') {
        let (start_ms, end) = (moment(letter), letter + text.len());
        letter = end + 1;
        let end_ms = moment(end).max(start_ms + FRAME_MS);
        let word = Word { text: text.to_owned(), start_ms, end_ms, confidence: 1.0 };
        sentences.last_mut().unwrap().push(word);
        if text.ends_with('.') {
            sentences.push(Vec::new());
        }
    }
    sentences.retain(|sentence| !sentence.is_empty());
    Known { levels, sentences }
}

fn level(samples: &[i16]) -> f32 {
    let power = samples.iter().map(|s| (f32::from(*s) / 32768.0).powi(2)).sum::<f32>();
    (10.0 * (power / samples.len() as f32).log10()).max(FLOOR_DB)
}

fn hear(known: &[Known], now: &mut Now, at: CallMs, db: f32) -> Vec<SpeechEvent> {
    let end = at + FRAME_MS;
    let mut events = Vec::new();
    let settled = match now {
        Now::Quiet if db > SPEECH_DB => {
            *now = Now::Beginning(VecDeque::from([db]), at, 0);
            at
        }
        Now::Quiet => end,
        Now::Beginning(levels, began, before) => {
            levels.push_back(db);
            let settled = *began;
            if levels.len() >= FINGERPRINT {
                match find(known, levels.make_contiguous(), settled) {
                    Some(playing) => *now = playing,
                    None if *before >= PATIENCE => *now = Now::Noise(0),
                    None => {
                        levels.pop_front();
                        (*began, *before) = (settled + FRAME_MS, *before + 1);
                    }
                }
            }
            settled
        }
        Now::Playing { sentences, began, ends } => {
            let is_over = |s: &Vec<Word>| *began + i64::from(s.last().unwrap().end_ms) < end.into();
            while sentences.first().is_some_and(is_over) {
                events.push(final_of(&sentences.remove(0), *began, end));
            }
            let next = sentences.first().map(|s| *began + i64::from(s[0].start_ms));
            let settled = next.map_or(end, |next| CallMs::try_from(next.max(0)).unwrap().min(end));
            if i64::from(end) >= *ends {
                *now = Now::Quiet;
            }
            settled
        }
        Now::Noise(quiet) => {
            *quiet = if db > SPEECH_DB { 0 } else { *quiet + 1 };
            if *quiet >= QUIET_FRAMES {
                *now = Now::Quiet;
            }
            end
        }
    };
    events.push(SpeechEvent::HeardUntil(settled));
    events
}

/// Which recording has these levels, and where in it.
fn find(known: &[Known], heard: &[f32], began: CallMs) -> Option<Now> {
    let difference = |levels: &[f32]| {
        let pairs = levels.iter().zip(heard);
        pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() / heard.len() as f32
    };
    let places = known.iter().flat_map(|known| {
        let windows = known.levels.windows(heard.len()).enumerate();
        windows.map(move |(frame, levels)| (difference(levels), known, frame))
    });
    match places.min_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((difference, known, frame)) if difference < ALIKE_DB => {
            let skipped = i64::try_from(frame).unwrap() * i64::from(FRAME_MS);
            let length = i64::try_from(known.levels.len()).unwrap() * i64::from(FRAME_MS);
            let began = i64::from(began) - skipped;
            // Words before this place were not heard, or have been told.
            let mut sentences = known.sentences.clone();
            let is_heard = |word: &Word| i64::from(word.start_ms) + i64::from(FRAME_MS) >= skipped;
            sentences.iter_mut().for_each(|sentence| sentence.retain(is_heard));
            sentences.retain(|sentence| !sentence.is_empty());
            Some(Now::Playing { sentences, began, ends: began + length })
        }
        Some(_) | None => None,
    }
}

/// The words that were said until `until`.
fn said(now: Now, until: CallMs) -> Vec<SpeechEvent> {
    let mut events = Vec::new();
    if let Now::Playing { sentences, began, .. } = now {
        for mut sentence in sentences {
            // Where a word ends is only roughly known; one that began some time ago was said.
            let begun = |word: &Word| began + i64::from(word.start_ms + BEGUN_MS) <= until.into();
            sentence.retain(begun);
            if !sentence.is_empty() {
                events.push(final_of(&sentence, began, until));
            }
        }
    }
    events.push(SpeechEvent::HeardUntil(until));
    events
}

fn final_of(sentence: &[Word], began: i64, until: CallMs) -> SpeechEvent {
    let moment = |ms: CallMs| CallMs::try_from((began + i64::from(ms)).max(0)).unwrap().min(until);
    let words = sentence.iter().map(|word| Word {
        start_ms: moment(word.start_ms),
        end_ms: moment(word.end_ms),
        ..word.clone()
    });
    SpeechEvent::Final(Transcript { words: words.collect(), confidence: 1.0 })
}
