//! A bad network on the way out, for tests and measurements: packets are lost and delayed by the
//! throw of seeded dice.
//!
//! The driver of a stream owns an [`Impairer`] and asks it what happens to each packet of RTP.
//! RTCP passes unharmed: it carries no sound.

use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// How bad the network is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Packets lost, between 0 and 1.
    pub loss: f64,
    /// Packets are delayed by a time spread evenly between zero and this, and so overtake each
    /// other: 40 ms reorder every second pair of neighbours.
    pub jitter: Duration,
    /// The same seed gives the same fate to the same packets.
    pub seed: u64,
}

/// Decides what happens to each packet of one stream.
#[derive(Debug)]
pub struct Impairer {
    impairment: Impairment,
    dice: StdRng,
}

impl Impairer {
    /// A network as bad as that.
    pub fn new(impairment: Impairment) -> Self {
        Self { dice: StdRng::seed_from_u64(impairment.seed), impairment }
    }

    /// When the packet that is sent at `now` gets through; `None` if it is lost.
    pub fn arrives(&mut self, now: Instant) -> Option<Instant> {
        // Both dice are thrown for every packet, so that the delays do not depend on the losses.
        let (lost, delay): (f64, f64) = (self.dice.random(), self.dice.random());
        (lost >= self.impairment.loss).then(|| now + self.impairment.jitter.mul_f64(delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(seed: u64) -> Vec<Option<Duration>> {
        let start = phoneai_clock::Clock::real().now();
        let jitter = Duration::from_millis(40);
        let mut impairer = Impairer::new(Impairment { loss: 0.02, jitter, seed });
        let sent = (0..10_000).map(|i| start + Duration::from_millis(20 * i));
        sent.map(|now| impairer.arrives(now).map(|at| at - now)).collect()
    }

    #[test]
    fn packets_are_lost_and_delayed_as_stated() {
        let fates = fates(1);
        let lost = fates.iter().filter(|fate| fate.is_none()).count();
        assert!((150..250).contains(&lost), "{lost} of 10000 lost");
        let delays: Vec<Duration> = fates.into_iter().flatten().collect();
        let mean = delays.iter().sum::<Duration>() / delays.len() as u32;
        assert!(delays.iter().all(|delay| *delay <= Duration::from_millis(40)));
        assert!((19..21).contains(&mean.as_millis()), "{mean:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_fate_to_the_same_packets() {
        assert_eq!(fates(7), fates(7));
        assert_ne!(fates(7), fates(8));
    }
}
