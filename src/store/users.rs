//! Users: who may use the service, and how they prove who they are.

use std::time::Duration;

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    Authenticated, Store, StoreError, Unique, UserId, next_id,
    tokens::{hex, sha256},
    vault::random,
};
use crate::config::Secret;

/// Random bytes of a session's cookie, and of what its forms carry.
const SESSION_BYTES: usize = 32;
/// How long a session lasts.
const SESSION_LIFE: Duration = Duration::from_secs(14 * 24 * 3600);
/// Sessions of one user at a time; a further one ends the oldest.
const MAX_SESSIONS: i64 = 20;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// Its id.
    pub id: UserId,
    /// The name with which the user logs in.
    pub name: String,
    /// Where the user gets mail; empty if unknown.
    pub email: String,
    /// Whether the user may do everything.
    pub is_admin: bool,
    /// Whether the user may use the service.
    pub is_active: bool,
}

/// What is changed of a user; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// Another name.
    pub name: Option<String>,
    /// Another address.
    pub email: Option<String>,
    /// Other rights.
    pub is_admin: Option<bool>,
}

/// A session that a browser has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who logged in.
    pub who: Authenticated,
    /// What its forms must carry.
    pub csrf: Secret<String>,
}

/// A session that was just opened.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The value of its cookie; only its hash is kept.
    pub cookie: Secret<String>,
    /// What its forms must carry.
    pub csrf: Secret<String>,
    /// How long it lasts.
    pub life: Duration,
}

const COLUMNS: &str = "SELECT id, name, email, is_admin, is_active FROM users";

impl Store {
    /// All users in the order in which they were made.
    pub async fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        // Safe: put together from constants, here and below.
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY id")))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(user_row).collect()
    }

    /// A user.
    pub async fn user(&self, id: UserId) -> Result<Option<UserRow>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1")))
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(user_row).transpose()
    }

    /// Makes a user, who has no password yet.
    pub async fn create_user(
        &self,
        name: &str,
        email: &str,
        is_admin: bool,
    ) -> Result<Unique<UserRow>, StoreError> {
        let mut tx = self.begin_write().await?;
        let id = next_id(&mut tx, "users").await?;
        let done = sqlx::query(
            "INSERT INTO users (id, name, email, is_admin, is_active, created_at)
             VALUES ($1, $2, $3, $4, TRUE, $5) ON CONFLICT (name) DO NOTHING",
        )
        .bind(id)
        .bind(name)
        .bind(email)
        .bind(is_admin)
        .bind(self.now().0)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(Unique::Taken);
        }
        tx.commit().await?;
        let row = self.user(UserId(id)).await?;
        row.map(Unique::Done).ok_or(StoreError::Missing("user with this id"))
    }

    /// Changes a user; `None` if there is none.
    pub async fn update_user(
        &self,
        id: UserId,
        change: &UserChange,
    ) -> Result<Option<Unique<UserRow>>, StoreError> {
        let mut tx = self.begin_write().await?;
        if let Some(name) = &change.name {
            let other: Option<i64> =
                sqlx::query_scalar("SELECT id FROM users WHERE name = $1 AND id <> $2")
                    .bind(name)
                    .bind(id.0)
                    .fetch_optional(&mut *tx)
                    .await?;
            if other.is_some() {
                return Ok(Some(Unique::Taken));
            }
        }
        sqlx::query(
            "UPDATE users SET name = COALESCE($1, name), email = COALESCE($2, email),
                 is_admin = COALESCE($3, is_admin)
             WHERE id = $4",
        )
        .bind(&change.name)
        .bind(&change.email)
        .bind(change.is_admin)
        .bind(id.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(self.user(id).await?.map(Unique::Done))
    }

    /// Lets a user do everything; false if there is none of this name.
    pub async fn make_admin(&self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE users SET is_admin = TRUE WHERE name = $1")
            .bind(name)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Deletes a user with tokens, sessions and extensions; false if there is none.
    pub async fn delete_user(&self, id: UserId) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM users WHERE id = $1").bind(id.0).execute(&self.writer).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Keeps the hash of a user's password, and ends the user's sessions. False if there is no
    /// such user.
    pub async fn set_password(&self, name: &str, hash: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let id: Option<i64> =
            sqlx::query_scalar("UPDATE users SET password = $1 WHERE name = $2 RETURNING id")
                .bind(hash)
                .bind(name)
                .fetch_optional(&mut *tx)
                .await?;
        sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(id.is_some())
    }

    /// Replaces the hash of a password by another of the same password.
    pub async fn rehash_password(
        &self,
        user: UserId,
        old: &str,
        new: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE users SET password = $1 WHERE id = $2 AND password = $3")
            .bind(new)
            .bind(user.0)
            .bind(old)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// A user who may log in, with the hash of the password; `None` if there is none of this name,
    /// or one who may not.
    pub async fn login(
        &self,
        name: &str,
    ) -> Result<Option<(Authenticated, Secret<String>)>, StoreError> {
        let row = sqlx::query(
            "SELECT id, name, is_admin, password FROM users
             WHERE name = $1 AND is_active AND password IS NOT NULL",
        )
        .bind(name)
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let who = Authenticated {
            user: UserId(row.try_get("id")?),
            name: row.try_get("name")?,
            is_admin: row.try_get("is_admin")?,
        };
        Ok(Some((who, Secret::new(row.try_get("password")?))))
    }

    /// Opens a session for a user who has logged in.
    pub async fn open_session(&self, user: UserId) -> Result<NewSession, StoreError> {
        let cookie = hex(&random::<SESSION_BYTES>()?);
        let csrf = hex(&random::<SESSION_BYTES>()?);
        let now = self.now();
        let mut tx = self.begin_write().await?;
        sqlx::query(
            "DELETE FROM sessions WHERE expires_at <= $1 OR sha256 IN (
                 SELECT sha256 FROM sessions WHERE user_id = $2
                 ORDER BY created_at DESC LIMIT 1000 OFFSET $3)",
        )
        .bind(now.0)
        .bind(user.0)
        .bind(MAX_SESSIONS - 1)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO sessions (sha256, user_id, csrf, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(sha256(&cookie))
        .bind(user.0)
        .bind(&csrf)
        .bind(now.0)
        .bind(now.after(SESSION_LIFE).0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(NewSession { cookie: Secret::new(cookie), csrf: Secret::new(csrf), life: SESSION_LIFE })
    }

    /// The session with this cookie, if there is one whose user may still use the service.
    pub async fn session(&self, cookie: &str) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query(
            "SELECT u.id, u.name, u.is_admin, s.csrf
             FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.sha256 = $1 AND s.expires_at > $2 AND u.is_active",
        )
        .bind(sha256(cookie))
        .bind(self.now().0)
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let who = Authenticated {
            user: UserId(row.try_get("id")?),
            name: row.try_get("name")?,
            is_admin: row.try_get("is_admin")?,
        };
        Ok(Some(Session { who, csrf: Secret::new(row.try_get("csrf")?) }))
    }

    /// Ends the session with this cookie.
    pub async fn close_session(&self, cookie: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE sha256 = $1")
            .bind(sha256(cookie))
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

fn user_row(row: &SqliteRow) -> Result<UserRow, StoreError> {
    Ok(UserRow {
        id: UserId(row.try_get("id")?),
        name: row.try_get("name")?,
        email: row.try_get("email")?,
        is_admin: row.try_get("is_admin")?,
        is_active: row.try_get("is_active")?,
    })
}
