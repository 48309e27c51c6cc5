//! Keys under which clients repeat a request that costs money, and what was answered to the first.

use std::time::Duration;

use sqlx::Row as _;

use super::{Store, StoreError, Time, UserId, Write};

/// So long a key is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Keys of one user; when so many are kept, no more are taken until some are a day old.
pub const MAX_KEYS_OF_USER: i64 = 10_000;

/// A request that its client may repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedRequest {
    /// Who sends it.
    pub user: UserId,
    /// Its method and path.
    pub operation: &'static str,
    /// What the client calls it.
    pub key: String,
    /// The SHA-256 of its body, in hexadecimal.
    pub body_sha256: String,
}

/// What was answered to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The type of the body.
    pub content_type: String,
    /// Where what was made is found.
    pub location: Option<String>,
    /// The body.
    pub body: String,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyClaim {
    /// Nothing: it is taken now, and its request is to be done.
    New,
    /// Its request is being done.
    InFlight,
    /// The service ended while its request was being done.
    Interrupted,
    /// It was used for another body.
    OtherBody,
    /// Its request was answered.
    Done(KeptAnswer),
    /// The user has too many keys.
    Full,
}

impl Store {
    /// Takes a key for a request that is about to be done, unless it is known.
    pub async fn claim_key(&self, request: &KeyedRequest) -> Result<KeyClaim, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1")
            .bind(now.0.saturating_sub(i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX)))
            .execute(&mut *tx)
            .await?;
        let claim = claim(&mut tx, request, now).await?;
        tx.commit().await?;
        Ok(claim)
    }

    /// Keeps the answer to a request whose key was taken.
    pub async fn keep_answer(
        &self,
        request: &KeyedRequest,
        answer: &KeptAnswer,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE idempotency_keys
             SET state = 'done', status = $1, content_type = $2, location = $3, body = $4
             WHERE user_id = $5 AND operation = $6 AND key = $7",
        )
        .bind(i64::from(answer.status))
        .bind(&answer.content_type)
        .bind(&answer.location)
        .bind(&answer.body)
        .bind(request.user.0)
        .bind(request.operation)
        .bind(&request.key)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Forgets the key of a request of which nothing was done.
    pub async fn free_key(&self, request: &KeyedRequest) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM idempotency_keys WHERE user_id = $1 AND operation = $2 AND key = $3",
        )
        .bind(request.user.0)
        .bind(request.operation)
        .bind(&request.key)
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

async fn claim(tx: &mut Write, request: &KeyedRequest, now: Time) -> Result<KeyClaim, StoreError> {
    let known = sqlx::query(
        "SELECT * FROM idempotency_keys WHERE user_id = $1 AND operation = $2 AND key = $3",
    )
    .bind(request.user.0)
    .bind(request.operation)
    .bind(&request.key)
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(row) = known {
        if row.try_get::<&str, _>("body_sha256")? != request.body_sha256 {
            return Ok(KeyClaim::OtherBody);
        }
        return Ok(match row.try_get::<&str, _>("state")? {
            "in_flight" => KeyClaim::InFlight,
            "interrupted" => KeyClaim::Interrupted,
            _ => KeyClaim::Done(KeptAnswer {
                status: u16::try_from(row.try_get::<i64, _>("status")?).unwrap_or(500),
                content_type: row.try_get("content_type")?,
                location: row.try_get("location")?,
                body: row.try_get("body")?,
            }),
        });
    }
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM idempotency_keys WHERE user_id = $1")
        .bind(request.user.0)
        .fetch_one(&mut **tx)
        .await?;
    if count >= MAX_KEYS_OF_USER {
        return Ok(KeyClaim::Full);
    }
    sqlx::query(
        "INSERT INTO idempotency_keys (user_id, operation, key, body_sha256, state, created_at)
         VALUES ($1, $2, $3, $4, 'in_flight', $5)",
    )
    .bind(request.user.0)
    .bind(request.operation)
    .bind(&request.key)
    .bind(&request.body_sha256)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(KeyClaim::New)
}

/// Marks the keys of requests that an earlier life did not finish.
pub(super) async fn interrupt(tx: &mut Write) -> Result<(), StoreError> {
    sqlx::query("UPDATE idempotency_keys SET state = 'interrupted' WHERE state = 'in_flight'")
        .execute(&mut **tx)
        .await?;
    Ok(())
}
