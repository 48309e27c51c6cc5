//! `POST /api/phonenumber/`: enters a number, or tells what is known of it.

use serde_json::json;

use super::{
    Call,
    reply::{Refusal, Reply},
    timestamp,
};

/// Reads the query only; a body of any kind is left alone.
pub(super) async fn phonenumber(call: &Call) -> Result<Reply, Refusal> {
    let given = |name| call.query.last(name).unwrap_or("");
    let business_name = Some(given("business_name")).filter(|name| !name.is_empty());
    let row = call.api.store().enter_number(given("number"), business_name).await?;
    Ok(Reply::ok(json!({
        "id": row.id,
        "number": row.number,
        "business_name": row.business_name,
        "created_at": timestamp(row.created_at),
        "updated_at": timestamp(row.updated_at),
    })))
}
