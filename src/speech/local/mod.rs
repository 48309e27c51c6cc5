//! The recogniser that needs no one else's service: Whisper on this machine's processors.
//!
//! Each call has a cutter that finds phrases by the pauses between them. Phrases are recognised
//! by a fixed number of threads that share one copy of the model.

mod call;
mod context;
mod greeting;
mod place;
mod pool;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use phoneai_whisper::{Request, Token, Whisper, Workspace};

use super::{
    CallMs, Engine, Listening, SpeechError, SpeechEvent, Transcriber, Transcript,
    activity::Level,
    cutter::{Cutter, FRAME, Piece, RATE},
    whole,
};

use call::Call;
pub use context::Context;
use greeting::Greeting;
use pool::{Line, Pool, Recognise};

/// What phone menus say whoever they belong to. It names no business, department or product: a
/// hint must not contain what is to be recognised.
pub const DEFAULT_HINT: &str = "Thank you for calling. Please listen carefully, as our menu \
    options have changed. Press 1, press 2, press 3, press star, press pound. To repeat this \
    menu, press 9.";

/// How the local recogniser works.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalSettings {
    /// Threads that recognise, at least 1. One keeps up with about ten calls that speak all the
    /// time.
    pub workers: usize,
    /// A text in the style of what is expected, shown to the model before each piece. It steers
    /// how things are written ("press 1") and makes such words likelier. Empty for none.
    pub hint: String,
    /// Code of the language that is spoken; `None` lets a multilingual model choose for each
    /// piece.
    pub language: Option<String>,
    /// Audio of one call that may wait to be recognised, in seconds. When it is more, the oldest
    /// piece of the call is dropped and reported.
    pub max_queue_seconds: u32,
    /// Calls that may be open at once.
    pub max_calls: usize,
    /// Recognise the first phrases of a call while they are being said, as interim results: who
    /// answered is known sooner, at the price of two more passes a call.
    pub early_words: bool,
}

impl Default for LocalSettings {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: (processors / 2).max(1),
            hint: DEFAULT_HINT.to_owned(),
            language: Some("en".to_owned()),
            max_queue_seconds: 60,
            max_calls: 200,
            early_words: false,
        }
    }
}

/// Whisper for many calls at once. Its threads end when it is dropped; calls that are open then
/// are told that the recogniser failed.
pub struct LocalEngine {
    pool: Pool,
    places: Arc<AtomicUsize>,
    max_calls: usize,
    max_queue_samples: usize,
    early_words: bool,
}

impl LocalEngine {
    /// Starts the worker threads.
    pub fn start(model: Arc<Whisper>, settings: LocalSettings) -> Result<Self, SpeechError> {
        let recogniser = Recogniser::new(model, &settings)?;
        Self::with(Arc::new(recogniser), &settings)
    }

    fn with(recogniser: Arc<dyn Recognise>, settings: &LocalSettings) -> Result<Self, SpeechError> {
        let pool = Pool::start(recogniser, settings.workers).map_err(|e| {
            SpeechError::Model(format!("cannot start the recogniser's threads: {e}"))
        })?;
        Ok(Self {
            pool,
            places: Arc::default(),
            max_calls: settings.max_calls,
            max_queue_samples: settings.max_queue_seconds.max(1) as usize * RATE,
            early_words: settings.early_words,
        })
    }
}

impl Engine for LocalEngine {
    fn open(&self, call: &str) -> Result<Listening, SpeechError> {
        let place = Place::take(&self.places, self.max_calls)?;
        let (call, events) = Call::new(call, self.max_queue_samples);
        let (call, line) = (Arc::new(call), Arc::clone(self.pool.line()));
        let ear = LocalEar {
            cutter: Cutter::new(Level::new()),
            greeting: self.early_words.then(Greeting::default),
            call,
            line,
            _place: place,
        };
        Ok(Listening { ear: Box::new(ear), events })
    }
}

/// Recognises a whole recording: 8 kHz linear samples to the words of each piece (see [`whole`]),
/// placed in milliseconds from the first sample. Works on the calling thread.
pub fn transcribe(
    model: &Arc<Whisper>,
    settings: &LocalSettings,
    samples: &[i16],
) -> Result<Vec<Transcript>, SpeechError> {
    let recogniser = Recogniser::new(Arc::clone(model), settings)?;
    let (mut work, mut context) = (Workspace::default(), Context::default());
    let mut transcripts = Vec::new();
    for piece in whole::pieces(Level::new(), samples) {
        let transcript = recogniser.words_of_all(&piece, context.before(&piece), &mut work);
        context.note(&transcript);
        transcripts.extend((!transcript.words.is_empty()).then_some(transcript));
    }
    Ok(transcripts)
}

/// What a call with this sound would be told, and when, if recognising took no time: 8 kHz linear
/// samples from the beginning of the call. Works on the calling thread.
pub fn listen(
    model: &Arc<Whisper>,
    settings: &LocalSettings,
    samples: &[i16],
) -> Result<Vec<(CallMs, SpeechEvent)>, SpeechError> {
    let recogniser = Recogniser::new(Arc::clone(model), settings)?;
    let mut cutter = Cutter::new(Level::new());
    let (mut work, mut context) = (Workspace::default(), Context::default());
    let mut greeting = settings.early_words.then(Greeting::default);
    let mut told = Vec::new();
    let mut hear = |at_ms: CallMs, piece: &Piece, is_whole: bool| {
        let transcript = recogniser.words_of_all(piece, context.before(piece), &mut work);
        if transcript.words.is_empty() {
            return;
        }
        told.push((
            at_ms,
            if is_whole {
                context.note(&transcript);
                SpeechEvent::Final(transcript)
            } else {
                SpeechEvent::Interim(transcript)
            },
        ));
    };
    let mut at_ms: CallMs = 0;
    for frame in samples.chunks(FRAME) {
        let end_ms = at_ms.saturating_add((frame.len() / (RATE / 1000)) as u32);
        cutter.push(at_ms, frame, |piece| hear(end_ms, &piece, true));
        if let Some(piece) = greeting.as_mut().and_then(|greeting| greeting.look(&cutter)) {
            hear(end_ms, &piece, false);
        }
        at_ms = end_ms;
    }
    if let Some(piece) = cutter.finish() {
        hear(at_ms, &piece, true);
    }
    Ok(told)
}

/// The ear of one call.
struct LocalEar {
    cutter: Cutter<Level>,
    /// None if phrases are recognised only when they are over.
    greeting: Option<Greeting>,
    call: Arc<Call>,
    line: Arc<Line>,
    _place: Place,
}

impl LocalEar {
    fn hand_over(&self, pieces: Vec<Piece>) {
        let settled = self.cutter.settled_until();
        if self.call.hear(pieces, settled) && !self.line.join(Arc::clone(&self.call)) {
            self.call.fail("the recogniser was shut down");
        }
    }
}

impl Transcriber for LocalEar {
    fn push(&mut self, at_ms: CallMs, samples: &[i16]) {
        let mut pieces = Vec::new();
        self.cutter.push(at_ms, samples, |piece| pieces.push(piece));
        self.hand_over(pieces);
        if let Some(piece) = self.greeting.as_mut().and_then(|greeting| greeting.look(&self.cutter))
            && self.call.glance(piece)
            && !self.line.join(Arc::clone(&self.call))
        {
            self.call.fail("the recogniser was shut down");
        }
    }

    fn flush(&mut self) {
        let piece = self.cutter.flush();
        self.hand_over(piece.into_iter().collect());
    }

    fn finish(self: Box<Self>) {
        // Dropping it does the rest, so that an ear that is merely dropped ends well too.
    }
}

impl Drop for LocalEar {
    fn drop(&mut self) {
        let piece = self.cutter.finish();
        self.hand_over(piece.into_iter().collect());
        self.call.end_of_audio();
        if self.call.is_left_over() {
            self.line.deliver_later(Arc::clone(&self.call));
        }
    }
}

/// One of the places for open calls, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(places: &Arc<AtomicUsize>, limit: usize) -> Result<Self, SpeechError> {
        let next = |taken: usize| (taken < limit).then_some(taken + 1);
        match places.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            Ok(_) => Ok(Self(Arc::clone(places))),
            Err(_) => Err(SpeechError::Full(limit)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The model with what is the same for all pieces. Works on the calling thread.
pub struct Recogniser {
    model: Arc<Whisper>,
    hint: Vec<Token>,
    language: Option<String>,
}

impl Recogniser {
    /// A recogniser by these settings.
    ///
    /// # Errors
    /// If the model does not know the language.
    pub fn new(model: Arc<Whisper>, settings: &LocalSettings) -> Result<Self, SpeechError> {
        if let Some(wanted) = &settings.language
            && !model.languages().any(|code| code == wanted)
        {
            return Err(SpeechError::Model(format!(
                "the model does not know the language {wanted:?}; choose another model or leave \
                 the language out"
            )));
        }
        let hint = model.hint(&settings.hint);
        Ok(Self { model, hint, language: settings.language.clone() })
    }

    fn words(&self, piece: &Piece, before: &str, work: &mut Workspace) -> Transcript {
        let Piece { from_ms, samples } = piece;
        let mut hint = self.hint.clone();
        hint.extend(self.model.hint(before));
        let hint = self.model.fit_hint(&hint);
        let request = Request { samples, hint, language: self.language.as_deref() };
        let found = self.model.recognise(request, work);
        tracing::debug!(
            from_ms,
            to_ms = piece.to_ms(),
            passes = found.passes,
            no_speech = found.no_speech,
            mean_log_probability = found.mean_log_probability,
            words = found.words.len(),
            "A piece was recognised."
        );
        place::transcript(piece, found.words)
    }

    /// Recognises a piece, and its parts if the model has left out what is plainly to be heard: it
    /// now and then skips a whole sentence and is sure of the rest.
    pub fn words_of_all(&self, piece: &Piece, before: &str, work: &mut Workspace) -> Transcript {
        if place::is_only_tones(piece) {
            return Transcript::default();
        }
        let whole = self.words(piece, before, work);
        let Some(unheard) = place::unheard(piece, &whole) else { return whole };
        let (first, second) = place::split(piece, unheard.pause);
        let mut parts = self.words(&first, before, work);
        let between = format!("{before} {}", parts.text());
        let rest = self.words(&second, &between, work);
        let better = !parts.words.is_empty()
            && !rest.words.is_empty()
            && parts.words.len() + rest.words.len() > whole.words.len();
        tracing::debug!(
            from_ms = piece.from_ms,
            unheard_ms = unheard.length_ms,
            better,
            "Something was left out; the parts of the piece were recognised."
        );
        if !better {
            return whole;
        }
        let (one, other) = (parts.words.len() as f32, rest.words.len() as f32);
        parts.confidence = (parts.confidence * one + rest.confidence * other) / (one + other);
        parts.words.extend(rest.words);
        parts
    }
}

impl Recognise for Recogniser {
    fn recognise(
        &self,
        piece: &Piece,
        before: &str,
        work: &mut Workspace,
    ) -> Result<Transcript, String> {
        Ok(self.words_of_all(piece, before, work))
    }
}

#[cfg(test)]
mod tests;
