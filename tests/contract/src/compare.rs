//! An answer beside the one that is wanted, by the rules of the contract's judge.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    case::{Case, Hook, Response},
    http::Answer,
};

/// Headers that are compared.
const HEADERS: [&str; 8] = [
    "content-type",
    "allow",
    "www-authenticate",
    "location",
    "vary",
    "x-frame-options",
    "x-content-type-options",
    "referrer-policy",
];

/// What is wanted.
pub struct Wanted<'a> {
    /// The answer.
    pub answer: &'a Response,
    /// Its values that differ each time, with their types.
    pub volatile: &'a BTreeMap<String, String>,
    /// Where the service is, as its links say it.
    pub base: &'a str,
    /// Whether the bytes must be the same too.
    pub strict: bool,
}

/// What differs, in words; none if nothing does.
pub fn differences(case: &Case, wanted: &Wanted<'_>, got: &Answer) -> Vec<String> {
    let mut bad = Vec::new();
    let response = wanted.answer;
    if response.status != got.status {
        bad.push(format!("status: expected {}, got {}", response.status, got.status));
    }
    let expected: BTreeMap<String, String> = response
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.replace("{BASE}", wanted.base)))
        .collect();
    for name in HEADERS {
        let (e, g) = (expected.get(name), got.headers.get(name));
        let same = match name {
            "vary" | "allow" => e.map(|e| tokens(e)) == g.map(|g| tokens(g)),
            _ => e == g,
        };
        if !same {
            bad.push(format!("header {name}: expected {e:?}, got {g:?}"));
        }
    }
    // A page may be another than the recorded one.
    if response.body_kind == "html_not_compared" || case.has("browsable") {
        return bad;
    }
    let raw = response.body_raw.as_deref().unwrap_or("");
    if let (true, Some(length)) = (wanted.strict, expected.get("content-length"))
        && wanted.volatile.is_empty()
        && !raw.contains("{BASE}")
        && got.headers.get("content-length") != Some(length)
    {
        let got = got.headers.get("content-length");
        bad.push(format!("header content-length: expected {length}, got {got:?}"));
    }
    let text = String::from_utf8_lossy(&got.body).into_owned();
    match response.body_kind.as_str() {
        "json" => bad.extend(json(wanted, raw, &text)),
        _ => {
            let expected = response.body.as_str().unwrap_or("").replace("{BASE}", wanted.base);
            if text != expected {
                bad.push(format!("body: expected {}, got {}", short(&expected), short(&text)));
            }
        }
    }
    bad
}

fn json(wanted: &Wanted<'_>, raw: &str, text: &str) -> Vec<String> {
    let Ok(got) = serde_json::from_str::<Value>(text) else {
        return vec![format!("body: not JSON: {}", short(text))];
    };
    let expected = with_base(&wanted.answer.body, wanted.base);
    let mut bad = Vec::new();
    walk(&expected, &got, wanted.volatile, "$", &mut bad);
    if wanted.strict && bad.is_empty() {
        let expected_text = mask(&raw.replace("{BASE}", wanted.base), &expected, wanted.volatile);
        let got_text = mask(text, &got, wanted.volatile);
        if expected_text != got_text {
            bad.push(format!(
                "raw body differs: expected {}, got {}",
                short(&expected_text),
                short(&got_text)
            ));
        }
    }
    bad
}

/// What differs between two values; numbers of different types do.
fn walk(
    expected: &Value,
    got: &Value,
    volatile: &BTreeMap<String, String>,
    path: &str,
    bad: &mut Vec<String>,
) {
    if let Some(kind) = volatile.get(path) {
        if !is_of(kind, expected, got) {
            bad.push(format!("{path}: {got} is not a {kind}"));
        }
        return;
    }
    match (expected, got) {
        (Value::Object(e), Value::Object(g)) => {
            bad.extend(
                e.keys().filter(|k| !g.contains_key(*k)).map(|k| format!("{path}: missing {k:?}")),
            );
            bad.extend(
                g.keys().filter(|k| !e.contains_key(*k)).map(|k| format!("{path}: extra {k:?}")),
            );
            for (name, member) in e {
                if let Some(other) = g.get(name) {
                    walk(member, other, volatile, &format!("{path}.{name}"), bad);
                }
            }
        }
        (Value::Array(e), Value::Array(g)) => {
            if e.len() != g.len() {
                bad.push(format!("{path}: expected {} items, got {}", e.len(), g.len()));
            }
            for (at, (item, other)) in e.iter().zip(g).enumerate() {
                walk(item, other, volatile, &format!("{path}[{at}]"), bad);
            }
        }
        _ if expected == got => {}
        _ => bad.push(format!(
            "{path}: expected {}, got {}",
            short(&expected.to_string()),
            short(&got.to_string())
        )),
    }
}

/// Whether a value that differs each time is what it should be.
fn is_of(kind: &str, expected: &Value, got: &Value) -> bool {
    let text = got.as_str().unwrap_or("");
    match kind {
        "uuid" => is_uuid(text),
        "datetime" => is_time(text),
        "fs_output" => text
            .strip_prefix("+OK Job-UUID: ")
            .and_then(|rest| rest.strip_suffix('\n'))
            .is_some_and(is_uuid),
        "int" => got.as_i64().is_some_and(|value| value > 0),
        "words" => text.contains(' '),
        "before_dash" => {
            let fixed = expected.as_str().unwrap_or("").split(" - ").next().unwrap_or("");
            text.starts_with(&format!("{fixed} - "))
        }
        "any" => true,
        _ => false,
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

/// `2026-11-22T05:45:58.534657Z`, without the fraction when it is zero.
fn is_time(text: &str) -> bool {
    let form = |form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(b, f)| match f {
                b'0' => b.is_ascii_digit(),
                _ => b == f,
            })
    };
    form("0000-00-00T00:00:00.000000Z") || form("0000-00-00T00:00:00Z")
}

/// The text with its values that differ each time blanked.
fn mask(text: &str, value: &Value, volatile: &BTreeMap<String, String>) -> String {
    volatile.iter().fold(text.to_owned(), |text, (path, kind)| {
        let Some(found) = at(value, path) else { return text };
        text.replacen(&found.to_string(), &format!("\"<{kind}>\""), 1)
    })
}

/// The value at a path like `$.results[0].id`.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let pointer = path.trim_start_matches('$').replace('[', "/").replace(']', "").replace('.', "/");
    value.pointer(&pointer)
}

fn with_base(value: &Value, base: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("{BASE}", base)),
        Value::Array(items) => items.iter().map(|item| with_base(item, base)).collect(),
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, member)| (name.clone(), with_base(member, base))).collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn tokens(list: &str) -> Vec<String> {
    let mut tokens: Vec<String> = list.split(',').map(|t| t.trim().to_lowercase()).collect();
    tokens.sort();
    tokens
}

fn short(text: &str) -> String {
    format!("{:?}", text.chars().take(200).collect::<String>())
}

/// What differs between the webhooks that were wanted and those that came.
pub fn hook_differences(wanted: &[Hook], got: &[Hook], strict: bool) -> Vec<String> {
    let mut bad = Vec::new();
    if wanted.len() != got.len() {
        bad.push(format!("webhook: expected {} requests, got {}", wanted.len(), got.len()));
    }
    for (w, g) in wanted.iter().zip(got) {
        if (&w.method, &w.path) != (&g.method, &g.path) {
            bad.push(format!(
                "webhook: expected {} {}, got {} {}",
                w.method, w.path, g.method, g.path
            ));
        }
        let kind = |hook: &Hook| hook.headers.get("content-type").cloned();
        if kind(w) != kind(g) {
            bad.push(format!("webhook content-type: expected {:?}, got {:?}", kind(w), kind(g)));
        }
        let read = |text: &str| serde_json::from_str::<Value>(text).ok();
        let same = w.body == g.body
            || (!strict && read(&w.body).is_some() && read(&w.body) == read(&g.body));
        if !same {
            bad.push(format!("webhook body: expected {:?}, got {:?}", w.body, g.body));
        }
    }
    bad
}
