//! The task of one call: moves messages between its session and a WebSocket.

use std::{
    collections::VecDeque,
    future::Future,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest as _,
        http::{HeaderValue, header::AUTHORIZATION},
        protocol::WebSocketConfig,
    },
};

use super::{
    Credentials, Heard, Service,
    dialect::{Fault, Outgoing},
    metrics::Metrics,
    session::Session,
};
use crate::{
    config::Secret,
    http::{HttpError, Stream},
    speech::{Listening, SpeechEvent},
};

/// Bytes of a message from the service; results are a few kilobytes.
const LARGEST_MESSAGE: usize = 1 << 20;
/// How long writing a message may take.
const WRITE: Duration = Duration::from_secs(5);
/// How long opening a WebSocket may take once the connection is there.
const UPGRADE: Duration = Duration::from_secs(10);
/// Events that wait behind a full channel before nothing more is read from the service.
const OUTBOX: usize = 256;

type Socket = WebSocketStream<Box<dyn Stream>>;
type Opening = Pin<Box<dyn Future<Output = Result<Socket, Fault>> + Send>>;

/// A call, and what it needs.
pub(super) struct Task {
    pub service: Arc<Service>,
    pub metrics: Arc<Metrics>,
    pub call: String,
    pub frames: mpsc::Receiver<Heard>,
    pub listener: mpsc::Sender<SpeechEvent>,
}

/// What came next.
enum Next {
    Heard(Option<Heard>),
    Opened(Box<Result<Socket, Fault>>),
    Message(Option<Result<Message, tungstenite::Error>>),
    Room,
    Time,
}

impl Task {
    /// Runs until the call is over and all its words are told.
    pub async fn run(mut self) {
        let mut hasher = DefaultHasher::new();
        self.call.hash(&mut hasher);
        let (dialect, limits) = (Arc::clone(&self.service.dialect), self.service.limits.clone());
        let mut session = Session::new(dialect, limits, hasher.finish());
        let rest = self.listen(&mut session).await;
        self.metrics.add(session.counts());
        tracing::debug!(call = self.call, counts = %session.counts(), "A service has recognised.");
        if let Some(mut outbox) = rest {
            match self.service.fallback.clone().map(|engine| engine.open(&self.call)) {
                Some(Ok(other)) => self.hand_over(&session, other, outbox).await,
                Some(Err(error)) => {
                    tracing::warn!(call = self.call, %error, "The other recogniser cannot listen.");
                    self.go_deaf(&mut session, &mut outbox).await;
                }
                None => self.go_deaf(&mut session, &mut outbox).await,
            }
        }
    }

    /// Until the session is over; what is not delivered yet, if the service was given up.
    async fn listen(&mut self, session: &mut Session) -> Option<Outbox> {
        let clock = self.service.clock;
        let mut socket: Option<Socket> = None;
        let mut opening: Option<Opening> = None;
        let mut outbox = Outbox::default();
        let mut is_over = false;
        loop {
            let now = clock.now();
            if session.poll_connect(now) {
                opening = Some(Box::pin(open(Arc::clone(&self.service))));
            }
            while let Some(event) = session.poll_event() {
                outbox.add(event);
            }
            if !outbox.deliver(&self.listener) {
                // Nobody listens any more.
                return None;
            }
            if session.failure().is_some() {
                return Some(outbox);
            }
            if session.is_over() {
                if let Some(mut socket) = socket.take() {
                    // A courtesy: the words are all here.
                    let _ = clock_timeout(self.service.clock, WRITE, socket.close(None)).await;
                }
                outbox.deliver_all(&self.listener).await;
                return None;
            }
            if !session.is_connected() {
                // It was given up for not answering. Its end, when that comes, says nothing about
                // the connection that is opened now.
                socket = None;
            }
            if let Some(open) = &mut socket
                && let Err(fault) = write(self.service.clock, session, open).await
            {
                socket = None;
                session.failed(clock.now(), fault);
                continue;
            }
            let due = session.poll_timeout();
            let next = tokio::select! {
                heard = self.frames.recv(), if !is_over => Next::Heard(heard),
                opened = async { opening.as_mut().unwrap_or(&mut never()).await },
                    if opening.is_some() => Next::Opened(Box::new(opened)),
                message = async {
                    match &mut socket {
                        Some(socket) => socket.next().await,
                        None => None,
                    }
                }, if socket.is_some() && !outbox.is_full() => Next::Message(message),
                _ = self.listener.reserve(), if !outbox.is_empty() => Next::Room,
                () = async {
                    if let Some(due) = due {
                        clock.sleep_until(due).await;
                    }
                }, if due.is_some() => Next::Time,
            };
            let now = clock.now();
            match next {
                Next::Heard(Some(Heard::Frame { at_ms, samples })) => {
                    session.push(now, at_ms, &samples);
                }
                Next::Heard(Some(Heard::Lost { from_ms, to_ms })) => session.lost(from_ms, to_ms),
                Next::Heard(Some(Heard::Flush)) => session.flush(now),
                Next::Heard(None) => {
                    is_over = true;
                    session.finish(now);
                }
                Next::Opened(opened) => {
                    opening = None;
                    match *opened {
                        Ok(open) => {
                            socket = Some(open);
                            session.connected(now);
                        }
                        Err(fault) => session.failed(now, fault),
                    }
                }
                Next::Message(message) => {
                    if !read(session, now, message) {
                        socket = None;
                    }
                }
                Next::Room => {}
                Next::Time => session.handle_timeout(now),
            }
        }
    }

    /// Another engine hears the rest.
    async fn hand_over(&mut self, session: &Session, other: Listening, mut outbox: Outbox) {
        let why = session.failure().unwrap_or_default();
        let service = self.service.dialect.name();
        tracing::warn!(call = self.call, service, why, "Another recogniser goes on.");
        let Listening { ear, mut events } = other;
        let mut ear = Some(ear);
        let (from, samples) = session.rest();
        for (frame, at) in samples.chunks(160).zip((from..).step_by(20)) {
            if let Some(ear) = &mut ear {
                ear.push(at, frame);
            }
        }
        loop {
            if !outbox.deliver(&self.listener) {
                return;
            }
            tokio::select! {
                heard = self.frames.recv(), if ear.is_some() => match (heard, &mut ear) {
                    (Some(Heard::Frame { at_ms, samples }), Some(ear)) => ear.push(at_ms, &samples),
                    (Some(Heard::Lost { from_ms, to_ms }), _) => {
                        outbox.add(SpeechEvent::Dropped { from_ms, to_ms });
                    }
                    (Some(Heard::Flush), Some(ear)) => ear.flush(),
                    (Some(_), None) => {}
                    (None, _) => if let Some(ear) = ear.take() {
                        ear.finish();
                    },
                },
                event = events.recv(), if !outbox.is_full() => match event {
                    Some(event) => outbox.add(event),
                    None => break,
                },
                _ = self.listener.reserve(), if !outbox.is_empty() => {}
            }
        }
        outbox.deliver_all(&self.listener).await;
    }

    /// Nobody hears the rest, and the call is told so.
    async fn go_deaf(&mut self, session: &mut Session, outbox: &mut Outbox) {
        session.tell_failure();
        loop {
            while let Some(event) = session.poll_event() {
                outbox.add(event);
            }
            if !outbox.deliver(&self.listener) {
                return;
            }
            match self.frames.recv().await {
                Some(Heard::Frame { at_ms, samples }) => session.lose(at_ms, samples.len()),
                Some(Heard::Lost { .. } | Heard::Flush) => {}
                None => break,
            }
        }
        outbox.deliver_all(&self.listener).await;
    }
}

fn never() -> Opening {
    Box::pin(std::future::pending())
}

/// Sends what the session has to send.
async fn write(
    clock: phoneai_clock::Clock,
    session: &mut Session,
    socket: &mut Socket,
) -> Result<(), Fault> {
    let mut wrote = false;
    while let Some(message) = session.poll_transmit() {
        let message = match message {
            Outgoing::Text(text) => Message::text(text),
            Outgoing::Binary(bytes) => Message::binary(bytes),
        };
        wrote = true;
        match clock_timeout(clock, WRITE, socket.feed(message)).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(Fault::passing(error.to_string())),
            None => return Err(Fault::passing("a message could not be written in time")),
        }
    }
    if !wrote {
        return Ok(());
    }
    match clock_timeout(clock, WRITE, socket.flush()).await {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(Fault::passing(error.to_string())),
        None => Err(Fault::passing("a message could not be written in time")),
    }
}

/// Takes a message; false if the connection is no good any more.
fn read(
    session: &mut Session,
    now: std::time::Instant,
    message: Option<Result<Message, tungstenite::Error>>,
) -> bool {
    let fault = match message {
        Some(Ok(Message::Text(text))) => {
            session.received(now, text.as_str());
            return session.is_connected();
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return true,
        Some(Ok(Message::Binary(_))) => Fault::passing("a binary message came"),
        Some(Ok(Message::Close(frame))) => {
            let (code, reason) = match &frame {
                Some(frame) => (u16::from(frame.code), frame.reason.as_str()),
                // RFC 6455 §7.1.5: 1005, no code was given.
                None => (1005, ""),
            };
            session.closed(now, code, reason);
            return false;
        }
        Some(Err(error)) => Fault::passing(error.to_string()),
        // RFC 6455 §7.1.5: 1006, closed without a word.
        None => {
            session.closed(now, 1006, "");
            return false;
        }
    };
    session.failed(now, fault);
    false
}

/// Opens a connection with credentials of the moment.
async fn open(service: Arc<Service>) -> Result<Socket, Fault> {
    let Service { dialect, address, credentials, client, clock, .. } = &*service;
    let (authorization, token): (Option<Secret<String>>, _) = match credentials {
        Credentials::None => (None, None),
        Credentials::Key { scheme, key } => {
            (Some(Secret::new(format!("{scheme} {}", key.expose()))), None)
        }
        Credentials::Iam(tokens) => {
            let token = tokens.get().await?;
            (Some(Secret::new(format!("Bearer {}", token.expose()))), Some((tokens, token)))
        }
    };
    let mut url = address.clone();
    let scheme = match url.scheme() {
        "https" | "wss" => "wss",
        _ => "ws",
    };
    // Between these schemes a change is always possible.
    let _ = url.set_scheme(scheme);
    let bad = |error: &dyn std::fmt::Display| Fault::lasting(format!("{url}: {error}"));
    let mut request = url.as_str().into_client_request().map_err(|e| bad(&e))?;
    if let Some(authorization) = authorization {
        let mut value = HeaderValue::from_str(authorization.expose()).map_err(|e| bad(&e))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let stream = client.open(address).await.map_err(|error| match error {
        HttpError::BadUrl(_) | HttpError::Tls(_) | HttpError::Forbidden(_) => {
            Fault::lasting(error.to_string())
        }
        HttpError::Lookup { .. }
        | HttpError::Connect { .. }
        | HttpError::ConnectTimeout { .. }
        | HttpError::Broken { .. }
        | HttpError::Timeout { .. } => Fault::passing(error.to_string()),
    })?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(LARGEST_MESSAGE))
        .max_frame_size(Some(LARGEST_MESSAGE));
    let opening = client_async_with_config(request, stream, Some(config));
    match clock_timeout(*clock, UPGRADE, opening).await {
        Some(Ok((socket, answer))) => {
            let header = |name| answer.headers().get(name).and_then(|v| v.to_str().ok());
            let id = header("x-global-transaction-id").or_else(|| header("x-dp-watson-tran-id"));
            tracing::debug!(service = dialect.name(), id, "A connection is open.");
            Ok(socket)
        }
        Some(Err(tungstenite::Error::Http(answer))) => {
            let status = answer.status().as_u16();
            if let Some((tokens, token)) = token {
                tokens.refused(&token).await;
            }
            Err(dialect.refused(status))
        }
        Some(Err(error)) => Err(Fault::passing(error.to_string())),
        None => Err(Fault::passing("the WebSocket was not opened in time")),
    }
}

async fn clock_timeout<T>(
    clock: phoneai_clock::Clock,
    limit: Duration,
    what: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        done = what => Some(done),
        () = clock.sleep(limit) => None,
    }
}

/// Events on their way to a listener that may be slow.
#[derive(Default)]
struct Outbox(VecDeque<SpeechEvent>);

impl Outbox {
    /// Adds an event; one that says more replaces the one before it.
    fn add(&mut self, event: SpeechEvent) {
        let last = self.0.back_mut();
        match (last, event) {
            (Some(SpeechEvent::HeardUntil(old)), SpeechEvent::HeardUntil(new)) => *old = new,
            (Some(SpeechEvent::Interim(old)), SpeechEvent::Interim(new)) => *old = new,
            (
                Some(SpeechEvent::Dropped { to_ms: old, .. }),
                SpeechEvent::Dropped { from_ms, to_ms },
            ) if *old == from_ms => *old = to_ms,
            (_, event) => self.0.push_back(event),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn is_full(&self) -> bool {
        self.0.len() >= OUTBOX
    }

    /// Hands out what there is room for; false if nobody listens any more.
    fn deliver(&mut self, listener: &mpsc::Sender<SpeechEvent>) -> bool {
        while let Some(event) = self.0.pop_front() {
            match listener.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.0.push_front(event);
                    break;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        true
    }

    /// Hands out everything.
    async fn deliver_all(&mut self, listener: &mpsc::Sender<SpeechEvent>) {
        while let Some(event) = self.0.pop_front() {
            if listener.send(event).await.is_err() {
                return;
            }
        }
    }
}
