//! The races of calls: what is lost, doubled, late or crosses something else on the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod support;

use std::time::Duration;

use phoneai_sip::{
    endpoint::{CallEvent, EndedBy, Event},
    session::CallError,
};
use support::{ANSWER, Net, OFFER, Raw, Sent, address, ended, header, outgoing};

/// X1: an INVITE that comes seven times is one call.
#[test]
fn an_invite_sent_seven_times_is_one_call() {
    let mut net = Net::pair();
    let mut raw = Raw::new("INVITE", 9);
    raw.body = OFFER.to_vec();
    for _ in 0..7 {
        net.send_raw(&raw, 2);
        net.run_ms(50);
    }
    let incoming = net.events(2).into_iter().filter(|e| matches!(e, Event::Incoming { .. }));
    assert_eq!(incoming.count(), 1);
    assert_eq!(net.at(2).calls_alive(), 1);
    assert_eq!(net.count(2, "SIP/2.0 100"), 7, "each copy is answered");
}

/// X1: all 200s are lost for a while; the call is set up by a later copy.
#[test]
fn a_lost_200_is_sent_again_until_its_ack() {
    let mut net = Net::pair();
    net.call(1, 2);
    let (callee, _) = net.incoming(2);
    let mut lost = 0;
    net.filter = Some(Box::new(move |sent: &Sent| {
        lost += usize::from(sent.line().starts_with("SIP/2.0 200"));
        sent.line().starts_with("SIP/2.0 200") && lost <= 3
    }));
    let begin = net.now;
    net.accept(2, callee);
    net.run(Duration::from_secs(40));
    let offset = begin.duration_since(net.start).as_millis();
    let at: Vec<u128> = net.times(2, "SIP/2.0 200").iter().map(|at| at - offset).collect();
    assert_eq!(at, [0, 500, 1500, 3500], "T1, doubled, until the ACK");
    assert!(matches!(net.call_events(1)[..], [CallEvent::Answered { .. }]));
    assert_eq!(net.at(2).calls_alive(), 1);
}

/// X1: every ACK is lost: 200 for 32 s, then BYE, and both know why.
#[test]
fn an_answer_that_is_never_acknowledged_ends_with_bye_after_32_seconds() {
    let mut net = Net::pair();
    net.call(1, 2);
    let (callee, _) = net.incoming(2);
    net.filter = Some(Box::new(|sent: &Sent| sent.line().starts_with("ACK")));
    let begin = net.now;
    net.accept(2, callee);
    net.run(Duration::from_secs(40));
    let offset = begin.duration_since(net.start).as_millis();
    let at: Vec<u128> = net.times(2, "SIP/2.0 200").iter().map(|at| at - offset).collect();
    let expected = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
    assert_eq!(at, expected);
    let bye = net.times(2, "BYE");
    assert_eq!(bye.first().map(|at| at - offset), Some(32_000));
    assert_eq!(ended(&net.call_events(2)).by, EndedBy::Timeout);
    assert_eq!(ended(&net.call_events(1)).by, EndedBy::Remote);
    assert_eq!(net.count(1, "ACK"), expected.len(), "each 200 is acknowledged");
    net.assert_clean();
}

/// X1: the ACK of a refusal is lost: timers G and H.
#[test]
fn a_refusal_is_sent_again_until_its_ack() {
    let mut net = Net::pair();
    net.call(1, 2);
    let (callee, _) = net.incoming(2);
    net.filter = Some(Box::new(|sent: &Sent| sent.line().starts_with("ACK")));
    let begin = net.now;
    net.at(2).reject(begin, callee, 486, None, Vec::new()).unwrap();
    net.run(Duration::from_secs(60));
    let offset = begin.duration_since(net.start).as_millis();
    let at: Vec<u128> = net.times(2, "SIP/2.0 486").iter().map(|at| at - offset).collect();
    let expected = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
    assert_eq!(at, expected);
    assert_eq!(ended(&net.call_events(1)).status, Some(486));
    net.filter = None;
    net.assert_clean();
}

/// X2: no CANCEL before a provisional response.
#[test]
fn cancel_waits_for_the_first_provisional_response() {
    let mut net = Net::new(1, support::Weather::FINE);
    net.add(1);
    let now = net.now;
    let call = net.at(1).invite(now, outgoing(9)).unwrap();
    let invite = net.arrived_one("INVITE");
    net.hangup(1, call);
    assert!(net.arrived().is_empty(), "nothing is sent yet");
    net.reply_raw(&invite, "100 Trying", "", b"");
    let cancel = net.arrived_one("CANCEL");
    assert_eq!(header(&cancel, "Via"), header(&invite, "Via"), "the INVITE's branch");
    assert_eq!(
        header(&cancel, "CSeq").split(' ').next(),
        header(&invite, "CSeq").split(' ').next()
    );
    net.reply_raw(&cancel, "200 OK", "a", b"");
    net.reply_raw(&invite, "487 Request Terminated", "a", b"");
    let ack = net.arrived_one("ACK");
    assert_eq!(header(&ack, "Via"), header(&invite, "Via"));
    let end = ended(&net.call_events(1));
    assert_eq!((end.by, end.status), (EndedBy::Local, Some(487)));
    net.assert_clean();
}

/// X2: hung up at once and nobody there: ends when the INVITE times out.
#[test]
fn a_call_cancelled_into_silence_ends_as_cancelled() {
    let mut net = Net::new(1, support::Weather::FINE);
    net.add(1);
    let now = net.now;
    let call = net.at(1).invite(now, outgoing(9)).unwrap();
    net.hangup(1, call);
    net.run(Duration::from_secs(33));
    assert_eq!(ended(&net.call_events(1)).by, EndedBy::Local);
    assert_eq!(net.count(1, "CANCEL"), 0);
    net.assert_clean();
}

/// X2: a ringing phone is cancelled and answers 487.
#[test]
fn a_ringing_call_is_cancelled() {
    let mut net = Net::pair();
    let caller = net.call(1, 2);
    let (callee, _) = net.incoming(2);
    let now = net.now;
    net.at(2).progress(now, callee, 180, None).unwrap();
    net.run_ms(100);
    net.hangup(1, caller);
    net.run_ms(100);
    let (here, there) = (ended(&net.call_events(1)), ended(&net.call_events(2)));
    assert_eq!((here.by, here.status), (EndedBy::Local, Some(487)));
    assert_eq!((there.by, there.status), (EndedBy::Remote, Some(487)));
    net.assert_clean();
}

/// X2: CANCEL and 200 cross: ACK, then BYE.
#[test]
fn a_cancel_that_crosses_the_answer_ends_with_ack_and_bye() {
    let mut net = Net::pair();
    let caller = net.call(1, 2);
    let (callee, _) = net.incoming(2);
    net.accept(2, callee);
    net.hangup(1, caller);
    net.run_ms(200);
    let lines: Vec<String> =
        net.lines_of(1).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["INVITE", "CANCEL", "ACK", "BYE"]);
    let here = ended(&net.call_events(1));
    assert_eq!((here.by, here.status), (EndedBy::Local, Some(200)));
    assert_eq!(ended(&net.call_events(2)).by, EndedBy::Remote);
    net.assert_clean();
}

/// X2: CANCEL is answered but the INVITE never is: given up after 64 × T1.
#[test]
fn a_cancelled_invite_without_final_answer_is_given_up() {
    let mut net = Net::new(1, support::Weather::FINE);
    net.add(1);
    let now = net.now;
    let call = net.at(1).invite(now, outgoing(9)).unwrap();
    let invite = net.arrived_one("INVITE");
    net.reply_raw(&invite, "180 Ringing", "a", b"");
    net.run_ms(50);
    net.hangup(1, call);
    let cancel = net.arrived_one("CANCEL");
    net.reply_raw(&cancel, "200 OK", "a", b"");
    net.run(Duration::from_secs(31));
    assert_eq!(net.at(1).calls_alive(), 1);
    net.run(Duration::from_secs(2));
    assert_eq!(ended(&net.call_events(1)).by, EndedBy::Local);
    net.assert_clean();
}

/// X3, a rival's leak: a BYE while our user thinks about a re-INVITE.
#[test]
fn bye_during_reinvite_ends_call_once() {
    let mut net = Net::pair();
    let (caller, callee) = net.established();
    let now = net.now;
    net.at(1).offer(now, caller, OFFER.into()).unwrap();
    net.run_ms(100);
    assert!(matches!(net.call_events(2)[..], [CallEvent::Offer { sdp: Some(_) }]));
    net.hangup(1, caller);
    net.run_ms(100);
    assert_eq!(ended(&net.call_events(2)).by, EndedBy::Remote);
    assert_eq!(ended(&net.call_events(1)).by, EndedBy::Local);
    let now = net.now;
    let late = net.at(2).answer_offer(now, callee, Ok(ANSWER.into()));
    assert!(late.is_err(), "nothing is left to answer");
    assert_eq!(net.count(2, "SIP/2.0 487"), 1, "the re-INVITE is answered, too");
    net.assert_clean();
}

/// X3: the side that got the re-INVITE hangs up instead of answering.
#[test]
fn hanging_up_instead_of_answering_a_reinvite_ends_call_once() {
    let mut net = Net::pair();
    let (caller, callee) = net.established();
    let now = net.now;
    net.at(1).offer(now, caller, OFFER.into()).unwrap();
    net.run_ms(100);
    net.hangup(2, callee);
    net.run_ms(100);
    assert_eq!(ended(&net.call_events(2)).by, EndedBy::Local);
    assert_eq!(ended(&net.call_events(1)).by, EndedBy::Remote);
    net.assert_clean();
}

/// X3: both offer at once: 491 both ways, and both offers are made in the end.
#[test]
fn offers_that_cross_are_refused_with_491_and_made_again() {
    let mut net = Net::pair();
    let (caller, callee) = net.established();
    let now = net.now;
    net.at(1).offer(now, caller, OFFER.into()).unwrap();
    net.at(2).offer(now, callee, ANSWER.into()).unwrap();
    let (mut answered, mut asked) = ([0, 0], [0, 0]);
    for _ in 0..200 {
        net.run_ms(50);
        for (host, call) in [(1, caller), (2, callee)] {
            for event in net.call_events(host) {
                match event {
                    CallEvent::Offer { .. } => {
                        asked[usize::from(host) - 1] += 1;
                        let now = net.now;
                        net.at(host).answer_offer(now, call, Ok(ANSWER.into())).unwrap();
                    }
                    CallEvent::OfferAnswered { .. } => answered[usize::from(host) - 1] += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert_eq!((net.count(1, "SIP/2.0 491"), net.count(2, "SIP/2.0 491")), (1, 1));
    assert_eq!((answered, asked), ([1, 1], [1, 1]));
    net.hangup(1, caller);
    net.assert_clean();
}

/// X3: a re-INVITE while the ACK of the first 200 is lost is taken: the answer is known.
#[test]
fn a_reinvite_before_the_ack_is_taken() {
    let mut net = Net::pair();
    let caller = net.call(1, 2);
    let (callee, _) = net.incoming(2);
    net.filter = Some(Box::new(|sent: &Sent| sent.line().starts_with("ACK")));
    net.accept(2, callee);
    net.run_ms(100);
    let now = net.now;
    net.at(1).offer(now, caller, OFFER.into()).unwrap();
    net.run_ms(100);
    net.filter = None;
    let events = net.call_events(2);
    assert!(matches!(events[..], [CallEvent::Offer { sdp: Some(_) }]), "{events:?}");
    let now = net.now;
    net.at(2).answer_offer(now, callee, Ok(ANSWER.into())).unwrap();
    net.run(Duration::from_secs(60));
    assert_eq!((net.at(1).calls_alive(), net.at(2).calls_alive()), (1, 1));
    net.hangup(2, callee);
    net.assert_clean();
}

/// X3: a refused offer of ours, and one that meets a fault, leave the call alone.
#[test]
fn a_reinvite_that_is_refused_never_drops_the_call() {
    for status in [488, 500, 503, 603] {
        let mut net = Net::pair();
        let (caller, callee) = net.established();
        let now = net.now;
        net.at(1).offer(now, caller, OFFER.into()).unwrap();
        net.run_ms(100);
        let now = net.now;
        net.at(2).answer_offer(now, callee, Err(status)).unwrap();
        net.run_ms(100);
        let events = net.call_events(1);
        let [CallEvent::OfferRefused { status: refused }] = events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(refused, status);
        net.run(Duration::from_secs(100));
        assert_eq!((net.at(1).calls_alive(), net.at(2).calls_alive()), (1, 1));
    }
}

/// X3: both hang up at once.
#[test]
fn byes_that_cross_end_the_call_once_on_each_side() {
    let mut net = Net::pair();
    let (caller, callee) = net.established();
    net.hangup(1, caller);
    net.hangup(2, callee);
    net.run_ms(100);
    assert_eq!(ended(&net.call_events(1)).by, EndedBy::Local);
    assert_eq!(ended(&net.call_events(2)).by, EndedBy::Local);
    assert_eq!(net.count(1, "SIP/2.0 200") + net.count(2, "SIP/2.0 200"), 3);
    net.assert_clean();
}

/// X4: two phones ring with early media, both answer: the first is kept.
#[test]
fn of_two_phones_that_answer_the_first_is_kept() {
    let mut net = Net::new(1, support::Weather::FINE);
    net.add(1);
    let now = net.now;
    let call = net.at(1).invite(now, outgoing(9)).unwrap();
    let invite = net.arrived_one("INVITE");
    net.reply_raw(&invite, "183 Session Progress", "a", ANSWER);
    net.reply_raw(&invite, "183 Session Progress", "b", ANSWER);
    net.run_ms(50);
    let tags: Vec<String> = net
        .call_events(1)
        .into_iter()
        .map(|event| match event {
            CallEvent::Progress { status: 183, sdp: Some(_), tag, .. } => tag,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(tags, ["a", "b"]);
    net.reply_raw(&invite, "200 OK", "b", ANSWER);
    let ack = net.arrived_one("ACK");
    assert!(ack.line().starts_with("ACK sip:phone-b@"), "{}", ack.line());
    for _ in 0..3 {
        net.reply_raw(&invite, "200 OK", "a", ANSWER);
        net.run_ms(100);
    }
    let late = net.arrived();
    let acks = late.iter().filter(|sent| sent.line().starts_with("ACK sip:phone-a@")).count();
    let byes: Vec<&Sent> =
        late.iter().filter(|sent| sent.line().starts_with("BYE sip:phone-a@")).collect();
    assert_eq!(acks, 3, "each copy is acknowledged");
    assert_eq!(byes.len(), 1, "one BYE");
    assert!(header(byes[0], "To").ends_with(";tag=a"));
    net.reply_raw(byes[0], "200 OK", "a", b"");
    net.reply_raw(&invite, "200 OK", "b", ANSWER);
    assert!(net.arrived_one("ACK").line().starts_with("ACK sip:phone-b@"));
    assert!(matches!(net.call_events(1)[..], [CallEvent::Answered { .. }]));
    net.hangup(1, call);
    let bye = net.arrived_one("BYE");
    assert!(bye.line().starts_with("BYE sip:phone-b@"));
    net.reply_raw(&bye, "200 OK", "b", b"");
    net.assert_clean();
}

/// X5: who does not know all three of Call-ID and tags gets 481 and changes nothing.
#[test]
fn requests_with_wrong_tags_get_481_and_change_nothing() {
    let mut net = Net::pair();
    let (caller, _) = net.established();
    let invite = net.last("INVITE");
    let answer = net.last("SIP/2.0 200");
    let wrong = [("x", "right"), ("right", "x"), ("", "right")];
    for (index, (from_tag, to_tag)) in wrong.into_iter().enumerate() {
        for method in ["BYE", "INVITE", "UPDATE", "INFO"] {
            let mut raw = Raw::new(method, 9);
            raw.branch = format!("z9hG4bKx5{index}{method}");
            raw.call_id = header(&invite, "Call-ID");
            raw.cseq = 20_000;
            raw.from = header(&invite, "From");
            raw.to = header(&answer, "To");
            if from_tag == "x" {
                raw.from.push('x');
            }
            if from_tag.is_empty() {
                raw.from = "<sip:raw@example.net>".to_owned();
            }
            if to_tag == "x" {
                raw.to.push('x');
            }
            net.send_raw(&raw, 2);
            let reply = net.arrived();
            assert_eq!(reply.len(), 1);
            assert!(reply[0].line().starts_with("SIP/2.0 481"), "{method}: {}", reply[0].line());
        }
    }
    assert!(net.call_events(2).is_empty());
    net.hangup(1, caller);
    net.assert_clean();
}

/// X5: a request that is older than one already seen gets 500 and changes nothing.
#[test]
fn a_request_with_an_old_cseq_gets_500() {
    let mut net = Net::pair();
    let (caller, _) = net.established();
    let mut raw = Raw::new("BYE", 9);
    raw.call_id = header(&net.last("INVITE"), "Call-ID");
    raw.from = header(&net.last("INVITE"), "From");
    raw.to = header(&net.last("SIP/2.0 200"), "To");
    raw.cseq = 0;
    net.send_raw(&raw, 2);
    assert!(net.arrived_one("SIP/2.0 500").text().contains("Retry-After"));
    assert!(net.call_events(2).is_empty());
    net.hangup(1, caller);
    net.assert_clean();
}

/// The 200 is lost and the peer hangs up: the call that we never saw answered ends.
#[test]
fn a_bye_that_overtakes_the_answer_ends_the_call() {
    let mut net = Net::pair();
    net.call(1, 2);
    let (callee, _) = net.incoming(2);
    net.filter = Some(Box::new(|sent: &Sent| {
        sent.line().starts_with("SIP/2.0 200") && header(sent, "CSeq").ends_with("INVITE")
    }));
    net.accept(2, callee);
    net.run(Duration::from_secs(40));
    assert_eq!(ended(&net.call_events(1)).by, EndedBy::Remote);
    assert_eq!(ended(&net.call_events(2)).by, EndedBy::Timeout);
    net.assert_clean();
}

#[test]
fn a_callee_that_hangs_up_before_the_ack_waits_for_it() {
    let mut net = Net::pair();
    net.call(1, 2);
    let (callee, _) = net.incoming(2);
    net.filter = Some(Box::new(|sent: &Sent| sent.line().starts_with("ACK")));
    net.accept(2, callee);
    net.hangup(2, callee);
    assert_eq!(ended(&net.call_events(2)).by, EndedBy::Local, "the user knows at once");
    net.run_ms(300);
    assert_eq!(net.count(2, "BYE"), 0);
    net.filter = None;
    net.run_ms(1000);
    assert_eq!(net.count(2, "BYE"), 1, "after the ACK of the 200's next copy");
    assert_eq!(ended(&net.call_events(1)).by, EndedBy::Remote);
    net.assert_clean();
}

#[test]
fn a_peer_that_does_not_know_the_call_any_more_ends_it() {
    let mut net = Net::new(1, support::Weather::FINE);
    net.add(1);
    let now = net.now;
    let call = net.at(1).invite(now, outgoing(9)).unwrap();
    let invite = net.arrived_one("INVITE");
    net.reply_raw(&invite, "200 OK", "a", ANSWER);
    net.run_ms(50);
    net.arrived();
    let now = net.now;
    net.at(1).offer(now, call, OFFER.into()).unwrap();
    assert_eq!(net.at(1).offer(now, call, OFFER.into()), Err(CallError::OfferPending));
    let reinvite = net.arrived_one("INVITE");
    net.reply_raw(&reinvite, "481 Call/Transaction Does Not Exist", "a", b"");
    net.run_ms(50);
    let end = ended(&net.call_events(1));
    assert_eq!((end.by, end.status), (EndedBy::Remote, Some(481)));
    assert_eq!(address(9), reinvite.to);
    net.assert_clean();
}
