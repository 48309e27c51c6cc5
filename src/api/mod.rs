//! The REST API: the endpoints of the service that phoneai replaces, to the byte, and `/api/v2`.
//!
//! `v1` answers everything but the paths of `/api/v2` and `/healthz`, because its rules (which
//! path is found, in which order a request is checked, what an error looks like) are not those of
//! a router.

mod answer_cache;
mod auth;
mod html;
mod login;
pub(crate) mod password;
mod rate;
mod schema;
mod server;
mod v1;
pub mod v2;

use std::sync::Arc;

use axum::{
    Router,
    routing::{any, get},
};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

pub use self::server::serve;
use self::{answer_cache::AnswerCache, password::Doorkeeper, rate::Rate};
use crate::{
    calls::{gate::Gate, live::Live},
    carrier::{Desk, DeskSettings},
    policy::Policy,
    store::{MenuId, Store, UserId},
};

/// What the API asks of the part that places calls.
pub trait Switch: Send + Sync {
    /// Whether a call could be placed now: the trunk is registered and the line is not closed.
    fn ready(&self) -> bool;

    /// A scan became due; the scheduler looks at the database again.
    fn wake(&self);

    /// Calls the number of a menu, presses the way to it, and connects a person there.
    fn connect(&self, request: ConnectRequest) -> Result<Uuid, DialError>;

    /// Places one call that serves no scan, and returns its id at once; what becomes of it is told
    /// by [`Live`] and kept in its record.
    fn dial(&self, request: CallRequest) -> Result<Uuid, DialError>;
}

/// One call that a client asks for. Both numbers are checked: a `+` or none, and 1 to 15 digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRequest {
    /// What to dial.
    pub number: String,
    /// From which number; `None` means the configured one.
    pub caller_id: Option<String>,
    /// Who asks.
    pub asked_by: UserId,
}

/// A wish to be led to a menu and spoken to there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// The number of the menu.
    pub number: String,
    /// The menu.
    pub menu: MenuId,
    /// Who is connected: a number, or the name of an extension.
    pub forwarding_number: String,
    /// Who asks.
    pub asked_by: UserId,
}

/// Why a call was not placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// There is no trunk now.
    #[error("the switch is not connected to its trunk; try again later")]
    NotReady,
    /// All lines are taken.
    #[error("all {0} lines are busy; try again when a call has ended")]
    Busy(usize),
    /// The switch's rules forbid this call; the text says why.
    #[error("{0}")]
    Refused(String),
}

/// What an operator may choose of the old API's behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `makecall_submenu` refuses menus in which nothing is left to explore.
    pub refuse_completed_menu: bool,
    /// The passwords of extensions are told to who may see the extensions.
    pub expose_sip_passwords: bool,
    /// Requests a second of one client to the old API; 0 for any number.
    pub max_requests: u32,
    /// The same of `/api/v2`.
    pub max_requests_v2: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            refuse_completed_menu: false,
            expose_sip_passwords: true,
            max_requests: 0,
            max_requests_v2: 0,
        }
    }
}

/// Watchers of live events at a time; each holds a connection for as long as it likes.
const MAX_WATCHERS: usize = 256;

/// The domain that is entered with the first extension, when there is none.
const FIRST_DOMAIN: &str = "phoneai.local";

/// What the API stands on.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// What places calls.
    pub switch: Arc<dyn Switch>,
    /// What happens now.
    pub live: Live,
    /// Messages and numbers.
    pub carrier: Desk,
    /// Which calls may be placed.
    pub gate: Gate,
    /// What the operator chose.
    pub options: Options,
}

/// Everything that a request may need; copies share it.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    store: Store,
    switch: Arc<dyn Switch>,
    live: Live,
    /// Messages and numbers.
    carrier: Desk,
    options: Options,
    gate: Gate,
    watchers: Arc<Semaphore>,
    doorkeeper: Doorkeeper,
    trees: AnswerCache,
    trees_v2: AnswerCache,
    pages: AnswerCache,
    rate: Rate,
    rate_v2: Rate,
    /// True when the service ends: streams that never end by themselves end then.
    closing: watch::Sender<bool>,
}

impl Api {
    /// The API on top of a database, a switch, and the place where calls tell what happens; without
    /// a carrier, and with the policy of a service that has no configuration.
    pub fn new(store: Store, switch: Arc<dyn Switch>, live: Live) -> Self {
        let carrier = Desk::new(None, store.clone(), DeskSettings::default());
        let gate = Gate::new(Policy::default(), store.clone(), false);
        Self::of(Parts { store, switch, live, carrier, gate, options: Options::default() })
    }

    /// The API on top of these parts.
    pub fn of(parts: Parts) -> Self {
        let Parts { store, switch, live, carrier, gate, options } = parts;
        Self(Arc::new(Inner {
            store,
            switch,
            live,
            carrier,
            gate,
            options,
            watchers: Arc::new(Semaphore::new(MAX_WATCHERS)),
            doorkeeper: Doorkeeper::new(),
            trees: AnswerCache::default(),
            trees_v2: AnswerCache::default(),
            pages: AnswerCache::default(),
            rate: Rate::new(options.max_requests),
            rate_v2: Rate::new(options.max_requests_v2),
            closing: watch::Sender::new(false),
        }))
    }

    /// The service that answers requests; see [`serve`] for the one that also has connections.
    pub fn router(&self) -> Router {
        let pages = Router::new()
            .route("/api/schema/", get(schema::schema))
            .route("/api/admin", any(login::admin))
            .route("/api/admin/", any(login::admin))
            .route("/api/admin/login/", any(login::login))
            .route("/api/admin/logout/", any(login::logout))
            .route("/api/admin/{*rest}", any(login::admin))
            .route("/api/api-auth/login/", any(login::login))
            .route("/api/api-auth/logout/", any(login::logout));
        v2::routes().merge(pages).fallback(v1::answer).with_state(self.clone())
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn carrier(&self) -> &Desk {
        &self.0.carrier
    }

    fn trees(&self) -> &AnswerCache {
        &self.0.trees
    }

    /// Pages of lists of the first version that were asked for.
    fn pages(&self) -> &AnswerCache {
        &self.0.pages
    }

    fn options(&self) -> Options {
        self.0.options
    }

    fn doorkeeper(&self) -> &Doorkeeper {
        &self.0.doorkeeper
    }

    fn gate(&self) -> &Gate {
        &self.0.gate
    }
}

/// A value as the old service wrote it in JSON, on one line.
pub(crate) fn json_text(value: &serde_json::Value) -> String {
    v1::one_line(value)
}

/// Whether this can be dialled or shown as the caller: a `+` or none, and 1 to 15 digits (the
/// length that E.164 allows). That is also what keeps it from becoming anything else in a SIP
/// message. Extensions have such names too.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}
