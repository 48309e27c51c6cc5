//! SIP without sockets: bytes and time in, bytes and events out.
//!
//! [`endpoint::Endpoint`] is a user agent: it makes and takes calls and keeps addresses registered.
//! It is fed with datagrams and instants and drained of datagrams and events, so that hours of
//! calls run in a test in milliseconds. [`transport::udp`] gives it a socket and a task.
//!
//! A datagram is read by [`message`], matched to its transaction, then to its dialog's
//! [`session`] or to a [`registration`]; what is left is answered at once or given to the user.
//! Session descriptions pass through as bytes; [`sdp`] reads and negotiates them.

pub mod auth;
mod dialog;
pub mod endpoint;
pub mod guard;
pub mod message;
pub mod registrar;
pub mod registration;
pub mod sdp;
pub mod session;
mod transaction;
pub mod transport;
pub mod verdict;

pub use transaction::TimerValues;
