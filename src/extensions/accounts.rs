//! The accounts as the registrar needs them: a hash in the place of each password.
//!
//! The database is read as a whole, but only when it changed, and only what is new is unsealed and
//! hashed. So a change by another process (`phoneai extension add`) counts as one of our own.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use phoneai_sip::auth::{Ha1, Password};
use tokio::task::yield_now;
use tracing::error;

use crate::store::{AccountsMark, SealedAccount, Store, StoreError};

/// Accounts that are hashed before other tasks have their turn: some milliseconds.
const AT_ONCE: usize = 500;

/// What is known of the accounts.
#[derive(Debug)]
pub struct Accounts {
    realm: String,
    mark: Option<AccountsMark>,
    /// A fingerprint of each account as it was read, by name.
    known: HashMap<String, u64>,
    hasher: RandomState,
}

/// An account's new hash, or that it is gone.
pub type Change = (String, Option<Ha1>);

impl Accounts {
    /// Nothing is known yet.
    pub fn new(realm: &str) -> Self {
        let (known, hasher) = (HashMap::new(), RandomState::new());
        Self { realm: realm.to_owned(), mark: None, known, hasher }
    }

    /// True if the database has changed since the last [`Accounts::read`].
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn are_outdated(&self, store: &Store) -> Result<bool, StoreError> {
        Ok(Some(store.accounts_mark().await?) != self.mark)
    }

    /// What changed since the last time.
    ///
    /// # Errors
    /// If the database cannot be read. An account whose password cannot be unsealed is left out,
    /// which is told to the log.
    pub async fn read(&mut self, store: &Store) -> Result<Vec<Change>, StoreError> {
        // Before the accounts: what changes in between is read again.
        let mark = store.accounts_mark().await?;
        let accounts = store.sealed_accounts().await?;
        let mut changes = Vec::new();
        let mut known = HashMap::with_capacity(accounts.len());
        for account in accounts {
            let fingerprint = self.hasher.hash_one(&account);
            if self.known.remove(&account.sip_username) != Some(fingerprint) {
                changes.extend(self.hashed(store, &account));
                if changes.len().is_multiple_of(AT_ONCE) {
                    yield_now().await;
                }
            }
            known.insert(account.sip_username, fingerprint);
        }
        changes.extend(self.known.drain().map(|(name, _)| (name, None)));
        self.known = known;
        self.mark = Some(mark);
        Ok(changes)
    }

    fn hashed(&self, store: &Store, account: &SealedAccount) -> Option<Change> {
        let name = &account.sip_username;
        match store.unseal_account(account) {
            Ok(password) => {
                let password = Password::new(password.expose().clone());
                Some((name.clone(), Some(Ha1::new(name, &self.realm, &password))))
            }
            Err(error) => {
                error!(extension = %name, %error, "The extension cannot register.");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use phoneai_clock::Clock;

    use super::*;
    use crate::{
        config::Secret,
        store::{ExtensionChange, Unique},
    };

    #[tokio::test]
    async fn only_what_changed_is_told_and_what_is_gone_is_too() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Clock::real()).await.unwrap();
        let Unique::Done(user) = store.create_user("alice", "", false).await.unwrap() else {
            panic!("the name is free")
        };
        let secret = |text: &str| Secret::new(text.to_owned());
        let made = [("1000".to_owned(), secret("a")), ("1001".to_owned(), secret("b"))];
        store.create_extensions(user.id, &made, "x").await.unwrap().unwrap();

        let mut accounts = Accounts::new("realm");
        assert!(accounts.are_outdated(&store).await.unwrap());
        let mut changes = accounts.read(&store).await.unwrap();
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        let hash = |name: &str, password| Some(Ha1::new(name, "realm", &Password::new(password)));
        let expected = [("1000".into(), hash("1000", "a")), ("1001".into(), hash("1001", "b"))];
        assert_eq!(changes, expected);
        assert!(!accounts.are_outdated(&store).await.unwrap());
        assert_eq!(accounts.read(&store).await.unwrap(), []);

        let id = store.extensions().await.unwrap()[0].id;
        let change = ExtensionChange { sip_password: Some(secret("c")), ..Default::default() };
        store.update_extension(id, &change).await.unwrap();
        assert!(accounts.are_outdated(&store).await.unwrap());
        assert_eq!(accounts.read(&store).await.unwrap(), [("1000".into(), hash("1000", "c"))]);
        store.delete_extension(id).await.unwrap();
        assert_eq!(accounts.read(&store).await.unwrap(), [("1000".into(), None)]);
    }
}
