//! Whether an operator has stopped all calls.

use sqlx::Row as _;

use super::{Store, StoreError, Time};

/// The state of the kill switch, and who changed it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Whether no call may be placed.
    pub stopped: bool,
    /// Who changed it; empty if nobody ever did.
    pub changed_by: String,
    /// When.
    pub changed_at: Time,
}

impl Store {
    /// The state of the kill switch.
    pub async fn halt(&self) -> Result<Halt, StoreError> {
        let row = sqlx::query("SELECT stopped, changed_by, changed_at FROM halt WHERE id = 1")
            .fetch_one(&self.readers)
            .await?;
        Ok(Halt {
            stopped: row.try_get("stopped")?,
            changed_by: row.try_get("changed_by")?,
            changed_at: Time(row.try_get("changed_at")?),
        })
    }

    /// Keeps the state of the kill switch for the next start.
    pub async fn set_halt(&self, stopped: bool, changed_by: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE halt SET stopped = $1, changed_by = $2, changed_at = $3 WHERE id = 1")
            .bind(stopped)
            .bind(changed_by)
            .bind(self.now().0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
