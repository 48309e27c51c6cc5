//! `GET /api/makecall/`: asks that a number be called and its menu explored.

use serde_json::json;
use uuid::Uuid;

use super::{
    Call,
    reply::{Refusal, Reply},
};
use crate::{
    api::is_number,
    calls::gate::Patience,
    policy::{Purpose, Request},
    store::{CrawlAnswer, CrawlRequest, New},
};

pub(super) async fn makecall(call: &Call) -> Result<Reply, Refusal> {
    let given = |name| call.query.last(name).unwrap_or("");
    let (number, caller_id, business_name) =
        (given("number"), given("caller_id"), given("business_name"));
    if !is_number(number) {
        return Ok(fail(if number.is_empty() {
            "number is required!"
        } else {
            "number must be a + or none, and 1 to 15 digits, without blanks"
        }));
    }
    if !caller_id.is_empty() && !is_number(caller_id) {
        return Ok(fail("caller_id must be a + or none, and 1 to 15 digits, without blanks"));
    }
    if call.is_head {
        // Only the length of the answer goes out, and it is that of any id.
        return Ok(success(number, Uuid::nil()));
    }
    let wanted = Request {
        number: number.to_owned(),
        caller_id: Some(caller_id.to_owned()).filter(|id| !id.is_empty()),
        asked_by: Some(call.who()?.user),
        purpose: Purpose::Crawl,
    };
    if let Some(refusal) = call.api.gate().ask(&wanted, Patience::Waits).await? {
        return Ok(fail(&refusal.why));
    }
    let request = CrawlRequest {
        number: number.to_owned(),
        // A database need not be able to keep a NUL.
        business_name: Some(business_name.replace('\0', "\u{fffd}")).filter(|n| !n.is_empty()),
        caller_id: Some(caller_id.to_owned()).filter(|id| !id.is_empty()),
        new: match given("new") {
            "0" => New::Continue,
            "force" => New::Force,
            _ => New::Fresh,
        },
        asked_by: Some(call.who()?.user),
    };
    let answer = call.api.store().request_crawl(request).await?;
    if let CrawlAnswer::Queued { scan, .. } = &answer
        && let Some(over) = call.api.gate().scan_over(call.api.store().scan_usage(*scan).await?)
    {
        return Ok(fail(&format!("{over}; new=force starts a fresh scan")));
    }
    let switch = &call.api.0.switch;
    Ok(match answer {
        CrawlAnswer::CompletedAlready => fail("crawl is completed already"),
        // The scan stays due: it is called when the switch is back.
        CrawlAnswer::Queued { .. } if !switch.ready() => fail("Switch Connection error"),
        CrawlAnswer::Queued { scan, call_uuid } => {
            // Placing calls costs money: who asked for them is on record.
            tracing::info!(%scan, call = %call_uuid, user = %call.who()?.name, "A crawl was asked for.");
            switch.wake();
            success(number, call_uuid)
        }
    })
}

pub(super) fn success(number: &str, call_uuid: Uuid) -> Reply {
    Reply::ok(json!({
        "dial_number": number,
        "status": "success",
        "call_uuid": call_uuid.to_string(),
        "message": "",
        "fs_output": format!("+OK Job-UUID: {call_uuid}\n"),
    }))
}

pub(super) fn fail(message: &str) -> Reply {
    Reply::ok(json!({"status": "fail", "message": message, "fs_output": ""}))
}
