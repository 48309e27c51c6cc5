//! Transcripts to tokens: one lower-case word each, with the break that precedes it.

use crate::speech::{CallMs, Transcript};

/// How strongly a word is set apart from the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Break {
    /// Said in one breath.
    None,
    /// A comma, a short pause, or the seam between two transcripts.
    Weak,
    /// The end of a sentence or a long pause.
    Strong,
}

/// A pause that a speaker makes between two phrases: longer than the closure of a plosive within
/// a word (below 150 ms), shorter than the pause between two options.
const WEAK_PAUSE_MS: CallMs = 250;
/// A pause after which a new sentence begins.
const STRONG_PAUSE_MS: CallMs = 900;

/// What is written short, with a dot that ends no sentence.
const TITLES: &[&str] = &["dr", "mr", "mrs", "ms", "st", "ext", "dept", "sr", "sra", "srta", "dra"];

/// One word as the grammar sees it.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// Lower case, without accents and without punctuation around it.
    pub text: String,
    /// What sets it apart from the token before.
    pub before: Break,
    /// Which of the words, counted through all transcripts, it comes from.
    pub word: usize,
    /// Where that word begins.
    pub start_ms: CallMs,
    /// Where that word ends.
    pub end_ms: CallMs,
    /// The recogniser's confidence in that word.
    pub confidence: f32,
}

/// Splits at most `max_words` words into tokens.
pub(super) fn tokenise(transcripts: &[Transcript], max_words: usize) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    // The first word begins a sentence.
    let mut pending = Break::Strong;
    let mut previous_end: Option<CallMs> = None;
    let mut index = 0;
    for transcript in transcripts {
        pending = pending.max(Break::Weak);
        for word in &transcript.words {
            if index >= max_words {
                return tokens;
            }
            if let Some(end) = previous_end {
                pending = pending.max(match word.start_ms.saturating_sub(end) {
                    STRONG_PAUSE_MS.. => Break::Strong,
                    WEAK_PAUSE_MS.. => Break::Weak,
                    _ => Break::None,
                });
            }
            for piece in pieces(&word.text) {
                match piece {
                    Piece::Word(text) => tokens.push(Token {
                        text,
                        before: std::mem::replace(&mut pending, Break::None),
                        word: index,
                        start_ms: word.start_ms,
                        end_ms: word.end_ms.max(word.start_ms),
                        confidence: sane(word.confidence),
                    }),
                    Piece::Break(strength) => pending = pending.max(strength),
                }
            }
            previous_end = Some(word.end_ms.max(word.start_ms));
            index += 1;
        }
    }
    tokens
}

/// A confidence between 0 and 1; what is no number is none.
fn sane(confidence: f32) -> f32 {
    if confidence > 0.0 { confidence.min(1.0) } else { 0.0 }
}

/// A part of one written word.
enum Piece {
    Word(String),
    Break(Break),
}

/// Splits what the recogniser wrote as one word: "press-1," is "press", "1" and a comma.
fn pieces(word: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut run = String::new();
    let chars: Vec<char> = word.chars().collect();
    for (i, &c) in chars.iter().enumerate() {
        let next = chars.get(i + 1).copied();
        let within = !run.is_empty() && next.is_some_and(char::is_alphanumeric);
        match c {
            '*' | '#' => {
                end_run(&mut run, &mut out);
                // "#1" is "number one", a lone "#" is the key.
                if c == '*' || !next.is_some_and(|n| n.is_ascii_digit()) {
                    out.push(Piece::Word(c.to_string()));
                }
            }
            '\'' | '\u{2019}' if within => run.push('\''),
            '&' | '$' | '%' | '@' | '/' => run.push(c),
            // "1-2", "touch-tone": parts are words of their own, "a.m" and "3.50" are not.
            '-' | '\u{2010}'..='\u{2015}' => {
                end_run(&mut run, &mut out);
                if !within {
                    out.push(Piece::Break(Break::Weak));
                }
            }
            '.' if within => run.push('.'),
            ',' if within && next.is_some_and(|n| n.is_ascii_digit()) => {
                end_run(&mut run, &mut out);
                out.push(Piece::Break(Break::Weak));
            }
            '.' | '!' | '?' | ':' | ';' | '\u{2026}' => {
                // "d. p. software", "a.m.": an abbreviation's dot ends no sentence.
                let letter = run.chars().count() == 1 && run.chars().all(char::is_alphabetic);
                let is_title = TITLES.contains(&run.as_str());
                let dotted = run.contains('.');
                end_run(&mut run, &mut out);
                out.push(Piece::Break(match c {
                    '.' if letter || is_title => Break::None,
                    '.' if dotted => Break::Weak,
                    _ => Break::Strong,
                }));
            }
            ',' | '(' | ')' | '"' | '\u{201c}' | '\u{201d}' | '\u{bf}' | '\u{a1}' | '\u{ab}'
            | '\u{bb}' => {
                end_run(&mut run, &mut out);
                if c == ',' {
                    out.push(Piece::Break(Break::Weak));
                }
            }
            _ if c.is_alphanumeric() => {
                // "press1" is two words, "4th" is one.
                let digit_after_word =
                    c.is_ascii_digit() && !run.is_empty() && run.chars().all(char::is_alphabetic);
                if digit_after_word {
                    end_run(&mut run, &mut out);
                }
                fold(c, &mut run);
            }
            _ => end_run(&mut run, &mut out),
        }
    }
    end_run(&mut run, &mut out);
    out
}

fn end_run(run: &mut String, out: &mut Vec<Piece>) {
    if !run.is_empty() {
        out.push(Piece::Word(std::mem::take(run)));
    }
}

/// Appends `c` in lower case, without the accents of the languages that menus here are read in:
/// recognisers write "español" and "espanol" for the same sound.
fn fold(c: char, out: &mut String) {
    for lower in c.to_lowercase() {
        out.push(match lower {
            'á' | 'à' | 'â' | 'ä' | 'ã' => 'a',
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'í' | 'ì' | 'î' | 'ï' => 'i',
            'ó' | 'ò' | 'ô' | 'ö' | 'õ' => 'o',
            'ú' | 'ù' | 'û' | 'ü' => 'u',
            'ñ' => 'n',
            'ç' => 'c',
            other => other,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl::menu_text::transcript_of;

    fn words(text: &str) -> Vec<String> {
        tokenise(&[transcript_of(text)], 100).into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn written_words_come_apart_where_they_are_spoken_apart() {
        assert_eq!(
            words("Press1, press-2. Press *, #3 or the 4th"),
            ["press", "1", "press", "2", "press", "*", "3", "or", "the", "4th"]
        );
        assert_eq!(words("Español d.p. 9 a.m. it's"), ["espanol", "d.p", "9", "a.m", "it's"]);
    }

    #[test]
    fn an_abbreviation_ends_no_sentence() {
        let tokens = tokenise(&[transcript_of("d. p. Software. Press 1")], 100);
        let breaks: Vec<Break> = tokens.iter().map(|t| t.before).collect();
        assert_eq!(breaks, [Break::Strong, Break::None, Break::None, Break::Strong, Break::None]);
    }
}
