use super::*;
use crate::rtp::PayloadType;

fn start() -> Instant {
    phoneai_clock::Clock::real().now()
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

const SDP: &str = "198.51.100.7:4000";

fn remote(media: &str) -> Remote {
    Remote { media: addr(media), signalling_host: None, learn: Learn::SignalledHosts }
}

/// A sender of packets at its own pace.
struct Sender {
    source: SocketAddr,
    ssrc: Ssrc,
    sequence: SequenceNumber,
    timestamp: RtpTimestamp,
}

impl Sender {
    fn new(source: &str, ssrc: u32) -> Self {
        Self {
            source: addr(source),
            ssrc: Ssrc(ssrc),
            sequence: SequenceNumber(65_530),
            timestamp: RtpTimestamp(u32::MAX - 1000),
        }
    }

    fn send(&mut self, peer: &mut Peer, now: Instant) -> Admission {
        self.sequence = self.sequence.next();
        self.timestamp = self.timestamp.plus(160);
        let header = Header {
            marker: false,
            payload_type: PayloadType::PCMU,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        peer.admit(now, self.source, &header)
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn the_signalled_address_is_believed_at_once() {
    let (mut peer, now) = (Peer::default(), start());
    peer.set_remote(now, remote(SDP));
    assert_eq!(peer.destination(), Some(addr(SDP)));
    assert_eq!(Sender::new(SDP, 1).send(&mut peer, now), Admission::AcceptedNew);
    assert_eq!(peer.source(), Some(addr(SDP)));
}

#[test]
fn nothing_is_believed_before_anything_is_signalled() {
    let mut peer = Peer::default();
    assert_eq!(Sender::new(SDP, 1).send(&mut peer, start()), Admission::Stranger);
    assert_eq!(peer.destination(), None);
}

#[test]
fn m1_a_flood_before_during_and_after_learning_never_gets_a_packet() {
    // From the same host on another port, the hardest place to tell from a NAT.
    for stranger in ["198.51.100.7:9999", "192.0.2.66:9999"] {
        let (mut peer, begin) = (Peer::default(), start());
        peer.set_remote(begin, remote(SDP));
        let (mut flood, mut true_peer) = (Sender::new(stranger, 66), Sender::new(SDP, 1));
        for at in (0..10_000).step_by(2) {
            let now = begin + ms(at);
            let admitted = flood.send(&mut peer, now);
            assert!(matches!(admitted, Admission::Proving | Admission::Stranger), "at {at} ms");
            if at >= 1000 && at % 20 == 0 {
                let admitted = true_peer.send(&mut peer, now);
                assert!(matches!(admitted, Admission::Accepted | Admission::AcceptedNew));
            }
            assert_eq!(peer.destination(), Some(addr(SDP)));
        }
    }
}

#[test]
fn a_peer_behind_a_nat_is_learned_in_a_fifth_of_a_second() {
    let cases = [
        // Its port was rewritten, its address is private, or only SIP shows its true host.
        (remote(SDP), "198.51.100.7:61000"),
        (remote("10.0.0.5:4000"), "203.0.113.9:61000"),
        (remote("100.64.1.1:4000"), "203.0.113.9:61000"),
        (
            Remote { signalling_host: Some(addr("203.0.113.9:0").ip()), ..remote(SDP) },
            "203.0.113.9:61000",
        ),
        (Remote { learn: Learn::AnyHost, ..remote(SDP) }, "203.0.113.9:61000"),
    ];
    for (remote, source) in cases {
        let (mut peer, begin) = (Peer::default(), start());
        peer.set_remote(begin, remote);
        let mut sender = Sender::new(source, 1);
        let accepted = (0..50u64)
            .find(|n| sender.send(&mut peer, begin + ms(n * 20)) == Admission::AcceptedNew);
        assert_eq!(accepted, Some(10), "{source}");
        assert_eq!(peer.destination(), Some(addr(source)));
    }
}

#[test]
fn another_host_is_not_learned_where_sdp_names_a_reachable_one() {
    let (mut peer, begin) = (Peer::default(), start());
    peer.set_remote(begin, remote(SDP));
    let mut sender = Sender::new("203.0.113.9:61000", 1);
    for n in 0..500 {
        assert_eq!(sender.send(&mut peer, begin + ms(n * 20)), Admission::Stranger);
    }
}

#[test]
fn the_signalled_address_takes_over_only_while_things_settle() {
    for (after, admitted) in [(2000, Admission::AcceptedNew), (4000, Admission::Stranger)] {
        let (mut peer, begin) = (Peer::default(), start());
        peer.set_remote(begin, remote(SDP));
        let mut other = Sender::new("198.51.100.7:61000", 1);
        for n in 0..after / 20 {
            other.send(&mut peer, begin + ms(n * 20));
        }
        assert_eq!(peer.source(), Some(other.source));
        assert_eq!(Sender::new(SDP, 2).send(&mut peer, begin + ms(after)), admitted);
    }
}

#[test]
fn a_new_source_is_learned_after_three_seconds_of_silence_or_new_sdp() {
    let (mut peer, begin) = (Peer::default(), start());
    peer.set_remote(begin, remote(SDP));
    Sender::new(SDP, 1).send(&mut peer, begin);
    let mut moved = Sender::new("198.51.100.7:61000", 1);
    let learned = (0..500u64)
        .map(|n| n * 20)
        .find(|&at| moved.send(&mut peer, begin + ms(at)) == Admission::AcceptedNew);
    assert_eq!(learned, Some(3200));

    let now = begin + ms(20_000);
    peer.set_remote(now, remote("203.0.113.1:5000"));
    assert_eq!((peer.source(), peer.destination()), (None, Some(addr("203.0.113.1:5000"))));
    let mut new = Sender::new("203.0.113.1:5000", 3);
    assert_eq!(new.send(&mut peer, now), Admission::AcceptedNew);
}

#[test]
fn new_sdp_with_the_old_address_keeps_what_was_learned() {
    let (mut peer, begin) = (Peer::default(), start());
    peer.set_remote(begin, remote(SDP));
    let mut sender = Sender::new("198.51.100.7:61000", 1);
    for n in 0..20 {
        sender.send(&mut peer, begin + ms(n * 20));
    }
    peer.set_remote(begin + ms(400), remote(SDP));
    assert_eq!(peer.destination(), Some(addr("198.51.100.7:61000")));
}

#[test]
fn m2_a_forged_source_cannot_change_the_ssrc_of_a_live_stream() {
    let (mut peer, begin) = (Peer::default(), start());
    peer.set_remote(begin, remote(SDP));
    let (mut true_peer, mut forger) = (Sender::new(SDP, 1), Sender::new(SDP, 2));
    for at in 0..5000u64 {
        let now = begin + ms(at);
        if at % 20 == 0 {
            let admitted = true_peer.send(&mut peer, now);
            assert!(matches!(admitted, Admission::Accepted | Admission::AcceptedNew));
        }
        assert_eq!(forger.send(&mut peer, now), Admission::Proving);
    }
}

#[test]
fn m5_the_peer_may_change_its_ssrc() {
    let (mut peer, begin) = (Peer::default(), start());
    peer.set_remote(begin, remote(SDP));
    Sender::new(SDP, 1).send(&mut peer, begin);
    let mut new = Sender::new(SDP, 2);
    let admitted: Vec<_> = (1..6).map(|n| new.send(&mut peer, begin + ms(n * 20))).collect();
    use Admission::{Accepted, AcceptedNew, Proving};
    assert_eq!(admitted, [Proving, Proving, AcceptedNew, Accepted, Accepted]);
}

#[test]
fn a_hold_without_an_address_is_sent_nothing() {
    let mut peer = Peer::default();
    peer.set_remote(start(), remote("0.0.0.0:4000"));
    assert_eq!(peer.destination(), None);
    peer.set_remote(start(), remote("198.51.100.7:0"));
    assert_eq!(peer.destination(), None);
}
