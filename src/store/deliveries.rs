//! The spool of webhooks: what is to be told to whom, and what came of it.

use std::time::Duration;

use sqlx::Row as _;
use uuid::Uuid;

use super::{Store, StoreError, Time, Write, next_id, queue::parse_uuid};

row_id!(
    /// A webhook that was to be sent.
    DeliveryId
);

/// Webhooks that may wait; when so many do, no more are taken until some are over.
pub const MAX_SPOOL: i64 = 10_000;
/// So long a webhook is tried.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// So long what came of it is kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A webhook that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// What the receiver knows it by.
    pub uuid: Uuid,
    /// Where to.
    pub url: String,
    /// What it says.
    pub body: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Not tried any more after this.
    pub give_up_at: Time,
}

/// What came of an attempt to send a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What went wrong, if something did.
    pub error: Option<String>,
    /// When to try again; `None`: it is over.
    pub again_at: Option<Time>,
}

impl Store {
    /// Queues a webhook. `None` when the spool is full.
    pub async fn queue_delivery(
        &self,
        url: &str,
        body: &str,
    ) -> Result<Option<DeliveryId>, StoreError> {
        let mut tx = self.begin_write().await?;
        let id = insert_delivery(&mut tx, url, body, self.now()).await?;
        tx.commit().await?;
        self.deliveries.notify_one();
        Ok(id)
    }

    /// Webhooks that are due, the longest due first, without those of `except`, at most `limit`.
    /// They stay due until their outcome is written down: a webhook is rather told twice than
    /// never.
    pub async fn due_deliveries(
        &self,
        except: &[DeliveryId],
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        // Those under way are due too, so that many more must be read.
        let read = i64::try_from(limit.saturating_add(except.len())).unwrap_or(i64::MAX);
        let rows = sqlx::query(
            "SELECT id, uuid, url, body, attempts, give_up_at FROM deliveries
             WHERE next_at <= $1 ORDER BY next_at, id LIMIT $2",
        )
        .bind(self.now().0)
        .bind(read)
        .fetch_all(&self.readers)
        .await?;
        let mut due = Vec::new();
        for row in rows {
            let id = DeliveryId(row.try_get("id")?);
            if except.contains(&id) || due.len() == limit {
                continue;
            }
            due.push(Delivery {
                id,
                uuid: parse_uuid(row.try_get("uuid")?)?,
                url: row.try_get("url")?,
                body: row.try_get("body")?,
                attempts: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX),
                give_up_at: Time(row.try_get("give_up_at")?),
            });
        }
        Ok(due)
    }

    /// When a webhook is next to be sent, those of `except` left out; `None` when none is.
    pub async fn next_delivery_due(
        &self,
        except: &[DeliveryId],
    ) -> Result<Option<Time>, StoreError> {
        let read = i64::try_from(except.len()).unwrap_or(i64::MAX).saturating_add(1);
        let rows = sqlx::query(
            "SELECT id, next_at FROM deliveries WHERE next_at IS NOT NULL
             ORDER BY next_at, id LIMIT $1",
        )
        .bind(read)
        .fetch_all(&self.readers)
        .await?;
        for row in rows {
            if !except.contains(&DeliveryId(row.try_get("id")?)) {
                return Ok(Some(Time(row.try_get("next_at")?)));
            }
        }
        Ok(None)
    }

    /// Writes down what came of an attempt.
    pub async fn settle_delivery(
        &self,
        id: DeliveryId,
        outcome: &DeliveryOutcome,
    ) -> Result<(), StoreError> {
        let state = match (outcome.again_at, &outcome.error) {
            (Some(_), _) => "pending",
            (None, None) => "done",
            (None, Some(_)) => "failed",
        };
        sqlx::query(
            "UPDATE deliveries SET state = $1, attempts = attempts + 1, next_at = $2, status = $3,
                 error = $4, updated_at = $5
             WHERE id = $6 AND state = 'pending'",
        )
        .bind(state)
        .bind(outcome.again_at.map(|t| t.0))
        .bind(outcome.status.map(i64::from))
        .bind(&outcome.error)
        .bind(self.now().0)
        .bind(id.0)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Forgets webhooks that were over a week ago. Returns how many.
    pub async fn forget_old_deliveries(&self) -> Result<u64, StoreError> {
        let before = i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
        let done = sqlx::query("DELETE FROM deliveries WHERE next_at IS NULL AND updated_at < $1")
            .bind(self.now().0.saturating_sub(before))
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected())
    }
}

/// Queues a webhook in the transaction that stores what it tells. `None` when the spool is full.
pub(super) async fn insert_delivery(
    tx: &mut Write,
    url: &str,
    body: &str,
    now: Time,
) -> Result<Option<DeliveryId>, StoreError> {
    let waiting: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM deliveries WHERE next_at IS NOT NULL")
            .fetch_one(&mut **tx)
            .await?;
    if waiting >= MAX_SPOOL {
        tracing::warn!(waiting, "The spool of webhooks is full; one was dropped.");
        return Ok(None);
    }
    let id = next_id(tx, "deliveries").await?;
    sqlx::query(
        "INSERT INTO deliveries (id, uuid, url, body, state, attempts, next_at, give_up_at,
                                 created_at, updated_at)
         VALUES ($1, $2, $3, $4, 'pending', 0, $5, $6, $5, $5)",
    )
    .bind(id)
    .bind(Uuid::new_v4().to_string())
    .bind(url)
    .bind(body)
    .bind(now.0)
    .bind(now.after(PATIENCE).0)
    .execute(&mut **tx)
    .await?;
    Ok(Some(DeliveryId(id)))
}
