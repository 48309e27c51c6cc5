//! The audit: one line for every call that was placed or refused, written in the transaction that
//! decides, so that no two calls are decided on the same counts.

use std::time::Duration;

use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{NewCall, ScanId, Store, StoreError, Time, UserId, Write, next_id, queue::parse_uuid};
use crate::policy::{
    Clearance, Counts, DAY, HOUR, Purpose, Refusal, Request, Rule, Usage, Window, number::Called,
};

/// Lines that are kept; beyond that the oldest go. Some years of a busy service.
pub const MAX_AUDIT: i64 = 10_000_000;
/// How often it is looked whether lines have to go: once in so many lines.
const SWEEP_EVERY: i64 = 1_000;

/// Begun minutes of a call `c` with the line `a` that let it through; 0 of one that is not over.
/// Whole numbers throughout. The length that was measured counts; where a crash kept it from being
/// written, the time until the next start, but no more than the call was let through for.
const BEGUN_MINUTES: &str = "CASE
    WHEN c.answered_at IS NULL OR c.ended_at IS NULL THEN 0
    WHEN c.seconds IS NOT NULL THEN (CAST(c.seconds * 1000 AS BIGINT) + 59999) / 60000
    WHEN a.minutes < (c.ended_at - c.answered_at + 59999999) / 60000000 THEN a.minutes
    ELSE (c.ended_at - c.answered_at + 59999999) / 60000000 END";

row_id!(
    /// A line of the audit.
    AuditId
);

/// What came of a wish for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call was placed.
    Placed,
    /// It was refused.
    Refused(Rule),
    /// It was refused for now, and is asked for again by itself.
    PutOff(Rule),
}

impl Verdict {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Refused(_) => "refused",
            Self::PutOff(_) => "put_off",
        }
    }

    /// The rule that decided.
    pub fn rule(self) -> Option<Rule> {
        match self {
            Self::Placed => None,
            Self::Refused(rule) | Self::PutOff(rule) => Some(rule),
        }
    }
}

/// A line of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its id; later lines have higher ones.
    pub id: AuditId,
    /// When it was decided.
    pub at: Time,
    /// The call's id; `None` when a request was refused before a call was made of it.
    pub call: Option<Uuid>,
    /// The number as it was asked for.
    pub number: String,
    /// From which number; `None` for the configured one.
    pub caller_id: Option<String>,
    /// Who asked.
    pub asked_by: Option<UserId>,
    /// The name that user had.
    pub asked_name: Option<String>,
    /// What for.
    pub purpose: Purpose,
    /// The scan, if it is for one.
    pub scan: Option<ScanId>,
    /// What came of it.
    pub verdict: Verdict,
    /// Why it was refused.
    pub reason: Option<String>,
}

impl Store {
    /// Decides about a call that is about to be placed, and writes the decision down; if it may be
    /// placed, its record begins (see [`Store::begin_call`]). To be called before the INVITE is
    /// sent. `judge` gets what it may ask: the request, what was called before (the minutes of the
    /// day only `with_day`), and the time.
    pub async fn clear_call(
        &self,
        call: &NewCall,
        with_day: bool,
        judge: impl FnOnce(&Request, &Counts, Time) -> Result<Clearance, Refusal> + Send,
    ) -> Result<Result<Clearance, Refusal>, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let counts = counts(&mut tx, &call.number, call.scan, with_day, now).await?;
        let purpose = match counts.scan {
            None => Purpose::Call,
            Some(Usage { calls: 0, .. }) => Purpose::Crawl,
            Some(_) => Purpose::Retry,
        };
        let request = Request {
            number: call.number.clone(),
            caller_id: call.caller_id.clone(),
            asked_by: call.asked_by,
            purpose,
        };
        let judged = judge(&request, &counts, now);
        let verdict = match &judged {
            Ok(_) => Verdict::Placed,
            Err(Refusal { rule, until: Some(_), .. }) if call.scan.is_some() => {
                Verdict::PutOff(*rule)
            }
            Err(refusal) => Verdict::Refused(refusal.rule),
        };
        let line = Line {
            request: &request,
            call: Some(call.uuid),
            scan: call.scan,
            verdict,
            reason: judged.as_ref().err().map(|refusal| refusal.why.as_str()),
            minutes: judged.as_ref().map_or(0, |clearance| clearance.minutes),
        };
        insert(&mut tx, &line, now).await?;
        if judged.is_ok() {
            super::calls::begin(&mut tx, call, now).await?;
        }
        tx.commit().await?;
        Ok(judged)
    }

    /// What was called before, for a request of which no call has been made yet. Nothing is
    /// written.
    pub async fn call_counts(&self, number: &str, with_day: bool) -> Result<Counts, StoreError> {
        let mut tx = self.begin_read().await?;
        counts(&mut tx, number, None, with_day, self.now()).await
    }

    /// Writes down that a request was refused before a call was made of it.
    pub async fn audit_refusal(
        &self,
        request: &Request,
        refusal: &Refusal,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let line = Line {
            request,
            call: None,
            scan: None,
            verdict: Verdict::Refused(refusal.rule),
            reason: Some(&refusal.why),
            minutes: 0,
        };
        insert(&mut tx, &line, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Lines after the one with the id `after`, oldest first, at most `limit`; only those of
    /// `number`, however it is written, if it is given.
    pub async fn audit(
        &self,
        number: Option<&str>,
        after: AuditId,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let e164 = number.and_then(|number| Called::read(number).ok());
        let rows = match number {
            None => {
                sqlx::query("SELECT * FROM audit WHERE id > $1 ORDER BY id LIMIT $2")
                    .bind(after.0)
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?
            }
            Some(number) => {
                sqlx::query(
                    "SELECT * FROM audit WHERE id > $1 AND (e164 = $3 OR number = $4)
                     ORDER BY id LIMIT $2",
                )
                .bind(after.0)
                .bind(i64::from(limit))
                .bind(e164.as_ref().map(Called::digits))
                .bind(number)
                .fetch_all(&self.readers)
                .await?
            }
        };
        rows.iter().map(row).collect()
    }

    /// What a scan has used so far; the minutes are those of calls that are over.
    pub async fn scan_usage(&self, scan: ScanId) -> Result<Usage, StoreError> {
        let mut tx = self.begin_read().await?;
        usage(&mut tx, scan).await
    }

    /// Calls to a number that are not over.
    pub async fn running_calls(&self, number: &Called) -> Result<u32, StoreError> {
        let mut tx = self.begin_read().await?;
        running(&mut tx, number, self.now()).await
    }
}

/// A line before it has an id.
struct Line<'a> {
    request: &'a Request,
    call: Option<Uuid>,
    scan: Option<ScanId>,
    verdict: Verdict,
    reason: Option<&'a str>,
    minutes: u32,
}

async fn insert(tx: &mut Write, line: &Line<'_>, now: Time) -> Result<(), StoreError> {
    let id = next_id(tx, "audit").await?;
    let request = line.request;
    sqlx::query(
        "INSERT INTO audit (id, at, call_uuid, number, e164, caller_id, asked_by, asked_name,
                            purpose, scan_id, verdict, rule, reason, minutes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, (SELECT name FROM users WHERE id = $7),
                 $8, $9, $10, $11, $12, $13)",
    )
    .bind(id)
    .bind(now.0)
    .bind(line.call.map(|uuid| uuid.to_string()))
    .bind(&request.number)
    .bind(Called::read(&request.number).ok().map(|called| called.digits().to_owned()))
    .bind(&request.caller_id)
    .bind(request.asked_by.map(|user| user.0))
    .bind(request.purpose.as_str())
    .bind(line.scan.map(|scan| scan.0))
    .bind(line.verdict.as_str())
    .bind(line.verdict.rule().map(Rule::as_str))
    .bind(line.reason)
    .bind(i64::from(line.minutes))
    .execute(&mut **tx)
    .await?;
    if id % SWEEP_EVERY == 0 {
        sqlx::query("DELETE FROM audit WHERE id <= $1")
            .bind(id - MAX_AUDIT)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

async fn counts(
    tx: &mut SqliteConnection,
    number: &str,
    scan: Option<ScanId>,
    with_day: bool,
    now: Time,
) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    if let Some(scan) = scan {
        counts.scan = Some(usage(tx, scan).await?);
    }
    // What is no number is refused whatever was called before.
    let Ok(called) = Called::read(number) else { return Ok(counts) };
    counts.opted_out = super::opt_outs::is_opted_out(tx, &called).await?;
    counts.running = running(tx, &called, now).await?;
    counts.number_hour = placed(tx, Some(&called), before(now, HOUR)).await?;
    counts.number_day = placed(tx, Some(&called), before(now, DAY)).await?;
    counts.hour = placed(tx, None, before(now, HOUR)).await?;
    if with_day {
        let query = format!(
            "SELECT CAST(SUM(CASE WHEN c.ended_at IS NULL THEN a.minutes ELSE {BEGUN_MINUTES} END)
                         AS BIGINT) AS minutes,
                    MIN(a.at) AS oldest
             FROM audit a JOIN calls c ON c.uuid = a.call_uuid
             WHERE a.verdict = 'placed' AND a.at > $1"
        );
        let day = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(before(now, DAY).0)
            .fetch_one(&mut *tx)
            .await?;
        let minutes: Option<i64> = day.try_get("minutes")?;
        counts.day_minutes = u64::try_from(minutes.unwrap_or(0)).unwrap_or(0);
        counts.day_oldest = day.try_get::<Option<i64>, _>("oldest")?.map(Time);
    }
    Ok(counts)
}

/// Calls that were placed since a time.
async fn placed(
    tx: &mut SqliteConnection,
    called: Option<&Called>,
    since: Time,
) -> Result<Window, StoreError> {
    const ALL: &str = "SELECT COUNT(*) AS calls, MIN(at) AS oldest FROM audit
                       WHERE verdict = 'placed' AND at > $1";
    const ONE: &str = "SELECT COUNT(*) AS calls, MIN(at) AS oldest FROM audit
                       WHERE verdict = 'placed' AND at > $1 AND e164 = $2";
    let query = match called {
        None => sqlx::query(ALL).bind(since.0),
        Some(called) => sqlx::query(ONE).bind(since.0).bind(called.digits().to_owned()),
    };
    let row = query.fetch_one(&mut *tx).await?;
    Ok(Window {
        calls: u32::try_from(row.try_get::<i64, _>("calls")?).unwrap_or(u32::MAX),
        oldest: row.try_get::<Option<i64>, _>("oldest")?.map(Time),
    })
}

/// Calls to a number that are not over. One that began more than a day ago is: no call may last
/// that long, and a record whose end could not be written must not close the number.
async fn running(tx: &mut SqliteConnection, called: &Called, now: Time) -> Result<u32, StoreError> {
    let calls: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM calls c JOIN audit a ON a.call_uuid = c.uuid
         WHERE c.ended_at IS NULL AND c.started_at > $1
           AND a.verdict = 'placed' AND a.e164 = $2",
    )
    .bind(before(now, DAY).0)
    .bind(called.digits())
    .fetch_one(&mut *tx)
    .await?;
    Ok(u32::try_from(calls).unwrap_or(u32::MAX))
}

async fn usage(tx: &mut SqliteConnection, scan: ScanId) -> Result<Usage, StoreError> {
    let query = format!(
        "SELECT COUNT(*) AS calls, CAST(SUM({BEGUN_MINUTES}) AS BIGINT) AS minutes
         FROM calls c LEFT JOIN audit a ON a.call_uuid = c.uuid AND a.verdict = 'placed'
         WHERE c.scan_id = $1"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(scan.0).fetch_one(&mut *tx).await?;
    let minutes: Option<i64> = row.try_get("minutes")?;
    Ok(Usage {
        calls: u32::try_from(row.try_get::<i64, _>("calls")?).unwrap_or(u32::MAX),
        minutes: u64::try_from(minutes.unwrap_or(0)).unwrap_or(0),
    })
}

/// The moment `duration` earlier.
fn before(now: Time, duration: Duration) -> Time {
    Time(now.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
}

fn row(row: &SqliteRow) -> Result<AuditRow, StoreError> {
    let senseless = |what: &str| StoreError::Senseless(format!("audit {what}"));
    let rule = row.try_get::<Option<&str>, _>("rule")?;
    let rule = rule.map(|name| Rule::from_name(name).ok_or_else(|| senseless(name))).transpose()?;
    let verdict = match (row.try_get::<&str, _>("verdict")?, rule) {
        ("placed", None) => Verdict::Placed,
        ("refused", Some(rule)) => Verdict::Refused(rule),
        ("put_off", Some(rule)) => Verdict::PutOff(rule),
        (other, _) => return Err(senseless(other)),
    };
    let purpose: &str = row.try_get("purpose")?;
    Ok(AuditRow {
        id: AuditId(row.try_get("id")?),
        at: Time(row.try_get("at")?),
        call: row.try_get::<Option<&str>, _>("call_uuid")?.map(parse_uuid).transpose()?,
        number: row.try_get("number")?,
        caller_id: row.try_get("caller_id")?,
        asked_by: row.try_get::<Option<i64>, _>("asked_by")?.map(UserId),
        asked_name: row.try_get("asked_name")?,
        purpose: Purpose::from_name(purpose).ok_or_else(|| senseless(purpose))?,
        scan: row.try_get::<Option<i64>, _>("scan_id")?.map(ScanId),
        verdict,
        reason: row.try_get("reason")?,
    })
}
