//! Feeds a stream whatever a fuzzer or a property test makes up.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::{
    FRAME_MS,
    codec::Codec,
    rtp::Ssrc,
    stream::{MediaEvent, Negotiated, RtpStream, StreamSettings},
};

/// Reads `data` as packets, each after a byte that says when it comes and where from and a byte for
/// its length, and gives them to a stream. Panics if a frame is missing: the body of the fuzz target
/// `rtp`.
pub fn exercise(data: &[u8]) {
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 4000));
    let mut now = phoneai_clock::Clock::real().now();
    let mut stream = RtpStream::new(now, StreamSettings::new(Ssrc(1)));
    stream.configure(now, Negotiated::new(peer, Codec::Pcmu));
    let mut next_ms = 0;
    let mut rest = data;
    while let Some(([how, length], after)) = rest.split_first_chunk::<2>() {
        let (packet, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        now += Duration::from_millis(u64::from(how >> 2));
        let source = if how & 1 == 0 { peer } else { SocketAddr::new(peer.ip(), 4002) };
        if how & 2 == 0 {
            stream.handle_packet(now, source, packet);
        } else {
            stream.handle_rtcp(now, source, packet);
        }
        while stream.handle_timeout(now) {
            while stream.poll_transmit().is_some() {}
            while let Some(event) = stream.poll_event() {
                if let MediaEvent::Frame(frame) = event {
                    assert_eq!(frame.at_ms, next_ms, "a frame is missing");
                    next_ms += FRAME_MS;
                }
            }
        }
    }
}
