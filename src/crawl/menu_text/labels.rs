//! Which words say what a key is for.
//!
//! Speakers put the label before the key ("for sales, press one") or after it ("press one for
//! sales") and keep to it for a while; a recogniser that writes no punctuation leaves "for sales
//! press one for support press two" to be read both ways. So every key gets a score for the label
//! before it and for the label after it, and the best sequence of choices through the whole prompt
//! wins (a Viterbi search with three states per key, linear in the number of keys).

use std::ops::Range;

use super::{
    keys::{Form, KeyPhrase, break_before, text},
    lexicon,
    tokens::{Break, Token},
};

/// Most words of a label; what is longer is cut there.
const MAX_LABEL_WORDS: usize = 40;
/// Most words of "or stay on the line".
const MAX_WAITING_WORDS: usize = 8;
/// Most words before a key that are searched for its label.
const MAX_LOOK_BACK: usize = 80;

/// Where a key's label was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
    Nowhere,
}

/// A key phrase with the words of its label.
#[derive(Clone, Debug)]
pub(super) struct Labelled {
    pub phrase: KeyPhrase,
    pub side: Side,
    /// Tokens of the label, with the words that lead to it.
    pub label: Range<usize>,
    /// Between 0 and 1: how sure these words are the label.
    pub certainty: f32,
}

const SIDES: [Side; 3] = [Side::Before, Side::After, Side::Nowhere];

/// A score no sum of real ones reaches.
const IMPOSSIBLE: f32 = -1000.0;

struct Candidate {
    label: Range<usize>,
    score: f32,
}

/// Finds each phrase's label.
pub(super) fn assign(tokens: &[Token], phrases: Vec<KeyPhrase>) -> Vec<Labelled> {
    // For each phrase the candidates of its three sides.
    let mut candidates: Vec<[Candidate; 3]> = Vec::with_capacity(phrases.len());
    for (k, phrase) in phrases.iter().enumerate() {
        let gap_start = if k == 0 { 0 } else { phrases.get(k - 1).map_or(0, |p| p.end) };
        let gap_end = phrases.get(k + 1).map_or(tokens.len(), |p| p.start);
        let nowhere = match phrase.form {
            Form::Verb => -4.0,
            Form::Option => -5.0,
            Form::List => -30.0,
        };
        candidates.push([
            before(tokens, gap_start, phrase, k > 0),
            after(tokens, phrase, gap_end),
            Candidate { label: phrase.end..phrase.end, score: nowhere },
        ]);
    }

    // best[k][s]: the best sum up to phrase k when its label is on side s, and the side before.
    let mut best: Vec<[(f32, usize); 3]> = Vec::with_capacity(candidates.len());
    for (k, mine) in candidates.iter().enumerate() {
        let mut row = [(IMPOSSIBLE, 0); 3];
        for (s, cell) in row.iter_mut().enumerate() {
            let Some(candidate) = mine.get(s) else { continue };
            let previous = match (best.last(), k.checked_sub(1).and_then(|p| candidates.get(p))) {
                (Some(sums), Some(theirs)) => (0..3)
                    .filter_map(|p| {
                        let step = transition(tokens, theirs, p, mine, s);
                        Some((sums.get(p)?.0 + step, p))
                    })
                    .fold((f32::MIN, 0), |a, b| if b.0 > a.0 { b } else { a }),
                _ => (0.0, 0),
            };
            *cell = (previous.0 + candidate.score, previous.1);
        }
        best.push(row);
    }

    // The best way back.
    let mut sides = vec![2; candidates.len()];
    let mut side = best.last().map_or(2, |row| {
        let by_sum =
            |a: &(usize, &(f32, usize)), b: &(usize, &(f32, usize))| a.1.0.total_cmp(&b.1.0);
        row.iter().enumerate().max_by(by_sum).map_or(2, |(side, _)| side)
    });
    for (k, row) in best.iter().enumerate().rev() {
        if let Some(slot) = sides.get_mut(k) {
            *slot = side;
        }
        side = row.get(side).map_or(2, |cell| cell.1);
    }

    let labels = candidates.into_iter().zip(sides);
    phrases
        .into_iter()
        .zip(labels)
        .filter_map(|(phrase, (mine, side))| {
            let candidate = mine.into_iter().nth(side)?;
            let side = *SIDES.get(side)?;
            let certainty = match side {
                Side::Nowhere => 0.5,
                Side::Before | Side::After => certainty(candidate.score),
            };
            Some(Labelled { phrase, side, label: candidate.label, certainty })
        })
        .collect()
}

/// How sure a label with this score is: one that a connector leads to is certain, one that only
/// stands beside its key is likely, one that was taken for want of another is a guess.
fn certainty(score: f32) -> f32 {
    match score {
        2.0.. => 1.0,
        0.0.. => 0.9,
        _ => 0.7,
    }
}

/// What it costs that neighbours have their labels on these sides.
fn transition(
    tokens: &[Token],
    left: &[Candidate; 3],
    left_side: usize,
    right: &[Candidate; 3],
    right_side: usize,
) -> f32 {
    let (Some(l), Some(r)) = (left.get(left_side), right.get(right_side)) else {
        return IMPOSSIBLE;
    };
    let left_after = SIDES.get(left_side) == Some(&Side::After);
    let right_before = SIDES.get(right_side) == Some(&Side::Before);
    match (left_after, right_before) {
        // Both claim words of the same gap: only if they share none.
        (true, true) if l.label.end > r.label.start => -12.0,
        (true, true) => -1.0,
        // Words that nobody claims, and that read like a label.
        (false, false) => {
            let unclaimed = left.get(1).map(|c| c.label.clone()).unwrap_or_default();
            if lexicon::is_connector(text(tokens, unclaimed.start)) && unclaimed.len() > 1 {
                -2.0
            } else {
                0.0
            }
        }
        (true, false) | (false, true) => 0.0,
    }
}

/// The label that follows a key: "press one | for sales".
fn after(tokens: &[Token], phrase: &KeyPhrase, gap_end: usize) -> Candidate {
    let mut start = phrase.end;
    let none = Candidate { label: start..start, score: IMPOSSIBLE };
    if start >= gap_end {
        return none;
    }
    if let Some(behind) = behind_waiting(tokens, start, gap_end) {
        start = behind;
    }
    let lead_break = break_before(tokens, start);
    // "press one or say sales"
    let said = matches!(text(tokens, start), "or") && text(tokens, start + 1) == "say";
    if said {
        start += 2;
    }
    let first = text(tokens, start);
    if !said && matches!(first, "or" | "and" | "then" | "otherwise" | "when" | "once" | "after") {
        return none;
    }
    let mut end = start + 1;
    while end < gap_end && end - start < MAX_LABEL_WORDS {
        if break_before(tokens, end) == Break::Strong
            || (break_before(tokens, end) == Break::Weak && starts_something_else(tokens, end))
            || changes_language(tokens, end)
            || takes_leave(tokens, end)
            || matches!(text(tokens, end), "or")
                && matches!(text(tokens, end + 1), "stay" | "remain" | "hold" | "hang" | "simply")
        {
            break;
        }
        end += 1;
    }
    let connector = lexicon::is_connector(first);
    let mut score = match (connector, lead_break) {
        (true, Break::None) => 3.0,
        (true, Break::Weak) => 2.0,
        (true, Break::Strong) => 0.8,
        (false, _) if said => 0.5,
        (false, Break::None) => 0.0,
        (false, Break::Weak) if phrase.form == Form::Option => 2.0,
        (false, Break::Strong) if phrase.form == Form::Option => 1.5,
        (false, Break::Weak) => -2.0,
        (false, Break::Strong) => -6.0,
    };
    let words = end - start;
    if connector && words < 2 {
        return none;
    }
    if words > 14 {
        score -= 1.5;
    }
    if !connector && words > 6 {
        score -= 3.0;
    }
    if starts_something_else(tokens, start) {
        score -= 4.0;
    }
    // "if this is urgent hang up" is no label of the key before it.
    if end < gap_end && text(tokens, end) == "hang" {
        score -= 4.0;
    }
    Candidate { label: start..end, score }
}

/// Where the label begins behind "or stay on the line": "press zero or stay on the line | for the
/// front desk".
fn behind_waiting(tokens: &[Token], start: usize, end: usize) -> Option<usize> {
    let waits = text(tokens, start) == "or"
        && matches!(text(tokens, start + 1), "stay" | "remain" | "hold" | "wait");
    if !waits {
        return None;
    }
    let until = end.min(start + MAX_WAITING_WORDS);
    let line = (start + 2..until).find(|&k| text(tokens, k) == "line")?;
    let follows = lexicon::is_connector(text(tokens, line + 1))
        && break_before(tokens, line + 1) != Break::Strong;
    (line + 1 < end && follows).then_some(line + 1)
}

/// "thank you for calling", "or please hold", "hang up": no label goes on there, marked or not.
fn takes_leave(tokens: &[Token], i: usize) -> bool {
    match (text(tokens, i), text(tokens, i + 1), text(tokens, i + 2)) {
        ("thank" | "thanks" | "gracias", "you" | "for" | "por", _) => true,
        // "to hang up" is what a key may be for.
        ("hang", "up", _) => !matches!(text(tokens, i.saturating_sub(1)), "to" | "and"),
        ("si", "no", "espere" | "permanezca") => true,
        ("or" | "and", "please", "hold" | "stay" | "remain" | "wait") => true,
        ("our" | "nuestro", "fax" | "address" | "hours" | "office" | "website", "is" | "are") => {
            true
        }
        _ => false,
    }
}

/// "press one for English para español oprima dos": an offer in another language begins.
fn changes_language(tokens: &[Token], i: usize) -> bool {
    text(tokens, i) == "para"
        && (i + 1..i + 4).any(|k| matches!(text(tokens, k), "espanol" | "ingles"))
        && (i + 2..i + 8).any(|k| lexicon::is_spanish_verb(text(tokens, k)))
}

/// Words that begin a new thought rather than go on with a label.
fn starts_something_else(tokens: &[Token], i: usize) -> bool {
    match text(tokens, i) {
        "or" => matches!(text(tokens, i + 1), "stay" | "remain" | "hold" | "hang" | "simply"),
        "otherwise" | "please" | "thank" | "thanks" | "hang" | "stay" | "hold" | "remain"
        | "gracias" | "espere" | "permanezca" | "cuelgue" | "mantengase" => true,
        "o" => matches!(text(tokens, i + 1), "permanezca" | "espere" | "mantengase" | "quedese"),
        "si" => text(tokens, i + 1) == "no" && text(tokens, i + 2) == "espere",
        _ => false,
    }
}

/// The label that precedes a key: "for sales | press one".
fn before(tokens: &[Token], gap_start: usize, phrase: &KeyPhrase, after_key: bool) -> Candidate {
    let end = phrase.start;
    let none = Candidate { label: end..end, score: IMPOSSIBLE };
    let gap_start = gap_start.max(end.saturating_sub(MAX_LOOK_BACK));
    if gap_start >= end {
        return none;
    }
    // The sentence that ends at the key; when a recogniser ended one there, the one before it.
    let sentence = |end: usize| {
        let strong = |k: &usize| break_before(tokens, *k) == Break::Strong;
        (gap_start..end).rev().find(strong).unwrap_or(gap_start)
    };
    let mut clause = sentence(end);
    // "For parks. Please press one": the key stands in a sentence of its own.
    let prefix = |k: usize| lexicon::is_label_prefix(text(tokens, k)) || is_aside(tokens, k);
    let mut apart = Break::None;
    if clause > gap_start && (clause..end).all(prefix) {
        clause = sentence(clause);
        apart = Break::Strong;
    }
    let start = label_start(tokens, clause, end);
    let Some(start) = start else { return none };
    let first = text(tokens, start);
    let connector = lexicon::is_connector(first)
        || (lexicon::is_label_prefix(first) && lexicon::is_connector(text(tokens, start + 1)));
    let words = end - start;
    let to_key = break_before(tokens, end).max(apart);
    if (start..end).all(|k| lexicon::is_label_prefix(text(tokens, k)) || is_aside(tokens, k)) {
        return none;
    }
    let mut score = if connector {
        3.0
    } else if words > 8 {
        -4.0
    } else {
        match to_key {
            Break::Weak if words <= 4 => 1.0,
            Break::None if words <= 3 => 0.0,
            Break::Strong => -2.0,
            Break::None | Break::Weak => -2.0,
        }
    };
    score -= match to_key {
        Break::Strong if connector => 2.0,
        Break::Strong | Break::Weak | Break::None => 0.0,
    };
    score += match break_before(tokens, start) {
        Break::None if after_key => -1.0,
        Break::None => -0.2,
        Break::Weak | Break::Strong => 0.5,
    };
    if words > 14 {
        score -= 1.5;
    }
    Candidate { label: start..end, score }
}

fn is_aside(tokens: &[Token], i: usize) -> bool {
    matches!(text(tokens, i), "you" | "can" | "may" | "must" | "should" | "just" | "i" | "will")
}

/// Where in the sentence `clause..end` the label of the key at `end` begins.
fn label_start(tokens: &[Token], clause: usize, end: usize) -> Option<usize> {
    let mut start = clause;
    // What comes after a greeting or an invitation begins with a connector of its own.
    let mut i = clause;
    let mut skip_until = clause;
    let mut first_connector = None;
    let mut last_part = None;
    while i < end {
        if let Some(past) = past_courtesy(tokens, i) {
            skip_until = skip_until.max(past);
            // What was said before it is another sentence, though no mark says so.
            first_connector = None;
            last_part = None;
            start = start.max(past.min(end));
        }
        let word = text(tokens, i);
        let span = i > 0
            && lexicon::plain_number(text(tokens, i + 1)).is_some()
            && (lexicon::plain_number(text(tokens, i - 1)).is_some()
                || matches!(text(tokens, i - 1), "am" | "pm" | "m" | "a.m" | "p.m"));
        // "text a word to 5 5 5 0 1"
        let to_number = (i + 1..i + 3).all(|k| lexicon::plain_number(text(tokens, k)).is_some());
        let connector =
            lexicon::is_connector(word) && !to_number && word != "is" && i >= skip_until && !span;
        if connector && first_connector.is_none() {
            first_connector = Some(i);
        }
        // "If you are a patient, to make an appointment": the last part that begins anew.
        if connector && i > clause && part_begins(tokens, i, word) {
            last_part = Some(i);
        }
        i += 1;
    }
    let found = last_part.or(first_connector);
    match found {
        Some(at) => Some(at),
        None if start >= end => None,
        // Without a connector the part after the last comma but one that precedes the key.
        None => {
            let part = (start..end)
                .rev()
                .find(|&k| k > start && break_before(tokens, k) == Break::Weak)
                .filter(|_| end - start > 4);
            Some(part.unwrap_or(start))
        }
    }
}

/// True if a connector after a comma begins the label rather than goes on with it.
fn part_begins(tokens: &[Token], i: usize, word: &str) -> bool {
    if break_before(tokens, i) == Break::Weak {
        return word != "to" || !matches!(text(tokens, i.saturating_sub(1)), "and" | "or");
    }
    if changes_language(tokens, i) {
        return true;
    }
    // "for Spanish, or para español"
    matches!(text(tokens, i.saturating_sub(1)), "or" | "o") && word == "para"
}

/// "thank you for calling", "welcome to", "you have reached": where the courtesy that begins at
/// `i` ends, so that its "for" and "to" are not taken for a label's.
fn past_courtesy(tokens: &[Token], i: usize) -> Option<usize> {
    let at = |k: usize| text(tokens, i + k);
    Some(match (at(0), at(1), at(2)) {
        ("thank", "you", "for") | ("gracias", "por", _) => i + 4,
        ("thanks", "for", _) | ("welcome", "to", _) | ("bienvenido", "a", _) => i + 3,
        ("closely" | "carefully" | "listen", "to" | "as", _) => i + 2,
        ("listen", "closely" | "carefully", "to" | "as") => i + 3,
        ("in", "order", "to") => i + 2,
        ("hang", "up", _) | ("call" | "dial", "911" | "nine", _) | ("cuelgue", _, _) => {
            past_number(tokens, i + 1)?
        }
        ("llame" | "marque", "al" | "911" | "nueve", _) => past_number(tokens, i + 1)?,
        ("dial" | "enter", "it", "now") | ("at", "any", "time") => i + 3,
        ("recorded" | "monitored" | "grabada", "for" | "con", _) => {
            let purpose = |k: &usize| {
                matches!(
                    text(tokens, *k),
                    "your"
                        | "quality"
                        | "assurance"
                        | "training"
                        | "purposes"
                        | "and"
                        | "or"
                        | "control"
                        | "safety"
                        | "security"
                        | "monitoring"
                )
            };
            i + 2 + (i + 2..i + 10).take_while(purpose).count()
        }
        ("am" | "pm" | "a.m" | "p.m", _, _) => i + 1,
        ("a" | "p", "m", _) => i + 2,
        _ => return None,
    })
}

/// Behind the number of an emergency service that is named at most eight words after `i`.
fn past_number(tokens: &[Token], i: usize) -> Option<usize> {
    let number = |k: &usize| lexicon::plain_number(text(tokens, *k)).is_some();
    let first = (i..i + 8).find(number)?;
    Some(first + (first..first + 3).take_while(number).count())
}

/// The words of a label as they are stored: lower case, without what leads to it and away from it.
pub(super) fn clean(tokens: &[Token], label: Range<usize>) -> String {
    let mut words: Vec<&str> =
        tokens.get(label).unwrap_or_default().iter().map(|t| t.text.as_str()).collect();
    // "a branch near you" keeps its end, "for sales you press" does not.
    while let [.., before, last] = words.as_slice()
        && lexicon::is_label_suffix(last)
        && !(*last == "you" && lexicon::is_preposition(before))
    {
        words.pop();
    }
    let mut rest = words.as_slice();
    loop {
        rest = match rest {
            // "if you wish to send": what the caller wishes is the label. "If you need to cancel"
            // stays, as the need is what sets this caller apart.
            ["you", "wish" | "want", "to", tail @ ..]
            | ["you", "would", "like", "to", tail @ ..]
            | ["you'd", "like", "to", tail @ ..]
            | ["you", "wish" | "want", tail @ ..]
            | ["you", "would", "like", tail @ ..]
            | ["you'd", "like", tail @ ..]
            | ["desea" | "quiere" | "deseas" | "quieres", tail @ ..]
            | ["usted", "desea" | "quiere", tail @ ..]
            | ["le", "gustaria", tail @ ..]
                if !tail.is_empty() =>
            {
                tail
            }
            ["you", "can" | "may", tail @ ..] if !tail.is_empty() => tail,
            // "press one for in English"
            ["in" | "en", language] if lexicon::is_language(language) => {
                rest.get(1..).unwrap_or(rest)
            }
            [first, tail @ ..] if !tail.is_empty() && lexicon::is_label_prefix(first) => tail,
            _ => break,
        };
    }
    rest.join(" ")
}
