//! `/api/did_numbers/`: the telephone numbers that are ours.

use serde_json::{Value, json};

use super::{
    Call,
    fields::{self, Faults, Fields, Given, Need},
    reply::{Refusal, Reply},
    timestamp,
};
use crate::{
    carrier::{BuyError, NumberSearch, Offer, Purchase},
    store::{DidChange, DidId, DidRow, ExtensionId, StoreError, Unique},
};

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

/// The carrier that sells us numbers.
const SELLER: &str = "Flowroute";
/// The largest id that a client could name.
const MAX_ID: i128 = 2_147_483_647;
/// Numbers that are looked for when the client does not say how many.
const DEFAULT_LIMIT: &str = "10";

/// Buys a number and has its calls led to an extension.
pub(super) async fn create(call: &Call) -> Result<Reply, Refusal> {
    let given = call.fields()?;
    let store = call.api.store();
    let mut faults = Faults::default();
    let mut number = fields::text(given.given("phonenumber", Need::Required), MAX_NUMBER);
    if let Ok(Some(wanted)) = &number
        && store.did_is_taken(wanted, None).await?
    {
        number = Err(vec![TAKEN.to_owned()]);
    }
    let mut extension = fields::integer(given.given("extension", Need::Required), 1, MAX_ID);
    if let Ok(Some(id)) = extension
        && !store.has_extension(i64::try_from(id).unwrap_or(0)).await?
    {
        extension = Err(vec!["A valid value is required.".to_owned()]);
    }
    let number = faults.note("phonenumber", number).unwrap_or_default();
    let extension = faults.note("extension", extension).unwrap_or_default();
    faults.done()?;
    if let Some(seller) = other_seller(call).await? {
        return Err(Refusal::Upstream(format!(
            "The number was not bought: the first provider, {seller}, is none that numbers can be bought of."
        )));
    }
    let who = call.who()?;
    tracing::info!(%number, user = %who.name, "A number is bought.");
    let purchase = Purchase {
        number: number.clone(),
        extension: i64::try_from(extension).unwrap_or(0),
        asked_by: Some(who.user),
    };
    match call.api.carrier().buy(purchase).await {
        Ok(_) => Ok(Reply::created(json!({"phonenumber": number, "extension": extension as i64}))),
        Err(BuyError::Store(error)) => Err(error.into()),
        Err(error @ BuyError::UnderWay) => Err(Refusal::Conflict(sentence(&error))),
        Err(error @ (BuyError::NotBought(_) | BuyError::Unknown(_))) => {
            Err(Refusal::Upstream(sentence(&error)))
        }
    }
}

/// Numbers that can be bought; none if the carrier cannot be asked.
pub(super) async fn search(call: &Call) -> Result<Reply, Refusal> {
    let given = |name| call.query.last(name).map(str::to_owned);
    let search = NumberSearch {
        starts_with: given("npa"),
        limit: Some(given("limit").filter(|l| !l.is_empty()).unwrap_or(DEFAULT_LIMIT.to_owned())),
    };
    let offers = match other_seller(call).await? {
        Some(_) => Vec::new(),
        None => call.api.carrier().search(&search).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "The carrier told no numbers.");
            Vec::new()
        }),
    };
    let row = |offer: &Offer| json!({"number": offer.number, "monthly_cost": offer.monthly_cost});
    Ok(Reply::ok(json!({"data": offers.iter().map(row).collect::<Vec<_>>()})))
}

/// The first provider, if it is another than the carrier that sells numbers. Without any the carrier
/// is entered at the first purchase.
async fn other_seller(call: &Call) -> Result<Option<String>, Refusal> {
    let first = call.api.store().first_provider().await?;
    Ok(first.filter(|name| name != SELLER))
}

/// An error as a sentence.
fn sentence(error: &BuyError) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
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
