//! `phoneai token`.

use std::path::PathBuf;

use super::{
    ConfigFile,
    output::{Failure, Output, note},
    parts,
};

/// Longest name of a user.
const MAX_NAME: usize = 150;

/// Tokens with which clients use the API
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    Create(Create),
}

/// Makes a token and prints it, once; only its hash is stored
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai token create alice --config /etc/phoneai.toml\n  \
    export PHONEAI_TOKEN=$(phoneai token create alice --data phoneai-data)\n\n\
    The data directory must not be in use by a running service.")]
pub(super) struct Create {
    /// User whom the token belongs to; made if there is none of this name
    name: String,
    /// Let the user do everything, such as managing other users
    #[arg(long)]
    admin: bool,
    /// Data directory, instead of the configuration's store.data_dir
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command.
pub(super) fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    let Command::Create(args) = command;
    check_name(&args.name)?;
    let data = match &args.data {
        Some(data) => data.clone(),
        None => args.config.load()?.store.data_dir,
    };
    let token =
        super::short_runtime()?.block_on(parts::create_token(&data, &args.name, args.admin))?;
    note(&format!("Token of {}; it is shown only now:", args.name));
    out.line(token.expose())
}

/// Whether a user can have this name.
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    let length = name.chars().count();
    if !(1..=MAX_NAME).contains(&length) || name.chars().any(char::is_control) {
        return Err(Failure::Usage(format!(
            "the name of a user has 1 to {MAX_NAME} characters and no control characters"
        )));
    }
    Ok(())
}
