//! A tree for people and programs: indented text, Mermaid, Graphviz DOT, CSV, JSON.
//!
//! What was heard is a stranger's text. It is escaped for each form, and control characters and
//! marks that change the direction of writing are left out, so that a menu cannot write to the
//! terminal or add nodes to a diagram.

mod csv;

use std::fmt::Write;

pub use self::csv::csv;
use super::tree::{
    DeadEnd, Edge, Keys, MenuOption, Node, NodeNo, PromptKind, Standing, Tree, Variant,
};

/// Letters of a prompt that are shown where the whole text has no room.
const EXCERPT: usize = 60;
/// Widest indentation of the text form; a deeper tree is cut there.
const MAX_INDENT: usize = 64;

/// The tree as indented text, a line for each key and one for each prompt.
pub fn text(tree: &Tree) -> String {
    let mut out = String::new();
    let Some(first) = tree.node(NodeNo(0)) else {
        return "nothing has been heard yet\n".to_owned();
    };
    let mut seen = vec![false; tree.nodes().len()];
    mark(&mut seen, first.no);
    let _ = writeln!(out, "[0] {}: {}", kind_name(first.kind), plain(&first.text()));
    write_variants(&mut out, first, "");
    // Lines still to be written, the next one last: a prompt, its key, and the lines before it.
    let mut left: Vec<(&Node, Row, String)> = rows(first, "");
    while let Some((node, row, indent)) = left.pop() {
        let (branch, below) = if row.last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let _ = write!(out, "{indent}{branch}{}", row.keys);
        if !row.label.is_empty() {
            let _ = write!(out, " {}", plain(&row.label));
        }
        let indent = format!("{indent}{below}");
        match &row.edge {
            Some(Edge::Child(no)) => match tree.node(*no) {
                Some(child) if !mark(&mut seen, *no) => {
                    let kind = kind_name(child.kind);
                    let _ = writeln!(out, "\n{indent}[{}] {kind}: {}", no.0, plain(&child.text()));
                    write_variants(&mut out, child, &indent);
                    if indent.chars().count() / 3 < MAX_INDENT {
                        left.extend(rows(child, &indent));
                    } else {
                        let _ = writeln!(out, "{indent}…");
                    }
                }
                Some(_) | None => {
                    let _ = writeln!(out, " {}", link(tree, node.no, *no));
                }
            },
            Some(Edge::Link(no)) => {
                let _ = writeln!(out, " {}", link(tree, node.no, *no));
            }
            Some(Edge::Dead(why)) => {
                let _ = writeln!(out, " ✗ {}", dead_name(*why));
            }
            Some(Edge::Tried(times)) => {
                let _ = writeln!(out, " ? tried {times} times");
            }
            None => {
                let _ = writeln!(out, " ? not explored");
            }
        }
    }
    out
}

/// The tree as a Mermaid flow chart.
pub fn mermaid(tree: &Tree) -> String {
    let mut out = String::from("flowchart TD\n");
    for node in tree.nodes() {
        let (open, close) = match node.kind {
            PromptKind::Menu | PromptKind::Language => ("[", "]"),
            PromptKind::Input => ("[/", "/]"),
            PromptKind::Transfer | PromptKind::Queue | PromptKind::Person => ("((", "))"),
            PromptKind::Voicemail | PromptKind::Invalid | PromptKind::Announcement => ("(", ")"),
        };
        let text = mermaid_escape(&excerpt(&node.text()));
        let _ = writeln!(out, "  n{}{open}\"{text}\"{close}", node.no.0);
    }
    for_each_key(tree, |node, keys, label, edge| {
        let caption = mermaid_escape(&format!("{keys} {label}"));
        let from = node.no.0;
        let _ = match edge {
            Some(Edge::Child(to)) => writeln!(out, "  n{from} -->|\"{caption}\"| n{}", to.0),
            Some(Edge::Link(to)) => writeln!(out, "  n{from} -.->|\"{caption}\"| n{}", to.0),
            Some(Edge::Dead(_) | Edge::Tried(_)) | None => {
                let id = dead_id(keys);
                let end = end_name(edge);
                writeln!(out, "  n{from} --x|\"{caption}\"| d{from}_{id}[\"{end}\"]")
            }
        };
    });
    out
}

/// The tree as a graph for Graphviz.
pub fn dot(tree: &Tree) -> String {
    let mut out = String::from("digraph menu {\n  node [shape=box];\n");
    for node in tree.nodes() {
        let text = dot_escape(&format!("{}: {}", kind_name(node.kind), excerpt(&node.text())));
        let _ = writeln!(out, "  n{} [label=\"{text}\"];", node.no.0);
    }
    for_each_key(tree, |node, keys, label, edge| {
        let caption = dot_escape(&format!("{keys} {label}"));
        let from = node.no.0;
        let _ = match edge {
            Some(Edge::Child(to)) => {
                writeln!(out, "  n{from} -> n{} [label=\"{caption}\"];", to.0)
            }
            Some(Edge::Link(to)) => {
                writeln!(out, "  n{from} -> n{} [label=\"{caption}\", style=dashed];", to.0)
            }
            Some(Edge::Dead(_) | Edge::Tried(_)) | None => {
                let (id, end) = (dead_id(keys), end_name(edge));
                writeln!(
                    out,
                    "  d{from}_{id} [label=\"{end}\", shape=plaintext];\n  \
                     n{from} -> d{from}_{id} [label=\"{caption}\"];"
                )
            }
        };
    });
    out.push_str("}\n");
    out
}

/// The tree as JSON: a list of prompts by number, each with its options and what is known of
/// their keys. Edges name prompts by number, so that loops are no trouble.
pub fn json(tree: &Tree) -> serde_json::Value {
    let prompts = tree.nodes().iter().map(|node| {
        let options: Vec<serde_json::Value> = keys_of(node)
            .into_iter()
            .map(|(keys, option)| {
                let (leads_to, to) = match node.edges.get(&keys) {
                    Some(Edge::Child(to)) => ("prompt", Some(to.0)),
                    Some(Edge::Link(to)) => ("known_prompt", Some(to.0)),
                    Some(Edge::Dead(why)) => (dead_key(*why), None),
                    Some(Edge::Tried(_)) | None => ("unexplored", None),
                };
                serde_json::json!({
                    "keys": keys.as_str(),
                    "label": option.map(|o| o.label.as_str()),
                    "said": option.map(|o| o.said.as_str()),
                    "start_ms": option.map(|o| o.start_ms),
                    "end_ms": option.map(|o| o.end_ms),
                    "confidence": option.map(|o| o.confidence),
                    "leads_to": leads_to,
                    "node": to,
                })
            })
            .collect();
        serde_json::json!({
            "node": node.no.0,
            "kind": node.kind,
            "text": node.text(),
            "audio_file": node.audio_file,
            "confidence": node.confidence(),
            "variants": node.variants.iter().map(variant).collect::<Vec<_>>(),
            "options": options,
        })
    });
    serde_json::json!({ "nodes": prompts.collect::<Vec<_>>() })
}

fn variant(variant: &Variant) -> serde_json::Value {
    serde_json::json!({
        "standing": variant.standing,
        "kind": variant.kind,
        "text": variant.text(),
        "audio_file": variant.audio_file,
        "first_heard_us": variant.first_heard,
        "last_heard_us": variant.last_heard,
    })
}

/// A line for each other wording of a prompt.
fn write_variants(out: &mut String, node: &Node, indent: &str) {
    for variant in &node.variants {
        let (how, text) = (standing_name(variant.standing), variant.text());
        let _ = writeln!(out, "{indent}  {how} {}: {}", kind_name(variant.kind), plain(&text));
    }
}

fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Suspected => "~ once",
        Standing::AtTimes => "~ at times",
        Standing::Former => "~ before",
    }
}

struct Row {
    keys: Keys,
    label: String,
    edge: Option<Edge>,
    last: bool,
}

/// The lines of a prompt's keys, the first one last.
fn rows<'a>(node: &'a Node, indent: &str) -> Vec<(&'a Node, Row, String)> {
    let keys = keys_of(node);
    let count = keys.len();
    let mut rows: Vec<(&Node, Row, String)> = keys
        .into_iter()
        .enumerate()
        .map(|(i, (keys, option))| {
            let label = option.map_or(String::new(), |o| o.label.clone());
            let edge = node.edges.get(&keys).cloned();
            (node, Row { keys, label, edge, last: i + 1 == count }, indent.to_owned())
        })
        .collect();
    rows.reverse();
    rows
}

/// The keys of a prompt: those it offers in their order, then any that is known otherwise.
fn keys_of(node: &Node) -> Vec<(Keys, Option<&MenuOption>)> {
    let mut keys: Vec<(Keys, Option<&MenuOption>)> =
        node.options.iter().map(|o| (o.keys.clone(), Some(o))).collect();
    let others = node.edges.keys().filter(|k| node.options.iter().all(|o| o.keys != **k));
    keys.extend(others.map(|k| (k.clone(), None)));
    keys
}

fn for_each_key(tree: &Tree, mut write: impl FnMut(&Node, &Keys, &str, Option<&Edge>)) {
    for node in tree.nodes() {
        for (keys, option) in keys_of(node) {
            let label = option.map_or("", |o| o.label.as_str());
            write(node, &keys, label, node.edges.get(&keys));
        }
    }
}

/// Marks a prompt as written; true if it was already, or does not exist.
fn mark(seen: &mut [bool], no: NodeNo) -> bool {
    seen.get_mut(no.0 as usize).is_none_or(|seen| std::mem::replace(seen, true))
}

fn link(tree: &Tree, from: NodeNo, to: NodeNo) -> String {
    let name = match to {
        to if to == from => "this menu again".to_owned(),
        NodeNo(0) => "main menu".to_owned(),
        NodeNo(no) => format!("[{no}]"),
    };
    let text = tree.node(to).map(|n| excerpt(&n.text())).unwrap_or_default();
    format!("→ {name} ({text})")
}

fn kind_name(kind: PromptKind) -> &'static str {
    match kind {
        PromptKind::Menu => "menu",
        PromptKind::Language => "language choice",
        PromptKind::Input => "asks for input",
        PromptKind::Transfer => "transfer to a person",
        PromptKind::Queue => "queue",
        PromptKind::Voicemail => "voicemail",
        PromptKind::Person => "a person",
        PromptKind::Invalid => "invalid key",
        PromptKind::Announcement => "announcement",
    }
}

fn dead_name(why: DeadEnd) -> &'static str {
    match why {
        DeadEnd::HungUp => "hangs up",
        DeadEnd::Invalid => "is not accepted",
        DeadEnd::Silent => "falls silent",
        DeadEnd::NoEffect => "has no effect",
        DeadEnd::TooDeep => "not followed: the depth limit",
    }
}

fn dead_key(why: DeadEnd) -> &'static str {
    match why {
        DeadEnd::HungUp => "hung_up",
        DeadEnd::Invalid => "invalid",
        DeadEnd::Silent => "silent",
        DeadEnd::NoEffect => "no_effect",
        DeadEnd::TooDeep => "too_deep",
    }
}

fn end_name(edge: Option<&Edge>) -> &'static str {
    match edge {
        Some(Edge::Dead(why)) => dead_name(*why),
        Some(Edge::Tried(_) | Edge::Child(_) | Edge::Link(_)) | None => "not explored",
    }
}

/// Keys as a part of an identifier: "*" and "#" have none of their own.
fn dead_id(keys: &Keys) -> String {
    keys.as_str().replace('*', "s").replace('#', "p")
}

/// One line of text without anything that a terminal or a page would act on.
fn plain(text: &str) -> String {
    let kept = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| {
        let steers = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || *c == '\u{feff}';
        !steers
    });
    kept.collect()
}

fn excerpt(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
        None => text,
    }
}

/// Everything but letters, digits, blanks and harmless marks becomes a character entity, in
/// Mermaid's own spelling.
fn mermaid_escape(text: &str) -> String {
    let mut out = String::new();
    for c in plain(text).trim_end().chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | '\'' | '…' | '-' | '?' | '!') {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

fn dot_escape(text: &str) -> String {
    plain(text).trim_end().replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests;
