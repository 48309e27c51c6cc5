//! URIs: `sip` and `sips` taken apart, `tel` and others kept as they are (RFC 3261 §19.1).

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str,
};

use super::{Params, ParseError, ParseErrorKind as Kind, lex, limits::MAX_URI_LEN};

/// What stands before the first colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme<'a> {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966)
    Tel,
    /// Any other.
    Other(&'a str),
}

/// A host as it stands in URIs and Via.
#[derive(Clone, Copy, Debug)]
pub enum Host<'a> {
    /// A name; compared without case.
    Name(&'a str),
    /// An address.
    Ip(IpAddr),
}

/// A URI that borrows its text.
#[derive(Clone, Copy)]
pub struct Uri<'a> {
    text: &'a str,
    scheme: Scheme<'a>,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: Option<Host<'a>>,
    port: Option<u16>,
    params: Params<'a>,
    headers: &'a str,
}

impl<'a> Uri<'a> {
    /// Reads a URI; nothing may stand around it.
    ///
    /// # Errors
    /// If it has no scheme, holds bytes that no URI may hold, is longer than [`MAX_URI_LEN`], or,
    /// being `sip` or `sips`, has a malformed host, port, escape or too many parameters.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let fail = |kind, part: &[u8]| Err(ParseError::new(kind, lex::offset_in(bytes, part)));
        if bytes.len() > MAX_URI_LEN {
            return fail(Kind::TooLong, bytes);
        }
        if !lex::is_uri_text(bytes) {
            return fail(Kind::Uri, bytes);
        }
        let Ok(text) = str::from_utf8(bytes) else { return fail(Kind::Uri, bytes) };
        let Some(colon) = memchr::memchr(b':', bytes) else { return fail(Kind::Uri, bytes) };
        let (scheme, rest) = lex::around(bytes, colon);
        let scheme = match scheme {
            s if s.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
            s if s.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
            s if s.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
            [first, others @ ..]
                if first.is_ascii_alphabetic()
                    && others
                        .iter()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) =>
            {
                Scheme::Other(str_of(scheme))
            }
            _ => return fail(Kind::Uri, bytes),
        };
        if rest.is_empty() {
            return fail(Kind::Uri, rest);
        }
        let mut uri = Self {
            text,
            scheme,
            user: None,
            password: None,
            host: None,
            port: None,
            params: Params::default(),
            headers: "",
        };
        match scheme {
            Scheme::Sip | Scheme::Sips => {
                uri.sip_parts(rest).map_err(|e| e.shifted(colon + 1))?;
            }
            Scheme::Tel => {
                let at = memchr::memchr(b';', rest).unwrap_or(rest.len());
                uri.user = Some(str_of(rest.get(..at).unwrap_or(rest)));
                uri.params = Params::unchecked(rest.get(at..).unwrap_or_default());
            }
            Scheme::Other(_) => {}
        }
        Ok(uri)
    }

    /// Takes apart what follows `sip:`.
    fn sip_parts(&mut self, rest: &'a [u8]) -> Result<(), ParseError> {
        let fail = |kind, part: &[u8]| Err(ParseError::new(kind, lex::offset_in(rest, part)));
        // The user part may hold `;` and `?`, but no `@`: the first `@` ends it (§25.1).
        let host_part = match memchr::memchr(b'@', rest) {
            None => rest,
            Some(at) => {
                let (userinfo, behind) = lex::around(rest, at);
                let (user, password) = match memchr::memchr(b':', userinfo) {
                    None => (userinfo, None),
                    Some(colon) => {
                        let (user, password) = lex::around(userinfo, colon);
                        (user, Some(password))
                    }
                };
                if user.is_empty() || !escapes_are_whole(userinfo) {
                    return fail(Kind::Uri, userinfo);
                }
                if userinfo.iter().any(|b| matches!(b, b'"' | b'<' | b'>' | b'\\' | b'[' | b']')) {
                    return fail(Kind::Uri, userinfo);
                }
                self.user = Some(str_of(user));
                self.password = password.map(str_of);
                behind
            }
        };
        let end =
            host_part.iter().position(|b| matches!(b, b';' | b'?')).unwrap_or(host_part.len());
        let (host_port, behind) =
            (host_part.get(..end).unwrap_or(host_part), host_part.get(end..).unwrap_or_default());
        let (host, port) =
            host_port_of(host_port).map_err(|e| e.shifted(lex::offset_in(rest, host_port)))?;
        self.host = Some(host);
        self.port = port;
        let question = memchr::memchr(b'?', behind).unwrap_or(behind.len());
        let (params, headers) = lex::around(behind, question);
        if params.iter().any(|b| matches!(b, b'"' | b'@' | b'\\'))
            || !escapes_are_whole(behind)
            || Params::unchecked(params).iter().any(|p| p.name.is_empty())
        {
            return fail(Kind::Parameter, behind);
        }
        if Params::unchecked(params).iter().count() > super::limits::MAX_PARAMS {
            return fail(Kind::TooMany, behind);
        }
        self.params = Params::unchecked(params);
        self.headers = str_of(headers);
        Ok(())
    }

    /// The whole text.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme<'a> {
        self.scheme
    }

    /// The user part as written, escapes kept, without password; of a `tel` URI the number.
    pub fn user(&self) -> Option<&'a str> {
        self.user
    }

    /// The user part with its escapes resolved, other bytes than UTF-8 replaced.
    pub fn user_decoded(&self) -> Option<Cow<'a, str>> {
        self.user.map(decode)
    }

    /// The password. It has no place in a URI (§19.1.1), but it is there.
    pub fn password(&self) -> Option<&'a str> {
        self.password
    }

    /// The host; `None` for other schemes than `sip` and `sips`.
    pub fn host(&self) -> Option<Host<'a>> {
        self.host
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The parameters (`transport`, `lr`, …).
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The text of a parameter: empty for a flag, `None` if it is not there.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params.text(name)
    }

    /// What stands behind `?`, or nothing.
    pub fn headers(&self) -> &'a str {
        self.headers
    }

    /// Names and values behind `?`, as written.
    pub fn header_fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.headers
            .split('&')
            .filter(|field| !field.is_empty())
            .map(|field| field.split_once('=').unwrap_or((field, "")))
    }

    /// True if both mean the same by the rules of RFC 3261 §19.1.4. Other schemes than `sip` and
    /// `sips` are compared as text, their scheme without case.
    pub fn is_equivalent(&self, other: &Uri<'_>) -> bool {
        match (self.scheme, other.scheme) {
            (Scheme::Sip, Scheme::Sip) | (Scheme::Sips, Scheme::Sips) => {}
            (Scheme::Tel, Scheme::Tel) | (Scheme::Other(_), Scheme::Other(_)) => {
                return self.text.eq_ignore_ascii_case(other.text);
            }
            _ => return false,
        }
        self.user.map(decode_bytes) == other.user.map(decode_bytes)
            && self.password.map(decode_bytes) == other.password.map(decode_bytes)
            && self.host == other.host
            && self.port == other.port
            && self.params_match(other)
            && other.params_match(self)
            && self.header_fields().count() == other.header_fields().count()
            && self.header_fields().all(|(name, value)| {
                other.header_fields().any(|(other_name, other_value)| {
                    decode(name).eq_ignore_ascii_case(&decode(other_name))
                        && decode_bytes(value) == decode_bytes(other_value)
                })
            })
    }

    /// §19.1.4: a parameter in both must match; these must be in both or in neither.
    fn params_match(&self, other: &Uri<'_>) -> bool {
        self.params.iter().all(|param| match other.params.find(param.name) {
            Some(found) => {
                let (a, b) = (param.value.unwrap_or_default(), found.value.unwrap_or_default());
                decode_bytes(str_of(a)).eq_ignore_ascii_case(&decode_bytes(str_of(b)))
            }
            None => !["user", "ttl", "method", "maddr", "transport"]
                .iter()
                .any(|name| param.name.eq_ignore_ascii_case(name)),
        })
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

impl<'a> Host<'a> {
    /// Reads a host: a name, an IPv4 address, or an IPv6 address in brackets.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if let [b'[', inside @ .., b']'] = bytes {
            let text = str::from_utf8(inside).ok()?;
            // RFC 5118 §4.10: the grammar of RFC 3261 lets three colons stand where two are meant.
            let address: Ipv6Addr = match text.parse() {
                Ok(address) => address,
                Err(_) => text.replacen(":::", "::", 1).parse().ok()?,
            };
            return Some(Self::Ip(IpAddr::V6(address)));
        }
        if !lex::is_host_text(bytes) {
            return None;
        }
        let text = str_of(bytes);
        match text.parse::<Ipv4Addr>() {
            Ok(address) => Some(Self::Ip(IpAddr::V4(address))),
            Err(_) => Some(Self::Name(text)),
        }
    }

    /// The address, unless it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Ip(ip) => Some(*ip),
        }
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::Ip(a), Self::Ip(b)) => a == b,
            (Self::Name(_), Self::Ip(_)) | (Self::Ip(_), Self::Name(_)) => false,
        }
    }
}

impl Eq for Host<'_> {}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// Reads `host [":" port]`, blanks allowed around the colon (they are in Via).
pub(crate) fn host_port_of(bytes: &[u8]) -> Result<(Host<'_>, Option<u16>), ParseError> {
    let bracket = if bytes.first() == Some(&b'[') {
        memchr::memchr(b']', bytes).ok_or(ParseError::new(Kind::Host, 0))?
    } else {
        0
    };
    let colon = memchr::memchr(b':', bytes.get(bracket..).unwrap_or_default()).map(|c| c + bracket);
    let (host, port) = match colon {
        None => (bytes, None),
        Some(at) => {
            let (host, port) = lex::around(bytes, at);
            let number = lex::number(lex::trim(port), u64::from(u16::MAX))
                .and_then(|n| u16::try_from(n).ok())
                .ok_or(ParseError::new(Kind::Port, at + 1))?;
            (lex::trim(host), Some(number))
        }
    };
    let host = Host::parse(host).ok_or(ParseError::new(Kind::Host, 0))?;
    Ok((host, port))
}

/// Resolves `%41`; what is no escape stays.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    match decode_bytes(text) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn decode_bytes(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if memchr::memchr(b'%', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, behind @ ..] = rest {
        if let (b'%', [high, low, behind @ ..]) = (first, behind)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = behind;
        } else {
            out.push(*first);
            rest = behind;
        }
    }
    Cow::Owned(out)
}

fn escapes_are_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (_, behind) = lex::around(rest, at);
        match behind {
            [a, b, ..] if hex(*a).is_some() && hex(*b).is_some() => rest = behind,
            _ => return false,
        }
    }
    true
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// Text of bytes that were found to be ASCII.
fn str_of(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or("")
}
