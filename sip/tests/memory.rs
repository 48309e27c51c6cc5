//! What is kept costs little: a call that goes on, a phone that is registered.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod support;

use std::time::Duration;

use phoneai_sip::{
    auth::{Credentials, DigestClient, DigestServer, Ha1, Password},
    endpoint::{EndpointConfig, Reception},
    message::{HeaderName, Message, Method, Request},
    registrar::{Registrar, RegistrarConfig},
};
use support::{Net, Weather, address};

/// Bytes that an idle dialog may keep.
const DIALOG: u64 = 8 * 1024;
/// Bytes that a registered phone may keep, its account included.
const REGISTRATION: u64 = 1_500;

/// Bytes that `work` leaves behind.
fn left_behind<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let mut result = None;
    let info = allocation_counter::measure(|| result = Some(work()));
    (info.bytes_current.try_into().unwrap_or(0), result.expect("the work was done"))
}

#[test]
fn an_idle_dialog_keeps_no_more_than_8_kilobytes() {
    const CALLS: u64 = 200;
    let mut net = Net::pair();
    net.keep_log = false;
    let (bytes, ()) = left_behind(|| {
        for _ in 0..CALLS {
            net.established();
        }
        // Until the transactions of the beginning are over.
        net.run(Duration::from_secs(40));
    });
    // Both ends are in this process.
    let each = bytes / CALLS / 2;
    println!("a dialog: {each} bytes");
    assert!(each <= DIALOG, "{each} bytes");
}

#[test]
fn a_registered_phone_keeps_about_a_kilobyte() {
    const PHONES: u64 = 2_000;
    let mut net = Net::new(1, Weather::FINE);
    net.keep_log = false;
    let digest = DigestServer::new("example.net", [7; 32], net.now);
    let config = EndpointConfig::new(address(2));
    let registrar = Registrar::new(RegistrarConfig::default(), digest);
    net.add_reception(2, config, Reception::of_networks(Vec::new()).with_registrar(registrar));
    let password = Password::new("secret");
    let (bytes, ()) = left_behind(|| {
        for phone in 0..PHONES {
            let (name, now) = ((1_000 + phone).to_string(), net.now);
            let ha1 = Ha1::new(&name, "example.net", &password);
            let endpoint = net.at(2);
            endpoint.reception_mut().expect("a reception").set_account(&name, Some(ha1));
            let mut request = Request::new(Method::Register, "sip:example.net")
                .header(HeaderName::Via, format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{phone}"))
                .header(HeaderName::From, format!("<sip:{name}@example.net>;tag=1"))
                .header(HeaderName::To, format!("<sip:{name}@example.net>"))
                .header(HeaderName::CallId, format!("{phone}-1234@192.0.2.1"))
                .header(HeaderName::CSeq, "1 REGISTER")
                .header(HeaderName::Contact, format!("<sip:{name}@192.0.2.1:5060>"));
            endpoint.handle_datagram(now, address(1), &request.to_bytes());
            let challenge = endpoint.poll_transmit().expect("a challenge").payload;
            let mut client = DigestClient::new(Credentials {
                username: name,
                password: password.clone(),
                realm: None,
            });
            let challenge = Message::parse(&challenge).expect("a message");
            client.answer(&mut request, &challenge, "beef").expect("a challenge");
            endpoint.handle_datagram(now, address(1), &request.to_bytes());
            let answer = endpoint.poll_transmit().expect("an answer").payload;
            assert_eq!(Message::parse(&answer).unwrap().status().unwrap().as_u16(), 200);
        }
        // The answers that are kept for retransmissions are gone then, and so are the nonces.
        net.run(Duration::from_secs(301));
        let now = net.now;
        net.at(2).reception_mut().unwrap().registrar_mut().unwrap().take_changed(now, 10_000);
    });
    let each = bytes / PHONES;
    println!("a registered phone: {each} bytes");
    assert!(each <= REGISTRATION, "{each} bytes");
}
