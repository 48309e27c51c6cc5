//! Session descriptions as a carrier's gateway writes them, and what they mean for the media.

use std::net::IpAddr;

use phoneai_media::{
    codec::Codec,
    peer::Learn,
    rtp::PayloadType,
    stream::{Direction, Negotiated},
};
use phoneai_sip::sdp;

/// The payload type that we propose for telephone-events.
const TELEPHONE_EVENT: u8 = 101;

/// What a call can do whose stream listens there.
pub(super) fn local_audio(addr: IpAddr, rtp_port: u16) -> sdp::LocalAudio {
    sdp::LocalAudio {
        addr,
        rtp_port,
        codecs: sdp::Codec::ALL.to_vec(),
        telephone_event: Some(TELEPHONE_EVENT),
        ptime_ms: 20,
        direction: sdp::Direction::SendRecv,
    }
}

/// The same description as terse as gateways of carriers write it: no `rtpmap` for a codec whose
/// payload type is static, no flash among the events, `maxptime` in the place of `ptime`, no
/// direction when it is the usual one. Who calls through a trunk has to cope.
pub(super) fn terse(description: &str) -> String {
    let mut out = String::with_capacity(description.len());
    for line in description.lines() {
        match line {
            "a=sendrecv" => {}
            line if line.starts_with("a=rtpmap:0 ") => {}
            line if line.starts_with("a=rtpmap:8 ") => {}
            line if line.starts_with("a=ptime:") => out.push_str("a=maxptime:20\r\n"),
            line => {
                let line = match line.strip_suffix(" 0-16") {
                    Some(start) if line.starts_with("a=fmtp:") => format!("{start} 0-15\r\n"),
                    Some(_) | None => format!("{line}\r\n"),
                };
                out.push_str(&line);
            }
        }
    }
    out
}

/// What was agreed on, in the words of the media; `None` if the peer has no address to send to, or
/// a number in it is none.
pub(super) fn agreed(negotiated: &sdp::Negotiated, signalling: IpAddr) -> Option<Negotiated> {
    let receive = negotiated.receive.iter().find(|(_, codec)| *codec == negotiated.codec);
    let payload_type = PayloadType::try_new(negotiated.payload_type)?;
    Some(Negotiated {
        remote: negotiated.remote_rtp?,
        signalling_host: Some(signalling),
        learn: Learn::SignalledHosts,
        codec: match negotiated.codec {
            sdp::Codec::Pcmu => Codec::Pcmu,
            sdp::Codec::Pcma => Codec::Pcma,
        },
        payload_type,
        receive_payload_type: receive
            .and_then(|(number, _)| PayloadType::try_new(*number))
            .unwrap_or(payload_type),
        telephone_event: negotiated.telephone_event.and_then(PayloadType::try_new),
        receive_telephone_event: negotiated.receive_telephone_event.and_then(PayloadType::try_new),
        ptime_ms: negotiated.ptime_ms.into(),
    })
}

/// The direction in the words of the media.
pub(super) fn direction(direction: sdp::Direction) -> Direction {
    match direction {
        sdp::Direction::SendRecv => Direction::SendReceive,
        sdp::Direction::SendOnly => Direction::SendOnly,
        sdp::Direction::RecvOnly => Direction::ReceiveOnly,
        sdp::Direction::Inactive => Direction::Inactive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terse_answer_still_says_all_that_is_needed() {
        let addr = IpAddr::from([127, 0, 0, 1]);
        let mut origin = sdp::Origin::new(1);
        let offer = sdp::offer(&local_audio(addr, 4000), &mut origin);
        let local = local_audio(addr, 6000);
        let mut origin = sdp::Origin::new(2);
        let (answer, _) = sdp::answer(offer.as_bytes(), &local, &mut origin).unwrap();
        let answer = terse(&answer);
        for absent in ["rtpmap:0", "a=ptime", "sendrecv", "0-16"] {
            assert!(!answer.contains(absent), "{absent}: {answer}");
        }
        let caller = local_audio(addr, 4000);
        let read = sdp::read_answer(&caller, answer.as_bytes()).unwrap();
        assert_eq!(read.codec, sdp::Codec::Pcmu);
        assert_eq!(read.telephone_event, Some(TELEPHONE_EVENT));
        let media = agreed(&read, addr).unwrap();
        assert_eq!(media.remote.port(), 6000);
        assert_eq!(media.codec, Codec::Pcmu);
    }
}
