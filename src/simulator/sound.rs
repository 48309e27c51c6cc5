//! Sounds of a telephone network that need no recording, at 8 kHz.

use std::{
    f32::consts::TAU,
    sync::{Arc, LazyLock},
};

use super::menu::SAMPLE_RATE;

/// Level of a single tone in the ringback, as in a North American network: -19 dBm0, and 0 dBm0 is
/// a sine 3.14 dB below full scale (ITU-T G.711, Table 2b).
const RINGBACK_PEAK: f32 = 2_560.0;
const BEEP_PEAK: f32 = 6_000.0;
const MUSIC_PEAK: f32 = 1_400.0;
/// Rise and fall of a tone, against clicks.
const RAMP_MS: usize = 5;

/// One period of North American ringback, to be repeated: 440 and 480 Hz for 2 s, then 4 s silence.
pub fn ringback() -> Arc<[i16]> {
    static SOUND: LazyLock<Arc<[i16]>> = LazyLock::new(make_ringback);
    SOUND.clone()
}

/// The beep of an answering machine: 1,000 Hz for 0.4 s, after half a second.
pub fn beep() -> Arc<[i16]> {
    static SOUND: LazyLock<Arc<[i16]>> = LazyLock::new(make_beep);
    SOUND.clone()
}

/// The special information tone for a vacant number (ITU-T E.180, ATIS-0300005 "vacant code"):
/// 985.2, 1370.6 and 1776.7 Hz for 380, 274 and 380 ms, and 200 ms of silence.
pub fn sit() -> Arc<[i16]> {
    static SOUND: LazyLock<Arc<[i16]>> = LazyLock::new(make_sit);
    SOUND.clone()
}

/// Some seconds of music, to be repeated: plucked chords in a slow measure.
pub fn hold_music() -> Arc<[i16]> {
    static SOUND: LazyLock<Arc<[i16]>> = LazyLock::new(make_hold_music);
    SOUND.clone()
}

fn make_ringback() -> Arc<[i16]> {
    let tone = tone(2_000, |t| RINGBACK_PEAK * (sine(440.0, t) + sine(480.0, t)));
    tone.into_iter().chain(silence(4_000)).collect()
}

fn make_beep() -> Arc<[i16]> {
    silence(500).chain(tone(400, |t| BEEP_PEAK * sine(1_000.0, t))).collect()
}

fn make_sit() -> Arc<[i16]> {
    let tones = [(985.2, 380), (1_370.6, 274), (1_776.7, 380)];
    let tones = tones.into_iter().flat_map(|(hz, ms)| tone(ms, move |t| BEEP_PEAK * sine(hz, t)));
    tones.chain(silence(200)).collect()
}

fn make_hold_music() -> Arc<[i16]> {
    const NOTE_MS: usize = 400;
    /// C, A minor, F, G; each note in Hz.
    const CHORDS: [[f32; 4]; 4] = [
        [261.6, 329.6, 392.0, 523.3],
        [220.0, 261.6, 329.6, 440.0],
        [349.2, 440.0, 523.3, 698.5],
        [392.0, 493.9, 587.3, 784.0],
    ];
    let notes = CHORDS.iter().flat_map(|chord| {
        let [bass, ..] = *chord;
        chord.iter().map(move |note| (bass, *note))
    });
    notes
        .flat_map(|(bass, note)| {
            tone(NOTE_MS, move |t| {
                let plucked = sine(note, t) + 0.4 * sine(2.0 * note, t) + 0.2 * sine(3.0 * note, t);
                MUSIC_PEAK * (plucked * (-3.0 * t).exp() + 0.6 * sine(bass, t))
            })
        })
        .collect()
}

fn sine(hz: f32, t: f32) -> f32 {
    (TAU * hz * t).sin()
}

fn silence(ms: usize) -> impl Iterator<Item = i16> {
    std::iter::repeat_n(0, samples(ms))
}

fn samples(ms: usize) -> usize {
    ms * SAMPLE_RATE as usize / 1_000
}

/// So many milliseconds of a wave that is given over seconds, with soft ends.
fn tone(ms: usize, wave: impl Fn(f32) -> f32) -> Vec<i16> {
    let (count, ramp) = (samples(ms), samples(RAMP_MS));
    let sample = |i: usize| {
        let to_edge = i.min(count - i).min(ramp) as f32 / ramp as f32;
        (wave(i as f32 / SAMPLE_RATE as f32) * to_edge) as i16
    };
    (0..count).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_have_their_nominal_lengths_and_do_not_clip() {
        for (sound, ms) in
            [(ringback(), 6_000), (beep(), 900), (sit(), 1_234), (hold_music(), 6_400)]
        {
            assert_eq!(sound.len(), samples(ms));
            let peak = sound.iter().map(|s| s.unsigned_abs()).max().unwrap();
            assert!((1_000..16_000).contains(&peak), "peak {peak}");
        }
    }

    #[test]
    fn ringback_is_quiet_for_four_of_its_six_seconds() {
        let quiet = ringback().iter().rev().take_while(|s| **s == 0).count();
        assert!((samples(4_000)..samples(4_000) + 10).contains(&quiet));
    }
}
