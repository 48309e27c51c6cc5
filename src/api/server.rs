//! Connections: how many, how long, how large.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::Router;
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use phoneai_clock::Clock;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::Api;

/// Connections at a time. Further ones wait in the system's queue until one ends.
const MAX_CONNECTIONS: usize = 1024;
/// Header lines of a request; more are answered with 431.
const MAX_HEADERS: usize = 100;
/// Bytes of a request's head; more are answered with 431.
const MAX_HEAD: usize = 64 * 1024;
/// So long a connection may take for a request's head, and be idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// So long a client may leave an answer unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// So long requests in progress are given at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// After an error of `accept` (no more file descriptors), so that it is not tried in a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// From where a request came, as an extension of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub SocketAddr);

/// Answers requests on `listener` until `shutdown` completes; then takes no new ones, gives those
/// in progress some seconds, and returns. A connection that fails ends alone.
pub async fn serve(listener: TcpListener, api: Api, shutdown: impl Future<Output = ()>) {
    // Clients live in real time, however fast the calls' clock runs.
    let clock = Clock::real();
    let router = api.router();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (accepted, place) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let serving = connection(
                        stream, peer, router.clone(), api.0.closing.subscribe(), clock,
                    );
                    connections.spawn(async move {
                        let _place = place;
                        serving.await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "A connection to the API could not be accepted.");
                    clock.sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    api.0.closing.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        tracing::warn!(left = connections.len(), "Requests in progress were cut off.");
        connections.shutdown().await;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    mut closing: watch::Receiver<bool>,
    clock: Clock,
) {
    // Answers are small and written at once: waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let io = TokioIo::new(Patient { stream, clock, deadline: None });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(2 * MAX_HEAD)
        // As the old service wrote them, for clients that compare their case.
        .title_case_headers(true)
        .serve_connection(io, service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = closed(&mut closing) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "A connection to the API broke.");
    }
}

/// Completes when the service ends.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the API itself is gone.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// A connection whose peer must read what it is sent within [`WRITE_TIMEOUT`]; hyper limits only
/// how long we wait for a request.
struct Patient {
    stream: TcpStream,
    clock: Clock,
    /// Runs while the peer reads nothing.
    deadline: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Patient {
    /// Passes on what a write came to, unless it has waited too long.
    fn patiently<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let clock = self.clock;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(async move { clock.sleep(WRITE_TIMEOUT).await }));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.patiently(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.patiently(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
