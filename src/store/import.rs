//! Rows of an older service, taken over with their ids, so that clients find what they know.

use std::collections::BTreeMap;

use super::{Store, StoreError, Time, UserId, Write, queue::MAX_ATTEMPT, tokens::insert_token};
use crate::crawl::tree::PromptKind;

/// What is taken over. References must be to rows in the same import.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// Users with their tokens.
    pub users: Vec<OldUser>,
    /// Numbers; of rows with the same number the first is used, the others keep their scans.
    pub numbers: Vec<OldNumber>,
    /// Scans.
    pub scans: Vec<OldScan>,
    /// Menus; within a scan they are numbered in this order.
    pub menus: Vec<OldMenu>,
}

/// A user.
#[derive(Clone, Debug)]
pub struct OldUser {
    /// Id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// May do everything.
    pub is_admin: bool,
    /// May use the service.
    pub is_active: bool,
    /// Tokens; only their hashes are kept.
    pub tokens: Vec<String>,
}

/// A number.
#[derive(Clone, Debug)]
pub struct OldNumber {
    /// Id.
    pub id: i64,
    /// The number.
    pub number: Option<String>,
    /// Whose it is.
    pub business_name: Option<String>,
    /// Retried by itself.
    pub retry_auto: bool,
    /// Calls placed.
    pub attempt: i64,
    /// Nothing is left to explore.
    pub completed: bool,
    /// First asked for.
    pub created_at: Time,
    /// Last changed.
    pub updated_at: Time,
}

/// A scan.
#[derive(Clone, Debug)]
pub struct OldScan {
    /// Id.
    pub id: i64,
    /// Id of the number.
    pub number: i64,
    /// 0 to 5 as in [`super::ScanStatus`].
    pub status: i64,
    /// First asked for.
    pub created_at: Option<Time>,
    /// Last changed.
    pub updated_at: Option<Time>,
}

/// A menu.
#[derive(Clone, Debug)]
pub struct OldMenu {
    /// Id.
    pub id: i64,
    /// Id of the scan.
    pub scan: i64,
    /// What was said.
    pub text: Option<String>,
    /// The recogniser's answer.
    pub debug: Option<String>,
    /// Its recording.
    pub audio_file: Option<String>,
    /// Nothing is left to explore here.
    pub completed: bool,
    /// Its keys.
    pub keys: Vec<OldKey>,
}

/// A key of a menu.
#[derive(Clone, Debug)]
pub struct OldKey {
    /// What to press.
    pub keys: Option<String>,
    /// The words in which it was offered.
    pub said: Option<String>,
    /// Id of the menu that it leads to.
    pub target: Option<i64>,
}

impl Store {
    /// Takes rows over, all or none. The store must not have rows with these ids.
    ///
    /// A scan with menus, all of them completed, is complete. No call becomes due.
    pub async fn import(&self, import: &Import) -> Result<(), StoreError> {
        let now = self.now().0;
        let mut tx = self.begin_write().await?;
        for user in &import.users {
            put_user(&mut tx, user, now).await?;
        }
        let mut first_of: BTreeMap<&str, i64> = BTreeMap::new();
        for number in &import.numbers {
            let first = number.number.as_deref().and_then(|text| first_of.get(text).copied());
            put_number(&mut tx, number, first).await?;
            if let Some(text) = &number.number {
                first_of.entry(text).or_insert(number.id);
            }
        }
        let attempts: BTreeMap<i64, i64> =
            import.numbers.iter().map(|n| (n.id, n.attempt)).collect();
        let mut menus_of: BTreeMap<i64, Vec<&OldMenu>> = BTreeMap::new();
        for menu in &import.menus {
            menus_of.entry(menu.scan).or_default().push(menu);
        }
        for scan in &import.scans {
            let menus = menus_of.remove(&scan.id).unwrap_or_default();
            let completed = !menus.is_empty() && menus.iter().all(|m| m.completed);
            let attempt = attempts.get(&scan.number).copied().unwrap_or(0);
            put_scan(&mut tx, scan, attempt, completed).await?;
            let nos: BTreeMap<i64, i64> = menus.iter().map(|m| m.id).zip(0_i64..).collect();
            for (no, menu) in (0_i64..).zip(&menus) {
                put_menu(&mut tx, menu, no, &nos, now).await?;
            }
        }
        for (table, max) in [
            ("users", import.users.iter().map(|r| r.id).max()),
            ("numbers", import.numbers.iter().map(|r| r.id).max()),
            ("scans", import.scans.iter().map(|r| r.id).max()),
            ("menus", import.menus.iter().map(|r| r.id).max()),
        ] {
            sqlx::query("UPDATE counters SET last = $1 WHERE name = $2 AND last < $1")
                .bind(max.unwrap_or(0))
                .bind(table)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

async fn put_user(tx: &mut Write, user: &OldUser, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO users (id, name, is_admin, is_active, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(user.id)
    .bind(&user.name)
    .bind(user.is_admin)
    .bind(user.is_active)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    for token in &user.tokens {
        insert_token(tx, UserId(user.id), &user.name, token, now).await?;
    }
    Ok(())
}

async fn put_number(
    tx: &mut Write,
    number: &OldNumber,
    duplicate_of: Option<i64>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO numbers (id, number, duplicate_of, business_name, retry_auto, max_attempt,
                              attempt, calls_without_news, completed, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10)",
    )
    .bind(number.id)
    .bind(&number.number)
    .bind(duplicate_of)
    .bind(&number.business_name)
    .bind(number.retry_auto)
    .bind(i64::from(MAX_ATTEMPT))
    .bind(number.attempt)
    .bind(number.completed)
    .bind(number.created_at.0)
    .bind(number.updated_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn put_scan(
    tx: &mut Write,
    scan: &OldScan,
    attempt: i64,
    completed: bool,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO scans (id, number_id, status, attempt, completed, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(scan.id)
    .bind(scan.number)
    .bind(scan.status)
    .bind(attempt)
    .bind(completed)
    .bind(scan.created_at.map(|t| t.0))
    .bind(scan.updated_at.map(|t| t.0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores a menu; `nos` has the numbers of the scan's menus by id. A key's target must be among the menus of the same scan; a key into another scan
/// is unexplored here. The first key that leads to a menu made it, the others are links.
async fn put_menu(
    tx: &mut Write,
    menu: &OldMenu,
    no: i64,
    nos: &BTreeMap<i64, i64>,
    now: i64,
) -> Result<(), StoreError> {
    let kind = if menu.keys.is_empty() { PromptKind::Announcement } else { PromptKind::Menu };
    sqlx::query(
        "INSERT INTO menus (id, scan_id, no, kind, old_text, old_debug, start_ms, end_ms,
                            audio_file, completed, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9, $9)",
    )
    .bind(menu.id)
    .bind(menu.scan)
    .bind(no)
    .bind(super::tree::kind_name(kind))
    .bind(&menu.text)
    .bind(&menu.debug)
    .bind(menu.audio_file.as_deref().filter(|file| !file.is_empty()))
    .bind(menu.completed)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    for (position, key) in (0_i64..).zip(&menu.keys) {
        let target = key.target.and_then(|id| nos.get(&id).copied());
        let edge = target.map(|at| if at > no { "child" } else { "link" });
        sqlx::query(
            "INSERT INTO keys (menu_id, position, keys, offered, label, said, start_ms, end_ms,
                               confidence, edge, target_no)
             VALUES ($1, $2, $3, TRUE, '', $4, 0, 0, 0, $5, $6)",
        )
        .bind(menu.id)
        .bind(position)
        .bind(&key.keys)
        .bind(&key.said)
        .bind(edge)
        .bind(target)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
