//! The registrar as phones meet it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use phoneai_sip::{
    auth::{Credentials, DigestClient, DigestServer, Ha1, Password},
    message::{HeaderName, Message, Method, OwnedMessage, Request, StatusCode},
    registrar::{Registrar, RegistrarConfig},
    transport::Flow,
};

struct Phone {
    client: DigestClient,
    registrar: Registrar,
    now: Instant,
    cseq: u32,
    call_id: String,
    to: String,
}

impl Phone {
    #[expect(
        clippy::disallowed_methods,
        reason = "any instant serves as the beginning of virtual time"
    )]
    fn new(config: RegistrarConfig) -> Self {
        let now = Instant::now();
        let digest = DigestServer::new("example.com", [1; 32], now);
        let password = Password::new("secret");
        let client =
            DigestClient::new(Credentials { username: "1001".into(), password, realm: None });
        let registrar = Registrar::new(config, digest);
        let (call_id, to) = ("c1".into(), "<sip:1001@example.com>".into());
        Self { client, registrar, now, cseq: 0, call_id, to }
    }

    fn request(&mut self, headers: &[(HeaderName<'_>, &str)]) -> Request {
        self.cseq += 1;
        let mut request = Request::new(Method::Register, "sip:example.com")
            .header(HeaderName::Via, "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1")
            .header(HeaderName::From, "<sip:1001@example.com>;tag=1")
            .header(HeaderName::To, &self.to)
            .header(HeaderName::CallId, &self.call_id)
            .header(HeaderName::CSeq, format!("{} REGISTER", self.cseq));
        for (name, value) in headers {
            request.headers_mut().push(*name, value);
        }
        request
    }

    fn send(&mut self, request: &Request) -> OwnedMessage {
        let bytes = request.to_bytes();
        let message = Message::parse(&bytes).unwrap();
        message.check().unwrap();
        let source: SocketAddr = "192.0.2.7:61000".parse().unwrap();
        let source = Flow::udp(source);
        let response = self.registrar.handle(self.now, source, &message, |user| {
            let password = Password::new("secret");
            ["1001", "1002"].contains(&user).then(|| Ha1::new(user, "example.com", &password))
        });
        let response = OwnedMessage::parse(response.to_bytes()).unwrap();
        response.message().check().unwrap();
        response
    }

    /// Sends with credentials, after a challenge if need be.
    fn register(&mut self, headers: &[(HeaderName<'_>, &str)]) -> OwnedMessage {
        let mut request = self.request(headers);
        self.client.authorize(&mut request, "beef");
        let response = self.send(&request);
        if response.message().status() != Some(StatusCode::UNAUTHORIZED) {
            return response;
        }
        self.client.answer(&mut request, &response.message(), "beef").unwrap();
        self.send(&request)
    }

    fn status(&mut self, headers: &[(HeaderName<'_>, &str)]) -> u16 {
        self.register(headers).message().status().unwrap().as_u16()
    }

    fn contacts(&self) -> Vec<String> {
        let found = self.registrar.bindings(self.now, "1001", "EXAMPLE.com");
        found.iter().map(|b| b.contact.clone()).collect()
    }
}

use HeaderName::{Contact, Expires};

#[test]
fn a_phone_registers_refreshes_and_leaves() {
    let mut phone = Phone::new(RegistrarConfig::default());
    let challenge = phone.request(&[]);
    assert_eq!(phone.send(&challenge).message().status(), Some(StatusCode::UNAUTHORIZED));
    let ok = phone.register(&[(Contact, "<sip:1001@192.0.2.7:5060>;expires=300")]);
    let ok = ok.message();
    assert_eq!(ok.status(), Some(StatusCode::OK));
    assert_eq!(ok.contacts().next().unwrap().unwrap().addr().unwrap().expires(), Some(300));
    phone.now += Duration::from_millis(100_500);
    assert_eq!(
        phone.register(&[]).message().text(Contact),
        Some("<sip:1001@192.0.2.7:5060>;expires=200")
    );
    assert_eq!(phone.status(&[(Contact, "<sip:1001@192.0.2.7:5060>"), (Expires, "0")]), 200);
    assert!(phone.registrar.is_empty());
}

#[test]
fn bindings_end_by_themselves() {
    let mut phone = Phone::new(RegistrarConfig::default());
    phone.status(&[(Contact, "<sip:a@192.0.2.7:61000>"), (Expires, "60")]);
    assert_eq!(phone.registrar.poll_timeout(), Some(phone.now + Duration::from_secs(60)));
    phone.now += Duration::from_secs(60);
    assert!(phone.contacts().is_empty());
    phone.registrar.handle_timeout(phone.now);
    assert_eq!(phone.registrar.len(), 0);
}

#[test]
fn too_short_is_423_too_long_is_cut() {
    let mut phone = Phone::new(RegistrarConfig::default());
    let brief = phone.register(&[(Contact, "<sip:a@192.0.2.7>;expires=10")]);
    assert_eq!(brief.message().status(), Some(StatusCode::INTERVAL_TOO_BRIEF));
    assert_eq!(brief.message().min_expires().unwrap(), Some(60));
    let long = phone.register(&[(Contact, "<sip:a@192.0.2.7>;expires=99999")]);
    assert_eq!(long.message().text(Contact), Some("<sip:a@192.0.2.7>;expires=3600"));
}

#[test]
fn star_removes_all_and_only_with_expires_zero() {
    let mut phone = Phone::new(RegistrarConfig::default());
    phone.status(&[(Contact, "<sip:a@192.0.2.7>, <sip:b@192.0.2.8>;q=0.5")]);
    assert_eq!(phone.contacts(), ["sip:a@192.0.2.7", "sip:b@192.0.2.8"]);
    assert_eq!(phone.status(&[(Contact, "*")]), 400);
    assert_eq!(phone.status(&[(Contact, "*"), (Expires, "60")]), 400);
    assert_eq!(phone.contacts().len(), 2);
    assert_eq!(phone.status(&[(Contact, "*"), (Expires, "0")]), 200);
    assert!(phone.contacts().is_empty());
}

#[test]
fn an_old_request_of_the_same_call_changes_nothing() {
    let mut phone = Phone::new(RegistrarConfig::default());
    phone.cseq = 9;
    assert_eq!(phone.status(&[(Contact, "<sip:a@192.0.2.7>")]), 200);
    phone.cseq = 4;
    assert_eq!(phone.status(&[(Contact, "<sip:b@192.0.2.7>, <sip:a@192.0.2.7>;expires=0")]), 500);
    assert_eq!(phone.contacts(), ["sip:a@192.0.2.7"]);
    phone.call_id = "c2".into();
    assert_eq!(phone.status(&[(Contact, "<sip:a@192.0.2.7>;expires=0")]), 200);
    assert!(phone.contacts().is_empty());
}

#[test]
fn equal_contacts_are_one_binding() {
    let mut phone = Phone::new(RegistrarConfig::default());
    phone.status(&[(Contact, "<sip:%61@Host.example.com;transport=udp>")]);
    phone.status(&[(Contact, "<sip:a@host.EXAMPLE.com;transport=UDP>")]);
    assert_eq!(phone.contacts(), ["sip:a@host.EXAMPLE.com;transport=UDP"]);
}

#[test]
fn nobody_registers_for_another() {
    let mut phone = Phone::new(RegistrarConfig::default());
    for to in [
        "<sip:1002@example.com>",
        "<sip:%31002@example.com>",
        "<sip:example.com>",
        "<tel:+12025550100>",
        "<tel:1001>",
    ] {
        phone.to = to.into();
        assert_eq!(phone.status(&[(Contact, "<sip:a@192.0.2.7>")]), 403, "{to}");
    }
    phone.to = "<sip:%31001@EXAMPLE.com>".into();
    assert_eq!(phone.status(&[(Contact, "<sip:a@192.0.2.7>")]), 200);
}

#[test]
fn bindings_and_records_are_bounded() {
    let domains = vec!["example.com".into(), "other.example.com".into()];
    let config = RegistrarConfig { domains, max_bindings: 2, max_records: 1, ..Default::default() };
    let mut phone = Phone::new(config);
    let three = "<sip:a@192.0.2.1>, <sip:b@192.0.2.1>, <sip:c@192.0.2.1>";
    assert_eq!(phone.status(&[(Contact, three)]), 400);
    for (user, expires) in [("a", "100"), ("b", "90"), ("c", "80"), ("d", "120")] {
        let contact = format!("<sip:{user}@192.0.2.1>");
        assert_eq!(phone.status(&[(Contact, &contact), (Expires, expires)]), 200);
    }
    assert_eq!(phone.contacts(), ["sip:d@192.0.2.1", "sip:a@192.0.2.1"]);
    phone.to = "<sip:1001@other.example.com>".into();
    let full = phone.register(&[(Contact, "<sip:a@192.0.2.7>")]);
    assert_eq!(full.message().status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(full.message().retry_after().unwrap(), Some(300));
}

#[test]
fn odd_requests_get_their_status() {
    let config = RegistrarConfig { domains: vec!["example.com".into()], ..Default::default() };
    let mut phone = Phone::new(config);
    assert_eq!(phone.status(&[(HeaderName::Require, "path, x-unheard")]), 420);
    assert_eq!(phone.status(&[(Contact, "<tel:+12025550100>")]), 400);
    phone.to = "<sip:1001@elsewhere.example.org>".into();
    assert_eq!(phone.status(&[(Contact, "<sip:a@192.0.2.7>")]), 404);
}

#[test]
fn a_path_comes_back_and_a_flow_replaces_its_own_binding() {
    let mut phone = Phone::new(RegistrarConfig::default());
    let old = "<sip:a@192.0.2.7:5060>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    let new = "<sip:a@192.0.2.7:6060>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    let path = "<sip:edge.example.com;lr>";
    assert_eq!(phone.status(&[(Contact, old), (HeaderName::Path, path)]), 200);
    assert_eq!(phone.status(&[(Contact, new), (HeaderName::Path, path)]), 200);
    assert_eq!(phone.contacts(), ["sip:a@192.0.2.7:6060"]);
    let other = "<sip:a@192.0.2.7:7060>;+sip.instance=\"<urn:uuid:1>\";reg-id=2";
    assert_eq!(phone.status(&[(Contact, other)]), 200);
    assert_eq!(phone.contacts().len(), 2);
    assert_eq!(phone.status(&[(Contact, other), (HeaderName::Require, "path, outbound")]), 200);
    assert_eq!(phone.status(&[(Contact, other), (HeaderName::Require, "gruu")]), 420);
}

#[test]
fn a_registrar_of_any_domain_has_one_user_of_each_name() {
    let mut phone = Phone::new(RegistrarConfig::default());
    assert_eq!(phone.status(&[(Contact, "<sip:a@192.0.2.7:61000>")]), 200);
    phone.to = "<sip:1001@192.0.2.200>".into();
    assert_eq!(phone.status(&[(Contact, "<sip:b@192.0.2.7:61000>")]), 200);
    assert_eq!(phone.contacts().len(), 2);
}

#[test]
fn a_phone_behind_a_nat_hears_from_us_each_25_seconds_as_long_as_it_is_registered() {
    let mut phone = Phone::new(RegistrarConfig::default());
    phone.status(&[(Contact, "<sip:a@10.0.0.5>"), (Expires, "60")]);
    let mut heard = 0;
    while let Some(due) = phone.registrar.poll_timeout() {
        phone.now = due;
        phone.registrar.handle_timeout(due);
        while let Some(phones) = phone.registrar.poll_ping(due) {
            heard += phones.len();
        }
    }
    assert_eq!(heard, 2, "after 25 and 50 of its 60 seconds");
    assert!(phone.registrar.is_empty());
}

#[test]
fn a_phone_that_is_where_its_contact_says_is_left_alone() {
    let mut phone = Phone::new(RegistrarConfig::default());
    phone.status(&[(Contact, "<sip:a@192.0.2.7:61000>"), (Expires, "60")]);
    phone.now += Duration::from_secs(59);
    assert!(phone.registrar.poll_ping(phone.now).is_none());
}

#[test]
fn what_changed_is_told_once_and_can_be_put_back_after_a_restart() {
    let mut phone = Phone::new(RegistrarConfig::default());
    phone.status(&[(Contact, "<sip:a@192.0.2.7:61000>"), (Expires, "600")]);
    // A question changes nothing.
    phone.status(&[]);
    let (changed, more) = phone.registrar.take_changed(phone.now, 10);
    assert!(!more);
    let [(key, bindings)] = &changed[..] else { panic!("one user: {changed:?}") };
    assert!(phone.registrar.take_changed(phone.now, 10).0.is_empty());

    let mut restarted = Phone::new(RegistrarConfig::default());
    restarted.now = phone.now + Duration::from_secs(30);
    restarted.registrar.restore(restarted.now, key.clone(), bindings.clone());
    assert_eq!(restarted.contacts(), ["sip:a@192.0.2.7:61000"]);
    assert!(restarted.registrar.take_changed(restarted.now, 10).0.is_empty());
    // The order of requests holds across the restart.
    restarted.cseq = 0;
    assert_eq!(restarted.status(&[(Contact, "<sip:a@192.0.2.7:61000>")]), 500);
    restarted.now = phone.now + Duration::from_secs(600);
    restarted.registrar.handle_timeout(restarted.now);
    let (changed, _) = restarted.registrar.take_changed(restarted.now, 10);
    assert!(matches!(&changed[..], [(_, gone)] if gone.is_empty()), "{changed:?}");
}

#[test]
fn the_bindings_of_an_account_that_is_gone_are_removed() {
    let mut phone = Phone::new(RegistrarConfig::default());
    phone.status(&[(Contact, "<sip:a@192.0.2.7:61000>")]);
    phone.registrar.remove("1002");
    assert_eq!(phone.contacts().len(), 1);
    phone.registrar.remove("1001");
    assert!(phone.registrar.is_empty());
}
