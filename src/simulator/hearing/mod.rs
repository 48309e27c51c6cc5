//! Simulated recognisers on loopback that are reached over a WebSocket: Watson with its identity
//! service, Deepgram, and anybody's own. They speak the documented protocols, are strict with their
//! clients, recognise with an engine of ours, and misbehave on order.

pub mod desk;
pub mod iam;
mod others;
mod trouble;
mod watson;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, http::StatusCode, routing::post};
use futures_util::{SinkExt as _, StreamExt as _};
use phoneai_clock::Clock;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use url::form_urlencoded;

use crate::speech::{CallMs, Engine, Listening, SpeechEvent, Transcriber};
use desk::{Desk, Do, Opening, Refused};
use iam::Issued;
use others::{DeepgramDesk, GenericDesk};
use trouble::Mischief;
pub use trouble::Trouble;
use watson::WatsonDesk;

/// Whose protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// IBM Watson's.
    Watson,
    /// Deepgram's.
    Deepgram,
    /// That of [`crate::speech::stream::generic`].
    Generic,
}

/// How a simulated recogniser is set up.
#[derive(Clone)]
pub struct Setup {
    /// Whose protocol it speaks.
    pub protocol: Protocol,
    /// The key that its clients have.
    pub api_key: String,
    /// How long a token is good, in seconds.
    pub token_seconds: u64,
    /// Who recognises.
    pub engine: Arc<dyn Engine>,
    /// What goes wrong with the n-th connection, counted from 0.
    pub trouble: Arc<dyn Fn(usize) -> Option<Trouble> + Send + Sync>,
}

/// A running recogniser. It ends with [`Recogniser::shutdown`] or when this is dropped.
pub struct Recogniser {
    addr: SocketAddr,
    iam_addr: SocketAddr,
    tokens: Arc<Issued>,
    connections: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
}

/// How often a connection looks at the time.
const TICK: Duration = Duration::from_millis(100);
/// A flush that the engine does not answer is answered after this.
const SETTLE: Duration = Duration::from_secs(30);
/// The engine's ear may be this far behind the audio when all of it is recognised.
const TOLERANCE_MS: CallMs = 100;
/// Samples of a frame.
const FRAME: usize = 160;

impl Recogniser {
    /// Where its WebSocket is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where its identity service is.
    pub fn iam_addr(&self) -> SocketAddr {
        self.iam_addr
    }

    /// The tokens that were issued.
    pub fn tokens(&self) -> &Arc<Issued> {
        &self.tokens
    }

    /// Connections so far, refused ones too.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    /// Ends all connections.
    pub fn shutdown(self) {
        // Those who listen to it have ended already.
        let _ = self.stop.send(true);
    }
}

/// Starts a recogniser on free ports of loopback.
///
/// # Errors
/// If there are none.
pub async fn start(setup: Setup, clock: Clock) -> std::io::Result<Recogniser> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let iam = TcpListener::bind("127.0.0.1:0").await?;
    let (addr, iam_addr) = (listener.local_addr()?, iam.local_addr()?);
    let (stop, stopped) = watch::channel(false);
    let tokens = Arc::new(Issued::new(clock));
    let connections = Arc::new(AtomicUsize::new(0));

    let identity = {
        let (tokens, setup) = (tokens.clone(), setup.clone());
        let answer = move |body: Bytes| async move {
            let (status, value) = tokens.answer(&body, &setup.api_key, setup.token_seconds);
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, value.to_string())
        };
        Router::new().route("/identity/token", post(answer))
    };
    let mut end = stopped.clone();
    tokio::spawn(async move {
        let served = axum::serve(iam, identity).with_graceful_shutdown(async move {
            let _ = end.changed().await;
        });
        let _ = served.await;
    });

    let (issued, counted, mut end) = (tokens.clone(), connections.clone(), stopped);
    tokio::spawn(async move {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let number = counted.fetch_add(1, Ordering::AcqRel);
                    open.spawn(serve(stream, setup.clone(), issued.clone(), number, clock));
                }
                _ = end.changed() => break,
            }
        }
        open.abort_all();
    });
    Ok(Recogniser { addr, iam_addr, tokens, connections, stop })
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, setup: Setup, tokens: Arc<Issued>, number: usize, clock: Clock) {
    let trouble = (setup.trouble)(number);
    let mut desk: Option<Box<dyn Desk>> = None;
    #[allow(clippy::result_large_err, reason = "the library wants an answer as its error")]
    let let_in = |request: &Request, answer: Response| {
        let refuse = |status: Refused| {
            let mut refused = ErrorResponse::new(None);
            *refused.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            refused
        };
        if let Some(Trouble::Refuse(status)) = &trouble {
            return Err(refuse(*status));
        }
        let uri = request.uri();
        let opening = Opening {
            path: uri.path(),
            query: form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect(),
            authorization: request
                .headers()
                .get("authorization")
                .and_then(|value| value.to_str().ok()),
        };
        let opened: Result<Box<dyn Desk>, Refused> = match setup.protocol {
            Protocol::Watson => WatsonDesk::open(&opening, &tokens).map(|d| Box::new(d) as _),
            Protocol::Deepgram => {
                DeepgramDesk::open(&opening, &setup.api_key).map(|d| Box::new(d) as _)
            }
            Protocol::Generic => {
                GenericDesk::open(&opening, &setup.api_key).map(|d| Box::new(d) as _)
            }
        };
        desk = Some(opened.map_err(refuse)?);
        Ok(answer)
    };
    let accepted = accept_hdr_async(stream, let_in).await;
    let (Ok(socket), Some(desk)) = (accepted, desk) else { return };
    let Ok(Listening { ear, mut events }) = setup.engine.open(&format!("connection {number}"))
    else {
        return;
    };
    let mut connection = Connection {
        socket,
        desk,
        ear,
        rest: Vec::new(),
        heard_ms: 0,
        settling: None,
        mischief: Mischief::new(trouble),
        clock,
        began: clock.now(),
    };
    loop {
        let goes_on = tokio::select! {
            // What was heard goes first: a client that sends a minute at once fills no queue.
            biased;
            event = events.recv() => match event {
                Some(event) => connection.heard(event).await,
                None => false,
            },
            message = connection.socket.next() => match message {
                Some(Ok(message)) => connection.take(message).await,
                Some(Err(_)) | None => false,
            },
            () = clock.sleep(TICK) => connection.tick().await,
        };
        if !goes_on {
            return;
        }
    }
}

struct Connection {
    socket: WebSocketStream<TcpStream>,
    desk: Box<dyn Desk>,
    ear: Box<dyn Transcriber>,
    /// Samples that do not fill a frame yet.
    rest: Vec<i16>,
    heard_ms: CallMs,
    /// All of this is to be recognised, since when, and whether the connection ends then.
    settling: Option<(CallMs, std::time::Instant, bool)>,
    mischief: Mischief,
    clock: Clock,
    began: std::time::Instant,
}

impl Connection {
    fn now_ms(&self) -> u64 {
        self.clock.now().saturating_duration_since(self.began).as_millis() as u64
    }

    async fn take(&mut self, message: Message) -> bool {
        let now = self.now_ms();
        let all = match message {
            Message::Text(text) => self.desk.text(now, text.as_str()),
            Message::Binary(bytes) => {
                if self.mischief.cuts(bytes.len()) {
                    return false;
                }
                if let Some(message) = self.mischief.message(&*self.desk) {
                    let _ = self.socket.send(message).await;
                }
                if self.mischief.is_deaf() {
                    return true;
                }
                self.desk.binary(now, &bytes)
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return true,
            Message::Close(_) => return false,
        };
        self.act(all).await
    }

    async fn tick(&mut self) -> bool {
        if self.mischief.is_deaf() {
            return true;
        }
        if let Some((_, since, _)) = self.settling
            && self.clock.now() >= since + SETTLE
        {
            return self.settled().await;
        }
        let all = self.desk.tick(self.now_ms());
        self.act(all).await
    }

    async fn act(&mut self, all: Vec<Do>) -> bool {
        for one in all {
            match one {
                Do::Hear(samples) => {
                    self.rest.extend(samples);
                    let whole = self.rest.len() - self.rest.len() % FRAME;
                    for frame in self.rest.drain(..whole).collect::<Vec<_>>().chunks(FRAME) {
                        self.ear.push(self.heard_ms, frame);
                        self.heard_ms += 20;
                    }
                }
                Do::Settle | Do::SettleAndClose => {
                    let closes = matches!(one, Do::SettleAndClose);
                    self.settling = Some((self.heard_ms, self.clock.now(), closes));
                    self.ear.flush();
                }
                Do::Say(text) => {
                    if self.socket.send(Message::text(text)).await.is_err() {
                        return false;
                    }
                }
                Do::Close(code, reason) => {
                    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
                    let _ = self.socket.close(Some(frame)).await;
                    return false;
                }
            }
        }
        true
    }

    async fn heard(&mut self, event: SpeechEvent) -> bool {
        if self.mischief.is_deaf() {
            return true;
        }
        let mut messages = Vec::new();
        match event {
            SpeechEvent::Interim(words) => messages.push(self.desk.words(&words, false)),
            SpeechEvent::Final(words) => {
                // First as if the last word were not certain yet.
                let mut interim = words.clone();
                if interim.words.pop().is_some() && !interim.words.is_empty() {
                    messages.push(self.desk.words(&interim, false));
                }
                let message = self.desk.words(&words, true);
                messages.extend(self.mischief.again(&message));
                messages.push(message);
            }
            SpeechEvent::HeardUntil(until) => {
                let done = self.settling.is_some_and(|(heard, _, _)| until + TOLERANCE_MS >= heard);
                return if done { self.settled().await } else { true };
            }
            SpeechEvent::Dropped { .. } | SpeechEvent::Failed { .. } => {}
        }
        let said = messages.into_iter().filter(|text| !text.is_empty()).map(Do::Say);
        self.act(said.collect()).await
    }

    async fn settled(&mut self) -> bool {
        let Some((heard, _, closes)) = self.settling.take() else { return true };
        let mut all = self.desk.settled(self.now_ms(), heard);
        if closes {
            all.push(Do::Close(1000, ""));
        }
        self.act(all).await
    }
}
