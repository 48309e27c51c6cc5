//! The typed values of headers: addresses, Via, CSeq, media types, challenges and credentials.

use std::{borrow::Cow, net::IpAddr, str};

use super::{
    Host, Method, Param, Params, ParseError, ParseErrorKind as Kind, Uri, lex, params, uri,
};

/// `"Name" <uri>;params`, the value of From, To, Contact, Route, P-Asserted-Identity and others.
#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    display: &'a [u8],
    /// The address.
    pub uri: Uri<'a>,
    /// The header's parameters. A URI without angle brackets has none of its own (RFC 3261 §20).
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// If quotes or brackets do not match, or the URI or the parameters are malformed.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let value = lex::trim(value);
        let fail = |kind, at| Err(ParseError::new(kind, at));
        let shift = |part: &[u8]| lex::offset_in(value, part);
        if value.is_empty() {
            return fail(Kind::Value, 0);
        }
        let quoted = if value.first() == Some(&b'"') {
            match lex::quoted_len(value) {
                Some(len) => len,
                None => return fail(Kind::Quote, 0),
            }
        } else {
            0
        };
        let behind = value.get(quoted..).unwrap_or_default();
        let Some(open) = memchr::memchr(b'<', behind).map(|at| at + quoted) else {
            return if quoted > 0 { fail(Kind::Brackets, quoted) } else { Self::bare(value) };
        };
        let (display, after) = lex::around(value, open);
        // `<` may stand in no URI: one behind the parameters' beginning is not this value's.
        let between = display.get(quoted..).unwrap_or_default();
        if quoted > 0 {
            if !lex::trim(between).is_empty() {
                return fail(Kind::Brackets, quoted);
            }
        } else if !is_unquoted_display(between) {
            return fail(Kind::Brackets, 0);
        }
        let Some(close) = memchr::memchr(b'>', after) else {
            return fail(Kind::Brackets, open);
        };
        let (inside, rest) = lex::around(after, close);
        let uri = Uri::parse(inside).map_err(|e| e.shifted(shift(inside)))?;
        let params = Params::parse(rest).map_err(|e| e.shifted(shift(lex::trim(rest))))?;
        Ok(Self { display: lex::trim(display), uri, params })
    }

    /// An address without brackets: what follows `;` belongs to the header, and commas and
    /// question marks may not stand in it (RFC 3261 §20).
    fn bare(value: &'a [u8]) -> Result<Self, ParseError> {
        let at = memchr::memchr(b';', value).unwrap_or(value.len());
        let address = lex::trim(value.get(..at).unwrap_or(value));
        let rest = value.get(at..).unwrap_or_default();
        if let Some(at) = address.iter().position(|b| matches!(b, b',' | b'?')) {
            return Err(ParseError::new(Kind::Brackets, at));
        }
        let uri = Uri::parse(address)?;
        let params = Params::parse(rest).map_err(|e| e.shifted(at))?;
        Ok(Self { display: b"", uri, params })
    }

    /// The display name without quotes and escapes, other bytes than UTF-8 replaced; empty if
    /// there is none.
    pub fn display_name(&self) -> Cow<'a, str> {
        params::unquote(self.display)
    }

    /// The display name as written, quotes included.
    pub fn raw_display_name(&self) -> &'a [u8] {
        self.display
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.text("tag").filter(|tag| !tag.is_empty())
    }

    /// The text of a header parameter: empty for a flag, `None` if it is not there.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params.text(name)
    }

    /// The `expires` parameter of a Contact, in seconds; `None` if it is missing or malformed
    /// (RFC 3261 §20.10: then the Expires header or the default counts).
    pub fn expires(&self) -> Option<u32> {
        let text = self.params.text("expires")?;
        lex::number(text.as_bytes(), u64::from(u32::MAX)).and_then(|n| u32::try_from(n).ok())
    }

    /// The `q` parameter of a Contact in thousandths, 1000 if it is missing or malformed.
    pub fn q_thousandths(&self) -> u16 {
        let q: Option<f32> = self.params.text("q").and_then(|q| q.parse().ok());
        match q {
            Some(q) if (0.0..=1.0).contains(&q) => (q * 1000.0) as u16,
            _ => 1000,
        }
    }
}

/// `*(token LWS)` and whatever real phones write there, without quotes.
fn is_unquoted_display(text: &[u8]) -> bool {
    !text.iter().any(|b| matches!(b, b'"' | b'>' | b';' | b',' | b'@' | b':'))
}

/// One value of Contact.
#[derive(Clone, Copy, Debug)]
pub enum Contact<'a> {
    /// `*`, in a REGISTER that removes all bindings.
    Star,
    /// An address.
    Addr(NameAddr<'a>),
}

impl<'a> Contact<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// As [`NameAddr::parse`].
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        match lex::trim(value) {
            b"*" => Ok(Self::Star),
            other => NameAddr::parse(other).map(Self::Addr),
        }
    }

    /// The address, unless it is `*`.
    pub fn addr(&self) -> Option<NameAddr<'a>> {
        match self {
            Self::Star => None,
            Self::Addr(addr) => Some(*addr),
        }
    }
}

/// One hop of Via (RFC 3261 §20.42).
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, `WS`, … as written.
    pub transport: &'a str,
    /// The host of sent-by.
    pub host: Host<'a>,
    /// The port of sent-by, if one is written.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// If the protocol is not `SIP/2.0/` and a token, or sent-by or the parameters are malformed.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let value = lex::trim(value);
        let bad = || ParseError::new(Kind::Value, 0);
        let mut parts = value.splitn(3, |b| *b == b'/');
        let (Some(name), Some(version), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        if !lex::trim(name).eq_ignore_ascii_case(b"SIP") || lex::trim(version) != b"2.0" {
            return Err(bad());
        }
        let rest = lex::trim(rest);
        let end = rest.iter().position(|b| lex::is_lws(*b)).ok_or_else(bad)?;
        let (transport, rest) = lex::around(rest, end);
        if !lex::is_token(transport) {
            return Err(bad());
        }
        let at = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let sent_by = lex::trim(rest.get(..at).unwrap_or(rest));
        let after = rest.get(at..).unwrap_or_default();
        let (host, port) =
            uri::host_port_of(sent_by).map_err(|e| e.shifted(lex::offset_in(value, sent_by)))?;
        let params = Params::parse(after).map_err(|e| e.shifted(lex::offset_in(value, after)))?;
        Ok(Self { transport: str::from_utf8(transport).unwrap_or(""), host, port, params })
    }

    /// The transaction's branch.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.text("branch").filter(|branch| !branch.is_empty())
    }

    /// Where the request really came from, as the server that got it wrote. An IPv6 address may
    /// stand in brackets or without.
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.text("received")?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// RFC 3581: `None` without the parameter, `Some(None)` if the client asks for it,
    /// `Some(Some(port))` if the server wrote it.
    pub fn rport(&self) -> Option<Option<u16>> {
        let text = self.params.text("rport")?;
        Some(text.parse().ok())
    }

    /// Time to live of a multicast request.
    pub fn ttl(&self) -> Option<u8> {
        self.params.text("ttl")?.parse().ok()
    }

    /// Where responses go instead of sent-by's host.
    pub fn maddr(&self) -> Option<Host<'a>> {
        Host::parse(self.params.text("maddr")?.as_bytes())
    }
}

/// The value of CSeq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2^31 (RFC 3261 §8.1.1.5).
    pub number: u32,
    /// The request's method.
    pub method: Method,
}

impl CSeq {
    /// Reads the value.
    ///
    /// # Errors
    /// If the number is not below 2^31 or the method is no token.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let value = lex::trim(value);
        let end = value.iter().position(|b| lex::is_lws(*b)).unwrap_or(value.len());
        let (number, method) = lex::around(value, end);
        let number = lex::number(number, u64::from(u32::MAX >> 1))
            .and_then(|n| u32::try_from(n).ok())
            .ok_or(ParseError::new(Kind::Number, 0))?;
        let method =
            Method::from_token(lex::trim(method)).ok_or(ParseError::new(Kind::Method, end))?;
        Ok(Self { number, method })
    }
}

/// The value of RAck (RFC 3262 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The RSeq of the response that is acknowledged.
    pub rseq: u32,
    /// The CSeq of that response.
    pub cseq: CSeq,
}

impl RAck {
    /// Reads the value.
    ///
    /// # Errors
    /// If it is not two numbers and a method.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let value = lex::trim(value);
        let end = value.iter().position(|b| lex::is_lws(*b)).unwrap_or(value.len());
        let (number, rest) = lex::around(value, end);
        let rseq = lex::number(number, u64::from(u32::MAX))
            .and_then(|n| u32::try_from(n).ok())
            .ok_or(ParseError::new(Kind::Number, 0))?;
        let cseq = CSeq::parse(rest).map_err(|e| e.shifted(end))?;
        Ok(Self { rseq, cseq })
    }
}

/// The value of Content-Type, and of Accept without `q`.
#[derive(Clone, Copy, Debug)]
pub struct MediaType<'a> {
    /// Before the slash; compared without case.
    pub kind: &'a str,
    /// Behind the slash; compared without case.
    pub subtype: &'a str,
    /// `boundary`, `charset`, …
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    /// Reads the value.
    ///
    /// # Errors
    /// If it is not two tokens with a slash between them, or the parameters are malformed.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let value = lex::trim(value);
        let bad = ParseError::new(Kind::Value, 0);
        let slash = memchr::memchr(b'/', value).ok_or(bad)?;
        let (kind, rest) = lex::around(value, slash);
        let at = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let subtype = lex::trim(rest.get(..at).unwrap_or(rest));
        let kind = lex::trim(kind);
        if !lex::is_token(kind) || !lex::is_token(subtype) {
            return Err(bad);
        }
        let params = Params::parse(rest.get(at..).unwrap_or_default())
            .map_err(|e| e.shifted(slash + 1 + at))?;
        let text = |bytes| str::from_utf8(bytes).unwrap_or("");
        Ok(Self { kind: text(kind), subtype: text(subtype), params })
    }

    /// True if it is that type, whatever its parameters.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }
}

/// A challenge or credentials: a scheme and comma-separated parameters, one per header line
/// (RFC 3261 §7.3.1: these headers are no lists).
#[derive(Clone, Copy, Debug)]
pub struct AuthValue<'a> {
    /// `Digest`, or another.
    pub scheme: &'a str,
    raw: &'a [u8],
}

impl<'a> AuthValue<'a> {
    /// Reads the value.
    ///
    /// # Errors
    /// If the scheme is no token, a parameter has no name or value, or there are too many.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let value = lex::trim(value);
        let end = value.iter().position(|b| lex::is_lws(*b)).unwrap_or(value.len());
        let (scheme, rest) = lex::around(value, end);
        if !lex::is_token(scheme) {
            return Err(ParseError::new(Kind::Value, 0));
        }
        let auth = Self { scheme: str::from_utf8(scheme).unwrap_or(""), raw: lex::trim(rest) };
        if !auth.scheme.eq_ignore_ascii_case("Digest") {
            return Ok(auth);
        }
        for (count, part) in lex::Commas::new(auth.raw).enumerate() {
            let at = lex::offset_in(value, part);
            if count >= super::limits::MAX_PARAMS {
                return Err(ParseError::new(Kind::TooMany, at));
            }
            let Some(param) = auth_param(part) else {
                if part.is_empty() {
                    continue;
                }
                return Err(ParseError::new(Kind::Parameter, at));
            };
            if let Some(text @ [b'"', ..]) = param.value
                && lex::quoted_len(text) != Some(text.len())
            {
                return Err(ParseError::new(Kind::Quote, at));
            }
        }
        Ok(auth)
    }

    /// The parameter of that name, unquoted.
    pub fn param(&self, name: &str) -> Option<Cow<'a, str>> {
        self.params()
            .find(|p| p.name.eq_ignore_ascii_case(name))
            .map(|p| params::unquote(p.value.unwrap_or_default()))
    }

    /// One parameter after the other.
    pub fn params(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        lex::Commas::new(self.raw).filter_map(auth_param)
    }
}

fn auth_param(part: &[u8]) -> Option<Param<'_>> {
    let (name, value) = lex::around(part, memchr::memchr(b'=', part)?);
    let name = lex::trim(name);
    if !lex::is_token(name) {
        return None;
    }
    Some(Param { name: str::from_utf8(name).ok()?, value: Some(lex::trim(value)) })
}
