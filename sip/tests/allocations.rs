//! What the fast path takes from the heap.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail loudly")]

use phoneai_sip::message::{Message, Request};

#[path = "support/invite.rs"]
mod sample;

#[test]
fn reading_an_invite_and_all_its_headers_allocates_nothing() {
    let bytes = sample::invite();
    let taken = allocation_counter::measure(|| {
        let message = Message::parse(&bytes).unwrap();
        message.check().unwrap();
        assert_eq!(message.vias().count(), 2);
        assert!(message.from_().unwrap().tag().is_some());
        assert!(message.session_expires().unwrap().is_some());
    });
    assert_eq!(taken.count_total, 0);
}

#[test]
fn writing_into_a_buffer_that_is_large_enough_allocates_nothing() {
    let bytes = sample::invite();
    let message = Message::parse(&bytes).unwrap();
    let mut request =
        Request::new(message.method().unwrap(), message.request_uri().unwrap().as_str());
    for header in message.headers() {
        request.headers_mut().push(header.name, header.value);
    }
    request.set_content(message.body());
    let mut out = Vec::with_capacity(4096);
    let taken = allocation_counter::measure(|| request.write(&mut out));
    assert_eq!(taken.count_total, 0);
    assert_eq!(Message::parse(&out).unwrap().body(), message.body());
}
