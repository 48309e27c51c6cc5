//! SIPp as the peer: it plays one scenario of this directory once.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
};

use super::{program::free_address, service::LIMIT};

/// The process; killed when it is dropped.
pub struct Sipp {
    child: Child,
    pub address: SocketAddr,
    directory: TempDir,
}

/// What SIPp wrote down of the messages.
pub struct Messages(String);

impl Sipp {
    /// Starts a scenario. It may be called before it listens: a lost INVITE is sent again.
    pub fn start(scenario: &str) -> Self {
        Self::start_with(scenario, &[])
    }

    /// Starts a scenario that begins by itself, with the service at `target`.
    pub fn start_towards(scenario: &str, target: SocketAddr) -> Self {
        Self::start_with(scenario, &[&target.to_string()])
    }

    fn start_with(scenario: &str, more: &[&str]) -> Self {
        let file: PathBuf =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(scenario);
        let address = free_address();
        let directory = tempfile::tempdir().expect("a directory for SIPp's files");
        let child = Command::new("sipp")
            .arg("-sf")
            .arg(file)
            .args(["-i", "127.0.0.1", "-p", &address.port().to_string()])
            .args(["-m", "1", "-nostdin", "-timeout", "100", "-timeout_error"])
            .args(["-trace_msg", "-message_file", "messages"])
            .args(more)
            .current_dir(directory.path())
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("sipp starts");
        Self { child, address, directory }
    }

    /// Waits until SIPp has played its part; it must have liked what it saw.
    pub async fn finish(mut self) -> Messages {
        let mut said = String::new();
        let played = async {
            if let Some(mut stderr) = self.child.stderr.take() {
                let _ = stderr.read_to_string(&mut said).await;
            }
            self.child.wait().await.expect("a child to wait for")
        };
        let status = tokio::time::timeout(LIMIT, played).await.expect("sipp ends in time");
        assert!(status.success(), "sipp: {status}: {said}");
        let messages = std::fs::read_to_string(self.directory.path().join("messages"));
        Messages(messages.expect("the messages that SIPp saw"))
    }
}

impl Messages {
    /// Seconds by SIPp's clock from the first message that begins with `from` to the first that
    /// begins with `to`.
    pub fn seconds(&self, from: &str, to: &str) -> f64 {
        const DAY: f64 = 86_400.0;
        (self.time_of(to) - self.time_of(from)).rem_euclid(DAY)
    }

    /// Second of the day.
    fn time_of(&self, beginning: &str) -> f64 {
        let mut time = None;
        for line in self.0.lines() {
            // Each message stands below a rule that ends with the date and the time.
            if line.starts_with("-----") {
                time = line.rsplit(' ').next().map(ToOwned::to_owned);
            } else if line.starts_with(beginning) {
                let time = time.expect("a time before the first message");
                return time.split(':').fold(0.0, |sum, part| {
                    sum * 60.0 + part.parse::<f64>().expect("a time is of numbers")
                });
            }
        }
        panic!("no message begins with {beginning:?} in {}", self.0)
    }
}
