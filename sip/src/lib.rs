//! SIP without sockets: bytes and time in, bytes and events out.

pub mod auth;
pub mod message;
pub mod registrar;
pub mod sdp;
