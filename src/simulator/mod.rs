//! A carrier on loopback: a SIP trunk whose numbers are answered by sample phone menus.
//!
//! It is for trying the service and for its tests, and behaves as a trunk does: it registers users
//! and challenges callers by digest, takes numbers with and without `+` and tech prefix, sends
//! early media, and writes session descriptions as terse as carriers do. What it plays is described
//! in `sample_audio/`, or in a directory like it.
//!
//! A call is decided by a [`visit::Visit`], and within it a [`line::Line`], which know neither
//! sockets nor clocks; one task for each call carries their decisions out.

mod call;
mod description;
pub mod faults;
pub mod hearing;
pub mod line;
mod load;
pub mod measure;
pub mod menu;
mod sdp;
pub mod services;
pub mod sound;
mod trunk;
pub mod truth;
pub mod visit;
pub mod witness;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use phoneai_clock::Clock;
use phoneai_media::socket::{MediaError, MediaThreads, PortRange};
use phoneai_sip::{
    auth::Credentials,
    endpoint::{Endpoint, EndpointConfig},
    message::Method,
    transport::udp,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

pub use faults::Faults;
pub use load::{Mistake, Mistakes};
pub use menu::{Behaviour, Business, Menus};
use tokio::sync::mpsc;
pub use witness::Witnessed;

/// Calls at a time; more are refused with 503.
pub const MAX_CALLS: usize = 500;
/// Threads that play and listen.
const MEDIA_THREADS: usize = 1;
/// How long open calls have to end when the simulator is shut down.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);
/// What the trunk calls itself when it asks for a password.
pub const REALM: &str = "trunk.simulator";

/// How the simulated carrier is set up.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where it listens for SIP over UDP, and with what address it sends media. Port 0 takes a
    /// free one.
    pub listen: SocketAddr,
    /// Who may register, and call if `require_auth` is set.
    pub users: Vec<Credentials>,
    /// True if callers are challenged (407); otherwise everybody may call, as behind an address
    /// that the carrier knows.
    pub require_auth: bool,
    /// What can be called.
    pub menus: Menus,
    /// The ports for media.
    pub rtp_ports: PortRange,
    /// How bad the line is on which the carrier's sound travels.
    pub faults: Option<Faults>,
    /// Who is told of each call when it is over; calls do not wait for a slow one.
    pub witness: Option<mpsc::Sender<Witnessed>>,
}

/// Why the simulated carrier cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The SIP port cannot be had.
    #[error("the simulated carrier cannot start: {0}")]
    Bind(#[from] udp::BindError),
    /// The socket or the media threads failed.
    #[error("the simulated carrier cannot start: {0}")]
    Io(#[from] std::io::Error),
    /// The media threads cannot be started.
    #[error("the simulated carrier cannot start: {0}")]
    Media(#[from] MediaError),
}

/// What the simulated carrier has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Calls that reached it and were not challenged.
    pub calls: u64,
    /// Those of them that were answered.
    pub answered: u64,
    /// Those of them that are over.
    pub ended: u64,
    /// INVITEs that were challenged, or refused for a wrong password.
    pub challenged: u64,
    /// REGISTER requests that were accepted.
    pub registered: u64,
    /// Keys that were heard.
    pub keys: u64,
}

/// The counters behind [`Stats`], shared by all calls.
#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    answered: AtomicU64,
    ended: AtomicU64,
    challenged: AtomicU64,
    registered: AtomicU64,
    keys: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A running simulated carrier. It ends with [`Simulator::shutdown`], or when it is dropped.
#[derive(Debug)]
pub struct Simulator {
    sip: udp::Handle,
    numbers: Vec<(String, String)>,
    counters: Arc<Counters>,
}

/// Starts the simulated carrier on the present Tokio runtime. All its time is `clock`'s.
///
/// # Errors
/// If the SIP port or the media threads cannot be had.
pub async fn start(config: SimulatorConfig, clock: Clock) -> Result<Simulator, SimulatorError> {
    let socket = udp::bind(config.listen)?;
    let endpoint = EndpointConfig {
        user_agent: "phoneai-simulator".to_owned(),
        max_calls: MAX_CALLS,
        handled: vec![Method::Register],
        ..EndpointConfig::new(socket.local_addr()?)
    };
    let (sip, inlets) =
        udp::spawn(socket, Endpoint::new(endpoint, StdRng::from_os_rng().random()), clock)?;
    let counters = Arc::new(Counters::default());
    let numbers = config.menus.lines().map(|(n, behaviour)| (n.to_owned(), behaviour.name()));
    let numbers = numbers.collect();
    let media = MediaThreads::start(MEDIA_THREADS, clock)?;
    tokio::spawn(trunk::run(inlets, config, media, clock, counters.clone()));
    Ok(Simulator { sip, numbers, counters })
}

impl Simulator {
    /// Where calls are to be sent.
    pub fn sip_addr(&self) -> SocketAddr {
        self.sip.local_addr()
    }

    /// Numbers that can be called, and who or what answers there.
    pub fn numbers(&self) -> &[(String, String)] {
        &self.numbers
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { calls, answered, ended, challenged, registered, keys } = &*self.counters;
        Stats {
            calls: read(calls),
            answered: read(answered),
            ended: read(ended),
            challenged: read(challenged),
            registered: read(registered),
            keys: read(keys),
        }
    }

    /// Hangs up all calls and frees the ports.
    pub async fn shutdown(self) {
        self.sip.shutdown(SHUTDOWN_LIMIT).await;
    }
}
