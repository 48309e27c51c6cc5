//! `POST /api/sendsms/`: sends a text message.

use serde_json::json;

use super::{
    Call,
    fields::{self, Faults, Need},
    reply::{Refusal, Reply},
};
use crate::store::{NewSms, SmsState};

/// Characters of the receiver's number.
const MAX_TO: usize = 20;
/// Characters of a message.
const MAX_BODY: usize = 140;
/// Characters of the address that is told of answers.
const MAX_CALLBACK: usize = 250;

/// Waits until the carrier has taken the message or refused it; what was refused is not sent later.
pub(super) async fn sendsms(call: &Call) -> Result<Reply, Refusal> {
    let given = call.fields()?;
    let mut faults = Faults::default();
    let text = |name, need, max| fields::text(given.given(name, need), max);
    let to = faults.note("sms_to", text("sms_to", Need::Required, MAX_TO));
    let body = faults.note("sms_body", text("sms_body", Need::Required, MAX_BODY));
    let callback_url =
        faults.note("callback_url", text("callback_url", Need::Optional, MAX_CALLBACK));
    // Of no meaning to us, but clients know that it must be an integer.
    let status = fields::integer(given.given("status", Need::Optional), i128::MIN, i128::MAX);
    faults.note("status", status);
    faults.done()?;
    let who = call.who()?;
    let sms = NewSms {
        to: to.unwrap_or_default(),
        body: body.unwrap_or_default(),
        callback_url,
        asked_by: Some(who.user),
    };
    // Messages cost money: who asked for them is on record.
    tracing::info!(user = %who.name, "A message was asked for.");
    let row = call.api.carrier().send_sms(&sms).await?;
    if row.state == SmsState::Failed {
        let reason = row.reason.as_deref().unwrap_or("");
        tracing::warn!(sms = %row.id, %reason, "The message was not sent.");
        return Err(Refusal::Invalid(json!({"status": "failed"})));
    }
    Ok(Reply::created(json!({
        "id": row.id,
        "sms_to": row.to,
        "sms_body": row.body,
        "callback_url": row.callback_url,
        "status": ACCEPTED,
    })))
}

/// What the old service answered for a message that it had just accepted.
const ACCEPTED: i64 = 0;
