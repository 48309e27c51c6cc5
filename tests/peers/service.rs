//! The whole service with a peer as its trunk, seen through the REST API.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use phoneai::{
    config::{Config, Secret, Trunk},
    service::{self, Running},
    speech::{Engine, Listening, SpeechError, SpeechEvent, Transcriber},
    store::Store,
};
use phoneai_clock::Clock;
use serde_json::Value;
use tokio::sync::mpsc;

/// Whom we call.
pub const NUMBER: &str = "+12025550101";
/// Who we are to a trunk that asks.
pub const USER: &str = "account";
const PASSWORD: &str = "rehearsal";

/// Longer than any step of a test takes, however crowded the machine is.
pub const LIMIT: Duration = Duration::from_secs(120);
/// Events that wait to be looked at.
const BACKLOG: usize = 1024;

/// A recogniser that hears nothing, for tests in which words do not matter.
#[derive(Clone, Copy, Default)]
pub struct Deaf {
    /// How long after a call it thinks about the last words.
    pub afterthought: Duration,
}

struct DeafEar {
    engine: Deaf,
    /// Closed when the engine has nothing more to say.
    events: mpsc::Sender<SpeechEvent>,
}

impl Engine for Deaf {
    fn open(&self, _call: &str) -> Result<Listening, SpeechError> {
        let (sender, events) = mpsc::channel(1);
        Ok(Listening { ear: Box::new(DeafEar { engine: *self, events: sender }), events })
    }
}

impl Transcriber for DeafEar {
    fn push(&mut self, _at_ms: u32, _samples: &[i16]) {}

    fn flush(&mut self) {}

    fn finish(self: Box<Self>) {
        tokio::spawn(async move {
            Clock::real().sleep(self.engine.afterthought).await;
            drop(self.events);
        });
    }
}

/// Makes an extension in the data directory of a service that is not started yet.
pub async fn make_extension(data: &Path, name: &str, password: &str) {
    let store = Store::open(data, Clock::real()).await.expect("a store");
    store.create_user("alice", "", false).await.expect("a database");
    let owner = store.users().await.expect("users").first().expect("a user").id;
    let accounts = [(name.to_owned(), Secret::new(password.to_owned()))];
    let made = store.create_extensions(owner, &accounts, "x").await.expect("a database");
    made.expect("a name that is free");
    store.close().await;
}

/// The service.
pub struct Service {
    running: Running,
    token: String,
}

impl Service {
    /// Starts it with `trunk` as its carrier; what is stored goes to `data`.
    pub async fn start(
        data: &Path,
        trunk: SocketAddr,
        engine: Arc<dyn Engine>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = Config::default();
        config.api.listen = loopback;
        config.sip.listen = loopback;
        config.store.data_dir = data.to_owned();
        config.media.port_min = 30_000;
        config.media.port_max = 39_999;
        config.trunk = Some(Trunk {
            username: USER.into(),
            password: Some(Secret::new(PASSWORD.into())),
            caller_id: "+12025550199".into(),
            ..Trunk::at(trunk.to_string().parse().expect("a host"))
        });
        change(&mut config);
        let running = service::start(config, engine, Clock::real()).await.expect("a service");
        let token = running.store().create_token("test", false).await.expect("a token");
        Self { running, token }
    }

    /// Waits until the registrar has been told of this many phones of an extension.
    pub async fn wait_for_phones(&self, extension: &str, count: usize) {
        let told = async {
            while self.running.phones_of(extension).await.len() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, told).await.expect("phones in time");
    }

    /// Where it is for phones.
    pub fn sip_addr(&self) -> SocketAddr {
        self.running.sip_addr()
    }

    /// The events of `NUMBER` from now on, as a client of the API gets them.
    pub async fn events(&self) -> Events {
        let path = format!("/api/v2/events?number={}", NUMBER.replace('+', "%2B"));
        let (url, authorization) = self.address(&path);
        let stream = blocking(move || {
            let answer = ureq::get(&url).header("Authorization", &authorization).call();
            answer.expect("a stream of events").into_body().into_reader()
        })
        .await;
        let (sender, events) = mpsc::channel(BACKLOG);
        // It ends with the service, which ends the stream.
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let Some(data) = line.strip_prefix("data:") else { continue };
                let event = serde_json::from_str(data.trim()).expect("an event is JSON");
                if sender.blocking_send(event).is_err() {
                    return;
                }
            }
        });
        Events { events, seen: Vec::new() }
    }

    /// Asks for a plain call; its id.
    pub async fn call(&self) -> String {
        self.call_to(NUMBER).await
    }

    /// Asks for a plain call to a number or an extension; its id.
    pub async fn call_to(&self, number: &str) -> String {
        let number = number.to_owned();
        let (url, authorization) = self.address("/api/v2/calls");
        let answer: Value = blocking(move || {
            let body = serde_json::json!({"number": number});
            let answer = ureq::post(&url).header("Authorization", &authorization).send_json(body);
            answer.expect("a call").body_mut().read_json().expect("JSON")
        })
        .await;
        answer["id"].as_str().expect("an id").to_owned()
    }

    /// A call's record.
    pub async fn record(&self, id: &str) -> Value {
        self.ask(&format!("/api/v2/calls/{id}")).await
    }

    /// Asks for a crawl.
    pub async fn crawl(&self) {
        let path = format!("/api/makecall/?number={}", NUMBER.replace('+', "%2B"));
        let answer = self.ask(&path).await;
        assert_eq!(answer["status"], "success", "{answer}");
    }

    /// Ends it, hanging up what is going on.
    pub async fn end(self) {
        tokio::time::timeout(LIMIT, self.running.shutdown()).await.expect("an end of the service");
    }

    async fn ask(&self, path: &str) -> Value {
        let (url, authorization) = self.address(path);
        blocking(move || {
            let answer = ureq::get(&url).header("Authorization", &authorization).call();
            answer.expect("an answer").body_mut().read_json().expect("JSON")
        })
        .await
    }

    fn address(&self, path: &str) -> (String, String) {
        let url = format!("http://{}{path}", self.running.api_addr());
        (url, format!("Token {}", self.token))
    }
}

/// What happens in the calls of `NUMBER`.
pub struct Events {
    events: mpsc::Receiver<Value>,
    seen: Vec<Value>,
}

impl Events {
    /// Waits for an event of this name. Those before it are kept in [`Events::seen`].
    pub async fn wait_for(&mut self, name: &str) -> Value {
        self.wait_until(name, |event| event["event"] == name).await
    }

    /// Waits for an event that `wanted` likes; `what` names it in a failure.
    pub async fn wait_until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Ok(event) = tokio::time::timeout(LIMIT, self.events.recv()).await else {
                panic!("no {what} in time, only {:#?}", self.seen)
            };
            let Some(event) = event else { panic!("no {what}, only {:#?}", self.seen) };
            self.seen.push(event.clone());
            if wanted(&event) {
                return event;
            }
        }
    }

    /// How often an event of this name was seen.
    pub fn count(&self, name: &str) -> usize {
        self.seen.iter().filter(|event| event["event"] == name).count()
    }

    /// All that was recognised for good, in small letters.
    pub fn text(&self) -> String {
        let texts = self.seen.iter().filter(|event| event["is_final"] == true);
        let texts: Vec<&str> = texts.filter_map(|event| event["text"].as_str()).collect();
        texts.join(" ").to_lowercase()
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work);
    tokio::time::timeout(LIMIT, done).await.expect("an answer in time").expect("no panic")
}
