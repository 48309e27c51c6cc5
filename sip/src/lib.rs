//! SIP without sockets: bytes and time in, bytes and events out.

pub mod message;
pub mod sdp;
