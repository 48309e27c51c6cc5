//! The telephone numbers that are ours (direct inward dialling), and who sold them.

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{DidId, ExtensionId, Store, StoreError, Time, Unique, Write, next_id};

/// A number of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DidRow {
    /// Its id.
    pub id: DidId,
    /// The id of who sold it.
    pub provider: i64,
    /// The number as it was written.
    pub phonenumber: String,
    /// The domain to which it belongs.
    pub domain: Option<String>,
    /// The extension that is called there.
    pub extension: Option<ExtensionId>,
    /// When it was entered.
    pub created_at: Time,
    /// When it was changed.
    pub updated_at: Time,
}

/// What is changed of a number; `None` leaves it as it is. Ids must be of rows that are there.
#[derive(Clone, Debug, Default)]
pub struct DidChange {
    /// Another seller.
    pub provider: Option<i64>,
    /// Another number.
    pub phonenumber: Option<String>,
    /// Another domain, or none.
    pub domain: Option<Option<i64>>,
    /// Another extension, or none.
    pub extension: Option<Option<ExtensionId>>,
}

pub(super) const COLUMNS: &str =
    "SELECT n.id, n.provider_id, n.phonenumber, d.domain, n.extension_id,
        n.created_at, n.updated_at
 FROM dids n LEFT JOIN domains d ON d.id = n.domain_id";

impl Store {
    /// All numbers in the order in which they were entered.
    pub async fn dids(&self) -> Result<Vec<DidRow>, StoreError> {
        // Safe: put together from constants, here and below.
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY n.id")))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(did_row).collect()
    }

    /// A number.
    pub async fn did(&self, id: DidId) -> Result<Option<DidRow>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE n.id = $1")))
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(did_row).transpose()
    }

    /// Whether another row than `but` has this number.
    pub async fn did_is_taken(
        &self,
        phonenumber: &str,
        but: Option<DidId>,
    ) -> Result<bool, StoreError> {
        let id: Option<i64> =
            sqlx::query_scalar("SELECT id FROM dids WHERE phonenumber = $1 AND id <> $2")
                .bind(phonenumber)
                .bind(but.map_or(0, |id| id.0))
                .fetch_optional(&self.readers)
                .await?;
        Ok(id.is_some())
    }

    /// Changes a number; `None` if there is none. Also a change of nothing is noted as one.
    pub async fn update_did(
        &self,
        id: DidId,
        change: &DidChange,
    ) -> Result<Option<Unique<DidRow>>, StoreError> {
        let mut tx = self.begin_write().await?;
        if let Some(number) = &change.phonenumber {
            let other: Option<i64> =
                sqlx::query_scalar("SELECT id FROM dids WHERE phonenumber = $1 AND id <> $2")
                    .bind(number)
                    .bind(id.0)
                    .fetch_optional(&mut *tx)
                    .await?;
            if other.is_some() {
                return Ok(Some(Unique::Taken));
            }
        }
        let changed = sqlx::query(
            "UPDATE dids SET provider_id = COALESCE($1, provider_id),
                 phonenumber = COALESCE($2, phonenumber),
                 domain_id = CASE WHEN $3 THEN $4 ELSE domain_id END,
                 extension_id = CASE WHEN $5 THEN $6 ELSE extension_id END,
                 updated_at = $7
             WHERE id = $8",
        )
        .bind(change.provider)
        .bind(&change.phonenumber)
        .bind(change.domain.is_some())
        .bind(change.domain.flatten())
        .bind(change.extension.is_some())
        .bind(change.extension.flatten().map(|id| id.0))
        .bind(self.now().0)
        .bind(id.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        if changed.rows_affected() == 0 {
            return Ok(None);
        }
        Ok(self.did(id).await?.map(Unique::Done))
    }

    /// Forgets a number; false if there is none. The carrier is not told.
    pub async fn delete_did(&self, id: DidId) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM dids WHERE id = $1").bind(id.0).execute(&self.writer).await?;
        Ok(done.rows_affected() > 0)
    }

    /// The name of the seller who is asked for numbers: the first that was entered.
    pub async fn first_provider(&self) -> Result<Option<String>, StoreError> {
        let name = sqlx::query_scalar("SELECT name FROM providers ORDER BY id LIMIT 1")
            .fetch_optional(&self.readers)
            .await?;
        Ok(name)
    }

    /// Whether there is a seller with this id.
    pub async fn has_provider(&self, id: i64) -> Result<bool, StoreError> {
        self.has("SELECT id FROM providers WHERE id = $1", id).await
    }

    /// Whether there is a domain with this id.
    pub async fn has_domain(&self, id: i64) -> Result<bool, StoreError> {
        self.has("SELECT id FROM domains WHERE id = $1", id).await
    }

    /// Whether there is an extension with this id.
    pub async fn has_extension(&self, id: i64) -> Result<bool, StoreError> {
        self.has("SELECT id FROM extensions WHERE id = $1", id).await
    }

    async fn has(&self, query: &'static str, id: i64) -> Result<bool, StoreError> {
        let id: Option<i64> =
            sqlx::query_scalar(query).bind(id).fetch_optional(&self.readers).await?;
        Ok(id.is_some())
    }
}

/// Enters a number that `seller` sold, in the first domain, in the transaction that closes its
/// purchase. An extension that is gone meanwhile is left out. A number that is there already stays
/// as it is.
pub(super) async fn insert_did(
    tx: &mut Write,
    seller: &str,
    phonenumber: &str,
    extension: i64,
    now: Time,
) -> Result<(), StoreError> {
    let first: Option<i64> = sqlx::query_scalar("SELECT id FROM providers ORDER BY id LIMIT 1")
        .fetch_optional(&mut **tx)
        .await?;
    let provider = match first {
        Some(id) => id,
        None => {
            let id = next_id(tx, "providers").await?;
            sqlx::query(
                "INSERT INTO providers (id, name, created_at, updated_at) VALUES ($1, $2, $3, $3)",
            )
            .bind(id)
            .bind(seller)
            .bind(now.0)
            .execute(&mut **tx)
            .await?;
            id
        }
    };
    let id = next_id(tx, "dids").await?;
    sqlx::query(
        "INSERT INTO dids (id, provider_id, phonenumber, domain_id, extension_id, created_at,
                           updated_at)
         VALUES ($1, $2, $3, (SELECT MIN(id) FROM domains),
                 (SELECT id FROM extensions WHERE id = $4), $5, $5)
         ON CONFLICT (phonenumber) DO NOTHING",
    )
    .bind(id)
    .bind(provider)
    .bind(phonenumber)
    .bind(extension)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A number of ours from its row.
pub(super) fn did_row(row: &SqliteRow) -> Result<DidRow, StoreError> {
    Ok(DidRow {
        id: DidId(row.try_get("id")?),
        provider: row.try_get("provider_id")?,
        phonenumber: row.try_get("phonenumber")?,
        domain: row.try_get("domain")?,
        extension: row.try_get::<Option<i64>, _>("extension_id")?.map(ExtensionId),
        created_at: Time(row.try_get("created_at")?),
        updated_at: Time(row.try_get("updated_at")?),
    })
}
