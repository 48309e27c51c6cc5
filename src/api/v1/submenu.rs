//! `GET /api/makecall_submenu/`: calls a number, presses the way to one of its menus, and connects a
//! person there.

use uuid::Uuid;

use super::{
    Call,
    makecall::{fail, success},
    python,
    reply::{Refusal, Reply},
};
use crate::{
    api::{ConnectRequest, DialError, is_number},
    store::MenuId,
};

pub(super) async fn submenu(call: &Call) -> Result<Reply, Refusal> {
    let given = |name| call.query.last(name).unwrap_or("");
    let forwarding = given("forwarding_number");
    if forwarding.is_empty() {
        return Ok(fail("forwarding_number is required!"));
    }
    let store = call.api.store();
    let Some(id) = python::row_id(given("id")).map(MenuId) else {
        return Ok(fail("menu not found"));
    };
    let Some(menu) = store.number_of_menu(id).await? else {
        return Ok(fail("menu not found"));
    };
    if menu.completed && call.api.options().refuse_completed_menu {
        return Ok(fail("menu is completed already."));
    }
    if !is_number(forwarding) && store.sip_account(forwarding).await?.is_none() {
        return Ok(fail(
            "forwarding_number must be a + or none, and 1 to 15 digits, or an extension",
        ));
    }
    let Some(number) = menu.number.filter(|number| is_number(number)) else {
        return Ok(fail("the menu's number must be a + or none, and 1 to 15 digits"));
    };
    if call.is_head {
        // Only the length of the answer goes out, and it is that of any id.
        return Ok(success(&number, Uuid::nil()));
    }
    let who = call.who()?;
    let request = ConnectRequest {
        number: number.clone(),
        menu: id,
        forwarding_number: forwarding.to_owned(),
        asked_by: who.user,
    };
    Ok(match call.api.0.switch.connect(request) {
        Ok(call_uuid) => {
            tracing::info!(menu = %id, call = %call_uuid, user = %who.name, "A call was asked for.");
            success(&number, call_uuid)
        }
        Err(DialError::NotReady) => fail("Switch Connection error"),
        Err(error @ (DialError::Busy(_) | DialError::Refused(_))) => fail(&error.to_string()),
    })
}
