//! The timers of transactions (RFC 3261 table 4, RFC 6026 §8.4–8.5) and who is due next.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// One timer of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// When to send an INVITE again (§17.1.1.2).
    A,
    /// When to give up on an INVITE that nothing answered (§17.1.1.2).
    B,
    /// When to stop acknowledging retransmitted refusals of an INVITE (§17.1.1.2).
    D,
    /// When to send a request other than INVITE again (§17.1.2.2).
    E,
    /// When to give up on a request other than INVITE (§17.1.2.2).
    F,
    /// When to send the refusal of an INVITE again (§17.2.1).
    G,
    /// When to stop waiting for the ACK of a refusal (§17.2.1).
    H,
    /// When to stop absorbing retransmitted ACKs (§17.2.1).
    I,
    /// When to stop answering retransmissions of a request other than INVITE (§17.2.2).
    J,
    /// When to stop absorbing retransmitted responses (§17.1.2.2).
    K,
    /// When to stop absorbing INVITEs that we accepted (RFC 6026 §8.7).
    L,
    /// When to stop passing on 2xx of an INVITE (RFC 6026 §8.4).
    M,
    /// When to forget an INVITE without final response whose call is over. Not of any RFC, which
    /// let it wait for ever.
    Orphan,
}

/// When each running timer of one owner fires. Few run at once, so that a list is enough.
#[derive(Clone, Debug)]
pub(crate) struct TimerTable<T> {
    running: Vec<(T, Instant)>,
}

impl<T: Copy + PartialEq> TimerTable<T> {
    pub(crate) fn set(&mut self, timer: T, at: Instant) {
        self.stop(timer);
        self.running.push((timer, at));
    }

    pub(crate) fn stop(&mut self, timer: T) {
        self.running.retain(|&(running, _)| running != timer);
    }

    pub(crate) fn stop_all(&mut self) {
        self.running.clear();
    }

    /// The earliest instant at which a timer fires.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.running.iter().map(|&(_, at)| at).min()
    }

    /// Takes the earliest timer that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        let &(timer, _) =
            self.running.iter().filter(|&&(_, at)| at <= now).min_by_key(|&&(_, at)| at)?;
        self.stop(timer);
        Some(timer)
    }
}

impl<T> Default for TimerTable<T> {
    fn default() -> Self {
        Self { running: Vec::new() }
    }
}

/// The durations from which all timers derive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerValues {
    /// Estimate of the round-trip time; 500 ms unless the network is known to be slower.
    pub t1: Duration,
    /// The longest pause between retransmissions; 4 s.
    pub t2: Duration,
    /// The longest time a message stays in the network; 5 s.
    pub t4: Duration,
}

impl TimerValues {
    /// 64 × T1: how long transactions try, wait and absorb (timers B, F, H, J, L, M).
    pub fn give_up(self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// Timer D on unreliable transports: at least 32 s (RFC 3261 §17.1.1.2).
    pub(crate) fn d(self) -> Duration {
        self.give_up().max(Duration::from_secs(32))
    }
}

impl Default for TimerValues {
    /// The values of RFC 3261 table 4.
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

/// Who is due when. An owner stands in it at most once; the owner remembers where, so that moving
/// it costs two operations on a tree and nothing is ever left behind.
#[derive(Debug)]
pub(crate) struct Agenda<K> {
    due: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Agenda<K> {
    /// Moves an owner; `place` is its memory of where it stands.
    pub(crate) fn set(&mut self, key: K, place: &mut Option<Instant>, to: Option<Instant>) {
        if *place == to {
            return;
        }
        if let Some(at) = *place {
            self.due.remove(&(at, key));
        }
        if let Some(at) = to {
            self.due.insert((at, key));
        }
        *place = to;
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|&(at, _)| at)
    }

    /// The first owner that is due at `now`; it stays until its owner is moved.
    pub(crate) fn first_due(&self, now: Instant) -> Option<K> {
        self.due.first().filter(|&&(at, _)| at <= now).map(|&(_, key)| key)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }
}

impl<K: Ord> Default for Agenda<K> {
    fn default() -> Self {
        Self { due: BTreeSet::new() }
    }
}
