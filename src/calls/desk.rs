//! Where calls are asked for: what the API may want of the switch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;
use tracing::error;
use uuid::Uuid;

use super::{
    Lines, Order,
    live::{LiveEvent, What},
    pilot::Listener,
    trunk::{Dialled, Readiness},
};
use crate::{
    api::{CallRequest, DialError, Switch},
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
    plain_calls: Arc<AtomicUsize>,
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
        let plain_calls = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Handle::current();
        Self { lines, waker, readiness, max_call, plain_calls, stop, runtime }
    }
}

impl Switch for Desk {
    fn ready(&self) -> bool {
        self.lines.is_some() && self.readiness.is_ready() && !*self.stop.borrow()
    }

    fn wake(&self) {
        self.waker.wake();
    }

    fn dial(&self, request: CallRequest) -> Result<Uuid, DialError> {
        let (true, Some(lines)) = (self.ready(), self.lines.clone()) else {
            return Err(DialError::NotReady);
        };
        let number = Dialled::try_new(&request.number).ok_or_else(|| {
            DialError::Refused("a number is an optional + and 1 to 15 digits".to_owned())
        })?;
        let place = Place::take(&self.plain_calls).ok_or(DialError::Busy(MAX_PLAIN_CALLS))?;
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

/// One of the places for plain calls; free again when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |n: usize| (n < MAX_PLAIN_CALLS).then_some(n + 1);
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn listen(
    lines: Lines,
    order: Order,
    longest: CallMs,
    stop: watch::Receiver<bool>,
    _place: Place,
) {
    let end = match lines.place(&order, &mut Listener::until(longest), stop).await {
        Ok(report) => CallEnd { reason: report.reason, sip_status: report.sip_status },
        Err(failure) => {
            error!(call = %order.uuid, error = %failure, "The call could not be made.");
            let reason = failure.to_string();
            lines.live().tell(LiveEvent {
                call: order.uuid,
                number: order.number.as_str().to_owned(),
                scan: None,
                at_ms: 0,
                what: What::Ended { reason: reason.clone(), status: None },
            });
            CallEnd { reason, sip_status: None }
        }
    };
    if let Err(error) = lines.store().end_call(order.uuid, &end).await {
        error!(call = %order.uuid, %error, "The end of the call was not stored.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_for_plain_calls_are_bounded_and_come_back() {
        let taken = Arc::new(AtomicUsize::new(0));
        let places: Vec<_> = (0..MAX_PLAIN_CALLS).filter_map(|_| Place::take(&taken)).collect();
        assert_eq!(places.len(), MAX_PLAIN_CALLS);
        assert!(Place::take(&taken).is_none());
        drop(places);
        assert!(Place::take(&taken).is_some());
    }
}
