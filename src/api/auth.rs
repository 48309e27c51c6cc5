//! The `Authorization` header with a token, for both versions of the API.

use axum::http::{HeaderMap, header};

use crate::store::{Authenticated, Store, StoreError, TokenCheck};

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
        }
    }
}

/// Who sent a request with these headers.
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

/// The token in the header: the keyword in any case, blanks, one word.
fn token(headers: &HeaderMap) -> Result<String, Fault> {
    // A repeated header counts as one with a comma, as in the gateway interface of the old service.
    let lines: Vec<&[u8]> =
        headers.get_all(header::AUTHORIZATION).iter().map(|v| v.as_bytes()).collect();
    let joined = lines.join(&b","[..]);
    let is_blank = |b: &u8| b.is_ascii_whitespace() || *b == 0x0b;
    let mut words = joined.split(is_blank).filter(|w| !w.is_empty());
    if !words.next().is_some_and(|keyword| keyword.eq_ignore_ascii_case(b"token")) {
        return Err(Fault::NotProvided);
    }
    let token = words.next().ok_or(Fault::NoToken)?;
    if words.next().is_some() {
        return Err(Fault::Spaces);
    }
    String::from_utf8(token.to_vec()).map_err(|_| Fault::Characters)
}
