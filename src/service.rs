//! The whole service: everything is started here, in the order in which it depends on each other,
//! and ended in the other.

use std::{
    net::{IpAddr, SocketAddr, TcpListener as StdTcpListener},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use phoneai_clock::Clock;
use phoneai_media::{
    recorder::RecorderError,
    socket::{MediaError, MediaThreads, PortRange},
};
use phoneai_sip::{
    endpoint::{Endpoint, EndpointConfig, Reception},
    guard::GuardConfig,
    registrar::Binding,
    registration::{RegistrationConfig, RegistrationState},
    transport::{
        stream::Streams,
        tls::{self, Identity, TlsError},
        udp::{self, BindError},
    },
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use rustls::RootCertStore;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};
use tracing::{info, warn};

use crate::{
    api::{self, Api, Options, Parts},
    calls::{
        self, LineSettings, Lines,
        desk::{Desk, PlainCalls},
        gate::Gate,
        live::Live,
        recording::Shelf,
        trunk::{self, Readiness},
    },
    carrier::{
        Carrier, Desk as CarrierDesk, DeskSettings, DeskTasks, Flowroute, FlowrouteSettings,
        Gate as WebhookGate,
    },
    config::{self, CarrierName, Config, FLOWROUTE, Secret, Trunk},
    crawl::{
        navigator::Limits,
        retry::Backoff,
        scheduler::{self, SchedulerSettings, Waker},
    },
    extensions::{
        Phones,
        answer::{Answering, PromptError},
    },
    http::{AddressPolicy, Client, HttpError, Limits as HttpLimits},
    speech::{Engine, SpeechError},
    store::{Store, StoreError},
};

/// Who leases scans. One process has a data directory to itself, so one name will do.
const OWNER: &str = "this";
/// Between a call that brought news and the next to the same number: time to hang up properly.
const GAP: Duration = Duration::from_secs(2);
/// How long an ending service waits for its calls to be hung up, the trunk to let it go, and clients
/// to take their answers; for all at the same time.
const GOODBYE: Duration = Duration::from_secs(10);
/// How long it then waits for what SIP still has in flight.
const LAST_MESSAGES: Duration = Duration::from_secs(2);
/// Transactions that there may be for each call at a time: two in 32 s for each that was short.
const TRANSACTIONS_PER_CALL: usize = 20;
/// Threads for media; each carries some hundred calls.
const MEDIA_THREADS: usize = 1;
/// How long the carrier's HTTP services may take, in seconds.
const CARRIER_TIMEOUT_S: u32 = 15;
/// How long a connection to them, or to a webhook's receiver, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer of theirs.
const MAX_ANSWER: usize = 1024 * 1024;
/// The pause before the trunk's name is looked up again after a failure.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(30);

/// Why the service does not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The recogniser.
    #[error(transparent)]
    Speech(#[from] SpeechError),
    /// The socket for SIP.
    #[error("sip.listen: {0}")]
    Sip(#[from] BindError),
    /// The socket for SIP cannot be used.
    #[error("sip.listen: {0}")]
    SipSocket(std::io::Error),
    /// A socket for connections of SIP.
    #[error(
        "{setting}: cannot listen on {address}: {error}; stop the other program there, or set another port"
    )]
    Connections {
        /// Which setting.
        setting: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// Certificates or keys.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The threads for media.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The thread for recordings.
    #[error(transparent)]
    Recording(#[from] RecorderError),
    /// The HTTP client.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The carrier's address.
    #[error("flowroute.url: {0}")]
    CarrierUrl(#[from] url::ParseError),
    /// The recording of a test number.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The socket for the API.
    #[error(
        "api.listen: cannot listen on {address}: {error}; stop the other program there, or set another port (0 takes a free one)"
    )]
    Api {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
}

/// A service that runs. It ends with [`Running::shutdown`].
pub struct Running {
    api_addr: SocketAddr,
    sip_addr: SocketAddr,
    store: Store,
    gate: Gate,
    live: Live,
    lines: Option<Lines>,
    /// Where phones come in, and the trunk too unless it has a place of its own.
    phones: udp::Handle,
    /// Where the trunk is.
    sip: udp::Handle,
    keeper: JoinHandle<()>,
    stop: watch::Sender<bool>,
    scheduler: Option<JoinHandle<()>>,
    plain_calls: PlainCalls,
    registration: Option<JoinHandle<()>>,
    readiness: Readiness,
    carrier: DeskTasks,
    api: JoinHandle<()>,
}

/// Starts everything. `engine` turns speech into words. When this returns, the API answers.
///
/// # Errors
/// If a part cannot start; the text says what to do.
pub async fn start(
    config: Config,
    engine: Arc<dyn Engine>,
    clock: Clock,
) -> Result<Running, StartError> {
    let store = Store::open(&config.store.data_dir, clock)
        .await?
        .with_max_attempt(config.crawl.max_attempt);
    let recovered = store.recover(OWNER).await?;
    if recovered.scans > 0 || recovered.calls > 0 {
        warn!(
            scans = recovered.scans,
            calls = recovered.calls,
            "The service was stopped in the middle of calls; their scans go on."
        );
    }
    let listener = TcpListener::bind(config.api.listen)
        .await
        .map_err(|error| StartError::Api { address: config.api.listen, error })?;
    let api_addr = listener
        .local_addr()
        .map_err(|error| StartError::Api { address: config.api.listen, error })?;
    let media = MediaThreads::start(MEDIA_THREADS, clock)?;
    let Signalling { phones, sip, keeper, inlets } = signalling(&config, &store, clock).await?;
    let sip_addr = phones.local_addr();

    let gate = Gate::open(config.policy(), store.clone()).await?;
    let live = Live::new();
    let (stop, stopping) = watch::channel(false);
    let keeper = keeper.keep(phones.clone(), stopping.clone());
    let answering = Answering::new(
        config.test_numbers.clone(),
        media.clone(),
        (config.media.bind.unwrap_or(sip_addr.ip()), media_ports(&config)),
        config.sip.advertise,
        clock,
    )?;
    for inlets in inlets {
        tokio::spawn(answering.clone().run(inlets, stopping.clone(), gate.stopped()));
    }
    let waker = Waker::default();
    let recordings = match config.recording.enabled {
        true => Some(Shelf::new(&config.store.data_dir)?),
        false => None,
    };
    let lines = config.trunk.clone().map(|trunk| {
        let settings = line_settings(&config, trunk);
        let endpoints = [sip.clone(), phones.clone()];
        let (store, live) = (store.clone(), live.clone());
        Lines::new(settings, endpoints, media, engine, store, gate.clone(), recordings, live, clock)
    });
    let (registration, readiness) = match &config.trunk {
        Some(trunk) if trunk.register => {
            let (state, watched) = watch::channel(RegistrationState::Unregistered);
            let keep = register(sip.clone(), trunk.clone(), clock, state, stopping.clone());
            (Some(tokio::spawn(keep)), Readiness::when_registered(watched))
        }
        _ => (None, Readiness::always()),
    };
    let scheduler = lines.clone().map(|lines| {
        let settings = scheduler_settings(&config);
        let (waker, readiness) = (waker.clone(), readiness.clone());
        tokio::spawn(scheduler::run(lines, settings, waker, readiness, stopping.clone()))
    });
    if lines.is_none() {
        warn!("No trunk is configured (trunk.address): no number can be called.");
    }
    let max_call = Duration::from_secs(config.crawl.max_call_seconds.into());
    let desk = Desk::new(lines.clone(), waker, readiness.clone(), max_call, stopping.clone());
    let plain_calls = desk.plain_calls();
    let carrier_desk = carrier_desk(&config, store.clone())?;
    let client = http_client(config.webhooks.policy(), config.webhooks.timeout_seconds)?;
    // Real time: receivers and carriers live in it, however fast the calls' clock runs.
    let carrier = carrier_desk.start(client, Clock::real(), stopping.clone()).await?;
    let api = Api::of(Parts {
        store: store.clone(),
        switch: Arc::new(desk),
        live: live.clone(),
        carrier: carrier_desk,
        gate: gate.clone(),
        options: Options {
            refuse_completed_menu: config.api.refuse_completed_menu,
            expose_sip_passwords: config.api.expose_sip_passwords,
            max_requests: config.api.max_requests_per_second,
            max_requests_v2: config.api.max_requests_per_second_v2,
        },
    });
    let api = tokio::spawn(api::serve(listener, api, until(stopping)));
    info!(api = %api_addr, sip = %sip_addr, "The service is up.");
    Ok(Running {
        api_addr,
        sip_addr,
        store,
        gate,
        live,
        lines,
        phones,
        sip,
        keeper,
        stop,
        scheduler,
        plain_calls,
        registration,
        readiness,
        carrier,
        api,
    })
}

impl Running {
    /// Where the REST API listens.
    pub fn api_addr(&self) -> SocketAddr {
        self.api_addr
    }

    /// Where SIP listens.
    pub fn sip_addr(&self) -> SocketAddr {
        self.sip_addr
    }

    /// Where SIP listens for the trunk.
    pub fn trunk_addr(&self) -> SocketAddr {
        self.sip.local_addr()
    }

    /// The phones of an extension, the preferred one first.
    pub async fn phones_of(&self, extension: &str) -> Vec<Binding> {
        let user = extension.to_owned();
        let found = self.phones.with_reception(move |now, phones| phones.bindings(now, &user, ""));
        // An error means that the endpoint has ended.
        found.await.unwrap_or_default()
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The gate through which calls go, with its kill switch.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// What is going on.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// What calls are placed through; `None` without a trunk.
    pub fn lines(&self) -> Option<&Lines> {
        self.lines.as_ref()
    }

    /// Waits until the trunk has registered us, however long that takes; at once where there is
    /// nothing to register.
    pub async fn ready(&self) {
        let mut readiness = self.readiness.clone();
        while !readiness.is_ready() {
            readiness.changed().await;
        }
    }

    /// Hangs up all calls, answers what was asked, and ends.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        let calls = async {
            if let Some(scheduler) = self.scheduler {
                let _ = scheduler.await;
            }
            self.plain_calls.over().await;
        };
        let registration = async {
            if let Some(registration) = self.registration {
                let _ = registration.await;
            }
        };
        // Real time: an operator waits for this, however fast the calls' clock runs.
        let (calls, _, _, _, _) = tokio::join!(
            timeout(GOODBYE, calls),
            timeout(GOODBYE, self.keeper),
            timeout(GOODBYE, registration),
            timeout(GOODBYE, self.carrier.over()),
            timeout(GOODBYE, self.api),
        );
        if calls.is_err() {
            warn!("Some calls did not end in time; their scans are taken up at the next start.");
        }
        tokio::join!(self.phones.shutdown(LAST_MESSAGES), self.sip.shutdown(LAST_MESSAGES));
        self.store.close().await;
        info!("The service has ended.");
    }
}

/// The endpoints of SIP.
struct Signalling {
    phones: udp::Handle,
    /// That of the trunk: another one, or the same.
    sip: udp::Handle,
    keeper: Phones,
    inlets: Vec<udp::Inlets>,
}

/// Starts the endpoints. All the phones' accounts are known before the first of them is heard.
async fn signalling(
    config: &Config,
    store: &Store,
    clock: Clock,
) -> Result<Signalling, StartError> {
    let mut random = StdRng::from_os_rng();
    let trunk_socket = config.sip.trunk_listen.map(udp::bind).transpose()?;
    let socket = udp::bind(config.sip.listen)?;
    let shared = if trunk_socket.is_none() { trusted(config) } else { Vec::new() };
    let (key, store) = (random.random(), store.clone());
    let (keeper, reception) = Phones::open(&config.extensions, store, clock, key, shared).await?;
    let (tcp, tls) = (config.sip.tcp_listen, config.sip.tls_listen);
    let tcp = tcp.map(|address| listen("sip.tcp_listen", address)).transpose()?;
    let tls = tls.map(|address| listen("sip.tls_listen", address)).transpose()?;
    let tls_addr = tls.as_ref().and_then(|listener| listener.local_addr().ok());
    let of_phones = streams(&config.sip, tcp, tls)?;
    let mut start = |socket: std::net::UdpSocket, streams, reception| {
        let address = socket.local_addr()?;
        let max_calls = config.sip.max_calls as usize;
        let endpoint_config = EndpointConfig {
            max_calls,
            max_transactions: max_calls.saturating_mul(TRANSACTIONS_PER_CALL),
            advertised_tls: tls_addr.map(|tls| advertised(config, tls)),
            ..EndpointConfig::new(advertised(config, address))
        };
        let guard = GuardConfig {
            stranger_rate: config.sip.stranger_rate,
            ban: Duration::from_secs(config.sip.ban_seconds.into()),
            ..GuardConfig::default()
        };
        let endpoint = Endpoint::new(endpoint_config, random.random())
            .with_reception(reception)
            .with_guard(clock.now(), guard);
        udp::spawn_with(socket, streams, endpoint, clock)
    };
    let (phones, inlets) = start(socket, of_phones, reception).map_err(StartError::SipSocket)?;
    let Some(trunk_socket) = trunk_socket else {
        return Ok(Signalling { sip: phones.clone(), phones, keeper, inlets: vec![inlets] });
    };
    let reception = Reception::of_networks(trusted(config));
    let of_trunk = streams(&config.sip, None, None)?;
    let (sip, of_trunk) =
        start(trunk_socket, of_trunk, reception).map_err(StartError::SipSocket)?;
    Ok(Signalling { phones, sip, keeper, inlets: vec![inlets, of_trunk] })
}

/// Opens a socket for connections.
fn listen(setting: &'static str, address: SocketAddr) -> Result<StdTcpListener, StartError> {
    StdTcpListener::bind(address).map_err(|error| StartError::Connections {
        setting,
        address,
        error,
    })
}

/// Connections that are accepted there, and how those are made that we make.
fn streams(
    sip: &config::Sip,
    tcp: Option<StdTcpListener>,
    tls: Option<StdTcpListener>,
) -> Result<Streams, TlsError> {
    let identity = sip.tls_certificate.clone().zip(sip.tls_key.clone());
    let identity = identity.map(|(certificates, key)| Identity { certificates, key });
    let tls = match (tls, &identity) {
        (Some(listener), Some(identity)) => {
            let clients = sip.tls_client_authorities.as_deref();
            vec![(listener, tls::server(identity, clients)?)]
        }
        (Some(_) | None, _) => Vec::new(),
    };
    let public = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let client = tls::client(sip.tls_authorities.as_deref(), public, identity.as_ref())?;
    Ok(Streams { tcp: tcp.into_iter().collect(), tls, tls_client: Some(client) })
}

/// From where the trunk's calls come in. Its name stands for many addresses, which change: those
/// have to be configured.
fn trusted(config: &Config) -> Vec<IpNet> {
    let Some(trunk) = &config.trunk else { return Vec::new() };
    let own = trunk.address.host.parse::<IpAddr>().ok().map(IpNet::from);
    own.into_iter().chain(trunk.sources.ranges().iter().copied()).collect()
}

/// Registers at the trunk and tells how it stands, until the service stops.
async fn register(
    sip: udp::Handle,
    trunk: Trunk,
    clock: Clock,
    state: watch::Sender<RegistrationState>,
    mut stop: watch::Receiver<bool>,
) {
    let destination = loop {
        match calls::resolve(&trunk, sip.local_addr()).await {
            Ok(address) => break address,
            Err(error) => {
                warn!(%error, "Not registered.");
                tokio::select! {
                    () = clock.sleep(LOOK_UP_AGAIN) => {}
                    _ = stop.changed() => return,
                }
            }
        }
    };
    let host = trunk::host_port(&trunk);
    // An error means that the endpoint has ended, which the next step says.
    let _ = sip.name_peer(destination, trunk.address.host.clone()).await;
    let config = RegistrationConfig {
        registrar_uri: format!("sip:{host}"),
        address_of_record: format!("sip:{}@{host}", trunk.username),
        contact_user: trunk.username.clone(),
        destination,
        transport: trunk::kind(&trunk),
        credentials: trunk::credentials(&trunk),
        expires: Duration::from_secs(trunk.expires_s.into()),
    };
    let registration = match sip.register(config).await {
        Ok(registration) => registration,
        Err(error) => {
            warn!(%error, "Not registered.");
            return;
        }
    };
    let mut states = registration.state();
    loop {
        let now = states.borrow_and_update().clone();
        match &now {
            RegistrationState::Registered { expires } => {
                info!(trunk = %host, expires_s = expires.as_secs(), "Registered.");
            }
            RegistrationState::Refused { status, reason } => {
                warn!(
                    trunk = %host, status, %reason,
                    "The trunk refuses the registration; check trunk.username and trunk.password."
                );
            }
            RegistrationState::Unreachable { status, reason, retry_after } => {
                warn!(
                    trunk = %host, status, %reason, retry_s = retry_after.as_secs(),
                    "The trunk cannot be reached."
                );
            }
            RegistrationState::Unregistered | RegistrationState::Trying => {}
        }
        state.send_replace(now);
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            _ = stop.changed() => break,
        }
    }
    registration.unregister().await;
}

async fn until(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which ends the service as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The address that stands in our Via and Contact.
fn advertised(config: &Config, bound: SocketAddr) -> SocketAddr {
    let ip = config.sip.advertise.or_else(|| {
        if !bound.ip().is_unspecified() {
            return Some(bound.ip());
        }
        let trunk: IpAddr = config.trunk.as_ref()?.address.host.parse().ok()?;
        calls::address_towards(SocketAddr::new(trunk, config.trunk.as_ref()?.address.port))
    });
    // With a name as trunk: any public address shows the way out.
    let out = || calls::address_towards(SocketAddr::from(([192, 0, 2, 1], 5060)));
    SocketAddr::new(ip.or_else(out).unwrap_or(bound.ip()), bound.port())
}

/// The configured carrier, and what is kept of its doings.
fn carrier_desk(config: &Config, store: Store) -> Result<CarrierDesk, StartError> {
    let carrier: Option<Arc<dyn Carrier>> = match config.carrier.name {
        CarrierName::None => None,
        CarrierName::Flowroute => {
            let flowroute = &config.flowroute;
            let settings = FlowrouteSettings {
                url: flowroute.url.clone().map_or_else(|| FLOWROUTE.parse(), Ok)?,
                access_key: flowroute.access_key.clone(),
                secret_key: flowroute
                    .secret_key
                    .clone()
                    .unwrap_or_else(|| Secret::new(String::new())),
            };
            // The operator says where the carrier is.
            let client = http_client(AddressPolicy::Any, CARRIER_TIMEOUT_S)?;
            Some(Arc::new(Flowroute::new(client, &settings)))
        }
    };
    let settings = DeskSettings {
        sms_from: config.carrier.sms_from.clone(),
        route: config.carrier.number_route.clone(),
        signing_key: config.webhooks.signing_key.clone(),
        gate: WebhookGate {
            sources: config.carrier.webhook_sources.clone(),
            key: config.carrier.webhook_key.clone(),
        },
    };
    Ok(CarrierDesk::new(carrier, store, settings))
}

fn http_client(policy: AddressPolicy, timeout_s: u32) -> Result<Client, HttpError> {
    let limits = HttpLimits {
        connect: CONNECT_TIMEOUT.min(Duration::from_secs(timeout_s.into())),
        answer: Duration::from_secs(timeout_s.into()),
        body: MAX_ANSWER,
    };
    Client::new(policy, limits)
}

fn line_settings(config: &Config, trunk: Trunk) -> LineSettings {
    LineSettings {
        trunk,
        advertise: config.sip.advertise,
        media_bind: config.media.bind,
        media_ports: media_ports(config),
        dtmf_tone_ms: config.media.dtmf_tone_ms,
        dtmf_gap_ms: config.media.dtmf_gap_ms,
        no_packets_after: Duration::from_millis(config.media.no_packets_ms.into()),
    }
}

fn media_ports(config: &Config) -> PortRange {
    PortRange::Between { low: config.media.port_min, high: config.media.port_max }
}

fn scheduler_settings(config: &Config) -> SchedulerSettings {
    let crawl = &config.crawl;
    SchedulerSettings {
        limits: Limits {
            silence_ms: crawl.silence_ms,
            no_speech_ms: crawl.no_speech_ms,
            max_depth: crawl.max_depth,
            max_call_ms: crawl.max_call_seconds.saturating_mul(1000),
            max_tries: crawl.max_tries,
            max_same_prompt: crawl.max_same_prompt,
            max_presses: crawl.max_presses,
            confirm_below: crawl.confirm_below as f32 / 100.0,
            unannounced: crawl.try_unannounced.keys().to_vec(),
            barge_in: crawl.barge_in,
            ..Limits::default()
        },
        backoff: Backoff {
            gap: GAP,
            first: Duration::from_secs(crawl.retry_first_seconds.into()),
            max: Duration::from_secs(crawl.retry_max_seconds.into()),
        },
        max_concurrent_calls: crawl.max_concurrent_calls as usize,
        parallel_calls: crawl.parallel_calls as usize,
        owner: OWNER.to_owned(),
    }
}
