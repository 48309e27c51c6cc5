//! What carriers send to us: delivery receipts and inbound messages.

use serde_json::Value;

/// In which of the carrier's shapes something came. The endpoints of the old API do not take all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{"data": {"id", "attributes": {…}}}`, JSON:API.
    Wrapped,
    /// `{"id", "attributes": {…}}`, and for inbound messages `{"id", "from", "to", "body"}`: what
    /// the old API takes.
    Flat,
    /// A receipt as `{"id", "status_code", …}`.
    Compact,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its shape.
    pub shape: Shape,
    /// The carrier's id of the message; the old API's clients also send null.
    pub id: Option<String>,
    /// The carrier's code; a receipt that only says that the message was passed on has none, and
    /// the flat shape must have one.
    pub code: Option<i64>,
    /// What happened, such as "message buffered" or "delivered".
    pub status: Option<String>,
}

/// A message that came to one of our numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// Its shape.
    pub shape: Shape,
    /// The carrier's id.
    pub id: Option<String>,
    /// From whom, as JSON: a webhook passes on what was sent with its type.
    pub from: Value,
    /// To which number of ours.
    pub to: Value,
    /// The text.
    pub body: Value,
    /// Addresses of pictures and the like.
    pub media: Vec<String>,
}

/// Reads a delivery receipt in any of the shapes of Flowroute's and the old API's clients.
pub fn read_receipt(body: &Value) -> Option<Receipt> {
    let (shape, envelope) = envelope(body)?;
    let (shape, attributes) = match (shape, envelope.get("attributes")) {
        (shape, Some(attributes)) => (shape, attributes.as_object()?),
        (Shape::Flat, None) => (Shape::Compact, envelope),
        (Shape::Wrapped | Shape::Compact, None) => return None,
    };
    let code = attributes.get("status_code");
    let code = match (shape, code) {
        // The first receipt of a message has none: it only says that it was passed on.
        (Shape::Wrapped, None | Some(Value::Null)) => None,
        (_, code) => Some(integer(code?)?),
    };
    let id = match envelope.get("id")? {
        Value::Null => None,
        Value::String(id) => Some(id.clone()),
        _ => return None,
    };
    let status = attributes.get("status").and_then(Value::as_str).map(str::to_owned);
    Some(Receipt { shape, id, code, status })
}

/// Reads an inbound message, flat or wrapped.
pub fn read_inbound(body: &Value) -> Option<Inbound> {
    let (shape, envelope) = envelope(body)?;
    let attributes = match shape {
        Shape::Wrapped => envelope.get("attributes")?.as_object()?,
        Shape::Flat | Shape::Compact => envelope,
    };
    let given = |name| attributes.get(name).filter(|value| !value.is_null()).cloned();
    let text = match (shape, attributes.get("body")?) {
        // A picture without a text.
        (Shape::Wrapped, Value::Null) => Value::from(""),
        (_, _) => given("body")?,
    };
    let id = match envelope.get("id")? {
        Value::Null => None,
        id => Some(plain(id)),
    };
    let included = body.get("included").and_then(Value::as_array);
    let media = included.into_iter().flatten().take(MAX_MEDIA);
    let media = media.filter_map(|item| item.pointer("/attributes/url")?.as_str());
    let media = media.map(str::to_owned).collect();
    Some(Inbound { shape, id, from: given("from")?, to: given("to")?, body: text, media })
}

/// Pictures of one message that are kept.
const MAX_MEDIA: usize = 32;

/// The object that has the id, and whether it was wrapped.
fn envelope(body: &Value) -> Option<(Shape, &serde_json::Map<String, Value>)> {
    let body = body.as_object()?;
    match body.get("data") {
        Some(data) => Some((Shape::Wrapped, data.as_object()?)),
        None => Some((Shape::Flat, body)),
    }
}

/// A code as the old service's `int()` took it: numbers, cut off at the point, truth values, and
/// digits in a text.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Some(whole),
            // The range of f64 in which the cast is exact about being in range.
            (None, Some(float)) if float.abs() < 9.2e18 => Some(float as i64),
            (None, _) => None,
        },
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A value as a text: a text as it is, others as JSON.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The body of the webhook that tells of an inbound message, as the old service's `json.dumps`
/// wrote it: `{"from": …, "to": …, "text": …}` with blanks, and escapes for all but ASCII.
pub fn webhook_body(inbound: &Inbound) -> String {
    let mut out = String::from("{\"from\": ");
    dump(&mut out, &inbound.from);
    out.push_str(", \"to\": ");
    dump(&mut out, &inbound.to);
    out.push_str(", \"text\": ");
    dump(&mut out, &inbound.body);
    out.push('}');
    out
}

fn dump(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => dump_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (no, item) in items.iter().enumerate() {
                out.push_str(if no == 0 { "" } else { ", " });
                dump(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (no, (name, member)) in members.iter().enumerate() {
                out.push_str(if no == 0 { "" } else { ", " });
                dump_text(out, name);
                out.push_str(": ");
                dump(out, member);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            out.push_str(&crate::api::json_text(value));
        }
    }
}

fn dump_text(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for unit in text.encode_utf16() {
        match unit {
            0x22 => out.push_str("\\\""),
            0x5c => out.push_str("\\\\"),
            0x0a => out.push_str("\\n"),
            0x0d => out.push_str("\\r"),
            0x09 => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            // DEL is not escaped.
            0x20..=0x7f => out.push(char::from(unit as u8)),
            _ => {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_receipt_is_read_in_each_shape() {
        let attributes = json!({"status": "delivered", "status_code": "1003"});
        for (body, shape) in [
            (json!({"id": "m", "attributes": attributes}), Shape::Flat),
            (json!({"data": {"id": "m", "attributes": attributes}}), Shape::Wrapped),
            (json!({"id": "m", "status": "delivered", "status_code": 1003}), Shape::Compact),
        ] {
            let receipt = read_receipt(&body).unwrap();
            assert_eq!(receipt.shape, shape);
            assert_eq!(receipt.id.as_deref(), Some("m"));
            assert_eq!((receipt.code, receipt.status.as_deref()), (Some(1003), Some("delivered")));
        }
        let passed_on = json!({"data": {"id": "m", "attributes": {"status": "smsc submit", "status_code": null}}});
        assert_eq!(read_receipt(&passed_on).unwrap().code, None);
    }

    #[test]
    fn codes_are_read_as_the_old_service_read_them() {
        let code = |code: Value| {
            read_receipt(&json!({"id": null, "attributes": {"status_code": code}}))?.code
        };
        for (given, read) in [
            (json!(1003), Some(1003)),
            (json!("1003"), Some(1003)),
            (json!(1003.7), Some(1003)),
            (json!(true), Some(1)),
            (json!(99_999_999_999_999_999_999_u128 as f64), None),
            (json!("abc"), None),
            (json!(null), None),
            (json!([]), None),
        ] {
            assert_eq!(code(given.clone()), read, "{given}");
        }
    }

    #[test]
    fn what_is_no_receipt_is_refused() {
        for body in [
            json!(null),
            json!([]),
            json!("x"),
            json!({}),
            json!({"id": "m"}),
            json!({"id": 5, "attributes": {"status_code": 1}}),
            json!({"attributes": {"status_code": 1}}),
            json!({"id": "m", "attributes": null}),
            json!({"id": "m", "attributes": {"status": "smsc submit"}}),
            json!({"data": null}),
        ] {
            assert_eq!(read_receipt(&body), None, "{body}");
        }
    }

    #[test]
    fn an_inbound_message_is_read_in_each_shape() {
        let flat = json!({"id": "m", "from": "1", "to": "2", "body": "hi"});
        assert_eq!(read_inbound(&flat).unwrap().shape, Shape::Flat);
        let wrapped = json!({
            "data": {"id": "m", "attributes": {"from": "1", "to": "2", "body": null}},
            "included": [{"attributes": {"url": "https://media.test/1"}}, {}],
        });
        let inbound = read_inbound(&wrapped).unwrap();
        assert_eq!((inbound.shape, inbound.body), (Shape::Wrapped, json!("")));
        assert_eq!(inbound.media, ["https://media.test/1"]);
        for missing in ["id", "from", "to", "body"] {
            let mut body = flat.clone();
            body.as_object_mut().unwrap().remove(missing);
            assert_eq!(read_inbound(&body), None, "without {missing}");
        }
    }

    #[test]
    fn a_webhook_is_written_as_python_writes_it() {
        let inbound = |from: Value, to: Value, body: Value| Inbound {
            shape: Shape::Flat,
            id: None,
            from,
            to,
            body,
            media: Vec::new(),
        };
        for (inbound, expected) in [
            (
                inbound(
                    json!("12025550100"),
                    json!("12025550101"),
                    json!("h\u{e9}llo \u{1f600} </b> \u{7f}\n"),
                ),
                "{\"from\": \"12025550100\", \"to\": \"12025550101\", \"text\": \
                 \"h\\u00e9llo \\ud83d\\ude00 </b> \u{7f}\\n\"}",
            ),
            (
                inbound(json!(12025550100_u64), json!([1, "a"]), json!({"a": 1.0, "b": null})),
                "{\"from\": 12025550100, \"to\": [1, \"a\"], \"text\": {\"a\": 1.0, \"b\": null}}",
            ),
        ] {
            assert_eq!(webhook_body(&inbound), expected);
        }
    }
}
