//! The command line's joints with the rest of the program: each function or type stands for one
//! part, so that commands say what they need and not how that part is built.

use std::{net::SocketAddr, path::Path, sync::Arc};

use phoneai_clock::Clock;
use phoneai_media::{socket::PortRange, wav};
use phoneai_sip::auth::{Credentials, Password};
use phoneai_whisper::Whisper;
use resampler::{Attenuation, Latency, ResamplerFir};

use super::{
    engine::{self, load_model, local_settings},
    output::Failure,
};
use crate::{
    api::password,
    config::{self, Config, HostPort, Secret},
    crawl::{
        menu_text::{self, Understanding},
        render,
        tree::Tree,
    },
    service::{self, Running},
    simulator::{
        self, Menus, Simulator, SimulatorConfig,
        services::{self, Services, ServicesConfig},
        truth::Truth,
    },
    speech::{
        CallMs, SpeechEvent, Transcript, Word,
        local::{self, LocalSettings},
    },
    store::{Import, Store, StoreError, Unique},
};

/// The running service.
pub(super) struct Service(Running);

impl Service {
    /// Loads the model and starts everything; when it returns, both addresses can be used.
    pub(super) async fn start(config: Config, clock: Clock) -> Result<Self, Failure> {
        let engine = engine::start(&config, clock).await?;
        let running = service::start(config, engine, clock);
        running.await.map(Self).map_err(Failure::failed)
    }

    /// Where the REST API listens.
    pub(super) fn api_addr(&self) -> SocketAddr {
        self.0.api_addr()
    }

    /// Ends all calls and lets none through until that is lifted; failures are told to the log.
    pub(super) async fn stop_calls(&self, by: &str) {
        if let Err(error) = self.0.gate().stop(by).await {
            tracing::error!(%error, "Calls are stopped, but a restart would not know of it.");
        }
    }

    /// Hangs up all calls and ends.
    pub(super) async fn shutdown(self) {
        self.0.shutdown().await;
    }
}

/// Makes a token for the user `name` in the data directory.
pub(super) async fn create_token(
    data: &Path,
    name: &str,
    admin: bool,
) -> Result<Secret<String>, Failure> {
    let store = Store::join(data, Clock::real()).await.map_err(Failure::failed)?;
    let token = store.create_token(name, admin).await.map_err(Failure::failed)?;
    store.close().await;
    Ok(Secret::new(token))
}

/// Makes a user who can log in, or changes one who is there. Returns the password that was made, if
/// none was given.
pub(super) async fn add_user(
    data: &Path,
    name: &str,
    admin: bool,
    given: Option<Secret<String>>,
) -> Result<Option<Secret<String>>, Failure> {
    let store = Store::join(data, Clock::real()).await.map_err(Failure::failed)?;
    let made = match given {
        Some(_) => None,
        None => Some(Secret::new(uuid::Uuid::new_v4().simple().to_string())),
    };
    let password = given.or_else(|| made.clone()).unwrap_or_default();
    let hash = password::hash(&password)
        .map_err(|e| Failure::Failed(format!("the password cannot be hashed: {e}")))?;
    if !store.set_password(name, &hash).await.map_err(Failure::failed)? {
        store.create_user(name, "", admin).await.map_err(Failure::failed)?;
        store.set_password(name, &hash).await.map_err(Failure::failed)?;
    }
    if admin {
        store.make_admin(name).await.map_err(Failure::failed)?;
    }
    store.close().await;
    Ok(made)
}

/// Makes extensions of the user `owner`, who is made if there is none; all or none.
pub(super) async fn add_extensions(
    data: &Path,
    owner: &str,
    domain: &str,
    accounts: &[(String, Secret<String>)],
) -> Result<(), Failure> {
    let store = Store::join(data, Clock::real()).await.map_err(Failure::failed)?;
    let known = store.users().await.map_err(Failure::failed)?;
    let user = match known.into_iter().find(|user| user.name == owner) {
        Some(user) => user.id,
        None => match store.create_user(owner, "", false).await.map_err(Failure::failed)? {
            Unique::Done(user) => user.id,
            Unique::Taken => {
                let why = format!("a user {owner} was made at the same time; try again");
                return Err(Failure::Failed(why));
            }
        },
    };
    let made = store.create_extensions(user, accounts, domain).await.map_err(Failure::failed)?;
    store.close().await;
    made.map_err(|taken| {
        Failure::Failed(format!("there is an extension {taken} already; none was made"))
    })
}

/// Takes rows over into the data directory, which must be new.
pub(super) async fn import(data: &Path, import: &Import) -> Result<(), Failure> {
    let store = Store::open(data, Clock::real()).await.map_err(Failure::failed)?;
    if !store.users().await.map_err(Failure::failed)?.is_empty() {
        return Err(Failure::Failed(format!(
            "{} is in use already: take the old service's rows over into a new data directory",
            data.display()
        )));
    }
    store.import(import).await.map_err(Failure::failed)?;
    store.close().await;
    Ok(())
}

/// The newest tree of a number in the data directory; `None` if nothing was heard there.
pub(super) async fn stored_tree(data: &Path, number: &str) -> Result<Option<Tree>, Failure> {
    if !data.is_dir() {
        return Err(Failure::Failed(format!("there is no data directory {}", data.display())));
    }
    let store = Store::join(data, Clock::real()).await.map_err(Failure::failed)?;
    let tree = newest_tree(&store, number).await.map_err(Failure::failed)?;
    store.close().await;
    Ok(tree)
}

async fn newest_tree(store: &Store, number: &str) -> Result<Option<Tree>, StoreError> {
    let Some(row) = store.number(number).await? else { return Ok(None) };
    let Some(newest) = store.newest_tree(row.id).await? else { return Ok(None) };
    store.load_tree(newest.scan.id).await.map(Some)
}

/// How a tree is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Indented lines for people
    Text,
    /// JSON: prompts with words, times, options and what is behind each key
    Json,
    /// A Mermaid flowchart
    Mermaid,
    /// A Graphviz graph
    Dot,
}

/// Writes a tree.
pub(super) fn write_tree(tree: &Tree, format: Format) -> String {
    match format {
        Format::Text => render::text(tree),
        // Pretty, because a person may well read it; a program does not mind.
        Format::Json => format!("{:#}", render::json(tree)),
        Format::Mermaid => render::mermaid(tree),
        Format::Dot => render::dot(tree),
    }
}

/// The local recogniser, for whole recordings.
pub(super) struct Recogniser {
    model: Arc<Whisper>,
    settings: LocalSettings,
}

impl Recogniser {
    /// Loads the model.
    pub(super) fn load(speech: &config::Speech) -> Result<Self, Failure> {
        Ok(Self { model: load_model(speech)?, settings: local_settings(speech) })
    }

    /// The words of a recording from [`read_recording`].
    pub(super) fn words(&self, samples: &[i16]) -> Result<Vec<Word>, Failure> {
        let transcripts = local::transcribe(&self.model, &self.settings, samples);
        let transcripts = transcripts.map_err(Failure::failed)?;
        Ok(transcripts.into_iter().flat_map(|transcript| transcript.words).collect())
    }

    /// What a call with this sound would have been told in its first seconds, and when.
    pub(super) fn listen(&self, samples: &[i16]) -> Result<Vec<(CallMs, SpeechEvent)>, Failure> {
        let samples = samples.get(..GREETING_SAMPLES).unwrap_or(samples);
        local::listen(&self.model, &self.settings, samples).map_err(Failure::failed)
    }
}

/// Who answered shows in the first half minute, ringback included.
const GREETING_SAMPLES: usize = 30 * 8000;

/// What is taken of a recording with two channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Channel {
    /// The mean of both
    Both,
    /// The first: what was heard, in recordings of calls
    Left,
    /// The second: what was sent
    Right,
}

/// Reads a WAV file as linear samples at 8000 Hz. A file with one channel has it on every side.
pub(super) fn read_recording(file: &Path, channel: Channel) -> Result<Vec<i16>, Failure> {
    let audio = wav::read(file).map_err(Failure::failed)?;
    let one = match channel {
        Channel::Both => None,
        Channel::Left => audio.channels.first(),
        Channel::Right => audio.channels.last(),
    };
    let samples = one.cloned().unwrap_or_else(|| audio.mono());
    Ok(match audio.sample_rate {
        16_000 => halve_rate(&samples),
        _ => samples,
    })
}

/// 16 kHz to 8 kHz, the rate of the telephone. Sample `n` lies at the time of input sample `2 n`.
fn halve_rate(samples: &[i16]) -> Vec<i16> {
    let mut resampler =
        ResamplerFir::new_from_hz(1, 16_000, 8_000, Latency::Sample64, Attenuation::Db90);
    // An output lies in the middle of the inputs under the filter: with so much silence before
    // it, the first output is the first input.
    let around = resampler.delay();
    let silence = |count| std::iter::repeat_n(0.0, count);
    let input: Vec<f32> = silence(around.saturating_sub(1))
        .chain(samples.iter().map(|s| f32::from(*s)))
        .chain(silence(around + 1))
        .collect();
    let mut rest = input.as_slice();
    let mut block = vec![0.0; resampler.buffer_size_output()];
    let mut halved = Vec::with_capacity(input.len() / 2 + 1);
    while !rest.is_empty() {
        let Ok((taken, given)) = resampler.resample(rest, &mut block) else { break };
        halved.extend(block.iter().take(given).map(|s| *s as i16));
        rest = rest.get(taken..).unwrap_or_default();
        if taken == 0 {
            break;
        }
    }
    halved.resize(samples.len() / 2, 0);
    halved
}

/// What a prompt says: its text, or its words with times as `phoneai transcribe --json` writes them.
/// With the times comes true.
pub(super) fn understand(text: &str) -> (Understanding, bool) {
    #[derive(serde::Deserialize)]
    struct Heard {
        words: Vec<Word>,
    }
    match serde_json::from_str::<Heard>(text.trim()) {
        Ok(Heard { words }) => {
            (menu_text::understand(&[Transcript { words, confidence: 1.0 }]), true)
        }
        // A prompt is anything else, even if it begins with a brace.
        Err(_) => (menu_text::understand_text(text), false),
    }
}

/// Who may call through the simulated carrier. It listens on loopback: this is no secret.
pub(super) const SIMULATOR_USER: &str = "simulator";

/// Numbers that the simulated carrier sells, and what they cost a month.
const OFFERS: [(&str, f64); 5] = [
    ("12025550180", 0.5),
    ("12025550181", 0.5),
    ("12025550182", 1.25),
    ("12025550183", 1.25),
    ("12025550184", 3.99),
];

/// Starts the simulated carrier's HTTP services.
pub(super) async fn start_services(listen: SocketAddr) -> Result<Services, Failure> {
    let config = ServicesConfig {
        listen,
        keys: Some((SIMULATOR_USER.to_owned(), SIMULATOR_USER.to_owned())),
        offers: OFFERS.map(|(number, cost)| (number.to_owned(), cost)).to_vec(),
        filters: true,
    };
    services::start(config, Clock::real()).await.map_err(|error| {
        Failure::Failed(format!(
            "the simulated carrier's services cannot listen on {listen}: {error}; \
             give them another port with --services"
        ))
    })
}

/// The settings of a service that uses them.
pub(super) fn simulated_carrier(
    services: &Services,
) -> Result<(config::Carrier, config::Flowroute), Failure> {
    let carrier = config::Carrier {
        name: config::CarrierName::Flowroute,
        sms_from: "12025550100".to_owned(),
        ..config::Carrier::default()
    };
    let flowroute = config::Flowroute {
        url: Some(services.url().parse().map_err(Failure::failed)?),
        access_key: SIMULATOR_USER.to_owned(),
        secret_key: Some(Secret::new(SIMULATOR_USER.to_owned())),
    };
    Ok((carrier, flowroute))
}

/// The simulated carrier, running.
pub(super) struct Carrier {
    simulator: Simulator,
    menus: Menus,
}

/// A number of the simulated carrier.
pub(super) struct Sample {
    /// What to call.
    pub(super) number: String,
    /// What answers.
    pub(super) what: String,
    /// Prompts that a crawl can find.
    pub(super) prompts: usize,
}

impl Carrier {
    /// Starts it; `menus` is a directory, `None` for the menus that are built in.
    pub(super) async fn start(
        listen: SocketAddr,
        menus: Option<&Path>,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let menus = menus.map_or_else(Menus::samples, Menus::read).map_err(Failure::failed)?;
        let config = SimulatorConfig {
            listen,
            users: vec![Credentials {
                username: SIMULATOR_USER.to_owned(),
                password: Password::new(SIMULATOR_USER),
                realm: None,
            }],
            require_auth: true,
            menus: menus.clone(),
            rtp_ports: PortRange::Any,
            faults: None,
            witness: None,
        };
        let simulator = simulator::start(config, clock).await.map_err(Failure::failed)?;
        Ok(Self { simulator, menus })
    }

    /// Where its trunk listens.
    pub(super) fn addr(&self) -> SocketAddr {
        self.simulator.sip_addr()
    }

    /// The trunk's settings for a service that calls through it.
    pub(super) fn trunk(&self) -> config::Trunk {
        let addr = self.addr();
        config::Trunk {
            username: SIMULATOR_USER.to_owned(),
            password: Some(Secret::new(SIMULATOR_USER.to_owned())),
            ..config::Trunk::at(HostPort { host: addr.ip().to_string(), port: addr.port() })
        }
    }

    /// What can be called.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let numbers = self.simulator.numbers().iter();
        let samples = numbers.map(|(number, what)| Sample {
            number: number.clone(),
            what: what.clone(),
            prompts: self.truth(number).map_or(0, |truth| truth.nodes.len()),
        });
        samples.collect()
    }

    /// How a tree differs from what a crawl of this number should find, a line each.
    pub(super) fn differences(&self, number: &str, tree: &Tree) -> Vec<String> {
        match self.truth(number) {
            Some(truth) => truth.differences(tree).iter().map(ToString::to_string).collect(),
            None => vec![format!("{number} is not answered by a menu")],
        }
    }

    /// Hangs up all calls and ends it.
    pub(super) async fn shutdown(self) {
        self.simulator.shutdown().await;
    }

    fn truth(&self, number: &str) -> Option<Truth> {
        self.menus.businesses().find(|b| b.number == number).map(|b| b.truth())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_the_rate_keeps_the_tone_and_its_place() {
        // 1 kHz for 100 ms from 200 ms on.
        let tone = |rate: f64, at: usize| {
            let time = at as f64 / rate;
            let inside = (0.2..0.3).contains(&time);
            if inside {
                ((time * 1_000.0 * std::f64::consts::TAU).sin() * 8_000.0) as i16
            } else {
                0
            }
        };
        let wide: Vec<i16> = (0..8_000).map(|at| tone(16_000.0, at)).collect();
        let halved = halve_rate(&wide);
        assert_eq!(halved.len(), 4_000);
        // The edges ring; the middle must be the tone as it would have been sampled at 8 kHz.
        for (at, heard) in halved.iter().enumerate().take(2_250).skip(1_750) {
            let error = i32::from(*heard) - i32::from(tone(8_000.0, at));
            assert!(error.abs() < 200, "sample {at}: {error}");
        }
        assert!(halved[..1_500].iter().all(|s| s.abs() < 50));
    }
}
