//! A tree as it grows during a crawl, pieced together from what the calls tell.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{output::printable, watch::kind_name};
use crate::{
    calls::live::{LiveEvent, What},
    crawl::tree::PromptKind,
};

/// Prompts that are drawn at most; a menu has seldom more, and a terminal never shows as many.
const MAX_PROMPTS: usize = 2000;

/// What is known of the tree so far, and where each call is in it.
#[derive(Debug, Default)]
pub(super) struct Growing {
    prompts: BTreeMap<u32, Prompt>,
    calls: BTreeMap<Uuid, At>,
}

#[derive(Debug)]
struct Prompt {
    kind: PromptKind,
    /// Keys and labels in the order in which they are offered.
    options: Vec<(String, String)>,
    leads: BTreeMap<String, Leads>,
}

/// Where a key leads.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leads {
    /// To a prompt that was first heard behind it.
    Child(u32),
    /// To one that is known from elsewhere.
    Link(u32),
    /// To nothing that was heard.
    Nowhere,
}

/// Where a call is.
#[derive(Debug, Default)]
struct At {
    prompt: Option<u32>,
    /// What it pressed there, until it hears something.
    pressed: Option<String>,
}

impl Growing {
    /// Takes an event in. True if there is something new to be seen.
    pub(super) fn note(&mut self, event: &LiveEvent) -> bool {
        match &event.what {
            What::Prompt { node, kind, options, new, .. } => {
                let at = self.calls.entry(event.call).or_default();
                let from = at.prompt.zip(at.pressed.take());
                at.prompt = *node;
                let Some(no) = node else { return true };
                if self.prompts.len() < MAX_PROMPTS || self.prompts.contains_key(no) {
                    let prompt = self.prompts.entry(*no).or_insert_with(|| Prompt {
                        kind: *kind,
                        options: Vec::new(),
                        leads: BTreeMap::new(),
                    });
                    // Of a known way often only the beginning is heard.
                    if *new || options.len() > prompt.options.len() {
                        (prompt.kind, prompt.options) = (*kind, options.clone());
                    }
                }
                if let Some((from, keys)) = from {
                    let leads = if *new { Leads::Child(*no) } else { Leads::Link(*no) };
                    self.leads(from, keys, leads);
                }
                true
            }
            What::Pressed { keys } => {
                let at = self.calls.entry(event.call).or_default();
                // Two keys in a row: the prompt between them is known and was not waited for.
                if let (Some(from), Some(before)) = (at.prompt, at.pressed.take()) {
                    let leads = self.prompts.get(&from).and_then(|p| p.leads.get(&before));
                    at.prompt = match leads {
                        Some(Leads::Child(no) | Leads::Link(no)) => Some(*no),
                        Some(Leads::Nowhere) | None => None,
                    };
                }
                at.pressed = Some(keys.clone());
                true
            }
            What::Ended { .. } => {
                let at = self.calls.remove(&event.call).unwrap_or_default();
                if let (Some(from), Some(keys)) = (at.prompt, at.pressed) {
                    self.leads(from, keys, Leads::Nowhere);
                }
                true
            }
            What::Dialling
            | What::Progress { .. }
            | What::Answered
            | What::Words { .. }
            | What::PutOff { .. }
            | What::ScanEnded { .. } => false,
        }
    }

    /// Keys that were explored, and keys that are known in all.
    pub(super) fn progress(&self) -> (usize, usize) {
        let offered = |p: &Prompt| p.options.len();
        let explored =
            |p: &Prompt| p.options.iter().filter(|(keys, _)| p.leads.contains_key(keys)).count();
        (self.prompts.values().map(explored).sum(), self.prompts.values().map(offered).sum())
    }

    /// The tree in at most so many lines of at most so many characters, a line for each key. Where
    /// there is no room for all, the lines around where the calls are, which is where it grows.
    pub(super) fn lines(&self, most: usize, width: usize) -> Vec<String> {
        let Some(first) = self.prompts.get(&0) else { return Vec::new() };
        let mut lines = Vec::new();
        lines.push((Some(0), format!("{}{}", kind_name(first.kind), self.here(0))));
        // Keys still to be written, the next one last, with what stands before them.
        let mut seen = BTreeSet::from([0]);
        let mut left = rows(0, first, "");
        while let Some((prompt, keys, label, last, indent)) = left.pop() {
            let branch = if last { "└─ " } else { "├─ " };
            let below = if last { "   " } else { "│  " };
            let leads = self.prompts.get(&prompt).and_then(|p| p.leads.get(&keys)).copied();
            let what = match leads {
                None if self.is_pressed(prompt, &keys) => "…".to_owned(),
                None => "?".to_owned(),
                Some(Leads::Nowhere) => "✗".to_owned(),
                Some(Leads::Link(no)) => format!("→ [{no}]"),
                Some(Leads::Child(no)) => match self.prompts.get(&no) {
                    Some(child) => format!("[{no}] {}{}", kind_name(child.kind), self.here(no)),
                    None => format!("[{no}]"),
                },
            };
            let (keys, label) = (printable(&keys), printable(&label));
            lines.push((Some(prompt), format!("{indent}{branch}{keys} {label}: {what}")));
            if let Some(Leads::Child(no)) = leads
                && let Some(child) = self.prompts.get(&no)
                && seen.insert(no)
            {
                left.extend(rows(no, child, &format!("{indent}{below}")));
            }
        }
        // The last line of a prompt at which a call is.
        let busy: Vec<Option<u32>> = self.calls.values().map(|at| at.prompt).collect();
        let active = lines.iter().rposition(|(prompt, _)| busy.contains(prompt)).unwrap_or(0);
        let texts: Vec<String> = lines.into_iter().map(|(_, line)| cut(&line, width)).collect();
        window(texts, active, most)
    }

    fn leads(&mut self, from: u32, keys: String, leads: Leads) {
        let Some(prompt) = self.prompts.get_mut(&from) else { return };
        match (prompt.leads.get(&keys), leads) {
            // A known way was walked again, or a call ended on it.
            (Some(Leads::Child(_) | Leads::Link(_)), _) => {}
            (Some(Leads::Nowhere) | None, leads) => {
                prompt.leads.insert(keys, leads);
            }
        }
    }

    fn is_pressed(&self, prompt: u32, keys: &str) -> bool {
        let mut calls = self.calls.values();
        calls.any(|at| at.prompt == Some(prompt) && at.pressed.as_deref() == Some(keys))
    }

    /// A mark for a prompt at which a call is.
    fn here(&self, no: u32) -> &'static str {
        if self.calls.values().any(|at| at.prompt == Some(no)) { " ◂" } else { "" }
    }
}

/// The lines of a prompt's keys, the first one last: prompt, keys, label, whether it is the last
/// one, and what stands before it.
fn rows(no: u32, prompt: &Prompt, indent: &str) -> Vec<(u32, String, String, bool, String)> {
    let count = prompt.options.len();
    let row = |(i, (keys, label)): (usize, &(String, String))| {
        (no, keys.clone(), label.clone(), i + 1 == count, indent.to_owned())
    };
    prompt.options.iter().enumerate().map(row).rev().collect()
}

/// A line that is not longer than the terminal is wide.
fn cut(line: &str, width: usize) -> String {
    match line.char_indices().nth(width.saturating_sub(1)) {
        Some((end, _)) if line.chars().count() > width => {
            format!("{}…", line.get(..end).unwrap_or_default())
        }
        Some(_) | None => line.to_owned(),
    }
}

/// At most `most` lines around the `active` one, and how many there are before and after.
fn window(lines: Vec<String>, active: usize, most: usize) -> Vec<String> {
    if lines.len() <= most {
        return lines;
    }
    // Two lines say what is left out.
    let shown = most.saturating_sub(2).max(1);
    let from = active.saturating_sub(shown / 2).min(lines.len() - shown);
    let after = lines.len() - from - shown;
    let note = |count: usize, where_| (count > 0).then(|| format!("   … {count} {where_}"));
    let part = lines.into_iter().skip(from).take(shown);
    note(from, "lines above").into_iter().chain(part).chain(note(after, "lines below")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(call: u128, what: What) -> LiveEvent {
        let number = "+12025550123".to_owned();
        LiveEvent { call: Uuid::from_u128(call), number, scan: Some(1), at_ms: 0, what }
    }

    fn prompt(node: u32, kind: PromptKind, options: &[(&str, &str)], new: bool) -> What {
        let options = options.iter().map(|(k, l)| ((*k).to_owned(), (*l).to_owned())).collect();
        What::Prompt { node: Some(node), kind, text: String::new(), options, new }
    }

    fn pressed(keys: &str) -> What {
        What::Pressed { keys: keys.to_owned() }
    }

    fn ended() -> What {
        What::Ended { reason: "over".to_owned(), status: None }
    }

    const MAIN: [(&str, &str); 3] = [("1", "sales"), ("2", "hours"), ("9", "again")];

    #[test]
    fn the_tree_grows_with_each_prompt_of_each_call() {
        let mut tree = Growing::default();
        assert_eq!(tree.lines(20, 80), Vec::<String>::new());
        for what in [
            What::Dialling,
            prompt(0, PromptKind::Menu, &MAIN, true),
            pressed("1"),
            prompt(1, PromptKind::Menu, &[("4", "boats")], true),
            pressed("4"),
            ended(),
        ] {
            tree.note(&event(1, what));
        }
        tree.note(&event(2, prompt(0, PromptKind::Menu, &MAIN[..2], false)));
        tree.note(&event(2, pressed("2")));
        tree.note(&event(3, prompt(0, PromptKind::Menu, &MAIN, false)));
        tree.note(&event(3, pressed("9")));
        tree.note(&event(3, prompt(0, PromptKind::Menu, &MAIN, false)));
        assert_eq!(
            tree.lines(20, 80),
            [
                "menu ◂",
                "├─ 1 sales: [1] menu",
                "│  └─ 4 boats: ✗",
                "├─ 2 hours: …",
                "└─ 9 again: → [0]",
            ]
        );
        assert_eq!(tree.progress(), (3, 4));
        // With barge-in there is no prompt between two keys of a known way.
        tree.note(&event(4, prompt(0, PromptKind::Menu, &MAIN, false)));
        tree.note(&event(4, pressed("1")));
        tree.note(&event(4, pressed("4")));
        tree.note(&event(4, prompt(2, PromptKind::Voicemail, &[], true)));
        assert!(tree.lines(20, 80).contains(&"│  └─ 4 boats: [2] voicemail ◂".to_owned()));
    }

    #[test]
    fn a_tree_that_is_too_high_or_too_wide_is_cut_where_nothing_grows() {
        let mut tree = Growing::default();
        let many: Vec<(String, String)> =
            (0..40).map(|n| (n.to_string(), format!("a rather long label {n}"))).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(k, l)| (k.as_str(), l.as_str())).collect();
        tree.note(&event(1, prompt(0, PromptKind::Menu, &many, true)));
        let lines = tree.lines(10, 16);
        assert_eq!(lines.len(), 9, "{lines:#?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 20), "{lines:#?}");
        assert_eq!(lines[0], "   … 33 lines above");
        assert!(lines[8].starts_with("└─ 39"), "{lines:#?}");
    }

    #[test]
    fn a_menu_cannot_write_to_the_terminal_through_the_tree() {
        let mut tree = Growing::default();
        tree.note(&event(1, prompt(0, PromptKind::Menu, &[("1", "\u{1b}[2J")], true)));
        assert!(tree.lines(9, 80).iter().all(|line| !line.contains('\u{1b}')));
    }
}
