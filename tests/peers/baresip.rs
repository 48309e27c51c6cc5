//! baresip as the peer: a softphone on loopback that answers, plays a file, and hangs up when the
//! file is over.

use std::{net::SocketAddr, path::Path, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, ChildStdout, Command},
};

use super::{
    program::free_address,
    service::{LIMIT, NUMBER},
};

/// The process; killed when it is dropped.
pub struct Baresip {
    child: Child,
    output: ChildStdout,
    said: String,
    pub address: SocketAddr,
    _directory: TempDir,
}

impl Baresip {
    /// Starts a phone whose number is [`NUMBER`], and waits until it is ready. Who calls it hears
    /// `sound`, a file of 16-bit samples, mono, at 8 kHz.
    pub async fn start(sound: &Path) -> Self {
        let account = |address: SocketAddr| {
            format!("<sip:{NUMBER}@{}>;regint=0;answermode=auto;audio_codecs=PCMU\n", address.ip())
        };
        let mut phone = Self::start_as(sound, account, &[]);
        phone.wait_for("baresip is ready").await;
        phone
    }

    /// Starts a phone that registers as 1001 with the password `secret` at `registrar`, and then
    /// does what the commands say.
    pub fn start_registered(
        sound: &Path,
        registrar: SocketAddr,
        transport: &str,
        commands: &[String],
    ) -> Self {
        let account = |_| {
            format!(
                "<sip:1001@{registrar};transport={transport}>;auth_user=1001;auth_pass=secret;\
                 regint=60;answermode=auto;audio_codecs=PCMU\n"
            )
        };
        Self::start_as(sound, account, commands)
    }

    fn start_as(
        sound: &Path,
        account: impl FnOnce(SocketAddr) -> String,
        commands: &[String],
    ) -> Self {
        let address = free_address();
        let directory = tempfile::tempdir().expect("a directory for the phone's files");
        // What is heard is thrown away: an aubridge without another end.
        let config = format!(
            "sip_listen {address}\n\
             net_interface {ip}\n\
             rtp_ports 20000-29999\n\
             audio_path /nonexistent\n\
             audio_player aubridge,nobody\n\
             audio_source aufile,{sound}\n\
             audio_alert aubridge,nobody\n\
             module_path {modules}\n\
             module g711.so\n\
             module aufile.so\n\
             module aubridge.so\n\
             module_app account.so\n\
             module_app menu.so\n",
            ip = address.ip(),
            sound = sound.display(),
            modules = "/usr/lib/baresip/modules",
        );
        let account = account(address);
        for (name, text) in
            [("config", &config), ("accounts", &account), ("contacts", &String::new())]
        {
            std::fs::write(directory.path().join(name), text).expect("a file for the phone");
        }
        let mut child = Command::new("baresip")
            .arg("-4")
            .arg("-f")
            .arg(directory.path())
            .args(commands.iter().flat_map(|command| ["-e", command]))
            .env("HOME", directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("baresip starts");
        let output = child.stdout.take().expect("a pipe");
        Self { child, output, said: String::new(), address, _directory: directory }
    }

    /// Waits until the phone has said this; what it said up to its end, and the rest of the line.
    pub async fn wait_for(&mut self, text: &str) -> &str {
        loop {
            if let Some(at) = self.said.find(text)
                && let Some(end) = self.said[at..].find('\n')
            {
                return &self.said[..at + end];
            }
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(LIMIT, self.output.read(&mut bytes)).await;
            let Ok(read) = read else { panic!("no {text:?} in time, only: {}", self.said) };
            let count = read.expect("the phone's output");
            assert!(count > 0, "the phone ended without {text:?}, with: {}", self.said);
            self.said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// Ends it.
    pub async fn end(mut self) {
        self.child.kill().await.expect("an end of the phone");
    }
}
