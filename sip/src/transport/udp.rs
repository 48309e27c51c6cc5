//! One UDP socket, the connections beside it, and the endpoint behind them, owned by one task.
//!
//! Nothing is locked: a [`Handle`] sends commands to the task, the task sends events to each
//! [`Call`]. A call that is dropped is hung up.

mod driver;

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, UdpSocket as StdUdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use phoneai_clock::Clock;
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot, watch},
};

use self::driver::{Action, Command, Driver, Dropped, ReceptionWork};
use super::stream::{Connections, Streams};
use crate::{
    endpoint::{Body, CallEvent, Endpoint, Header, Inbound, Reception, RequestId},
    registration::{RegistrationConfig, RegistrationId, RegistrationState},
    session::{CallError, CallId, OutgoingCall},
};

/// Commands that may wait for the task; who sends more waits.
const COMMANDS: usize = 256;

/// Calls that came in and wait for somebody to take them; more are refused with 503.
const INCOMING: usize = 1024;

/// Requests that wait to be answered by the user; more are refused with 503.
const REQUESTS: usize = 256;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The endpoint refused it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The task has ended: `shutdown` was called.
    #[error("the SIP endpoint has been shut down")]
    Closed,
    /// The endpoint serves no phones.
    #[error("no phone can register at this SIP endpoint")]
    NoReception,
}

/// Why a socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program, or another instance of this one, has the port.
    #[error(
        "UDP port {0} is in use by another program; stop it, or choose another port (0 takes a free one)"
    )]
    Busy(SocketAddr),
    /// The address is not one of this machine's.
    #[error("{0} is not an address of this machine; use one that is, or 0.0.0.0 for all of them")]
    NotHere(SocketAddr),
    /// Ports below 1024 need a privilege.
    #[error("no permission to use UDP port {0}; choose one above 1023")]
    Permission(SocketAddr),
    /// Something else.
    #[error("UDP port {address} cannot be opened: {error}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
}

/// Opens the socket for [`spawn`]. Port 0 takes a free one.
///
/// # Errors
/// If the port cannot be had; the text says what to do.
pub fn bind(address: SocketAddr) -> Result<StdUdpSocket, BindError> {
    let open = || {
        let socket = StdUdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    open().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::Busy(address),
        io::ErrorKind::AddrNotAvailable => BindError::NotHere(address),
        io::ErrorKind::PermissionDenied => BindError::Permission(address),
        _ => BindError::Other { address, error },
    })
}

/// What comes in by itself.
#[derive(Debug)]
pub struct Inlets {
    /// Calls from others. When this is dropped or full, callers get 503.
    pub incoming: mpsc::Receiver<IncomingCall>,
    /// Requests outside of calls, of the methods that the endpoint's configuration names.
    pub requests: mpsc::Receiver<IncomingRequest>,
}

/// Starts the task that owns `socket` and `endpoint`. It ends after [`Handle::shutdown`], or when
/// all handles, calls and registrations are dropped.
///
/// # Errors
/// If the socket cannot be given to the runtime.
///
/// # Panics
/// Outside of a Tokio runtime.
pub fn spawn(
    socket: StdUdpSocket,
    endpoint: Endpoint,
    clock: Clock,
) -> io::Result<(Handle, Inlets)> {
    spawn_with(socket, Streams::default(), endpoint, clock)
}

/// As [`spawn`], with TCP and TLS as `streams` says.
///
/// # Errors
/// As [`spawn`].
///
/// # Panics
/// As [`spawn`].
pub fn spawn_with(
    socket: StdUdpSocket,
    streams: Streams,
    endpoint: Endpoint,
    clock: Clock,
) -> io::Result<(Handle, Inlets)> {
    socket.set_nonblocking(true)?;
    let local_addr = socket.local_addr()?;
    let socket = UdpSocket::from_std(socket)?;
    let (commands, commands_out) = mpsc::channel(COMMANDS);
    let (dropped, dropped_out) = mpsc::unbounded_channel();
    let (incoming_in, incoming) = mpsc::channel(INCOMING);
    let (requests_in, requests) = mpsc::channel(REQUESTS);
    let handle = Handle { commands, dropped, local_addr };
    let driver = Driver {
        socket,
        connections: Connections::start(streams)?,
        endpoint,
        clock,
        commands: commands_out,
        dropped: dropped_out,
        handle: handle.downgrade(),
        incoming: incoming_in,
        requests: requests_in,
        calls: HashMap::new(),
        registrations: HashMap::new(),
        commanded: true,
        shutdown: None,
    };
    tokio::spawn(driver.run());
    Ok((handle, Inlets { incoming, requests }))
}

/// Commands to a running endpoint. Copies command the same one.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    dropped: mpsc::UnboundedSender<Dropped>,
    local_addr: SocketAddr,
}

#[derive(Debug)]
struct WeakHandle {
    commands: mpsc::WeakSender<Command>,
    dropped: mpsc::WeakUnboundedSender<Dropped>,
    local_addr: SocketAddr,
}

impl Handle {
    /// Where the socket is.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Calls somebody. What becomes of it is told by the call's events.
    ///
    /// # Errors
    /// If there is no room for another call, or the endpoint was shut down.
    pub async fn invite(&self, call: OutgoingCall) -> Result<Call, DriverError> {
        let call = Box::new(call);
        self.ask(|reply| Command::Invite { call, reply }).await?.map_err(DriverError::Call)
    }

    /// Registers an address and keeps it registered until the result is dropped or told to
    /// unregister.
    ///
    /// # Errors
    /// If there are too many registrations, or the endpoint was shut down.
    pub async fn register(
        &self,
        config: RegistrationConfig,
    ) -> Result<RegistrationHandle, DriverError> {
        let config = Box::new(config);
        self.ask(|reply| Command::Register { config, reply }).await?.map_err(DriverError::Call)
    }

    /// Hangs up all calls (CANCEL, BYE or 603), removes all registrations, and ends the task when
    /// that is done, or when `limit` has passed.
    pub async fn shutdown(&self, limit: Duration) {
        // An error means that the task has ended, which is what was wanted.
        let _ = self.ask(|reply| Command::Shutdown { limit, reply }).await;
    }

    /// Says under which name the peer at this address has its certificate; without a name it must be
    /// for the address.
    ///
    /// # Errors
    /// If the endpoint was shut down.
    pub async fn name_peer(&self, peer: SocketAddr, name: String) -> Result<(), DriverError> {
        let command = Command::NamePeer { peer, name };
        self.commands.send(command).await.map_err(|_| DriverError::Closed)
    }

    /// What the endpoint counted, and how much it holds.
    ///
    /// # Errors
    /// If the endpoint was shut down.
    pub async fn load(&self) -> Result<Load, DriverError> {
        self.ask(|reply| Command::Load { reply }).await
    }

    /// Does something with the endpoint's reception, in the endpoint's task: `work` must be short.
    ///
    /// # Errors
    /// If the endpoint was shut down, or has no reception.
    pub async fn with_reception<T: Send + 'static>(
        &self,
        work: impl FnOnce(Instant, &mut Reception) -> T + Send + 'static,
    ) -> Result<T, DriverError> {
        let done = |reply: oneshot::Sender<Option<T>>| Command::Reception {
            work: ReceptionWork(Box::new(move |now, reception| {
                // Whoever asked may be gone.
                let _ = reply.send(reception.map(|reception| work(now, reception)));
            })),
        };
        self.ask(done).await?.ok_or(DriverError::NoReception)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, DriverError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| DriverError::Closed)?;
        answer.await.map_err(|_| DriverError::Closed)
    }

    fn downgrade(&self) -> WeakHandle {
        WeakHandle {
            commands: self.commands.downgrade(),
            dropped: self.dropped.downgrade(),
            local_addr: self.local_addr,
        }
    }
}

impl WeakHandle {
    fn upgrade(&self) -> Option<Handle> {
        Some(Handle {
            commands: self.commands.upgrade()?,
            dropped: self.dropped.upgrade()?,
            local_addr: self.local_addr,
        })
    }
}

/// How busy an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Calls under way.
    pub calls: usize,
    /// Calls that are over but for late messages.
    pub closing: usize,
    /// Transactions.
    pub transactions: usize,
    /// What was counted since the start.
    pub statistics: crate::endpoint::Statistics,
}

/// One call. Dropping it hangs up.
#[derive(Debug)]
pub struct Call {
    id: CallId,
    /// What happens in the call, [`CallEvent::Ended`] last. Closed after that, and when the
    /// endpoint is shut down.
    pub events: mpsc::Receiver<CallEvent>,
    handle: Handle,
}

impl Call {
    /// The endpoint's name for it.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// Answers an incoming call with our answer, or our offer if it brought none.
    ///
    /// # Errors
    /// If it is over, or not one that rings at us.
    pub async fn accept(&self, sdp: impl Into<Arc<[u8]>>) -> Result<(), DriverError> {
        self.command(Action::Accept(sdp.into())).await
    }

    /// Sends a provisional response (180, 183) to an incoming call, with early media if `sdp` is
    /// given.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn progress(&self, status: u16, sdp: Option<Arc<[u8]>>) -> Result<(), DriverError> {
        self.command(Action::Progress(status, sdp)).await
    }

    /// Refuses an incoming call.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn reject(&self, status: u16, headers: Vec<Header>) -> Result<(), DriverError> {
        self.command(Action::Reject(status, headers)).await
    }

    /// Offers a changed session; [`CallEvent::OfferAnswered`] or [`CallEvent::OfferRefused`]
    /// follows.
    ///
    /// # Errors
    /// If the call is not answered, or another offer is under way.
    pub async fn offer(&self, sdp: impl Into<Arc<[u8]>>) -> Result<(), DriverError> {
        self.command(Action::Offer(sdp.into())).await
    }

    /// Answers [`CallEvent::Offer`], or refuses it with a status (488 as a rule).
    ///
    /// # Errors
    /// If there is nothing to answer.
    pub async fn answer_offer(&self, answer: Result<Arc<[u8]>, u16>) -> Result<(), DriverError> {
        self.command(Action::AnswerOffer(answer)).await
    }

    /// Ends the call: CANCEL, 603 or BYE, as its state demands. [`CallEvent::Ended`] follows.
    ///
    /// # Errors
    /// If it is over already.
    pub async fn hangup(&self, headers: Vec<Header>) -> Result<(), DriverError> {
        self.command(Action::Hangup(headers)).await
    }

    /// A way to end the call for somebody who does not own it.
    pub fn ender(&self) -> Ender {
        Ender { call: self.id, handle: self.handle.clone() }
    }

    async fn command(&self, action: Action) -> Result<(), DriverError> {
        let call = self.id;
        let command = |reply| Command::Act { call, action, reply };
        self.handle.ask(command).await?.map_err(DriverError::Call)
    }
}

/// Ends one call, whatever its owner is waiting for. Keeps neither the call nor its events alive.
#[derive(Debug)]
pub struct Ender {
    call: CallId,
    handle: Handle,
}

impl Ender {
    /// As [`Call::hangup`] without further headers.
    ///
    /// # Errors
    /// If the call is over already.
    pub async fn hangup(&self) -> Result<(), DriverError> {
        let (call, action) = (self.call, Action::Hangup(Vec::new()));
        let command = |reply| Command::Act { call, action, reply };
        self.handle.ask(command).await?.map_err(DriverError::Call)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // An error means that the task has ended, and all calls with it.
        let _ = self.handle.dropped.send(Dropped::Call(self.id));
    }
}

/// A call from somebody. Dropping its `call` refuses it.
#[derive(Debug)]
pub struct IncomingCall {
    /// The call, to be answered.
    pub call: Call,
    /// The INVITE: who calls whom, from where; its body is the offer.
    pub request: Box<Inbound>,
}

/// A request outside of calls.
#[derive(Debug)]
pub struct IncomingRequest {
    /// The request.
    pub request: Box<Inbound>,
    id: RequestId,
    handle: Handle,
}

impl IncomingRequest {
    /// Answers it.
    ///
    /// # Errors
    /// If the endpoint was shut down.
    pub async fn respond(
        self,
        status: u16,
        headers: Vec<Header>,
        body: Option<Body>,
    ) -> Result<(), DriverError> {
        let Self { request, id, handle } = self;
        let command = Command::Respond { id, request, status, headers, body };
        handle.commands.send(command).await.map_err(|_| DriverError::Closed)
    }
}

/// A registration. Dropping it unregisters.
#[derive(Debug)]
pub struct RegistrationHandle {
    id: RegistrationId,
    state: watch::Receiver<RegistrationState>,
    handle: Handle,
}

impl RegistrationHandle {
    /// How it stands, now and whenever that changes.
    pub fn state(&self) -> watch::Receiver<RegistrationState> {
        self.state.clone()
    }

    /// Removes the binding at the registrar and waits until that is done or was tried in vain.
    pub async fn unregister(self) {
        let mut state = self.state.clone();
        drop(self);
        // An error means that the task has ended.
        let _ = state.wait_for(|state| *state == RegistrationState::Unregistered).await;
    }
}

impl Drop for RegistrationHandle {
    fn drop(&mut self) {
        let _ = self.handle.dropped.send(Dropped::Registration(self.id));
    }
}
