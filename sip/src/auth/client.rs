//! Answering challenges.

use super::hash::{Algorithm, Input, Password, Qop};
use crate::message::{AuthValue, HeaderName, Message, Request, StatusCode};

/// Realms that one client answers: a proxy's and a registrar's may differ.
const MAX_REALMS: usize = 4;
/// Answers to challenges that call a nonce stale, before we take it for a loop.
const MAX_STALE: u8 = 3;
/// Bytes of a realm, nonce or opaque that we repeat.
const MAX_TEXT: usize = 1024;

/// Who we are to the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Password,
    /// The only realm that may have an answer; `None` to take the first that challenges and no
    /// other after it.
    pub realm: Option<String>,
}

/// Why a challenge is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The response has no Digest challenge that we can read.
    #[error("the response has no digest challenge that can be answered")]
    NoChallenge,
    /// All challenges are for realms that we have no credentials for. Answering would hand a hash
    /// of the password to whoever asks.
    #[error("challenged for realm {0:?}, for which there are no credentials")]
    Realm(String),
    /// The other side did not accept the credentials; sending them again would not help.
    #[error("user name or password not accepted for realm {0:?}")]
    Rejected(String),
    /// The other side calls each nonce stale.
    #[error("every nonce is called stale by realm {0:?}")]
    StaleLoop(String),
}

/// Keeps challenges and answers them. One for each trunk.
#[derive(Clone, Debug)]
pub struct DigestClient {
    credentials: Credentials,
    sessions: Vec<Session>,
    stale: u8,
}

/// A challenge that we may answer again, with a growing count.
#[derive(Clone, Debug)]
struct Session {
    header: HeaderName<'static>,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// False if the challenge named none: then the answer does not either (RFC 2069 servers).
    names_algorithm: bool,
    qop: Option<Qop>,
    user_hash: bool,
    count: u32,
}

impl DigestClient {
    /// A client with these credentials.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, sessions: Vec::new(), stale: 0 }
    }

    /// Puts credentials into a request before it is challenged, if a challenge is known. `cnonce`
    /// is random, hexadecimal, fresh for each call.
    pub fn authorize(&mut self, request: &mut Request, cnonce: &str) {
        for session in &mut self.sessions {
            session.put(&self.credentials, request, cnonce);
        }
    }

    /// Takes the challenges of a 401 or 407 to `request` and puts the answers into it. The caller
    /// then gives it a new CSeq and branch and sends it again.
    ///
    /// # Errors
    /// If nothing can be answered, or the same credentials were refused already; the request has
    /// failed then.
    pub fn answer(
        &mut self,
        request: &mut Request,
        response: &Message<'_>,
        cnonce: &str,
    ) -> Result<(), AuthError> {
        let (challenges, header) = if response.status() == Some(StatusCode::UNAUTHORIZED) {
            (HeaderName::WwwAuthenticate, HeaderName::Authorization)
        } else {
            (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization)
        };
        let mut foreign = None;
        let mut best: Vec<(Session, bool)> = Vec::new();
        for value in response.auth_values(challenges).flatten() {
            let Some((session, stale)) = Session::of(&value, header) else { continue };
            if !self.may_answer(&session.realm) {
                foreign = Some(session.realm);
                continue;
            }
            // RFC 8760 §2.4: one answer for each realm; we take the strongest algorithm.
            match best.iter().position(|(other, _)| other.realm == session.realm) {
                Some(place) => {
                    if let Some(other) = best.get_mut(place)
                        && other.0.algorithm < session.algorithm
                    {
                        *other = (session, stale);
                    }
                }
                None if best.len() < MAX_REALMS => best.push((session, stale)),
                None => {}
            }
        }
        if best.is_empty() {
            return Err(foreign.map_or(AuthError::NoChallenge, AuthError::Realm));
        }
        for (session, stale) in &best {
            self.judge(request, session, *stale)?;
        }
        for (mut session, _) in best {
            if self.credentials.realm.is_none() {
                self.credentials.realm = Some(session.realm.clone());
            }
            session.put(&self.credentials, request, cnonce);
            self.sessions.retain(|s| s.header != session.header || s.realm != session.realm);
            if self.sessions.len() < MAX_REALMS {
                self.sessions.push(session);
            }
        }
        Ok(())
    }

    /// To be told when a request that carried credentials was not challenged again.
    pub fn accepted(&mut self) {
        self.stale = 0;
    }

    fn may_answer(&self, realm: &str) -> bool {
        self.credentials.realm.as_deref().is_none_or(|ours| ours == realm)
    }

    /// Whether the challenge may be answered, given what the request carried already.
    fn judge(&mut self, request: &Request, new: &Session, stale: bool) -> Result<(), AuthError> {
        let carried = request
            .headers()
            .all(new.header)
            .filter_map(|value| AuthValue::parse(value).ok())
            .find(|value| value.param("realm").is_some_and(|realm| realm == new.realm));
        let Some(carried) = carried else { return Ok(()) };
        if stale {
            if self.stale >= MAX_STALE {
                return Err(AuthError::StaleLoop(new.realm.clone()));
            }
            self.stale += 1;
            return Ok(());
        }
        // Many servers forget to say that a nonce has become stale. One that was taken before
        // (its count is above 1) was refused for its age, not for the password.
        let same_nonce = carried.param("nonce").is_some_and(|nonce| nonce == new.nonce);
        let used_before = carried.param("nc").is_some_and(|nc| nc != "00000001");
        if used_before && !same_nonce {
            return Ok(());
        }
        self.sessions.retain(|s| s.header != new.header || s.realm != new.realm);
        Err(AuthError::Rejected(new.realm.clone()))
    }
}

impl Session {
    /// Reads a challenge, and whether it calls our nonce stale; `None` if we cannot answer it.
    fn of(value: &AuthValue<'_>, header: HeaderName<'static>) -> Option<(Self, bool)> {
        if !value.scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let text = |name: &str| {
            value.param(name).filter(|text| text.len() <= MAX_TEXT).map(|text| text.into_owned())
        };
        let algorithm = value.param("algorithm");
        let names_algorithm = algorithm.is_some();
        let algorithm = match algorithm {
            None => Algorithm::Md5,
            Some(name) => Algorithm::from_name(&name)?,
        };
        let qop = match value.param("qop") {
            None => None,
            Some(list) => {
                let offers = |wanted: &str| {
                    list.split(',').any(|qop| qop.trim().eq_ignore_ascii_case(wanted))
                };
                if offers("auth") {
                    Some(Qop::Auth)
                } else if offers("auth-int") {
                    Some(Qop::AuthInt)
                } else if list.trim().is_empty() {
                    None
                } else {
                    return None;
                }
            }
        };
        let is_true =
            |name: &str| value.param(name).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let session = Self {
            header,
            realm: text("realm")?,
            nonce: text("nonce")?,
            opaque: text("opaque"),
            algorithm,
            names_algorithm,
            qop,
            user_hash: is_true("userhash"),
            count: 0,
        };
        Some((session, is_true("stale")))
    }

    /// Puts the answer into the request, in the place of an earlier one for this realm.
    fn put(&mut self, credentials: &Credentials, request: &mut Request, cnonce: &str) {
        let value = self.value(credentials, request, cnonce);
        let others: Vec<Vec<u8>> = request
            .headers()
            .all(self.header)
            .filter(|old| {
                AuthValue::parse(old)
                    .ok()
                    .and_then(|old| old.param("realm").map(|realm| realm != self.realm))
                    .unwrap_or(false)
            })
            .map(<[u8]>::to_vec)
            .collect();
        request.headers_mut().remove(self.header);
        for other in others {
            request.headers_mut().push(self.header, other);
        }
        request.headers_mut().push(self.header, value);
    }

    fn value(&mut self, credentials: &Credentials, request: &Request, cnonce: &str) -> String {
        self.count = self.count.saturating_add(1);
        let count = format!("{:08x}", self.count);
        let user = credentials.username.as_str();
        let uri = String::from_utf8_lossy(request.uri());
        let algorithm = self.algorithm;
        let ha1 = algorithm.hash(&[
            user.as_bytes(),
            self.realm.as_bytes(),
            credentials.password.as_bytes(),
        ]);
        let response = Input {
            algorithm,
            nonce: &self.nonce,
            qop: self.qop.map(|qop| (count.as_str(), cnonce, qop)),
            method: request.method().as_str(),
            uri: &uri,
            body: request.content(),
        }
        .response(&ha1);
        let shown_user = if self.user_hash {
            algorithm.hash(&[user.as_bytes(), self.realm.as_bytes()])
        } else {
            quoted(user)
        };
        let mut value = format!(
            "Digest username=\"{shown_user}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", \
             response=\"{response}\"",
            quoted(&self.realm),
            quoted(&self.nonce),
        );
        if self.names_algorithm {
            value.push_str(", algorithm=");
            value.push_str(algorithm.as_str());
        }
        if let Some(qop) = self.qop {
            value.push_str(&format!(
                ", cnonce=\"{}\", qop={}, nc={count}",
                quoted(cnonce),
                qop.as_str()
            ));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque=\"{}\"", quoted(opaque)));
        }
        if self.user_hash {
            value.push_str(", userhash=true");
        }
        value
    }
}

/// Text as it stands in a quoted string.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
