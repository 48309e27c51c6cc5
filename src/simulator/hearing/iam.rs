//! The simulated identity service: tokens for an API key.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use phoneai_clock::Clock;
use serde_json::{Value, json};
use url::form_urlencoded;

/// The tokens that were issued.
#[derive(Debug)]
pub struct Issued {
    clock: Clock,
    until: Mutex<HashMap<String, Instant>>,
}

impl Default for Issued {
    fn default() -> Self {
        Self::new(Clock::real())
    }
}

/// Tokens that are kept; older ones are as good as expired.
const MOST: usize = 10_000;

impl Issued {
    /// None yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, until: Mutex::default() }
    }

    /// A token that is good for so many seconds. It has the form of a JSON Web Token.
    pub fn issue(&self, seconds: u64) -> String {
        let token = format!("e30.e30.{}", uuid::Uuid::new_v4().simple());
        let until = self.clock.now() + Duration::from_secs(seconds);
        let mut all = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(token.clone(), until);
        token
    }

    /// Whether a token opens connections now.
    pub fn is_good(&self, token: &str) -> bool {
        let all = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(token).is_some_and(|until| self.clock.now() < *until)
    }

    /// No token is good any more, whatever their holders believe.
    pub fn revoke_all(&self) {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many tokens were issued and not revoked.
    pub fn count(&self) -> usize {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Answers the body of `POST /identity/token` with a status and JSON.
    pub fn answer(&self, body: &[u8], api_key: &str, seconds: u64) -> (u16, Value) {
        let form: HashMap<_, _> = form_urlencoded::parse(body).into_owned().collect();
        let is = |key: &str, value: &str| form.get(key).is_some_and(|given| given == value);
        if !is("grant_type", "urn:ibm:params:oauth:grant-type:apikey") {
            let error = json!({
                "errorCode": "BXNIM0109E",
                "errorMessage": "Property missing or empty: grant_type",
            });
            return (400, error);
        }
        if !is("apikey", api_key) {
            let error = json!({
                "errorCode": "BXNIM0415E",
                "errorMessage": "Provided API key could not be found.",
            });
            return (400, error);
        }
        // Its clock is an hour slow: nobody may rely on `expiration`.
        let skewed = self.clock.wall_micros() / 1_000_000 + seconds as i64 - 3_600;
        let token = json!({
            "access_token": self.issue(seconds),
            "refresh_token": "not_supported",
            "token_type": "Bearer",
            "expires_in": seconds,
            "expiration": skewed,
            "scope": "ibm openid",
        });
        (200, token)
    }
}
