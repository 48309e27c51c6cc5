//! What is going on right now, as server-sent events.
//!
//! Each event's data is one JSON object. Those of calls are [`LiveEvent`]s: `call`, `number`,
//! `scan`, `at_ms`, `event` and what belongs to it. A watcher that was too slow gets
//! `{"event": "lost", "count": N}` in the place of the events that it missed. Comments keep an
//! idle connection open.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::StatusCode,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::stream::{self, Stream};
use serde_json::json;
use tokio::sync::{
    OwnedSemaphorePermit,
    broadcast::{Receiver, error::RecvError},
    watch,
};

use super::{Who, extract::Query, problem::Problem};
use crate::{
    api::{Api, server::closed},
    calls::live::LiveEvent,
};

/// Proxies close a connection on which nothing happens for a minute.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of this number only.
    number: Option<String>,
}

struct Watcher {
    events: Receiver<LiveEvent>,
    number: Option<String>,
    closing: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

/// What happens from now on, with one number or with all, as server-sent events, until the client or
/// the service ends.
#[utoipa::path(get, path = "/api/v2/events", tag = "v2", params(Wanted),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(super) async fn events(
    State(api): State<Api>,
    _who: Who,
    Query(wanted): Query<Wanted>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place =
        std::sync::Arc::clone(&api.0.watchers).try_acquire_owned().map_err(|_| no_place())?;
    let watcher = Watcher {
        events: api.0.live.watch(),
        number: wanted.number.filter(|number| !number.is_empty()),
        closing: api.0.closing.subscribe(),
        _place: place,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(stream::unfold(watcher, next)).keep_alive(keep_alive))
}

/// There are as many watchers as there may be.
pub(super) fn no_place() -> Problem {
    let detail = "all places for watchers are taken; try again later";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(10)
}

async fn next(mut watcher: Watcher) -> Option<(Result<Event, Infallible>, Watcher)> {
    loop {
        let event = tokio::select! {
            event = watcher.events.recv() => event,
            () = closed(&mut watcher.closing) => return None,
        };
        let data = match event {
            Ok(event) if watcher.number.as_ref().is_some_and(|n| *n != event.number) => continue,
            Ok(event) => serde_json::to_string(&event).unwrap_or_default(),
            Err(RecvError::Lagged(count)) => json!({"event": "lost", "count": count}).to_string(),
            Err(RecvError::Closed) => return None,
        };
        return Some((Ok(Event::default().data(data)), watcher));
    }
}
