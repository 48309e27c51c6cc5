//! Crawls a menu in virtual time: the simulated line, the detectors, the recogniser and the
//! navigator of a real call, without sockets, and no waiting. A crawl of ten minutes takes as long
//! as its recognition, and comes out the same whatever else the machine does.
//!
//! ```text
//! Line ─ sound ─ G.711 ─ frame ─┬─ speech, tones, who answered ─┐
//!   ▲                           └─ cutter ─ recogniser ─ delay ─┴─▶ Crawler ─ changes of the tree
//!   └─────────────────────────── keys ◀─────────────────────────────────┘
//! ```

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use phoneai::{
    calls::{
        answer::Answer,
        live::What,
        pilot::{Act, Heard, Pilot},
    },
    crawl::{
        driver::{Crawler, SharedPlan},
        navigator::Limits,
        tree::Tree,
    },
    simulator::{
        Business, Witnessed,
        line::{Action, Line, Stage},
    },
    speech::{
        CallMs, SpeechEvent, Transcript,
        activity::Level,
        cutter::{Cutter, Piece},
        local::{Context, Recogniser},
    },
};
use phoneai_clock::Clock;
use phoneai_media::{
    FRAME_MS, FRAME_SAMPLES, SILENCE, Samples,
    codec::g711,
    detect::{
        Detectors,
        silence::{SilenceDetector, SpeechChange},
    },
};
use phoneai_whisper::Workspace;

/// From the INVITE to the answer.
const RING_MS: CallMs = 1000;
/// From the far end's sound to our detectors: packets, the network, the jitter buffer.
const SOUND_MS: CallMs = 80;
/// From a key's tone to the far end that has understood it.
const KEY_MS: CallMs = 120;
/// What the recogniser takes for a piece whatever its length, and for each of its seconds; times
/// the load.
const DECODE_MS: f64 = 250.0;
const DECODE_PART: f64 = 0.05;
/// How often the recogniser tells how far it has come.
const PROGRESS_MS: CallMs = 500;
/// Calls in a row without news after which the scan is given up, the default of the service.
const MAX_BARREN: u32 = 10;

/// The recogniser of all menus, with what it has recognised before: calls hear the same again.
pub struct Shared {
    recogniser: Recogniser,
    known: Mutex<HashMap<u64, Transcript>>,
    /// How many times as long as on an idle machine recognition takes.
    load: f64,
}

impl Shared {
    /// A recogniser that has heard nothing yet.
    pub fn new(recogniser: Recogniser, load: f64) -> Self {
        Self { recogniser, known: Mutex::default(), load }
    }

    fn recognise(&self, piece: &Piece, before: &str, work: &mut Workspace) -> Transcript {
        let mut hasher = DefaultHasher::new();
        (&piece.samples, before).hash(&mut hasher);
        let key = hasher.finish();
        let known = |map: &HashMap<u64, Transcript>| map.get(&key).cloned();
        let found = known(&self.known.lock().unwrap_or_else(PoisonError::into_inner));
        // Times in the memory are from the piece's first sample.
        let mut transcript = found.unwrap_or_else(|| {
            let piece = Piece { from_ms: 0, samples: piece.samples.clone() };
            let transcript = self.recogniser.words_of_all(&piece, before, work);
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(key, transcript.clone());
            transcript
        });
        for word in &mut transcript.words {
            word.start_ms += piece.from_ms;
            word.end_ms += piece.from_ms;
        }
        transcript
    }

    fn decode_ms(&self, piece: &Piece) -> CallMs {
        let length = f64::from(piece.to_ms() - piece.from_ms);
        ((DECODE_MS + DECODE_PART * length) * self.load) as CallMs
    }
}

/// What a crawl has brought.
pub struct Crawled {
    pub tree: Tree,
    pub complete: bool,
    pub reason: String,
    pub calls: Vec<Witnessed>,
    /// What happened, for people.
    pub log: Vec<String>,
}

/// Calls until the tree is complete or nothing comes any more.
pub fn crawl(business: &Arc<Business>, shared: &Shared) -> Crawled {
    let mut crawled = Crawled {
        tree: Tree::default(),
        complete: false,
        reason: String::new(),
        calls: Vec::new(),
        log: Vec::new(),
    };
    let (mut barren, mut limits) = (0, Limits::default());
    while barren < MAX_BARREN {
        let plan = SharedPlan::new(crawled.tree.clone(), limits.clone());
        let crawler = Crawler::new(&plan, limits.clone());
        let mut call = Call::new(business, shared, crawler, &mut crawled);
        let seen = call.live();
        let Some(outcome) = call.pilot.outcome() else {
            crawled.reason = "a call has no outcome".to_owned();
            break;
        };
        crawled.calls.push(seen);
        limits.early_keys &= !outcome.ignores_early_keys;
        barren = if outcome.news { 0 } else { barren + 1 };
        crawled.reason = format!("{:?}", outcome.reason);
        if outcome.complete {
            crawled.complete = true;
            break;
        }
    }
    crawled
}

/// One call.
struct Call<'a> {
    shared: &'a Shared,
    pilot: Crawler,
    crawled: &'a mut Crawled,
    now: CallMs,
    zero: Instant,
    line: Line,
    player: Player,
    /// Keys that are on their way, by when they are understood; and when the last of them has left.
    keys: VecDeque<(CallMs, char)>,
    leaving: Option<(CallMs, phoneai::crawl::tree::Keys)>,
    ear: Option<Ear>,
    speech: SilenceDetector,
    sounds: Detectors,
    answer: Answer,
    seen: Witnessed,
    hung_up: bool,
    at: String,
}

impl<'a> Call<'a> {
    fn new(
        business: &Arc<Business>,
        shared: &'a Shared,
        pilot: Crawler,
        crawled: &'a mut Crawled,
    ) -> Self {
        let zero = Clock::real().now();
        let answered = zero + Duration::from_millis(RING_MS.into());
        Self {
            shared,
            pilot,
            crawled,
            now: RING_MS,
            zero,
            line: Line::new(answered, business.clone()),
            player: Player::default(),
            keys: VecDeque::new(),
            leaving: None,
            ear: Some(Ear::new()),
            speech: SilenceDetector::default(),
            sounds: Detectors::default(),
            answer: Answer::default(),
            seen: Witnessed {
                number: business.number.clone(),
                lasted: Duration::ZERO,
                answered: Duration::ZERO,
                after: Duration::ZERO,
                person: Duration::ZERO,
                way: String::new(),
            },
            hung_up: false,
            at: String::new(),
        }
    }

    /// Until there is an outcome and nobody speaks any more.
    fn live(&mut self) -> Witnessed {
        self.crawled.log.push(format!("-- call {}", self.crawled.calls.len() + 1));
        self.answer.handle_answered(self.now);
        self.tell(Heard::Answered);
        let mut ear = self.ear.take().unwrap_or_else(Ear::new);
        let mut gone = false;
        loop {
            if !gone && self.far_end() {
                gone = true;
                self.note("the line hangs up");
                self.tell(Heard::HungUp);
                ear.finish();
            }
            if !gone && !self.hung_up {
                self.hear(&mut ear);
            }
            while let Some(event) = ear.poll(self.shared, self.now) {
                if let SpeechEvent::Final(transcript) = &event {
                    self.note(&format!("heard {:?}", transcript.text()));
                }
                self.answer.handle_speech(self.now, &event);
                self.tell_party();
                self.pilot.handle(self.now, Heard::Speech(event));
                self.obey(&mut ear);
            }
            if let Some((at, keys)) = self.leaving.take_if(|(at, _)| *at <= self.now) {
                ear.flush();
                self.tell(Heard::KeysSent { keys, at });
            }
            if self.answer.poll_timeout().is_some_and(|due| due <= self.now) {
                self.answer.handle_timeout(self.now);
                self.tell_party();
            }
            if self.pilot.poll_timeout().is_some_and(|due| due <= self.now) {
                self.pilot.handle_timeout(self.now);
            }
            self.obey(&mut ear);
            if self.hung_up && !gone {
                gone = true;
                ear.finish();
            }
            if gone && (self.pilot.poll_timeout().is_none() || ear.is_done()) {
                break;
            }
            self.now += FRAME_MS;
        }
        self.pilot.handle(self.now, Heard::Closed);
        self.obey(&mut ear);
        self.seen.clone()
    }

    /// What the line does until now; true if it has hung up.
    fn far_end(&mut self) -> bool {
        let now = self.zero + Duration::from_millis(self.now.into());
        let frame = Duration::from_millis(FRAME_MS.into());
        match self.line.stage() {
            Stage::Menu => {}
            Stage::After => self.seen.after += frame,
            Stage::Person => self.seen.person += frame,
            Stage::Over => return true,
        }
        self.seen.answered += frame;
        while let Some((at, key)) = self.keys.front().copied().filter(|(at, _)| *at <= self.now) {
            self.keys.pop_front();
            self.crawled.log.push(format!("{at:>7}           far end hears {key}"));
            self.seen.way.push(' ');
            self.seen.way.push(key);
            self.line.handle_digit(now, key);
        }
        self.line.handle_timeout(now);
        let mut hung_up = false;
        while let Some(action) = self.line.poll_action() {
            match action {
                Action::Play { sound, repeat } => {
                    self.player = Player { sound: Some(sound), at: 0, repeat };
                    self.note(&format!("far end plays {:?} {}", self.line.stage(), self.line.at()));
                }
                Action::Stop => {
                    self.player = Player::default();
                    self.note("far end is silent");
                }
                Action::HangUp => hung_up = true,
            }
        }
        if self.at != self.line.at() {
            self.at = self.line.at().to_owned();
            self.seen.way.push(' ');
            self.seen.way.push_str(&self.at);
        }
        hung_up
    }

    /// Takes the frame that has just come.
    fn hear(&mut self, ear: &mut Ear) {
        let frame = self.player.frame();
        let at_ms = self.now.saturating_sub(SOUND_MS);
        ear.push(at_ms, &frame);
        match self.speech.push(at_ms, &frame) {
            Some(SpeechChange::Started { at_ms }) => {
                self.answer.handle_speech_started(self.now, at_ms);
                self.tell(Heard::SpeechStarted { at: at_ms });
            }
            Some(SpeechChange::Ended { at_ms }) => {
                self.answer.handle_speech_ended(self.now, at_ms);
                self.tell(Heard::SpeechEnded { at: at_ms });
            }
            None => {}
        }
        self.sounds.push(at_ms, &frame);
        while let Some(event) = self.sounds.poll_event() {
            self.note(&format!("sound {event:?}"));
            self.answer.handle_sound(self.now, &event);
            self.tell(Heard::Sound(event));
        }
        self.tell_party();
    }

    fn tell_party(&mut self) {
        if let Some(verdict) = self.answer.poll_verdict() {
            self.note(&format!("{verdict:?}"));
            self.tell(Heard::Party(verdict));
        }
    }

    fn tell(&mut self, heard: Heard) {
        if !self.hung_up {
            self.pilot.handle(self.now, heard);
        }
    }

    fn obey(&mut self, ear: &mut Ear) {
        while let Some(act) = self.pilot.poll() {
            match act {
                Act::Press { keys, slow } if !self.hung_up => {
                    self.note(&format!("presses {keys} slow {slow}"));
                    let tone = if slow { 400 } else { 200 };
                    let mut at = self.now;
                    for key in keys.as_str().chars() {
                        self.keys.push_back((at + KEY_MS, key));
                        at += tone;
                    }
                    self.leaving = Some((at, keys));
                }
                Act::Flush => ear.flush(),
                Act::Store(change) => {
                    if let Err(error) = self.crawled.tree.apply(change) {
                        self.note(&format!("bad change: {error}"));
                    }
                }
                Act::HangUp(why) => {
                    self.note(&format!("hangs up: {why}"));
                    self.hung_up = true;
                }
                Act::Tell(What::Prompt { node, kind, options, new, .. }) => {
                    self.note(&format!("prompt {node:?} {kind:?} new {new} {options:?}"));
                }
                // A single call waits for no other.
                Act::Wait(_)
                | Act::BeginPrompt { .. }
                | Act::EndPrompt { .. }
                | Act::Press { .. }
                | Act::Tell(_) => {}
            }
        }
    }

    fn note(&mut self, what: &str) {
        self.crawled.log.push(format!("{:>7} {what}", self.now));
    }
}

/// What the far end plays.
#[derive(Default)]
struct Player {
    sound: Option<Arc<[i16]>>,
    at: usize,
    repeat: bool,
}

impl Player {
    /// The next frame, as G.711 carries it.
    fn frame(&mut self) -> Samples {
        let mut frame = SILENCE;
        if let Some(sound) = &self.sound {
            for sample in &mut frame {
                if self.at >= sound.len() && self.repeat {
                    self.at = 0;
                }
                *sample = sound.get(self.at).copied().unwrap_or(0);
                self.at += 1;
            }
        }
        let mut payload = [0; FRAME_SAMPLES];
        g711::encode_ulaw(&frame, &mut payload);
        g711::decode_ulaw(&payload, &mut frame);
        frame
    }
}

/// The local recogniser with one worker for this call, and times by [`Shared::load`].
struct Ear {
    cutter: Cutter<Level>,
    context: Context,
    work: Workspace,
    queue: VecDeque<Piece>,
    /// The piece that is being recognised and when it is done.
    busy: Option<(Piece, CallMs)>,
    told: CallMs,
    events: VecDeque<SpeechEvent>,
    finished: bool,
}

impl Ear {
    fn new() -> Self {
        Self {
            cutter: Cutter::new(Level::new()),
            context: Context::default(),
            work: Workspace::default(),
            queue: VecDeque::new(),
            busy: None,
            told: 0,
            events: VecDeque::new(),
            finished: false,
        }
    }

    fn push(&mut self, at_ms: CallMs, frame: &Samples) {
        let queue = &mut self.queue;
        self.cutter.push(at_ms, frame, |piece| queue.push_back(piece));
    }

    fn flush(&mut self) {
        self.queue.extend(self.cutter.flush());
    }

    fn finish(&mut self) {
        if !self.finished {
            self.finished = true;
            self.queue.extend(self.cutter.finish());
        }
    }

    fn is_done(&self) -> bool {
        self.finished && self.queue.is_empty() && self.busy.is_none() && self.events.is_empty()
    }

    fn poll(&mut self, shared: &Shared, now: CallMs) -> Option<SpeechEvent> {
        if self.busy.is_none()
            && let Some(piece) = self.queue.pop_front()
        {
            let done = now + shared.decode_ms(&piece);
            self.busy = Some((piece, done));
        }
        if let Some((piece, _)) = self.busy.take_if(|(_, done)| *done <= now) {
            let before = self.context.before(&piece).to_owned();
            let transcript = shared.recognise(&piece, &before, &mut self.work);
            self.context.note(&transcript);
            if !transcript.words.is_empty() {
                self.events.push_back(SpeechEvent::Final(transcript));
            }
            self.told = 0;
        }
        let queued = self.queue.front().map(|piece| piece.from_ms);
        let busy = self.busy.as_ref().map(|(piece, _)| piece.from_ms);
        let until =
            [queued, busy, Some(self.cutter.settled_until())].into_iter().flatten().min()?;
        if until >= self.told + PROGRESS_MS {
            self.told = until;
            self.events.push_back(SpeechEvent::HeardUntil(until));
        }
        self.events.pop_front()
    }
}
