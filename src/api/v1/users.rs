//! `/api/` and `/api/users/`: who may use the service. For admins only.
//!
//! The old service's router also took these paths with `.json` at their end, and then wrote its
//! links so.

use serde_json::{Value, json};

use super::{
    Call,
    fields::{self, Faults, Fields, Given, Need},
    input::Input,
    python,
    reply::{Refusal, Reply},
};
use crate::store::{Unique, UserChange, UserId, UserRow};

/// Characters of a name.
const MAX_NAME: usize = 150;
/// Characters of a mail address.
const MAX_EMAIL: usize = 254;
/// What the links of a request with `.json` at its end have there too.
pub(super) const SUFFIX: &str = ".json";

/// What there is below `/api/`.
pub(super) fn root(call: &Call) -> Reply {
    let end = if call.has_suffix { SUFFIX } else { "/" };
    Reply::ok(json!({"users": format!("{}/api/users{end}", call.base)}))
}

pub(super) async fn list(call: &Call) -> Result<Reply, Refusal> {
    let users = call.api.store().users().await?;
    Ok(Reply::ok(Value::Array(users.iter().map(|user| shown(call, user)).collect())))
}

pub(super) async fn retrieve(call: &Call, id: &str) -> Result<Reply, Refusal> {
    Ok(Reply::ok(shown(call, &find(call, id).await?)))
}

pub(super) async fn create(call: &Call) -> Result<Reply, Refusal> {
    let change = check(call, &call.fields()?, None).await?;
    let (name, email) = (change.name.unwrap_or_default(), change.email.unwrap_or_default());
    let is_admin = change.is_admin.unwrap_or(false);
    match call.api.store().create_user(&name, &email, is_admin).await? {
        Unique::Done(user) => Ok(Reply::created(shown(call, &user))),
        Unique::Taken => Err(taken()),
    }
}

pub(super) async fn update(call: &Call, id: &str, partial: bool) -> Result<Reply, Refusal> {
    let user = find(call, id).await?;
    let change = check(call, &call.fields()?.partial(partial), Some(user.id)).await?;
    match call.api.store().update_user(user.id, &change).await? {
        Some(Unique::Done(user)) => Ok(Reply::ok(shown(call, &user))),
        Some(Unique::Taken) => Err(taken()),
        None => Err(Refusal::NotFound),
    }
}

/// Deletes a user with tokens and extensions. Nobody deletes the ground under his own feet.
pub(super) async fn delete(call: &Call, id: &str) -> Result<Reply, Refusal> {
    let user = find(call, id).await?;
    if user.id == call.who()?.user {
        return Err(Refusal::Conflict("You cannot delete yourself.".to_owned()));
    }
    match call.api.store().delete_user(user.id).await? {
        true => Ok(Reply::gone()),
        false => Err(Refusal::NotFound),
    }
}

async fn find(call: &Call, id: &str) -> Result<UserRow, Refusal> {
    let id = python::row_id(id).ok_or(Refusal::NotFound)?;
    call.api.store().user(UserId(id)).await?.ok_or(Refusal::NotFound)
}

async fn check(call: &Call, given: &Fields, but: Option<UserId>) -> Result<UserChange, Refusal> {
    let mut faults = Faults::default();
    let name = fields::text(given.given("username", Need::Required), MAX_NAME);
    let name = match name {
        Ok(Some(name)) if !is_name(&name) => Err(vec![BAD_NAME.to_owned()]),
        Ok(Some(name)) if is_taken(call, &name, but).await? => Err(vec![TAKEN.to_owned()]),
        checked => checked,
    };
    let email = match given.given("email", Need::Optional) {
        // May be blank.
        Given::Value(Input::Text(text)) if python::strip(&text.text).is_empty() => {
            Ok(Some(String::new()))
        }
        given => match fields::text(given, MAX_EMAIL) {
            Ok(Some(email)) if !is_email(&email) => Err(vec![BAD_EMAIL.to_owned()]),
            checked => checked,
        },
    };
    let change = UserChange {
        name: faults.note("username", name),
        email: faults.note("email", email),
        is_admin: faults.note("is_staff", flag(given.given("is_staff", Need::Optional))),
    };
    faults.done()?;
    Ok(change)
}

async fn is_taken(call: &Call, name: &str, but: Option<UserId>) -> Result<bool, Refusal> {
    let users = call.api.store().users().await?;
    Ok(users.iter().any(|user| user.name == name && Some(user.id) != but))
}

fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || "_@.+-".contains(c))
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let is_local = !local.is_empty()
        && local.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    is_local && domain.contains('.') && domain.split('.').all(is_label)
}

/// A truth value in the ways in which the framework read one.
fn flag(given: Given<'_>) -> Result<Option<bool>, Vec<String>> {
    let value = match given {
        Given::Value(value) => value,
        Given::Absent | Given::Missing => return Ok(None),
    };
    let text = match value {
        Input::Bool(value) => return Ok(Some(*value)),
        Input::Null => return Err(vec![fields::NULL.to_owned()]),
        Input::Int(digits) => digits.clone(),
        Input::Text(text) => text.text.trim().to_lowercase(),
        Input::Float(_) | Input::List(_) | Input::Dict(_) | Input::File(_) => String::new(),
    };
    match text.as_str() {
        "true" | "t" | "y" | "yes" | "on" | "1" => Ok(Some(true)),
        "false" | "f" | "n" | "no" | "off" | "0" => Ok(Some(false)),
        _ => Err(vec!["Must be a valid boolean.".to_owned()]),
    }
}

const TAKEN: &str = "A user with that username already exists.";
const BAD_NAME: &str = "Enter a valid username. This value may contain only letters, numbers, and \
     @/./+/-/_ characters.";
const BAD_EMAIL: &str = "Enter a valid email address.";

fn taken() -> Refusal {
    Refusal::Invalid(json!({"username": [TAKEN]}))
}

fn shown(call: &Call, user: &UserRow) -> Value {
    let end = if call.has_suffix { SUFFIX } else { "/" };
    json!({
        "url": format!("{}/api/users/{}{end}", call.base, user.id),
        "username": user.name,
        "email": user.email,
        "is_staff": user.is_admin,
    })
}

/// What OPTIONS tells of the fields.
pub(super) fn actions() -> Value {
    json!({
        "url": {"type": "field", "required": false, "read_only": true, "label": "Url"},
        "username": {
            "type": "string", "required": true, "read_only": false, "label": "Username",
            "help_text": "Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
            "max_length": MAX_NAME,
        },
        "email": {
            "type": "email", "required": false, "read_only": false, "label": "Email address",
            "max_length": MAX_EMAIL,
        },
        "is_staff": {
            "type": "boolean", "required": false, "read_only": false, "label": "Staff status",
            "help_text": "Designates whether the user can log into this admin site.",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses_are_told_from_other_texts() {
        for good in ["a@example.com", "a.b+c@mail.example.co"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "a@", "@example.com", "a@example", "a@-x.com", "a b@example.com"] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
