//! Choosing tokens: always the most probable one, until the text ends or goes astray.

use super::decoder::{Audio, Decoding};
use super::{Token, Whisper, Workspace, math};

/// Tokens that a text may have beyond [`TOKENS_PER_SECOND`]: marks, a hasty start.
const TOKENS_AT_LEAST: usize = 12;

/// Tokens in a second of the fastest speech: digits and spelt names reach eight.
const TOKENS_PER_SECOND: f32 = 9.0;

/// The longest pattern, in tokens, that is looked for when a text repeats itself.
const LONGEST_PATTERN: usize = 24;

/// What was decided about one piece of audio.
#[derive(Clone, Debug)]
pub struct Hypothesis {
    /// Ordinary tokens, without the end.
    pub tokens: Vec<Token>,
    /// The natural logarithm of each one's probability; one more than tokens if the text ended.
    pub log_probabilities: Vec<f32>,
    /// Probability, before the first token, that nobody speaks.
    pub no_speech: f32,
    /// Attention of the alignment heads, a block for each entry of `log_probabilities`.
    pub attention: Vec<f32>,
    /// How the text ended.
    pub ending: Ending,
}

/// How a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The model ended it.
    Complete,
    /// It had more tokens than anyone can say in the time.
    RanOn,
    /// It repeated itself.
    Looped,
}

impl Hypothesis {
    /// Mean logarithm of the tokens' probabilities, the end included.
    pub fn mean_log_probability(&self) -> f32 {
        let count = self.log_probabilities.len().max(1);
        self.log_probabilities.iter().sum::<f32>() / count as f32
    }
}

impl Whisper {
    /// Writes down what `audio` holds, `seconds` of it, after `hint`.
    pub(super) fn decode(
        &self,
        audio: &Audio,
        seconds: f32,
        hint: &[Token],
        language: Option<&str>,
        work: &mut Workspace,
    ) -> Hypothesis {
        let special = self.vocabulary.special();
        let scratch = &mut work.scratch;
        let mut attention = Vec::new();
        let mut decoding = Decoding::new(&self.decoder, &self.size, audio);
        let mut prompt = Vec::new();
        if !hint.is_empty() {
            prompt.push(special.previous);
            prompt.extend_from_slice(hint);
        }
        prompt.push(special.start);
        let scores = decoding.advance(&prompt, &[], &mut attention, scratch);
        let no_speech = probability(&scores, special.no_speech);

        let mut task = Vec::new();
        if self.is_multilingual() {
            task.push(self.language(language, &scores));
            task.push(special.transcribe);
        }
        if task.len() > 1 {
            decoding.advance(&task, &[], &mut attention, scratch);
        }
        let mut next = special.no_timestamps;

        let heads = &self.rules.alignment_heads;
        let most = TOKENS_AT_LEAST + (seconds * TOKENS_PER_SECOND) as usize;
        let mut found = Hypothesis {
            tokens: Vec::new(),
            log_probabilities: Vec::new(),
            no_speech,
            attention,
            ending: Ending::Complete,
        };
        loop {
            if found.tokens.len() >= most || decoding.room() == 0 {
                found.ending = Ending::RanOn;
                return found;
            }
            let mut scores = decoding.advance(&[next], heads, &mut found.attention, scratch);
            self.suppress(&mut scores, found.tokens.is_empty());
            let Some((token, score)) = best(&scores) else {
                found.ending = Ending::RanOn;
                return found;
            };
            found.log_probabilities.push(score - math::log_sum_exp(&scores));
            if token == special.end {
                return found;
            }
            found.tokens.push(token);
            if repeats(&found.tokens) {
                found.ending = Ending::Looped;
                return found;
            }
            next = token;
        }
    }

    /// The token of the language that is asked for, or else of the most probable one.
    fn language(&self, wanted: Option<&str>, scores: &[f32]) -> Token {
        let languages = &self.vocabulary.special().languages;
        let named = languages.iter().find(|(code, _)| Some(code.as_str()) == wanted);
        let score = |token: Token| scores.get(token as usize).copied().unwrap_or(f32::MIN);
        named
            .or_else(|| languages.iter().max_by(|a, b| score(a.1).total_cmp(&score(b.1))))
            .map_or(self.vocabulary.special().start + 1, |(_, token)| *token)
    }

    /// Rules out tokens that are no text: times, tasks, notes, and at first a blank or the end.
    fn suppress(&self, scores: &mut [f32], first: bool) {
        let special = self.vocabulary.special();
        let times = scores.iter_mut().skip(special.no_timestamps as usize);
        times.for_each(|score| *score = f32::NEG_INFINITY);
        let at_first = if first { self.rules.suppress_ids_begin.as_slice() } else { &[] };
        for &token in self.rules.suppress_ids.iter().chain(at_first) {
            if let Some(score) = scores.get_mut(token as usize) {
                *score = f32::NEG_INFINITY;
            }
        }
    }
}

fn best(scores: &[f32]) -> Option<(Token, f32)> {
    let finite = scores.iter().enumerate().filter(|(_, score)| score.is_finite());
    let (token, score) = finite.max_by(|a, b| a.1.total_cmp(b.1))?;
    Some((token as Token, *score))
}

fn probability(scores: &[f32], token: Token) -> f32 {
    let Some(score) = scores.get(token as usize) else { return 0.0 };
    (score - math::log_sum_exp(scores)).exp()
}

/// True if the end of a text is one pattern again and again: a token six times, a few tokens four
/// times, a long pattern three times.
fn repeats(tokens: &[Token]) -> bool {
    (1..=LONGEST_PATTERN).any(|length| {
        let times = match length {
            1 => 6,
            2..=5 => 4,
            _ => 3,
        };
        let Some(start) = tokens.len().checked_sub(length * times) else { return false };
        let mut patterns = tokens[start..].chunks(length);
        let first = patterns.next();
        patterns.all(|pattern| Some(pattern) == first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_turns_in_circles_is_seen() {
        assert!(repeats(&[9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]));
        assert!(repeats(&[5; 6]));
        let long: Vec<Token> = (0..30).map(|i| i % 10).collect();
        assert!(repeats(&long));
    }

    #[test]
    fn an_ordinary_menu_does_not_repeat_itself() {
        // "press 1 for a, press 2 for b, press 3 for c", and a number with zeros in a row.
        assert!(!repeats(&[1, 2, 3, 4, 5, 1, 6, 3, 7, 5, 1, 8, 3, 9, 5]));
        assert!(!repeats(&[7, 7, 7, 7]));
        assert!(!repeats(&[]));
    }
}
