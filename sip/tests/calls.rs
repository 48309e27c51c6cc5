//! Calls between two endpoints on a good network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod support;

use phoneai_sip::endpoint::{CallEvent, EndedBy};
use support::{ANSWER, Net, OFFER, ended};

#[test]
fn a_call_is_answered_and_hung_up_by_the_caller() {
    let mut net = Net::pair();
    let caller = net.call(1, 2);
    let (callee, request) = net.incoming(2);
    assert_eq!(request.sdp().as_deref(), Some(OFFER));
    assert_eq!(request.from.user.as_deref(), Some("1000"));
    let now = net.now;
    net.at(2).progress(now, callee, 183, Some(ANSWER.into())).unwrap();
    net.run_ms(1000);
    let events = net.call_events(1);
    let [CallEvent::Progress { status: 183, sdp: Some(sdp), .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(&**sdp, ANSWER);
    net.accept(2, callee);
    net.run_ms(100);
    let events = net.call_events(1);
    assert!(matches!(&events[..], [CallEvent::Answered { sdp: Some(_), .. }]), "{events:?}");
    net.hangup(1, caller);
    net.run_ms(100);
    assert_eq!(ended(&net.call_events(1)).by, EndedBy::Local);
    assert_eq!(ended(&net.call_events(2)).by, EndedBy::Remote);
    assert_eq!(net.lines_of(1).len(), 3, "INVITE, ACK, BYE: {:?}", net.lines_of(1));
    net.assert_clean();
}

#[test]
fn a_call_is_hung_up_by_the_callee() {
    let mut net = Net::pair();
    let (_, callee) = net.established();
    net.hangup(2, callee);
    net.run_ms(100);
    assert_eq!(ended(&net.call_events(2)).by, EndedBy::Local);
    assert_eq!(ended(&net.call_events(1)).by, EndedBy::Remote);
    net.assert_clean();
}
