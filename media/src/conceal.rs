//! Packet loss concealment for audio without a codec of its own for it, in the manner of G.711
//! Appendix I: the last pitch period is repeated, from 10 ms on it fades, after 60 ms it is silent,
//! and what arrives again is blended in.
//!
//! Other than there, nothing is delayed: the step where the repetition begins is smoothed by an
//! offset that fades, in place of an overlap that needs 3.75 ms of audio ahead. The same search for
//! the pitch serves to play a little faster or slower, so that the playout's delay can change
//! without a click ([`shorten`], [`lengthen`]).

use crate::FRAME_SAMPLES;

/// Shortest and longest pitch period in samples: 200 Hz to 66 Hz, as in Appendix I §I.2.2. A higher
/// voice is repeated by several of its periods.
pub const MIN_PERIOD: usize = 40;
/// See [`MIN_PERIOD`].
pub const MAX_PERIOD: usize = 120;

/// Samples over which two stretches are compared: 20 ms, as in Appendix I.
const COMPARED: usize = 160;

/// Samples kept for the search: what is compared, and as much again before it.
const HISTORY: usize = COMPARED + MAX_PERIOD + MAX_PERIOD / 4;

/// Samples at full loudness before the fade begins.
const FULL: usize = 80;

/// Samples after which the repetition is silent: 20 % less each 10 ms.
const FADED: usize = 480;

/// Fills the holes of one stream. Owned by its jitter buffer.
#[derive(Debug)]
pub struct Concealer {
    history: [i16; HISTORY],
    /// The period that is repeated, in its first `period` samples.
    template: [i16; MAX_PERIOD],
    period: usize,
    /// Samples made since the last that was real; 0 while audio arrives.
    made: usize,
    /// What the first sample that was made must be raised by to follow the last real one.
    step: f32,
}

impl Default for Concealer {
    fn default() -> Self {
        Self {
            history: [0; HISTORY],
            template: [0; MAX_PERIOD],
            period: MIN_PERIOD,
            made: 0,
            step: 0.0,
        }
    }
}

impl Concealer {
    /// Takes audio that arrived. After a hole its beginning is blended with what was being made, so
    /// that no step is heard.
    pub fn received(&mut self, samples: &mut [i16]) {
        if self.made > 0 {
            // Appendix I §I.2.7: a quarter of the period, and 4 ms more for each 10 ms of hole,
            // not above 10 ms.
            let overlap = (self.period / 4 + self.made / 80 * 32).min(80).min(samples.len());
            for (i, sample) in samples.iter_mut().take(overlap).enumerate() {
                let weight = (i + 1) as f32 / (overlap + 1) as f32;
                let made = self.next_sample();
                *sample = (f32::from(*sample) * weight + made * (1.0 - weight)) as i16;
            }
            self.made = 0;
        }
        self.remember(samples);
    }

    /// Takes audio that was made on purpose (comfort noise, silence): no hole, nothing to blend.
    pub fn filled(&mut self, samples: &[i16]) {
        self.made = 0;
        self.remember(samples);
    }

    /// Makes audio for a hole.
    pub fn conceal(&mut self, samples: &mut [i16]) {
        if self.made == 0 {
            self.find_template();
        }
        for sample in samples.iter_mut() {
            *sample = self.next_sample() as i16;
        }
        self.remember(samples);
    }

    fn find_template(&mut self) {
        self.period = period_before_end(&self.history);
        let period = self.period;
        let start = HISTORY - period;
        let overlap = period / 4;
        for (i, sample) in self.template.iter_mut().take(period).enumerate() {
            let last = f32::from(self.history[start + i]);
            // The end of the template leads back to its beginning: it fades into what came before
            // the beginning, one period earlier.
            let into_end = (i + overlap + 1).saturating_sub(period);
            let weight = into_end as f32 / (overlap + 1) as f32;
            let before = f32::from(self.history[start + i - period]);
            *sample = (last * (1.0 - weight) + before * weight) as i16;
        }
        let follows = f32::from(self.history[HISTORY - 1]);
        let would_follow = f32::from(self.history[start - 1]);
        self.step = follows - would_follow;
    }

    fn next_sample(&mut self) -> f32 {
        if self.made >= FADED {
            self.made += 1;
            return 0.0;
        }
        let value = f32::from(self.template[self.made % self.period]);
        let smoothed = value + self.step * (1.0 - self.made as f32 / SMOOTHED as f32).max(0.0);
        let faded = self.made.saturating_sub(FULL) as f32 / (FADED - FULL) as f32;
        self.made += 1;
        (smoothed * (1.0 - faded)).clamp(f32::from(i16::MIN), f32::from(i16::MAX))
    }

    fn remember(&mut self, samples: &[i16]) {
        let samples = &samples[samples.len().saturating_sub(HISTORY)..];
        let kept = HISTORY - samples.len();
        self.history.copy_within(samples.len().., 0);
        self.history[kept..].copy_from_slice(samples);
    }
}

/// Samples over which the first step is smoothed: 2 ms.
const SMOOTHED: usize = 16;

/// The period at the end of `samples`, which must hold [`COMPARED`] + [`MAX_PERIOD`] samples.
fn period_before_end(samples: &[i16]) -> usize {
    let end = samples.len();
    let recent = &samples[end - COMPARED..];
    let mut best = (MIN_PERIOD, f32::MIN);
    for period in MIN_PERIOD..=MAX_PERIOD {
        let earlier = &samples[end - COMPARED - period..end - period];
        let likeness = likeness(recent, earlier);
        if likeness > best.1 {
            best = (period, likeness);
        }
    }
    best.0
}

/// Normalised correlation of two stretches of equal length, −1 to 1; 0 for silence.
fn likeness(a: &[i16], b: &[i16]) -> f32 {
    let (mut product, mut energy_a, mut energy_b) = (0i64, 0i64, 0i64);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (i32::from(x), i32::from(y));
        product += i64::from(x * y);
        energy_a += i64::from(x * x);
        energy_b += i64::from(y * y);
    }
    let energy = (energy_a as f32) * (energy_b as f32);
    if energy == 0.0 { 0.0 } else { product as f32 / energy.sqrt() }
}

/// Samples that [`shorten`] takes: a frame and the longest period.
pub const SHORTEN_INPUT: usize = FRAME_SAMPLES + MAX_PERIOD;

/// Samples over which two periods are blended when playing faster or slower: 5 ms.
const BLENDED: usize = 40;

/// Makes one frame of more than a frame by leaving out one pitch period, and says how many samples
/// of the input were used up.
pub fn shorten(input: &[i16; SHORTEN_INPUT], output: &mut [i16; FRAME_SAMPLES]) -> usize {
    let period = best_period(input);
    for (i, sample) in output.iter_mut().enumerate() {
        *sample = blend(input[i], input[i + period], i);
    }
    FRAME_SAMPLES + period
}

/// Makes one frame of less than a frame by saying one pitch period twice, and says how many samples
/// of the input were used up.
pub fn lengthen(input: &[i16; FRAME_SAMPLES], output: &mut [i16; FRAME_SAMPLES]) -> usize {
    let period = best_period(input);
    for (i, sample) in output.iter_mut().enumerate() {
        *sample = match i.checked_sub(period) {
            None => input[i],
            Some(since) => blend(input[i], input[since], since),
        };
    }
    FRAME_SAMPLES - period
}

/// From `a` at 0 to `b` at [`BLENDED`] and after.
fn blend(a: i16, b: i16, at: usize) -> i16 {
    let weight = at.min(BLENDED) as i32;
    let all = BLENDED as i32;
    ((i32::from(a) * (all - weight) + i32::from(b) * weight) / all) as i16
}

/// The distance at which the beginning of `input` is most like itself.
fn best_period(input: &[i16]) -> usize {
    let mut best = (MIN_PERIOD, f32::MIN);
    for period in MIN_PERIOD..=MAX_PERIOD {
        let (Some(a), Some(b)) = (input.get(..BLENDED), input.get(period..period + BLENDED)) else {
            break;
        };
        let likeness = likeness(a, b);
        if likeness > best.1 {
            best = (period, likeness);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, from: usize, count: usize) -> Vec<i16> {
        (from..from + count)
            .map(|i| ((i as f32 * hz * std::f32::consts::TAU / 8000.0).sin() * 8000.0) as i16)
            .collect()
    }

    fn largest_step(samples: &[i16]) -> i32 {
        samples.windows(2).map(|p| (i32::from(p[0]) - i32::from(p[1])).abs()).max().unwrap()
    }

    #[test]
    fn a_lost_frame_of_a_steady_voice_is_hardly_heard() {
        let mut concealer = Concealer::default();
        let mut heard = tone(150.0, 0, 800);
        concealer.received(&mut heard);
        let mut hole = [0; 160];
        concealer.conceal(&mut hole);
        let truth = tone(150.0, 800, 160);
        let error: f64 =
            hole.iter().zip(&truth).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
        let power: f64 = truth.iter().map(|b| f64::from(*b).powi(2)).sum::<f64>().sqrt();
        assert!(error < 0.25 * power, "error {error:.0} of {power:.0}");
        let mut after = tone(150.0, 960, 160);
        concealer.received(&mut after);
        let all = [heard, hole.to_vec(), after].concat();
        let without_loss = largest_step(&tone(150.0, 0, 1120));
        assert!(largest_step(&all) < without_loss * 2, "a click is heard");
    }

    #[test]
    fn a_long_hole_fades_to_silence_within_60_ms() {
        let mut concealer = Concealer::default();
        concealer.received(&mut tone(200.0, 0, 800));
        let mut hole = [0; 800];
        concealer.conceal(&mut hole);
        let peak = |part: &[i16]| part.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak(&hole[..80]) > 7000);
        assert!(peak(&hole[320..480]) < 4500);
        assert_eq!(peak(&hole[480..]), 0);
    }

    #[test]
    fn a_hole_before_any_audio_is_silent() {
        let mut hole = [1; 160];
        Concealer::default().conceal(&mut hole);
        assert_eq!(hole, [0; 160]);
    }

    #[test]
    fn full_scale_audio_does_not_overflow() {
        let mut concealer = Concealer::default();
        let mut loud: Vec<i16> =
            (0..800).map(|i| if i / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        concealer.received(&mut loud);
        let mut hole = [0; 480];
        concealer.conceal(&mut hole);
        concealer.received(&mut loud);
        let mut output = [0; 160];
        let input: [i16; SHORTEN_INPUT] = std::array::from_fn(|i| loud[i]);
        shorten(&input, &mut output);
    }

    #[test]
    fn playing_faster_or_slower_uses_whole_periods_and_makes_no_click() {
        let voice = tone(100.0, 0, 600);
        let mut output = [0; 160];
        let input: [i16; SHORTEN_INPUT] = std::array::from_fn(|i| voice[i]);
        let used = shorten(&input, &mut output);
        assert_eq!(used, 160 + 80);
        assert!(largest_step(&[&output[..], &voice[used..]].concat()) < 1000);
        let input: [i16; 160] = std::array::from_fn(|i| voice[i]);
        let used = lengthen(&input, &mut output);
        assert_eq!(used, 160 - 80);
        assert!(largest_step(&[&output[..], &voice[used..]].concat()) < 1000);
    }
}
