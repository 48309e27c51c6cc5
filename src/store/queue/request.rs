//! Asking for crawls: which scan a request means, and when its call is due.

use sqlx::{Row as _, sqlite::SqliteRow};
use uuid::Uuid;

use super::{CrawlAnswer, CrawlRequest, New, ScanStatus, parse_uuid};
use crate::store::{
    NumberRow, ScanId, Store, StoreError, Time, Write, count_scan, next_id, read::number_row,
};

impl Store {
    /// Takes a request for a crawl: the number is made or updated, and retried by itself from now
    /// on, even when the answer is [`CrawlAnswer::CompletedAlready`].
    ///
    /// An unfinished scan that was given up starts to count its calls anew. A scan that is
    /// replaced by a forced one is given up; a call that it has in progress is not cut.
    pub async fn request_crawl(&self, request: CrawlRequest) -> Result<CrawlAnswer, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let number = upsert_number(&mut tx, &request, self.max_attempt, now).await?;
        let newest = sqlx::query(
            "SELECT id, completed, call_uuid, next_call_at, lease_owner FROM scans
             WHERE number_id = $1 ORDER BY id DESC LIMIT 1",
        )
        .bind(number)
        .fetch_optional(&mut *tx)
        .await?;
        let answer = match (newest, request.new) {
            (Some(scan), New::Fresh | New::Continue)
                if !scan.try_get::<bool, _>("completed")? =>
            {
                continue_scan(&mut tx, &scan, number, &request, now).await?
            }
            (Some(_), New::Continue) => {
                sqlx::query("UPDATE numbers SET completed = TRUE WHERE id = $1")
                    .bind(number)
                    .execute(&mut *tx)
                    .await?;
                CrawlAnswer::CompletedAlready
            }
            (_, New::Fresh | New::Continue | New::Force) => {
                let (scan, call_uuid) = start_scan(&mut tx, number, &request, now).await?;
                CrawlAnswer::Queued { scan, call_uuid }
            }
        };
        tx.commit().await?;
        Ok(answer)
    }

    /// Enters a number, or notes that it was asked for again; nothing is called. `None` keeps the
    /// business name that is known.
    pub async fn enter_number(
        &self,
        number: &str,
        business_name: Option<&str>,
    ) -> Result<NumberRow, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let new_id = next_id(&mut tx, "numbers").await?;
        let row = sqlx::query(
            "INSERT INTO numbers (id, number, business_name, retry_auto, max_attempt, attempt,
                                  calls_without_news, completed, created_at, updated_at)
             VALUES ($1, $2, $3, FALSE, $4, 0, 0, FALSE, $5, $5)
             ON CONFLICT (number) WHERE duplicate_of IS NULL DO UPDATE
             SET business_name = COALESCE(excluded.business_name, numbers.business_name),
                 updated_at = excluded.updated_at
             RETURNING *",
        )
        .bind(new_id)
        .bind(number)
        .bind(business_name)
        .bind(i64::from(self.max_attempt))
        .bind(now.0)
        .fetch_one(&mut *tx)
        .await?;
        let row = number_row(&row)?;
        tx.commit().await?;
        Ok(row)
    }
}

pub(in crate::store) async fn upsert_number(
    tx: &mut Write,
    request: &CrawlRequest,
    max_attempt: u32,
    now: Time,
) -> Result<i64, StoreError> {
    let new_id = next_id(tx, "numbers").await?;
    let id = sqlx::query_scalar(
        "INSERT INTO numbers (id, number, business_name, retry_auto, max_attempt, attempt,
                              calls_without_news, completed, created_at, updated_at)
         VALUES ($1, $2, $3, TRUE, $4, 0, 0, FALSE, $5, $5)
         ON CONFLICT (number) WHERE duplicate_of IS NULL DO UPDATE
         SET retry_auto = TRUE,
             business_name = COALESCE(excluded.business_name, numbers.business_name),
             updated_at = excluded.updated_at
         RETURNING id",
    )
    .bind(new_id)
    .bind(&request.number)
    .bind(request.business_name.as_deref().filter(|name| !name.is_empty()))
    .bind(i64::from(max_attempt))
    .bind(now.0)
    .fetch_one(&mut **tx)
    .await?;
    Ok(id)
}

pub(in crate::store) async fn start_scan(
    tx: &mut Write,
    number: i64,
    request: &CrawlRequest,
    now: Time,
) -> Result<(ScanId, Uuid), StoreError> {
    sqlx::query(
        "UPDATE scans SET next_call_at = NULL, call_uuid = NULL, status = $1, reason = $2,
                          updated_at = $3
         WHERE number_id = $4 AND next_call_at IS NOT NULL AND lease_owner IS NULL",
    )
    .bind(ScanStatus::Failed.code())
    .bind(REPLACED)
    .bind(now.0)
    .bind(number)
    .execute(&mut **tx)
    .await?;
    let attempt: i64 = sqlx::query_scalar(
        "UPDATE numbers SET completed = FALSE, calls_without_news = 0 WHERE id = $1
         RETURNING attempt",
    )
    .bind(number)
    .fetch_one(&mut **tx)
    .await?;
    let (id, call_uuid) = (next_id(tx, "scans").await?, Uuid::new_v4());
    sqlx::query(
        "INSERT INTO scans (id, number_id, status, attempt, completed, caller_id, asked_by,
                            call_uuid, next_call_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, FALSE, $5, $6, $7, $8, $8, $8)",
    )
    .bind(id)
    .bind(number)
    .bind(ScanStatus::Pending.code())
    .bind(attempt)
    .bind(&request.caller_id)
    .bind(request.asked_by.map(|u| u.0))
    .bind(call_uuid.to_string())
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    count_scan(tx, number).await?;
    Ok((ScanId(id), call_uuid))
}

pub(super) const REPLACED: &str = "a newer scan of the number was asked for";

/// Makes the next call of an unfinished scan due now. A call that runs or waits keeps its id, so
/// that a client who was told it still finds it.
async fn continue_scan(
    tx: &mut Write,
    scan: &SqliteRow,
    number: i64,
    request: &CrawlRequest,
    now: Time,
) -> Result<CrawlAnswer, StoreError> {
    let id: i64 = scan.try_get("id")?;
    let running = scan.try_get::<Option<String>, _>("lease_owner")?.is_some();
    let call_uuid = match scan.try_get::<Option<String>, _>("call_uuid")? {
        Some(uuid) => parse_uuid(&uuid)?,
        None => Uuid::new_v4(),
    };
    sqlx::query("UPDATE numbers SET completed = FALSE, calls_without_news = 0 WHERE id = $1")
        .bind(number)
        .execute(&mut **tx)
        .await?;
    if !running {
        sqlx::query(
            "UPDATE scans SET status = $1, call_uuid = $2, next_call_at = $3, updated_at = $3,
                              reason = NULL, caller_id = COALESCE($4, caller_id),
                              asked_by = COALESCE($5, asked_by)
             WHERE id = $6",
        )
        .bind(ScanStatus::Pending.code())
        .bind(call_uuid.to_string())
        .bind(now.0)
        .bind(&request.caller_id)
        .bind(request.asked_by.map(|u| u.0))
        .bind(id)
        .execute(&mut **tx)
        .await?;
    }
    Ok(CrawlAnswer::Queued { scan: ScanId(id), call_uuid })
}
