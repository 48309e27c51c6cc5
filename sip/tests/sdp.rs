//! Session descriptions as real peers send them, and lying ones.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

use std::net::{IpAddr, Ipv4Addr};

use phoneai_sip::{
    message::StatusCode,
    sdp::{
        Codec, Direction, LocalAudio, Negotiated, Origin, SdpError, SessionDescription, answer,
        offer, read_answer,
    },
};
use proptest::prelude::*;

fn local() -> LocalAudio {
    LocalAudio {
        addr: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
        rtp_port: 40_000,
        codecs: vec![Codec::Pcmu, Codec::Pcma],
        telephone_event: Some(101),
        ptime_ms: 20,
        direction: Direction::SendRecv,
    }
}

fn sdp(rest: &str) -> Vec<u8> {
    let text = format!("v=0\no=- 1 1 IN IP4 198.51.100.1\ns=-\nt=0 0\n{rest}");
    text.replace('\n', "\r\n").into_bytes()
}

fn answer_to(rest: &str) -> Result<(String, Negotiated), SdpError> {
    answer(&sdp(rest), &local(), &mut Origin::new(2))
}

fn agreed(rest: &str) -> Negotiated {
    answer_to(rest).unwrap().1
}

const C: &str = "c=IN IP4 198.51.100.1\n";

#[test]
fn our_offer_is_what_peers_expect() {
    let text = offer(&local(), &mut Origin::new(2000));
    let expected = "v=0\r\no=- 1000 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
                    m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\n\
                    a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
                    a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
    assert_eq!(text, expected);
}

#[test]
fn the_version_counts_changes_only() {
    let mut origin = Origin::new(9);
    let mut audio = local();
    offer(&audio, &mut origin);
    offer(&audio, &mut origin);
    assert_eq!(origin.version(), 1);
    audio.direction = Direction::SendOnly;
    assert!(offer(&audio, &mut origin).contains("o=- 4 2 IN"));
}

/// The shape that Flowroute's gateways send: no rtpmap for PCMU, events 0-15, maxptime alone.
#[test]
fn a_carriers_gateway_is_understood() {
    let text = sdp(
        "c=IN IP4 198.51.100.20\nm=audio 19580 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\n\
         a=fmtp:101 0-15\na=maxptime:20\n",
    );
    let negotiated = read_answer(&local(), &text).unwrap();
    let expected = Negotiated {
        remote_rtp: Some("198.51.100.20:19580".parse().unwrap()),
        remote_rtcp: Some("198.51.100.20:19581".parse().unwrap()),
        codec: Codec::Pcmu,
        payload_type: 0,
        receive: vec![(0, Codec::Pcmu)],
        telephone_event: Some(101),
        receive_telephone_event: Some(101),
        ptime_ms: 20,
        direction: Direction::SendRecv,
        remote_direction: Direction::SendRecv,
        remote_is_private: false,
    };
    assert_eq!(negotiated, expected);
    let media = &SessionDescription::parse(&text).unwrap().media[0];
    assert!(media.takes_event(101, 15) && !media.takes_event(101, 16));
}

#[test]
fn two_of_us_agree() {
    let (mut caller, mut callee) = (Origin::new(1), Origin::new(2));
    let offered = offer(&local(), &mut caller);
    let callee_side = LocalAudio { codecs: vec![Codec::Pcma], rtp_port: 50_000, ..local() };
    let (answered, theirs) = answer(offered.as_bytes(), &callee_side, &mut callee).unwrap();
    let ours = read_answer(&local(), answered.as_bytes()).unwrap();
    assert_eq!((ours.codec, theirs.codec), (Codec::Pcma, Codec::Pcma));
    assert_eq!(ours.receive, [(8, Codec::Pcma)]);
    assert_eq!(ours.remote_rtp.unwrap().port(), 50_000);
}

#[test]
fn the_answer_uses_the_offerers_payload_types() {
    let (text, negotiated) = answer_to(&format!(
        "{C}m=audio 4000 RTP/AVP 97 18 8 120\na=rtpmap:97 pcmu/8000/1\n\
         a=rtpmap:120 telephone-event/8000\n"
    ))
    .unwrap();
    assert_eq!((negotiated.codec, negotiated.payload_type), (Codec::Pcmu, 97));
    assert_eq!(negotiated.telephone_event, Some(120));
    assert!(text.contains("m=audio 40000 RTP/AVP 97 8 120\r\n"), "{text}");
    assert!(text.contains("a=rtpmap:97 PCMU/8000\r\n"), "{text}");
}

#[test]
fn an_answer_with_another_event_number_is_sent_with_theirs_and_received_with_ours() {
    let text = sdp(&format!("{C}m=audio 4000 RTP/AVP 0 96\na=rtpmap:96 telephone-event/8000\n"));
    let negotiated = read_answer(&local(), &text).unwrap();
    assert_eq!(negotiated.telephone_event, Some(96));
    assert_eq!(negotiated.receive_telephone_event, Some(101));
}

#[test]
fn events_at_another_clock_are_not_ours() {
    let negotiated = agreed(&format!(
        "{C}m=audio 4000 RTP/AVP 0 96 97\na=rtpmap:96 telephone-event/48000\n\
         a=rtpmap:97 telephone-event/8000\n"
    ));
    assert_eq!(negotiated.telephone_event, Some(97));
    assert_eq!(agreed(&format!("{C}m=audio 4000 RTP/AVP 0\n")).telephone_event, None);
}

#[test]
fn other_media_are_refused_in_their_places() {
    let (text, negotiated) = answer_to(&format!(
        "{C}m=video 5000 RTP/AVP 31\nm=audio 0 RTP/AVP 0\nm=audio 6000 RTP/SAVP 0\n\
         m=audio 4000/2 RTP/AVP 0\nm=image 7000 udptl t38\nm=application 9\u{20}TCP/X \n"
    ))
    .unwrap();
    assert_eq!(negotiated.remote_rtp.unwrap().port(), 4000);
    let media: Vec<&str> = text.lines().filter(|l| l.starts_with("m=")).collect();
    assert_eq!(
        media,
        [
            "m=video 0 RTP/AVP 31",
            "m=audio 0 RTP/AVP 0",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 40000 RTP/AVP 0",
            "m=image 0 udptl t38",
            "m=application 0 TCP/X 0",
        ]
    );
}

#[test]
fn hold_in_all_its_forms_stops_sending() {
    for (rest, direction, ours) in [
        (format!("{C}m=audio 4000 RTP/AVP 0\na=sendonly\n"), Direction::SendOnly, "recvonly"),
        (format!("{C}m=audio 4000 RTP/AVP 0\na=inactive\n"), Direction::Inactive, "inactive"),
        (format!("{C}a=sendonly\nm=audio 4000 RTP/AVP 0\n"), Direction::SendOnly, "recvonly"),
        ("c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\n".into(), Direction::SendOnly, "recvonly"),
        (
            "c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\na=inactive\n".into(),
            Direction::Inactive,
            "inactive",
        ),
        ("c=IN IP6 ::\nm=audio 4000 RTP/AVP 0\n".into(), Direction::SendOnly, "recvonly"),
    ] {
        let (text, negotiated) = answer_to(&rest).unwrap();
        assert!(negotiated.is_held(), "{rest}");
        assert!(!negotiated.direction.sends(), "{rest}");
        assert_eq!(negotiated.remote_direction, direction, "{rest}");
        assert!(text.contains(&format!("a={ours}\r\n")), "{rest} → {text}");
    }
    let heard = agreed(&format!("{C}a=inactive\nm=audio 4000 RTP/AVP 0\na=sendrecv\n"));
    assert!(!heard.is_held(), "the medium's direction counts before the session's");
    let listener = agreed(&format!("{C}m=audio 4000 RTP/AVP 0\na=recvonly\n"));
    assert_eq!(listener.direction, Direction::SendOnly);
}

#[test]
fn addresses_come_from_the_medium_or_the_session() {
    let rest = format!("{C}m=audio 4000 RTP/AVP 0\nc=IN IP4 203.0.113.5\n");
    assert_eq!(agreed(&rest).remote_rtp, "203.0.113.5:4000".parse().ok());
    let rest = "c=IN IP6 2001:db8::1\nm=audio 4000 RTP/AVP 0\na=rtcp:4009\n";
    assert_eq!(agreed(rest).remote_rtp, "[2001:db8::1]:4000".parse().ok());
    assert_eq!(agreed(rest).remote_rtcp, "[2001:db8::1]:4009".parse().ok());
    let rest = format!("{C}m=audio 4000 RTP/AVP 0\na=rtcp:4009 IN IP4 203.0.113.6\n");
    assert_eq!(agreed(&rest).remote_rtcp, "203.0.113.6:4009".parse().ok());
    assert!(agreed("c=IN IP4 10.1.2.3\nm=audio 4000 RTP/AVP 0\n").remote_is_private);
}

#[test]
fn packet_times_stay_sane() {
    let time = |lines: &str| agreed(&format!("{C}m=audio 4000 RTP/AVP 0\n{lines}")).ptime_ms;
    for (lines, expected) in [
        ("a=ptime:30\n", 30),
        ("a=ptime:0\n", 20),
        ("a=ptime:65535\n", 20),
        ("a=ptime:-20\n", 20),
        ("a=ptime:15\n", 20),
        ("a=ptime:20.0\n", 20),
        ("a=ptime:40\na=maxptime:30\n", 30),
        ("a=maxptime:0\n", 20),
        ("a=maxptime:10\n", 10),
        ("a=maxptime:15\n", 10),
        ("a=maxptime:150\n", 20),
    ] {
        assert_eq!(time(lines), expected, "{lines}");
    }
}

#[test]
fn sloppy_descriptions_are_read() {
    // No line end at the end, bare line feeds, blanks, unknown and empty lines, odd attributes.
    for text in [
        format!("v=0\n{C}m=audio 4000 RTP/AVP 0"),
        format!("{C}m=audio 4000 RTP/AVP 0 300 -1 x\na=rtpmap:300 A/1\na=rtpmap:0 PCMU/0\n"),
        format!(
            "v=0\r\nX-what\r\n\r\nz\r\nb=AS:99999999999999999999\r\n{C}m=audio 4000 rtp/avp 0 \r\n"
        ),
        format!("v=0\n{C}m=AUDIO 4000  RTP/AVPF  0\na=fmtp:0\na=rtpmap:\na=ptime\na=rtcp:0\n"),
    ] {
        let result = answer(text.as_bytes(), &local(), &mut Origin::new(1));
        assert_eq!(result.unwrap().1.codec, Codec::Pcmu, "{text}");
    }
    let mut latin1 = sdp(&format!("{C}m=audio 4000 RTP/AVP 0\n"));
    latin1.splice(0..0, b"s=caf\xe9\r\n".iter().copied());
    assert!(answer(&latin1, &local(), &mut Origin::new(1)).is_ok());
}

#[test]
fn lies_get_their_status() {
    let big = "a=x\n".repeat(600);
    let many = "m=audio 1 RTP/AVP 0\n".repeat(17);
    let formats = format!("{C}m=audio 1 RTP/AVP {}\n", "0 ".repeat(65));
    let fmtp = format!("{C}m=audio 1 RTP/AVP 0\na=fmtp:0 {}\n", "x".repeat(100_000));
    for (rest, status) in [
        (format!("{C}m=audio 65536 RTP/AVP 0\n"), 400),
        (format!("{C}m=audio -1 RTP/AVP 0\n"), 400),
        (format!("{C}m=audio +9 RTP/AVP 0\n"), 400),
        (format!("{C}m=audio\n"), 400),
        (format!("{C}m=\u{7}udio 9 RTP/AVP 0\n"), 400),
        ("m=audio 4000 RTP/AVP 0\n".into(), 400),
        ("v=1\n".into(), 400),
        (big, 400),
        (many, 400),
        (formats, 400),
        (fmtp, 400),
        (String::new(), 488),
        (format!("{C}m=audio 0 RTP/AVP 0\n"), 488),
        (format!("{C}m=audio 4000 RTP/AVP 300\n"), 488),
        (format!("{C}m=audio 4000 RTP/AVP\n"), 488),
        (format!("{C}m=audio 4000 RTP/AVP 18\n"), 488),
        (format!("{C}m=audio 4000 RTP/AVP 0\na=rtpmap:0 PCMU/16000\n"), 488),
        (format!("{C}m=audio 4000 UDP/TLS/RTP/SAVPF 0\n"), 488),
        ("c=IN IP4 239.1.1.1/127\nm=audio 4000 RTP/AVP 0\n".into(), 488),
        ("c=IN IP4 255.255.255.255\nm=audio 4000 RTP/AVP 0\n".into(), 488),
        ("c=IN IP6 ff02::1\nm=audio 4000 RTP/AVP 0\n".into(), 488),
        ("c=IN IP6 fe80::1%eth0\nm=audio 4000 RTP/AVP 0\n".into(), 488),
        ("c=IN IP4 media.example.com\nm=audio 4000 RTP/AVP 0\n".into(), 488),
        ("c=IN IP4 1.2.3.4.5\nm=audio 4000 RTP/AVP 0\n".into(), 488),
    ] {
        let mut origin = Origin::new(1);
        let error = answer(&sdp(&rest), &local(), &mut origin).unwrap_err();
        let shown: String = rest.chars().take(60).collect();
        assert_eq!(error.status(), StatusCode::new(status).unwrap(), "{shown}: {error}");
        assert_eq!(origin.version(), 0, "a refused offer changes nothing");
    }
}

#[test]
fn a_refused_or_broken_answer_says_so() {
    let refused = sdp(&format!("{C}m=audio 0 RTP/AVP 0\n"));
    assert_eq!(read_answer(&local(), &refused), Err(SdpError::Rejected));
    assert_eq!(read_answer(&local(), b"v=0\r\n"), Err(SdpError::NoAudio));
    assert_eq!(read_answer(&local(), b""), Err(SdpError::NoAudio));
    let foreign = sdp(&format!("{C}m=audio 9 RTP/AVP 18\na=rtpmap:18 G729/8000\n"));
    let error = read_answer(&local(), &foreign).unwrap_err();
    assert_eq!(error.to_string(), "no codec in common; the peer has 18 G729");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = answer(&bytes, &local(), &mut Origin::new(1));
        let _ = read_answer(&local(), &bytes);
    }

    #[test]
    fn no_line_makes_it_panic_and_answers_are_readable(
        lines in proptest::collection::vec("[vosctmabk]=[a-z0-9 :/*.-]{0,40}", 0..12),
        audio in "m=audio [0-9]{1,5} RTP/AVP( [0-9]{1,3}){0,6}",
        attributes in proptest::collection::vec(
            "a=(rtpmap|fmtp|ptime|maxptime|rtcp|sendonly|inactive):?[0-9]{0,6} ?[a-zA-Z/0-9-]{0,20}",
            0..12,
        ),
    ) {
        let text = format!("{}\n{C}{audio}\n{}", lines.join("\n"), attributes.join("\n"));
        if let Ok((text, negotiated)) = answer(text.as_bytes(), &local(), &mut Origin::new(1)) {
            let read = SessionDescription::parse(text.as_bytes()).unwrap();
            prop_assert!(read.media.iter().any(|m| m.port == 40_000));
            prop_assert!(negotiated.ptime_ms >= 10 && negotiated.ptime_ms <= 60);
            prop_assert_ne!(negotiated.remote_rtp.map(|a| a.port()), Some(0));
        }
    }
}
