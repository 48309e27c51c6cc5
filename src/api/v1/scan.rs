//! `GET /api/scan/`: the scans by page, the newest first.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::{
    Call, json_text,
    negotiation::Render,
    python,
    query::Query,
    reply::{Refusal, Reply},
    route::Route,
    timestamp,
};
use crate::store::{ScanFilter, ScanRow};

/// Rows of a page when the client does not say.
const DEFAULT_LIMIT: i128 = 100;
/// Rows of the largest page.
const MAX_LIMIT: i128 = 1000;

pub(super) async fn scan(call: &Call) -> Result<Reply, Refusal> {
    let number = |name| call.query.last(name).and_then(python::int);
    let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let offset = number("offset").filter(|offset| *offset > 0).unwrap_or(0);
    let filter = ScanFilter {
        number: call.query.last("number").filter(|n| !n.is_empty()).map(str::to_owned),
    };
    let store = call.api.store();
    let is_plain = call.render == Render::Json { indent: None };
    let asked = format!("{} {}", call.base, call.query.encode());
    // Before anything is read: what changes while it is read makes what is kept old.
    let generation = store.generation();
    if let Some(text) = call.api.pages().get(&asked, generation).filter(|_| is_plain) {
        return Ok(Reply::written(text));
    }
    let (count, rows) = store
        .scans(
            &filter,
            // Between 1 and MAX_LIMIT.
            u32::try_from(limit).unwrap_or(u32::MAX),
            u64::try_from(offset).unwrap_or(u64::MAX),
        )
        .await?;
    let link = |offset: i128| {
        let page = call.query.with("limit", Some(&limit.to_string()));
        let offset = Some(offset).filter(|offset| *offset > 0).map(|offset| offset.to_string());
        link(&call.base, &page.with("offset", offset.as_deref()))
    };
    let after = offset.saturating_add(limit);
    let answer = json!({
        "count": count,
        "next": if after >= i128::from(count) { Value::Null } else { link(after) },
        "previous": if offset == 0 { Value::Null } else { link(offset - limit) },
        "results": rows.iter().map(row).collect::<Vec<_>>(),
    });
    if !is_plain {
        return Ok(Reply::ok(answer));
    }
    let text = Bytes::from(json_text::text(&answer, None));
    call.api.pages().put(&asked, generation, text.clone());
    Ok(Reply::written(text))
}

fn link(base: &str, query: &Query) -> Value {
    json!(format!("{base}{}?{}", Route::Scan.path(), query.encode()))
}

/// The documented keys, then those that the old service had under other names.
fn row(scan: &ScanRow) -> Value {
    json!({
        "id": scan.id,
        "number": scan.number,
        "status": scan.status.as_str(),
        "attempt": scan.attempt,
        "created_at": scan.created_at.map(timestamp),
        "updated_at": scan.updated_at.map(timestamp),
        "phone_number": scan.number,
        "business_name": scan.business_name,
        "completed": if scan.number_completed { "True" } else { "False" },
    })
}
