//! `phoneai options`.

use std::{
    fs::File,
    io::{self, Read},
};

use super::{
    output::{Failure, Output, complain},
    parts,
};
use crate::{
    crawl::{
        menu_text::Asked,
        tree::{MenuOption, PromptKind},
    },
    speech::CallMs,
};

/// A file with more text than this is no menu.
const MAX_TEXT: u64 = 1024 * 1024;

/// Says which keys a menu's text offers, as JSON lines
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    echo 'For sales, press one. For support, press two.' | phoneai options -\n  \
    phoneai options prompts/*.txt\n  \
    phoneai options --lines all-prompts.txt\n  \
    phoneai transcribe --json *.wav | phoneai options --lines\n\n\
    One object a prompt: {\"file\",\"kind\",\"options\":[{\"keys\",\"label\",\"said\",\
    \"confidence\"}]}, with \"line\" after \"file\" for --lines.\n\
    \"kind\" is menu, language, input, transfer, queue, voicemail, person, invalid, or\n\
    announcement. After the kind input, \"asks\" says for what: number, pin, date, name,\n\
    phone_number, zip_code, extension, speech, or other. For words with times, as transcribe\n\
    --json writes them, each option has \"start_ms\" and \"end_ms\" before \"confidence\".\n\
    A confidence of 1 is a clear offer in words that were heard for certain.")]
pub(super) struct Args {
    /// Files with the text of one prompt each; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<String>,
    /// Take each line that is not empty as a prompt of its own
    #[arg(long)]
    lines: bool,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    kind: PromptKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    asks: Option<Asked>,
    options: Vec<Offered<'a>>,
}

#[derive(serde::Serialize)]
struct Offered<'a> {
    keys: &'a str,
    label: &'a str,
    said: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_ms: Option<CallMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_ms: Option<CallMs>,
    confidence: f32,
}

impl<'a> Offered<'a> {
    fn new(option: &'a MenuOption, timed: bool) -> Self {
        Self {
            keys: option.keys.as_str(),
            label: &option.label,
            said: &option.said,
            start_ms: timed.then_some(option.start_ms),
            end_ms: timed.then_some(option.end_ms),
            confidence: option.confidence,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<(), Failure> {
    let mut failed = 0;
    for file in &args.files {
        let text = match read(file) {
            Ok(text) => text,
            Err(e) => {
                failed += 1;
                complain(&format!("{file} cannot be read: {e}"));
                continue;
            }
        };
        if !args.lines {
            out.line(&understood(file, None, &text)?)?;
            continue;
        }
        for (at, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            out.line(&understood(file, Some(at + 1), line)?)?;
        }
    }
    match failed {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} of {} files failed", args.files.len()))),
    }
}

fn understood(file: &str, line: Option<usize>, text: &str) -> Result<String, Failure> {
    let (understood, timed) = parts::understand(text);
    let options = understood.options.iter().map(|o| Offered::new(o, timed)).collect();
    let (kind, asks) = (understood.kind, understood.asks);
    serde_json::to_string(&Line { file, line, kind, asks, options }).map_err(Failure::failed)
}

/// A file's text; bytes that are not UTF-8 become replacement characters.
fn read(file: &str) -> io::Result<String> {
    let source: Box<dyn Read> =
        if file == "-" { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    let mut bytes = Vec::new();
    source.take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(io::Error::other(format!("it has more than {MAX_TEXT} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
