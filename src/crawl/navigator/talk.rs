//! What a navigator is told, what it wants done, and what a call has brought.

use crate::{
    crawl::tree::{Change, Keys, NodeNo, PromptKind},
    speech::{CallMs, SpeechEvent},
};

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
    /// that its recording can be named; see [`super::Navigator::recorded`].
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
    /// True if its recording is kept: it is new, or was understood better than before.
    pub kept: bool,
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
    /// The prompt was read in another of its wordings, which does not offer the way.
    OtherWording,
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
    /// True if no unexplored key, and no prompt to be heard again, is left within the limits.
    pub complete: bool,
    /// Unexplored keys and prompts to be heard again that are left.
    pub open: usize,
    /// How often something else was heard than expected.
    pub mismatches: u32,
    /// Keys that were pressed.
    pub presses: u32,
    /// True if the line took no notice of a key that was pressed while it spoke. Set
    /// [`super::Limits::early_keys`] to false for the next call.
    pub ignores_early_keys: bool,
}
