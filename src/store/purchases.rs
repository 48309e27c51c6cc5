//! The journal of purchases: a number is written down before it is bought, so that no purchase is
//! lost, whenever the process ends.

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{Store, StoreError, UserId, dids::insert_did, next_id};

row_id!(
    /// A purchase of a number.
    PurchaseId
);

/// Where a purchase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurchaseState {
    /// The carrier is being asked, or was and we do not know its answer.
    Buying,
    /// The carrier sold it.
    Bought,
    /// It stands among our numbers.
    Saved,
    /// The carrier did not sell it.
    Refused,
}

impl PurchaseState {
    const ALL: [Self; 4] = [Self::Buying, Self::Bought, Self::Saved, Self::Refused];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buying => "buying",
            Self::Bought => "bought",
            Self::Saved => "saved",
            Self::Refused => "refused",
        }
    }
}

/// A purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurchaseRow {
    /// Its id.
    pub id: PurchaseId,
    /// The number, as the carrier writes it.
    pub number: String,
    /// The extension that is to be called there.
    pub extension: i64,
    /// Who asked.
    pub asked_by: Option<UserId>,
    /// Where it stands.
    pub state: PurchaseState,
    /// Whether its calls take our route.
    pub routed: bool,
    /// What went wrong last.
    pub reason: Option<String>,
}

impl Store {
    /// Writes down that a number is going to be bought. `None` if it is being bought already.
    pub async fn begin_purchase(
        &self,
        number: &str,
        extension: i64,
        asked_by: Option<UserId>,
    ) -> Result<Option<PurchaseRow>, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let id = next_id(&mut tx, "purchases").await?;
        let row = sqlx::query(
            "INSERT INTO purchases (id, number, extension_id, asked_by, state, routed, created_at,
                                    updated_at)
             VALUES ($1, $2, $3, $4, 'buying', FALSE, $5, $5)
             ON CONFLICT (number) WHERE state IN ('buying', 'bought') DO NOTHING
             RETURNING id, number, extension_id, asked_by, state, routed, reason",
        )
        .bind(id)
        .bind(number)
        .bind(extension)
        .bind(asked_by.map(|u| u.0))
        .bind(now.0)
        .fetch_optional(&mut *tx)
        .await?;
        let purchase = row.as_ref().map(read).transpose()?;
        tx.commit().await?;
        Ok(purchase)
    }

    /// Writes down that the carrier sold the number, or did not, and why.
    pub async fn settle_purchase(
        &self,
        id: PurchaseId,
        sold: Result<(), &str>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE purchases SET state = $1, reason = $2, updated_at = $3
             WHERE id = $4 AND state = 'buying'",
        )
        .bind(if sold.is_ok() { "bought" } else { "refused" })
        .bind(sold.err())
        .bind(self.now().0)
        .bind(id.0)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Writes down why a purchase is not over yet.
    pub async fn doubt_purchase(&self, id: PurchaseId, reason: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE purchases SET reason = $1, updated_at = $2 WHERE id = $3")
            .bind(reason)
            .bind(self.now().0)
            .bind(id.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Writes down that calls to the number take our route.
    pub async fn purchase_routed(&self, id: PurchaseId) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE purchases SET routed = TRUE, reason = NULL, updated_at = $1 WHERE id = $2",
        )
        .bind(self.now().0)
        .bind(id.0)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Purchases that are not over, oldest first: bought or perhaps bought, or not routed yet.
    pub async fn open_purchases(&self) -> Result<Vec<PurchaseRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, number, extension_id, asked_by, state, routed, reason FROM purchases
             WHERE state IN ('buying', 'bought') OR state = 'saved' AND NOT routed
             ORDER BY id LIMIT 1000",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(read).collect()
    }

    /// A purchase.
    pub async fn purchase(&self, id: PurchaseId) -> Result<Option<PurchaseRow>, StoreError> {
        let row = sqlx::query(
            "SELECT id, number, extension_id, asked_by, state, routed, reason FROM purchases
             WHERE id = $1",
        )
        .bind(id.0)
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// Enters a number that `seller` sold among ours, and writes down that it stands there; both or
    /// neither. Nothing is done for a purchase that is not bought, or saved already.
    pub async fn save_purchase(&self, id: PurchaseId, seller: &str) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let bought = sqlx::query(
            "UPDATE purchases SET state = 'saved', updated_at = $1
             WHERE id = $2 AND state = 'bought' RETURNING number, extension_id",
        )
        .bind(now.0)
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = bought {
            let number: String = row.try_get("number")?;
            insert_did(&mut tx, seller, &number, row.try_get("extension_id")?, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

fn read(row: &SqliteRow) -> Result<PurchaseRow, StoreError> {
    let state: &str = row.try_get("state")?;
    let state = PurchaseState::ALL
        .into_iter()
        .find(|s| s.as_str() == state)
        .ok_or_else(|| StoreError::Senseless(format!("purchase state {state:?}")))?;
    Ok(PurchaseRow {
        id: PurchaseId(row.try_get("id")?),
        number: row.try_get("number")?,
        extension: row.try_get("extension_id")?,
        asked_by: row.try_get::<Option<i64>, _>("asked_by")?.map(UserId),
        state,
        routed: row.try_get("routed")?,
        reason: row.try_get("reason")?,
    })
}
