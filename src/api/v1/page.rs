//! The page that a browser gets in the place of JSON.

use axum::http::{StatusCode, Uri};
use serde_json::Value;

use super::{Route, json_text, query::Query};

const TEMPLATE: &str = include_str!("page.html");
/// What such a page may do: be read, and send its form to where it came from.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const INDENT: usize = 4;

/// The request that a page shows.
pub(super) struct Shown<'a> {
    pub(super) route: Route,
    pub(super) method: &'a str,
    pub(super) target: &'a Uri,
    pub(super) query: &'a Query,
}

/// The page for an answer. Everything on it that came from outside is escaped.
pub(super) fn page(shown: &Shown<'_>, status: StatusCode, value: &Value) -> String {
    let route = shown.route;
    fill(TEMPLATE, |name| match name {
        "name" => escape(route.name()),
        "description" => escape(route.description()),
        "method" => escape(shown.method),
        "target" => escape(&shown.target.to_string()),
        "status" => escape(&status.to_string()),
        "allow" => escape(route.allow()),
        "body" => escape(&json_text::text(value, Some(INDENT))),
        "form" => form(route, shown.query),
        _ => String::new(),
    })
}

/// A form to try the endpoint with other parameters.
fn form(route: Route, query: &Query) -> String {
    let fields: String = route
        .parameters()
        .iter()
        .map(|name| {
            let (name, value) = (escape(name), escape(query.last(name).unwrap_or("")));
            format!(
                "<label for=\"{name}\">{name}</label><input id=\"{name}\" name=\"{name}\" \
                 value=\"{value}\">\n"
            )
        })
        .collect();
    if fields.is_empty() {
        return fields;
    }
    let path = escape(route.path());
    format!("<form method=\"get\" action=\"{path}\">\n{fields}<button>GET</button>\n</form>\n")
}

/// Puts values in the places of `{{name}}`, in one pass: a value is never taken for a template.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut parts = template.split("{{");
    let mut page = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or(("", part));
        page.push_str(&value(name));
        page.push_str(rest);
    }
    page
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
