//! `phoneai opt-out`.

use std::path::{Path, PathBuf};

use super::{
    DataDir,
    output::{Failure, Output, note, printable},
    watch::count,
};
use crate::policy::{self, number::Called};

/// Bytes of a file with numbers.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// Bad lines that are named; of more only the count is told.
const MAX_NAMED: usize = 20;
/// Numbers that are read from the database at a time.
const PAGE: u32 = 1_000;
/// Who entered what this command enters.
const ADDED_BY: &str = "command line";

/// Numbers that are not to be called because somebody asked for that
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    Add(Add),
    Remove(Remove),
    List(List),
    Import(Import),
}

/// Enters a number, which is not called from then on
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai opt-out add +12025550123 --note \"asked by mail\"\n\n\
    A running service takes notice at its next call; `phoneai stop --number` ends one that is up.")]
pub(super) struct Add {
    /// Number that is not to be called
    number: String,
    /// Why, or where the wish came from
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    #[command(flatten)]
    data: DataDir,
}

/// Takes a number off the list
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  phoneai opt-out remove +12025550123")]
pub(super) struct Remove {
    /// Number that may be called again
    number: String,
    #[command(flatten)]
    data: DataDir,
}

/// Prints the list: number, when, by whom, note
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  phoneai opt-out list --config /etc/phoneai.toml")]
pub(super) struct List {
    #[command(flatten)]
    data: DataDir,
}

/// Enters the numbers of a file: one a line, or the first column of a CSV file
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  phoneai opt-out import numbers.csv\n\n\
    Empty lines, lines that begin with # and a first line with a heading are passed over. Bad \
    lines are named, the others are entered; then the exit code is 1.")]
pub(super) struct Import {
    /// File with the numbers
    file: PathBuf,
    #[command(flatten)]
    data: DataDir,
}

/// Runs the command.
pub(super) fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    super::short_runtime()?.block_on(async {
        match command {
            Command::Add(args) => add(args).await,
            Command::Remove(args) => remove(args).await,
            Command::List(args) => list(args, out).await,
            Command::Import(args) => import(args).await,
        }
    })
}

fn read(number: &str) -> Result<Called, Failure> {
    policy::readable(number).map_err(|refusal| Failure::Usage(format!("{number}: {refusal}")))
}

async fn add(args: &Add) -> Result<(), Failure> {
    let called = read(&args.number)?;
    let store = args.data.open().await?;
    let added = store.add_opt_outs(std::slice::from_ref(&called), &args.note, ADDED_BY).await;
    store.close().await;
    note(&match added.map_err(Failure::failed)? {
        0 => format!("{called} was on the list."),
        _ => format!("{called} is not called any more."),
    });
    Ok(())
}

async fn remove(args: &Remove) -> Result<(), Failure> {
    let called = read(&args.number)?;
    let store = args.data.open().await?;
    let removed = store.remove_opt_out(&called).await;
    store.close().await;
    if !removed.map_err(Failure::failed)? {
        return Err(Failure::Failed(format!("{called} is not on the list")));
    }
    note(&format!("{called} may be called again."));
    Ok(())
}

async fn list(args: &List, out: &mut Output) -> Result<(), Failure> {
    let store = args.data.open().await?;
    let mut after = String::new();
    loop {
        let rows = store.opt_outs(&after, PAGE).await.map_err(Failure::failed)?;
        for row in &rows {
            let at = jiff::Timestamp::from_microsecond(row.created_at.0)
                .map_or_else(|_| String::new(), |at| at.to_string());
            let (by, note) = (printable(&row.added_by), printable(&row.note));
            out.line(format!("{}\t{at}\t{by}\t{note}", row.number).trim_end())?;
        }
        match rows.last() {
            Some(last) => after = last.number.trim_start_matches('+').to_owned(),
            None => break,
        }
    }
    store.close().await;
    Ok(())
}

async fn import(args: &Import) -> Result<(), Failure> {
    let text = text_of(&args.file)?;
    let (numbers, bad) = numbers_of(&text);
    let store = args.data.open().await?;
    let note_text = format!("from {}", args.file.display());
    let added = store.add_opt_outs(&numbers, &note_text, ADDED_BY).await;
    store.close().await;
    let added = usize::try_from(added.map_err(Failure::failed)?).unwrap_or(usize::MAX);
    note(&format!(
        "{} entered, {} on the list before.",
        count(added, "number"),
        count(numbers.len().saturating_sub(added), "number")
    ));
    if bad.is_empty() {
        return Ok(());
    }
    let named = bad
        .iter()
        .take(MAX_NAMED)
        .map(|(line, why)| format!("{}:{line}: {}", args.file.display(), printable(why)));
    let named: Vec<String> = named.collect();
    let more = match bad.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!("\nand {} more", count(more, "bad line")),
    };
    let lines = count(bad.len(), "line");
    Err(Failure::Failed(format!("{lines} not entered:\n{}{more}", named.join("\n"))))
}

fn text_of(file: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::Failed(format!("{}: {why}", file.display()));
    let size = std::fs::metadata(file).map_err(|e| failed(e.to_string()))?.len();
    if size > MAX_FILE {
        return Err(failed(format!("has {size} bytes, more than {MAX_FILE}; split it")));
    }
    let bytes = std::fs::read(file).map_err(|e| failed(e.to_string()))?;
    // What is not UTF-8 can only be in a note, or makes a bad line.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The numbers of a file, and its bad lines: their number from 1 and what is wrong.
fn numbers_of(text: &str) -> (Vec<Called>, Vec<(usize, String)>) {
    let (mut numbers, mut bad) = (Vec::new(), Vec::new());
    // Spreadsheets put a mark before the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, at) in text.lines().zip(1..) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let cell = line.split([',', ';', '\t']).next().unwrap_or("");
        let cell = cell.trim().trim_matches('"').trim();
        // People write numbers with marks between the groups.
        let plain: String = cell.chars().filter(|c| !" -.()/".contains(*c)).collect();
        match policy::readable(&plain) {
            Ok(called) => numbers.push(called),
            Err(_) if at == 1 && !cell.contains(|c: char| c.is_ascii_digit()) => {}
            Err(refusal) => bad.push((at, format!("{cell:?}: {refusal}"))),
        }
    }
    (numbers, bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_a_list_or_as_csv_and_bad_lines_are_named() {
        let text = "\u{feff}number,note\n+12025550123\n\n# by mail\n\"(202) 555-0124\",\"a, b\"\n\
                    12x\n911\n1-202-555-0125;c\n";
        let (numbers, bad) = numbers_of(text);
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        assert_eq!(numbers, ["+12025550123", "+12025550124", "+12025550125"]);
        let lines: Vec<usize> = bad.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [6, 7]);
        assert!(bad[1].1.contains("emergency"), "{bad:?}");
    }

    #[test]
    fn a_first_line_with_digits_is_no_heading() {
        let (numbers, bad) = numbers_of("12\n+12025550123");
        assert_eq!((numbers.len(), bad.len()), (1, 1));
    }
}
