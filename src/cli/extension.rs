//! `phoneai extension`.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{
    ConfigFile,
    output::{Failure, Output, note},
    parts,
};
use crate::config::Secret;

/// Bytes of a list of extensions: enough for a hundred thousand.
const MAX_LIST: u64 = 16 * 1024 * 1024;
/// Characters of a name and of a password, as in the API.
const MAX_TEXT: usize = 100;

/// The accounts with which softphones register
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    Add(Add),
    Import(Import),
}

/// Makes an extension and prints its password
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    phoneai extension add 1001 --owner alice --config /etc/phoneai.toml\n\n\
    The phone can register a second later, if the service runs.")]
pub(super) struct Add {
    /// Name under which the phone registers
    name: String,
    #[command(flatten)]
    place: Place,
}

/// Makes many extensions, all or none
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    seq 1000 1999 | awk '{ print $1 \",pw\" $1 }' | phoneai extension import - --owner load\n\n\
    A line: name, comma, password. What follows the first comma is the password.")]
pub(super) struct Import {
    /// File with the list; - for standard input
    #[arg(value_name = "FILE")]
    list: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// Whose extensions are made, and where.
#[derive(Debug, clap::Args)]
struct Place {
    /// User to whom they belong; made if there is none of the name
    #[arg(long, value_name = "USER")]
    owner: String,
    /// Domain in which they register, if the user has none yet
    #[arg(long, value_name = "DOMAIN", default_value = "phoneai.local")]
    domain: String,
    /// Data directory, instead of the configuration's store.data_dir
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command.
pub(super) fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Add(args) => {
            let password = Secret::new(uuid::Uuid::new_v4().simple().to_string());
            make(&args.place, vec![checked(&args.name, password.expose())?])?;
            note(&format!("Password of extension {}:", args.name));
            out.line(password.expose())
        }
        Command::Import(args) => {
            let text = read(&args.list)?;
            let accounts = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
            let accounts: Vec<Account> = accounts
                .map(|(line, number)| {
                    let wrong = |why: &str| {
                        Failure::Usage(format!("{} line {number}: {why}", args.list.display()))
                    };
                    let (name, password) =
                        line.split_once(',').ok_or_else(|| wrong("it has no comma"))?;
                    checked(name.trim(), password).map_err(|failure| match failure {
                        Failure::Usage(why) => wrong(&why),
                        other => other,
                    })
                })
                .collect::<Result<_, _>>()?;
            let count = accounts.len();
            make(&args.place, accounts)?;
            note(&format!("{count} extensions are made."));
            Ok(())
        }
    }
}

/// Name and password.
type Account = (String, Secret<String>);

fn checked(name: &str, password: &str) -> Result<Account, Failure> {
    let fits = |text: &str| !text.is_empty() && text.chars().count() <= MAX_TEXT;
    if !fits(name) || !fits(password) {
        return Err(Failure::Usage(format!(
            "name and password have 1 to {MAX_TEXT} characters each"
        )));
    }
    // What would have to be escaped in a URI is more trouble than it is worth.
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b)) {
        return Err(Failure::Usage(
            "a name has letters, digits, -, _, . and + and nothing else".to_owned(),
        ));
    }
    if password.chars().any(char::is_control) {
        return Err(Failure::Usage("a password has no control characters".to_owned()));
    }
    Ok((name.to_owned(), Secret::new(password.to_owned())))
}

fn make(place: &Place, accounts: Vec<Account>) -> Result<(), Failure> {
    let data = match &place.data {
        Some(data) => data.clone(),
        None => place.config.load()?.store.data_dir,
    };
    super::token::check_name(&place.owner)?;
    let made = parts::add_extensions(&data, &place.owner, &place.domain, &accounts);
    super::short_runtime()?.block_on(made)
}

fn read(list: &Path) -> Result<String, Failure> {
    let failed =
        |e: std::io::Error| Failure::Failed(format!("{} cannot be read: {e}", list.display()));
    let mut text = String::new();
    if list == Path::new("-") {
        std::io::stdin().take(MAX_LIST).read_to_string(&mut text).map_err(failed)?;
    } else {
        let file = std::fs::File::open(list).map_err(failed)?;
        file.take(MAX_LIST).read_to_string(&mut text).map_err(failed)?;
    }
    if text.len() as u64 >= MAX_LIST {
        return Err(Failure::Usage(format!(
            "{} has more than {MAX_LIST} bytes; import it in parts",
            list.display()
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_uri_could_hold_is_refused_and_a_comma_in_a_password_is_not() {
        assert!(checked("1001", "a,b").is_ok());
        for name in ["", "a b", "a@b", "1001;x", "é"] {
            assert!(matches!(checked(name, "pw"), Err(Failure::Usage(_))), "{name}");
        }
        assert!(checked("1001", "").is_err());
    }
}
