//! One RTP stream in both directions, without sockets: packets and time in, packets, frames and
//! events out.
//!
//! A stream lives on a fixed timetable that begins when it is opened: at each multiple of 20 ms a
//! frame is taken from the jitter buffer and a packet is sent. The timetable is counted, never
//! measured again, so it cannot drift from the RTP timestamps. The owner calls
//! [`RtpStream::handle_timeout`] when [`RtpStream::poll_timeout`] has come, then takes what
//! [`RtpStream::poll_transmit`] and [`RtpStream::poll_event`] give.

mod event;

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    FRAME_MS, FRAME_SAMPLES, SAMPLES_PER_MS, SILENCE, Samples, StreamMs,
    codec::Codec,
    dtmf::{
        DtmfDigit,
        events::{EVENT_LEN, EventReceiver, EventSender, PressError},
        tones::ToneSender,
    },
    jitter::{Content, DEFAULT_MAX_DELAY, JitterBuffer, MAX_PACKET_SAMPLES},
    peer::{Admission, Learn, Peer, Remote},
    reception::{Arrival, Reception},
    rtcp::{Heard, REPORT_INTERVAL_MS, Report, ReportBlock, SenderInfo},
    rtp::{Header, Packet, PayloadType, RtpError, RtpTimestamp, SequenceNumber, Ssrc},
};

pub use event::{Frame, MediaEvent, StreamStats};

/// Longest packet that is sent, in milliseconds; a longer `ptime` is not honoured.
pub const MAX_PTIME_MS: u32 = 60;

/// Recordings that may wait to be played.
pub const MAX_QUEUED_PLAYS: usize = 64;

/// Events that may wait for [`RtpStream::poll_event`]; beyond, the newest is dropped and counted.
pub const MAX_WAITING_EVENTS: usize = 256;

/// When the owner calls later than this, unless set otherwise, the frames in between are left out:
/// after a second of standstill nobody wants the past.
pub const DEFAULT_MAX_LAG: Duration = Duration::from_secs(1);

/// What does not change in the life of a stream.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// Our SSRC; random (RFC 3550 §8).
    pub ssrc: Ssrc,
    /// Sequence number of the first packet; random (§5.1).
    pub first_sequence: SequenceNumber,
    /// Timestamp of the first frame; random (§5.1).
    pub first_timestamp: RtpTimestamp,
    /// Our name in RTCP; random, of at most [`crate::rtcp::MAX_CNAME`] bytes.
    pub cname: String,
    /// Time since 1970 when the stream is opened, for the NTP time in reports.
    pub wall_at_open: Duration,
    /// Silence on the wire after which [`MediaEvent::NoPackets`] is told.
    pub no_packets_after: Duration,
    /// Longest delay of the jitter buffer.
    pub max_delay: Duration,
    /// When the owner calls later than this, the frames in between are left out.
    pub max_lag: Duration,
}

impl StreamSettings {
    /// Settings with the defaults, and no randomness: for tests and for a driver that adds it.
    pub fn new(ssrc: Ssrc) -> Self {
        Self {
            ssrc,
            first_sequence: SequenceNumber(0),
            first_timestamp: RtpTimestamp(0),
            cname: String::from("phoneai"),
            wall_at_open: Duration::ZERO,
            no_packets_after: Duration::from_secs(3),
            max_delay: DEFAULT_MAX_DELAY,
            max_lag: DEFAULT_MAX_LAG,
        }
    }
}

/// What offer and answer have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Address and port of the peer's SDP.
    pub remote: SocketAddr,
    /// Where the peer's SIP comes from, if known; its media are then learned from there too.
    pub signalling_host: Option<IpAddr>,
    /// From which hosts the peer's true address may be learned.
    pub learn: Learn,
    /// The codec to send.
    pub codec: Codec,
    /// Its payload type in the peer's SDP.
    pub payload_type: PayloadType,
    /// Its payload type in our SDP.
    pub receive_payload_type: PayloadType,
    /// The payload type of telephone-events in the peer's SDP; `None` if it offers none, and then
    /// digits are sent as tones in the audio.
    pub telephone_event: Option<PayloadType>,
    /// The payload type of telephone-events in our SDP.
    pub receive_telephone_event: Option<PayloadType>,
    /// Length of a packet of audio that the peer wants: 20, 40 or 60 ms; others count as 20.
    pub ptime_ms: u32,
}

impl Negotiated {
    /// The usual case: static payload type, telephone-events as 101 both ways, 20 ms.
    pub fn new(remote: SocketAddr, codec: Codec) -> Self {
        let payload_type = codec.static_payload_type();
        let telephone_event = PayloadType::try_new(101);
        Self {
            remote,
            signalling_host: None,
            learn: Learn::SignalledHosts,
            codec,
            payload_type,
            receive_payload_type: payload_type,
            telephone_event,
            receive_telephone_event: telephone_event,
            ptime_ms: FRAME_MS,
        }
    }
}

/// In which directions audio flows, seen from us (RFC 3264 §6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendReceive,
    /// We only send.
    SendOnly,
    /// We only listen: the peer has put us on hold.
    ReceiveOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    fn sends(self) -> bool {
        match self {
            Self::SendReceive | Self::SendOnly => true,
            Self::ReceiveOnly | Self::Inactive => false,
        }
    }

    fn receives(self) -> bool {
        match self {
            Self::SendReceive | Self::ReceiveOnly => true,
            Self::SendOnly | Self::Inactive => false,
        }
    }
}

/// A packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// From which of our two ports.
    pub from: Port,
    /// Where to.
    pub to: SocketAddr,
    /// The packet.
    pub bytes: &'a [u8],
}

/// The two ports of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The even one, for RTP.
    Rtp,
    /// The next one, for RTCP.
    Rtcp,
}

/// Why a recording is not played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_QUEUED_PLAYS} recordings wait to be played already; wait for one to end")]
pub struct TooManyPlays;

/// One RTP stream in both directions. Owned by the task that drives it, ends with the call.
#[derive(Debug)]
pub struct RtpStream {
    settings: StreamSettings,
    opened: Instant,
    ticks: u64,
    negotiated: Option<Negotiated>,
    direction: Direction,
    peer: Peer,
    reception: Reception,
    jitter: JitterBuffer,
    digits_in: EventReceiver,
    digits_out: EventSender,
    /// Keys for a peer that takes no telephone-events. Never busy while `digits_out` is.
    tones_out: ToneSender,
    playing: VecDeque<(Arc<[i16]>, usize)>,
    sequence: SequenceNumber,
    timestamp: RtpTimestamp,
    /// The next packet of audio is the first after a silence.
    talkspurt: bool,
    /// Audio of a packet longer than a frame, until it is full.
    pending: Vec<i16>,
    rtp_out: Outgoing,
    rtcp_out: Outgoing,
    next_report: Instant,
    last_sender_report: Option<(u32, Instant)>,
    octets: u64,
    quiet_since: Option<Instant>,
    events: VecDeque<MediaEvent>,
    stats: StreamStats,
}

/// A packet that waits to be fetched; the bytes are kept to be filled again.
#[derive(Debug, Default)]
struct Outgoing {
    to: Option<SocketAddr>,
    bytes: Vec<u8>,
}

impl RtpStream {
    /// A stream that begins its timetable at `now`, and neither sends nor listens before it is
    /// configured.
    pub fn new(now: Instant, settings: StreamSettings) -> Self {
        Self {
            opened: now,
            ticks: 0,
            negotiated: None,
            direction: Direction::SendReceive,
            peer: Peer::default(),
            reception: Reception::default(),
            jitter: JitterBuffer::new(settings.max_delay),
            digits_in: EventReceiver::default(),
            digits_out: EventSender::default(),
            tones_out: ToneSender::default(),
            playing: VecDeque::new(),
            sequence: settings.first_sequence,
            timestamp: settings.first_timestamp,
            talkspurt: true,
            pending: Vec::new(),
            rtp_out: Outgoing::default(),
            rtcp_out: Outgoing::default(),
            // §6.2: the first report comes after half of the interval.
            next_report: now + Duration::from_millis(REPORT_INTERVAL_MS / 2),
            last_sender_report: None,
            octets: 0,
            quiet_since: None,
            events: VecDeque::new(),
            stats: StreamStats::default(),
            settings,
        }
    }

    /// Takes what offer and answer, or a new offer and answer, have agreed on. Sending begins; what
    /// was learned of the peer's address stays if SDP's address is the same.
    pub fn configure(&mut self, now: Instant, negotiated: Negotiated) {
        let Negotiated { remote, signalling_host, learn, .. } = negotiated;
        self.peer.set_remote(now, Remote { media: remote, signalling_host, learn });
        if self.negotiated.is_none() {
            self.quiet_since = Some(now);
        }
        self.pending.clear();
        if negotiated.telephone_event.is_none() {
            // They would wait for ever, and come again after tones when events are offered anew.
            self.digits_out.clear();
        }
        self.negotiated = Some(negotiated);
    }

    /// Moves the peer to another address of SDP and learns its true one anew.
    pub fn set_remote(&mut self, now: Instant, remote: SocketAddr) {
        if let Some(negotiated) = self.negotiated.take() {
            self.configure(now, Negotiated { remote, ..negotiated });
        }
    }

    /// Sets in which directions audio flows. What plays and the keys that wait pause while we do
    /// not send.
    pub fn set_direction(&mut self, now: Instant, direction: Direction) {
        if direction.receives() && !self.direction.receives() {
            self.quiet_since = Some(now);
            self.jitter.restart();
        }
        if direction.sends() && !self.direction.sends() {
            self.talkspurt = true;
            self.pending.clear();
        }
        self.direction = direction;
    }

    /// Queues keys to be sent: each held for `tone_ms` and followed by `gap_ms` without a key. They
    /// go as telephone-events if the peer takes them, else as tones in the audio, never as both:
    /// keys behind tones that still sound are tones too.
    ///
    /// # Errors
    /// [`PressError::NotOffered`] before the stream is configured; [`PressError::TooMany`].
    pub fn press(
        &mut self,
        digits: &[DtmfDigit],
        tone_ms: u32,
        gap_ms: u32,
    ) -> Result<(), PressError> {
        let Some(negotiated) = &self.negotiated else { return Err(PressError::NotOffered) };
        if negotiated.telephone_event.is_none() || self.tones_out.is_busy() {
            self.tones_out.press(digits, tone_ms, gap_ms)
        } else {
            self.digits_out.press(digits, tone_ms, gap_ms)
        }
    }

    /// Queues linear samples at 8000 Hz to be sent after those that play already.
    pub fn play(&mut self, samples: Arc<[i16]>) -> Result<(), TooManyPlays> {
        if self.playing.len() >= MAX_QUEUED_PLAYS {
            return Err(TooManyPlays);
        }
        self.playing.push_back((samples, 0));
        Ok(())
    }

    /// Stops what plays and forgets what waits to be played; [`MediaEvent::Played`] is not told.
    pub fn stop_playing(&mut self) {
        self.playing.clear();
    }

    /// Takes a packet that arrived on the RTP port.
    pub fn handle_packet(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) {
        let packet = match Packet::parse(bytes) {
            Ok(packet) => packet,
            // A peer may send both on one port (RFC 5761) though nobody asked it to.
            Err(RtpError::Rtcp(_)) => return self.handle_rtcp(now, source, bytes),
            Err(RtpError::Cut { .. } | RtpError::Version(_) | RtpError::Padding { .. }) => {
                self.stats.invalid += 1;
                return;
            }
        };
        let Some(negotiated) = &self.negotiated else {
            self.stats.strangers += 1;
            return;
        };
        let Some(meaning) = negotiated.meaning(packet.header.payload_type) else {
            self.stats.unknown_payload += 1;
            return;
        };
        match self.peer.admit(now, source, &packet.header) {
            Admission::Accepted => {}
            Admission::AcceptedNew => self.begin_with(now, source),
            Admission::Proving => {
                self.stats.proving += 1;
                return;
            }
            Admission::Stranger => {
                self.stats.strangers += 1;
                return;
            }
        }
        self.quiet_since = Some(now);
        self.receive(now, &packet, meaning);
    }

    /// Takes a packet that arrived on the RTCP port. It can end nothing and move nothing.
    pub fn handle_rtcp(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) {
        if !self.peer.admits_rtcp_from(source) {
            self.stats.strangers += 1;
            return;
        }
        let Ok(heard) = Heard::parse(bytes, self.settings.ssrc) else {
            self.stats.invalid += 1;
            return;
        };
        if let Some(about_us) = heard.about_us {
            self.stats.peer_loss = Some(f32::from(about_us.fraction_lost) / 256.0);
        }
        if let Some((ssrc, ntp)) = heard.sender_report
            && Some(ssrc) == self.peer.ssrc()
        {
            self.last_sender_report = Some((ntp, now));
        }
    }

    /// When [`RtpStream::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Instant {
        self.opened + Duration::from_millis(self.ticks.saturating_mul(u64::from(FRAME_MS)))
    }

    /// Does what the next place of the timetable asks for, if its time has come: a frame is taken
    /// and a packet is made. Says whether it was done; if so, fetch what was made and call again.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self.poll_timeout();
        if now < due {
            return false;
        }
        let lag = now.saturating_duration_since(due);
        if lag > self.settings.max_lag {
            self.skip(lag);
            return true;
        }
        let at_ms = self.at_ms(due);
        let mut frame = Frame { at_ms, received: SILENCE, sent: SILENCE, concealed: false };
        frame.concealed = self.jitter.pull(due, &mut frame.received) && self.direction.receives();
        self.digits_in.handle_timeout(due);
        self.tell_digits();
        self.send(at_ms, &mut frame.sent);
        self.report(due);
        self.tell(MediaEvent::Frame(frame));
        self.watch_for_silence(due);
        self.ticks += 1;
        self.timestamp = self.timestamp.plus(FRAME_SAMPLES as u32);
        true
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        if let Some(to) = self.rtp_out.to.take() {
            return Some(Transmit { from: Port::Rtp, to, bytes: &self.rtp_out.bytes });
        }
        let to = self.rtcp_out.to.take()?;
        Some(Transmit { from: Port::Rtcp, to, bytes: &self.rtcp_out.bytes })
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    /// Says goodbye to the peer: one last packet to fetch. The stream is not to be used after.
    pub fn close(&mut self, now: Instant) {
        self.write_report(now, true);
    }

    /// The figures so far.
    pub fn stats(&self) -> StreamStats {
        let jitter = self.jitter.stats();
        StreamStats {
            received: self.reception.received(),
            lost: self.reception.lost(),
            late: jitter.late,
            dropped: self.stats.dropped + jitter.dropped,
            concealed: jitter.concealed,
            resets: self.stats.resets + jitter.resets,
            jitter_ms: self.reception.jitter_ms(),
            source: self.peer.source(),
            ..self.stats
        }
    }

    /// Milliseconds from the opening of the stream to `now`.
    pub fn at_ms(&self, now: Instant) -> StreamMs {
        let since = now.saturating_duration_since(self.opened);
        StreamMs::try_from(since.as_millis()).unwrap_or(StreamMs::MAX)
    }

    /// The peer's packets begin, or begin anew from another source.
    fn begin_with(&mut self, now: Instant, source: SocketAddr) {
        let at_ms = self.at_ms(now);
        self.reception.restart();
        self.jitter.restart();
        self.digits_in.restart(now);
        self.tell_digits();
        if self.stats.source != Some(source) {
            self.stats.source = Some(source);
            self.tell(MediaEvent::FirstPacket { source, at_ms });
        }
        self.stats.first_in_ms.get_or_insert(at_ms);
    }

    fn receive(&mut self, now: Instant, packet: &Packet<'_>, meaning: Meaning) {
        let Header { timestamp, .. } = packet.header;
        let arrival = self.reception.packet(now, &packet.header);
        if !self.direction.receives() {
            return;
        }
        if meaning == Meaning::TelephoneEvent {
            // Whatever the numbers say: some gateways count the packets of events apart, and a
            // digit is told once by its timestamp.
            self.digits_in.handle_packet(now, self.at_ms(now), timestamp, packet.payload);
            self.tell_digits();
        }
        match arrival {
            Arrival::New => {}
            Arrival::Restarted => self.jitter.restart(),
            Arrival::Duplicate => {
                self.stats.duplicates += 1;
                return;
            }
            Arrival::Stray => {
                self.stats.dropped += 1;
                return;
            }
        }
        match meaning {
            Meaning::Audio(codec) => {
                let mut samples = [0; MAX_PACKET_SAMPLES];
                let count = codec.decode(packet.payload, &mut samples);
                if let Some(samples) = samples.get(..count)
                    && count > 0
                {
                    self.jitter.insert(now, timestamp, Content::Audio(samples));
                }
            }
            Meaning::ComfortNoise => {
                // RFC 3389 §3: the first byte is the level below 0 dBov; the spectrum is ignored.
                let level = packet.payload.first().map(|&byte| -f32::from(byte & 0x7f));
                self.jitter.insert(now, timestamp, Content::Comfort(level));
            }
            // A sender of events sends no audio meanwhile; the hole is silence, not loss.
            Meaning::TelephoneEvent => {
                self.jitter.insert(now, timestamp, Content::Comfort(None));
            }
        }
    }

    fn send(&mut self, at_ms: StreamMs, sent: &mut Samples) {
        let (Some(negotiated), Some(to)) = (&self.negotiated, self.peer.destination()) else {
            return;
        };
        if !self.direction.sends() {
            return;
        }
        let (codec, payload_type) = (negotiated.codec, negotiated.payload_type);
        let samples_a_packet = negotiated.samples_a_packet();

        if let Some(event_type) = negotiated.telephone_event
            && let Some(packet) = self.digits_out.next_packet(self.timestamp)
        {
            // What was begun of a longer packet is dropped: the key has its place now.
            self.pending.clear();
            self.talkspurt = true;
            self.rtp_header(to, packet.marker, event_type, packet.timestamp);
            self.rtp_out.bytes.extend_from_slice(&packet.event.to_bytes());
            self.count_sent(at_ms, EVENT_LEN);
            if packet.last {
                self.tell(MediaEvent::DigitsSent { at_ms });
            }
            return;
        }

        if self.tones_out.fill(sent) {
            if !self.tones_out.is_busy() {
                self.tell(MediaEvent::DigitsSent { at_ms });
            }
        } else {
            self.next_samples(at_ms, sent);
        }
        self.pending.extend_from_slice(sent);
        if self.pending.len() < samples_a_packet {
            return;
        }
        let earlier = self.pending.len() - FRAME_SAMPLES;
        let timestamp = self.timestamp.minus(earlier as u32);
        let marker = std::mem::take(&mut self.talkspurt);
        self.rtp_header(to, marker, payload_type, timestamp);
        let start = self.rtp_out.bytes.len();
        self.rtp_out.bytes.resize(start + self.pending.len(), 0);
        if let Some(payload) = self.rtp_out.bytes.get_mut(start..) {
            codec.encode(&self.pending, payload);
        }
        let octets = self.pending.len();
        self.pending.clear();
        self.count_sent(at_ms, octets);
    }

    fn rtp_header(
        &mut self,
        to: SocketAddr,
        marker: bool,
        payload_type: PayloadType,
        timestamp: RtpTimestamp,
    ) {
        let (sequence, ssrc) = (self.sequence, self.settings.ssrc);
        self.sequence = sequence.next();
        let header = Header { marker, payload_type, sequence, timestamp, ssrc };
        self.rtp_out.to = Some(to);
        self.rtp_out.bytes.clear();
        self.rtp_out.bytes.extend_from_slice(&header.to_bytes());
    }

    fn count_sent(&mut self, at_ms: StreamMs, octets: usize) {
        self.stats.sent += 1;
        self.stats.first_out_ms.get_or_insert(at_ms);
        self.octets += octets as u64;
    }

    /// The next samples of what plays, silence after its end.
    fn next_samples(&mut self, at_ms: StreamMs, sent: &mut Samples) {
        let mut filled = 0;
        while filled < FRAME_SAMPLES
            && let Some((samples, position)) = self.playing.front_mut()
        {
            let rest = samples.get(*position..).unwrap_or_default();
            let count = rest.len().min(FRAME_SAMPLES - filled);
            sent[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
            *position += count;
            if *position >= samples.len() {
                self.playing.pop_front();
                self.tell(MediaEvent::Played { at_ms });
            }
        }
    }

    fn report(&mut self, now: Instant) {
        if now >= self.next_report {
            // §6.2: between half and one and a half of the interval, so that reports of many calls
            // do not come at once. The SSRC is random already.
            let part = self.settings.ssrc.0.wrapping_mul(self.ticks as u32 | 1) >> 22;
            let interval = REPORT_INTERVAL_MS / 2 + REPORT_INTERVAL_MS * u64::from(part) / 1024;
            self.next_report = now + Duration::from_millis(interval);
            self.write_report(now, false);
        }
    }

    fn write_report(&mut self, now: Instant, bye: bool) {
        let Some(mut to) = self.peer.destination() else { return };
        let Some(port) = to.port().checked_add(1) else { return };
        to.set_port(port);
        let block = self.peer.ssrc().map(|ssrc| {
            let (last_sender_report, at) = self.last_sender_report.unzip();
            let delay = at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
            ReportBlock {
                ssrc,
                fraction_lost: self.reception.fraction_lost(),
                lost: i32::try_from(self.reception.lost()).unwrap_or(i32::MAX),
                highest: self.reception.extended_highest(),
                jitter: self.reception.jitter_samples(),
                last_sender_report: last_sender_report.unwrap_or(0),
                delay_since: (delay * 65536.0) as u32,
            }
        });
        let sender = (self.stats.sent > 0).then(|| SenderInfo {
            ntp: ntp_time(self.settings.wall_at_open + now.saturating_duration_since(self.opened)),
            timestamp: self.timestamp.0,
            packets: self.stats.sent as u32,
            octets: self.octets as u32,
        });
        let report =
            Report { ssrc: self.settings.ssrc, cname: &self.settings.cname, sender, block, bye };
        report.write(&mut self.rtcp_out.bytes);
        self.rtcp_out.to = Some(to);
    }

    fn watch_for_silence(&mut self, now: Instant) {
        if self.direction.receives()
            && let Some(since) = self.quiet_since
            && now.saturating_duration_since(since) >= self.settings.no_packets_after
        {
            self.quiet_since = None;
            let since_ms = self.at_ms(since);
            self.tell(MediaEvent::NoPackets { since_ms });
        }
    }

    /// Leaves out the frames of a standstill, so that the timetable is that of the clock again.
    fn skip(&mut self, lag: Duration) {
        let frames = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX) / u64::from(FRAME_MS);
        self.ticks += frames;
        self.stats.skipped += frames;
        let samples = frames.wrapping_mul(FRAME_SAMPLES as u64);
        self.timestamp = self.timestamp.plus(samples as u32);
        self.pending.clear();
        self.talkspurt = true;
        self.jitter.restart();
    }

    fn tell_digits(&mut self) {
        while let Some(received) = self.digits_in.poll_digit() {
            let (digit, at_ms, duration_ms) =
                (received.digit, received.at_ms, received.duration_ms);
            self.tell(MediaEvent::Digit { digit, at_ms, duration_ms });
        }
    }

    fn tell(&mut self, event: MediaEvent) {
        if self.events.len() < MAX_WAITING_EVENTS {
            self.events.push_back(event);
        } else {
            self.stats.events_lost += 1;
        }
    }
}

/// What a payload type means in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Audio(Codec),
    ComfortNoise,
    TelephoneEvent,
}

impl Negotiated {
    fn meaning(&self, payload_type: PayloadType) -> Option<Meaning> {
        let is = |agreed: Option<PayloadType>| agreed == Some(payload_type);
        // What we asked for comes first, then what the peer asked for: many send with the number
        // of their own SDP.
        if is(Some(self.receive_payload_type)) {
            Some(Meaning::Audio(self.codec))
        } else if is(self.receive_telephone_event) {
            Some(Meaning::TelephoneEvent)
        } else if is(Some(self.payload_type)) {
            Some(Meaning::Audio(self.codec))
        } else if is(self.telephone_event) {
            Some(Meaning::TelephoneEvent)
        } else if payload_type == PayloadType::PCMU {
            // Both laws have fixed numbers, so a peer that changes between them is understood.
            Some(Meaning::Audio(Codec::Pcmu))
        } else if payload_type == PayloadType::PCMA {
            Some(Meaning::Audio(Codec::Pcma))
        } else if payload_type == PayloadType::COMFORT_NOISE {
            Some(Meaning::ComfortNoise)
        } else {
            None
        }
    }

    fn samples_a_packet(&self) -> usize {
        let whole = self.ptime_ms.is_multiple_of(FRAME_MS);
        let fits = (FRAME_MS..=MAX_PTIME_MS).contains(&self.ptime_ms);
        let ptime = if whole && fits { self.ptime_ms } else { FRAME_MS };
        (ptime * SAMPLES_PER_MS) as usize
    }
}

/// NTP time (RFC 3550 §4) of a time since 1970.
fn ntp_time(since_1970: Duration) -> u64 {
    const FROM_1900_TO_1970: u64 = 2_208_988_800;
    let seconds = since_1970.as_secs().wrapping_add(FROM_1900_TO_1970);
    let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000;
    (seconds << 32) | fraction
}

#[cfg(test)]
mod tests;
