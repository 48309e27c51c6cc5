//! The reception: who may begin something with this endpoint, and the registrar for those who have
//! an account.
//!
//! Peers are known by their address (a trunk), by the password of an account (a phone), or not at
//! all. A REGISTER is answered here, before anything is built for it that it does not need: what
//! phones send most must cost least.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ipnet::IpNet;

use super::{
    compose::Header,
    core::Reply,
    inbound::{Inbound, Sender, reply_flow, vias_for_response},
};
use crate::{
    auth::{Claim, Ha1, Verdict},
    message::{HeaderName, Message, Response},
    registrar::{Binding, Registrar},
    transport::{Flow, Transmit},
};

/// Accounts that are kept.
pub const MAX_ACCOUNTS: usize = 200_000;

/// Answers to REGISTER that are kept for retransmissions; older ones make room. A retransmission
/// that comes too late for it has a count that was used and gets 401 with `stale`, which a phone
/// answers by itself.
const MAX_ANSWERS: usize = 16_384;

/// How long a retransmission may follow (RFC 3261 §17.2.2, timer J).
const ANSWER_LIFE: Duration = Duration::from_secs(32);

/// Who may begin something with an endpoint, and how they prove it. Owned by the endpoint.
#[derive(Debug)]
pub struct Reception {
    trusted: Vec<IpNet>,
    phones: Option<Phones>,
}

/// What serves those who have an account.
#[derive(Debug)]
struct Phones {
    registrar: Registrar,
    accounts: HashMap<Box<str>, Ha1>,
    answers: Answers,
}

impl Reception {
    /// A reception that lets in only who calls from one of the networks; others get 403.
    pub fn of_networks(trusted: Vec<IpNet>) -> Self {
        Self { trusted, phones: None }
    }

    /// The same with a registrar: who has an account may register and, after a challenge, call.
    #[must_use]
    pub fn with_registrar(self, registrar: Registrar) -> Self {
        let phones = Phones { registrar, accounts: HashMap::new(), answers: Answers::default() };
        Self { phones: Some(phones), ..self }
    }

    /// Sets the password of an account, or removes it. Its bindings end either way: whoever holds
    /// them may know only the old password. Nothing happens without a registrar, or if there are
    /// `MAX_ACCOUNTS`.
    pub fn set_account(&mut self, user: &str, secret: Option<Ha1>) {
        let Some(phones) = &mut self.phones else { return };
        let known = match secret {
            Some(secret) if phones.accounts.get(user) == Some(&secret) => return,
            Some(secret) if phones.accounts.contains_key(user) => {
                phones.accounts.insert(user.into(), secret).is_some()
            }
            Some(secret) if phones.accounts.len() < MAX_ACCOUNTS => {
                phones.accounts.insert(user.into(), secret);
                false
            }
            Some(_) => {
                tracing::error!(limit = MAX_ACCOUNTS, "An account finds no room and is refused.");
                false
            }
            None => phones.accounts.remove(user).is_some(),
        };
        if known {
            phones.registrar.remove(user);
        }
    }

    /// Accounts that it knows.
    pub fn accounts(&self) -> usize {
        self.phones.as_ref().map_or(0, |phones| phones.accounts.len())
    }

    /// The realm of its accounts; `None` without a registrar.
    pub fn realm(&self) -> Option<&str> {
        self.phones.as_ref().map(|phones| phones.registrar.realm())
    }

    /// Where a user can be reached, the preferred place first; `domain` counts only for a registrar
    /// that serves certain domains.
    pub fn bindings(&self, now: Instant, user: &str, domain: &str) -> Vec<Binding> {
        let Some(phones) = &self.phones else { return Vec::new() };
        phones.registrar.bindings(now, user, domain).into_iter().cloned().collect()
    }

    /// Its registrar, if it has one.
    pub fn registrar_mut(&mut self) -> Option<&mut Registrar> {
        self.phones.as_mut().map(|phones| &mut phones.registrar)
    }

    /// True if the peer is known by its address.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.trusted.iter().any(|network| network.contains(&ip))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.phones.as_ref()?.registrar.poll_timeout()
    }

    /// Ends bindings; gives the phones that are to hear from us now.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Binding> {
        let Some(phones) = &mut self.phones else { return Vec::new() };
        phones.registrar.handle_timeout(now);
        std::iter::from_fn(|| phones.registrar.poll_ping(now)).flatten().collect()
    }

    /// Answers a REGISTER; `None` if there is no registrar. `secret` makes To tags that a stranger
    /// cannot guess.
    pub(super) fn register(
        &mut self,
        now: Instant,
        source: Flow,
        request: &Message<'_>,
        (secret, server): (u64, &str),
    ) -> Option<(Transmit, Option<Verdict>)> {
        let Phones { registrar, accounts, answers } = self.phones.as_mut()?;
        let via = request.top_via().ok()?;
        let back = reply_flow(source, via.port, via.rport().is_some());
        let key = transaction(secret, source, request);
        if let Some(bytes) = answers.find(now, key) {
            return Some((Transmit::new(back, bytes), None));
        }
        let (mut response, verdict) =
            registrar.handle_judged(now, source, request, |user| accounts.get(user).cloned());
        let vias = vias_for_response(request, source.peer);
        response.headers_mut().replace(HeaderName::Via, vias);
        let is_challenge = response.headers().find(HeaderName::WwwAuthenticate).is_some();
        if !is_challenge {
            response.headers_mut().push(HeaderName::Server, server);
        }
        let response: Response = response.to_tag(&format!("{key:016x}"));
        let bytes: Arc<[u8]> = response.to_bytes().into();
        // A challenge leaves nothing behind: it may be a stranger's request that it answers.
        if !is_challenge {
            answers.keep(now, key, bytes.clone());
        }
        Some((Transmit::new(back, bytes), verdict))
    }

    /// Says who sends a request that begins something, or the challenge or the refusal that it gets;
    /// and what its credentials were worth, if they were looked at.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        request: &Inbound,
    ) -> (Result<Sender, Reply>, Option<Verdict>) {
        let ip = request.flow.peer.ip();
        if self.trusts(ip) {
            return (Ok(Sender::Trusted), None);
        }
        let Some(phones) = &mut self.phones else { return (Err(Reply::status(403)), None) };
        let message = request.message();
        let uri = request.request_uri().as_bytes();
        let claim = Claim { source: ip, method: request.method, uri, body: message.body() };
        let values = message.proxy_authorization().filter_map(Result::ok);
        let accounts = &phones.accounts;
        let digest = phones.registrar.digest_mut();
        let verdict = digest.verify(now, &claim, values, |user| accounts.get(user).cloned());
        let stale = match &verdict {
            Verdict::Accepted { username } => {
                // Who has an account speaks for himself only.
                let himself = request.from.user.as_deref() == Some(username.as_str());
                let account = || Sender::Account(username.clone());
                return (himself.then(account).ok_or(Reply::status(403)), Some(verdict));
            }
            Verdict::Stale => true,
            Verdict::Refused(refusal) => {
                tracing::debug!(peer = %request.flow.peer, %refusal, "Challenged.");
                false
            }
        };
        let lines = digest.challenge(now, ip, stale);
        let headers = lines.into_iter().map(|line| Header::new("Proxy-Authenticate", line));
        let challenge = Reply { headers: headers.collect(), ..Reply::status(407) };
        (Err(challenge), Some(verdict))
    }

    /// Where phones are that are registered.
    pub(super) fn sources(&self) -> impl Iterator<Item = Flow> {
        self.phones.iter().flat_map(|phones| phones.registrar.sources())
    }
}

/// What tells one request from another, a retransmission not from its first copy.
fn transaction(secret: u64, source: Flow, request: &Message<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (secret, source).hash(&mut hasher);
    request.header(HeaderName::Via).hash(&mut hasher);
    request.header(HeaderName::CallId).hash(&mut hasher);
    request.header(HeaderName::CSeq).hash(&mut hasher);
    hasher.finish()
}

/// The last answers to REGISTER, for retransmissions (RFC 3261 §17.2.2). A full table of
/// transactions would refuse new phones; this one forgets old answers.
#[derive(Debug, Default)]
struct Answers {
    bytes: HashMap<u64, Arc<[u8]>>,
    order: VecDeque<(Instant, u64)>,
}

impl Answers {
    fn find(&mut self, now: Instant, key: u64) -> Option<Arc<[u8]>> {
        while self.order.front().is_some_and(|(end, _)| *end <= now) {
            self.drop_oldest();
        }
        self.bytes.get(&key).cloned()
    }

    fn keep(&mut self, now: Instant, key: u64, bytes: Arc<[u8]>) {
        if self.order.len() >= MAX_ANSWERS {
            self.drop_oldest();
        }
        if self.bytes.insert(key, bytes).is_none() {
            self.order.push_back((now + ANSWER_LIFE, key));
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.bytes.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        phoneai_clock::Clock::real().now()
    }

    #[test]
    fn the_last_answers_are_kept_as_long_as_a_retransmission_may_come_and_no_more_than_fit() {
        let (now, bytes) = (start(), Arc::<[u8]>::from(&b"x"[..]));
        let mut answers = Answers::default();
        for key in 0..=MAX_ANSWERS as u64 {
            answers.keep(now, key, bytes.clone());
        }
        assert_eq!(answers.find(now, 0), None, "the oldest made room");
        assert!(answers.find(now, 1).is_some());
        assert_eq!(answers.find(now + ANSWER_LIFE, 1), None);
        assert!(answers.bytes.is_empty() && answers.order.is_empty());
    }

    #[test]
    fn a_mapped_address_is_the_one_that_it_maps() {
        let reception = Reception::of_networks(vec!["192.0.2.0/24".parse().unwrap()]);
        assert!(reception.trusts("::ffff:192.0.2.7".parse().unwrap()));
        assert!(!reception.trusts("198.51.100.1".parse().unwrap()));
    }
}
