//! Reading and writing messages as peers send them, well and badly.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

use std::net::{IpAddr, Ipv6Addr};

use phoneai_sip::message::{
    HeaderName, Host, Message, Method, OwnedMessage, ParseError, ParseErrorKind, Request, Response,
    Scheme, StatusCode, Token, Uri, limits, reject,
};
use proptest::prelude::*;

const HEAD: &str = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n\
                    From: \"A\" <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\n\
                    Call-ID: x@y\r\nCSeq: 1 INVITE\r\n";

fn invite(more: &str) -> Vec<u8> {
    format!("INVITE sip:b@example.com SIP/2.0\r\n{HEAD}{more}\r\n").into_bytes()
}

fn read(bytes: &[u8]) -> Result<Message<'_>, ParseError> {
    let message = Message::parse(bytes)?;
    message.check()?;
    Ok(message)
}

fn kind(bytes: &[u8]) -> ParseErrorKind {
    read(bytes).expect_err("must be refused").kind
}

fn replaced(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(invite("")).unwrap();
    assert!(text.contains(from));
    text.replace(from, to).into_bytes()
}

#[test]
fn a_request_that_was_written_reads_back() {
    let bytes = Request::new(Method::Invite, "sip:bob@example.com")
        .header(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport")
        .header(HeaderName::From, "\"A\" <sip:a@example.com>;tag=1")
        .header(HeaderName::To, "<sip:bob@example.com>")
        .header(HeaderName::CallId, "x@y")
        .header(HeaderName::CSeq, "1 INVITE")
        .body("application/sdp", "v=0\r\n")
        .to_bytes();
    let message = read(&bytes).unwrap();
    assert_eq!(message.method(), Some(Method::Invite));
    assert_eq!(message.top_via().unwrap().branch(), Some("z9hG4bK1"));
    assert_eq!(message.top_via().unwrap().rport(), Some(None));
    assert_eq!(message.from_().unwrap().tag(), Some("1"));
    assert_eq!(message.from_().unwrap().display_name(), "A");
    assert_eq!(message.body_of("application", "SDP"), Some(&b"v=0\r\n"[..]));
    let answer = Response::to(&message, StatusCode::OK).to_tag("t2").to_bytes();
    let answer = read(&answer).unwrap();
    assert_eq!(answer.to().unwrap().tag(), Some("t2"));
    assert_eq!(answer.status(), Some(StatusCode::OK));
}

#[test]
fn latin_1_in_a_display_name_loses_nothing() {
    let mut bytes = invite("Content-Length: 0\r\n");
    let at = bytes.iter().position(|b| *b == b'"').unwrap();
    bytes.splice(at + 1..at + 1, *b"Caf\xe9 ");
    let message = read(&bytes).unwrap();
    assert_eq!(message.from_().unwrap().display_name(), "Caf\u{fffd} A");
    assert_eq!(message.headers().count(), 6);
    assert_eq!(message.cseq().unwrap().number, 1);
}

#[test]
fn without_content_length_the_body_is_the_rest() {
    let mut bytes = invite("");
    bytes.extend_from_slice(b"v=0\r\n\r\nmore");
    assert_eq!(read(&bytes).unwrap().body(), b"v=0\r\n\r\nmore");
}

#[test]
fn ipv6_stands_everywhere() {
    let bytes = replaced("192.0.2.1:5060", "[2001:db8::9:1]:5062;received=[2001:db8::9:255]");
    let bytes = String::from_utf8(bytes)
        .unwrap()
        .replace("sip:b@example.com SIP", "sip:[2001:db8::10]:5070;transport=tcp SIP");
    let message = read(bytes.as_bytes()).unwrap();
    let via = message.top_via().unwrap();
    let host = "2001:db8::9:1".parse::<Ipv6Addr>().unwrap();
    assert_eq!((via.host, via.port), (Host::Ip(IpAddr::V6(host)), Some(5062)));
    assert_eq!(via.received(), "2001:db8::9:255".parse().ok());
    let uri = message.request_uri().unwrap();
    assert_eq!(uri.host().unwrap().to_string(), "[2001:db8::10]");
    assert_eq!((uri.port(), uri.param("transport")), (Some(5070), Some("tcp")));
    let bare = replaced(";rport", ";received=2001:db8::1;rport=4321");
    let via = read(&bare).unwrap().top_via().unwrap();
    assert_eq!((via.received(), via.rport()), ("2001:db8::1".parse().ok(), Some(Some(4321))));
}

#[test]
fn tel_urn_and_host_only_uris_are_kept() {
    let bytes = replaced("INVITE sip:b@example.com", "INVITE tel:+1-202-555-0100;phone-context=x");
    let message = read(&bytes).unwrap();
    let uri = message.request_uri().unwrap();
    assert_eq!((uri.scheme(), uri.user()), (Scheme::Tel, Some("+1-202-555-0100")));
    assert_eq!(uri.param("phone-context"), Some("x"));
    let bytes = replaced("INVITE sip:b@example.com", "INVITE urn:service:sos");
    assert_eq!(read(&bytes).unwrap().request_uri().unwrap().scheme(), Scheme::Other("urn"));
    let uri = Uri::parse(b"sip:example.com").unwrap();
    assert_eq!((uri.user(), uri.port()), (None, None));
    let uri = Uri::parse(b"sip:12345678*12025550100@example.com").unwrap();
    assert_eq!(uri.user(), Some("12345678*12025550100"));
    assert!(Uri::parse(b"sip:+12025550100;isup-oli=00@example.com").is_ok());
}

#[test]
fn malformed_uris_are_errors_and_nothing_else() {
    for text in [
        "sip:%",
        "sip:%4@x",
        "sip:a@",
        "sip:a@[::",
        "sip:a@[::]x",
        "sip:@x",
        "sip:",
        "sip",
        ":",
        "",
        "sip:a@b:99999",
        "sip:a@b:",
        "sip:a@b:+1",
        "sip:a b@c",
        "sip:a@b;",
        "sip:a@b;;c",
        "1x:y",
        "sip:a@b c",
        "sip:<a@b>",
        "sip:a@b\u{e9}",
        "sip:a@[fe80::1%25eth0]",
    ] {
        assert!(Uri::parse(text.as_bytes()).is_err(), "{text}");
    }
}

/// RFC 3261 §19.1.4 with its own examples.
#[test]
fn uris_are_compared_by_meaning() {
    let same = |a: &str, b: &str| {
        let (a, b) = (Uri::parse(a.as_bytes()).unwrap(), Uri::parse(b.as_bytes()).unwrap());
        assert_eq!(a.is_equivalent(&b), b.is_equivalent(&a), "{a} {b}");
        a.is_equivalent(&b)
    };
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
    ] {
        assert!(same(a, b), "{a} {b}");
    }
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:a@x", "sips:a@x"),
        ("sip:a:b@x", "sip:a@x"),
    ] {
        assert!(!same(a, b), "{a} {b}");
    }
}

#[test]
fn lists_are_read_over_commas_and_lines() {
    let bytes = invite(
        "Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n\
         m: \"a, b\" <sip:c@example.com;x=\",\">;q=0.7, <sip:d@example.com>\r\n\
         Record-Route: <sip:p3.example.com;lr>\r\nSupported: timer,100rel ,\r\n\tpath\r\nk: , gruu\r\n",
    );
    let bytes = String::from_utf8(bytes).unwrap().replace("x=\",\"", "x=,");
    let message = read(bytes.as_bytes()).unwrap();
    let routes: Vec<_> =
        message.record_routes().map(|r| r.unwrap().uri.host().unwrap().to_string()).collect();
    assert_eq!(routes, ["p1.example.com", "p2.example.com", "p3.example.com"]);
    let contacts: Vec<_> = message.contacts().map(|c| c.unwrap().addr().unwrap()).collect();
    assert_eq!(contacts.len(), 2);
    assert_eq!((contacts[0].display_name().as_ref(), contacts[0].q_thousandths()), ("a, b", 700));
    assert_eq!(message.values(HeaderName::Supported).count(), 4);
    assert!(message.has_token(HeaderName::Supported, "PATH"));
}

/// EnableSecurity 2020-01: a filter that overlooks `X-Bypass :` lets it through.
#[test]
fn a_blank_before_the_colon_hides_no_header() {
    let message = invite("X-Bypass \t: yes\r\n");
    let name = HeaderName::from_token("x-bypass").unwrap();
    assert_eq!(read(&message).unwrap().text(name), Some("yes"));
    assert_eq!(kind(&invite("Contact : <sip:a@b>\r\nc\u{e9}: x\r\n")), ParseErrorKind::HeaderLine);
    assert_eq!(kind(&invite("Expires : 1\r\nexpires: 2\r\n")), ParseErrorKind::Conflict);
    assert!(read(&invite("Expires: 1\r\nexpires : 1\r\n")).is_ok());
}

#[test]
fn keep_alives_and_leading_line_ends_are_told_apart() {
    assert_eq!(kind(b"\r\n\r\n"), ParseErrorKind::KeepAlive);
    assert_eq!(kind(b""), ParseErrorKind::KeepAlive);
    let mut bytes = b"\r\n\r\n".to_vec();
    bytes.extend(invite(""));
    assert_eq!(read(&bytes).unwrap().method(), Some(Method::Invite));
}

#[test]
fn bare_line_feeds_end_lines_and_bare_returns_are_refused() {
    let text = String::from_utf8(invite("Subject: x\r\n")).unwrap();
    assert_eq!(read(text.replace("\r\n", "\n").as_bytes()).unwrap().headers().count(), 6);
    assert_eq!(kind(&invite("Subject: a\rVia: b\r\n")), ParseErrorKind::ControlByte);
    assert_eq!(kind(&invite("Subject: a\0b\r\n")), ParseErrorKind::ControlByte);
    assert_eq!(kind(b"INVITE sip:b@c SIP/2.0\r\nVia: x\r\n"), ParseErrorKind::Unterminated);
}

#[test]
fn noise_is_dropped_in_silence() {
    for noise in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\x00\x01\x00\x00!\x12\xa4B",
        b"hello\r\n\r\n",
        b"SIP/2.0\r\n\r\n",
        b"SIP/2.0 20 OK\r\n\r\n",
        b"SIP/2.0 2000 OK\r\n\r\n",
        b"SIP/3.0 200 OK\r\n\r\n",
        b"ACK sip:b@c SIP/2.0\r\nContent-Length: x\r\n\r\n",
    ] {
        let error = read(noise).unwrap_err();
        assert_eq!(error.status(), None, "{error}");
        assert_eq!(reject(noise, &error), None);
    }
}

#[test]
fn a_status_line_without_the_last_blank_is_read() {
    let bytes = format!("SIP/2.0 200\r\n{HEAD}\r\n");
    assert_eq!(read(bytes.as_bytes()).unwrap().status(), Some(StatusCode::OK));
}

#[test]
fn lengths_and_numbers_are_bounded() {
    assert_eq!(kind(&invite("Content-Length: 4294967296\r\n")), ParseErrorKind::ContentLength);
    assert_eq!(kind(&invite("Content-Length: 0x1\r\n")), ParseErrorKind::ContentLength);
    assert_eq!(kind(&invite("Content-Length: \r\n")), ParseErrorKind::ContentLength);
    assert_eq!(kind(&invite("l: 1\r\n")), ParseErrorKind::BodyTooShort);
    assert_eq!(kind(&invite("Max-Forwards: 256\r\n")), ParseErrorKind::Number);
    assert_eq!(kind(&invite("Max-Forwards: -1\r\n")), ParseErrorKind::Number);
    assert_eq!(kind(&replaced("CSeq: 1 ", "CSeq: 4294967296 ")), ParseErrorKind::Number);
    assert_eq!(kind(&replaced("CSeq: 1 ", "CSeq: -1 ")), ParseErrorKind::Number);
    assert_eq!(kind(&replaced("CSeq: 1 INVITE", "CSeq: 1")), ParseErrorKind::Method);
    assert!(read(&replaced("CSeq: 1 ", "CSeq: 2147483647 ")).is_ok());
}

#[test]
fn sizes_are_bounded() {
    assert_eq!(kind(&vec![b'x'; limits::MAX_MESSAGE + 1]), ParseErrorKind::TooLarge);
    let long = "x".repeat(limits::MAX_HEADER_LEN);
    assert_eq!(kind(&invite(&format!("Subject: {long}\r\n"))), ParseErrorKind::TooLong);
    let folds = "\r\n x".repeat(limits::MAX_HEADER_LEN / 4);
    assert_eq!(kind(&invite(&format!("Subject: {folds}\r\n"))), ParseErrorKind::TooLong);
    let name = "x".repeat(limits::MAX_NAME_LEN + 1);
    assert_eq!(kind(&invite(&format!("{name}: 1\r\n"))), ParseErrorKind::TooLong);
    let fit = "X: 1\r\n".repeat(limits::MAX_HEADERS - 5);
    assert_eq!(read(&invite(&fit)).unwrap().headers().count(), limits::MAX_HEADERS);
    assert_eq!(kind(&invite(&(fit + "X: 1\r\n"))), ParseErrorKind::TooManyHeaders);
    let vias = "v: SIP/2.0/UDP a,SIP/2.0/UDP b\r\n".repeat(35);
    assert_eq!(kind(&invite(&vias)), ParseErrorKind::TooMany);
    let routes = format!("Route: {}\r\n", "<sip:a;lr>,".repeat(limits::MAX_LIST + 1));
    assert_eq!(kind(&invite(&routes)), ParseErrorKind::TooMany);
    let params = format!("Contact: <sip:a@b>{}\r\n", ";a".repeat(limits::MAX_PARAMS + 1));
    assert_eq!(kind(&invite(&params)), ParseErrorKind::TooMany);
    let method = "M".repeat(limits::MAX_METHOD_LEN + 1);
    assert_eq!(kind(&replaced("INVITE", &method)), ParseErrorKind::Method);
}

#[test]
fn headers_beyond_the_inline_table_are_all_there() {
    let many: String = (0..100).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let bytes = invite(&many);
    let owned = OwnedMessage::parse(bytes).unwrap();
    let message = owned.message();
    for n in 0..100 {
        let name = format!("x-{n}");
        let name = HeaderName::Other(Token::new(&name).unwrap());
        assert_eq!(message.text(name), Some(n.to_string().as_str()));
    }
}

#[test]
fn lone_quotes_and_brackets_are_errors() {
    for to in [
        "\"",
        "\"a",
        "\"a\\",
        "\"a\" ",
        "\"a\" sip:b@c",
        "<",
        ">",
        "><",
        "<sip:a@b",
        "sip:a@b>",
        "a <sip:b@c> d",
        "<sip:b@c>tag=1",
        "<sip:b@c>;tag=\"x",
        "<>",
        "\"a\" x <sip:b@c>",
        ";tag=1",
        "<sip:b@c>;=1",
        "<sip:b@c>;tag=a b",
        "<<sip:b@c>>",
    ] {
        let bytes = replaced("To: <sip:b@example.com>", &format!("To: {to}"));
        let error = read(&bytes).expect_err(to);
        assert_eq!(error.header, Some(HeaderName::To), "{to}: {error}");
        assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST));
    }
}

#[test]
fn an_error_says_what_and_where() {
    let bytes = replaced("CSeq: 1 ", "CSeq: x ");
    let error = read(&bytes).unwrap_err();
    assert_eq!(bytes.get(error.offset), Some(&b'x'));
    let text = format!("not a number, or out of range, in CSeq, at byte {}", error.offset);
    assert_eq!(error.to_string(), text);
}

#[test]
fn nothing_from_outside_can_add_a_header() {
    let evil = "x\r\nRoute: <sip:evil>\r\n\r\nbody";
    let request = Request::new(Method::Message, "sip:a@b SIP/2.0\r\nRoute: <sip:evil>\r\n")
        .header(HeaderName::Subject, evil)
        .header(HeaderName::CallId, "a\0b\rc\nd")
        .body("text/plain\r\nRoute: <sip:evil>", "x");
    let bytes = request.to_bytes();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.header(HeaderName::Route), None);
    assert_eq!(message.headers().count(), 4);
    assert_eq!(message.text(HeaderName::Subject), Some("x Route: <sip:evil> body"));
    assert_eq!(message.text(HeaderName::CallId), Some("a b c d"));
    let response = Response::new(StatusCode::OK).reason("fine\r\nRoute: <sip:evil>").to_bytes();
    assert_eq!(Message::parse(&response).unwrap().headers().count(), 1);
    // A folded header of a request comes back on one line.
    let folded = replaced("Call-ID: x@y", "Call-ID:\r\n x@y\r\nX-A: y");
    let response = Response::to(&read(&folded).unwrap(), StatusCode::OK).to_bytes();
    assert_eq!(Message::parse(&response).unwrap().call_id().unwrap(), "x@y");
}

#[test]
fn headers_are_set_removed_and_put_in_front() {
    let mut request = Request::new(Method::Bye, "sip:a@b")
        .header(HeaderName::Route, "<sip:1>")
        .header(HeaderName::Via, "old")
        .header(HeaderName::Route, "<sip:2>");
    request.headers_mut().push_front(HeaderName::Via, "new");
    request.headers_mut().set(HeaderName::Route, "<sip:3>");
    request.headers_mut().set(HeaderName::Date, "now");
    let all: Vec<_> = request.headers().all(HeaderName::Via).collect();
    assert_eq!(all, [b"new", b"old"]);
    assert_eq!(request.headers().all(HeaderName::Route).collect::<Vec<_>>(), [b"<sip:3>"]);
    request.headers_mut().remove(HeaderName::Via);
    assert_eq!(
        String::from_utf8(request.to_bytes()).unwrap(),
        "BYE sip:a@b SIP/2.0\r\nRoute: <sip:3>\r\nDate: now\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn the_sdp_of_a_multipart_body_is_found() {
    let body = "preamble\r\n--b;1\r\nContent-Type: application/isup\r\n\r\n\u{1}--b;1\r\n--b;1 \r\n\
                c:application/sdp\r\nContent-Disposition: session\r\n\r\nv=0\r\ns=-\r\n--b;1--\r\n";
    let head = "Content-Type: multipart/mixed ; boundary=\"b;1\"\r\n";
    let mut bytes = invite(head);
    bytes.extend_from_slice(body.as_bytes());
    let message = read(&bytes).unwrap();
    assert_eq!(message.body_of("application", "sdp"), Some(&b"v=0\r\ns=-"[..]));
    assert_eq!(message.body_of("application", "isup"), Some(&b"\x01--b;1"[..]));
    assert_eq!(message.body_of("text", "plain"), None);
}

/// What a strange peer may put on the wire: whole messages with bytes changed, cut or repeated.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let seed = prop_oneof![
        Just(invite(
            "Contact: \"x\" <sip:a@b;p=1>;q=0.1, *\r\nRoute: <sip:a;lr>\r\nExpires: 3\r\n"
        )),
        Just(invite(
            "Authorization: Digest realm=\"a\", nonce=\"b\"\r\nContent-Length: 3\r\n\r\nabc"
        )),
        Just(
            format!("SIP/2.0 401 No\r\n{HEAD}WWW-Authenticate: Digest realm=\"a\"\r\n\r\n").into()
        ),
    ];
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4u8);
    (seed, proptest::collection::vec(change, 0..8)).prop_map(|(mut bytes, changes)| {
        for (index, byte, how) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = index.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b"\r\n \t;,<>\"\\:=@%"[usize::from(byte) % 14]),
                2 => {
                    bytes.remove(at);
                }
                _ => {
                    let piece = bytes[at..(at + usize::from(byte) % 40).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    })
}

/// The same message made anew by our writer.
fn rewritten(message: &Message<'_>) -> Vec<u8> {
    let copy = |headers: &mut phoneai_sip::message::Headers| {
        for header in message.headers() {
            headers.push(header.name, header.value);
        }
    };
    match (message.method(), message.request_uri(), message.status()) {
        (Some(method), Ok(uri), _) => {
            let mut request = Request::new(method, uri.as_str());
            request.set_content(message.body());
            copy(request.headers_mut());
            request.to_bytes()
        }
        (_, _, code) => {
            let mut response =
                Response::new(code.unwrap_or(StatusCode::OK)).reason(message.reason().as_bytes());
            response.set_content(message.body());
            copy(response.headers_mut());
            response.to_bytes()
        }
    }
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(bytes in mutated()) {
        match read(&bytes) {
            Ok(message) => {
                for header in message.headers() {
                    prop_assert!(!header.name.as_str().is_empty());
                }
            }
            Err(error) => {
                prop_assert!(error.offset <= bytes.len());
                if let Some(response) = reject(&bytes, &error) {
                    prop_assert!(Message::parse(&response).is_ok());
                }
            }
        }
    }

    #[test]
    fn what_was_read_and_written_reads_the_same(bytes in mutated()) {
        if let Ok(message) = read(&bytes) {
            let first = rewritten(&message);
            let again = read(&first).expect("what we write is well-formed");
            prop_assert_eq!(rewritten(&again), first.clone());
            prop_assert_eq!(again.body(), message.body());
            prop_assert_eq!(again.cseq().unwrap(), message.cseq().unwrap());
            prop_assert_eq!(again.from_().unwrap().tag(), message.from_().unwrap().tag());
            prop_assert_eq!(again.vias().count(), message.vias().count());
        }
    }

    #[test]
    fn no_uri_makes_it_panic(text in "(sip:|sips:|tel:|x:)?[ -~]{0,40}") {
        if let Ok(uri) = Uri::parse(text.as_bytes()) {
            prop_assert!(uri.is_equivalent(&uri));
            prop_assert_eq!(uri.as_str(), text.as_str());
        }
    }
}
