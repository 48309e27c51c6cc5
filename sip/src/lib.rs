//! SIP without sockets: bytes and time in, bytes and events out.

pub mod auth;
mod dialog;
pub mod endpoint;
pub mod message;
pub mod registrar;
pub mod registration;
pub mod sdp;
pub mod session;
mod transaction;
pub mod transport;

pub use transaction::TimerValues;
