//! Time per frame of 20 ms of what each call needs: `cargo bench -p phoneai-media`.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use phoneai_media::{
    FRAME_SAMPLES, SILENCE, Samples,
    codec::Codec,
    detect::{Detectors, silence::SilenceDetector},
    jitter::{Content, DEFAULT_MAX_DELAY, JitterBuffer},
    rtp::{Packet, PayloadType, RtpTimestamp, SequenceNumber, Ssrc},
};

fn voice() -> Samples {
    std::array::from_fn(|i| {
        ((i as f32 * 0.13).sin() * 6000.0 + (i as f32 * 0.9).sin() * 900.0) as i16
    })
}

fn frame(c: &mut Criterion) {
    let samples = voice();
    c.bench_function("silence detector", |b| {
        let (mut detector, mut at_ms) = (SilenceDetector::default(), 0);
        b.iter(|| {
            at_ms += 20;
            detector.push(at_ms, black_box(&samples))
        });
    });

    for (name, frame) in [("speech", samples), ("silence", SILENCE)] {
        c.bench_function(&format!("all detectors of tones, {name}"), |b| {
            let (mut detectors, mut at_ms) = (Detectors::default(), 0u32);
            b.iter(|| {
                at_ms = at_ms.wrapping_add(20);
                detectors.push(at_ms, black_box(&frame));
                std::iter::from_fn(|| detectors.poll_event()).count()
            });
        });
    }

    let mut payload = [0; FRAME_SAMPLES];
    for (codec, name) in [(Codec::Pcmu, "PCMU"), (Codec::Pcma, "PCMA")] {
        c.bench_function(&format!("{name} encode"), |b| {
            b.iter(|| codec.encode(black_box(&samples), &mut payload));
        });
        let mut decoded = SILENCE;
        c.bench_function(&format!("{name} decode"), |b| {
            b.iter(|| codec.decode(black_box(&payload), &mut decoded));
        });
    }

    let header = phoneai_media::rtp::Header {
        marker: false,
        payload_type: PayloadType::PCMU,
        sequence: SequenceNumber(1),
        timestamp: RtpTimestamp(2),
        ssrc: Ssrc(3),
    };
    let packet = [&header.to_bytes()[..], &payload].concat();
    c.bench_function("RTP parse", |b| b.iter(|| Packet::parse(black_box(&packet)).is_ok()));

    for (name, lost_every) in [("no loss", u32::MAX), ("every tenth packet lost", 10)] {
        c.bench_function(&format!("jitter buffer, {name}"), |b| {
            let mut now: Instant = phoneai_clock::Clock::real().now();
            let (mut buffer, mut n, mut out) =
                (JitterBuffer::new(DEFAULT_MAX_DELAY), 0u32, SILENCE);
            b.iter(|| {
                n = n.wrapping_add(1);
                now += Duration::from_millis(20);
                if !n.is_multiple_of(lost_every) {
                    let timestamp = RtpTimestamp(n.wrapping_mul(160));
                    buffer.insert(now, timestamp, Content::Audio(black_box(&samples)));
                }
                buffer.pull(now, &mut out)
            });
        });
    }
}

criterion_group!(benches, frame);
criterion_main!(benches);
