//! The record of every call that was placed.

use std::time::Duration;

use sqlx::{Row as _, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    CallOutcome, ScanId, ScanJob, Store, StoreError, Time, UserId, Write, next_id,
    queue::{ScanStatus, parse_uuid},
};

/// Where a call stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// The INVITE was sent.
    Dialling,
    /// The other side rings, or plays early media.
    Ringing,
    /// It was answered.
    Answered,
    /// It was answered and is over.
    Ended,
    /// It was never answered.
    Failed,
    /// The service stopped while it was on.
    Aborted,
}

impl CallState {
    /// All of them, in the order of a call's life.
    pub const ALL: [Self; 6] =
        [Self::Dialling, Self::Ringing, Self::Answered, Self::Ended, Self::Failed, Self::Aborted];

    /// As it is stored, and shown to clients.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dialling => "dialling",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }
}

/// A call that is about to be placed.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// Its id.
    pub uuid: Uuid,
    /// The scan that it serves, if it does.
    pub scan: Option<ScanId>,
    /// What is dialled.
    pub number: String,
    /// From which number.
    pub caller_id: Option<String>,
    /// Who asked for it.
    pub asked_by: Option<UserId>,
}

impl NewCall {
    /// The call that a leased scan asks for.
    pub fn of(job: &ScanJob) -> Self {
        Self {
            uuid: job.call_uuid,
            scan: Some(job.scan),
            number: job.number.clone(),
            caller_id: job.caller_id.clone(),
            asked_by: job.asked_by,
        }
    }
}

/// Something that a call reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallStep {
    /// A provisional response that says it rings.
    Ringing,
    /// It was answered.
    Answered,
    /// Its recording is kept here, relative to the data directory.
    Recording(String),
}

/// How a call that serves no scan ended; for the others see [`Store::finish_call`].
#[derive(Clone, Debug, Default)]
pub struct CallEnd {
    /// Why, in one line.
    pub reason: String,
    /// The SIP status that refused it, if one did.
    pub sip_status: Option<u16>,
    /// From the answer to the end; `None` if it was not answered, or if the call still was on a
    /// moment ago: then the record counts from its answer until now.
    pub talked: Option<Duration>,
}

/// A call as it is on record.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// Its id.
    pub uuid: Uuid,
    /// The scan that it served, if it did.
    pub scan: Option<ScanId>,
    /// What was dialled.
    pub number: String,
    /// From which number; `None` means the configured one.
    pub caller_id: Option<String>,
    /// Who asked for it.
    pub asked_by: Option<UserId>,
    /// Where it stands.
    pub state: CallState,
    /// When it was placed.
    pub started_at: Time,
    /// When it was answered.
    pub answered_at: Option<Time>,
    /// When it was over.
    pub ended_at: Option<Time>,
    /// The SIP status that refused it.
    pub sip_status: Option<u16>,
    /// Why it ended, in one line.
    pub reason: Option<String>,
    /// From the answer to the end.
    pub seconds: Option<f64>,
    /// Its recording, relative to the data directory.
    pub recording: Option<String>,
}

impl Store {
    /// Records that a call is being placed, whatever the policy says of it; calls of the service go
    /// through [`Store::clear_call`]. For a scan's call it counts the number's attempt: a call that
    /// kills the process has been counted.
    pub async fn begin_call(&self, call: &NewCall) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        begin(&mut tx, call, self.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Records what a call reached. A call that is over is not changed any more, but for its
    /// recording.
    pub async fn update_call(&self, uuid: Uuid, step: &CallStep) -> Result<(), StoreError> {
        let now = self.now();
        let uuid = uuid.to_string();
        let mut tx = self.begin_write().await?;
        let query = match step {
            CallStep::Ringing => sqlx::query(
                "UPDATE calls SET state = 'ringing' WHERE uuid = $1 AND state = 'dialling'",
            )
            .bind(&uuid),
            CallStep::Answered => sqlx::query(
                "UPDATE calls SET state = 'answered', answered_at = COALESCE(answered_at, $2)
                 WHERE uuid = $1 AND ended_at IS NULL",
            )
            .bind(&uuid)
            .bind(now.0),
            CallStep::Recording(file) => {
                sqlx::query("UPDATE calls SET recording = $2 WHERE uuid = $1")
                    .bind(&uuid)
                    .bind(file)
            }
        };
        query.execute(&mut *tx).await?;
        if *step == CallStep::Answered {
            sqlx::query(
                "UPDATE scans SET status = $1, updated_at = $2
                 WHERE call_uuid = $3 AND lease_owner IS NOT NULL",
            )
            .bind(ScanStatus::Answered.code())
            .bind(now.0)
            .bind(&uuid)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Records the end of a call that serves no scan.
    pub async fn end_call(&self, uuid: Uuid, end: &CallEnd) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let outcome = CallOutcome {
            reason: end.reason.clone(),
            sip_status: end.sip_status,
            talked: end.talked,
            ..CallOutcome::default()
        };
        close(&mut tx, uuid, &outcome, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A call's record.
    pub async fn call(&self, uuid: Uuid) -> Result<Option<CallRecord>, StoreError> {
        let row = sqlx::query("SELECT * FROM calls WHERE uuid = $1")
            .bind(uuid.to_string())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(record).transpose()
    }

    /// The scan whose next call has this id; `None` if no such call waits or runs.
    pub async fn scan_of_waiting_call(&self, uuid: Uuid) -> Result<Option<ScanId>, StoreError> {
        let id: Option<i64> = sqlx::query_scalar("SELECT id FROM scans WHERE call_uuid = $1")
            .bind(uuid.to_string())
            .fetch_optional(&self.readers)
            .await?;
        Ok(id.map(ScanId))
    }

    /// The calls of a scan in the order in which they were placed.
    pub async fn calls_of(&self, scan: ScanId) -> Result<Vec<CallRecord>, StoreError> {
        let rows = sqlx::query("SELECT * FROM calls WHERE scan_id = $1 ORDER BY id")
            .bind(scan.0)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(record).collect()
    }
}

/// Begins a call's record, and counts the attempt if it is a scan's.
pub(super) async fn begin(tx: &mut Write, call: &NewCall, now: Time) -> Result<(), StoreError> {
    let id = next_id(tx, "calls").await?;
    sqlx::query(
        "INSERT INTO calls (id, uuid, scan_id, number, caller_id, asked_by, state, started_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id)
    .bind(call.uuid.to_string())
    .bind(call.scan.map(|s| s.0))
    .bind(&call.number)
    .bind(&call.caller_id)
    .bind(call.asked_by.map(|u| u.0))
    .bind(CallState::Dialling.as_str())
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    let Some(scan) = call.scan else { return Ok(()) };
    let attempt: i64 = sqlx::query_scalar(
        "UPDATE numbers SET attempt = attempt + 1, updated_at = $1
         WHERE id = (SELECT number_id FROM scans WHERE id = $2) RETURNING attempt",
    )
    .bind(now.0)
    .bind(scan.0)
    .fetch_one(&mut **tx)
    .await?;
    sqlx::query("UPDATE scans SET attempt = $1, status = $2, updated_at = $3 WHERE id = $4")
        .bind(attempt)
        .bind(ScanStatus::Calling.code())
        .bind(now.0)
        .bind(scan.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes a call's end into its record, if it has one that is open.
pub(super) async fn close(
    tx: &mut Write,
    uuid: Uuid,
    outcome: &CallOutcome,
    now: Time,
) -> Result<(), StoreError> {
    let uuid = uuid.to_string();
    let answered_at: Option<Option<i64>> =
        sqlx::query_scalar("SELECT answered_at FROM calls WHERE uuid = $1 AND ended_at IS NULL")
            .bind(&uuid)
            .fetch_optional(&mut **tx)
            .await?;
    let Some(answered_at) = answered_at else { return Ok(()) };
    let talked = outcome.talked.or_else(|| answered_at.map(|at| now.since(Time(at))));
    let state = if talked.is_some() { CallState::Ended } else { CallState::Failed };
    sqlx::query(
        "UPDATE calls SET state = $1, ended_at = $2, sip_status = $3, reason = $4, seconds = $5
         WHERE uuid = $6",
    )
    .bind(state.as_str())
    .bind(now.0)
    .bind(outcome.sip_status.map(i64::from))
    .bind(&outcome.reason)
    .bind(talked.map(|t| t.as_secs_f64()))
    .bind(&uuid)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Marks a call of an earlier life.
pub(super) async fn abort(
    tx: &mut Write,
    uuid: Uuid,
    reason: &str,
    now: Time,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE calls SET state = 'aborted', ended_at = $1, reason = $2
         WHERE uuid = $3 AND ended_at IS NULL",
    )
    .bind(now.0)
    .bind(reason)
    .bind(uuid.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Marks the calls of an earlier life that helped a scan's own.
pub(super) async fn abort_helpers(
    tx: &mut Write,
    scan: ScanId,
    reason: &str,
    now: Time,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE calls SET state = 'aborted', ended_at = $1, reason = $2
         WHERE scan_id = $3 AND ended_at IS NULL",
    )
    .bind(now.0)
    .bind(reason)
    .bind(scan.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A call from its row.
pub(super) fn record(row: &SqliteRow) -> Result<CallRecord, StoreError> {
    let state: &str = row.try_get("state")?;
    let time = |column| -> Result<Option<Time>, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(Time))
    };
    Ok(CallRecord {
        uuid: parse_uuid(row.try_get("uuid")?)?,
        scan: row.try_get::<Option<i64>, _>("scan_id")?.map(ScanId),
        number: row.try_get("number")?,
        caller_id: row.try_get("caller_id")?,
        asked_by: row.try_get::<Option<i64>, _>("asked_by")?.map(UserId),
        state: CallState::ALL
            .into_iter()
            .find(|s| s.as_str() == state)
            .ok_or_else(|| StoreError::Senseless(format!("call state {state:?}")))?,
        started_at: Time(row.try_get("started_at")?),
        answered_at: time("answered_at")?,
        ended_at: time("ended_at")?,
        sip_status: row
            .try_get::<Option<i64>, _>("sip_status")?
            .and_then(|s| u16::try_from(s).ok()),
        reason: row.try_get("reason")?,
        seconds: row.try_get("seconds")?,
        recording: row.try_get("recording")?,
    })
}
