//! `/api/did_numbers/`: the telephone numbers that are ours.

use serde_json::{Value, json};

use super::{
    Call,
    fields::{self, Faults, Fields, Given, Need},
    reply::{Refusal, Reply},
    timestamp,
};
use crate::store::{DidChange, DidId, DidRow, ExtensionId, StoreError, Unique};

/// Characters of a number.
const MAX_NUMBER: usize = 20;

pub(super) async fn list(call: &Call) -> Result<Reply, Refusal> {
    let rows = call.api.store().dids().await?;
    Ok(Reply::ok(Value::Array(rows.iter().map(shown).collect())))
}

pub(super) async fn retrieve(call: &Call, id: &str) -> Result<Reply, Refusal> {
    Ok(Reply::ok(shown(&find(call, id).await?)))
}

pub(super) async fn update(call: &Call, id: &str, partial: bool) -> Result<Reply, Refusal> {
    let row = find(call, id).await?;
    let change = check(call, &call.fields()?.partial(partial), row.id).await?;
    match call.api.store().update_did(row.id, &change).await? {
        Some(Unique::Done(row)) => Ok(Reply::ok(shown(&row))),
        Some(Unique::Taken) => Err(Refusal::Invalid(json!({"phonenumber": [TAKEN]}))),
        None => Err(Refusal::NotFound),
    }
}

/// Forgets a number here; at the carrier it stays bought.
pub(super) async fn delete(call: &Call, id: &str) -> Result<Reply, Refusal> {
    let row = find(call, id).await?;
    match call.api.store().delete_did(row.id).await? {
        true => Ok(Reply::gone()),
        false => Err(Refusal::NotFound),
    }
}

async fn find(call: &Call, id: &str) -> Result<DidRow, Refusal> {
    let id = super::python::row_id(id).ok_or(Refusal::NotFound)?;
    call.api.store().did(DidId(id)).await?.ok_or(Refusal::NotFound)
}

/// Another table's rows to which a number can refer.
#[derive(Clone, Copy)]
enum Table {
    Providers,
    Domains,
    Extensions,
}

impl Table {
    async fn has(self, call: &Call, id: i64) -> Result<bool, StoreError> {
        let store = call.api.store();
        match self {
            Self::Providers => store.has_provider(id).await,
            Self::Domains => store.has_domain(id).await,
            Self::Extensions => store.has_extension(id).await,
        }
    }
}

async fn check(call: &Call, given: &Fields, but: DidId) -> Result<DidChange, Refusal> {
    let mut faults = Faults::default();
    let provider = reference(call, given.given("provider", Need::Required), Table::Providers);
    let provider = match provider.await? {
        Ok(Some(None)) => Err(vec![fields::NULL.to_owned()]),
        checked => checked,
    };
    let mut number = fields::text(given.given("phonenumber", Need::Required), MAX_NUMBER);
    if let Ok(Some(wanted)) = &number
        && call.api.store().did_is_taken(wanted, Some(but)).await?
    {
        number = Err(vec![TAKEN.to_owned()]);
    }
    let domain = reference(call, given.given("domain", Need::Nullable), Table::Domains).await?;
    let extension = given.given("extension", Need::Nullable);
    let extension = reference(call, extension, Table::Extensions).await?;
    let change = DidChange {
        provider: faults.note("provider", provider).flatten(),
        phonenumber: faults.note("phonenumber", number),
        domain: faults.note("domain", domain),
        extension: faults.note("extension", extension).map(|id| id.map(ExtensionId)),
    };
    faults.done()?;
    Ok(change)
}

/// What a field that refers to a row comes to: `None` if it is left out, `Some(None)` if it is null.
type Reference = Result<Option<Option<i64>>, Vec<String>>;

async fn reference(call: &Call, given: Given<'_>, table: Table) -> Result<Reference, StoreError> {
    let value = match given {
        Given::Value(value) => value,
        Given::Absent => return Ok(Ok(None)),
        Given::Missing => return Ok(Err(vec![fields::REQUIRED.to_owned()])),
    };
    if fields::is_null(value) {
        return Ok(Ok(Some(None)));
    }
    let id = match fields::row_id(value) {
        Ok(id) => id,
        Err(message) => return Ok(Err(vec![message])),
    };
    match i64::try_from(id) {
        Ok(id) if table.has(call, id).await? => Ok(Ok(Some(Some(id)))),
        Ok(_) | Err(_) => {
            let shown = fields::shown(value);
            Ok(Err(vec![format!("Invalid pk \"{shown}\" - object does not exist.")]))
        }
    }
}

const TAKEN: &str = "DID Number with this DID Number already exists.";

fn shown(row: &DidRow) -> Value {
    json!({
        "id": row.id,
        "provider": row.provider,
        "phonenumber": row.phonenumber,
        "domain": row.domain,
        "extension": row.extension,
        "created_at": timestamp(row.created_at),
    })
}

/// What OPTIONS tells of the fields.
pub(super) fn actions() -> Value {
    json!({
        "id": {"type": "integer", "required": false, "read_only": true, "label": "ID"},
        "provider": {"type": "field", "required": true, "read_only": false, "label": "Provider"},
        "phonenumber": {
            "type": "string", "required": true, "read_only": false, "label": "DID Number",
            "max_length": MAX_NUMBER,
        },
        "domain": {"type": "field", "required": false, "read_only": false, "label": "Domain"},
        "extension": {"type": "field", "required": false, "read_only": false, "label": "Extension"},
        "created_at": {
            "type": "datetime", "required": false, "read_only": true, "label": "Created at",
        },
    })
}
