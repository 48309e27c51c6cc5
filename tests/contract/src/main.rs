//! Replays recorded requests of the service that phoneai replaces, and compares the answers.
//!
//! ```text
//! cargo run -p contract -- CASES.jsonl [--strict] [--skip-tag TAG]
//! ```

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use contract::{Options, replay};

/// Replays recorded requests against this service, and prints each answer that differs
///
/// Each case is asked of a service of its own, on the rows that the case names. Cases that the
/// contract decides otherwise are compared with the answer that the decision documents.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example:\n  cargo run -p contract -- tests/contract/cases.jsonl --strict\n\n\
    The last line is `N matched, M mismatched of T`. The exit code is 1 if any mismatched."
)]
struct Args {
    /// Recorded cases, one a line
    cases: PathBuf,
    /// The rows that they were asked on; without it `fixtures.json` beside the cases
    #[arg(long, value_name = "FILE")]
    fixtures: Option<PathBuf>,
    /// Compare bytes too: the order of keys, spacing, escapes, Content-Length, webhooks
    #[arg(long)]
    strict: bool,
    /// Leave out cases with this tag; may be given more than once
    #[arg(long, value_name = "TAG")]
    skip_tag: Vec<String>,
    /// Only cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Print mismatches only
    #[arg(short, long)]
    quiet: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { cases, fixtures, strict, skip_tag, only, quiet } = Args::parse();
    let options = Options { cases, fixtures, strict, skip_tag, only };
    let told = |name: &str, decision: Option<u8>, bad: &[String]| {
        let by = decision.map_or(String::new(), |decision| format!(" (decision {decision})"));
        match bad.is_empty() {
            true if quiet => {}
            true => println!("match {name}{by}"),
            false => {
                println!("MISMATCH {name}{by}");
                bad.iter().for_each(|line| println!("    {line}"));
            }
        }
    };
    match replay(&options, told).await {
        Ok(sum) => {
            println!("{} compared with what the contract decides otherwise", sum.decided);
            println!(
                "{} matched, {} mismatched of {}",
                sum.matched,
                sum.mismatched,
                sum.matched + sum.mismatched
            );
            ExitCode::from(u8::from(sum.mismatched > 0))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
