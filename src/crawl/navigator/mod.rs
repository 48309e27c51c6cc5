//! One call through a menu: what to listen for, which key to press next, when to hang up.
//!
//! The navigator does no I/O and reads no clock. The task of the call tells it what happened
//! ([`Navigator::handle`]), asks what to do ([`Navigator::poll_action`]) and when to come back
//! ([`Navigator::poll_timeout`], [`Navigator::handle_timeout`]), and is done when there is an
//! [`Outcome`]. All times are on the call's clock.
//!
//! ```text
//!             Answered
//!   Dialled ────────────┬─ nothing known ──► First ─────┐
//!                       │                               │ new prompt
//!                       └─ known ──► Expect ◄────────┐  ▼
//!                             │  ▲                   │ press a known key
//!      its option was heard,  │  └── on the way ─────┤
//!      or the prompt is over  └────► press ──────────┤
//!                                                    │ press an unexplored key
//!         ┌── still unexplored keys from here ◄──┐   ▼
//!         └──────────────► press ───────────────►└ Fresh
//!                                                    │ the branch ends, a limit is reached,
//!                                                    ▼ the line hung up, a wrong turn
//!                                                   Over
//! ```
//!
//! | state   | what is heard                        | what is done                                |
//! |---------|--------------------------------------|---------------------------------------------|
//! | Dialled | `Answered`                           | listen; `First` or `Expect` the first prompt |
//! | First   | a prompt                             | store it; go on from it                     |
//! | First   | nothing                              | hang up                                     |
//! | Expect  | the option of the next key           | press it at once                            |
//! | Expect  | the whole expected prompt            | press the next key                          |
//! | Expect  | the prompt before again              | the key was ignored: press it once more     |
//! | Expect  | another known prompt                 | count the wrong turn; go on from there      |
//! | Expect  | something unknown, or nothing        | count it; hang up; the tree stays as it is  |
//! | Fresh   | a new prompt                         | store it and the key's edge; go on from it  |
//! | Fresh   | a known prompt, or its beginning     | store a link; go on from there              |
//! | Fresh   | something new, then a known prompt   | store it; go on from the known one          |
//! | Fresh   | the same prompt                      | a repeat, or ignored: press once more       |
//! | Fresh   | "not a valid option"                 | dead end; go on if the menu is read again   |
//! | Fresh   | nothing, hung up                     | dead end; hang up                           |
//! | any     | a person, a queue, a recorder, a fax | hang up at once; then store what was heard  |
//! | any     | ringing, music, a beep and silence   | the same, behind a key; a beep always       |
//! | any     | the call lasts too long              | note the attempt; hang up                   |
//! | any     | words were lost, or are still to come| conclude nothing; wait, at last hang up     |
//!
//! *Go on* means: press the first unexplored key offered here; else walk known keys to the nearest
//! unexplored one; else hang up. Only keys that a stored prompt offers are ever pressed. Whatever
//! is learned leaves as [`Action::Store`] before the next key leaves as [`Action::Press`], so a
//! call that is cut off at any moment has lost nothing that the tree knew.

mod decide;
mod hearing;
mod known;
mod leave;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use super::tree::{Change, Edge, Keys, NodeNo, PromptKind, Tree};
use crate::speech::{CallMs, SpeechEvent};
use hearing::Hearing;
pub use hearing::MAX_HEARD_WORDS;
use known::Known;
pub use known::Step;
use leave::Taken;

/// What a call may take. All times in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Quiet after speech that ends a prompt.
    pub silence_ms: CallMs,
    /// Without a word for this long, nothing more is expected.
    pub no_speech_ms: CallMs,
    /// How long a recogniser that is behind is waited for, beyond `silence_ms`.
    pub patience_ms: CallMs,
    /// Longest call, from the answer.
    pub max_call_ms: CallMs,
    /// Most keys from the first prompt: prompts at this depth are heard, their keys not pressed.
    pub max_depth: u32,
    /// Calls in which a key may be tried in vain before it is given up.
    pub max_tries: u32,
    /// How often the same prompt may come on one way before it counts as what is behind its key:
    /// so often the key is pressed in one call, lest it was ignored.
    pub max_same_prompt: u32,
    /// Most key presses in one call.
    pub max_presses: u32,
    /// Press a key on a known way as soon as its option is heard; false for a line that is known
    /// to ignore keys while it speaks.
    pub early_keys: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence_ms: 5000,
            no_speech_ms: 30_000,
            patience_ms: 60_000,
            max_call_ms: 15 * 60_000,
            max_depth: 12,
            max_tries: 3,
            max_same_prompt: 2,
            max_presses: 200,
            early_keys: true,
        }
    }
}

/// What happened in the call.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The call was answered: media flows, and the line may speak.
    Answered,
    /// The detector noticed the beginning of speech.
    SpeechStarted {
        /// Where it begins; at most the detector's delay in the past.
        at: CallMs,
    },
    /// The detector noticed the end of speech.
    SpeechEnded {
        /// Where it ends.
        at: CallMs,
    },
    /// The recogniser has something to say.
    Speech(SpeechEvent),
    /// The keys of the last [`Action::Press`] have left.
    KeysSent {
        /// The keys.
        keys: Keys,
        /// When the last of them ended.
        at: CallMs,
    },
    /// A tone that is not speech was recognised.
    Tone {
        /// Which.
        tone: Tone,
        /// Where it began, which is before it was recognised.
        at: CallMs,
    },
    /// What answers is a person, by the sound of it. At the call's first prompt the words decide,
    /// because recorded greetings pause too.
    Person {
        /// When this was clear.
        at: CallMs,
    },
    /// The line hung up. What it said last may still be being recognised: go on handing over
    /// speech events until there is an outcome, and `HeardUntil(CallMs::MAX)` after the last.
    HungUp,
}

/// A sound that tells what the line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A voicemail begins to record.
    Beep,
    /// A fax machine answers.
    Fax,
    /// The line is busy or was given up: nothing follows.
    Busy,
    /// It rings at somebody's telephone.
    Ringback,
    /// The three rising tones before "the number you have dialled" (ITU-T E.180): nothing follows
    /// that announcement.
    SpecialInformation,
    /// Music, as of a queue.
    Music,
}

/// What the task of the call has to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A prompt begins: the place where its recording starts.
    PromptBegan {
        /// Where.
        at: CallMs,
    },
    /// A prompt is over and understood. It comes before the [`Action::Store`] of a new prompt, so
    /// that its recording can be named; see [`Navigator::recorded`].
    PromptOver(PromptOver),
    /// Store this before anything else is done.
    Store(Change),
    /// Press these keys, and report [`Input::KeysSent`].
    Press {
        /// The keys.
        keys: Keys,
        /// Longer tones with longer gaps: the line took no notice of them before.
        slow: bool,
    },
    /// Ask the recogniser to hurry ([`crate::speech::Transcriber::flush`]).
    Flush,
    /// Hang up. What was heard until now may still be stored when it is recognised; no key follows.
    HangUp(EndReason),
}

/// A prompt that was heard.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptOver {
    /// Its number in the tree; none if it does not enter the tree.
    pub node: Option<NodeNo>,
    /// True if it was not known before.
    pub new: bool,
    /// Where its first word begins.
    pub start_ms: CallMs,
    /// Where its last word ends.
    pub end_ms: CallMs,
    /// What kind it is.
    pub kind: PromptKind,
    /// What was said.
    pub text: String,
    /// What it offers: keys and labels.
    pub options: Vec<(Keys, String)>,
}

/// Why a call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Nothing can be pressed where we are: an announcement, a voicemail, a queue, a person.
    BranchEnd,
    /// Nothing is left to explore from where we are.
    NothingLeft,
    /// Nothing was said until the limit.
    NoSpeech,
    /// The line hung up.
    LineHungUp,
    /// The menu waited for a key, then went elsewhere.
    MovedOn,
    /// What was heard is not what was expected.
    WrongTurn,
    /// The call reached its longest duration.
    CallTooLong,
    /// The call reached its most key presses.
    TooManyKeys,
    /// The call was never answered.
    NotAnswered,
    /// A person, a queue, a recorder or a fax machine took the call; it was left at once.
    Taken,
    /// Words were lost, because the recogniser failed or fell too far behind: nothing is concluded.
    Unheard,
}

/// What a call has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why it ended.
    pub reason: EndReason,
    /// True if the tree knows more than before.
    pub news: bool,
    /// True if no unexplored key is left within the limits.
    pub complete: bool,
    /// Unexplored keys that are left.
    pub open: usize,
    /// How often something else was heard than expected.
    pub mismatches: u32,
    /// Keys that were pressed.
    pub presses: u32,
    /// True if the line took no notice of a key that was pressed while it spoke. Set
    /// [`Limits::early_keys`] to false for the next call.
    pub ignores_early_keys: bool,
}

/// The state machine of one call; see the module's documentation.
#[derive(Debug)]
pub struct Navigator {
    known: Known,
    limits: Limits,
    state: State,
    actions: VecDeque<Action>,
    /// Keys that are not tried again in this call.
    given_up: BTreeSet<Step>,
    /// The prompt that was stored last, while words may still arrive that belong to it.
    unfinished: Option<NodeNo>,
    line_gone: bool,
    /// We hung up before what was heard was understood.
    left: bool,
    answered_at: CallMs,
    news: bool,
    mismatches: u32,
    presses: u32,
    ignores_early_keys: bool,
}

#[derive(Debug)]
enum State {
    /// The call is not answered yet.
    Dialled,
    /// The line is listened to.
    Listening(Box<Listening>),
    /// The call is over, or is to be ended by the last action.
    Over(EndReason),
}

#[derive(Debug)]
struct Listening {
    place: Place,
    hearing: Hearing,
    flushed: bool,
    /// How often the recogniser was asked for the words so far of a prompt that is expected.
    looks: u32,
    began: bool,
}

/// Where we believe to be.
#[derive(Clone, Debug)]
enum Place {
    /// At the first prompt of a number of which nothing is known.
    First,
    /// Behind a key that was never pressed before.
    Fresh {
        step: Step,
        /// How often it was pressed in this call.
        presses: u32,
    },
    /// At a known prompt.
    Expect {
        node: NodeNo,
        /// The key that led here; none at the beginning of the call.
        via: Option<Step>,
        /// How often that key was pressed for it.
        presses: u32,
        /// The keys to press from here, the last of them unexplored.
        route: VecDeque<Step>,
    },
}

/// True if nothing is left to explore in this tree within the limits: no call is needed.
pub fn is_complete(tree: &Tree, limits: &Limits) -> bool {
    !tree.nodes().is_empty() && Known::new(tree.clone()).open_count(limits) == 0
}

impl Navigator {
    /// A call to a number of which `tree` is known.
    pub fn new(tree: Tree, limits: Limits) -> Self {
        Self {
            known: Known::new(tree),
            limits,
            state: State::Dialled,
            actions: VecDeque::new(),
            given_up: BTreeSet::new(),
            unfinished: None,
            line_gone: false,
            left: false,
            answered_at: 0,
            news: false,
            mismatches: 0,
            presses: 0,
            ignores_early_keys: false,
        }
    }

    /// Takes what happened. `now` never goes back.
    pub fn handle(&mut self, now: CallMs, input: Input) {
        match (&mut self.state, input) {
            (State::Over(_), _) => return,
            (State::Dialled, Input::Answered) => self.answered(now),
            (State::Dialled, Input::HungUp) => {
                self.line_gone = true;
                self.end(EndReason::NotAnswered);
            }
            // Before the answer there may be early media; the menu begins with the answer.
            (State::Dialled, _) => {}
            (State::Listening(_), Input::Answered) => {}
            (State::Listening(l), Input::SpeechStarted { at }) => l.hearing.speech_started(at),
            (State::Listening(l), Input::SpeechEnded { at }) => {
                l.hearing.speech_ended(at);
                self.look_in_pause(now);
            }
            (State::Listening(l), Input::KeysSent { at, .. }) => l.hearing.keys_sent(at),
            (State::Listening(_), Input::Tone { tone, at }) => self.heard_tone(now, tone, at),
            (State::Listening(l), Input::Person { at }) if l.hearing.is_first() => {
                l.hearing.waits_for_us();
                if l.hearing.person {
                    self.leave(at, Taken::Person);
                } else {
                    self.actions.push_back(Action::Flush);
                }
            }
            (State::Listening(_), Input::Person { at }) => self.leave(at, Taken::Person),
            (State::Listening(l), Input::HungUp) => {
                self.line_gone = true;
                l.hearing.line_gone(now);
            }
            (State::Listening(l), Input::Speech(event)) => {
                let words = matches!(event, SpeechEvent::Interim(_) | SpeechEvent::Final(_));
                let late = l.hearing.take(event, &self.limits);
                let person = l.hearing.person;
                if let Some(late) = late {
                    self.take_late(late);
                }
                if person {
                    self.leave(now, Taken::Person);
                }
                if words {
                    self.press_if_heard(now);
                    self.link_if_heard(now);
                    self.notice_ignored();
                }
            }
        }
        self.handle_timeout(now);
    }

    /// To be called when [`Navigator::poll_timeout`] is reached; harmless at any other time.
    pub fn handle_timeout(&mut self, now: CallMs) {
        let State::Listening(listening) = &mut self.state else { return };
        if let Some(at) = listening.hearing.began.filter(|_| !listening.began) {
            listening.began = true;
            self.actions.push_back(Action::PromptBegan { at });
        }
        if !listening.flushed && listening.hearing.flush_due().is_some_and(|due| due <= now) {
            listening.flushed = true;
            self.actions.push_back(Action::Flush);
        }
        if self.look_due().is_some_and(|due| due <= now)
            && let State::Listening(listening) = &mut self.state
        {
            listening.looks += 1;
            listening.hearing.look(now, 0);
            self.actions.push_back(Action::Flush);
        }
        if self.recorder_due().is_some_and(|due| due <= now) {
            self.leave(now, Taken::Recorder);
        }
        if self.queue_due().is_some_and(|due| due <= now)
            && let State::Listening(listening) = &mut self.state
        {
            listening.hearing.is_music();
            self.leave(now, Taken::Queue);
        }
        let State::Listening(listening) = &self.state else { return };
        if listening.hearing.due(&self.limits, self.line_gone) <= now {
            self.conclude(now);
        } else if self.call_limit() <= now {
            // What the recogniser has not come to may tell where the key leads.
            if !(listening.hearing.is_behind() || listening.hearing.uncertain) {
                self.give_up_place();
            }
            self.end(EndReason::CallTooLong);
        }
    }

    /// When to come back if nothing happens; none once the call is over.
    pub fn poll_timeout(&self) -> Option<CallMs> {
        let State::Listening(listening) = &self.state else { return None };
        let due = listening.hearing.due(&self.limits, self.line_gone).min(self.call_limit());
        let flush = listening.hearing.flush_due().filter(|_| !listening.flushed);
        [Some(due), flush, self.look_due(), self.recorder_due(), self.queue_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next thing to do; none when there is nothing to do now.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What the call has brought, once it is over and all actions were taken.
    pub fn outcome(&self) -> Option<Outcome> {
        let State::Over(reason) = self.state else { return None };
        if !self.actions.is_empty() {
            return None;
        }
        let open = self.known.open_count(&self.limits);
        Some(Outcome {
            reason,
            news: self.news,
            complete: open == 0 && !self.known.tree().nodes().is_empty(),
            open,
            mismatches: self.mismatches,
            presses: self.presses,
            ignores_early_keys: self.ignores_early_keys,
        })
    }

    /// Tells where a prompt's recording is, so that later changes of the prompt keep it.
    pub fn recorded(&mut self, node: NodeNo, audio_file: String) {
        self.known.set_audio_file(node, audio_file);
    }

    /// The tree with everything that was learned so far.
    pub fn tree(&self) -> &Tree {
        self.known.tree()
    }

    /// The tree, when the call is over.
    pub fn into_tree(self) -> Tree {
        self.known.into_tree()
    }

    fn call_limit(&self) -> CallMs {
        self.answered_at.saturating_add(self.limits.max_call_ms)
    }

    fn answered(&mut self, now: CallMs) {
        self.answered_at = now;
        let first = NodeNo(0);
        let place = if self.known.node(first).is_none() {
            Place::First
        } else {
            match self.known.plan(first, &self.limits, &self.given_up) {
                Some(route) => Place::Expect { node: first, via: None, presses: 0, route },
                None => return self.end(EndReason::NothingLeft),
            }
        };
        let hearing = Hearing::new(now, None, &self.limits);
        self.listen(place, hearing);
    }

    fn listen(&mut self, place: Place, hearing: Hearing) {
        let listening = Listening { place, hearing, flushed: false, looks: 0, began: false };
        self.state = State::Listening(Box::new(listening));
    }

    /// Presses the first key of a route and listens to what comes.
    fn press(
        &mut self,
        now: CallMs,
        mut route: VecDeque<Step>,
        presses: u32,
        before: &Hearing,
        early: bool,
    ) {
        if self.presses >= self.limits.max_presses {
            return self.end(EndReason::TooManyKeys);
        }
        let Some(step) = route.pop_front() else { return self.end(EndReason::NothingLeft) };
        let edge = self.known.node(step.from).and_then(|n| n.edges.get(&step.keys));
        let place = match edge {
            Some(Edge::Child(node) | Edge::Link(node)) if !route.is_empty() => {
                Place::Expect { node: *node, via: Some(step.clone()), presses, route }
            }
            Some(Edge::Child(_) | Edge::Link(_) | Edge::Tried(_) | Edge::Dead(_)) | None => {
                Place::Fresh { step: step.clone(), presses }
            }
        };
        self.presses += 1;
        self.actions.push_back(Action::Press { keys: step.keys, slow: presses > 1 });
        let mut hearing = Hearing::new(now, Some(before), &self.limits);
        hearing.early |= early || before.is_restarted();
        self.listen(place, hearing);
    }

    /// Ends the call; nothing is heard any more.
    fn end(&mut self, reason: EndReason) {
        if !self.line_gone {
            self.actions.push_back(Action::HangUp(reason));
        }
        self.state = State::Over(if self.left { EndReason::Taken } else { reason });
    }

    /// Makes a change in the tree and has it stored.
    fn store(&mut self, change: Change) {
        self.news |= !matches!(change, Change::Edge { edge: Edge::Tried(_), .. });
        if self.known.apply(change.clone()) {
            self.actions.push_back(Action::Store(change));
        }
    }
}
