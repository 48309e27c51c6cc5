//! SIP without sockets: bytes and time in, bytes and events out.
//!
//! [`endpoint::Endpoint`] is a user agent: it makes and takes calls and keeps addresses registered.
//! It is fed with datagrams and instants and drained of datagrams and events, so that hours of
//! calls run in a test in milliseconds. [`transport::udp`] gives it a socket,
//! connections and a task.
//!
//! A datagram is read by [`message`], matched to its transaction, then to its dialog's
//! [`session`] or to a [`registration`]; what is left is answered at once or given to the user.
//! Session descriptions pass through as bytes; [`sdp`] reads and negotiates them.
//!
//! Phones are met by a [`endpoint::Reception`], which holds a [`registrar`] and knows who may call;
//! before anything is read, a [`guard`] is asked.
//!
//! # What is supported
//!
//! The test stands in `sip/tests`, or in the module where it says so.
//!
//! | RFC | | what is missing, or what there is | test |
//! |---|---|---|---|
//! | 3261 messages | yes | | `rfc4475.rs`, `message.rs`, `torture.rs` |
//! | 3261 transactions | yes | §18.1.1: a large request is not moved to TCP | `timers.rs`, `storm.rs`, `chaos.rs` |
//! | 3261 dialogs, INVITE, CANCEL, BYE | yes | | `calls.rs`, `races.rs`, `sipp.rs` |
//! | 3261 REGISTER, client | yes | | `timers.rs`, `sipp.rs`, `streams.rs` |
//! | 3261 REGISTER, server | yes | | `registrar.rs`, `reception.rs` |
//! | 3261 UDP | yes | | `udp.rs` |
//! | 3261 TCP and TLS | partly | no STUN keep-alive, no connection is made to a binding whose own has ended | `streams.rs` |
//! | 3262 reliable provisional responses | no | a PRACK gets 481; `100rel` in Require gets 420 | |
//! | 3263 finding servers | no | the caller resolves; one address per call | |
//! | 3264 offer and answer | yes | | `sdp.rs`, `requests.rs` |
//! | 3265, 6665 events | no | SUBSCRIBE gets 405 | `reception.rs` |
//! | 3311 UPDATE | partly | answered, never sent | `requests.rs` |
//! | 3323 privacy | no | the header can be read; nothing is hidden | |
//! | 3325 asserted identity | partly | sent to trunks; that of peers is for the user to judge | |
//! | 3326 Reason | yes | | `requests.rs`, `sipp.rs` |
//! | 3327 Path | yes | | `registrar.rs` |
//! | 3428 MESSAGE | no | 405, unless the user takes it | `reception.rs` |
//! | 3515, 3891, 3892 transfer | no | REFER gets 405 | `reception.rs` |
//! | 3581 rport | yes | | `requests.rs` |
//! | 3842 message waiting | no | | |
//! | 4028 session timers | no | no timer runs; a peer's refresh is answered | |
//! | 4320, 4321 non-INVITE timing | partly | no 408 is sent; a late response is absorbed | `timers.rs` |
//! | 4475 torture messages | yes | | `rfc4475.rs` |
//! | 5393 loops | no | merged requests get 482; nothing is forwarded | `requests.rs` |
//! | 5626 flows | partly | registrar's side, line-end keep-alives; no STUN, no flow token | `registrar.rs`, `streams.rs` |
//! | 5923 connection reuse | partly | a dialog stays on its connection; no `alias` | `streams.rs` |
//! | 6026 2xx to INVITE | yes | | `races.rs`, `timers.rs` |
//! | 6086 INFO | partly | taken and told, never sent | `requests.rs` |
//! | 7118 WebSocket | no | | |
//! | 7616, 8760 digest | partly | as a server no user hash | `auth.rs`, `digest.rs`, `reception.rs` |

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
