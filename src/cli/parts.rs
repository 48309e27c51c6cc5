//! The command line's joints with the rest of the program: each function or type stands for one
//! part, so that commands say what they need and not how that part is built.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use phoneai_clock::Clock;

use super::output::Failure;
use crate::{
    config::{self, Config, Secret},
    crawl::{
        menu_text,
        tree::{MenuOption, PromptKind, Tree},
    },
    speech::Transcript,
    store::{Store, StoreError},
};

fn absent(part: &str) -> Failure {
    Failure::Failed(format!("{part} is not part of this build"))
}

/// The running service.
pub(super) struct Service(Infallible);

impl Service {
    /// Starts everything; when it returns, both addresses can be used.
    pub(super) async fn start(config: Config, clock: Clock) -> Result<Self, Failure> {
        let _ = (config, clock);
        Err(absent("the service"))
    }

    /// Where the REST API listens.
    pub(super) fn api_addr(&self) -> SocketAddr {
        match self.0 {}
    }

    /// Where SIP listens.
    pub(super) fn sip_addr(&self) -> SocketAddr {
        match self.0 {}
    }

    /// Hangs up all calls and ends.
    pub(super) async fn shutdown(self) {
        match self.0 {}
    }
}

/// Makes a token for the user `name` in the data directory.
pub(super) async fn create_token(
    data: &Path,
    name: &str,
    admin: bool,
) -> Result<Secret<String>, Failure> {
    let store = Store::open(data, Clock::real()).await.map_err(Failure::failed)?;
    let token = store.create_token(name, admin).await.map_err(Failure::failed)?;
    store.close().await;
    Ok(Secret::new(token))
}

/// The newest tree of a number in the data directory; `None` if nothing was heard there.
pub(super) async fn stored_tree(data: &Path, number: &str) -> Result<Option<Tree>, Failure> {
    if !data.is_dir() {
        return Err(Failure::Failed(format!("there is no data directory {}", data.display())));
    }
    let store = Store::open(data, Clock::real()).await.map_err(Failure::failed)?;
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
pub(super) fn render(tree: &Tree, number: &str, format: Format) -> Result<String, Failure> {
    let _ = (tree, number, format);
    Err(absent("the renderer"))
}

/// Gets the model of the local recogniser into its directory, unless it is there and right, and
/// returns that directory. `progress` hears
/// bytes so far and in all.
pub(super) fn fetch_model(
    speech: &config::Speech,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PathBuf, Failure> {
    let _ = (speech, progress);
    Err(absent("the model's download"))
}

/// The words of a recording, one transcript for each stretch of speech.
pub(super) struct Recogniser(Infallible);

impl Recogniser {
    /// Loads the model.
    pub(super) fn load(speech: &config::Speech) -> Result<Self, Failure> {
        let _ = speech;
        Err(absent("the recogniser"))
    }

    /// Recognises a whole WAV file.
    pub(super) fn transcribe(&self, file: &Path) -> Result<Vec<Transcript>, Failure> {
        let _ = file;
        match self.0 {}
    }
}

/// What a prompt's text says.
pub(super) fn understand(text: &str) -> (PromptKind, Vec<MenuOption>) {
    let understood = menu_text::understand_text(text);
    (understood.kind, understood.options)
}

/// The simulated carrier, running.
pub(super) struct Carrier(Infallible);

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
        let _ = (listen, menus, clock);
        Err(absent("the simulated carrier"))
    }

    /// Where its trunk listens.
    pub(super) fn addr(&self) -> SocketAddr {
        match self.0 {}
    }

    /// The trunk's settings for a service that calls through it.
    pub(super) fn trunk(&self) -> config::Trunk {
        match self.0 {}
    }

    /// What can be called.
    pub(super) fn samples(&self) -> Vec<Sample> {
        match self.0 {}
    }

    /// How a tree differs from what a crawl of this number should find, a line each.
    pub(super) fn differences(&self, number: &str, tree: &Tree) -> Vec<String> {
        let _ = (number, tree);
        match self.0 {}
    }

    /// Ends it.
    pub(super) async fn shutdown(self) {
        match self.0 {}
    }
}
