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

/// More sound than this without a word, and a phrase was left out: two short words take as long.
const LEFT_OUT_MS: u32 = 600;

/// The level of speech varies by more than this from step to step, that of tones does not, in dB.
const VARIES_DB: f32 = 3.0;

/// A word may go on this much behind its place.
const ROUND_WORD_MS: u32 = 100;

/// Pauses so close to a stretch without words are at its ends.
const AROUND_MS: u32 = 600;

/// A pause of at least this is between phrases, not within a word.
const PHRASE_PAUSE_MS: u32 = 150;

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

/// Sound that no word was found for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// Milliseconds of sound in the longest stretch without words.
    pub length_ms: u32,
    /// The middle of the longest pause at either end of it, in milliseconds from the piece's
    /// beginning: where to cut.
    pub pause: u32,
}

/// What a recogniser has left out of a piece in which it found words: a stretch with more than
/// [`LEFT_OUT_MS`] of sound before, between or behind the words, with a pause to cut at.
pub fn unheard(piece: &Piece, found: &Transcript) -> Option<Unheard> {
    if found.words.is_empty() {
        return None;
    }
    let levels = Levels::of(&piece.samples);
    let at = |ms: u32| ms.saturating_sub(piece.from_ms);
    let length = at(piece.to_ms());
    let ends = found.words.iter().map(|word| at(word.end_ms));
    let starts = found.words.iter().map(|word| at(word.start_ms));
    let stretches = std::iter::once(0).chain(ends).zip(starts.chain([length]));
    let longest = stretches
        .map(|(from, to)| (levels.sound_ms(from + ROUND_WORD_MS, to), from, to))
        .max()
        .filter(|(sound, from, to)| *sound > LEFT_OUT_MS && levels.varies(*from, *to))?;
    let (length_ms, from, to) = longest;
    let pause =
        levels.longest_pause(from.saturating_sub(AROUND_MS), (to + AROUND_MS).min(length))?;
    Some(Unheard { length_ms, pause })
}

/// A piece in two, cut `at_ms` from its beginning.
pub fn split(piece: &Piece, at_ms: u32) -> (Piece, Piece) {
    let at = (at_ms as usize * (RATE / 1000)).min(piece.samples.len());
    let (first, second) = piece.samples.split_at(at);
    let second_from = piece.from_ms.saturating_add(at_ms);
    (
        Piece { from_ms: piece.from_ms, samples: first.to_vec() },
        Piece { from_ms: second_from, samples: second.to_vec() },
    )
}

/// Which steps of a piece are louder than its pauses.
struct Levels {
    levels: Vec<f32>,
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
        let loud = levels.iter().map(|level| *level > pause).collect();
        Self { levels, loud }
    }

    /// Milliseconds of sound between two places.
    fn sound_ms(&self, from_ms: u32, to_ms: u32) -> u32 {
        let (from, to) = ((from_ms / STEP_MS) as usize, (to_ms / STEP_MS) as usize);
        let steps = self.loud.get(from..to.min(self.loud.len())).unwrap_or_default();
        steps.iter().filter(|loud| **loud).count() as u32 * STEP_MS
    }

    /// Whether the sound between two places varies as speech does: ringback and other tones keep
    /// their level, and of them the model makes up sentences.
    fn varies(&self, from_ms: u32, to_ms: u32) -> bool {
        let (from, to) = ((from_ms / STEP_MS) as usize, (to_ms / STEP_MS) as usize);
        let steps = self.levels.iter().zip(&self.loud).take(to).skip(from);
        let sound: Vec<f32> = steps.filter(|(_, loud)| **loud).map(|(level, _)| *level).collect();
        let count = sound.len().max(1) as f32;
        let mean = sound.iter().sum::<f32>() / count;
        let variance = sound.iter().map(|level| (level - mean).powi(2)).sum::<f32>() / count;
        variance > VARIES_DB * VARIES_DB
    }

    /// The middle of the longest pause between two places, with sound on both sides of it.
    fn longest_pause(&self, from_ms: u32, to_ms: u32) -> Option<u32> {
        let (from, to) = ((from_ms / STEP_MS) as usize, (to_ms / STEP_MS) as usize);
        let to = to.min(self.loud.len());
        let first = (from..to).find(|&step| self.loud.get(step) == Some(&true))?;
        let (mut longest, mut middle, mut quiet_from) = (0, None, first);
        for step in first..to {
            if self.loud.get(step) == Some(&true) {
                let quiet = step - quiet_from;
                if quiet > longest {
                    (longest, middle) = (quiet, Some(quiet_from + quiet / 2));
                }
                quiet_from = step + 1;
            }
        }
        let long_enough = longest as u32 * STEP_MS >= PHRASE_PAUSE_MS;
        middle.filter(|_| long_enough).map(|step| step as u32 * STEP_MS)
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
    fn a_phrase_without_words_is_found_with_the_pause_to_cut_at() {
        let syllables = [(8000, 100), (1500, 50)].repeat(6);
        let pauses = |phrase: &[(i16, usize)]| {
            piece(&[&[(3, 200)], phrase, &[(3, 400), (5000, 800), (3, 200)]].concat())
        };
        let tone = pauses(&[(5000, 900)]);
        let piece = pauses(&syllables);
        let second = Transcript {
            words: vec![Word {
                text: "two".into(),
                start_ms: 11_500,
                end_ms: 12_300,
                confidence: 1.0,
            }],
            confidence: 1.0,
        };
        assert_eq!(unheard(&piece, &second), Some(Unheard { length_ms: 900, pause: 1300 }));
        assert_eq!(unheard(&tone, &second), None, "a tone is no speech");
        let (one, two) = split(&piece, 1300);
        assert_eq!((one.to_ms(), two.from_ms, two.to_ms()), (11_300, 11_300, 12_500));
        // All of it is covered, or nothing is believed at all: nothing to cut.
        let mut both = second.clone();
        both.words.insert(0, Word { start_ms: 10_200, end_ms: 11_100, ..both.words[0].clone() });
        assert_eq!(unheard(&piece, &both), None);
        assert_eq!(unheard(&piece, &Transcript::default()), None);
    }

    #[test]
    fn a_word_without_sound_keeps_its_place_within_the_piece() {
        let piece = piece(&[(5000, 200), (3, 300)]);
        let found = transcript(&piece, vec![word(300, 400), word(480, 900)]);
        let places: Vec<_> = found.words.iter().map(|w| (w.start_ms, w.end_ms)).collect();
        assert_eq!(places, [(10_300, 10_400), (10_480, 10_500)]);
    }
}
