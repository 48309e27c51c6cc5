//! `GET /api/scan/`: the scans by page, the newest first.

use serde_json::{Value, json};

use super::{
    Call, python,
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
    let (count, rows) = call
        .api
        .store()
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
    Ok(Reply::ok(json!({
        "count": count,
        "next": if after >= i128::from(count) { Value::Null } else { link(after) },
        "previous": if offset == 0 { Value::Null } else { link(offset - limit) },
        "results": rows.iter().map(row).collect::<Vec<_>>(),
    })))
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
