//! `GET /api/callmenu/`: the menu of a number as a tree.

use std::collections::BTreeMap;

use axum::body::Bytes;
use serde_json::{Value, json};

use super::{
    Call, json_text,
    negotiation::Render,
    reply::{Refusal, Reply},
};
use crate::{
    speech::Transcript,
    store::{KeyRow, MenuRow, MenuText},
};

/// Menus in one answer. A menu is shown as often as it can be reached, so that few menus with many
/// links could fill the memory; further ones are left out.
const MAX_SHOWN: usize = 20_000;
/// Levels in one answer; deeper ones are left out.
const MAX_LEVELS: usize = 200;

pub(super) async fn callmenu(call: &Call) -> Result<Reply, Refusal> {
    let store = call.api.store();
    let asked = call.query.last("number").unwrap_or("");
    let is_plain = call.render == Render::Json { indent: None };
    // Before anything is read: what changes while it is read makes what is kept old.
    let generation = store.generation();
    if let Some(text) = call.api.trees().get(asked, generation).filter(|_| is_plain) {
        return Ok(Reply::written(text));
    }
    let number = store.number(asked).await?.ok_or(Refusal::NotFound)?;
    let tree = store.newest_tree(number.id).await?;
    let mut answer = json!({
        "id": number.id,
        "number": number.number,
        "business_name": number.business_name,
        "retry_enabled": i64::from(number.retry_auto),
        "attempt": number.attempt,
        "completed": number.completed,
        "menu": null,
    });
    if let (Some(tree), Some(menu)) = (tree, answer.get_mut("menu")) {
        *menu = Picture::new(&tree.menus).draw();
    }
    if !is_plain {
        return Ok(Reply::ok(answer));
    }
    let text = Bytes::from(json_text::text(&answer, None));
    call.api.trees().put(asked, generation, text.clone());
    Ok(Reply::written(text))
}

/// The menus of a scan, drawn as a tree.
struct Picture<'a> {
    menus: &'a [MenuRow],
    /// For each menu but the root: the place of the menu whose key leads there first, and the key.
    parents: BTreeMap<usize, (usize, &'a str)>,
    /// Menus on the way from the root to what is being drawn.
    way: Vec<usize>,
    shown: usize,
}

impl<'a> Picture<'a> {
    fn new(menus: &'a [MenuRow]) -> Self {
        let mut parents = BTreeMap::new();
        for (at, menu) in menus.iter().enumerate() {
            for (key, target) in links(menu) {
                if target != 0 && target < menus.len() {
                    parents.entry(target).or_insert((at, key.keys.as_deref().unwrap_or("")));
                }
            }
        }
        Self { menus, parents, way: Vec::new(), shown: 0 }
    }

    fn draw(mut self) -> Value {
        self.node(0, Some(""), Some("")).unwrap_or(Value::Null)
    }

    /// The node of a menu reached by a key; `None` when there is no room or no such menu. One that
    /// leads back to a menu on its own way is shown without what lies behind it.
    fn node(&mut self, at: usize, said: Option<&str>, key: Option<&str>) -> Option<Value> {
        let menu = self.menus.get(at)?;
        if self.shown >= MAX_SHOWN || self.way.len() >= MAX_LEVELS {
            return None;
        }
        self.shown += 1;
        let mut children = Vec::new();
        if !self.way.contains(&at) {
            self.way.push(at);
            for (key, target) in links(menu) {
                children.extend(self.node(target, key.said.as_deref(), key.keys.as_deref()));
            }
            self.way.pop();
        }
        let (audio_text, audio_text_debug) = texts(menu);
        // Moved into its place: the macro would copy what is below at each level.
        let members = [
            ("id", json!(menu.id)),
            ("info", json!({"parent_text": said, "keys_to_reach": self.keys_to_reach(at)})),
            ("key", json!(key)),
            ("audio_text", audio_text),
            ("audio_text_debug", audio_text_debug),
            ("children", Value::Array(children)),
        ];
        Some(Value::Object(
            members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect(),
        ))
    }

    /// The keys from the root to a menu. A menu that can be reached in several ways has one path:
    /// that of the first key that leads there.
    fn keys_to_reach(&self, at: usize) -> String {
        let mut keys = Vec::new();
        let mut here = at;
        // A way is not longer than there are menus; rows of an older service may go in a circle.
        while keys.len() < self.menus.len()
            && let Some((parent, key)) = self.parents.get(&here)
        {
            keys.push(*key);
            here = *parent;
        }
        keys.reverse();
        keys.join(",")
    }
}

/// The keys of a menu that lead somewhere, with the places of where they lead. A key that was
/// offered twice counts once.
fn links(menu: &MenuRow) -> impl Iterator<Item = (&KeyRow, usize)> {
    menu.keys.iter().enumerate().filter_map(|(at, key)| {
        let target = key.target()?;
        let again = |earlier: &KeyRow| earlier.keys == key.keys && earlier.edge == key.edge;
        let is_first = !menu.keys.iter().take(at).any(again);
        is_first.then_some((key, target.0 as usize))
    })
}

/// `audio_text` and `audio_text_debug` of a menu.
fn texts(menu: &MenuRow) -> (Value, Value) {
    match &menu.text {
        MenuText::Heard(transcripts) => {
            let text: String = transcripts
                .iter()
                .map(Transcript::text)
                .filter(|text| !text.is_empty())
                .map(|text| format!(" {text}"))
                .collect();
            (json!(text), transcripts.iter().map(result).collect())
        }
        MenuText::Old { text, debug } => {
            let debug = match debug.as_deref() {
                None => Value::Null,
                Some("") => json!(""),
                // What an older service could not write properly is left out.
                Some(json) => serde_json::from_str(json).unwrap_or(Value::Null),
            };
            (json!(text), debug)
        }
    }
}

/// A transcript as the recogniser of the old service gave it: a blank after the text, seconds.
fn result(transcript: &Transcript) -> Value {
    let seconds = |ms: u32| f64::from(ms) / 1000.0;
    let words: Vec<Value> = transcript
        .words
        .iter()
        .map(|word| json!([word.text, seconds(word.start_ms), seconds(word.end_ms)]))
        .collect();
    let text = transcript.text();
    json!({
        "transcript": if text.is_empty() { text } else { text + " " },
        "confidence": (f64::from(transcript.confidence) * 100.0).round() / 100.0,
        "timestamps": words,
    })
}
