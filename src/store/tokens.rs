//! Users and the tokens with which they use the API.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;

use super::{Store, StoreError, UserId, Write, next_id, vault::random};

/// Random bytes of a token; it is written with twice as many hexadecimal digits.
const TOKEN_BYTES: usize = 20;
/// How exactly it is remembered when a token was used: each request would be a write otherwise.
const LAST_USED_GRAIN: Duration = Duration::from_secs(60);

/// Who a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The user's id.
    pub user: UserId,
    /// The user's name.
    pub name: String,
    /// Whether the user may do everything.
    pub is_admin: bool,
}

/// What a token is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenCheck {
    /// It is the token of this user.
    Valid(Authenticated),
    /// It is the token of a user who may not use the service any more.
    Inactive,
    /// It is nobody's.
    Unknown,
}

impl Store {
    /// Makes a token for the user `name`, who is made if there is none; `is_admin` also changes the
    /// rights of one who is there. Returns the token, 40 lower-case hexadecimal digits, which
    /// cannot be learned again later: only its hash is kept.
    pub async fn create_token(&self, name: &str, is_admin: bool) -> Result<String, StoreError> {
        let token = hex(&random::<TOKEN_BYTES>()?);
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let new_id = next_id(&mut tx, "users").await?;
        let user = sqlx::query_scalar(
            "INSERT INTO users (id, name, is_admin, is_active, created_at)
             VALUES ($1, $2, $3, TRUE, $4)
             ON CONFLICT (name) DO UPDATE SET is_admin = excluded.is_admin, is_active = TRUE
             RETURNING id",
        )
        .bind(new_id)
        .bind(name)
        .bind(is_admin)
        .bind(now.0)
        .fetch_one(&mut *tx)
        .await?;
        insert_token(&mut tx, UserId(user), name, &token, now.0).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Lets a user's tokens no longer be accepted, or accepts them again. False if there is no
    /// such user.
    pub async fn set_user_active(&self, name: &str, is_active: bool) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE users SET is_active = $1 WHERE name = $2")
            .bind(is_active)
            .bind(name)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Whose token this is. Remembers, to the minute, that it was used; a database that cannot be
    /// written does not keep anybody out.
    pub async fn authenticate(&self, token: &str) -> Result<TokenCheck, StoreError> {
        let row = sqlx::query(
            "SELECT t.id AS token_id, t.last_used_at, u.id AS user_id, u.name, u.is_admin,
                    u.is_active
             FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.sha256 = $1",
        )
        .bind(sha256(token))
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(TokenCheck::Unknown) };
        if !row.try_get::<bool, _>("is_active")? {
            return Ok(TokenCheck::Inactive);
        }
        let (token_id, last_used): (i64, Option<i64>) =
            (row.try_get("token_id")?, row.try_get("last_used_at")?);
        let now = self.now();
        if last_used.is_none_or(|t| now.since(super::Time(t)) >= LAST_USED_GRAIN) {
            let noted = sqlx::query("UPDATE tokens SET last_used_at = $1 WHERE id = $2")
                .bind(now.0)
                .bind(token_id)
                .execute(&self.writer)
                .await;
            if let Err(e) = noted {
                let error = StoreError::from(e);
                tracing::warn!(token_id, %error, "The use of a token was not noted.");
            }
        }
        Ok(TokenCheck::Valid(Authenticated {
            user: UserId(row.try_get("user_id")?),
            name: row.try_get("name")?,
            is_admin: row.try_get("is_admin")?,
        }))
    }
}

/// Stores the hash of a token.
pub(super) async fn insert_token(
    tx: &mut Write,
    user: UserId,
    name: &str,
    token: &str,
    now: i64,
) -> Result<(), StoreError> {
    let id = next_id(tx, "tokens").await?;
    sqlx::query(
        "INSERT INTO tokens (id, user_id, name, sha256, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(user.0)
    .bind(name)
    .bind(sha256(token))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What is stored of a token.
pub(super) fn sha256(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
