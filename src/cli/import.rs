//! `phoneai import`.

use std::path::PathBuf;

use super::{
    ConfigFile,
    output::{Failure, Output},
    parts,
};
use crate::takeover::{self, Report};

/// Bytes of a dump that is read.
const MAX_DUMP: u64 = 2 * 1024 * 1024 * 1024;

/// Takes over the numbers, menus, messages, extensions, users and tokens of an older service
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    manage.py dumpdata --output old.json\n  \
    phoneai import --from-django old.json --config /etc/phoneai.toml\n\n\
    The data directory must be a new one. Users keep their tokens, but not their passwords: set\n\
    them with `phoneai user add NAME --password-stdin`.")]
pub(super) struct Args {
    /// What Django's dumpdata wrote, in JSON
    #[arg(long, value_name = "FILE")]
    from_django: PathBuf,
    /// Data directory, instead of the configuration's store.data_dir
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<(), Failure> {
    let file = &args.from_django;
    let failed =
        |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(|e| failed(&e))?.len();
    if size > MAX_DUMP {
        return Err(failed(&format!("it has more than {MAX_DUMP} bytes; dump it in parts")));
    }
    let text = std::fs::read_to_string(file).map_err(|e| failed(&e))?;
    let (import, report) = takeover::read_dump(&text).map_err(|e| failed(&e))?;
    let data = match &args.data {
        Some(data) => data.clone(),
        None => args.config.load()?.store.data_dir,
    };
    super::short_runtime()?.block_on(parts::import(&data, &import))?;
    told(&report, out)
}

fn told(report: &Report, out: &mut Output) -> Result<(), Failure> {
    for (what, count) in &report.taken {
        out.line(&format!("taken: {count} {what}"))?;
    }
    for (model, rows) in &report.ignored {
        out.line(&format!("ignored: {rows} rows of {model}, which mean nothing here"))?;
    }
    for why in &report.left_out {
        out.line(&format!("left out: {why}"))?;
    }
    let more = report.left_out_count.saturating_sub(report.left_out.len());
    if more > 0 {
        out.line(&format!("left out: {more} more"))?;
    }
    Ok(())
}
