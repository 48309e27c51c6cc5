//! What strangers may cost: asked before a datagram is read.
//!
//! A source is an IP address. Each has a bucket of datagrams and, as long as it has not proven that
//! it gets our answers, one of bytes that our answers may be larger than what it sent. UDP sources
//! can be spoofed: who sends in another's name must neither fill his ears nor have him banned. So
//! only what answers a nonce of ours, which a spoofer never sees, counts for or against a source.
//!
//! Tables are bounded. A full one forgets whoever was quiet longest, and never a source that is
//! known; while it is full of busy strangers, further strangers are served from one bucket that they
//! share, so that a flood from many addresses costs a bounded rate and nothing else.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// What a guard allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardConfig {
    /// Datagrams a second of one stranger; a second's worth and [`GuardConfig::burst`] at once.
    pub stranger_rate: u32,
    /// The same of a source that has proven itself, which may be an office full of phones.
    pub known_rate: u32,
    /// Datagrams beyond the rate that a quiet source may send at once.
    pub burst: u32,
    /// Datagrams a second of all strangers for whom the table has no room.
    pub overflow_rate: u32,
    /// Wrong passwords in answer to our own nonces within [`GuardConfig::failure_window`] that ban a
    /// source.
    pub max_failures: u32,
    /// How long wrong passwords count.
    pub failure_window: Duration,
    /// How long a ban lasts.
    pub ban: Duration,
    /// Bytes that answers to an unproven source may be larger than its requests, at once; a
    /// hundredth of it comes back each second.
    pub excess: u32,
    /// Strangers that are told apart.
    pub max_strangers: usize,
    /// Sources that have proven themselves and are remembered.
    pub max_known: usize,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            stranger_rate: 50,
            known_rate: 50_000,
            burst: 100,
            overflow_rate: 1_000,
            max_failures: 20,
            failure_window: Duration::from_secs(60),
            ban: Duration::from_secs(300),
            excess: 4_000,
            max_strangers: 16_384,
            max_known: 200_000,
        }
    }
}

/// How long a proof holds: as long as a phone that registers each hour is quiet, and longer.
const PROOF_LIFE: Duration = Duration::from_secs(2 * 3600);

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is read.
    Pass,
    /// The source sends too much.
    TooFast,
    /// The source is banned.
    Banned,
}

/// What a guard counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardStatistics {
    /// Datagrams of sources that sent too much.
    pub too_fast: u64,
    /// Datagrams of banned sources.
    pub banned: u64,
    /// Bans.
    pub bans: u64,
    /// Answers that were kept back because they would have gained a reflection.
    pub kept_back: u64,
}

/// Tokens that come back with time, in millionths, so that low rates are exact.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    millionths: u64,
    at: Instant,
}

impl Bucket {
    fn full(now: Instant, capacity: u32) -> Self {
        Self { millionths: u64::from(capacity) * 1_000_000, at: now }
    }

    /// Takes tokens, if there are as many.
    fn take(&mut self, now: Instant, count: u32, per_second: u32, capacity: u32) -> bool {
        let passed = now.saturating_duration_since(self.at).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(u64::from(per_second));
        let most = u64::from(capacity) * 1_000_000;
        self.millionths = self.millionths.saturating_add(gained).min(most);
        self.at = self.at.max(now);
        let wanted = u64::from(count) * 1_000_000;
        let enough = self.millionths >= wanted;
        if enough {
            self.millionths -= wanted;
        }
        enough
    }
}

#[derive(Debug)]
struct Stranger {
    datagrams: Bucket,
    excess: Bucket,
}

#[derive(Debug)]
struct Known {
    datagrams: Bucket,
    proven_until: Instant,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
    banned_until: Option<Instant>,
}

/// Decides which datagrams are worth reading and which answers may be sent. Owned by the driver of
/// a socket.
#[derive(Debug)]
pub struct Guard {
    config: GuardConfig,
    strangers: Table<Stranger>,
    known: Table<Known>,
    /// Sources with wrong passwords. There are no more than have answered nonces of ours.
    failures: Table<Failures>,
    overflow: Bucket,
    statistics: GuardStatistics,
}

impl Guard {
    /// A guard that knows nobody.
    pub fn new(now: Instant, config: GuardConfig) -> Self {
        Self {
            strangers: Table::new(config.max_strangers),
            failures: Table::new(config.max_strangers),
            known: Table::new(config.max_known),
            overflow: Bucket::full(now, config.overflow_rate),
            config,
            statistics: GuardStatistics::default(),
        }
    }

    /// Decides about a datagram that came from `ip`. Sources that are trusted by their address need
    /// not be asked about.
    pub fn on_datagram(&mut self, now: Instant, ip: IpAddr) -> Decision {
        let (ip, config) = (source(ip), &self.config);
        if let Some(failures) = self.failures.get(&ip)
            && failures.banned_until.is_some_and(|until| until > now)
        {
            self.statistics.banned += 1;
            return Decision::Banned;
        }
        let passes = if let Some(known) = self.known.touch(&ip, now)
            && known.proven_until > now
        {
            let rate = config.known_rate;
            known.datagrams.take(now, 1, rate, rate.saturating_add(config.burst))
        } else if let Some(stranger) = self.strangers.touch(&ip, now) {
            let rate = config.stranger_rate;
            stranger.datagrams.take(now, 1, rate, rate.saturating_add(config.burst))
        } else {
            let rate = config.stranger_rate;
            let mut datagrams = Bucket::full(now, rate.saturating_add(config.burst));
            datagrams.take(now, 1, rate, rate.saturating_add(config.burst));
            let stranger = Stranger { datagrams, excess: Bucket::full(now, config.excess) };
            self.strangers.insert(ip, now, stranger)
                || self.overflow.take(now, 1, config.overflow_rate, config.overflow_rate)
        };
        if passes {
            return Decision::Pass;
        }
        self.statistics.too_fast += 1;
        Decision::TooFast
    }

    /// Whether an answer of so many bytes may be sent to a source that sent so many: what an
    /// unproven one gets beyond what it sent is limited, so that nobody can have us shout at
    /// another.
    pub fn may_answer(&mut self, now: Instant, ip: IpAddr, received: usize, sent: usize) -> bool {
        let Some(beyond) = sent.checked_sub(received).filter(|beyond| *beyond > 0) else {
            return true;
        };
        let ip = source(ip);
        if self.known.get(&ip).is_some_and(|known| known.proven_until > now) {
            return true;
        }
        let beyond = u32::try_from(beyond).unwrap_or(u32::MAX);
        let (excess, back) = (self.config.excess, (self.config.excess / 100).max(1));
        let may = match self.strangers.get_mut(&ip) {
            Some(stranger) => stranger.excess.take(now, beyond, back, excess),
            // The table is full of strangers: this one gets only what gains him nothing.
            None => false,
        };
        self.statistics.kept_back += u64::from(!may);
        may
    }

    /// A source has answered a nonce of ours rightly: it is who it says, and gets what we send.
    pub fn on_proof(&mut self, now: Instant, ip: IpAddr) {
        let ip = source(ip);
        self.failures.remove(&ip);
        self.strangers.remove(&ip);
        let proven_until = now + PROOF_LIFE;
        match self.known.touch(&ip, now) {
            Some(known) => known.proven_until = proven_until,
            None => {
                let capacity = self.config.known_rate.saturating_add(self.config.burst);
                let datagrams = Bucket::full(now, capacity);
                self.known.insert(ip, now, Known { datagrams, proven_until });
            }
        }
    }

    /// A source has answered a nonce of ours with a wrong password; true if that bans it. One that
    /// has proven itself is not banned for its neighbours behind the same NAT: it is only slowed to
    /// the pace of strangers.
    pub fn on_failure(&mut self, now: Instant, ip: IpAddr) -> bool {
        let (ip, window) = (source(ip), self.config.failure_window);
        if self.failures.touch(&ip, now).is_none() {
            let failures = Failures { count: 0, since: now, banned_until: None };
            self.failures.insert(ip, now, failures);
        }
        let Some(failures) = self.failures.get_mut(&ip) else { return false };
        if now.saturating_duration_since(failures.since) > window {
            (failures.count, failures.since) = (0, now);
        }
        failures.count = failures.count.saturating_add(1);
        if failures.count < self.config.max_failures {
            return false;
        }
        (failures.count, failures.since) = (0, now);
        if self.known.remove(&ip).is_some_and(|known| known.proven_until > now) {
            return false;
        }
        failures.banned_until = Some(now + self.config.ban);
        self.statistics.bans += 1;
        true
    }

    /// What was counted.
    pub fn statistics(&self) -> GuardStatistics {
        self.statistics
    }
}

/// The source that an address belongs to: an IPv6 customer has at least a whole /64 (RFC 6177 §2).
fn source(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// How long an entry must have been quiet to make room for another.
const QUIET: Duration = Duration::from_secs(10);

/// Entries of a queue that are looked at in search of room, at most.
const SEARCH: usize = 8;

/// A bounded table. A full one makes room by what was quiet for a while.
#[derive(Debug)]
struct Table<T> {
    entries: HashMap<IpAddr, (Instant, T)>,
    /// All entries, in an order that comes near to that of their last use.
    order: VecDeque<IpAddr>,
    most: usize,
}

impl<T> Table<T> {
    fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), most }
    }

    fn get(&self, ip: &IpAddr) -> Option<&T> {
        self.entries.get(ip).map(|(_, entry)| entry)
    }

    fn get_mut(&mut self, ip: &IpAddr) -> Option<&mut T> {
        self.entries.get_mut(ip).map(|(_, entry)| entry)
    }

    /// The entry, which counts as used now.
    fn touch(&mut self, ip: &IpAddr, now: Instant) -> Option<&mut T> {
        let (used, entry) = self.entries.get_mut(ip)?;
        *used = now;
        Some(entry)
    }

    /// Enters what is not in it; false if there is no room.
    fn insert(&mut self, ip: IpAddr, now: Instant, entry: T) -> bool {
        if self.entries.len() >= self.most && !self.make_room(now) {
            return false;
        }
        // Places of removed entries are cleared before they can pile up.
        if self.order.len() >= self.most.saturating_mul(2) {
            let entries = &self.entries;
            self.order.retain(|ip| entries.contains_key(ip));
        }
        if self.entries.insert(ip, (now, entry)).is_none() {
            self.order.push_back(ip);
        }
        true
    }

    fn make_room(&mut self, now: Instant) -> bool {
        for _ in 0..SEARCH {
            let Some(oldest) = self.order.pop_front() else { return false };
            match self.entries.get(&oldest) {
                Some((used, _)) if now.saturating_duration_since(*used) < QUIET => {
                    self.order.push_back(oldest);
                }
                Some(_) => {
                    self.entries.remove(&oldest);
                    return true;
                }
                // It was removed before; its place was left behind.
                None => {}
            }
        }
        self.entries.len() < self.most
    }

    fn remove(&mut self, ip: &IpAddr) -> Option<T> {
        self.entries.remove(ip).map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests;
