//! The sections about the carrier's HTTP services and about webhooks.

use url::Url;

use super::{
    reader::Section,
    secret::Secret,
    setting::{Setting, quoted, words},
};
use crate::http::{AddressPolicy, IpRanges};

/// Whose HTTP services are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarrierName {
    /// Nobody's: no messages, no numbers.
    None,
    /// Flowroute's.
    Flowroute,
}

words!(CarrierName { "" => None, "flowroute" => Flowroute });

/// `[carrier]`: messages and numbers, whoever the carrier is.
#[derive(Clone, Debug, PartialEq)]
pub struct Carrier {
    /// Whose services are used.
    pub name: CarrierName,
    /// The number that messages are sent from.
    pub sms_from: String,
    /// The carrier's id of the route that bought numbers get; `None` leaves them the carrier's own.
    pub number_route: Option<String>,
    /// From where receipts and inbound messages are taken; none for anywhere.
    pub webhook_sources: IpRanges,
    /// What must stand as `key` in their query; `None`: nothing.
    pub webhook_key: Option<Secret<String>>,
}

impl Default for Carrier {
    fn default() -> Self {
        Self {
            name: CarrierName::None,
            sms_from: String::new(),
            number_route: None,
            webhook_sources: IpRanges::default(),
            webhook_key: None,
        }
    }
}

impl Carrier {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let carrier = Self {
            name: s.read("name", default.name),
            sms_from: s.read("sms_from", default.sms_from),
            number_route: s.read("number_route", default.number_route),
            webhook_sources: s.read("webhook_sources", default.webhook_sources),
            webhook_key: s.read("webhook_key", default.webhook_key),
        };
        let digits = carrier.sms_from.strip_prefix('+').unwrap_or(&carrier.sms_from);
        let is_number =
            (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !carrier.sms_from.is_empty() && !is_number {
            s.wrong(
                "sms_from",
                "is not a telephone number",
                "write an optional + and 1 to 15 digits",
            );
        }
        carrier
    }
}

/// Where Flowroute's services are.
pub const FLOWROUTE: &str = "https://api.flowroute.com";

/// `[flowroute]`: how Flowroute's services are reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flowroute {
    /// Where they are; `None` for [`FLOWROUTE`].
    pub url: Option<Url>,
    /// The access key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: Option<Secret<String>>,
}

impl Flowroute {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let flowroute = Self {
            url: s.read("url", None),
            access_key: s.read("access_key", String::new()),
            secret_key: s.read("secret_key", None),
        };
        // RFC 7617 §2: a user id with a colon cannot be told from the password.
        if flowroute.access_key.contains(':') {
            s.wrong("access_key", "has a colon", "write the access key without its secret");
        }
        flowroute
    }
}

/// `[webhooks]`: what is told to clients' addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhooks {
    /// Addresses that may be told things although they are not of the public Internet.
    pub allow: IpRanges,
    /// The key of the signature; `None`: there is none.
    pub signing_key: Option<Secret<String>>,
    /// How long a receiver may take, in seconds.
    pub timeout_seconds: u32,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { allow: IpRanges::default(), signing_key: None, timeout_seconds: 10 }
    }
}

impl Webhooks {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        Self {
            allow: s.read("allow", default.allow),
            signing_key: s.read("signing_key", default.signing_key),
            timeout_seconds: s.read_in("timeout_seconds", default.timeout_seconds, 1..=60),
        }
    }

    /// Where webhooks may go.
    pub fn policy(&self) -> AddressPolicy {
        match self.allow.is_empty() {
            true => AddressPolicy::Public,
            false => AddressPolicy::PublicAnd(self.allow.clone()),
        }
    }
}

impl Setting for IpRanges {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            "IP addresses or ranges with commas between them, like \"192.0.2.0/24, 2001:db8::1\""
                .to_owned()
        })
    }

    fn to_toml(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for Url {
    fn from_text(text: &str) -> Result<Self, String> {
        let form = || "an address like \"https://api.flowroute.com\"".to_owned();
        let url = Url::parse(text).map_err(|_| form())?;
        let usable = matches!(url.scheme(), "http" | "https") && url.host().is_some();
        if usable { Ok(url) } else { Err(form()) }
    }

    fn to_toml(&self) -> String {
        quoted(self.as_str().trim_end_matches('/'))
    }
}
