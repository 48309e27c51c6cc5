//! HTTP as a client: for the carrier's services, webhooks, and the opening of WebSockets.
//!
//! One request, one connection: at a handful of requests a second a pool would save nothing that
//! matters, and a connection that was kept cannot be told from one that its peer has left, which
//! is the case in which nobody knows whether a request was taken.
//!
//! Where a client may be sent by strangers, an [`AddressPolicy`] is asked about each address after
//! its name was resolved, and the connection goes to just that address: a name that resolves to
//! something else a moment later leads nowhere else.

mod client;
mod policy;

pub use self::{
    client::{Answer, Client, HttpError, Limits, Request, Stream, target},
    policy::{AddressPolicy, IpRanges, NotARange},
};
