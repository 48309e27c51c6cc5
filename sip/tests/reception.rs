//! Phones and trunks at the door of an endpoint: who may register and call, and what strangers are
//! told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod support;

use std::time::Duration;

use phoneai_sip::{
    auth::{Credentials, DigestClient, DigestServer, Ha1, Password},
    endpoint::{EndpointConfig, Event, Inbound, Reception, Sender},
    guard::GuardConfig,
    message::{HeaderName, Message, Method, Request},
    registrar::{Registrar, RegistrarConfig},
    registration::{RegistrationConfig, RegistrationState},
};
use support::{Net, Sent, Weather, address, outgoing};

const REALM: &str = "phones.example.net";

fn ha1(user: &str, password: &str) -> Ha1 {
    Ha1::new(user, REALM, &Password::new(password))
}

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials { username: user.into(), password: Password::new(password), realm: None }
}

/// A net with a phone as host 1, and as host 2 a switch that knows the accounts 1001 and 1002 and
/// trusts host 9.
fn net() -> Net {
    let mut net = Net::new(1, Weather::FINE);
    net.add(1);
    let digest = DigestServer::new(REALM, [7; 32], net.now);
    let registrar = Registrar::new(RegistrarConfig::default(), digest);
    let trusted = vec!["192.0.2.9/32".parse().unwrap()];
    let mut reception = Reception::of_networks(trusted).with_registrar(registrar);
    reception.set_account("1001", Some(ha1("1001", "secret")));
    reception.set_account("1002", Some(ha1("1002", "other")));
    net.add_reception(2, EndpointConfig::new(address(2)), reception);
    net
}

fn registration(user: &str, password: &str) -> RegistrationConfig {
    RegistrationConfig {
        registrar_uri: format!("sip:{}", address(2)),
        address_of_record: format!("sip:{user}@{}", address(2)),
        contact_user: user.to_owned(),
        destination: address(2),
        transport: Default::default(),
        credentials: Some(credentials(user, password)),
        expires: Duration::from_secs(600),
    }
}

fn bindings(net: &mut Net, user: &str) -> Vec<String> {
    let now = net.now;
    let reception = net.at(2).reception_mut().expect("a reception");
    reception.bindings(now, user, "").into_iter().map(|binding| binding.contact).collect()
}

/// Sends a request of our own making from an address without endpoint, and gives what comes back.
fn ask(net: &mut Net, host: u8, request: &Request) -> Vec<Sent> {
    net.outside.clear();
    net.send(address(host), address(2), request.to_bytes());
    net.run(Duration::from_secs(1));
    std::mem::take(&mut net.outside)
}

fn status(sent: &[Sent]) -> Option<u16> {
    let last = sent.last()?;
    Message::parse(&last.bytes).unwrap().status().map(|status| status.as_u16())
}

fn request(method: Method, host: u8, user: &str) -> Request {
    Request::new(method, format!("sip:{}", address(2)))
        .header(
            HeaderName::Via,
            format!("SIP/2.0/UDP {};branch=z9hG4bK{method}7;rport", address(host)),
        )
        .header(HeaderName::MaxForwards, "70")
        .header(HeaderName::From, format!("<sip:{user}@example.net>;tag=1"))
        .header(HeaderName::To, format!("<sip:{user}@example.net>"))
        .header(HeaderName::CallId, format!("c{host}"))
        .header(HeaderName::CSeq, format!("1 {method}"))
        .header(HeaderName::Contact, format!("<sip:{user}@{}>", address(host)))
}

#[test]
fn a_phone_registers_calls_and_is_named_by_its_account() {
    let mut net = net();
    let (now, config) = (net.now, registration("1001", "secret"));
    let id = net.at(1).register(now, config).unwrap();
    net.run(Duration::from_secs(1));
    let state = net.at(1).registration(id).cloned();
    assert!(matches!(state, Some(RegistrationState::Registered { .. })), "{state:?}");
    assert_eq!(bindings(&mut net, "1001"), ["sip:1001@192.0.2.1:5060"]);

    let mut call = outgoing(2);
    call.from_user = "1001".to_owned();
    call.credentials = Some(credentials("1001", "secret"));
    net.at(1).invite(now, call).unwrap();
    net.run(Duration::from_secs(1));
    let incoming = |event: Event| match event {
        Event::Incoming { request, .. } => Some(*request),
        _ => None,
    };
    let calls: Vec<Inbound> = net.events(2).into_iter().filter_map(incoming).collect();
    let [request] = &calls[..] else { panic!("one call, not {}", calls.len()) };
    assert_eq!(request.sender, Sender::Account("1001".to_owned()));
}

#[test]
fn whoever_has_an_account_speaks_for_himself_only() {
    let mut net = net();
    let now = net.now;
    let mut call = outgoing(2);
    call.from_user = "1002".to_owned();
    call.credentials = Some(credentials("1001", "secret"));
    net.at(1).invite(now, call).unwrap();
    net.run(Duration::from_secs(1));
    assert!(net.events(2).is_empty(), "no call reached the user");
    assert!(net.log.iter().any(|sent| sent.line().contains("403")));
}

#[test]
fn a_trusted_network_calls_without_a_challenge_and_a_stranger_never_gets_through() {
    let mut net = net();
    let invite = request(Method::Invite, 9, "+12025550101");
    assert_eq!(status(&ask(&mut net, 9, &invite)), Some(100));
    let from_trunk = net.events(2);
    let [Event::Incoming { request: taken, .. }] = &from_trunk[..] else { panic!("one call") };
    assert_eq!(taken.sender, Sender::Trusted);
    let invite = request(Method::Invite, 8, "+12025550101");
    assert_eq!(status(&ask(&mut net, 8, &invite)), Some(407));
    assert!(net.events(2).is_empty());
}

#[test]
fn without_a_registrar_a_stranger_is_refused_and_a_register_is_not_understood() {
    let mut net = Net::new(1, Weather::FINE);
    let reception = Reception::of_networks(vec!["192.0.2.9/32".parse().unwrap()]);
    net.add_reception(2, EndpointConfig::new(address(2)), reception);
    assert_eq!(status(&ask(&mut net, 8, &request(Method::Invite, 8, "x"))), Some(403));
    assert_eq!(status(&ask(&mut net, 9, &request(Method::Register, 9, "x"))), Some(405));
}

/// A5 of the field reports: what a stranger may do, by method.
#[test]
fn strangers_get_no_further_than_the_door_with_any_method() {
    for (method, expected) in [
        (Method::Register, 401),
        (Method::Invite, 407),
        (Method::Options, 200),
        (Method::Message, 405),
        (Method::Subscribe, 405),
        (Method::Refer, 405),
        (Method::Publish, 405),
        (Method::Bye, 481),
        (Method::Info, 481),
        (Method::Update, 481),
        (Method::Notify, 481),
    ] {
        let mut net = net();
        let mut request = request(method, 8, "1001");
        if matches!(method, Method::Refer | Method::Subscribe | Method::Publish) {
            request.headers_mut().push(HeaderName::Event, "x");
            request.headers_mut().push(HeaderName::ReferTo, "<sip:1002@example.net>");
        }
        assert_eq!(status(&ask(&mut net, 8, &request)), Some(expected), "{method}");
        assert!(net.events(2).is_empty(), "{method}");
    }
}

#[test]
fn a_retransmitted_register_gets_the_same_answer_and_counts_once() {
    let mut net = net();
    let mut register = request(Method::Register, 8, "1001");
    let challenge = ask(&mut net, 8, &register);
    let mut client = DigestClient::new(credentials("1001", "secret"));
    client.answer(&mut register, &Message::parse(&challenge[0].bytes).unwrap(), "beef").unwrap();
    let first = ask(&mut net, 8, &register);
    let second = ask(&mut net, 8, &register);
    assert_eq!(status(&first), Some(200));
    assert_eq!(first[0].bytes, second[0].bytes);
    // A replay under another branch is another request.
    let via = format!("SIP/2.0/UDP {};branch=z9hG4bKother;rport", address(8));
    register.headers_mut().set(HeaderName::Via, via);
    let replay = ask(&mut net, 8, &register);
    assert_eq!(status(&replay), Some(401));
    assert!(replay[0].text().contains("stale=true"));
}

#[test]
fn an_unknown_user_and_a_wrong_password_are_told_the_same() {
    let told = |user: &str| {
        let mut net = net();
        let mut register = request(Method::Register, 8, user);
        let challenge = ask(&mut net, 8, &register);
        let mut client = DigestClient::new(credentials(user, "guess"));
        let message = Message::parse(&challenge[0].bytes).unwrap();
        client.answer(&mut register, &message, "beef").unwrap();
        let answer = ask(&mut net, 8, &register);
        // The tag is another one for each request.
        let text = answer[0].text().replace(user, "USER");
        let lines = text.lines().filter(|line| !line.starts_with("To:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(told("1001"), told("9999"));
}

#[test]
fn another_password_ends_the_bindings_and_the_same_one_does_not() {
    let mut net = net();
    let (now, config) = (net.now, registration("1001", "secret"));
    net.at(1).register(now, config).unwrap();
    net.run(Duration::from_secs(1));
    let reception = net.at(2).reception_mut().unwrap();
    reception.set_account("1001", Some(ha1("1001", "secret")));
    assert_eq!(bindings(&mut net, "1001").len(), 1);
    let reception = net.at(2).reception_mut().unwrap();
    reception.set_account("1001", Some(ha1("1001", "changed")));
    assert!(bindings(&mut net, "1001").is_empty());
}

#[test]
fn a_phone_behind_a_nat_is_asked_for_its_options_where_it_really_is() {
    let mut net = net();
    let mut register = request(Method::Register, 8, "1001");
    register.headers_mut().set(HeaderName::Contact, "<sip:1001@10.0.0.5:5070>");
    let challenge = ask(&mut net, 8, &register);
    let mut client = DigestClient::new(credentials("1001", "secret"));
    client.answer(&mut register, &Message::parse(&challenge[0].bytes).unwrap(), "beef").unwrap();
    assert_eq!(status(&ask(&mut net, 8, &register)), Some(200));
    net.outside.clear();
    net.run(Duration::from_secs(60));
    let heard: Vec<String> = net.outside.iter().map(Sent::line).collect();
    assert_eq!(heard, vec!["OPTIONS sip:1001@10.0.0.5:5070 SIP/2.0"; 2]);
    assert!(net.outside.iter().all(|sent| sent.to == address(8)));
}

/// A net as [`net`] gives, whose switch has a guard.
fn guarded() -> Net {
    let mut net = net();
    net.guard(2, GuardConfig { max_failures: 3, ..GuardConfig::default() });
    net
}

/// Answers a challenge with a password; the status of what comes back, `None` for silence.
fn try_password(net: &mut Net, host: u8, password: &str, attempt: usize) -> Option<u16> {
    let mut register = request(Method::Register, host, "1001");
    let via = format!("SIP/2.0/UDP {};branch=z9hG4bKx{attempt};rport", address(host));
    register.headers_mut().set(HeaderName::Via, via);
    register.headers_mut().set(HeaderName::CallId, format!("attempt-{attempt}"));
    let challenge = ask(net, host, &register);
    let challenge = challenge.first()?;
    let mut client = DigestClient::new(credentials("1001", password));
    let message = Message::parse(&challenge.bytes).unwrap();
    client.answer(&mut register, &message, "beef").unwrap();
    status(&ask(net, host, &register))
}

#[test]
fn who_guesses_passwords_is_met_with_silence_and_the_phone_elsewhere_is_not() {
    let mut net = guarded();
    let told: Vec<Option<u16>> = (0..4).map(|n| try_password(&mut net, 8, "guess", n)).collect();
    assert_eq!(told, [Some(401), Some(401), Some(401), None]);
    assert_eq!(net.at(2).statistics().guard.bans, 1);
    assert_eq!(try_password(&mut net, 7, "secret", 10), Some(200));
    net.run(Duration::from_secs(300));
    assert_eq!(try_password(&mut net, 8, "secret", 11), Some(200), "bans end");
}

#[test]
fn a_spoofer_cannot_have_a_phone_banned() {
    let mut net = guarded();
    // He does not see the challenges: what he answers is a nonce that he made up.
    let mut register = request(Method::Register, 8, "1001");
    let made_up = "Digest realm=\"phones.example.net\", nonce=\"0123456789abcdef\", \
                   username=\"1001\", uri=\"sip:192.0.2.2:5060\", response=\"0\", algorithm=MD5, \
                   qop=auth, nc=00000001, cnonce=\"x\"";
    register.headers_mut().push(HeaderName::Authorization, made_up);
    for _ in 0..50 {
        ask(&mut net, 8, &register);
    }
    assert_eq!(net.at(2).statistics().guard.bans, 0);
    assert_eq!(try_password(&mut net, 8, "secret", 1), Some(200));
}

/// T7 of the field reports: before a proof, what goes out is no more than what came in, but for an
/// allowance that is spent at once.
#[test]
fn a_flood_of_small_requests_in_anothers_name_gains_nothing() {
    let mut net = guarded();
    let victim = address(8);
    let (mut received, mut sent) = (0, 0);
    for n in 0..20_000 {
        let text = format!(
            "REGISTER sip:x SIP/2.0\r\nv:SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK{n}\r\nf:<sip:a@x>;tag=1\
             \r\nt:<sip:a@x>\r\ni:{n}\r\nCSeq:1 REGISTER\r\n\r\n"
        );
        received += text.len();
        let now = net.now;
        net.at(2).handle_datagram(now, victim, text.as_bytes());
        while let Some(transmit) = net.at(2).poll_transmit() {
            sent += transmit.payload.len();
        }
        net.run(Duration::from_millis(1));
    }
    assert!(sent < received / 10, "{sent} bytes for {received}");
}

#[test]
fn the_trunk_is_not_the_guards_business() {
    let mut net = guarded();
    for n in 0..1_000 {
        let now = net.now;
        net.at(2).handle_datagram(now, address(9), format!("rubbish {n}").as_bytes());
    }
    let statistics = net.at(2).statistics();
    assert_eq!((statistics.guard.too_fast, statistics.malformed), (0, 1_000));
    for n in 0..1_000 {
        let now = net.now;
        net.at(2).handle_datagram(now, address(8), format!("rubbish {n}").as_bytes());
    }
    let statistics = net.at(2).statistics();
    assert_eq!((statistics.guard.too_fast, statistics.malformed), (850, 1_150));
}
