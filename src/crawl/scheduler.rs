//! Works off the queue in the database: leases a scan whose call is due, places the call, and
//! writes down what came of it and when to call again.
//!
//! The rows are the queue, so a service that was killed goes on where it was, and several may share
//! one database: a scan belongs to whoever leased it, as long as the lease is renewed.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinSet,
};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::{
    driver::{Crawler, SharedPlan},
    navigator::Limits,
    parallel::{Brought, Helpers},
    retry::Backoff,
    schedule,
};
use crate::{
    calls::{
        CallFailure, Cut, Lines, Order, Report,
        gate::Ending,
        live::{LiveEvent, What},
        trunk::{Dialled, Readiness},
    },
    log,
    policy::{self, Refusal, Rule},
    store::{AfterCall, CallOutcome, ScanJob, StoreError, Time},
};

/// How long a scan stays ours without being renewed. Renewed three times as often.
const LEASE: Duration = Duration::from_secs(60);
/// How long the queue is left alone after the database failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The queue is looked at at least so often, whatever it said: other processes may write to it.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// How a service crawls.
#[derive(Clone, Debug)]
pub struct SchedulerSettings {
    /// What the navigator may do in one call.
    pub limits: Limits,
    /// When unfinished numbers are called again.
    pub backoff: Backoff,
    /// Calls at a time, to all numbers.
    pub max_concurrent_calls: usize,
    /// Calls at a time to one number.
    pub parallel_calls: usize,
    /// Who leases, the same after a restart, so that we take up again what we left.
    pub owner: String,
}

/// Tells a scheduler that the queue has changed.
#[derive(Clone, Debug, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// Has the queue looked at now.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// A number in 0..1 that differs from call to call: the call's id is random already.
fn spread(call: Uuid) -> f64 {
    let (_, low) = call.as_u64_pair();
    f64::from(low as u32) / f64::from(u32::MAX)
}

/// Runs until `stop` becomes true, then hangs up what is under way and returns. As long as the trunk
/// is not ready no call is placed: it would be counted against a number that is not to blame.
pub async fn run(
    lines: Lines,
    settings: SchedulerSettings,
    waker: Waker,
    mut readiness: Readiness,
    mut stop: watch::Receiver<bool>,
) {
    let settings = Arc::new(settings);
    let clock = lines.clock();
    let mut stopped = lines.gate().stopped();
    let mut calls = JoinSet::new();
    // Those of the calls that run, helping ones included.
    let places = Arc::new(Semaphore::new(settings.max_concurrent_calls));
    // Before that, every scan would be refused and put off one by one.
    let mut closed_until = Time(i64::MIN);
    while !*stop.borrow() {
        let closed = closed_until.since(Time(clock.wall_micros()));
        let mut nap = if closed.is_zero() { LONGEST_NAP } else { closed.min(LONGEST_NAP) };
        // Before the queue, which they fill.
        let scheduled = match schedule::turn(lines.store()).await {
            Ok(due) => due.map(|due| due.since(Time(clock.wall_micros()))),
            Err(error) => Some(failed(&error)),
        };
        while readiness.is_ready()
            && closed.is_zero()
            && !*stopped.borrow_and_update()
            && let Ok(place) = places.clone().try_acquire_owned()
        {
            match lines.store().lease_next(&settings.owner, LEASE).await {
                Ok(Some(job)) => {
                    let (lines, settings) = (lines.clone(), settings.clone());
                    let (places, stop) = (places.clone(), stop.clone());
                    calls.spawn(async move {
                        let served = serve(lines, settings, job, places, stop).await;
                        drop(place);
                        served
                    });
                }
                Ok(None) => {
                    nap = match lines.store().next_due().await {
                        Ok(Some(due)) => due.since(Time(clock.wall_micros())).min(LONGEST_NAP),
                        Ok(None) => LONGEST_NAP,
                        Err(error) => failed(&error),
                    };
                    break;
                }
                Err(error) => {
                    nap = failed(&error);
                    break;
                }
            }
        }
        let nap = scheduled.map_or(nap, |scheduled| nap.min(scheduled));
        tokio::select! {
            () = waker.0.notified() => {}
            () = readiness.changed() => {}
            Some(served) = calls.join_next(), if !calls.is_empty() => {
                // An error means that the call's task is gone, and with it what it knew.
                closed_until = served.ok().flatten().unwrap_or(closed_until);
            }
            () = clock.sleep(nap) => {}
            // An operator stopped all calls, or permits them again. The gate is as old as we are.
            Ok(()) = stopped.changed() => {}
            _ = stop.changed() => {}
        }
    }
    while calls.join_next().await.is_some() {}
}

fn failed(error: &StoreError) -> Duration {
    error!(%error, "The queue of calls cannot be read; trying again.");
    AFTER_FAILURE
}

/// One call of a scan, with its lease kept alive. If nobody may be called for now, the time from
/// which on somebody may.
async fn serve(
    lines: Lines,
    settings: Arc<SchedulerSettings>,
    job: ScanJob,
    places: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
) -> Option<Time> {
    let keep_lease = async {
        loop {
            lines.clock().sleep(LEASE / 3).await;
            match lines.store().renew_lease(&job, LEASE).await {
                Ok(()) => {}
                Err(StoreError::LeaseLost(_)) => return,
                Err(error) => warn!(call = %job.call_uuid, %error, "The lease was not renewed."),
            }
        }
    };
    let crawl = crawl(&lines, &settings, &job, &places, stop);
    tokio::select! {
        biased;
        result = crawl => match result {
            Ok(closed_until) => closed_until,
            Err(error) => {
                error!(call = %job.call_uuid, %error, "The call was not finished in the database; \
                    it is taken up again when its lease ends.");
                None
            }
        },
        () = keep_lease => {
            warn!(call = %job.call_uuid, "Another process took the scan over; this call is dropped.");
            None
        }
    }
}

/// Frees a scan that may not call now.
async fn put_off(
    lines: &Lines,
    job: &ScanJob,
    refusal: &Refusal,
    until: Time,
) -> Result<(), StoreError> {
    lines.store().put_off(job, until, &refusal.why).await?;
    let in_seconds = until.since(Time(lines.clock().wall_micros())).as_secs();
    info!(scan = %job.scan, rule = refusal.rule.as_str(), in_seconds, "The scan is put off.");
    lines.live().tell(LiveEvent {
        call: job.call_uuid,
        number: job.number.clone(),
        scan: Some(job.scan.0),
        at_ms: 0,
        what: What::PutOff { reason: refusal.why.clone(), in_seconds },
    });
    Ok(())
}

/// What is said of a number that cannot be dialled.
fn unreadable(number: &str) -> Refusal {
    let refused = policy::callable(number).err();
    refused.unwrap_or(Refusal {
        rule: Rule::NotANumber,
        why: format!("{number:?} cannot be dialled: write an optional + and 1 to 15 digits"),
        until: None,
    })
}

/// Whether the scan may have another call after this one.
fn may_go_on(placed: &Result<Report, CallFailure>) -> bool {
    !matches!(
        placed,
        Err(CallFailure::Refused(_))
            | Ok(Report { cut: Some(Cut::Operator(Ending::Number(_))), .. })
    )
}

/// Whether what came of the call says something about the number.
fn is_the_numbers(placed: &Result<Report, CallFailure>) -> bool {
    !matches!(placed, Err(CallFailure::Refused(_)) | Ok(Report { cut: Some(_), .. }))
}

/// What came of the call in the words of its record.
fn told(job: &ScanJob, placed: Result<Report, CallFailure>) -> CallOutcome {
    match placed {
        Ok(Report { reason, sip_status, talked, .. }) => {
            CallOutcome { reason, sip_status, talked, ..CallOutcome::default() }
        }
        Err(failure) => {
            let reason = failure.to_string();
            match failure {
                CallFailure::Refused(_) => {
                    info!(call = %job.call_uuid, %reason, "The call may not be made.");
                }
                CallFailure::Trunk { .. }
                | CallFailure::NotRegistered { .. }
                | CallFailure::Media(_)
                | CallFailure::Speech(_)
                | CallFailure::Sip(_)
                | CallFailure::Store(_) => {
                    error!(call = %job.call_uuid, %reason, "The call could not be made.");
                }
            }
            CallOutcome { reason, ..CallOutcome::default() }
        }
    }
}

/// Why a scan that is not complete ends with this call: it has used up what a scan may use.
async fn scan_over(
    lines: &Lines,
    job: &ScanJob,
    outcome: &CallOutcome,
) -> Result<Option<String>, StoreError> {
    if outcome.complete {
        return Ok(None);
    }
    let mut usage = lines.store().scan_usage(job.scan).await?;
    // This call's end is not on record yet.
    usage.minutes += outcome.talked.map_or(0, |talked| talked.as_millis().div_ceil(60_000) as u64);
    Ok(lines.gate().scan_over(usage).map(|refusal| refusal.why))
}

async fn crawl(
    lines: &Lines,
    settings: &SchedulerSettings,
    job: &ScanJob,
    places: &Arc<Semaphore>,
    stop: watch::Receiver<bool>,
) -> Result<Option<Time>, StoreError> {
    let tree = lines.store().load_tree(job.scan).await?;
    let limits = Limits {
        early_keys: settings.limits.early_keys && !job.ignores_early_keys,
        ..settings.limits.clone()
    };
    let plan = SharedPlan::new(tree, limits.clone());
    let mut crawler = Crawler::new(&plan, limits.clone());
    let order = Dialled::try_new(&job.number).map(|number| Order {
        uuid: job.call_uuid,
        number,
        caller_id: job.caller_id.clone(),
        asked_by: job.asked_by,
        scan: Some(job.scan),
    });
    let (placed, helped) = match &order {
        Some(order) => {
            let most = settings.parallel_calls.saturating_sub(1);
            let (plan, limits, stop) = (&plan, &limits, &stop);
            let helpers = Helpers { lines, plan, limits, order, most, places, stop };
            helpers.along(lines.place(order, &mut crawler, stop.clone())).await
        }
        None => (Err(CallFailure::Refused(unreadable(&job.number))), Brought::default()),
    };
    if let Err(CallFailure::Refused(refusal @ Refusal { until: Some(until), .. })) = &placed {
        put_off(lines, job, refusal, *until).await?;
        return Ok(refusal.rule.is_for_all().then_some(*until));
    }
    let summary = crawler.outcome();
    let ended_ms = placed.as_ref().map_or(0, |report| report.ended_ms);
    let may_go_on = may_go_on(&placed);
    let outcome = CallOutcome {
        news: crawler.has_news() || helped.news,
        // What could not be stored is not known any more.
        complete: plan.is_complete() && !matches!(placed, Err(CallFailure::Store(_))),
        ignores_early_keys: helped.ignores_early_keys
            || summary.is_some_and(|summary| summary.ignores_early_keys),
        cut_short: *stop.borrow() || !is_the_numbers(&placed),
        ..told(job, placed)
    };
    let without_news = if outcome.news { 0 } else { job.calls_without_news.saturating_add(1) };
    // A call that the service's end, an operator or a limit cut short is made again as soon as that
    // is over.
    let wait = match outcome.cut_short {
        true => Duration::ZERO,
        false => settings.backoff.wait(without_news, spread(job.call_uuid)),
    };
    let next = Time(lines.clock().wall_micros()).after(wait);
    let (outcome, next) = match scan_over(lines, job, &outcome).await? {
        Some(why) => (CallOutcome { reason: why, ..outcome }, None),
        None => (outcome, may_go_on.then_some(next)),
    };
    let after = lines.store().finish_call(job, &outcome, next).await;
    if let Some(order) = &order {
        lines.tell_end(order, ended_ms, &outcome.reason, outcome.sip_status);
    }
    let after = after?;
    let number = log::number(&job.number);
    let (complete, reason) = match after {
        AfterCall::Again(_) => {
            info!(scan = %job.scan, %number, in_seconds = wait.as_secs(), "Calling again later.");
            return Ok(None);
        }
        AfterCall::Complete => (true, "nothing is left to explore".to_owned()),
        AfterCall::GivenUp { reason } => (false, reason),
    };
    info!(scan = %job.scan, %number, complete, %reason, "The scan is over.");
    lines.live().tell(LiveEvent {
        call: job.call_uuid,
        number: job.number.clone(),
        scan: Some(job.scan.0),
        at_ms: 0,
        what: What::ScanEnded { complete, reason },
    });
    Ok(None)
}
