//! Words from the clock of a piece to that of the call, without the silence around them.

use phoneai_whisper::SpokenWord;

use crate::speech::{
    Transcript, Word,
    cutter::{Piece, RATE},
};

/// Milliseconds of a step of the level curve.
const STEP_MS: u32 = 10;

/// What is softer than the piece's loudest step by more than this is a pause, in dB.
const PAUSE_BELOW_PEAK_DB: f32 = 32.0;

/// What is less than this above the piece's softest steps is a pause too, in dB.
const PAUSE_ABOVE_NOISE_DB: f32 = 6.0;

/// A word keeps at least this much of its stretch, however soft.
const SHORTEST_MS: u32 = 60;

/// The words of a piece on the call's clock.
///
/// The decoder's attention gives the pause before or after a word to the word; the level tells
/// where it really begins and ends.
pub fn transcript(piece: &Piece, words: Vec<SpokenWord>) -> Transcript {
    let levels = Levels::of(&piece.samples);
    let end_ms = piece.to_ms();
    let at = |ms: u32| piece.from_ms.saturating_add(ms).min(end_ms);
    let words: Vec<Word> = words
        .into_iter()
        .map(|word| {
            let (start, end) = levels.trim(word.start_ms, word.end_ms);
            let (start_ms, end_ms) = (at(start), at(end));
            Word { text: word.text, start_ms, end_ms, confidence: word.confidence }
        })
        .collect();
    let total: f32 = words.iter().map(|word| word.confidence).sum();
    let confidence = if words.is_empty() { 0.0 } else { total / words.len() as f32 };
    Transcript { words, confidence }
}

/// Which steps of a piece are louder than its pauses.
struct Levels {
    loud: Vec<bool>,
}

impl Levels {
    fn of(samples: &[i16]) -> Self {
        let step = RATE / 1000 * STEP_MS as usize;
        let level = |part: &[i16]| {
            let energy: f32 = part.iter().map(|&s| f32::from(s).powi(2)).sum();
            10.0 * (energy / part.len().max(1) as f32).max(1.0).log10()
        };
        let levels: Vec<f32> = samples.chunks(step).map(level).collect();
        let mut sorted = levels.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let peak = sorted.last().copied().unwrap_or_default();
        let noise = sorted.get(sorted.len() / 20).copied().unwrap_or_default();
        let pause = (noise + PAUSE_ABOVE_NOISE_DB).max(peak - PAUSE_BELOW_PEAK_DB);
        Self { loud: levels.into_iter().map(|level| level > pause).collect() }
    }

    /// Moves the start to the first and the end to the last loud step between them.
    fn trim(&self, start_ms: u32, end_ms: u32) -> (u32, u32) {
        let (first, last) = ((start_ms / STEP_MS) as usize, (end_ms / STEP_MS) as usize);
        let Some(steps) = self.loud.get(first..last.min(self.loud.len())) else {
            return (start_ms, end_ms);
        };
        let before = steps.iter().take_while(|loud| !**loud).count();
        let after = steps.iter().rev().take_while(|loud| !**loud).count();
        if before == steps.len() {
            return (start_ms, end_ms);
        }
        let start = start_ms + before as u32 * STEP_MS;
        let end = end_ms.saturating_sub(after as u32 * STEP_MS);
        let missing = SHORTEST_MS.saturating_sub(end.saturating_sub(start));
        (start.saturating_sub(missing).max(start_ms), end.max(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(start_ms: u32, end_ms: u32) -> SpokenWord {
        SpokenWord { text: "press".to_owned(), start_ms, end_ms, confidence: 0.5 }
    }

    fn piece(stretches: &[(i16, usize)]) -> Piece {
        let samples = stretches.iter().flat_map(|&(value, ms)| vec![value; ms * 8]).collect();
        Piece { from_ms: 10_000, samples }
    }

    #[test]
    fn a_word_is_placed_where_the_sound_is() {
        let piece = piece(&[(3, 400), (5000, 300), (3, 300), (5000, 200), (3, 300)]);
        let found = transcript(&piece, vec![word(0, 800), word(800, 1500)]);
        let places: Vec<_> = found.words.iter().map(|w| (w.start_ms, w.end_ms)).collect();
        assert_eq!(places, [(10_400, 10_700), (11_000, 11_200)]);
        assert!((found.confidence - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_word_without_sound_keeps_its_place_within_the_piece() {
        let piece = piece(&[(5000, 200), (3, 300)]);
        let found = transcript(&piece, vec![word(300, 400), word(480, 900)]);
        let places: Vec<_> = found.words.iter().map(|w| (w.start_ms, w.end_ms)).collect();
        assert_eq!(places, [(10_300, 10_400), (10_480, 10_500)]);
    }
}
