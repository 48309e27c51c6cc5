//! What a URI says about where its requests go.

use std::net::SocketAddr;

use crate::{
    message::{NameAddr, Scheme, Uri},
    transport::TransportKind,
};

/// The URI inside a Route or Record-Route value; the value itself if it is no address.
pub(crate) fn uri_of_route(value: &str) -> &str {
    NameAddr::parse(value.as_bytes()).map_or(value, |route| route.uri.as_str())
}

/// True for a router that leaves the Request-URI alone (RFC 3261 §19.1.1, `lr`).
pub(crate) fn is_loose(uri: &str) -> bool {
    Uri::parse(uri.as_bytes()).is_ok_and(|uri| uri.params().has("lr"))
}

/// The URI as it may stand in a request line: no headers (§19.1.1, table 1).
pub(crate) fn without_headers(uri: &str) -> String {
    let headers = Uri::parse(uri.as_bytes()).map_or("", |uri| uri.headers());
    match uri.len().checked_sub(headers.len() + 1).and_then(|end| uri.split_at_checked(end)) {
        Some((front, _)) if !headers.is_empty() => front.to_owned(),
        _ => uri.to_owned(),
    }
}

/// The address that the URI names, if it names one rather than a host to look up.
pub(crate) fn address(uri: &str, transport: TransportKind) -> Option<SocketAddr> {
    let uri = Uri::parse(uri.as_bytes()).ok()?;
    if !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) {
        return None;
    }
    let port = uri.port().filter(|port| *port != 0).unwrap_or(transport.default_port());
    Some(SocketAddr::new(uri.host()?.ip()?, port))
}
