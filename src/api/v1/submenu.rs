//! `GET /api/makecall_submenu/`: calls a number, presses the way to one of its menus, and connects a
//! person there.

use serde_json::json;

use super::{
    Call, python,
    reply::{Refusal, Reply},
};
use crate::{api::is_number, store::MenuId};

pub(super) async fn submenu(call: &Call) -> Result<Reply, Refusal> {
    let given = |name| call.query.last(name).unwrap_or("");
    let forwarding = given("forwarding_number");
    if forwarding.is_empty() {
        return Ok(fail("forwarding_number is required!"));
    }
    let store = call.api.store();
    let known = match python::row_id(given("id")) {
        Some(id) => store.has_menu(MenuId(id)).await?,
        None => false,
    };
    if !known {
        return Ok(fail("menu not found"));
    }
    if !is_number(forwarding) && store.sip_account(forwarding).await?.is_none() {
        return Ok(fail(
            "forwarding_number must be a + or none, and 1 to 15 digits, or an extension",
        ));
    }
    // Nobody can be connected yet: calls to a person come with the extensions' registrar.
    Ok(fail("Switch Connection error"))
}

fn fail(message: &str) -> Reply {
    Reply::ok(json!({"status": "fail", "message": message, "fs_output": ""}))
}
