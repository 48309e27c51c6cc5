//! Connections: TCP and TLS, accepted and made, one task each.
//!
//! The driver owns a `Connections`; it never waits for a peer. A connection's task reads messages
//! and hands them over through a bounded queue, so that a driver that is busy slows its peers down.
//! A peer that does not read what it is sent loses its connection.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdTcpListener},
    sync::Arc,
    time::Duration,
};

use phoneai_clock::Clock;
use rustls::{ClientConfig, ServerConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    Flow, TransportKind,
    framing::{Frame, Framer, FramingError},
    tls,
};

/// Connections at a time, both ways together.
const MAX_CONNECTIONS: usize = 8_192;
/// Connections of one address: an office full of phones.
const MAX_PER_ADDRESS: usize = 512;
/// Connections that wait to be looked at, and messages that wait to be read.
const QUEUE: usize = 256;
/// Messages that wait to be written to one peer.
const OUTBOX: usize = 64;
/// How long a handshake may take, a message from its first byte to its last, the first message to
/// come, and a write.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may be quiet: longer than a registration lasts.
const QUIET: Duration = Duration::from_secs(2 * 3600);
/// Bytes that are read at once.
const READ: usize = 8 * 1024;
/// Names of peers whose certificates are to be checked.
const MAX_NAMES: usize = 256;
/// The least pause after a connection that could not be accepted: file descriptors have run out.
const BREATHER: Duration = Duration::from_millis(100);

/// What an endpoint offers and uses besides UDP.
#[derive(Debug, Default)]
pub struct Streams {
    /// Where TCP is accepted.
    pub tcp: Vec<StdTcpListener>,
    /// Where TLS is accepted, and with which certificate.
    pub tls: Vec<(StdTcpListener, Arc<ServerConfig>)>,
    /// How the certificates of servers are checked; `None`: no TLS connection is made.
    pub tls_client: Option<Arc<ClientConfig>>,
}

/// What happened to a connection.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// A peer has connected; to be given to [`Connections::accepted`].
    Accepted(Accepted),
    /// A message came.
    Message { flow: Flow, bytes: Vec<u8> },
    /// The connection has ended; to be given to [`Connections::closed`].
    Closed { flow: Flow, id: u64 },
}

#[derive(Debug)]
pub(super) struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
}

#[derive(Debug)]
struct Connection {
    id: u64,
    outbox: mpsc::Sender<Arc<[u8]>>,
}

/// All connections of an endpoint.
#[derive(Debug)]
pub(super) struct Connections {
    table: HashMap<Flow, Connection>,
    of_address: HashMap<IpAddr, usize>,
    next_id: u64,
    events_in: mpsc::Sender<StreamEvent>,
    pub(super) events: mpsc::Receiver<StreamEvent>,
    tls_client: Option<Arc<ClientConfig>>,
    names: HashMap<SocketAddr, ServerName<'static>>,
    acceptors: Vec<tokio::task::JoinHandle<()>>,
}

impl Connections {
    pub(super) fn start(streams: Streams) -> io::Result<Self> {
        let (events_in, events) = mpsc::channel(QUEUE);
        let tcp = streams.tcp.into_iter().map(|listener| (listener, None));
        let tls = streams.tls.into_iter().map(|(listener, config)| (listener, Some(config)));
        let mut acceptors = Vec::new();
        for (listener, tls) in tcp.chain(tls) {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            acceptors.push(tokio::spawn(accept(listener, tls, events_in.clone())));
        }
        Ok(Self {
            table: HashMap::new(),
            of_address: HashMap::new(),
            next_id: 0,
            events_in,
            events,
            tls_client: streams.tls_client,
            names: HashMap::new(),
            acceptors,
        })
    }

    /// Under which name the peer at this address has its certificate.
    pub(super) fn name(&mut self, peer: SocketAddr, name: &str) {
        if self.names.len() >= MAX_NAMES && !self.names.contains_key(&peer) {
            self.names.clear();
        }
        match ServerName::try_from(name.to_owned()) {
            Ok(name) => {
                self.names.insert(peer, name);
            }
            Err(error) => tracing::warn!(%peer, name, %error, "No certificate has such a name."),
        }
    }

    /// Serves a peer that has connected, if there is room.
    pub(super) fn accepted(&mut self, accepted: Accepted) {
        let Accepted { stream, peer, tls } = accepted;
        let transport = if tls.is_some() { TransportKind::Tls } else { TransportKind::Tcp };
        let flow = Flow { peer, transport };
        let Some((id, outbox)) = self.enter(flow) else {
            tracing::debug!(%peer, "A connection finds no room.");
            return;
        };
        let task = Task { flow, id, outbox, events: self.events_in.clone() };
        tokio::spawn(async move {
            match tls {
                None => task.serve(stream, true).await,
                Some(tls) => match within(TlsAcceptor::from(tls).accept(stream)).await {
                    Ok(stream) => task.serve(stream, true).await,
                    Err(error) => task.failed(&error).await,
                },
            }
        });
    }

    /// Sends a message on the connection of this flow, which is made if there is none.
    pub(super) fn send(&mut self, flow: Flow, message: Arc<[u8]>) {
        if let Some(connection) = self.table.get(&flow) {
            if connection.outbox.try_send(message).is_err() {
                // It has ended, or its peer has stopped reading; its task says the rest.
                tracing::debug!(%flow, "Not sent; the connection is closed.");
                self.forget(flow);
            }
            return;
        }
        let Some((id, outbox)) = self.enter(flow) else {
            tracing::warn!(%flow, "Not sent: there are too many connections.");
            return;
        };
        if let Some(connection) = self.table.get(&flow) {
            // It is empty, and its task not started.
            let _ = connection.outbox.try_send(message);
        }
        let task = Task { flow, id, outbox, events: self.events_in.clone() };
        let tls = (flow.transport == TransportKind::Tls).then(|| {
            let name = self.names.get(&flow.peer).cloned();
            let name = name.unwrap_or(ServerName::IpAddress(flow.peer.ip().into()));
            (self.tls_client.clone(), name)
        });
        tokio::spawn(async move {
            let stream = match within(TcpStream::connect(flow.peer)).await {
                Ok(stream) => stream,
                Err(error) => return task.failed(&error).await,
            };
            match tls {
                None => task.serve(stream, false).await,
                Some((None, _)) => {
                    task.failed(&io::Error::other("no TLS client is configured")).await;
                }
                Some((Some(config), name)) => {
                    match within(TlsConnector::from(config).connect(name, stream)).await {
                        Ok(stream) => task.serve(stream, false).await,
                        Err(error) => task.failed(&error).await,
                    }
                }
            }
        });
    }

    /// Forgets a connection that has ended; false if another has taken its place.
    pub(super) fn closed(&mut self, flow: Flow, id: u64) -> bool {
        let is_this = self.table.get(&flow).is_none_or(|connection| connection.id == id);
        if is_this {
            self.forget(flow);
        }
        is_this
    }

    fn enter(&mut self, flow: Flow) -> Option<(u64, mpsc::Receiver<Arc<[u8]>>)> {
        let ip = flow.peer.ip();
        let of_address = self.of_address.get(&ip).copied().unwrap_or(0);
        if self.table.len() >= MAX_CONNECTIONS || of_address >= MAX_PER_ADDRESS {
            return None;
        }
        self.next_id += 1;
        let (sender, outbox) = mpsc::channel(OUTBOX);
        let connection = Connection { id: self.next_id, outbox: sender };
        if self.table.insert(flow, connection).is_none() {
            *self.of_address.entry(ip).or_default() += 1;
        }
        Some((self.next_id, outbox))
    }

    /// The task of the connection ends when its outbox is dropped.
    fn forget(&mut self, flow: Flow) {
        if self.table.remove(&flow).is_none() {
            return;
        }
        if let Some(count) = self.of_address.get_mut(&flow.peer.ip()) {
            *count -= 1;
            if *count == 0 {
                self.of_address.remove(&flow.peer.ip());
            }
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        for acceptor in &self.acceptors {
            acceptor.abort();
        }
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    events: mpsc::Sender<StreamEvent>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let accepted = Accepted { stream, peer, tls: tls.clone() };
                if events.send(StreamEvent::Accepted(accepted)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "A connection cannot be accepted.");
                Clock::real().sleep(BREATHER).await;
            }
        }
    }
}

/// Real time: peers live in it, however fast the calls' clock runs.
async fn within<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "it took too long");
    timeout(PATIENCE, step).await.unwrap_or_else(|_| Err(late()))
}

/// The life of one connection.
struct Task {
    flow: Flow,
    id: u64,
    outbox: mpsc::Receiver<Arc<[u8]>>,
    events: mpsc::Sender<StreamEvent>,
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the peer closed it")]
    Closed,
    #[error("it is not needed any more")]
    Dropped,
    #[error("no whole message came in time")]
    Slow,
    #[error(transparent)]
    Framing(#[from] FramingError),
    #[error(transparent)]
    Network(#[from] io::Error),
}

impl Task {
    async fn failed(self, error: &io::Error) {
        let why = tls::explain(error);
        tracing::warn!(flow = %self.flow, error = %why, "No connection.");
        self.over().await;
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut self, mut stream: S, accepted: bool) {
        let end = self.live(&mut stream, accepted).await;
        if let Err(end) = end {
            tracing::debug!(flow = %self.flow, %end, "A connection has ended.");
        }
        // Not every peer reads a farewell.
        let _ = within(stream.shutdown()).await;
        self.over().await;
    }

    async fn over(self) {
        let closed = StreamEvent::Closed { flow: self.flow, id: self.id };
        // An error means that the driver has ended.
        let _ = self.events.send(closed).await;
    }

    async fn live<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        accepted: bool,
    ) -> Result<(), End> {
        let mut framer = Framer::default();
        let mut buffer = vec![0; READ];
        let real = Clock::real();
        // Who connects to us has something to say.
        let mut patience = if accepted { PATIENCE } else { QUIET };
        let mut deadline = real.now() + patience;
        loop {
            tokio::select! {
                read = stream.read(&mut buffer) => {
                    let count = read?;
                    if count == 0 {
                        return Err(End::Closed);
                    }
                    framer.push(buffer.get(..count).unwrap_or_default());
                    let mut progress = false;
                    while let Some(frame) = framer.poll()? {
                        progress = true;
                        match frame {
                            Frame::Message(bytes) => {
                                let message = StreamEvent::Message { flow: self.flow, bytes };
                                self.events.send(message).await.map_err(|_| End::Dropped)?;
                            }
                            // RFC 5626 §4.4.1: one line end for two.
                            Frame::Ping => within(stream.write_all(b"\r\n")).await?,
                            Frame::Pong => {}
                        }
                    }
                    let next = if framer.is_waiting() { PATIENCE } else { QUIET };
                    // A byte now and then is no progress.
                    if progress || next != patience {
                        patience = next;
                        deadline = real.now() + patience;
                    }
                }
                message = self.outbox.recv() => {
                    let message = message.ok_or(End::Dropped)?;
                    within(stream.write_all(&message)).await?;
                    within(stream.flush()).await?;
                }
                () = real.sleep_until(deadline) => return Err(End::Slow),
            }
        }
    }
}
