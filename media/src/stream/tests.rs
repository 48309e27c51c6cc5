use proptest::prelude::*;

use super::*;
use crate::detect::{Sound, dtmf::DtmfDetector};

const PEER: &str = "198.51.100.7:4000";
const STRANGER: &str = "203.0.113.66:4000";

fn start() -> Instant {
    phoneai_clock::Clock::real().now()
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A stream with its time, what it has sent and what it has told.
struct Bench {
    stream: RtpStream,
    begin: Instant,
    frames: Vec<Frame>,
    events: Vec<MediaEvent>,
    sent: Vec<(Port, SocketAddr, Vec<u8>)>,
}

impl Bench {
    fn new() -> Self {
        let begin = start();
        let stream = RtpStream::new(begin, StreamSettings::new(Ssrc(7)));
        Self { stream, begin, frames: Vec::new(), events: Vec::new(), sent: Vec::new() }
    }

    fn configured(edit: impl FnOnce(&mut Negotiated)) -> Self {
        let mut bench = Self::new();
        let mut negotiated = Negotiated::new(addr(PEER), Codec::Pcmu);
        edit(&mut negotiated);
        bench.stream.configure(bench.begin, negotiated);
        bench
    }

    fn run_until(&mut self, at_ms: u64) {
        let until = self.begin + ms(at_ms);
        // At each due time, as if the owner were never late.
        while self.stream.poll_timeout() <= until {
            self.stream.handle_timeout(self.stream.poll_timeout());
            self.collect();
        }
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(t) = self.stream.poll_transmit() {
            self.sent.push((t.from, t.to, t.bytes.to_vec()));
        }
        while let Some(event) = self.stream.poll_event() {
            match event {
                MediaEvent::Frame(frame) => self.frames.push(frame),
                event => self.events.push(event),
            }
        }
    }

    fn receive(&mut self, at_ms: u64, source: &str, bytes: &[u8]) {
        self.run_until(at_ms);
        self.stream.handle_packet(self.begin + ms(at_ms), addr(source), bytes);
    }

    fn rtp(&self) -> Vec<(SocketAddr, Header, &[u8])> {
        let rtp = self.sent.iter().filter(|(from, _, _)| *from == Port::Rtp);
        rtp.map(|(_, to, bytes)| {
            let packet = Packet::parse(bytes).unwrap();
            (*to, packet.header, packet.payload)
        })
        .collect()
    }

    fn digits(&self) -> String {
        let digit = |event: &MediaEvent| match event {
            MediaEvent::Digit { digit, .. } => Some(digit.to_char()),
            _ => None,
        };
        self.events.iter().filter_map(digit).collect()
    }
}

/// A packet of the peer: the n-th, with a voice in it.
fn packet(n: u32) -> Vec<u8> {
    with(n, |_| {})
}

fn with(n: u32, edit: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header {
        marker: n == 0,
        payload_type: PayloadType::PCMU,
        sequence: SequenceNumber(65_500u16.wrapping_add(n as u16)),
        timestamp: RtpTimestamp((u32::MAX - 4000).wrapping_add(n * 160)),
        ssrc: Ssrc(1),
    };
    edit(&mut header);
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend((0..160u32).map(|i| ((n * 160 + i) % 101) as u8));
    bytes
}

fn event_packet(n: u32, payload_type: u8, timestamp: u32, event: [u8; 4]) -> Vec<u8> {
    let mut bytes = with(n, |h| {
        h.payload_type = PayloadType::try_new(payload_type).unwrap();
        h.timestamp = RtpTimestamp(timestamp);
    });
    bytes.truncate(12);
    bytes.extend_from_slice(&event);
    bytes
}

#[test]
fn packets_leave_on_a_fixed_timetable_however_late_the_owner_is() {
    let mut bench = Bench::configured(|_| {});
    for at in [0, 7, 35, 36, 150, 151, 400] {
        while bench.stream.handle_timeout(bench.begin + ms(at)) {
            bench.collect();
        }
    }
    let rtp = bench.rtp();
    assert_eq!(rtp.len(), 21);
    for (n, (to, header, payload)) in rtp.iter().enumerate() {
        assert_eq!(*to, addr(PEER));
        assert_eq!(header.sequence.0 as usize, n);
        assert_eq!(header.timestamp.0 as usize, n * 160);
        assert_eq!((header.marker, header.ssrc), (n == 0, Ssrc(7)));
        assert_eq!(*payload, [0xff; 160]);
    }
    let times: Vec<u32> = bench.frames.iter().map(|f| f.at_ms).collect();
    assert_eq!(times, (0..=400).step_by(20).collect::<Vec<_>>());
}

#[test]
fn a_long_standstill_is_left_out_and_the_timestamps_keep_pace() {
    let mut bench = Bench::configured(|_| {});
    bench.run_until(100);
    while bench.stream.handle_timeout(bench.begin + ms(60_100)) {
        bench.collect();
    }
    let last = bench.rtp().last().unwrap().1;
    assert_eq!(last.timestamp.0, 60_100 * 8);
    assert!(bench.rtp().len() < 60);
    assert_eq!(bench.stream.stats().skipped, 2999);
}

#[test]
fn longer_packets_are_sent_where_the_peer_wants_them() {
    let mut bench = Bench::configured(|n| n.ptime_ms = 60);
    bench.run_until(599);
    let rtp = bench.rtp();
    assert_eq!(rtp.len(), 10);
    for (n, (_, header, payload)) in rtp.iter().enumerate() {
        assert_eq!((header.timestamp.0 as usize, payload.len()), (n * 480, 480));
    }
    let mut odd = Bench::configured(|n| n.ptime_ms = 25);
    odd.run_until(99);
    assert_eq!(odd.rtp().len(), 5);
}

#[test]
fn keys_keep_sequence_and_timestamps_continuous_with_audio() {
    let mut bench = Bench::configured(|_| {});
    bench.run_until(100);
    bench.stream.press(&DtmfDigit::parse_all("19").unwrap(), 100, 100).unwrap();
    bench.run_until(800);
    let rtp = bench.rtp();
    for (n, (_, header, payload)) in rtp.iter().enumerate() {
        assert_eq!(header.sequence.0 as usize, n);
        if header.payload_type == PayloadType::PCMU {
            assert_eq!(header.timestamp.0 as usize, n * 160);
        } else {
            assert_eq!(payload.len(), 4);
        }
    }
    let keys: Vec<_> = rtp.iter().filter(|p| p.1.payload_type.number() == 101).collect();
    assert_eq!(keys.len(), 14);
    assert_eq!(keys.iter().filter(|p| p.1.marker).count(), 2);
    assert_eq!((keys[0].1.timestamp.0, keys[7].1.timestamp.0), (6 * 160, 16 * 160));
    assert!(bench.events.iter().any(|e| matches!(e, MediaEvent::DigitsSent { at_ms: 440 })));
}

#[test]
fn keys_are_tones_where_the_peer_takes_no_events_and_never_both() {
    let mut bench = Bench::configured(|n| n.telephone_event = None);
    let digits = DtmfDigit::parse_all("15").unwrap();
    bench.stream.press(&digits, 100, 100).unwrap();
    bench.run_until(600);
    assert!(bench.rtp().iter().all(|(_, header, _)| header.payload_type == PayloadType::PCMU));
    let (mut detector, mut heard) = (DtmfDetector::default(), Vec::new());
    for frame in &bench.frames {
        if let Some(found) = detector.push(frame.at_ms, &frame.sent)
            && found.to_ms.is_some()
        {
            heard.push(found.sound);
        }
    }
    assert_eq!(heard, digits.iter().map(|d| Sound::Key(*d)).collect::<Vec<_>>());
    let ends = bench.events.iter().filter(|e| matches!(e, MediaEvent::DigitsSent { .. }));
    assert_eq!(ends.count(), 1);
}

#[test]
fn what_plays_is_sent_and_its_end_is_told() {
    let mut bench = Bench::configured(|_| {});
    let samples: Arc<[i16]> = vec![1000; 400].into();
    bench.stream.play(Arc::clone(&samples)).unwrap();
    bench.stream.play(samples).unwrap();
    bench.run_until(199);
    let sent: Vec<i16> = bench.frames.iter().flat_map(|f| f.sent).collect();
    assert_eq!(sent.iter().filter(|&&s| s == 1000).count(), 800);
    assert!(sent[800..].iter().all(|&s| s == 0));
    let ends = [MediaEvent::Played { at_ms: 40 }, MediaEvent::Played { at_ms: 80 }];
    assert_eq!(bench.events, ends);
    for _ in 0..MAX_QUEUED_PLAYS {
        bench.stream.play(vec![1].into()).unwrap();
    }
    assert_eq!(bench.stream.play(vec![1].into()), Err(TooManyPlays));
}

#[test]
fn m1_a_stranger_never_gets_a_packet_whenever_it_sends() {
    let mut bench = Bench::configured(|_| {});
    for at in (0..8000u32).step_by(2) {
        let flood = with(at / 2, |h| h.ssrc = Ssrc(66));
        bench.receive(u64::from(at), STRANGER, &flood);
        bench.receive(u64::from(at), "198.51.100.7:9", &flood);
        if at >= 2000 && at % 20 == 0 {
            bench.receive(u64::from(at), PEER, &packet(at / 20));
        }
    }
    assert!(bench.rtp().iter().all(|(to, _, _)| *to == addr(PEER)));
    assert!(bench.sent.iter().all(|(_, to, _)| to.ip() == addr(PEER).ip() && to.port() < 4002));
    let stats = bench.stream.stats();
    assert_eq!((stats.received, stats.source), (300, Some(addr(PEER))));
    assert_eq!(stats.strangers + stats.proving, 8000);
}

#[test]
fn m2_packets_thrown_into_a_stream_change_no_bit_of_what_is_heard() {
    let run = |injected: bool| {
        let mut bench = Bench::configured(|_| {});
        for n in 0..300 {
            bench.receive(u64::from(n) * 20 + 3, PEER, &packet(n));
            if injected {
                // Guessed numbers from elsewhere, and another SSRC with a forged source.
                bench.receive(u64::from(n) * 20 + 4, STRANGER, &packet(n + 1));
                let forged = with(n + 1, |h| h.ssrc = Ssrc(2));
                bench.receive(u64::from(n) * 20 + 5, PEER, &forged);
                let key = event_packet(n, 101, 5, [5, 0x8a, 3, 0x20]);
                bench.receive(u64::from(n) * 20 + 6, STRANGER, &key);
            }
        }
        bench.run_until(6000);
        (bench.frames.clone(), bench.digits(), bench.stream.stats())
    };
    let (clean, disturbed) = (run(false), run(true));
    assert_eq!(clean.0, disturbed.0);
    assert_eq!(disturbed.1, "");
    assert_eq!((disturbed.2.strangers, disturbed.2.proving), (600, 300));
}

#[test]
fn m3_rtcp_ends_nothing_and_does_not_stop_learning() {
    let mut bench = Bench::configured(|n| n.remote = addr("10.0.0.5:4000"));
    let goodbye = [0x81, 203, 0, 1, 0, 0, 0, 1];
    let two_hundred = [0x80, 201, 0, 1, 0, 0, 0, 1].repeat(200);
    for n in 0..100 {
        let now = bench.begin + ms(u64::from(n) * 20 + 3);
        for junk in [&goodbye[..], &two_hundred, &[0x80, 201, 0, 0], &[0x80]] {
            bench.stream.handle_rtcp(now, addr(STRANGER), junk);
            bench.stream.handle_packet(now, addr(STRANGER), junk);
        }
        bench.receive(u64::from(n) * 20 + 3, PEER, &packet(n));
        bench.stream.handle_rtcp(now, addr(PEER), &goodbye);
    }
    bench.run_until(2100);
    assert_eq!(bench.stream.stats().source, Some(addr(PEER)));
    assert!(bench.frames.last().unwrap().received.iter().any(|&s| s != 0));
    assert_eq!(bench.rtp().last().unwrap().0, addr(PEER));
}

#[test]
fn m5_whatever_a_peer_does_to_its_numbers_is_one_reset_at_most() {
    type Change = fn(&mut Header);
    let cases: [(&str, Change); 5] = [
        ("sequence", |h| h.sequence = SequenceNumber(h.sequence.0.wrapping_add(30_000))),
        ("timestamp", |h| h.timestamp = h.timestamp.plus(0x7000_0000)),
        ("ssrc", |h| h.ssrc = Ssrc(99)),
        ("payload type", |h| h.payload_type = PayloadType::PCMA),
        ("marker", |h| h.marker = true),
    ];
    for (what, change) in cases {
        let mut bench = Bench::configured(|_| {});
        for n in 0..200 {
            let bytes = if n < 100 { packet(n) } else { with(n, change) };
            bench.receive(u64::from(n) * 20 + 3, PEER, &bytes);
        }
        bench.run_until(4000);
        let stats = bench.stream.stats();
        assert!(stats.resets <= 1, "{what}: {stats:?}");
        assert!(stats.concealed <= 10, "{what}: {stats:?}");
        assert!(bench.frames[150].received.iter().any(|&s| s != 0), "{what}");
    }
}

#[test]
fn m5_payloads_of_no_and_of_1400_bytes_are_survived() {
    let mut bench = Bench::configured(|_| {});
    for n in 0..100u32 {
        let mut bytes = packet(n);
        bytes.resize(12 + [0, 1, 1400][n as usize % 3], 0x55);
        bench.receive(u64::from(n) * 20 + 3, PEER, &bytes);
    }
    assert_eq!(bench.frames.len(), 100);
}

#[test]
fn m7_keys_are_heard_once_by_either_payload_type() {
    let mut bench = Bench::configured(|n| n.receive_telephone_event = PayloadType::try_new(96));
    bench.receive(3, PEER, &packet(0));
    let mut n = 1;
    for (payload_type, code, timestamp) in [(96, 1, 10_000), (101, 2, 20_000), (96, 3, 30_000)] {
        for duration in [1u8, 2, 3] {
            let event = [code, if duration == 3 { 0x8a } else { 10 }, duration, 0];
            let bytes = event_packet(n, payload_type, timestamp, event);
            bench.receive(u64::from(n) * 20 + 3, PEER, &bytes);
            bench.receive(u64::from(n) * 20 + 4, PEER, &bytes);
            n += 1;
        }
    }
    bench.run_until(1000);
    assert_eq!(bench.digits(), "123");
    assert_eq!(bench.stream.stats().duplicates, 9);
}

#[test]
fn a_peer_is_told_when_it_speaks_first_and_when_it_falls_silent() {
    let mut bench = Bench::configured(|_| {});
    for n in 0..10 {
        bench.receive(u64::from(n) * 20 + 100, PEER, &packet(n));
    }
    bench.run_until(9000);
    let first = MediaEvent::FirstPacket { source: addr(PEER), at_ms: 100 };
    assert_eq!(bench.events, [first, MediaEvent::NoPackets { since_ms: 280 }]);
    bench.receive(9000, PEER, &packet(445));
    bench.run_until(20_000);
    assert_eq!(bench.events.len(), 3);
    let stats = bench.stream.stats();
    assert_eq!((stats.first_in_ms, stats.first_out_ms), (Some(100), Some(0)));
}

#[test]
fn on_hold_nothing_is_sent_and_what_plays_waits() {
    let mut bench = Bench::configured(|_| {});
    bench.stream.play(vec![1000; 1600].into()).unwrap();
    bench.run_until(99);
    bench.stream.set_direction(bench.begin + ms(99), Direction::Inactive);
    bench.run_until(1099);
    assert_eq!(bench.rtp().len(), 5);
    bench.stream.set_direction(bench.begin + ms(1099), Direction::SendReceive);
    bench.run_until(1299);
    let rtp = bench.rtp();
    assert_eq!((rtp[5].1.marker, rtp[5].1.timestamp.0), (true, 1100 * 8));
    assert_eq!(rtp[5].1.sequence.0, 5);
    let sent = bench.frames.iter().flat_map(|f| f.sent);
    assert_eq!(sent.filter(|&s| s == 1000).count(), 1600);
}

#[test]
fn reports_go_to_the_next_port_and_the_last_says_goodbye() {
    let mut bench = Bench::configured(|_| {});
    for n in 0..1000 {
        bench.receive(u64::from(n) * 20 + 3, PEER, &packet(n));
    }
    bench.stream.close(bench.begin + ms(20_000));
    bench.collect();
    let reports: Vec<_> = bench.sent.iter().filter(|s| s.0 == Port::Rtcp).collect();
    assert!((3..=8).contains(&reports.len()), "{}", reports.len());
    for (n, (_, to, bytes)) in reports.iter().enumerate() {
        assert_eq!(*to, addr("198.51.100.7:4001"));
        let heard = Heard::parse(bytes, Ssrc(1)).unwrap();
        assert_eq!(heard.sender_report.unwrap().0, Ssrc(7));
        assert_eq!(heard.about_us.unwrap().fraction_lost, 0);
        assert_eq!(heard.bye, (n + 1 == reports.len()).then_some(Ssrc(7)));
    }
}

#[test]
fn a_ntp_time_begins_in_1900() {
    assert_eq!(ntp_time(Duration::ZERO) >> 32, 2_208_988_800);
    assert_eq!(ntp_time(ms(500)) & 0xffff_ffff, 1 << 31);
}

proptest! {
    /// The body of the fuzz target: whatever arrives, frames come each 20 ms.
    #[test]
    fn random_packets_never_panic_and_output_is_continuous(
        data in proptest::collection::vec(any::<u8>(), 0..3000)
    ) {
        crate::exercise(&data);
    }

    #[test]
    fn keys_survive_random_loss_and_reordering_on_the_wire(
        keys in "[0-9*#]{1,8}",
        fates in proptest::collection::vec((0u32..100, 0u64..50, any::<bool>()), 50),
    ) {
        let mut sender = Bench::configured(|_| {});
        sender.stream.press(&DtmfDigit::parse_all(&keys).unwrap(), 100, 100).unwrap();
        sender.run_until(keys.len() as u64 * 200 + 200);
        let mut arriving = Vec::new();
        let mut ended = None;
        for (n, (_, header, payload)) in sender.rtp().into_iter().enumerate() {
            let (loss, late, twice) = fates[n % fates.len()];
            // One end packet of each key arrives; 5 % of everything else is lost.
            let is_end = payload.len() == 4 && payload[1] & 0x80 != 0;
            let kept = is_end && ended.replace(header.timestamp) != Some(header.timestamp);
            if loss >= 5 || kept {
                let bytes = [&header.to_bytes()[..], payload].concat();
                let at = n as u64 * 20 + late;
                if twice {
                    arriving.push((at + 7, bytes.clone()));
                }
                arriving.push((at, bytes));
            }
        }
        arriving.sort_by_key(|packet| packet.0);
        let mut bench = Bench::configured(|_| {});
        for (at, bytes) in &arriving {
            bench.receive(*at, PEER, bytes);
        }
        bench.run_until(arriving.last().map_or(0, |p| p.0) + 1000);
        prop_assert_eq!(bench.digits(), keys);
    }
}
