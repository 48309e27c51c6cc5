//! Extensions: the accounts with which softphones register. Their passwords are sealed.

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{ExtensionId, Store, StoreError, Time, UserId, Write, next_id};
use crate::config::Secret;

/// An extension.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtensionRow {
    /// Its id.
    pub id: ExtensionId,
    /// The id of its owner's place in the domain.
    pub sip_user: i64,
    /// Its owner.
    pub owner: UserId,
    /// The owner's name.
    pub owner_name: String,
    /// The domain in which it registers.
    pub domain: String,
    /// The name under which it registers.
    pub sip_username: String,
    /// Its password.
    pub sip_password: Secret<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed.
    pub updated_at: Time,
}

/// What a registrar must know of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct SipAccount {
    /// The extension.
    pub id: ExtensionId,
    /// Its owner.
    pub owner: UserId,
    /// The domain in which it registers.
    pub domain: String,
    /// The name under which it registers.
    pub sip_username: String,
    /// Its password.
    pub sip_password: Secret<String>,
}

/// What is changed of an extension; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct ExtensionChange {
    /// Another name.
    pub sip_username: Option<String>,
    /// Another password.
    pub sip_password: Option<Secret<String>>,
}

/// What came of a wish to make or change something whose name must be its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Unique<T> {
    /// It was done.
    Done(T),
    /// Something else has this name.
    Taken,
}

pub(super) const COLUMNS: &str =
    "SELECT e.id, e.sip_user_id, e.sip_username, e.sealed_password, e.created_at,
        e.updated_at, u.id AS user_id, u.name AS user_name, d.domain
 FROM extensions e JOIN sip_users s ON s.id = e.sip_user_id
 JOIN users u ON u.id = s.user_id JOIN domains d ON d.id = s.domain_id";

impl Store {
    /// All extensions in the order in which they were made.
    pub async fn extensions(&self) -> Result<Vec<ExtensionRow>, StoreError> {
        // Safe: put together from constants, here and below.
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY e.id")))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| self.extension_row(row)).collect()
    }

    /// An extension.
    pub async fn extension(&self, id: ExtensionId) -> Result<Option<ExtensionRow>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE e.id = $1")))
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(|row| self.extension_row(row)).transpose()
    }

    /// The account that registers under this name, compared exactly.
    pub async fn sip_account(&self, sip_username: &str) -> Result<Option<SipAccount>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE e.sip_username = $1")))
            .bind(sip_username)
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row.as_ref() else { return Ok(None) };
        let row = self.extension_row(row)?;
        Ok(Some(SipAccount {
            id: row.id,
            owner: row.owner,
            domain: row.domain,
            sip_username: row.sip_username,
            sip_password: row.sip_password,
        }))
    }

    /// Whether another extension than `but` has this name.
    pub async fn extension_is_taken(
        &self,
        sip_username: &str,
        but: Option<ExtensionId>,
    ) -> Result<bool, StoreError> {
        let id: Option<i64> =
            sqlx::query_scalar("SELECT id FROM extensions WHERE sip_username = $1 AND id <> $2")
                .bind(sip_username)
                .bind(but.map_or(0, |id| id.0))
                .fetch_optional(&self.readers)
                .await?;
        Ok(id.is_some())
    }

    /// Makes an extension of this user. A user who has no place in a domain yet gets one in the
    /// first; without any domain, `domain` is entered.
    pub async fn create_extension(
        &self,
        owner: UserId,
        sip_username: &str,
        sip_password: &Secret<String>,
        domain: &str,
    ) -> Result<Unique<ExtensionRow>, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let sip_user = place_in_domain(&mut tx, owner, domain, now).await?;
        let id = ExtensionId(next_id(&mut tx, "extensions").await?);
        let sealed = self.vault.seal(&purpose(id), sip_password.expose())?;
        let made = insert_extension(&mut tx, id, sip_user, sip_username, &sealed, now, now).await?;
        if !made {
            return Ok(Unique::Taken);
        }
        tx.commit().await?;
        let row = self.extension(id).await?;
        row.map(Unique::Done).ok_or(StoreError::Missing("extension with this id"))
    }

    /// Changes an extension; `None` if there is none. Also a change of nothing is noted as one.
    pub async fn update_extension(
        &self,
        id: ExtensionId,
        change: &ExtensionChange,
    ) -> Result<Option<Unique<ExtensionRow>>, StoreError> {
        let sealed = match &change.sip_password {
            Some(password) => Some(self.vault.seal(&purpose(id), password.expose())?),
            None => None,
        };
        let mut tx = self.begin_write().await?;
        if let Some(name) = &change.sip_username {
            let other: Option<i64> = sqlx::query_scalar(
                "SELECT id FROM extensions WHERE sip_username = $1 AND id <> $2",
            )
            .bind(name)
            .bind(id.0)
            .fetch_optional(&mut *tx)
            .await?;
            if other.is_some() {
                return Ok(Some(Unique::Taken));
            }
        }
        let changed = sqlx::query(
            "UPDATE extensions SET sip_username = COALESCE($1, sip_username),
                 sealed_password = COALESCE($2, sealed_password), updated_at = $3
             WHERE id = $4",
        )
        .bind(&change.sip_username)
        .bind(sealed)
        .bind(self.now().0)
        .bind(id.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        if changed.rows_affected() == 0 {
            return Ok(None);
        }
        Ok(self.extension(id).await?.map(Unique::Done))
    }

    /// Deletes an extension and the numbers that lead to it; false if there is none.
    pub async fn delete_extension(&self, id: ExtensionId) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM extensions WHERE id = $1")
            .bind(id.0)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// An extension from its row, with its password opened.
    pub(super) fn extension_row(&self, row: &SqliteRow) -> Result<ExtensionRow, StoreError> {
        let id = ExtensionId(row.try_get("id")?);
        Ok(ExtensionRow {
            id,
            sip_user: row.try_get("sip_user_id")?,
            owner: UserId(row.try_get("user_id")?),
            owner_name: row.try_get("user_name")?,
            domain: row.try_get("domain")?,
            sip_username: row.try_get("sip_username")?,
            sip_password: self.vault.unseal(&purpose(id), row.try_get("sealed_password")?)?,
            created_at: Time(row.try_get("created_at")?),
            updated_at: Time(row.try_get("updated_at")?),
        })
    }
}

/// What the password of an extension is sealed for.
pub(super) fn purpose(id: ExtensionId) -> String {
    format!("extension {id}")
}

/// Inserts a row; false if the name is taken.
pub(super) async fn insert_extension(
    tx: &mut Write,
    id: ExtensionId,
    sip_user: i64,
    sip_username: &str,
    sealed_password: &str,
    created_at: Time,
    updated_at: Time,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO extensions (id, sip_user_id, sip_username, sealed_password, created_at,
                                 updated_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (sip_username) DO NOTHING",
    )
    .bind(id.0)
    .bind(sip_user)
    .bind(sip_username)
    .bind(sealed_password)
    .bind(created_at.0)
    .bind(updated_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The user's place in a domain, made if there is none.
pub(super) async fn place_in_domain(
    tx: &mut Write,
    user: UserId,
    domain: &str,
    now: Time,
) -> Result<i64, StoreError> {
    let known: Option<i64> = sqlx::query_scalar("SELECT id FROM sip_users WHERE user_id = $1")
        .bind(user.0)
        .fetch_optional(&mut **tx)
        .await?;
    if let Some(id) = known {
        return Ok(id);
    }
    let first: Option<i64> = sqlx::query_scalar("SELECT id FROM domains ORDER BY id LIMIT 1")
        .fetch_optional(&mut **tx)
        .await?;
    let domain_id = match first {
        Some(id) => id,
        None => {
            let id = next_id(tx, "domains").await?;
            sqlx::query(
                "INSERT INTO domains (id, name, domain, created_at, updated_at)
                 VALUES ($1, $2, $2, $3, $3)",
            )
            .bind(id)
            .bind(domain)
            .bind(now.0)
            .execute(&mut **tx)
            .await?;
            id
        }
    };
    let id = next_id(tx, "sip_users").await?;
    sqlx::query(
        "INSERT INTO sip_users (id, user_id, domain_id, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $4)",
    )
    .bind(id)
    .bind(user.0)
    .bind(domain_id)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(id)
}
