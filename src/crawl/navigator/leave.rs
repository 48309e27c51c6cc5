//! Leaving at once, because somebody or something took the call that is not to be bothered.
//!
//! The call is hung up first and understood afterwards: what was said until then is still being
//! recognised, and the prompt enters the tree when it is.

use super::{Action, EndReason, Navigator, Place, State, Tone};
use crate::{
    crawl::{menu_text::Understanding, tree::PromptKind},
    speech::{CallMs, Word},
};

/// Most words of somebody who answers a telephone: "Lakeside Boats, this is Jim, how can I help
/// you?" A recorded greeting that says as much goes on after it.
const MAX_ANSWER_WORDS: usize = 16;
/// Most words of an answer that is nothing but a greeting.
const MAX_HELLO_WORDS: usize = 3;

/// A beep this soon after a key is the menu's own: it says that it has heard the key.
const CHIME_MS: CallMs = 1000;

/// Silence after a beep that shows that something records. A voice that sings is a beep to the
/// detector now and then, and talks on.
const RECORDER_MS: CallMs = 1000;

/// How long the recogniser may take to find words in what sounds like music.
const MUSIC_MS: CallMs = 1500;

/// Who or what took the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It rings at somebody's telephone.
    Operator,
    /// The music of a queue plays.
    Queue,
    /// Somebody said hello.
    Person,
    /// Something records.
    Recorder,
    /// A fax machine.
    Fax,
}

impl Taken {
    /// The kind of a prompt that ends so. What the prompt says of itself counts more.
    pub fn kind(self, understood: &Understanding) -> PromptKind {
        let said = understood.kind;
        match said {
            PromptKind::Announcement | PromptKind::Menu | PromptKind::Invalid
                if understood.options.is_empty() =>
            {
                match self {
                    Self::Operator => PromptKind::Transfer,
                    Self::Person => PromptKind::Person,
                    Self::Queue => PromptKind::Queue,
                    Self::Recorder => PromptKind::Voicemail,
                    Self::Fax => said,
                }
            }
            PromptKind::Announcement
            | PromptKind::Menu
            | PromptKind::Invalid
            | PromptKind::Language
            | PromptKind::Input
            | PromptKind::Transfer
            | PromptKind::Queue
            | PromptKind::Voicemail
            | PromptKind::Person => said,
        }
    }
}

impl Navigator {
    /// A tone was recognised that began at `at`. Options that were read before it say that a machine is still
    /// there: then no tone but those of a lost line ends the call.
    pub(super) fn heard_tone(&mut self, now: CallMs, tone: Tone, at: CallMs) {
        let State::Listening(listening) = &mut self.state else { return };
        // It may be of what was heard before the last key.
        let since = listening.hearing.since;
        if at < since || (tone == Tone::Beep && at < since.saturating_add(CHIME_MS)) {
            return;
        }
        let behind_a_key = !matches!(listening.place, Place::First);
        let offers = listening.hearing.offers;
        let taken = match tone {
            Tone::Busy | Tone::SpecialInformation => {
                self.line_gone = true;
                return listening.hearing.line_gone(at);
            }
            // What talks on after a beep is no recorder, unless it has said that it is one.
            Tone::Beep if !offers && !listening.hearing.records => {
                listening.hearing.beeped(now);
                return self.actions.push_back(Action::Flush);
            }
            Tone::Beep => Taken::Recorder,
            Tone::Fax => Taken::Fax,
            // At the beginning of a call a menu may be one that rings or plays a tune first.
            Tone::Ringback if behind_a_key => Taken::Operator,
            // A voice that keeps its pitch is music to the detector now and then: its words tell.
            Tone::Music if behind_a_key && !offers => {
                listening.hearing.plays(at, now);
                return self.actions.push_back(Action::Flush);
            }
            Tone::Music if behind_a_key => Taken::Queue,
            Tone::Ringback | Tone::Music => return,
        };
        if offers {
            if matches!(tone, Tone::Beep | Tone::Fax) {
                listening.hearing.tone(at);
            }
            return;
        }
        listening.hearing.no_words_from(at);
        self.leave(now, taken);
    }

    /// When music is taken for that of a queue: as soon as the recogniser has heard it and found no
    /// words, and soon in any case, because somebody may be about to take the call.
    pub(super) fn queue_due(&self) -> Option<CallMs> {
        let State::Listening(listening) = &self.state else { return None };
        let (told, heard) = listening.hearing.music()?;
        Some(if heard { told } else { told.saturating_add(MUSIC_MS) })
    }

    /// When a beep that silence follows is taken for that of a recorder.
    pub(super) fn recorder_due(&self) -> Option<CallMs> {
        let State::Listening(listening) = &self.state else { return None };
        listening.hearing.beeped_at().map(|at| at.saturating_add(RECORDER_MS))
    }

    /// Hangs up now; what was heard until now is understood when it is recognised.
    pub(super) fn leave(&mut self, now: CallMs, taken: Taken) {
        let State::Listening(listening) = &mut self.state else { return };
        if self.line_gone {
            return;
        }
        self.actions.push_back(Action::HangUp(EndReason::Taken));
        self.line_gone = true;
        self.left = true;
        listening.hearing.taken = Some(taken);
        listening.hearing.line_gone(now);
    }
}

/// True if these are the words of somebody who takes a telephone: "hello?", "sales, Jim speaking",
/// "this is Ann, how may I help you".
pub(super) fn is_a_person(words: &[&Word]) -> bool {
    let letters = |w: &&Word| -> String {
        w.text.chars().filter(|c| c.is_alphabetic()).collect::<String>().to_lowercase()
    };
    let words: Vec<String> = words.iter().map(letters).filter(|w| !w.is_empty()).collect();
    let has = |word: &str| words.iter().any(|w| w == word);
    let is_hello = |w: &String| {
        matches!(w.as_str(), "hello" | "hi" | "hey" | "yes" | "good" | "morning" | "afternoon")
    };
    let only_hello = (1..=MAX_HELLO_WORDS).contains(&words.len())
        && words.iter().all(is_hello)
        && (has("hello") || has("hi") || has("hey"));
    let short = words.len() <= MAX_ANSWER_WORDS;
    let speaking = words.last().is_some_and(|w| w == "speaking");
    let follow =
        |a: &str, b: &str| words.iter().zip(words.iter().skip(1)).any(|(x, y)| x == a && y == b);
    // Help desks and hotlines say "this is" and "help" of themselves; only people ask how.
    let introduces = follow("this", "is") && has("how") && has("help");
    let asks = follow("who", "is") && (has("this") || has("calling"));
    only_hello || (short && (speaking || introduces || asks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str) -> bool {
        let words: Vec<Word> = text
            .split(' ')
            .map(|text| Word { text: text.into(), start_ms: 0, end_ms: 0, confidence: 1.0 })
            .collect();
        is_a_person(&words.iter().collect::<Vec<_>>())
    }

    #[test]
    fn people_who_take_a_telephone_are_told_from_machines_that_use_their_words() {
        for text in [
            "Hello?",
            "Hi, good morning.",
            "Sales, Jim speaking.",
            "Lakeside Boats, this is Ann, how may I help you?",
            "Who is this?",
            "May I ask who is calling?",
        ] {
            assert!(says(text), "{text}");
        }
        for text in [
            "This is the help desk of the city. We can tell you about permits.",
            "This is Lakeside Boats. If you need help, please stay on the line.",
            "Find out who is open today.",
            "Good morning.",
            "Hello and welcome to Lakeside Boats.",
        ] {
            assert!(!says(text), "{text}");
        }
    }
}
