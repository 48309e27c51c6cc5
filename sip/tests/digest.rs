//! Challenges to calls, and what never gets an answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod support;

use phoneai_sip::{
    auth::{Credentials, Password},
    endpoint::{CallEvent, EndedBy},
};
use support::{ANSWER, Net, Sent, Weather, ended, header, outgoing, reply};

fn challenge(realm: &str, nonce: &str, more: &str) -> String {
    format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"auth\"{more}")
}

/// A net with one endpoint and its first INVITE, which has credentials for any one realm.
fn calling() -> (Net, Sent) {
    calling_with(None)
}

fn calling_with(realm: Option<&str>) -> (Net, Sent) {
    let mut net = Net::new(1, Weather::FINE);
    net.add(1);
    let now = net.now;
    let mut call = outgoing(9);
    let password = Password::new("secret");
    let (username, realm) = ("account".to_owned(), realm.map(str::to_owned));
    call.credentials = Some(Credentials { username, password, realm });
    net.at(1).invite(now, call).unwrap();
    let invite = net.arrived_one("INVITE");
    assert!(!invite.text().contains("uthorization"), "nobody asked");
    (net, invite)
}

fn challenged(net: &mut Net, request: &Sent, status: &str, headers: &str) -> Vec<Sent> {
    let bytes = reply(request, status, "c", headers, b"");
    net.send(request.to, request.from, bytes);
    net.arrived()
}

fn of<'a>(arrived: &'a [Sent], start: &str) -> Option<&'a Sent> {
    arrived.iter().find(|sent| sent.line().starts_with(start))
}

#[test]
fn a_challenged_invite_is_sent_again_in_the_same_call() {
    let (mut net, invite) = calling();
    let headers = format!("Proxy-Authenticate: {}\r\n", challenge("r", "n1", ""));
    let arrived = challenged(&mut net, &invite, "407 Proxy Authentication Required", &headers);
    assert!(of(&arrived, "ACK").is_some());
    let again = of(&arrived, "INVITE").unwrap();
    assert_eq!(header(again, "Call-ID"), header(&invite, "Call-ID"));
    assert_eq!(header(again, "From"), header(&invite, "From"));
    assert_ne!(header(again, "Via"), header(&invite, "Via"));
    assert_ne!(header(again, "CSeq"), header(&invite, "CSeq"));
    assert!(header(again, "Proxy-Authorization").contains("nc=00000001"));
    // Stale: the same password with the new nonce.
    let headers = format!("Proxy-Authenticate: {}\r\n", challenge("r", "n2", ", stale=true"));
    let arrived = challenged(&mut net, again, "407 Proxy Authentication Required", &headers);
    let third = of(&arrived, "INVITE").unwrap();
    assert!(header(third, "Proxy-Authorization").contains("nonce=\"n2\""));
    net.reply_raw(third, "200 OK", "a", ANSWER);
    let ack = net.arrived_one("ACK");
    assert_eq!(
        header(&ack, "Proxy-Authorization"),
        header(third, "Proxy-Authorization"),
        "RFC 3261 §22.1"
    );
    assert!(matches!(net.call_events(1)[..], [CallEvent::Answered { .. }]));
}

#[test]
fn a_refused_password_is_not_tried_again() {
    let (mut net, invite) = calling();
    let headers = format!("WWW-Authenticate: {}\r\n", challenge("r", "n1", ""));
    let arrived = challenged(&mut net, &invite, "401 Unauthorized", &headers);
    let again = of(&arrived, "INVITE").unwrap().clone();
    let headers = format!("WWW-Authenticate: {}\r\n", challenge("r", "n2", ""));
    let arrived = challenged(&mut net, &again, "401 Unauthorized", &headers);
    assert!(of(&arrived, "INVITE").is_none());
    let end = ended(&net.call_events(1));
    assert_eq!((end.by, end.status), (EndedBy::Failure, Some(401)));
    net.assert_clean();
}

#[test]
fn a_peer_that_calls_each_nonce_stale_is_left() {
    let (mut net, mut invite) = calling();
    for count in 0..20 {
        let nonce = format!("n{count}");
        let headers = format!("WWW-Authenticate: {}\r\n", challenge("r", &nonce, ", stale=true"));
        let arrived = challenged(&mut net, &invite, "401 Unauthorized", &headers);
        match of(&arrived, "INVITE") {
            Some(again) => invite = again.clone(),
            None => break,
        }
    }
    assert!(net.count(1, "INVITE") <= 5);
    assert_eq!(ended(&net.call_events(1)).by, EndedBy::Failure);
}

/// The digest leak (EnableSecurity 2021-05): a callee challenges our BYE with a realm of its own.
#[test]
fn a_challenge_of_another_realm_inside_the_call_is_not_answered() {
    let (mut net, invite) = calling();
    let headers = format!("WWW-Authenticate: {}\r\n", challenge("trunk", "n1", ""));
    let arrived = challenged(&mut net, &invite, "401 Unauthorized", &headers);
    let again = of(&arrived, "INVITE").unwrap().clone();
    net.reply_raw(&again, "200 OK", "a", ANSWER);
    net.arrived();
    let now = net.now;
    net.at(1).hangup_all(now);
    let bye = net.arrived_one("BYE");
    let headers = format!("WWW-Authenticate: {}\r\n", challenge("evil", "n9", ""));
    let arrived = challenged(&mut net, &bye, "401 Unauthorized", &headers);
    assert!(arrived.is_empty(), "{arrived:?}");
    assert!(net.log.iter().all(|sent| !sent.text().contains("realm=\"evil\", nonce=\"n9\", uri")));
}

#[test]
fn a_challenged_bye_is_sent_again_with_credentials_if_the_realm_is_known() {
    let (mut net, invite) = calling_with(Some("trunk"));
    net.reply_raw(&invite, "200 OK", "a", ANSWER);
    net.arrived();
    let now = net.now;
    net.at(1).hangup_all(now);
    let bye = net.arrived_one("BYE");
    let headers = format!("Proxy-Authenticate: {}\r\n", challenge("trunk", "n1", ""));
    let arrived = challenged(&mut net, &bye, "407 Proxy Authentication Required", &headers);
    let again = of(&arrived, "BYE").unwrap();
    assert!(header(again, "Proxy-Authorization").contains("uri=\"sip:phone-a@"));
    net.reply_raw(again, "200 OK", "a", b"");
    net.assert_clean();
}

#[test]
fn a_first_challenge_inside_the_call_is_not_answered_for_an_unknown_realm() {
    let (mut net, invite) = calling();
    net.reply_raw(&invite, "200 OK", "a", ANSWER);
    net.arrived();
    let now = net.now;
    net.at(1).hangup_all(now);
    let bye = net.arrived_one("BYE");
    let headers = format!("WWW-Authenticate: {}\r\n", challenge("phone", "n1", ""));
    assert!(challenged(&mut net, &bye, "401 Unauthorized", &headers).is_empty());
    net.assert_clean();
}
