//! A simulated line in virtual time: a menu that speaks, listens to keys, loses patience and hangs
//! up, and a recogniser that delivers its words late.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use crate::{
    crawl::{
        navigator::{Action, Input, Limits, Navigator, Outcome},
        tree::{Change, Keys, Tree},
    },
    speech::{CallMs, SpeechEvent, Transcript, Word},
};

pub const WORD_MS: CallMs = 280;
const WORD_GAP_MS: CallMs = 40;
/// The longest the line or the recogniser goes on after the last thing that happened.
const MAX_STEPS: usize = 200_000;

/// What a key does.
#[derive(Clone, Debug, PartialEq)]
pub enum Does {
    /// Goes to a prompt.
    Go(usize),
    /// Says something, then goes to a prompt.
    SayThenGo(&'static str, usize),
    /// Hangs up without a word.
    HangUp,
    /// Falls silent.
    Silence,
    /// Says that the key is not valid, then reads the menu again.
    Invalid,
    /// Says that the key is not valid and hangs up.
    InvalidHangUp,
    /// Nothing.
    Nothing,
}

/// What happens when nobody presses a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Timeout {
    /// The prompt is read again, at most so often, then the line hangs up.
    Repeat(u32),
    /// The line goes to a prompt.
    Go(usize),
    /// The line hangs up.
    HangUp,
    /// Nothing happens any more.
    Silence,
}

#[derive(Clone, Debug)]
pub struct Prompt {
    /// Stretches of speech, and the pause after each.
    pub parts: Vec<(String, CallMs)>,
    pub keys: BTreeMap<String, Does>,
    pub timeout_ms: CallMs,
    pub timeout: Timeout,
    pub twice: bool,
    pub deaf_while_speaking: bool,
}

impl Prompt {
    /// A prompt without options after which the line hangs up.
    pub fn says(text: &str) -> Self {
        Self {
            parts: vec![(text.to_owned(), 400)],
            keys: BTreeMap::new(),
            timeout_ms: 6000,
            timeout: Timeout::HangUp,
            twice: false,
            deaf_while_speaking: false,
        }
    }

    /// A menu: a greeting, then each option as "for LABEL, press KEY".
    pub fn menu(greeting: &str, options: &[(&str, &str, Does)]) -> Self {
        let mut prompt = Self::says(greeting);
        prompt.timeout = Timeout::Repeat(3);
        prompt.timeout_ms = 7000;
        for (key, label, does) in options {
            prompt.parts.push((format!("For {label}, press {}.", spoken(key)), 400));
            prompt.keys.insert((*key).to_owned(), does.clone());
        }
        prompt
    }

    pub fn text(&self) -> String {
        let parts: Vec<&str> = self.parts.iter().map(|p| p.0.as_str()).collect();
        parts.join(" ")
    }
}

fn spoken(key: &str) -> &str {
    match key {
        "*" => "star",
        "#" => "pound",
        other => other,
    }
}

/// What the line and the recogniser will do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Begin { generation: u32, part: usize },
    End { generation: u32, part: usize },
    Timeout { generation: u32 },
    Deliver(usize),
    KeysArrive(String),
}

pub struct Line<'a> {
    prompts: &'a [Prompt],
    /// Delay of the recogniser.
    latency_ms: CallMs,
    now: CallMs,
    events: BinaryHeap<Reverse<(CallMs, u64, Event)>>,
    deliveries: Vec<Input>,
    sequence: u64,
    generation: u32,
    at: usize,
    /// What is being read: the current prompt, or something said before it.
    reading: Vec<(String, CallMs)>,
    then: Option<usize>,
    then_hang_up: bool,
    speaking: Option<(CallMs, usize)>,
    repeats: u32,
    pub gone: bool,
    /// Changes words as a recogniser would.
    pub mishear: fn(&str, usize) -> String,
    /// How sure the recogniser is of each word.
    pub confidence: f32,
    heard: usize,
}

impl<'a> Line<'a> {
    pub fn new(prompts: &'a [Prompt], latency_ms: CallMs) -> Self {
        let mut line = Self {
            prompts,
            latency_ms,
            now: 0,
            events: BinaryHeap::new(),
            deliveries: Vec::new(),
            sequence: 0,
            generation: 0,
            at: 0,
            reading: Vec::new(),
            then: None,
            then_hang_up: false,
            speaking: None,
            repeats: 0,
            gone: false,
            mishear: |word, _| word.to_owned(),
            confidence: 0.95,
            heard: 0,
        };
        line.enter(0, 500);
        line
    }

    fn schedule(&mut self, at: CallMs, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    fn deliver(&mut self, at: CallMs, input: Input) {
        self.deliveries.push(input);
        let index = self.deliveries.len() - 1;
        self.schedule(at, Event::Deliver(index));
    }

    fn enter(&mut self, prompt: usize, delay: CallMs) {
        self.at = prompt;
        self.repeats = 0;
        self.read(self.prompts[prompt].parts.clone(), None, delay);
        if self.prompts[prompt].twice {
            let again = self.prompts[prompt].parts.clone();
            self.reading.extend(again);
        }
    }

    fn read(&mut self, parts: Vec<(String, CallMs)>, then: Option<usize>, delay: CallMs) {
        self.generation += 1;
        self.reading = parts;
        self.then = then;
        self.then_hang_up = false;
        self.schedule(self.now + delay, Event::Begin { generation: self.generation, part: 0 });
    }

    fn words(&mut self, part: usize, start: CallMs, until: CallMs) -> Transcript {
        let mut words = Vec::new();
        let mut at = start;
        for word in self.reading[part].0.split_whitespace() {
            if at + WORD_MS <= until {
                self.heard += 1;
                let text = (self.mishear)(word, self.heard);
                let (end_ms, confidence) = (at + WORD_MS, self.confidence);
                words.push(Word { text, start_ms: at, end_ms, confidence });
            }
            at += WORD_MS + WORD_GAP_MS;
        }
        Transcript { words, confidence: self.confidence }
    }

    fn stop_speaking(&mut self) {
        let Some((start, part)) = self.speaking.take() else { return };
        let (now, latency) = (self.now, self.latency_ms);
        let transcript = self.words(part, start, now);
        self.deliver(now + 250, Input::SpeechEnded { at: now });
        if !transcript.words.is_empty() {
            self.deliver(now + latency, Input::Speech(SpeechEvent::Final(transcript)));
        }
        self.deliver(now + latency, Input::Speech(SpeechEvent::HeardUntil(now)));
    }

    fn hang_up(&mut self) {
        self.stop_speaking();
        self.generation += 1;
        self.gone = true;
        self.deliver(self.now + 100, Input::HungUp);
        let done = Input::Speech(SpeechEvent::HeardUntil(CallMs::MAX));
        self.deliver(self.now + 200 + self.latency_ms, done);
    }

    fn keys(&mut self, keys: &str) {
        let prompt = &self.prompts[self.at];
        let deaf = prompt.deaf_while_speaking && self.speaking.is_some();
        let busy = self.then.is_some() || self.then_hang_up;
        if self.gone || deaf || busy {
            return;
        }
        let does = prompt.keys.get(keys).cloned().unwrap_or(Does::Invalid);
        if does != Does::Nothing {
            self.stop_speaking();
        }
        let invalid = ("Sorry, that is not a valid option.".to_owned(), 300);
        match does {
            Does::Go(prompt) => self.enter(prompt, 300),
            Does::SayThenGo(text, prompt) => {
                self.read(vec![(text.to_owned(), 600)], Some(prompt), 300);
            }
            Does::HangUp => self.hang_up(),
            Does::Silence => self.generation += 1,
            Does::Invalid => self.read(vec![invalid], Some(self.at), 300),
            Does::InvalidHangUp => {
                self.read(vec![invalid], None, 300);
                self.then_hang_up = true;
            }
            Does::Nothing => {}
        }
    }

    /// Somebody presses keys, which takes its time.
    pub fn press(&mut self, now: CallMs, keys: &str) {
        let at = now + 200 * keys.len() as CallMs;
        self.schedule(at, Event::KeysArrive(keys.to_owned()));
    }

    /// When something happens next.
    pub fn next_at(&self) -> Option<CallMs> {
        self.events.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Lets the next thing happen; what of it reaches the caller is returned.
    pub fn step(&mut self) -> Option<Input> {
        let Reverse((at, _, event)) = self.events.pop()?;
        self.now = at;
        match event {
            Event::Deliver(index) => return self.deliveries.get(index).cloned(),
            Event::KeysArrive(keys) => {
                self.keys(&keys);
                return Keys::try_new(&keys).map(|keys| Input::KeysSent { keys, at });
            }
            Event::Begin { generation, part } if generation == self.generation => {
                self.speaking = Some((at, part));
                self.deliver(at + 100, Input::SpeechStarted { at });
                let words = self.reading[part].0.split_whitespace().count() as CallMs;
                let end = at + words * (WORD_MS + WORD_GAP_MS);
                self.schedule(end, Event::End { generation, part });
            }
            Event::End { generation, part } if generation == self.generation => {
                self.stop_speaking();
                let pause = self.reading[part].1;
                if part + 1 < self.reading.len() {
                    self.schedule(at + pause, Event::Begin { generation, part: part + 1 });
                } else if self.then_hang_up {
                    self.hang_up();
                } else if let Some(prompt) = self.then {
                    self.enter(prompt, pause);
                } else {
                    let wait = self.prompts[self.at].timeout_ms;
                    self.schedule(at + wait, Event::Timeout { generation });
                }
            }
            Event::Timeout { generation } if generation == self.generation => {
                match self.prompts[self.at].timeout.clone() {
                    Timeout::Repeat(times) if self.repeats < times => {
                        let repeats = self.repeats + 1;
                        self.enter(self.at, 0);
                        self.repeats = repeats;
                    }
                    Timeout::Repeat(_) | Timeout::HangUp => self.hang_up(),
                    Timeout::Go(prompt) => self.enter(prompt, 0),
                    Timeout::Silence => {}
                }
            }
            Event::Begin { .. } | Event::End { .. } | Event::Timeout { .. } => {}
        }
        None
    }
}

/// What one call brought.
pub struct Call {
    pub outcome: Outcome,
    pub tree: Tree,
    pub changes: Vec<Change>,
    pub pressed: Vec<String>,
    pub lasted_ms: CallMs,
    pub log: Vec<String>,
}

/// Makes one call. Panics when a key is pressed that the line did not offer just before, when a
/// change does not fit, or when the call does not end.
pub fn call(mut line: Line, tree: &Tree, limits: &Limits) -> Call {
    let mut stored = tree.clone();
    let mut navigator = Navigator::new(tree.clone(), limits.clone());
    let (mut changes, mut pressed, mut log) = (Vec::new(), Vec::new(), Vec::new());
    let mut now = 0;
    let mut offered_before: Option<usize> = None;
    navigator.handle(now, Input::Answered);
    for _ in 0..MAX_STEPS {
        while let Some(action) = navigator.poll_action() {
            log.push(format!("{now}: {}", brief(&action)));
            match action {
                Action::Store(change) => {
                    stored.apply(change.clone()).expect("a change fits");
                    changes.push(change);
                }
                Action::Press { keys, .. } => {
                    let keys = keys.to_string();
                    let offers = |p: usize| line.prompts[p].keys.contains_key(&keys);
                    let offered = offers(line.at) || offered_before.is_some_and(offers);
                    assert!(offered || line.gone, "{keys} was not offered\n{}", log.join("\n"));
                    offered_before = Some(line.at);
                    pressed.push(keys.clone());
                    line.press(now, &keys);
                }
                Action::PromptBegan { .. } | Action::PromptOver(_) | Action::Flush => {}
                Action::HangUp(_) => line.gone = true,
            }
        }
        if let Some(outcome) = navigator.outcome() {
            assert_eq!(&stored, navigator.tree(), "what is stored is what is known");
            assert!(now <= limits.max_call_ms + limits.no_speech_ms, "the call is too long");
            let tree = navigator.into_tree();
            return Call { outcome, tree, changes, pressed, lasted_ms: now, log };
        }
        let timeout = navigator.poll_timeout().expect("a call that is not over has a timeout");
        match line.next_at() {
            Some(at) if at <= timeout => {
                now = now.max(at);
                if let Some(input) = line.step() {
                    if let Input::Speech(SpeechEvent::Final(t)) = &input {
                        log.push(format!("{now}: heard {:?}", t.text()));
                    } else if let Input::KeysSent { .. } | Input::HungUp = input {
                        log.push(format!("{now}: {input:?}"));
                    }
                    navigator.handle(now, input);
                }
            }
            _ => {
                now = now.max(timeout);
                navigator.handle_timeout(now);
            }
        }
    }
    panic!("the call does not end\n{}", log[log.len().saturating_sub(40)..].join("\n"));
}

fn brief(action: &Action) -> String {
    match action {
        Action::Store(Change::Node(node)) => format!("Store {} {:?}", node.no.0, node.text()),
        Action::PromptOver(over) => format!("Over {:?} new {}", over.node, over.new),
        Action::PromptBegan { .. }
        | Action::Store(Change::Edge { .. } | Change::Heard(_))
        | Action::Press { .. }
        | Action::Flush
        | Action::HangUp(_) => format!("{action:?}"),
    }
}

/// Calls until nothing is left or `max_barren` calls in a row brought nothing.
pub fn crawl(prompts: &[Prompt], latency_ms: CallMs, limits: &Limits) -> (Tree, Vec<Call>) {
    let (mut tree, mut calls, mut barren) = (Tree::default(), Vec::new(), 0);
    while barren < 10 {
        let call = call(Line::new(prompts, latency_ms), &tree, limits);
        tree = call.tree.clone();
        barren = if call.outcome.news { 0 } else { barren + 1 };
        let complete = call.outcome.complete;
        calls.push(call);
        if complete {
            break;
        }
    }
    (tree, calls)
}
