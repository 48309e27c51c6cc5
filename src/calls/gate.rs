//! The gate through which every call goes: asks the policy, writes the audit, and holds the kill
//! switch.
//!
//! There is one for a service; copies are the same. A call hears of the kill switch by a message:
//! it subscribes before it is cleared, so that no stop falls between the two.

use std::{sync::Arc, time::Duration};

use tokio::sync::{
    Mutex,
    broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
    watch,
};
use tracing::{info, warn};

use super::trunk;
use crate::{
    log,
    policy::{Clearance, Policy, Refusal, Request, Rule, Usage, number::Called},
    store::{NewCall, Store, StoreError},
};

/// Stops that a call may lag behind before it takes the rest of them for one of its own.
const BACKLOG: usize = 64;

/// Decides about calls, and ends them. Copies are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    policy: Policy,
    store: Store,
    stopped: watch::Sender<bool>,
    endings: broadcast::Sender<Ending>,
    /// Held while the state is written, so that what is kept is what was set last.
    keeping: Mutex<()>,
}

/// Calls that an operator ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All.
    All,
    /// Those to this number.
    Number(Called),
}

impl Ending {
    fn is_for(&self, called: Option<&Called>) -> bool {
        match self {
            Self::All => true,
            Self::Number(number) => Some(number) == called,
        }
    }
}

/// A call that may be placed.
#[derive(Clone, Debug)]
pub(super) struct Cleared {
    /// The number; `None` for an extension of ours.
    pub(super) called: Option<Called>,
    /// See [`Clearance::longest`].
    pub(super) longest: Option<Duration>,
}

/// Whether who asks waits until a call may be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The call is placed now or not at all.
    Now,
    /// It is put off by itself until it may be placed.
    Waits,
}

/// Why a call may not be placed.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// A rule objects.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It cannot be decided, and what cannot be decided is not called.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Gate {
    /// A gate with this policy, with its kill switch as `stopped` says.
    pub fn new(policy: Policy, store: Store, stopped: bool) -> Self {
        Self(Arc::new(Inner {
            policy,
            store,
            stopped: watch::Sender::new(stopped),
            endings: broadcast::Sender::new(BACKLOG),
            keeping: Mutex::new(()),
        }))
    }

    /// A gate whose kill switch is as it was left.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn open(policy: Policy, store: Store) -> Result<Self, StoreError> {
        let halt = store.halt().await?;
        if halt.stopped {
            warn!(
                by = %halt.changed_by,
                "All calls are stopped, as they were before; `phoneai stop --resume` lifts it."
            );
        }
        Ok(Self::new(policy, store, halt.stopped))
    }

    /// What an API answers to a request before it makes a call of it: why the call may not be
    /// placed, or `None`. A refusal is written to the audit; with [`Patience::Waits`] what is
    /// refused only for now is none.
    ///
    /// # Errors
    /// If it cannot be decided.
    pub async fn ask(
        &self,
        request: &Request,
        patience: Patience,
    ) -> Result<Option<Refusal>, StoreError> {
        let Inner { policy, store, .. } = &*self.0;
        if trunk::extension(&request.number).is_some() {
            return Ok(self.judge_stopped(store.now()).err());
        }
        let counts = store.call_counts(&request.number, needs_day(policy)).await?;
        let now = store.now();
        let judged = self.judge_stopped(now).and_then(|()| policy.judge(request, &counts, now));
        let Err(refusal) = judged else { return Ok(None) };
        if refusal.until.is_some() && patience == Patience::Waits && refusal.rule != Rule::Stopped {
            return Ok(None);
        }
        store.audit_refusal(request, &refusal).await?;
        let number = log::number(&request.number);
        info!(
            %number, rule = refusal.rule.as_str(),
            asked_by = request.asked_by.map(|user| user.0), "A call was refused."
        );
        Ok(Some(refusal))
    }

    /// Lets a call through, on record, or says why not. One to an extension of ours costs nothing and
    /// disturbs no stranger: only the kill switch stops it.
    pub(super) async fn clear(&self, call: &NewCall) -> Result<Cleared, Closed> {
        let Inner { policy, store, .. } = &*self.0;
        if trunk::extension(&call.number).is_some() {
            self.judge_stopped(store.now())?;
            store.begin_call(call).await?;
            return Ok(Cleared { called: None, longest: None });
        }
        let judged = store
            .clear_call(call, needs_day(policy), |request, counts, now| {
                self.judge_stopped(now)?;
                policy.judge(request, counts, now)
            })
            .await?;
        let number = log::number(&call.number);
        let caller_id = call.caller_id.as_deref().map(|id| log::number(id).to_string());
        let (asked_by, scan) = (call.asked_by.map(|user| user.0), call.scan.map(|scan| scan.0));
        match &judged {
            Ok(_) => {
                info!(call = %call.uuid, %number, caller_id, asked_by, scan, "A call is placed.");
            }
            Err(refusal) => info!(
                call = %call.uuid, %number, caller_id, asked_by, scan,
                rule = refusal.rule.as_str(), "A call was refused."
            ),
        }
        let Clearance { called, longest, minutes: _ } = judged?;
        Ok(Cleared { called: Some(called), longest })
    }

    fn judge_stopped(&self, now: crate::store::Time) -> Result<(), Refusal> {
        match *self.0.stopped.borrow() {
            false => Ok(()),
            true => Err(Refusal {
                rule: Rule::Stopped,
                why: "an operator has stopped all calls; `phoneai stop --resume` lifts it"
                    .to_owned(),
                until: Some(now),
            }),
        }
    }

    /// The stop rule that a scan with this usage has reached, if it has reached one.
    pub fn scan_over(&self, usage: Usage) -> Option<Refusal> {
        self.0.policy.scan_over(usage)
    }

    /// Ends all calls and lets none through until [`Gate::resume`]. Returns how many were up or
    /// about to be. The calls hear of it before anything is written.
    ///
    /// # Errors
    /// If the state could not be kept for the next start. The calls are ended all the same.
    pub async fn stop(&self, by: &str) -> Result<usize, StoreError> {
        warn!(by, "All calls are stopped.");
        self.0.stopped.send_replace(true);
        // An error means that no call is up.
        let hearing = self.0.endings.send(Ending::All).unwrap_or(0);
        self.keep(by).await?;
        Ok(hearing / Endings::OF_A_CALL)
    }

    /// Ends the calls to one number; other calls, and later ones, are not touched. Returns how many
    /// were not over.
    ///
    /// # Errors
    /// If they could not be counted. They are ended all the same.
    pub async fn stop_number(&self, number: &Called, by: &str) -> Result<usize, StoreError> {
        let shown = log::number(number.digits());
        warn!(by, number = %shown, "The number's call is stopped.");
        let running = self.0.store.running_calls(number).await;
        // An error means that no call is up.
        let _ = self.0.endings.send(Ending::Number(number.clone()));
        running.map(|calls| calls as usize)
    }

    /// Lets calls through again.
    ///
    /// # Errors
    /// If the state could not be kept for the next start.
    pub async fn resume(&self, by: &str) -> Result<(), StoreError> {
        warn!(by, "Calls may be placed again.");
        self.0.stopped.send_replace(false);
        self.keep(by).await
    }

    async fn keep(&self, by: &str) -> Result<(), StoreError> {
        let _keeping = self.0.keeping.lock().await;
        let stopped = *self.0.stopped.borrow();
        self.0.store.set_halt(stopped, by).await
    }

    /// Whether all calls are stopped, and when that changes.
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.0.stopped.subscribe()
    }

    /// Hears of endings from now on, in both places in which a call listens.
    pub(super) fn endings(&self) -> [Endings; Endings::OF_A_CALL] {
        std::array::from_fn(|_| Endings(self.0.endings.subscribe()))
    }
}

/// The minutes of the day cost a look at every call of it, and are needed only for a limit.
fn needs_day(policy: &Policy) -> bool {
    policy.caps.day_cost.is_some()
}

/// Hears what an operator ends.
#[derive(Debug)]
pub(super) struct Endings(broadcast::Receiver<Ending>);

impl Endings {
    /// Each call listens twice: in the task that lives it, and beside that.
    const OF_A_CALL: usize = 2;

    /// Completes when the calls to this number are to end.
    pub(super) async fn of(&mut self, called: Option<&Called>) -> Ending {
        loop {
            match self.0.recv().await {
                Ok(ending) if ending.is_for(called) => return ending,
                Ok(_) => {}
                // Better one call too few than one too many.
                Err(RecvError::Lagged(_)) => return Ending::All,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// What was told already and not heard yet, if it is for this number.
    pub(super) fn pending(&mut self, called: Option<&Called>) -> Option<Ending> {
        loop {
            match self.0.try_recv() {
                Ok(ending) if ending.is_for(called) => return Some(ending),
                Ok(_) => {}
                Err(TryRecvError::Lagged(_)) => return Some(Ending::All),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }
}
