//! The configuration: one TOML file, environment variables over it, defaults below it.
//!
//! `config/phoneai.toml` lists every setting with its default and a comment. Every setting
//! `key` of a section `[section]` can also be given as `PHONEAI_SECTION_KEY`, which wins over the
//! file. A value written as `${file:PATH}` or `${env:NAME}`, in either place, is read from there;
//! a relative `PATH` starts at the directory of the configuration file.
//!
//! Reading never stops at the first mistake: [`Config::check`] tells all of them, each with its
//! line and what to do. What a file says that nobody reads is a mistake too.

mod carrier;
mod crawl;
mod phones;
mod policy;
mod reader;
mod secret;
mod sections;
mod setting;
mod speech;

#[cfg(test)]
mod tests;

use std::{fmt, path::Path};

use self::reader::Reader;
pub(crate) use self::secret::same_bytes;
pub use self::{
    carrier::{Carrier, CarrierName, FLOWROUTE, Flowroute, Webhooks},
    crawl::{Crawl, KeyList},
    phones::{Digests, Extensions, TestNumbers},
    policy::Policy,
    reader::{Env, Mistake, Origin, Place, Severity, Shown},
    secret::Secret,
    sections::{Api, Log, LogFormat, Media, Recording, Simulator, Sip, Store, Transport, Trunk},
    setting::{HostPort, NotAHost},
    speech::{Deepgram, Engine, Recogniser, ServiceUrl, Speech, Watson},
};

/// The annotated example: every setting with its default.
pub const EXAMPLE: &str = include_str!("../../config/phoneai.toml");

/// A configuration file larger than this is another kind of file.
const MAX_FILE: u64 = 1024 * 1024;

/// Every setting, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The REST API.
    pub api: Api,
    /// Our own end of the signalling.
    pub sip: Sip,
    /// The carrier; without one no number can be called.
    pub trunk: Option<Trunk>,
    /// Phones that register with us.
    pub extensions: Extensions,
    /// Numbers that we answer ourselves.
    pub test_numbers: TestNumbers,
    /// Messages and numbers.
    pub carrier: Carrier,
    /// How Flowroute is reached.
    pub flowroute: Flowroute,
    /// What is told to clients' addresses.
    pub webhooks: Webhooks,
    /// Audio and keys.
    pub media: Media,
    /// Speech recognition.
    pub speech: Speech,
    /// IBM Watson.
    pub watson: Watson,
    /// Deepgram.
    pub deepgram: Deepgram,
    /// Anybody's own recogniser.
    pub recogniser: Recogniser,
    /// How numbers are called and menus explored.
    pub crawl: Crawl,
    /// Who may be called, when, and how often.
    pub policy: Policy,
    /// Where everything is kept.
    pub store: Store,
    /// Audio on disk.
    pub recording: Recording,
    /// What is written to standard error.
    pub log: Log,
    /// The simulated carrier.
    pub simulator: Simulator,
}

/// What was found in a file and the environment.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The settings; a default stands in the place of each that is wrong.
    pub config: Config,
    /// Every setting as it is in force, with its origin, in the order of the file.
    pub shown: Vec<Shown>,
    /// All mistakes, in the order of the lines.
    pub mistakes: Vec<Mistake>,
}

impl Config {
    /// Reads the file, if there is one, and the environment.
    ///
    /// # Errors
    ///
    /// All mistakes at once, if one of them is more than a warning.
    pub fn load(file: Option<&Path>, env: &Env) -> Result<Checked, Mistakes> {
        let checked = Self::check(file, env)?;
        if checked.mistakes.iter().any(|m| m.severity == Severity::Error) {
            return Err(Mistakes(checked.mistakes));
        }
        Ok(checked)
    }

    /// As [`Config::load`], but mistakes are part of the result.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn check(file: Option<&Path>, env: &Env) -> Result<Checked, Mistakes> {
        let text = match file {
            Some(path) => read_file(path).map_err(|what| {
                let place = Place::File { path: path.to_owned(), line: 1, column: 1 };
                let remedy = "name a readable TOML file with --config".to_owned();
                Mistakes(vec![Mistake { place, severity: Severity::Error, what, remedy }])
            })?,
            None => String::new(),
        };
        Ok(Self::check_text(file.unwrap_or(Path::new("")), &text, env))
    }

    /// As [`Config::check`] with the file's content; `path` is its name in messages and the place
    /// that `${file:…}` is relative to.
    pub fn check_text(path: &Path, text: &str, env: &Env) -> Checked {
        let mut reader = Reader::new(path, text, env);
        let config = Self {
            api: Api::read(&mut reader.section("api")),
            sip: Sip::read(&mut reader.section("sip")),
            trunk: Trunk::read(&mut reader.section("trunk")),
            extensions: Extensions::read(&mut reader.section("extensions")),
            test_numbers: TestNumbers::read(&mut reader.section("test_numbers")),
            carrier: Carrier::read(&mut reader.section("carrier")),
            flowroute: Flowroute::read(&mut reader.section("flowroute")),
            webhooks: Webhooks::read(&mut reader.section("webhooks")),
            media: Media::read(&mut reader.section("media")),
            speech: Speech::read(&mut reader.section("speech")),
            watson: Watson::read(&mut reader.section("watson")),
            deepgram: Deepgram::read(&mut reader.section("deepgram")),
            recogniser: Recogniser::read(&mut reader.section("recogniser")),
            crawl: Crawl::read(&mut reader.section("crawl")),
            policy: Policy::read(&mut reader.section("policy")),
            store: Store::read(&mut reader.section("store")),
            recording: Recording::read(&mut reader.section("recording")),
            log: Log::read(&mut reader.section("log")),
            simulator: Simulator::read(&mut reader.section("simulator")),
        };
        config.check_across(&mut reader);
        let (shown, mistakes) = reader.finish();
        Checked { config, shown, mistakes }
    }

    /// Rules between sections.
    fn check_across(&self, reader: &mut Reader<'_>) {
        let (places, calls) = (self.media.places(), self.crawl.max_concurrent_calls);
        if places < calls {
            reader.section("crawl").wrong(
                "max_concurrent_calls",
                format!("is {calls}, but media.port_min to media.port_max has room for {places}"),
                "widen the range to two ports for each call",
            );
        }
        self.check_carrier(reader);
        self.check_speech(reader);
        self.check_policy(reader);
        let bind = self.media.bind;
        if bind.is_some_and(|ip| ip.is_ipv4() != self.sip.listen.is_ipv4()) {
            reader.section("media").wrong(
                "bind",
                "and sip.listen are of different IP versions",
                "use IPv4 for both or IPv6 for both",
            );
        }
    }
}

impl Config {
    /// What a carrier needs is there.
    fn check_carrier(&self, reader: &mut Reader<'_>) {
        match self.carrier.name {
            CarrierName::None => {
                if !self.carrier.sms_from.is_empty() {
                    reader.section("carrier").wrong(
                        "sms_from",
                        "is set, but carrier.name is empty",
                        "write carrier.name = \"flowroute\"",
                    );
                }
            }
            CarrierName::Flowroute => {
                let mut missing = |section, key, remedy: &str| {
                    reader.section(section).wrong(key, "is empty, but a carrier is named", remedy);
                };
                if self.carrier.sms_from.is_empty() {
                    missing("carrier", "sms_from", "write a number of your account");
                }
                if self.flowroute.access_key.is_empty() {
                    missing("flowroute", "access_key", "write the key from the carrier's portal");
                }
                if self.flowroute.secret_key.is_none() {
                    let remedy = "write it as ${file:PATH} or set PHONEAI_FLOWROUTE_SECRET_KEY";
                    missing("flowroute", "secret_key", remedy);
                }
            }
        }
    }
}

impl Config {
    /// What the recogniser needs is there.
    fn check_speech(&self, reader: &mut Reader<'_>) {
        let mut missing = |section: &'static str, key: &str, remedy: &str| {
            let what = "is empty, but speech.engine needs it";
            reader.section(section).wrong(key, what, remedy);
        };
        match self.speech.engine {
            Engine::Local => {}
            Engine::Watson => {
                if self.watson.url.is_none() {
                    missing("watson", "url", "write the address that IBM's console shows");
                }
                if self.watson.api_key.is_none() {
                    let remedy = "write it as ${file:PATH} or set PHONEAI_WATSON_API_KEY";
                    missing("watson", "api_key", remedy);
                }
            }
            Engine::Deepgram => {
                if self.deepgram.api_key.is_none() {
                    let remedy = "write it as ${file:PATH} or set PHONEAI_DEEPGRAM_API_KEY";
                    missing("deepgram", "api_key", remedy);
                }
            }
            Engine::WebSocket => {
                if self.recogniser.url.is_none() {
                    missing("recogniser", "url", "write an address like \"ws://127.0.0.1:2700\"");
                }
            }
        }
    }
}

/// The file's text, or what is wrong with it.
fn read_file(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| format!("cannot be read: {e}"))?.len();
    if size > MAX_FILE {
        return Err(format!("has {size} bytes, more than the {MAX_FILE} of any configuration"));
    }
    let bytes = std::fs::read(path).map_err(|e| format!("cannot be read: {e}"))?;
    String::from_utf8(bytes)
        .map_err(|e| format!("is not UTF-8 text from byte {} on", e.utf8_error().valid_up_to()))
}

/// All mistakes of a configuration, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Mistake::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Mistakes {}
