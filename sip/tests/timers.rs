//! Timers at their exact instants, seen on the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod support;

use std::time::Duration;

use phoneai_sip::{
    endpoint::{EndedBy, Event},
    registration::{RegistrationConfig, RegistrationState},
};
use support::{ANSWER, Net, Sent, Weather, address, ended, header, outgoing, reply};

fn alone() -> Net {
    let mut net = Net::new(1, Weather::FINE);
    net.add(1);
    net
}

#[test]
fn an_unanswered_invite_is_sent_seven_times_and_given_up_after_32_seconds() {
    let mut net = alone();
    let now = net.now;
    net.at(1).invite(now, outgoing(9)).unwrap();
    net.run(Duration::from_millis(31_999));
    assert_eq!(net.times(1, "INVITE"), [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert!(net.events(1).is_empty());
    net.run_ms(1);
    let end = ended(&net.call_events(1));
    assert_eq!((end.by, end.status), (EndedBy::Timeout, Some(408)));
    net.assert_clean();
}

#[test]
fn a_ringing_call_has_no_limit() {
    let mut net = alone();
    let now = net.now;
    net.at(1).invite(now, outgoing(9)).unwrap();
    let invite = net.arrived_one("INVITE");
    net.reply_raw(&invite, "180 Ringing", "a", b"");
    net.run(Duration::from_secs(4 * 3600));
    assert_eq!(net.at(1).calls_alive(), 1);
    assert_eq!(net.count(1, "INVITE"), 1);
    net.reply_raw(&invite, "200 OK", "a", ANSWER);
    assert!(net.arrived().last().unwrap().line().starts_with("ACK"));
}

#[test]
fn an_unanswered_bye_is_sent_eleven_times_and_forgotten() {
    let mut net = Net::pair();
    let (caller, _) = net.established();
    net.filter = Some(Box::new(|sent: &Sent| sent.line().starts_with("BYE")));
    let begin = net.now.duration_since(net.start).as_millis();
    net.hangup(1, caller);
    net.run(Duration::from_secs(100));
    let at: Vec<u128> = net.times(1, "BYE").iter().map(|at| at - begin).collect();
    let expected = [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(at, expected);
    assert_eq!((net.at(1).calls_closing(), net.at(1).transactions()), (0, 0));
}

fn registration() -> RegistrationConfig {
    RegistrationConfig {
        registrar_uri: "sip:example.net".to_owned(),
        address_of_record: "sip:account@example.net".to_owned(),
        contact_user: "account".to_owned(),
        destination: address(9),
        transport: Default::default(),
        credentials: None,
        expires: Duration::from_secs(600),
    }
}

fn states(net: &mut Net) -> Vec<RegistrationState> {
    let events = net.events(1).into_iter();
    events
        .filter_map(|event| match event {
            Event::Registration { state, .. } => Some(state),
            _ => None,
        })
        .collect()
}

fn answer(net: &mut Net, register: &Sent, status: &str, headers: &str) {
    let bytes = reply(register, status, "r", headers, b"");
    net.send(register.to, register.from, bytes);
    net.run_ms(50);
}

#[test]
fn a_registration_is_refreshed_at_half_to_two_thirds_of_what_was_granted() {
    let mut net = alone();
    let now = net.now;
    let id = net.at(1).register(now, registration()).unwrap();
    let first = net.arrived_one("REGISTER");
    assert_eq!(header(&first, "Expires"), "600");
    answer(&mut net, &first, "200 OK", "Contact: <sip:account@192.0.2.1:5060>;expires=300\r\n");
    let granted = RegistrationState::Registered { expires: Duration::from_secs(300) };
    assert_eq!(states(&mut net), [RegistrationState::Trying, granted]);
    let mut previous = net.seconds();
    for _ in 0..20 {
        net.run(Duration::from_millis(149_800));
        assert!(net.outside.is_empty(), "not before half the time");
        while net.outside.is_empty() {
            net.run_ms(100);
        }
        let register = net.arrived_one("REGISTER");
        let elapsed = net.seconds() - previous;
        assert!((149.9..201.0).contains(&elapsed), "{elapsed}");
        assert_eq!(header(&register, "Call-ID"), header(&first, "Call-ID"));
        answer(&mut net, &register, "200 OK", "Expires: 300\r\n");
        previous = net.seconds();
    }
    assert!(states(&mut net).is_empty(), "nothing new to tell");
    let now = net.now;
    net.at(1).unregister(now, id);
    let last = net.arrived_one("REGISTER");
    assert_eq!(header(&last, "Expires"), "0");
    answer(&mut net, &last, "200 OK", "");
    assert_eq!(states(&mut net), [RegistrationState::Unregistered]);
    net.assert_clean();
}

#[test]
fn a_registrar_that_is_silent_is_asked_again_with_growing_pauses() {
    let mut net = alone();
    let now = net.now;
    net.at(1).register(now, registration()).unwrap();
    net.run(Duration::from_secs(3600));
    let mut pauses = Vec::new();
    for state in states(&mut net) {
        match state {
            RegistrationState::Trying => {}
            RegistrationState::Unreachable { status: None, retry_after, .. } => {
                pauses.push(retry_after.as_secs());
            }
            other => panic!("{other:?}"),
        }
    }
    let expected = [5, 10, 20, 40, 80, 160, 300, 300];
    assert!(pauses.len() >= expected.len(), "{pauses:?}");
    for (pause, expected) in pauses.iter().zip(expected) {
        assert!(pause * 10 + 10 >= expected * 9 && pause * 10 <= expected * 11, "{pauses:?}");
    }
}

#[test]
fn a_registrar_that_refuses_is_asked_again_after_a_quarter_of_an_hour() {
    let mut net = alone();
    let now = net.now;
    net.at(1).register(now, registration()).unwrap();
    let first = net.arrived_one("REGISTER");
    answer(&mut net, &first, "403 Forbidden", "");
    let refused = RegistrationState::Refused { status: 403, reason: "Forbidden".to_owned() };
    assert_eq!(states(&mut net)[1], refused);
    net.run(Duration::from_secs(13 * 60));
    assert!(net.outside.is_empty());
    net.run(Duration::from_secs(4 * 60));
    assert!(!net.outside.is_empty());
}

#[test]
fn a_registrar_that_wants_a_longer_interval_gets_it_and_one_that_wants_years_does_not() {
    let mut net = alone();
    let now = net.now;
    net.at(1).register(now, registration()).unwrap();
    let first = net.arrived_one("REGISTER");
    let bytes = reply(&first, "423 Interval Too Brief", "r", "Min-Expires: 3600\r\n", b"");
    net.send(first.to, first.from, bytes);
    let second = net.arrived_one("REGISTER");
    assert_eq!(header(&second, "Expires"), "3600");
    answer(&mut net, &second, "423 Interval Too Brief", "Min-Expires: 400000000\r\n");
    assert!(matches!(
        states(&mut net).last(),
        Some(RegistrationState::Refused { status: 423, .. })
    ));
}
