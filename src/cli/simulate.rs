//! `phoneai simulate`.

use std::{net::SocketAddr, path::PathBuf};

use phoneai_clock::Clock;

use super::{
    ConfigFile, Signals,
    output::{Failure, Output},
    parts::{self, Carrier},
    runtime,
};

/// Runs the simulated carrier alone until Ctrl-C: a SIP trunk with phone menus, and HTTP services
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai simulate\n  \
    phoneai simulate --listen 127.0.0.1:5090 --menus my-menus\n\n\
    Prints the settings of the trunk and of the HTTP services, and the numbers that can be called.")]
pub(super) struct Args {
    /// Address and UDP port of the trunk, instead of the configuration's simulator.listen
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// Address and TCP port of the HTTP services, instead of the configuration's simulator.services
    #[arg(long, value_name = "IP:PORT")]
    services: Option<SocketAddr>,
    /// Directory of menus, instead of the configuration's simulator.menus
    #[arg(long, value_name = "DIR")]
    menus: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<(), Failure> {
    let config = args.config.load()?;
    let listen = args.listen.unwrap_or(config.simulator.listen);
    let services_at = args.services.unwrap_or(config.simulator.services);
    let menus = args.menus.as_deref().or(config.simulator.menus.as_deref());
    runtime(&config.log)?.block_on(async {
        let mut signals = Signals::listen()?;
        let carrier = Carrier::start(listen, menus, Clock::real()).await?;
        let services = parts::start_services(services_at).await?;
        let trunk = carrier.trunk();
        out.line(&format!("The simulated carrier listens on {}. Its trunk:\n", carrier.addr()))?;
        out.line(&format!("[trunk]\naddress = \"{}\"", trunk.address))?;
        if let Some(password) = &trunk.password {
            // The password of a simulation on loopback is no secret.
            out.line(&format!(
                "username = \"{}\"\npassword = \"{}\"",
                trunk.username,
                password.expose()
            ))?;
        }
        out.line("\n[carrier]\nname = \"flowroute\"\nsms_from = \"12025550100\"")?;
        let (url, key) = (services.url(), parts::SIMULATOR_USER);
        out.line(&format!(
            "\n[flowroute]\nurl = \"{url}\"\naccess_key = \"{key}\"\nsecret_key = \"{key}\""
        ))?;
        out.line("\nNumbers:\n")?;
        for sample in carrier.samples() {
            out.line(&format!("{:<16} {}", sample.number, sample.what))?;
        }
        out.flush()?;
        signals.next().await;
        services.shutdown().await;
        carrier.shutdown().await;
        Ok(())
    })
}
