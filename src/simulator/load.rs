//! Reads and checks the descriptions of phone menus.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    description::{BusinessFile, LinesFile, MenuDescription, PromptDescription},
    menu::{
        Behaviour, Business, Choice, Ending, Input, Listen, Menu, MenuNo, Prompt, SAMPLE_RATE,
        Target, Then,
    },
    sound,
};
use crate::crawl::tree::{Keys, PromptKind};

/// Most description files in a directory.
const MAX_FILES: usize = 1_000;
/// Most menus of one business.
const MAX_MENUS: usize = 2_000;
/// Longest recording.
const MAX_PROMPT: Duration = Duration::from_secs(120);
/// How long a line waits for a key unless described otherwise.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);
/// How often a prompt is said again unless described otherwise.
const DEFAULT_REPEATS: u32 = 1;
/// How an option says that its key is answered as if it had not been offered.
const INVALID_ENTRY: &str = "invalid entry";

/// Something wrong in a directory of menus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, relative to the directory.
    pub file: String,
    /// The key within it, as `menu.main.options[0].to`; empty if the file as a whole is meant.
    pub key: String,
    /// What is wrong.
    pub problem: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, key, problem } = self;
        if key.is_empty() {
            write!(f, "{file}: {problem}")
        } else {
            write!(f, "{file}: {key}: {problem}")
        }
    }
}

/// All that is wrong in a directory of menus, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the phone menus cannot be used:\n{}", one_a_line(.0))]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    pub(super) fn one(file: &str, key: &str, problem: String) -> Self {
        Self(vec![Mistake { file: file.to_owned(), key: key.to_owned(), problem }])
    }
}

fn one_a_line(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|m| format!("  {m}")).collect::<Vec<_>>().join("\n")
}

/// Gives a file's content by its name relative to the directory of menus, or what went wrong.
pub(super) type ReadFile<'a> = dyn Fn(&str) -> Result<Cow<'static, [u8]>, String> + 'a;

/// Reads the descriptions among the files with these names. All mistakes are reported.
pub(super) fn lines(
    mut names: Vec<String>,
    read: &ReadFile<'_>,
) -> Result<BTreeMap<String, Behaviour>, Mistakes> {
    names.retain(|name| name.ends_with(".toml") && !name.contains('/'));
    names.sort();
    let mut loader = Loader { read, owners: BTreeMap::new(), mistakes: Vec::new() };
    let mut lines = BTreeMap::new();
    if names.is_empty() {
        loader.mistake("*.toml", "", "no file describes a menu");
    }
    if names.len() > MAX_FILES {
        loader.mistake("*.toml", "", format!("more than {MAX_FILES} files describe menus"));
        names.truncate(MAX_FILES);
    }
    for name in &names {
        loader.file(name, &mut lines);
    }
    if loader.mistakes.is_empty() { Ok(lines) } else { Err(Mistakes(loader.mistakes)) }
}

/// Reads descriptions and collects what is wrong with them.
struct Loader<'a> {
    read: &'a ReadFile<'a>,
    /// Which file described a number.
    owners: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
}

impl Loader<'_> {
    fn mistake(&mut self, file: &str, key: &str, problem: impl Into<String>) {
        self.mistakes.extend(Mistakes::one(file, key, problem.into()).0);
    }

    fn file(&mut self, file: &str, lines: &mut BTreeMap<String, Behaviour>) {
        let text = match (self.read)(file).and_then(|data| {
            String::from_utf8(data.into_owned()).map_err(|_| "it is not UTF-8 text".to_owned())
        }) {
            Ok(text) => text,
            Err(problem) => return self.mistake(file, "", problem),
        };
        // Which of the two kinds of file it is decides which keys are known in it.
        let has_lines = text.parse::<toml::Table>().is_ok_and(|table| table.contains_key("line"));
        if has_lines {
            match toml::from_str::<LinesFile>(&text) {
                Ok(described) => {
                    for (i, line) in described.line.into_iter().enumerate() {
                        if self.number(file, &format!("line[{i}].number"), &line.number) {
                            lines.insert(line.number, line.behaviour.into());
                        }
                    }
                }
                Err(e) => self.syntax(file, &text, &e),
            }
        } else {
            match toml::from_str::<BusinessFile>(&text) {
                Ok(described) => {
                    let number_is_good = self.number(file, "number", &described.number);
                    if let Some(business) = self.business(file, described)
                        && number_is_good
                    {
                        let number = business.number.clone();
                        lines.insert(number, Behaviour::Business(Arc::new(business)));
                    }
                }
                Err(e) => self.syntax(file, &text, &e),
            }
        }
    }

    fn syntax(&mut self, file: &str, text: &str, error: &toml::de::Error) {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        self.mistake(file, &format!("line {line}"), error.message());
    }

    fn number(&mut self, file: &str, key: &str, number: &str) -> bool {
        let digits = number.strip_prefix('+').unwrap_or_default();
        // E.164 §6.2.1: at most 15 digits.
        if !(1..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            self.mistake(file, key, format!("{number:?} is not a number like \"+12025550100\""));
            return false;
        }
        if let Some(owner) = self.owners.insert(number.to_owned(), file.to_owned()) {
            self.mistake(file, key, format!("{number} is described in {owner} already"));
            return false;
        }
        true
    }

    /// The business, or `None` if anything is wrong with it that leaves a hole.
    fn business(&mut self, file: &str, described: BusinessFile) -> Option<Business> {
        if described.menu.len() > MAX_MENUS {
            self.mistake(file, "menu", format!("more than {MAX_MENUS} menus"));
            return None;
        }
        let stem = file.strip_suffix(".toml").unwrap_or(file);
        let ids: Vec<&str> = described.menu.keys().map(String::as_str).collect();
        let find = |id: &str| ids.iter().position(|known| *known == id).map(MenuNo);

        let first = find(&described.first);
        if first.is_none() {
            self.mistake(file, "first", format!("there is no menu {:?}", described.first));
        }
        let mut special =
            |id: &str, prompt: &PromptDescription| self.prompt(file, stem, id, id, prompt);
        let invalid = special("invalid", &described.invalid);
        let goodbye = special("goodbye", &described.goodbye);
        let early = described.early.as_ref().map(|prompt| special("early", prompt));
        let hello = described.hello.as_ref().map(|prompt| special("hello", prompt));

        let mut menus = Vec::new();
        for (id, menu) in &described.menu {
            menus.extend(self.menu(file, stem, id, menu, &find));
        }
        if menus.len() != ids.len() {
            return None;
        }
        let business = Business {
            name: described.name,
            number: described.number,
            ring: Duration::from_millis(described.ring_ms),
            early: match early {
                Some(prompt) => Some(prompt?),
                None => None,
            },
            invalid: invalid?,
            goodbye: goodbye?,
            hello: match hello {
                Some(prompt) => Some(prompt?),
                None => None,
            },
            first: first?,
            menus,
        };
        self.unreachable(file, &business);
        self.nobody_answers(file, &business);
        Some(business)
    }

    fn prompt(
        &mut self,
        file: &str,
        stem: &str,
        id: &str,
        key: &str,
        described: &PromptDescription,
    ) -> Option<Prompt> {
        if described.say.trim().is_empty() {
            self.mistake(file, &format!("{key}.say"), "nothing is said");
        }
        let audio = described.audio.clone().unwrap_or_else(|| format!("{stem}/{id}.wav"));
        match (self.read)(&audio).and_then(|data| samples_of(&data)) {
            Ok(samples) => {
                let text = without_pauses(&described.say);
                Some(Prompt { id: id.to_owned(), text, samples: samples.into() })
            }
            Err(problem) => {
                self.mistake(file, &format!("{key}.audio"), format!("{audio}: {problem}"));
                None
            }
        }
    }

    fn menu(
        &mut self,
        file: &str,
        stem: &str,
        id: &str,
        described: &MenuDescription,
        find: &dyn Fn(&str) -> Option<MenuNo>,
    ) -> Option<Menu> {
        let key = format!("menu.{id}");
        let known_mistakes = self.mistakes.len();
        let mut prompt = self.prompt(file, stem, id, &key, &described.prompt());
        if let (Some(prompt), true) = (&mut prompt, described.sit) {
            prompt.samples = sound::sit().iter().chain(&*prompt.samples).copied().collect();
        }
        let then = match described.kind {
            PromptKind::Menu | PromptKind::Language | PromptKind::Input => {
                self.listen(file, &key, described, find)
            }
            PromptKind::Transfer => self.ending(file, &key, described, Ending::Ringback),
            PromptKind::Queue => self.ending(file, &key, described, Ending::HoldMusic),
            PromptKind::Voicemail => self.ending(file, &key, described, Ending::Beep),
            PromptKind::Person => self.ending(file, &key, described, Ending::Silence),
            PromptKind::Announcement => self.ending(file, &key, described, Ending::HangUp),
            PromptKind::Invalid => {
                let problem = "the answer to a wrong key is described by the key `invalid`";
                self.mistake(file, &format!("{key}.kind"), problem);
                return None;
            }
        };
        let menu = Menu { prompt: prompt?, kind: described.kind, then };
        (self.mistakes.len() == known_mistakes).then_some(menu)
    }

    fn listen(
        &mut self,
        file: &str,
        key: &str,
        described: &MenuDescription,
        find: &dyn Fn(&str) -> Option<MenuNo>,
    ) -> Then {
        let is_input = described.kind == PromptKind::Input;
        if described.options.is_empty() && !is_input {
            self.mistake(file, &format!("{key}.options"), "a menu needs at least one option");
        }
        if described.digits.is_some() && !is_input {
            self.mistake(file, &format!("{key}.digits"), "only kind = \"input\" collects digits");
        }
        if described.then.is_some() {
            self.mistake(file, &format!("{key}.then"), "this kind of prompt waits for keys");
        }
        let mut options: Vec<Choice> = Vec::new();
        for (i, option) in described.options.iter().enumerate() {
            let key = format!("{key}.options[{i}]");
            let keys = Keys::try_new(&option.keys);
            match &keys {
                None => self.mistake(file, &format!("{key}.keys"), "not keys of 0-9, * and #"),
                Some(keys) if options.iter().any(|other| other.keys == *keys) => {
                    self.mistake(file, &format!("{key}.keys"), format!("{keys} is offered twice"));
                }
                Some(_) => {}
            }
            if option.label.trim().is_empty() {
                self.mistake(file, &format!("{key}.label"), "the label is empty");
            }
            let to = match option.to.as_str() {
                INVALID_ENTRY => Some(Target::InvalidEntry),
                id => find(id).map(Target::Menu),
            };
            if to.is_none() {
                self.mistake(
                    file,
                    &format!("{key}.to"),
                    format!("there is no menu {:?}", option.to),
                );
            }
            if let (Some(keys), Some(to)) = (keys, to) {
                options.push(Choice { keys, label: option.label.clone(), to });
            }
        }
        let no_input = described.no_input.as_deref().and_then(|id| {
            let found = find(id);
            if found.is_none() {
                self.mistake(file, &format!("{key}.no_input"), format!("there is no menu {id:?}"));
            }
            found
        });
        Then::Listen(Listen {
            options,
            input: is_input.then_some(Input { digits: described.digits }),
            barge_in: described.barge_in.unwrap_or(true),
            wait: described.wait_ms.map_or(DEFAULT_WAIT, Duration::from_millis),
            repeats: described.repeats.unwrap_or(DEFAULT_REPEATS),
            no_input,
        })
    }

    fn ending(
        &mut self,
        file: &str,
        key: &str,
        described: &MenuDescription,
        usual: Ending,
    ) -> Then {
        let MenuDescription { options, barge_in, wait_ms, repeats, no_input, digits, .. } =
            described;
        for (name, given) in [
            ("options", !options.is_empty()),
            ("barge_in", barge_in.is_some()),
            ("wait_ms", wait_ms.is_some()),
            ("repeats", repeats.is_some()),
            ("no_input", no_input.is_some()),
            ("digits", digits.is_some()),
        ] {
            if given {
                self.mistake(file, &format!("{key}.{name}"), "this kind of prompt takes no keys");
            }
        }
        Then::End(described.then.unwrap_or(usual))
    }

    fn nobody_answers(&mut self, file: &str, business: &Business) {
        let is_answered = |menu: &&Menu| matches!(menu.then, Then::End(Ending::Person));
        if business.hello.is_some() {
            return;
        }
        for menu in business.menus().iter().filter(is_answered) {
            let key = format!("menu.{}.then", menu.prompt.id);
            self.mistake(file, &key, "the key `hello` must say what the person says");
        }
    }

    fn unreachable(&mut self, file: &str, business: &Business) {
        let mut reached = BTreeSet::from([business.first]);
        let mut open = vec![business.first];
        while let Some(menu) = open.pop().and_then(|no| business.menu(no)) {
            let Then::Listen(listen) = &menu.then else { continue };
            let chosen = listen.options.iter().filter_map(|option| match option.to {
                Target::Menu(no) => Some(no),
                Target::InvalidEntry => None,
            });
            open.extend(chosen.chain(listen.no_input).filter(|no| reached.insert(*no)));
        }
        for (i, menu) in business.menus().iter().enumerate() {
            if !reached.contains(&MenuNo(i)) {
                let key = format!("menu.{}", menu.prompt.id);
                self.mistake(file, &key, "no key and no waiting leads there");
            }
        }
    }
}

/// The words without the marks of pauses, `[2.5 s]`.
fn without_pauses(say: &str) -> String {
    let words = say.split('[').enumerate().map(|(i, part)| match part.split_once(']') {
        Some((_, after)) if i > 0 => after,
        Some(_) | None => part,
    });
    words.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn samples_of(wav: &[u8]) -> Result<Vec<i16>, String> {
    let reader = hound::WavReader::new(wav).map_err(|e| e.to_string())?;
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (1, SAMPLE_RATE, 16)
        || spec.sample_format != hound::SampleFormat::Int
    {
        return Err(format!(
            "it has {} channels, {} Hz, {} bits; it needs 1 channel, {SAMPLE_RATE} Hz, 16 bits",
            spec.channels, spec.sample_rate, spec.bits_per_sample
        ));
    }
    let most = MAX_PROMPT.as_secs() as usize * SAMPLE_RATE as usize;
    let samples = reader.into_samples().take(most + 1);
    let samples = samples.collect::<Result<Vec<i16>, _>>().map_err(|e| e.to_string())?;
    match samples.len() {
        0 => Err("it has no sound".to_owned()),
        n if n > most => Err(format!("it is longer than {} s", MAX_PROMPT.as_secs())),
        _ => Ok(samples),
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
