//! How a number is dialled through the trunk.

use std::{net::SocketAddr, sync::Arc};

use phoneai_sip::{
    auth::{Credentials, Password},
    registration::RegistrationState,
    session::OutgoingCall,
    transport::TransportKind,
};
use tokio::sync::watch;

use crate::config::{Transport, Trunk};

/// Most digits of a number in international form (ITU-T E.164 §6), without the plus.
const MAX_DIGITS: usize = 15;

/// What may be dialled: a number, an optional plus and 1 to 15 digits, which also covers the
/// extensions of a carrier's PBX; or an extension of our own, written as `sip:1001` or
/// `sip:1001@host`, whatever the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialled(String);

impl Dialled {
    /// Reads a number or an extension; `None` if it is neither.
    pub fn try_new(text: &str) -> Option<Self> {
        if text.starts_with(EXTENSION) {
            return extension(text).map(|_| Self(text.to_owned()));
        }
        let digits = text.strip_prefix('+').unwrap_or(text);
        let valid = (1..=MAX_DIGITS).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        valid.then(|| Self(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The extension of ours that is called; `None` for a number, which costs money.
    pub fn extension(&self) -> Option<&str> {
        extension(&self.0)
    }
}

/// How an extension of ours begins.
const EXTENSION: &str = "sip:";

/// Most characters of an extension's name.
const MAX_EXTENSION: usize = 100;

/// The name of the extension that is written as a SIP URI without anything that needs escaping.
pub fn extension(text: &str) -> Option<&str> {
    let address = text.strip_prefix(EXTENSION)?;
    let (name, host) = address.split_once('@').unwrap_or((address, "localhost"));
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.+".contains(&b);
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    let fits = |text: &str| (1..=MAX_EXTENSION).contains(&text.len());
    let valid = fits(name) && fits(host) && name.bytes().all(is_name) && host.bytes().all(is_host);
    valid.then_some(name)
}

/// Whether the trunk takes calls, as far as we know. Copies see the same, each its own changes.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// How the registration stands; `None` for a trunk that wants none.
    registration: Option<watch::Receiver<RegistrationState>>,
}

impl Readiness {
    /// Of a trunk that wants no registration.
    pub fn always() -> Self {
        Self { registration: None }
    }

    /// Of a trunk that takes calls only as long as we are registered.
    pub fn when_registered(registration: watch::Receiver<RegistrationState>) -> Self {
        Self { registration: Some(registration) }
    }

    /// True if calls can be placed now.
    pub fn is_ready(&self) -> bool {
        self.registration.as_ref().is_none_or(|state| match *state.borrow() {
            RegistrationState::Registered { .. } => true,
            RegistrationState::Unregistered
            | RegistrationState::Trying
            | RegistrationState::Refused { .. }
            | RegistrationState::Unreachable { .. } => false,
        })
    }

    /// Completes when it may have changed since the last time; never if it does not change any
    /// more.
    pub async fn changed(&mut self) {
        let changed = match &mut self.registration {
            Some(state) => state.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            std::future::pending().await
        }
    }
}

/// The INVITE for a call to `number` through `trunk`, whose address is `destination` at the moment.
///
/// The caller's number stands in From and in P-Asserted-Identity: carriers differ in which one they
/// read. The account stands only in the credentials.
pub fn invite(
    trunk: &Trunk,
    destination: SocketAddr,
    number: &Dialled,
    caller_id: Option<&str>,
    offer: String,
) -> OutgoingCall {
    let host = host_port(trunk);
    let caller = caller_id
        .filter(|caller| !caller.is_empty())
        .or_else(|| Some(trunk.caller_id.as_str()).filter(|caller| !caller.is_empty()));
    let from_user = caller.unwrap_or(if trunk.username.is_empty() {
        "anonymous"
    } else {
        trunk.username.as_str()
    });
    OutgoingCall {
        target_uri: format!("sip:{}{}@{host}", trunk.tech_prefix, number.as_str()),
        from_display: None,
        from_user: from_user.to_owned(),
        from_host: bracketed(&trunk.address.host),
        asserted_identity: caller
            .map(|caller| format!("sip:{caller}@{}", bracketed(&trunk.address.host))),
        destination,
        transport: kind(trunk),
        routes: Vec::new(),
        credentials: credentials(trunk),
        offer: Arc::from(offer.into_bytes()),
        headers: Vec::new(),
    }
}

/// Who we are to the trunk; `None` if it knows us by our address.
pub fn credentials(trunk: &Trunk) -> Option<Credentials> {
    let password = trunk.password.as_ref()?;
    Some(Credentials {
        username: trunk.username.clone(),
        password: Password::new(password.expose().clone()),
        realm: (!trunk.realm.is_empty()).then(|| trunk.realm.clone()),
    })
}

/// How messages travel to the trunk.
pub fn kind(trunk: &Trunk) -> TransportKind {
    match trunk.transport {
        Transport::Udp => TransportKind::Udp,
        Transport::Tcp => TransportKind::Tcp,
        Transport::Tls => TransportKind::Tls,
    }
}

/// The trunk as the host part of a URI.
pub fn host_port(trunk: &Trunk) -> String {
    let host = bracketed(&trunk.address.host);
    match trunk.address.port {
        5060 => host,
        port => format!("{host}:{port}"),
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk() -> Trunk {
        Trunk {
            address: "pop.example.net".parse().expect("a host"),
            username: "12345678".into(),
            password: None,
            realm: String::new(),
            register: false,
            expires_s: 600,
            tech_prefix: String::new(),
            caller_id: String::new(),
            sources: Default::default(),
            transport: Transport::Udp,
        }
    }

    fn call(trunk: &Trunk, caller: Option<&str>) -> OutgoingCall {
        let number = Dialled::try_new("+12025550101").expect("a number");
        invite(trunk, SocketAddr::from(([192, 0, 2, 1], 5060)), &number, caller, String::new())
    }

    #[test]
    fn only_numbers_are_dialled() {
        for good in ["+12025550101", "12025550101", "1001", "1", "+123456789012345"] {
            assert!(Dialled::try_new(good).is_some(), "{good}");
        }
        for bad in
            ["", "+", "1 2", "12-3", "1234567890123456", "a", "1@x", "1\r\nX: y", "1;x", "++1"]
        {
            assert!(Dialled::try_new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn an_extension_of_ours_is_dialled_by_its_uri() {
        let name = |text| Dialled::try_new(text).and_then(|d| d.extension().map(str::to_owned));
        assert_eq!(name("sip:1001@phones.example.net:5060").as_deref(), Some("1001"));
        assert_eq!(name("sip:1001").as_deref(), Some("1001"));
        assert_eq!(name("1001"), None);
        for bad in ["sip:", "sip:@x", "sip:a@", "sip:a;x=1@b", "sip:a@b?c", "sip:a\r@b", "sips:a"] {
            assert!(Dialled::try_new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_prefix_stands_before_the_number_and_a_port_behind_the_host() {
        let trunk = Trunk {
            tech_prefix: "12345678*".into(),
            address: "pop.example.net:5160".parse().expect("a host"),
            ..trunk()
        };
        assert_eq!(call(&trunk, None).target_uri, "sip:12345678*+12025550101@pop.example.net:5160");
    }

    #[test]
    fn the_caller_is_who_the_request_says_or_the_trunk_or_the_account() {
        let asked = call(&trunk(), Some("+12025550199"));
        assert_eq!(asked.from_user, "+12025550199");
        assert_eq!(asked.asserted_identity.as_deref(), Some("sip:+12025550199@pop.example.net"));
        let configured = Trunk { caller_id: "12025550198".into(), ..trunk() };
        assert_eq!(call(&configured, Some("")).from_user, "12025550198");
        let account = call(&trunk(), None);
        assert_eq!((account.from_user.as_str(), account.asserted_identity), ("12345678", None));
    }

    #[test]
    fn an_ipv6_trunk_stands_in_brackets() {
        let trunk = Trunk { address: "[2001:db8::1]:5070".parse().expect("a host"), ..trunk() };
        assert_eq!(call(&trunk, None).target_uri, "sip:+12025550101@[2001:db8::1]:5070");
    }
}
