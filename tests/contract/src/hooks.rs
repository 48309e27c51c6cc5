//! The receiver of webhooks: `/status/NNN` is answered with that status, `/redirect` with 302 to
//! `/hook`, anything else with 200.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

use crate::case::Hook;

/// Bytes of a webhook.
const MAX_HOOK: usize = 1024 * 1024;

/// The receiver; it ends when this is dropped.
pub struct Hooks {
    /// Where it listens.
    pub addr: SocketAddr,
    got: Arc<(Mutex<Vec<Hook>>, Notify)>,
    task: JoinHandle<()>,
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hooks {
    /// Starts a receiver.
    ///
    /// # Errors
    /// There is no port for it.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let got: Arc<(Mutex<Vec<Hook>>, Notify)> = Arc::default();
        let theirs = got.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let got = theirs.clone();
                tokio::spawn(async move {
                    let _ = take(stream, &got).await;
                });
            }
        });
        Ok(Self { addr, got, task })
    }

    /// Forgets what came.
    pub fn clear(&self) {
        self.got.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What came, when it is at least so many.
    pub async fn at_least(&self, count: usize) -> Vec<Hook> {
        loop {
            let more = self.got.1.notified();
            let got = self.got.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if got.len() >= count {
                return got;
            }
            more.await;
        }
    }
}

async fn take(
    mut stream: TcpStream,
    got: &(Mutex<Vec<Hook>>, Notify),
) -> Result<(), std::io::Error> {
    let mut bytes = Vec::new();
    let hook = loop {
        if let Some(hook) = read(&bytes) {
            break hook;
        }
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await?;
        if length == 0 || bytes.len() > MAX_HOOK {
            return Ok(());
        }
        bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
    };
    let status = hook.path.strip_prefix("/status/").and_then(|text| text.get(..3));
    let (status, location) = match status.and_then(|text| text.parse::<u16>().ok()) {
        Some(status) => (status, ""),
        None if hook.path.starts_with("/redirect") => (302, "Location: /hook\r\n"),
        None => (200, ""),
    };
    got.0.lock().unwrap_or_else(PoisonError::into_inner).push(hook);
    got.1.notify_waiters();
    let answer = format!(
        "HTTP/1.1 {status} Told\r\n{location}Content-Length: 2\r\nConnection: close\r\n\r\nok"
    );
    stream.write_all(answer.as_bytes()).await
}

/// A request, if it is whole.
fn read(bytes: &[u8]) -> Option<Hook> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let body = bytes.get(end + 4..end + 4 + length)?;
    Some(Hook { method, path, headers, body: String::from_utf8_lossy(body).into_owned() })
}
