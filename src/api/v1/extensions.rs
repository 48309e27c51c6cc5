//! `/api/extensions/`: the accounts of softphones.

use serde_json::{Value, json};

use super::{
    Call, MASK,
    fields::{self, Faults, Fields, Need},
    reply::{Refusal, Reply},
    timestamp,
};
use crate::{
    api::FIRST_DOMAIN,
    config::Secret,
    store::{ExtensionChange, ExtensionId, ExtensionRow, Unique},
};

/// Characters of a name and of a password.
const MAX_TEXT: usize = 100;

pub(super) async fn list(call: &Call) -> Result<Reply, Refusal> {
    let rows = call.api.store().extensions().await?;
    Ok(Reply::ok(Value::Array(rows.iter().map(|row| in_list(call, row)).collect())))
}

pub(super) async fn create(call: &Call) -> Result<Reply, Refusal> {
    let change = check(call, &call.fields()?, None).await?;
    let name = change.sip_username.unwrap_or_default();
    let password = change.sip_password.unwrap_or_default();
    let store = call.api.store();
    match store.create_extension(call.who()?.user, &name, &password, FIRST_DOMAIN).await? {
        Unique::Done(row) => Ok(Reply::created(json!({
            "id": row.id,
            "sip_username": row.sip_username,
            "sip_password": shown_password(call, &row.sip_password),
            "domain": row.domain,
        }))),
        Unique::Taken => Err(taken()),
    }
}

/// One extension: what is documented, then what the old service had under other names.
pub(super) async fn retrieve(call: &Call, id: &str) -> Result<Reply, Refusal> {
    let row = find(call, id).await?;
    let mut value = in_list(call, &row);
    if let Some(members) = value.as_object_mut() {
        let user = json!({"id": row.owner, "username": row.owner_name});
        members.insert("user".to_owned(), user);
        members.insert("created_at".to_owned(), timestamp(row.created_at));
    }
    Ok(Reply::ok(value))
}

pub(super) async fn update(call: &Call, id: &str, partial: bool) -> Result<Reply, Refusal> {
    let row = find(call, id).await?;
    own(call, &row)?;
    let change = check(call, &call.fields()?.partial(partial), Some(row.id)).await?;
    match call.api.store().update_extension(row.id, &change).await? {
        Some(Unique::Done(row)) => Ok(Reply::ok(json!({
            "sip_username": row.sip_username,
            "sip_password": shown_password(call, &row.sip_password),
        }))),
        Some(Unique::Taken) => Err(taken()),
        None => Err(Refusal::NotFound),
    }
}

pub(super) async fn delete(call: &Call, id: &str) -> Result<Reply, Refusal> {
    let row = find(call, id).await?;
    own(call, &row)?;
    match call.api.store().delete_extension(row.id).await? {
        true => Ok(Reply::gone()),
        false => Err(Refusal::NotFound),
    }
}

async fn find(call: &Call, id: &str) -> Result<ExtensionRow, Refusal> {
    let id = super::python::row_id(id).ok_or(Refusal::NotFound)?;
    call.api.store().extension(ExtensionId(id)).await?.ok_or(Refusal::NotFound)
}

/// Another user's extension is changed by an admin only.
fn own(call: &Call, row: &ExtensionRow) -> Result<(), Refusal> {
    let who = call.who()?;
    match who.is_admin || row.owner == who.user {
        true => Ok(()),
        false => Err(Refusal::Forbidden("You do not have permission to perform this action.")),
    }
}

async fn check(
    call: &Call,
    given: &Fields,
    but: Option<ExtensionId>,
) -> Result<ExtensionChange, Refusal> {
    let mut faults = Faults::default();
    let text = |name| fields::text(given.given(name, Need::Required), MAX_TEXT);
    let mut name = text("sip_username");
    if let Ok(Some(wanted)) = &name
        && call.api.store().extension_is_taken(wanted, but).await?
    {
        name = Err(vec![TAKEN.to_owned()]);
    }
    let change = ExtensionChange {
        sip_username: faults.note("sip_username", name),
        sip_password: faults.note("sip_password", text("sip_password")).map(Secret::new),
    };
    faults.done()?;
    Ok(change)
}

const TAKEN: &str = "Extension with this SIP Username already exists.";

fn taken() -> Refusal {
    Refusal::Invalid(json!({"sip_username": [TAKEN]}))
}

/// The password as it is shown: as it is, or as stars.
fn shown_password<'a>(call: &Call, password: &'a Secret<String>) -> &'a str {
    match call.api.options().expose_sip_passwords {
        true => password.expose(),
        false => MASK,
    }
}

fn in_list(call: &Call, row: &ExtensionRow) -> Value {
    json!({
        "id": row.id,
        "user_id": row.sip_user,
        "sip_username": row.sip_username,
        "sip_password": shown_password(call, &row.sip_password),
        "updated_at": timestamp(row.updated_at),
        "domain": row.domain,
    })
}

/// What OPTIONS tells of the fields.
pub(super) fn actions() -> Value {
    json!({
        "id": {"type": "integer", "required": false, "read_only": true, "label": "ID"},
        "user_id": {"type": "field", "required": false, "read_only": true, "label": "User id"},
        "sip_username": {
            "type": "string", "required": true, "read_only": false, "label": "SIP Username",
            "max_length": MAX_TEXT,
        },
        "sip_password": {
            "type": "string", "required": true, "read_only": false, "label": "SIP Password",
            "max_length": MAX_TEXT,
        },
        "updated_at": {
            "type": "datetime", "required": false, "read_only": true, "label": "Updated at",
        },
    })
}
