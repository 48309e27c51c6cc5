//! `phoneai user`.

use std::{io::Read as _, path::PathBuf};

use super::{
    ConfigFile,
    output::{Failure, Output, note},
    parts,
};
use crate::{
    api::password::{MAX_PASSWORD, MIN_PASSWORD},
    config::Secret,
};

/// People who log in to the pages
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    Add(Add),
}

/// Makes a user who can log in, or gives one who is there another password
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai user add alice --admin --config /etc/phoneai.toml\n  \
    pass show phoneai | phoneai user add alice --password-stdin --data phoneai-data\n\n\
    Without --password-stdin a password is made and printed, once; only its hash is stored.\n\
    A new password ends the user's sessions.")]
pub(super) struct Add {
    /// Name of the user
    name: String,
    /// Let the user do everything, such as managing other users
    #[arg(long)]
    admin: bool,
    /// Read the password from standard input, up to the end of the first line
    #[arg(long)]
    password_stdin: bool,
    /// Data directory, instead of the configuration's store.data_dir
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command.
pub(super) fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    let Command::Add(args) = command;
    super::token::check_name(&args.name)?;
    let given = if args.password_stdin { Some(read_password()?) } else { None };
    let data = match &args.data {
        Some(data) => data.clone(),
        None => args.config.load()?.store.data_dir,
    };
    let made =
        super::short_runtime()?.block_on(parts::add_user(&data, &args.name, args.admin, given))?;
    match made {
        Some(password) => {
            note(&format!("Password of {}; it is shown only now:", args.name));
            out.line(password.expose())
        }
        None => {
            note(&format!("{} can log in.", args.name));
            Ok(())
        }
    }
}

fn read_password() -> Result<Secret<String>, Failure> {
    let mut text = String::new();
    // One byte more than is allowed tells that there are too many.
    let most = u64::try_from(MAX_PASSWORD).unwrap_or(u64::MAX).saturating_add(2);
    std::io::stdin()
        .take(most)
        .read_to_string(&mut text)
        .map_err(|e| Failure::Failed(format!("the password cannot be read: {e}")))?;
    let password = text.lines().next().unwrap_or("");
    if password.chars().count() < MIN_PASSWORD || password.len() > MAX_PASSWORD {
        return Err(Failure::Usage(format!(
            "a password has at least {MIN_PASSWORD} characters and at most {MAX_PASSWORD} bytes"
        )));
    }
    Ok(Secret::new(password.to_owned()))
}
