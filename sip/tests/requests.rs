//! What requests earn that are not simply calls: extensions, schemes, loops, floods, noise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod support;

use std::time::Duration;

use phoneai_sip::{
    endpoint::{CallEvent, EndedBy, EndpointConfig, Event, Header},
    message::Method,
    session::CallError,
};
use support::{ANSWER, Net, OFFER, Raw, Weather, address, ended, header, outgoing};

/// The first line of the answer to a request from outside.
fn answer(net: &mut Net, raw: &Raw) -> support::Sent {
    net.send_raw(raw, 1);
    let arrived = net.arrived();
    let answer = arrived.iter().find(|sent| !sent.line().starts_with("SIP/2.0 100"));
    answer.unwrap_or_else(|| panic!("no answer to {}: {arrived:?}", raw.method)).clone()
}

fn alone() -> Net {
    let mut net = Net::new(1, Weather::FINE);
    net.add(1);
    net
}

#[test]
fn each_method_outside_of_dialogs_gets_its_answer_and_leaves_nothing_behind() {
    let expected = [
        ("OPTIONS", "200"),
        ("BYE", "481"),
        ("INFO", "481"),
        ("UPDATE", "481"),
        ("PRACK", "481"),
        ("NOTIFY", "481"),
        ("CANCEL", "481"),
        ("REGISTER", "405"),
        ("SUBSCRIBE", "405"),
        ("PUBLISH", "405"),
        ("REFER", "405"),
        ("MESSAGE", "405"),
        ("DANCE", "501"),
    ];
    let mut net = alone();
    for (index, (method, status)) in expected.into_iter().enumerate() {
        let mut raw = Raw::new(method, 9);
        raw.branch = format!("z9hG4bKmethod{index}");
        let reply = answer(&mut net, &raw);
        assert!(reply.line().starts_with(&format!("SIP/2.0 {status}")), "{}", reply.line());
        if matches!(status, "200" | "405" | "501") {
            assert!(reply.text().contains("\r\nAllow: INVITE"), "{}", reply.text());
        }
        assert!(header(&reply, "To").contains(";tag="));
        assert_eq!(net.at(1).transactions(), 0);
        let again = answer(&mut net, &raw);
        assert_eq!(header(&again, "To"), header(&reply, "To"), "the same tag each time");
    }
    let mut raw = Raw::new("ACK", 9);
    raw.branch = "z9hG4bKack".to_owned();
    net.send_raw(&raw, 1);
    assert!(net.arrived().is_empty(), "an ACK is never answered");
}

#[test]
fn requests_in_a_call_get_their_answers() {
    let mut net = Net::pair();
    net.established();
    let expected = [
        ("OPTIONS", "", "200"),
        ("INFO", "", "200"),
        ("INFO", "Info-Package: foo\r\n", "469"),
        ("UPDATE", "", "200"),
        ("MESSAGE", "", "405"),
        ("REFER", "", "405"),
        ("PRACK", "", "481"),
        ("DANCE", "", "501"),
        ("OPTIONS", "Require: pigeons\r\n", "420"),
    ];
    for (index, (method, headers, status)) in expected.into_iter().enumerate() {
        let mut raw = Raw::new(method, 9);
        raw.branch = format!("z9hG4bKin{index}");
        raw.call_id = header(&net.last("INVITE"), "Call-ID");
        raw.from = header(&net.last("INVITE"), "From");
        raw.to = header(&net.last("SIP/2.0 200 OK"), "To");
        raw.cseq = 20_000 + index as u32;
        raw.headers = headers.to_owned();
        net.send_raw(&raw, 2);
        let reply = net.arrived();
        assert!(reply[0].line().starts_with(&format!("SIP/2.0 {status}")), "{}", reply[0].line());
    }
    assert!(matches!(net.call_events(2)[..], [CallEvent::Info { .. }]));
}

#[test]
fn an_update_with_an_offer_is_answered_by_the_user() {
    let mut net = Net::pair();
    let (_, callee) = net.established();
    let mut raw = Raw::new("UPDATE", 9);
    raw.call_id = header(&net.last("INVITE"), "Call-ID");
    raw.from = header(&net.last("INVITE"), "From");
    raw.to = header(&net.last("SIP/2.0 200"), "To");
    raw.cseq = 20_000;
    raw.body = OFFER.to_vec();
    net.send_raw(&raw, 2);
    net.run_ms(50);
    assert!(matches!(net.call_events(2)[..], [CallEvent::Offer { sdp: Some(_) }]));
    let now = net.now;
    net.at(2).answer_offer(now, callee, Ok(ANSWER.into())).unwrap();
    assert!(net.arrived_one("SIP/2.0 200").text().ends_with("m=audio 5000 RTP/AVP 0\r\n"));
    // It changed the target: our BYE goes where the Contact now points.
    net.hangup(2, callee);
    assert_eq!(net.last("BYE").to, address(9));
}

#[test]
fn an_invite_without_offer_gets_one_and_its_answer_in_the_ack() {
    let mut net = alone();
    let mut raw = Raw::new("INVITE", 9);
    net.send_raw(&raw, 1);
    net.run_ms(50);
    let [Event::Incoming { call, request }] = &net.events(1)[..] else { panic!() };
    assert!(request.sdp().is_none());
    net.accept(1, *call);
    net.run_ms(50);
    let ok = net.last("SIP/2.0 200");
    raw.method = "ACK";
    raw.branch = "z9hG4bKack".to_owned();
    raw.to = header(&ok, "To");
    raw.body = ANSWER.to_vec();
    net.send_raw(&raw, 1);
    net.run_ms(50);
    let events = net.call_events(1);
    let [CallEvent::MediaAnswer { sdp }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(&**sdp, ANSWER);
}

#[test]
fn what_an_invite_may_not_ask_for_is_refused() {
    let cases = [
        ("Require: 100rel, pigeons\r\n", "", "SIP/2.0 420", "Unsupported: 100rel, pigeons"),
        ("Content-Type: text/plain\r\n", "hello", "SIP/2.0 415", "Accept: application/sdp"),
    ];
    for (headers, body, status, contains) in cases {
        let mut net = alone();
        let mut raw = Raw::new("INVITE", 9);
        raw.headers = headers.to_owned();
        raw.body = body.as_bytes().to_vec();
        let reply = answer(&mut net, &raw);
        assert!(reply.line().starts_with(status), "{}", reply.line());
        assert!(reply.text().contains(contains), "{}", reply.text());
        assert_eq!(net.at(1).transactions(), 0);
    }
    let mut net = alone();
    let foreign = Raw::new("INVITE", 9).bytes("nobody:knows-this");
    net.send(address(9), address(1), foreign);
    assert!(net.arrived()[0].line().starts_with("SIP/2.0 416"));
}

#[test]
fn a_request_that_came_along_two_paths_gets_482() {
    let mut net = alone();
    let mut raw = Raw::new("INVITE", 9);
    net.send_raw(&raw, 1);
    net.run_ms(50);
    net.arrived();
    raw.branch = "z9hG4bKother".to_owned();
    assert!(answer(&mut net, &raw).line().starts_with("SIP/2.0 482"));
    assert_eq!(net.at(1).calls_alive(), 1);
}

#[test]
fn a_caller_of_rfc_2543_is_matched_without_magic_cookie() {
    let mut net = alone();
    let mut raw = Raw::new("INVITE", 9);
    raw.branch = "1".to_owned();
    for _ in 0..3 {
        net.send_raw(&raw, 1);
        net.run_ms(50);
    }
    let [Event::Incoming { call, .. }] = net.events(1)[..] else { panic!("one call") };
    let now = net.now;
    net.at(1).reject(now, call, 486, None, Vec::new()).unwrap();
    net.run_ms(50);
    raw.method = "ACK";
    raw.to = header(&net.last("SIP/2.0 486"), "To");
    net.send_raw(&raw, 1);
    net.run(Duration::from_secs(3));
    assert_eq!(net.count(1, "SIP/2.0 486"), 1, "the ACK stopped timer G");
}

#[test]
fn responses_go_to_where_the_request_really_came_from() {
    let mut net = alone();
    let behind_nat = std::net::SocketAddr::from(([198, 51, 100, 7], 40_000));
    let raw = Raw::new("OPTIONS", 9).bytes("sip:1001@example.net");
    net.send(behind_nat, address(1), raw.clone());
    let reply = net.arrived_one("SIP/2.0 200");
    assert_eq!(reply.to, behind_nat);
    let via = header(&reply, "Via");
    assert!(via.contains("received=198.51.100.7") && via.contains("rport=40000"), "{via}");
    // Without rport: the source's address, but the port in Via (RFC 3261 §18.2.2).
    let raw = String::from_utf8(raw).unwrap().replace(";rport", "");
    net.send(behind_nat, address(1), raw.into_bytes());
    let reply = net.arrived_one("SIP/2.0 200");
    assert_eq!(reply.to, "198.51.100.7:5060".parse().unwrap());
}

#[test]
fn requests_follow_loose_and_strict_routes_to_the_contact() {
    let routed = [
        (
            "Record-Route: <sip:192.0.2.8;lr>, <sip:192.0.2.7;lr>\r\n",
            "sip:phone@192.0.2.99",
            "<sip:192.0.2.7;lr>|<sip:192.0.2.8;lr>",
            7,
        ),
        (
            "Record-Route: <sip:192.0.2.8;lr>\r\nRecord-Route: <sip:192.0.2.7>\r\n",
            "sip:192.0.2.7",
            "<sip:192.0.2.8;lr>|<sip:phone@192.0.2.99>",
            7,
        ),
        ("", "sip:phone@192.0.2.99", "", 99),
        (
            "Record-Route: <sip:proxy.example.net;lr>\r\n",
            "sip:phone@192.0.2.99",
            "<sip:proxy.example.net;lr>",
            9,
        ),
    ];
    for (record_route, uri, routes, destination) in routed {
        let mut net = alone();
        let now = net.now;
        let call = net.at(1).invite(now, outgoing(9)).unwrap();
        let invite = net.arrived_one("INVITE");
        let headers = format!(
            "{record_route}Contact: <sip:phone@192.0.2.99>\r\nContent-Type: application/sdp\r\n"
        );
        let bytes = support::reply(&invite, "200 OK", "a", &headers, ANSWER);
        net.send(invite.to, invite.from, bytes);
        net.run_ms(50);
        net.hangup(1, call);
        for method in ["ACK", "BYE"] {
            let sent = net.last(method);
            assert_eq!(sent.line(), format!("{method} {uri} SIP/2.0"));
            let text = sent.text();
            let found: Vec<&str> =
                text.lines().filter_map(|line| line.strip_prefix("Route: ")).collect();
            assert_eq!(found.join("|"), routes);
            assert_eq!(sent.to, address(destination));
        }
    }
}

#[test]
fn a_full_endpoint_refuses_strangers_and_serves_its_calls() {
    let mut net = Net::new(1, Weather::FINE);
    net.add(1);
    let mut config = EndpointConfig::new(address(2));
    config.max_calls = 3;
    config.max_transactions = 8;
    net.add_with(2, config);
    let (caller, callee) = net.established();
    for index in 0..1000 {
        let mut raw = Raw::new("INVITE", 9);
        raw.branch = format!("z9hG4bKflood{index}");
        raw.call_id = format!("flood-{index}");
        net.send_raw(&raw, 2);
    }
    let arrived = net.arrived();
    let refused: Vec<_> =
        arrived.iter().filter(|sent| sent.line().starts_with("SIP/2.0 503")).collect();
    assert_eq!(refused.len(), 998);
    assert!(refused[0].text().contains("\r\nRetry-After: "));
    assert!(net.at(2).transactions() <= 10);
    let now = net.now;
    assert_eq!(net.at(2).invite(now, outgoing(1)).unwrap_err(), CallError::Full);
    net.at(1).offer(now, caller, OFFER.into()).unwrap();
    net.run_ms(100);
    let events = net.call_events(2);
    assert!(matches!(events[..], [CallEvent::Offer { .. }]), "{events:?}");
    let now = net.now;
    net.at(2).answer_offer(now, callee, Ok(ANSWER.into())).unwrap();
    net.run_ms(100);
    net.hangup(1, caller);
    net.run_ms(100);
    assert_eq!(ended(&net.call_events(2)).by, EndedBy::Remote);
    assert!(net.at(2).statistics().refused_by_limit >= 998);
}

#[test]
fn keep_alives_stun_and_noise_are_told_apart() {
    let mut net = alone();
    let stun: &[u8] = &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    for bytes in [b"\r\n\r\n" as &[u8], b"\r\n", stun] {
        net.send(address(9), address(1), bytes);
    }
    net.run_ms(50);
    assert_eq!(net.at(1).statistics().keep_alives, 3);
    assert_eq!(net.at(1).statistics().malformed, 0);
    for bytes in [b"\x00" as &[u8], b"hello", b"SIP/2.0 200 OK\r\n\r\n", b"\xff\xfe\xfd"] {
        net.send(address(9), address(1), bytes);
    }
    assert!(net.arrived().is_empty(), "noise is not answered");
    assert_eq!(net.at(1).statistics().malformed, 4);
    let broken = Raw::new("OPTIONS", 9).bytes("sip:a@example.net");
    let broken = String::from_utf8(broken).unwrap().replace("CSeq: 1 OPTIONS", "CSeq: x OPTIONS");
    net.send(address(9), address(1), broken.into_bytes());
    assert!(net.arrived_one("SIP/2.0 400").line().contains("CSeq"));
}

#[test]
fn handled_requests_are_answered_by_the_user() {
    let mut net = Net::new(1, Weather::FINE);
    let mut config = EndpointConfig::new(address(1));
    config.handled = vec![Method::Register];
    net.add_with(1, config);
    let raw = Raw::new("REGISTER", 9);
    net.send_raw(&raw, 1);
    net.send_raw(&raw, 1);
    net.run_ms(50);
    let events = net.events(1);
    let [Event::Request { id, request }] = &events[..] else { panic!("{events:?}") };
    let now = net.now;
    let headers = vec![Header::new("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\"")];
    net.at(1).respond(now, *id, request, 401, headers, None);
    net.send_raw(&raw, 1);
    net.run_ms(50);
    assert_eq!(net.count(1, "SIP/2.0 401"), 2, "the copy gets the same answer");
    net.assert_clean();
}

#[test]
fn a_redirection_and_a_refusal_say_all_that_the_peer_said() {
    let mut net = alone();
    let now = net.now;
    net.at(1).invite(now, outgoing(9)).unwrap();
    let invite = net.arrived_one("INVITE");
    let headers = "Contact: <sip:a@example.net>, <sip:b@example.net>;q=0.5\r\n\
        Reason: Q.850;cause=34\r\nRetry-After: 30\r\nWarning: 399 x \"busy\"\r\n";
    let bytes = support::reply(&invite, "302 Moved", "a", headers, b"");
    net.send(invite.to, invite.from, bytes);
    net.run_ms(50);
    let end = ended(&net.call_events(1));
    assert_eq!((end.by, end.status, &*end.reason), (EndedBy::Failure, Some(302), "Moved"));
    assert_eq!(end.contacts, ["sip:a@example.net", "sip:b@example.net"]);
    assert_eq!(end.reason_header.as_deref(), Some("Q.850;cause=34"));
    assert_eq!(end.retry_after, Some(Duration::from_secs(30)));
    assert_eq!(end.warning.as_deref(), Some("399 x \"busy\""));
    net.assert_clean();
}

#[test]
fn text_of_a_caller_cannot_add_headers_to_our_messages() {
    let mut net = alone();
    let now = net.now;
    let mut call = outgoing(9);
    call.from_display = Some("Eve\"\r\nX-Evil: 1".to_owned());
    call.headers = vec![Header::new("X-Note", "a\r\nX-Evil: 2"), Header::new("X Bad", "3")];
    net.at(1).invite(now, call).unwrap();
    let text = net.arrived_one("INVITE").text();
    assert!(!text.contains("\r\nX-Evil"), "{text}");
    assert!(!text.contains("X Bad"), "{text}");
}

#[test]
fn an_offer_among_the_parts_of_a_body_is_found() {
    let mut net = alone();
    let mut raw = Raw::new("INVITE", 9);
    raw.headers = "Content-Type: multipart/mixed;boundary=b\r\n".to_owned();
    let offer = String::from_utf8_lossy(OFFER);
    raw.body = format!(
        "--b\r\nContent-Type: application/isup\r\n\r\nx\r\n--b\r\n\
         Content-Type: application/sdp\r\n\r\n{offer}\r\n--b--\r\n"
    )
    .into_bytes();
    net.send_raw(&raw, 1);
    net.run_ms(50);
    let [Event::Incoming { request, .. }] = &net.events(1)[..] else { panic!("no call") };
    assert_eq!(request.sdp().as_deref(), Some(OFFER));
}

#[test]
fn scanners_hear_nothing() {
    let mut net = alone();
    let mut raw = Raw::new("OPTIONS", 9);
    raw.headers = "User-Agent: Friendly-Scanner 1.8\r\n".into();
    net.send_raw(&raw, 1);
    assert_eq!(net.arrived().len(), 0);
    assert_eq!(net.at(1).statistics().scanners, 1);
    assert_eq!(net.at(1).transactions(), 0);
}
