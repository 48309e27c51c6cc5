//! Dialogs (RFC 3261 §12): who talks to whom, along which path, with which numbers.

use std::net::IpAddr;

use crate::{
    endpoint::{compose::RequestHead, inbound::Inbound, target},
    message::Method,
    transport::Flow,
};

/// Proxies that may stand between us and the peer. Longer route sets are cut, which ends in a
/// request that a proxy refuses, not in a call without limits.
const MAX_ROUTES: usize = 32;

/// One dialog, early or confirmed. Owned by its session.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    /// Our From or To with its tag.
    local: String,
    pub(crate) local_tag: String,
    /// The peer's, with its tag if it has one (peers of RFC 2543 have none).
    remote: String,
    pub(crate) remote_tag: String,
    local_seq: u32,
    remote_seq: Option<u32>,
    remote_target: String,
    /// Values of Route, nearest proxy first.
    route_set: Vec<String>,
    /// Where requests go whose next hop names no address, or one that cannot be reached.
    fallback: Flow,
}

/// How a request's CSeq stands to those before it (§12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequence {
    InOrder,
    TooLow,
}

impl Dialog {
    /// The dialog that a response to our INVITE creates (§12.1.2). `flow` is where the INVITE went.
    pub(crate) fn of_response(request: &RequestHead, response: &Inbound, flow: Flow) -> Self {
        let mut route_set = response.record_route.clone();
        route_set.reverse();
        route_set.truncate(MAX_ROUTES);
        Self {
            call_id: request.call_id.clone(),
            local: request.from.clone(),
            local_tag: request.from_tag.clone(),
            remote: response.to.value.clone(),
            remote_tag: response.to.tag.clone().unwrap_or_default(),
            local_seq: request.cseq,
            remote_seq: None,
            // A 2xx must have a Contact; those who forget it are reached where they were called.
            remote_target: response.contact().unwrap_or(&request.uri).to_owned(),
            route_set,
            fallback: flow,
        }
    }

    /// The dialog that our response to `request` creates (§12.1.1).
    pub(crate) fn of_request(request: &Inbound, local_tag: String) -> Self {
        let mut route_set = request.record_route.clone();
        route_set.truncate(MAX_ROUTES);
        Self {
            call_id: request.call_id.clone(),
            local: format!("{};tag={local_tag}", request.to.value),
            local_tag,
            remote: request.from.value.clone(),
            remote_tag: request.from.tag.clone().unwrap_or_default(),
            local_seq: 0,
            remote_seq: Some(request.cseq),
            remote_target: request.contact().unwrap_or(&request.from.uri).to_owned(),
            route_set,
            fallback: request.flow,
        }
    }

    /// Takes the peer's new Contact from a target refresh request or its 2xx (§12.2.1.2, §12.2.2).
    pub(crate) fn refresh_target(&mut self, message: &Inbound) {
        if let Some(contact) = message.contact() {
            contact.clone_into(&mut self.remote_target);
        }
    }

    /// Judges a request's CSeq and remembers it.
    pub(crate) fn on_request(&mut self, cseq: u32) -> Sequence {
        if self.remote_seq.is_some_and(|last| cseq <= last) {
            return Sequence::TooLow;
        }
        self.remote_seq = Some(cseq);
        Sequence::InOrder
    }

    /// The next request of our own, and where it goes (§12.2.1.1).
    pub(crate) fn next_request(&mut self, method: Method) -> (RequestHead, Flow) {
        self.local_seq = self.local_seq.saturating_add(1);
        self.request(method, self.local_seq)
    }

    /// The ACK of a 2xx to our INVITE with that CSeq (§13.2.2.4).
    pub(crate) fn ack(&self, cseq: u32) -> (RequestHead, Flow) {
        self.request(Method::Ack, cseq)
    }

    /// The Request-URI of our requests.
    pub(crate) fn request_uri(&self) -> String {
        self.ack(0).0.uri
    }

    fn request(&self, method: Method, cseq: u32) -> (RequestHead, Flow) {
        let mut routes = self.route_set.clone();
        let mut uri = self.remote_target.clone();
        let mut next_hop = uri.clone();
        if let Some(first) = routes.first() {
            let first = target::uri_of_route(first);
            next_hop = first.to_owned();
            if !target::is_loose(first) {
                // §12.2.1.1: a strict router wants itself in the Request-URI, the target last.
                let strict = target::without_headers(first);
                routes.remove(0);
                routes.push(format!("<{uri}>"));
                uri = strict;
            }
        }
        let head = RequestHead {
            method,
            uri,
            from: self.local.clone(),
            from_tag: self.local_tag.clone(),
            to: self.remote.clone(),
            call_id: self.call_id.clone(),
            cseq,
            routes,
        };
        // RFC 5923, RFC 5626: the connection is there, and often the only way through a NAT.
        let connected = self.fallback.transport.is_reliable() && self.route_set.is_empty();
        let flow = if connected { self.fallback } else { self.flow_to(&next_hop) };
        (head, flow)
    }

    /// Where a request to `uri` is sent. Names are not looked up here: they are reached along the
    /// way that the call came or went. The same goes for a private address given by a peer that is
    /// itself public: it sits behind a NAT that did not rewrite its Contact.
    fn flow_to(&self, uri: &str) -> Flow {
        let Some(peer) = target::address(uri, self.fallback.transport) else {
            return self.fallback;
        };
        if is_private(peer.ip()) && !is_private(self.fallback.peer.ip()) {
            return self.fallback;
        }
        Flow { peer, transport: self.fallback.transport }
    }

    /// True if a message with these tags belongs to this dialog.
    pub(crate) fn matches(&self, local_tag: Option<&str>, remote_tag: Option<&str>) -> bool {
        self.local_tag == local_tag.unwrap_or_default()
            && self.remote_tag == remote_tag.unwrap_or_default()
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            // RFC 6598's shared space is as far away as RFC 1918's.
            let [a, b, ..] = ip.octets();
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    }
}
