//! Passwords: hashed with Argon2id, checked a few at a time, and not as often as somebody who
//! guesses would like.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use phoneai_clock::Clock;
use tokio::sync::Semaphore;

use crate::{
    config::Secret,
    store::{Authenticated, Store, StoreError},
};

/// Passwords that are hashed at a time; each takes 19 MiB and some tens of milliseconds
/// (Argon2id with the parameters that OWASP recommends, which are the crate's default).
const AT_A_TIME: usize = 2;
/// Wrong passwords for one name after which it is left alone for [`LOCKED_FOR`].
const MAX_FAILURES: u32 = 5;
/// How long no password is tried for a name after too many wrong ones.
const LOCKED_FOR: Duration = Duration::from_secs(300);
/// Names of which failures are remembered; beyond them all wait.
const MAX_NAMES: usize = 10_000;
/// Bytes of the longest password.
pub(crate) const MAX_PASSWORD: usize = 1024;
/// Characters of the shortest password that is set.
pub(crate) const MIN_PASSWORD: usize = 8;
/// Compared with when there is no such user, so that the time does not tell who is one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5$\
    Fl8mTtRJpYzyrqOSGcXYhBdXFjcVn8k8LMxMnmHZTRU";

/// What an attempt to log in comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// The password is right.
    Done(Authenticated),
    /// It is not, or there is no such user; which of them is not told.
    Wrong,
    /// Too many wrong ones before: nothing was tried.
    TooMany,
}

/// Checks passwords.
#[derive(Debug)]
pub(crate) struct Doorkeeper {
    places: Semaphore,
    clock: Clock,
    failures: Mutex<BTreeMap<String, (u32, Instant)>>,
}

impl Doorkeeper {
    pub(crate) fn new() -> Self {
        Self {
            places: Semaphore::new(AT_A_TIME),
            // People wait in real time.
            clock: Clock::real(),
            failures: Mutex::default(),
        }
    }

    /// Whether this is the user's password.
    pub(crate) async fn login(
        &self,
        store: &Store,
        name: &str,
        password: Secret<String>,
    ) -> Result<Login, StoreError> {
        if !self.may_try(name, self.clock.now()) {
            return Ok(Login::TooMany);
        }
        let user = store.login(name).await?;
        let hash = match &user {
            Some((_, hash)) => hash.expose().clone(),
            None => NOBODY.to_owned(),
        };
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        let right = tokio::task::spawn_blocking(move || is_right(&password, &hash)).await;
        match (user, right) {
            (Some((who, _)), Ok(true)) => {
                self.failures().remove(name);
                Ok(Login::Done(who))
            }
            _ => {
                self.failed(name, self.clock.now());
                Ok(Login::Wrong)
            }
        }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (u32, Instant)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_try(&self, name: &str, now: Instant) -> bool {
        let mut failures = self.failures();
        failures.retain(|_, (_, last)| now.saturating_duration_since(*last) < LOCKED_FOR);
        match failures.get(name) {
            Some((count, _)) => *count < MAX_FAILURES,
            None => failures.len() < MAX_NAMES,
        }
    }

    fn failed(&self, name: &str, now: Instant) {
        let mut failures = self.failures();
        let (count, last) = failures.entry(name.to_owned()).or_insert((0, now));
        *count += 1;
        *last = now;
    }
}

/// The hash of a password, with its parameters, as a text.
///
/// # Errors
/// There is no memory, or no randomness, for it.
pub(crate) fn hash(password: &Secret<String>) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.expose().as_bytes())?.to_string())
}

fn is_right(password: &Secret<String>, hash: &str) -> bool {
    let password = password.expose().as_bytes();
    password.len() <= MAX_PASSWORD && Argon2::default().verify_password(password, hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_told_from_others_by_its_hash() {
        let hashed = hash(&Secret::new("correct horse".to_owned())).unwrap();
        assert!(hashed.starts_with("$argon2id$"), "{hashed}");
        assert!(is_right(&Secret::new("correct horse".to_owned()), &hashed));
        for wrong in ["correct hors", "", &"x".repeat(MAX_PASSWORD + 1)] {
            assert!(!is_right(&Secret::new(wrong.to_owned()), &hashed));
        }
        assert!(!is_right(&Secret::new("x".to_owned()), "no hash"));
    }

    #[test]
    fn the_hash_for_nobody_is_one_that_takes_its_time() {
        assert!(argon2::PasswordHash::new(NOBODY).is_ok());
    }

    #[test]
    fn a_name_is_left_alone_after_five_wrong_passwords_and_free_again_later() {
        let door = Doorkeeper::new();
        let begin = Clock::real().now();
        for _ in 0..MAX_FAILURES {
            assert!(door.may_try("ann", begin));
            door.failed("ann", begin);
        }
        assert!(!door.may_try("ann", begin));
        assert!(door.may_try("bob", begin));
        assert!(door.may_try("ann", begin + LOCKED_FOR));
    }
}
