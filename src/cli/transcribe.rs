//! `phoneai transcribe`.

use std::path::PathBuf;

use super::{
    ConfigFile, model,
    output::{Failure, Output, printable},
    parts::{self, Channel, Recogniser},
};
use crate::speech::{CallMs, Word};

/// Writes down the words of recordings with their times
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai transcribe prompt.wav\n  \
    phoneai transcribe --json *.wav > words.jsonl\n\n\
    With --json, one object a file: {\"file\",\"text\",\"words\":[{\"text\",\"start_ms\",\"end_ms\",\
    \"confidence\"}]}. A file that cannot be read is reported and the others go on; the exit code is \
    1 then.")]
pub(super) struct Args {
    /// WAV files
    #[arg(required = true, value_name = "FILE.wav")]
    files: Vec<PathBuf>,
    /// Write JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    file: String,
    text: String,
    words: &'a [Word],
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<(), Failure> {
    let speech = args.config.load()?.speech;
    model::fetch(&speech)?;
    let recogniser = Recogniser::load(&speech)?;
    let mut failed = 0;
    for file in &args.files {
        let samples = match parts::read_recording(file, Channel::Both) {
            Ok(samples) => samples,
            Err(Failure::Failed(why)) => {
                failed += 1;
                super::output::complain(&why);
                continue;
            }
            Err(other) => return Err(other),
        };
        let words = recogniser.words(&samples)?;
        let texts: Vec<&str> = words.iter().map(|w| w.text.as_str()).collect();
        let line = Line { file: file.display().to_string(), text: texts.join(" "), words: &words };
        if args.json {
            out.line(&serde_json::to_string(&line).map_err(Failure::failed)?)?;
        } else {
            out.line(&readable(&line, args.files.len() > 1))?;
        }
        // Whoever waits for the words of a long list sees each file when it is done.
        out.flush()?;
    }
    match failed {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} of {} files failed", args.files.len()))),
    }
}

/// A word a line with its times, as a table.
fn readable(line: &Line<'_>, with_name: bool) -> String {
    let mut text = String::new();
    if with_name {
        text.push_str(&format!("{}\n", line.file));
    }
    if line.words.is_empty() {
        text.push_str("(no words)\n");
    }
    for word in line.words {
        text.push_str(&format!(
            "{:>9} {:>9}  {:>4.2}  {}\n",
            seconds(word.start_ms),
            seconds(word.end_ms),
            word.confidence,
            printable(&word.text)
        ));
    }
    text
}

fn seconds(ms: CallMs) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_table_for_people_and_an_object_for_machines() {
        let word =
            Word { text: "sales".to_owned(), start_ms: 1_020, end_ms: 1_500, confidence: 0.5 };
        let line = Line { file: "a.wav".to_owned(), text: "sales".to_owned(), words: &[word] };
        assert_eq!(readable(&line, true), "a.wav\n    1.020     1.500  0.50  sales\n");
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            "{\"file\":\"a.wav\",\"text\":\"sales\",\"words\":[{\"text\":\"sales\",\
             \"start_ms\":1020,\"end_ms\":1500,\"confidence\":0.5}]}"
        );
        let nothing = Line { file: String::new(), text: String::new(), words: &[] };
        assert_eq!(readable(&nothing, false), "(no words)\n");
    }
}
