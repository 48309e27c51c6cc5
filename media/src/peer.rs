//! Who may send us audio, and where ours goes: symmetric RTP (RFC 4961) that strangers cannot turn.
//!
//! Behind a NAT the address in SDP is not the one that packets come from, so the true one is learned
//! from the first packets. Whoever learns carelessly sends the call to any stranger who throws RTP
//! at the port ("RTP bleed"). The rules here:
//!
//! * A packet from the signalled address settles it at once.
//! * From the host that signalled (SDP's or the one that SIP comes from) another port is believed
//!   after [`PROVING_TIME`] of packets that run as fast as their timestamps say: a flood never is.
//! * From any other host likewise, but only if SDP names an address that cannot be reached from
//!   outside, or if [`Learn::AnyHost`] was chosen.
//! * Then source and SSRC are frozen. The signalled address itself may still take over within
//!   [`SETTLING_TIME`]; anything else only after a new SDP or [`SILENCE_BEFORE_RELEARNING`].
//!
//! RTCP has no say in any of this.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use crate::{
    SAMPLES_PER_MS,
    rtp::{Header, RtpTimestamp, SequenceNumber, Ssrc},
};

/// How long a source that was not signalled must send before it is believed. Long enough to show
/// its pace, short enough not to lose a greeting.
pub const PROVING_TIME: Duration = Duration::from_millis(200);

/// Packets that such a source must send at least, in an unbroken row.
pub const PROVING_PACKETS: u32 = 5;

/// How long after SDP the signalled address may still take over from a learned one.
pub const SETTLING_TIME: Duration = Duration::from_secs(3);

/// Silence of the known source after which another may be learned.
pub const SILENCE_BEFORE_RELEARNING: Duration = Duration::from_secs(3);

/// Packets in a row with a new SSRC, from the known source, after which it is believed …
pub const SSRC_SWITCH_PACKETS: u32 = 3;

/// … if the old SSRC has been silent as long: a live stream cannot be taken over by forging its
/// source address.
pub const SSRC_SWITCH_SILENCE: Duration = Duration::from_millis(50);

/// From which hosts a source may be learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Learn {
    /// From the hosts that signalled, and from any if SDP's address is private or otherwise
    /// unreachable.
    #[default]
    SignalledHosts,
    /// From any host, for carriers whose media come from elsewhere than they say.
    AnyHost,
}

/// What signalling says about the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Address and port of SDP. Nothing is sent to port 0 or an unspecified address (a hold of
    /// RFC 2543).
    pub media: SocketAddr,
    /// Where the peer's SIP comes from, if known: behind a NAT, its media come from there too.
    pub signalling_host: Option<IpAddr>,
    /// From which hosts a source may be learned.
    pub learn: Learn,
}

/// What is to be done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// From the peer.
    Accepted,
    /// From the peer, and the first of its SSRC: timestamps and numbers start anew.
    AcceptedNew,
    /// From the peer's address, but not yet believed; dropped.
    Proving,
    /// From a stranger, or before anything was signalled; dropped.
    Stranger,
}

/// The rules for one stream. Owned by it.
#[derive(Debug, Default)]
pub struct Peer {
    remote: Option<Remote>,
    remote_since: Option<Instant>,
    known: Option<Known>,
    candidate: Option<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    source: SocketAddr,
    ssrc: Ssrc,
    last_packet: Instant,
}

/// A source, or an SSRC of the known source, that is being proved.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: Ssrc,
    trust: Trust,
    first_packet: Instant,
    first_timestamp: RtpTimestamp,
    last_packet: Instant,
    sequence: SequenceNumber,
    packets: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    UnsignalledHost,
    SignalledHost,
    Signalled,
}

impl Peer {
    /// Takes what new SDP says. If the address is the old one, what was learned stays.
    pub fn set_remote(&mut self, now: Instant, remote: Remote) {
        let moved = self.remote.is_none_or(|old| old.media != remote.media);
        self.remote = Some(remote);
        if moved {
            self.remote_since = Some(now);
            self.candidate = None;
            // An SDP that names what we learned already only confirms it.
            self.known = self.known.filter(|known| known.source == remote.media);
        }
    }

    /// Where audio goes: to the source that was learned, before that to the signalled address.
    pub fn destination(&self) -> Option<SocketAddr> {
        let to = self.known.map(|k| k.source).or(self.remote.map(|r| r.media))?;
        (to.port() != 0 && !to.ip().is_unspecified()).then_some(to)
    }

    /// The source that was learned.
    pub fn source(&self) -> Option<SocketAddr> {
        self.known.map(|k| k.source)
    }

    /// The SSRC that was learned.
    pub fn ssrc(&self) -> Option<Ssrc> {
        self.known.map(|k| k.ssrc)
    }

    /// Whether an RTCP packet from there is to be read: from the host of the peer.
    pub fn admits_rtcp_from(&self, source: SocketAddr) -> bool {
        let of_known = self.known.is_some_and(|k| k.source.ip() == source.ip());
        let signalled = self.remote.is_some_and(|r| r.media.ip() == source.ip());
        of_known || signalled
    }

    /// Decides about an RTP packet.
    pub fn admit(&mut self, now: Instant, source: SocketAddr, header: &Header) -> Admission {
        let Some(remote) = self.remote else { return Admission::Stranger };
        match self.known {
            Some(known) if known.source == source => self.admit_from_known(now, known, header),
            Some(known) => {
                let silent = now.saturating_duration_since(known.last_packet);
                let settling = self
                    .remote_since
                    .is_some_and(|at| now.saturating_duration_since(at) < SETTLING_TIME);
                if silent >= SILENCE_BEFORE_RELEARNING || (settling && source == remote.media) {
                    self.admit_from_unknown(now, remote, source, header)
                } else {
                    Admission::Stranger
                }
            }
            None => self.admit_from_unknown(now, remote, source, header),
        }
    }

    fn admit_from_known(&mut self, now: Instant, known: Known, header: &Header) -> Admission {
        if known.ssrc == header.ssrc {
            self.known = Some(Known { last_packet: now, ..known });
            self.candidate = None;
            return Admission::Accepted;
        }
        let candidate = self.prove(now, known.source, Trust::Signalled, header);
        let silent = now.saturating_duration_since(known.last_packet);
        if candidate.packets >= SSRC_SWITCH_PACKETS && silent >= SSRC_SWITCH_SILENCE {
            return self.believe(now, candidate);
        }
        Admission::Proving
    }

    fn admit_from_unknown(
        &mut self,
        now: Instant,
        remote: Remote,
        source: SocketAddr,
        header: &Header,
    ) -> Admission {
        let Some(trust) = remote.trust(source) else { return Admission::Stranger };
        if let Some(other) = self.candidate
            && other.source != source
            && other.trust >= trust
            && now.saturating_duration_since(other.last_packet) < PROVING_TIME
        {
            // Two who send at once do not keep each other from being proved.
            return Admission::Stranger;
        }
        let candidate = self.prove(now, source, trust, header);
        if trust == Trust::Signalled || candidate.is_proved(now, header.timestamp) {
            return self.believe(now, candidate);
        }
        Admission::Proving
    }

    fn prove(
        &mut self,
        now: Instant,
        source: SocketAddr,
        trust: Trust,
        header: &Header,
    ) -> Candidate {
        let goes_on = |c: &Candidate| {
            c.source == source
                && c.ssrc == header.ssrc
                && (1..=MAX_STEP).contains(&header.sequence.since(c.sequence))
        };
        let candidate = match self.candidate.filter(goes_on) {
            Some(candidate) => Candidate {
                last_packet: now,
                sequence: header.sequence,
                packets: candidate.packets.saturating_add(1),
                ..candidate
            },
            None => Candidate {
                source,
                ssrc: header.ssrc,
                trust,
                first_packet: now,
                first_timestamp: header.timestamp,
                last_packet: now,
                sequence: header.sequence,
                packets: 1,
            },
        };
        self.candidate = Some(candidate);
        candidate
    }

    fn believe(&mut self, now: Instant, candidate: Candidate) -> Admission {
        self.candidate = None;
        let Candidate { source, ssrc, .. } = candidate;
        self.known = Some(Known { source, ssrc, last_packet: now });
        Admission::AcceptedNew
    }
}

/// Packets that may be lost between two of a source that is being proved.
const MAX_STEP: i16 = 4;

impl Candidate {
    /// Long enough, often enough, and neither faster nor slower than its timestamps by half.
    fn is_proved(&self, now: Instant, timestamp: RtpTimestamp) -> bool {
        let elapsed = now.saturating_duration_since(self.first_packet);
        let elapsed_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        let stated_ms = i64::from(timestamp.since(self.first_timestamp) / SAMPLES_PER_MS as i32);
        self.packets >= PROVING_PACKETS
            && elapsed >= PROVING_TIME
            && stated_ms >= elapsed_ms / 2
            && stated_ms <= elapsed_ms.saturating_mul(3) / 2
    }
}

impl Remote {
    fn trust(&self, source: SocketAddr) -> Option<Trust> {
        if source == self.media {
            Some(Trust::Signalled)
        } else if source.ip() == self.media.ip() || Some(source.ip()) == self.signalling_host {
            Some(Trust::SignalledHost)
        } else if self.learn == Learn::AnyHost || is_unreachable(self.media.ip()) {
            Some(Trust::UnsignalledHost)
        } else {
            None
        }
    }
}

/// Addresses that a peer behind a NAT puts in its SDP by mistake: private (RFC 1918, RFC 6598,
/// RFC 4193), link-local or unspecified. Loopback is none of them: whoever signals it is on this
/// host.
fn is_unreachable(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            v4.is_private() || v4.is_link_local() || v4.is_unspecified() || shared
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests;
