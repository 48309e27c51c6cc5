//! Sends what the outbox in the database holds, and looks up what may have been sent.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use phoneai_clock::Clock;
use tokio::{
    sync::{Notify, broadcast, watch},
    task::JoinSet,
};
use tracing::{error, info, warn};

use super::{Carrier, CarrierError, Certainty, Message, SentMessage, pace::Pace};
use crate::store::{SmsId, SmsOutcome, SmsRow, Store, StoreError, Time};

/// Messages that the carrier is told at a time; its answers may take seconds.
const MAX_IN_FLIGHT: usize = 32;
/// How long the outbox is left alone after the database failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The outbox is looked at at least so often.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// The first pause after a message could not be handed over; it doubles up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// When a message that may have been sent is looked up: so long after each time it was not found.
/// The carrier's list may lag behind; when the last look finds nothing, it was not sent.
const LOOKS: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120)];
/// After this a message that cannot be looked up stays unknown for ever.
const LOOK_FOR: Duration = Duration::from_secs(24 * 3600);
/// Between looks while the carrier does not answer them.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// The clocks of the carrier and ours may differ by so much.
const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// What the outbox shares with those who put messages into it.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    wake: Arc<Notify>,
    settled: broadcast::Sender<SmsId>,
}

impl Signals {
    pub(super) fn new() -> Self {
        Self { wake: Arc::default(), settled: broadcast::channel(1024).0 }
    }

    /// The outbox has something new.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Tells of each message whose state changed.
    pub(super) fn watch(&self) -> broadcast::Receiver<SmsId> {
        self.settled.subscribe()
    }
}

/// The outbox's own end.
pub(super) struct Outbox {
    pub(super) carrier: Arc<dyn Carrier>,
    pub(super) store: Store,
    /// The number that messages are sent from.
    pub(super) from: String,
    pub(super) clock: Clock,
    pub(super) signals: Signals,
}

/// Runs until `stop` becomes true, then waits for the carrier's answers that are under way.
pub(super) async fn run(outbox: Outbox, mut stop: watch::Receiver<bool>) {
    let outbox = Arc::new(outbox);
    let pace = Arc::new(Mutex::new(Pace::new(outbox.carrier.messages_per_second())));
    let mut in_flight = JoinSet::new();
    while !*stop.borrow() {
        let nap = match turn(&outbox, &pace, &mut in_flight).await {
            Ok(nap) => nap,
            Err(error) => {
                error!(%error, "The outbox cannot be read; trying again.");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = outbox.signals.wake.notified() => {}
            Some(_) = in_flight.join_next(), if !in_flight.is_empty() => {}
            () = outbox.clock.sleep(nap) => {}
            _ = stop.changed() => {}
        }
    }
    while in_flight.join_next().await.is_some() {}
}

/// Begins what is due, and tells how long there is nothing to do.
async fn turn(
    outbox: &Arc<Outbox>,
    pace: &Arc<Mutex<Pace>>,
    in_flight: &mut JoinSet<()>,
) -> Result<Duration, StoreError> {
    let doubtful = outbox.store.doubtful_sms().await?;
    if !doubtful.is_empty() {
        look_up(outbox, &doubtful).await?;
    }
    loop {
        if in_flight.len() >= MAX_IN_FLIGHT {
            return Ok(LONGEST_NAP);
        }
        let wait = with(pace, |pace| pace.wait(outbox.clock.now()));
        if !wait.is_zero() {
            return Ok(wait);
        }
        let Some(sms) = outbox.store.begin_sms().await? else { break };
        with(pace, |pace| pace.begin(outbox.clock.now()));
        let (outbox, pace) = (outbox.clone(), pace.clone());
        in_flight.spawn(async move { hand_over(&outbox, &pace, &sms).await });
    }
    let due = outbox.store.next_sms_due().await?;
    let nap = due.map_or(LONGEST_NAP, |due| due.since(outbox.store.now()));
    Ok(nap.min(LONGEST_NAP))
}

fn with<T>(pace: &Mutex<Pace>, f: impl FnOnce(&mut Pace) -> T) -> T {
    f(&mut pace.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Tells the carrier of one message and writes down what it answers.
async fn hand_over(outbox: &Outbox, pace: &Mutex<Pace>, sms: &SmsRow) {
    let message = Message { to: sms.to.clone(), from: outbox.from.clone(), body: sms.body.clone() };
    let answer = outbox.carrier.send(&message).await;
    if let Err(CarrierError::Busy { retry_after, .. }) = &answer {
        let pause = retry_after.unwrap_or(FIRST_RETRY);
        with(pace, |pace| pace.pause_until(outbox.clock.now() + pause));
    }
    let outcome = outcome(answer, sms, outbox.store.now());
    match &outcome {
        SmsOutcome::Sent { provider_id } => info!(sms = %sms.id, ?provider_id, "Message sent."),
        SmsOutcome::Failed { reason } => warn!(sms = %sms.id, %reason, "Message not sent."),
        SmsOutcome::Again { reason, .. } => {
            warn!(sms = %sms.id, %reason, "Message not sent yet; it is tried again.");
        }
        SmsOutcome::Unknown { reason, .. } => {
            warn!(sms = %sms.id, %reason, "Perhaps sent; the carrier is asked for it.");
        }
    }
    settle(outbox, sms.id, &outcome).await;
}

/// What the carrier's answer means for the message.
fn outcome(answer: Result<super::Taken, CarrierError>, sms: &SmsRow, now: Time) -> SmsOutcome {
    let error = match answer {
        Ok(taken) => return SmsOutcome::Sent { provider_id: taken.id },
        Err(error) => error,
    };
    let reason = error.to_string();
    match error.certainty() {
        Certainty::NotDone => SmsOutcome::Failed { reason },
        Certainty::NotYet => {
            let asked = match error {
                CarrierError::Busy { retry_after, .. } => retry_after,
                _ => None,
            };
            let doublings = u32::try_from(sms.attempts - 1).unwrap_or(0).min(16);
            let pause = FIRST_RETRY.saturating_mul(1 << doublings).min(LONGEST_RETRY);
            SmsOutcome::Again { at: now.after(asked.unwrap_or(pause)), reason }
        }
        Certainty::Unknown => SmsOutcome::Unknown { look_at: Some(now.after(LOOKS[0])), reason },
    }
}

/// Writes an outcome down. If the database fails, the message stays as one that is being sent,
/// which the next start looks up.
async fn settle(outbox: &Outbox, id: SmsId, outcome: &SmsOutcome) {
    if let Err(error) = outbox.store.settle_sms(id, outcome).await {
        error!(sms = %id, %error, "What became of a message was not stored; it is looked up at \
            the next start.");
    }
    let _ = outbox.signals.settled.send(id);
}

/// Asks the carrier for messages that it may have.
async fn look_up(outbox: &Outbox, doubtful: &[SmsRow]) -> Result<(), StoreError> {
    let now = outbox.store.now();
    let begun = |sms: &SmsRow| sms.attempted_at.unwrap_or(sms.created_at);
    let Some(first) = doubtful.iter().map(begun).min() else { return Ok(()) };
    let since = Time(first.0.saturating_sub(CLOCK_SKEW.as_micros() as i64));
    let listed = outbox.carrier.sent_since(since).await;
    let mut listed = match listed {
        Ok(listed) => listed,
        Err(error) => {
            warn!(%error, "The carrier does not say which messages it has.");
            for sms in doubtful {
                let over = now.since(begun(sms)) > LOOK_FOR;
                let at = (!over).then(|| now.after(LOOK_AGAIN));
                outbox.store.postpone_sms_lookup(sms.id, at).await?;
            }
            return Ok(());
        }
    };
    for sms in doubtful {
        let found = find(outbox, sms, &mut listed).await?;
        let outcome = looked_up(found, sms, now);
        settle(outbox, sms.id, &outcome).await;
    }
    Ok(())
}

/// The carrier's id of a message, taken out of the list so that no two messages get the same.
async fn find(
    outbox: &Outbox,
    sms: &SmsRow,
    listed: &mut Vec<SentMessage>,
) -> Result<Option<String>, StoreError> {
    while let Some(at) = listed.iter().position(|sent| is_same(&sent.message, sms, &outbox.from)) {
        let sent = listed.swap_remove(at);
        if !outbox.store.knows_sms(&sent.id).await? {
            return Ok(Some(sent.id));
        }
    }
    Ok(None)
}

/// The carrier may write numbers with or without their `+`.
fn is_same(sent: &Message, sms: &SmsRow, from: &str) -> bool {
    let bare = |number: &str| number.trim_start_matches('+').to_owned();
    sent.body == sms.body && bare(&sent.to) == bare(&sms.to) && bare(&sent.from) == bare(from)
}

/// What looking a message up means for it.
fn looked_up(found: Option<String>, sms: &SmsRow, now: Time) -> SmsOutcome {
    if let Some(id) = found {
        return SmsOutcome::Sent { provider_id: Some(id) };
    }
    let reason = "the carrier does not have it".to_owned();
    let looks = usize::try_from(sms.lookups).unwrap_or(0) + 1;
    match LOOKS.get(looks) {
        Some(pause) => SmsOutcome::Unknown { look_at: Some(now.after(*pause)), reason },
        None => SmsOutcome::Again { at: now, reason },
    }
}
