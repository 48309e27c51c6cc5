//! Who recognises speech, as the configuration says.

use std::{path::PathBuf, sync::Arc, time::Duration};

use phoneai_clock::Clock;
use phoneai_whisper::Whisper;
use tokio::runtime::Handle;
use url::Url;

use super::output::Failure;
use crate::{
    config::{self, Config, Secret},
    http::{AddressPolicy, Client, Limits},
    speech::{
        Engine,
        local::{LocalEngine, LocalSettings},
        model::{self, ModelSource},
        stream::{
            Credentials, Service, StreamEngine,
            deepgram::{Deepgram, DeepgramSettings},
            dialect::Dialect,
            generic::Generic,
            iam::Tokens,
            session,
            watson::{Watson, WatsonSettings},
        },
    },
};

/// How long connections and answers of the identity service may take, and how large those are.
const HTTP: Limits =
    Limits { connect: Duration::from_secs(10), answer: Duration::from_secs(20), body: 1 << 20 };

/// Calls that may listen at once: more than any limit on calls.
const MAX_CALLS: usize = 1_000;

/// Starts the configured recogniser.
pub(super) async fn start(config: &Config, clock: Clock) -> Result<Arc<dyn Engine>, Failure> {
    let Config { speech, watson, deepgram, recogniser, .. } = config;
    // The configuration was checked: these are there.
    let needed = |key: &str| Failure::Usage(format!("{key} is empty, but speech.engine needs it"));
    let client = || Client::new(AddressPolicy::Any, HTTP).map_err(Failure::failed);
    let key = |key: &Option<Secret<String>>| key.clone();
    let (dialect, address, credentials): (Arc<dyn Dialect>, Url, Credentials) = match speech.engine
    {
        config::Engine::Local => return start_local(&config.speech).await,
        config::Engine::Watson => {
            let url = watson.url.clone().ok_or_else(|| needed("watson.url"))?.0;
            let api_key = key(&watson.api_key).ok_or_else(|| needed("watson.api_key"))?;
            let settings = WatsonSettings {
                url,
                model: watson.model.clone(),
                customization_id: watson.customization_id.clone(),
                learning_opt_out: watson.learning_opt_out,
                customer_id: watson.customer_id.clone(),
                parameters: WatsonSettings::parameters(&watson.parameters)
                    .map_err(|what| Failure::Usage(format!("watson.parameters {what}")))?,
            };
            let tokens = Tokens::new(watson.iam_url.0.clone(), api_key, client()?, clock);
            let dialect = Arc::new(Watson::new(&settings));
            (dialect, settings.address(), Credentials::Iam(Box::new(tokens)))
        }
        config::Engine::Deepgram => {
            let key = key(&deepgram.api_key).ok_or_else(|| needed("deepgram.api_key"))?;
            let settings = DeepgramSettings {
                url: deepgram.url.0.clone(),
                model: deepgram.model.clone(),
                language: deepgram.language.clone(),
            };
            let credentials = Credentials::Key { scheme: "Token", key };
            (Arc::new(Deepgram), settings.address(), credentials)
        }
        config::Engine::WebSocket => {
            let url = recogniser.url.clone().ok_or_else(|| needed("recogniser.url"))?.0;
            let credentials = match key(&recogniser.key) {
                Some(key) => Credentials::Key { scheme: "Bearer", key },
                None => Credentials::None,
            };
            (Arc::new(Generic), url, credentials)
        }
    };
    let fallback = match speech.fallback {
        true => Some(start_local(speech).await.map_err(|failure| match failure {
            Failure::Failed(why) => Failure::Failed(format!(
                "{why}; or set speech.fallback = false to do without the local recogniser"
            )),
            other => other,
        })?),
        false => None,
    };
    let service = Service {
        dialect,
        address,
        credentials,
        client: client()?,
        clock,
        limits: session::Limits {
            tape_ms: speech.queue_seconds.saturating_mul(1_000),
            ..session::Limits::default()
        },
        fallback,
        max_calls: MAX_CALLS,
    };
    Ok(Arc::new(StreamEngine::new(service, Handle::current())))
}

/// Starts the local recogniser.
async fn start_local(speech: &config::Speech) -> Result<Arc<dyn Engine>, Failure> {
    let speech = speech.clone();
    let engine = tokio::task::spawn_blocking(move || {
        let engine = LocalEngine::start(load_model(&speech)?, local_settings(&speech));
        engine.map_err(Failure::failed)
    });
    Ok(Arc::new(engine.await.map_err(Failure::failed)??))
}

/// Gets the model of the local recogniser into its directory, unless it is there and whole, and
/// returns that directory. `progress` hears bytes so far and in all.
pub(super) fn fetch_model(
    speech: &config::Speech,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PathBuf, Failure> {
    let (source, directory) = model_place(speech)?;
    let mut tell = |at: model::Progress| progress(at.bytes, at.total);
    let files = model::fetch(source, &directory, &mut tell).map_err(Failure::failed)?;
    Ok(files.directory)
}

/// The configured model, and where it is kept.
fn model_place(speech: &config::Speech) -> Result<(&'static ModelSource, PathBuf), Failure> {
    let source = model::SOURCES.into_iter().find(|source| source.name == speech.model);
    let source = source.ok_or_else(|| {
        Failure::Usage(format!("there is no model {}; see speech.model", speech.model))
    })?;
    let directory = speech.model_dir.clone().or_else(|| model::default_directory(source.name));
    let directory = directory.ok_or_else(|| {
        Failure::Usage("there is no home directory for the model; set speech.model_dir".to_owned())
    })?;
    Ok((source, directory))
}

/// The configured model, loaded.
pub(super) fn load_model(speech: &config::Speech) -> Result<Arc<Whisper>, Failure> {
    let (_, directory) = model_place(speech)?;
    if model::locate(&directory).is_none() {
        return Err(Failure::Failed(format!(
            "the speech model is not in {}; `phoneai model fetch` gets it",
            directory.display()
        )));
    }
    Whisper::load(&directory).map(Arc::new).map_err(Failure::failed)
}

pub(super) fn local_settings(speech: &config::Speech) -> LocalSettings {
    let default = LocalSettings::default();
    LocalSettings {
        workers: match speech.workers {
            0 => default.workers,
            workers => workers as usize,
        },
        hint: speech.hint.clone(),
        language: Some(speech.language.clone()).filter(|language| !language.is_empty()),
        max_queue_seconds: speech.queue_seconds,
        ..default
    }
}
