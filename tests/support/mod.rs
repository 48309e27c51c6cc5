//! A service and a simulated carrier, as a user has them, on loopback and on one clock.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use phoneai::{
    config::{self, Config},
    service::{self, Running},
    simulator::{self, Menus, Simulator, SimulatorConfig},
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

const USER: &str = "trunk";
const PASSWORD: &str = "rehearsal";

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

/// A service that calls through a simulated carrier.
pub struct Rehearsal {
    pub carrier: Simulator,
    pub service: Running,
    pub token: String,
}

impl Rehearsal {
    /// Starts both; what is stored goes to `data`. `change` may set what the test is about.
    pub async fn start(data: &Path, clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let carrier = SimulatorConfig {
            listen: loopback,
            users: vec![Credentials {
                username: USER.into(),
                password: Password::new(PASSWORD),
                realm: None,
            }],
            require_auth: true,
            menus: Menus::samples().expect("good samples"),
            rtp_ports: PortRange::Any,
        };
        let carrier = simulator::start(carrier, clock).await.expect("a carrier");
        let mut config = Config::default();
        config.api.listen = loopback;
        config.sip.listen = loopback;
        config.store.data_dir = data.to_owned();
        config.media.port_min = 30_000;
        config.media.port_max = 39_999;
        config.trunk = Some(config::Trunk {
            address: carrier.sip_addr().to_string().parse().expect("a host"),
            username: USER.into(),
            password: Some(config::Secret::new(PASSWORD.into())),
            realm: String::new(),
            register: true,
            expires_s: 600,
            tech_prefix: String::new(),
            caller_id: "+12025550199".into(),
        });
        change(&mut config);
        let service = service::start(config, engine(), clock).await.expect("a service");
        let token = service.store().create_token("test", false).await.expect("a token");
        Self { carrier, service, token }
    }

    /// Asks the REST API.
    pub async fn api(&self, path: &str) -> serde_json::Value {
        let url = format!("http://{}{path}", self.service.api_addr());
        let authorization = format!("Token {}", self.token);
        tokio::task::spawn_blocking(move || {
            let mut answer = ureq::get(&url)
                .header("Authorization", &authorization)
                .config()
                .timeout_global(Some(Duration::from_secs(30)))
                .http_status_as_error(false)
                .build()
                .call()
                .expect("an answer");
            answer.body_mut().read_json().expect("JSON")
        })
        .await
        .expect("a thread")
    }

    /// Ends both.
    pub async fn end(self) {
        self.service.shutdown().await;
        self.carrier.shutdown().await;
    }
}
