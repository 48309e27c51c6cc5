//! One call at a recogniser that listens over a WebSocket, without sockets and clocks.
//!
//! ```text
//!  frames ─▶ tape ─▶ audio messages ─▶ service        a lost connection: wait, connect again, and
//!             ▲                           │           send the tape from the last final word on
//!             └── forget what is final ◀──┴─▶ words on the call's clock, and how far all is known
//! ```
//!
//! | state      | what happens                      | what is done                                   |
//! |------------|-----------------------------------|------------------------------------------------|
//! | Down       | its pause is over                 | `Connecting`: the driver is asked to connect   |
//! | Connecting | open                              | `Up`: greet, send the tape                     |
//! | Connecting | refused                           | by the fault's remedy: `Down`, or `Over`       |
//! | Up         | frames                            | send them each 100 ms                          |
//! | Up         | a flush is asked for, or nothing  | send `flush`; until it is answered, keep the   |
//! |            | came of what was said             | audio back if the service's times begin again  |
//! | Up         | it is ready after a flush         | all that was sent is recognised                |
//! | Up         | it does not answer, closes, fails | by the fault's remedy: `Down`, or `Over`       |
//! | Up         | no frames come                    | send silence in their place                    |
//! | any        | the call is over                  | send `finish`, wait for the last words; `Over` |
//!
//! A word is told once as final, whatever the service repeats after a new connection: what lies
//! before the end of the last final word is known already.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    dialect::{Dialect, Fault, HeardWord, Outgoing, Phrase, Remedy, Told},
    metrics::Counts,
    tape::Tape,
};
use crate::speech::{CallMs, SpeechEvent, Transcript, Word, cutter::FRAME_MS};

/// How long a session waits and tries.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Audio that is kept to be sent again, in milliseconds.
    pub tape_ms: CallMs,
    /// Connections in a row that may fail before the service is given up.
    pub attempts: u32,
    /// The first pause before connecting again; it doubles each time, and up to half of it is left
    /// out by chance, so that many calls do not come back at once.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long an answer may take: to the greeting, or to a flush.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tape_ms: 60_000,
            attempts: 6,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(8),
            answer: Duration::from_secs(10),
        }
    }
}

/// Audio of a message: 100 ms, as often as words can change.
const CHUNK_MS: CallMs = 100;
/// Most audio of a message, 2 s: 16 kB of µ-law, as IBM's own clients send.
const LONGEST_CHUNK_MS: CallMs = 2_000;
/// Beyond the silence that ends a phrase, words may take this long before they are asked for.
const LATE_MS: CallMs = 1_500;
/// Sound of which no word came for so long may be music: whether it is, a flush tells.
const WORDLESS_MS: CallMs = 10_000;
/// Sound that ends this soon after a final word belongs to it, breath or the end of a consonant:
/// services end a phrase after a longer silence, unless they are asked to.
const TAIL_MS: CallMs = 500;
/// Silence that is kept on the tape in front of what may come: the beginning of a word is soft.
const PREROLL_MS: CallMs = 1_000;
/// The activity detector tells sound from its second frame on.
const DETECTOR_MS: CallMs = 40;
/// A request is ended in a pause when it is this long: 45 min of µ-law are 21.6 of Watson's 100 MB.
const LONGEST_REQUEST_MS: CallMs = 45 * 60_000;
/// After so long without a frame silence is sent in its place. Frames that were only late are not
/// lost for it, and it is soon enough for Watson, which wants half of each 30 s.
const STARVED: Duration = Duration::from_secs(3);
/// So much of the time that has passed may still come as frames.
const LATE_FRAMES: Duration = Duration::from_secs(2);
/// Listeners are told how far all is known each time it is this much.
const TELL_EACH_MS: CallMs = 100;
/// Words of a service that does not say how sure it is.
const UNKNOWN_CONFIDENCE: f32 = 0.8;

/// One call at a service. See the module's documentation.
pub struct Session {
    dialect: Arc<dyn Dialect>,
    limits: Limits,
    dice: StdRng,
    tape: Tape,
    link: Link,
    /// No word before this will be told any more.
    settled: CallMs,
    /// The tape's beginning was silence until here, and was forgotten for that. A recogniser may
    /// have heard words in it all the same.
    quiet: CallMs,
    told_until: Option<CallMs>,
    /// Where the interim words begin that were told last, if no final ones replaced them.
    interim: Option<CallMs>,
    /// Until where words, interim ones too, were told.
    worded: CallMs,
    /// The words of all before this are to be asked for.
    flush_wanted: Option<CallMs>,
    ended: bool,
    failure: Option<String>,
    failed_attempts: u32,
    credentials_refused: bool,
    /// When the last frame came.
    fed_at: Option<(Instant, CallMs)>,
    out: VecDeque<Outgoing>,
    events: VecDeque<SpeechEvent>,
    counts: Counts,
}

#[derive(Debug)]
enum Link {
    Down { retry_at: Option<Instant> },
    Connecting,
    Up(Request),
    Over,
}

/// What is sent between a greeting or a flush and the next flush.
#[derive(Debug)]
struct Request {
    /// Where the service's time 0 lies on the call's clock.
    base: CallMs,
    /// Audio was sent up to here.
    sent: CallMs,
    /// All before this was answered by a flush.
    flushed: CallMs,
    is_ready: bool,
    opened: Instant,
    last_sent: Instant,
    awaiting: Option<Awaiting>,
}

#[derive(Clone, Copy, Debug)]
struct Awaiting {
    since: Instant,
    until: CallMs,
    is_last: bool,
}

impl Session {
    /// A call of which nothing was heard yet. `seed` decides its pauses.
    pub fn new(dialect: Arc<dyn Dialect>, limits: Limits, seed: u64) -> Self {
        Self {
            tape: Tape::new(limits.tape_ms),
            dialect,
            limits,
            dice: StdRng::seed_from_u64(seed),
            link: Link::Down { retry_at: None },
            settled: 0,
            quiet: 0,
            told_until: None,
            interim: None,
            worded: 0,
            flush_wanted: None,
            ended: false,
            failure: None,
            failed_attempts: 0,
            credentials_refused: false,
            fed_at: None,
            out: VecDeque::new(),
            events: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Takes a frame heard at `at_ms`.
    pub fn push(&mut self, now: Instant, at_ms: CallMs, samples: &[i16]) {
        if self.ended {
            return;
        }
        if self.fed_at.is_none() {
            self.settled = at_ms;
            if let Link::Down { retry_at } = &mut self.link {
                *retry_at = Some(now);
            }
        }
        self.tape.push(at_ms, samples);
        self.fed_at = Some((now, self.tape.ends()));
        self.advance(now);
    }

    /// Audio was lost before it came here.
    pub fn lost(&mut self, from_ms: CallMs, to_ms: CallMs) {
        self.events.push_back(SpeechEvent::Dropped { from_ms, to_ms });
    }

    /// Something hangs on the words of what was pushed so far.
    pub fn flush(&mut self, now: Instant) {
        self.flush_wanted = Some(self.tape.ends());
        self.advance(now);
    }

    /// No more audio will come.
    pub fn finish(&mut self, now: Instant) {
        self.ended = true;
        self.advance(now);
    }

    /// Whether to connect now; answer with [`Session::connected`] or [`Session::failed`].
    pub fn poll_connect(&mut self, now: Instant) -> bool {
        let due = matches!(self.link, Link::Down { retry_at: Some(at) } if at <= now);
        if due {
            self.link = Link::Connecting;
            self.counts.connections += 1;
        }
        due
    }

    /// True as long as the connection that was opened last is to be used.
    pub fn is_connected(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// The connection is open.
    pub fn connected(&mut self, now: Instant) {
        if !matches!(self.link, Link::Connecting) {
            return;
        }
        self.forget_what_is_gone();
        // What lies before the sound without words need not be heard again.
        let sound = self.tape.sound().map_or(self.tape.ends(), |sound| sound.start);
        let known = self.settled.max(sound.saturating_sub(PREROLL_MS));
        // Frames stay whole, as they came.
        let base = self.tape.begins().max(known / FRAME_MS * FRAME_MS);
        self.quiet = self.quiet.max(base);
        self.tape.forget_before(base);
        self.link = Link::Up(Request {
            base,
            sent: base,
            flushed: base,
            is_ready: false,
            opened: now,
            last_sent: now,
            awaiting: None,
        });
        self.out.clear();
        self.out.extend(self.dialect.greeting());
        self.advance(now);
    }

    /// A text message came.
    pub fn received(&mut self, now: Instant, text: &str) {
        self.counts.bytes_in += text.len() as u64;
        match self.dialect.read(text) {
            Ok(told) => {
                for told in told {
                    self.take(now, told);
                }
            }
            Err(fault) => self.failed(now, fault),
        }
        self.advance(now);
    }

    /// The connection was closed by the service, in good order.
    pub fn closed(&mut self, now: Instant, code: u16, reason: &str) {
        let waits_for_end = matches!(
            &self.link,
            Link::Up(Request { awaiting: Some(Awaiting { is_last: true, .. }), .. })
        );
        // RFC 6455 §7.4.1: 1000, what the connection was for is fulfilled.
        if waits_for_end && code == 1000 {
            self.ready(now);
            return;
        }
        let fault = self.dialect.closed(code, reason);
        self.failed(now, fault);
    }

    /// The connection was not opened, was lost, or is no good any more.
    pub fn failed(&mut self, now: Instant, fault: Fault) {
        let sent = match &self.link {
            Link::Up(request) => Some(request.sent),
            Link::Connecting => None,
            Link::Down { .. } | Link::Over => return,
        };
        self.counts.faults += 1;
        tracing::info!(
            service = self.dialect.name(),
            fault = fault.text,
            "Recognition was cut off."
        );
        self.out.clear();
        match fault.remedy {
            Remedy::GiveUp => return self.give_up(&fault.text),
            Remedy::NewCredentials if self.credentials_refused => {
                return self.give_up(&fault.text);
            }
            Remedy::NewCredentials => self.credentials_refused = true,
            Remedy::ReconnectAfterSilence => {
                if let Some(sent) = sent {
                    self.settle(sent, 0);
                }
            }
            Remedy::Reconnect => {}
        }
        self.failed_attempts += 1;
        if self.failed_attempts > self.limits.attempts {
            return self.give_up(&fault.text);
        }
        let doubled = 1_u32.checked_shl(self.failed_attempts - 1).unwrap_or(u32::MAX);
        let pause = self.limits.first_pause.saturating_mul(doubled).min(self.limits.longest_pause);
        let pause = pause.mul_f64(self.dice.random_range(0.5..=1.0));
        self.link = Link::Down { retry_at: Some(now + pause) };
        self.forget_what_is_gone();
        self.advance(now);
    }

    /// Takes note that time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some((at, heard)) = self.fed_at
            && !self.ended
            && now.saturating_duration_since(at) >= STARVED
        {
            // As far as the call must have come by now, less what may still be on its way.
            let gone = now.saturating_duration_since(at).saturating_sub(LATE_FRAMES);
            let gone = CallMs::try_from(gone.as_millis()).unwrap_or(CallMs::MAX);
            self.tape.silence_until(heard.saturating_add(gone));
        }
        let late = match &self.link {
            Link::Up(request) => {
                let waits = request.awaiting.map(|awaiting| awaiting.since).or_else(|| {
                    (self.dialect.says_ready() && !request.is_ready).then_some(request.opened)
                });
                waits.is_some_and(|since| now >= since + self.limits.answer)
            }
            Link::Down { .. } | Link::Connecting | Link::Over => false,
        };
        if late {
            let text = format!("no answer within {} s", self.limits.answer.as_secs());
            return self.failed(now, Fault::passing(text));
        }
        self.advance(now);
        if let Link::Up(request) = &mut self.link
            && let Some((after, message)) = self.dialect.keep_alive()
            && now >= request.last_sent + after
        {
            request.last_sent = now;
            self.out.push_back(message);
        }
    }

    /// When [`Session::handle_timeout`] or [`Session::poll_connect`] has something to do, if
    /// nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let starved = self.fed_at.filter(|_| !self.ended).map(|(at, heard)| {
            // Each chunk of silence when it is due.
            let written = self.tape.ends().saturating_sub(heard) + CHUNK_MS;
            at + STARVED + Duration::from_millis(written.into())
        });
        match &self.link {
            Link::Over => None,
            Link::Connecting => starved,
            Link::Down { retry_at } => [*retry_at, starved].into_iter().flatten().min(),
            Link::Up(request) => {
                let answer = match &request.awaiting {
                    Some(awaiting) => Some(awaiting.since + self.limits.answer),
                    None if self.dialect.says_ready() && !request.is_ready => {
                        Some(request.opened + self.limits.answer)
                    }
                    None => None,
                };
                let alive = self.dialect.keep_alive().map(|(after, _)| request.last_sent + after);
                [answer, alive, starved].into_iter().flatten().min()
            }
        }
    }

    /// The next message to the service.
    pub fn poll_transmit(&mut self) -> Option<Outgoing> {
        self.out.pop_front()
    }

    /// The next event for the call.
    pub fn poll_event(&mut self) -> Option<SpeechEvent> {
        self.events.pop_front()
    }

    /// True if nothing more will come of this session.
    pub fn is_over(&self) -> bool {
        matches!(self.link, Link::Over)
    }

    /// Why the service was given up, if it was.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// After a failure: the audio without final words, and where it begins.
    pub fn rest(&self) -> (CallMs, Vec<i16>) {
        let from = self.tape.begins().max(self.settled);
        (from, self.tape.samples(from, self.tape.ends()))
    }

    /// After a failure, if nobody else listens: tells that all that is not known is lost.
    pub fn tell_failure(&mut self) {
        let Some(why) = &self.failure else { return };
        let message = format!("{}: {why}", self.dialect.name());
        self.events.push_back(SpeechEvent::Failed { message });
        self.lose_until(self.tape.ends());
    }

    /// After a failure nobody listens to what is pushed.
    pub fn lose(&mut self, at_ms: CallMs, samples: usize) {
        let to = at_ms.saturating_add((samples / 8) as CallMs);
        self.lose_until(to);
    }

    fn lose_until(&mut self, to_ms: CallMs) {
        let from_ms = self.settled.max(self.quiet);
        if to_ms > from_ms {
            self.events.push_back(SpeechEvent::Dropped { from_ms, to_ms });
            self.settled = to_ms;
            self.told_until = Some(to_ms);
            self.events.push_back(SpeechEvent::HeardUntil(to_ms));
        }
    }

    /// Does what can be done now.
    fn advance(&mut self, now: Instant) {
        let is_behind = match &self.link {
            Link::Up(request) => self.tape.begins() > request.sent,
            Link::Down { .. } | Link::Connecting => true,
            Link::Over => return,
        };
        if is_behind {
            self.forget_what_is_gone();
        }
        self.want_flush();
        self.send(now);
        self.ask(now);
        self.forget_silence();
        self.tell_progress();
        let nothing_left = self.tape.sound().is_none() && self.interim.is_none();
        if self.ended && nothing_left && !matches!(self.link, Link::Up(_)) {
            self.over();
        }
    }

    fn over(&mut self) {
        self.link = Link::Over;
        self.settle(self.tape.ends(), 0);
        self.take_back();
        self.tell_progress();
    }

    /// The tape is full, and what it has forgotten was not recognised.
    fn forget_what_is_gone(&mut self) {
        let (known, from) = (self.settled.max(self.quiet), self.tape.begins());
        if from > known && self.fed_at.is_some() {
            self.counts.lost_ms += u64::from(from - known);
            self.events.push_back(SpeechEvent::Dropped { from_ms: known, to_ms: from });
            self.settle(from, 0);
        }
    }

    /// Sends what has gathered: up to where words are asked for, and nothing after that until they
    /// are told, if the service's times begin again then.
    fn send(&mut self, now: Instant) {
        let restarts = self.dialect.restarts();
        let Link::Up(request) = &mut self.link else { return };
        let all = self.tape.ends();
        let to = self.flush_wanted.filter(|_| !self.ended).map_or(all, |until| until.min(all));
        let hurry = self.flush_wanted.is_some() || self.ended;
        let held_back = request
            .awaiting
            .is_some_and(|awaiting| restarts || awaiting.is_last || self.flush_wanted.is_some());
        if held_back || (!hurry && to.saturating_sub(request.sent) < CHUNK_MS) {
            return;
        }
        while request.sent < to {
            let end = to.min(request.sent.saturating_add(LONGEST_CHUNK_MS));
            let mut samples = self.tape.samples(request.sent, end);
            // What the tape has forgotten meanwhile is silence, or later words had wrong times.
            let missing = ((end - request.sent) as usize * 8).saturating_sub(samples.len());
            samples.splice(0..0, std::iter::repeat_n(0, missing));
            let audio = self.dialect.audio(&samples);
            self.counts.bytes_out += audio.len() as u64;
            self.counts.audio_ms += u64::from(end - request.sent);
            self.out.push_back(Outgoing::Binary(audio));
            request.sent = end;
            request.last_sent = now;
        }
    }

    /// Decides whether the words of what was sent have to be asked for.
    fn want_flush(&mut self) {
        let Link::Up(request) = &self.link else { return };
        if self.flush_wanted.is_some() || request.awaiting.is_some() {
            return;
        }
        let to = self.tape.ends();
        let late = self.dialect.phrase_silence_ms().saturating_add(LATE_MS);
        let wanted = match self.tape.sound() {
            Some(sound) => {
                to.saturating_sub(sound.end) >= late
                    || to.saturating_sub(sound.start.max(self.worded)) >= WORDLESS_MS
            }
            None => {
                request.sent.saturating_sub(request.base) > LONGEST_REQUEST_MS
                    || (self.interim.is_some() && to.saturating_sub(self.worded) >= late)
            }
        };
        self.flush_wanted = wanted.then_some(to);
    }

    /// Asks for the words of what was sent, or for the last ones.
    fn ask(&mut self, now: Instant) {
        let Link::Up(request) = &mut self.link else { return };
        if request.awaiting.is_some() || (self.flush_wanted.is_none() && !self.ended) {
            return;
        }
        // That it is ready after the greeting could be taken for the answer to a flush.
        if self.dialect.says_ready() && !request.is_ready {
            return;
        }
        self.flush_wanted = None;
        let is_last = self.ended;
        if request.sent == request.flushed {
            // Nothing was sent since the last answer: nothing can be asked for.
            if is_last {
                self.over();
            }
            return;
        }
        let message = if is_last { self.dialect.finish() } else { self.dialect.flush() };
        self.out.push_back(message);
        request.awaiting = Some(Awaiting { since: now, until: request.sent, is_last });
    }

    fn take(&mut self, now: Instant, told: Told) {
        match told {
            Told::Phrase(phrase) => self.phrase(phrase),
            Told::Ready => self.ready(now),
            Told::Remark(text) => {
                tracing::info!(service = self.dialect.name(), text, "The recogniser has a remark.");
            }
            Told::Fault(fault) => self.failed(now, fault),
        }
    }

    fn ready(&mut self, now: Instant) {
        let restarts = self.dialect.restarts();
        let Link::Up(request) = &mut self.link else { return };
        request.is_ready = true;
        let Some(awaiting) = request.awaiting.take() else { return };
        request.flushed = awaiting.until;
        if restarts {
            request.base = awaiting.until;
        }
        self.worked();
        self.take_back();
        self.settle(awaiting.until, 0);
        if awaiting.is_last {
            self.over();
        }
        self.advance(now);
    }

    /// The service does what it should.
    fn worked(&mut self) {
        self.failed_attempts = 0;
        self.credentials_refused = false;
    }

    fn phrase(&mut self, phrase: Phrase) {
        let Link::Up(request) = &self.link else { return };
        let (base, asked) = (request.base, request.awaiting.map(|awaiting| awaiting.until));
        let words = self.placed(base, &phrase.words);
        let until = phrase.until_ms.map(|until| base.saturating_add(until));
        self.worked();
        if let Some(last) = words.last() {
            self.worded = self.worded.max(last.end_ms);
        }
        if !phrase.is_final {
            self.counts.interims += 1;
            match words.first() {
                Some(first) => {
                    self.interim = Some(first.start_ms);
                    self.events.push_back(SpeechEvent::Interim(transcript(words)));
                }
                None => self.take_back(),
            }
            return;
        }
        self.counts.finals += 1;
        let end = words.last().map(|word| word.end_ms);
        if let Some(end) = end {
            self.counts.latency.add(self.tape.ends().saturating_sub(end));
            self.interim = None;
            self.events.push_back(SpeechEvent::Final(transcript(words)));
        } else {
            self.take_back();
        }
        let settled = [end, until].into_iter().flatten().max();
        if let Some(settled) = settled {
            // Beyond where words were asked for there may be more.
            let tail = asked.map_or(TAIL_MS, |until| until.saturating_sub(settled).min(TAIL_MS));
            self.settle(settled.min(self.tape.ends()), tail);
        }
    }

    /// Words on the call's clock, without those that are known already.
    fn placed(&self, base: CallMs, heard: &[HeardWord]) -> Vec<Word> {
        // Of words without a place it is known only that they were said in what is not settled.
        let sound = self.tape.sound().unwrap_or(self.settled..self.tape.ends());
        let length = sound.end.saturating_sub(sound.start);
        let count = u32::try_from(heard.len()).unwrap_or(u32::MAX).max(1);
        let share = |n: u32| {
            let part = u64::from(length) * u64::from(n) / u64::from(count);
            sound.start.saturating_add(u32::try_from(part).unwrap_or(u32::MAX))
        };
        let mut end = 0;
        heard
            .iter()
            .zip(0_u32..)
            .filter_map(|(word, n)| {
                let (from, to) = match word.place {
                    Some((from, to)) => (base.saturating_add(from), base.saturating_add(to)),
                    None => (share(n), share(n + 1)),
                };
                let start_ms = from.max(end);
                let end_ms = to.max(start_ms);
                if start_ms.midpoint(end_ms) < self.settled {
                    return None;
                }
                end = end_ms;
                let confidence = word.confidence.filter(|c| c.is_finite());
                Some(Word {
                    text: word.text.clone(),
                    start_ms,
                    end_ms,
                    confidence: confidence.unwrap_or(UNKNOWN_CONFIDENCE).clamp(0.0, 1.0),
                })
            })
            .collect()
    }

    /// Nobody has said what was told as interim words.
    fn take_back(&mut self) {
        if self.interim.take().is_some() {
            self.events.push_back(SpeechEvent::Interim(Transcript::default()));
        }
    }

    /// Everything before this is known; so is sound that ends soon after it.
    fn settle(&mut self, at: CallMs, tail: CallMs) {
        if at > self.settled {
            self.settled = at;
            self.tape.forget_before(at / FRAME_MS * FRAME_MS);
            self.tape.forget_sound_before(at, tail);
        }
    }

    /// Where there is no sound there are no words: the tape need not keep it.
    fn forget_silence(&mut self) {
        if self.tape.sound().is_some() || self.interim.is_some() {
            return;
        }
        let mut until = self.tape.ends().saturating_sub(PREROLL_MS);
        if let Link::Up(request) = &self.link {
            until = until.min(request.sent);
        }
        self.quiet = self.quiet.max(until);
        self.tape.forget_before(until);
    }

    fn tell_progress(&mut self) {
        let quiet = self.tape.ends().saturating_sub(DETECTOR_MS);
        let sound = self.tape.sound().map_or(quiet, |sound| sound.start);
        let until = sound.min(self.interim.unwrap_or(CallMs::MAX)).max(self.settled);
        let least = if self.is_over() { 1 } else { TELL_EACH_MS };
        if self.told_until.is_none_or(|told| until >= told.saturating_add(least)) {
            self.told_until = Some(until);
            self.events.push_back(SpeechEvent::HeardUntil(until));
        }
    }

    fn give_up(&mut self, why: &str) {
        self.failure = Some(why.to_owned());
        self.counts.given_up = true;
        self.link = Link::Over;
        self.take_back();
    }
}

fn transcript(words: Vec<Word>) -> Transcript {
    let sum: f32 = words.iter().map(|word| word.confidence).sum();
    let confidence = if words.is_empty() { 0.0 } else { sum / words.len() as f32 };
    Transcript { words, confidence }
}

#[cfg(test)]
mod tests;
