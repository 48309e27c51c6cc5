//! `phoneai options`.

use std::{
    fs::File,
    io::{self, Read},
};

use super::{
    output::{Failure, Output, complain},
    parts,
};
use crate::crawl::tree::{MenuOption, PromptKind};

/// A file with more text than this is no menu.
const MAX_TEXT: u64 = 1024 * 1024;

/// Says which keys a menu's text offers, as JSON lines
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    echo 'For sales, press one. For support, press two.' | phoneai options -\n  \
    phoneai options prompts/*.txt\n  \
    phoneai options --lines all-prompts.txt\n\n\
    One object a prompt: {\"file\",\"kind\",\"options\":[{\"keys\",\"label\",\"said\",\
    \"confidence\"}]}, with \"line\" after \"file\" for --lines.")]
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
    options: Vec<Offered<'a>>,
}

#[derive(serde::Serialize)]
struct Offered<'a> {
    keys: &'a str,
    label: &'a str,
    said: &'a str,
    confidence: f32,
}

impl<'a> From<&'a MenuOption> for Offered<'a> {
    fn from(option: &'a MenuOption) -> Self {
        Self {
            keys: option.keys.as_str(),
            label: &option.label,
            said: &option.said,
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
    let (kind, options) = parts::understand(text);
    let options = options.iter().map(Offered::from).collect();
    serde_json::to_string(&Line { file, line, kind, options }).map_err(Failure::failed)
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
