//! Reading a description. Lines that we do not need are passed over, and so are attributes that
//! are malformed; only `m=` lines must be right, as the answer has to repeat them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Codec, Direction, MAX_FORMATS, MAX_LINES, MAX_MEDIA, MAX_PTIME_MS, MAX_SDP, MIN_PTIME_MS,
    SdpError,
};

/// Bytes of a text that we keep: formats, protocols, names.
const MAX_TEXT: usize = 64;

/// What a call needs of a description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionDescription {
    /// `c=` before the first medium.
    pub connection: Option<Address>,
    /// Direction before the first medium.
    pub direction: Option<Direction>,
    /// Media in their order.
    pub media: Vec<Media>,
}

/// What stands in a `c=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address.
    Ip(IpAddr),
    /// A host name, or an address family that we do not know.
    Name(String),
}

/// One `m=` line and its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, `image`, …
    pub kind: String,
    /// Port; 0 for a medium that is switched off.
    pub port: u16,
    /// `RTP/AVP`, …
    pub protocol: String,
    /// Formats as written; payload types for RTP.
    pub formats: Vec<String>,
    /// `c=` of the medium.
    pub connection: Option<Address>,
    /// Direction of the medium.
    pub direction: Option<Direction>,
    /// `a=rtpmap`
    pub rtpmaps: Vec<RtpMap>,
    /// `a=fmtp`: payload type and the text behind it.
    pub fmtps: Vec<(u8, String)>,
    /// `a=ptime` in milliseconds, if it is one that we can send.
    pub ptime_ms: Option<u16>,
    /// `a=maxptime` in milliseconds, if it allows any packet at all.
    pub maxptime_ms: Option<u16>,
    /// `a=rtcp` (RFC 3605): port and, if written, address.
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// `a=rtcp-mux` (RFC 5761)
    pub rtcp_mux: bool,
}

/// One `a=rtpmap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Encoding name as written.
    pub encoding: String,
    /// Clock rate in Hz, not 0.
    pub clock_rate_hz: u32,
    /// Channels, not 0.
    pub channels: u8,
}

impl SessionDescription {
    /// Reads a description. A missing line end at the end, bare line feeds, unknown lines and
    /// malformed attributes do no harm.
    ///
    /// # Errors
    /// If an `m=` line is malformed, the version is not 0, or a limit of this module is exceeded.
    pub fn parse(bytes: &[u8]) -> Result<Self, SdpError> {
        if bytes.len() > MAX_SDP {
            return Err(SdpError::TooLarge { limit: MAX_SDP, of: "bytes" });
        }
        let mut session = Self::default();
        for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if index >= MAX_LINES {
                return Err(SdpError::TooLarge { limit: MAX_LINES, of: "lines" });
            }
            let line = String::from_utf8_lossy(line);
            let Some((kind, value)) = line.trim().split_once('=') else { continue };
            let value = value.trim();
            match kind {
                "v" if value != "0" => {
                    return Err(SdpError::Malformed { line: index + 1, what: "version is not 0" });
                }
                "m" => {
                    if session.media.len() >= MAX_MEDIA {
                        return Err(SdpError::TooLarge { limit: MAX_MEDIA, of: "media" });
                    }
                    session.media.push(Media::parse(value, index + 1)?);
                }
                "c" => {
                    let address = connection(value);
                    match session.media.last_mut() {
                        // The first of several is the one for the first layer.
                        Some(media) => media.connection = media.connection.take().or(address),
                        None => session.connection = session.connection.take().or(address),
                    }
                }
                "a" => match session.media.last_mut() {
                    Some(media) => media.attribute(value),
                    None => session.direction = direction(value).or(session.direction),
                },
                _ => {}
            }
        }
        Ok(session)
    }
}

impl Media {
    fn parse(value: &str, line: usize) -> Result<Self, SdpError> {
        let bad = |what| SdpError::Malformed { line, what };
        let mut words = value.split_ascii_whitespace();
        let (Some(kind), Some(port), Some(protocol)) = (words.next(), words.next(), words.next())
        else {
            return Err(bad("m= needs a medium, a port, a protocol and formats"));
        };
        let port = port.split_once('/').map_or(port, |(port, _count)| port);
        if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad("the port is not a number"));
        }
        let port = port.parse().map_err(|_| bad("the port is above 65535"))?;
        let mut formats = Vec::new();
        for format in words {
            if formats.len() >= MAX_FORMATS {
                return Err(SdpError::TooLarge { limit: MAX_FORMATS, of: "formats" });
            }
            formats.push(format.to_owned());
        }
        // The answer repeats these words.
        if [kind, protocol].into_iter().chain(formats.iter().map(String::as_str)).any(is_odd) {
            return Err(bad("m= holds bytes that stand in no token"));
        }
        Ok(Self {
            kind: kind.to_owned(),
            port,
            protocol: protocol.to_owned(),
            formats,
            connection: None,
            direction: None,
            rtpmaps: Vec::new(),
            fmtps: Vec::new(),
            ptime_ms: None,
            maxptime_ms: None,
            rtcp: None,
            rtcp_mux: false,
        })
    }

    fn attribute(&mut self, value: &str) {
        if let Some(direction) = direction(value) {
            self.direction = Some(direction);
            return;
        }
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        let value = value.trim();
        match name {
            "rtpmap" if self.rtpmaps.len() < MAX_FORMATS => self.rtpmaps.extend(rtpmap(value)),
            "fmtp" if self.fmtps.len() < MAX_FORMATS => {
                let (payload_type, text) = value.split_once(' ').unwrap_or((value, ""));
                if let Some(payload_type) = payload_type_of(payload_type) {
                    self.fmtps.push((payload_type, text.trim().to_owned()));
                }
            }
            // Some write "20.0" or "20 ".
            "ptime" => self.ptime_ms = millis(value).filter(is_usable_ptime),
            "maxptime" => self.maxptime_ms = millis(value).filter(|ms| *ms >= MIN_PTIME_MS),
            "rtcp" => self.rtcp = rtcp(value),
            "rtcp-mux" => self.rtcp_mux = true,
            _ => {}
        }
    }

    /// The formats that are payload types, in their order; others are left out.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats.iter().filter_map(|format| payload_type_of(format))
    }

    /// What the payload type is, if it is a codec that we know. A static type needs no rtpmap
    /// (RFC 3551 §6); an rtpmap counts before it.
    pub fn codec(&self, payload_type: u8) -> Option<Codec> {
        match self.rtpmap(payload_type) {
            Some(map) => Codec::ALL.into_iter().find(|codec| {
                map.encoding.eq_ignore_ascii_case(codec.encoding_name())
                    && map.clock_rate_hz == codec.clock_rate_hz()
                    && map.channels == 1
            }),
            None => {
                Codec::ALL.into_iter().find(|codec| codec.static_payload_type() == payload_type)
            }
        }
    }

    /// The payload type of telephone-events (RFC 4733) at that clock rate.
    pub fn telephone_event(&self, clock_rate_hz: u32) -> Option<u8> {
        self.payload_types().find(|payload_type| {
            self.rtpmap(*payload_type).is_some_and(|map| {
                map.encoding.eq_ignore_ascii_case("telephone-event")
                    && map.clock_rate_hz == clock_rate_hz
            })
        })
    }

    /// True if the peer takes that event (0 to 15 are the keys): `a=fmtp:101 0-15,32`. Without
    /// an fmtp, or with one that cannot be read, the keys are taken (RFC 4733 §2.4.1).
    pub fn takes_event(&self, payload_type: u8, event: u8) -> bool {
        let Some((_, text)) = self.fmtps.iter().find(|(pt, _)| *pt == payload_type) else {
            return event <= 15;
        };
        let text = text.strip_prefix("events=").unwrap_or(text);
        let mut readable = false;
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(first), Ok(last)) = (first.trim().parse::<u8>(), last.trim().parse::<u8>()) {
                readable = true;
                if (first..=last).contains(&event) {
                    return true;
                }
            }
        }
        !readable && event <= 15
    }

    fn rtpmap(&self, payload_type: u8) -> Option<&RtpMap> {
        self.rtpmaps.iter().find(|map| map.payload_type == payload_type)
    }
}

fn is_odd(word: &str) -> bool {
    word.len() > MAX_TEXT || !word.bytes().all(|b| b.is_ascii_graphic())
}

fn is_usable_ptime(ms: &u16) -> bool {
    (MIN_PTIME_MS..=MAX_PTIME_MS).contains(ms) && ms.is_multiple_of(MIN_PTIME_MS)
}

fn payload_type_of(text: &str) -> Option<u8> {
    text.parse().ok().filter(|pt| *pt < 128)
}

fn millis(text: &str) -> Option<u16> {
    let whole = text.split('.').next().unwrap_or(text);
    whole.parse().ok()
}

fn direction(value: &str) -> Option<Direction> {
    match value {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    }
}

fn rtpmap(value: &str) -> Option<RtpMap> {
    let (payload_type, encoding) = value.split_once(' ')?;
    let mut parts = encoding.trim().split('/');
    let encoding = parts.next().filter(|name| !name.is_empty() && name.len() <= MAX_TEXT)?;
    let clock_rate_hz = parts.next()?.parse().ok().filter(|rate| *rate > 0)?;
    let channels = match parts.next() {
        None => 1,
        Some(channels) => channels.parse().ok().filter(|n| *n > 0)?,
    };
    let payload_type = payload_type_of(payload_type)?;
    Some(RtpMap { payload_type, encoding: encoding.to_owned(), clock_rate_hz, channels })
}

fn rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse().ok().filter(|port| *port > 0)?;
    let address = words.nth(2).and_then(|text| text.parse().ok());
    Some((port, address))
}

/// `IN IP4 192.0.2.1`, with `/ttl` and a count behind a multicast address. A zone in an IPv6
/// address means nothing on this host, so that it makes the address a mere name.
fn connection(value: &str) -> Option<Address> {
    let mut words = value.split_ascii_whitespace();
    let (_net, kind, address) = (words.next()?, words.next()?, words.next()?);
    let bare = address.split_once('/').map_or(address, |(address, _)| address);
    let ip = match kind.to_ascii_uppercase().as_str() {
        "IP4" => bare.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
        "IP6" => bare.trim_matches(['[', ']']).parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
        _ => None,
    };
    Some(match ip {
        Some(ip) => Address::Ip(ip),
        None => Address::Name(bare.chars().take(MAX_TEXT).collect()),
    })
}
