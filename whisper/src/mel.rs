//! Whisper's front end: 8 kHz telephone audio to a logarithmic mel spectrogram.
//!
//! 16 kHz, windows of 25 ms (Hann) each 10 ms, centred on their time with the audio mirrored at
//! its ends; power summed by triangular filters, 80 or 128 of them, spaced evenly on the mel
//! scale of Slaney's Auditory Toolbox (Interval Technical Report 1998-010) and of equal area;
//! base-10 logarithm, at most 8 below the loudest value of the piece, then (x + 4) / 4.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};
use resampler::{Attenuation, Latency, ResamplerFir};

/// Samples per second that the model was trained on.
pub const RATE: usize = 16_000;

/// Samples between two frames of the spectrogram (10 ms).
pub const HOP: usize = 160;

/// Samples under one window (25 ms), also the length of the transform.
const WINDOW: usize = 400;

/// Power below this counts as this.
const SILENCE: f32 = 1e-10;

/// Below this the mel scale is linear, above logarithmic (Slaney).
const MEL_BREAK_HZ: f64 = 1000.0;

/// Hz per mel in the linear part.
const MEL_LINEAR_HZ: f64 = 200.0 / 3.0;

/// Mels per factor e in the logarithmic part: 27 steps from 1 to 6.4 kHz.
const MEL_LOG_STEPS: f64 = 27.0;

/// Doubles the sample rate of telephone audio; full scale becomes ±1.
///
/// The result has exactly twice as many samples and is aligned with the input: sample `2 n` lies
/// at the time of input sample `n`.
pub fn upsample(samples: &[i16]) -> Vec<f32> {
    let (latency, attenuation) = (Latency::Sample64, Attenuation::Db90);
    let mut resampler = ResamplerFir::new_from_hz(1, 8_000, RATE as u32, latency, attenuation);
    let wanted = samples.len() * 2;
    // An output lies between the middle two of the inputs under the filter, or on the first of
    // them: with silence before and after, the first output is the first input.
    let around = resampler.delay();
    let mut input = vec![0.0; around.saturating_sub(1)];
    input.extend(samples.iter().map(|&sample| f32::from(sample) / 32768.0));
    input.resize(input.len() + around, 0.0);
    let mut output = vec![0.0; resampler.buffer_size_output()];
    let mut out = Vec::with_capacity(wanted + output.len());
    let mut rest = input.as_slice();
    while out.len() < wanted {
        // It fails only if a buffer is no multiple of the channels, of which there is one.
        let Ok((taken, given)) = resampler.resample(rest, &mut output) else { break };
        out.extend(output.iter().take(given));
        rest = rest.get(taken..).unwrap_or_default();
        if taken == 0 && given == 0 {
            break;
        }
    }
    out.resize(wanted, 0.0);
    out
}

/// The transform and the filters, made once per model.
pub struct LogMel {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    filters: Vec<Filter>,
}

/// One triangular filter: weights of the bins from `first` on.
struct Filter {
    first: usize,
    weights: Vec<f32>,
}

impl LogMel {
    /// For `bins` filters between 0 and 8 kHz.
    pub fn new(bins: usize) -> Self {
        let window = (0..WINDOW)
            .map(|n| {
                let phase = 2.0 * std::f64::consts::PI * n as f64 / WINDOW as f64;
                (0.5 - 0.5 * phase.cos()) as f32
            })
            .collect();
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(WINDOW);
        Self { fft, window, filters: filters(bins) }
    }

    /// Number of filters.
    pub fn bins(&self) -> usize {
        self.filters.len()
    }

    /// The spectrogram of `samples` (16 kHz, full scale ±1) followed by silence: `frames` rows of
    /// [`LogMel::bins`] values, one each 10 ms, the first centred on the first sample.
    pub fn spectrogram(&self, samples: &[f32], frames: usize) -> Vec<f32> {
        let bins = self.bins();
        let mut out = vec![SILENCE.log10(); frames * bins];
        let mut windowed = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let length = frames * HOP;
        // Past this frame no window touches the audio.
        let heard = ((samples.len() + WINDOW / 2).div_ceil(HOP) + 1).min(frames);
        for (frame, row) in out.chunks_mut(bins.max(1)).take(heard).enumerate() {
            for (n, (to, weight)) in windowed.iter_mut().zip(&self.window).enumerate() {
                let at = mirrored(frame * HOP + n, WINDOW / 2, length);
                *to = weight * samples.get(at).copied().unwrap_or_default();
            }
            if self.fft.process_with_scratch(&mut windowed, &mut spectrum, &mut scratch).is_err() {
                continue;
            }
            for (to, filter) in row.iter_mut().zip(&self.filters) {
                let touched = spectrum.iter().skip(filter.first).zip(&filter.weights);
                let power: f32 = touched.map(|(bin, weight)| bin.norm_sqr() * weight).sum();
                *to = power.max(SILENCE).log10();
            }
        }
        let top = out.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for value in &mut out {
            *value = (value.max(top - 8.0) + 4.0) / 4.0;
        }
        out
    }
}

/// The index into audio of `length` samples that is mirrored at both ends, where `at` counts from
/// `margin` samples before the first.
fn mirrored(at: usize, margin: usize, length: usize) -> usize {
    let index = at.abs_diff(margin);
    if index < length { index } else { (2 * length).saturating_sub(index + 2) }
}

fn filters(bins: usize) -> Vec<Filter> {
    let top = mel(RATE as f64 / 2.0);
    let edges: Vec<f64> =
        (0..bins + 2).map(|i| hertz(top * i as f64 / (bins + 1) as f64)).collect();
    let spacing = RATE as f64 / WINDOW as f64;
    edges
        .windows(3)
        .map(|edge| {
            let weight = |bin: usize| {
                let frequency = bin as f64 * spacing;
                let rise = (frequency - edge[0]) / (edge[1] - edge[0]);
                let fall = (edge[2] - frequency) / (edge[2] - edge[1]);
                (rise.min(fall).max(0.0) * 2.0 / (edge[2] - edge[0])) as f32
            };
            let first = (edge[0] / spacing).ceil() as usize;
            let last = ((edge[2] / spacing).floor() as usize).min(WINDOW / 2);
            Filter { first, weights: (first..=last).map(weight).collect() }
        })
        .collect()
}

fn mel(hertz: f64) -> f64 {
    if hertz < MEL_BREAK_HZ {
        hertz / MEL_LINEAR_HZ
    } else {
        MEL_BREAK_HZ / MEL_LINEAR_HZ + (hertz / MEL_BREAK_HZ).ln() / 6.4f64.ln() * MEL_LOG_STEPS
    }
}

fn hertz(mel: f64) -> f64 {
    let at_break = MEL_BREAK_HZ / MEL_LINEAR_HZ;
    if mel < at_break {
        mel * MEL_LINEAR_HZ
    } else {
        MEL_BREAK_HZ * (6.4f64.ln() / MEL_LOG_STEPS * (mel - at_break)).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone that climbs from 300 Hz for 0.3 s, then 0.1 s of silence.
    fn chirp() -> Vec<f32> {
        let sample = |n: usize| {
            let t = n as f64 / RATE as f64;
            (0.5 * (2.0 * std::f64::consts::PI * (300.0 * t + 2000.0 * t * t)).sin()) as f32
        };
        (0..4800).map(sample).collect()
    }

    #[test]
    fn the_spectrogram_agrees_with_the_published_formula() {
        // Computed with numpy in double precision straight from the formula (frame, bin, value).
        let expected = [
            (0, 0, 1.06782),
            (0, 8, 1.262),
            (5, 12, 1.40656),
            (10, 20, 1.07114),
            (15, 30, 0.00541),
            (20, 33, 0.22491),
            (29, 41, 0.24707),
            (30, 42, 0.70485),
            (35, 79, -0.58907),
            (39, 5, -0.58907),
        ];
        let spectrogram = LogMel::new(80).spectrogram(&chirp(), 40);
        for (frame, bin, value) in expected {
            let found = spectrogram[frame * 80 + bin];
            assert!((found - value).abs() < 2e-3, "frame {frame} bin {bin}: {found}, not {value}");
        }
    }

    #[test]
    fn silence_has_one_level_everywhere() {
        let spectrogram = LogMel::new(80).spectrogram(&[], 12);
        assert!(spectrogram.iter().all(|&v| (v + 1.5).abs() < 1e-6));
    }

    #[test]
    fn a_tone_keeps_its_place_and_level_when_the_rate_is_doubled() {
        let tone = |n: f64, rate: f64| (2.0 * std::f64::consts::PI * 1000.0 * n / rate).sin();
        let input: Vec<i16> =
            (0..8000).map(|n| (16384.0 * tone(f64::from(n), 8000.0)) as i16).collect();
        let output = upsample(&input);
        assert_eq!(output.len(), 16000);
        for (n, value) in output.iter().enumerate().skip(1000).take(14000) {
            let expected = 0.5 * tone(n as f64, 16000.0);
            assert!((f64::from(*value) - expected).abs() < 1e-3, "{n}: {value}, not {expected}");
        }
    }

    #[test]
    fn doubling_the_rate_works_for_any_length() {
        for length in [0, 1, 159, 160, 1024, 4001] {
            assert_eq!(upsample(&vec![100; length]).len(), 2 * length);
        }
    }

    #[test]
    fn audio_is_mirrored_at_both_ends() {
        let at = |n| mirrored(n, 2, 5);
        assert_eq!((0..9).map(at).collect::<Vec<_>>(), [2, 1, 0, 1, 2, 3, 4, 3, 2]);
    }
}
