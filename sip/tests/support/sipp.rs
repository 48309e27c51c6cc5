//! SIPp as the peer: started on loopback, bounded in time, killed when the test is over.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
};

/// Longer than any scenario takes; SIPp itself gives up before.
const LIMIT: Duration = Duration::from_secs(40);

/// True if the program is installed. If not, says that the test is skipped; with
/// `PHONEAI_REQUIRE_PEERS=1` a missing program is a failure.
pub fn installed(program: &str, hint: &str) -> bool {
    let found = std::process::Command::new(program)
        .arg("-v")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        assert!(
            std::env::var("PHONEAI_REQUIRE_PEERS").as_deref() != Ok("1"),
            "{program} is not installed ({hint}), and PHONEAI_REQUIRE_PEERS=1 asks for it"
        );
        println!("skipped: {program} is not installed ({hint})");
    }
    found
}

/// SIPp, playing one scenario once; killed when it is dropped.
pub struct Sipp {
    child: Child,
    pub address: SocketAddr,
    directory: PathBuf,
}

impl Sipp {
    /// Starts a scenario of `tests/sipp` against `peer`. Needs a runtime around it.
    pub fn start(scenario: &str, peer: SocketAddr) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp").join(scenario);
        // The port is free now; nobody else takes ports of this test's choosing.
        let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = probe.local_addr().expect("a bound socket");
        drop(probe);
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sipp-{}", address.port()));
        std::fs::create_dir_all(&directory).expect("a directory for SIPp's files");
        let child = Command::new("sipp")
            .arg("-sf")
            .arg(file)
            .args(["-i", "127.0.0.1", "-p", &address.port().to_string()])
            .args(["-m", "1", "-nostdin", "-timeout", "30", "-timeout_error"])
            .arg(peer.to_string())
            .current_dir(&directory)
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
    pub async fn finish(mut self) {
        let mut said = String::new();
        let played = async {
            // Read to the end first: SIPp must not wait for room in the pipe.
            if let Some(mut stderr) = self.child.stderr.take() {
                let _ = stderr.read_to_string(&mut said).await;
            }
            self.child.wait().await.expect("a child to wait for")
        };
        let status = tokio::time::timeout(LIMIT, played).await.expect("sipp ends in time");
        assert!(status.success(), "sipp: {status}: {said}");
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // Before its directory goes, so that it writes nothing there any more. Errors mean that it
        // has ended already.
        let _ = self.child.start_kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
