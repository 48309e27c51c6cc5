//! Speech to words: the interface that every recogniser serves, and the recognisers.
//!
//! Audio goes in as frames with their time on the call's clock; words come out with start, end and
//! confidence on the same clock. A recogniser may fail, lag or lose audio; it says so with a
//! [`SpeechEvent`] and never ends a call.

pub mod activity;
pub mod cutter;
pub mod local;
pub mod model;
pub mod scripted;
pub mod stream;
pub mod whole;

use tokio::sync::mpsc;

/// Milliseconds since the call's media began, the clock on which everything heard is placed.
pub type CallMs = u32;

/// One word and where it was said.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Word {
    /// As the recogniser writes it, without blanks around it; punctuation may be attached.
    pub text: String,
    /// Where the word begins.
    pub start_ms: CallMs,
    /// Where it ends; not before `start_ms`.
    pub end_ms: CallMs,
    /// Between 0 (a guess) and 1.
    pub confidence: f32,
}

/// What was recognised in one stretch of speech.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Transcript {
    /// The words in the order in which they were said.
    pub words: Vec<Word>,
    /// Mean confidence of the words, 0 when there are none.
    pub confidence: f32,
}

impl Transcript {
    /// The words joined by single blanks.
    pub fn text(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|w| w.text.as_str()).collect();
        words.join(" ")
    }
}

/// What a recogniser tells while it listens.
#[derive(Clone, Debug, PartialEq)]
pub enum SpeechEvent {
    /// Words of a stretch that is still being spoken; the next `Interim` or `Final` replaces them.
    Interim(Transcript),
    /// Words that will not change any more.
    Final(Transcript),
    /// Everything before this time has been recognised: no `Final` with earlier words follows.
    HeardUntil(CallMs),
    /// Audio was not recognised because the recogniser fell behind and its queue was full.
    Dropped {
        /// Where the lost audio begins.
        from_ms: CallMs,
        /// Where it ends.
        to_ms: CallMs,
    },
    /// The recogniser failed. The call goes on; words may be missing from here on.
    Failed {
        /// What went wrong and what to do, for the log and the call's record.
        message: String,
    },
}

/// The ear of one call. Owned by the task of the call; dropped or finished when the call ends.
pub trait Transcriber: Send {
    /// Takes the next frame of 8 kHz linear samples, heard at `at_ms`. Never blocks: when the
    /// recogniser cannot keep up, audio is dropped as its documentation states, and reported.
    fn push(&mut self, at_ms: CallMs, samples: &[i16]);

    /// Asks that what was pushed so far be recognised now, because something hangs on it; a
    /// `HeardUntil` that covers it will follow.
    fn flush(&mut self);

    /// No more audio will come. The remaining events follow, then the channel closes.
    fn finish(self: Box<Self>);
}

/// A speech recogniser that can listen to many calls at once.
pub trait Engine: Send + Sync {
    /// Starts listening to one call. `call` names it in logs.
    fn open(&self, call: &str) -> Result<Listening, SpeechError>;
}

/// The two ends of one call's recognition.
pub struct Listening {
    /// Where audio goes in.
    pub ear: Box<dyn Transcriber>,
    /// Where events come out, bounded; the engine waits or coalesces interims when it is full.
    pub events: mpsc::Receiver<SpeechEvent>,
}

/// Why a recogniser cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SpeechError {
    /// The model's files are missing, damaged or of another kind; the text says what to do.
    #[error("{0}")]
    Model(String),
    /// All places for calls are taken.
    #[error("the recogniser already listens to {0} calls, its limit")]
    Full(usize),
}
