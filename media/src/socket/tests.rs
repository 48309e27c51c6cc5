use std::net::Ipv4Addr;

use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn any() -> StreamConfig {
    StreamConfig::new(LOOPBACK, PortRange::Any)
}

fn tone(samples: usize) -> Arc<[i16]> {
    (0..samples).map(|i| ((i as f32 * 0.4).sin() * 8000.0) as i16).collect()
}

async fn next(stream: &mut Stream) -> MediaEvent {
    stream.events.recv().await.expect("the stream ended early")
}

/// Two streams that know each other.
fn connected(media: &MediaThreads) -> (Stream, Stream) {
    use crate::codec::Codec;
    let (a, b) = (media.open(&any()).unwrap(), media.open(&any()).unwrap());
    a.control.configure(Negotiated::new(b.local_addr, Codec::Pcmu)).unwrap();
    b.control.configure(Negotiated::new(a.local_addr, Codec::Pcmu)).unwrap();
    (a, b)
}

#[tokio::test]
async fn two_streams_exchange_audio_and_digits() {
    let media = MediaThreads::start(1, Clock::fast(4)).unwrap();
    let (mut a, mut b) = connected(&media);
    a.control.play(tone(4000)).unwrap();
    let digits = DtmfDigit::parse_all("159#").unwrap();
    b.control.press(&digits, 100, 100).unwrap();

    let (mut pressed, mut played, mut sent, mut loud) = (Vec::new(), false, false, 0);
    while pressed.len() < digits.len() || !played || loud < 20 || !sent {
        tokio::select! {
            event = next(&mut a) => match event {
                MediaEvent::Digit { digit, .. } => pressed.push(digit),
                MediaEvent::Played { .. } => played = true,
                _ => {}
            },
            event = next(&mut b) => match event {
                MediaEvent::Frame(frame) => {
                    loud += u32::from(frame.received.iter().any(|&s| s > 6000));
                }
                MediaEvent::DigitsSent { .. } => sent = true,
                MediaEvent::FirstPacket { source, .. } => assert_eq!(source, a.local_addr),
                _ => {}
            },
        }
    }
    assert_eq!(pressed, digits);
    a.control.close();
    loop {
        if let MediaEvent::Closed { stats } = next(&mut a).await {
            assert_eq!((stats.strangers, stats.invalid), (0, 0));
            assert!(stats.sent > 20 && stats.received > 20);
            break;
        }
    }
    assert!(a.events.recv().await.is_none());
}

#[tokio::test]
async fn m11_an_empty_port_pool_is_an_error_and_closing_frees_the_ports() {
    let media = MediaThreads::start(1, Clock::real()).unwrap();
    let first = media.open(&any()).unwrap();
    let port = first.local_addr.port();
    let ports = PortRange::Between { low: port, high: port + 1 };
    let config = StreamConfig::new(LOOPBACK, ports);
    let error = media.open(&config).map(|s| s.local_addr).unwrap_err();
    assert!(matches!(error, MediaError::PortsExhausted { .. }));
    assert!(error.to_string().contains("exhausted"));

    let Stream { mut events, control, .. } = first;
    control.close();
    while let Some(event) = events.recv().await {
        if let MediaEvent::Closed { .. } = event {
            break;
        }
    }
    let again = media.open(&config).unwrap();
    assert_eq!(again.local_addr.port(), port);
}

#[tokio::test]
async fn a_dropped_stream_frees_its_ports() {
    let media = MediaThreads::start(1, Clock::real()).unwrap();
    let stream = media.open(&any()).unwrap();
    let Stream { mut events, control, .. } = stream;
    drop(control);
    let mut closed = false;
    while let Some(event) = events.recv().await {
        closed = matches!(event, MediaEvent::Closed { .. });
    }
    assert!(closed);
}

#[test]
fn ranges_without_a_pair_and_foreign_addresses_are_refused() {
    let refused = |low, high| bind_pair(LOOPBACK, PortRange::Between { low, high }, 0).map(|_| ());
    assert!(matches!(refused(30_001, 30_002), Err(MediaError::NoPair { .. })));
    assert!(matches!(refused(30_002, 30_002), Err(MediaError::NoPair { .. })));
    assert!(matches!(refused(9, 8), Err(MediaError::NoPair { .. })));
    assert!(matches!(refused(65_535, 65_535), Err(MediaError::NoPair { .. })));
    // 192.0.2.0/24 is for documentation only, so no host has it.
    let foreign = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let error = bind_pair(foreign, PortRange::Any, 0).map(|_| ()).unwrap_err();
    assert!(matches!(error, MediaError::Bind { .. }), "{error}");
}

#[tokio::test]
async fn digits_are_refused_before_offer_and_answer() {
    let media = MediaThreads::start(1, Clock::fast(10)).unwrap();
    let mut stream = media.open(&any()).unwrap();
    stream.control.press(&DtmfDigit::parse_all("1").unwrap(), 100, 100).unwrap();
    loop {
        if let MediaEvent::DigitsRefused { error } = next(&mut stream).await {
            assert!(error.to_string().contains("offer and answer"));
            break;
        }
    }
}

#[tokio::test]
async fn a_reader_that_sleeps_loses_frames_but_no_digit() {
    let media = MediaThreads::start(1, Clock::fast(50)).unwrap();
    let (mut a, mut b) = connected(&media);
    // 30 keys of 200 ms are six seconds: more frames than the queue holds.
    let digits = DtmfDigit::parse_all("123456789012345678901234567890").unwrap();
    b.control.press(&digits, 100, 100).unwrap();
    loop {
        if let MediaEvent::DigitsSent { .. } = next(&mut b).await {
            break;
        }
    }
    let mut pressed = Vec::new();
    while pressed.len() < digits.len() {
        if let MediaEvent::Digit { digit, .. } = next(&mut a).await {
            pressed.push(digit);
        }
    }
    assert_eq!(pressed, digits);
}
