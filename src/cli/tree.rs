//! `phoneai tree`.

use std::path::PathBuf;

use super::{
    client::Access,
    output::{Failure, Output},
    parts::{self, Format},
};

/// Prints the menu of a number as it is known
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    PHONEAI_TOKEN=… phoneai tree +12025550123\n  \
    phoneai tree +12025550123 --data phoneai-data --format dot | dot -Tsvg > menu.svg\n\n\
    With --data the directory must not be in use by a running service.")]
pub(super) struct Args {
    /// Number whose menu to print
    number: String,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Read from this data directory instead of asking a service
    #[arg(long, value_name = "DIR", conflicts_with_all = ["api", "token"])]
    data: Option<PathBuf>,
    #[command(flatten)]
    access: Access,
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<(), Failure> {
    let tree = match &args.data {
        None => args.access.client()?.tree(&args.number)?,
        Some(data) => {
            super::short_runtime()?.block_on(parts::stored_tree(data, &args.number))?.ok_or_else(
                || Failure::Failed(format!("{} has no tree of {}", data.display(), args.number)),
            )?
        }
    };
    out.line(&parts::write_tree(&tree, args.format))
}
