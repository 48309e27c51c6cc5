//! What carries SIP messages: kinds of transport, what to send where, and the drivers that own
//! sockets.

use std::{fmt, net::SocketAddr, sync::Arc};

pub mod framing;
pub mod stream;
pub mod tls;
pub mod udp;

/// How messages travel; the kind decides which timers run and what stands in Via.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// Datagrams; everything may be lost, doubled, reordered.
    #[default]
    Udp,
    /// A byte stream.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// Secure WebSocket (RFC 7118).
    Wss,
}

impl TransportKind {
    /// The transport's name in a Via header (RFC 3261 §20.42, RFC 7118 §5.2).
    pub fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// True when the transport itself retransmits, so that transactions need not.
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => true,
        }
    }

    /// The port that is meant when none is written (RFC 3261 §18.1.1, RFC 7118 §5).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// A peer's address and how it is reached. Connections of later transports are looked up by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The peer's address.
    pub peer: SocketAddr,
    /// How messages travel there.
    pub transport: TransportKind,
}

impl Flow {
    /// A flow of datagrams to `peer`.
    pub fn udp(peer: SocketAddr) -> Self {
        Self { peer, transport: TransportKind::Udp }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {}", self.peer, self.transport.via_name())
    }
}

/// One message to send.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// Where to.
    pub destination: SocketAddr,
    /// Over what.
    pub transport: TransportKind,
    /// The whole message. Retransmissions share the bytes.
    pub payload: Arc<[u8]>,
}

impl Transmit {
    pub(crate) fn new(flow: Flow, payload: Arc<[u8]>) -> Self {
        Self { destination: flow.peer, transport: flow.transport, payload }
    }
}
