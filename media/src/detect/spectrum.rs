//! The one front end of all tone detectors: of each 20 ms, its level and the tones in it.
//!
//! A Hann window of 128 ms is laid around each frame and transformed. It separates tones that are
//! 31 Hz apart, so that 440 + 480 Hz (ringback) and 400 + 450 Hz are two tones, and the place of a
//! peak between its bins is known to a fraction of a hertz. What it blurs in time is undone by the
//! level of the frame in its middle: a frame has a tone if the window has one *and* the frame itself
//! is about as loud as it. The price is [`LATENCY_FRAMES`] of delay.

use std::sync::{Arc, LazyLock};

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

use super::dbov;
use crate::{FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, SILENCE, Samples, StreamMs};

/// Samples of a transform.
const SIZE: usize = 1024;

/// Frames of sound that are kept: the middle one is judged.
const FRAMES: usize = 7;

/// The window is centred on the middle frame.
const SKIPPED: usize = (FRAMES * FRAME_SAMPLES - SIZE) / 2;

/// Frames by which a [`ToneFrame`] is behind the sound that was pushed.
pub const LATENCY_FRAMES: u32 = FRAMES as u32 / 2;

/// Hertz between two bins.
const BIN_HZ: f32 = SAMPLE_RATE as f32 / SIZE as f32;

/// Tones are looked for from 200 Hz, above the hum of the mains, to 3600 Hz, where telephone
/// channels end.
const LOWEST_BIN: usize = 26;
const HIGHEST_BIN: usize = 460;

/// Bins on both sides of a peak that belong to it: the main lobe of a Hann window is 2 wide.
const LOBE: usize = 3;

/// Softer frames have no tones: Q.24, V.25 and E.180 ask for none below −43 dBm0, which is
/// −49 dBov.
const FAINTEST_TONE_DBOV: f32 = -52.0;

/// Part of the power that must be in the one or two tones: what is left is noise 6 dB below.
const PURITY: f32 = 0.8;

/// The second of two tones is at most this much softer; pairs are sent within 3 dB (E.180), and
/// lines twist them by 6 dB.
const TWIST_DB: f32 = 10.0;

/// A frame may be this much softer than the tone in the window around it. Two tones 40 Hz apart
/// beat by 1 dB over 20 ms; at the edge of a tone the window is half empty, which is 3 dB.
const EDGE_DB: f32 = 4.0;

/// One sine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Component {
    /// Its frequency.
    pub hz: f32,
    /// Its level.
    pub dbov: f32,
}

/// One or two sines that are all of a sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// The stronger.
    pub first: Component,
    /// The other, at most 10 dB softer.
    pub second: Option<Component>,
}

impl Tone {
    /// The frequencies in rising order; the second is none for a single sine.
    pub fn frequencies(&self) -> (f32, Option<f32>) {
        match self.second {
            Some(second) => (self.first.hz.min(second.hz), Some(self.first.hz.max(second.hz))),
            None => (self.first.hz, None),
        }
    }

    /// Level of the whole.
    pub fn dbov(&self) -> f32 {
        let power = |c: Component| 10f32.powf(c.dbov / 10.0);
        10.0 * (power(self.first) + self.second.map_or(0.0, power)).log10()
    }
}

/// What is known of 20 ms.
#[derive(Clone, Copy, Debug)]
pub struct ToneFrame {
    /// When the frame begins.
    pub at_ms: StreamMs,
    /// Its sound.
    pub samples: Samples,
    /// Its level without its mean, −100 (digital silence) to 0 dBov.
    pub dbov: f32,
    /// The tone that it is, if it is one.
    pub tone: Option<Tone>,
    /// The frequency of the strongest sine in the 128 ms around the frame, in Hz, whatever else
    /// sounds; 0 below the level of tones.
    pub peak_hz: f32,
}

impl ToneFrame {
    /// When the frame ends.
    pub fn end_ms(&self) -> StreamMs {
        self.at_ms.saturating_add(FRAME_MS)
    }
}

/// The front end of one side of one call.
#[derive(Clone)]
pub struct Spectrum {
    transform: Arc<dyn RealToComplex<f32>>,
    scratch: Vec<Complex<f32>>,
    windowed: Vec<f32>,
    bins: Vec<Complex<f32>>,
    powers: Vec<f32>,
    frames: [(Samples, f32); FRAMES],
}

impl std::fmt::Debug for Spectrum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spectrum").finish_non_exhaustive()
    }
}

/// The plan and the window, the same for all calls.
struct Plan {
    transform: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// Power of a bin to mean square.
    scale: f32,
}

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let turn = std::f32::consts::TAU / SIZE as f32;
    let window: Vec<f32> = (0..SIZE).map(|n| 0.5 - 0.5 * (turn * n as f32).cos()).collect();
    let energy: f32 = window.iter().map(|w| w * w).sum();
    // Parseval: the mean square of the windowed sound over that of the window; the other half of
    // the bins mirrors this one.
    let scale = 2.0 / (SIZE as f32 * energy);
    Plan { transform: RealFftPlanner::new().plan_fft_forward(SIZE), window, scale }
});

impl Default for Spectrum {
    fn default() -> Self {
        let transform = Arc::clone(&PLAN.transform);
        Self {
            scratch: transform.make_scratch_vec(),
            windowed: transform.make_input_vec(),
            bins: transform.make_output_vec(),
            powers: vec![0.0; SIZE / 2 + 1],
            transform,
            frames: [(SILENCE, super::silence::DIGITAL_SILENCE_DBOV); FRAMES],
        }
    }
}

impl Spectrum {
    /// Takes the frame that begins at `at_ms`, and says what the frame [`LATENCY_FRAMES`] before it
    /// is. Frames come in order; those that the call has lost count as silence.
    pub fn push(&mut self, at_ms: StreamMs, frame: &Samples) -> ToneFrame {
        self.frames.rotate_left(1);
        if let Some(last) = self.frames.last_mut() {
            *last = (*frame, level(frame));
        }
        let [_, _, _, (samples, level), _, _, _] = self.frames;
        let at_ms = at_ms.saturating_sub(LATENCY_FRAMES * FRAME_MS);
        let mut judged = ToneFrame { at_ms, samples, dbov: level, tone: None, peak_hz: 0.0 };
        if level >= FAINTEST_TONE_DBOV {
            self.transform();
            let (tone, peak_hz) = self.tones();
            judged.tone = tone.filter(|tone| level >= tone.dbov() - EDGE_DB);
            judged.peak_hz = peak_hz;
        }
        judged
    }

    fn transform(&mut self) {
        let sound = self.frames.iter().flat_map(|(samples, _)| samples).skip(SKIPPED);
        for ((to, from), weight) in self.windowed.iter_mut().zip(sound).zip(&PLAN.window) {
            *to = f32::from(*from) / 32768.0 * weight;
        }
        // It fails on buffers of other lengths only, and these were made by the plan.
        let _ = self.transform.process_with_scratch(
            &mut self.windowed,
            &mut self.bins,
            &mut self.scratch,
        );
        for (power, bin) in self.powers.iter_mut().zip(&self.bins) {
            *power = bin.norm_sqr() * PLAN.scale;
        }
    }

    /// The one or two sines that the window holds, and the frequency of the strongest.
    fn tones(&self) -> (Option<Tone>, f32) {
        let band = LOWEST_BIN..HIGHEST_BIN;
        let powers = self.powers.get(band.clone()).unwrap_or_default();
        let total: f32 = powers.iter().sum();
        let Some(first) = strongest(powers, None) else { return (None, 0.0) };
        let first_power = lobe(powers, first);
        let first_sine =
            Component { hz: self.frequency(first + LOWEST_BIN), dbov: 10.0 * first_power.log10() };
        let second = strongest(powers, Some(first))
            .map(|bin| (bin, lobe_without(powers, bin, first)))
            .filter(|(_, power)| *power >= first_power * 10f32.powf(-TWIST_DB / 10.0));
        let second_power = second.map_or(0.0, |(_, power)| power);
        let pure = first_power + second_power >= PURITY * total && first_power > 0.0;
        let tone = pure.then(|| Tone {
            first: first_sine,
            second: second.map(|(bin, power)| Component {
                hz: self.frequency(bin + LOWEST_BIN),
                dbov: 10.0 * power.log10(),
            }),
        });
        (tone, first_sine.hz)
    }

    /// The place of a peak between its bins: with a Hann window the ratio of two neighbours `a`
    /// means a distance of (2a − 1) / (a + 1) towards the larger.
    fn frequency(&self, peak: usize) -> f32 {
        let size = |bin: usize| self.powers.get(bin).copied().unwrap_or_default().sqrt();
        let (below, middle, above) = (size(peak.saturating_sub(1)), size(peak), size(peak + 1));
        let (larger, sign) = if above > below { (above, 1.0) } else { (below, -1.0) };
        let ratio = if middle > 0.0 { larger / middle } else { 0.5 };
        (peak as f32 + sign * (2.0 * ratio - 1.0) / (ratio + 1.0)) * BIN_HZ
    }
}

/// The strongest bin; with `beside`, the strongest peak outside of that one's lobe.
fn strongest(powers: &[f32], beside: Option<usize>) -> Option<usize> {
    let Some(other) = beside else {
        let (mut best, mut most) = (None, 0.0);
        for (bin, &power) in powers.iter().enumerate() {
            if power > most {
                (best, most) = (Some(bin), power);
            }
        }
        return best;
    };
    let (mut best, mut most) = (None, 0.0);
    let mut before = 0.0;
    for (bin, &power) in powers.iter().enumerate() {
        let after = powers.get(bin + 1).copied().unwrap_or_default();
        if power > most && bin.abs_diff(other) > LOBE && power > before && power >= after {
            (best, most) = (Some(bin), power);
        }
        before = power;
    }
    best
}

fn lobe(powers: &[f32], peak: usize) -> f32 {
    let end = (peak + LOBE + 1).min(powers.len());
    powers.get(peak.saturating_sub(LOBE)..end).unwrap_or_default().iter().sum()
}

/// The power of a lobe without the bins that belong to another.
fn lobe_without(powers: &[f32], peak: usize, other: usize) -> f32 {
    let end = (peak + LOBE + 1).min(powers.len());
    (peak.saturating_sub(LOBE)..end)
        .filter(|bin| bin.abs_diff(other) > LOBE)
        .filter_map(|bin| powers.get(bin))
        .sum()
}

/// The level of a frame without its mean.
fn level(frame: &Samples) -> f32 {
    let sum = i64::from(frame.iter().map(|&s| i32::from(s)).sum::<i32>());
    let squares: i64 = frame.iter().map(|&s| i64::from(i32::from(s) * i32::from(s))).sum();
    dbov(squares - sum * sum / FRAME_SAMPLES as i64, FRAME_SAMPLES)
}
