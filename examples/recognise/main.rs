//! Measures the local recogniser.
//!
//! `cargo run --release --example recognise -- DIR` reads `DIR/prompts.tsv` (columns id, file,
//! kind, voice, seconds, text, options_json) and prints word error rates, the real-time factor in
//! processor time, the keys of options that are understood, whether confidences mean something,
//! memory, and the machine. Kinds that end in `_es` are measured with `--language es` and a
//! multilingual model only.
//!
//! `-- --word-times` puts words of known place together, spoken by flite and espeak-ng, and prints
//! how many are found within 0.2 s of their place.
//!
//! `-- --invented` plays silence, noise, ringback and music to a call, ten minutes of each, and
//! prints the words that were made up.
//!
//! Options: `--model NAME` (`tiny.en` or `base`) or `--model DIRECTORY`, `--hint TEXT`,
//! `--language CODE`, `--minutes N` (of each kind, for `--invented`), `--as-call` (cut at pauses, as
//! in a call), `--verbose` (each prompt with its errors).

#[path = "../support/machine.rs"]
mod machine;
#[path = "../support/sounds.rs"]
mod sounds;
#[path = "../support/voices.rs"]
mod voices;

mod calibration;
mod invented;
mod prompts;
mod score;
mod word_times;

use std::{error::Error, process::ExitCode, sync::Arc};

use phoneai::speech::{
    local::LocalSettings,
    model::{SOURCES, default_directory, fetch},
};
use phoneai_whisper::Whisper;

use machine::{load, machine, processor_seconds, read};

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
    println!("model            {}", options.model);
    println!("machine          {}", machine());
    println!("load             {}", load());
    println!("hint             {:?}", options.settings.hint);
    match options.what {
        What::Prompts(ref folder) => prompts::measure(&model, &options, folder)?,
        What::WordTimes => word_times::measure(&model, &options)?,
        What::Invented => invented::measure(&model, &options)?,
    }
    println!("loading          {loading:.2} s of processor time");
    println!("peak memory      {}", peak_memory());
    println!("load             {}", load());
    Ok(())
}

/// What is measured.
pub enum What {
    /// Recordings of a directory.
    Prompts(String),
    /// Words of known place.
    WordTimes,
    /// What is no speech.
    Invented,
}

/// The command line.
pub struct Options {
    what: What,
    model: String,
    settings: LocalSettings,
    minutes: u32,
    as_call: bool,
    verbose: bool,
}

impl Options {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            what: What::Prompts(String::new()),
            model: "tiny.en".to_owned(),
            settings: LocalSettings::default(),
            minutes: 10,
            as_call: false,
            verbose: false,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--model" => options.model = value()?,
                "--hint" => options.settings.hint = value()?,
                "--language" => options.settings.language = Some(value()?),
                "--minutes" => options.minutes = value()?.parse()?,
                "--word-times" => options.what = What::WordTimes,
                "--invented" => options.what = What::Invented,
                "--as-call" => options.as_call = true,
                "--verbose" => options.verbose = true,
                _ => options.what = What::Prompts(argument),
            }
        }
        if matches!(&options.what, What::Prompts(folder) if folder.is_empty()) {
            return Err("name the directory with prompts.tsv and its recordings".into());
        }
        Ok(options)
    }
}

fn peak_memory() -> String {
    let status = read("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}
