//! How the rows of an older service are written.

use std::collections::BTreeMap;

use super::{
    super::{
        ExtensionId, StoreError, Time, UserId, Write, count_scan, extensions::insert_extension,
        queue::MAX_ATTEMPT, tokens::insert_token, tree,
    },
    OldDid, OldDomain, OldExtension, OldIncoming, OldMenu, OldNumber, OldProvider, OldScan,
    OldSipUser, OldSms, OldUser,
};
use crate::crawl::tree::PromptKind;

pub(super) async fn put_user(tx: &mut Write, user: &OldUser, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO users (id, name, email, is_admin, is_active, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(user.id)
    .bind(&user.name)
    .bind(&user.email)
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

pub(super) async fn put_number(
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

pub(super) async fn put_scan(
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
    count_scan(tx, scan.number).await
}

/// Stores a menu; `nos` has the numbers of the scan's menus by id. A key's target must be among the
/// menus of the same scan; a key into another scan is unexplored here. The first key that leads to a
/// menu made it, the others are links.
pub(super) async fn put_menu(
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
    .bind(tree::kind_name(kind))
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

/// A message is never sent again: where the old service left it, it stays.
pub(super) async fn put_sms(tx: &mut Write, sms: &OldSms) -> Result<(), StoreError> {
    let (state, reason) = match sms.status {
        1 => ("sent", None),
        2 => ("delivered", None),
        0 => ("failed", Some("the older service did not hand it over")),
        _ => ("failed", Some("the older service counted it as failed")),
    };
    sqlx::query(
        "INSERT INTO sms (id, sms_to, body, callback_url, state, reason, provider_id, attempts,
                          give_up_at, lookups, dlr_code, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, 0, $9, $8, $10)",
    )
    .bind(sms.id)
    .bind(&sms.to)
    .bind(&sms.body)
    .bind(&sms.callback_url)
    .bind(state)
    .bind(reason)
    .bind(&sms.provider_id)
    .bind(sms.created_at.0)
    .bind(sms.dlr_code)
    .bind(sms.updated_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn put_incoming(tx: &mut Write, sms: &OldIncoming) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO incoming_sms (id, provider_id, sms_from, sms_to, body, sms_id, created_at,
                                   updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
    )
    .bind(sms.id)
    .bind(&sms.provider_id)
    .bind(&sms.from)
    .bind(&sms.to)
    .bind(&sms.body)
    .bind(sms.answers)
    .bind(sms.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn put_domain(tx: &mut Write, domain: &OldDomain) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO domains (id, name, domain, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $4)",
    )
    .bind(domain.id)
    .bind(&domain.name)
    .bind(&domain.domain)
    .bind(domain.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn put_sip_user(tx: &mut Write, user: &OldSipUser) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sip_users (id, user_id, domain_id, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $4)",
    )
    .bind(user.id)
    .bind(user.user)
    .bind(user.domain)
    .bind(user.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn put_provider(tx: &mut Write, provider: &OldProvider) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO providers (id, name, created_at, updated_at) VALUES ($1, $2, $3, $3)")
        .bind(provider.id)
        .bind(&provider.name)
        .bind(provider.created_at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn put_extension(
    tx: &mut Write,
    extension: &OldExtension,
    sealed_password: &str,
) -> Result<(), StoreError> {
    let OldExtension { id, sip_user, sip_username, created_at, updated_at, .. } = extension;
    let id = ExtensionId(*id);
    let put = insert_extension(
        tx,
        id,
        *sip_user,
        sip_username,
        sealed_password,
        *created_at,
        *updated_at,
    );
    match put.await? {
        true => Ok(()),
        false => Err(StoreError::Senseless(format!("the extension {sip_username:?} twice"))),
    }
}

pub(super) async fn put_did(tx: &mut Write, did: &OldDid) -> Result<(), StoreError> {
    let Time(created_at) = did.created_at;
    sqlx::query(
        "INSERT INTO dids (id, provider_id, phonenumber, domain_id, extension_id, created_at,
                           updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(did.id)
    .bind(did.provider)
    .bind(&did.phonenumber)
    .bind(did.domain)
    .bind(did.extension)
    .bind(created_at)
    .bind(did.updated_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
