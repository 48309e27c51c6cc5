//! The engine with recognisers that are slow, wrong or broken in ways that the test decides.

use std::sync::{Condvar, Mutex};

use super::*;
use crate::speech::{SpeechEvent, Word};

/// Says one word per piece; what else it does, its script says by the piece's start.
struct Fake {
    /// Pieces wait here until the gate is open.
    gate: Gate,
    panic_at: Option<CallMs>,
    fail_at: Option<CallMs>,
}

#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let open = self.open.lock().unwrap();
        drop(self.changed.wait_while(open, |open| !*open).unwrap());
    }
}

impl Fake {
    fn new() -> Self {
        let fake = Self::closed();
        fake.gate.open();
        fake
    }

    fn closed() -> Self {
        Self { gate: Gate::default(), panic_at: None, fail_at: None }
    }
}

impl Recognise for Fake {
    fn recognise(&self, piece: &Piece, _: &str, _: &mut Workspace) -> Result<Transcript, String> {
        self.gate.pass();
        assert_ne!(self.panic_at, Some(piece.from_ms), "as the test wants");
        if self.fail_at == Some(piece.from_ms) {
            return Err("as the test wants".to_owned());
        }
        let (start_ms, end_ms) = (piece.from_ms, piece.to_ms());
        let word = Word { text: start_ms.to_string(), start_ms, end_ms, confidence: 1.0 };
        Ok(Transcript { words: vec![word], confidence: 1.0 })
    }
}

fn engine(fake: Arc<Fake>, change: impl FnOnce(&mut LocalSettings)) -> LocalEngine {
    let mut settings = LocalSettings { workers: 2, ..LocalSettings::default() };
    change(&mut settings);
    LocalEngine::with(fake, &settings).unwrap()
}

/// Pushes phrases of one second, each followed by a pause of one second.
fn speak(ear: &mut dyn Transcriber, phrases: std::ops::Range<u32>) {
    for at in (phrases.start * 2000..phrases.end * 2000).step_by(20) {
        let sample = if at % 2000 < 1000 { 3000 } else { 0 };
        let frame: [i16; 160] = std::array::from_fn(|n| if n % 2 == 0 { sample } else { -sample });
        ear.push(at, &frame);
    }
}

/// All events until the channel closes.
fn rest(mut events: tokio::sync::mpsc::Receiver<SpeechEvent>) -> Vec<SpeechEvent> {
    std::iter::from_fn(|| events.blocking_recv()).collect()
}

fn finals(events: &[SpeechEvent]) -> Vec<CallMs> {
    let start = |event: &SpeechEvent| match event {
        SpeechEvent::Final(transcript) => Some(transcript.words[0].start_ms),
        _ => None,
    };
    events.iter().filter_map(start).collect()
}

/// `HeardUntil` never goes back, and no final comes with words before it.
fn assert_settled(events: &[SpeechEvent]) {
    let mut settled = 0;
    for event in events {
        match event {
            SpeechEvent::HeardUntil(until) => {
                assert!(*until >= settled, "{events:?}");
                settled = *until;
            }
            SpeechEvent::Final(said) => assert!(said.words[0].start_ms >= settled, "{events:?}"),
            SpeechEvent::Interim(_) | SpeechEvent::Dropped { .. } | SpeechEvent::Failed { .. } => {}
        }
    }
}

#[test]
fn pieces_of_many_calls_come_out_whole_and_in_order() {
    let engine = engine(Arc::new(Fake::new()), |_| ());
    let calls: Vec<Listening> = (0..8)
        .map(|index| {
            let mut call = engine.open(&format!("call {index}")).unwrap();
            speak(&mut *call.ear, 0..5);
            call
        })
        .collect();
    for call in calls {
        call.ear.finish();
        let events = rest(call.events);
        assert_eq!(finals(&events), [0, 1780, 3780, 5780, 7780]);
        assert_settled(&events);
        assert_eq!(events.last(), Some(&SpeechEvent::HeardUntil(10_000)));
    }
}

#[test]
fn heard_until_follows_the_frames_through_silence() {
    let engine = engine(Arc::new(Fake::new()), |_| ());
    let mut call = engine.open("a").unwrap();
    for at in (0..5000).step_by(20) {
        call.ear.push(at, &[0; 160]);
    }
    let mut last = 0;
    while let Ok(event) = call.events.try_recv() {
        let SpeechEvent::HeardUntil(until) = event else { panic!("{event:?}") };
        last = until;
    }
    assert!((4500..=5000).contains(&last), "{last}");
}

#[test]
fn a_flush_settles_everything_that_was_pushed() {
    let engine = engine(Arc::new(Fake::new()), |_| ());
    let mut call = engine.open("a").unwrap();
    for at in (0..400).step_by(20) {
        call.ear.push(at, &std::array::from_fn::<i16, 160, _>(|n| 3000 - 6000 * (n as i16 % 2)));
    }
    call.ear.flush();
    let mut events = Vec::new();
    while events.last() != Some(&SpeechEvent::HeardUntil(400)) {
        events.push(call.events.blocking_recv().unwrap());
    }
    assert_eq!(finals(&events), [0]);
}

#[test]
fn a_greeting_is_told_while_it_is_being_said_and_taken_back_if_nobody_said_it() {
    /// Hears a word in pieces that are shorter than this, and nothing in others.
    struct Hasty;

    impl Recognise for Hasty {
        fn recognise(
            &self,
            piece: &Piece,
            _: &str,
            _: &mut Workspace,
        ) -> Result<Transcript, String> {
            if piece.to_ms() - piece.from_ms > 2500 {
                return Ok(Transcript::default());
            }
            let (start_ms, end_ms) = (piece.from_ms, piece.to_ms());
            let word = Word { text: "hello".to_owned(), start_ms, end_ms, confidence: 1.0 };
            Ok(Transcript { words: vec![word], confidence: 1.0 })
        }
    }

    let settings = LocalSettings { workers: 1, early_words: true, ..LocalSettings::default() };
    let engine = LocalEngine::with(Arc::new(Hasty), &settings).unwrap();
    let mut call = engine.open("a").unwrap();
    let frame: [i16; 160] = std::array::from_fn(|n| 3000 - 6000 * (n as i16 % 2));
    let mut interims = Vec::new();
    let push = |at: u32, call: &mut Listening| {
        call.ear.push(at, if at < 5000 { &frame } else { &[0; 160] });
    };
    (0..2000).step_by(20).for_each(|at| push(at, &mut call));
    // What was said so far is told before the phrase is over.
    while interims.is_empty() {
        if let SpeechEvent::Interim(words) = call.events.blocking_recv().unwrap() {
            interims.push(words.words.len());
        }
    }
    (2000..8000).step_by(20).for_each(|at| push(at, &mut call));
    call.ear.finish();
    let events = rest(call.events);
    assert_settled(&events);
    assert!(finals(&events).is_empty(), "{events:?}");
    interims.extend(events.iter().filter_map(|event| match event {
        SpeechEvent::Interim(words) => Some(words.words.len()),
        _ => None,
    }));
    assert_eq!(interims, [1, 0]);
}

#[test]
fn a_full_queue_drops_the_oldest_piece_and_says_so() {
    let fake = Arc::new(Fake::closed());
    let engine = engine(Arc::clone(&fake), |settings| {
        settings.workers = 1;
        settings.max_queue_seconds = 3;
    });
    // The only worker is held up by another call's piece.
    let mut other = engine.open("other").unwrap();
    speak(&mut *other.ear, 0..1);
    let mut call = engine.open("a").unwrap();
    speak(&mut *call.ear, 0..5);
    fake.gate.open();
    call.ear.finish();
    let events = rest(call.events);
    let dropped = |event: &SpeechEvent| match event {
        SpeechEvent::Dropped { from_ms, to_ms } => Some((*from_ms, *to_ms)),
        _ => None,
    };
    let first = events.iter().find_map(dropped).unwrap();
    assert_eq!(first.0, 0);
    let finals = finals(&events);
    assert_eq!(finals.last(), Some(&7780));
    assert!(finals.len() < 5 && !finals.contains(&0), "{events:?}");
    assert_settled(&events);
}

#[test]
fn a_panic_in_a_worker_fails_one_piece_and_ends_nothing() {
    let fake = Fake { panic_at: Some(1780), ..Fake::new() };
    let engine = engine(Arc::new(fake), |settings| settings.workers = 1);
    let mut call = engine.open("a").unwrap();
    speak(&mut *call.ear, 0..3);
    call.ear.finish();
    let events = rest(call.events);
    assert_eq!(finals(&events), [0, 3780]);
    let failed = |event: &&SpeechEvent| matches!(event, SpeechEvent::Failed { .. });
    assert_eq!(events.iter().filter(failed).count(), 1);
    assert_settled(&events);
}

#[test]
fn a_failed_piece_is_reported_with_its_place() {
    let fake = Fake { fail_at: Some(0), ..Fake::new() };
    let engine = engine(Arc::new(fake), |_| ());
    let mut call = engine.open("a").unwrap();
    speak(&mut *call.ear, 0..1);
    call.ear.finish();
    let events = rest(call.events);
    let place = events.iter().any(|e| matches!(e, SpeechEvent::Dropped { from_ms: 0, .. }));
    assert!(place, "{events:?}");
}

#[test]
fn a_listener_that_wakes_late_still_gets_every_word() {
    let engine = engine(Arc::new(Fake::new()), |settings| settings.max_queue_seconds = 3600);
    let mut call = engine.open("a").unwrap();
    speak(&mut *call.ear, 0..300);
    call.ear.finish();
    let events = rest(call.events);
    assert_eq!(finals(&events).len(), 300);
    assert_settled(&events);
}

#[test]
fn a_listener_that_went_away_costs_nothing_more() {
    let engine = engine(Arc::new(Fake::new()), |_| ());
    let Listening { mut ear, events } = engine.open("a").unwrap();
    drop(events);
    speak(&mut *ear, 0..5);
    ear.finish();
}

#[test]
fn calls_beyond_the_limit_are_refused_until_one_ends() {
    let engine = engine(Arc::new(Fake::new()), |settings| settings.max_calls = 1);
    let first = engine.open("a").unwrap();
    assert!(matches!(engine.open("b"), Err(SpeechError::Full(1))));
    first.ear.finish();
    assert!(engine.open("b").is_ok());
}

#[test]
fn an_engine_that_is_dropped_tells_open_calls() {
    let engine = engine(Arc::new(Fake::new()), |_| ());
    let mut call = engine.open("a").unwrap();
    drop(engine);
    speak(&mut *call.ear, 0..1);
    call.ear.finish();
    let events = rest(call.events);
    assert!(events.iter().any(|event| matches!(event, SpeechEvent::Failed { .. })), "{events:?}");
}
