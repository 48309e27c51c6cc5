//! The page that a browser gets in the place of JSON.

use std::fmt::Write as _;

use axum::http::{StatusCode, Uri};
use serde_json::Value;

use super::{MASK, form_method, json_text, query::Query, route::Route};
use crate::{
    api::html::{escape, fill},
    config::Secret,
};

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
        "form" => forms(shown) + &row_form(shown, value),
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

/// A form to change or delete the row that a page shows, for who has a session.
fn row_form(shown: &Shown<'_>, value: &Value) -> String {
    let Shown { route, target, csrf, .. } = shown;
    let (Some(csrf), true) = (csrf, route.allows("PUT") && !route.row_fields().is_empty()) else {
        return String::new();
    };
    let field = |name: &&str| {
        let value = match value.get(*name) {
            // What is not shown is not sent back either.
            Some(Value::String(text)) if *name != "sip_password" || text != MASK => text.clone(),
            Some(other @ (Value::Bool(_) | Value::Number(_))) => other.to_string(),
            Some(Value::String(_) | Value::Null | Value::Array(_) | Value::Object(_)) | None => {
                String::new()
            }
        };
        format!(
            "<label for=\"row_{name}\">{name}</label><input id=\"row_{name}\" name=\"{name}\" \
             value=\"{}\">\n",
            escape(&value)
        )
    };
    let fields: String = route.row_fields().iter().map(field).collect();
    let button = |method| {
        format!("<button name=\"{}\" value=\"{method}\">{method}</button>\n", form_method::FIELD)
    };
    let buttons: String = form_method::METHODS.into_iter().map(button).collect();
    format!(
        "<form method=\"post\" action=\"{}\">\n\
         <input type=\"hidden\" name=\"{CSRF_FIELD}\" value=\"{}\">\n{fields}{buttons}</form>\n",
        escape(target.path()),
        escape(csrf.expose())
    )
}
