//! Measures the local recogniser on recordings whose words are known.
//!
//! `cargo run --release --example recognise -- DIR` reads `DIR/prompts.tsv` (columns id, file,
//! kind, voice, seconds, text; the rest is not looked at) and prints word error rates, the
//! real-time factor in processor time, memory, and the machine. Kinds that end in `_es` are
//! measured with `--language es` and a multilingual model only.
//!
//! Options: `--model NAME` (`tiny.en` or `base`) or `--model DIRECTORY`, `--hint TEXT`,
//! `--language CODE`, `--verbose` (each prompt with its errors).

use std::{error::Error, fs, path::Path, process::ExitCode, sync::Arc};

use phoneai::speech::{
    local::{LocalSettings, transcribe},
    model::{SOURCES, default_directory, fetch},
};
use phoneai_whisper::Whisper;

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
    let options = Options::parse()?;
    let directory = match SOURCES.iter().find(|source| source.name == options.model) {
        Some(source) => {
            let directory = default_directory(source.name).ok_or("no home directory")?;
            eprintln!("fetching {} if need be …", source.name);
            fetch(source, &directory, &mut |_| ())?.directory
        }
        None => options.model.clone().into(),
    };
    let loading = processor_seconds();
    let model = Arc::new(Whisper::load(&directory)?);
    let loading = processor_seconds() - loading;
    let spanish = options.settings.language.as_deref() == Some("es");
    let mut tallies = [Tally::default(), Tally::default()];
    let folder = Path::new(&options.folder);
    let table = fs::read_to_string(folder.join("prompts.tsv"))?;
    for line in table.lines().skip(1) {
        let mut columns = line.split('\t').skip(1);
        let mut column = || columns.next().ok_or("a line of prompts.tsv is too short");
        let (file, kind) = (column()?, column()?);
        let (_voice, _seconds, text) = (column()?, column()?, column()?);
        if kind.ends_with("_es") != spanish {
            continue;
        }
        let mut recording = hound::WavReader::open(folder.join(file))?;
        let samples = recording.samples::<i16>().collect::<Result<Vec<_>, _>>()?;
        let before = processor_seconds();
        let heard = transcribe(&model, &options.settings, &samples)?;
        let spent = processor_seconds() - before;
        let heard: Vec<String> = heard.iter().map(|transcript| transcript.text()).collect();
        let (said, heard_words) = (normalise(text), normalise(&heard.join(" ")));
        let errors = distance(&said, &heard_words);
        if options.verbose && errors > 0 {
            println!("{file}: {errors} errors in {}\n  said  {text}", said.len());
            println!("  heard {}", heard.join(" | "));
        }
        let tally = &mut tallies[usize::from(kind.starts_with("synth"))];
        tally.prompts += 1;
        tally.words += said.len();
        tally.errors += errors;
        tally.audio += samples.len() as f64 / 8000.0;
        tally.processor += spent;
    }
    let [human, synthetic] = &tallies;
    let all = Tally {
        prompts: human.prompts + synthetic.prompts,
        words: human.words + synthetic.words,
        errors: human.errors + synthetic.errors,
        audio: human.audio + synthetic.audio,
        processor: human.processor + synthetic.processor,
    };
    println!("model            {}", options.model);
    println!("machine          {}", machine());
    println!("load             {}", read("/proc/loadavg"));
    println!("hint             {:?}", options.settings.hint);
    for (name, tally) in [("all", &all), ("human", human), ("synthetic", synthetic)] {
        println!(
            "{name:16} {} prompts, {} words, word error rate {:.1} %, real-time factor {:.3}",
            tally.prompts,
            tally.words,
            100.0 * tally.errors as f64 / tally.words.max(1) as f64,
            tally.processor / tally.audio.max(0.001),
        );
    }
    println!("loading          {loading:.2} s of processor time");
    println!("peak memory      {}", peak_memory());
    Ok(())
}

#[derive(Default)]
struct Tally {
    prompts: usize,
    words: usize,
    errors: usize,
    audio: f64,
    processor: f64,
}

struct Options {
    folder: String,
    model: String,
    settings: LocalSettings,
    verbose: bool,
}

impl Options {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            folder: String::new(),
            model: "tiny.en".to_owned(),
            settings: LocalSettings::default(),
            verbose: false,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--model" => options.model = value()?,
                "--hint" => options.settings.hint = value()?,
                "--language" => options.settings.language = Some(value()?),
                "--verbose" => options.verbose = true,
                _ => options.folder = argument,
            }
        }
        if options.folder.is_empty() {
            return Err("name the directory with prompts.tsv and its recordings".into());
        }
        Ok(options)
    }
}

/// Words without case and punctuation; numbers written out, since both forms are right.
fn normalise(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, '-' | '–')) {
        let kept: String = word
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, '\'' | '$' | '.'))
            .flat_map(char::to_lowercase)
            .collect();
        let kept = kept.trim_matches(['.', '\'']);
        if let Some(amount) = kept.strip_prefix('$') {
            let (dollars, cents) = amount.split_once('.').unwrap_or((amount, ""));
            spell(dollars, false, &mut words);
            words.push("dollars".to_owned());
            if !cents.is_empty() {
                words.push("and".to_owned());
                spell(cents, false, &mut words);
                words.push("cents".to_owned());
            }
        } else if kept.bytes().all(|b| b.is_ascii_digit()) {
            spell(kept, true, &mut words);
        } else {
            words.push(kept.replace('.', ""));
        }
    }
    words.retain(|word| !word.is_empty());
    // "A M" and "AM" are the same.
    let joined = words.join(" ");
    let joined = joined.replace(" a m ", " am ").replace(" p m ", " pm ");
    joined.split(' ').map(str::to_owned).collect()
}

/// A number in words; `as_digits` reads three digits and more one by one.
fn spell(digits: &str, as_digits: bool, words: &mut Vec<String>) {
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

/// Words inserted, left out or replaced: Levenshtein's distance.
fn distance(said: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, word) in said.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in heard.iter().enumerate() {
            let replaced = diagonal + usize::from(word != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[heard.len()]
}

/// Processor time of the main thread so far, on which everything is recognised.
fn processor_seconds() -> f64 {
    let exact = read("/proc/self/schedstat");
    let nanoseconds = exact.split(' ').next().and_then(|field| field.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e9
}

fn peak_memory() -> String {
    let status = read("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}

fn machine() -> String {
    let info = read("/proc/cpuinfo");
    let name = info.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown");
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{name}, {count} processors")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
