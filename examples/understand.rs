//! Measures the understanding of prompts on texts whose options and kinds are known.
//!
//! `cargo run --example understand` scores `tests/data/prompts/*.tsv`, each file as it is written
//! and once more as a recogniser without punctuation writes it. `-- FILES…` scores other tables:
//! of the same form (text, kind, options), or with a header that names the columns `text` and
//! `options_json` (an object of labels by key; such a table says nothing of kinds). `--verbose`
//! shows each prompt that is not understood as expected. `--plain` leaves the second hearing out.
//!
//! A label counts as right if at least four fifths of the words that matter are shared (F1).

use std::{collections::BTreeMap, error::Error, fs, process::ExitCode};

use phoneai::{
    crawl::menu_text::{self, Understanding},
    speech::Transcript,
};

/// Words of a label that say nothing.
const EMPTY_WORDS: &[&str] = &[
    "the", "a", "an", "your", "you", "our", "of", "to", "and", "or", "el", "la", "los", "las",
    "de", "su", "un", "una", "y", "o", "for", "para", "please",
];

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Box<dyn Error>> {
    let (flags, mut files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let verbose = flags.iter().any(|f| f == "--verbose");
    let plain = flags.iter().any(|f| f == "--plain");
    if files.is_empty() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/prompts");
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "tsv") {
                files.push(path.to_string_lossy().into_owned());
            }
        }
        files.sort();
    }
    let mut calibration = Calibration::default();
    println!(
        "{:<32} {:>7} {:>7} {:>9} {:>7} {:>7} {:>6} {:>6}",
        "file", "prompts", "options", "precision", "recall", "labels", "kinds", "asked"
    );
    for file in &files {
        let cases = table(&fs::read_to_string(file)?).map_err(|e| format!("{file}: {e}"))?;
        let name = file.rsplit('/').next().unwrap_or(file);
        let mut written = Score::default();
        let mut heard = Score::default();
        for case in &cases {
            let got = menu_text::understand(&stretches(&case.text));
            written.add(case, &got, verbose, &mut calibration);
            let got = menu_text::understand(&stretches(&as_heard(&case.text)));
            heard.add(case, &got, verbose && !plain, &mut calibration);
        }
        written.print(name);
        if !plain {
            heard.print(&format!("{name}, unpunctuated"));
        }
    }
    calibration.print();
    Ok(())
}

/// One prompt and what it should be understood as.
struct Case {
    text: String,
    kind: Option<String>,
    asked: Option<String>,
    options: Vec<(String, String)>,
}

fn table(text: &str) -> Result<Vec<Case>, String> {
    let mut rows = text.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with("//"));
    let header: Vec<&str> = text.lines().next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| header.iter().position(|h| *h == name);
    let named = column("text").zip(column("options_json"));
    if named.is_some() {
        rows.next();
    }
    rows.map(|(i, row)| case(row, named).ok_or_else(|| format!("line {} is no prompt", i + 1)))
        .collect()
}

fn case(row: &str, named: Option<(usize, usize)>) -> Option<Case> {
    let fields: Vec<&str> = row.split('\t').collect();
    if let Some((text, options)) = named {
        // A table program doubles the quotes of a field that has any.
        let json = fields.get(options)?.trim_matches('"').replace("\"\"", "\"");
        let json = if json.starts_with('{') { json } else { format!("{{{json}}}") };
        let options: BTreeMap<String, String> = serde_json::from_str(&json).ok()?;
        let text = (*fields.get(text)?).to_owned();
        return Some(Case {
            text,
            kind: None,
            asked: None,
            options: options.into_iter().collect(),
        });
    }
    let [text, kind, options] = fields[..] else { return None };
    let options = options
        .split("; ")
        .filter(|o| !o.is_empty())
        .map(|o| o.split_once('=').map(|(key, label)| (key.to_owned(), label.to_owned())));
    let (kind, asked) = kind.split_once(' ').map_or((kind, None), |(k, a)| (k, Some(a.to_owned())));
    Some(Case {
        text: text.to_owned(),
        kind: Some(kind.to_owned()),
        asked,
        options: options.collect::<Option<_>>()?,
    })
}

/// The text with `|` as a pause of 700 ms between two stretches of speech.
fn stretches(text: &str) -> Vec<Transcript> {
    let mut at = 0;
    let parts = text.split('|').map(|part| {
        let mut transcript = menu_text::transcript_of(part);
        for word in &mut transcript.words {
            word.start_ms += at;
            word.end_ms += at;
        }
        at = transcript.words.last().map_or(at, |w| w.end_ms) + 700;
        transcript
    });
    parts.collect()
}

/// As a recogniser without punctuation writes it: lower case, no marks.
fn as_heard(text: &str) -> String {
    text.split_whitespace()
        .map(|word| {
            let word = word.trim_matches(|c: char| ",.;:?!\u{bf}\u{a1}".contains(c));
            word.to_lowercase()
        })
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[derive(Default)]
struct Score {
    prompts: usize,
    expected: usize,
    found: usize,
    right: usize,
    labels: usize,
    kinds: (usize, usize),
    asked: (usize, usize),
}

impl Score {
    fn add(&mut self, case: &Case, got: &Understanding, verbose: bool, into: &mut Calibration) {
        let named = |value| match serde_json::to_value(value) {
            Ok(serde_json::Value::String(name)) => name,
            Ok(_) | Err(_) => String::new(),
        };
        let kind = named(got.kind);
        self.prompts += 1;
        self.expected += case.options.len();
        self.found += got.options.len();
        let mut same = case.options.len() == got.options.len();
        for (key, label) in &case.options {
            let Some(option) = got.options.iter().find(|o| o.keys.as_str() == key) else {
                same = false;
                continue;
            };
            self.right += 1;
            let right = alike(&option.label, label);
            self.labels += usize::from(right);
            same &= right;
        }
        for option in &got.options {
            let wanted = case.options.iter().find(|(key, _)| key == option.keys.as_str());
            into.add(option.confidence, wanted.is_some_and(|(_, l)| alike(&option.label, l)));
        }
        if let Some(wanted) = &case.kind {
            self.kinds.0 += usize::from(*wanted == kind);
            self.kinds.1 += 1;
            same &= *wanted == kind;
        }
        let asks = got.asks.map(|a| serde_json::to_value(a).unwrap_or_default());
        if let Some(wanted) = &case.asked {
            let right = asks.as_ref().is_some_and(|a| a == wanted.as_str());
            self.asked.0 += usize::from(right);
            self.asked.1 += 1;
            same &= right;
        }
        if verbose && !same {
            let list: Vec<String> =
                got.options.iter().map(|o| format!("{}={}", o.keys, o.label)).collect();
            println!("{}\n  wanted {:?} {:?} {:?}", case.text, case.kind, case.asked, case.options);
            println!("  got    {kind} {asks:?} {list:?}");
        }
    }

    fn print(&self, name: &str) {
        println!(
            "{name:<32} {:>7} {:>7} {:>9.3} {:>7.3} {:>7.3} {:>6.3} {:>6.3}",
            self.prompts,
            self.expected,
            ratio(self.right, self.found),
            ratio(self.right, self.expected),
            ratio(self.labels, self.expected),
            ratio(self.kinds.0, self.kinds.1),
            ratio(self.asked.0, self.asked.1),
        );
    }
}

/// How often options of each confidence were right, key and label.
#[derive(Default)]
struct Calibration {
    bins: [(usize, usize, f32); 5],
}

impl Calibration {
    fn add(&mut self, confidence: f32, right: bool) {
        let bin = ((confidence * 5.0) as usize).min(4);
        if let Some((options, rights, sum)) = self.bins.get_mut(bin) {
            *options += 1;
            *rights += usize::from(right);
            *sum += confidence;
        }
    }

    fn print(&self) {
        println!("\nconfidence  options  mean   right");
        for (bin, (options, rights, sum)) in self.bins.iter().enumerate() {
            let (low, high) = (bin as f32 / 5.0, (bin + 1) as f32 / 5.0);
            let mean = sum / (*options).max(1) as f32;
            println!(
                "{low:.1} to {high:.1}  {options:>7}  {mean:.3}  {:.3}",
                ratio(*rights, *options)
            );
        }
    }
}

fn ratio(a: usize, b: usize) -> f64 {
    if b == 0 { 1.0 } else { a as f64 / b as f64 }
}

fn alike(got: &str, wanted: &str) -> bool {
    let words = |label: &str| -> Vec<String> {
        label
            .to_lowercase()
            .split_whitespace()
            .map(|w| w.trim_matches(|c: char| c.is_ascii_punctuation()).to_owned())
            .filter(|w| !w.is_empty() && !EMPTY_WORDS.contains(&w.as_str()))
            .collect()
    };
    let (got, wanted) = (words(got), words(wanted));
    let shared = got.iter().filter(|w| wanted.contains(w)).count();
    got == wanted || 2.0 * shared as f64 >= 0.8 * (got.len() + wanted.len()) as f64 && shared > 0
}
