//! The local recogniser with its real model: words, their times, and no words where nobody speaks.
//!
//! The model is taken from the cache; the first test that needs it fetches it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{path::Path, sync::Arc, sync::LazyLock};

use phoneai::speech::{
    Engine, SpeechEvent, Transcript, Word,
    local::{LocalEngine, LocalSettings, transcribe},
    model::{TINY_EN, default_directory, fetch},
};
use phoneai_whisper::Whisper;

static MODEL: LazyLock<Arc<Whisper>> = LazyLock::new(|| {
    let directory = default_directory(TINY_EN.name).expect("HOME or XDG_CACHE_HOME is set");
    let files = fetch(&TINY_EN, &directory, &mut |_| ())
        .unwrap_or_else(|e| panic!("these tests need the speech model, which is not there: {e}"));
    Arc::new(Whisper::load(&files.directory).expect("the fetched model loads"))
});

fn recording(name: &str) -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/speech").join(name);
    let mut file = hound::WavReader::open(path).unwrap();
    file.samples().map(Result::unwrap).collect()
}

fn hear(samples: &[i16]) -> Vec<Transcript> {
    transcribe(&MODEL, &LocalSettings::default(), samples).unwrap()
}

fn words(transcripts: &[Transcript]) -> Vec<Word> {
    transcripts.iter().flat_map(|transcript| transcript.words.clone()).collect()
}

/// Small letters without punctuation; digits in words.
fn plain(text: &str) -> String {
    let letters: String =
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    match letters.as_str() {
        "1" => "one".to_owned(),
        "2" => "two".to_owned(),
        _ => letters,
    }
}

fn text(words: &[Word]) -> String {
    words.iter().map(|word| plain(&word.text)).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_spoken_menu_is_understood_with_times_in_order() {
    let samples = recording("menu.wav");
    let words = words(&hear(&samples));
    assert_eq!(text(&words), "thank you for calling for sales press one for support press two");
    assert!(words.windows(2).all(|pair| pair[0].start_ms <= pair[1].start_ms));
    assert!(words.iter().all(|word| word.start_ms <= word.end_ms));
    assert!(words.iter().all(|word| (0.0..=1.0).contains(&word.confidence)));
    let mean = words.iter().map(|word| word.confidence).sum::<f32>() / words.len() as f32;
    assert!(mean > 0.6, "{mean}");
}

#[test]
fn words_lie_where_the_recording_is_loud() {
    let samples = recording("account.wav");
    let words = words(&hear(&samples));
    assert_eq!(text(&words), "please enter your account number");
    // The level of the recording rises at 440 ms ("p", then the vowel at 540), falls before
    // "account" at 1600 and for good at 2540.
    assert_near(words[0].start_ms, 500);
    assert_near(words[3].start_ms, 1640);
    assert_near(words[4].end_ms, 2520);
}

#[test]
fn words_after_pauses_begin_after_them() {
    let words = words(&hear(&recording("menu.wav")));
    // "Thank", "For", "two": the level rises there after 50 ms and more of silence.
    assert_near(words[0].start_ms, 560);
    assert_near(words[4].start_ms, 1740);
    assert_near(words[11].start_ms, 4720);
    assert_near(words[11].end_ms, 5000);
}

/// Within 0.2 s.
fn assert_near(found: u32, truth: u32) {
    assert!(found.abs_diff(truth) <= 200, "{found} instead of {truth}");
}

#[test]
fn a_call_hears_what_a_file_says_and_on_its_own_clock() {
    let samples = recording("account.wav");
    let engine = LocalEngine::start(Arc::clone(&MODEL), LocalSettings::default()).unwrap();
    let mut call = engine.open("test").unwrap();
    for (index, frame) in samples.chunks(160).enumerate() {
        call.ear.push(60_000 + index as u32 * 20, frame);
    }
    call.ear.finish();
    let events: Vec<_> = std::iter::from_fn(|| call.events.blocking_recv()).collect();
    let finals: Vec<Transcript> = events
        .iter()
        .filter_map(|event| match event {
            SpeechEvent::Final(transcript) => Some(transcript.clone()),
            _ => None,
        })
        .collect();
    let words = words(&finals);
    assert_eq!(text(&words), "please enter your account number");
    assert_near(words[0].start_ms, 60_500);
    let end = 60_000 + samples.len() as u32 / 8;
    assert_eq!(events.last(), Some(&SpeechEvent::HeardUntil(end)));
}

/// `seconds` of audio from a function of time in seconds, full scale ±1.
fn audio(seconds: u32, mut value: impl FnMut(f32) -> f32) -> Vec<i16> {
    (0..seconds * 8000).map(|n| (value(n as f32 / 8000.0) * 32_767.0) as i16).collect()
}

fn sine(hertz: f32, t: f32) -> f32 {
    (2.0 * std::f32::consts::PI * hertz * t).sin()
}

/// Noise that is the same in each run.
fn noise() -> impl FnMut() -> f32 {
    let mut state = 7u32;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as f32 / 32_768.0 - 1.0
    }
}

fn assert_no_words(samples: &[i16]) {
    let heard: Vec<String> = hear(samples).iter().map(Transcript::text).collect();
    assert!(heard.is_empty(), "invented: {heard:?}");
}

#[test]
fn silence_has_no_words() {
    assert_no_words(&audio(30, |_| 0.0));
}

#[test]
fn line_noise_has_no_words() {
    let mut noise = noise();
    assert_no_words(&audio(30, |_| 0.01 * noise()));
    assert_no_words(&audio(15, |_| 0.1 * noise()));
}

#[test]
fn bursts_of_noise_have_no_words() {
    let mut noise = noise();
    assert_no_words(&audio(20, |t| if t % 2.5 < 1.2 { 0.3 * noise() } else { 0.0 }));
}

#[test]
fn ringback_and_busy_have_no_words() {
    let ringback = |t: f32| {
        if t % 6.0 < 2.0 { 0.2 * (sine(440.0, t) + sine(480.0, t)) } else { 0.0 }
    };
    assert_no_words(&audio(18, ringback));
    let busy = |t: f32| if t % 1.0 < 0.5 { 0.2 * (sine(480.0, t) + sine(620.0, t)) } else { 0.0 };
    assert_no_words(&audio(15, busy));
}

/// What ten minutes of each show is printed by `cargo run --release --example recognise --
/// --invented`; this is a quarter of a minute of each.
#[test]
fn a_call_in_which_nobody_speaks_has_no_words() {
    let ring = |on: f32, period: f32, low: f32, high: f32| {
        audio(15, move |t| if t % period < on { 0.1 * (sine(low, t) + sine(high, t)) } else { 0.0 })
    };
    let mut noise = noise();
    let scenes = [
        audio(15, |_| 0.0),
        audio(15, |_| 0.03 * noise()),
        ring(2.0, 6.0, 440.0, 480.0),
        ring(0.4, 0.6, 400.0, 450.0),
        ring(1.0, 5.0, 425.0, 425.0),
        audio(15, chords),
    ];
    let engine = LocalEngine::start(Arc::clone(&MODEL), LocalSettings::default()).unwrap();
    for (number, scene) in scenes.iter().enumerate() {
        let mut call = engine.open("test").unwrap();
        for (index, frame) in scene.chunks(160).enumerate() {
            call.ear.push(index as u32 * 20, frame);
        }
        call.ear.finish();
        while let Some(event) = call.events.blocking_recv() {
            assert!(matches!(event, SpeechEvent::HeardUntil(_)), "scene {number}: {event:?}");
        }
    }
}

/// A chord each 0.8 s.
fn chords(t: f32) -> f32 {
    const CHORDS: [[f32; 3]; 4] = [
        [262.0, 330.0, 392.0],
        [220.0, 262.0, 330.0],
        [349.0, 440.0, 523.0],
        [196.0, 247.0, 294.0],
    ];
    let chord = CHORDS[(t / 0.8) as usize % CHORDS.len()];
    let fade = (-2.0 * (t % 0.8)).exp();
    let overtones = |f: &f32| sine(*f, t) + 0.5 * sine(2.0 * f, t) + 0.25 * sine(3.0 * f, t);
    0.12 * fade * chord.iter().map(overtones).sum::<f32>()
}

#[test]
fn music_has_no_words() {
    assert_no_words(&audio(24, chords));
}
