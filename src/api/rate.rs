//! How many requests a client may send: a bucket of tokens for each, that fills at a steady rate.
//!
//! The kill switch is not behind it: who stops all calls is heard, however much was asked before.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use phoneai_clock::Clock;

use crate::store::UserId;

/// Clients whose buckets are kept. Full buckets are forgotten first; when none is full, strangers
/// share one.
const MAX_CLIENTS: usize = 10_000;
/// A bucket holds the requests of so many seconds.
const BURST_SECONDS: f64 = 5.0;

/// Who sends requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Client {
    /// A user, with all tokens and sessions.
    User(UserId),
    /// Somebody unknown at this address.
    At(IpAddr),
    /// All strangers when there are too many.
    Others,
}

/// The buckets of one part of the API.
#[derive(Debug)]
pub(super) struct Rate {
    /// Requests a second; 0 for any number.
    per_second: f64,
    clock: Clock,
    buckets: Mutex<BTreeMap<Client, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Requests that may come at once.
    left: f64,
    /// When this was so.
    at: Instant,
}

impl Rate {
    /// So many requests a second for each client; 0 for any number.
    pub(super) fn new(per_second: u32) -> Self {
        // Clients live in real time, however fast the calls' clock runs.
        let clock = Clock::real();
        Self { per_second: f64::from(per_second), clock, buckets: Mutex::default() }
    }

    /// Takes a request of this client.
    ///
    /// # Errors
    /// After how many seconds there is room for the next.
    pub(super) fn take(&self, client: Client) -> Result<(), u32> {
        match self.take_at(client, self.clock.now()) {
            Ok(()) => Ok(()),
            Err(wait) => Err(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)),
        }
    }

    fn take_at(&self, client: Client, now: Instant) -> Result<(), Duration> {
        if self.per_second == 0.0 {
            return Ok(());
        }
        let full = self.per_second * BURST_SECONDS;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |bucket: &Bucket| {
            let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
            (bucket.left + passed * self.per_second).min(full)
        };
        if buckets.len() >= MAX_CLIENTS && !buckets.contains_key(&client) {
            buckets.retain(|_, bucket| filled(bucket) < full);
        }
        let has_room = buckets.len() < MAX_CLIENTS || buckets.contains_key(&client);
        let client = if has_room { client } else { Client::Others };
        let bucket = buckets.entry(client).or_insert(Bucket { left: full, at: now });
        let left = filled(bucket);
        *bucket = Bucket { left, at: now };
        if left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - left) / self.per_second));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Client = Client::User(UserId(1));
    const BOB: Client = Client::User(UserId(2));

    #[test]
    fn a_burst_is_taken_and_then_as_much_as_the_rate_allows() {
        let rate = Rate::new(2);
        let begin = Clock::real().now();
        for _ in 0..10 {
            assert_eq!(rate.take_at(ANN, begin), Ok(()));
        }
        assert_eq!(rate.take_at(ANN, begin), Err(Duration::from_millis(500)));
        assert_eq!(rate.take_at(BOB, begin), Ok(()), "another client is not to blame");
        let later = begin + Duration::from_millis(500);
        assert_eq!(rate.take_at(ANN, later), Ok(()));
        assert!(rate.take_at(ANN, later).is_err());
    }

    #[test]
    fn a_rate_of_0_is_none() {
        let rate = Rate::new(0);
        let now = Clock::real().now();
        assert!((0..10_000).all(|_| rate.take_at(ANN, now).is_ok()));
    }

    #[test]
    fn clients_beyond_those_that_are_kept_share_a_bucket() {
        let rate = Rate::new(1);
        let now = Clock::real().now();
        for id in 0..MAX_CLIENTS {
            assert_eq!(rate.take_at(Client::User(UserId(id as i64)), now), Ok(()));
        }
        let stranger = |n: u8| Client::At(IpAddr::from([198, 51, 100, n]));
        let taken = (0..100).filter(|n| rate.take_at(stranger(*n), now).is_ok()).count();
        assert_eq!(taken, 5);
        assert!(rate.buckets.lock().unwrap().len() <= MAX_CLIENTS + 1);
        // Those who were quiet are forgotten, and there is room again.
        let later = now + Duration::from_secs(60);
        assert_eq!(rate.take_at(stranger(1), later), Ok(()));
        assert_eq!(rate.buckets.lock().unwrap().len(), 1);
    }
}
