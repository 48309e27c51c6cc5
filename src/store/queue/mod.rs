//! The queue of calls to be placed: it is the scans that are due.
//!
//! A worker leases a scan, places its call, and says how it went. A worker that dies leaves a
//! lease that ends by itself, or is taken back when the worker starts again under the same name;
//! the scan is due again and its half-made call is marked as aborted.

use std::time::Duration;

use sqlx::{Row as _, sqlite::SqliteRow};
use uuid::Uuid;

use super::{NumberId, ScanId, Store, StoreError, Time, UserId, Write};

mod recover;
mod request;

pub(super) use self::request::{start_scan, upsert_number};
use self::{
    recover::{Leases, release},
    request::REPLACED,
};

/// A scan's status as clients of the REST API know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanStatus {
    /// Waits for its next call.
    Pending,
    /// Its call is being placed.
    Calling,
    /// Its call was answered and listens.
    Answered,
    /// Its latest call is over; more may follow.
    Processed,
    /// Nothing is left to explore.
    Success,
    /// It was given up.
    Failed,
}

impl ScanStatus {
    /// As it is stored.
    pub(in crate::store) fn code(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Calling => 1,
            Self::Answered => 2,
            Self::Processed => 3,
            Self::Success => 4,
            Self::Failed => 5,
        }
    }

    /// All of them, in the order of a scan's life.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Calling,
        Self::Answered,
        Self::Processed,
        Self::Success,
        Self::Failed,
    ];

    /// From how it is stored; the table admits no other codes.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.code() == code)
    }

    /// As clients read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Calling => "Calling",
            Self::Answered => "Answered",
            Self::Processed => "Processed",
            Self::Success => "Success",
            Self::Failed => "Failed",
        }
    }
}

/// Which scan a request for a crawl means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum New {
    /// The unfinished one; a fresh one when the last is complete or there is none.
    Fresh,
    /// The unfinished one only; the first one when the number was never scanned.
    Continue,
    /// A fresh one in any case.
    Force,
}

/// A request that a number be crawled.
#[derive(Clone, Debug)]
pub struct CrawlRequest {
    /// The number exactly as the client wrote it.
    pub number: String,
    /// Whose number it is; `None` keeps what is known.
    pub business_name: Option<String>,
    /// From which number to call; `None` means the configured one.
    pub caller_id: Option<String>,
    /// Which scan is meant.
    pub new: New,
    /// Who asks.
    pub asked_by: Option<UserId>,
}

/// What came of a request for a crawl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrawlAnswer {
    /// A call is due now, or runs already.
    Queued {
        /// The scan that it serves.
        scan: ScanId,
        /// The call's id.
        call_uuid: Uuid,
    },
    /// The last scan is complete, and a fresh one was not asked for.
    CompletedAlready,
}

/// A scan whose next call is to be placed now, by whoever leased it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanJob {
    /// The scan.
    pub scan: ScanId,
    /// The number's row.
    pub number_id: NumberId,
    /// What to dial.
    pub number: String,
    /// From which number; `None` means the configured one.
    pub caller_id: Option<String>,
    /// The call's id, given out to the client who asked for it.
    pub call_uuid: Uuid,
    /// Who asked.
    pub asked_by: Option<UserId>,
    /// Calls to this number so far.
    pub attempt: u32,
    /// Calls in a row that brought nothing new; the base of the backoff.
    pub calls_without_news: u32,
    /// Whether the number is known to take no notice of keys while it speaks.
    pub ignores_early_keys: bool,
    /// When so many calls in a row bring nothing new, the scan is given up.
    pub max_attempt: u32,
}

/// How a call of a scan went.
#[derive(Clone, Debug, Default)]
pub struct CallOutcome {
    /// Whether something was learned that was not known.
    pub news: bool,
    /// Whether nothing is left to explore.
    pub complete: bool,
    /// Whether the call was ended for a reason that is not the number's, such as a stop of the
    /// service: without news it says nothing about the number, and is not counted.
    pub cut_short: bool,
    /// Whether the number took no notice of a key that was pressed while it spoke. Once learned, it
    /// is kept.
    pub ignores_early_keys: bool,
    /// Why the call, or the scan, ended, in one line.
    pub reason: String,
    /// The SIP status that refused the call, if one did.
    pub sip_status: Option<u16>,
    /// From the answer to the end; `None` if it was not answered.
    pub talked: Option<Duration>,
}

/// What a call's end means for its scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterCall {
    /// Nothing is left to explore.
    Complete,
    /// Another call is due at this time.
    Again(Time),
    /// No more calls are placed until somebody asks.
    GivenUp {
        /// Why, in one line.
        reason: String,
    },
}

/// What was found of an earlier life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Scans that were being worked on; they are due again, or were given up.
    pub scans: u64,
    /// Calls that were in flight; they are marked as aborted.
    pub calls: u64,
}

/// So many calls in a row without news end a scan, unless the store or the number say otherwise.
pub(in crate::store) const MAX_ATTEMPT: u32 = 10;

impl Store {
    /// The scan whose call is due longest, leased to `owner` until `lease` from now; `None` when
    /// none is due. A number never has two leased scans.
    ///
    /// Also ends leases that ran out, as [`Store::recover`] does.
    pub async fn lease_next(
        &self,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<ScanJob>, StoreError> {
        let now = self.now();
        // An idle worker asks often; asking must not cost a commit.
        if self.next_due().await?.is_none_or(|due| due > now) {
            return Ok(None);
        }
        let mut tx = self.begin_write().await?;
        release(&mut tx, Leases::EndedBy(now), now).await?;
        let row = sqlx::query(
            "UPDATE scans
             SET lease_owner = $1, lease_until = $2, call_uuid = COALESCE(call_uuid, $3),
                 status = $4, updated_at = $5
             WHERE lease_owner IS NULL AND id = (
                 SELECT s.id FROM scans s
                 WHERE s.next_call_at <= $5 AND s.lease_owner IS NULL
                   AND NOT EXISTS (SELECT 1 FROM scans o
                                   WHERE o.number_id = s.number_id AND o.lease_owner IS NOT NULL)
                 ORDER BY s.next_call_at, s.id LIMIT 1)
             RETURNING id, number_id, caller_id, call_uuid, asked_by",
        )
        .bind(owner)
        .bind(now.after(lease).0)
        .bind(Uuid::new_v4().to_string())
        .bind(ScanStatus::Calling.code())
        .bind(now.0)
        .fetch_optional(&mut *tx)
        .await?;
        let job = match row {
            Some(row) => Some(job(&mut tx, &row).await?),
            None => None,
        };
        tx.commit().await?;
        Ok(job)
    }

    /// Keeps a lease until `lease` from now.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when it ran out and was taken back: the call must end, and what it
    /// learns after this must not be stored.
    pub async fn renew_lease(&self, job: &ScanJob, lease: Duration) -> Result<(), StoreError> {
        let kept = sqlx::query(
            "UPDATE scans SET lease_until = $1
             WHERE id = $2 AND call_uuid = $3 AND lease_owner IS NOT NULL",
        )
        .bind(self.now().after(lease).0)
        .bind(job.scan.0)
        .bind(job.call_uuid.to_string())
        .execute(&self.writer)
        .await?;
        if kept.rows_affected() == 0 {
            return Err(StoreError::LeaseLost(job.scan.0));
        }
        Ok(())
    }

    /// The end of a scan's call: frees the scan, counts, and decides whether it is called again, at
    /// `next_call_at`. Closes the call's record if there is one.
    ///
    /// It is not called again when it is complete, when a newer scan of the number exists, when
    /// the number is not retried by itself, when so many calls in a row as the number allows
    /// brought nothing new, or when `next_call_at` is `None`.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the lease was taken back; the outcome is not counted.
    pub async fn finish_call(
        &self,
        job: &ScanJob,
        outcome: &CallOutcome,
        next_call_at: Option<Time>,
    ) -> Result<AfterCall, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let held = sqlx::query_scalar::<_, i64>(
            "SELECT id FROM scans WHERE id = $1 AND call_uuid = $2 AND lease_owner IS NOT NULL",
        )
        .bind(job.scan.0)
        .bind(job.call_uuid.to_string())
        .fetch_optional(&mut *tx)
        .await?;
        if held.is_none() {
            return Err(StoreError::LeaseLost(job.scan.0));
        }
        super::calls::close(&mut tx, job.call_uuid, outcome, now).await?;
        let after = end_call(&mut tx, job.scan, outcome, next_call_at, now).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Frees a scan whose call may not be placed before `until`; nothing is counted, and the call
    /// keeps its id. A scan that was replaced meanwhile is given up.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the lease was taken back.
    pub async fn put_off(
        &self,
        job: &ScanJob,
        until: Time,
        reason: &str,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let newer: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM scans WHERE number_id = $1 AND id > $2")
                .bind(job.number_id.0)
                .bind(job.scan.0)
                .fetch_one(&mut *tx)
                .await?;
        let (status, due, reason) = match newer {
            0 => (ScanStatus::Pending, Some(until.0), reason),
            _ => (ScanStatus::Failed, None, REPLACED),
        };
        let freed = sqlx::query(
            "UPDATE scans SET status = $1, next_call_at = $2, reason = $3, updated_at = $4,
                              lease_owner = NULL, lease_until = NULL
             WHERE id = $5 AND call_uuid = $6 AND lease_owner IS NOT NULL",
        )
        .bind(status.code())
        .bind(due)
        .bind(reason)
        .bind(now.0)
        .bind(job.scan.0)
        .bind(job.call_uuid.to_string())
        .execute(&mut *tx)
        .await?;
        if freed.rows_affected() == 0 {
            return Err(StoreError::LeaseLost(job.scan.0));
        }
        tx.commit().await?;
        Ok(())
    }

    /// When the next call is due, or the next lease ends; `None` when nothing waits. Not in the
    /// future: [`Store::lease_next`] has something to do.
    pub async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        let due: Option<i64> = sqlx::query_scalar(
            "SELECT MIN(CASE WHEN s.lease_owner IS NULL THEN s.next_call_at ELSE s.lease_until END)
             FROM scans s
             WHERE s.next_call_at IS NOT NULL
               AND (s.lease_owner IS NOT NULL OR NOT EXISTS (
                   SELECT 1 FROM scans o
                   WHERE o.number_id = s.number_id AND o.lease_owner IS NOT NULL))",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(due.map(Time))
    }
}

/// Fills a job from a leased row and the number that belongs to it.
async fn job(tx: &mut Write, scan: &SqliteRow) -> Result<ScanJob, StoreError> {
    let number_id: i64 = scan.try_get("number_id")?;
    let number = sqlx::query(
        "SELECT number, attempt, calls_without_news, max_attempt, ignores_early_keys
         FROM numbers WHERE id = $1",
    )
    .bind(number_id)
    .fetch_one(&mut **tx)
    .await?;
    let count = |column| -> Result<u32, StoreError> {
        Ok(u32::try_from(number.try_get::<i64, _>(column)?).unwrap_or(0))
    };
    Ok(ScanJob {
        scan: ScanId(scan.try_get("id")?),
        number_id: NumberId(number_id),
        number: number.try_get("number")?,
        caller_id: scan.try_get("caller_id")?,
        call_uuid: parse_uuid(scan.try_get("call_uuid")?)?,
        asked_by: scan.try_get::<Option<i64>, _>("asked_by")?.map(UserId),
        attempt: count("attempt")?,
        calls_without_news: count("calls_without_news")?,
        ignores_early_keys: number.try_get("ignores_early_keys")?,
        max_attempt: count("max_attempt")?,
    })
}

/// Counts a call that is over and decides what becomes of its scan.
async fn end_call(
    tx: &mut Write,
    scan: ScanId,
    outcome: &CallOutcome,
    next_call_at: Option<Time>,
    now: Time,
) -> Result<AfterCall, StoreError> {
    let number = sqlx::query(
        "UPDATE numbers
         SET calls_without_news = CASE WHEN $1 THEN 0 WHEN $4 THEN calls_without_news
                                       ELSE calls_without_news + 1 END,
             ignores_early_keys = ignores_early_keys OR $5,
             updated_at = $2
         WHERE id = (SELECT number_id FROM scans WHERE id = $3)
         RETURNING id, retry_auto, max_attempt, calls_without_news,
                   (SELECT MAX(id) FROM scans s WHERE s.number_id = numbers.id) AS newest",
    )
    .bind(outcome.news)
    .bind(now.0)
    .bind(scan.0)
    .bind(outcome.cut_short)
    .bind(outcome.ignores_early_keys)
    .fetch_one(&mut **tx)
    .await?;
    let (without_news, max_attempt): (i64, i64) =
        (number.try_get("calls_without_news")?, number.try_get("max_attempt")?);
    let is_newest = number.try_get::<i64, _>("newest")? == scan.0;
    let given_up = |reason: String| AfterCall::GivenUp { reason };
    let after = if outcome.complete {
        AfterCall::Complete
    } else if !is_newest {
        given_up(REPLACED.to_owned())
    } else if without_news >= max_attempt {
        given_up(format!("{without_news} calls in a row brought nothing new: {}", outcome.reason))
    } else {
        match next_call_at {
            Some(time) if number.try_get("retry_auto")? => AfterCall::Again(time),
            _ => given_up(outcome.reason.clone()),
        }
    };
    let (status, due, reason) = match &after {
        AfterCall::Complete => (ScanStatus::Success, None, &outcome.reason),
        AfterCall::Again(time) => (ScanStatus::Processed, Some(time.0), &outcome.reason),
        AfterCall::GivenUp { reason } => (ScanStatus::Failed, None, reason),
    };
    sqlx::query(
        "UPDATE scans SET status = $1, completed = $2, reason = $3, next_call_at = $4,
                          call_uuid = NULL, lease_owner = NULL, lease_until = NULL, updated_at = $5
         WHERE id = $6",
    )
    .bind(status.code())
    .bind(outcome.complete)
    .bind(reason)
    .bind(due)
    .bind(now.0)
    .bind(scan.0)
    .execute(&mut **tx)
    .await?;
    if is_newest {
        sqlx::query("UPDATE numbers SET completed = $1 WHERE id = $2")
            .bind(outcome.complete)
            .bind(number.try_get::<i64, _>("id")?)
            .execute(&mut **tx)
            .await?;
    }
    Ok(after)
}

/// A call's id from its column.
pub(in crate::store) fn parse_uuid(text: &str) -> Result<Uuid, StoreError> {
    Uuid::parse_str(text).map_err(|_| StoreError::Senseless(format!("call id {text:?}")))
}
