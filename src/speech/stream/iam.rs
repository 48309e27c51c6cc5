//! Tokens of IBM's identity service (IAM): got for an API key, kept, and renewed before they end.
//!
//! A token opens connections; one that is open lives on whatever becomes of the token. So a token
//! is looked at before each connection only. When it ends is reckoned from when it came, not by the
//! service's clock, which may be another than ours.

use std::time::{Duration, Instant};

use hyper::{
    HeaderMap, Method,
    body::Bytes,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use phoneai_clock::Clock;
use serde_json::Value;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::dialect::{Fault, Remedy};
use crate::{
    config::Secret,
    http::{Client, Request},
};

/// IBM's identity service.
pub const IAM: &str = "https://iam.cloud.ibm.com/identity/token";

/// Of a token's life, the last fifth is not used if a new one can be had: IBM's own clients renew
/// theirs then.
const RENEW_AT: f64 = 0.8;

/// A token is not used any more this long before its end: the connection takes time too.
const SPARE: Duration = Duration::from_secs(10);

/// The life of a token whose answer does not say: the longest that there is.
const LONGEST: Duration = Duration::from_secs(3600);

/// A token and when it came.
#[derive(Clone, Debug)]
struct Token {
    text: Secret<String>,
    came: Instant,
    life: Duration,
}

/// What a kept token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// It opens connections.
    Good,
    /// It does, but its end is near: a new one is better.
    Old,
    /// It does not.
    Over,
}

impl Token {
    fn is(&self, now: Instant) -> Use {
        let age = now.saturating_duration_since(self.came);
        if age + SPARE >= self.life {
            Use::Over
        } else if age >= self.life.mul_f64(RENEW_AT) {
            Use::Old
        } else {
            Use::Good
        }
    }
}

/// Gets tokens for an API key.
pub struct Tokens {
    url: Url,
    api_key: Secret<String>,
    client: Client,
    clock: Clock,
    /// Locked while a token is being fetched: whoever else needs one waits for the same.
    kept: Mutex<Option<Token>>,
}

impl Tokens {
    /// Tokens from the identity service at `url`.
    pub fn new(url: Url, api_key: Secret<String>, client: Client, clock: Clock) -> Self {
        Self { url, api_key, client, clock, kept: Mutex::new(None) }
    }

    /// A token that opens a connection now.
    ///
    /// # Errors
    /// What the identity service said, or why it was not reached.
    pub async fn get(&self) -> Result<Secret<String>, Fault> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        if let Some(token) = kept.as_ref().filter(|token| token.is(now) == Use::Good) {
            return Ok(token.text.clone());
        }
        match self.fetch().await {
            Ok(token) => {
                let text = token.text.clone();
                *kept = Some(token);
                Ok(text)
            }
            // The identity service is away; what we have still opens a connection.
            Err(fault) => match kept.as_ref().filter(|token| token.is(now) != Use::Over) {
                Some(token) if fault.remedy == Remedy::Reconnect => Ok(token.text.clone()),
                Some(_) | None => Err(fault),
            },
        }
    }

    /// A token was refused: the next is a new one, unless it is new already.
    pub async fn refused(&self, token: &Secret<String>) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.text == *token) {
            *kept = None;
        }
    }

    async fn fetch(&self) -> Result<Token, Fault> {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ibm:params:oauth:grant-type:apikey")
            .append_pair("apikey", self.api_key.expose())
            .finish();
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let url = self.url.clone();
        let request = Request { method: Method::POST, url, headers, body: Bytes::from(body) };
        let answer = self.client.send(request).await;
        let answer = answer.map_err(|e| Fault::passing(format!("the identity service: {e}")))?;
        read(answer.status.as_u16(), &answer.body, self.clock.now())
    }
}

/// Reads the identity service's answer.
fn read(status: u16, body: &[u8], now: Instant) -> Result<Token, Fault> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    if !(200..300).contains(&status) {
        let what = format!(
            "the identity service answered {status} {} {}",
            text("errorCode"),
            text("errorMessage")
        );
        return Err(match status {
            408 | 425 | 429 | 500..=599 => Fault::passing(what),
            _ => Fault::lasting(format!("{}; check watson.api_key", what.trim_end())),
        });
    }
    let token = text("access_token");
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Fault::passing("the identity service's answer has no usable access_token"));
    }
    let life = value.get("expires_in").and_then(Value::as_u64).map_or(LONGEST, Duration::from_secs);
    Ok(Token { text: Secret::new(token.to_owned()), came: now, life: life.min(LONGEST) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        Clock::real().now()
    }

    #[test]
    fn a_token_is_renewed_in_the_last_fifth_of_its_life_and_not_used_in_its_last_seconds() {
        let came = now();
        let answer = br#"{"access_token":"abc","expires_in":1000,"expiration":5}"#;
        let token = read(200, answer, came).unwrap();
        assert_eq!(token.text.expose(), "abc");
        let at = |seconds| token.is(came + Duration::from_secs(seconds));
        assert_eq!(
            [at(0), at(799), at(800), at(989), at(990), at(5000)],
            [Use::Good, Use::Good, Use::Old, Use::Old, Use::Over, Use::Over]
        );
    }

    #[test]
    fn a_wrong_key_is_final_and_an_overloaded_service_is_not() {
        let bad =
            br#"{"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found."}"#;
        for status in [400, 401] {
            let fault = read(status, bad, now()).unwrap_err();
            assert_eq!(fault.remedy, Remedy::GiveUp);
            assert!(fault.text.contains("BXNIM0415E") && fault.text.contains("watson.api_key"));
        }
        assert_eq!(read(503, b"", now()).unwrap_err().remedy, Remedy::Reconnect);
        assert_eq!(read(200, b"{}", now()).unwrap_err().remedy, Remedy::Reconnect);
        assert!(read(200, br#"{"access_token":"a\r\nb"}"#, now()).is_err(), "it becomes a header");
    }
}
