//! Where calls are asked for: what the API may want of the switch.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::error;
use uuid::Uuid;

use super::{
    Lines, Order, Report,
    pilot::Listener,
    trunk::{Dialled, Readiness},
};
use crate::{
    api::{CallRequest, ConnectRequest, DialError, Switch},
    crawl::scheduler::Waker,
    speech::CallMs,
    store::CallEnd,
};

/// Calls that serve no scan, at a time.
pub const MAX_PLAIN_CALLS: usize = 32;

/// The switch as the API sees it.
pub struct Desk {
    lines: Option<Lines>,
    waker: Waker,
    readiness: Readiness,
    max_call: Duration,
    plain_calls: PlainCalls,
    stop: watch::Receiver<bool>,
    runtime: tokio::runtime::Handle,
}

impl Desk {
    /// A desk that dials through `lines`; without lines there is no trunk, and nothing is dialled.
    /// Plain calls last `max_call` at the longest and end when `stop` becomes true.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(
        lines: Option<Lines>,
        waker: Waker,
        readiness: Readiness,
        max_call: Duration,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let plain_calls = PlainCalls::new();
        let runtime = tokio::runtime::Handle::current();
        Self { lines, waker, readiness, max_call, plain_calls, stop, runtime }
    }

    /// The calls that serve no scan, so that the end of the service can wait for theirs.
    pub fn plain_calls(&self) -> PlainCalls {
        self.plain_calls.clone()
    }
}

impl Switch for Desk {
    fn ready(&self) -> bool {
        self.lines.is_some() && self.readiness.is_ready() && !*self.stop.borrow()
    }

    fn wake(&self) {
        self.waker.wake();
    }

    fn connect(&self, _request: ConnectRequest) -> Result<Uuid, DialError> {
        // Nobody can be connected yet: two calls are joined when there are extensions.
        Err(DialError::NotReady)
    }

    fn dial(&self, request: CallRequest) -> Result<Uuid, DialError> {
        let number = Dialled::try_new(&request.number).ok_or_else(|| {
            DialError::Refused("a number is an optional + and 1 to 15 digits".to_owned())
        })?;
        // Our own phones are called whatever the trunk does.
        let ready = self.ready() || (number.extension().is_some() && !*self.stop.borrow());
        let (true, Some(lines)) = (ready, self.lines.clone()) else {
            return Err(DialError::NotReady);
        };
        let place = self.plain_calls.take().ok_or(DialError::Busy(MAX_PLAIN_CALLS))?;
        let order = Order {
            uuid: Uuid::new_v4(),
            number,
            caller_id: request.caller_id,
            asked_by: Some(request.asked_by),
            scan: None,
        };
        let uuid = order.uuid;
        let longest = CallMs::try_from(self.max_call.as_millis()).unwrap_or(CallMs::MAX);
        self.runtime.spawn(listen(lines, order, longest, self.stop.clone(), place));
        Ok(uuid)
    }
}

/// The places for calls that serve no scan. Copies are the same places.
#[derive(Clone, Debug)]
pub struct PlainCalls(Arc<Semaphore>);

/// One of the places; free again when dropped.
type Place = OwnedSemaphorePermit;

impl PlainCalls {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_PLAIN_CALLS)))
    }

    fn take(&self) -> Option<Place> {
        // An error means that no place is free: the semaphore is never closed.
        self.0.clone().try_acquire_owned().ok()
    }

    /// Completes when all of them are over and on record.
    pub async fn over(&self) {
        let all = u32::try_from(MAX_PLAIN_CALLS).unwrap_or(u32::MAX);
        let _ = self.0.acquire_many(all).await;
    }
}

async fn listen(
    lines: Lines,
    order: Order,
    longest: CallMs,
    stop: watch::Receiver<bool>,
    _place: Place,
) {
    let (end, at_ms) = match lines.place(&order, &mut Listener::until(longest), stop).await {
        Ok(Report { reason, sip_status, talked, ended_ms, cut: _ }) => {
            (CallEnd { reason, sip_status, talked }, ended_ms)
        }
        Err(failure) => {
            error!(call = %order.uuid, error = %failure, "The call could not be made.");
            (CallEnd { reason: failure.to_string(), ..CallEnd::default() }, 0)
        }
    };
    if let Err(error) = lines.store().end_call(order.uuid, &end).await {
        error!(call = %order.uuid, %error, "The end of the call was not stored.");
    }
    lines.tell_end(&order, at_ms, &end.reason, end.sip_status);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_for_plain_calls_are_bounded_and_come_back() {
        let calls = PlainCalls::new();
        let places: Vec<_> = std::iter::from_fn(|| calls.take()).collect();
        assert_eq!(places.len(), MAX_PLAIN_CALLS);
        drop(places);
        calls.over().await;
        assert!(calls.take().is_some());
    }
}
