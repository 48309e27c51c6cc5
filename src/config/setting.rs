//! The types that a setting can have, and how each is written in TOML and in an environment
//! variable.

use std::{fmt, net::IpAddr, net::SocketAddr, path::PathBuf};

use toml::de::DeValue;

use super::secret::{HIDDEN, Secret};

/// A type that a setting can have.
///
/// Each has one written form, the text of an environment variable; numbers and truth values may
/// also stand bare in TOML. The error of a refused text completes the sentence "… must be".
pub(super) trait Setting: Sized {
    /// True if it is written in quotes in TOML.
    const QUOTED: bool = true;

    /// Reads the written form.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Reads a TOML value that is not text; `None` if there is no such form.
    fn from_bare(_value: &DeValue<'_>) -> Option<Result<Self, String>> {
        None
    }

    /// The value as it is written in TOML.
    fn to_toml(&self) -> String;
}

/// Text in TOML's quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Setting for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn to_toml(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }

    fn to_toml(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Setting for Secret<String> {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self::new(text.to_owned()))
    }

    fn to_toml(&self) -> String {
        quoted(if self.expose().is_empty() { "" } else { HIDDEN })
    }
}

impl Setting for bool {
    const QUOTED: bool = false;

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("true or false".to_owned()),
        }
    }

    fn from_bare(value: &DeValue<'_>) -> Option<Result<Self, String>> {
        value.as_bool().map(Ok)
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

macro_rules! whole_number {
    ($($int:ty),+) => {$(
        impl Setting for $int {
            const QUOTED: bool = false;

            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("a whole number from 0 to {}", <$int>::MAX))
            }

            fn from_bare(value: &DeValue<'_>) -> Option<Result<Self, String>> {
                let written = value.as_integer()?;
                Some(
                    <$int>::from_str_radix(written.as_str(), written.radix())
                        .map_err(|_| format!("a whole number from 0 to {}", <$int>::MAX)),
                )
            }

            fn to_toml(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

whole_number!(u16, u32);

macro_rules! parsed_text {
    ($($of:ty => $form:literal),+ $(,)?) => {$(
        impl Setting for $of {
            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| $form.to_owned())
            }

            fn to_toml(&self) -> String {
                quoted(&self.to_string())
            }
        }
    )+};
}

parsed_text! {
    SocketAddr => "an IP address and a port, like \"127.0.0.1:8080\" or \"[::1]:8080\"",
    IpAddr => "an IP address, like \"192.0.2.10\"",
    HostPort => "a host name or IP address, and a port if it is not 5060, \
                 like \"sip.example.net\" or \"192.0.2.10:5080\"",
}

/// A setting that may be left open is written as empty text then.
impl<T: Setting> Setting for Option<T> {
    const QUOTED: bool = T::QUOTED;

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::from_text(text).map(Some) }
    }

    fn from_bare(value: &DeValue<'_>) -> Option<Result<Self, String>> {
        T::from_bare(value).map(|read| read.map(Some))
    }

    fn to_toml(&self) -> String {
        self.as_ref().map_or_else(|| quoted(""), T::to_toml)
    }
}

/// Makes an enum of fixed words a [`Setting`].
macro_rules! words {
    ($of:ty { $($word:literal => $variant:ident),+ $(,)? }) => {
        impl Setting for $of {
            fn from_text(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(["one of", $(concat!(" \"", $word, "\"")),+].concat()),
                }
            }

            fn to_toml(&self) -> String {
                match self {
                    $(Self::$variant => concat!("\"", $word, "\"").to_owned(),)+
                }
            }
        }
    };
}

pub(super) use words;

/// Where a SIP peer is: a host name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A DNS name or an IP address, the latter without brackets.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
}

/// RFC 3261 §19.1.2: the port of SIP over UDP when none is written.
const SIP_PORT: u16 = 5060;

/// RFC 1035 §2.3.4.
const MAX_HOST_LEN: usize = 255;

impl std::str::FromStr for HostPort {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        if let Ok(addr) = text.parse::<SocketAddr>() {
            return Ok(Self { host: addr.ip().to_string(), port: addr.port() });
        }
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self { host: ip.to_string(), port: SIP_PORT });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| NotAHost)?),
            None => (text, SIP_PORT),
        };
        let label = |l: &str| {
            !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let valid = host.len() <= MAX_HOST_LEN && host.split('.').all(label);
        // All figures and dots is an IP address with a mistake, not a name.
        let figures = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !valid || figures || port == 0 {
            return Err(NotAHost);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.contains(':'), self.port) {
            (false, SIP_PORT) => f.write_str(&self.host),
            (false, port) => write!(f, "{}:{port}", self.host),
            (true, port) => write!(f, "[{}]:{port}", self.host),
        }
    }
}

/// The text names no host.
#[derive(Debug, thiserror::Error)]
#[error("not a host name or address with a port")]
pub struct NotAHost;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_with_and_without_a_port() {
        for (text, host, port) in [
            ("sip.example.net", "sip.example.net", 5060),
            ("sip.example.net:5080", "sip.example.net", 5080),
            ("192.0.2.1", "192.0.2.1", 5060),
            ("[2001:db8::1]:5070", "2001:db8::1", 5070),
            ("2001:db8::1", "2001:db8::1", 5060),
            ("[2001:db8::1]", "2001:db8::1", 5060),
        ] {
            let read: HostPort = text.parse().unwrap();
            assert_eq!((read.host.as_str(), read.port), (host, port), "{text}");
            assert_eq!(read.to_string().parse::<HostPort>().unwrap(), read);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in
            ["", ":5060", "a b", "host:", "host:x", "host:99999", "host:0", "192.0.2", "a..b"]
        {
            assert!(text.parse::<HostPort>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn quoted_text_reads_back_as_it_was() {
        let odd = "a\"b\\c\n\u{7}é";
        let toml = format!("v = {}", quoted(odd));
        let table: toml::Table = toml.parse().unwrap();
        assert_eq!(table["v"].as_str(), Some(odd));
    }
}
