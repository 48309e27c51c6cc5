//! A crawl's navigator as the pilot of a call.

use std::collections::VecDeque;

use super::{
    navigator::{Action, EndReason, Input, Navigator, Outcome, PromptOver},
    tree::NodeNo,
};
use crate::{
    calls::{
        live::What,
        pilot::{Act, Heard, Pilot},
    },
    speech::{CallMs, SpeechEvent},
};

/// Flies one call by a navigator's decisions.
#[derive(Debug)]
pub struct Crawler {
    navigator: Navigator,
    /// Acts that an action of the navigator came to, beyond the first.
    more: VecDeque<Act>,
    stored: bool,
}

impl Crawler {
    /// For one call.
    pub fn new(navigator: Navigator) -> Self {
        Self { navigator, more: VecDeque::new(), stored: false }
    }

    /// What the call has brought; `None` if it was cut off before the navigator was through.
    pub fn outcome(&self) -> Option<Outcome> {
        self.navigator.outcome()
    }

    /// True if the call taught something, also if it was cut off after that.
    pub fn has_news(&self) -> bool {
        self.outcome().map_or(self.stored, |outcome| outcome.news)
    }
}

impl Pilot for Crawler {
    fn handle(&mut self, now: CallMs, heard: Heard) {
        let input = match heard {
            Heard::Answered => Input::Answered,
            Heard::SpeechStarted { at } => Input::SpeechStarted { at },
            Heard::SpeechEnded { at } => Input::SpeechEnded { at },
            Heard::Speech(event) => Input::Speech(event),
            Heard::KeysSent { keys, at } => Input::KeysSent { keys, at },
            Heard::HungUp => Input::HungUp,
            // The navigator decides by words; sounds and who answered stand in the call's log.
            Heard::Sound(_) | Heard::Party(_) => return,
            Heard::Closed => Input::Speech(SpeechEvent::HeardUntil(CallMs::MAX)),
        };
        self.navigator.handle(now, input);
    }

    fn handle_timeout(&mut self, now: CallMs) {
        self.navigator.handle_timeout(now);
    }

    fn poll(&mut self) -> Option<Act> {
        if let Some(act) = self.more.pop_front() {
            return Some(act);
        }
        Some(match self.navigator.poll_action()? {
            Action::PromptBegan { at } => Act::BeginPrompt { at },
            Action::PromptOver(prompt) => {
                let node = prompt.node.filter(|_| prompt.new);
                self.more.push_back(Act::Tell(understood(prompt)));
                Act::EndPrompt { node }
            }
            Action::Store(change) => {
                self.stored = true;
                Act::Store(change)
            }
            Action::Press { keys, slow } => Act::Press { keys, slow },
            Action::Flush => Act::Flush,
            Action::HangUp(reason) => Act::HangUp(in_words(reason).to_owned()),
        })
    }

    fn poll_timeout(&self) -> Option<CallMs> {
        self.navigator.poll_timeout()
    }

    fn recorded(&mut self, node: NodeNo, file: String) {
        self.navigator.recorded(node, file);
    }
}

fn understood(prompt: PromptOver) -> What {
    let options = prompt.options.into_iter().map(|(keys, label)| (keys.to_string(), label));
    What::Prompt {
        node: prompt.node.map(|node| node.0),
        kind: prompt.kind,
        text: prompt.text,
        options: options.collect(),
        new: prompt.new,
    }
}

/// Why a call ended, for its record and for people.
fn in_words(reason: EndReason) -> &'static str {
    match reason {
        EndReason::BranchEnd => "the branch ends here",
        EndReason::NothingLeft => "nothing is left to explore from here",
        EndReason::NoSpeech => "nothing was said",
        EndReason::LineHungUp => "the line hung up",
        EndReason::MovedOn => "the menu went on without a key",
        EndReason::WrongTurn => "something else was heard than expected",
        EndReason::CallTooLong => "the call took too long",
        EndReason::TooManyKeys => "too many keys were pressed",
        EndReason::NotAnswered => "nobody answered",
        EndReason::Taken => "a person, a queue or a recorder took the call",
    }
}
