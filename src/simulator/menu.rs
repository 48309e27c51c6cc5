//! The sample phone menus: their descriptions, checked, and their recordings, ready to be played.
//!
//! A directory of menus holds one TOML file for each business, with one WAV file (8 kHz, mono,
//! 16 bit) for each of its prompts, by default `<name of the TOML file>/<name of the prompt>.wav`.
//! A TOML file with the key `line` instead names numbers that have no menu. `sample_audio/` is such
//! a directory and is built into the program.

use std::{borrow::Cow, collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use super::load::{self, Mistakes};
use crate::crawl::tree::{Keys, PromptKind};

/// Samples per second of a recording, and of everything that is played.
pub const SAMPLE_RATE: u32 = 8_000;

/// Everything that can be called.
#[derive(Clone, Debug)]
pub struct Menus {
    lines: BTreeMap<String, Behaviour>,
}

/// What happens when a number is called.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answered by a phone menu.
    Business(Arc<Business>),
    /// 486 Busy Here.
    Busy,
    /// 503 Service Unavailable.
    Unavailable,
    /// Rings until the caller gives up.
    NoAnswer,
    /// Answered, and not a sound.
    Silent,
    /// 404 Not Found.
    Unknown,
    /// Answered, and hung up at once.
    HangsUp,
}

impl Behaviour {
    /// The business's name, or what happens, for people.
    pub fn name(&self) -> String {
        match self {
            Self::Business(business) => business.name.clone(),
            Self::Busy => "busy".to_owned(),
            Self::Unavailable => "service unavailable".to_owned(),
            Self::NoAnswer => "nobody answers".to_owned(),
            Self::Silent => "answers and stays silent".to_owned(),
            Self::Unknown => "not found".to_owned(),
            Self::HangsUp => "answers and hangs up".to_owned(),
        }
    }
}

/// A business and its menu.
#[derive(Debug)]
pub struct Business {
    /// Its name.
    pub name: String,
    /// Its number in E.164 form, with `+`.
    pub number: String,
    /// How long it rings before it is answered.
    pub ring: Duration,
    /// Said before it is answered, as early media.
    pub early: Option<Prompt>,
    /// The answer to a key that is not offered.
    pub invalid: Prompt,
    /// Said before hanging up on those who press nothing or only wrong keys.
    pub goodbye: Prompt,
    /// What a person says who answers a transfer, if one does.
    pub hello: Option<Prompt>,
    /// Where the call begins.
    pub first: MenuNo,
    pub(super) menus: Vec<Menu>,
}

impl Business {
    /// All menus in the order of their ids.
    pub fn menus(&self) -> &[Menu] {
        &self.menus
    }

    /// The menu with this number.
    pub fn menu(&self, no: MenuNo) -> Option<&Menu> {
        self.menus.get(no.0)
    }

    /// The number of the menu with this id.
    pub fn menu_no(&self, id: &str) -> Option<MenuNo> {
        self.menus.iter().position(|menu| menu.prompt.id == id).map(MenuNo)
    }
}

/// A menu's place within its business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MenuNo(pub(super) usize);

/// Something that is said.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Its name in the description.
    pub id: String,
    /// The words.
    pub text: String,
    /// The recording, at [`SAMPLE_RATE`].
    pub samples: Arc<[i16]>,
}

impl Prompt {
    /// How long the recording lasts.
    pub fn duration(&self) -> Duration {
        duration_of(&self.samples)
    }
}

/// How long so many samples last.
pub fn duration_of(samples: &[i16]) -> Duration {
    Duration::from_micros(samples.len() as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
}

/// A prompt and what follows it.
#[derive(Debug)]
pub struct Menu {
    /// What is said.
    pub prompt: Prompt,
    /// What kind of prompt it is.
    pub kind: PromptKind,
    /// What follows.
    pub then: Then,
}

/// What follows a prompt.
#[derive(Debug)]
pub enum Then {
    /// The line listens for keys.
    Listen(Listen),
    /// Nothing can be pressed any more.
    End(Ending),
}

/// How a line listens for keys.
#[derive(Debug)]
pub struct Listen {
    /// What can be pressed, in the order in which it is said.
    pub options: Vec<Choice>,
    /// What the line collects instead of single keys, if it asks for a number.
    pub input: Option<Input>,
    /// True if a key ends the prompt; otherwise keys pressed while it is said are ignored.
    pub barge_in: bool,
    /// How long the line waits for a key after the prompt.
    pub wait: Duration,
    /// How often the prompt is said again to those who press nothing.
    pub repeats: u32,
    /// Where those go who still press nothing; without it they are sent away.
    pub no_input: Option<MenuNo>,
}

/// A number that the caller is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// How many digits it has; without it any number that ends with `#` or with a pause.
    pub digits: Option<usize>,
}

/// An option of a menu.
#[derive(Debug)]
pub struct Choice {
    /// What to press.
    pub keys: Keys,
    /// What it is for, as a listener would write it.
    pub label: String,
    /// Where it leads.
    pub to: Target,
}

/// Where an option leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a prompt.
    Menu(MenuNo),
    /// To the answer that the key is not valid, though it was offered.
    InvalidEntry,
}

/// What is heard after a prompt that offers nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The line hangs up.
    HangUp,
    /// It rings at the person to whom the call is passed; nobody answers.
    Ringback,
    /// It rings there, and then a person answers, who says the business's `hello`.
    Person,
    /// The music of a queue.
    HoldMusic,
    /// The beep of an answering machine, which then records.
    Beep,
    /// Nothing; the line stays open.
    Silence,
}

impl Menus {
    /// The menus that are built into the program.
    pub fn samples() -> Result<Self, Mistakes> {
        let names = SampleAudio::iter().map(Cow::into_owned).collect();
        let lines = load::lines(names, &|name| {
            SampleAudio::get(name)
                .map(|file| file.data)
                .ok_or_else(|| "there is no such file".into())
        })?;
        Ok(Self { lines })
    }

    /// The menus of a directory. All mistakes are reported, not only the first.
    pub fn read(dir: &Path) -> Result<Self, Mistakes> {
        let mut names = Vec::new();
        let entries = std::fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match entries {
            Ok(entries) => names
                .extend(entries.iter().filter_map(|entry| entry.file_name().into_string().ok())),
            Err(e) => return Err(Mistakes::one(&dir.display().to_string(), "", e.to_string())),
        }
        let lines = load::lines(names, &|name| {
            std::fs::read(dir.join(name)).map(Cow::Owned).map_err(|e| e.to_string())
        })?;
        Ok(Self { lines })
    }

    /// What happens when this number (E.164 with `+`) is called, if anything is known of it.
    pub fn line(&self, number: &str) -> Option<&Behaviour> {
        self.lines.get(number)
    }

    /// All numbers and what happens when they are called, by number.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &Behaviour)> {
        self.lines.iter().map(|(number, behaviour)| (number.as_str(), behaviour))
    }

    /// The businesses, by number.
    pub fn businesses(&self) -> impl Iterator<Item = &Arc<Business>> {
        self.lines.values().filter_map(|behaviour| match behaviour {
            Behaviour::Business(business) => Some(business),
            Behaviour::Busy
            | Behaviour::Unavailable
            | Behaviour::NoAnswer
            | Behaviour::Silent
            | Behaviour::Unknown
            | Behaviour::HangsUp => None,
        })
    }
}

/// `sample_audio/`, built in; also in debug builds, so that the program runs from any directory.
#[derive(rust_embed::RustEmbed)]
#[folder = "sample_audio/"]
struct SampleAudio;
