//! `phoneai config`.

use std::{
    fmt::Write as _,
    net::{TcpListener, UdpSocket},
};

use super::{
    ConfigFile,
    output::{Failure, Output},
};
use crate::config::{Config, EXAMPLE, Origin, Severity};

/// The configuration
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    Check(Check),
    Show(Show),
    Example(Example),
}

/// Finds all mistakes at once, each with its line and what to do
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai config check --config /etc/phoneai.toml\n\n\
    Exit code 0 if the service would start, 2 if not. Warnings alone, such as a port that another \
    program has, do not count.")]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigFile,
}

/// Prints every setting as it is in force, and where it comes from; secrets are hidden
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai config show --config /etc/phoneai.toml\n  \
    PHONEAI_CRAWL_MAX_DEPTH=3 phoneai config show | grep -v default")]
pub(super) struct Show {
    #[command(flatten)]
    config: ConfigFile,
}

/// Prints the annotated example: every setting with its default
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  phoneai config example > phoneai.toml")]
pub(super) struct Example {}

/// Runs the command.
pub(super) fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Check(args) => check(args, out),
        Command::Show(args) => show(args, out),
        Command::Example(Example {}) => out.line(EXAMPLE),
    }
}

fn check(args: &Check, out: &mut Output) -> Result<(), Failure> {
    let env = super::environment();
    let path = args.config.path(&env);
    let checked = Config::check(path.as_deref(), &env)
        .map_err(|mistakes| Failure::Usage(mistakes.to_string()))?;
    for mistake in &checked.mistakes {
        out.line(&mistake.to_string())?;
    }
    let busy = busy_ports(&checked.config);
    for warning in &busy {
        out.line(warning)?;
    }
    let count = |severity| checked.mistakes.iter().filter(|m| m.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning) + busy.len());
    let what = path.map_or("defaults and environment".to_owned(), |p| p.display().to_string());
    if errors > 0 {
        let mut verdict = format!("{what}: {}", super::watch::count(errors, "error"));
        if warnings > 0 {
            let _ = write!(verdict, ", {}", super::watch::count(warnings, "warning"));
        }
        return Err(Failure::Usage(verdict));
    }
    let after = match warnings {
        0 => String::new(),
        some => format!(", {}", super::watch::count(some, "warning")),
    };
    out.line(&format!("{what}: good{after}"))
}

/// Ports that cannot be had now: warnings, because the service itself may be what has them.
fn busy_ports(config: &Config) -> Vec<String> {
    let api = TcpListener::bind(config.api.listen).map(drop);
    let sip = UdpSocket::bind(config.sip.listen).map(drop);
    [("api.listen", config.api.listen, api), ("sip.listen", config.sip.listen, sip)]
        .into_iter()
        .filter_map(|(key, addr, bound)| {
            let e = bound.err()?;
            Some(format!(
                "warning: {key} is {addr}, which cannot be had now: {e}; choose another, unless \
                 it is the running service that has it"
            ))
        })
        .collect()
}

fn show(args: &Show, out: &mut Output) -> Result<(), Failure> {
    let env = super::environment();
    let checked = Config::load(args.config.path(&env).as_deref(), &env)
        .map_err(|mistakes| Failure::Usage(mistakes.to_string()))?;
    let mut section = "";
    for setting in &checked.shown {
        if setting.section != section {
            section = setting.section;
            out.line(&format!("[{section}]"))?;
        }
        let origin = match &setting.origin {
            Origin::Default => "default".to_owned(),
            Origin::File => "file".to_owned(),
            Origin::Variable(name) => name.clone(),
        };
        out.line(&format!("{:<44} # {origin}", format!("{} = {}", setting.key, setting.value)))?;
    }
    Ok(())
}
