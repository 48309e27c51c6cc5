use std::f32::consts::TAU;

use super::*;
use crate::{SAMPLE_RATE, noise::NoiseSource, wav};

const SECOND: usize = SAMPLE_RATE as usize;

fn amplitude(dbov: f32) -> f32 {
    32768.0 * 10f32.powf(dbov / 20.0)
}

fn noise(dbov: f32, seconds: f32) -> Vec<i16> {
    let mut samples = vec![0; (seconds * SECOND as f32) as usize];
    NoiseSource::default().fill(dbov, &mut samples);
    samples
}

fn add(to: &mut [i16], at: usize, what: &[i16]) {
    for (sample, &more) in to[at..].iter_mut().zip(what) {
        *sample = sample.saturating_add(more);
    }
}

/// A voice: pulses of 110 Hz through two resonances of a vowel, in syllables of four a second.
fn voice(dbov: f32, seconds: f32) -> Vec<i16> {
    let count = (seconds * SECOND as f32) as usize;
    let (mut out, mut state) = (Vec::with_capacity(count), [[0f32; 2]; 2]);
    for i in 0..count {
        let pulse = if i % 73 == 0 { 1.0 } else { 0.0 };
        let mut sum = 0.0;
        for (s, (hz, width)) in state.iter_mut().zip([(650.0, 90.0), (1150.0, 120.0)]) {
            let radius = (-std::f32::consts::PI * width / SECOND as f32).exp();
            let y = pulse + 2.0 * radius * (TAU * hz / SECOND as f32).cos() * s[0]
                - radius * radius * s[1];
            *s = [y, s[0]];
            sum += y;
        }
        let syllable = 0.65 + 0.35 * (TAU * 4.0 * i as f32 / SECOND as f32).cos();
        out.push(sum * syllable);
    }
    let rms = (out.iter().map(|x| x * x).sum::<f32>() / count as f32).sqrt();
    out.iter().map(|x| (x / rms * amplitude(dbov)) as i16).collect()
}

fn chords(dbov: f32, seconds: f32) -> Vec<i16> {
    let count = (seconds * SECOND as f32) as usize;
    let value = |i: usize| -> f32 {
        let t = i as f32 / SECOND as f32;
        let roots: [f32; 4] = [220.0, 174.6, 196.0, 164.8];
        let root = roots[(t / 1.5) as usize % 4];
        [1.0, 1.26, 1.5].iter().map(|third| (TAU * root * third * t).sin()).sum::<f32>()
    };
    let rms = 1.5f32.sqrt();
    (0..count).map(|i| (value(i) / rms * amplitude(dbov)) as i16).collect()
}

fn changes(samples: &[i16]) -> Vec<SpeechChange> {
    let mut detector = SilenceDetector::default();
    run(&mut detector, samples)
}

fn run(detector: &mut SilenceDetector, samples: &[i16]) -> Vec<SpeechChange> {
    let (frames, _) = samples.as_chunks::<FRAME_SAMPLES>();
    let times = (0..).step_by(FRAME_MS as usize);
    times.zip(frames).filter_map(|(at_ms, frame)| detector.push(at_ms, frame)).collect()
}

/// Sound at stated places, each within two frames of the truth.
fn assert_sound(samples: &[i16], truth: &[(u32, u32)], what: &str) {
    let mut expected = Vec::new();
    for &(from, to) in truth {
        expected.extend([(true, from), (false, to)]);
    }
    let found: Vec<(bool, u32)> = changes(samples)
        .iter()
        .map(|change| match *change {
            SpeechChange::Started { at_ms } => (true, at_ms),
            SpeechChange::Ended { at_ms } => (false, at_ms),
        })
        .collect();
    let near = expected.len() == found.len()
        && expected
            .iter()
            .zip(&found)
            .all(|(e, f)| e.0 == f.0 && e.1.abs_diff(f.1) <= 2 * FRAME_MS);
    assert!(near, "{what}: expected {expected:?}, found {found:?}");
}

#[test]
fn m8_digital_silence_is_silence() {
    let mut detector = SilenceDetector::default();
    assert_eq!(run(&mut detector, &vec![0; 5 * SECOND]), []);
    assert_eq!(detector.level_dbov(), DIGITAL_SILENCE_DBOV);
    assert_eq!(detector.floor_dbov().round(), LOWEST_FLOOR_DBOV);
}

#[test]
fn m8_line_noise_is_silence_from_the_first_frame() {
    for level in [-75.0, -65.0, -60.0, -55.0, -50.0, -48.0, -46.0] {
        assert_eq!(changes(&noise(level, 10.0)), [], "noise of {level} dBov");
    }
}

#[test]
fn loud_line_noise_is_taken_for_silence_after_a_quarter_of_a_second() {
    for level in [-44.0, -42.0] {
        let changes = changes(&noise(level, 20.0));
        assert!(changes.len() <= 2, "{level} dBov: {changes:?}");
        if let [_, SpeechChange::Ended { at_ms }] = changes[..] {
            assert!(at_ms < 300, "{level} dBov: {changes:?}");
        }
    }
}

#[test]
fn m8_an_offset_is_no_sound() {
    let mut shifted = noise(-62.0, 10.0);
    shifted.iter_mut().for_each(|s| *s += 900);
    assert_eq!(changes(&shifted), []);
    let mut with_voice = noise(-62.0, 6.0);
    add(&mut with_voice, 2 * SECOND, &voice(-26.0, 2.0));
    with_voice.iter_mut().for_each(|s| *s -= 1500);
    assert_sound(&with_voice, &[(2000, 4000)], "voice with an offset");
}

#[test]
fn m8_music_is_sound_from_its_beginning_to_its_end() {
    for level in [-20.0, -30.0, -36.0] {
        let mut samples = noise(-65.0, 70.0);
        add(&mut samples, 3 * SECOND, &chords(level, 60.0));
        assert_sound(&samples, &[(3000, 63_000)], &format!("music of {level} dBov"));
    }
}

#[test]
fn m8_a_tone_is_sound() {
    let mut samples = noise(-60.0, 6.0);
    let tone: Vec<i16> =
        (0..3 * SECOND).map(|i| (amplitude(-25.0) * (0.35 * i as f32).sin()) as i16).collect();
    add(&mut samples, SECOND, &tone);
    assert_sound(&samples, &[(1000, 4000)], "tone");
}

#[test]
fn m8_clicks_are_no_sound_and_do_not_lengthen_sound() {
    let mut samples = noise(-60.0, 20.0);
    for (n, at) in (SECOND / 3..20 * SECOND - 40).step_by(SECOND * 2 / 3).enumerate() {
        for sample in samples.iter_mut().skip(at).take(4 + n) {
            *sample = if n % 2 == 0 { 20_000 } else { -20_000 };
        }
    }
    assert_eq!(changes(&samples), []);
    let mut samples = noise(-60.0, 5.0);
    add(&mut samples, SECOND, &voice(-26.0, 1.0));
    samples[2 * SECOND + 2000] = 30_000;
    assert_sound(&samples, &[(1000, 2000)], "click after a voice");
}

#[test]
fn m8_comfort_noise_that_sets_in_after_speech_is_silence() {
    for level in [-70.0, -60.0, -50.0, -46.0, -43.0] {
        let mut samples = vec![0; 10 * SECOND];
        add(&mut samples, SECOND, &voice(-24.0, 2.0));
        add(&mut samples, 3 * SECOND, &noise(level, 7.0));
        assert_sound(&samples, &[(1000, 3000)], &format!("comfort noise of {level} dBov"));
    }
}

#[test]
fn speech_is_found_within_two_frames_of_the_truth_at_every_level() {
    for (speech, background) in
        [(-16.0, -65.0), (-26.0, -65.0), (-26.0, -48.0), (-36.0, -65.0), (-34.0, -55.0)]
    {
        let mut samples = noise(background, 14.0);
        for (at, length) in [(2.5, 1.5), (4.6, 0.4), (6.0, 4.0), (11.0, 1.0)] {
            add(&mut samples, (at * SECOND as f32) as usize, &voice(speech, length));
        }
        let truth = [(2500, 4000), (4600, 5000), (6000, 10_000), (11_000, 12_000)];
        assert_sound(&samples, &truth, &format!("voice of {speech} in {background} dBov"));
    }
}

#[test]
fn a_pause_shorter_than_the_hangover_ends_nothing() {
    let mut samples = noise(-60.0, 5.0);
    add(&mut samples, SECOND, &voice(-26.0, 1.0));
    add(&mut samples, 2 * SECOND + 2000, &voice(-26.0, 1.0));
    assert_sound(&samples, &[(1000, 3250)], "pause of 250 ms");
    assert_eq!(run(&mut SilenceDetector::new(100), &samples).len(), 4);
}

#[test]
fn levels_are_in_dbov() {
    let mut detector = SilenceDetector::default();
    let square: Samples = std::array::from_fn(|i| if i % 2 == 0 { 32_767 } else { -32_767 });
    detector.push(0, &square);
    assert!(detector.level_dbov().abs() < 0.01);
    let sine: Samples =
        std::array::from_fn(|i| (32_767.0 * (TAU * i as f32 / 16.0).sin()).round() as i16);
    detector.push(20, &sine);
    assert!((detector.level_dbov() + 3.01).abs() < 0.05, "{}", detector.level_dbov());
}

/// Sound by a rule that knows the whole recording beforehand: frames 6 dB above its noise, pauses
/// shorter than the hangover filled.
fn sound_in_hindsight(samples: &[i16]) -> Vec<bool> {
    let (frames, _) = samples.as_chunks::<FRAME_SAMPLES>();
    let levels: Vec<f32> = frames.iter().map(|frame| levels(frame).0).collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f32::total_cmp);
    let noise = sorted[sorted.len() / 20];
    let mut sound: Vec<bool> = levels.iter().map(|level| *level > noise + 6.0).collect();
    let mut last = None;
    for i in 0..sound.len() {
        if sound[i] {
            if let Some(last) = last
                && i - last <= (DEFAULT_HANGOVER_MS / FRAME_MS) as usize
            {
                sound[last..i].fill(true);
            }
            last = Some(i);
        }
    }
    sound
}

/// Walks recordings when `PHONEAI_IVR_DIR` names a folder of them, and compares frame by frame with
/// what is known in hindsight.
#[test]
fn recorded_prompts_are_judged_as_in_hindsight() {
    let Some(folder) = std::env::var_os("PHONEAI_IVR_DIR") else {
        eprintln!("PHONEAI_IVR_DIR is not set: no recordings are compared");
        return;
    };
    let (mut same_in_all, mut frames_in_all) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "wav") {
            continue;
        }
        let samples = wav::read(&path).unwrap().mono();
        let truth = sound_in_hindsight(&samples);
        let mut found = vec![false; truth.len()];
        let mut since = None;
        let frame_of = |at_ms: u32| ((at_ms / FRAME_MS) as usize).min(truth.len());
        let changes = changes(&samples);
        for change in &changes {
            match *change {
                SpeechChange::Started { at_ms } => since = Some(frame_of(at_ms)),
                SpeechChange::Ended { at_ms } => {
                    found[since.take().unwrap()..frame_of(at_ms)].fill(true);
                }
            }
        }
        if let Some(since) = since {
            found[since..].fill(true);
        }
        let same = truth.iter().zip(&found).filter(|(t, f)| t == f).count();
        eprintln!(
            "{}: {:.3} of {} frames agree",
            path.display(),
            same as f32 / truth.len() as f32,
            truth.len()
        );
        assert!(same * 100 >= truth.len() * 85, "{}: {same} of {}", path.display(), truth.len());
        same_in_all += same;
        frames_in_all += truth.len();
    }
    eprintln!("all: {:.4} agree", same_in_all as f32 / frames_in_all as f32);
    assert!(same_in_all * 100 >= frames_in_all * 96, "{same_in_all} of {frames_in_all}");
}
