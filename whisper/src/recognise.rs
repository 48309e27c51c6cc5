//! One piece of audio to words: which passes are made, what is believed, where words lie.

use super::align::{Attention, align};
use super::decoder::Audio;
use super::greedy::{Ending, Hypothesis};
use super::mel::{HOP, RATE, upsample};
use super::{Token, Whisper, Workspace};

/// Silence added after a short piece, so that the model hears that it is over: 2 s. With less it
/// repeats or leaves out more.
const TAIL: usize = 2 * RATE;

/// Below this mean log-probability a text is doubted.
const DOUBTFUL: f32 = -0.8;

/// Fewer tokens in a second than this, and part of what was said is missing.
const FEWEST_TOKENS_PER_SECOND: f32 = 1.2;

/// Probability of silence above which a text must be written with more certainty than
/// [`UNCERTAIN`] to be believed.
const SILENT: f32 = 0.5;

/// See [`SILENT`].
const UNCERTAIN: f32 = -0.6;

/// Below this mean log-probability nothing is believed: the model guesses.
const GUESS: f32 = -1.0;

/// Fewer tokens in a second than this, in a piece longer than [`SINGLE_WORD`], and the piece is
/// tones or music for which the model found a word.
const FEWEST_BELIEVED: f32 = 0.5;

/// Pieces shorter than this many seconds may well hold a single word.
const SINGLE_WORD: f32 = 3.0;

/// Tokens of a phrase that is not said twice in a row by chance.
const REPEATED_PHRASE: usize = 4;

/// An echo of a phrase is placed in less time than this part of the phrase's own.
const ECHO_PACE: f32 = 0.4;

/// Milliseconds of one position of the encoder.
const POSITION_MS: f32 = 20.0;

/// What is to be recognised, and how.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Linear samples at 8 kHz, at most 30 s; what is beyond is not heard.
    pub samples: &'a [i16],
    /// A text that might have been said before, from [`Whisper::hint`]; may be empty.
    pub hint: &'a [Token],
    /// A language's code; `None` lets a multilingual model choose for each piece.
    pub language: Option<&'a str>,
}

/// What was recognised in a piece.
#[derive(Clone, Debug, Default)]
pub struct Recognition {
    /// The words in order; none if it is not believed that anybody spoke.
    pub words: Vec<SpokenWord>,
    /// Mean natural logarithm of the tokens' probabilities.
    pub mean_log_probability: f32,
    /// Probability that nobody speaks.
    pub no_speech: f32,
    /// Times that the piece was decoded.
    pub passes: u32,
}

/// One word and where it lies in the piece.
#[derive(Clone, Debug, PartialEq)]
pub struct SpokenWord {
    /// With punctuation attached, without blanks around it.
    pub text: String,
    /// Milliseconds from the first sample of the piece.
    pub start_ms: u32,
    /// Not before `start_ms`.
    pub end_ms: u32,
    /// Between 0 and 1: the mean probability of its tokens (geometric).
    pub confidence: f32,
}

impl Whisper {
    /// Recognises one piece of audio.
    pub fn recognise(&self, request: Request<'_>, work: &mut Workspace) -> Recognition {
        let longest = self.size.audio_positions * 2 * HOP;
        let mut samples = upsample(request.samples);
        samples.truncate(longest);
        let seconds = samples.len() as f32 / RATE as f32;

        // A short window saves most of the work, but the model was not trained on it and now
        // and then repeats itself or does not come to an end. The full one then helps.
        let short = ((samples.len() + TAIL).div_ceil(2 * HOP) * 2).min(longest / HOP);
        let audio = self.listen(&samples, short, work);
        let mut positions = audio.positions;
        let mut found = self.decode(&audio, seconds, request.hint, request.language, work);
        let mut passes = 1;
        let heard = samples.len().div_ceil(2 * HOP);
        if !self.is_sound(&found, seconds) && !is_silence(&found) {
            let full = self.listen(&samples, longest / HOP, work);
            for hint in [request.hint, &[]] {
                let again = self.decode(&full, seconds, hint, request.language, work);
                passes += 1;
                let rank =
                    |h: &Hypothesis| (self.is_sound(h, seconds), h.ending == Ending::Complete);
                let by_score =
                    again.mean_log_probability().total_cmp(&found.mean_log_probability());
                if rank(&again).cmp(&rank(&found)).then(by_score).is_gt() {
                    found = again;
                    positions = full.positions;
                }
                if self.is_sound(&found, seconds) || request.hint.is_empty() {
                    break;
                }
            }
        }
        let believed = found.ending == Ending::Complete
            && !is_silence(&found)
            && found.mean_log_probability() > GUESS
            && (seconds < SINGLE_WORD || found.tokens.len() as f32 > seconds * FEWEST_BELIEVED);
        let words = if believed { self.words(&found, positions, heard) } else { Vec::new() };
        let mean_log_probability = found.mean_log_probability();
        Recognition { words, mean_log_probability, no_speech: found.no_speech, passes }
    }

    /// Whether a text may be what was said, as far as its form tells.
    fn is_sound(&self, found: &Hypothesis, seconds: f32) -> bool {
        let tokens = found.tokens.len();
        found.ending == Ending::Complete
            && found.mean_log_probability() > DOUBTFUL
            && (seconds < SINGLE_WORD || tokens as f32 >= seconds * FEWEST_TOKENS_PER_SECOND)
            && echo(&found.tokens).is_none()
    }

    fn listen(&self, samples: &[f32], frames: usize, work: &mut Workspace) -> Audio {
        let mels = self.mel.spectrogram(samples, frames);
        let encoded = self.encoder.encode(&mels, &self.size, &mut work.scratch);
        Audio::new(&self.decoder, &self.size, &encoded, &mut work.scratch)
    }

    fn words(&self, found: &Hypothesis, positions: usize, heard: usize) -> Vec<SpokenWord> {
        let heads = self.rules.alignment_heads.len();
        let spans = align(&Attention { values: &found.attention, heads, positions, heard });
        let kept = without_echo(&found.tokens, &spans);
        let mut words: Vec<Draft> = Vec::new();
        let tokens = kept.iter().zip(&found.log_probabilities).zip(spans);
        for ((&token, &log_probability), span) in tokens {
            let bytes = self.vocabulary.bytes(token);
            let spoken = is_spoken(bytes);
            match words.last_mut() {
                // A sign that stands before a word, as in " $5", takes its time; of the others the
                // pause that follows is no part of the word.
                Some(word) if !bytes.starts_with(b" ") => {
                    word.bytes.extend_from_slice(bytes);
                    if spoken {
                        word.end = span.1;
                        word.log_probability += log_probability;
                        word.tokens += 1;
                    }
                }
                _ => words.push(Draft {
                    bytes: bytes.to_vec(),
                    start: span.0,
                    end: span.1,
                    log_probability,
                    tokens: 1,
                }),
            }
        }
        // A sign that stands by itself belongs to the word before it.
        words.dedup_by(|sign, word| {
            let alone = !is_spoken(&sign.bytes);
            if alone {
                word.bytes.append(&mut sign.bytes);
            }
            alone
        });
        words.into_iter().filter_map(Draft::finish).collect()
    }
}

/// Whether a token has anything that is pronounced: letters, digits, or what is not ASCII.
fn is_spoken(bytes: &[u8]) -> bool {
    bytes.iter().any(|b| b.is_ascii_alphanumeric() || !b.is_ascii())
}

/// A word in the making, in positions of the encoder.
struct Draft {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    log_probability: f32,
    tokens: u32,
}

impl Draft {
    fn finish(self) -> Option<SpokenWord> {
        let text = String::from_utf8_lossy(&self.bytes).trim().to_owned();
        text.chars().any(char::is_alphanumeric).then(|| SpokenWord {
            text,
            start_ms: (self.start as f32 * POSITION_MS) as u32,
            end_ms: (self.end.max(self.start) as f32 * POSITION_MS) as u32,
            confidence: (self.log_probability / self.tokens.max(1) as f32).exp().clamp(0.0, 1.0),
        })
    }
}

/// Whether the model itself doubts that anybody spoke. Of silence, noise, tones and music it
/// writes "you", "Thank you." or words of the hint, without certainty.
fn is_silence(found: &Hypothesis) -> bool {
    found.no_speech > SILENT && found.mean_log_probability() < UNCERTAIN
}

/// Where the second of two equal phrases at the end of a text begins: the model echoes the last
/// phrase into the silence after it.
fn echo(tokens: &[Token]) -> Option<usize> {
    (REPEATED_PHRASE..=tokens.len() / 2).rev().find_map(|length| {
        let (before, second) = tokens.split_at(tokens.len() - length);
        before.ends_with(second).then_some(before.len())
    })
}

/// The tokens without an echo at their end. A phrase that was said twice takes its time twice.
fn without_echo<'a>(tokens: &'a [Token], spans: &[(usize, usize)]) -> &'a [Token] {
    let Some(second) = echo(tokens) else { return tokens };
    let length = tokens.len() - second;
    let start = |index: usize| spans.get(index).map_or(0, |span| span.0);
    let end = spans.get(tokens.len() - 1).map_or(0, |span| span.1);
    let (said, echoed) = (start(second) - start(second - length), end - start(second));
    if (echoed as f32) < said as f32 * ECHO_PACE { &tokens[..second] } else { tokens }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_into_silence_is_left_out_and_a_phrase_said_twice_is_kept() {
        let tokens = [9, 1, 2, 3, 4, 1, 2, 3, 4];
        let even: Vec<_> = (0..10).map(|i| (i * 10, i * 10 + 10)).collect();
        assert_eq!(without_echo(&tokens, &even), tokens);
        let mut hasty = even;
        for (index, span) in hasty.iter_mut().enumerate().skip(5) {
            *span = (50 + index, 51 + index);
        }
        assert_eq!(without_echo(&tokens, &hasty), [9, 1, 2, 3, 4]);
    }

    #[test]
    fn a_short_word_said_twice_is_no_echo() {
        assert_eq!(echo(&[1, 2, 3, 1, 2, 3]), None);
        assert_eq!(echo(&[]), None);
    }
}
