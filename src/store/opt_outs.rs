//! Numbers that are not to be called because somebody asked for that.

use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{Store, StoreError, Time};
use crate::policy::number::Called;

/// Numbers on the list.
pub const MAX_OPT_OUTS: i64 = 1_000_000;
/// Numbers that are entered in one transaction.
const BATCH: usize = 1_000;

/// A number on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// In international form, with the plus.
    pub number: String,
    /// Why, or where the wish came from; may be empty.
    pub note: String,
    /// Who entered it.
    pub added_by: String,
    /// When.
    pub created_at: Time,
}

impl Store {
    /// Enters numbers, and returns how many were not on the list. A number that is on it keeps its
    /// line.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] when the list is full; the numbers before that are entered.
    pub async fn add_opt_outs(
        &self,
        numbers: &[Called],
        note: &str,
        added_by: &str,
    ) -> Result<u64, StoreError> {
        let now = self.now();
        let mut added = 0;
        for batch in numbers.chunks(BATCH) {
            let mut tx = self.begin_write().await?;
            for number in batch {
                let inserted = sqlx::query(
                    "INSERT INTO opt_outs (number, note, added_by, created_at)
                     VALUES ($1, $2, $3, $4) ON CONFLICT (number) DO NOTHING",
                )
                .bind(number.digits())
                .bind(note)
                .bind(added_by)
                .bind(now.0)
                .execute(&mut *tx)
                .await?;
                added += inserted.rows_affected();
            }
            let listed: i64 =
                sqlx::query_scalar("SELECT COUNT(*) FROM opt_outs").fetch_one(&mut *tx).await?;
            if listed > MAX_OPT_OUTS {
                return Err(StoreError::TooMany {
                    what: "numbers that opted out",
                    most: MAX_OPT_OUTS,
                });
            }
            tx.commit().await?;
        }
        Ok(added)
    }

    /// Takes a number off the list; false if it was not on it.
    pub async fn remove_opt_out(&self, number: &Called) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM opt_outs WHERE number = $1")
            .bind(number.digits())
            .execute(&self.writer)
            .await?;
        Ok(removed.rows_affected() > 0)
    }

    /// Numbers on the list after `after` (digits, as a cursor), in their order, at most `limit`.
    pub async fn opt_outs(&self, after: &str, limit: u32) -> Result<Vec<OptOut>, StoreError> {
        let rows = sqlx::query("SELECT * FROM opt_outs WHERE number > $1 ORDER BY number LIMIT $2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(row).collect()
    }
}

/// Whether a number is on the list.
pub(super) async fn is_opted_out(
    tx: &mut SqliteConnection,
    number: &Called,
) -> Result<bool, StoreError> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT created_at FROM opt_outs WHERE number = $1")
            .bind(number.digits())
            .fetch_optional(&mut *tx)
            .await?;
    Ok(found.is_some())
}

fn row(row: &SqliteRow) -> Result<OptOut, StoreError> {
    Ok(OptOut {
        number: format!("+{}", row.try_get::<&str, _>("number")?),
        note: row.try_get("note")?,
        added_by: row.try_get("added_by")?,
        created_at: Time(row.try_get("created_at")?),
    })
}
