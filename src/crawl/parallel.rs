//! More calls to the number of a scan while its own call is under way.
//!
//! They share the plan of the scan's call, and begin when it has something left for them. They are
//! on record as calls of the scan; what becomes of the scan is decided when all are over.

use std::{future::Future, pin::pin, sync::Arc};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};
use tracing::{error, warn};
use uuid::Uuid;

use super::{
    driver::{Crawler, SharedPlan},
    navigator::Limits,
};
use crate::{
    calls::{Lines, Order},
    store::CallEnd,
};

/// Who helps the call of a scan.
pub(super) struct Helpers<'a> {
    pub lines: &'a Lines,
    pub plan: &'a SharedPlan,
    /// What each helping call may take.
    pub limits: &'a Limits,
    /// The scan's own call.
    pub order: &'a Order,
    /// Most helping calls.
    pub most: usize,
    /// The calls that the service may have at a time.
    pub places: &'a Arc<Semaphore>,
    pub stop: &'a watch::Receiver<bool>,
}

/// What helping calls brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brought {
    pub news: bool,
    pub ignores_early_keys: bool,
}

impl Brought {
    fn add(&mut self, more: Self) {
        self.news |= more.news;
        self.ignores_early_keys |= more.ignores_early_keys;
    }
}

impl Helpers<'_> {
    /// Stays with the scan's `own` call until it and all that help it are over.
    pub(super) async fn along<T>(&self, own: impl Future<Output = T>) -> (T, Brought) {
        let (mut calls, mut begun, mut brought) = (JoinSet::new(), 0, Brought::default());
        let mut changes = self.plan.changes();
        let mut own = pin!(own);
        let result = loop {
            while begun < self.most
                && !*self.stop.borrow()
                && self.plan.free_goals() > 0
                && let Ok(place) = self.places.clone().try_acquire_owned()
            {
                begun += 1;
                // From now on it counts as one that will find something to do.
                let crawler = Crawler::new(self.plan, self.limits.clone());
                let order = Order { uuid: Uuid::new_v4(), ..self.order.clone() };
                let (lines, stop) = (self.lines.clone(), self.stop.clone());
                calls.spawn(help(lines, order, crawler, stop, place));
            }
            tokio::select! {
                result = &mut own => break result,
                Ok(()) = changes.changed(), if begun < self.most => {}
                Some(over) = calls.join_next(), if !calls.is_empty() => {
                    // An error means that its task is gone, and with it what it knew.
                    brought.add(over.unwrap_or_default());
                }
            }
        };
        while let Some(over) = calls.join_next().await {
            brought.add(over.unwrap_or_default());
        }
        (result, brought)
    }
}

/// One helping call and its record. It takes one of the places until it is over.
async fn help(
    lines: Lines,
    order: Order,
    mut crawler: Crawler,
    stop: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) -> Brought {
    let (end, ended_ms) = match lines.place(&order, &mut crawler, stop).await {
        Ok(report) => {
            let (reason, sip_status, talked) = (report.reason, report.sip_status, report.talked);
            (CallEnd { reason, sip_status, talked }, report.ended_ms)
        }
        Err(failure) => {
            // The scan's own call says so if the number may not be called.
            warn!(call = %order.uuid, %failure, "A helping call was not made.");
            (CallEnd { reason: failure.to_string(), ..CallEnd::default() }, 0)
        }
    };
    if let Err(error) = lines.store().end_call(order.uuid, &end).await {
        error!(call = %order.uuid, %error, "The end of a helping call is not on record.");
    }
    lines.tell_end(&order, ended_ms, &end.reason, end.sip_status);
    drop(place);
    Brought {
        news: crawler.has_news(),
        ignores_early_keys: crawler.outcome().is_some_and(|outcome| outcome.ignores_early_keys),
    }
}
