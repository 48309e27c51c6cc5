//! Recognisers that listen over a WebSocket: IBM Watson, Deepgram, and anybody's own.
//!
//! ```text
//!  call ─ frames ─▶ task of the call ─ Session ─ Dialect ─▶ WebSocket ─▶ service
//!       ◀─ events ─┘     │ given up, with a fallback: the rest goes to another engine
//! ```
//!
//! What decides is a [`session::Session`], which knows neither sockets nor clocks; how the services
//! differ is a [`dialect::Dialect`]. A service that cannot be used (wrong key, wrong address, too
//! many failures in a row) is *given up* for the call: with a fallback, the audio without final
//! words and all that follows go to that engine, and the call notices nothing; without one, the call
//! is told [`SpeechEvent::Failed`](super::SpeechEvent::Failed) and goes on. The next call tries the
//! service again.

pub mod deepgram;
pub mod dialect;
mod driver;
pub mod generic;
pub mod iam;
pub mod metrics;
pub mod session;
mod tape;
pub mod watson;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use phoneai_clock::Clock;
use tokio::{runtime::Handle, sync::mpsc};
use url::Url;

use super::{CallMs, Engine, Listening, SpeechError, Transcriber};
use crate::{config::Secret, http::Client};
use dialect::Dialect;
use iam::Tokens;
use metrics::{Metrics, Totals};
use session::Limits;

/// How we prove who we are.
pub enum Credentials {
    /// Not at all.
    None,
    /// A key in the header `Authorization`, behind this word.
    Key {
        /// `Bearer`, or what else the service expects.
        scheme: &'static str,
        /// The key.
        key: Secret<String>,
    },
    /// Tokens of IBM's identity service.
    Iam(Box<Tokens>),
}

/// A service that recognises speech.
pub struct Service {
    /// Its messages.
    pub dialect: Arc<dyn Dialect>,
    /// Where it is: `http`, `https`, `ws` or `wss`.
    pub address: Url,
    /// Who we are.
    pub credentials: Credentials,
    /// How it is connected to.
    pub client: Client,
    /// The clock of the calls.
    pub clock: Clock,
    /// How long is waited and tried.
    pub limits: Limits,
    /// Who listens when it cannot be used.
    pub fallback: Option<Arc<dyn Engine>>,
    /// Calls that may be open at once.
    pub max_calls: usize,
}

/// An engine that has a service recognise.
pub struct StreamEngine {
    service: Arc<Service>,
    metrics: Arc<Metrics>,
    open: Arc<AtomicUsize>,
    runtime: Handle,
}

/// Frames that may wait for the task of a call, which takes them at once unless it cannot write to
/// its connection: 20 s.
const WAITING_FRAMES: usize = 1_000;
/// Events that may wait for their listener in the channel.
const CHANNEL: usize = 256;

impl StreamEngine {
    /// An engine whose tasks run on `runtime`.
    pub fn new(service: Service, runtime: Handle) -> Self {
        Self { service: Arc::new(service), metrics: Arc::default(), open: Arc::default(), runtime }
    }

    /// What was counted of the calls that have ended.
    pub fn totals(&self) -> Totals {
        self.metrics.totals()
    }
}

impl Engine for StreamEngine {
    fn open(&self, call: &str) -> Result<Listening, SpeechError> {
        let most = self.service.max_calls;
        let next = |open: usize| (open < most).then_some(open + 1);
        self.open
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
            .map_err(|_| SpeechError::Full(most))?;
        let place = Place(Arc::clone(&self.open));
        let (sender, frames) = mpsc::channel(WAITING_FRAMES);
        let (listener, events) = mpsc::channel(CHANNEL);
        let task = driver::Task {
            service: Arc::clone(&self.service),
            metrics: Arc::clone(&self.metrics),
            call: call.to_owned(),
            frames,
            listener,
        };
        self.runtime.spawn(async move {
            task.run().await;
            drop(place);
        });
        Ok(Listening { ear: Box::new(Ear { sender, lost: None }), events })
    }
}

/// One of the places for open calls, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What the ear hands to the task of its call.
enum Heard {
    Frame { at_ms: CallMs, samples: Vec<i16> },
    Lost { from_ms: CallMs, to_ms: CallMs },
    Flush,
}

/// The ear of a call. Dropping it tells the task that the call is over.
struct Ear {
    sender: mpsc::Sender<Heard>,
    /// Frames for which there was no room.
    lost: Option<(CallMs, CallMs)>,
}

impl Transcriber for Ear {
    fn push(&mut self, at_ms: CallMs, samples: &[i16]) {
        if let Some((from_ms, to_ms)) = self.lost
            && self.sender.try_send(Heard::Lost { from_ms, to_ms }).is_ok()
        {
            self.lost = None;
        }
        let frame = Heard::Frame { at_ms, samples: samples.to_vec() };
        if self.lost.is_some() || self.sender.try_send(frame).is_err() {
            let to_ms = at_ms.saturating_add((samples.len() / 8) as CallMs);
            self.lost = Some((self.lost.map_or(at_ms, |(from, _)| from), to_ms));
        }
    }

    fn flush(&mut self) {
        // If there is no room, the task is stuck, and a flush would not help.
        let _ = self.sender.try_send(Heard::Flush);
    }

    fn finish(self: Box<Self>) {}
}
