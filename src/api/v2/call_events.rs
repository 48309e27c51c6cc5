//! What happens in one call, as server-sent events, from its beginning.
//!
//! Events have ids that count from 1. A client that comes back with `Last-Event-ID` gets what it
//! missed; what is not remembered any more is told as `{"event": "lost", "count": N}`. The last
//! event of a call is `ended`, and the stream ends with it; a client that comes back after it gets
//! 204, which tells a browser to stay away (HTML, §9.2.3).

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde_json::json;
use tokio::sync::{
    OwnedSemaphorePermit,
    broadcast::{Receiver, error::RecvError},
    watch,
};
use uuid::Uuid;

use super::{
    Who,
    calls::missing,
    events::{KEEP_ALIVE, no_place},
    extract::Path,
    problem::{Problem, ProblemBody},
};
use crate::{
    api::{Api, server::closed},
    calls::live::{Live, LiveEvent, What},
    store::CallRecord,
};

/// The header in which a client says what it has.
const LAST: &str = "last-event-id";
/// The id of the last event of a call of which only the record is left.
const OF_RECORD: u64 = u64::MAX;

struct Watcher {
    live: Live,
    call: Uuid,
    woken: Receiver<LiveEvent>,
    closing: watch::Receiver<bool>,
    /// The event that was read last.
    last: u64,
    ready: VecDeque<(u64, String)>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

/// What happens in a call, from its beginning to its end, as server-sent events.
#[utoipa::path(get, path = "/api/v2/calls/{id}/events", tag = "v2", params(("id" = String, Path),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client has.")),
    responses((status = 200, body = String, content_type = "text/event-stream"),
        (status = 204, description = "The call is over, and the client has its last event."),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn events(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let call = Uuid::parse_str(&id).map_err(|_| missing())?;
    let last = headers.get(LAST).and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let last: u64 = last.unwrap_or(0);
    // Watches first, so that nothing falls between what is remembered and what comes.
    let woken = api.0.live.watch();
    let mut ready = VecDeque::new();
    if api.0.live.past(call, 0).is_none() {
        match api.store().call(call).await? {
            Some(record) if record.ended_at.is_some() => {
                if last == OF_RECORD {
                    return Ok(StatusCode::NO_CONTENT.into_response());
                }
                ready.push_back((OF_RECORD, of_record(&record)));
            }
            Some(_) => {}
            None if api.store().scan_of_waiting_call(call).await?.is_some() => {}
            None => return Err(missing()),
        }
    }
    let place = Arc::clone(&api.0.watchers).try_acquire_owned().map_err(|_| no_place())?;
    let is_over = !ready.is_empty();
    let mut watcher = Watcher {
        live: api.0.live.clone(),
        call,
        woken,
        closing: api.0.closing.subscribe(),
        last,
        ready,
        is_over,
        _place: place,
    };
    watcher.read();
    if watcher.ready.is_empty() && watcher.has_ended() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(stream::unfold(watcher, next)).keep_alive(keep_alive).into_response())
}

impl Watcher {
    /// Reads what was told since.
    fn read(&mut self) {
        if self.is_over {
            return;
        }
        let Some(past) = self.live.past(self.call, self.last) else { return };
        if past.lost > 0 {
            let lost = json!({"event": "lost", "count": past.lost}).to_string();
            self.ready.push_back((self.last.saturating_add(past.lost), lost));
        }
        for (no, event) in past.events {
            self.last = no;
            let data = serde_json::to_string(&event).unwrap_or_default();
            self.ready.push_back((no, data));
            if matches!(event.what, What::Ended { .. }) {
                self.is_over = true;
                break;
            }
        }
    }

    /// Whether the call told its end before what was asked for.
    fn has_ended(&self) -> bool {
        let past = self.live.past(self.call, 0);
        past.is_some_and(|past| {
            past.events.iter().any(|(_, event)| matches!(event.what, What::Ended { .. }))
        })
    }
}

async fn next(mut watcher: Watcher) -> Option<(Result<Event, Infallible>, Watcher)> {
    loop {
        if let Some((no, data)) = watcher.ready.pop_front() {
            return Some((Ok(Event::default().id(no.to_string()).data(data)), watcher));
        }
        if watcher.is_over {
            return None;
        }
        tokio::select! {
            event = watcher.woken.recv() => match event {
                Ok(event) if event.call != watcher.call => {}
                Ok(_) | Err(RecvError::Lagged(_)) => watcher.read(),
                Err(RecvError::Closed) => return None,
            },
            () = closed(&mut watcher.closing) => return None,
        }
    }
}

/// The end of a call that is not remembered, from its record.
fn of_record(record: &CallRecord) -> String {
    let event = LiveEvent {
        call: record.uuid,
        number: record.number.clone(),
        scan: record.scan.map(|scan| scan.0),
        at_ms: 0,
        what: What::Ended {
            reason: record.reason.clone().unwrap_or_default(),
            status: record.sip_status,
        },
    };
    serde_json::to_string(&event).unwrap_or_default()
}
