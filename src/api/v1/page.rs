//! The page that a browser gets in the place of JSON.

use std::fmt::Write as _;

use axum::http::{StatusCode, Uri};
use serde_json::Value;

use super::{json_text, query::Query, route::Route};
use crate::api::html::{escape, fill};
use crate::config::Secret;

const TEMPLATE: &str = include_str!("page.html");
const INDENT: usize = 4;

/// The request that a page shows.
pub(super) struct Shown<'a> {
    pub(super) route: Route,
    pub(super) method: &'a str,
    pub(super) target: &'a Uri,
    pub(super) query: &'a Query,
    /// What its forms must send back, for who has a session.
    pub(super) csrf: Option<&'a Secret<String>>,
}

/// The field in which they send it.
pub(super) const CSRF_FIELD: &str = "csrfmiddlewaretoken";

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
        "form" => forms(shown),
        _ => String::new(),
    })
}

/// Forms to try the endpoint: with other parameters, and with something to send to it.
fn forms(shown: &Shown<'_>) -> String {
    let Shown { route, query, csrf, .. } = shown;
    let path = escape(route.path());
    let field = |name: &&str| {
        let (name, value) = (escape(name), escape(query.last(name).unwrap_or("")));
        format!(
            "<label for=\"{name}\">{name}</label><input id=\"{name}\" name=\"{name}\" \
             value=\"{value}\">\n"
        )
    };
    let mut forms = String::new();
    let parameters: String = route.parameters().iter().map(field).collect();
    if !parameters.is_empty() && route.allows("GET") {
        let _ = write!(
            forms,
            "<form method=\"get\" action=\"{path}\">\n{parameters}<button>GET</button>\n</form>\n"
        );
    }
    let fields: String = route.body_fields().iter().map(field).collect();
    // Without a session a form would come without credentials.
    if let Some(csrf) = csrf
        && !fields.is_empty()
    {
        let csrf = escape(csrf.expose());
        let _ = write!(
            forms,
            "<form method=\"post\" action=\"{path}\">\n\
             <input type=\"hidden\" name=\"{CSRF_FIELD}\" value=\"{csrf}\">\n\
             {fields}<button>POST</button>\n</form>\n"
        );
    }
    forms
}
