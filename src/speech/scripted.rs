//! A recogniser that hears what a test tells it to: whole crawls run without a model, in virtual
//! time, and the same way each time.

use tokio::sync::mpsc::{self, error::TrySendError};

use super::{CallMs, Engine, Listening, SpeechError, SpeechEvent, Transcriber, Transcript, Word};

/// Events that wait for their listener; further ones wait in the ear until the next frame.
const CHANNEL: usize = 1024;

/// Samples per millisecond of telephone audio.
const SAMPLES_PER_MS: usize = 8;

/// What one call hears: called for each frame with its time and samples, gives the events that
/// come out then. A call with the present time and no samples is a flush.
pub type Hearing = Box<dyn FnMut(CallMs, &[i16]) -> Vec<SpeechEvent> + Send>;

/// Recognises by script. [`Scripted::new`] takes any behaviour; [`Scripted::phrases`] says
/// phrases at given times.
pub struct Scripted {
    open: Box<dyn Fn(&str) -> Hearing + Send + Sync>,
}

impl Scripted {
    /// `open` is called with each call's name and gives what that call will hear.
    pub fn new(open: impl Fn(&str) -> Hearing + Send + Sync + 'static) -> Self {
        Self { open: Box::new(open) }
    }

    /// Each call hears the phrases that `script` gives for its name. A phrase comes out when
    /// `delay_ms` have passed after its last word, and `HeardUntil` follows the frames at that
    /// distance.
    pub fn phrases(
        delay_ms: u32,
        script: impl Fn(&str) -> Vec<Transcript> + Send + Sync + 'static,
    ) -> Self {
        Self::new(move |call| {
            let mut phrases = script(call);
            phrases.sort_by_key(end);
            let mut phrases = std::collections::VecDeque::from(phrases);
            let mut settled = 0;
            Box::new(move |at_ms, samples| {
                let delay_ms = if samples.is_empty() { 0 } else { delay_ms };
                let until = frame_end(at_ms, samples).saturating_sub(delay_ms);
                let mut events = Vec::new();
                while let Some(phrase) = phrases.pop_front_if(|phrase| end(phrase) <= until) {
                    events.push(SpeechEvent::Final(phrase));
                }
                // Part of a phrase is not heard before its end.
                let begun = phrases.front().and_then(|phrase| phrase.words.first());
                let begun = begun.map_or(CallMs::MAX, |word| word.start_ms);
                settled = until.min(begun).max(settled);
                events.push(SpeechEvent::HeardUntil(settled));
                events
            })
        })
    }
}

/// A phrase whose words follow each other evenly from `start_ms` on, 300 ms each, all certain.
pub fn phrase(start_ms: CallMs, text: &str) -> Transcript {
    const WORD_MS: u32 = 300;
    let mut start_ms = start_ms;
    let words: Vec<Word> = text
        .split_whitespace()
        .map(|text| {
            let end_ms = start_ms.saturating_add(WORD_MS);
            let word = Word { text: text.to_owned(), start_ms, end_ms, confidence: 1.0 };
            start_ms = end_ms;
            word
        })
        .collect();
    let confidence = if words.is_empty() { 0.0 } else { 1.0 };
    Transcript { words, confidence }
}

fn end(phrase: &Transcript) -> CallMs {
    phrase.words.last().map_or(0, |word| word.end_ms)
}

fn frame_end(at_ms: CallMs, samples: &[i16]) -> CallMs {
    let length = u32::try_from(samples.len() / SAMPLES_PER_MS).unwrap_or(u32::MAX);
    at_ms.saturating_add(length)
}

impl Engine for Scripted {
    fn open(&self, call: &str) -> Result<Listening, SpeechError> {
        let (sender, events) = mpsc::channel(CHANNEL);
        let hearing = (self.open)(call);
        let ear = ScriptedEar { hearing, sender, waiting: Vec::new(), heard_ms: 0 };
        Ok(Listening { ear: Box::new(ear), events })
    }
}

struct ScriptedEar {
    hearing: Hearing,
    sender: mpsc::Sender<SpeechEvent>,
    waiting: Vec<SpeechEvent>,
    heard_ms: CallMs,
}

impl ScriptedEar {
    fn deliver(&mut self, events: Vec<SpeechEvent>) {
        self.waiting.extend(events);
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        while let Some(event) = waiting.next() {
            match self.sender.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.waiting.push(event);
                    self.waiting.extend(waiting);
                    // A listener that sleeps through the whole script learns the last state only.
                    let surplus = self.waiting.len().saturating_sub(CHANNEL);
                    self.waiting.drain(..surplus);
                    return;
                }
                Err(TrySendError::Closed(_)) => return,
            }
        }
    }
}

impl Transcriber for ScriptedEar {
    fn push(&mut self, at_ms: CallMs, samples: &[i16]) {
        self.heard_ms = frame_end(at_ms, samples);
        let events = (self.hearing)(at_ms, samples);
        self.deliver(events);
    }

    fn flush(&mut self) {
        let events = (self.hearing)(self.heard_ms, &[]);
        self.deliver(events);
    }

    fn finish(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(engine: &Scripted, until_ms: u32) -> Vec<SpeechEvent> {
        let mut listening = engine.open("a").unwrap();
        for at in (0..until_ms).step_by(20) {
            listening.ear.push(at, &[0; 160]);
        }
        listening.ear.finish();
        std::iter::from_fn(|| listening.events.try_recv().ok()).collect()
    }

    #[test]
    fn a_phrase_comes_out_when_its_delay_has_passed() {
        let engine = Scripted::phrases(500, |_| vec![phrase(1000, "press one")]);
        let is_final = |event: &SpeechEvent| matches!(event, SpeechEvent::Final(_));
        assert!(!play(&engine, 2080).iter().any(is_final));
        let events = play(&engine, 2100);
        let [.., SpeechEvent::Final(said), SpeechEvent::HeardUntil(1600)] = events.as_slice()
        else {
            panic!("{events:?}");
        };
        assert_eq!(said.text(), "press one");
    }

    #[test]
    fn nothing_is_settled_beyond_a_phrase_that_has_begun() {
        let engine = Scripted::phrases(0, |_| vec![phrase(1000, "press one")]);
        assert_eq!(play(&engine, 1500).last(), Some(&SpeechEvent::HeardUntil(1000)));
    }

    #[test]
    fn a_flush_does_not_wait_for_the_delay() {
        let engine = Scripted::phrases(500, |_| vec![phrase(0, "welcome")]);
        let mut listening = engine.open("a").unwrap();
        for at in (0..400).step_by(20) {
            listening.ear.push(at, &[0; 160]);
        }
        listening.ear.flush();
        listening.ear.push(400, &[0; 160]);
        listening.ear.finish();
        let events: Vec<_> = std::iter::from_fn(|| listening.events.try_recv().ok()).collect();
        let [.., SpeechEvent::Final(said), SpeechEvent::HeardUntil(400), _] = events.as_slice()
        else {
            panic!("{events:?}");
        };
        assert_eq!(said.text(), "welcome");
        assert_eq!(events.last(), Some(&SpeechEvent::HeardUntil(400)));
    }

    #[test]
    fn a_closure_may_listen_to_the_audio() {
        let engine = Scripted::new(|_| {
            Box::new(|at_ms, samples| {
                let loud = samples.iter().any(|s| *s > 100);
                loud.then(|| SpeechEvent::Final(phrase(at_ms, "beep"))).into_iter().collect()
            })
        });
        let mut listening = engine.open("a").unwrap();
        listening.ear.push(0, &[0; 160]);
        listening.ear.push(20, &[900; 160]);
        let Ok(SpeechEvent::Final(said)) = listening.events.try_recv() else { panic!() };
        assert_eq!(said.words[0].start_ms, 20);
    }
}
