//! Rows of an older service, taken over with their ids, so that clients find what they know.

mod rows;

use std::collections::BTreeMap;

use super::{ExtensionId, Store, StoreError, Time, Write, extensions};
use crate::config::Secret;

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
    /// Messages that were sent, or should have been.
    pub sms: Vec<OldSms>,
    /// Messages that came in.
    pub incoming: Vec<OldIncoming>,
    /// SIP domains.
    pub domains: Vec<OldDomain>,
    /// Users' places in domains.
    pub sip_users: Vec<OldSipUser>,
    /// Sellers of numbers.
    pub providers: Vec<OldProvider>,
    /// Softphones' accounts.
    pub extensions: Vec<OldExtension>,
    /// Numbers of ours.
    pub dids: Vec<OldDid>,
}

/// A user.
#[derive(Clone, Debug)]
pub struct OldUser {
    /// Id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Where the user gets mail; empty if unknown.
    pub email: String,
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

/// A message of ours.
#[derive(Clone, Debug)]
pub struct OldSms {
    /// Id.
    pub id: i64,
    /// To which number.
    pub to: String,
    /// The text.
    pub body: String,
    /// Where answers are told.
    pub callback_url: Option<String>,
    /// 0 accepted, 1 taken by the carrier, 2 delivered, others failed.
    pub status: i64,
    /// The carrier's id.
    pub provider_id: Option<String>,
    /// The code of the latest receipt; 0 for none.
    pub dlr_code: i64,
    /// When it was accepted.
    pub created_at: Time,
    /// When it changed.
    pub updated_at: Time,
}

/// A message that came in.
#[derive(Clone, Debug)]
pub struct OldIncoming {
    /// Id.
    pub id: i64,
    /// The carrier's id.
    pub provider_id: Option<String>,
    /// From whom.
    pub from: String,
    /// To which number of ours.
    pub to: String,
    /// The text.
    pub body: String,
    /// Id of the message of ours that it answers.
    pub answers: Option<i64>,
    /// When it came.
    pub created_at: Time,
}

/// A SIP domain.
#[derive(Clone, Debug)]
pub struct OldDomain {
    /// Id.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// The domain itself.
    pub domain: String,
    /// When it was made.
    pub created_at: Time,
}

/// A user's place in a domain.
#[derive(Clone, Debug)]
pub struct OldSipUser {
    /// Id.
    pub id: i64,
    /// Id of the user.
    pub user: i64,
    /// Id of the domain.
    pub domain: i64,
    /// When it was made.
    pub created_at: Time,
}

/// A seller of numbers.
#[derive(Clone, Debug)]
pub struct OldProvider {
    /// Id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// When it was entered.
    pub created_at: Time,
}

/// A softphone's account.
#[derive(Clone, Debug)]
pub struct OldExtension {
    /// Id.
    pub id: i64,
    /// Id of the owner's place in a domain.
    pub sip_user: i64,
    /// The name under which it registers, unlike all others.
    pub sip_username: String,
    /// Its password.
    pub sip_password: Secret<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed.
    pub updated_at: Time,
}

/// A number of ours.
#[derive(Clone, Debug)]
pub struct OldDid {
    /// Id.
    pub id: i64,
    /// Id of the seller.
    pub provider: i64,
    /// The number, unlike all others.
    pub phonenumber: String,
    /// Id of the domain.
    pub domain: Option<i64>,
    /// Id of the extension that is called there.
    pub extension: Option<i64>,
    /// When it was entered.
    pub created_at: Time,
    /// When it was changed.
    pub updated_at: Time,
}

impl Store {
    /// Takes rows over, all or none. The store must not have rows with these ids.
    ///
    /// A scan with menus, all of them completed, is complete. No call becomes due.
    pub async fn import(&self, import: &Import) -> Result<(), StoreError> {
        let now = self.now().0;
        let mut tx = self.begin_write().await?;
        for user in &import.users {
            rows::put_user(&mut tx, user, now).await?;
        }
        let mut first_of: BTreeMap<&str, i64> = BTreeMap::new();
        for number in &import.numbers {
            let first = number.number.as_deref().and_then(|text| first_of.get(text).copied());
            rows::put_number(&mut tx, number, first).await?;
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
            rows::put_scan(&mut tx, scan, attempt, completed).await?;
            let nos: BTreeMap<i64, i64> = menus.iter().map(|m| m.id).zip(0_i64..).collect();
            for (no, menu) in (0_i64..).zip(&menus) {
                rows::put_menu(&mut tx, menu, no, &nos, now).await?;
            }
        }
        for sms in &import.sms {
            rows::put_sms(&mut tx, sms).await?;
        }
        for incoming in &import.incoming {
            rows::put_incoming(&mut tx, incoming).await?;
        }
        self.put_softphones(&mut tx, import).await?;
        for (table, max) in [
            ("users", import.users.iter().map(|r| r.id).max()),
            ("numbers", import.numbers.iter().map(|r| r.id).max()),
            ("scans", import.scans.iter().map(|r| r.id).max()),
            ("menus", import.menus.iter().map(|r| r.id).max()),
            ("sms", import.sms.iter().map(|r| r.id).max()),
            ("incoming_sms", import.incoming.iter().map(|r| r.id).max()),
            ("domains", import.domains.iter().map(|r| r.id).max()),
            ("sip_users", import.sip_users.iter().map(|r| r.id).max()),
            ("providers", import.providers.iter().map(|r| r.id).max()),
            ("extensions", import.extensions.iter().map(|r| r.id).max()),
            ("dids", import.dids.iter().map(|r| r.id).max()),
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

    /// Extensions, numbers of ours and what they refer to.
    async fn put_softphones(&self, tx: &mut Write, import: &Import) -> Result<(), StoreError> {
        for domain in &import.domains {
            rows::put_domain(tx, domain).await?;
        }
        for sip_user in &import.sip_users {
            rows::put_sip_user(tx, sip_user).await?;
        }
        for provider in &import.providers {
            rows::put_provider(tx, provider).await?;
        }
        for extension in &import.extensions {
            let id = ExtensionId(extension.id);
            let password = extension.sip_password.expose();
            let sealed = self.vault.seal(&extensions::purpose(id), password)?;
            rows::put_extension(tx, extension, &sealed).await?;
        }
        for did in &import.dids {
            rows::put_did(tx, did).await?;
        }
        Ok(())
    }
}
