use proptest::prelude::*;

use super::*;
use crate::dtmf::DtmfDigit;

fn start() -> Instant {
    phoneai_clock::Clock::real().now()
}

fn digits(keys: &str) -> Vec<DtmfDigit> {
    DtmfDigit::parse_all(keys).unwrap()
}

/// Each packet with the tick (of 20 ms) in which it was sent.
fn sent(keys: &str, tone_ms: u32, gap_ms: u32, first: RtpTimestamp) -> Vec<(u32, EventPacket)> {
    let mut sender = EventSender::default();
    sender.press(&digits(keys), tone_ms, gap_ms).unwrap();
    let mut packets = Vec::new();
    let mut tick = 0;
    while sender.is_busy() {
        let now = first.plus(tick * 160);
        packets.extend(sender.next_packet(now).map(|packet| (tick, packet)));
        tick += 1;
    }
    packets
}

/// What a receiver makes of packets that arrive at stated milliseconds.
fn received(packets: &[(u64, RtpTimestamp, Vec<u8>)]) -> Vec<ReceivedDigit> {
    let (mut receiver, begin, mut out) = (EventReceiver::default(), start(), Vec::new());
    for (at, timestamp, payload) in packets {
        let now = begin + Duration::from_millis(*at);
        receiver.handle_packet(now, *at as u32, *timestamp, payload);
        out.extend(std::iter::from_fn(|| receiver.poll_digit()));
    }
    let last = packets.last().map_or(0, |p| p.0);
    receiver.handle_timeout(begin + Duration::from_millis(last) + EVENT_TIMEOUT);
    out.extend(std::iter::from_fn(|| receiver.poll_digit()));
    out
}

fn on_the_wire(packets: &[(u32, EventPacket)]) -> Vec<(u64, RtpTimestamp, Vec<u8>)> {
    let bytes = |p: &EventPacket| p.event.to_bytes().to_vec();
    packets.iter().map(|(tick, p)| (u64::from(*tick) * 20, p.timestamp, bytes(p))).collect()
}

fn text(found: &[ReceivedDigit]) -> String {
    found.iter().map(|f| f.digit.to_char()).collect()
}

#[test]
fn a_key_is_sent_as_the_rfc_says() {
    let first = RtpTimestamp(u32::MAX - 300);
    let packets = sent("5#", 100, 100, first);
    let of_five: Vec<_> = packets.iter().filter(|(_, p)| p.event.code == 5).collect();
    let durations: Vec<_> = of_five.iter().map(|(_, p)| p.event.duration).collect();
    assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
    let ends: Vec<_> = of_five.iter().map(|(_, p)| p.event.end).collect();
    assert_eq!(ends, [false, false, false, false, true, true, true]);
    assert!(of_five.iter().all(|(_, p)| p.timestamp == first && p.event.volume == 10));
    let markers: Vec<_> = packets.iter().filter(|(_, p)| p.marker).map(|(tick, _)| *tick).collect();
    // The tone takes ticks 0 to 4, the gap 5 to 9, of which two repeat the end.
    assert_eq!(markers, [0, 10]);
    let second = packets.iter().find(|(_, p)| p.event.code == 11).unwrap().1;
    assert_eq!(second.timestamp, first.plus(1600));
    assert_eq!(packets.iter().filter(|(_, p)| p.last).count(), 1);
    assert!(packets.last().unwrap().1.last);
}

#[test]
fn lengths_that_are_no_multiple_of_a_packet_are_kept() {
    let packets = sent("1", 70, 0, RtpTimestamp(0));
    let last = packets.last().unwrap().1.event;
    assert_eq!((last.duration, last.end), (560, true));
    // A tone that is too short for a packet is made as long as one.
    assert_eq!(sent("1", 0, 0, RtpTimestamp(0))[0].1.event.duration, 160);
    // Without a gap the next key waits for the repeated ends.
    let ticks: Vec<u32> =
        sent("12", 40, 0, RtpTimestamp(0)).iter().filter(|p| p.1.marker).map(|p| p.0).collect();
    assert_eq!(ticks, [0, 4]);
}

#[test]
fn a_long_key_is_split_and_heard_as_one() {
    let packets = sent("7", 20_000, 100, RtpTimestamp(1000));
    let starts: Vec<u32> = {
        let mut starts: Vec<u32> = packets.iter().map(|(_, p)| p.timestamp.0).collect();
        starts.dedup();
        starts
    };
    assert_eq!(starts, [1000, 1000 + 0xffff, 1000 + 2 * 0xffff]);
    assert_eq!(packets.iter().filter(|(_, p)| p.marker).count(), 1);
    let full = packets.iter().filter(|(_, p)| p.event.duration == 0xffff);
    assert!(full.clone().count() == 2 && full.clone().all(|(_, p)| !p.event.end));
    let found = received(&on_the_wire(&packets));
    assert_eq!((text(&found).as_str(), found[0].duration_ms), ("7", 20_000));
}

#[test]
fn no_more_keys_wait_than_the_limit() {
    let mut sender = EventSender::default();
    sender.press(&[DtmfDigit::from_char('1').unwrap(); MAX_QUEUED_DIGITS], 100, 100).unwrap();
    assert_eq!(sender.press(&digits("1"), 100, 100), Err(PressError::TooMany(1)));
    sender.clear();
    assert!(!sender.is_busy());
}

#[test]
fn m7_first_or_last_packets_may_be_missing() {
    let all = on_the_wire(&sent("42", 100, 100, RtpTimestamp(9)));
    for kept in 1..7 {
        // Of each digit the first `kept`, or the last `kept`, of seven packets.
        let first: Vec<_> =
            all.iter().enumerate().filter(|(i, _)| i % 7 < kept).map(|(_, p)| p.clone()).collect();
        let last: Vec<_> =
            all.iter().enumerate().filter(|(i, _)| i % 7 >= kept).map(|(_, p)| p.clone()).collect();
        assert_eq!((text(&received(&first)), text(&received(&last))), ("42".into(), "42".into()));
    }
}

#[test]
fn m7_a_key_of_one_packet_with_the_longest_duration_is_one_digit() {
    let event = Event { code: 3, end: false, volume: 0, duration: 0xffff };
    let found = received(&[(0, RtpTimestamp(5), event.to_bytes().to_vec())]);
    assert_eq!((text(&found).as_str(), found[0].duration_ms), ("3", 8191));
}

#[test]
fn m7_events_that_are_no_keys_are_ignored() {
    for code in 16..=255 {
        let event = Event { code, end: true, volume: 10, duration: 800 };
        assert_eq!(received(&[(0, RtpTimestamp(5), event.to_bytes().to_vec())]), []);
    }
    assert_eq!(received(&[(0, RtpTimestamp(5), vec![1, 0x80, 3])]), []);
}

#[test]
fn m7_keys_that_overlap_are_both_heard_once() {
    let packet = |code, end, at: u64, timestamp, duration| {
        let event = Event { code, end, volume: 10, duration };
        (at, RtpTimestamp(timestamp), event.to_bytes().to_vec())
    };
    let found = received(&[
        packet(1, false, 0, 0, 160),
        packet(2, false, 20, 160, 160),
        packet(1, false, 40, 0, 480),
        packet(2, true, 60, 160, 480),
        packet(1, true, 80, 0, 640),
        packet(2, true, 90, 160, 480),
    ]);
    assert_eq!(text(&found), "12");
}

#[test]
fn m7_keys_packed_in_one_payload_are_all_heard() {
    let one = Event { code: 1, end: true, volume: 10, duration: 320 }.to_bytes();
    let two = Event { code: 2, end: true, volume: 10, duration: 320 }.to_bytes();
    let found = received(&[(0, RtpTimestamp(0), [one, two].concat())]);
    assert_eq!(text(&found), "12");
}

#[test]
fn the_same_key_twice_is_two_digits() {
    assert_eq!(text(&received(&on_the_wire(&sent("555", 60, 60, RtpTimestamp(0))))), "555");
}

proptest! {
    /// Whatever is lost as long as one end packet arrives, reordered by up to 60 ms (less than
    /// tone and gap), and doubled.
    #[test]
    fn each_digit_is_heard_exactly_once(
        keys in "[0-9*#A-D]{1,12}",
        first in any::<u32>(),
        tone in 40u32..300,
        gap in 60u32..200,
        fates in proptest::collection::vec((any::<bool>(), 0u64..60, any::<bool>()), 32),
    ) {
        let packets = sent(&keys, tone, gap, RtpTimestamp(first));
        let mut arriving = Vec::new();
        for (i, (tick, packet)) in packets.iter().enumerate() {
            let (lost, late, twice) = fates[i % fates.len()];
            // The first of the three end packets always comes, as if no more than two were lost.
            let kept = packet.event.end && !packets[i - 1].1.event.end;
            if lost && !kept {
                continue;
            }
            let at = u64::from(*tick) * 20 + late;
            let bytes = packet.event.to_bytes().to_vec();
            arriving.push((at, packet.timestamp, bytes.clone()));
            if twice {
                arriving.push((at + late, packet.timestamp, bytes));
            }
        }
        arriving.sort_by_key(|packet| packet.0);
        prop_assert_eq!(text(&received(&arriving)), keys);
    }

    #[test]
    fn random_payloads_never_panic(
        packets in proptest::collection::vec(
            (0u64..5000, 0u32..4, proptest::collection::vec(any::<u8>(), 0..20)), 0..60)
    ) {
        let mut packets: Vec<_> = packets
            .into_iter()
            .map(|(at, timestamp, payload)| (at, RtpTimestamp(timestamp), payload))
            .collect();
        packets.sort_by_key(|packet| packet.0);
        prop_assert!(received(&packets).len() <= 60 * 4);
    }
}
