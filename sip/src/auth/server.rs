//! Challenging and verifying.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::hash::{Algorithm, Ha1, Input, Password, Qop, hex, hmac, same};
use crate::message::{AuthValue, Method, Scheme, Uri};

/// How long a nonce may be answered for the first time or again.
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// Nonces whose counts are remembered.
const MAX_NONCES: usize = 20_000;

/// Time of issue in milliseconds and running number: what makes a nonce the one it is.
type NonceId = (u64, u32);

/// One realm's authority. Owned by whoever serves the realm.
#[derive(Debug)]
pub struct DigestServer {
    realm: String,
    key: Password32,
    epoch: Instant,
    issued: u32,
    algorithms: Vec<Algorithm>,
    /// True if bodies may be protected too (`auth-int`).
    integrity: bool,
    /// What the answers for unknown users are compared with.
    decoy: Ha1,
    /// Highest count of each nonce that was answered rightly.
    counts: BTreeMap<NonceId, u32>,
    /// Nonces up to this one were forgotten to make room, and count as stale.
    floor: Option<NonceId>,
}

/// The secret behind the nonces, hidden from logs.
struct Password32([u8; 32]);

impl std::fmt::Debug for Password32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What credentials are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right; the request is this user's.
    Accepted {
        /// The user.
        username: String,
    },
    /// Right, but the nonce is too old or its count was used: challenge again with `stale`.
    Stale,
    /// Not right.
    Refused(Refusal),
}

/// Why credentials were refused: for the log, never for the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request has no credentials for the realm.
    #[error("no credentials for this realm")]
    Missing,
    /// A parameter is missing or has a value that was not offered.
    #[error("credentials incomplete, or by an algorithm or protection that was not offered")]
    Malformed,
    /// The digest is for another URI than the request's.
    #[error("credentials for another request URI")]
    WrongUri,
    /// The nonce is not one of ours, or was given to another address.
    #[error("a nonce that was not issued to this address")]
    ForeignNonce,
    /// No such user, or the wrong password.
    #[error("unknown user or wrong password")]
    WrongPassword,
}

/// What is to be verified besides the credentials.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The address the request came from.
    pub source: IpAddr,
    /// The request's method.
    pub method: Method,
    /// The Request-URI.
    pub uri: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl DigestServer {
    /// An authority for `realm`. `key` is random and secret; nonces live no longer than it does.
    pub fn new(realm: impl Into<String>, key: [u8; 32], now: Instant) -> Self {
        let realm = realm.into().replace(['"', '\\', '\r', '\n'], "");
        Self {
            decoy: Ha1::new("", &realm, &Password::new(hex(&key))),
            realm,
            key: Password32(key),
            epoch: now,
            issued: 0,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            integrity: false,
            counts: BTreeMap::new(),
            floor: None,
        }
    }

    /// The same, offering only SHA-256. Old phones will not get in.
    #[must_use]
    pub fn without_md5(mut self) -> Self {
        self.algorithms = vec![Algorithm::Sha256];
        self
    }

    /// The same, offering these algorithms, the preferred one first (RFC 8760 §2.3).
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: Vec<Algorithm>) -> Self {
        self.algorithms = algorithms;
        self
    }

    /// The same, offering `auth-int` beside `auth` (RFC 7616 §3.4.3).
    #[must_use]
    pub fn with_integrity(mut self) -> Self {
        self.integrity = true;
        self
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The values of WWW-Authenticate (or Proxy-Authenticate), one line each, the preferred
    /// algorithm first (RFC 8760 §2.3).
    pub fn challenge(&mut self, now: Instant, source: IpAddr, stale: bool) -> Vec<String> {
        self.issued = self.issued.wrapping_add(1);
        let id = (self.millis(now), self.issued);
        let nonce = self.nonce(id, source);
        let stale = if stale { ", stale=true" } else { "" };
        let qop = if self.integrity { "auth,auth-int" } else { "auth" };
        self.algorithms
            .iter()
            .map(|algorithm| {
                format!(
                    "Digest realm=\"{}\", nonce=\"{nonce}\", algorithm={}, qop=\"{qop}\"{stale}",
                    self.realm,
                    algorithm.as_str()
                )
            })
            .collect()
    }

    /// Verifies the credentials of a request. `secret` finds a user's; for unknown users it gives
    /// `None`, which costs the same time and gives the same verdict as a wrong password.
    pub fn verify<'v>(
        &mut self,
        now: Instant,
        claim: &Claim<'_>,
        values: impl Iterator<Item = AuthValue<'v>>,
        secret: impl FnOnce(&str) -> Option<Ha1>,
    ) -> Verdict {
        let ours = values
            .filter(|v| v.scheme.eq_ignore_ascii_case("Digest"))
            .find(|v| v.param("realm").is_some_and(|realm| realm == self.realm));
        let Some(value) = ours else { return Verdict::Refused(Refusal::Missing) };
        match self.judge(now, claim, &value, secret) {
            Ok(verdict) => verdict,
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    fn judge(
        &mut self,
        now: Instant,
        claim: &Claim<'_>,
        value: &AuthValue<'_>,
        secret: impl FnOnce(&str) -> Option<Ha1>,
    ) -> Result<Verdict, Refusal> {
        let text = |name: &str| value.param(name).ok_or(Refusal::Malformed);
        let (username, nonce, uri) = (text("username")?, text("nonce")?, text("uri")?);
        let (response, count, cnonce) = (text("response")?, text("nc")?, text("cnonce")?);
        // We always offer qop, so an answer without it was tampered with (or is of 1999).
        let qop = Qop::from_name(&text("qop")?)
            .filter(|qop| *qop == Qop::Auth || self.integrity)
            .ok_or(Refusal::Malformed)?;
        let algorithm = match value.param("algorithm") {
            None => Algorithm::Md5,
            Some(name) => Algorithm::from_name(&name).ok_or(Refusal::Malformed)?,
        };
        if !self.algorithms.contains(&algorithm) {
            return Err(Refusal::Malformed);
        }
        let number = Some(&count)
            .filter(|count| count.len() == 8)
            .and_then(|count| u32::from_str_radix(count, 16).ok())
            .filter(|number| *number > 0)
            .ok_or(Refusal::Malformed)?;
        if !is_same_uri(uri.as_bytes(), claim.uri) {
            return Err(Refusal::WrongUri);
        }
        let id = self.own_nonce(&nonce, claim.source).ok_or(Refusal::ForeignNonce)?;
        let found = secret(&username);
        let known = found.is_some();
        let ha1 = found.as_ref().unwrap_or(&self.decoy);
        let expected = Input {
            algorithm,
            nonce: &nonce,
            qop: Some((&count, &cnonce, qop)),
            method: claim.method.as_str(),
            uri: &uri,
            body: claim.body,
        }
        .response(&ha1.of(algorithm));
        let right = same(expected.as_bytes(), response.to_ascii_lowercase().as_bytes());
        if !right || !known {
            return Err(Refusal::WrongPassword);
        }
        // Only now, with the right answer: a stranger must not be able to use up counts.
        if self.is_spent(now, id, number) {
            return Ok(Verdict::Stale);
        }
        self.remember(now, id, number);
        Ok(Verdict::Accepted { username: username.into_owned() })
    }

    fn is_spent(&self, now: Instant, id: NonceId, count: u32) -> bool {
        let age = self.millis(now).saturating_sub(id.0);
        Duration::from_millis(age) > NONCE_LIFE
            || self.floor.is_some_and(|floor| id <= floor)
            || self.counts.get(&id).is_some_and(|last| count <= *last)
    }

    fn remember(&mut self, now: Instant, id: NonceId, count: u32) {
        self.counts.insert(id, count);
        let life = u64::try_from(NONCE_LIFE.as_millis()).unwrap_or(u64::MAX);
        let oldest_alive = self.millis(now).saturating_sub(life);
        while let Some((&first, _)) = self.counts.first_key_value() {
            let dead = first.0 < oldest_alive;
            if !dead && self.counts.len() <= MAX_NONCES {
                break;
            }
            self.counts.remove(&first);
            if !dead {
                self.floor = Some(first);
            }
        }
    }

    /// 16 hexadecimal digits of time, 8 of the number, 32 of the seal.
    fn nonce(&self, id: NonceId, source: IpAddr) -> String {
        let mut text = hex(&id.0.to_be_bytes());
        text.push_str(&hex(&id.1.to_be_bytes()));
        let seal = hmac(&self.key.0, &[text.as_bytes(), source.to_string().as_bytes()]);
        text.push_str(&hex(&seal[..16]));
        text
    }

    fn own_nonce(&self, nonce: &str, source: IpAddr) -> Option<NonceId> {
        let time = u64::from_str_radix(nonce.get(..16)?, 16).ok()?;
        let number = u32::from_str_radix(nonce.get(16..24)?, 16).ok()?;
        let id = (time, number);
        same(self.nonce(id, source).as_bytes(), nonce.as_bytes()).then_some(id)
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

/// True if the digest is for the resource that is asked for, or for its server: phones write the
/// URI as they dialled it, and some (SIPp among them) the server alone. What keeps an answer from
/// being used for another user of the same server is the nonce's count.
fn is_same_uri(digest: &[u8], request: &[u8]) -> bool {
    if digest == request {
        return true;
    }
    let (Ok(a), Ok(b)) = (Uri::parse(digest), Uri::parse(request)) else { return false };
    let port = |uri: &Uri<'_>| {
        uri.port().unwrap_or(match uri.scheme() {
            Scheme::Sips => 5061,
            Scheme::Sip | Scheme::Tel | Scheme::Other(_) => 5060,
        })
    };
    let host = |uri: &Uri<'_>| uri.host().map(|host| host.to_string().to_ascii_lowercase());
    let user_fits = a.user().is_none() || a.user() == b.user();
    let same_server = host(&a).is_some() && host(&a) == host(&b) && port(&a) == port(&b);
    a.is_equivalent(&b) || (user_fits && same_server)
}
