//! `POST /api/sms/callback/` and `POST /api/sms/incoming/`: what the carrier tells.
//!
//! Carriers have no token, so both are open, to whom `carrier.webhook_sources` and
//! `carrier.webhook_key` let in. Whatever is wrong with a request is answered with 500 and `{}`, as
//! the carrier always knew it. They take the shapes that the old service took, receipts the
//! carrier's wrapped one too; where strangers are kept out, messages may be wrapped as well.

use std::net::Ipv6Addr;

use serde_json::{Map, Number, Value, json};

use super::{
    Call,
    fields::Fields,
    input::{Input, Text},
    python,
    reply::{Refusal, Reply},
};
use crate::carrier::{self, ReceiptError, Shape};

/// Takes a delivery receipt.
pub(super) async fn callback(call: &Call) -> Result<Reply, Refusal> {
    admit(call)?;
    let mut body = sent(call).ok_or(Refusal::Senseless)?;
    read_code(&mut body);
    let receipt = carrier::read_receipt(&body)
        .filter(|receipt| receipt.shape != Shape::Compact || call.api.carrier().gate().is_closed())
        .ok_or(Refusal::Senseless)?;
    match call.api.carrier().receipt(receipt).await {
        Ok(()) => Ok(Reply::ok(json!({"status": "ok"}))),
        Err(ReceiptError::NoMessage) => Err(Refusal::Senseless),
        Err(ReceiptError::Store(error)) => Err(unstored(&error)),
    }
}

/// Takes a message that came in.
pub(super) async fn incoming(call: &Call) -> Result<Reply, Refusal> {
    admit(call)?;
    let mut body = sent(call).ok_or(Refusal::Senseless)?;
    let is_flat = ["id", "from", "to", "body"].iter().all(|name| body.get(name).is_some());
    if is_flat && let Some(members) = body.as_object_mut() {
        // Of no meaning beside the others.
        members.remove("data");
    }
    let message = carrier::read_inbound(&body)
        .filter(|message| message.shape == Shape::Flat || call.api.carrier().gate().is_closed())
        .ok_or(Refusal::Senseless)?;
    match call.api.carrier().inbound(&message).await {
        Ok(_) => Ok(Reply::ok(json!({"status": "ok"}))),
        Err(error) => Err(unstored(&error)),
    }
}

fn admit(call: &Call) -> Result<(), Refusal> {
    // Without a connection, as in a test, there is no address that could be permitted.
    let peer = call.peer.map_or(Ipv6Addr::UNSPECIFIED.into(), |peer| peer.ip());
    match call.api.carrier().gate().admits(peer, call.query.last("key")) {
        true => Ok(()),
        false => Err(Refusal::Forbidden("You do not have permission to perform this action.")),
    }
}

/// Our fault; the carrier, who is told the same as for senseless requests, tries again.
fn unstored(error: &dyn std::fmt::Display) -> Refusal {
    let _ = Refusal::internal(error);
    Refusal::Senseless
}

/// The body as JSON; `None` if it is none of an object, or has text that cannot be stored.
fn sent(call: &Call) -> Option<Value> {
    let fields: Fields = call.fields().ok()?;
    let members = fields.into_last();
    Some(Value::Object(members.into_iter().map(member).collect::<Option<_>>()?))
}

fn member((name, value): (String, Input)) -> Option<(String, Value)> {
    Some((name, plain(value)?))
}

fn plain(value: Input) -> Option<Value> {
    Some(match value {
        Input::Null => Value::Null,
        Input::Bool(value) => Value::Bool(value),
        Input::Int(digits) => match (digits.parse::<i64>(), digits.parse::<u64>()) {
            (Ok(whole), _) => Value::from(whole),
            (Err(_), Ok(whole)) => Value::from(whole),
            (Err(_), Err(_)) => Value::Number(Number::from_f64(digits.parse().ok()?)?),
        },
        Input::Float(float) => Value::Number(Number::from_f64(float)?),
        Input::Text(Text { text, surrogate: None }) if !text.contains('\0') => Value::String(text),
        Input::Text(_) | Input::File(_) => return None,
        Input::List(items) => {
            Value::Array(items.into_iter().map(plain).collect::<Option<Vec<_>>>()?)
        }
        Input::Dict(members) => {
            Value::Object(members.into_iter().map(member).collect::<Option<Map<_, _>>>()?)
        }
    })
}

/// A status code in a text becomes the number for which Python's `int()` took it.
fn read_code(body: &mut Value) {
    for pointer in ["/attributes/status_code", "/data/attributes/status_code", "/status_code"] {
        if let Some(code) = body.pointer_mut(pointer)
            && let Value::String(text) = code
            && let Some(number) = python::int(text).and_then(|n| i64::try_from(n).ok())
        {
            *code = Value::from(number);
        }
    }
}
