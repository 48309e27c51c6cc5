//! `phoneai stop`.

use super::{
    client::Access,
    output::{Failure, note},
    watch::count,
};

/// Ends all calls of a running service within a second, and lets none through until --resume
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    PHONEAI_TOKEN=… phoneai stop\n  \
    phoneai stop --number +12025550123\n  \
    phoneai stop --resume\n\n\
    Scans are paused, not lost: they go on after --resume, which needs the token of an \
    administrator. A restart does not lift the stop. With --number only that number's call is \
    ended, and its scan with it; later calls are not touched.")]
pub(super) struct Args {
    /// Let calls through again
    #[arg(long, conflicts_with = "number")]
    resume: bool,
    /// End the call to this number alone
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let client = args.access.client()?;
    if args.resume {
        client.resume()?;
        note("Calls may be placed again.");
        return Ok(());
    }
    let ending = client.stop(args.number.as_deref())?;
    let ended = format!("{} ended", count(ending, "call"));
    note(&match &args.number {
        None => format!("All calls are stopped: {ended}. `phoneai stop --resume` lifts it."),
        Some(number) => format!("Stopped the call to {number}: {ended}."),
    });
    Ok(())
}
