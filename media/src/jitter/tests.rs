use proptest::prelude::*;

use super::*;

fn start() -> Instant {
    phoneai_clock::Clock::real().now()
}

/// A voice whose value is known at every place of the line: 125 Hz, so that 64 samples repeat.
fn voice(timestamp: u32, count: usize) -> Vec<i16> {
    let value = |i: usize| {
        let phase = (timestamp.wrapping_add(i as u32) % 64) as f32 / 64.0;
        ((phase * std::f32::consts::TAU).sin() * 8000.0) as i16
    };
    (0..count).map(value).collect()
}

/// What came out of a run.
struct Heard {
    samples: Vec<i16>,
    concealed: u32,
    stats: JitterStats,
    most_delay: u32,
    last_delay: u32,
}

/// Plays packets that arrive at stated microseconds for as many frames as asked, at 20 ms each.
fn play(arrivals: &[(u64, u32, usize)], frames: u64) -> Heard {
    let begin = start();
    let mut buffer = JitterBuffer::new(DEFAULT_MAX_DELAY);
    let mut arrivals = arrivals.to_vec();
    arrivals.sort_by_key(|a| a.0);
    let mut next = arrivals.iter().peekable();
    let mut heard = Heard {
        samples: Vec::new(),
        concealed: 0,
        stats: JitterStats::default(),
        most_delay: 0,
        last_delay: 0,
    };
    for tick in 0..frames {
        while let Some(&(at, timestamp, count)) = next.next_if(|a| a.0 <= tick * 20_000) {
            let now = begin + Duration::from_micros(at);
            let samples = voice(timestamp, count);
            buffer.insert(now, RtpTimestamp(timestamp), Content::Audio(&samples));
        }
        let mut frame = [0; FRAME_SAMPLES];
        let concealed = buffer.pull(begin + Duration::from_millis(tick * 20), &mut frame);
        heard.concealed += u32::from(concealed);
        heard.samples.extend_from_slice(&frame);
        heard.last_delay = buffer.delay_ms();
        heard.most_delay = heard.most_delay.max(heard.last_delay);
    }
    heard.stats = buffer.stats();
    heard
}

/// Packets of 20 ms from 5 ms on, each delayed by what `delay` says, in milliseconds; none is lost.
fn steady(packets: u32, first: u32, delay: impl Fn(u32) -> Option<u64>) -> Vec<(u64, u32, usize)> {
    (0..packets)
        .filter_map(|n| {
            let at = u64::from(n) * 20_000 + 5000 + delay(n)? * 1000;
            Some((at, first.wrapping_add(n * 160), 160))
        })
        .collect()
}

/// Largest step between two samples; the voice itself has steps of 785.
fn largest_step(samples: &[i16]) -> i32 {
    samples.windows(2).map(|p| (i32::from(p[0]) - i32::from(p[1])).abs()).max().unwrap()
}

/// Numbers that look random and are always the same.
fn scattered(n: u32) -> u32 {
    let mixed = (n ^ 0x5bd1).wrapping_mul(0x9e37_79b1);
    (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca77) >> 8
}

#[test]
fn a_clean_stream_is_heard_unchanged_after_40_to_60_ms() {
    let first = u32::MAX - 5000; // wraps after half a second
    let heard = play(&steady(500, first, |_| Some(0)), 500);
    let begins = heard.samples.iter().position(|&s| s != 0).unwrap() - 1;
    assert!((8 * 40..=8 * 65).contains(&begins), "{begins}");
    let truth = voice(first, heard.samples.len() - begins);
    // The first sample of the voice is a zero, so the beginning may be taken one sample off.
    let begins = if heard.samples[begins + 1] == truth[1] { begins } else { begins + 1 };
    let count = heard.samples.len() - begins;
    assert_eq!(heard.samples[begins..], truth[..count]);
    assert_eq!((heard.concealed, heard.stats), (0, JitterStats::default()));
}

#[test]
fn packets_of_10_30_and_60_ms_are_heard_unchanged() {
    for length in [80u32, 240, 480] {
        let packets: Vec<_> = (0..600u32)
            .map(|n| {
                (u64::from(n * length) * 125 + u64::from(length) * 125, n * length, length as usize)
            })
            .collect();
        let heard = play(&packets, 300);
        assert!(heard.stats.late <= 2, "{length}: {:?}", heard.stats);
        assert!(heard.concealed <= 2, "{length}: {}", heard.concealed);
        assert!(largest_step(&heard.samples[8000..]) < 900, "{length}");
    }
}

#[test]
fn m6_loss_is_concealed_and_nothing_else_changes() {
    for percent in [1u32, 5, 20] {
        let lost = |n: u32| scattered(n) % 100 < percent;
        let heard = play(&steady(1000, 64, |n| (!lost(n)).then_some(0)), 1000);
        let all = (0..1000).filter(|&n| lost(n)).count() as u32;
        assert!(heard.concealed.abs_diff(all) <= all / 5 + 3, "{percent} %: {}", heard.concealed);
        assert_eq!((heard.stats.resets, heard.stats.late), (0, 0));
        assert!(
            largest_step(&heard.samples) < 2500,
            "{percent} %: {}",
            largest_step(&heard.samples)
        );
    }
}

#[test]
fn m6_a_burst_of_ten_lost_packets_fades_and_comes_back() {
    let heard = play(&steady(200, 0, |n| (!(100..110).contains(&n)).then_some(0)), 200);
    assert!((10..=11).contains(&heard.concealed), "{}", heard.concealed);
    assert_eq!(heard.stats.resets, 0);
}

#[test]
fn m6_jitter_of_80_ms_either_way_is_absorbed_within_the_delay_bound() {
    let heard = play(&steady(3000, 0, |n| Some(u64::from(scattered(n) % 161))), 3000);
    let late_in_a_thousand = heard.stats.late * 1000 / 3000;
    assert!(late_in_a_thousand <= 30, "{:?}", heard.stats);
    let bound = DEFAULT_MAX_DELAY.as_millis() as u32 + 60;
    assert!(heard.most_delay <= bound, "{} ms", heard.most_delay);
    assert!(heard.concealed <= 120, "{}", heard.concealed);
}

#[test]
fn m6_packets_that_are_overtaken_by_five_are_heard() {
    let heard = play(&steady(1000, 0, |n| Some(if n % 10 == 3 { 100 } else { 0 })), 1000);
    assert!(heard.stats.late < 20, "{:?}", heard.stats);
    assert!(heard.concealed < 25, "{}", heard.concealed);
}

#[test]
fn m6_a_clock_that_drifts_by_200_ppm_for_ten_minutes_is_followed() {
    for drift in [-200i64, 200] {
        let packets: Vec<_> = (0..30_000u32)
            .map(|n| {
                let at = i64::from(n) * 20_000 + 5000;
                ((at + at * drift / 1_000_000) as u64, n * 160, 160)
            })
            .collect();
        let heard = play(&packets, 30_000);
        // 120 ms of drift are a dozen pitch periods.
        assert!((8..=30).contains(&heard.stats.stretched), "{drift}: {:?}", heard.stats);
        assert!(heard.stats.late <= 5 && heard.concealed <= 5, "{drift}: {:?}", heard.stats);
        assert!(heard.most_delay <= 110, "{drift}: {} ms", heard.most_delay);
        assert!(largest_step(&heard.samples) < 1200, "{drift}: {}", largest_step(&heard.samples));
    }
}

#[test]
fn delay_that_is_needed_no_more_is_taken_away() {
    let heard = play(&steady(3000, 0, |n| Some(if n < 500 && n % 2 == 0 { 120 } else { 0 })), 3000);
    assert!(heard.most_delay > 100);
    assert!(heard.last_delay <= 60, "{} ms", heard.last_delay);
}

#[test]
fn a_standstill_of_the_network_costs_no_more_than_its_length() {
    // 400 ms of packets come all at once.
    let delay = |n: u32| Some(if (100..120).contains(&n) { u64::from(120 - n) * 20 } else { 0 });
    let heard = play(&steady(500, 0, delay), 500);
    assert!(heard.concealed <= 22, "{}", heard.concealed);
    assert!(heard.last_delay <= 120, "{} ms", heard.last_delay);
}

#[test]
fn m5_a_jump_of_the_timestamps_resets_once() {
    for jump in [30_000u32 * 160, 0x8000_0000, u32::MAX - 80_000, 10_000] {
        let packets: Vec<_> = steady(200, 0, |_| Some(0))
            .into_iter()
            .enumerate()
            .map(|(n, (at, t, count))| (at, if n < 100 { t } else { t.wrapping_add(jump) }, count))
            .collect();
        let heard = play(&packets, 200);
        assert_eq!(heard.stats.resets, 1, "jump of {jump}");
        assert!(heard.concealed <= 8, "jump of {jump}: {}", heard.concealed);
    }
}

#[test]
fn a_sender_whose_timestamps_stand_still_in_a_pause_is_heard_again() {
    let packets: Vec<_> = steady(200, 0, |n| Some(if n < 100 { 0 } else { 500 }));
    let heard = play(&packets, 225);
    assert_eq!(heard.stats.resets, 1);
    assert!(heard.concealed <= 25 + 8, "{}", heard.concealed);
}

#[test]
fn one_damaged_timestamp_costs_one_packet() {
    let mut packets = steady(200, 0, |_| Some(0));
    packets[100].1 = 0x7777_0000;
    let heard = play(&packets, 200);
    assert_eq!((heard.stats.resets, heard.stats.dropped, heard.concealed), (0, 1, 1));
}

#[test]
fn comfort_noise_fills_a_pause_and_is_no_loss() {
    let begin = start();
    let mut buffer = JitterBuffer::new(DEFAULT_MAX_DELAY);
    let mut levels = Vec::new();
    for tick in 0..100u64 {
        let now = begin + Duration::from_millis(tick * 20);
        let timestamp = RtpTimestamp(tick as u32 * 160);
        if tick < 50 {
            buffer.insert(now, timestamp, Content::Audio(&voice(timestamp.0, 160)));
        } else if tick == 50 {
            buffer.insert(now, timestamp, Content::Comfort(Some(-50.0)));
        }
        let mut frame = [0; FRAME_SAMPLES];
        assert!(!buffer.pull(now, &mut frame), "concealed at tick {tick}");
        levels.push(frame.iter().map(|s| s.unsigned_abs()).max().unwrap());
    }
    assert!(levels[60..].iter().all(|&peak| (50..300).contains(&peak)), "{levels:?}");
}

#[test]
fn a_flood_of_tiny_packets_is_bounded() {
    let packets: Vec<_> = (0..2000u32).map(|n| (u64::from(n), n, 1)).collect();
    let heard = play(&packets, 10);
    assert!(heard.stats.dropped >= 1800, "{:?}", heard.stats);
}

proptest! {
    /// Whatever comes, each pull gives a frame, the queue is bounded and nothing panics.
    #[test]
    fn output_is_continuous_under_random_packets(
        packets in proptest::collection::vec(
            (0u64..2_000_000, prop_oneof![0u32..16_000, any::<u32>()], 0usize..1400), 0..150)
    ) {
        let heard = play(&packets, 110);
        prop_assert_eq!(heard.samples.len(), 110 * FRAME_SAMPLES);
        prop_assert!(heard.most_delay <= DEFAULT_MAX_DELAY.as_millis() as u32 + 40 + 175);
    }

    /// Whatever is lost and however the rest is delayed (less than the longest delay), the stream
    /// is heard: no reset, and what is heard at the end is the voice.
    #[test]
    fn a_stream_is_heard_under_random_loss_and_jitter(
        fates in proptest::collection::vec((0u32..100, 0u64..80), 40)
    ) {
        let fate = |n: u32| fates[n as usize % fates.len()];
        let delay = |n| if n < 300 { (fate(n).0 >= 10).then_some(fate(n).1) } else { Some(0) };
        let heard = play(&steady(400, 0, delay), 400);
        prop_assert_eq!(heard.samples.len(), 400 * FRAME_SAMPLES);
        let end = &heard.samples[380 * FRAME_SAMPLES..];
        prop_assert!(end.iter().any(|s| s.unsigned_abs() > 7000));
    }
}

/// Found by fuzzing: so far ahead, the end of the packet did not fit into its type.
#[test]
fn a_packet_as_far_ahead_as_timestamps_reach_is_dropped_and_changes_nothing() {
    let (undisturbed, mut disturbed) = (steady(50, 0, |_| Some(0)), steady(50, 0, |_| Some(0)));
    let delay = samples_of(INITIAL_DELAY).unsigned_abs();
    for back in 0..FRAME_SAMPLES as u32 {
        // Counted from where the playout begins.
        let farthest = 0_u32.wrapping_sub(delay).wrapping_add(i32::MAX.unsigned_abs());
        disturbed.push((6000, farthest.wrapping_sub(back * 2), 160));
    }
    let (undisturbed, disturbed) = (play(&undisturbed, 50), play(&disturbed, 50));
    assert_eq!(disturbed.stats.dropped, FRAME_SAMPLES as u64);
    assert_eq!(disturbed.samples, undisturbed.samples);
}
