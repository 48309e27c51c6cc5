//! Keeping an address registered (RFC 3261 §10.2): refresh, challenges, 423, and patience.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::Rng as _;

use crate::{
    auth::Credentials,
    endpoint::{
        compose::{Header, RequestHead},
        core::{Core, User},
        event::Event,
        inbound::Inbound,
        login::{Login, Place},
    },
    message::{Contact, HeaderName, Method, Uri},
    transaction::{TimerTable, TransactionId},
    transport::{Flow, TransportKind},
};

/// The longest expiry that we ask for because of a 423, so that no registrar can park us.
const MAX_EXPIRES: Duration = Duration::from_secs(24 * 3600);

/// The shortest pause between a success and its refresh, whatever the registrar grants.
const MIN_REFRESH: Duration = Duration::from_secs(5);

/// The first pause after a failure to reach the registrar; it doubles up to [`MAX_BACKOFF`].
const MIN_BACKOFF: Duration = Duration::from_secs(5);

/// The longest pause between attempts to reach the registrar.
const MAX_BACKOFF: Duration = Duration::from_secs(300);

/// The pause after a refusal that repetition will not change: wrong password, unknown account.
const REFUSED_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Names one registration of one endpoint; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationId(pub(crate) u64);

/// What to register, and where.
#[derive(Clone, Debug)]
pub struct RegistrationConfig {
    /// The registrar's domain as Request-URI: `sip:trunk.example.net`.
    pub registrar_uri: String,
    /// The address of record: `sip:account@trunk.example.net`.
    pub address_of_record: String,
    /// User part of our Contact, under which calls come in.
    pub contact_user: String,
    /// Where REGISTER goes.
    pub destination: SocketAddr,
    /// Over what.
    pub transport: TransportKind,
    /// For the challenge.
    pub credentials: Option<Credentials>,
    /// The expiry that we ask for; the registrar may grant less.
    pub expires: Duration,
}

/// How a registration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationState {
    /// Not registered, and no wish to be.
    Unregistered,
    /// The first attempt is under way.
    Trying,
    /// Registered. A refresh goes out at half to two thirds of the granted time.
    Registered {
        /// What the registrar granted.
        expires: Duration,
    },
    /// The registrar says no; we ask again every 15 minutes.
    Refused {
        /// Its status code.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// The registrar does not answer, or cannot at the moment; we ask again with growing pauses.
    Unreachable {
        /// Its status code, if it answered.
        status: Option<u16>,
        /// What went wrong.
        reason: String,
        /// The pause before the next attempt.
        retry_after: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RegistrationTimer {
    /// When to send the next REGISTER.
    Register,
}

/// What we are after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Registered,
    Unregistered,
}

/// One registration.
#[derive(Debug)]
pub(crate) struct Registration {
    id: RegistrationId,
    config: RegistrationConfig,
    /// What to ask for: the configured expiry, or more after a 423.
    expires: Duration,
    state: RegistrationState,
    wish: Wish,
    head: RequestHead,
    under_way: Option<TransactionId>,
    backoff: Duration,
    login: Login,
    timers: TimerTable<RegistrationTimer>,
    pub(crate) place: Option<Instant>,
}

impl Registration {
    pub(crate) fn new(
        now: Instant,
        core: &mut Core,
        id: RegistrationId,
        config: RegistrationConfig,
    ) -> Self {
        let from_tag = core.token();
        let head = RequestHead {
            method: Method::Register,
            uri: config.registrar_uri.clone(),
            from: format!("<{}>;tag={from_tag}", config.address_of_record),
            from_tag,
            to: format!("<{}>", config.address_of_record),
            // §10.2: one Call-ID for all registrations that we make there.
            call_id: core.token(),
            cseq: core.first_cseq(),
            routes: Vec::new(),
        };
        let mut registration = Self {
            id,
            expires: config.expires,
            login: Login::new(config.credentials.clone()),
            config,
            state: RegistrationState::Unregistered,
            wish: Wish::Registered,
            head,
            under_way: None,
            backoff: MIN_BACKOFF,
            timers: TimerTable::default(),
            place: None,
        };
        registration.set_state(core, RegistrationState::Trying);
        registration.send(now, core);
        registration
    }

    pub(crate) fn state(&self) -> &RegistrationState {
        &self.state
    }

    /// True when it is unregistered and nothing is left to do.
    pub(crate) fn is_gone(&self) -> bool {
        self.wish == Wish::Unregistered && self.under_way.is_none()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, core: &mut Core) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                RegistrationTimer::Register => self.send(now, core),
            }
        }
    }

    /// Removes the binding at the registrar, if there may be one.
    pub(crate) fn unregister(&mut self, now: Instant, core: &mut Core) {
        if self.wish == Wish::Unregistered {
            return;
        }
        self.wish = Wish::Unregistered;
        self.timers.stop_all();
        match self.state {
            RegistrationState::Registered { .. } | RegistrationState::Trying => {
                self.send(now, core);
            }
            RegistrationState::Unregistered
            | RegistrationState::Refused { .. }
            | RegistrationState::Unreachable { .. } => {
                self.under_way = None;
                self.set_state(core, RegistrationState::Unregistered);
            }
        }
    }

    fn send(&mut self, now: Instant, core: &mut Core) {
        let expires = match self.wish {
            Wish::Registered => self.expires,
            Wish::Unregistered => Duration::ZERO,
        };
        let seconds = expires.as_secs().to_string();
        self.head.cseq = self.head.cseq.saturating_add(1);
        let uri = self.head.uri.clone();
        let mut headers = vec![
            Header::new("Contact", core.contact(&self.config.contact_user, self.config.transport)),
            Header::new("Expires", seconds),
        ];
        headers.extend(self.login.headers(&mut core.rng, Method::Register, &uri, b""));
        let flow = Flow { peer: self.config.destination, transport: self.config.transport };
        let user = User::Register(self.id);
        match core.send(now, &self.head, flow, &headers, None, user) {
            Ok(transaction) => self.under_way = Some(transaction),
            Err(error) => self.postpone(now, core, None, error.to_string(), None),
        }
    }

    pub(crate) fn on_response(
        &mut self,
        now: Instant,
        core: &mut Core,
        transaction: TransactionId,
        response: &Inbound,
    ) {
        if self.under_way != Some(transaction) || response.status() < 200 {
            return;
        }
        self.under_way = None;
        let uri = self.head.uri.clone();
        let request = (Method::Register, uri.as_str(), &[][..]);
        if self.login.on_challenge(&mut core.rng, response, request, Place::First) {
            self.send(now, core);
            return;
        }
        match (self.wish, response.status()) {
            (Wish::Unregistered, _) => self.set_state(core, RegistrationState::Unregistered),
            (Wish::Registered, 200..300) => self.on_success(now, core, response),
            (Wish::Registered, 423) => self.on_too_brief(now, core, response),
            (Wish::Registered, 408 | 480 | 500..600) => {
                let retry_after = response.message().retry_after().ok().flatten();
                let retry_after = retry_after.map(|s| Duration::from_secs(s.into()));
                let status = Some(response.status());
                self.postpone(now, core, status, response.reason().to_owned(), retry_after);
            }
            (Wish::Registered, _) => self.refuse(now, core, response),
        }
    }

    pub(crate) fn on_timeout(&mut self, now: Instant, core: &mut Core, transaction: TransactionId) {
        if self.under_way != Some(transaction) {
            return;
        }
        self.under_way = None;
        match self.wish {
            Wish::Registered => {
                let reason = format!("{} did not answer", self.config.destination);
                self.postpone(now, core, None, reason, None);
            }
            Wish::Unregistered => self.set_state(core, RegistrationState::Unregistered),
        }
    }

    fn on_success(&mut self, now: Instant, core: &mut Core, response: &Inbound) {
        self.backoff = MIN_BACKOFF;
        let expires = granted(core, &self.config.contact_user, response).unwrap_or(self.expires);
        if expires.is_zero() {
            // The registrar answered 200 and removed us: as good as a refusal, but not for ever.
            self.postpone(now, core, Some(200), "the binding was not kept".to_owned(), None);
            return;
        }
        // Half to two thirds: time enough for a second attempt, and no two phones in step.
        let part = core.rng.random_range(500..=666);
        let refresh = (expires * part / 1000).max(MIN_REFRESH);
        self.timers.set(RegistrationTimer::Register, now + refresh);
        self.set_state(core, RegistrationState::Registered { expires });
    }

    /// §10.2.8: the registrar wants a longer interval.
    fn on_too_brief(&mut self, now: Instant, core: &mut Core, response: &Inbound) {
        let wanted = response.message().min_expires().ok().flatten();
        match wanted.map(|seconds| Duration::from_secs(seconds.into())) {
            Some(min) if min > self.expires && min <= MAX_EXPIRES => {
                self.expires = min;
                self.send(now, core);
            }
            Some(_) | None => self.refuse(now, core, response),
        }
    }

    fn refuse(&mut self, now: Instant, core: &mut Core, response: &Inbound) {
        self.timers.set(RegistrationTimer::Register, now + jittered(core, REFUSED_PAUSE));
        let (status, reason) = (response.status(), response.reason().to_owned());
        self.set_state(core, RegistrationState::Refused { status, reason });
    }

    fn postpone(
        &mut self,
        now: Instant,
        core: &mut Core,
        status: Option<u16>,
        reason: String,
        wanted: Option<Duration>,
    ) {
        let pause = jittered(core, self.backoff).max(wanted.unwrap_or_default().min(MAX_EXPIRES));
        self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
        self.timers.set(RegistrationTimer::Register, now + pause);
        let retry_after = pause;
        self.set_state(core, RegistrationState::Unreachable { status, reason, retry_after });
    }

    fn set_state(&mut self, core: &mut Core, state: RegistrationState) {
        if self.state == state {
            return;
        }
        self.state = state.clone();
        core.events.push_back(Event::Registration { id: self.id, state });
    }
}

/// What the registrar granted to our Contact (§10.2.4): its own parameter, else the header.
fn granted(core: &Core, user: &str, response: &Inbound) -> Option<Duration> {
    let message = response.message();
    let ours = core.contact(user, response.flow.transport);
    let ours = ours.trim_matches(['<', '>']);
    let addresses: Vec<_> =
        message.contacts().flatten().filter_map(|contact: Contact<'_>| contact.addr()).collect();
    let is_ours =
        |uri: &Uri<'_>| Uri::parse(ours.as_bytes()).is_ok_and(|ours| ours.is_equivalent(uri));
    // A registrar behind a NAT may have rewritten the only Contact that it knows.
    let ours = match &addresses[..] {
        [only] => Some(only),
        several => several.iter().find(|address| is_ours(&address.uri)),
    };
    let seconds = ours
        .and_then(|address| address.expires())
        .or_else(|| message.expires().ok().flatten())
        .filter(|_| !addresses.is_empty() || message.header(HeaderName::Expires).is_some())?;
    Some(Duration::from_secs(seconds.into()))
}

/// The pause, up to a tenth longer or shorter, so that a registrar that comes back is not met by
/// everybody at once.
fn jittered(core: &mut Core, pause: Duration) -> Duration {
    pause * core.rng.random_range(900..=1100) / 1000
}
