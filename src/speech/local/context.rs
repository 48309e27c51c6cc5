//! What was said just before a piece: it helps the model to understand a fragment of a sentence.

use crate::speech::{CallMs, Transcript, cutter::Piece};

/// A piece that begins later than this after the last word belongs to something new.
const MEMORY_MS: u32 = 3_000;

/// Words that are remembered.
const MOST_WORDS: usize = 24;

/// Words less certain than this are not passed on: an error would breed more.
const LEAST_CONFIDENCE: f32 = 0.6;

/// The last words of one call.
#[derive(Clone, Debug, Default)]
pub struct Context {
    text: String,
    end_ms: CallMs,
}

impl Context {
    /// What was said just before `piece`; empty if there was a long pause.
    pub fn before(&self, piece: &Piece) -> &str {
        let follows = piece.from_ms <= self.end_ms.saturating_add(MEMORY_MS);
        if follows { &self.text } else { "" }
    }

    /// Remembers the end of what was recognised.
    pub fn note(&mut self, transcript: &Transcript) {
        let Some(last) = transcript.words.last() else { return };
        self.end_ms = last.end_ms;
        self.text.clear();
        if transcript.confidence >= LEAST_CONFIDENCE {
            let first = transcript.words.len().saturating_sub(MOST_WORDS);
            let words = transcript.words.iter().skip(first).map(|word| word.text.as_str());
            self.text = words.collect::<Vec<_>>().join(" ");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::Word;

    fn said(text: &str, end_ms: u32, confidence: f32) -> Transcript {
        let word = Word { text: text.to_owned(), start_ms: 0, end_ms, confidence };
        Transcript { words: vec![word], confidence }
    }

    fn piece(from_ms: u32) -> Piece {
        Piece { from_ms, samples: Vec::new() }
    }

    #[test]
    fn words_are_remembered_through_a_short_pause_only() {
        let mut context = Context::default();
        assert_eq!(context.before(&piece(0)), "");
        context.note(&said("Welcome.", 1000, 0.9));
        assert_eq!(context.before(&piece(1800)), "Welcome.");
        assert_eq!(context.before(&piece(9000)), "");
    }

    #[test]
    fn a_guess_is_not_passed_on() {
        let mut context = Context::default();
        context.note(&said("Welcome.", 1000, 0.9));
        context.note(&said("Wombat.", 2000, 0.3));
        assert_eq!(context.before(&piece(2100)), "");
    }
}
