//! Where the API asks for what a carrier does, and where what was asked is kept from getting lost.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use phoneai_clock::Clock;
use tokio::{
    sync::{Mutex, broadcast::error::RecvError, watch},
    task::JoinHandle,
};
use tracing::{error, info, warn};

use super::{
    Carrier, CarrierError, Certainty, Inbound, NumberSearch, Offer, Receipt, inbound,
    outbox::{self, Outbox, Signals},
    webhooks::{self, Webhooks},
};
use crate::{
    config::{Secret, same_bytes},
    http::{Client, IpRanges},
    store::{
        NewIncoming, NewReceipt, NewSms, PurchaseId, PurchaseRow, PurchaseState, SmsId, SmsRow,
        Store, StoreError, TakenIncoming, UserId,
    },
};

/// So long a message is tried whose client waits for the answer; what it is told failed is not sent
/// later.
const WHILE_WAITED_FOR: Duration = Duration::from_secs(10);
/// So long a message is tried that was only queued.
const QUEUED_FOR: Duration = Duration::from_secs(24 * 3600);
/// Between attempts to finish purchases.
const REPAIR_EVERY: Duration = Duration::from_secs(60);

/// How a desk is set up.
#[derive(Clone, Debug, Default)]
pub struct DeskSettings {
    /// The number that messages are sent from.
    pub sms_from: String,
    /// The carrier's id of the route that bought numbers get; `None` leaves the carrier's own.
    pub route: Option<String>,
    /// The key of the webhooks' signature; `None`: they are not signed.
    pub signing_key: Option<Secret<String>>,
    /// Who may send receipts and inbound messages.
    pub gate: Gate,
}

/// Who may send us receipts and inbound messages. Carriers do not sign them.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// From where; none for anywhere.
    pub sources: IpRanges,
    /// What must stand in the query as `key`; `None`: nothing.
    pub key: Option<Secret<String>>,
}

impl Gate {
    /// Whether strangers are kept out at all.
    pub fn is_closed(&self) -> bool {
        !self.sources.is_empty() || self.key.is_some()
    }

    /// Whether a request from this address, with this `key` in its query, is let in.
    pub fn admits(&self, peer: IpAddr, key: Option<&str>) -> bool {
        let from_there = self.sources.is_empty() || self.sources.contain(peer);
        let knows = match &self.key {
            None => true,
            Some(wanted) => {
                key.is_some_and(|key| same_bytes(key.as_bytes(), wanted.expose().as_bytes()))
            }
        };
        from_there && knows
    }
}

/// A wish for a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The number.
    pub number: String,
    /// The extension that is to be called there.
    pub extension: i64,
    /// Who asks.
    pub asked_by: Option<UserId>,
}

/// A number that is ours now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bought {
    /// The entry in the journal.
    pub purchase: PurchaseId,
    /// Whether its calls take the configured route already; if not, it is tried again.
    pub routed: bool,
}

/// Why a number was not bought.
#[derive(Debug, thiserror::Error)]
pub enum BuyError {
    /// The carrier did not sell it, and it cost nothing.
    #[error("the number was not bought: {0}")]
    NotBought(CarrierError),
    /// Nobody knows yet; it is found out, and if it was bought it will stand among the numbers.
    #[error("it is not known yet whether the number was bought ({0}); look again in a minute")]
    Unknown(CarrierError),
    /// It is being bought already.
    #[error("the number is being bought already")]
    UnderWay,
    /// The journal failed. Before the purchase nothing was bought; after it, it is repaired.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a receipt was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// There is not exactly one message with its id.
    #[error("the receipt is of no message that is known, or of several")]
    NoMessage,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The carrier as the API sees it; copies share it.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    carrier: Option<Arc<dyn Carrier>>,
    store: Store,
    settings: DeskSettings,
    signals: Signals,
    /// One purchase at a time, so that the repair never sees one that is being made.
    buying: Mutex<()>,
    /// Numbers whose route the carrier refused in this life: it is not asked each minute.
    unroutable: Mutex<BTreeSet<PurchaseId>>,
}

/// What a desk does in the background. It ends when its `stop` becomes true.
#[derive(Debug)]
pub struct DeskTasks(Vec<JoinHandle<()>>);

impl DeskTasks {
    /// Waits for their end.
    pub async fn over(self) {
        for task in self.0 {
            let _ = task.await;
        }
    }
}

impl Desk {
    /// A desk without its background tasks: what is put into the outbox stays there.
    pub fn new(carrier: Option<Arc<dyn Carrier>>, store: Store, settings: DeskSettings) -> Self {
        Self(Arc::new(Inner {
            carrier,
            store,
            settings,
            signals: Signals::new(),
            buying: Mutex::default(),
            unroutable: Mutex::default(),
        }))
    }

    /// Takes up what an earlier life left, and from then on sends messages and webhooks, and
    /// finishes purchases, until `stop` becomes true. `client` sends the webhooks.
    ///
    /// # Errors
    /// The database.
    pub async fn start(
        &self,
        client: Client,
        clock: Clock,
        stop: watch::Receiver<bool>,
    ) -> Result<DeskTasks, StoreError> {
        let Inner { store, settings, signals, .. } = &*self.0;
        let interrupted = store.recover_sms().await?;
        if interrupted > 0 {
            warn!(
                messages = interrupted,
                "The service was stopped while messages were sent; the \
                carrier is asked whether it has them."
            );
        }
        let webhooks = Webhooks {
            store: store.clone(),
            client,
            signing_key: settings.signing_key.clone(),
            clock,
            wake: store.deliveries(),
        };
        let mut tasks = vec![tokio::spawn(webhooks::run(webhooks, stop.clone()))];
        if let Some(carrier) = self.0.carrier.clone() {
            let outbox = Outbox {
                carrier,
                store: store.clone(),
                from: settings.sms_from.clone(),
                clock,
                signals: signals.clone(),
            };
            tasks.push(tokio::spawn(outbox::run(outbox, stop.clone())));
            tasks.push(tokio::spawn(self.clone().keep_repairing(clock, stop)));
        }
        Ok(DeskTasks(tasks))
    }

    /// The carrier's name, such as "Flowroute"; `None` if none is configured.
    pub fn carrier_name(&self) -> Option<&'static str> {
        self.0.carrier.as_ref().map(|carrier| carrier.name())
    }

    /// Who may send receipts and inbound messages.
    pub fn gate(&self) -> &Gate {
        &self.0.settings.gate
    }

    /// Numbers that can be bought.
    ///
    /// # Errors
    /// What the carrier says.
    pub async fn search(&self, search: &NumberSearch) -> Result<Vec<Offer>, CarrierError> {
        self.carrier()?.search(search).await
    }

    /// Sends a message and waits until the carrier has taken it, refused it, or cannot be asked.
    /// Its state then is what the client is told: one that has [failed](crate::store::SmsState)
    /// is never sent later; one that is queued, sent or unknown is accepted.
    ///
    /// # Errors
    /// The database; the message is not accepted.
    pub async fn send_sms(&self, sms: &NewSms) -> Result<SmsRow, StoreError> {
        let mut settled = self.0.signals.watch();
        let id = self.0.store.queue_sms(sms, WHILE_WAITED_FOR).await?;
        let Some(_) = &self.0.carrier else {
            let reason = CarrierError::NotConfigured.to_string();
            let failed = crate::store::SmsOutcome::Failed { reason };
            self.0.store.settle_sms(id, &failed).await?;
            return self.row(id).await;
        };
        self.0.signals.wake();
        loop {
            match settled.recv().await {
                Ok(other) if other != id => {}
                Ok(_) | Err(RecvError::Lagged(_)) => {
                    let row = self.row(id).await?;
                    if !row.state.is_open() {
                        return Ok(row);
                    }
                }
                Err(RecvError::Closed) => return self.row(id).await,
            }
        }
    }

    /// Accepts a message, to be sent within a day, and returns at once.
    ///
    /// # Errors
    /// The database; the message is not accepted.
    pub async fn queue_sms(&self, sms: &NewSms) -> Result<SmsRow, StoreError> {
        let id = self.0.store.queue_sms(sms, QUEUED_FOR).await?;
        self.0.signals.wake();
        self.row(id).await
    }

    async fn row(&self, id: SmsId) -> Result<SmsRow, StoreError> {
        self.0.store.sms(id).await?.ok_or(StoreError::Missing("message with this id"))
    }

    /// Takes a delivery receipt that was read by [`inbound::read_receipt`].
    ///
    /// # Errors
    /// There is not exactly one such message, or the database.
    pub async fn receipt(&self, receipt: Receipt) -> Result<(), ReceiptError> {
        let Receipt { id, code, status, .. } = receipt;
        let receipt = NewReceipt { provider_id: id, code, status };
        match self.0.store.record_receipt(&receipt).await? {
            true => Ok(()),
            false => Err(ReceiptError::NoMessage),
        }
    }

    /// Takes an inbound message that was read by [`inbound::read_inbound`]. When this returns, it
    /// and the webhook that tells of it are on disk; the webhook is sent in the background.
    ///
    /// # Errors
    /// The database; nothing was taken.
    pub async fn inbound(&self, message: &Inbound) -> Result<TakenIncoming, StoreError> {
        let incoming = NewIncoming {
            provider_id: message.id.clone(),
            from: inbound::plain(&message.from),
            to: inbound::plain(&message.to),
            body: inbound::plain(&message.body),
            media: message.media.clone(),
            webhook: inbound::webhook_body(message),
        };
        self.0.store.take_incoming(&incoming).await
    }

    /// Buys a number and has its calls sent over the configured route. It goes on when the caller
    /// stops waiting.
    ///
    /// # Errors
    /// Why it was not bought; not that its route was refused.
    pub async fn buy(&self, purchase: Purchase) -> Result<Bought, BuyError> {
        let carrier = self.carrier().map_err(BuyError::NotBought)?.clone();
        let desk = self.clone();
        let buying = tokio::spawn(async move {
            let _one_at_a_time = desk.0.buying.lock().await;
            let Purchase { number, extension, asked_by } = purchase;
            let begun = desk.0.store.begin_purchase(&number, extension, asked_by).await?;
            let row = begun.ok_or(BuyError::UnderWay)?;
            desk.buy_now(&*carrier, &row).await?;
            // Before the route, so that what was paid for is seen whatever becomes of it.
            desk.0.store.save_purchase(row.id, carrier.name()).await?;
            let routed = desk.route(&*carrier, &row).await?;
            Ok(Bought { purchase: row.id, routed })
        });
        match buying.await {
            Ok(bought) => bought,
            Err(error) => Err(BuyError::Unknown(CarrierError::Unknown(error.to_string()))),
        }
    }

    fn carrier(&self) -> Result<&Arc<dyn Carrier>, CarrierError> {
        self.0.carrier.as_ref().ok_or(CarrierError::NotConfigured)
    }

    /// Buys, and after an answer that says nothing looks before it buys again.
    async fn buy_now(&self, carrier: &dyn Carrier, row: &PurchaseRow) -> Result<(), BuyError> {
        let store = &self.0.store;
        let mut again = true;
        loop {
            let error = match carrier.buy(&row.number).await {
                Ok(()) => {
                    info!(number = %row.number, "Number bought.");
                    store.settle_purchase(row.id, Ok(())).await?;
                    return Ok(());
                }
                Err(error) => error,
            };
            let reason = error.to_string();
            warn!(number = %row.number, %error, "The purchase was not confirmed.");
            // A number that is ours already is refused too; it need not be bought.
            let looked = carrier.number(&row.number).await;
            match (error.certainty(), looked) {
                (_, Ok(Some(_))) => {
                    store.settle_purchase(row.id, Ok(())).await?;
                    return Ok(());
                }
                (Certainty::NotDone | Certainty::NotYet, _) => {
                    store.settle_purchase(row.id, Err(&reason)).await?;
                    return Err(BuyError::NotBought(error));
                }
                (Certainty::Unknown, Ok(None)) if again => again = false,
                (Certainty::Unknown, Ok(None) | Err(_)) => {
                    store.doubt_purchase(row.id, &reason).await?;
                    return Err(BuyError::Unknown(error));
                }
            }
        }
    }

    /// Sets the route of a number that is ours. False if the carrier refused; the number stays.
    async fn route(&self, carrier: &dyn Carrier, row: &PurchaseRow) -> Result<bool, StoreError> {
        if let Some(route) = &self.0.settings.route
            && let Err(error) = carrier.set_primary_route(&row.number, route).await
        {
            error!(number = %row.number, %error, "The number was bought, but its route was not set.");
            self.0.store.doubt_purchase(row.id, &error.to_string()).await?;
            if error.certainty() == Certainty::NotDone {
                self.0.unroutable.lock().await.insert(row.id);
            }
            return Ok(false);
        }
        self.0.store.purchase_routed(row.id).await?;
        Ok(true)
    }

    async fn keep_repairing(self, clock: Clock, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(error) = self.repair().await {
                error!(%error, "The journal of purchases cannot be read; trying again.");
            }
            tokio::select! {
                () = clock.sleep(REPAIR_EVERY) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Finishes purchases that an earlier life, or a carrier that did not answer, left unfinished:
    /// finds out whether the number was bought, enters it among ours, and sets its route. Nothing is
    /// bought here.
    ///
    /// # Errors
    /// The database.
    pub async fn repair(&self) -> Result<(), StoreError> {
        let Ok(carrier) = self.carrier().cloned() else { return Ok(()) };
        let _one_at_a_time = self.0.buying.lock().await;
        for row in self.0.store.open_purchases().await? {
            if row.state == PurchaseState::Buying {
                match carrier.number(&row.number).await {
                    Ok(Some(_)) => {
                        info!(number = %row.number, "A number turned out to have been bought.");
                        self.0.store.settle_purchase(row.id, Ok(())).await?;
                    }
                    Ok(None) => {
                        let reason = row.reason.as_deref().unwrap_or("the service was stopped");
                        self.0.store.settle_purchase(row.id, Err(reason)).await?;
                        continue;
                    }
                    Err(error) => {
                        self.0.store.doubt_purchase(row.id, &error.to_string()).await?;
                        continue;
                    }
                }
            }
            self.0.store.save_purchase(row.id, carrier.name()).await?;
            if !row.routed && !self.0.unroutable.lock().await.contains(&row.id) {
                self.route(&*carrier, &row).await?;
            }
        }
        Ok(())
    }
}
