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
//! | Expect  | the prompt, which was in doubt       | keep the surer of both hearings; go on      |
//! | Expect  | another of the prompt's wordings     | the same key, if it is offered; or hang up  |
//! | Expect  | another known prompt                 | note the suspicion; go on from there        |
//! | Expect  | something unknown                    | note the suspicion; hang up                 |
//! | Expect  | what another call suspected          | the number has changed: store it; go on     |
//! | Expect  | nothing                              | count it; hang up; the tree stays as it is  |
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
//! unexplored one; else to a prompt that was not understood well, to hear it again; else hang up.
//! Only keys that a stored prompt offers are ever pressed, unless [`Limits::unannounced`] names
//! others. What other calls to the number are about to do is left to them. Whatever
//! is learned leaves as [`Action::Store`] before the next key leaves as [`Action::Press`], so a
//! call that is cut off at any moment has lost nothing that the tree knew.

mod again;
mod decide;
mod early;
mod hearing;
mod known;
mod leave;
mod talk;
mod way;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use super::tree::{Change, Edge, Keys, NodeNo, Tree};
use crate::speech::{CallMs, SpeechEvent};
use hearing::Hearing;
pub use hearing::MAX_HEARD_WORDS;
pub(in crate::crawl) use known::Known;
pub use known::{Goal, Step};
use leave::Taken;
pub use talk::{Action, EndReason, Input, Outcome, PromptOver, Tone};

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
    /// With `early_keys`, press the known keys of a way as soon as a prompt begins. Where we are is
    /// checked at its end, before an unexplored key is pressed.
    pub barge_in: bool,
    /// Keys that are tried at menus that do not mention them.
    pub unannounced: Vec<Keys>,
    /// Below this mean confidence of its words, 0 to 1, a prompt is heard again before nothing is
    /// left; 0 for never.
    pub confirm_below: f32,
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
            barge_in: false,
            unannounced: Vec::new(),
            confirm_below: 0.4,
        }
    }
}

/// The state machine of one call; see the module's documentation.
#[derive(Debug)]
pub struct Navigator {
    known: Known,
    limits: Limits,
    state: State,
    actions: VecDeque<Action>,
    /// What is not tried again in this call.
    given_up: BTreeSet<Goal>,
    /// What other calls to the number are about to do.
    taken: BTreeSet<Goal>,
    /// Prompts in whose place something else was heard in this call.
    suspected: BTreeSet<NodeNo>,
    /// Keys were pressed at the mere beginning of prompts.
    barged: bool,
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

/// True if a change is more than a note: the tree knows more by it.
pub(super) fn is_news(change: &Change) -> bool {
    match change {
        Change::Node(_) => true,
        Change::Edge { edge, .. } => !matches!(edge, Edge::Tried(_)),
        Change::Heard(_) => false,
    }
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
            taken: BTreeSet::new(),
            suspected: BTreeSet::new(),
            barged: false,
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
            (State::Listening(l), Input::SpeechStarted { at }) => {
                l.hearing.speech_started(at);
                self.barge(now);
            }
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

    /// What the call is about to do: nobody else should. None at a first prompt of which nothing is
    /// known, and when the call is over.
    pub fn goal(&self) -> Option<Goal> {
        let State::Listening(listening) = &self.state else { return None };
        match &listening.place {
            Place::First => None,
            Place::Fresh { step, .. } => Some(Goal::Explore(step.clone())),
            Place::Expect { node, route, .. } => Some(self.goal_of(*node, route)),
        }
    }

    /// Tells what other calls to the number are about to do, which this call then leaves to them.
    pub fn leave_to_others(&mut self, taken: BTreeSet<Goal>) {
        self.taken = taken;
    }

    /// Takes over what another call has stored.
    pub fn take_over(&mut self, change: Change) {
        // It fitted the tree that all calls share.
        self.known.apply(change);
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
            let again = Goal::Hear(first);
            let again = self.known.is_doubtful(first, &self.limits) && !self.taken.contains(&again);
            let route = self.plan(first).or_else(|| again.then(VecDeque::new));
            match route {
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
            Some(Edge::Child(node) | Edge::Link(node)) => {
                Place::Expect { node: *node, via: Some(step.clone()), presses, route }
            }
            Some(Edge::Tried(_) | Edge::Dead(_)) | None => {
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

    /// The way to the nearest thing that is left for this call to do.
    fn plan(&self, from: NodeNo) -> Option<VecDeque<Step>> {
        let skipped: BTreeSet<Goal> = self.given_up.union(&self.taken).cloned().collect();
        self.known.plan(from, &self.limits, &skipped)
    }

    /// Makes a change in the tree and has it stored.
    fn store(&mut self, change: Change) {
        self.news |= is_news(&change);
        self.note(change);
    }

    /// The same for what is no news: it does not count as a result of the call.
    fn note(&mut self, change: Change) {
        if self.known.apply(change.clone()) {
            self.actions.push_back(Action::Store(change));
        }
    }
}
