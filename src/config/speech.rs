//! The sections about who turns speech into words.

use std::path::PathBuf;

use url::Url;

use super::{
    reader::Section,
    secret::Secret,
    setting::{Setting, quoted, words},
};
use crate::speech::{
    local::DEFAULT_HINT,
    model::SOURCES,
    stream::{deepgram::DEEPGRAM, iam::IAM, watson::WatsonSettings},
};

/// Who turns speech into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The recogniser inside this program.
    Local,
    /// IBM Watson.
    Watson,
    /// Deepgram.
    Deepgram,
    /// Anybody's own, over a WebSocket.
    WebSocket,
}

words!(Engine {
    "local" => Local,
    "watson" => Watson,
    "deepgram" => Deepgram,
    "websocket" => WebSocket,
});

/// `[speech]`: speech recognition.
#[derive(Clone, Debug, PartialEq)]
pub struct Speech {
    /// Who recognises.
    pub engine: Engine,
    /// True if the local recogniser hears on when another one cannot be used.
    pub fallback: bool,
    /// The language that the local recogniser hears; empty: it finds out for each piece of speech.
    pub language: String,
    /// The model of the local recogniser.
    pub model: String,
    /// The directory of the model's files; `None` for one in the user's cache directory.
    pub model_dir: Option<PathBuf>,
    /// Threads that recognise; 0 for one on each two cores.
    pub workers: u32,
    /// Words that are likely, which the recogniser is told before it listens.
    pub hint: String,
    /// Seconds of audio that may wait for recognition in each call before some is dropped.
    pub queue_seconds: u32,
}

impl Default for Speech {
    fn default() -> Self {
        Self {
            engine: Engine::Local,
            fallback: true,
            language: "en".to_owned(),
            model: "tiny.en".to_owned(),
            model_dir: None,
            workers: 0,
            hint: DEFAULT_HINT.to_owned(),
            queue_seconds: 60,
        }
    }
}

impl Speech {
    /// Most characters of a hint: the recogniser reads at most 223 tokens of it.
    const MAX_HINT: usize = 600;

    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let speech = Self {
            engine: s.read("engine", default.engine),
            fallback: s.read("fallback", default.fallback),
            language: s.read("language", default.language),
            model: s.read("model", default.model),
            model_dir: s.read("model_dir", default.model_dir),
            workers: s.read_in("workers", default.workers, 0..=256),
            hint: s.read("hint", default.hint),
            queue_seconds: s.read_in("queue_seconds", default.queue_seconds, 5..=600),
        };
        let models = SOURCES.map(|source| format!("\"{}\"", source.name)).join(" or ");
        if !SOURCES.iter().any(|source| source.name == speech.model) {
            s.wrong("model", "is not a model that this build knows", format!("write {models}"));
        }
        if speech.model.ends_with(".en") && speech.language != "en" {
            let what = format!("is {:?}, but speech.model hears English only", speech.language);
            s.wrong("language", what, "write \"en\", or choose the model \"base\"");
        }
        let length = speech.hint.chars().count();
        if length > Self::MAX_HINT {
            let what =
                format!("has {length} characters, of which at most {} count", Self::MAX_HINT);
            s.wrong("hint", what, "shorten it to the words that matter most");
        }
        speech
    }
}

/// `[watson]`: IBM Watson Speech to Text.
#[derive(Clone, Debug, PartialEq)]
pub struct Watson {
    /// The address of the service's instance.
    pub url: Option<ServiceUrl>,
    /// The API key.
    pub api_key: Option<Secret<String>>,
    /// Where tokens are had for it.
    pub iam_url: ServiceUrl,
    /// The model.
    pub model: String,
    /// The id of a customised language model.
    pub customization_id: Option<String>,
    /// True if IBM may not keep what was said.
    pub learning_opt_out: bool,
    /// With which customer IBM shall associate the data.
    pub customer_id: Option<String>,
    /// Further parameters of `start`, as a JSON object.
    pub parameters: String,
}

impl Default for Watson {
    fn default() -> Self {
        Self {
            url: None,
            api_key: None,
            iam_url: ServiceUrl::constant(IAM),
            model: "en-US_Telephony".to_owned(),
            customization_id: None,
            learning_opt_out: false,
            customer_id: None,
            parameters: String::new(),
        }
    }
}

impl Watson {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let watson = Self {
            url: s.read("url", default.url),
            api_key: s.read("api_key", default.api_key),
            iam_url: s.read("iam_url", default.iam_url),
            model: s.read("model", default.model),
            customization_id: s.read("customization_id", default.customization_id),
            learning_opt_out: s.read("learning_opt_out", default.learning_opt_out),
            customer_id: s.read("customer_id", default.customer_id),
            parameters: s.read("parameters", default.parameters),
        };
        if let Err(what) = WatsonSettings::parameters(&watson.parameters) {
            let remedy = "write an object like '{\"sad_module\": 2}', or leave it empty";
            s.wrong("parameters", what, remedy);
        }
        watson
    }
}

/// `[deepgram]`: Deepgram.
#[derive(Clone, Debug, PartialEq)]
pub struct Deepgram {
    /// Where it is.
    pub url: ServiceUrl,
    /// The API key.
    pub api_key: Option<Secret<String>>,
    /// The model.
    pub model: String,
    /// The language.
    pub language: String,
}

impl Default for Deepgram {
    fn default() -> Self {
        Self {
            url: ServiceUrl::constant(DEEPGRAM),
            api_key: None,
            model: "nova-3".to_owned(),
            language: "en-US".to_owned(),
        }
    }
}

impl Deepgram {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        Self {
            url: s.read("url", default.url),
            api_key: s.read("api_key", default.api_key),
            model: s.read("model", default.model),
            language: s.read("language", default.language),
        }
    }
}

/// `[recogniser]`: anybody's own recogniser.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recogniser {
    /// Where it is.
    pub url: Option<ServiceUrl>,
    /// The key that is sent as `Authorization: Bearer`.
    pub key: Option<Secret<String>>,
}

impl Recogniser {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        Self { url: s.read("url", None), key: s.read("key", None) }
    }
}

/// The address of a service: for WebSockets `http` and `ws` are the same, as are `https` and `wss`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceUrl(pub Url);

impl ServiceUrl {
    /// An address that is written in this program.
    fn constant(text: &str) -> Self {
        #[allow(clippy::expect_used, reason = "a constant, read in a test")]
        Self(Url::parse(text).expect("a constant address is well written"))
    }
}

impl Setting for ServiceUrl {
    fn from_text(text: &str) -> Result<Self, String> {
        let form = || "an address like \"wss://speech.example.net/path\"".to_owned();
        let url = Url::parse(text).map_err(|_| form())?;
        let usable =
            matches!(url.scheme(), "http" | "https" | "ws" | "wss") && url.host().is_some();
        if usable { Ok(Self(url)) } else { Err(form()) }
    }

    fn to_toml(&self) -> String {
        quoted(self.0.as_str().trim_end_matches('/'))
    }
}
