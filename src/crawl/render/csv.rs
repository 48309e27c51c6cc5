//! A tree as a table for spreadsheets (RFC 4180).

use super::{dead_key, for_each_key, kind_name, plain};
use crate::crawl::tree::{Edge, Tree};

/// The table's head.
const HEAD: &str = "prompt,kind,text,keys,label,said,leads_to,next_prompt\r\n";

/// A line for each key of each prompt; a prompt without keys has one too, with its last cells
/// empty.
///
/// A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula. Nothing that was
/// heard becomes one: such a cell gets an apostrophe in front, which spreadsheets take for "this is
/// text" (OWASP, CSV injection).
pub fn csv(tree: &Tree) -> String {
    let mut out = HEAD.to_owned();
    for node in tree.nodes().iter().filter(|n| n.options.is_empty() && n.edges.is_empty()) {
        let (no, text) = (node.no.0.to_string(), node.text());
        line(&mut out, &[&no, kind_name(node.kind), &text, "", "", "", "", ""]);
    }
    for_each_key(tree, |node, keys, label, edge| {
        let said = node.options.iter().find(|o| o.keys == *keys).map_or("", |o| o.said.as_str());
        let (leads_to, next) = match edge {
            Some(Edge::Child(to)) => ("prompt", Some(to)),
            Some(Edge::Link(to)) => ("known_prompt", Some(to)),
            Some(Edge::Dead(why)) => (dead_key(*why), None),
            Some(Edge::Tried(_)) | None => ("unexplored", None),
        };
        let (no, text) = (node.no.0.to_string(), node.text());
        let next = next.map(|to| to.0.to_string()).unwrap_or_default();
        let kind = kind_name(node.kind);
        line(&mut out, &[&no, kind, &text, keys.as_str(), label, said, leads_to, &next]);
    });
    out
}

fn line(out: &mut String, cells: &[&str]) {
    for (at, text) in cells.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        cell(out, text);
    }
    out.push_str("\r\n");
}

fn cell(out: &mut String, text: &str) {
    let text = plain(text);
    let text = text.trim();
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    if text.contains(['"', ',', ';']) || !guard.is_empty() {
        out.push('"');
        out.push_str(guard);
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(text);
    }
}
