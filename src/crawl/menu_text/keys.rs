//! Where keys are named: "press or say one", "option 2", ", 2 to lock", "for parks, three".

use super::{
    lexicon::{self, Number, Verb},
    tokens::{Break, Token},
};
use crate::crawl::tree::Keys;

/// Longest run of digits that is one option; longer ones are phone numbers.
const MAX_OPTION_KEYS: usize = 6;
/// Most keys that one phrase may name: "press 1, 2, 3 or 4 to".
const MAX_ALTERNATIVES: usize = 12;
/// Most words between a verb and its key: "press the number".
const MAX_FILLERS: usize = 4;
/// A bare number belongs to a verb at most this many words before it: longer labels are rare.
const LIST_REACH: usize = 30;

/// A stretch of words that names one key, or several that stand for the same thing.
#[derive(Clone, Debug)]
pub(super) struct KeyPhrase {
    /// First token: the verb, or the number where the verb is left out.
    pub start: usize,
    /// The token after the last.
    pub end: usize,
    /// The keys it names.
    pub keys: Vec<Keys>,
    /// How it names them.
    pub form: Form,
    /// Between 0 and 1: how sure the words are a key's name.
    pub certainty: f32,
}

/// How a phrase names its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// With a verb: "press one".
    Verb,
    /// As a title: "option one".
    Option,
    /// Without a verb, which was said before: ", 2 to lock".
    List,
}

/// Finds the key phrases, in order and without overlap.
pub(super) fn find(tokens: &[Token]) -> Vec<KeyPhrase> {
    let mut found: Vec<KeyPhrase> = Vec::new();
    // Where the verb that a bare number may lean on was last said.
    let mut verb_at: Option<usize> = None;
    let mut longest_keys = 1;
    // True while no verb was said but options were promised.
    let mut announced = false;
    let mut segment_start = 0;
    let mut i = 0;
    while i < tokens.len() {
        let leans = verb_at.is_some_and(|at| i - at <= LIST_REACH);
        let phrase = with_verb(tokens, i).or_else(|| {
            if leans {
                without_verb(tokens, segment_start, i, longest_keys, announced)
            } else {
                None
            }
        });
        match phrase {
            Some(phrase) => {
                longest_keys = phrase.keys.iter().map(|k| k.as_str().len()).max().unwrap_or(1);
                announced &= phrase.form == Form::List;
                verb_at = Some(phrase.end);
                i = phrase.end.max(i + 1);
                segment_start = i;
                found.push(phrase);
            }
            None => {
                // "Choose from these options: 1 for sales" says the verb before the first key.
                let announces = matches!(
                    text(tokens, i),
                    "selection"
                        | "options"
                        | "following"
                        | "choices"
                        | "opciones"
                        | "opcion"
                        | "siguientes"
                );
                if announces && found.is_empty() {
                    announced = true;
                    verb_at = Some(i);
                }
                i += 1;
            }
        }
    }
    found
}

/// The text of a token, empty beyond the end.
pub(super) fn text(tokens: &[Token], i: usize) -> &str {
    tokens.get(i).map_or("", |t| t.text.as_str())
}

/// The break before a token; the end of the words is a strong one.
pub(super) fn break_before(tokens: &[Token], i: usize) -> Break {
    tokens.get(i).map_or(Break::Strong, |t| t.before)
}

/// A phrase that begins with a verb at `start`.
fn with_verb(tokens: &[Token], start: usize) -> Option<KeyPhrase> {
    let first = lexicon::verb(text(tokens, start))?;
    // "You pressed one" tells what was done.
    let told = text(tokens, start).ends_with("ed")
        && start
            .checked_sub(1)
            .is_some_and(|k| matches!(text(tokens, k), "you" | "you've" | "have"));
    if told || negated_or_hanging_up(tokens, start) {
        return None;
    }
    let mut verb = first;
    let mut i = start + 1;
    let mut fillers = 0;
    loop {
        let word = text(tokens, i);
        // "press or say one": any of the verbs will do, the strictest one decides.
        let or_verb = matches!(word, "or" | "o" | "and" | "y")
            .then(|| lexicon::verb(text(tokens, i + 1)))
            .flatten();
        if let Some(other) = or_verb {
            verb = if verb == Verb::Press { verb } else { other };
            i += 2;
        } else if lexicon::is_filler_before_key(word) && fillers < MAX_FILLERS {
            fillers += 1;
            i += 1;
        } else {
            break;
        }
    }
    let (keys, end, certainty) = key_run(tokens, i, verb).or_else(|| number_sign(tokens, i))?;
    let after = text(tokens, end);
    // "press one of the following", "enter four digits": the number counts something.
    if lexicon::is_counted(after) && break_before(tokens, end) != Break::Strong {
        return None;
    }
    let key_end = end;
    let end = after_key(tokens, end);
    let closed = end > key_end
        || break_before(tokens, end) > Break::None
        || lexicon::is_connector(text(tokens, end))
        || matches!(text(tokens, end), "or" | "and" | "o" | "y")
        || lexicon::verb(text(tokens, end)).is_some();
    // "choose one language", "say one word": only "press" needs no more than a number.
    if verb == Verb::Choose && !closed {
        return None;
    }
    let form = if first == Verb::Option { Form::Option } else { Form::Verb };
    Some(KeyPhrase { start, end, keys, form, certainty })
}

/// "the number sign", "el signo de número": the words before `i` were taken for fillers.
fn number_sign(tokens: &[Token], i: usize) -> Option<(Vec<Keys>, usize, f32)> {
    let number = matches!(text(tokens, i.checked_sub(1)?), "number" | "numero");
    let spanish = text(tokens, i.checked_sub(2)?) == "de";
    let english = matches!(text(tokens, i), "sign" | "symbol");
    let keys = || Some(vec![Keys::try_new("#")?]);
    (number && (spanish || english)).then(keys)?.map(|keys| (keys, i, 1.0))
}

/// "do not press", "hang up and dial", "hang up or press": not an offer.
fn negated_or_hanging_up(tokens: &[Token], start: usize) -> bool {
    let mut i = start;
    let mut steps = 0;
    while i > 0 && steps < 4 {
        let word = text(tokens, i - 1);
        let spanish_no = word == "no" && lexicon::is_spanish_verb(text(tokens, start));
        if spanish_no || matches!(word, "not" | "don't" | "dont" | "never") {
            // "if not, press two" offers what "do not press two" forbids.
            let condition =
                (i.saturating_sub(4)..i).any(|k| matches!(text(tokens, k), "if" | "si"));
            return !condition && break_before(tokens, start) == Break::None;
        }
        if word == "cuelgue" {
            return true;
        }
        if word == "up" {
            // "hang up and dial 911", but "hang up, or press one for more options"
            let hangs = i >= 2 && text(tokens, i - 2).starts_with("hang");
            let by = text(tokens, start.saturating_sub(1)) == "by";
            return hangs && (by || !matches!(text(tokens, i), "or" | "o"));
        }
        if !matches!(
            word,
            "and"
                | "or"
                | "by"
                | "please"
                | "y"
                | "por"
                | "favor"
                | "simply"
                | "then"
                | "immediately"
        ) {
            return false;
        }
        i -= 1;
        steps += 1;
    }
    false
}

/// One or several keys from token `i` on, and the token after them.
fn key_run(tokens: &[Token], i: usize, verb: Verb) -> Option<(Vec<Keys>, usize, f32)> {
    let (first, mut end, certainty) = one_key(tokens, i, verb)?;
    let mut keys = vec![first];
    // "4 or 6 to change the volume", "pound or hash", "1, 2 or 3": alternatives with one label. A
    // list of commas counts only when it ends in "or".
    let mut at = end;
    let mut listed = Vec::new();
    while keys.len() + listed.len() < MAX_ALTERNATIVES {
        let joined = matches!(text(tokens, at), "or" | "and" | "o" | "u" | "y");
        let number_at = if joined {
            at + 1
        } else if break_before(tokens, at) == Break::Weak
            || lexicon::plain_number(text(tokens, at)).is_some()
        {
            at
        } else {
            break;
        };
        if lexicon::plain_number(text(tokens, number_at)).is_none() {
            break;
        }
        let Some((key, next, _)) = one_key(tokens, number_at, Verb::Choose) else { break };
        listed.push(key);
        at = next;
        if joined {
            keys.append(&mut listed);
            end = at;
        }
    }
    keys.dedup();
    Some((keys, end, certainty))
}

/// The digits of one option from token `i` on: "1", "one oh one", "twenty one".
fn one_key(tokens: &[Token], i: usize, verb: Verb) -> Option<(Keys, usize, f32)> {
    let word = text(tokens, i);
    if let Some(tens) = lexicon::tens(word) {
        let unit = lexicon::plain_number(text(tokens, i + 1)).filter(|d| d.len() == 1);
        let joined = unit.filter(|_| break_before(tokens, i + 1) == Break::None);
        let keys = Keys::try_new(&format!("{tens}{}", joined.unwrap_or("0")))?;
        return Some((keys, i + 1 + usize::from(joined.is_some()), 0.9));
    }
    let (digits, kind) = lexicon::number(word)?;
    let certainty = match kind {
        Number::Plain => 1.0,
        Number::Homophone if verb == Verb::Choose => return None,
        Number::Homophone => 0.85,
        // "press for for SMS" is a four, "press for more" is none. What follows a real key after
        // "press" is a connector or a break.
        Number::Connector => {
            let next = text(tokens, i + 1);
            let closed = lexicon::is_connector(next)
                || break_before(tokens, i + 1) > Break::None
                || matches!(next, "now" | "or");
            let opened = break_before(tokens, i) == Break::None;
            if verb == Verb::Choose || !closed || !opened {
                return None;
            }
            0.8
        }
    };
    let mut keys = digits.to_owned();
    let mut end = i + 1;
    while break_before(tokens, end) == Break::None {
        let next = text(tokens, end);
        let zero = matches!(next, "oh" | "o") && plain_after(tokens, end);
        // "press 1 2 or 3": a list without its comma.
        if keys.len() == 1 && is_listed(tokens, end) {
            break;
        }
        let Some(digits) = lexicon::plain_number(next).or(zero.then_some("0")) else { break };
        // "press 1 4 sales": a recogniser's figure for "for"; a key is not followed by its label
        // without a connector as soon as there is another reading.
        let label_follows = !lexicon::is_connector(text(tokens, end + 1))
            && break_before(tokens, end + 1) == Break::None
            && lexicon::plain_number(text(tokens, end + 1)).is_none()
            && lexicon::verb(text(tokens, end + 1)).is_none()
            && !lexicon::is_filler_after_key(text(tokens, end + 1));
        if matches!(next, "4" | "2" | "four" | "two") && label_follows {
            end += 1;
            break;
        }
        keys.push_str(digits);
        end += 1;
        if keys.len() > MAX_OPTION_KEYS {
            return None;
        }
    }
    if keys.len() > MAX_OPTION_KEYS || lexicon::is_service_number(&keys) {
        return None;
    }
    Some((Keys::try_new(&keys)?, end, certainty))
}

/// True if the digit at `i` is followed by "or" and one last digit.
fn is_listed(tokens: &[Token], i: usize) -> bool {
    let digit = |k: usize| lexicon::plain_number(text(tokens, k)).is_some_and(|d| d.len() == 1);
    digit(i) && matches!(text(tokens, i + 1), "or" | "o") && digit(i + 2) && !digit(i + 3)
}

fn plain_after(tokens: &[Token], i: usize) -> bool {
    break_before(tokens, i + 1) == Break::None
        && lexicon::plain_number(text(tokens, i + 1)).is_some()
}

/// Skips what still belongs to a key: "key", "now", "at any time", "on your keypad".
fn after_key(tokens: &[Token], mut i: usize) -> usize {
    for _ in 0..MAX_FILLERS {
        let word = text(tokens, i);
        if break_before(tokens, i) == Break::Strong {
            break;
        }
        if lexicon::is_filler_after_key(word) {
            i += 1;
        } else if adds_when(tokens, i) {
            i += 3;
        } else if word == "on" && matches!(text(tokens, i + 1), "your" | "the") {
            let keypad = (i + 2..i + 6).find(|&k| {
                matches!(text(tokens, k), "keypad" | "phone" | "telephone" | "dialpad" | "pad")
            });
            let Some(keypad) = keypad else { break };
            let follows =
                matches!(text(tokens, keypad + 1), "keypad" | "pad" | "phone" | "telephone");
            i = keypad + 1 + usize::from(follows);
        } else {
            break;
        }
    }
    i
}

/// "at any time", "en cualquier momento", "within 10 seconds": three words that say when.
fn adds_when(tokens: &[Token], i: usize) -> bool {
    match (text(tokens, i), text(tokens, i + 1), text(tokens, i + 2)) {
        ("at", "any", "time") | ("en", "cualquier", "momento") => true,
        ("within", _, counted) => lexicon::is_counted(counted),
        _ => false,
    }
}

/// A number at `i` that names a key although its verb was said with an earlier one.
fn without_verb(
    tokens: &[Token],
    segment_start: usize,
    i: usize,
    longest_keys: usize,
    announced: bool,
) -> Option<KeyPhrase> {
    let word = text(tokens, i);
    let doubled = matches!(word, "to" | "for")
        && matches!(text(tokens, i + 1), "to" | "for")
        && break_before(tokens, i + 1) == Break::None;
    let too_for = matches!(word, "too" | "won" | "ate" | "fore" | "tree")
        && matches!(text(tokens, i + 1), "for" | "to");
    let zero = matches!(word, "oh") && break_before(tokens, i + 1) > Break::None;
    // "For tonight's, due."
    let two = matches!(word, "due" | "too") && break_before(tokens, i + 1) == Break::Strong;
    let (keys, end, certainty) = if doubled || too_for || zero || two {
        let (digits, _) = lexicon::number(word)?;
        (vec![Keys::try_new(digits)?], i + 1, 0.75)
    } else {
        lexicon::plain_number(word)?;
        key_run(tokens, i, Verb::Choose)?
    };
    if keys.iter().any(|k| k.as_str().len() > longest_keys) {
        return None;
    }
    let before = if i > 0 { text(tokens, i - 1) } else { "" };
    let set_apart =
        tokens.get(i).is_some_and(|t| t.before > Break::None) || matches!(before, "or" | "and");
    let noun = lexicon::makes_number_a_noun(before) || lexicon::is_connector(before);
    if !set_apart && noun {
        return None;
    }
    let after = text(tokens, end);
    if lexicon::is_counted(after) && break_before(tokens, end) != Break::Strong {
        return None;
    }
    let end = after_key(tokens, end);
    let after = text(tokens, end);
    // ", 2 to lock": the label follows. "9 to 5" is a span.
    let label_follows = lexicon::is_connector(after)
        && break_before(tokens, end) != Break::Strong
        && lexicon::plain_number(text(tokens, end + 1)).is_none()
        && end + 1 < tokens.len();
    // "for parks, three": the label came before.
    let words = i.saturating_sub(segment_start);
    let lead = text(tokens, first_of_clause(tokens, segment_start, i));
    let label_before = (1..=8).contains(&words)
        && (lexicon::is_connector(lead) || lead == "the" || (lead == "or" && words > 1))
        && (lexicon::is_connector(after)
            || break_before(tokens, end) > Break::None
            || lexicon::verb(after).is_some()
            || matches!(after, "or" | "and"));
    // "make a selection: sales, one; service, two"
    let listed = announced
        && (1..=5).contains(&(i - first_of_clause(tokens, segment_start, i)))
        && break_before(tokens, i) == Break::Weak
        && break_before(tokens, end) > Break::None;
    (label_follows || label_before || listed).then_some(KeyPhrase {
        start: i,
        end,
        keys,
        form: Form::List,
        certainty: certainty * 0.9,
    })
}

/// The first token of the sentence that `i` is in, not before `from`.
pub(super) fn first_of_clause(tokens: &[Token], from: usize, i: usize) -> usize {
    let from = from.max(i.saturating_sub(LIST_REACH));
    (from..=i.saturating_sub(1))
        .rev()
        .find(|&k| break_before(tokens, k) == Break::Strong)
        .unwrap_or(from)
}
