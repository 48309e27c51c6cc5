//! The TOML files that describe phone menus, as they are written.

use std::collections::BTreeMap;

use super::menu::{Behaviour, Ending};
use crate::crawl::tree::PromptKind;

/// A business and its menu.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BusinessFile {
    pub(super) name: String,
    pub(super) number: String,
    /// Who speaks: for the script that makes the recordings.
    #[serde(rename = "voice")]
    _voice: String,
    #[serde(default = "usual_ring_ms")]
    pub(super) ring_ms: u64,
    pub(super) first: String,
    pub(super) early: Option<PromptDescription>,
    pub(super) invalid: PromptDescription,
    pub(super) goodbye: PromptDescription,
    pub(super) hello: Option<PromptDescription>,
    pub(super) menu: BTreeMap<String, MenuDescription>,
}

fn usual_ring_ms() -> u64 {
    1_000
}

/// Something that is said.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PromptDescription {
    /// The words; `[2.5 s]` between sentences is a pause.
    pub(super) say: String,
    /// The recording, if it is not in its usual place.
    pub(super) audio: Option<String>,
    #[serde(rename = "voice")]
    _voice: Option<String>,
}

/// A prompt and what follows it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MenuDescription {
    pub(super) kind: PromptKind,
    say: String,
    audio: Option<String>,
    voice: Option<String>,
    #[serde(default)]
    pub(super) options: Vec<OptionDescription>,
    pub(super) barge_in: Option<bool>,
    pub(super) wait_ms: Option<u64>,
    pub(super) repeats: Option<u32>,
    pub(super) no_input: Option<String>,
    pub(super) digits: Option<usize>,
    pub(super) then: Option<Ending>,
    #[serde(default)]
    pub(super) sit: bool,
}

impl MenuDescription {
    /// What is said.
    pub(super) fn prompt(&self) -> PromptDescription {
        PromptDescription {
            say: self.say.clone(),
            audio: self.audio.clone(),
            _voice: self.voice.clone(),
        }
    }
}

/// An option of a menu.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OptionDescription {
    pub(super) keys: String,
    pub(super) label: String,
    pub(super) to: String,
}

/// Numbers without a menu.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinesFile {
    pub(super) line: Vec<LineDescription>,
}

/// A number without a menu.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineDescription {
    pub(super) number: String,
    pub(super) behaviour: PlainBehaviour,
}

/// What happens to a call to such a number.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PlainBehaviour {
    Busy,
    Unavailable,
    NoAnswer,
    Silent,
    Unknown,
    HangsUp,
}

impl From<PlainBehaviour> for Behaviour {
    fn from(plain: PlainBehaviour) -> Self {
        match plain {
            PlainBehaviour::Busy => Self::Busy,
            PlainBehaviour::Unavailable => Self::Unavailable,
            PlainBehaviour::NoAnswer => Self::NoAnswer,
            PlainBehaviour::Silent => Self::Silent,
            PlainBehaviour::Unknown => Self::Unknown,
            PlainBehaviour::HangsUp => Self::HangsUp,
        }
    }
}
