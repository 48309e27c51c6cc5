//! A service and a simulated carrier, as a user has them, on loopback and on one clock.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

pub mod ear;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use phoneai::{
    calls::live::{LiveEvent, What},
    config::{self, Config},
    service::{self, Running},
    simulator::{self, Behaviour, Business, Menus, Simulator, SimulatorConfig},
    speech::{
        Engine,
        local::{LocalEngine, LocalSettings},
        model,
    },
};
use phoneai_clock::Clock;
use phoneai_media::socket::PortRange;
use phoneai_sip::auth::{Credentials, Password};
use phoneai_whisper::Whisper;
use tokio::sync::broadcast;
use ureq::{Agent, Body, http::Response};

const USER: &str = "trunk";
/// Unlike anything that may stand in a log.
pub const PASSWORD: &str = "rehearsal-4d1f";

/// The model, fetched if it is not on this machine yet.
pub fn whisper() -> Arc<Whisper> {
    static MODEL: OnceLock<Arc<Whisper>> = OnceLock::new();
    MODEL
        .get_or_init(|| {
            let directory = model::default_directory("tiny.en").expect("a cache directory");
            let files = model::fetch(&model::TINY_EN, &directory, &mut |_| {})
                .unwrap_or_else(|error| panic!("the tests need the speech model: {error}"));
            Arc::new(Whisper::load(&files.directory).expect("a whole model"))
        })
        .clone()
}

/// A recogniser of the real kind.
pub fn engine() -> Arc<dyn Engine> {
    Arc::new(LocalEngine::start(whisper(), LocalSettings::default()).expect("threads"))
}

/// The number of [`two_ways`].
pub const TWO_WAYS: &str = "+12025550110";

/// The smallest menu worth a crawl, which takes two calls: one way ends in an announcement, the
/// other with a person who does not answer. Described in `directory`, with recordings of a sample.
pub fn two_ways(directory: &Path) -> (Menus, Arc<Business>) {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_audio/harbor_electric");
    let audio = directory.join("two_ways");
    std::fs::create_dir_all(&audio).expect("a directory");
    for name in ["outage", "news", "danger", "invalid", "goodbye"] {
        let file = format!("{name}.wav");
        std::fs::copy(samples.join(&file), audio.join(&file)).expect("a sample");
    }
    let description = format!(
        r#"
        name = "Two ways"
        number = "{TWO_WAYS}"
        voice = "joe"
        ring_ms = 200
        first = "outage"
        invalid = {{ say = "Sorry, that is not one of the choices." }}
        goodbye = {{ say = "We are having trouble hearing from you. Goodbye." }}
        [menu.outage]
        kind = "menu"
        say = "For news about a known outage, press one. If you see a fallen power line, press two."
        options = [
            {{ keys = "1", label = "news about a known outage", to = "news" }},
            {{ keys = "2", label = "you see a fallen power line", to = "danger" }},
        ]
        [menu.news]
        kind = "announcement"
        say = "Our crews are working on the north side. The lights should be back this evening. Goodbye."
        [menu.danger]
        kind = "transfer"
        say = "Stay far away from the wire. We are connecting you to our emergency crew."
        "#
    );
    std::fs::write(directory.join("two_ways.toml"), description).expect("a file");
    let menus = Menus::read(directory).expect("a good description");
    let Some(Behaviour::Business(business)) = menus.line(TWO_WAYS) else { panic!("no business") };
    let business = business.clone();
    (menus, business)
}

/// The carrier and the recogniser of a rehearsal.
pub struct Stage {
    pub menus: Menus,
    pub engine: Arc<dyn Engine>,
    /// Where the carrier listens.
    pub carrier: SocketAddr,
}

impl Stage {
    /// All samples and a recogniser of the real kind.
    pub fn real() -> Self {
        Self::new(Menus::samples().expect("good samples"), engine())
    }

    /// A carrier with these numbers on any port, and this recogniser.
    pub fn new(menus: Menus, engine: Arc<dyn Engine>) -> Self {
        Self { menus, engine, carrier: LOOPBACK }
    }
}

/// Any port of this machine.
pub const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A simulated carrier on `listen`.
pub async fn carrier(listen: SocketAddr, menus: Menus, clock: Clock) -> Simulator {
    let user =
        Credentials { username: USER.into(), password: Password::new(PASSWORD), realm: None };
    let config = SimulatorConfig {
        listen,
        users: vec![user],
        require_auth: true,
        menus,
        rtp_ports: PortRange::Any,
        faults: None,
        witness: None,
    };
    simulator::start(config, clock).await.expect("a carrier")
}

/// A service that keeps its data in `data` and calls through the carrier at `trunk`, where it
/// registers.
pub fn config(data: &Path, trunk: SocketAddr) -> Config {
    let mut config = Config::default();
    config.api.listen = LOOPBACK;
    config.sip.listen = LOOPBACK;
    config.store.data_dir = data.to_owned();
    config.media.port_min = 30_000;
    config.media.port_max = 39_999;
    config.trunk = Some(config::Trunk {
        address: trunk.to_string().parse().expect("a host"),
        username: USER.into(),
        password: Some(config::Secret::new(PASSWORD.into())),
        realm: String::new(),
        register: true,
        expires_s: 600,
        tech_prefix: String::new(),
        caller_id: "+12025550199".into(),
        sources: Default::default(),
        transport: config::Transport::Udp,
    });
    config
}

/// A service that calls through a simulated carrier.
pub struct Rehearsal {
    pub carrier: Simulator,
    pub service: Running,
    pub token: String,
}

impl Rehearsal {
    /// Starts both with all samples and the real recogniser; what is stored goes to `data`.
    /// `change` may set what the test is about.
    pub async fn start(data: &Path, clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Stage::real(), data, clock, change).await
    }

    /// Starts both on a stage.
    pub async fn on(
        stage: Stage,
        data: &Path,
        clock: Clock,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let carrier = carrier(stage.carrier, stage.menus, clock).await;
        let mut config = config(data, carrier.sip_addr());
        change(&mut config);
        let service = service::start(config, stage.engine, clock).await.expect("a service");
        let token = service.store().create_token("test", false).await.expect("a token");
        Self { carrier, service, token }
    }

    /// Asks for a crawl as a client does, once the trunk is registered.
    pub async fn crawl(&self, number: &str) {
        let path = format!("/api/makecall/?number={}", number.replace('+', "%2B"));
        loop {
            let answer = self.api(&path).await;
            match answer["status"].as_str() {
                Some("success") => return,
                _ if answer["message"] == "Switch Connection error" => {}
                _ => panic!("{answer}"),
            }
        }
    }

    /// Asks the REST API.
    pub async fn api(&self, path: &str) -> serde_json::Value {
        let request = client().get(self.url(path)).header("Authorization", self.authorization());
        answer(move || request.call()).await
    }

    /// Posts JSON to the REST API.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let request = client().post(self.url(path)).header("Authorization", self.authorization());
        let (request, body) = (request.content_type("application/json"), body.to_string());
        answer(move || request.send(body)).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.service.api_addr())
    }

    fn authorization(&self) -> String {
        format!("Token {}", self.token)
    }

    /// Ends both.
    pub async fn end(self) {
        self.service.shutdown().await;
        self.carrier.shutdown().await;
    }
}

fn client() -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(30)))
        .http_status_as_error(false);
    config.build().into()
}

/// The JSON that comes for a request, which may take its time.
async fn answer(
    request: impl FnOnce() -> Result<Response<Body>, ureq::Error> + Send + 'static,
) -> serde_json::Value {
    let answer = move || request().expect("an answer").body_mut().read_json().expect("JSON");
    tokio::task::spawn_blocking(answer).await.expect("a thread")
}

/// The first event that `wanted` gives something for.
pub async fn event<T>(
    live: &mut broadcast::Receiver<LiveEvent>,
    mut wanted: impl FnMut(&What) -> Option<T>,
) -> T {
    loop {
        let event = live.recv().await.expect("an event");
        if let Some(found) = wanted(&event.what) {
            return found;
        }
    }
}

/// Whether the scan that ends next is complete, and why it ended.
pub async fn scan_ended(live: &mut broadcast::Receiver<LiveEvent>) -> (bool, String) {
    event(live, |what| {
        let What::ScanEnded { complete, reason } = what else { return None };
        Some((*complete, reason.clone()))
    })
    .await
}
