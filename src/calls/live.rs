//! What is going on right now, for whoever watches: the terminal, a page, a client.
//!
//! A watcher that is too slow loses events and is told how many; a call never waits for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;
use uuid::Uuid;

use super::history::{History, Past};
use crate::{crawl::tree::PromptKind, speech::CallMs};

/// Events that a slow watcher may lag behind before it loses some.
const BACKLOG: usize = 1024;

/// One thing that happened in a call.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LiveEvent {
    /// The call's id.
    pub call: uuid::Uuid,
    /// The number that was called.
    pub number: String,
    /// The scan that the call serves, if it does.
    pub scan: Option<i64>,
    /// When, on the call's clock.
    pub at_ms: CallMs,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The INVITE was sent.
    Dialling,
    /// A provisional response came.
    Progress {
        /// SIP status code, 100 to 199.
        status: u16,
    },
    /// The call was answered.
    Answered,
    /// Words were recognised.
    Words {
        /// The words.
        text: String,
        /// False while they may still change.
        is_final: bool,
    },
    /// A prompt is over and was understood.
    Prompt {
        /// Its number in the scan's tree; none if it was not stored.
        node: Option<u32>,
        /// What kind of prompt.
        kind: PromptKind,
        /// What was said.
        text: String,
        /// What it offers: keys and labels.
        options: Vec<(String, String)>,
        /// True if it was not known before.
        new: bool,
    },
    /// Keys were sent.
    Pressed {
        /// The keys.
        keys: String,
    },
    /// The call is over.
    Ended {
        /// Why, in one line.
        reason: String,
        /// SIP status code of the failure, if it failed.
        status: Option<u16>,
    },
    /// The scan's next call may not be placed yet.
    PutOff {
        /// Why, in one line.
        reason: String,
        /// When it is asked for again, in whole seconds from now.
        in_seconds: u64,
    },
    /// The scan is over: nothing is left to explore, or a limit was reached.
    ScanEnded {
        /// True if nothing is left to explore.
        complete: bool,
        /// Why, in one line.
        reason: String,
    },
}

/// The place where calls tell and watchers listen; copies are the same place.
#[derive(Clone, Debug)]
pub struct Live {
    events: broadcast::Sender<LiveEvent>,
    history: Arc<Mutex<History>>,
}

impl Live {
    /// A place with nobody in it.
    pub fn new() -> Self {
        Self { events: broadcast::Sender::new(BACKLOG), history: Arc::default() }
    }

    /// Tells all present watchers. Nobody listening is no error.
    pub fn tell(&self, event: LiveEvent) {
        // Kept before it is told: who is woken by it finds it.
        self.history.lock().unwrap_or_else(PoisonError::into_inner).note(&event);
        let _ = self.events.send(event);
    }

    /// What a call told after its event number `after`, 0 for all, as far as it is remembered;
    /// `None` if nothing is. Who watches first, and then looks here whenever something happened,
    /// misses nothing.
    pub fn past(&self, call: Uuid, after: u64) -> Option<Past> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).since(call, after)
    }

    /// Events from now on.
    pub fn watch(&self) -> broadcast::Receiver<LiveEvent> {
        self.events.subscribe()
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}
