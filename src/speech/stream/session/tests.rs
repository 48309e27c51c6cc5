//! A session against services that behave and misbehave, in virtual time.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use phoneai_clock::Clock;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Limits, Session};
use crate::speech::{
    CallMs, SpeechEvent, Word,
    stream::{
        dialect::{Dialect, Fault, Outgoing, Remedy},
        generic::Generic,
        watson::{Watson, WatsonSettings},
    },
};

/// What is said in a call: word number `n` is sound of a pitch of its own from `from` to `to`.
#[derive(Clone, Debug)]
struct Script {
    words: Vec<(CallMs, CallMs)>,
    length: CallMs,
}

impl Script {
    /// Phrases of words of 300 ms, with pauses of 1.2 s between phrases.
    fn phrases(lengths: &[usize]) -> Self {
        let (mut words, mut at) = (Vec::new(), 500);
        for length in lengths {
            for _ in 0..*length {
                words.push((at, at + 300));
                at += 320;
            }
            at += 1_200;
        }
        Self { words, length: at + 3_000 }
    }

    /// A frame: word `n` has samples of ±(1000 + 40 n).
    fn frame(&self, at_ms: CallMs) -> [i16; 160] {
        let word = self.words.iter().position(|(from, to)| (*from..*to).contains(&at_ms));
        let mut frame = [0; 160];
        if let Some(n) = word {
            for (i, sample) in frame.iter_mut().enumerate() {
                let level = 1_000 + 40 * n as i16;
                *sample = if i % 16 < 8 { level } else { -level };
            }
        }
        frame
    }
}

/// A service that speaks the generic protocol and recognises what a [`Script`] says from its sound.
#[derive(Default)]
struct Service {
    /// Words heard on this connection: number, start and end in ms of the connection.
    open: Vec<(usize, u32, u32)>,
    told: usize,
    heard_ms: u32,
    silent_ms: u32,
    done: usize,
    answers: VecDeque<String>,
}

impl Service {
    fn take(&mut self, message: Outgoing) {
        match message {
            Outgoing::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                match message["type"].as_str().unwrap() {
                    "start" => assert_eq!(self.heard_ms, 0, "start comes first, and once"),
                    "flush" | "finish" => {
                        self.finalize();
                        self.answers.push_back(json!({"type": "done"}).to_string());
                        self.done += 1;
                    }
                    other => panic!("{other}"),
                }
            }
            Outgoing::Binary(bytes) => {
                for frame in bytes.chunks(16) {
                    let sample = frame.chunks_exact(2).next().unwrap();
                    let level = i16::from_le_bytes([sample[0], sample[1]]).unsigned_abs();
                    self.hear(level);
                }
            }
        }
    }

    /// One millisecond.
    fn hear(&mut self, level: u16) {
        let at = self.heard_ms;
        self.heard_ms += 1;
        if level < 1_000 {
            self.silent_ms += 1;
            if self.silent_ms == 700 {
                self.finalize();
            }
            return;
        }
        self.silent_ms = 0;
        let n = usize::from(level - 1_000) / 40;
        match self.open.last_mut() {
            Some((last, _, to)) if *last == n => *to = at + 1,
            Some(_) | None => {
                self.open.push((n, at, at + 1));
                self.say(false, self.told);
            }
        }
    }

    fn finalize(&mut self) {
        if self.told < self.open.len() {
            self.say(true, self.told);
            self.told = self.open.len();
        }
    }

    fn say(&mut self, is_final: bool, from: usize) {
        let seconds = |ms: u32| f64::from(ms) / 1_000.0;
        let words: Vec<Value> = self.open[from..]
            .iter()
            .map(|(n, from, to)| {
                json!({"text": format!("w{n}"), "start": seconds(*from), "end": seconds(*to)})
            })
            .collect();
        let message = json!({"type": "words", "final": is_final, "words": words});
        self.answers.push_back(message.to_string());
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
struct Trouble {
    /// Connections are cut after so many bytes of audio each.
    cuts: Vec<usize>,
    /// So many connections are refused first.
    refused: u32,
    /// Milliseconds from the audio to its words.
    delay: u32,
    /// A flush is asked for at these times.
    flushes: Vec<CallMs>,
    /// No frames come in these stretches.
    gaps: Vec<(CallMs, CallMs)>,
}

impl Trouble {
    fn none() -> Self {
        Self { cuts: vec![], refused: 0, delay: 200, flushes: vec![], gaps: vec![] }
    }
}

/// A call through it, to the end; all events with the call's time.
fn live(script: &Script, trouble: &Trouble, seed: u64) -> (Session, Vec<(CallMs, SpeechEvent)>) {
    let zero = Clock::real().now();
    let now = |ms: u32| zero + Duration::from_millis(ms.into());
    let mut session = Session::new(Arc::new(Generic), Limits::default(), seed);
    let mut service: Option<Service> = None;
    let mut cuts = trouble.cuts.iter();
    let mut left = cuts.next().copied().unwrap_or(usize::MAX);
    let mut refused = trouble.refused;
    let mut on_the_way: VecDeque<(u32, String)> = VecDeque::new();
    let mut told = Vec::new();
    for at in (0..script.length + 60_000).step_by(20) {
        if at < script.length {
            if !trouble.gaps.iter().any(|(from, to)| (*from..*to).contains(&at)) {
                session.push(now(at), at, &script.frame(at));
            }
            // In the middle of a word it would be heard as two.
            let is_quiet = script.frame(at).iter().all(|sample| *sample == 0);
            if is_quiet && trouble.flushes.iter().any(|flush| (at..at + 20).contains(flush)) {
                session.flush(now(at));
            }
        } else if at < script.length + 20 {
            session.finish(now(at));
        }
        if session.poll_timeout().is_some_and(|due| due <= now(at)) {
            session.handle_timeout(now(at));
        }
        if session.poll_connect(now(at)) {
            if refused > 0 {
                refused -= 1;
                session.failed(now(at), Fault::passing("503"));
            } else {
                service = Some(Service::default());
                session.connected(now(at));
            }
        }
        while let Some(message) = session.poll_transmit() {
            let Some(open) = &mut service else { continue };
            if let Outgoing::Binary(bytes) = &message {
                if bytes.len() > left {
                    // The rest is lost, and so are answers that have not arrived.
                    service = None;
                    on_the_way.clear();
                    left = cuts.next().copied().unwrap_or(usize::MAX);
                    session.failed(now(at), Fault::passing("cut"));
                    continue;
                }
                left -= bytes.len();
            }
            open.take(message);
        }
        if let Some(open) = &mut service {
            while let Some(answer) = open.answers.pop_front() {
                on_the_way.push_back((at + trouble.delay, answer));
            }
        }
        while on_the_way.front().is_some_and(|(due, _)| *due <= at) {
            let (_, answer) = on_the_way.pop_front().unwrap();
            session.received(now(at), &answer);
        }
        while let Some(event) = session.poll_event() {
            told.push((at, event));
        }
        if session.is_over() {
            break;
        }
    }
    (session, told)
}

fn finals(told: &[(CallMs, SpeechEvent)]) -> Vec<Word> {
    let transcripts = told.iter().filter_map(|(_, event)| match event {
        SpeechEvent::Final(transcript) => Some(transcript),
        SpeechEvent::Interim(_)
        | SpeechEvent::HeardUntil(_)
        | SpeechEvent::Dropped { .. }
        | SpeechEvent::Failed { .. } => None,
    });
    transcripts.flat_map(|transcript| transcript.words.clone()).collect()
}

/// Each word once, in order, within 30 ms of its place; how far all is known never goes back and is
/// kept to; the last event says that everything is.
fn check(script: &Script, told: &[(CallMs, SpeechEvent)]) {
    let words = finals(told);
    let expected: Vec<String> = (0..script.words.len()).map(|n| format!("w{n}")).collect();
    let texts: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
    assert_eq!(texts, expected);
    for (word, (from, to)) in words.iter().zip(&script.words) {
        assert!(word.start_ms.abs_diff(*from) <= 30, "{word:?} instead of {from}");
        assert!(word.end_ms.abs_diff(*to) <= 30, "{word:?} instead of {to}");
    }
    let mut until = 0;
    for (_, event) in told {
        match event {
            SpeechEvent::HeardUntil(at) => {
                assert!(*at >= until, "{at} after {until}");
                until = *at;
            }
            SpeechEvent::Final(transcript) => {
                let first = transcript.words.first().expect("a word").start_ms;
                // The detector notices sound in its second frame.
                assert!(first + 60 >= until, "{transcript:?} after {until}");
            }
            SpeechEvent::Interim(_) => {}
            SpeechEvent::Dropped { .. } | SpeechEvent::Failed { .. } => panic!("{event:?}"),
        }
    }
    assert!(until >= script.length - 100, "all is known at the end, not until {until}");
}

#[test]
fn words_come_once_in_order_and_at_their_places() {
    let script = Script::phrases(&[3, 1, 5]);
    let (session, told) = live(&script, &Trouble::none(), 1);
    check(&script, &told);
    assert!(session.is_over() && session.failure().is_none());
    let counts = session.counts();
    assert_eq!((counts.connections, counts.faults, counts.finals), (1, 0, 3));
    assert!(counts.latency.longest_ms < 1_200, "{counts}");
}

#[test]
fn in_silence_it_is_known_at_once_that_nothing_was_said() {
    let script = Script { words: vec![], length: 5_000 };
    let (_, told) = live(&script, &Trouble::none(), 1);
    for (at, event) in &told {
        let SpeechEvent::HeardUntil(until) = event else { panic!("{event:?}") };
        assert!(until + 200 >= *at || *at >= 5_000, "{until} at {at}");
    }
}

#[test]
fn a_flush_brings_words_before_the_service_would_tell_them() {
    let script = Script::phrases(&[2]);
    let end = script.words[1].1;
    let at_of_words = |flushes: Vec<CallMs>| {
        let (_, told) = live(&script, &Trouble { flushes, ..Trouble::none() }, 1);
        check(&script, &told);
        told.iter().find(|(_, event)| matches!(event, SpeechEvent::Final(_))).unwrap().0
    };
    let (without, with) = (at_of_words(vec![]), at_of_words(vec![end + 100]));
    assert!(with <= end + 400 && without >= end + 700, "{with} {without}");
}

#[test]
fn a_lost_connection_costs_no_word_and_doubles_none() {
    let script = Script::phrases(&[4, 4, 4]);
    for bytes in (1_600..120_000).step_by(4_000) {
        let trouble = Trouble { cuts: vec![bytes, bytes / 2], ..Trouble::none() };
        let (session, told) = live(&script, &trouble, 3);
        check(&script, &told);
        assert!(session.counts().connections >= 2, "{bytes}");
    }
}

#[test]
fn frames_that_do_not_come_are_silence_to_the_service() {
    let script = Script::phrases(&[2, 2]);
    let gap = (script.words[1].1 + 100, script.words[2].0 - 100);
    let (_, told) = live(&script, &Trouble { gaps: vec![gap], ..Trouble::none() }, 1);
    check(&script, &told);

    // Even if nothing comes at all any more, the service gets as much audio as time passes.
    let zero = Clock::real().now();
    let mut session = Session::new(Arc::new(Generic), Limits::default(), 1);
    session.push(zero, 0, &[0; 160]);
    assert!(session.poll_connect(zero));
    session.connected(zero);
    for ms in (0..30_000).step_by(100) {
        session.handle_timeout(zero + Duration::from_millis(ms));
    }
    assert!(session.counts().audio_ms >= 27_000, "{}", session.counts());
}

#[test]
fn a_service_that_stays_away_is_given_up_and_what_was_not_heard_is_told() {
    let script = Script::phrases(&[2]);
    let (mut session, _) = live(&script, &Trouble { refused: 100, ..Trouble::none() }, 1);
    assert_eq!(session.failure(), Some("503"));
    let (from, samples) = session.rest();
    assert!(from <= 500 && samples.len() >= 8 * 700, "the rest can be heard by another");
    session.tell_failure();
    let mut events = std::iter::from_fn(|| session.poll_event());
    assert!(
        matches!(events.next(), Some(SpeechEvent::Failed { message }) if message.contains("503"))
    );
    assert!(matches!(events.next(), Some(SpeechEvent::Dropped { from_ms, .. }) if from_ms == from));
}

#[test]
fn pauses_grow_and_differ_from_call_to_call() {
    let zero = Clock::real().now();
    let pauses = |seed| {
        let mut session = Session::new(Arc::new(Generic), Limits::default(), seed);
        session.push(zero, 0, &[0; 160]);
        let mut now = zero;
        let mut pauses = Vec::new();
        while session.failure().is_none() {
            assert!(session.poll_connect(now));
            session.failed(now, Fault::passing("no"));
            let mut after = now;
            while session.failure().is_none() && !session.poll_connect(after) {
                after += Duration::from_millis(1);
            }
            if session.failure().is_none() {
                session.failed(after, Fault::passing("no"));
                pauses.push(after - now);
            }
            now = after + Duration::from_secs(60);
        }
        pauses
    };
    let (one, other) = (pauses(1), pauses(2));
    assert!(one.len() >= 3 && one.windows(2).all(|two| two[0] < two[1]), "{one:?}");
    assert!(one.iter().all(|pause| *pause <= Limits::default().longest_pause));
    assert_ne!(one, other);
}

#[test]
fn refused_credentials_are_renewed_once() {
    let now = Clock::real().now();
    let mut session = Session::new(Arc::new(Generic), Limits::default(), 1);
    let refused = || Fault { text: "401".to_owned(), remedy: Remedy::NewCredentials };
    session.push(now, 0, &[0; 160]);
    assert!(session.poll_connect(now));
    session.failed(now, refused());
    assert_eq!(session.failure(), None);
    assert!(session.poll_connect(now + Duration::from_secs(1)));
    session.failed(now + Duration::from_secs(1), refused());
    assert_eq!(session.failure(), Some("401"));
}

/// A session of Watson that is connected.
fn watson(now: Instant) -> Session {
    let settings = WatsonSettings {
        url: "https://stt.test".parse().unwrap(),
        model: "en-US_Telephony".to_owned(),
        customization_id: None,
        learning_opt_out: false,
        customer_id: None,
        parameters: serde_json::Map::new(),
    };
    let watson: Arc<dyn Dialect> = Arc::new(Watson::new(&settings));
    let mut session = Session::new(watson, Limits::default(), 1);
    session.push(now, 0, &[0; 160]);
    assert!(session.poll_connect(now));
    session.connected(now);
    session
}

const LISTENING: &str = r#"{"state": "listening"}"#;

fn said(session: &mut Session) -> Vec<Outgoing> {
    std::iter::from_fn(|| session.poll_transmit()).collect()
}

fn is_stop(message: &Outgoing) -> bool {
    matches!(message, Outgoing::Text(text) if text.contains("stop"))
}

#[test]
fn after_a_stop_audio_is_held_back_and_times_begin_again() {
    let zero = Clock::real().now();
    let at = |ms: u64| zero + Duration::from_millis(ms);
    let mut session = watson(zero);
    session.received(at(1), LISTENING);
    for ms in (20..1_000).step_by(20) {
        session.push(at(ms), ms as u32, &Script::phrases(&[2]).frame(ms as u32));
    }
    session.flush(at(1_000));
    assert_eq!(said(&mut session).iter().filter(|m| is_stop(m)).count(), 1);
    session.push(at(1_000), 1_000, &[0; 160]);
    session.flush(at(1_020));
    assert_eq!(said(&mut session), [], "nothing is sent until it listens again");
    session.received(
        at(1_200),
        r#"{"results":[{"final":true,"alternatives":[{"transcript":"a b",
            "timestamps":[["a",0.5,0.8],["b",0.82,0.99]]}]}],"result_index":0}"#,
    );
    session.received(at(1_210), LISTENING);
    let messages = said(&mut session);
    assert!(matches!(&messages[..], [Outgoing::Binary(_), stop] if is_stop(stop)), "{messages:?}");
    session.received(at(1_300), LISTENING);
    for ms in (1_020..2_000).step_by(20) {
        session.push(at(ms), ms as u32, &[0; 160]);
    }
    // The second request ended at 1020 ms; this is the third's time.
    session.received(
        at(2_000),
        r#"{"results":[{"final":true,"alternatives":[{"transcript":"c",
            "timestamps":[["c",0.1,0.3]]}]}],"result_index":0}"#,
    );
    let events: Vec<_> = std::iter::from_fn(|| session.poll_event()).map(|e| (0, e)).collect();
    let places: Vec<_> =
        finals(&events).iter().map(|w| (w.text.clone(), w.start_ms, w.end_ms)).collect();
    let word = |text: &str, from, to| (text.to_owned(), from, to);
    assert_eq!(places, [word("a", 500, 800), word("b", 820, 990), word("c", 1_120, 1_320)]);
}

#[test]
fn that_it_listens_after_the_start_is_not_taken_for_the_answer_to_a_stop() {
    let zero = Clock::real().now();
    let mut session = watson(zero);
    for ms in (20..1_000).step_by(20) {
        session.push(zero, ms, &Script::phrases(&[2]).frame(ms));
    }
    session.flush(zero);
    assert_eq!(said(&mut session).iter().filter(|m| is_stop(m)).count(), 0);
    session.received(zero, LISTENING);
    assert_eq!(said(&mut session).iter().filter(|m| is_stop(m)).count(), 1);
    let until = |session: &mut Session| {
        let events = std::iter::from_fn(|| session.poll_event());
        events
            .filter_map(|e| if let SpeechEvent::HeardUntil(at) = e { Some(at) } else { None })
            .max()
    };
    assert!(until(&mut session).unwrap() < 600, "the words are not known yet");
    session.received(zero, LISTENING);
    assert_eq!(until(&mut session), Some(1_000));
}

#[test]
fn a_service_that_does_not_answer_is_left_for_a_new_connection() {
    let zero = Clock::real().now();
    let later = zero + Duration::from_secs(10);
    let mut session = watson(zero);
    assert_eq!(session.poll_timeout().map(|due| due <= later), Some(true));
    session.handle_timeout(later);
    assert!(!session.is_connected() && session.failure().is_none());

    let mut session = watson(zero);
    session.received(zero, LISTENING);
    session.push(zero, 20, &[900; 160]);
    session.flush(zero);
    session.handle_timeout(later);
    assert!(!session.is_connected(), "the answer to a stop did not come");
}

#[test]
fn results_out_of_order_or_told_twice_are_told_once() {
    let zero = Clock::real().now();
    let mut session = watson(zero);
    session.received(zero, LISTENING);
    for ms in (20..4_000).step_by(20) {
        session.push(zero, ms, &[0; 160]);
    }
    let result = |text: &str, from: f64| {
        json!({"results": [{"final": true, "alternatives": [{"transcript": text,
            "timestamps": [[text, from, from + 0.3]]}]}]})
        .to_string()
    };
    for (text, from) in [("b", 2.0), ("a", 1.0), ("b", 2.0), ("c", 3.5)] {
        session.received(zero, &result(text, from));
    }
    let events: Vec<_> = std::iter::from_fn(|| session.poll_event()).map(|e| (0, e)).collect();
    let texts: Vec<String> = finals(&events).into_iter().map(|word| word.text).collect();
    assert_eq!(texts, ["b", "c"]);
}

#[test]
fn a_full_tape_is_reported_and_memory_does_not_grow() {
    let zero = Clock::real().now();
    let mut session = Session::new(Arc::new(Generic), Limits::default(), 1);
    let script = Script { words: vec![(0, 200_000)], length: 200_000 };
    for ms in (0..200_000).step_by(20) {
        session.push(zero, ms, &script.frame(ms));
    }
    let lost = std::iter::from_fn(|| session.poll_event())
        .filter_map(|event| match event {
            SpeechEvent::Dropped { from_ms, to_ms } => Some(to_ms - from_ms),
            _ => None,
        })
        .sum::<u32>();
    assert!((139_000..=140_000).contains(&lost), "{lost}");
    let (from, samples) = session.rest();
    assert_eq!((from, samples.len()), (140_000, 480_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_cut_and_flushed_each_word_is_told_once(
        phrases in prop::collection::vec(1usize..6, 1..6),
        cuts in prop::collection::vec(100usize..60_000, 0..4),
        refused in 0u32..3,
        delay in 20u32..1_500,
        flushes in prop::collection::vec(0u32..15_000, 0..6),
        seed in any::<u64>(),
    ) {
        let script = Script::phrases(&phrases);
        let trouble = Trouble { cuts, refused, delay, flushes, gaps: vec![] };
        let (session, told) = live(&script, &trouble, seed);
        prop_assert!(session.failure().is_none(), "{:?}", session.failure());
        check(&script, &told);
    }

    #[test]
    fn whatever_a_service_sends_nothing_breaks(
        texts in prop::collection::vec("[ -~]{0,40}", 0..10),
        seconds in prop::collection::vec(any::<f64>(), 0..20),
    ) {
        let zero = Clock::real().now();
        let mut session = watson(zero);
        for text in &texts {
            session.received(zero, text);
            if !session.is_connected() {
                session = watson(zero);
            }
        }
        for pair in seconds.chunks(2) {
            let message = json!({"results": [{"final": true, "alternatives": [
                {"timestamps": [["x", pair.first(), pair.last()]], "confidence": pair.first()}]}]});
            session.received(zero, &message.to_string());
        }
        session.finish(zero);
    }
}
