//! A bad line: what a carrier's network and a noisy room do to everything that is heard.

use std::{sync::Arc, time::Duration};

use phoneai_media::impair::Impairment;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::menu::SAMPLE_RATE;

/// The level of speech in recordings of menus, to which noise is related.
pub const SPEECH_DBOV: f64 = -20.0;
/// Noise that is repeated: long enough that nobody hears a rhythm.
const NOISE_SECONDS: usize = 4;

/// How bad the line is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Packets lost, in percent.
    pub loss_percent: f64,
    /// Packets are delayed by up to so much.
    pub jitter: Duration,
    /// Speech above noise in dB; no noise without it.
    pub noise_snr_db: Option<f64>,
    /// Of all dice; calls get different ones, by their order.
    pub seed: u64,
}

/// Why a description of faults cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not like loss=2,jitter=40,noise=20: percent, milliseconds, dB above noise")]
pub struct BadFaults(String);

impl std::str::FromStr for Faults {
    type Err = BadFaults;

    /// Reads `loss=2,jitter=40,noise=20`; each may be left out.
    fn from_str(text: &str) -> Result<Self, BadFaults> {
        let bad = || BadFaults(text.to_owned());
        let mut faults = Self::default();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or_else(bad)?;
            let value: f64 = value.parse().map_err(|_| bad())?;
            match name {
                "loss" if (0.0..=100.0).contains(&value) => faults.loss_percent = value,
                "jitter" if (0.0..=10_000.0).contains(&value) => {
                    faults.jitter = Duration::from_secs_f64(value / 1_000.0);
                }
                "noise" if (-20.0..=90.0).contains(&value) => faults.noise_snr_db = Some(value),
                _ => return Err(bad()),
            }
        }
        Ok(faults)
    }
}

impl Faults {
    /// What the network does to the packets of the `nth` call.
    pub(super) fn impairment(&self, nth: u64) -> Impairment {
        Impairment {
            loss: self.loss_percent / 100.0,
            jitter: self.jitter,
            seed: self.seed.wrapping_add(nth),
        }
    }

    /// The noise of the line, to be repeated, if there is any.
    pub(super) fn noise(&self) -> Option<Arc<[i16]>> {
        let level = SPEECH_DBOV - self.noise_snr_db?;
        // 0 dBov is a full-scale square wave (ITU-T G.100.1); the sum of twelve uniform numbers is
        // near enough to a normal one.
        let rms = 32_768.0 * 10_f64.powf(level / 20.0);
        let mut dice = StdRng::seed_from_u64(self.seed);
        let normal = |dice: &mut StdRng| (0..12).map(|_| dice.random::<f64>()).sum::<f64>() - 6.0;
        let count = NOISE_SECONDS * SAMPLE_RATE as usize;
        Some((0..count).map(|_| (normal(&mut dice) * rms) as i16).collect())
    }
}

/// A sound with noise under it.
pub(super) fn mixed(sound: &[i16], noise: &[i16]) -> Arc<[i16]> {
    sound.iter().zip(noise.iter().cycle()).map(|(a, b)| a.saturating_add(*b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_their_short_form() {
        let faults: Faults = "loss=2,jitter=40,noise=20".parse().unwrap();
        let jitter = Duration::from_millis(40);
        let wanted = Faults { loss_percent: 2.0, jitter, noise_snr_db: Some(20.0), seed: 0 };
        assert_eq!(faults, wanted);
        for bad in ["", "loss", "loss=x", "loss=200", "loss=-1", "hiss=3", "noise=NaN"] {
            assert!(bad.parse::<Faults>().is_err(), "{bad}");
        }
    }

    #[test]
    fn noise_has_its_level_and_is_the_same_for_the_same_seed() {
        let faults = Faults { noise_snr_db: Some(20.0), ..Faults::default() };
        let noise = faults.noise().unwrap();
        let power = noise.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / noise.len() as f64;
        let level = 10.0 * (power / 32_768.0_f64.powi(2)).log10();
        assert!((level + 40.0).abs() < 0.2, "{level}");
        assert_eq!(faults.noise(), Some(noise.clone()));
        assert_ne!(Faults { seed: 1, ..faults }.noise(), Some(noise));
        assert_eq!(Faults::default().noise(), None);
    }

    #[test]
    fn calls_meet_different_losses_and_the_same_call_the_same() {
        let faults = Faults { loss_percent: 2.0, ..Faults::default() };
        assert_eq!(faults.impairment(3), faults.impairment(3));
        assert_ne!(faults.impairment(3), faults.impairment(4));
    }
}
