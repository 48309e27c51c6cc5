//! `phoneai serve`.

use std::time::Duration;

use phoneai_clock::Clock;
use tracing::{info, warn};

use super::{ConfigFile, Signals, output::Failure, parts::Service, runtime};

/// A service that was told to end has this long for all its parts, each of which has its own, shorter
/// limit. Init systems kill what takes much longer.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// Runs the service until Ctrl-C or SIGTERM
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai serve --config /etc/phoneai.toml\n  \
    PHONEAI_TRUNK_PASSWORD=… phoneai serve --config phoneai.toml\n\n\
    The first signal ends the calls and then the service, with exit code 0; a second one does not \
    wait for the calls. SIGUSR1 ends all calls and lets none through, as `phoneai stop` does; \
    `phoneai stop --resume` lifts it.")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = args.config.load()?;
    let runtime = runtime(&config.log)?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let service = tokio::select! {
            started = Service::start(config, Clock::real()) => started?,
            _ = signals.next() => return Ok(()),
        };
        let signal = loop {
            match signals.any().await {
                Some(signal) => break signal,
                None => service.stop_calls("SIGUSR1").await,
            }
        };
        info!(signal, "Stopping: no new calls, those that are up are ended.");
        stop(service, &mut signals).await;
        Ok(())
    })
}

/// Ends the service within [`STOP_WITHIN`].
pub(super) async fn stop(service: Service, signals: &mut Signals) {
    tokio::select! {
        ended = tokio::time::timeout(STOP_WITHIN, service.shutdown()) => match ended {
            Ok(()) => {}
            Err(_) => warn!(
                seconds = STOP_WITHIN.as_secs(),
                "Stopped without waiting any longer for calls to end."
            ),
        },
        signal = signals.next() => warn!(signal, "Stopped at once by a second signal."),
    }
}
