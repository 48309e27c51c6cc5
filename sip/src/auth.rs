//! Digest authentication, both sides (RFC 2617, 7616, 8760, as RFC 3261 §22 uses it).
//!
//! [`DigestClient`] answers challenges with one pair of credentials, and only for its realm.
//! [`DigestServer`] challenges and verifies; its nonces need no table, only those that were used
//! with success are remembered.

mod client;
mod hash;
mod server;

pub use self::{
    client::{AuthError, Credentials, DigestClient},
    hash::{Algorithm, Ha1, Password},
    server::{Claim, DigestServer, Refusal, Verdict},
};
