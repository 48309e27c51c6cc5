//! Values that are a token with parameters behind it, and the headers whose rules depend on them.

use std::str;

use super::{HeaderName, Message, Params, ParseError, ParseErrorKind as Kind, lex};

/// A token and its parameters: `Event: presence;id=1`, `Content-Disposition: session`,
/// `Reason: Q.850;cause=16`, `Subscription-State: active;expires=60`.
#[derive(Clone, Copy, Debug)]
pub struct Tagged<'a> {
    /// Before the first semicolon; compared without case unless its RFC says otherwise.
    pub value: &'a str,
    /// What follows it.
    pub params: Params<'a>,
}

impl<'a> Tagged<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// If there is no token, or the parameters are malformed.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let value = lex::trim(value);
        let at = memchr::memchr(b';', value).unwrap_or(value.len());
        let token = lex::trim(value.get(..at).unwrap_or(value));
        if !lex::is_token(token) {
            return Err(ParseError::new(Kind::Value, 0));
        }
        let params =
            Params::parse(value.get(at..).unwrap_or_default()).map_err(|e| e.shifted(at))?;
        Ok(Self { value: str::from_utf8(token).unwrap_or(""), params })
    }

    /// A parameter that is a number; `None` if it is missing or malformed.
    pub fn number(&self, name: &str) -> Option<u32> {
        let text = self.params.text(name)?;
        lex::number(text.as_bytes(), u64::from(u32::MAX)).and_then(|n| u32::try_from(n).ok())
    }
}

/// Session-Expires (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval in seconds.
    pub seconds: u32,
    /// Who refreshes, if it is said.
    pub refresher: Option<Refresher>,
}

/// Who refreshes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answered it.
    Uas,
}

/// Replaces, Join and Target-Dialog: a dialog, its tags as their receiver knows it (RFC 3891 §6.1,
/// RFC 3911, RFC 4538).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialogRef<'a> {
    /// Call-ID.
    pub call_id: &'a str,
    /// The tag of the receiver of the message.
    pub to_tag: &'a str,
    /// The tag of the other side.
    pub from_tag: &'a str,
    /// RFC 3891: only if the dialog is not confirmed yet.
    pub early_only: bool,
}

impl<'a> DialogRef<'a> {
    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let value = lex::trim(value);
        let at = memchr::memchr(b';', value).unwrap_or(value.len());
        let call_id = lex::trim(value.get(..at).unwrap_or(value));
        if !lex::is_call_id(call_id) {
            return Err(ParseError::new(Kind::Value, 0));
        }
        let params =
            Params::parse(value.get(at..).unwrap_or_default()).map_err(|e| e.shifted(at))?;
        // Target-Dialog says local and remote where the others say to and from.
        let tag = |name, other| {
            let text = params.text(name).or_else(|| params.text(other));
            text.filter(|tag| !tag.is_empty()).ok_or(ParseError::new(Kind::Parameter, at))
        };
        Ok(Self {
            call_id: str::from_utf8(call_id).unwrap_or(""),
            to_tag: tag("to-tag", "remote-tag")?,
            from_tag: tag("from-tag", "local-tag")?,
            early_only: params.has("early-only"),
        })
    }
}

impl<'a> Message<'a> {
    /// Session-Expires; `None` if it is missing.
    ///
    /// # Errors
    /// If it does not begin with a number of seconds.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, ParseError> {
        self.read_optional(HeaderName::SessionExpires, |value| {
            let tagged = Tagged::parse(value)?;
            let number = lex::number(tagged.value.as_bytes(), u64::from(u32::MAX))
                .and_then(|n| u32::try_from(n).ok());
            let refresher = match tagged.params.text("refresher") {
                Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
                Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
                Some(_) | None => None,
            };
            let seconds = number.ok_or(ParseError::new(Kind::Number, 0))?;
            Ok(SessionExpires { seconds, refresher })
        })
    }

    /// Min-SE in seconds; `None` if it is missing.
    ///
    /// # Errors
    /// If it does not begin with a number.
    pub fn min_se(&self) -> Result<Option<u32>, ParseError> {
        self.seconds(HeaderName::MinSe)
    }

    /// Replaces, Join or Target-Dialog; `None` if it is missing.
    ///
    /// # Errors
    /// If the Call-ID or a tag is missing or malformed.
    pub fn dialog_ref(
        &self,
        name: HeaderName<'static>,
    ) -> Result<Option<DialogRef<'a>>, ParseError> {
        self.read_optional(name, DialogRef::parse)
    }

    /// Event (RFC 6665 §8.2.1): the package, and its `id` among the parameters.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn event(&self) -> Result<Option<Tagged<'a>>, ParseError> {
        self.read_optional(HeaderName::Event, Tagged::parse)
    }

    /// Subscription-State (RFC 6665 §8.2.3).
    ///
    /// # Errors
    /// If it is malformed.
    pub fn subscription_state(&self) -> Result<Option<Tagged<'a>>, ParseError> {
        self.read_optional(HeaderName::SubscriptionState, Tagged::parse)
    }

    /// Content-Disposition; `None` if it is missing or malformed.
    pub fn content_disposition(&self) -> Option<Tagged<'a>> {
        Tagged::parse(self.header(HeaderName::ContentDisposition)?).ok()
    }

    /// The values of Reason (RFC 3326): protocol, and `cause` and `text` among the parameters.
    /// Malformed ones, which only inform, are left out.
    pub fn reasons(&self) -> impl Iterator<Item = Tagged<'a>> {
        self.values(HeaderName::Reason).filter_map(|value| Tagged::parse(value).ok())
    }

    /// True if Privacy (RFC 3323) asks for it: `id`, `header`, `session`, `user`, `critical`.
    pub fn wants_privacy(&self, kind: &str) -> bool {
        self.header_lines(HeaderName::Privacy)
            .flat_map(|value| value.split(|b| matches!(b, b';' | b',')))
            .any(|value| lex::trim(value).eq_ignore_ascii_case(kind.as_bytes()))
    }

    /// Refer-To.
    ///
    /// # Errors
    /// If it is missing or malformed.
    pub fn refer_to(&self) -> Result<super::NameAddr<'a>, ParseError> {
        self.read(HeaderName::ReferTo, super::NameAddr::parse)
    }
}
