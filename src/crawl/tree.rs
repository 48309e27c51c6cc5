//! The tree of a phone menu: what is stored, shown, and planned on.
//!
//! A scan of a number owns one [`Tree`]. It changes only by [`Change`]s, so that whoever stores it
//! has each of them on disk before the call goes on, and can build the same tree again from them.

use std::collections::BTreeMap;

use crate::speech::{CallMs, Transcript};

/// One or several telephone keys that are pressed together to choose an option.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Keys(String);

/// Most keys of one option; an extension that can be dialled has fewer.
pub const MAX_KEYS: usize = 16;

impl Keys {
    /// Keys from their characters, each of `0-9`, `*` and `#`; `None` for anything else, for none,
    /// and for more than [`MAX_KEYS`].
    pub fn try_new(keys: &str) -> Option<Self> {
        let valid = keys.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
        (valid && (1..=MAX_KEYS).contains(&keys.len())).then(|| Self(keys.to_owned()))
    }

    /// The characters, in the order in which they are pressed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of thing a prompt is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PromptKind {
    /// Offers options by key.
    Menu,
    /// Offers languages by key.
    Language,
    /// Asks for digits or speech that we do not have: an account number, a date, a name.
    Input,
    /// Says that the call is being passed to a person.
    Transfer,
    /// Says that the caller waits in a queue.
    Queue,
    /// Asks for a message after the tone.
    Voicemail,
    /// A person speaks: "hello, who is there?"
    Person,
    /// Says that the key was not one of those offered.
    Invalid,
    /// Says something and offers nothing.
    Announcement,
}

/// An option that a prompt offers.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct MenuOption {
    /// What to press.
    pub keys: Keys,
    /// What it is for: "sales".
    pub label: String,
    /// The words in which it was offered: "for sales press one".
    pub said: String,
    /// Where these words begin.
    pub start_ms: CallMs,
    /// Where they end.
    pub end_ms: CallMs,
    /// Between 0 and 1.
    pub confidence: f32,
}

/// A prompt's number within its scan, in the order of discovery; the first heard is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct NodeNo(pub u32);

/// One prompt and what lies behind its keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its number.
    pub no: NodeNo,
    /// What kind of thing it is.
    pub kind: PromptKind,
    /// What was heard, one transcript for each stretch between pauses, on the clock of the call in
    /// which it was heard.
    pub transcripts: Vec<Transcript>,
    /// Where the prompt begins on that clock, the start of its audio file.
    pub start_ms: CallMs,
    /// Where it ends.
    pub end_ms: CallMs,
    /// What it offers, in the order in which it was said.
    pub options: Vec<MenuOption>,
    /// Its recording, relative to the data directory.
    pub audio_file: Option<String>,
    /// What is known of each key; an option without an entry is unexplored.
    pub edges: BTreeMap<Keys, Edge>,
    /// How often later calls went to hear it again, because it was not understood well.
    pub checks: u32,
    /// What else was heard in its place; at most [`MAX_VARIANTS`].
    pub variants: Vec<Variant>,
}

/// Most variants of one prompt.
pub const MAX_VARIANTS: usize = 6;

/// Another wording that was heard where a prompt is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// What it has to do with the prompt.
    pub standing: Standing,
    /// What kind of thing it is.
    pub kind: PromptKind,
    /// What was heard.
    pub transcripts: Vec<Transcript>,
    /// Where it begins, on the clock of the call in which it was heard.
    pub start_ms: CallMs,
    /// Where it ends.
    pub end_ms: CallMs,
    /// Its recording, relative to the data directory.
    pub audio_file: Option<String>,
    /// When it was heard first, in microseconds since 1970; none until it was stored.
    pub first_heard: Option<i64>,
    /// When it was heard last; none from then until it was stored.
    pub last_heard: Option<i64>,
}

impl Variant {
    /// Everything that was said.
    pub fn text(&self) -> String {
        text_of(&self.transcripts)
    }
}

/// What a variant has to do with its prompt.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Was heard once in the prompt's place. Heard there once more, it proves that the number has
    /// changed; if the prompt is heard, it was a wrong turn.
    Suspected,
    /// Is said in the prompt's place at times: a greeting of the evening, news before the menu.
    AtTimes,
    /// Was the prompt until the number changed.
    Former,
}

impl Node {
    /// Everything that was said, joined by single blanks.
    pub fn text(&self) -> String {
        text_of(&self.transcripts)
    }

    /// How sure we are of its words: the mean of their confidence, 0 to 1; none without words.
    pub fn confidence(&self) -> Option<f32> {
        confidence(&self.transcripts)
    }
}

/// The mean confidence of words, 0 to 1; none without words.
pub fn confidence(transcripts: &[Transcript]) -> Option<f32> {
    let words = || transcripts.iter().flat_map(|t| &t.words);
    let count = words().count();
    (count > 0).then(|| words().map(|w| w.confidence).sum::<f32>() / count as f32)
}

fn text_of(transcripts: &[Transcript]) -> String {
    let parts: Vec<String> =
        transcripts.iter().map(Transcript::text).filter(|t| !t.is_empty()).collect();
    parts.join(" ")
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Pressed this often without learning where it leads; pressed again in a later call.
    Tried(u32),
    /// Leads to a prompt that was first heard behind this key.
    Child(NodeNo),
    /// Leads to a prompt that is known from elsewhere: the main menu, the menu before, a repeat.
    Link(NodeNo),
    /// Leads nowhere; not pressed again.
    Dead(DeadEnd),
}

/// Why a key leads nowhere.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DeadEnd {
    /// The line hung up without a word.
    HungUp,
    /// The menu said that the key is not valid.
    Invalid,
    /// Nothing was said until the limit.
    Silent,
    /// The key had no effect, however it was pressed.
    NoEffect,
    /// The depth limit forbids to go there.
    TooDeep,
}

/// A step in the life of a tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A prompt was heard: a new one, or a better hearing of the one with the same number.
    Node(Node),
    /// Something was learned of a key.
    Edge {
        /// The prompt that offers the key.
        from: NodeNo,
        /// The key.
        keys: Keys,
        /// What is known now.
        edge: Edge,
    },
    /// A known prompt was heard again. The tree stays as it is; whoever stores it notes the time.
    Heard(NodeNo),
}

/// The menu of one number as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// All prompts by number.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The prompt with this number.
    pub fn node(&self, no: NodeNo) -> Option<&Node> {
        self.nodes.get(no.0 as usize)
    }

    /// The number that the next new prompt gets.
    pub fn next_no(&self) -> NodeNo {
        NodeNo(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX))
    }

    /// Makes a change. A `Node` whose number is neither known nor the next one, and an `Edge` from
    /// an unknown prompt, are refused: they would leave a hole.
    pub fn apply(&mut self, change: Change) -> Result<(), Hole> {
        match change {
            Change::Node(node) => {
                let no = node.no;
                let len = self.nodes.len();
                match self.nodes.get_mut(no.0 as usize) {
                    Some(known) => *known = node,
                    None if no.0 as usize == len => self.nodes.push(node),
                    None => return Err(Hole(no)),
                }
            }
            Change::Edge { from, keys, edge } => {
                let node = self.nodes.get_mut(from.0 as usize).ok_or(Hole(from))?;
                node.edges.insert(keys, edge);
            }
            Change::Heard(no) => {
                self.node(no).ok_or(Hole(no))?;
            }
        }
        Ok(())
    }
}

/// A change that does not fit the tree it is applied to.
#[derive(Debug, thiserror::Error)]
#[error("the tree has no prompt {}, and it is not the next one", .0.0)]
pub struct Hole(pub NodeNo);
