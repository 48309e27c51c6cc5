//! The task that owns the socket and the endpoint.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use phoneai_clock::Clock;
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot, watch},
};

use super::{
    super::{
        Flow,
        stream::{Connections, StreamEvent},
    },
    Call, IncomingCall, IncomingRequest, Load, RegistrationHandle, WeakHandle,
};
use crate::{
    endpoint::{
        Body, CallEvent, Ended, EndedBy, Endpoint, Event, Header, Inbound, Reception, RequestId,
    },
    message::limits::MAX_MESSAGE,
    registration::{RegistrationConfig, RegistrationId, RegistrationState},
    session::{CallError, CallId, OutgoingCall},
};

/// Events that a call's owner may leave unread. Who lets more pile up has stopped listening, and
/// the call is hung up.
const CALL_EVENTS: usize = 64;

/// Datagrams that are read before timers and commands have their turn.
const BATCH: usize = 64;

/// How long an endpoint without owner takes to say good-bye to its peers.
const ORPHANED: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) enum Command {
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
    Reception {
        work: ReceptionWork,
    },
    NamePeer {
        peer: SocketAddr,
        name: String,
    },
    Shutdown {
        limit: Duration,
        reply: oneshot::Sender<()>,
    },
}

/// What is to be done with the reception, if there is one.
pub(super) struct ReceptionWork(pub(super) Box<Work>);

type Work = dyn FnOnce(Instant, Option<&mut Reception>) + Send;

impl std::fmt::Debug for ReceptionWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReceptionWork")
    }
}

#[derive(Debug)]
pub(super) enum Action {
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
pub(super) enum Dropped {
    Call(CallId),
    Registration(RegistrationId),
}

/// The driver's side of a call.
#[derive(Debug)]
pub(super) struct Listener {
    events: mpsc::Sender<CallEvent>,
    /// A place that is kept free for the last event.
    last: mpsc::OwnedPermit<CallEvent>,
}

#[derive(Debug)]
pub(super) struct Driver {
    pub(super) socket: UdpSocket,
    pub(super) connections: Connections,
    pub(super) endpoint: Endpoint,
    pub(super) clock: Clock,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) dropped: mpsc::UnboundedReceiver<Dropped>,
    pub(super) handle: WeakHandle,
    pub(super) incoming: mpsc::Sender<IncomingCall>,
    pub(super) requests: mpsc::Sender<IncomingRequest>,
    pub(super) calls: HashMap<CallId, Listener>,
    pub(super) registrations: HashMap<RegistrationId, watch::Sender<RegistrationState>>,
    /// False once no more commands can come.
    pub(super) commanded: bool,
    pub(super) shutdown: Option<Shutdown>,
}

#[derive(Debug)]
pub(super) struct Shutdown {
    deadline: Instant,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Driver {
    pub(super) async fn run(mut self) {
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
                Some(event) = self.connections.events.recv() => self.on_stream(event),
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

    fn shutdown_deadline(&self) -> Option<Instant> {
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

    fn on_stream(&mut self, event: StreamEvent) {
        let now = self.clock.now();
        match event {
            StreamEvent::Accepted(accepted) => self.connections.accepted(accepted),
            StreamEvent::Message { flow, bytes } => self.endpoint.handle_message(now, flow, &bytes),
            StreamEvent::Closed { flow, id } => {
                if self.connections.closed(flow, id) {
                    self.endpoint.handle_closed(now, flow);
                }
            }
        }
    }

    fn send(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            if transmit.transport.is_reliable() {
                let flow = Flow { peer: transmit.destination, transport: transmit.transport };
                self.connections.send(flow, transmit.payload);
                continue;
            }
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
            Command::NamePeer { peer, name } => self.connections.name(peer, &name),
            Command::Reception { work } => (work.0)(now, self.endpoint.reception_mut()),
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

    fn act(&mut self, now: Instant, call: CallId, action: Action) -> Result<(), CallError> {
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
