//! Numbers that are scanned again and again, and what their scans found.

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    CrawlRequest, New, ScanId, Store, StoreError, Time, Unique, UserId,
    deliveries::insert_delivery,
    next_id,
    queue::{start_scan, upsert_number},
};
use crate::crawl::schedule::Every;

row_id!(
    /// A number that is scanned again and again.
    ScheduleId
);

/// Schedules that are kept.
pub const MAX_SCHEDULES: i64 = 10_000;
/// Schedules that are looked at in one turn.
const MAX_TURN: i64 = 100;

/// A schedule as a client wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSchedule {
    /// What to dial.
    pub number: String,
    /// When.
    pub every: Every,
    /// From which number; `None` means the configured one.
    pub caller_id: Option<String>,
    /// Who is told when the menu changed.
    pub callback_url: Option<String>,
    /// The first scan; `None` while it is switched off.
    pub next_at: Option<Time>,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Its id.
    pub id: ScheduleId,
    /// What is dialled.
    pub number: String,
    /// When.
    pub every: Every,
    /// From which number; `None` means the configured one.
    pub caller_id: Option<String>,
    /// Who is told when the menu changed.
    pub callback_url: Option<String>,
    /// Who made it.
    pub asked_by: UserId,
    /// The next scan; `None` while it is switched off.
    pub next_at: Option<Time>,
    /// The scan that was begun last, until its menu has been compared.
    pub scan: Option<ScanId>,
    /// The scan that was compared last.
    pub compared_scan: Option<ScanId>,
    /// When a comparison last found a change.
    pub changed_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed.
    pub updated_at: Time,
}

/// A scheduled scan that is over, and the scan with which its menu is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedScan {
    /// The schedule.
    pub schedule: ScheduleRow,
    /// The scan.
    pub scan: ScanId,
    /// The scan of the number before it that heard something, rather one that is complete.
    pub before: Option<ScanId>,
}

impl Store {
    /// Makes a schedule. A number has one.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] when there is no room for another one.
    pub async fn create_schedule(
        &self,
        schedule: &NewSchedule,
        asked_by: UserId,
    ) -> Result<Unique<ScheduleRow>, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM schedules").fetch_one(&mut *tx).await?;
        if count >= MAX_SCHEDULES {
            return Err(StoreError::TooMany { what: "schedules", most: MAX_SCHEDULES });
        }
        let id = next_id(&mut tx, "schedules").await?;
        let (every_s, at_minute, time_zone) = columns(&schedule.every);
        let row = sqlx::query(
            "INSERT INTO schedules (id, number, every_s, at_minute, time_zone, caller_id,
                                    callback_url, asked_by, next_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
             ON CONFLICT (number) DO NOTHING RETURNING *",
        )
        .bind(id)
        .bind(&schedule.number)
        .bind(every_s)
        .bind(at_minute)
        .bind(time_zone)
        .bind(&schedule.caller_id)
        .bind(&schedule.callback_url)
        .bind(asked_by.0)
        .bind(schedule.next_at.map(|at| at.0))
        .bind(now.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(Unique::Taken) };
        let row = schedule_row(&row)?;
        tx.commit().await?;
        Ok(Unique::Done(row))
    }

    /// A schedule; `None` if there is none with this id.
    pub async fn schedule(&self, id: ScheduleId) -> Result<Option<ScheduleRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM schedules WHERE id = $1")
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(schedule_row).transpose()
    }

    /// Changes all of a schedule but its number; `None` if there is none.
    pub async fn update_schedule(
        &self,
        id: ScheduleId,
        schedule: &NewSchedule,
    ) -> Result<Option<ScheduleRow>, StoreError> {
        let (every_s, at_minute, time_zone) = columns(&schedule.every);
        let mut tx = self.begin_write().await?;
        let row = sqlx::query(
            "UPDATE schedules SET every_s = $1, at_minute = $2, time_zone = $3, caller_id = $4,
                                  callback_url = $5, next_at = $6, updated_at = $7
             WHERE id = $8 RETURNING *",
        )
        .bind(every_s)
        .bind(at_minute)
        .bind(time_zone)
        .bind(&schedule.caller_id)
        .bind(&schedule.callback_url)
        .bind(schedule.next_at.map(|at| at.0))
        .bind(self.now().0)
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        let row = row.as_ref().map(schedule_row).transpose()?;
        tx.commit().await?;
        Ok(row)
    }

    /// Deletes a schedule; false if there is none. A scan that it began goes on.
    pub async fn delete_schedule(&self, id: ScheduleId) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM schedules WHERE id = $1")
            .bind(id.0)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Schedules whose next scan is due, the longest due first.
    pub async fn due_schedules(&self) -> Result<Vec<ScheduleRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM schedules WHERE next_at <= $1 ORDER BY next_at, id LIMIT $2",
        )
        .bind(self.now().0)
        .bind(MAX_TURN)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(schedule_row).collect()
    }

    /// When the next scheduled scan is due.
    pub async fn next_schedule_due(&self) -> Result<Option<Time>, StoreError> {
        let due: Option<i64> =
            sqlx::query_scalar("SELECT MIN(next_at) FROM schedules WHERE next_at IS NOT NULL")
                .fetch_one(&self.readers)
                .await?;
        Ok(due.map(Time))
    }

    /// Begins the scan of a schedule that is due, whose next one is due at `next_at`. `None` when
    /// the schedule was changed meanwhile, or when its number is being scanned: then this turn is
    /// left out.
    pub async fn begin_scheduled_scan(
        &self,
        schedule: &ScheduleRow,
        next_at: Time,
    ) -> Result<Option<ScanId>, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let is_due =
            sqlx::query("UPDATE schedules SET next_at = $1 WHERE id = $2 AND next_at = $3")
                .bind(next_at.0)
                .bind(schedule.id.0)
                .bind(schedule.next_at.map(|at| at.0))
                .execute(&mut *tx)
                .await?;
        if is_due.rows_affected() == 0 {
            return Ok(None);
        }
        let under_way: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM scans s JOIN numbers n ON n.id = s.number_id
             WHERE n.number = $1 AND s.next_call_at IS NOT NULL",
        )
        .bind(&schedule.number)
        .fetch_one(&mut *tx)
        .await?;
        let mut begun = None;
        if under_way == 0 {
            let request = CrawlRequest {
                number: schedule.number.clone(),
                business_name: None,
                caller_id: schedule.caller_id.clone(),
                new: New::Force,
                asked_by: Some(schedule.asked_by),
            };
            let number = upsert_number(&mut tx, &request, self.max_attempt, now).await?;
            let (scan, _) = start_scan(&mut tx, number, &request, now).await?;
            sqlx::query("UPDATE schedules SET scan_id = $1 WHERE id = $2")
                .bind(scan.0)
                .bind(schedule.id.0)
                .execute(&mut *tx)
                .await?;
            begun = Some(scan);
        }
        tx.commit().await?;
        Ok(begun)
    }

    /// Scheduled scans that are over and whose menus have not been compared.
    pub async fn ended_scheduled_scans(&self) -> Result<Vec<EndedScan>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.*, (SELECT o.id FROM scans o
                 WHERE o.number_id = s.number_id AND o.id < s.id
                   AND EXISTS (SELECT 1 FROM menus m WHERE m.scan_id = o.id)
                 ORDER BY o.completed DESC, o.id DESC LIMIT 1) AS before_id
             FROM schedules p JOIN scans s ON s.id = p.scan_id
             WHERE p.scan_id IS NOT NULL AND s.next_call_at IS NULL
             ORDER BY p.id LIMIT $1",
        )
        .bind(MAX_TURN)
        .fetch_all(&self.readers)
        .await?;
        let ended = |row: &SqliteRow| {
            let schedule = schedule_row(row)?;
            let scan = schedule.scan.ok_or(StoreError::Missing("scan of this schedule"))?;
            let before = row.try_get::<Option<i64>, _>("before_id")?.map(ScanId);
            Ok(EndedScan { schedule, scan, before })
        };
        rows.iter().map(ended).collect()
    }

    /// Notes that a scheduled scan has been compared; with `change`, that the menu changed, and
    /// queues this text for who is to be told.
    pub async fn settle_scheduled_scan(
        &self,
        ended: &EndedScan,
        change: Option<&str>,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let settled = sqlx::query(
            "UPDATE schedules SET scan_id = NULL, compared_scan_id = $1,
                                  changed_at = CASE WHEN $2 THEN $3 ELSE changed_at END
             WHERE id = $4 AND scan_id = $1",
        )
        .bind(ended.scan.0)
        .bind(change.is_some())
        .bind(now.0)
        .bind(ended.schedule.id.0)
        .execute(&mut *tx)
        .await?;
        if settled.rows_affected() > 0
            && let (Some(url), Some(body)) = (&ended.schedule.callback_url, change)
        {
            insert_delivery(&mut tx, url, body, now).await?;
        }
        tx.commit().await?;
        self.deliveries.notify_one();
        Ok(())
    }
}

fn columns(every: &Every) -> (Option<i64>, Option<i64>, Option<&str>) {
    match every {
        Every::Seconds(seconds) => (Some(i64::from(*seconds)), None, None),
        Every::Day { minute, zone } => (None, Some(i64::from(*minute)), Some(zone)),
    }
}

/// A schedule from its row.
pub(super) fn schedule_row(row: &SqliteRow) -> Result<ScheduleRow, StoreError> {
    let id: i64 = row.try_get("id")?;
    let senseless = || StoreError::Senseless(format!("when schedule {id} is due"));
    let every = match row.try_get::<Option<i64>, _>("every_s")? {
        Some(seconds) => Every::Seconds(u32::try_from(seconds).map_err(|_| senseless())?),
        None => {
            let minute: i64 = row.try_get("at_minute")?;
            let minute = u16::try_from(minute).map_err(|_| senseless())?;
            Every::Day { minute, zone: row.try_get("time_zone")? }
        }
    };
    let time = |column| -> Result<Option<Time>, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(Time))
    };
    let scan = |column| -> Result<Option<ScanId>, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(ScanId))
    };
    Ok(ScheduleRow {
        id: ScheduleId(id),
        number: row.try_get("number")?,
        every,
        caller_id: row.try_get("caller_id")?,
        callback_url: row.try_get("callback_url")?,
        asked_by: UserId(row.try_get("asked_by")?),
        next_at: time("next_at")?,
        scan: scan("scan_id")?,
        compared_scan: scan("compared_scan_id")?,
        changed_at: time("changed_at")?,
        created_at: Time(row.try_get("created_at")?),
        updated_at: Time(row.try_get("updated_at")?),
    })
}
