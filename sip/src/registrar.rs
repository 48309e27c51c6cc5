//! The server side of registration (RFC 3261 §10.3), in memory.
//!
//! A request goes in with its time and source, the response comes out. An update is done as a
//! whole or not at all. The caller has matched the transaction and called
//! [`Message::check`](crate::message::Message::check); it gives the response a To tag.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    auth::{Claim, DigestServer, Ha1, Verdict},
    message::{
        Contact, HeaderName, Host, Message, Method, NameAddr, Response, Scheme, Start, StatusCode,
        Uri,
    },
    transport::Flow,
    verdict,
};

/// Values of Path that are kept with a binding.
const MAX_PATH: usize = 8;
/// Bytes of an instance id that are kept.
const MAX_INSTANCE: usize = 256;
/// Seconds after which a client may try again when the table is full.
const RETRY_AFTER_S: u32 = 300;
/// The least time between two searches for bindings that have ended: each looks at all of them.
const SWEEP: Duration = Duration::from_secs(5);
/// How often a phone behind a NAT hears from us, so that its mapping stays: RFC 4787 §4.3 wants
/// mappings of UDP to live two minutes, the routers of homes let them die after 30 seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// Bounds of a registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrarConfig {
    /// Domains that it serves, without case; empty to take any, so that all names of a server stand
    /// for the same users.
    pub domains: Vec<String>,
    /// The shortest registration in seconds; a shorter wish gets 423.
    pub min_expires_s: u32,
    /// The longest registration in seconds; a longer wish is cut.
    pub max_expires_s: u32,
    /// Seconds for those who name none.
    pub default_expires_s: u32,
    /// Bindings of one address of record; the one that ends first makes room for another.
    pub max_bindings: usize,
    /// Addresses of record that are registered at once.
    pub max_records: usize,
}

impl Default for RegistrarConfig {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            min_expires_s: 60,
            max_expires_s: 3600,
            default_expires_s: 3600,
            max_bindings: 5,
            max_records: 100_000,
        }
    }
}

/// Where a user can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The Contact's URI as the phone wrote it.
    pub contact: String,
    /// Where the REGISTER really came from: the way back through a NAT.
    pub source: Flow,
    /// Preference in thousandths.
    pub q_thousandths: u16,
    /// When it ends.
    pub expires_at: Instant,
    /// The proxies to go through, the first one on top (RFC 3327): values of Route for requests to
    /// the phone.
    pub path: Vec<String>,
    /// The phone and its flow (RFC 5626 §6): another REGISTER with both replaces this binding,
    /// whatever its Contact.
    pub flow: Option<(String, u32)>,
    /// The Call-ID of the REGISTER, with which its CSeq is compared.
    pub call_id: String,
    /// The CSeq of the REGISTER.
    pub cseq: u32,
}

impl Binding {
    /// True if the phone's Contact does not lead to it: there is a NAT between us.
    pub fn is_behind_nat(&self) -> bool {
        let Ok(uri) = Uri::parse(self.contact.as_bytes()) else { return true };
        let peer = self.source.peer;
        let port = uri.port().unwrap_or(self.source.transport.default_port());
        uri.host().and_then(|host| host.ip()) != Some(peer.ip()) || port != peer.port()
    }
}

/// The bindings of all users of one authority.
#[derive(Debug)]
pub struct Registrar {
    config: RegistrarConfig,
    digest: DigestServer,
    records: HashMap<String, Record>,
    /// Not later than the first end of a binding, but for [`SWEEP`].
    wake: Option<Instant>,
    /// No search for ended bindings before.
    swept_until: Option<Instant>,
    /// Addresses of record with a phone behind a NAT, in the order in which they hear from us.
    pings: VecDeque<(Instant, String)>,
    /// Addresses of record that changed since the last [`Registrar::take_changed`].
    changed: HashSet<String>,
}

/// What is kept of an address of record.
#[derive(Debug, Default)]
struct Record {
    bindings: Vec<Binding>,
    /// True while it stands in the queue of pings.
    pinged: bool,
}

/// A response before it has become one: status, and a reason phrase if the usual one says little.
struct Failure {
    code: StatusCode,
    headers: Vec<(HeaderName<'static>, String)>,
}

impl From<StatusCode> for Failure {
    fn from(code: StatusCode) -> Self {
        Self { code, headers: Vec::new() }
    }
}

impl Registrar {
    /// An empty registrar; `digest` is the authority for its users.
    pub fn new(config: RegistrarConfig, digest: DigestServer) -> Self {
        Self {
            config,
            digest,
            records: HashMap::new(),
            wake: None,
            swept_until: None,
            pings: VecDeque::new(),
            changed: HashSet::new(),
        }
    }

    /// The realm of its users.
    pub fn realm(&self) -> &str {
        self.digest.realm()
    }

    /// The authority for its users, to challenge other requests than REGISTER.
    pub fn digest_mut(&mut self) -> &mut DigestServer {
        &mut self.digest
    }

    /// Handles a REGISTER. `secret` finds the HA1 of a user by name.
    pub fn handle(
        &mut self,
        now: Instant,
        source: Flow,
        request: &Message<'_>,
        secret: impl FnOnce(&str) -> Option<Ha1>,
    ) -> Response {
        self.handle_judged(now, source, request, secret).0
    }

    /// As [`Registrar::handle`], and what the credentials were worth, if they were looked at: for
    /// whoever counts wrong passwords.
    pub fn handle_judged(
        &mut self,
        now: Instant,
        source: Flow,
        request: &Message<'_>,
        secret: impl FnOnce(&str) -> Option<Ha1>,
    ) -> (Response, Option<Verdict>) {
        let mut judged = None;
        let done = self.register(now, source, request, (secret, &mut judged));
        (self.response(now, request, done), judged)
    }

    fn response(
        &self,
        now: Instant,
        request: &Message<'_>,
        done: Result<Vec<Binding>, Failure>,
    ) -> Response {
        match done {
            Ok(bindings) => {
                let mut response = Response::to(request, StatusCode::OK);
                // RFC 3327 §5.3, RFC 5626 §6: what was understood is told.
                for path in request.values(HeaderName::Path) {
                    response.headers_mut().push(HeaderName::Path, path);
                }
                if bindings.iter().any(|binding| binding.flow.is_some()) {
                    response.headers_mut().push(HeaderName::Require, "outbound");
                }
                for binding in bindings {
                    let seconds = remaining_s(now, binding.expires_at);
                    let value = format!("<{}>;expires={seconds}", binding.contact);
                    response.headers_mut().push(HeaderName::Contact, value);
                }
                response
            }
            Err(failure) => {
                let mut response = Response::to(request, failure.code);
                for (name, value) in failure.headers {
                    response.headers_mut().push(name, value);
                }
                response
            }
        }
    }

    /// The live bindings of a user (`user@domain`), the preferred one first, then the newest.
    pub fn bindings(&self, now: Instant, user: &str, domain: &str) -> Vec<&Binding> {
        let mut found: Vec<&Binding> = self
            .records
            .get(&self.key(user, domain))
            .into_iter()
            .flat_map(|record| &record.bindings)
            .filter(|binding| binding.expires_at > now)
            .collect();
        found
            .sort_by_key(|b| (std::cmp::Reverse(b.q_thousandths), std::cmp::Reverse(b.expires_at)));
        found
    }

    /// Removes the bindings over a connection that has ended (RFC 5626 §5.3).
    pub fn remove_flow(&mut self, flow: Flow) {
        let changed = &mut self.changed;
        self.records.retain(|key, record| {
            let before = record.bindings.len();
            record.bindings.retain(|binding| binding.source != flow);
            if record.bindings.len() < before {
                changed.insert(key.clone());
            }
            !record.bindings.is_empty()
        });
    }

    /// Where phones are that are registered.
    pub fn sources(&self) -> impl Iterator<Item = Flow> {
        self.records.values().flat_map(|record| &record.bindings).map(|binding| binding.source)
    }

    /// Addresses of record with bindings, ended ones included until the next time-out.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True if nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// When to call [`Registrar::handle_timeout`] and [`Registrar::poll_ping`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ping = self.pings.front().map(|(due, _)| *due);
        self.wake.max(self.wake.and(self.swept_until)).into_iter().chain(ping).min()
    }

    /// Removes bindings that have ended. Those that end soon after stay until the next time: nobody
    /// is told of them any more.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.wake.is_none_or(|wake| wake > now) || self.swept_until.is_some_and(|at| at > now) {
            return;
        }
        self.sweep(now);
    }

    fn sweep(&mut self, now: Instant) {
        let changed = &mut self.changed;
        self.records.retain(|key, record| {
            let before = record.bindings.len();
            record.bindings.retain(|binding| binding.expires_at > now);
            if record.bindings.len() < before {
                changed.insert(key.clone());
            }
            !record.bindings.is_empty()
        });
        let bindings = self.records.values().flat_map(|record| &record.bindings);
        self.wake = bindings.map(|binding| binding.expires_at).min();
        self.swept_until = Some(now + SWEEP);
    }

    /// The phones behind NATs of the next user whose turn it is to hear from us, so that the way to
    /// them stays open. To be called until it gives `None`.
    pub fn poll_ping(&mut self, now: Instant) -> Option<Vec<Binding>> {
        self.pings.front().filter(|(due, _)| *due <= now)?;
        let (_, key) = self.pings.pop_front()?;
        let record = self.records.get_mut(&key);
        let Some(record) = record else { return Some(Vec::new()) };
        let alive = |binding: &&Binding| binding.expires_at > now && binding.is_behind_nat();
        let found: Vec<Binding> = record.bindings.iter().filter(alive).cloned().collect();
        record.pinged = !found.is_empty();
        if record.pinged {
            self.pings.push_back((now + KEEP_ALIVE, key));
        }
        Some(found)
    }

    /// At most `limit` addresses of record that changed since they were taken last, each with its
    /// bindings: what is to be written down. `true` with them if there are more.
    pub fn take_changed(
        &mut self,
        now: Instant,
        limit: usize,
    ) -> (Vec<(String, Vec<Binding>)>, bool) {
        let keys: Vec<String> = self.changed.iter().take(limit).cloned().collect();
        let taken = keys.into_iter().map(|key| {
            self.changed.remove(&key);
            let record = self.records.get(&key);
            let bindings = record.into_iter().flat_map(|record| &record.bindings);
            (key, bindings.filter(|binding| binding.expires_at > now).cloned().collect())
        });
        let taken = taken.collect();
        (taken, !self.changed.is_empty())
    }

    /// Puts back what was written down, after a restart. What has ended meanwhile, and what finds
    /// no room, is left out.
    pub fn restore(&mut self, now: Instant, key: String, mut bindings: Vec<Binding>) {
        bindings.retain(|binding| binding.expires_at > now);
        bindings.truncate(self.config.max_bindings);
        if bindings.is_empty() || self.records.len() >= self.config.max_records {
            return;
        }
        self.put(now, &key, bindings);
    }

    /// Removes a user's bindings under every domain: the account is gone, or has another password.
    pub fn remove(&mut self, user: &str) {
        let mut keys = vec![self.key(user, "")];
        keys.extend(self.config.domains.iter().map(|domain| self.key(user, domain)));
        for key in keys {
            if self.records.remove(&key).is_some() {
                self.changed.insert(key);
            }
        }
    }

    fn register(
        &mut self,
        now: Instant,
        source: Flow,
        request: &Message<'_>,
        (secret, judged): (impl FnOnce(&str) -> Option<Ha1>, &mut Option<Verdict>),
    ) -> Result<Vec<Binding>, Failure> {
        let bad = |_| Failure::from(StatusCode::BAD_REQUEST);
        let Start::Request { method, uri } = request.start() else {
            return Err(StatusCode::BAD_REQUEST.into());
        };
        if method != Method::Register {
            return Err(StatusCode::METHOD_NOT_ALLOWED.into());
        }
        let target = Uri::parse(uri).map_err(bad)?;
        if target.host().is_none_or(|host| !self.serves(host)) {
            return Err(StatusCode::NOT_FOUND.into());
        }
        require(request)?;
        let username = self.authenticate(now, source, request, uri, (secret, judged))?;
        let to = request.to().map_err(bad)?;
        // RFC 3261 §10.3 step 4: who may change whose bindings. Here: everyone their own.
        let (Scheme::Sip | Scheme::Sips, Some(user), Some(host)) =
            (to.uri.scheme(), to.uri.user_decoded(), to.uri.host())
        else {
            return Err(StatusCode::FORBIDDEN.into());
        };
        if user != username.as_str() {
            return Err(StatusCode::FORBIDDEN.into());
        }
        if !self.serves(host) {
            return Err(StatusCode::NOT_FOUND.into());
        }
        self.update(now, source, request, &self.key(&user, &host.to_string()))
    }

    fn authenticate(
        &mut self,
        now: Instant,
        source: Flow,
        request: &Message<'_>,
        uri: &[u8],
        (secret, judged): (impl FnOnce(&str) -> Option<Ha1>, &mut Option<Verdict>),
    ) -> Result<String, Failure> {
        let body = request.body();
        let address = source.peer.ip();
        let claim = Claim { source: address, method: Method::Register, uri, body };
        let values = request.authorization().filter_map(Result::ok);
        let verdict = self.digest.verify(now, &claim, values, secret);
        *judged = Some(verdict.clone());
        let stale = match verdict {
            Verdict::Accepted { username } => return Ok(username),
            Verdict::Stale => true,
            Verdict::Refused(_) => false,
        };
        let lines = self.digest.challenge(now, address, stale);
        let headers = lines.into_iter().map(|l| (HeaderName::WwwAuthenticate, l)).collect();
        Err(Failure { code: StatusCode::UNAUTHORIZED, headers })
    }

    fn update(
        &mut self,
        now: Instant,
        source: Flow,
        request: &Message<'_>,
        key: &str,
    ) -> Result<Vec<Binding>, Failure> {
        let bad = |_| Failure::from(StatusCode::BAD_REQUEST);
        let call_id = request.call_id().map_err(bad)?;
        let cseq = request.cseq().map_err(bad)?.number;
        let expires = request.expires().map_err(bad)?;
        let wishes = wishes(request, self.config.max_bindings, expires)?;
        let path = path(request)?;
        let known = self.records.get(key).map(|record| record.bindings.clone());
        let mut bindings: Vec<Binding> = known.unwrap_or_default();
        bindings.retain(|binding| binding.expires_at > now);
        // §10.3 step 7: an older request of the same phone must not undo a newer one.
        let is_old = |b: &Binding| b.call_id == call_id && cseq <= b.cseq;
        match wishes {
            Wishes::Fetch => return Ok(bindings),
            Wishes::RemoveAll => {
                if bindings.iter().any(is_old) {
                    return Err(StatusCode::SERVER_INTERNAL_ERROR.into());
                }
                bindings.clear();
            }
            Wishes::Each(addrs) => {
                for addr in addrs {
                    let seconds = self.granted_s(addr.expires().or(expires))?;
                    let flow = flow(&addr);
                    let same = |b: &Binding| match (&b.flow, &flow) {
                        (Some(old), Some(new)) => old == new,
                        (None, None) => Uri::parse(b.contact.as_bytes())
                            .is_ok_and(|u| u.is_equivalent(&addr.uri)),
                        (Some(_), None) | (None, Some(_)) => false,
                    };
                    if bindings.iter().any(|b| same(b) && is_old(b)) {
                        return Err(StatusCode::SERVER_INTERNAL_ERROR.into());
                    }
                    bindings.retain(|b| !same(b));
                    if seconds == 0 {
                        continue;
                    }
                    if bindings.len() >= self.config.max_bindings {
                        drop_first_to_end(&mut bindings);
                    }
                    bindings.push(Binding {
                        contact: addr.uri.as_str().to_owned(),
                        path: path.clone(),
                        flow,
                        source,
                        q_thousandths: addr.q_thousandths(),
                        expires_at: now + Duration::from_secs(u64::from(seconds)),
                        call_id: call_id.to_owned(),
                        cseq,
                    });
                }
            }
        }
        self.keep(now, key, &bindings)?;
        Ok(bindings)
    }

    /// Stores a record, or refuses a new one when the table is full of living ones.
    fn keep(&mut self, now: Instant, key: &str, bindings: &[Binding]) -> Result<(), Failure> {
        if bindings.is_empty() {
            if self.records.remove(key).is_some() {
                self.changed.insert(key.to_owned());
            }
            return Ok(());
        }
        if !self.records.contains_key(key) && self.records.len() >= self.config.max_records {
            self.handle_timeout(now);
            if self.records.len() >= self.config.max_records {
                let headers = vec![(HeaderName::RetryAfter, RETRY_AFTER_S.to_string())];
                return Err(Failure { code: StatusCode::SERVICE_UNAVAILABLE, headers });
            }
        }
        self.put(now, key, bindings.to_vec());
        self.changed.insert(key.to_owned());
        Ok(())
    }

    /// Stores a record and has its phones hear from us if they are behind a NAT.
    fn put(&mut self, now: Instant, key: &str, bindings: Vec<Binding>) {
        let first_end = bindings.iter().map(|binding| binding.expires_at).min();
        self.wake = self.wake.into_iter().chain(first_end).min();
        let behind_nat = bindings.iter().any(Binding::is_behind_nat);
        let record = self.records.entry(key.to_owned()).or_default();
        record.bindings = bindings;
        if behind_nat && !record.pinged {
            record.pinged = true;
            self.pings.push_back((now + KEEP_ALIVE, key.to_owned()));
        }
    }

    /// The address of record. Users are compared by case, hosts are not (§19.1.4); escapes are
    /// resolved before. A registrar that takes any domain has one user of each name.
    fn key(&self, user: &str, domain: &str) -> String {
        match self.config.domains.is_empty() {
            true => format!("{user}@"),
            false => format!("{user}@{}", domain.to_ascii_lowercase()),
        }
    }

    fn granted_s(&self, wish: Option<u32>) -> Result<u32, Failure> {
        let config = &self.config;
        let seconds = wish.unwrap_or(config.default_expires_s);
        if seconds > 0 && seconds < config.min_expires_s {
            let headers = vec![(HeaderName::MinExpires, config.min_expires_s.to_string())];
            return Err(Failure { code: StatusCode::INTERVAL_TOO_BRIEF, headers });
        }
        Ok(seconds.min(config.max_expires_s))
    }

    fn serves(&self, host: Host<'_>) -> bool {
        let host = host.to_string();
        let domains = &self.config.domains;
        domains.is_empty() || domains.iter().any(|domain| domain.eq_ignore_ascii_case(&host))
    }
}

/// What the Contact headers ask for.
enum Wishes<'a> {
    /// None: tell what is there.
    Fetch,
    /// `*` with Expires: 0.
    RemoveAll,
    /// Add, refresh or remove these.
    Each(Vec<NameAddr<'a>>),
}

fn wishes<'a>(
    request: &Message<'a>,
    max: usize,
    expires: Option<u32>,
) -> Result<Wishes<'a>, Failure> {
    let mut addrs = Vec::new();
    let mut star = false;
    for contact in request.contacts() {
        match contact.map_err(|_| Failure::from(StatusCode::BAD_REQUEST))? {
            Contact::Star => star = true,
            Contact::Addr(addr) => addrs.push(addr),
        }
    }
    // Only SIP addresses can be called back; more of them than we keep is no phone's doing.
    let callable = |addr: &NameAddr<'_>| matches!(addr.uri.scheme(), Scheme::Sip | Scheme::Sips);
    match (star, addrs.is_empty(), expires) {
        (true, true, Some(0)) => Ok(Wishes::RemoveAll),
        (false, true, _) => Ok(Wishes::Fetch),
        (false, false, _) if addrs.len() <= max && addrs.iter().all(callable) => {
            Ok(Wishes::Each(addrs))
        }
        _ => Err(StatusCode::BAD_REQUEST.into()),
    }
}

fn require(request: &Message<'_>) -> Result<(), Failure> {
    verdict::required(request, Method::Register).map_err(|refusal| {
        let headers = refusal.headers.into_iter().filter_map(|header| {
            // Only names that we wrote ourselves are in it.
            match HeaderName::from_token(&header.name)? {
                HeaderName::Unsupported => Some((HeaderName::Unsupported, header.value)),
                _ => None,
            }
        });
        Failure { code: refusal.status, headers: headers.collect() }
    })
}

/// The values of Path. They name hosts that we send to later, so that there are few of them.
fn path(request: &Message<'_>) -> Result<Vec<String>, Failure> {
    let values: Vec<String> = request
        .values(HeaderName::Path)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect();
    if values.len() > MAX_PATH {
        return Err(StatusCode::BAD_REQUEST.into());
    }
    Ok(values)
}

/// `+sip.instance` and `reg-id` of a Contact; a flow has both (RFC 5626 §6).
fn flow(addr: &NameAddr<'_>) -> Option<(String, u32)> {
    let instance = addr.params.find("+sip.instance")?.unquoted().into_owned();
    let reg_id = addr.param("reg-id")?.parse().ok().filter(|id| *id > 0)?;
    (instance.len() <= MAX_INSTANCE).then_some((instance, reg_id))
}

fn drop_first_to_end(bindings: &mut Vec<Binding>) {
    let first = bindings.iter().enumerate().min_by_key(|(_, b)| b.expires_at).map(|(at, _)| at);
    if let Some(at) = first {
        bindings.remove(at);
    }
}

fn remaining_s(now: Instant, end: Instant) -> u64 {
    end.saturating_duration_since(now).as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
