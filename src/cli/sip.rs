//! `phoneai sip`: looks at SIP messages without sending any.

use std::path::{Path, PathBuf};

use phoneai_sip::verdict::{self, Inspection};
use serde_json::{Map, Value, json};

use super::output::{Failure, Output};

/// Look at SIP messages
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    Inspect(InspectArgs),
}

/// Judge files that hold one datagram each
///
/// For each file, one line of JSON tells whether the message is taken, what its sender would be
/// told if it is not, and what its headers say.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: phoneai sip inspect captured/*.sip")]
pub(super) struct InspectArgs {
    /// Files, each the bytes of one datagram
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs a subcommand.
pub(super) fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    let Command::Inspect(args) = command;
    for file in &args.files {
        let bytes = std::fs::read(file)
            .map_err(|e| Failure::Failed(format!("{} cannot be read: {e}", file.display())))?;
        out.line(&line(file, &verdict::inspect(&bytes)).to_string())?;
    }
    Ok(())
}

fn line(file: &Path, found: &Inspection) -> Value {
    let mut line = Map::new();
    let mut put = |key: &str, value: Value| line.insert(key.to_owned(), value);
    put("file", json!(file.display().to_string()));
    match &found.refusal {
        None => {
            put("verdict", json!("accept"));
            put("status", Value::Null);
            put("reason", json!(found.remark));
        }
        Some(reason) => {
            put("verdict", json!("reject"));
            put("status", json!(reason.status));
            put("reason", json!(reason.text));
        }
    }
    match found.code {
        Some(code) => put("code", json!(code)),
        None => put("method", json!(found.method.map(|method| method.to_string()))),
    };
    put("request_uri", json!(found.request_uri));
    put("call_id", json!(found.call_id));
    put("cseq", json!(found.cseq));
    put("from_tag", json!(found.from_tag));
    put("to_tag", json!(found.to_tag));
    put("via_count", json!(found.via_count));
    put("top_branch", json!(found.top_branch));
    put("body_len", json!(found.body_len));
    Value::Object(line)
}
