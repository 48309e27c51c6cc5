//! What offer and answer say, put into what a media stream needs.

use std::net::{IpAddr, SocketAddr};

use phoneai_media::{codec, rtp::PayloadType, socket};
use phoneai_sip::sdp::{self, LocalAudio, Origin, SdpError};

/// The payload type that we propose for telephone-events; 101 by custom.
const TELEPHONE_EVENT: u8 = 101;

/// One call's side of offer and answer (RFC 3264).
#[derive(Debug)]
pub struct Agreement {
    local: LocalAudio,
    origin: Origin,
}

/// What was agreed on, for the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// How to send and to listen; `None` if the peer named no address to send to.
    pub media: Option<socket::Negotiated>,
    /// In which directions audio flows.
    pub direction: socket::Direction,
    /// For the log: codec, telephone-events, address.
    pub summary: String,
}

impl Agreement {
    /// Audio that is received on `addr` and `rtp_port`; `session_id` is any number that no other
    /// call of ours has.
    pub fn new(addr: IpAddr, rtp_port: u16, session_id: u64) -> Self {
        let local = LocalAudio {
            addr,
            rtp_port,
            codecs: sdp::Codec::ALL.to_vec(),
            telephone_event: Some(TELEPHONE_EVENT),
            ptime_ms: 20,
            direction: sdp::Direction::SendRecv,
        };
        Self { local, origin: Origin::new(session_id) }
    }

    /// Our offer.
    pub fn offer(&mut self) -> String {
        sdp::offer(&self.local, &mut self.origin)
    }

    /// Reads the answer to our offer. `signalling` is where the peer's SIP comes from.
    pub fn read_answer(&self, answer: &[u8], signalling: IpAddr) -> Result<Agreed, SdpError> {
        sdp::read_answer(&self.local, answer).map(|negotiated| agreed(&negotiated, signalling))
    }

    /// Answers the peer's offer.
    pub fn answer(
        &mut self,
        offer: &[u8],
        signalling: IpAddr,
    ) -> Result<(String, Agreed), SdpError> {
        let (text, negotiated) = sdp::answer(offer, &self.local, &mut self.origin)?;
        Ok((text, agreed(&negotiated, signalling)))
    }
}

fn agreed(negotiated: &sdp::Negotiated, signalling: IpAddr) -> Agreed {
    let media = negotiated.remote_rtp.map(|remote| media(negotiated, remote, signalling));
    let events = match negotiated.telephone_event {
        Some(payload_type) => format!("telephone-event as {payload_type}"),
        None => "no telephone-event: keys go as tones in the audio".to_owned(),
    };
    let to = match negotiated.remote_rtp {
        Some(remote) => remote.to_string(),
        None => "no address".to_owned(),
    };
    Agreed {
        media,
        direction: direction(negotiated.direction),
        summary: format!("{} to {to}, {events}", negotiated.codec.encoding_name()),
    }
}

fn media(
    negotiated: &sdp::Negotiated,
    remote: SocketAddr,
    signalling: IpAddr,
) -> socket::Negotiated {
    let codec = match negotiated.codec {
        sdp::Codec::Pcmu => codec::Codec::Pcmu,
        sdp::Codec::Pcma => codec::Codec::Pcma,
    };
    let usual = socket::Negotiated::new(remote, codec);
    let received = negotiated.receive.iter().find(|(_, codec)| *codec == negotiated.codec);
    socket::Negotiated {
        signalling_host: Some(signalling),
        payload_type: PayloadType::try_new(negotiated.payload_type).unwrap_or(usual.payload_type),
        receive_payload_type: received
            .and_then(|(payload_type, _)| PayloadType::try_new(*payload_type))
            .unwrap_or(usual.receive_payload_type),
        telephone_event: negotiated.telephone_event.and_then(PayloadType::try_new),
        receive_telephone_event: negotiated.receive_telephone_event.and_then(PayloadType::try_new),
        ptime_ms: negotiated.ptime_ms.into(),
        ..usual
    }
}

fn direction(direction: sdp::Direction) -> socket::Direction {
    match direction {
        sdp::Direction::SendRecv => socket::Direction::SendReceive,
        sdp::Direction::SendOnly => socket::Direction::SendOnly,
        sdp::Direction::RecvOnly => socket::Direction::ReceiveOnly,
        sdp::Direction::Inactive => socket::Direction::Inactive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNALLING: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn agreement() -> Agreement {
        Agreement::new(IpAddr::from([192, 0, 2, 9]), 20_000, 7)
    }

    #[test]
    fn an_answer_with_only_static_types_and_events_as_101_is_understood() {
        let mut ours = agreement();
        assert!(ours.offer().contains("m=audio 20000 RTP/AVP 0 8 101\r\n"));
        let answer = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\n\
                      t=0 0\r\nm=audio 19580 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n\
                      a=fmtp:101 0-15\r\na=maxptime:20\r\n";
        let agreed = ours.read_answer(answer.as_bytes(), SIGNALLING).expect("an answer");
        let media = agreed.media.expect("an address");
        assert_eq!(media.remote, SocketAddr::from(([198, 51, 100, 7], 19_580)));
        assert_eq!(media.codec, codec::Codec::Pcmu);
        assert_eq!(media.telephone_event, PayloadType::try_new(101));
        assert_eq!(agreed.direction, socket::Direction::SendReceive);
    }

    #[test]
    fn hold_is_answered_and_stops_our_sound() {
        let offer = "v=0\r\no=- 1 2 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\n\
                     t=0 0\r\nm=audio 19580 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\n\
                     a=sendonly\r\n";
        let (text, agreed) = agreement().answer(offer.as_bytes(), SIGNALLING).expect("an answer");
        assert!(text.contains("a=recvonly\r\n"));
        let media = agreed.media.expect("an address");
        assert_eq!(media.codec, codec::Codec::Pcma);
        assert_eq!(media.telephone_event, PayloadType::try_new(96));
        assert_eq!(agreed.direction, socket::Direction::ReceiveOnly);
    }
}
