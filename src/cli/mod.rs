//! The command line: one module for each command, and what they share.
//!
//! Results go to standard output, progress and messages to standard error. The exit code is 0 when
//! what was asked for was done, 1 when it was not, and 2 when the command line or the configuration
//! is wrong.

mod analyse;
mod audit;
mod client;
mod config;
mod crawl;
mod demo;
mod engine;
mod extension;
mod growing;
mod import;
mod model;
mod opt_out;
mod options;
mod output;
mod parts;
mod screen;
mod serve;
mod simulate;
mod sip;
mod sse;
mod stop;
mod token;
mod transcribe;
mod tree;
mod user;
mod view;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use phoneai_clock::Clock;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::output::{Failure, Output};
use crate::{
    config::{Checked, Config, Env, Severity},
    log,
    store::Store,
};

/// Calls a phone number, listens to its menu, presses the keys, and keeps the menu as a tree.
///
/// Automated calls belong to numbers that you own or may test.
#[derive(Debug, Parser)]
#[command(
    name = "phoneai",
    version,
    after_help = "Start with `phoneai demo`: it needs no telephone line.\n\n\
        Exit codes: 0 done, 1 failed, 2 wrong command line or configuration.",
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Crawl(crawl::CrawlArgs),
    Call(crawl::CallArgs),
    Stop(stop::Args),
    #[command(subcommand)]
    OptOut(opt_out::Command),
    Audit(audit::Args),
    Tree(tree::Args),
    Transcribe(transcribe::Args),
    Analyse(analyse::Args),
    Options(options::Args),
    #[command(subcommand)]
    Config(config::Command),
    #[command(subcommand)]
    Model(model::Command),
    #[command(subcommand)]
    Token(token::Command),
    #[command(subcommand)]
    User(user::Command),
    #[command(subcommand)]
    Extension(extension::Command),
    Import(import::Args),
    Simulate(simulate::Args),
    #[command(subcommand)]
    Sip(sip::Command),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help_or_mistake) => {
            // A closed pipe is no reason to say more.
            let _ = help_or_mistake.print();
            return ExitCode::from(if help_or_mistake.use_stderr() { 2 } else { 0 });
        }
    };
    let mut out = Output::stdout();
    let done = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(args, &mut out),
        Command::Crawl(args) => crawl::run_crawl(&args, &mut out),
        Command::Call(args) => crawl::run_call(&args, &mut out),
        Command::Stop(args) => stop::run(&args),
        Command::OptOut(command) => opt_out::run(&command, &mut out),
        Command::Audit(args) => audit::run(&args, &mut out),
        Command::Tree(args) => tree::run(&args, &mut out),
        Command::Transcribe(args) => transcribe::run(&args, &mut out),
        Command::Analyse(args) => analyse::run(&args, &mut out),
        Command::Options(args) => options::run(&args, &mut out),
        Command::Config(command) => config::run(&command, &mut out),
        Command::Model(command) => model::run(&command),
        Command::Token(command) => token::run(&command, &mut out),
        Command::User(command) => user::run(&command, &mut out),
        Command::Extension(command) => extension::run(&command, &mut out),
        Command::Import(args) => import::run(&args, &mut out),
        Command::Simulate(args) => simulate::run(&args, &mut out),
        Command::Sip(command) => sip::run(&command, &mut out),
    };
    match done.and_then(|()| out.flush()) {
        // `phoneai tree … | head` has done what was asked for.
        Ok(()) | Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(Failure::Failed(why)) => {
            output::complain(&why);
            ExitCode::from(1)
        }
        Err(Failure::Usage(why)) => {
            output::complain(&why);
            ExitCode::from(2)
        }
    }
}

/// `--config`, for every command that reads the configuration.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// Configuration file; without one, PHONEAI_CONFIG, else defaults and environment alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn path(&self, env: &Env) -> Option<PathBuf> {
        let named = || env.get("PHONEAI_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from);
        self.config.clone().or_else(named)
    }

    /// The configuration, or all mistakes. Warnings go to standard error.
    fn load(&self) -> Result<Config, Failure> {
        let env = environment();
        let Checked { config, mistakes, .. } = Config::load(self.path(&env).as_deref(), &env)
            .map_err(|mistakes| Failure::Usage(mistakes.to_string()))?;
        for warning in mistakes.iter().filter(|m| m.severity == Severity::Warning) {
            output::note(&warning.to_string());
        }
        Ok(config)
    }
}

/// `--data` and `--config`, for commands that look into the data directory of a service, which may
/// be running.
#[derive(Debug, clap::Args)]
struct DataDir {
    /// Data directory, instead of the configuration's store.data_dir
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

impl DataDir {
    /// The database there.
    async fn open(&self) -> Result<Store, Failure> {
        let dir = match &self.data {
            Some(data) => data.clone(),
            None => self.config.load()?.store.data_dir,
        };
        if !dir.is_dir() {
            return Err(Failure::Failed(format!("there is no data directory {}", dir.display())));
        }
        Store::join(&dir, Clock::real()).await.map_err(Failure::failed)
    }
}

/// The environment; what is not UTF-8 cannot be a setting of ours.
fn environment() -> Env {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Starts logging and the runtime of a command that runs a service.
fn runtime(logging: &crate::config::Log) -> Result<tokio::runtime::Runtime, Failure> {
    log::init(logging).map_err(Failure::failed)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Failed(format!("the threads of the service cannot be started: {e}")))
}

/// A runtime for a single question to the database.
fn short_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Failed(format!("the threads for this cannot be started: {e}")))
}

/// Ctrl-C, SIGTERM and SIGUSR1, from the moment of [`Signals::listen`].
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    kill_switch: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|e| Failure::Failed(format!("signals cannot be heard: {e}")))
        };
        let interrupt = listen(SignalKind::interrupt())?;
        let terminate = listen(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate, kill_switch: listen(SignalKind::user_defined1())? })
    }

    /// Completes at the next one: with the name of one that ends the service, or with nothing at
    /// SIGUSR1, which stops all calls.
    async fn any(&mut self) -> Option<&'static str> {
        tokio::select! {
            _ = self.interrupt.recv() => Some("SIGINT"),
            _ = self.terminate.recv() => Some("SIGTERM"),
            _ = self.kill_switch.recv() => None,
        }
    }

    /// Completes at the next one that ends the service, and names it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_has_a_help_text() {
        fn look(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path}");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path} {}", argument.get_id());
            }
            let is_group = command.has_subcommands();
            assert!(is_group || command.get_after_help().is_some(), "{path} has no example");
            command.get_subcommands().for_each(|c| look(c, &path));
        }
        look(&Cli::command(), "");
    }
}
