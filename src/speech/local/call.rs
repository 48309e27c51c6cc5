//! One call at the recogniser: its pieces that wait, and its events on their way out.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc::{self, error::TrySendError};

use crate::speech::{CallMs, SpeechEvent, Transcript, cutter::Piece};

use super::context::Context;

/// Events that wait in the channel for their listener.
pub const CHANNEL: usize = 256;

/// Events that wait behind a full channel. When there are so many, no more of the call's pieces
/// are recognised until the listener takes some; its queue then drops the oldest.
const OUTBOX: usize = 256;

/// Through silence, listeners are told how far the ear has come each time it is this much.
const TELL_EACH_MS: u32 = 100;

/// What the ear and the workers share of one call. Each holds its lock for a moment only.
pub struct Call {
    name: String,
    most_queued: usize,
    state: Mutex<State>,
}

/// What a worker is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The audio.
    pub piece: Piece,
    /// False if more will be said of it: its words are an interim result.
    pub is_whole: bool,
}

struct State {
    queue: VecDeque<Task>,
    /// Samples in `queue`.
    queued: usize,
    /// Where the piece begins that a worker has.
    busy_from: Option<CallMs>,
    /// True while the call stands in the line or a worker has a piece of it.
    in_line: bool,
    /// No piece that the ear will cut begins before this.
    settled: CallMs,
    /// The last time that was told.
    told: Option<CallMs>,
    outbox: VecDeque<SpeechEvent>,
    /// Closed when everything was delivered after the ear has ended.
    events: Option<mpsc::Sender<SpeechEvent>>,
    ended: bool,
    failed: bool,
    context: Context,
    /// Words were told that no final result has replaced yet.
    interim: bool,
}

impl Call {
    /// A call that has heard nothing, whose queue holds at most `most_queued` samples.
    pub fn new(name: &str, most_queued: usize) -> (Self, mpsc::Receiver<SpeechEvent>) {
        let (events, receiver) = mpsc::channel(CHANNEL);
        let state = State {
            queue: VecDeque::new(),
            queued: 0,
            busy_from: None,
            in_line: false,
            settled: 0,
            told: None,
            outbox: VecDeque::new(),
            events: Some(events),
            ended: false,
            failed: false,
            context: Context::default(),
            interim: false,
        };
        (Self { name: name.to_owned(), most_queued, state: Mutex::new(state) }, receiver)
    }

    /// The name in logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes what the ear has cut, and how far it has come. True if the call has to join the
    /// line.
    ///
    /// When the queue is full the oldest pieces are dropped: what was said last decides which
    /// key is pressed next.
    pub fn hear(&self, pieces: Vec<Piece>, settled: CallMs) -> bool {
        let mut state = self.lock();
        for piece in pieces {
            state.queued += piece.samples.len();
            state.queue.push_back(Task { piece, is_whole: true });
        }
        while state.queued > self.most_queued && state.queue.len() > 1 {
            let Some(Task { piece, is_whole }) = state.queue.pop_front() else { break };
            state.queued = state.queued.saturating_sub(piece.samples.len());
            if !is_whole {
                continue;
            }
            tracing::warn!(
                call = self.name,
                from_ms = piece.from_ms,
                to_ms = piece.to_ms(),
                "Recognition fell behind; the oldest piece was dropped."
            );
            state.tell(SpeechEvent::Dropped { from_ms: piece.from_ms, to_ms: piece.to_ms() });
        }
        state.settled = state.settled.max(settled);
        state.tell_progress(TELL_EACH_MS);
        state.deliver();
        state.wants_worker()
    }

    /// Takes the beginning of a piece, to be recognised now if no other waits: who answered shows
    /// in the first words. True if the call has to join the line.
    pub fn glance(&self, piece: Piece) -> bool {
        let mut state = self.lock();
        if !state.is_idle() {
            return false;
        }
        state.queued += piece.samples.len();
        state.queue.push_back(Task { piece, is_whole: false });
        state.wants_worker()
    }

    /// No more audio comes.
    pub fn end_of_audio(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.tell_progress(1);
        state.deliver();
    }

    /// Takes the next piece for a worker, and what was said just before it; `None` if there is
    /// nothing to do.
    pub fn begin(&self) -> Option<(Task, String)> {
        let mut state = self.lock();
        if state.events.as_ref().is_none_or(mpsc::Sender::is_closed) {
            state.abandon();
        }
        let task = state.queue.pop_front();
        match &task {
            Some(Task { piece, .. }) => {
                state.queued = state.queued.saturating_sub(piece.samples.len());
                state.busy_from = Some(piece.from_ms);
            }
            None => {
                state.in_line = false;
                state.deliver();
            }
        }
        let task = task?;
        let before = state.context.before(&task.piece).to_owned();
        Some((task, before))
    }

    /// Takes what a worker made of a piece. True if the call has to join the line again.
    pub fn end(&self, task: &Task, result: Result<Transcript, String>) -> bool {
        let Task { piece, is_whole } = task;
        let mut state = self.lock();
        state.busy_from = None;
        match result {
            // The whole piece will be tried too, and say so if it fails.
            Err(_) if !is_whole => {}
            Ok(transcript) if !is_whole && transcript.words.is_empty() => {}
            Ok(transcript) if !is_whole => {
                state.interim = true;
                state.tell(SpeechEvent::Interim(transcript));
            }
            Ok(transcript) if transcript.words.is_empty() => state.take_back(),
            Ok(transcript) => {
                state.interim = false;
                state.context.note(&transcript);
                state.tell(SpeechEvent::Final(transcript));
            }
            Err(message) => {
                state.take_back();
                state.tell(SpeechEvent::Failed { message });
                let (from_ms, to_ms) = (piece.from_ms, piece.to_ms());
                state.tell(SpeechEvent::Dropped { from_ms, to_ms });
            }
        }
        state.tell_progress(1);
        state.in_line = false;
        state.deliver();
        state.wants_worker()
    }

    /// Nothing will be recognised any more.
    pub fn fail(&self, message: &str) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.failed, true) {
            state.tell(SpeechEvent::Failed { message: message.to_owned() });
        }
        state.abandon();
        state.tell_progress(1);
        state.deliver();
    }

    /// Hands out what the listener has room for. True if the call has to join the line because
    /// the listener has made room.
    pub fn deliver(&self) -> bool {
        let mut state = self.lock();
        state.deliver();
        state.wants_worker()
    }

    /// Whether the call has ended, but something is left of it that no worker has: its listener
    /// has no room.
    pub fn is_left_over(&self) -> bool {
        let state = self.lock();
        state.ended && !state.in_line && state.events.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is kept whole by every method, and none of them can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.busy_from.is_none()
    }

    /// Decides whether the call joins the line, and notes that it does.
    fn wants_worker(&mut self) -> bool {
        let wants = !self.in_line && !self.queue.is_empty() && self.outbox.len() < OUTBOX;
        self.in_line |= wants;
        wants
    }

    /// Everything before this has been recognised or given up.
    fn heard_until(&self) -> CallMs {
        let queued = self.queue.front().map(|task| task.piece.from_ms);
        [self.busy_from, queued, Some(self.settled)].into_iter().flatten().min().unwrap_or(0)
    }

    /// Nobody has said what was told as an interim result.
    fn take_back(&mut self) {
        if std::mem::take(&mut self.interim) {
            self.tell(SpeechEvent::Interim(Transcript::default()));
        }
    }

    fn tell_progress(&mut self, least: u32) {
        let until = self.heard_until();
        if self.told.is_none_or(|told| until >= told.saturating_add(least)) {
            self.told = Some(until);
            self.tell(SpeechEvent::HeardUntil(until));
        }
    }

    /// Puts an event into the outbox. What a later one says as well is merged with it; if nobody
    /// has listened for hundreds of pieces, what was dropped becomes one stretch, and nothing
    /// else is told.
    fn tell(&mut self, event: SpeechEvent) {
        let full = self.outbox.len() >= 2 * OUTBOX;
        let mut latest = self.outbox.iter_mut().rev().take(if full { usize::MAX } else { 1 });
        let merged = match event {
            SpeechEvent::HeardUntil(new) => latest.any(|event| match event {
                SpeechEvent::HeardUntil(old) => {
                    *old = new;
                    true
                }
                _ => false,
            }),
            SpeechEvent::Dropped { to_ms: new, .. } => latest.any(|event| match event {
                SpeechEvent::Dropped { to_ms, .. } => {
                    *to_ms = new;
                    true
                }
                _ => false,
            }),
            SpeechEvent::Interim(_) | SpeechEvent::Final(_) | SpeechEvent::Failed { .. } => false,
        };
        if !merged && !full {
            self.outbox.push_back(event);
        }
    }

    /// Hands out what the listener has room for. Closes the channel after the last event.
    fn deliver(&mut self) {
        while let (Some(events), Some(event)) = (&self.events, self.outbox.pop_front()) {
            match events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.outbox.push_front(event);
                    return;
                }
                Err(TrySendError::Closed(_)) => self.abandon(),
            }
        }
        if self.ended && self.is_idle() {
            self.events = None;
        }
    }

    /// Nobody listens, or nobody will recognise: what waits is let go.
    fn abandon(&mut self) {
        self.queue.clear();
        self.queued = 0;
        if self.events.as_ref().is_none_or(mpsc::Sender::is_closed) {
            self.outbox.clear();
        }
    }
}
