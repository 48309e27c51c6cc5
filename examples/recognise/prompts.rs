//! Recordings whose words and options are known: word error rate, speed, keys, confidence.

use std::{collections::BTreeMap, error::Error, fs, path::Path, sync::Arc};

use phoneai::{
    crawl::menu_text,
    speech::{
        SpeechEvent, Transcript, Word,
        local::{listen, transcribe},
    },
};
use phoneai_media::wav;
use phoneai_whisper::Whisper;

use super::{
    Options,
    calibration::Calibration,
    machine::processor_seconds,
    score::{compare, plain},
};

#[derive(Default)]
struct Tally {
    prompts: usize,
    words: usize,
    errors: usize,
    audio: f64,
    processor: f64,
    keys: usize,
    understood: usize,
    surplus: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.prompts += other.prompts;
        self.words += other.words;
        self.errors += other.errors;
        self.audio += other.audio;
        self.processor += other.processor;
        self.keys += other.keys;
        self.understood += other.understood;
        self.surplus += other.surplus;
    }

    fn print(&self, name: &str) {
        println!(
            "{name:16} {} prompts, {} words, word error rate {:.2} % ({} errors), real-time factor \
             {:.3}; {} of {} keys understood ({:.1} %), {} surplus",
            self.prompts,
            self.words,
            100.0 * self.errors as f64 / self.words.max(1) as f64,
            self.errors,
            self.processor / self.audio.max(0.001),
            self.understood,
            self.keys,
            100.0 * self.understood as f64 / self.keys.max(1) as f64,
            self.surplus,
        );
    }
}

/// Reads the table and prints the figures.
pub fn measure(
    model: &Arc<Whisper>,
    options: &Options,
    folder: &str,
) -> Result<(), Box<dyn Error>> {
    let spanish = options.settings.language.as_deref() == Some("es");
    let folder = Path::new(folder);
    let mut groups: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut calibration = Calibration::default();
    let table = fs::read_to_string(folder.join("prompts.tsv"))?;
    for line in table.lines().skip(1) {
        let mut columns = line.split('\t').skip(1);
        let mut column = || columns.next().ok_or("a line of prompts.tsv is too short");
        let (file, kind) = (column()?, column()?);
        let (_voice, _seconds, text) = (column()?, column()?, column()?);
        let offered = columns.next().map(keys).transpose()?.unwrap_or_default();
        if kind.ends_with("_es") != spanish {
            continue;
        }
        let samples = wav::read(&folder.join(file))?.mono();
        let before = processor_seconds();
        let heard: Vec<Transcript> = if options.as_call {
            let told = listen(model, &options.settings, &samples)?;
            told.into_iter().filter_map(|(_, event)| last_words(event)).collect()
        } else {
            transcribe(model, &options.settings, &samples)?
        };
        let spent = processor_seconds() - before;
        let words: Vec<&Word> = heard.iter().flat_map(|transcript| &transcript.words).collect();
        let said = plain(text.split_whitespace());
        let found = plain(words.iter().map(|word| word.text.as_str()));
        let comparison = compare(&said, &found);
        for (index, word) in words.iter().enumerate() {
            let parts =
                || found.iter().zip(&comparison.same).filter(|(part, _)| part.from == index);
            if parts().next().is_some() {
                calibration.add(word.confidence, parts().all(|(_, same)| same.is_some()));
            }
        }
        // As `phoneai options` understands what `phoneai transcribe --json` writes.
        let one = Transcript { words: words.into_iter().cloned().collect(), confidence: 1.0 };
        let understood = menu_text::understand(&[one]);
        let pressed: Vec<&str> = understood.options.iter().map(|o| o.keys.as_str()).collect();
        let missed: Vec<&String> =
            offered.iter().filter(|key| !pressed.contains(&key.as_str())).collect();
        let surplus = pressed.iter().filter(|key| !offered.iter().any(|o| o == *key)).count();
        if options.verbose && comparison.errors + missed.len() > 0 {
            println!("{file}: {} errors in {}", comparison.errors, said.len());
            let texts: Vec<String> = heard.iter().map(Transcript::text).collect();
            println!("  said  {text}\n  heard {}", texts.join(" | "));
            if !missed.is_empty() {
                println!("  keys that were not understood: {missed:?}");
            }
        }
        let tally = Tally {
            prompts: 1,
            words: said.len(),
            errors: comparison.errors,
            audio: samples.len() as f64 / 8000.0,
            processor: spent,
            keys: offered.len(),
            understood: offered.len() - missed.len(),
            surplus,
        };
        let group = if kind.starts_with("synth") { "synthetic" } else { "human" };
        groups.entry(group).or_default().add(&tally);
    }
    let mut all = Tally::default();
    groups.values().for_each(|tally| all.add(tally));
    all.print("all");
    groups.iter().for_each(|(name, tally)| tally.print(name));
    calibration.print();
    Ok(())
}

fn last_words(event: SpeechEvent) -> Option<Transcript> {
    match event {
        SpeechEvent::Final(transcript) => Some(transcript),
        SpeechEvent::Interim(_)
        | SpeechEvent::HeardUntil(_)
        | SpeechEvent::Dropped { .. }
        | SpeechEvent::Failed { .. } => None,
    }
}

/// The keys of an object of labels by key.
fn keys(field: &str) -> Result<Vec<String>, Box<dyn Error>> {
    // A table program doubles the quotes of a field that has any.
    let json = field.trim().trim_matches('"').replace("\"\"", "\"");
    let json = if json.starts_with('{') { json } else { format!("{{{json}}}") };
    let labels: BTreeMap<String, String> = serde_json::from_str(&json)?;
    Ok(labels.into_keys().collect())
}
