//! A session description as offer and as answer.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use phoneai_sip::sdp::{
    Codec, Direction, LocalAudio, Origin, SessionDescription, answer, read_answer,
};

fuzz_target!(|bytes: &[u8]| {
    let local = LocalAudio {
        addr: IpAddr::V4(Ipv4Addr::LOCALHOST),
        rtp_port: 40_000,
        codecs: vec![Codec::Pcmu, Codec::Pcma],
        telephone_event: Some(101),
        ptime_ms: 20,
        direction: Direction::SendRecv,
    };
    if let Ok(negotiated) = read_answer(&local, bytes) {
        assert!((10..=60).contains(&negotiated.ptime_ms));
    }
    let mut origin = Origin::new(1);
    match answer(bytes, &local, &mut origin) {
        Ok((text, negotiated)) => {
            assert!((10..=60).contains(&negotiated.ptime_ms));
            assert!(
                negotiated.remote_rtp.is_none_or(|to| to.port() != 0 && !to.ip().is_multicast())
            );
            let offered = SessionDescription::parse(bytes).expect("it was read before");
            let ours = SessionDescription::parse(text.as_bytes()).expect("what we write is read");
            assert_eq!(ours.media.len(), offered.media.len());
            assert_eq!(ours.media.iter().filter(|m| m.port != 0).count(), 1);
        }
        Err(_) => assert_eq!(origin.version(), 0),
    }
});
