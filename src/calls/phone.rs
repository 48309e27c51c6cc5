//! How a phone that registered with us is called.

use std::{net::SocketAddr, sync::Arc};

use phoneai_sip::{registrar::Binding, session::OutgoingCall};

/// Who calls when nobody is named.
const CALLER: &str = "phoneai";

/// The INVITE for a call to the phone of `binding`; `us` is the endpoint at which it registered.
///
/// It goes to where the phone's REGISTER came from, which is the way back through a NAT, or the
/// proxy in front of it, along the path that this proxy named (RFC 3327 §5.2).
pub fn invite(
    binding: &Binding,
    us: SocketAddr,
    caller_id: Option<&str>,
    offer: String,
) -> OutgoingCall {
    OutgoingCall {
        target_uri: binding.contact.clone(),
        from_display: None,
        from_user: caller_id.filter(|caller| !caller.is_empty()).unwrap_or(CALLER).to_owned(),
        from_host: us.to_string(),
        asserted_identity: None,
        destination: binding.source.peer,
        transport: binding.source.transport,
        routes: binding.path.clone(),
        credentials: None,
        offer: Arc::from(offer.into_bytes()),
        headers: Vec::new(),
    }
}
