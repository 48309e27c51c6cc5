//! A recorded request, the state in which it was asked, and the answer.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::Value;

/// One case.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Its name, unlike all others.
    pub name: String,
    /// The state.
    pub setup: Setup,
    /// What is asked.
    pub request: Request,
    /// What was answered.
    pub response: Response,
    /// JSON paths of values that differ each time, and, in step, of which type they are.
    #[serde(default)]
    pub volatile: Vec<String>,
    /// See `volatile`.
    #[serde(default)]
    pub volatile_types: Vec<String>,
    /// What is special about it.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The webhooks that were sent.
    #[serde(default)]
    pub hooks: Vec<Hook>,
}

/// The state in which a case is asked.
#[derive(Clone, Debug, Deserialize)]
pub struct Setup {
    /// The name of the rows.
    pub fixture: String,
    /// The switch's mode.
    pub esl: String,
    /// The carrier's mode.
    pub flowroute: String,
    /// Requests that come before it, whose answers are not compared.
    #[serde(default)]
    pub pre: Vec<Request>,
    /// Where a receiver of webhooks was, if they are compared.
    #[serde(default)]
    pub hook_listener: Option<String>,
}

/// A request.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers; a value that begins with `b64:` stands for its bytes.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    #[serde(default)]
    pub body: Option<String>,
    /// The body as bytes.
    #[serde(default)]
    pub body_b64: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, read.
    #[serde(default)]
    pub body: Value,
    /// The body, exactly.
    #[serde(default)]
    pub body_raw: Option<String>,
    /// `json`, `text` or `html_not_compared`.
    pub body_kind: String,
}

/// A webhook.
#[derive(Clone, Debug, Deserialize)]
pub struct Hook {
    /// Its method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, with names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: String,
}

/// The tokens of a fixture, by the name of their placeholder.
pub type Tokens = BTreeMap<String, String>;

impl Case {
    /// Whether it has this tag.
    pub fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|t| t == tag)
    }
}

impl Request {
    /// The body's bytes; `None` if none is sent.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.body_b64, &self.body) {
            (Some(coded), _) => BASE64_STANDARD.decode(coded).ok(),
            (None, body) => body.as_ref().map(|body| body.clone().into_bytes()),
        }
    }

    /// Its headers with the tokens in the places of their names.
    pub fn filled(&self, tokens: &Tokens) -> Vec<(String, Vec<u8>)> {
        let fill = |text: &str| {
            tokens.iter().fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value)
            })
        };
        self.headers
            .iter()
            .map(|(name, value)| {
                let bytes = value.strip_prefix("b64:").and_then(|v| BASE64_STANDARD.decode(v).ok());
                (name.clone(), bytes.unwrap_or_else(|| fill(value).into_bytes()))
            })
            .collect()
    }

    /// A parameter of its query, the last of those with the name, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.path.split_once('?')?;
        let value = query.split('&').rev().find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })?;
        Some(decode(value))
    }

    /// Its path without the query.
    pub fn endpoint(&self) -> &str {
        self.path.split('?').next().unwrap_or("")
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
