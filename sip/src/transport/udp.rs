//! One UDP socket and the endpoint behind it, owned by one task.
//!
//! Nothing is locked: a [`Handle`] sends commands to the task, the task sends events to each
//! [`Call`]. A call that is dropped is hung up.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, UdpSocket as StdUdpSocket},
    sync::Arc,
    time::Duration,
};

use phoneai_clock::Clock;
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot, watch},
};

use crate::{
    endpoint::{Body, CallEvent, Ended, EndedBy, Endpoint, Event, Header, Inbound, RequestId},
    message::limits::MAX_MESSAGE,
    registration::{RegistrationConfig, RegistrationId, RegistrationState},
    session::{CallError, CallId, OutgoingCall},
};

/// Commands that may wait for the task; who sends more waits.
const COMMANDS: usize = 256;

/// Events that a call's owner may leave unread. Who lets more pile up has stopped listening, and
/// the call is hung up.
const CALL_EVENTS: usize = 64;

/// Calls that came in and wait for somebody to take them; more are refused with 503.
const INCOMING: usize = 64;

/// Requests that wait to be answered by the user; more are refused with 503.
const REQUESTS: usize = 256;

/// Datagrams that are read before timers and commands have their turn.
const BATCH: usize = 64;

/// How long an endpoint without owner takes to say good-bye to its peers.
const ORPHANED: Duration = Duration::from_secs(2);

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The endpoint refused it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The task has ended: `shutdown` was called.
    #[error("the SIP endpoint has been shut down")]
    Closed,
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

    /// What the endpoint counted, and how much it holds.
    ///
    /// # Errors
    /// If the endpoint was shut down.
    pub async fn load(&self) -> Result<Load, DriverError> {
        self.ask(|reply| Command::Load { reply }).await
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

    async fn command(&self, action: Action) -> Result<(), DriverError> {
        let call = self.id;
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

#[derive(Debug)]
enum Command {
    Invite {
        call: Box<OutgoingCall>,
        reply: oneshot::Sender<Result<Call, CallError>>,
    },
    Act {
        call: CallId,
        action: Action,
        reply: oneshot::Sender<Result<(), CallError>>,
    },
    Respond {
        id: RequestId,
        request: Box<Inbound>,
        status: u16,
        headers: Vec<Header>,
        body: Option<Body>,
    },
    Register {
        config: Box<RegistrationConfig>,
        reply: oneshot::Sender<Result<RegistrationHandle, CallError>>,
    },
    Load {
        reply: oneshot::Sender<Load>,
    },
    Shutdown {
        limit: Duration,
        reply: oneshot::Sender<()>,
    },
}

#[derive(Debug)]
enum Action {
    Accept(Arc<[u8]>),
    Progress(u16, Option<Arc<[u8]>>),
    Reject(u16, Vec<Header>),
    Offer(Arc<[u8]>),
    AnswerOffer(Result<Arc<[u8]>, u16>),
    Hangup(Vec<Header>),
}

/// What its owner let go of. The channel has no bound of its own: each call and registration, of
/// which there are only so many, is dropped once.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    Call(CallId),
    Registration(RegistrationId),
}

/// The driver's side of a call.
#[derive(Debug)]
struct Listener {
    events: mpsc::Sender<CallEvent>,
    /// A place that is kept free for the last event.
    last: mpsc::OwnedPermit<CallEvent>,
}

#[derive(Debug)]
struct Driver {
    socket: UdpSocket,
    endpoint: Endpoint,
    clock: Clock,
    commands: mpsc::Receiver<Command>,
    dropped: mpsc::UnboundedReceiver<Dropped>,
    handle: WeakHandle,
    incoming: mpsc::Sender<IncomingCall>,
    requests: mpsc::Sender<IncomingRequest>,
    calls: HashMap<CallId, Listener>,
    registrations: HashMap<RegistrationId, watch::Sender<RegistrationState>>,
    /// False once no more commands can come.
    commanded: bool,
    shutdown: Option<Shutdown>,
}

#[derive(Debug)]
struct Shutdown {
    deadline: std::time::Instant,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Driver {
    async fn run(mut self) {
        let mut buffer = vec![0; MAX_MESSAGE];
        while !self.is_done() {
            let deadline = [self.endpoint.poll_timeout(), self.shutdown_deadline()];
            let deadline = deadline.into_iter().flatten().min();
            let clock = self.clock;
            let timer = async move {
                match deadline {
                    Some(deadline) => clock.sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                readable = self.socket.readable() => {
                    if let Err(error) = readable {
                        tracing::error!(%error, "The SIP socket failed; the endpoint stops.");
                        break;
                    }
                    self.receive(&mut buffer);
                }
                command = self.commands.recv(), if self.commanded => match command {
                    Some(command) => self.on_command(command),
                    // Nobody is left who could command: what there is, is ended.
                    None => {
                        self.commanded = false;
                        self.begin_shutdown(ORPHANED, None);
                    }
                },
                Some(dropped) = self.dropped.recv() => self.on_dropped(dropped),
                () = timer => self.endpoint.handle_timeout(self.clock.now()),
            }
            self.deliver();
            self.send();
        }
        let waiting = self.shutdown.take().map(|shutdown| shutdown.waiting).unwrap_or_default();
        drop(self);
        for waiting in waiting {
            let _ = waiting.send(());
        }
    }

    fn is_done(&self) -> bool {
        let Some(shutdown) = &self.shutdown else { return false };
        let over = self.endpoint.calls_alive() == 0
            && self.endpoint.byes_pending() == 0
            && self.registrations.is_empty();
        over || self.clock.now() >= shutdown.deadline
    }

    fn shutdown_deadline(&self) -> Option<std::time::Instant> {
        self.shutdown.as_ref().map(|shutdown| shutdown.deadline)
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            match self.socket.try_recv_from(buffer) {
                Ok((len, source)) => {
                    let datagram = buffer.get(..len).unwrap_or_default();
                    self.endpoint.handle_datagram(self.clock.now(), source, datagram);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error of something sent before; its transaction will time out.
                Err(error) => tracing::debug!(%error, "A datagram was refused by the network."),
            }
        }
    }

    fn send(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            // A full socket buffer loses datagrams as the network does: timers send them again.
            if let Err(error) = self.socket.try_send_to(&transmit.payload, transmit.destination) {
                tracing::debug!(peer = %transmit.destination, %error, "Not sent.");
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Invite { call, reply } => {
                let result = match self.shutdown {
                    Some(_) => Err(CallError::Full),
                    None => self.endpoint.invite(now, *call),
                };
                let result = result.and_then(|id| self.listen(id).ok_or(CallError::Full));
                // Whoever asked may be gone: then the call is dropped here, and hung up.
                let _ = reply.send(result);
            }
            Command::Act { call, action, reply } => {
                let _ = reply.send(self.act(now, call, action));
            }
            Command::Respond { id, request, status, headers, body } => {
                self.endpoint.respond(now, id, &request, status, headers, body);
            }
            Command::Register { config, reply } => {
                let result = self.endpoint.register(now, *config).and_then(|id| {
                    let (sender, state) = watch::channel(RegistrationState::Trying);
                    self.registrations.insert(id, sender);
                    let handle = self.handle.upgrade().ok_or(CallError::Full)?;
                    Ok(RegistrationHandle { id, state, handle })
                });
                let _ = reply.send(result);
            }
            Command::Load { reply } => {
                let _ = reply.send(Load {
                    calls: self.endpoint.calls_alive(),
                    closing: self.endpoint.calls_closing(),
                    transactions: self.endpoint.transactions(),
                    statistics: self.endpoint.statistics(),
                });
            }
            Command::Shutdown { limit, reply } => self.begin_shutdown(limit, Some(reply)),
        }
    }

    fn act(
        &mut self,
        now: std::time::Instant,
        call: CallId,
        action: Action,
    ) -> Result<(), CallError> {
        let endpoint = &mut self.endpoint;
        match action {
            Action::Accept(sdp) => endpoint.accept(now, call, sdp),
            Action::Progress(status, sdp) => endpoint.progress(now, call, status, sdp),
            Action::Reject(status, headers) => endpoint.reject(now, call, status, None, headers),
            Action::Offer(sdp) => endpoint.offer(now, call, sdp),
            Action::AnswerOffer(answer) => endpoint.answer_offer(now, call, answer),
            Action::Hangup(headers) => endpoint.hangup(now, call, headers),
        }
    }

    fn on_dropped(&mut self, dropped: Dropped) {
        let now = self.clock.now();
        match dropped {
            Dropped::Call(call) => {
                self.calls.remove(&call);
                // An error means that the call is over: nothing to hang up.
                let _ = self.endpoint.hangup(now, call, Vec::new());
            }
            Dropped::Registration(id) => self.endpoint.unregister(now, id),
        }
    }

    fn begin_shutdown(&mut self, limit: Duration, reply: Option<oneshot::Sender<()>>) {
        let now = self.clock.now();
        let shutdown =
            self.shutdown.get_or_insert(Shutdown { deadline: now + limit, waiting: Vec::new() });
        shutdown.deadline = shutdown.deadline.min(now + limit);
        shutdown.waiting.extend(reply);
        self.commands.close();
        self.endpoint.hangup_all(now);
        for id in self.registrations.keys() {
            self.endpoint.unregister(now, *id);
        }
    }

    /// Makes the user's side of a call. `None` if nobody could ever command it.
    fn listen(&mut self, id: CallId) -> Option<Call> {
        let handle = self.handle.upgrade()?;
        let (sender, events) = mpsc::channel(CALL_EVENTS);
        let last = sender.clone().try_reserve_owned().ok()?;
        self.calls.insert(id, Listener { events: sender, last });
        Some(Call { id, events, handle })
    }

    fn deliver(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Incoming { call, request } => self.on_incoming(call, request),
                Event::Call { call, event } => self.on_call_event(call, event),
                Event::Registration { id, state } => {
                    let over = state == RegistrationState::Unregistered;
                    if let Some(sender) = self.registrations.get(&id) {
                        sender.send_replace(state);
                    }
                    if over {
                        self.registrations.remove(&id);
                    }
                }
                Event::Request { id, request } => self.on_request(id, request),
            }
        }
    }

    fn on_incoming(&mut self, id: CallId, request: Box<Inbound>) {
        let now = self.clock.now();
        let busy = vec![Header::new("Retry-After", "10")];
        let permit = match (&self.shutdown, self.incoming.clone().try_reserve_owned()) {
            (None, Ok(permit)) => permit,
            (Some(_), _) | (None, Err(_)) => {
                let _ = self.endpoint.reject(now, id, 503, None, busy);
                return;
            }
        };
        if let Some(call) = self.listen(id) {
            permit.send(IncomingCall { call, request });
        } else {
            let _ = self.endpoint.reject(now, id, 503, None, busy);
        }
    }

    fn on_call_event(&mut self, id: CallId, event: CallEvent) {
        if let CallEvent::Ended(_) = event {
            if let Some(listener) = self.calls.remove(&id) {
                listener.last.send(event);
            }
            return;
        }
        let Some(listener) = self.calls.get(&id) else { return };
        if listener.events.try_send(event).is_err() {
            tracing::warn!(call = %id, "Nobody reads the call's events; hanging up.");
            // An error means that it has just ended.
            let _ = self.endpoint.hangup(self.clock.now(), id, Vec::new());
        }
    }

    fn on_request(&mut self, id: RequestId, request: Box<Inbound>) {
        let (now, busy) = (self.clock.now(), vec![Header::new("Retry-After", "10")]);
        match (self.requests.clone().try_reserve_owned(), self.handle.upgrade()) {
            (Ok(permit), Some(handle)) => {
                permit.send(IncomingRequest { request, id, handle });
            }
            (Ok(_) | Err(_), _) => {
                self.endpoint.respond(now, id, &request, 503, busy, None);
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for (_, listener) in self.calls.drain() {
            let ended = Ended::new(EndedBy::Local).reason("the endpoint was shut down");
            listener.last.send(CallEvent::Ended(Box::new(ended)));
        }
    }
}
