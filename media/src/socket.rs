//! Sockets and threads: the only module that touches either.
//!
//! Media run on threads of their own ([`MediaThreads`]), so that neither the API nor the database
//! nor speech recognition can delay a packet. Each stream is one task there with two sockets; its
//! owner, on any other thread, holds a [`Stream`] and never waits for it.
//!
//! Time is the [`Clock`]'s alone: on a fast clock, packets leave every 20 ms of that clock.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use phoneai_clock::Clock;
use rand::{Rng, SeedableRng, distr::Alphanumeric, rngs::StdRng};
use tokio::{net::UdpSocket, runtime::Runtime, sync::mpsc};
use tracing::debug;

pub use crate::stream::{Direction, Frame, MediaEvent, Negotiated, StreamStats};
use crate::{
    dtmf::DtmfDigit,
    impair::{Impairer, Impairment},
    jitter::DEFAULT_MAX_DELAY,
    rtp::{RtpTimestamp, SequenceNumber, Ssrc},
    stream::{DEFAULT_MAX_LAG, Port, RtpStream, StreamSettings},
};

/// Events that may wait for the owner of a stream: five seconds of frames. When the owner is slower,
/// the newest frames are dropped and counted; [`Frame::at_ms`] shows the gap.
pub const EVENT_QUEUE: usize = 256;

/// Places of that queue that frames leave free for events that must not be lost.
const EVENT_RESERVE: usize = 32;

/// Commands that may wait for a stream; they are taken at least each 20 ms.
const COMMAND_QUEUE: usize = 64;

/// Packets that are read in one go, so that a flood cannot hold up what we send.
const PACKETS_AT_ONCE: usize = 64;

/// Largest datagram that is read whole; RTP over Ethernet is smaller, what is longer is cut.
const MAX_DATAGRAM: usize = 2048;

/// No clock is so fast that more is caught up: what is sent in one burst must fit in the buffer of the
/// peer's socket.
const LONGEST_MAX_LAG: Duration = Duration::from_secs(4);

/// How often a pair of ports is looked for when the system may choose.
const ANY_PORT_TRIES: u32 = 64;

/// The threads on which all streams live. Copies are the same threads; when the last one is
/// dropped, all streams end.
#[derive(Clone, Debug)]
pub struct MediaThreads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Always there until dropped.
    runtime: Option<Runtime>,
    clock: Clock,
    /// Counts openings, so that the ports of a call that has just ended are not the next to be
    /// used: its last packets may still be under way.
    turn: AtomicU32,
}

/// The ports on which streams may listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortRange {
    /// Whatever the system gives.
    Any,
    /// Pairs of an even port for RTP and the next one for RTCP, within these bounds.
    Between {
        /// The lowest port.
        low: u16,
        /// The highest port.
        high: u16,
    },
}

/// What a stream needs from the beginning.
#[derive(Clone, Copy, Debug)]
pub struct StreamConfig {
    /// The address to listen on.
    pub bind: IpAddr,
    /// The ports to choose from.
    pub ports: PortRange,
    /// Time without a packet after which [`MediaEvent::NoPackets`] is told.
    pub no_packets_after: Duration,
    /// Longest delay of the jitter buffer at the pace of the wall's clock. On a faster clock it is
    /// longer in proportion: the same hitch of the machine is more of its milliseconds.
    pub max_delay: Duration,
    /// What a bad network does to the packets that are sent; for tests and measurements.
    pub impairment: Option<Impairment>,
}

impl StreamConfig {
    /// A stream on `bind` with ports of `ports`, the rest as usual.
    pub fn new(bind: IpAddr, ports: PortRange) -> Self {
        Self {
            bind,
            ports,
            no_packets_after: Duration::from_secs(3),
            max_delay: DEFAULT_MAX_DELAY,
            impairment: None,
        }
    }
}

/// Why there is no stream, or a stream does not take a command.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Every pair of ports in the range is taken. Our limit: answer 503 with Retry-After.
    #[error(
        "port range {low}-{high} on {bind} is exhausted; end calls or widen the range of rtp ports"
    )]
    PortsExhausted {
        /// The address.
        bind: IpAddr,
        /// The lowest port.
        low: u16,
        /// The highest port.
        high: u16,
    },
    /// The range holds no even port followed by another port.
    #[error("port range {low}-{high} holds no pair of an even port and the next one")]
    NoPair {
        /// The lowest port.
        low: u16,
        /// The highest port.
        high: u16,
    },
    /// The address cannot be used.
    #[error(
        "cannot listen for rtp on {bind}: {error}; check the media address in the configuration"
    )]
    Bind {
        /// The address.
        bind: IpAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The threads cannot be started.
    #[error("cannot start {threads} media threads: {error}")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system says.
        error: io::Error,
    },
    /// The stream has ended.
    #[error("the media stream is closed")]
    Closed,
    /// The stream does not keep up with its commands.
    #[error("the media stream has {COMMAND_QUEUE} commands to do already; send fewer at once")]
    Busy,
}

impl MediaThreads {
    /// Starts `threads` threads (at least one) on which time is `clock`'s.
    pub fn start(threads: usize, clock: Clock) -> Result<Self, MediaError> {
        let threads = threads.max(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("media")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| MediaError::Threads { threads, error })?;
        let turn = AtomicU32::new(StdRng::from_os_rng().random());
        Ok(Self { inner: Arc::new(Inner { runtime: Some(runtime), clock, turn }) })
    }

    /// Opens a stream: binds its two ports and starts its timetable. Does not wait for anything.
    pub fn open(&self, config: &StreamConfig) -> Result<Stream, MediaError> {
        // The runtime is there as long as `self`: only the drop of the last copy takes it.
        let Some(runtime) = &self.inner.runtime else { return Err(MediaError::Closed) };
        let turn = self.inner.turn.fetch_add(1, Ordering::Relaxed);
        let (rtp, rtcp) = bind_pair(config.bind, config.ports, turn)?;
        let in_runtime = runtime.enter();
        let bound = |error| MediaError::Bind { bind: config.bind, error };
        let local_addr = rtp.local_addr().map_err(bound)?;
        let rtp = into_tokio(rtp).map_err(bound)?;
        let rtcp = into_tokio(rtcp).map_err(bound)?;

        let clock = self.inner.clock;
        let mut random = StdRng::from_os_rng();
        let settings = StreamSettings {
            ssrc: Ssrc(random.random()),
            first_sequence: SequenceNumber(random.random()),
            first_timestamp: RtpTimestamp(random.random()),
            cname: random.sample_iter(Alphanumeric).take(16).map(char::from).collect(),
            wall_at_open: Duration::from_micros(clock.wall_micros().unsigned_abs()),
            no_packets_after: config.no_packets_after,
            max_delay: config.max_delay.saturating_mul(clock.pace()),
            // A hitch of the machine lasts longer on a fast clock, where nothing may be left out.
            max_lag: (DEFAULT_MAX_LAG * clock.pace()).min(LONGEST_MAX_LAG),
        };
        let (events_in, events) = mpsc::channel(EVENT_QUEUE);
        let (commands_in, commands) = mpsc::channel(COMMAND_QUEUE);
        let driver = Driver {
            clock,
            stream: RtpStream::new(clock.now(), settings),
            rtp,
            rtcp,
            commands,
            events: events_in,
            waiting: VecDeque::new(),
            unread_frames: 0,
            unread_events: 0,
            network: config.impairment.map(Network::new),
        };
        runtime.spawn(driver.run());
        drop(in_runtime);
        Ok(Stream { local_addr, events, control: StreamControl { commands: commands_in } })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for the threads is forbidden where this may be dropped: inside a task.
            runtime.shutdown_background();
        }
    }
}

/// One open stream, for its owner. It closes when this is dropped, or when both its parts are.
#[derive(Debug)]
pub struct Stream {
    /// Where we listen for RTP: the address for our SDP. RTCP is on the next port.
    pub local_addr: SocketAddr,
    /// What the stream tells. When nobody reads, the newest frames are dropped.
    pub events: mpsc::Receiver<MediaEvent>,
    /// What the stream is told.
    pub control: StreamControl,
}

/// Tells a stream what to do. Copies speak to the same stream. Nothing here waits: a command is
/// carried out within 20 ms.
#[derive(Clone, Debug)]
pub struct StreamControl {
    commands: mpsc::Sender<Command>,
}

#[derive(Debug)]
enum Command {
    Configure(Box<Negotiated>),
    SetRemote(SocketAddr),
    SetDirection(Direction),
    Press { digits: Vec<DtmfDigit>, tone_ms: u32, gap_ms: u32 },
    Play(Arc<[i16]>),
    StopPlaying,
    Close,
}

impl StreamControl {
    /// Sets what offer and answer have agreed on. Sending begins, and listening.
    pub fn configure(&self, negotiated: Negotiated) -> Result<(), MediaError> {
        self.tell(Command::Configure(Box::new(negotiated)))
    }

    /// Moves the peer to another address and learns its true one anew.
    pub fn set_remote(&self, remote: SocketAddr) -> Result<(), MediaError> {
        self.tell(Command::SetRemote(remote))
    }

    /// Sets in which directions audio flows, as for hold.
    pub fn set_direction(&self, direction: Direction) -> Result<(), MediaError> {
        self.tell(Command::SetDirection(direction))
    }

    /// Presses keys, each for `tone_ms` with `gap_ms` after it; [`MediaEvent::DigitsSent`] follows,
    /// or [`MediaEvent::DigitsRefused`].
    pub fn press(&self, digits: &[DtmfDigit], tone_ms: u32, gap_ms: u32) -> Result<(), MediaError> {
        self.tell(Command::Press { digits: digits.to_vec(), tone_ms, gap_ms })
    }

    /// Plays linear samples at 8000 Hz, after those that play already; [`MediaEvent::Played`]
    /// follows at their end.
    pub fn play(&self, samples: Arc<[i16]>) -> Result<(), MediaError> {
        self.tell(Command::Play(samples))
    }

    /// Stops what plays and what waits to be played.
    pub fn stop_playing(&self) -> Result<(), MediaError> {
        self.tell(Command::StopPlaying)
    }

    /// Closes the stream; [`MediaEvent::Closed`] is its last event. Closing twice is no error.
    pub fn close(&self) {
        // A stream that is closed needs no telling; one with a full queue ends when this is dropped.
        let _ = self.commands.try_send(Command::Close);
    }

    fn tell(&self, command: Command) -> Result<(), MediaError> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => MediaError::Busy,
            mpsc::error::TrySendError::Closed(_) => MediaError::Closed,
        })
    }
}

/// The task of one stream.
struct Driver {
    clock: Clock,
    stream: RtpStream,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<MediaEvent>,
    /// Events that found no place in the queue; frames are never among them.
    waiting: VecDeque<MediaEvent>,
    unread_frames: u64,
    unread_events: u64,
    network: Option<Network>,
}

/// A bad network, and the packets that are under way in it.
struct Network {
    impairer: Impairer,
    /// When each arrives, where, and its bytes. A handful: their delay over 20 ms.
    under_way: Vec<(Instant, SocketAddr, Vec<u8>)>,
}

impl Network {
    fn new(impairment: Impairment) -> Self {
        Self { impairer: Impairer::new(impairment), under_way: Vec::new() }
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.under_way.iter().map(|(at, ..)| *at).min()
    }

    /// The packets that have arrived by `now`, in the order of their arrival.
    fn arrived(&mut self, now: Instant) -> Vec<(Instant, SocketAddr, Vec<u8>)> {
        let mut arrived: Vec<_> = self.under_way.extract_if(.., |(at, ..)| *at <= now).collect();
        arrived.sort_by_key(|(at, ..)| *at);
        arrived
    }
}

impl Driver {
    async fn run(mut self) {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            let arrival = self.network.as_ref().and_then(Network::next_arrival);
            let due = self.stream.poll_timeout();
            let due = self.clock.sleep_until(arrival.map_or(due, |at| at.min(due)));
            let command = tokio::select! {
                biased;
                command = self.commands.recv() => Some(command.unwrap_or(Command::Close)),
                () = due => None,
                ready = self.rtp.readable() => { let _ = ready; None }
                ready = self.rtcp.readable() => { let _ = ready; None }
                () = self.events.closed() => Some(Command::Close),
            };
            match command {
                Some(Command::Close) => break,
                Some(command) => self.obey(command),
                None => {}
            }
            // What has arrived is taken before the frame that may need it.
            self.receive(&mut buffer);
            self.deliver();
            while self.stream.handle_timeout(self.clock.now()) {
                self.send();
                self.tell();
                if self.stream.poll_timeout() <= self.clock.now() {
                    // We are behind, so more may have come than was read in one go.
                    self.receive(&mut buffer);
                }
            }
            self.tell();
        }
        self.stream.close(self.clock.now());
        self.send();
        self.flush();
        let mut stats = self.stream.stats();
        stats.unread_frames = self.unread_frames;
        stats.events_lost += self.unread_events;
        let Self { rtp, rtcp, events, .. } = self;
        // The ports are free before the owner hears of it.
        drop((rtp, rtcp));
        let _ = events.try_send(MediaEvent::Closed { stats });
    }

    fn obey(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Configure(negotiated) => self.stream.configure(now, *negotiated),
            Command::SetRemote(remote) => self.stream.set_remote(now, remote),
            Command::SetDirection(direction) => self.stream.set_direction(now, direction),
            Command::Press { digits, tone_ms, gap_ms } => {
                if let Err(error) = self.stream.press(&digits, tone_ms, gap_ms) {
                    self.wait(MediaEvent::DigitsRefused { error });
                }
            }
            Command::Play(samples) => {
                if let Err(error) = self.stream.play(samples) {
                    debug!(%error, "A recording is not played.");
                }
            }
            Command::StopPlaying => self.stream.stop_playing(),
            Command::Close => {}
        }
    }

    fn receive(&mut self, buffer: &mut [u8; MAX_DATAGRAM]) {
        for _ in 0..PACKETS_AT_ONCE {
            // An error here is an ICMP message about an earlier packet of ours, or no packet.
            let Ok((length, source)) = self.rtp.try_recv_from(buffer) else { break };
            let now = self.clock.now();
            self.stream.handle_packet(now, source, buffer.get(..length).unwrap_or_default());
        }
        for _ in 0..PACKETS_AT_ONCE {
            let Ok((length, source)) = self.rtcp.try_recv_from(buffer) else { break };
            let now = self.clock.now();
            self.stream.handle_rtcp(now, source, buffer.get(..length).unwrap_or_default());
        }
    }

    fn send(&mut self) {
        while let Some(transmit) = self.stream.poll_transmit() {
            if let (Port::Rtp, Some(network)) = (transmit.from, &mut self.network) {
                if let Some(at) = network.impairer.arrives(self.clock.now()) {
                    network.under_way.push((at, transmit.to, transmit.bytes.to_vec()));
                }
                continue;
            }
            let socket = match transmit.from {
                Port::Rtp => &self.rtp,
                Port::Rtcp => &self.rtcp,
            };
            // A full send buffer or an unreachable peer loses this packet, as the network might:
            // the next one is due in 20 ms.
            if let Err(error) = socket.try_send_to(transmit.bytes, transmit.to) {
                debug!(%error, to = %transmit.to, "A media packet was not sent.");
            }
        }
    }

    /// Lets what a bad network has delayed arrive.
    fn deliver(&mut self) {
        let Some(network) = &mut self.network else { return };
        for (_, to, bytes) in network.arrived(self.clock.now()) {
            if let Err(error) = self.rtp.try_send_to(&bytes, to) {
                debug!(%error, %to, "A media packet was not sent.");
            }
        }
    }

    fn tell(&mut self) {
        while let Some(event) = self.stream.poll_event() {
            match event {
                MediaEvent::Frame(_) => {
                    self.flush();
                    let room = self.events.capacity() > EVENT_RESERVE && self.waiting.is_empty();
                    if !room || self.events.try_send(event).is_err() {
                        self.unread_frames += 1;
                    }
                }
                event => self.wait(event),
            }
        }
        self.flush();
    }

    fn wait(&mut self, event: MediaEvent) {
        if self.waiting.len() < EVENT_QUEUE {
            self.waiting.push_back(event);
        } else {
            self.unread_events += 1;
        }
    }

    fn flush(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                self.waiting.push_front(event);
                break;
            }
        }
    }
}

/// Binds an even port and the next one.
fn bind_pair(
    bind: IpAddr,
    ports: PortRange,
    turn: u32,
) -> Result<(StdUdpSocket, StdUdpSocket), MediaError> {
    let failed = |error| MediaError::Bind { bind, error };
    match ports {
        PortRange::Between { low, high } => {
            let first = u32::from(low).next_multiple_of(2).max(2);
            let pairs = (u32::from(high) + 1).saturating_sub(first) / 2;
            if pairs == 0 {
                return Err(MediaError::NoPair { low, high });
            }
            for attempt in 0..pairs {
                let pair = turn.wrapping_add(attempt) % pairs;
                // At most `high` - 1, so it fits.
                let port = first + 2 * pair;
                let Ok(port) = u16::try_from(port) else { continue };
                if let Some(sockets) = try_pair(bind, port).map_err(failed)? {
                    return Ok(sockets);
                }
            }
            Err(MediaError::PortsExhausted { bind, low, high })
        }
        PortRange::Any => {
            for _ in 0..ANY_PORT_TRIES {
                let chosen = StdUdpSocket::bind((bind, 0)).map_err(failed)?;
                let port = chosen.local_addr().map_err(failed)?.port();
                if !port.is_multiple_of(2) {
                    continue;
                }
                if let Some(rtcp) = try_bind(bind, port + 1).map_err(failed)? {
                    return Ok((chosen, rtcp));
                }
            }
            Err(MediaError::PortsExhausted { bind, low: 0, high: 0 })
        }
    }
}

fn try_pair(bind: IpAddr, port: u16) -> io::Result<Option<(StdUdpSocket, StdUdpSocket)>> {
    let Some(rtp) = try_bind(bind, port)? else { return Ok(None) };
    let Some(rtcp) = try_bind(bind, port + 1)? else { return Ok(None) };
    Ok(Some((rtp, rtcp)))
}

/// `None` if another socket has the port.
fn try_bind(bind: IpAddr, port: u16) -> io::Result<Option<StdUdpSocket>> {
    match StdUdpSocket::bind((bind, port)) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error),
    }
}

fn into_tokio(socket: StdUdpSocket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

#[cfg(test)]
mod tests;
