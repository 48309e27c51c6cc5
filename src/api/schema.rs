//! `/api/schema/`: what both versions of the API take and answer, as OpenAPI 3.1; a browser gets a
//! page to read it.
//!
//! The old API's part is made of the table from which it is served ([`v1`]), that of `/api/v2` of
//! its handlers and their types (by utoipa), so that the description and the service cannot differ.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value, json};

use utoipa::OpenApi as _;

use super::{
    Api,
    html::{POLICY, escape, fill},
    v1,
    v2::openapi::Description,
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

/// What of `/api/v2` is for administrators.
const FOR_ADMINS: [(&str, &str); 4] = [
    ("delete", "/api/v2/stop"),
    ("post", "/api/v2/resume"),
    ("delete", "/api/v2/opt-outs/{number}"),
    ("get", "/api/v2/audit"),
];

/// The operations of the old API, and this description.
fn operations() -> Vec<Operation> {
    let description = Operation {
        method: "get".to_owned(),
        path: "/api/schema/".to_owned(),
        summary: "This description.".to_owned(),
        who: Who::Anybody,
        query: Vec::new(),
        fields: Vec::new(),
        takes_forms: false,
        success: (200, "application/json"),
        error: "application/json",
    };
    v1::operations().into_iter().chain([description]).collect()
}

/// What `/api/v2` takes and answers, with what all of its operations have in common.
fn described_v2() -> Value {
    let mut document = serde_json::to_value(Description::openapi()).unwrap_or_default();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, methods) in paths.into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            let Some(members) = operation.as_object_mut() else { continue };
            members.insert("operationId".to_owned(), json!(operation_id(method, path)));
            let is_open = members.contains_key("security");
            let security = if is_open { json!([]) } else { json!([{"token": []}]) };
            members.insert("security".to_owned(), security);
            let problem = json!({
                "description": "Refused; the body says why.",
                "content": {"application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/ProblemBody"},
                }},
            });
            if let Some(responses) = members.get_mut("responses").and_then(Value::as_object_mut) {
                responses.insert("default".to_owned(), problem);
                if method == "get" && responses.contains_key("200") && path != "/healthz" {
                    let same = json!({"description": "The client has it: see If-None-Match."});
                    responses.insert("304".to_owned(), same);
                }
            }
        }
    }
    document
}

/// The description.
pub(super) fn document() -> Value {
    let mut v2 = described_v2();
    let mut paths = match v2.get_mut("paths").map(Value::take) {
        Some(Value::Object(paths)) => paths,
        Some(_) | None => Map::new(),
    };
    let schemas = v2.pointer_mut("/components/schemas").map(Value::take).unwrap_or_default();
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
        "components": {"schemas": schemas, "securitySchemes": {"token": {
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
    if let Some(kinds) = refused.as_object_mut() {
        // A path that is none of these is a page there.
        kinds.insert("text/html".to_owned(), json!({"schema": {"type": "string"}}));
    }
    let done = match status {
        204 => json!({"description": "Done."}),
        _ => json!({"description": "Done.", "content": answer(kind)}),
    };
    let mut described = json!({
        "operationId": operation_id(&operation.method, path),
        "summary": summary,
        "tags": ["v1"],
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
    if let (Who::Admin, Some(members)) = (who, described.as_object_mut()) {
        members.insert("x-who".to_owned(), json!("admin"));
    }
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
fn operation_id(method: &str, path: &str) -> String {
    if method == "post" && path == "/api/did_numbers/" {
        return "buy".to_owned();
    }
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    words.fold(method.to_owned(), |id, word| format!("{id}_{word}"))
}

/// `GET /api/schema/`.
pub(super) async fn schema(State(_): State<Api>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if !accept.is_some_and(|accept| accept.contains("text/html")) {
        return Json(document()).into_response();
    }
    let document = document();
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let rows: String = paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(|(method, operation)| row(&document, method, path, operation))
        })
        .collect();
    let page = fill(PAGE, |name| if name == "rows" { rows.clone() } else { String::new() });
    let mut response = axum::response::Html(page).into_response();
    let policy = HeaderValue::from_static(POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// A line of the page.
fn row(document: &Value, method: &str, path: &str, operation: &Value) -> String {
    let is_open = operation.get("security").and_then(Value::as_array).is_some_and(Vec::is_empty);
    let is_v1_admin = operation.get("x-who").is_some();
    let who = match is_open {
        true => "anybody",
        false if is_v1_admin || FOR_ADMINS.contains(&(method, path)) => "admin",
        false => "token",
    };
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let query = parameters
        .filter(|parameter| text(parameter, "in") == "query")
        .map(|parameter| format!("?{}", text(parameter, "name")));
    let takes: Vec<String> = query
        .chain(fields(document, operation))
        .map(|name| format!("<code>{}</code>", escape(&name)))
        .collect();
    format!(
        "<tr><td><code>{}</code></td><td><code>{}</code></td><td>{who}</td><td>{}</td><td>{}</td></tr>\n",
        escape(&method.to_uppercase()),
        escape(path),
        takes.join(", "),
        escape(&text(operation, "summary"))
    )
}

/// The fields of an operation's body, with a star if they are required.
fn fields(document: &Value, operation: &Value) -> Vec<String> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema");
    let by_name = schema.and_then(|schema| schema.get("$ref")).and_then(Value::as_str);
    let named = by_name.and_then(|name| document.pointer(name.trim_start_matches('#')));
    let Some(schema) = named.or(schema) else { return Vec::new() };
    let required = schema.get("required").and_then(Value::as_array);
    let star = |name: &String| match required.is_some_and(|r| r.contains(&json!(name))) {
        true => format!("{name}*"),
        false => name.clone(),
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys().map(star)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_parameters_and_a_success() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for path in ["/api/scan/", "/api/extensions/{id}/", "/api/v2/calls/{id}", "/api/users/"] {
            assert!(paths.contains_key(path), "{path}");
        }
        for (path, methods) in paths {
            for (method, operation) in methods.as_object().unwrap() {
                let named = operation["parameters"].as_array().into_iter().flatten();
                let in_path = named.filter(|p| p["in"] == "path").count();
                assert_eq!(in_path, path.matches('{').count(), "{method} {path}");
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path}");
            }
        }
    }
}
