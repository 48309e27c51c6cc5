//! Offer and answer for one audio stream (RFC 3264).

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

use super::{Address, Codec, Direction, Media, SdpError, SessionDescription, unicast};

/// Clock rate of the telephone-events that go with our codecs, in Hz.
const EVENT_CLOCK_HZ: u32 = 8_000;
/// Characters of the peer's list of codecs that an error repeats.
const MAX_LISTED: usize = 80;

/// What we have to offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAudio {
    /// Where we receive media: an address that the peer can reach.
    pub addr: IpAddr,
    /// The port of RTP, even; RTCP comes to the next one.
    pub rtp_port: u16,
    /// The codecs we can, the preferred one first. Not empty.
    pub codecs: Vec<Codec>,
    /// The payload type that we propose for telephone-events (96 to 127, by custom 101); `None`
    /// to do without.
    pub telephone_event: Option<u8>,
    /// Milliseconds of sound in one packet, as we would like to get them.
    pub ptime_ms: u16,
    /// Which way we want media to flow.
    pub direction: Direction,
}

/// The `o=` line of our descriptions in one session. Its version counts those that differ from
/// the one before (RFC 3264 §8).
#[derive(Clone, Debug)]
pub struct Origin {
    session_id: u64,
    version: u64,
    last: String,
}

impl Origin {
    /// For a new session. `session_id` is any number; RFC 8866 §5.2 wants it to be unique.
    pub fn new(session_id: u64) -> Self {
        // Some peers read both numbers as signed, 64 bits at best.
        let session_id = session_id >> 1;
        Self { session_id, version: 0, last: String::new() }
    }

    /// The version of the last description.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Puts the lines before and behind `o=` together.
    fn describe(&mut self, addr: IpAddr, rest: String) -> String {
        if rest != self.last {
            self.version += 1;
            self.last = rest;
        }
        let (family, id, version) = (family(addr), self.session_id, self.version);
        format!("v=0\r\no=- {id} {version} IN {family} {addr}\r\n{}", self.last)
    }
}

/// What was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Where to send RTP; `None` if the peer has no address to send to (hold by `c=0.0.0.0`).
    pub remote_rtp: Option<SocketAddr>,
    /// Where to send RTCP.
    pub remote_rtcp: Option<SocketAddr>,
    /// What to send.
    pub codec: Codec,
    /// The payload type to send it with.
    pub payload_type: u8,
    /// Every codec that the peer may send, with its payload type; it may change in mid-stream.
    pub receive: Vec<(u8, Codec)>,
    /// The payload type to send telephone-events with; `None` if the peer takes none.
    pub telephone_event: Option<u8>,
    /// The payload type with which telephone-events come in.
    pub receive_telephone_event: Option<u8>,
    /// Milliseconds of sound in each packet that we send.
    pub ptime_ms: u16,
    /// Which way media flows, seen from us.
    pub direction: Direction,
    /// The same as the peer wrote it, seen from the peer.
    pub remote_direction: Direction,
    /// The peer's address is private, or not the one it signals from for all we know: expect its
    /// packets from elsewhere (symmetric RTP).
    pub remote_is_private: bool,
}

impl Negotiated {
    /// True if the peer does not want to hear us.
    pub fn is_held(&self) -> bool {
        !self.remote_direction.receives() || self.remote_rtp.is_none()
    }
}

/// Our offer.
pub fn offer(local: &LocalAudio, origin: &mut Origin) -> String {
    let mut formats: Vec<(u8, Codec)> = Vec::new();
    for codec in &local.codecs {
        formats.push((codec.static_payload_type(), *codec));
    }
    let mut text = head(local.addr);
    audio(&mut text, local, "RTP/AVP", &formats, local.telephone_event, local.direction);
    origin.describe(local.addr, text)
}

/// Reads an offer and makes our answer: the first audio stream over RTP that we can, with the
/// payload types of the offer; all others are refused with port 0 (RFC 3264 §6). The codec is
/// the one that we prefer among those of the offer.
///
/// # Errors
/// [`SdpError::status`] says how to answer the request then.
pub fn answer(
    offer: &[u8],
    local: &LocalAudio,
    origin: &mut Origin,
) -> Result<(String, Negotiated), SdpError> {
    let session = SessionDescription::parse(offer)?;
    let mut chosen: Option<(usize, Negotiated)> = None;
    let mut failure = SdpError::NoAudio;
    for (index, media) in session.media.iter().enumerate() {
        if !is_audio(media) || media.port == 0 {
            continue;
        }
        match agree(&session, media, local, Role::Answerer) {
            Ok(negotiated) => {
                chosen = Some((index, negotiated));
                break;
            }
            Err(error) => failure = error,
        }
    }
    let Some((index, negotiated)) = chosen else { return Err(failure) };
    let mut text = head(local.addr);
    for (at, media) in session.media.iter().enumerate() {
        if at == index {
            audio(
                &mut text,
                local,
                &media.protocol,
                &negotiated.receive,
                negotiated.telephone_event,
                negotiated.direction,
            );
        } else {
            let formats =
                if media.formats.is_empty() { "0".to_owned() } else { media.formats.join(" ") };
            let _ = write!(text, "m={} 0 {} {formats}\r\n", media.kind, media.protocol);
        }
    }
    Ok((origin.describe(local.addr, text), negotiated))
}

/// Reads the answer to the offer that was made from `local`.
///
/// # Errors
/// If the peer refused the stream, or its answer cannot be used: the call must be ended then.
pub fn read_answer(local: &LocalAudio, answer: &[u8]) -> Result<Negotiated, SdpError> {
    let session = SessionDescription::parse(answer)?;
    // We offer one medium, so the answer's first is the one (§6).
    let media = session.media.first().ok_or(SdpError::NoAudio)?;
    if !is_audio(media) {
        return Err(SdpError::NoAudio);
    }
    if media.port == 0 {
        return Err(SdpError::Rejected);
    }
    agree(&session, media, local, Role::Offerer)
}

/// Who we are in this exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Offerer,
    Answerer,
}

fn agree(
    session: &SessionDescription,
    media: &Media,
    local: &LocalAudio,
    role: Role,
) -> Result<Negotiated, SdpError> {
    let theirs: Vec<(u8, Codec)> = media
        .payload_types()
        .filter_map(|pt| media.codec(pt).map(|codec| (pt, codec)))
        .filter(|(_, codec)| local.codecs.contains(codec))
        .collect();
    let preferred = match role {
        // The answerer's order tells what it would like to get (§6.1); ours counts in our answer.
        Role::Offerer => theirs.first(),
        Role::Answerer => {
            local.codecs.iter().find_map(|codec| theirs.iter().find(|(_, c)| c == codec))
        }
    };
    let Some(&(payload_type, codec)) = preferred else {
        return Err(SdpError::NoCodec { offered: listed(media) });
    };
    let receive = match role {
        Role::Offerer => local
            .codecs
            .iter()
            .filter(|codec| theirs.iter().any(|(_, c)| c == *codec))
            .map(|codec| (codec.static_payload_type(), *codec))
            .collect(),
        Role::Answerer => {
            let mut mine = vec![(payload_type, codec)];
            for (pt, other) in &theirs {
                if !mine.iter().any(|(_, c)| c == other) {
                    mine.push((*pt, *other));
                }
            }
            mine
        }
    };
    let telephone_event = local.telephone_event.and_then(|_| media.telephone_event(EVENT_CLOCK_HZ));
    let receive_telephone_event = match role {
        Role::Offerer => telephone_event.and(local.telephone_event),
        Role::Answerer => telephone_event,
    };
    let connection = media.connection.as_ref().or(session.connection.as_ref());
    let ip = match connection {
        None => return Err(SdpError::NoAddress),
        Some(Address::Name(name)) => return Err(SdpError::BadAddress { address: name.clone() }),
        Some(Address::Ip(ip)) => *ip,
    };
    let written = media.direction.or(session.direction).unwrap_or(Direction::SendRecv);
    // RFC 2543 hold: an unspecified address means "do not send" (RFC 3264 §8.4).
    let no_address = ip.to_canonical().is_unspecified();
    let remote_direction =
        if no_address { Direction::from_flows(written.sends(), false) } else { written };
    let (remote_rtp, remote_rtcp) = if no_address {
        (None, None)
    } else {
        let rtp = unicast(ip, media.port)?;
        (Some(rtp), rtcp_of(media, rtp))
    };
    let direction = Direction::from_flows(
        local.direction.sends() && remote_direction.receives(),
        local.direction.receives() && remote_direction.sends(),
    );
    let longest = media.maxptime_ms.unwrap_or(u16::MAX);
    let wanted = media.ptime_ms.unwrap_or(local.ptime_ms);
    let ptime_ms = wanted.min(longest - longest % super::MIN_PTIME_MS).max(super::MIN_PTIME_MS);
    Ok(Negotiated {
        remote_rtp,
        remote_rtcp,
        codec,
        payload_type,
        receive,
        telephone_event,
        receive_telephone_event,
        ptime_ms,
        direction,
        remote_direction,
        remote_is_private: is_private(ip),
    })
}

/// RTP without encryption; the profile with feedback differs only in what RTCP may say, and
/// peers that offer it take RTP/AVP's rules (RFC 4585 §3).
fn is_audio(media: &Media) -> bool {
    media.kind.eq_ignore_ascii_case("audio")
        && (media.protocol.eq_ignore_ascii_case("RTP/AVP")
            || media.protocol.eq_ignore_ascii_case("RTP/AVPF"))
}

/// RFC 3605, else the next port (RFC 3550 §11). A lie there costs only the reports.
fn rtcp_of(media: &Media, rtp: SocketAddr) -> Option<SocketAddr> {
    match media.rtcp {
        Some((port, ip)) => unicast(ip.unwrap_or(rtp.ip()), port).ok(),
        None => rtp.port().checked_add(1).and_then(|port| unicast(rtp.ip(), port).ok()),
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            // RFC 6598: addresses behind a carrier's NAT.
            ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn listed(media: &Media) -> String {
    let mut text = media.formats.join(" ");
    for map in &media.rtpmaps {
        let _ = write!(text, " {}", map.encoding);
    }
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(MAX_LISTED).collect()
}

fn family(addr: IpAddr) -> &'static str {
    match addr {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    }
}

fn head(addr: IpAddr) -> String {
    format!("s=-\r\nc=IN {} {addr}\r\nt=0 0\r\n", family(addr))
}

fn audio(
    text: &mut String,
    local: &LocalAudio,
    protocol: &str,
    formats: &[(u8, Codec)],
    telephone_event: Option<u8>,
    direction: Direction,
) {
    // Writing to a String cannot fail.
    let _ = write!(text, "m=audio {} {protocol}", local.rtp_port);
    for pt in formats.iter().map(|(pt, _)| *pt).chain(telephone_event) {
        let _ = write!(text, " {pt}");
    }
    text.push_str("\r\n");
    for (pt, codec) in formats {
        let (name, rate) = (codec.encoding_name(), codec.clock_rate_hz());
        let _ = write!(text, "a=rtpmap:{pt} {name}/{rate}\r\n");
    }
    if let Some(pt) = telephone_event {
        let _ = write!(text, "a=rtpmap:{pt} telephone-event/{EVENT_CLOCK_HZ}\r\n");
        let _ = write!(text, "a=fmtp:{pt} 0-15\r\n");
    }
    let _ = write!(text, "a=ptime:{}\r\na={}\r\n", local.ptime_ms, direction.as_str());
}
