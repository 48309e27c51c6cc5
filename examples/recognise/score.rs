//! Words that were said against words that were heard.

/// A word as it is compared: small letters, numbers written out.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    /// The word.
    pub text: String,
    /// Which word of the original it is, or is part of.
    pub from: usize,
}

/// How a text that was heard compares with what was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Words inserted, left out or replaced.
    pub errors: usize,
    /// For each plain word that was heard, the first and the last plain word that was said and is
    /// the same.
    pub same: Vec<Option<(usize, usize)>>,
}

/// Words without case and punctuation; numbers written out, since both forms are right.
pub fn plain<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<Plain> {
    let mut plain: Vec<Plain> = Vec::new();
    for (from, word) in words.into_iter().enumerate() {
        for part in word.split(|c: char| c.is_whitespace() || matches!(c, '-' | '–')) {
            let mut texts = Vec::new();
            write_out(part, &mut texts);
            plain.extend(texts.into_iter().map(|text| Plain { text, from }));
        }
    }
    plain.retain(|word| !word.text.is_empty());
    plain
}

fn write_out(part: &str, words: &mut Vec<String>) {
    let kept: String = part
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '\'' | '$' | '.' | '*' | '#'))
        .flat_map(char::to_lowercase)
        .collect();
    let kept = kept.trim_matches(['.', '\'']);
    if let Some(amount) = kept.strip_prefix('$') {
        let (dollars, cents) = amount.split_once('.').unwrap_or((amount, ""));
        spell(dollars, false, words);
        words.push("dollars".to_owned());
        if !cents.is_empty() {
            words.push("and".to_owned());
            spell(cents, false, words);
            words.push("cents".to_owned());
        }
        return;
    }
    match kept {
        "*" => return words.push("star".to_owned()),
        "#" => return words.push("pound".to_owned()),
        _ => {}
    }
    // "9am" and "3rd" are a number with letters behind it.
    let digits = kept.bytes().take_while(u8::is_ascii_digit).count();
    let (number, letters) = kept.split_at(digits);
    match letters {
        "" => spell(number, true, words),
        "am" | "pm" | "a.m" | "p.m" if digits > 0 => {
            spell(number, true, words);
            words.push(letters.replace('.', ""));
        }
        "st" | "nd" | "rd" | "th" if digits > 0 => {
            let mut whole = Vec::new();
            spell(number, true, &mut whole);
            let last = whole.pop().map(|word| ordinal(&word)).unwrap_or_default();
            words.extend(whole.into_iter().chain([last]));
        }
        _ => words.push(kept.replace(['.', '*', '#'], "")),
    }
}

fn ordinal(number: &str) -> String {
    match number {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        other => match other.strip_suffix('y') {
            Some(tens) => format!("{tens}ieth"),
            None => format!("{other}th"),
        },
    }
}

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] =
    ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// A number in words; `as_digits` reads three digits and more one by one.
fn spell(digits: &str, as_digits: bool, words: &mut Vec<String>) {
    let value: usize = digits.parse().unwrap_or(usize::MAX);
    if digits.is_empty() {
    } else if value < 20 && digits.len() <= 2 {
        words.push(SMALL[value].to_owned());
    } else if value < 100 && digits.len() == 2 {
        words.push(TENS[value / 10 - 2].to_owned());
        if !value.is_multiple_of(10) {
            words.push(SMALL[value % 10].to_owned());
        }
    } else if value < 1000 && !as_digits {
        words.push(SMALL[value / 100].to_owned());
        words.push("hundred".to_owned());
        if !value.is_multiple_of(100) {
            spell(&format!("{}", value % 100), false, words);
        }
    } else {
        words.extend(digits.bytes().map(|b| SMALL[usize::from(b - b'0')].to_owned()));
    }
}

/// Compares by Levenshtein's distance. A compound written as one word or as two ("pass code",
/// "a m") is no error.
pub fn compare(said: &[Plain], heard: &[Plain]) -> Comparison {
    let width = heard.len() + 1;
    // Errors so far, and how many words of each were taken by the last step.
    let mut table = vec![(usize::MAX, (0, 0)); (said.len() + 1) * width];
    for i in 0..=said.len() {
        for j in 0..=heard.len() {
            let mut best = if i + j == 0 { (0, (0, 0)) } else { (usize::MAX, (0, 0)) };
            for step in [(1, 1), (1, 0), (0, 1), (2, 1), (1, 2)] {
                let (Some(a), Some(b)) = (i.checked_sub(step.0), j.checked_sub(step.1)) else {
                    continue;
                };
                let joined = |words: &[Plain]| {
                    words.iter().map(|word| word.text.as_str()).collect::<String>()
                };
                let alike = joined(&said[a..i]) == joined(&heard[b..j]);
                let price = match step {
                    (1, 1) if alike => 0,
                    (2, 1) | (1, 2) if alike => 0,
                    (2, 1) | (1, 2) => continue,
                    _ => 1,
                };
                let errors = table[a * width + b].0.saturating_add(price);
                if errors < best.0 {
                    best = (errors, step);
                }
            }
            table[i * width + j] = best;
        }
    }
    let mut same = vec![None; heard.len()];
    let (mut i, mut j) = (said.len(), heard.len());
    while i + j > 0 {
        let (errors, step) = table[i * width + j];
        let (a, b) = (i - step.0, j - step.1);
        if step.0 > 0 && step.1 > 0 && table[a * width + b].0 == errors {
            same[b..j].fill(Some((a, i - 1)));
        }
        (i, j) = (a, b);
    }
    Comparison { errors: table.last().map_or(0, |(errors, _)| *errors), same }
}
