//! Which form an answer takes: JSON, or a page for a browser.

use axum::http::{HeaderMap, header};

use super::{python, query::Query, reply::Refusal};

/// Entries of an `Accept` header that are looked at.
const MAX_ENTRIES: usize = 100;
/// The widest indent that a client gets.
const MAX_INDENT: i128 = 8;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Render {
    /// JSON, on one line or indented.
    Json {
        /// Blanks for each level.
        indent: Option<usize>,
    },
    /// A page.
    Html,
}

/// An entry of an `Accept` header.
struct Entry {
    main: String,
    sub: String,
    params: Vec<(String, String)>,
}

impl Entry {
    fn parse(text: &str) -> Self {
        let mut parts = text.split(';');
        let kind = parts.next().unwrap_or("").trim().to_lowercase();
        let (main, sub) = kind.split_once('/').unwrap_or((&kind, ""));
        let param = |part: &str| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_lowercase(), value.trim().trim_matches('"').to_owned()))
        };
        Self {
            main: main.to_owned(),
            sub: sub.to_owned(),
            params: parts.filter_map(param).collect(),
        }
    }

    /// How specific it is. Quality values do not count, as if they were not there.
    fn precedence(&self) -> u8 {
        match (self.main.as_str(), self.sub.as_str()) {
            ("*", _) => 0,
            (_, "*") => 1,
            _ if self.params.iter().all(|(name, _)| name == "q") => 2,
            _ => 3,
        }
    }

    fn matches(&self, main: &str, sub: &str) -> bool {
        (self.main == "*" || self.main == main) && (self.sub == "*" || self.sub == sub)
    }

    fn indent(&self) -> Option<usize> {
        let (_, value) = self.params.iter().rev().find(|(name, _)| name == "indent")?;
        let indent = python::int(value)?.clamp(0, MAX_INDENT);
        usize::try_from(indent).ok().filter(|indent| *indent > 0)
    }
}

/// The form that a request asks for: `?format=` narrows the choice, then the most specific entry of
/// `Accept` decides, and JSON wins when both forms are named equally.
pub(super) fn negotiate(query: &Query, headers: &HeaderMap) -> Result<Render, Refusal> {
    let (json, html) = match query.last("format") {
        None | Some("") => (true, true),
        Some("json") => (true, false),
        Some("api") => (false, true),
        Some(_) => return Err(Refusal::NotFound),
    };
    let lines: Vec<String> = headers
        .get_all(header::ACCEPT)
        .iter()
        .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
        .collect();
    let accept = if lines.is_empty() { "*/*".to_owned() } else { lines.join(",") };
    let entries: Vec<Entry> = accept.split(',').take(MAX_ENTRIES).map(Entry::parse).collect();
    for precedence in (0..=3).rev() {
        let mut equal = entries.iter().filter(|e| e.precedence() == precedence);
        if json && let Some(entry) = equal.clone().find(|e| e.matches("application", "json")) {
            return Ok(Render::Json { indent: entry.indent() });
        }
        if html && equal.any(|e| e.matches("text", "html")) {
            return Ok(Render::Html);
        }
    }
    Err(Refusal::NotAcceptable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(accept: Option<&str>, query: &str) -> Result<Render, &'static str> {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, accept.parse().unwrap());
        }
        negotiate(&Query::parse(query).unwrap(), &headers).map_err(|refusal| match refusal {
            Refusal::NotFound => "404",
            Refusal::NotAcceptable => "406",
            _ => "other",
        })
    }

    const JSON: Result<Render, &str> = Ok(Render::Json { indent: None });
    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    #[test]
    fn the_most_specific_entry_decides_and_json_wins_a_tie() {
        for accept in [
            "*/*",
            "application/*",
            "application/json",
            "APPLICATION/JSON",
            "text/html, application/json",
            "application/json, text/plain, */*",
            "application/json;q=0",
            "image/png,*/*;q=0.5",
            "application/json;q=0.1, text/html;q=0.9",
        ] {
            assert_eq!(ask(Some(accept), ""), JSON, "{accept}");
        }
        for accept in [BROWSER, "text/html", "text/*", "text/html, */*"] {
            assert_eq!(ask(Some(accept), ""), Ok(Render::Html), "{accept}");
        }
        for accept in
            ["", "application/xml", "text/plain", "nonsense", "*", "application/vnd.api+json"]
        {
            assert_eq!(ask(Some(accept), ""), Err("406"), "{accept}");
        }
        assert_eq!(ask(None, ""), JSON);
    }

    #[test]
    fn a_format_narrows_the_choice() {
        assert_eq!(ask(Some(BROWSER), "format=json"), JSON);
        assert_eq!(ask(Some("application/xml"), "format=json"), Err("406"));
        assert_eq!(ask(Some("text/html"), "format=json"), Err("406"));
        assert_eq!(ask(None, "format=api"), Ok(Render::Html));
        assert_eq!(ask(None, "format="), JSON);
        assert_eq!(ask(None, "format=xml"), Err("404"));
    }

    #[test]
    fn an_indent_is_between_one_and_eight() {
        for (indent, expected) in
            [("4", Some(4)), ("9", Some(8)), ("0", None), ("-1", None), ("x", None)]
        {
            let accept = format!("application/json; indent={indent}");
            assert_eq!(ask(Some(&accept), ""), Ok(Render::Json { indent: expected }));
        }
        assert_eq!(ask(Some("*/*; indent=2"), ""), Ok(Render::Json { indent: Some(2) }));
    }
}
