//! `/api/schema/`: what both versions of the API take and answer, as OpenAPI 3.1; a browser gets a
//! page to read it.
//!
//! The old API's part is made of the table from which it is served ([`v1`]), so that the two cannot
//! differ; that of `/api/v2` stands here.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value, json};

use super::{
    Api,
    html::{POLICY, escape, fill},
    v1,
};

const PAGE: &str = include_str!("schema.html");

/// Who may send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Anybody,
    Token,
    Admin,
}

/// One request and its answers.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// In lower case.
    pub(super) method: String,
    /// With `{name}` for what varies.
    pub(super) path: String,
    /// What it does.
    pub(super) summary: String,
    /// Who may send it.
    pub(super) who: Who,
    /// Names of the query's parameters.
    pub(super) query: Vec<&'static str>,
    /// Fields of the body, with whether they are required; none for no body.
    pub(super) fields: Vec<(&'static str, bool)>,
    /// Whether the body may also be a form.
    pub(super) takes_forms: bool,
    /// The status of success, and the type of what it brings.
    pub(super) success: (u16, &'static str),
    /// The type of an error's body.
    pub(super) error: &'static str,
}

/// A line of the table of `/api/v2`: method, path, who, query, fields (`*` for required), status.
type Line = (
    &'static str,
    &'static str,
    Who,
    &'static [&'static str],
    &'static [&'static str],
    u16,
    &'static str,
);

const V2: [Line; 18] = [
    ("get", "/healthz", Who::Anybody, &[], &[], 200, "Whether the service can work."),
    (
        "get",
        "/api/v2/events",
        Who::Token,
        &["number"],
        &[],
        200,
        "What happens now, as server-sent events.",
    ),
    ("post", "/api/v2/calls", Who::Token, &[], &["number*", "caller_id"], 202, "Places one call."),
    ("get", "/api/v2/calls/{id}", Who::Token, &[], &[], 200, "A call's record."),
    (
        "get",
        "/api/v2/numbers/{number}/tree",
        Who::Token,
        &[],
        &[],
        200,
        "The menu of a number as a tree.",
    ),
    (
        "post",
        "/api/v2/sms",
        Who::Token,
        &[],
        &["to*", "body*", "callback_url"],
        202,
        "Accepts a message; it is sent within a day.",
    ),
    ("get", "/api/v2/sms/{id}", Who::Token, &[], &[], 200, "A message and what became of it."),
    (
        "post",
        "/api/v2/carrier/receipts",
        Who::Anybody,
        &["key"],
        &["id*", "status_code*"],
        200,
        "For the carrier: a delivery receipt.",
    ),
    (
        "post",
        "/api/v2/carrier/messages",
        Who::Anybody,
        &["key"],
        &["id*", "from*", "to*", "body*"],
        200,
        "For the carrier: a message that came in.",
    ),
    ("get", "/api/v2/stop", Who::Token, &[], &[], 200, "Whether all calls are stopped."),
    (
        "post",
        "/api/v2/stop",
        Who::Token,
        &["number"],
        &[],
        200,
        "Ends all calls and lets none through; with a number, ends that call alone.",
    ),
    ("delete", "/api/v2/stop", Who::Admin, &[], &[], 200, "Lets calls through again."),
    ("post", "/api/v2/resume", Who::Admin, &[], &[], 200, "Lets calls through again."),
    (
        "get",
        "/api/v2/opt-outs",
        Who::Token,
        &["after", "limit"],
        &[],
        200,
        "Who is not to be called.",
    ),
    (
        "post",
        "/api/v2/opt-outs",
        Who::Token,
        &[],
        &["number*", "note"],
        201,
        "Enters a number that is not to be called.",
    ),
    (
        "delete",
        "/api/v2/opt-outs/{number}",
        Who::Admin,
        &[],
        &[],
        204,
        "Takes a number off that list.",
    ),
    (
        "get",
        "/api/v2/audit",
        Who::Admin,
        &["number", "after", "limit"],
        &[],
        200,
        "Calls that were placed or refused, with why and who asked.",
    ),
    ("get", "/api/schema/", Who::Anybody, &[], &[], 200, "This description."),
];

fn operations() -> Vec<Operation> {
    let v2 = V2.iter().map(|(method, path, who, query, fields, status, summary)| Operation {
        method: (*method).to_owned(),
        path: (*path).to_owned(),
        summary: (*summary).to_owned(),
        who: *who,
        query: query.to_vec(),
        fields: fields.iter().map(|f| (f.trim_end_matches('*'), f.ends_with('*'))).collect(),
        takes_forms: false,
        success: match *path {
            "/api/v2/events" => (*status, "text/event-stream"),
            _ => (*status, "application/json"),
        },
        error: "application/problem+json",
    });
    v1::operations().into_iter().chain(v2).collect()
}

/// The description.
pub(super) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let (method, path) = (operation.method.clone(), operation.path.clone());
        let described = describe(&operation);
        if let Some(methods) = paths.entry(path).or_insert_with(|| json!({})).as_object_mut() {
            methods.insert(method, described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "phoneai",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Paths below /api/v2 are for new clients; the others answer as those of \
                the service that phoneai replaces. A token is made with `phoneai token create`.",
        },
        "components": {"securitySchemes": {"token": {
            "type": "apiKey", "in": "header", "name": "Authorization",
            "description": "The word Token, a blank, and the token.",
        }}},
        "paths": paths,
    })
}

fn describe(operation: &Operation) -> Value {
    let Operation { path, summary, who, query, fields, takes_forms, success, error, .. } =
        operation;
    let names = path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let in_path = names.map(|name| {
        let schema = json!({"type": "string", "pattern": "^[^/.]+$"});
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    });
    let in_query =
        query.iter().map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}));
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let (status, kind) = success;
    let answer = |kind: &str| json!({kind: {"schema": {}}});
    let mut refused = answer(error);
    if let (false, Some(kinds)) = (path.starts_with("/api/v2"), refused.as_object_mut()) {
        // A path that is none of these is a page there.
        kinds.insert("text/html".to_owned(), json!({"schema": {"type": "string"}}));
    }
    let done = match status {
        204 => json!({"description": "Done."}),
        _ => json!({"description": "Done.", "content": answer(kind)}),
    };
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": summary,
        "tags": [if path.starts_with("/api/v2") { "v2" } else { "v1" }],
        "parameters": parameters,
        "responses": {
            status.to_string(): done,
            "default": {"description": "Refused; the body says why.", "content": refused},
        },
        "security": match who {
            Who::Anybody => json!([]),
            Who::Token | Who::Admin => json!([{"token": []}]),
        },
    });
    if let (false, Some(members)) = (fields.is_empty(), described.as_object_mut()) {
        let properties: Map<String, Value> =
            fields.iter().map(|(name, _)| ((*name).to_owned(), json!({}))).collect();
        let required: Vec<&str> =
            fields.iter().filter(|(_, required)| *required).map(|(name, _)| *name).collect();
        let schema = json!({"schema": {
            "type": "object", "properties": properties, "required": required,
        }});
        let mut content = json!({"application/json": schema});
        if let (true, Some(kinds)) = (*takes_forms, content.as_object_mut()) {
            kinds.insert("application/x-www-form-urlencoded".to_owned(), schema);
        }
        members.insert("requestBody".to_owned(), json!({"content": content}));
    }
    described
}

/// What a client's code calls it: the method and the words of its path; "buy" for the one that costs
/// money.
fn operation_id(operation: &Operation) -> String {
    if operation.method == "post" && operation.path == "/api/did_numbers/" {
        return "buy".to_owned();
    }
    let words =
        operation.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    words.fold(operation.method.clone(), |id, word| format!("{id}_{word}"))
}

/// `GET /api/schema/`.
pub(super) async fn schema(State(_): State<Api>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if !accept.is_some_and(|accept| accept.contains("text/html")) {
        return Json(document()).into_response();
    }
    let rows: String = operations().iter().map(row).collect();
    let page = fill(PAGE, |name| if name == "rows" { rows.clone() } else { String::new() });
    let mut response = axum::response::Html(page).into_response();
    let policy = HeaderValue::from_static(POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// A line of the page.
fn row(operation: &Operation) -> String {
    let Operation { method, path, summary, who, query, fields, .. } = operation;
    let who = match who {
        Who::Anybody => "anybody",
        Who::Token => "token",
        Who::Admin => "admin",
    };
    let mark =
        |(name, required): &(&str, bool)| format!("{name}{}", if *required { "*" } else { "" });
    let takes: Vec<String> = query
        .iter()
        .map(|name| format!("?{name}"))
        .chain(fields.iter().map(mark))
        .map(|name| format!("<code>{}</code>", escape(&name)))
        .collect();
    format!(
        "<tr><td><code>{}</code></td><td><code>{}</code></td><td>{who}</td><td>{}</td><td>{}</td></tr>\n",
        escape(&method.to_uppercase()),
        escape(path),
        takes.join(", "),
        escape(summary)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_parameters_and_a_success() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        for path in ["/api/scan/", "/api/extensions/{id}/", "/api/v2/calls/{id}", "/api/users/"] {
            assert!(paths.contains_key(path), "{path}");
        }
        for (path, methods) in paths {
            for (method, operation) in methods.as_object().unwrap() {
                let named = operation["parameters"].as_array().unwrap().iter();
                let in_path = named.filter(|p| p["in"] == "path").count();
                assert_eq!(in_path, path.matches('{').count(), "{method} {path}");
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path}");
            }
        }
    }
}
