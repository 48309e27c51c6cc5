//! Text messages: the outbox, receipts, and what came in.
//!
//! A message is `sending` on disk before the carrier hears of it. If the process ends then, nobody
//! knows whether the carrier did, and it is looked up instead of being sent again.

use std::time::Duration;

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    DeliveryId, Store, StoreError, Time, UserId, Write, deliveries::insert_delivery, next_id,
};

/// Who is told that a message may have been sent has it accepted: if it was not, it is sent within
/// this time.
const AFTER_UNKNOWN: Duration = Duration::from_secs(24 * 3600);

row_id!(
    /// A message that was to be sent.
    SmsId
);
row_id!(
    /// A message that came in.
    IncomingId
);

/// A message that a client wants sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSms {
    /// To which number, as the client wrote it.
    pub to: String,
    /// The text.
    pub body: String,
    /// Where answers to it are to be told.
    pub callback_url: Option<String>,
    /// Who asks.
    pub asked_by: Option<UserId>,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmsState {
    /// Waits to be sent.
    Queued,
    /// The carrier is being told.
    Sending,
    /// The carrier took it.
    Sent,
    /// A receipt says that it arrived.
    Delivered,
    /// A receipt says that it did not.
    Undelivered,
    /// It was not sent and will not be.
    Failed,
    /// The carrier may have taken it.
    Unknown,
}

impl SmsState {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Undelivered,
        Self::Failed,
        Self::Unknown,
    ];

    /// As it is stored, and shown to clients.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// True while a carrier's answer may still change it.
    pub fn is_open(self) -> bool {
        match self {
            Self::Queued | Self::Sending => true,
            Self::Sent | Self::Delivered | Self::Undelivered | Self::Failed | Self::Unknown => {
                false
            }
        }
    }
}

/// A message and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsRow {
    /// Its id.
    pub id: SmsId,
    /// To which number.
    pub to: String,
    /// The text.
    pub body: String,
    /// Where answers are told.
    pub callback_url: Option<String>,
    /// Where it stands.
    pub state: SmsState,
    /// Why, when it failed or is unknown.
    pub reason: Option<String>,
    /// The carrier's id of it.
    pub provider_id: Option<String>,
    /// So often the carrier was told.
    pub attempts: i64,
    /// The code of the latest receipt; 0 for none.
    pub dlr_code: i64,
    /// The words of the latest receipt.
    pub dlr_status: Option<String>,
    /// When the latest attempt began.
    pub attempted_at: Option<Time>,
    /// After this it is not sent any more.
    pub give_up_at: Time,
    /// Looked up so often without being found.
    pub lookups: i64,
    /// When it was accepted.
    pub created_at: Time,
    /// When it changed.
    pub updated_at: Time,
}

/// What came of an attempt to send, or of looking a message up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmsOutcome {
    /// The carrier has it.
    Sent {
        /// Under this id, if it told one.
        provider_id: Option<String>,
    },
    /// It is not sent and will not be.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was certainly not sent; it may be tried again at this time, which makes it fail if it is
    /// not sent so late any more.
    Again {
        /// When.
        at: Time,
        /// Why it was not sent.
        reason: String,
    },
    /// It may have been sent. `None` when nobody will ever know.
    Unknown {
        /// When to look it up.
        look_at: Option<Time>,
        /// Why it is not known.
        reason: String,
    },
}

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReceipt {
    /// The carrier's id of the message; `None` means the message without one.
    pub provider_id: Option<String>,
    /// The carrier's code; `None` leaves the one that is known.
    pub code: Option<i64>,
    /// Its words.
    pub status: Option<String>,
}

/// A message that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIncoming {
    /// The carrier's id.
    pub provider_id: Option<String>,
    /// From whom.
    pub from: String,
    /// To which number of ours.
    pub to: String,
    /// The text.
    pub body: String,
    /// Addresses of pictures.
    pub media: Vec<String>,
    /// The body of the webhook that tells of it.
    pub webhook: String,
}

/// What was done with a message that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenIncoming {
    /// Its id.
    pub id: IncomingId,
    /// The message that it answers.
    pub answers: Option<SmsId>,
    /// The webhook that tells of it, if the answered message has an address for that and the spool
    /// had room.
    pub delivery: Option<DeliveryId>,
}

const COLUMNS: &str = "id, sms_to, body, callback_url, state, reason, provider_id, attempts, \
    dlr_code, dlr_status, attempted_at, give_up_at, lookups, created_at, updated_at";

impl Store {
    /// Accepts a message: it is sent until it was sent, or `patience` from now is over.
    pub async fn queue_sms(&self, sms: &NewSms, patience: Duration) -> Result<SmsId, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let id = next_id(&mut tx, "sms").await?;
        sqlx::query(
            "INSERT INTO sms (id, sms_to, body, callback_url, asked_by, state, attempts, next_at,
                              give_up_at, lookups, dlr_code, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, 'queued', 0, $6, $7, 0, 0, $6, $6)",
        )
        .bind(id)
        .bind(&sms.to)
        .bind(&sms.body)
        .bind(&sms.callback_url)
        .bind(sms.asked_by.map(|u| u.0))
        .bind(now.0)
        .bind(now.after(patience).0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(SmsId(id))
    }

    /// A message; `None` if there is none with this id.
    pub async fn sms(&self, id: SmsId) -> Result<Option<SmsRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sms WHERE id = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.0).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    /// The message that is to be sent next, now marked as being sent; `None` when none is due.
    /// Messages that are not sent so late any more fail.
    pub async fn begin_sms(&self) -> Result<Option<SmsRow>, StoreError> {
        let now = self.now();
        if self.next_sms_due().await?.is_none_or(|due| due > now) {
            return Ok(None);
        }
        let mut tx = self.begin_write().await?;
        sqlx::query(
            "UPDATE sms SET state = 'failed', next_at = NULL, updated_at = $1,
                 reason = COALESCE(reason, 'it could not be sent in time')
             WHERE next_at IS NOT NULL AND state = 'queued' AND give_up_at < $1",
        )
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
        let sql = format!(
            "UPDATE sms SET state = 'sending', next_at = NULL, attempts = attempts + 1,
                 attempted_at = $1, updated_at = $1
             WHERE id = (SELECT id FROM sms
                         WHERE next_at <= $1 AND state = 'queued' ORDER BY next_at, id LIMIT 1)
             RETURNING {COLUMNS}"
        );
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(now.0).fetch_optional(&mut *tx).await?;
        let job = row.as_ref().map(read).transpose()?;
        tx.commit().await?;
        Ok(job)
    }

    /// Messages that may have been sent and are due to be looked up, at most 100.
    pub async fn doubtful_sms(&self) -> Result<Vec<SmsRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sms WHERE next_at <= $1 AND state = 'unknown'
             ORDER BY id LIMIT 100"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.now().0)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Whether a message of ours already has this id of the carrier.
    pub async fn knows_sms(&self, provider_id: &str) -> Result<bool, StoreError> {
        let found: Option<i64> = sqlx::query_scalar("SELECT id FROM sms WHERE provider_id = $1")
            .bind(provider_id)
            .fetch_optional(&self.readers)
            .await?;
        Ok(found.is_some())
    }

    /// Writes down what came of sending a message, or of looking it up.
    pub async fn settle_sms(&self, id: SmsId, outcome: &SmsOutcome) -> Result<(), StoreError> {
        let now = self.now();
        let (state, provider_id, next_at, reason) = match outcome {
            SmsOutcome::Sent { provider_id } => ("sent", provider_id.as_deref(), None, None),
            SmsOutcome::Failed { reason } => ("failed", None, None, Some(reason)),
            SmsOutcome::Again { at, reason } => ("queued", None, Some(at.0), Some(reason)),
            SmsOutcome::Unknown { look_at, reason } => {
                ("unknown", None, look_at.map(|t| t.0), Some(reason))
            }
        };
        // A receipt may be here before the answer that it is a receipt of is on disk.
        sqlx::query(
            "UPDATE sms SET
                 state = CASE WHEN $1 = 'queued' AND $3 > give_up_at THEN 'failed' ELSE $1 END,
                 next_at = CASE WHEN $1 = 'queued' AND $3 > give_up_at THEN NULL ELSE $3 END,
                 lookups = CASE WHEN $1 = 'unknown' AND state = 'unknown' THEN lookups + 1
                                WHEN $1 = 'unknown' THEN 0 ELSE lookups END,
                 give_up_at = CASE WHEN $1 = 'unknown' AND $7 > give_up_at THEN $7
                                   ELSE give_up_at END,
                 provider_id = COALESCE($2, provider_id), reason = $4, updated_at = $5
             WHERE id = $6 AND state IN ('queued', 'sending', 'unknown')",
        )
        .bind(state)
        .bind(provider_id)
        .bind(next_at)
        .bind(reason)
        .bind(now.0)
        .bind(id.0)
        .bind(now.after(AFTER_UNKNOWN).0)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// A message could not be looked up: it is to be looked up at this time, or never again.
    pub async fn postpone_sms_lookup(&self, id: SmsId, at: Option<Time>) -> Result<(), StoreError> {
        sqlx::query("UPDATE sms SET next_at = $1 WHERE id = $2 AND state = 'unknown'")
            .bind(at.map(|t| t.0))
            .bind(id.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Messages that were being sent when an earlier process ended: now they are to be looked up.
    /// To be called at start. Returns how many.
    pub async fn recover_sms(&self) -> Result<u64, StoreError> {
        let now = self.now().0;
        let done = sqlx::query(
            "UPDATE sms SET state = 'unknown', next_at = $1, updated_at = $1, lookups = 0,
                 reason = 'the service stopped while the carrier was told'
             WHERE state = 'sending'",
        )
        .bind(now)
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected())
    }

    /// When a message is next to be sent or looked up; `None` when none is.
    pub async fn next_sms_due(&self) -> Result<Option<Time>, StoreError> {
        let due: Option<i64> =
            sqlx::query_scalar("SELECT MIN(next_at) FROM sms WHERE next_at IS NOT NULL")
                .fetch_one(&self.readers)
                .await?;
        Ok(due.map(Time))
    }

    /// Writes a receipt down. False, and nothing is changed, unless exactly one message has the
    /// carrier's id.
    pub async fn record_receipt(&self, receipt: &NewReceipt) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let found: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM sms
             WHERE provider_id = $1 OR (provider_id IS NULL AND $1 IS NULL) LIMIT 2",
        )
        .bind(&receipt.provider_id)
        .fetch_all(&mut *tx)
        .await?;
        let [id] = found.as_slice() else { return Ok(false) };
        // Statuses that were seen: "smsc submit", "message sent", "message buffered", "delivered",
        // "failed", "pending"; codes of failures are not published.
        let state = match receipt.status.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("delivered") => Some("delivered"),
            Some("failed" | "undelivered" | "rejected" | "expired") => Some("undelivered"),
            _ => None,
        };
        // A receipt proves that the carrier had the message. One that was passed on is not less
        // delivered because a receipt of an earlier step comes late.
        sqlx::query(
            "UPDATE sms SET
                 state = CASE WHEN $1 IS NOT NULL THEN $1
                              WHEN state IN ('delivered', 'undelivered') THEN state
                              ELSE 'sent' END,
                 next_at = NULL, dlr_code = COALESCE($2, dlr_code),
                 dlr_status = COALESCE($3, dlr_status), updated_at = $4
             WHERE id = $5",
        )
        .bind(state)
        .bind(receipt.code)
        .bind(&receipt.status)
        .bind(self.now().0)
        .bind(id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes a message that came in, and the webhook that tells of it, both or none: the newest
    /// message that was sent to exactly this sender says where.
    pub async fn take_incoming(&self, incoming: &NewIncoming) -> Result<TakenIncoming, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let answered = sqlx::query(
            "SELECT id, callback_url FROM sms WHERE sms_to = $1 ORDER BY id DESC LIMIT 1",
        )
        .bind(&incoming.from)
        .fetch_optional(&mut *tx)
        .await?;
        let (answers, url) = match answered {
            Some(row) => {
                (Some(row.try_get("id")?), row.try_get::<Option<String>, _>("callback_url")?)
            }
            None => (None, None),
        };
        let id = insert_incoming(&mut tx, incoming, answers, now).await?;
        let delivery = match url {
            Some(url) => insert_delivery(&mut tx, &url, &incoming.webhook, now).await?,
            None => None,
        };
        tx.commit().await?;
        self.deliveries.notify_one();
        Ok(TakenIncoming { id: IncomingId(id), answers: answers.map(SmsId), delivery })
    }
}

async fn insert_incoming(
    tx: &mut Write,
    incoming: &NewIncoming,
    answers: Option<i64>,
    now: Time,
) -> Result<i64, StoreError> {
    let id = next_id(tx, "incoming_sms").await?;
    let media = (!incoming.media.is_empty()).then(|| serde_json::json!(incoming.media).to_string());
    sqlx::query(
        "INSERT INTO incoming_sms (id, provider_id, sms_from, sms_to, body, media, sms_id,
                                   created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
    )
    .bind(id)
    .bind(&incoming.provider_id)
    .bind(&incoming.from)
    .bind(&incoming.to)
    .bind(&incoming.body)
    .bind(media)
    .bind(answers)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(id)
}

/// A message from its row.
pub(super) fn read(row: &SqliteRow) -> Result<SmsRow, StoreError> {
    let state: &str = row.try_get("state")?;
    let state = SmsState::ALL
        .into_iter()
        .find(|s| s.as_str() == state)
        .ok_or_else(|| StoreError::Senseless(format!("message state {state:?}")))?;
    Ok(SmsRow {
        id: SmsId(row.try_get("id")?),
        to: row.try_get("sms_to")?,
        body: row.try_get("body")?,
        callback_url: row.try_get("callback_url")?,
        state,
        reason: row.try_get("reason")?,
        provider_id: row.try_get("provider_id")?,
        attempts: row.try_get("attempts")?,
        dlr_code: row.try_get("dlr_code")?,
        dlr_status: row.try_get("dlr_status")?,
        attempted_at: row.try_get::<Option<i64>, _>("attempted_at")?.map(Time),
        give_up_at: Time(row.try_get("give_up_at")?),
        lookups: row.try_get("lookups")?,
        created_at: Time(row.try_get("created_at")?),
        updated_at: Time(row.try_get("updated_at")?),
    })
}
