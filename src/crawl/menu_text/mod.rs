//! What was said → which keys.
//!
//! Words with times go in, options (keys, label, the words in which they were offered) and the
//! kind of prompt come out. It is a small grammar in four steps, each a file:
//!
//! 1. `tokens`: words in lower case, each with the break before it (none, comma or short pause,
//!    sentence end or long pause);
//!    what a recogniser writes for words that sound alike is mended in `misheard`;
//! 2. `keys`: phrases that name keys: "press or say one", "option 2", and, once a verb was said,
//!    bare numbers: ", 2 to lock";
//! 3. `labels`: for every key the words before or after it, chosen for the whole prompt at once;
//! 4. `kind`: what sort of prompt it is, and what it asks for.
//!
//! The words that carry meaning are in `lexicon`, the phrases that tell kinds apart in `phrases`,
//! both in English and Spanish. Time is linear in the number of words.
//!
//! An option's confidence is the product of three numbers between 0 and 1:
//!
//! - how well it was heard: the mean confidence of all its words and that of the words that name
//!   its key, half and half, as the key is what will be pressed;
//! - how sure these words name a key: 1 for "three", 0.85 for "tree", 0.8 for "for", a tenth less
//!   where the verb was said before;
//! - how sure the label is: 1 where a connector leads to it, 0.9 where it only stands beside its
//!   key, 0.7 where it was taken for want of another. Without any label both of these are 0.5.
//!
//! `cargo run --example understand` prints how often options of each confidence are right.

mod keys;
mod kind;
mod labels;
mod lexicon;
mod misheard;
mod phrases;
mod tokens;

#[cfg(test)]
mod tests;

use crate::{
    crawl::tree::{MenuOption, PromptKind},
    speech::{CallMs, Transcript, Word},
};
pub use kind::Asked;

use keys::Form;
use labels::{Labelled, Side};
use tokens::{Break, Token};

/// Words of one prompt that are looked at; a prompt that says more has said its options before.
pub const MAX_WORDS: usize = 2000;
/// Options of one prompt that are kept, the first ones.
pub const MAX_OPTIONS: usize = 64;
/// Words before a verb that still belong to what was said: "east press one" is "please press one".
const MAX_STRAY_WORDS: usize = 2;

/// What a prompt says.
#[derive(Clone, Debug, PartialEq)]
pub struct Understanding {
    /// What kind of thing it is.
    pub kind: PromptKind,
    /// What it offers by key, in the order in which it was first said, each key once.
    pub options: Vec<MenuOption>,
    /// What it asks for, if its kind is [`PromptKind::Input`].
    pub asks: Option<Asked>,
    /// True if every option was said at least twice: the prompt has started again.
    pub said_twice: bool,
    /// True if doing nothing is offered: "or stay on the line".
    pub stay_on_line: bool,
    /// True if an extension may be dialled at any time.
    pub extension_any_time: bool,
    /// True if it complains that nothing was pressed or said.
    pub no_input: bool,
    /// True if it says that the key was not one of those offered, whatever follows.
    pub invalid: bool,
    /// True if it says goodbye.
    pub goodbye: bool,
}

/// Understands the words of one prompt, given as the stretches between its pauses.
pub fn understand(transcripts: &[Transcript]) -> Understanding {
    let mut tokens = tokens::tokenise(transcripts, MAX_WORDS);
    misheard::mend(&mut tokens);
    let words: Vec<&Word> = transcripts.iter().flat_map(|t| &t.words).take(MAX_WORDS).collect();
    let labelled = labels::assign(&tokens, keys::find(&tokens));
    let mut options: Vec<MenuOption> = Vec::new();
    let mut times_said: Vec<u32> = Vec::new();
    let mut taken_until = 0;
    for found in &labelled {
        let span = said_span(&tokens, found, taken_until);
        taken_until = found.phrase.end.max(found.label.end).max(taken_until);
        if !is_offer(&tokens, found) {
            continue;
        }
        let label = labels::clean(&tokens, found.label.clone());
        let (Some(first), Some(last)) = (tokens.get(span.start), tokens.get(span.end - 1)) else {
            continue;
        };
        let heard = tokens.get(span.clone()).unwrap_or_default();
        let mean = heard.iter().map(|t| t.confidence).sum::<f32>() / heard.len().max(1) as f32;
        // The key's own words count as much as all others together: they are what is pressed.
        let named = tokens.get(found.phrase.start..found.phrase.end).unwrap_or_default();
        let said_key = named.iter().map(|t| t.confidence).sum::<f32>() / named.len().max(1) as f32;
        let shape = if label.is_empty() { 0.5 } else { found.phrase.certainty * found.certainty };
        for key in &found.phrase.keys {
            let option = MenuOption {
                keys: key.clone(),
                label: label.clone(),
                said: said(&words, first, last),
                start_ms: first.start_ms,
                end_ms: last.end_ms,
                confidence: (mean + said_key) / 2.0 * shape,
            };
            merge(&mut options, &mut times_said, option);
        }
    }
    let signs = kind::signs(&tokens);
    let kind = kind::decide(&signs, &options);
    Understanding {
        asks: (kind == PromptKind::Input).then(|| kind::asked(&tokens)),
        kind,
        said_twice: !options.is_empty() && times_said.iter().all(|n| *n >= 2),
        options,
        stay_on_line: signs.stay_on_line,
        extension_any_time: signs.extension_any_time,
        no_input: signs.no_input,
        invalid: signs.invalid,
        goodbye: signs.goodbye,
    }
}

/// Understands text without times, as it stands in a file.
pub fn understand_text(text: &str) -> Understanding {
    understand(&[transcript_of(text)])
}

/// Text as a transcript in which every word lasts 300 ms and follows the one before at once.
pub fn transcript_of(text: &str) -> Transcript {
    const WORD_MS: CallMs = 300;
    let words: Vec<Word> = text
        .split_whitespace()
        .take(MAX_WORDS)
        .zip((0..).step_by(WORD_MS as usize))
        .map(|(word, start_ms)| Word {
            text: word.to_owned(),
            start_ms,
            end_ms: start_ms + WORD_MS,
            confidence: 1.0,
        })
        .collect();
    let confidence = if words.is_empty() { 0.0 } else { 1.0 };
    Transcript { words, confidence }
}

/// The words as the grammar sees them: lower case, without accents and punctuation, numbers as
/// figures. What [`crate::crawl::compare`] compares.
pub(in crate::crawl) fn plain_words(transcripts: &[Transcript], max: usize) -> Vec<PlainWord> {
    let tokens = tokens::tokenise(transcripts, max);
    let plain = tokens.into_iter().map(|token| {
        let key = lexicon::number(&token.text).map(|(key, _)| key.to_owned());
        let certain = lexicon::plain_number(&token.text).is_some();
        PlainWord { key, certain, text: token.text, start_ms: token.start_ms, end_ms: token.end_ms }
    });
    plain.collect()
}

/// One word for comparison.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::crawl) struct PlainWord {
    /// The word.
    pub text: String,
    /// The key that it names or sounds like.
    pub key: Option<String>,
    /// True if it can be nothing else than that key.
    pub certain: bool,
    /// Where it begins.
    pub start_ms: CallMs,
    /// Where it ends.
    pub end_ms: CallMs,
}

/// Adds an option, or strengthens the one that offers the same key already.
fn merge(options: &mut Vec<MenuOption>, times_said: &mut Vec<u32>, option: MenuOption) {
    let known = options.iter().position(|o| o.keys == option.keys);
    match known.and_then(|i| Some((options.get_mut(i)?, times_said.get_mut(i)?))) {
        Some((known, times)) => {
            *times += 1;
            if known.label.is_empty() && !option.label.is_empty() {
                *known = option;
            } else if known.label == option.label {
                known.confidence = known.confidence.max(option.confidence);
            }
        }
        None => {
            if options.len() < MAX_OPTIONS {
                options.push(option);
                times_said.push(1);
            }
        }
    }
}

/// The tokens in which an option was offered, without "and" and "please" before them.
fn said_span(tokens: &[Token], found: &Labelled, taken_until: usize) -> std::ops::Range<usize> {
    let phrase = &found.phrase;
    let (mut start, end) = match found.side {
        Side::Before => (found.label.start, phrase.end),
        Side::After => {
            let mut stray = phrase.start;
            while stray > taken_until && keys::break_before(tokens, stray) == Break::None {
                stray -= 1;
            }
            let near = phrase.start - stray <= MAX_STRAY_WORDS;
            let start = if near && phrase.form == Form::Verb { stray } else { phrase.start };
            (start, found.label.end)
        }
        Side::Nowhere => (phrase.start, phrase.end),
    };
    while start + 1 < end
        && matches!(
            keys::text(tokens, start),
            "and" | "or" | "please" | "y" | "you" | "can" | "may"
        )
    {
        start += 1;
    }
    start..end
}

/// False where a key only ends what the caller was asked to enter, or turns something up and down.
fn is_offer(tokens: &[Token], found: &Labelled) -> bool {
    let label = tokens.get(found.label.clone()).unwrap_or_default();
    let first = label.iter().map(|t| t.text.as_str()).find(|w| !matches!(*w, "please" | "and"));
    let closes = found.phrase.keys.iter().any(|k| matches!(k.as_str(), "#" | "*"));
    let before = found.phrase.start.checked_sub(1).map_or("", |i| keys::text(tokens, i));
    match (found.side, first) {
        (Side::Nowhere, _) if found.phrase.form == Form::List => false,
        // "enter your number, then press pound"
        (Side::Nowhere, _) => !(closes || matches!(before, "then" | "by")),
        (Side::Before, Some(first)) if lexicon::asks_for_input(first) => false,
        (Side::Before, Some("when" | "once" | "after")) if closes => false,
        (Side::Before, _) if closes && (before == "then" || says_when_done(label)) => false,
        (Side::Before, Some(first)) if closes && names_input(first, label) => false,
        (Side::After | Side::Before, _) => !(found.phrase.keys.len() == 2 && is_adjustment(label)),
    }
}

/// "record your message, when finished press pound".
fn says_when_done(label: &[Token]) -> bool {
    let near_end = label.get(label.len().saturating_sub(5)..).unwrap_or_default();
    let says = |words: &[&str]| near_end.iter().any(|t| words.contains(&t.text.as_str()));
    says(&["when", "once", "after", "cuando", "al"])
        && says(&["finished", "done", "through", "complete", "finish", "termine", "terminar"])
}

/// "… your four digit number and press pound": what is asked for, whatever its verb was taken for.
fn names_input(first: &str, label: &[Token]) -> bool {
    let says = |words: &[&str]| label.iter().any(|t| words.contains(&t.text.as_str()));
    !lexicon::is_connector(first)
        && says(&["your", "the", "su"])
        && says(&["digit", "digits", "number", "code", "date", "pin", "numero", "codigo", "fecha"])
}

/// "4 or 6 to decrease or increase the volume": two keys that turn something down and up. They
/// change the sound of the call and lead nowhere, so they are no options of the menu.
fn is_adjustment(label: &[Token]) -> bool {
    const PAIRS: &[(&str, &str)] = &[
        ("decrease", "increase"),
        ("lower", "raise"),
        ("softer", "louder"),
        ("slower", "faster"),
        ("down", "up"),
        ("rewind", "forward"),
    ];
    let says = |word: &str| label.iter().any(|t| t.text == word);
    PAIRS.iter().any(|(down, up)| says(down) && says(up))
}

/// The words from one token to another as they were recognised, without punctuation around them.
fn said(words: &[&Word], first: &Token, last: &Token) -> String {
    let texts: Vec<&str> = words
        .get(first.word..=last.word)
        .unwrap_or_default()
        .iter()
        .map(|w| w.text.as_str())
        .collect();
    texts.join(" ").trim_matches(|c: char| c.is_ascii_punctuation() && !"*#".contains(c)).to_owned()
}
