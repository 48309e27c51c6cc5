//! Header names: known ones as an enum, with their compact forms, and any other token.

use std::{fmt, str};

use super::lex;

/// Text that is a token (RFC 3261 §25.1), so that it can be written anywhere without harm.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a>(&'a str);

impl<'a> Token<'a> {
    /// The text, if it is a token.
    pub fn new(text: &'a str) -> Option<Self> {
        lex::is_token(text.as_bytes()).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl PartialEq for Token<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Token<'_> {}

/// In the place of a known name's id: none.
pub(super) const UNKNOWN: u8 = u8::MAX;

macro_rules! names {
    ($($variant:ident $name:literal $($compact:literal)?,)*) => {
        /// A header's name. Known names are equal whatever their case and form; others are
        /// compared without case.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub enum HeaderName<'a> {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
            /// Any other token.
            Other(Token<'a>),
        }

        const KNOWN: &[(HeaderName<'static>, &str)] = &[$((HeaderName::$variant, $name),)*];

        const COMPACT: &[(HeaderName<'static>, u8)] =
            &[$($((HeaderName::$variant, $compact),)?)*];

        impl HeaderName<'_> {
            /// Position in `KNOWN`, [`UNKNOWN`] for other names.
            pub(super) const fn id(&self) -> u8 {
                #[derive(Clone, Copy)]
                enum Place { $($variant,)* }
                match self {
                    $(Self::$variant => Place::$variant as u8,)*
                    Self::Other(_) => UNKNOWN,
                }
            }
        }
    };
}

names! {
    Accept "Accept",
    AcceptContact "Accept-Contact" b'a',
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    AcceptResourcePriority "Accept-Resource-Priority",
    AlertInfo "Alert-Info",
    Allow "Allow",
    AllowEvents "Allow-Events" b'u',
    AnswerMode "Answer-Mode",
    AuthenticationInfo "Authentication-Info",
    Authorization "Authorization",
    CallId "Call-ID" b'i',
    CallInfo "Call-Info",
    Contact "Contact" b'm',
    ContentDisposition "Content-Disposition",
    ContentEncoding "Content-Encoding" b'e',
    ContentLanguage "Content-Language",
    ContentLength "Content-Length" b'l',
    ContentType "Content-Type" b'c',
    CSeq "CSeq",
    Date "Date",
    Diversion "Diversion",
    Encryption "Encryption",
    ErrorInfo "Error-Info",
    Event "Event" b'o',
    Expires "Expires",
    FeatureCaps "Feature-Caps",
    FlowTimer "Flow-Timer",
    From "From" b'f',
    Geolocation "Geolocation",
    GeolocationError "Geolocation-Error",
    GeolocationRouting "Geolocation-Routing",
    Hide "Hide",
    HistoryInfo "History-Info",
    Identity "Identity" b'y',
    IdentityInfo "Identity-Info" b'n',
    InReplyTo "In-Reply-To",
    InfoPackage "Info-Package",
    Join "Join",
    MaxBreadth "Max-Breadth",
    MaxForwards "Max-Forwards",
    MimeVersion "MIME-Version",
    MinExpires "Min-Expires",
    MinSe "Min-SE",
    Organization "Organization",
    PAccessNetworkInfo "P-Access-Network-Info",
    PAssertedIdentity "P-Asserted-Identity",
    PAssociatedUri "P-Associated-URI",
    PCalledPartyId "P-Called-Party-ID",
    PChargingVector "P-Charging-Vector",
    PEarlyMedia "P-Early-Media",
    PPreferredIdentity "P-Preferred-Identity",
    PVisitedNetworkId "P-Visited-Network-ID",
    Path "Path",
    Priority "Priority",
    PrivAnswerMode "Priv-Answer-Mode",
    Privacy "Privacy",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyAuthenticationInfo "Proxy-Authentication-Info",
    ProxyAuthorization "Proxy-Authorization",
    ProxyRequire "Proxy-Require",
    RAck "RAck",
    Reason "Reason",
    RecordRoute "Record-Route",
    RecvInfo "Recv-Info",
    ReferSub "Refer-Sub",
    ReferTo "Refer-To" b'r',
    ReferredBy "Referred-By" b'b',
    RejectContact "Reject-Contact" b'j',
    RemotePartyId "Remote-Party-ID",
    Replaces "Replaces",
    ReplyTo "Reply-To",
    RequestDisposition "Request-Disposition" b'd',
    Require "Require",
    ResourcePriority "Resource-Priority",
    ResponseKey "Response-Key",
    RetryAfter "Retry-After",
    Route "Route",
    RSeq "RSeq",
    SecurityClient "Security-Client",
    SecurityServer "Security-Server",
    SecurityVerify "Security-Verify",
    Server "Server",
    ServiceRoute "Service-Route",
    SessionExpires "Session-Expires" b'x',
    SessionId "Session-ID",
    SipEtag "SIP-ETag",
    SipIfMatch "SIP-If-Match",
    Subject "Subject" b's',
    SubscriptionState "Subscription-State",
    Supported "Supported" b'k',
    SuppressIfMatch "Suppress-If-Match",
    TargetDialog "Target-Dialog",
    Timestamp "Timestamp",
    To "To" b't',
    Unsupported "Unsupported",
    UserAgent "User-Agent",
    UserToUser "User-to-User",
    Via "Via" b'v',
    Warning "Warning",
    WwwAuthenticate "WWW-Authenticate",
}

const SLOTS: usize = 256;

/// Hash of a name by its length and three of its letters, without case.
const fn slot(len: usize, first: u8, middle: u8, last: u8) -> usize {
    let first = (first | 0x20) as usize;
    let middle = (middle | 0x20) as usize;
    let last = (last | 0x20) as usize;
    (len.wrapping_mul(37) ^ first.wrapping_mul(11) ^ middle.wrapping_mul(5) ^ last.wrapping_mul(71))
        % SLOTS
}

/// Known names by hash, open addressing, made by the compiler.
const TABLE: [u8; SLOTS] = {
    let mut table = [UNKNOWN; SLOTS];
    let mut id = 0;
    while id < KNOWN.len() {
        let name = KNOWN[id].1.as_bytes();
        let mut at = slot(name.len(), name[0], name[name.len() / 2], name[name.len() - 1]);
        while table[at] != UNKNOWN {
            at = (at + 1) % SLOTS;
        }
        table[at] = id as u8;
        id += 1;
    }
    table
};

/// Compact names by letter.
const LETTERS: [u8; 256] = {
    let mut table = [UNKNOWN; 256];
    let mut i = 0;
    while i < COMPACT.len() {
        let (name, letter) = COMPACT[i];
        table[letter as usize] = name.id();
        table[letter.to_ascii_uppercase() as usize] = name.id();
        i += 1;
    }
    table
};

impl<'a> HeaderName<'a> {
    /// The header of that name, long or compact, in any case; `None` if it is no token.
    pub fn from_token(name: &'a str) -> Option<Self> {
        match known(id_of(name.as_bytes())) {
            Some(name) => Some(name),
            None => Token::new(name).map(Self::Other),
        }
    }

    /// The name in its long form; as it was given, if it is not known.
    pub fn as_str(&self) -> &'a str {
        match self {
            Self::Other(token) => token.as_str(),
            known => KNOWN.get(usize::from(known.id())).map_or("", |(_, name)| name),
        }
    }
}

/// The known name with that id.
pub(super) fn known(id: u8) -> Option<HeaderName<'static>> {
    KNOWN.get(usize::from(id)).map(|(name, _)| *name)
}

/// The id of a name, [`UNKNOWN`] if it is none that we know.
pub(super) fn id_of(name: &[u8]) -> u8 {
    match name {
        [] => UNKNOWN,
        [letter] => LETTERS.get(usize::from(*letter)).copied().unwrap_or(UNKNOWN),
        [first, .., last] => {
            let middle = name.get(name.len() / 2).copied().unwrap_or(0);
            let mut at = slot(name.len(), *first, middle, *last);
            loop {
                // The table is never full, so that this ends.
                let id = TABLE.get(at).copied().unwrap_or(UNKNOWN);
                match KNOWN.get(usize::from(id)) {
                    None => return UNKNOWN,
                    Some((_, known)) if known.as_bytes().eq_ignore_ascii_case(name) => return id,
                    Some(_) => at = (at + 1) % SLOTS,
                }
            }
        }
    }
}

/// The name in the bytes of a header line that were found to be a token.
pub(super) fn from_line(id: u8, name: &[u8]) -> HeaderName<'_> {
    known(id).unwrap_or_else(|| HeaderName::Other(Token(str::from_utf8(name).unwrap_or("X"))))
}

impl fmt::Display for HeaderName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for HeaderName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case_and_compact() {
        for (name, text) in KNOWN {
            assert_eq!(HeaderName::from_token(text), Some(*name));
            assert_eq!(HeaderName::from_token(&text.to_uppercase()), Some(*name));
            assert_eq!(HeaderName::from_token(&text.to_lowercase()), Some(*name));
        }
        for (name, letter) in COMPACT {
            let text = char::from(*letter).to_string();
            assert_eq!(HeaderName::from_token(&text), Some(*name));
            assert_eq!(HeaderName::from_token(&text.to_uppercase()), Some(*name));
        }
        assert!(matches!(HeaderName::from_token("X-Fluff"), Some(HeaderName::Other(_))));
        assert_eq!(HeaderName::from_token("x-a"), HeaderName::from_token("X-A"));
        assert_eq!(HeaderName::from_token("no token"), None);
    }
}
