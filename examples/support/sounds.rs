//! Sounds of the telephone that nobody speaks: tones, noise, music; the same in each run.

use phoneai_media::noise::NoiseSource;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Samples a millisecond.
const PER_MS: usize = 8;

/// A generator of numbers that are the same in each run.
pub fn dice(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Sines of one level each in dBov, for so many milliseconds.
pub fn sines(sines: &[(f32, f32)], ms: usize) -> Vec<i16> {
    let wave = |n: usize| {
        let time = n as f32 / 8000.0;
        let one = |(hz, dbov): &(f32, f32)| {
            let peak = 32_768.0 * 2f32.sqrt() * 10f32.powf(dbov / 20.0);
            peak * (std::f32::consts::TAU * hz * time).sin()
        };
        sines.iter().map(one).sum::<f32>() as i16
    };
    (0..ms * PER_MS).map(wave).collect()
}

/// A cadence again and again: sines with their level, and how long they and the pause after them
/// last.
pub fn cadence(parts: &[(&[f32], usize, usize)], dbov: f32, ms: usize) -> Vec<i16> {
    let mut samples = Vec::with_capacity(ms * PER_MS);
    while samples.len() < ms * PER_MS && !parts.is_empty() {
        for (frequencies, on, off) in parts {
            let tones: Vec<(f32, f32)> = frequencies.iter().map(|hz| (*hz, dbov)).collect();
            samples.extend(sines(&tones, *on));
            samples.resize(samples.len() + off * PER_MS, 0);
        }
    }
    samples.truncate(ms * PER_MS);
    samples
}

/// White noise, or with `colour` above 0 noise whose high tones are softer.
pub fn noise(dbov: f32, colour: f32, ms: usize) -> Vec<i16> {
    let mut white = vec![0; ms * PER_MS];
    // Filtering takes power away, which is given back.
    let gain = ((1.0 + colour) / (1.0 - colour)).sqrt() * (1.0 - colour);
    NoiseSource::default().fill(dbov.min(-12.0), &mut white);
    let mut last = 0.0;
    let filtered = white.iter().map(|sample| {
        last += (f32::from(*sample) - last) * (1.0 - colour);
        (last * gain / (1.0 - colour)).clamp(-32_768.0, 32_767.0) as i16
    });
    filtered.collect()
}

/// Adds two sounds; the shorter one is followed by silence.
pub fn mixed(one: &[i16], other: &[i16]) -> Vec<i16> {
    let length = one.len().max(other.len());
    let at = |samples: &[i16], n: usize| samples.get(n).copied().unwrap_or_default();
    (0..length).map(|n| at(one, n).saturating_add(at(other, n))).collect()
}

/// Music: chords, a melody above them, now and then a drum. The seed chooses key, speed and notes.
pub fn music(seed: u64, ms: usize) -> Vec<i16> {
    let mut dice = dice(seed);
    let key = 110.0 * 2f32.powf(dice.random_range(0..12) as f32 / 12.0);
    let beat_ms = dice.random_range(240..620);
    let drums = dice.random_bool(0.4);
    let partials: Vec<f32> = (1..=5).map(|n| dice.random_range(0.3..1.0) / n as f32).collect();
    // Steps of the major scale, and chords on its first, fourth, fifth and sixth.
    const SCALE: [f32; 8] = [0.0, 2.0, 4.0, 5.0, 7.0, 9.0, 11.0, 12.0];
    const CHORDS: [[f32; 3]; 4] =
        [[0.0, 4.0, 7.0], [5.0, 9.0, 12.0], [7.0, 11.0, 14.0], [9.0, 12.0, 16.0]];
    let hz = |octave: f32, step: f32| key * octave * 2f32.powf(step / 12.0);
    let mut samples = vec![0f32; ms * PER_MS];
    let mut add = |from_ms: usize, long_ms: usize, hz: f32, peak: f32, decay: f32| {
        let from = from_ms * PER_MS;
        for (n, sample) in samples.iter_mut().skip(from).take(long_ms * PER_MS).enumerate() {
            let time = n as f32 / 8000.0;
            let attack = (time / 0.01).min(1.0);
            let wave: f32 = partials
                .iter()
                .zip(1..)
                .filter(|(_, number)| hz * (*number as f32) < 3600.0)
                .map(|(part, number)| {
                    part * (std::f32::consts::TAU * hz * number as f32 * time).sin()
                })
                .sum();
            *sample += peak * attack * (-decay * time).exp() * wave;
        }
    };
    let mut chord;
    for (number, at_ms) in (0..ms).step_by(beat_ms).enumerate() {
        if number.is_multiple_of(4) {
            chord = CHORDS[dice.random_range(0..CHORDS.len())];
            for step in chord {
                add(at_ms, 4 * beat_ms, hz(2.0, step), 1400.0, 0.8);
            }
        }
        if dice.random_bool(0.8) {
            let step = SCALE[dice.random_range(0..SCALE.len())];
            add(at_ms, beat_ms, hz(4.0, step), 2200.0, 2.5);
        }
    }
    if drums {
        for at_ms in (0..ms).step_by(beat_ms) {
            let from = at_ms * PER_MS;
            for (n, sample) in samples.iter_mut().skip(from).take(80 * PER_MS).enumerate() {
                let fade = (-(n as f32) / 160.0).exp();
                *sample += 3000.0 * fade * dice.random_range(-1.0..1.0);
            }
        }
    }
    samples.iter().map(|s| s.clamp(-32_000.0, 32_000.0) as i16).collect()
}
