//! What is counted of recognition over a WebSocket, for each call and for all together.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

/// Upper bounds of the latency's classes in milliseconds; one more class has what is above.
pub const LATENCY_CLASSES: [u32; 6] = [100, 200, 400, 800, 1_600, 3_200];

/// From the end of a phrase's last word in the audio that we had, to its final words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many are in each class, each of them in one.
    pub classes: [u64; LATENCY_CLASSES.len() + 1],
    /// Their sum in milliseconds.
    pub sum_ms: u64,
    /// The longest.
    pub longest_ms: u32,
}

impl Latency {
    /// Counts one.
    pub fn add(&mut self, ms: u32) {
        let class = LATENCY_CLASSES.iter().position(|most| ms <= *most);
        let class = class.unwrap_or(LATENCY_CLASSES.len());
        if let Some(count) = self.classes.get_mut(class) {
            *count += 1;
        }
        self.sum_ms += u64::from(ms);
        self.longest_ms = self.longest_ms.max(ms);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.classes.iter().sum()
    }
}

/// Counts of one call, or of several together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were tried; each after a call's first is a reconnect.
    pub connections: u64,
    /// Connections that failed or were cut, and errors that the service told.
    pub faults: u64,
    /// True if the service was given up.
    pub given_up: bool,
    /// Audio that was sent, in milliseconds; what was sent twice counts twice.
    pub audio_ms: u64,
    /// Audio that nobody recognised, in milliseconds.
    pub lost_ms: u64,
    /// Bytes of audio that were sent.
    pub bytes_out: u64,
    /// Bytes of messages that came.
    pub bytes_in: u64,
    /// Messages with words that may still change.
    pub interims: u64,
    /// Messages with words that will not.
    pub finals: u64,
    /// How long words took.
    pub latency: Latency,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = self.latency.sum_ms / self.latency.count().max(1);
        write!(
            f,
            "{} connections, {} faults, {} ms of audio in {} bytes, {} ms lost, {} bytes of \
             answers, {} interim and {} final results, words after {mean} ms (longest {} ms)",
            self.connections,
            self.faults,
            self.audio_ms,
            self.bytes_out,
            self.lost_ms,
            self.bytes_in,
            self.interims,
            self.finals,
            self.latency.longest_ms,
        )
    }
}

/// Counts of all calls that have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls.
    pub calls: u64,
    /// Those in which the service was given up.
    pub given_up: u64,
    /// The counts of all together.
    pub counts: Counts,
}

/// Where calls add their counts when they end.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Totals>);

impl Metrics {
    /// Adds the counts of a call.
    pub fn add(&self, call: &Counts) {
        let mut totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        totals.calls += 1;
        totals.given_up += u64::from(call.given_up);
        let sum = &mut totals.counts;
        sum.connections += call.connections;
        sum.faults += call.faults;
        sum.given_up |= call.given_up;
        sum.audio_ms += call.audio_ms;
        sum.lost_ms += call.lost_ms;
        sum.bytes_out += call.bytes_out;
        sum.bytes_in += call.bytes_in;
        sum.interims += call.interims;
        sum.finals += call.finals;
        for (sum, call) in sum.latency.classes.iter_mut().zip(call.latency.classes) {
            *sum += call;
        }
        sum.latency.sum_ms += call.latency.sum_ms;
        sum.latency.longest_ms = sum.latency.longest_ms.max(call.latency.longest_ms);
    }

    /// What was counted so far.
    pub fn totals(&self) -> Totals {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_add_up() {
        let mut call = Counts { connections: 2, finals: 3, given_up: true, ..Counts::default() };
        for ms in [100, 101, 5_000] {
            call.latency.add(ms);
        }
        assert_eq!(call.latency.classes, [1, 1, 0, 0, 0, 0, 1]);
        let metrics = Metrics::default();
        metrics.add(&call);
        metrics.add(&call);
        let Totals { calls, given_up, counts } = metrics.totals();
        assert_eq!((calls, given_up, counts.connections, counts.latency.count()), (2, 2, 4, 6));
        assert_eq!(counts.latency.longest_ms, 5_000);
    }
}
