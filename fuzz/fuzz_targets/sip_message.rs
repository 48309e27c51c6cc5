//! One datagram: reading it, all its values, answering it, and writing it anew.

#![no_main]

use libfuzzer_sys::fuzz_target;
use phoneai_sip::message::{Message, OwnedMessage, Request, Response, StatusCode, reject};

fuzz_target!(|datagram: &[u8]| {
    let checked = Message::parse(datagram).and_then(|message| message.check().map(|()| message));
    let message = match checked {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= datagram.len());
            if let Some(response) = reject(datagram, &error) {
                Message::parse(&response).expect("our refusal is a message");
            }
            return;
        }
    };
    for header in message.headers() {
        assert!(!header.name.as_str().is_empty());
    }
    let _ = message.body_of("application", "sdp");
    let _ = OwnedMessage::from(&message).message().body();
    if let Ok(uri) = message.request_uri() {
        assert!(uri.is_equivalent(&uri));
        let answer = Response::to(&message, StatusCode::OK).to_tag("t").to_bytes();
        Message::parse(&answer).expect("our answer is a message").check().expect("and well-formed");
        let Some(method) = message.method() else { return };
        let mut copy = Request::new(method, uri.as_str());
        copy.set_content(message.body());
        for header in message.headers() {
            copy.headers_mut().push(header.name, header.value);
        }
        let bytes = copy.to_bytes();
        let again = Message::parse(&bytes).expect("what we write can be read");
        again.check().expect("and is well-formed");
        assert_eq!(again.body(), message.body());
        assert_eq!(again.cseq(), message.cseq());
        assert_eq!(again.vias().count(), message.vias().count());
    }
});
