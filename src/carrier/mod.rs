//! The carrier's HTTP services: telephone numbers that can be bought, and text messages.
//!
//! A [`Carrier`] is one company's services behind an interface that another company's can stand
//! behind too, in one new module. It only asks and is answered; it keeps nothing.
//!
//! What must not get lost is kept by the [`Desk`], which is what the API talks to: a message is in
//! the database before the carrier hears of it, a purchase is written down before it is made, a
//! webhook is stored in the transaction that stores what it tells.
//!
//! ```text
//!  API ── Desk::send_sms ── store: sms ── outbox ── Carrier::send
//!      ── Desk::receipt ─── store: sms
//!      ── Desk::inbound ─── store: incoming_sms, deliveries ── webhooks ── callback_url
//!      ── Desk::search ──── Carrier::search
//!      ── Desk::buy ─────── store: purchases ── Carrier::buy, set_primary_route
//! ```
//!
//! Every answer of a carrier is one of three things, and [`CarrierError`] keeps them apart: it was
//! done, it was certainly not done, or nobody knows. Only what was certainly not done is tried
//! again; what nobody knows is looked up first.

mod desk;
mod flowroute;
mod inbound;
mod outbox;
mod pace;
mod webhooks;

use std::{future::Future, pin::Pin, time::Duration};

pub use self::{
    desk::{Bought, BuyError, Desk, DeskSettings, DeskTasks, Gate, Purchase, ReceiptError},
    flowroute::{Flowroute, FlowrouteSettings},
    inbound::{Inbound, Receipt, Shape, read_inbound, read_receipt, webhook_body},
};
use crate::store::Time;

/// What a carrier's method gives: a future that can be sent to another thread.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, CarrierError>> + Send + 'a>>;

/// One carrier's numbers and messages. All numbers are written as the carrier writes them, in
/// E.164 without the `+`, unless a client wrote them otherwise.
///
/// No method retries what could then happen twice.
pub trait Carrier: Send + Sync {
    /// The carrier's name as users know it, such as "Flowroute".
    fn name(&self) -> &'static str;

    /// Numbers that can be bought, in the carrier's order.
    fn search<'a>(&'a self, search: &'a NumberSearch) -> Reply<'a, Vec<Offer>>;

    /// Buys a number. It costs money at once, and carriers have no key that would make a repeated
    /// purchase the same one.
    fn buy<'a>(&'a self, number: &'a str) -> Reply<'a, ()>;

    /// What is known of a number; `None` if it is not ours.
    fn number<'a>(&'a self, number: &'a str) -> Reply<'a, Option<NumberDetails>>;

    /// Where calls to numbers can be sent.
    fn routes(&self) -> Reply<'_, Vec<Route>>;

    /// Has calls to a number of ours sent over this route. Doing it twice is the same as once.
    fn set_primary_route<'a>(&'a self, number: &'a str, route: &'a str) -> Reply<'a, ()>;

    /// Hands over one message. `Ok` means that it will be sent, whatever else the answer said.
    fn send<'a>(&'a self, message: &'a Message) -> Reply<'a, Taken>;

    /// Messages that were handed over at `since` or later, for finding out about one whose
    /// handing-over was not answered.
    fn sent_since(&self, since: Time) -> Reply<'_, Vec<SentMessage>>;

    /// Messages that may be handed over in any one second, failed attempts included.
    fn messages_per_second(&self) -> u32;
}

/// Which numbers are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberSearch {
    /// What they begin with.
    pub starts_with: Option<String>,
    /// How many at most. A text, because the old API passes on what the client wrote and leaves it
    /// to the carrier to refuse it.
    pub limit: Option<String>,
}

/// A number that can be bought.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The number.
    pub number: String,
    /// What it costs a month in US dollars, as the carrier wrote it.
    pub monthly_cost: serde_json::Number,
}

/// A number of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberDetails {
    /// The number.
    pub number: String,
    /// The id of the route that its calls take.
    pub primary_route: Option<String>,
}

/// A way that calls to our numbers can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its id.
    pub id: String,
    /// Its kind, such as "host" or "sip-reg".
    pub kind: String,
    /// Where it leads, such as a host name.
    pub value: Option<String>,
    /// What its owner calls it.
    pub alias: Option<String>,
}

/// A text message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// To which number, as the client wrote it.
    pub to: String,
    /// From which of our numbers.
    pub from: String,
    /// The text.
    pub body: String,
}

/// A message that the carrier took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The carrier's id of it. Some answers have none, and the message was taken all the same.
    pub id: Option<String>,
}

/// A message that the carrier says it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// The carrier's id.
    pub id: String,
    /// The message.
    pub message: Message,
}

/// Why a carrier did not do, or may not have done, what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// No carrier is configured.
    #[error("no carrier is configured; set carrier.name and its keys")]
    NotConfigured,
    /// It refused. It was not done.
    #[error("the carrier refused with status {status}: {reason}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        reason: String,
    },
    /// It wants us to wait. It was not done.
    #[error("the carrier is busy: {reason}")]
    Busy {
        /// How long, if it said so.
        retry_after: Option<Duration>,
        /// Its words.
        reason: String,
    },
    /// It was not reached, so it was not done.
    #[error("the carrier cannot be reached: {0}")]
    Unreachable(String),
    /// It was asked, but no answer says whether it was done.
    #[error("the carrier did not say whether it was done: {0}")]
    Unknown(String),
    /// It answered a question with something that is no answer to it.
    #[error("the carrier's answer makes no sense: {0}")]
    Unreadable(String),
}

/// What is certain after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It was not done, and asking again would be refused again.
    NotDone,
    /// It was not done, but may be if it is asked again later.
    NotYet,
    /// It may have been done.
    Unknown,
}

impl CarrierError {
    /// What is certain after this error.
    pub fn certainty(&self) -> Certainty {
        match self {
            Self::NotConfigured | Self::Refused { .. } => Certainty::NotDone,
            Self::Busy { .. } | Self::Unreachable(_) => Certainty::NotYet,
            Self::Unknown(_) | Self::Unreadable(_) => Certainty::Unknown,
        }
    }
}
