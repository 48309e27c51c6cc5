//! Who sent a request: the `Authorization` header, or a browser's session.

use axum::http::{HeaderMap, header};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    Api,
    password::{Login, MAX_PASSWORD},
};
use crate::{
    config::{Secret, same_bytes},
    store::{Authenticated, Session, Store, StoreError, TokenCheck},
};

/// The cookie of a session.
pub(super) const SESSION_COOKIE: &str = "sessionid";
/// The header in which a script of ours, or of the operator's, proves that it knows the session.
const CSRF_HEADER: &str = "x-csrftoken";

/// Why a request has nobody behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No credentials, or of a kind that is not for us.
    NotProvided,
    /// The keyword without a token.
    NoToken,
    /// More than one word after the keyword.
    Spaces,
    /// The token is not UTF-8.
    Characters,
    /// Nobody's token.
    Unknown,
    /// The token of a user who may not use the service any more.
    Inactive,
    /// `Basic` alone.
    NoBasic,
    /// More than one word after it.
    BasicSpaces,
    /// What follows it is not Base64 of UTF-8 or Latin-1.
    BasicEncoding,
    /// The name or the password is wrong.
    Password,
    /// The password was wrong too often.
    TooMany,
    /// The request changes something, and does not show that a page of ours sent it.
    Csrf,
}

impl Fault {
    /// The message that clients know.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::NotProvided => "Authentication credentials were not provided.",
            Self::NoToken => "Invalid token header. No credentials provided.",
            Self::Spaces => "Invalid token header. Token string should not contain spaces.",
            Self::Characters => {
                "Invalid token header. Token string should not contain invalid characters."
            }
            Self::Unknown => "Invalid token.",
            Self::Inactive => "User inactive or deleted.",
            Self::NoBasic => "Invalid basic header. No credentials provided.",
            Self::BasicSpaces => {
                "Invalid basic header. Credentials string should not contain spaces."
            }
            Self::BasicEncoding => {
                "Invalid basic header. Credentials not correctly base64 encoded."
            }
            Self::Password => "Invalid username/password.",
            Self::TooMany => "Too many wrong passwords. Try again in five minutes.",
            Self::Csrf => "CSRF Failed: CSRF token missing or incorrect.",
        }
    }
}

/// Who sent a request with these headers, by token.
pub(super) async fn authenticate(
    store: &Store,
    headers: &HeaderMap,
) -> Result<Result<Authenticated, Fault>, StoreError> {
    let token = match token(headers) {
        Ok(token) => token,
        Err(fault) => return Ok(Err(fault)),
    };
    Ok(match store.authenticate(&token).await? {
        TokenCheck::Valid(who) => Ok(who),
        TokenCheck::Inactive => Err(Fault::Inactive),
        TokenCheck::Unknown => Err(Fault::Unknown),
    })
}

/// Who sent a request, and with what it must prove that a page of ours sent it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Who.
    pub(super) who: Authenticated,
    /// The session's secret, for a request that changes something; a token needs none.
    pub(super) csrf: Option<Secret<String>>,
}

/// Who sent a request, by a browser's session or by token. A session that is unknown is as none.
pub(super) async fn session_or_token(
    store: &Store,
    headers: &HeaderMap,
) -> Result<Result<Known, Fault>, StoreError> {
    match session(store, headers).await? {
        Some(Session { who, csrf }) => Ok(Ok(Known { who, csrf: Some(csrf) })),
        None => Ok(authenticate(store, headers).await?.map(|who| Known { who, csrf: None })),
    }
}

/// Who sent a request by name and password; `None` if it has no such header. Any fault is of these
/// credentials.
pub(super) async fn basic(
    api: &Api,
    headers: &HeaderMap,
) -> Result<Option<Result<Authenticated, Fault>>, StoreError> {
    let joined = authorization(headers);
    let mut words = words(&joined);
    if !words.next().is_some_and(|keyword| keyword.eq_ignore_ascii_case(b"basic")) {
        return Ok(None);
    }
    let (credentials, more) = (words.next(), words.next());
    let credentials = match (credentials, more) {
        (None, _) => return Ok(Some(Err(Fault::NoBasic))),
        (Some(_), Some(_)) => return Ok(Some(Err(Fault::BasicSpaces))),
        (Some(credentials), None) => credentials,
    };
    let Ok(bytes) = BASE64_STANDARD.decode(credentials) else {
        return Ok(Some(Err(Fault::BasicEncoding)));
    };
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| error.as_bytes().iter().map(|b| char::from(*b)).collect());
    let (name, password) = text.split_once(':').unwrap_or((&text, ""));
    if password.len() > MAX_PASSWORD {
        return Ok(Some(Err(Fault::Password)));
    }
    let password = Secret::new(password.to_owned());
    Ok(Some(match api.doorkeeper().login(api.store(), name, password).await? {
        Login::Done(who) => Ok(who),
        Login::Wrong => Err(Fault::Password),
        Login::TooMany => Err(Fault::TooMany),
    }))
}

/// The session that the cookie names.
pub(super) async fn session(
    store: &Store,
    headers: &HeaderMap,
) -> Result<Option<Session>, StoreError> {
    match cookie(headers, SESSION_COOKIE) {
        Some(value) => store.session(&value).await,
        None => Ok(None),
    }
}

/// The value of a cookie; of a repeated one the first.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// Whether a request shows the session's secret: in a header, or in the field of a form.
pub(super) fn shows_csrf(headers: &HeaderMap, field: Option<&str>, csrf: &Secret<String>) -> bool {
    let header = headers.get(CSRF_HEADER).map(|value| value.as_bytes());
    header
        .or(field.map(str::as_bytes))
        .is_some_and(|given| same_bytes(given, csrf.expose().as_bytes()))
}

/// The header's lines. A repeated header counts as one with a comma, as in the gateway interface of
/// the old service.
fn authorization(headers: &HeaderMap) -> Vec<u8> {
    let lines: Vec<&[u8]> =
        headers.get_all(header::AUTHORIZATION).iter().map(|v| v.as_bytes()).collect();
    lines.join(&b","[..])
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_blank = |b: &u8| b.is_ascii_whitespace() || *b == 0x0b;
    line.split(is_blank).filter(|w| !w.is_empty())
}

/// The token in the header: the keyword in any case, blanks, one word.
fn token(headers: &HeaderMap) -> Result<String, Fault> {
    let joined = authorization(headers);
    let mut words = words(&joined);
    if !words.next().is_some_and(|keyword| keyword.eq_ignore_ascii_case(b"token")) {
        return Err(Fault::NotProvided);
    }
    let token = words.next().ok_or(Fault::NoToken)?;
    if words.next().is_some() {
        return Err(Fault::Spaces);
    }
    String::from_utf8(token.to_vec()).map_err(|_| Fault::Characters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; sessionid=xyz ;b=2".parse().unwrap());
        headers.append(header::COOKIE, "c=3".parse().unwrap());
        assert_eq!(cookie(&headers, "sessionid").as_deref(), Some("xyz"));
        assert_eq!(cookie(&headers, "c").as_deref(), Some("3"));
        assert_eq!(cookie(&headers, "session"), None);
    }
}
