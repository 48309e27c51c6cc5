//! `;name=value` parameters, of header values and of URIs.

use std::{borrow::Cow, str};

use super::{ParseError, ParseErrorKind as Kind, lex, limits::MAX_PARAMS};

/// The parameters of one value, checked when the value was parsed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Params<'a> {
    raw: &'a [u8],
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name, as written; names are compared without case.
    pub name: &'a str,
    /// What stands behind `=`, quotes included; `None` for a flag.
    pub value: Option<&'a [u8]>,
}

impl<'a> Params<'a> {
    /// Reads parameters of a header value (`;a=b;c="d"`), the first semicolon included. Blanks are
    /// allowed around `;` and `=`.
    ///
    /// # Errors
    /// If a name is no token, a value is neither token, host nor quoted string, or there are more
    /// than [`MAX_PARAMS`].
    pub(crate) fn parse(raw: &'a [u8]) -> Result<Self, ParseError> {
        let raw = lex::trim(raw);
        match raw {
            [] | [b';', ..] => {}
            _ => return Err(ParseError::new(Kind::Parameter, 0)),
        }
        let params = Self { raw };
        for (count, part) in params.parts().enumerate() {
            let error = |kind| Err(ParseError::new(kind, lex::offset_in(raw, part)));
            if count >= MAX_PARAMS {
                return error(Kind::TooMany);
            }
            let (name, value) = split(part);
            if !lex::is_token(name) {
                return error(Kind::Parameter);
            }
            match value {
                None => {}
                Some([b'"', rest @ ..]) => match lex::quoted_len(value.unwrap_or(rest)) {
                    Some(len) if len == rest.len() + 1 => {}
                    Some(_) => return error(Kind::Parameter),
                    None => return error(Kind::Quote),
                },
                Some(value) if is_gen_value(value) => {}
                Some(_) => return error(Kind::Parameter),
            }
        }
        Ok(params)
    }

    /// Parameters of a URI, whose characters were checked already.
    pub(crate) fn unchecked(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    /// The bytes as they stand, the first semicolon included.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        self.parts().map(|part| {
            let (name, value) = split(part);
            // Names are tokens or were found to be URI characters: ASCII both.
            Param { name: str::from_utf8(name).unwrap_or(""), value }
        })
    }

    /// The text of the first parameter of that name, unquoted values only: empty for a flag.
    /// `None` if there is none, or its value is not UTF-8.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let param = self.find(name)?;
        match param.value {
            None => Some(""),
            Some(value) => str::from_utf8(value).ok(),
        }
    }

    /// The first parameter of that name.
    pub fn find(&self, name: &str) -> Option<Param<'a>> {
        self.iter().find(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// True if a parameter of that name is there.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn parts(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.raw;
        std::iter::from_fn(move || {
            let [b';', behind @ ..] = rest else { return None };
            let at = lex::find_outside(behind, b';');
            let (part, _) = lex::around(behind, at);
            rest = behind.get(at..).unwrap_or_default();
            Some(lex::trim(part))
        })
    }
}

impl Param<'_> {
    /// The value without quotes and escapes, other bytes than UTF-8 replaced; empty for a flag.
    pub fn unquoted(&self) -> Cow<'_, str> {
        unquote(self.value.unwrap_or_default())
    }
}

/// The text of a token or quoted string, its quotes and escapes removed, folds made blanks, other
/// bytes than UTF-8 replaced.
pub(crate) fn unquote(value: &[u8]) -> Cow<'_, str> {
    let inside = match value {
        [b'"', inside @ .., b'"'] => inside,
        other => return unfolded(String::from_utf8_lossy(other)),
    };
    if !inside.contains(&b'\\') {
        return unfolded(String::from_utf8_lossy(inside));
    }
    let mut out = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            other => out.push(*other),
        }
    }
    unfolded(Cow::Owned(String::from_utf8_lossy(&out).into_owned()))
}

fn unfolded(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(['\r', '\n']) {
        Cow::Owned(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    } else {
        text
    }
}

fn split(part: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', part) {
        None => (part, None),
        Some(at) => {
            let (name, value) = lex::around(part, at);
            (lex::trim(name), Some(lex::trim(value)))
        }
    }
}

/// `gen-value` without quotes: a token or a host. Real values also hold the other characters of
/// URIs and words (`+sip.instance`, `received` with brackets), of which none can end a parameter.
fn is_gen_value(value: &[u8]) -> bool {
    lex::is_token(value) || (!value.is_empty() && value.iter().all(|b| is_loose(*b)))
}

fn is_loose(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !matches!(byte, b'"' | b',' | b';' | b'<' | b'>')
}
