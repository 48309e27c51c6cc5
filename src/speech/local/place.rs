//! Words from the clock of a piece to that of the call, without the silence around them.

use phoneai_media::detect;
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

/// Vowels are held for less than this; the shortest ringing is longer.
const LONG_TONE_MS: u32 = 250;

/// Less sound than this beside a tone is its edges.
const SHORTEST_SPEECH_MS: u32 = 160;

/// A pause of at least this may be between two words.
const WORD_PAUSE_MS: u32 = 30;

/// By so much the decoder's attention puts the border between two words too late, in the mean.
const LATE_MS: u32 = 90;

/// The border may truly be this much before, or behind, where the attention puts it.
const EARLIER_MS: u32 = 280;
const LATER_MS: u32 = 40;

/// Longest that a first word is taken to be of which only the beginning is known.
const FIRST_WORD_MS: u32 = 200;

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
    let mut places: Vec<(u32, u32)> =
        words.iter().map(|word| (word.start_ms, word.end_ms)).collect();
    levels.part(&mut places);
    let words: Vec<Word> = words
        .into_iter()
        .zip(places)
        .map(|(word, (start, end))| {
            let (start, end) = levels.trim(start, end);
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

/// Whether all that is heard in a piece are tones of the network: of them the model makes up
/// sentences.
pub fn is_only_tones(piece: &Piece) -> bool {
    let levels = Levels::of(&piece.samples);
    let all = levels.sound_ms(0, u32::MAX);
    let tones = detect::tones(&piece.samples).into_iter();
    let long = tones.filter(|(from, to)| to - from >= LONG_TONE_MS);
    let in_tones: u32 = long.map(|(from, to)| levels.sound_ms(from, to)).sum();
    in_tones > 0 && all.saturating_sub(in_tones) < SHORTEST_SPEECH_MS
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

    /// Puts the borders between words where they are heard. The decoder's attention is late by a
    /// tenth of a second, and gives what follows a pause to the comma before it; a pause near the
    /// place where a border is expected is the border.
    fn part(&self, places: &mut [(u32, u32)]) {
        self.begin_with_sound(places);
        let mut rest = places;
        while let Some((first, others)) = rest.split_first_mut() {
            let Some(second) = others.first_mut() else { break };
            let from = first.1.saturating_sub(EARLIER_MS).max(first.0 + SHORTEST_MS);
            let to = (second.0 + LATER_MS).min(second.1.saturating_sub(SHORTEST_MS));
            let expected = (first.1.saturating_sub(LATE_MS), second.0.saturating_sub(LATE_MS));
            let pause = self.best_pause(from, to, expected).filter(|pause| {
                // A word of which nothing is left was not said where it was found.
                self.sound_ms(first.0, pause.0) > 0 && self.sound_ms(pause.1, second.1) > 0
            });
            let earlier = expected.0.max((first.0 + SHORTEST_MS).min(first.1));
            (first.1, second.0) = match pause {
                Some(pause) => pause,
                None if self.sound_ms(earlier, first.1) == first.1 - earlier => (earlier, earlier),
                None if self.sound_ms(first.1, second.0) > 0 => (first.1, first.1),
                None => (first.1, second.0),
            };
            rest = others;
        }
    }

    /// A first word that was found in the silence at the beginning begins with the sound.
    fn begin_with_sound(&self, places: &mut [(u32, u32)]) {
        let [first, rest @ ..] = places else { return };
        if self.sound_ms(first.0, first.1) > 0 {
            return;
        }
        let next = rest.first().map_or(u32::MAX, |second| second.0);
        let silent = self.loud.iter().skip((first.1 / STEP_MS) as usize).take_while(|loud| !**loud);
        let begin = first.1 + silent.count() as u32 * STEP_MS;
        if begin < next && self.sound_ms(begin, begin + STEP_MS) > 0 {
            *first = (begin, next.min(begin + FIRST_WORD_MS));
        }
    }

    /// Of the pauses that begin and end between two places the longest, less what it is away from
    /// where it is expected.
    fn best_pause(&self, from_ms: u32, to_ms: u32, expected: (u32, u32)) -> Option<(u32, u32)> {
        let (first, last) = ((from_ms / STEP_MS) as usize, (to_ms / STEP_MS) as usize);
        let steps = self.loud.get(first..last.min(self.loud.len()))?;
        let mut best: Option<(u32, (u32, u32))> = None;
        let mut at = from_ms / STEP_MS * STEP_MS;
        for run in steps.chunk_by(|a, b| a == b) {
            let pause = (at, at + run.len() as u32 * STEP_MS);
            at = pause.1;
            let length = pause.1 - pause.0;
            if run.first() != Some(&false) || length < WORD_PAUSE_MS {
                continue;
            }
            let away = pause.0.saturating_sub(expected.1).max(expected.0.saturating_sub(pause.1));
            // The closure of a consonant is a pause too, but a short one.
            let worth = length.saturating_sub(away * 4 / 5);
            if worth > best.map_or(0, |(most, _)| most) {
                best = Some((worth, pause));
            }
        }
        best.map(|(_, pause)| pause)
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
    fn borders_are_put_into_pauses_and_are_earlier_where_there_is_none() {
        // A comma has taken 400 ms of the second word; the third follows the second at once.
        let piece = piece(&[(3, 200), (5000, 500), (3, 120), (5000, 900), (3, 300)]);
        let words = vec![word(200, 780), word(780, 1300), word(1300, 1720)];
        let found = transcript(&piece, words);
        let places: Vec<_> =
            found.words.iter().map(|w| (w.start_ms - 10_000, w.end_ms - 10_000)).collect();
        assert_eq!(places, [(200, 700), (820, 1210), (1210, 1720)]);
    }

    #[test]
    fn ringing_is_only_tones_and_a_word_behind_it_is_not() {
        let ring = |ms: usize| {
            (0..ms * 8).map(|n| {
                let sine = |hz: f32| (std::f32::consts::TAU * hz * n as f32 / 8000.0).sin();
                ((sine(440.0) + sine(480.0)) * 3000.0) as i16
            })
        };
        let quiet = |ms: usize| vec![3i16; ms * 8];
        let ringing: Vec<i16> =
            quiet(240).into_iter().chain(ring(2000)).chain(quiet(240)).collect();
        let piece = Piece { from_ms: 0, samples: ringing.clone() };
        assert!(is_only_tones(&piece));
        let word = (0..400 * 8).map(|n| if n * n / 700 % 7 < 3 { 4000i16 } else { -3000 });
        let samples = ringing.into_iter().chain(word).chain(quiet(240)).collect();
        assert!(!is_only_tones(&Piece { from_ms: 0, samples }));
        assert!(!is_only_tones(&Piece { from_ms: 0, samples: quiet(900) }));
    }

    #[test]
    fn a_first_word_found_in_the_silence_begins_with_the_sound() {
        let piece = piece(&[(3, 240), (5000, 600), (3, 300)]);
        let found = transcript(&piece, vec![word(0, 140), word(500, 840)]);
        let places: Vec<_> = found.words.iter().map(|w| (w.start_ms, w.end_ms)).collect();
        assert_eq!(places[0].0, 10_240, "{places:?}");
    }

    #[test]
    fn a_word_without_sound_keeps_its_place_within_the_piece() {
        let piece = piece(&[(5000, 200), (3, 300)]);
        let found = transcript(&piece, vec![word(300, 400), word(480, 900)]);
        let places: Vec<_> = found.words.iter().map(|w| (w.start_ms, w.end_ms)).collect();
        assert_eq!(places, [(10_300, 10_400), (10_480, 10_500)]);
    }
}
