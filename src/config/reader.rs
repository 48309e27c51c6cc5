//! Reads settings one by one from a file, environment and defaults, and keeps every mistake.

use std::{
    collections::BTreeMap,
    fmt,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::setting::Setting;

/// The variables of the environment.
pub type Env = BTreeMap<String, String>;

/// What every variable of ours begins with.
const PREFIX: &str = "PHONEAI_";

/// A secret's file larger than this is another kind of file.
const MAX_VALUE_FILE: u64 = 64 * 1024;

/// How bad a mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The service does not start with it.
    Error,
    /// The service starts, but likely not as it was meant.
    Warning,
}

/// Where a mistake was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file.
    File {
        /// As the user named it.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// In an environment variable.
    Variable(String),
    /// Where nothing is written, in a default.
    Nowhere,
}

/// One mistake: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Where it was made.
    pub place: Place,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { path, line, column } => {
                write!(f, "{}:{line}:{column}: ", path.display())?;
            }
            Place::Variable(name) => write!(f, "environment variable {name}: ")?,
            Place::Nowhere => {}
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}; {}", self.what, self.remedy)
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing was written.
    Default,
    /// The file.
    File,
    /// The environment variable of this name.
    Variable(String),
}

/// A setting as it is in force.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its section.
    pub section: &'static str,
    /// Its key in the section.
    pub key: &'static str,
    /// Its value as written in TOML, hidden if it is a secret.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// The sources of all settings, and what was found wrong in them.
pub(super) struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    root: DeTable<'a>,
    env: &'a Env,
    shown: Vec<Shown>,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    /// `path` names the file in messages and is the place that `${file:…}` is relative to; `text`
    /// is its content, empty if there is no file.
    pub(super) fn new(path: &'a Path, text: &'a str, env: &'a Env) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut reader = Self {
            path,
            text,
            root: root.into_inner(),
            env,
            shown: Vec::new(),
            mistakes: Vec::new(),
        };
        for error in errors {
            reader.mistakes.push(Mistake {
                place: reader.place(error.span().unwrap_or_default()),
                severity: Severity::Error,
                what: format!("not valid TOML: {}", error.message()),
                remedy: "correct the line".to_owned(),
            });
        }
        reader
    }

    /// The section of this name, empty if it is not written.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_, 'a> {
        let not_a_table = self
            .root
            .get(name)
            .filter(|value| !value.get_ref().is_table())
            .map(|value| value.span());
        if let Some(span) = not_a_table {
            self.mistakes.push(Mistake {
                place: self.place(span),
                severity: Severity::Error,
                what: format!("`{name}` is a section, not a setting"),
                remedy: format!("write [{name}] on a line of its own and its settings below it"),
            });
        }
        Section { reader: self, name }
    }

    /// Reports what is written but was never asked for, and ends the reading: all settings, and
    /// all mistakes in the order in which they are written.
    pub(super) fn finish(mut self) -> (Vec<Shown>, Vec<Mistake>) {
        self.report_unknown_keys();
        self.report_unknown_variables();
        self.mistakes.sort();
        self.mistakes.dedup();
        (self.shown, self.mistakes)
    }

    fn report_unknown_keys(&mut self) {
        let sections: Vec<&str> = self.shown.iter().map(|s| s.section).collect();
        let mut unknown = Vec::new();
        for (name, value) in &self.root {
            let Some(table) = value.get_ref().as_table() else {
                // A key above the first section, unless it was reported as a section already.
                if !sections.contains(&name.get_ref().as_ref()) {
                    let home = self.shown.iter().find(|s| s.key == name.get_ref());
                    let remedy = home.map_or_else(
                        || "remove it".to_owned(),
                        |s| format!("move it below [{}]", s.section),
                    );
                    let what = format!("`{}` stands outside of any section", name.get_ref());
                    unknown.push((name.span(), what, remedy));
                }
                continue;
            };
            if !sections.contains(&name.get_ref().as_ref()) {
                let what = format!("there is no section [{}]", name.get_ref());
                unknown.push((name.span(), what, suggest(name.get_ref(), &sections)));
                continue;
            }
            let keys: Vec<&str> =
                self.shown.iter().filter(|s| s.section == name.get_ref()).map(|s| s.key).collect();
            for (key, _) in table {
                if !keys.contains(&key.get_ref().as_ref()) {
                    let what = format!("[{}] has no setting `{}`", name.get_ref(), key.get_ref());
                    unknown.push((key.span(), what, suggest(key.get_ref(), &keys)));
                }
            }
        }
        for (span, what, remedy) in unknown {
            let place = self.place(span);
            self.mistakes.push(Mistake { place, severity: Severity::Error, what, remedy });
        }
    }

    /// Only a warning: orchestrators set variables after the names of services (a service
    /// `phoneai-api` makes PHONEAI_API_PORT), and those must not keep us from starting.
    fn report_unknown_variables(&mut self) {
        let known: Vec<String> = self.shown.iter().map(|s| variable(s.section, s.key)).collect();
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        for name in self.env.keys() {
            let of_a_section = self.shown.iter().any(|s| {
                name.strip_prefix(PREFIX)
                    .and_then(|rest| rest.strip_prefix(&s.section.to_uppercase()))
                    .is_some_and(|rest| rest.starts_with('_'))
            });
            if of_a_section && !names.contains(&name.as_str()) {
                self.mistakes.push(Mistake {
                    place: Place::Variable(name.clone()),
                    severity: Severity::Warning,
                    what: "it is the name of no setting and is ignored".to_owned(),
                    remedy: suggest(name, &names),
                });
            }
        }
    }

    fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    /// Resolves `${file:PATH}` and `${env:NAME}`, in which a whole value may be written.
    fn resolve(&self, text: &str) -> Result<String, (String, String)> {
        let Some(reference) = text.strip_prefix("${").and_then(|t| t.strip_suffix('}')) else {
            return Ok(text.to_owned());
        };
        if let Some(name) = reference.strip_prefix("env:") {
            return self.env.get(name).cloned().ok_or_else(|| {
                let what = format!("names the environment variable {name}, which is not set");
                (what, format!("set {name}, or write the value here"))
            });
        }
        let Some(path) = reference.strip_prefix("file:") else {
            let what = "has a reference of an unknown kind".to_owned();
            return Err((what, "write ${file:PATH} or ${env:NAME}".to_owned()));
        };
        let path = self.path.parent().unwrap_or(Path::new("")).join(path);
        let failed = |why: String| {
            let what = format!("is to be read from {}, which {why}", path.display());
            (what, "make the file readable for the service, or name another".to_owned())
        };
        let size = std::fs::metadata(&path).map_err(|e| failed(format!("failed: {e}")))?.len();
        if size > MAX_VALUE_FILE {
            return Err(failed(format!("has {size} bytes, more than {MAX_VALUE_FILE}")));
        }
        let text = std::fs::read_to_string(&path).map_err(|e| failed(format!("failed: {e}")))?;
        // Editors and `echo` end a file with a line feed that belongs to no password.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
    }
}

/// One section of the configuration.
pub(super) struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    name: &'static str,
}

impl Section<'_, '_> {
    /// The setting of this key: from its environment variable, else from the file, else the
    /// default. After a mistake the default goes on, so that all others are found as well.
    pub(super) fn read<T: Setting>(&mut self, key: &'static str, default: T) -> T {
        let (value, origin) = match self.written::<T>(key) {
            Written::Absent => (default, Origin::Default),
            Written::Right(value, origin) => (value, origin),
            Written::Wrong { what, remedy } => {
                self.wrong(key, what, remedy);
                (default, Origin::Default)
            }
        };
        let shown = Shown { section: self.name, key, value: value.to_toml(), origin };
        self.reader.shown.push(shown);
        value
    }

    /// As [`Section::read`], for a number that must be in a range.
    pub(super) fn read_in<T>(
        &mut self,
        key: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> T
    where
        T: Setting + PartialOrd + Copy + fmt::Display,
    {
        let value = self.read(key, default);
        if range.contains(&value) {
            return value;
        }
        let (least, most) = (range.start(), range.end());
        let what = format!("is {value}, which is not from {least} to {most}");
        self.wrong(key, what, format!("write a number from {least} to {most}"));
        default
    }

    /// Records that the value of this key is a mistake. `what` goes on after the key's name.
    pub(super) fn wrong(&mut self, key: &str, what: impl fmt::Display, remedy: impl Into<String>) {
        self.mistake(Severity::Error, key, what, remedy.into());
    }

    /// Records that the value of this key is likely not what was meant.
    pub(super) fn doubtful(
        &mut self,
        key: &str,
        what: impl fmt::Display,
        remedy: impl Into<String>,
    ) {
        self.mistake(Severity::Warning, key, what, remedy.into());
    }

    fn mistake(&mut self, severity: Severity, key: &str, what: impl fmt::Display, remedy: String) {
        let what = format!("{}.{key} {what}", self.name);
        let place = self.place(key);
        self.reader.mistakes.push(Mistake { place, severity, what, remedy });
    }

    /// Where the value of a key is written.
    fn place(&self, key: &str) -> Place {
        let variable = variable(self.name, key);
        if self.reader.env.contains_key(&variable) {
            return Place::Variable(variable);
        }
        let table = self.reader.root.get(self.name).and_then(|t| t.get_ref().as_table());
        match table.and_then(|table| table.get(key)) {
            Some(value) => self.reader.place(value.span()),
            None => Place::Nowhere,
        }
    }

    fn written<T: Setting>(&self, key: &str) -> Written<T> {
        let variable = variable(self.name, key);
        if let Some(text) = self.reader.env.get(&variable) {
            return self.referred(text, Origin::Variable(variable));
        }
        let table = self.reader.root.get(self.name).and_then(|t| t.get_ref().as_table());
        let Some(value) = table.and_then(|table| table.get(key)) else { return Written::Absent };
        if let Some(read) = T::from_bare(value.get_ref()) {
            return match read {
                Ok(read) => Written::Right(read, Origin::File),
                Err(form) => Written::not(&form),
            };
        }
        match value.get_ref() {
            DeValue::String(text) if T::QUOTED || text.starts_with("${") => {
                self.referred(text, Origin::File)
            }
            DeValue::String(text) => match T::from_text(text) {
                Ok(_) => Written::Wrong {
                    what: "is text".to_owned(),
                    remedy: "write it without quotes".to_owned(),
                },
                Err(form) => Written::not(&form),
            },
            other if T::QUOTED => Written::Wrong {
                what: format!("is {}, but must be text", kind(other)),
                remedy: "put it in quotes".to_owned(),
            },
            other => Written::Wrong {
                what: format!("is {}", kind(other)),
                remedy: match T::from_text("") {
                    Ok(_) => "write a single value".to_owned(),
                    Err(form) => format!("write {form}"),
                },
            },
        }
    }

    /// Reads text in which a reference may stand.
    fn referred<T: Setting>(&self, text: &str, origin: Origin) -> Written<T> {
        let text = match self.reader.resolve(text) {
            Ok(text) => text,
            Err((what, remedy)) => return Written::Wrong { what, remedy },
        };
        match T::from_text(&text) {
            Ok(value) => Written::Right(value, origin),
            Err(form) => Written::not(&form),
        }
    }
}

/// What stands in the sources for one key.
enum Written<T> {
    Absent,
    Right(T, Origin),
    Wrong { what: String, remedy: String },
}

impl<T> Written<T> {
    /// A value of another form.
    fn not(form: &str) -> Self {
        Self::Wrong { what: format!("is not {form}"), remedy: format!("write {form}") }
    }
}

/// The environment variable of a setting.
pub(super) fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{section}_{key}").to_uppercase()
}

/// What a TOML value is, in words.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// What to do about an unknown name.
fn suggest(name: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|k| (distance(name, k), k)).min();
    match nearest {
        Some((steps, k)) if steps <= 1 + name.len() / 5 => format!("did you mean `{k}`?"),
        _ => "remove it, or look in config/phoneai.toml for what there is".to_owned(),
    }
}

/// How many characters must be added, removed or changed to get from one to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut above_left = i;
        let mut left = i + 1;
        for (cb, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let changed = above_left + usize::from(ca != *cb);
            above_left = *cell;
            left = changed.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
