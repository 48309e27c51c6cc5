//! Reading and writing messages as peers send them.

use phoneai_sip::message::{HeaderName, Message, Method, Request, Response, StatusCode};

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
    let message = Message::parse(&bytes).unwrap();
    message.check().unwrap();
    assert_eq!(message.method(), Some(Method::Invite));
    assert_eq!(message.top_via().unwrap().branch(), Some("z9hG4bK1"));
    assert_eq!(message.top_via().unwrap().rport(), Some(None));
    assert_eq!(message.from_().unwrap().tag(), Some("1"));
    assert_eq!(message.from_().unwrap().display_name(), "A");
    assert_eq!(message.body(), b"v=0\r\n");
    let answer = Response::to(&message, StatusCode::OK).to_tag("t2").to_bytes();
    let answer = Message::parse(&answer).unwrap();
    answer.check().unwrap();
    assert_eq!(answer.to().unwrap().tag(), Some("t2"));
    assert_eq!(answer.status(), Some(StatusCode::OK));
}
