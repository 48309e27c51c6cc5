//! Small words that a recogniser writes for others that sound like them, mended before the grammar
//! reads the words. Only where the sentence shows what was said: a word is never put in because it
//! would be welcome.
//!
//! | written                                | said                     |
//! |----------------------------------------|--------------------------|
//! | press 1, 4 parks                       | press 1 for parks        |
//! | dial for four parks, dial to 4 parks   | dial 4 for, dial 2 for   |
//! | four parks, press 1; from / first …    | for parks, press 1       |
//! | press 1, a few live here               | press 1 if you live here |
//! | press or stay free, or same one        | press or say 3, or say one |
//! | press or say to you                    | press or say 2           |

use super::{
    keys::{break_before, first_of_clause, text},
    lexicon::{self, Verb},
    tokens::{Break, Token},
};

/// A label that a misheard "for" leads to is at most so long.
const MAX_CLAUSE: usize = 12;
/// Words between a verb and its key at most: "press the number".
const MAX_TO_KEY: usize = 3;

/// Mends the words of one prompt.
pub(super) fn mend(tokens: &mut [Token]) {
    for i in 0..tokens.len() {
        say(tokens, i);
        numbers(tokens, i);
        behind_key(tokens, i);
    }
    // "for" at the head of other sentences shows the habit of the speaker.
    let heads: Vec<usize> =
        (0..tokens.len()).filter(|&i| break_before(tokens, i) == Break::Strong).collect();
    let leads = |tokens: &[Token], i: usize| text(tokens, i) == "for" && ends_in_key(tokens, i);
    if heads.iter().any(|&i| leads(tokens, i)) {
        for &i in &heads {
            if is_like_for(text(tokens, i)) && ends_in_key(tokens, i) {
                write(tokens, i, "for");
            }
        }
    }
}

/// "press or stay free", "press or say to you."
fn say(tokens: &mut [Token], i: usize) {
    let pressed = i >= 2
        && text(tokens, i - 1) == "or"
        && lexicon::verb(text(tokens, i - 2)) == Some(Verb::Press);
    if !pressed || break_before(tokens, i) == Break::Strong {
        return;
    }
    let word = text(tokens, i).to_owned();
    let word = word.as_str();
    let number = lexicon::number(text(tokens, i + 1)).is_some();
    let plain = lexicon::plain_number(text(tokens, i + 1)).is_some();
    let odd = lexicon::verb(word).is_none()
        && lexicon::number(word).is_none()
        && !lexicon::is_filler_before_key(word);
    if (word == "stay" && number) || (odd && plain) {
        write(tokens, i, "say");
    }
    let to_you = text(tokens, i + 1) == "to" && text(tokens, i + 2) == "you";
    if text(tokens, i) == "say" && to_you && break_before(tokens, i + 3) == Break::Strong {
        write(tokens, i + 1, "2");
        write(tokens, i + 2, "now");
    }
}

/// "dial for four parks": the first of the two is the key.
fn numbers(tokens: &mut [Token], i: usize) {
    if lexicon::verb(text(tokens, i)) != Some(Verb::Press) {
        return;
    }
    let key = match text(tokens, i + 1) {
        "for" | "fore" => "4",
        "to" | "too" => "2",
        _ => return,
    };
    let joined = (i + 1..i + 4).all(|k| break_before(tokens, k) == Break::None);
    let label = lexicon::number(text(tokens, i + 3)).is_none();
    if matches!(text(tokens, i + 2), "four" | "4" | "fore") && joined && label {
        write(tokens, i + 1, key);
        write(tokens, i + 2, "for");
    }
}

/// "press 1, 4 parks", "press 1, a few live here".
fn behind_key(tokens: &mut [Token], i: usize) {
    let is_key = lexicon::plain_number(text(tokens, i)).is_some() && verb_before(tokens, i);
    if !is_key || break_before(tokens, i + 1) == Break::Strong {
        return;
    }
    let word = text(tokens, i + 2);
    let goes_on = break_before(tokens, i + 2) == Break::None && !word.is_empty();
    let label = lexicon::number(word).is_none()
        && lexicon::verb(word).is_none()
        && !lexicon::is_counted(word)
        && !matches!(word, "or" | "and");
    match text(tokens, i + 1) {
        "4" | "four" | "fore" if goes_on && label => write(tokens, i + 1, "for"),
        "a" if word == "few" && goes_on => {
            write(tokens, i + 1, "if");
            write(tokens, i + 2, "you");
        }
        _ => {}
    }
}

/// True if a verb that wants a key stands just before `i`.
fn verb_before(tokens: &[Token], i: usize) -> bool {
    let from = i.saturating_sub(MAX_TO_KEY);
    (from..i).any(|k| {
        let between = (k + 1..i).all(|b| lexicon::is_filler_before_key(text(tokens, b)));
        lexicon::verb(text(tokens, k)).is_some() && between
    })
}

/// True if the sentence that begins at `i` names a key at its end: "for parks, press 1 now", "for
/// parks, 2".
fn ends_in_key(tokens: &[Token], i: usize) -> bool {
    let end = (i + 1..tokens.len())
        .find(|&k| break_before(tokens, k) == Break::Strong)
        .unwrap_or(tokens.len());
    let mut last = end;
    while last > i + 1 && lexicon::is_filler_after_key(text(tokens, last - 1)) {
        last -= 1;
    }
    let numbers =
        (i + 1..end).filter(|&k| lexicon::plain_number(text(tokens, k)).is_some()).count();
    let at = last - 1;
    // "From nine to five" and "for 24 hours a day" name no key.
    let spans = matches!(text(tokens, at.saturating_sub(1)), "to" | "until" | "through" | "and");
    numbers == 1
        && at > i + 1
        && end - i <= MAX_CLAUSE
        && lexicon::plain_number(text(tokens, at)).is_some()
        && !spans
        && first_of_clause(tokens, 0, at) == i
}

/// What "for" is taken for at the head of a sentence.
fn is_like_for(word: &str) -> bool {
    matches!(word, "four" | "4" | "fore" | "forth" | "fourth" | "first" | "from" | "force" | "fur")
}

fn write(tokens: &mut [Token], i: usize, word: &str) {
    if let Some(token) = tokens.get_mut(i) {
        word.clone_into(&mut token.text);
    }
}
