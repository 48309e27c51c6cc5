//! Cases in which this service answers otherwise than the recorded one, each by a decision of the
//! contract. They are compared with the answer that the decision documents, made here from the
//! rows of the fixture and the request, and from nothing of the service under test.
//!
//! | decision | what is otherwise |
//! |---|---|
//! | 1 | documented examples win: rows of `scan`, `extensions/{id}`, the meaning of `new`, each scan's own tree |
//! | 2 | text of Python's own JSON parser: only the part before " - " counts |
//! | 3 | no crashes |
//! | 4 | no holes and no silent failures: users are for admins, numbers are checked, a failed purchase is told, `status` is ours |
//! | 5 | `keys_to_reach` is the path of keys |
//! | 6 | `fs_output` is the call's job, whatever an event socket would say |

use std::collections::BTreeMap;

use phoneai::{
    policy::{Counts, Policy, Purpose, Request},
    store::Time,
};
use serde_json::{Map, Value, json};

use crate::{
    case::{Case, Response},
    fixture::{Fixture, Row, int, time, value},
};

/// An answer by a decision.
pub struct Decided {
    /// The number of the decision.
    pub decision: u8,
    /// The answer.
    pub answer: Response,
    /// Its values that differ each time, with their types.
    pub volatile: BTreeMap<String, String>,
}

/// What a case is answered by decision; `None`: as it is recorded.
pub fn decide(case: &Case, fixture: &Fixture) -> Option<Decided> {
    if case.request.method == "HEAD" {
        return head(case, fixture);
    }
    if !(case.has("crash") && case.has("browsable")) {
        return decide_json(case, fixture);
    }
    // A page is decided as its JSON.
    let mut plain = case.clone();
    plain.tags.retain(|tag| tag != "browsable");
    plain.response.body_kind = "text".to_owned();
    let mut decided = decide_json(&plain, fixture)?;
    let html = "text/html; charset=utf-8".to_owned();
    decided.answer.headers.insert("Content-Type".to_owned(), html);
    decided.answer.body_kind = "html_not_compared".to_owned();
    Some(decided)
}

/// The same without a body. Its length is that of an answer which is not recorded, so it is not
/// compared where GET is answered otherwise.
fn head(case: &Case, fixture: &Fixture) -> Option<Decided> {
    let mut answer = case.response.clone();
    answer.headers.retain(|name, _| !name.eq_ignore_ascii_case("content-length"));
    let endpoint = case.request.endpoint();
    if crashed(case) {
        let mut get = case.clone();
        get.request.method = "GET".to_owned();
        let decided = decide_json(&get, fixture)?;
        answer.status = decided.answer.status;
        answer.headers = decided.answer.headers;
        answer.body = json!("");
        answer.body_kind = "text".to_owned();
        return Some(Decided { decision: decided.decision, answer, volatile: BTreeMap::new() });
    }
    let is_one = |list: &str| endpoint.starts_with(list) && endpoint != list;
    let decision = match endpoint {
        "/api/makecall/" | "/api/makecall_submenu/" => 4,
        "/api/scan/" | "/api/callmenu/" => 1,
        _ if is_one("/api/extensions/") => 1,
        _ if endpoint == "/api/" || endpoint.starts_with("/api/users") => return users(case),
        _ => return None,
    };
    (answer.status == 200).then(|| Decided { decision, answer, volatile: BTreeMap::new() })
}

fn decide_json(case: &Case, fixture: &Fixture) -> Option<Decided> {
    let endpoint = case.request.endpoint();
    match endpoint {
        "/api/scan/" => scan(case, fixture),
        "/api/makecall/" => makecall(case, fixture),
        "/api/makecall_submenu/" => submenu(case),
        "/api/callmenu/" => callmenu(case, fixture),
        "/api/sendsms/" => sendsms(case),
        "/api/sms/callback/" => receipt(case, fixture),
        "/api/phonenumber/" => phonenumber(case, fixture),
        _ if endpoint.starts_with("/api/extensions/") => extensions(case, fixture),
        _ if endpoint.starts_with("/api/did_numbers/") => dids(case, fixture),
        _ if endpoint == "/api/" || endpoint.starts_with("/api/users") => users(case),
        _ => None,
    }
    .or_else(|| python_message(case))
}

fn decided(decision: u8, status: u16, body: Value, allow: &str) -> Decided {
    let headers = [
        ("Content-Type", "application/json"),
        ("Vary", "Accept, Cookie"),
        ("Allow", allow),
        ("X-Frame-Options", "DENY"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let answer = Response {
        status,
        headers: headers.into_iter().collect(),
        body_raw: Some(raw(&body)),
        body,
        body_kind: "json".to_owned(),
    };
    Decided { decision, answer, volatile: BTreeMap::new() }
}

/// JSON as the old service wrote it: these two are lines' ends to scripts.
fn raw(body: &Value) -> String {
    body.to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

impl Decided {
    fn varies(mut self, path: &str, kind: &str) -> Self {
        self.volatile.insert(path.to_owned(), kind.to_owned());
        self
    }
}

const READ: &str = "GET, HEAD, OPTIONS";
const SEND: &str = "POST, OPTIONS";
const LIST: &str = "GET, POST, HEAD, OPTIONS";
const DETAIL: &str = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS";

/// Whether this is the recorded crash page.
fn crashed(case: &Case) -> bool {
    case.response.status == 500 && case.has("crash") && !case.has("browsable")
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Python's own texts: the part before " - " must be the same.
fn python_message(case: &Case) -> Option<Decided> {
    let detail = case.response.body.get("detail")?.as_str()?;
    if !case.has("python_message") || !detail.contains(" - ") {
        return None;
    }
    let answer = case.response.clone();
    let decided = Decided { decision: 2, answer, volatile: BTreeMap::new() };
    Some(decided.varies("$.detail", "before_dash"))
}

// scan

const STATUS: [&str; 6] = ["Pending", "Calling", "Answered", "Processed", "Success", "Failed"];
const DEFAULT_LIMIT: i128 = 100;
const MAX_LIMIT: i128 = 1000;

/// The whole answer, made from the rows: documented keys, then the recorded ones.
fn scan(case: &Case, fixture: &Fixture) -> Option<Decided> {
    let is_page = case.response.status == 200 && case.response.body.get("results").is_some();
    let asks = case.request.method == "GET" && case.response.body_kind != "html_not_compared";
    if !asks || !(is_page || crashed(case)) {
        return None;
    }
    if is_page && !case.setup.pre.is_empty() {
        return scan_later(case, fixture);
    }
    let number = case.request.parameter("number").filter(|n| !n.is_empty());
    let int_of = |name| case.request.parameter(name).as_deref().and_then(python_int);
    let limit = int_of("limit").filter(|l| *l > 0).unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let offset = int_of("offset").filter(|o| *o > 0).unwrap_or(0);
    let numbers: BTreeMap<i64, &Row> =
        fixture.rows("phone_numbers").into_iter().map(|row| (int(row, "id"), row)).collect();
    let mut rows: Vec<Value> = Vec::new();
    for call in fixture.rows("call_logs").into_iter().rev() {
        let Some(owner) = numbers.get(&int(call, "number_id")) else { continue };
        if number.as_ref().is_none_or(|n| value(owner, "number") == json!(n)) {
            rows.push(json!({
                "id": int(call, "id"),
                "number": value(owner, "number"),
                "status": usize::try_from(int(call, "status")).ok().and_then(|s| STATUS.get(s)),
                "attempt": int(owner, "attempt"),
                "created_at": time(call, "created_at"),
                "updated_at": time(call, "updated_at"),
                "phone_number": value(owner, "number"),
                "business_name": value(owner, "business_name"),
                "completed": if int(owner, "completed") != 0 { "True" } else { "False" },
            }));
        }
    }
    let count = i128::try_from(rows.len()).ok()?;
    let skip = usize::try_from(offset).unwrap_or(usize::MAX);
    let results: Vec<Value> =
        rows.into_iter().skip(skip).take(usize::try_from(limit).ok()?).collect();
    let changes_limit = int_of("limit").is_some_and(|l| l > MAX_LIMIT);
    let (count, next, previous) = match is_page && !changes_limit {
        true => {
            let body = &case.response.body;
            (value_of(body, "count"), value_of(body, "next"), value_of(body, "previous"))
        }
        false => {
            let link = |to: i128| json!(link(case, limit, to));
            let next = if offset + limit < count { link(offset + limit) } else { Value::Null };
            let previous = if offset > 0 { link(offset - limit) } else { Value::Null };
            (json!(count as i64), next, previous)
        }
    };
    let body = json!({"count": count, "next": next, "previous": previous, "results": results});
    if body == case.response.body {
        return None;
    }
    Some(decided(if is_page { 1 } else { 3 }, 200, body, READ))
}

/// A page after other requests: the recorded rows with their keys in order. What the requests made
/// of a scan is not compared.
fn scan_later(case: &Case, fixture: &Fixture) -> Option<Decided> {
    let mut body = case.response.body.clone();
    let rows = body.get_mut("results")?.as_array_mut()?;
    let count = rows.len();
    for row in rows {
        let status = row.get("id").and_then(Value::as_i64);
        let status = status.and_then(|id| fixture.row("call_logs", id)).map(|r| int(r, "status"));
        let status = status.and_then(|s| STATUS.get(usize::try_from(s).ok()?));
        let attempt: i64 = value_of(row, "attempt").as_str()?.parse().ok()?;
        *row = json!({
            "id": value_of(row, "id"), "number": value_of(row, "phone_number"),
            "status": status.unwrap_or(&"its status"), "attempt": attempt,
            "created_at": value_of(row, "created_at"), "updated_at": value_of(row, "updated_at"),
            "phone_number": value_of(row, "phone_number"),
            "business_name": value_of(row, "business_name"),
            "completed": value_of(row, "completed"),
        });
    }
    let page = decided(1, 200, body, READ).with_volatile_of(case);
    Some((0..count).fold(page, |page, at| {
        page.varies(&format!("$.results[{at}].status"), "any")
            .varies(&format!("$.results[{at}].updated_at"), "datetime")
    }))
}

fn value_of(body: &Value, name: &str) -> Value {
    body.get(name).cloned().unwrap_or(Value::Null)
}

/// A page's address; enough for the parameters of recorded crashes.
fn link(case: &Case, limit: i128, offset: i128) -> String {
    let mut pairs: BTreeMap<String, String> = BTreeMap::new();
    let (_, query) = case.request.path.split_once('?').unwrap_or(("", ""));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.insert(name.to_owned(), value.to_owned());
    }
    pairs.insert("limit".to_owned(), limit.to_string());
    pairs.remove("offset");
    if offset > 0 {
        pairs.insert("offset".to_owned(), offset.to_string());
    }
    let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
    format!("{{BASE}}/api/scan/?{}", pairs.join("&"))
}

/// Python's `int()` of a text, as far as recorded parameters go.
fn python_int(text: &str) -> Option<i128> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let narrow: String = digits
        .chars()
        .map(|c| match u32::from(c) {
            wide @ 0xff10..=0xff19 => char::from_digit(wide - 0xff10, 10).unwrap_or(c),
            _ => c,
        })
        .collect();
    let doubled = narrow.starts_with('_') || narrow.ends_with('_') || narrow.contains("__");
    let plain = narrow.replace('_', "");
    let fits = !doubled && !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| plain.parse::<i128>().unwrap_or(i128::MAX).saturating_mul(sign))
}

// makecall

/// Whether the policy of a new service lets this number be called: not emergency numbers, nor short
/// ones, nor those that cost more than a call.
fn may_be_called(number: &str) -> bool {
    let request = Request {
        number: number.to_owned(),
        caller_id: None,
        asked_by: None,
        purpose: Purpose::Crawl,
    };
    Policy::default().judge(&request, &Counts::default(), Time(0)).is_ok()
}

/// Calls of a number, the newest last, and whether a call has menus, all of them explored.
fn is_complete(fixture: &Fixture, call: i64) -> bool {
    let menus: Vec<&Row> =
        fixture.rows("call_menu").into_iter().filter(|m| int(m, "call_id") == call).collect();
    !menus.is_empty() && menus.iter().all(|m| int(m, "completed") != 0)
}

fn makecall(case: &Case, fixture: &Fixture) -> Option<Decided> {
    let crash = crashed(case);
    let answered = case.response.status == 200 && case.response.body_kind == "json";
    if case.request.method != "GET" || !(answered || crash) {
        return None;
    }
    let number = case.request.parameter("number").unwrap_or_default();
    let caller = case.request.parameter("caller_id").filter(|c| !c.is_empty());
    if !is_number(&number) || !may_be_called(&number) || caller.is_some_and(|c| !is_number(&c)) {
        return Some(refused(4));
    }
    let first = fixture.rows("phone_numbers").into_iter().find(|r| value(r, "number") == number);
    let newest = first.and_then(|number| {
        let of_number = |call: &&Row| int(call, "number_id") == int(number, "id");
        fixture.rows("call_logs").into_iter().rfind(of_number)
    });
    let new = case.request.parameter("new").unwrap_or_default();
    let only_goes_on = new == "0" && newest.is_some_and(|c| is_complete(fixture, int(c, "id")));
    if only_goes_on && case.setup.pre.is_empty() {
        let body =
            json!({"status": "fail", "message": "crawl is completed already", "fs_output": ""});
        return (body != case.response.body).then(|| decided(1, 200, body, READ));
    }
    let was_complete =
        case.response.body.get("message") == Some(&json!("crawl is completed already"));
    let mode = case.setup.esl.as_str();
    if mode == "down" {
        let body = json!({"status": "fail", "message": "Switch Connection error", "fs_output": ""});
        return (body != case.response.body).then(|| decided(1, 200, body, READ));
    }
    if was_complete || crash {
        return Some(called(if crash { 3 } else { 1 }, &number));
    }
    (mode != "up").then(|| called(6, &number))
}

fn refused(decision: u8) -> Decided {
    let body = json!({"status": "fail", "message": "why it is not", "fs_output": ""});
    decided(decision, 200, body, READ).varies("$.message", "words")
}

fn called(decision: u8, number: &str) -> Decided {
    let body = json!({
        "dial_number": number, "status": "success", "call_uuid": "its id", "message": "",
        "fs_output": "its job",
    });
    decided(decision, 200, body, READ)
        .varies("$.call_uuid", "uuid")
        .varies("$.fs_output", "fs_output")
}

fn submenu(case: &Case) -> Option<Decided> {
    let number = case.response.body.get("dial_number")?.as_str()?;
    let forwarding = case.request.parameter("forwarding_number").unwrap_or_default();
    // An extension is given by its name, which is digits in the fixtures.
    if !is_number(&forwarding) || !is_number(number) {
        return Some(refused(4));
    }
    (case.setup.esl != "up").then(|| called(6, number))
}

// callmenu

fn callmenu(case: &Case, fixture: &Fixture) -> Option<Decided> {
    let crash = crashed(case);
    let answered = case.response.status == 200 && case.response.body_kind == "json";
    if case.request.method != "GET" || !(answered || crash) {
        return None;
    }
    let number = case.request.parameter("number").unwrap_or_default();
    let row = fixture.rows("phone_numbers").into_iter().find(|r| value(r, "number") == number);
    let Some(row) = row else {
        return Some(decided(3, 404, json!({"detail": "Not found."}), READ));
    };
    let id = int(row, "id");
    let calls = fixture.rows("call_logs").into_iter().filter(|c| int(c, "number_id") == id);
    let menus = |call: i64| -> Vec<&Row> {
        fixture.rows("call_menu").into_iter().filter(|m| int(m, "call_id") == call).collect()
    };
    let newest = calls.map(|c| menus(int(c, "id"))).rfind(|menus| !menus.is_empty());
    let menu = match newest.as_ref().and_then(|menus| menus.first()) {
        Some(root) => Picture { fixture, way: Vec::new() }.node(root, json!(""), json!("")),
        None => Value::Null,
    };
    let body = json!({
        "id": id,
        "number": number,
        "business_name": value(row, "business_name"),
        "retry_enabled": int(row, "retry_auto"),
        "attempt": int(row, "attempt"),
        "completed": int(row, "completed") != 0,
        "menu": menu,
    });
    if body == case.response.body {
        return None;
    }
    let other_root = body.pointer("/menu/id") != case.response.body.pointer("/menu/id");
    let decision = if crash {
        3
    } else if other_root {
        1
    } else {
        5
    };
    Some(decided(decision, 200, body, READ))
}

struct Picture<'a> {
    fixture: &'a Fixture,
    way: Vec<i64>,
}

impl Picture<'_> {
    fn node(&mut self, menu: &Row, said: Value, key: Value) -> Value {
        let id = int(menu, "id");
        let mut children = Vec::new();
        if !self.way.contains(&id) {
            self.way.push(id);
            for row in self.fixture.rows("call_keys") {
                if int(row, "menu_id") == id
                    && let Some(next) = self.fixture.row("call_menu", int(row, "next_id"))
                {
                    children.push(self.node(next, value(row, "audio_text"), value(row, "keys")));
                }
            }
            self.way.pop();
        }
        let debug = match value(menu, "audio_text_debug") {
            Value::String(text) if !text.is_empty() => {
                serde_json::from_str(&text).unwrap_or(Value::Null)
            }
            other => other,
        };
        json!({
            "id": id,
            "info": {"parent_text": said, "keys_to_reach": self.way_to(id)},
            "key": key,
            "audio_text": value(menu, "audio_text"),
            "audio_text_debug": debug,
            "children": children,
        })
    }

    /// The keys to a menu, by the first key that leads to each menu on the way.
    fn way_to(&self, id: i64) -> String {
        let mut keys = Vec::new();
        let (mut here, root) = (id, self.way.first().copied().unwrap_or(id));
        while here != root && keys.len() < 1000 {
            let rows = self.fixture.rows("call_keys");
            let Some(row) = rows.into_iter().find(|row| int(row, "next_id") == here) else { break };
            keys.push(value(row, "keys").as_str().unwrap_or("").to_owned());
            here = int(row, "menu_id");
        }
        keys.reverse();
        keys.join(",")
    }
}

// messages

fn sendsms(case: &Case) -> Option<Decided> {
    let sent: Option<Value> =
        case.request.body.as_deref().and_then(|body| serde_json::from_str(body).ok());
    if crashed(case) {
        let Some(sent) = sent.filter(Value::is_object) else {
            // What Python could not read, and neither could anybody.
            let body = json!({"detail": "JSON parse error - "});
            return Some(decided(3, 400, body, SEND).varies("$.detail", "before_dash"));
        };
        let body = json!({
            "id": 0, "sms_to": value_of(&sent, "sms_to"), "sms_body": value_of(&sent, "sms_body"),
            "callback_url": value_of(&sent, "callback_url"), "status": 0,
        });
        return Some(decided(3, 201, body, SEND).varies("$.id", "int"));
    }
    let mut body = case.response.body.clone();
    let status = body.get_mut("status").filter(|s| s.is_i64() && **s != json!(0))?;
    *status = json!(0);
    Some(decided(4, 201, body, SEND))
}

/// A receipt in the carrier's own shape.
fn receipt(case: &Case, fixture: &Fixture) -> Option<Decided> {
    if case.response.status != 500 {
        return None;
    }
    let sent: Value = serde_json::from_str(case.request.body.as_deref()?).ok()?;
    let data = sent.get("data")?.as_object()?;
    let code = data.get("attributes")?.as_object()?.get("status_code");
    let readable = match code {
        None | Some(Value::Null | Value::Bool(_) | Value::Number(_)) => true,
        Some(Value::String(text)) => python_int(text).is_some(),
        Some(Value::Array(_) | Value::Object(_)) => false,
    };
    if !readable {
        return None;
    }
    let of_it = |row: &&Row| Some(&value(row, "sms_id")) == data.get("id");
    let known = fixture.rows("sms_logs").iter().filter(|row| of_it(row)).count();
    (known == 1).then(|| decided(4, 200, json!({"status": "ok"}), SEND))
}

fn phonenumber(case: &Case, fixture: &Fixture) -> Option<Decided> {
    if !crashed(case) {
        return None;
    }
    let number = case.request.parameter("number").unwrap_or_default();
    let row = fixture.rows("phone_numbers").into_iter().find(|r| value(r, "number") == number)?;
    let named = case.request.parameter("business_name").filter(|name| !name.is_empty());
    let body = json!({
        "id": int(row, "id"), "number": number,
        "business_name": named.map_or_else(|| value(row, "business_name"), Value::from),
        "created_at": time(row, "created_at"), "updated_at": "",
    });
    Some(decided(3, 200, body, SEND).varies("$.updated_at", "datetime"))
}

// extensions and numbers

fn extensions(case: &Case, fixture: &Fixture) -> Option<Decided> {
    let body = &case.response.body;
    if crashed(case) {
        let id = case.request.endpoint().trim_start_matches("/api/extensions/");
        if !id.is_empty() {
            return Some(decided(3, 404, json!({"detail": "Not found."}), DETAIL));
        }
        let sent: Value = serde_json::from_str(case.request.body.as_deref()?).ok()?;
        let domain = fixture.rows("fs_domain").first().map(|row| value(row, "domain"));
        // Without any domain, the first one is made.
        let domain = domain.unwrap_or_else(|| json!("phoneai.local"));
        let body = json!({
            "id": 0, "sip_username": value_of(&sent, "sip_username"),
            "sip_password": value_of(&sent, "sip_password"), "domain": domain,
        });
        return Some(decided(3, 201, body, LIST).varies("$.id", "int"));
    }
    let changes = matches!(case.request.method.as_str(), "PUT" | "PATCH" | "DELETE");
    let others = authorization(case).contains("{TOKEN_NOFS}");
    if changes && others && matches!(case.response.status, 200 | 204 | 400) {
        let detail = "You do not have permission to perform this action.";
        return Some(decided(4, 403, json!({"detail": detail}), DETAIL));
    }
    // One extension: the fields of the list, then what was recorded beside them.
    let user = body.get("user")?;
    let owner = user.get("id")?.as_i64()?;
    let place = fixture.rows("fs_users").into_iter().find(|row| int(row, "user_id") == owner)?;
    let domain = fixture.row("fs_domain", int(place, "domain_id"))?;
    let whole = json!({
        "id": value_of(body, "id"),
        "user_id": int(place, "id"),
        "sip_username": value_of(body, "sip_username"),
        "sip_password": value_of(body, "sip_password"),
        "updated_at": value_of(body, "updated_at"),
        "domain": value(domain, "domain"),
        "user": user,
        "created_at": value_of(body, "created_at"),
    });
    Some(decided(1, 200, whole, DETAIL).with_volatile_of(case))
}

impl Decided {
    fn without_body(mut self) -> Self {
        self.answer.body = json!("");
        self.answer.body_kind = "text".to_owned();
        self.volatile.clear();
        self
    }

    fn with_volatile_of(mut self, case: &Case) -> Self {
        let types = case.volatile_types.iter().cloned();
        self.volatile.extend(case.volatile.iter().cloned().zip(types));
        self
    }
}

fn dids(case: &Case, fixture: &Fixture) -> Option<Decided> {
    let endpoint = case.request.endpoint().trim_start_matches("/api/did_numbers/");
    let shown = |row: &Row| {
        let domain = fixture.row("fs_domain", int(row, "domain_id"));
        json!({
            "id": int(row, "id"), "provider": int(row, "provider_id"),
            "phonenumber": value(row, "phonenumber"),
            "domain": domain.map_or(Value::Null, |domain| value(domain, "domain")),
            "extension": value(row, "extension_id"), "created_at": time(row, "created_at"),
        })
    };
    let sells = fixture.rows("fs_provider").first().is_none_or(|p| value(p, "name") == "Flowroute");
    let fails = matches!(case.setup.flowroute.as_str(), "raise" | "purchase_fail") || !sells;
    match (case.request.method.as_str(), endpoint) {
        ("POST", "") if case.has("silent_failure") || crashed(case) => {
            if fails {
                let told = decided(4, 502, json!({"detail": ""}), LIST);
                return Some(told.varies("$.detail", "words"));
            }
            let sent: Map<String, Value> =
                serde_json::from_str(case.request.body.as_deref()?).ok()?;
            let body = json!({
                "phonenumber": sent.get("phonenumber"), "extension": sent.get("extension"),
            });
            let decision = if crashed(case) { 3 } else { 4 };
            let answer = decided(decision, 201, body, LIST);
            (answer.answer.body != case.response.body).then_some(answer)
        }
        ("GET", "") if crashed(case) => {
            let rows: Vec<Value> = fixture.rows("fs_didnumber").into_iter().map(shown).collect();
            Some(decided(3, 200, Value::Array(rows), LIST))
        }
        // What was bought stands among the numbers, whatever became of its route.
        ("GET", "") if case.has("silent_failure") && !fails => {
            let mut rows = case.response.body.as_array()?.clone();
            let at = rows.len();
            let next = rows.iter().filter_map(|row| row.get("id")?.as_i64()).max()? + 1;
            let bought = case.setup.pre.iter().find(|request| request.method == "POST")?;
            let sent: Value = serde_json::from_str(bought.body.as_deref()?).ok()?;
            let domain = fixture.rows("fs_domain").first().map(|row| value(row, "domain"));
            rows.push(json!({
                "id": next, "provider": 1, "phonenumber": value_of(&sent, "phonenumber"),
                "domain": domain, "extension": value_of(&sent, "extension"), "created_at": "",
            }));
            let list = decided(4, 200, Value::Array(rows), LIST);
            Some(list.varies(&format!("$[{at}].created_at"), "datetime"))
        }
        ("GET", "search/") if crashed(case) => {
            Some(decided(3, 200, json!({"data": []}), READ).varies("$.data", "any"))
        }
        (method @ ("GET" | "PATCH" | "PUT"), id) if crashed(case) => {
            let id = id.trim_end_matches('/').parse().ok();
            let Some(row) = id.and_then(|id| fixture.row("fs_didnumber", id)) else {
                return Some(decided(3, 404, json!({"detail": "Not found."}), DETAIL));
            };
            let mut body = shown(row);
            if let (true, Some(members)) = (method != "GET", body.as_object_mut()) {
                let sent: Map<String, Value> =
                    serde_json::from_str(case.request.body.as_deref()?).ok()?;
                members.extend(sent.into_iter().filter(|(name, _)| name != "id"));
            }
            Some(decided(3, 200, body, DETAIL))
        }
        _ => None,
    }
}

/// Users are for admins only.
fn users(case: &Case) -> Option<Decided> {
    let allow = match case.request.endpoint() {
        "/api/" => READ,
        "/api/users/" | "/api/users.json" => LIST,
        _ => DETAIL,
    };
    let early = matches!(case.response.status, 301 | 401 | 406)
        || case.response.status == 404 && case.request.parameter("format").is_some();
    if early || case.response.body_kind == "html_not_compared" {
        return None;
    }
    let refused = |detail: &str| Some(decided(4, 403, json!({"detail": detail}), allow));
    match authorization(case) {
        "" => refused("Authentication credentials were not provided."),
        token if token.contains("{TOKEN}") => None,
        token if token.contains("{TOKEN_NOFS}") => {
            refused("You do not have permission to perform this action.")
        }
        token if token.contains("{TOKEN_INACTIVE}") => refused("User inactive or deleted."),
        _ => refused("what is wrong").map(|decided| decided.varies("$.detail", "words")),
    }
    .map(|decided| if case.request.method == "HEAD" { decided.without_body() } else { decided })
}

fn authorization(case: &Case) -> &str {
    let mut headers = case.request.headers.iter();
    let header = headers.find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    header.map_or("", |(_, value)| value.as_str())
}
