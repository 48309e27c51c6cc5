//! Programs that somebody else wrote, as peers.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    process::{Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

/// True if the program is installed. If not, says that the test is skipped; with
/// `PHONEAI_REQUIRE_PEERS=1` a missing program is a failure.
pub fn installed(program: &str, package: &str) -> bool {
    let found = Command::new(program)
        .arg("-h")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        assert!(
            std::env::var("PHONEAI_REQUIRE_PEERS").as_deref() != Ok("1"),
            "{program} is not installed (Debian package {package}), and PHONEAI_REQUIRE_PEERS=1 \
             asks for it"
        );
        println!("skipped: {program} is not installed (Debian package {package})");
    }
    found
}

/// An address on loopback that is free for a program, and so is the next port, which baresip takes
/// for TLS. It lies below the ports that the system hands
/// out by itself, so that nobody gets it in between, and no other test in this process does.
pub fn free_address() -> SocketAddr {
    const LOW: u16 = 11_000;
    const COUNT: u16 = 9_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Two runs at a time begin in different places.
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).expect("below COUNT") & !1;
    for _ in 0..COUNT / 2 {
        let nth = TAKEN.fetch_add(2, Ordering::Relaxed) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, LOW + (begin + nth) % COUNT));
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free from {LOW} on")
}
