//! Where phones are, on disk: written a moment after the fact, read at the start.

use std::time::Instant;

use phoneai_sip::{
    registrar::Binding,
    transport::{Flow, TransportKind, udp},
};

use crate::store::{Store, StoreError, StoredBinding, Time};

/// Addresses of record that are written down in one transaction.
const AT_ONCE: usize = 1_000;

const TRANSPORTS: [TransportKind; 5] = [
    TransportKind::Udp,
    TransportKind::Tcp,
    TransportKind::Tls,
    TransportKind::Ws,
    TransportKind::Wss,
];

/// Writes down what changed since the last time.
///
/// # Errors
/// If the database refuses it.
pub async fn write_down(store: &Store, sip: &udp::Handle) -> Result<(), StoreError> {
    loop {
        let taken = sip.with_reception(|now, reception| {
            let registrar = reception.registrar_mut()?;
            let (records, more) = registrar.take_changed(now, AT_ONCE);
            Some((now, records, more))
        });
        // An error means that the endpoint has ended.
        let Ok(Some((now, records, more))) = taken.await else { return Ok(()) };
        if records.is_empty() {
            return Ok(());
        }
        let wall = store.now();
        let stored: Vec<(String, Vec<StoredBinding>)> = records
            .into_iter()
            .map(|(record, bindings)| {
                (record, bindings.into_iter().map(|binding| stored(binding, wall, now)).collect())
            })
            .collect();
        store.keep_bindings(&stored).await?;
        if !more {
            return Ok(());
        }
    }
}

/// A binding for the database; `wall` and `now` are the same moment.
fn stored(binding: Binding, wall: Time, now: Instant) -> StoredBinding {
    StoredBinding {
        source: binding.source.peer.to_string(),
        transport: binding.source.transport.via_name().to_owned(),
        q_thousandths: binding.q_thousandths,
        expires_at: wall.after(binding.expires_at.saturating_duration_since(now)),
        contact: binding.contact,
        path: binding.path,
        flow: binding.flow,
        call_id: binding.call_id,
        cseq: binding.cseq,
    }
}

/// The bindings that were written down; `wall` and `now` are the same moment. Those over a
/// connection are left out: it ended with the process.
pub fn restored(stored: &[StoredBinding], wall: Time, now: Instant) -> Vec<Binding> {
    let binding = |stored: &StoredBinding| {
        let transport = TRANSPORTS.into_iter().find(|kind| kind.via_name() == stored.transport)?;
        let flow = Flow { peer: stored.source.parse().ok()?, transport };
        let usable = !transport.is_reliable();
        usable.then(|| Binding {
            contact: stored.contact.clone(),
            source: flow,
            q_thousandths: stored.q_thousandths,
            expires_at: now + stored.expires_at.since(wall),
            path: stored.path.clone(),
            flow: stored.flow.clone(),
            call_id: stored.call_id.clone(),
            cseq: stored.cseq,
        })
    };
    stored.iter().filter_map(binding).collect()
}
