//! Measures the detectors: what they tell of speech, and whether they tell each sound for what it
//! is.
//!
//! `cargo run --release -p phoneai-media --example detectors` prints
//!
//! - a table of false alarms: all detectors over the recordings of `sample_audio` and over an hour of
//!   generated speech (flite, espeak-ng; `--minutes N` for less), keys among them (talk-off);
//! - a table of confusion: each tone of each plan, made by us and by sox, at several levels and with
//!   noise;
//! - the limits of Q.24 for keys;
//! - the processor time of all detectors together for a frame of 20 ms.
//!
//! The exit code is 1 if speech was taken for a key or a tone of the network, or a tone for another.

#[path = "../../examples/support/machine.rs"]
mod machine;
#[path = "../../examples/support/sounds.rs"]
mod sounds;
#[path = "../../examples/support/voices.rs"]
mod voices;

use std::{collections::BTreeMap, error::Error, path::Path, process::Command, process::ExitCode};

use phoneai_media::{
    FRAME_SAMPLES, SILENCE, Samples,
    detect::{Detectors, Sound, SoundEvent, silence::SilenceDetector},
    wav,
};

use sounds::{cadence, mixed, noise, sines};

fn main() -> ExitCode {
    match measure() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(wrong) => {
            println!("{wrong} wrong");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<usize, Box<dyn Error>> {
    let mut minutes = 60.0;
    let mut verbose = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--minutes" => minutes = arguments.next().ok_or("--minutes needs a value")?.parse()?,
            "--verbose" => verbose = true,
            other => return Err(format!("there is no option {other}").into()),
        }
    }
    println!("machine          {}", machine::machine());
    println!("load             {}", machine::load());
    let directory = tempfile::tempdir()?;
    let mut wrong = false_alarms(minutes, directory.path(), verbose)?;
    wrong += confusion(directory.path(), verbose)?;
    wrong += keys();
    frame_time();
    println!("load             {}", machine::load());
    Ok(wrong)
}

/// What all detectors tell of a sound that silence follows.
fn heard(samples: &[i16]) -> Vec<SoundEvent> {
    let (mut detectors, mut events) = (Detectors::default(), Vec::new());
    let frames = samples.len().div_ceil(FRAME_SAMPLES);
    for number in 0..frames + 10 {
        detectors.push(number as u32 * 20, &frame(samples, number));
        events.extend(std::iter::from_fn(|| detectors.poll_event()));
    }
    events
}

fn frame(samples: &[i16], number: usize) -> Samples {
    let mut frame = SILENCE;
    let part = samples.iter().skip(number * FRAME_SAMPLES);
    frame.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
    frame
}

/// Each sound once, by its beginning: what lasts is told twice.
fn once(events: Vec<SoundEvent>) -> Vec<SoundEvent> {
    let mut found: Vec<SoundEvent> = Vec::new();
    for event in events {
        let known =
            |e: &SoundEvent| e.from_ms == event.from_ms && e.sound.name() == event.sound.name();
        if !found.iter().any(known) {
            found.push(event);
        }
    }
    found
}

/// Alarms in speech by the name of the sound. Comfort noise is none: pauses have it.
#[derive(Default)]
struct Alarms {
    ms: usize,
    recordings: usize,
    sounds: BTreeMap<&'static str, usize>,
}

impl Alarms {
    fn add(&mut self, samples: &[i16]) -> Vec<SoundEvent> {
        self.ms += samples.len() / 8;
        self.recordings += 1;
        let alarms: Vec<SoundEvent> = once(heard(samples))
            .into_iter()
            .filter(|event| event.sound != Sound::ComfortNoise)
            .collect();
        for event in &alarms {
            *self.sounds.entry(event.sound.name()).or_default() += 1;
        }
        alarms
    }

    fn print(&self, name: &str) -> usize {
        let minutes = self.ms as f64 / 60_000.0;
        let all: usize = self.sounds.values().sum();
        println!("{name:16} {minutes:6.1} {:10} {all:7}  {:?}", self.recordings, self.sounds);
        all
    }
}

fn false_alarms(minutes: f64, directory: &Path, verbose: bool) -> Result<usize, Box<dyn Error>> {
    println!("\nfalse alarms     minutes recordings  alarms");
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut samples = Alarms::default();
    for folder in std::fs::read_dir(root.join("sample_audio"))?.flatten() {
        let Ok(files) = std::fs::read_dir(folder.path()) else { continue };
        for file in files.flatten().filter(|f| f.path().extension().is_some_and(|e| e == "wav")) {
            let alarms = samples.add(&wav::read(&file.path())?.mono());
            if verbose && !alarms.is_empty() {
                println!("{}: {alarms:?}", file.path().display());
            }
        }
    }
    let mut wrong = samples.print("sample_audio");
    if let Some(missing) = voices::missing() {
        println!("generated speech is left out: these programs are missing: {missing}");
        return Ok(wrong);
    }
    let texts = texts(root)?;
    let each = minutes * 60_000.0 / voices::VOICES.len() as f64;
    for (number, voice) in voices::VOICES.iter().enumerate() {
        let mut alarms = Alarms::default();
        // Each voice begins elsewhere, so that all texts are said by somebody.
        let first = number * texts.len() / voices::VOICES.len();
        let order = texts.iter().cycle().skip(first).take(texts.len());
        for text in order {
            if alarms.ms as f64 >= each {
                break;
            }
            let found = alarms.add(&voices::say(voice, text, directory)?);
            if verbose && !found.is_empty() {
                println!("{voice}: {text:?}: {found:?}");
            }
        }
        wrong += alarms.print(voice);
    }
    Ok(wrong)
}

/// What people wrote down of prompts: the tables for understanding them.
fn texts(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut texts = Vec::new();
    let folder = root.join("tests/data/prompts");
    let mut tables: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|e| e.path()).collect();
    tables.sort();
    for table in tables.iter().filter(|path| path.extension().is_some_and(|e| e == "tsv")) {
        for line in std::fs::read_to_string(table)?.lines().filter(|l| !l.starts_with("//")) {
            // Marks for pauses are not read out.
            let text = line.split('\t').next().unwrap_or_default().replace(['|', '[', ']'], " ");
            if text.is_ascii() && text.len() > 20 {
                texts.push(text);
            }
        }
    }
    Ok(texts)
}

/// A sound as it should be told, and its cadence: frequencies, on and off in milliseconds.
type Case = (&'static str, &'static [(&'static [f32], usize, usize)], usize);

const CASES: [Case; 17] = [
    ("ringback north_america", &[(&[440.0, 480.0], 2000, 4000)], 13_000),
    (
        "ringback united_kingdom",
        &[(&[400.0, 450.0], 400, 200), (&[400.0, 450.0], 400, 2000)],
        7_000,
    ),
    ("ringback europe", &[(&[425.0], 1000, 4000)], 11_000),
    ("busy north_america", &[(&[480.0, 620.0], 500, 500)], 4_000),
    ("busy united_kingdom", &[(&[400.0], 375, 375)], 4_000),
    ("busy europe", &[(&[425.0], 500, 500)], 4_000),
    ("reorder north_america", &[(&[480.0, 620.0], 250, 250)], 3_000),
    ("reorder united_kingdom", &[(&[400.0], 400, 350), (&[400.0], 225, 525)], 4_500),
    ("reorder europe", &[(&[425.0], 250, 250)], 3_000),
    ("dial_tone north_america", &[(&[350.0, 440.0], 3000, 1000)], 4_000),
    ("dial_tone europe", &[(&[425.0], 5000, 1000)], 6_000),
    (
        "special intercept",
        &[(&[913.8], 276, 0), (&[1370.6], 276, 0), (&[1776.7], 380, 2000)],
        2_900,
    ),
    (
        "special vacant_code",
        &[(&[985.2], 380, 0), (&[1370.6], 276, 0), (&[1776.7], 380, 2000)],
        3_000,
    ),
    (
        "special no_circuit",
        &[(&[985.2], 380, 0), (&[1428.5], 380, 0), (&[1776.7], 380, 2000)],
        3_100,
    ),
    ("fax_answer", &[(&[2100.0], 3000, 1000)], 4_000),
    ("fax_calling", &[(&[1100.0], 500, 3000)], 7_600),
    ("beep 1000 Hz", &[(&[1000.0], 500, 3000)], 3_500),
];

/// Levels of a tone, and of the noise with it, in dBov.
const LEVELS: [f32; 4] = [-10.0, -20.0, -30.0, -38.0];
const BELOW: [f32; 3] = [60.0, 25.0, 15.0];

fn confusion(directory: &Path, verbose: bool) -> Result<usize, Box<dyn Error>> {
    let sox = voices::missing().is_none_or(|missing| !missing.contains("sox"));
    if !sox {
        println!("\ntones of sox are left out: the program is missing");
    }
    println!("\nsound                        times  right  missed  also or instead");
    let mut wrong = 0;
    for (expected, parts, ms) in CASES {
        let (mut times, mut right, mut missed) = (0, 0, 0);
        let mut others: BTreeMap<String, usize> = BTreeMap::new();
        for by_sox in [false, true].into_iter().take(1 + usize::from(sox)) {
            for dbov in LEVELS {
                let tone = if by_sox {
                    synthesised_by_sox(parts, dbov, ms, directory)?
                } else {
                    cadence(parts, dbov, ms)
                };
                let tone = [vec![0; 4000], tone].concat();
                for below in BELOW {
                    let sound = mixed(&tone, &noise(dbov - below, 0.0, tone.len() / 8));
                    let mut told: Vec<String> = once(heard(&sound))
                        .iter()
                        .filter(|event| event.sound != Sound::ComfortNoise)
                        .map(|event| name(&event.sound))
                        .collect();
                    told.dedup();
                    times += 1;
                    right += usize::from(told == [expected]);
                    missed += usize::from(!told.iter().any(|told| told == expected));
                    if verbose && told != [expected] {
                        println!("{expected} at {dbov} dBov, noise {below} dB below: {told:?}");
                    }
                    for other in told.into_iter().filter(|told| told != expected) {
                        *others.entry(other).or_default() += 1;
                    }
                }
            }
        }
        println!("{expected:28} {times:5} {right:6} {missed:7}  {others:?}");
        wrong += times - right;
    }
    Ok(wrong)
}

/// A name with its detail; of a beep the frequency to ten hertz.
fn name(sound: &Sound) -> String {
    match sound {
        Sound::Beep { hz } => format!("beep {:.0} Hz", (hz / 10.0).round() * 10.0),
        _ => match sound.detail() {
            Some(detail) => format!("{} {detail}", sound.name()),
            None => sound.name().to_owned(),
        },
    }
}

/// A cadence as sox makes it.
fn synthesised_by_sox(
    parts: &[(&[f32], usize, usize)],
    dbov: f32,
    ms: usize,
    directory: &Path,
) -> Result<Vec<i16>, Box<dyn Error>> {
    let mut samples = Vec::new();
    while samples.len() < ms * 8 {
        for (frequencies, on, off) in parts {
            let mut sum = Vec::new();
            for hz in *frequencies {
                let file = directory.join("tone.wav");
                // A sine of sox has its peak at full scale, 3 dB above its power.
                let gain = format!("{:.2}", dbov + 3.01);
                let done = Command::new("sox")
                    .args(["-D", "-n", "-r", "8000", "-b", "16", "-c", "1"])
                    .arg(&file)
                    .args(["synth", &format!("{:.3}", *on as f32 / 1000.0)])
                    .args(["sine", &hz.to_string(), "gain", &gain])
                    .output()?;
                if !done.status.success() {
                    return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
                }
                sum = mixed(&sum, &wav::read(&file)?.mono());
            }
            samples.extend(sum);
            samples.resize(samples.len() + off * 8, 0);
        }
    }
    samples.truncate(ms * 8);
    Ok(samples)
}

const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// What Q.24 (North America) accepts and refuses, over all sixteen keys.
fn keys() -> usize {
    println!("\nkeys (Q.24)                              wanted  heard of 16");
    // Off by a part, row and column in dBov, length in ms, noise in dBov; whether it is a key.
    let cases = [
        ("as it should be", 0.0, -22.0, -22.0, 60, -90.0, true),
        ("40 ms", 0.0, -22.0, -22.0, 40, -90.0, true),
        ("23 ms", 0.0, -22.0, -22.0, 23, -90.0, false),
        ("1.5 % too high", 0.015, -22.0, -22.0, 60, -90.0, true),
        ("1.5 % too low", -0.015, -22.0, -22.0, 60, -90.0, true),
        ("3.5 % too high", 0.036, -22.0, -22.0, 60, -90.0, false),
        ("3.5 % too low", -0.036, -22.0, -22.0, 60, -90.0, false),
        ("column 8 dB softer", 0.0, -20.0, -28.0, 60, -90.0, true),
        ("column 4 dB louder", 0.0, -26.0, -22.0, 60, -90.0, true),
        ("column 12 dB softer", 0.0, -18.0, -30.0, 60, -90.0, false),
        ("0 dBm0 each", 0.0, -6.2, -6.2, 60, -90.0, true),
        ("-25 dBm0 each", 0.0, -31.2, -31.2, 60, -90.0, true),
        ("-45 dBm0 each", 0.0, -51.2, -51.2, 60, -90.0, false),
        ("noise 15 dB below", 0.0, -22.0, -22.0, 60, -34.0, true),
    ];
    let mut wrong = 0;
    for (name, off, row_dbov, column_dbov, ms, noise_dbov, wanted) in cases {
        let mut count = 0;
        for row in ROWS {
            for column in COLUMNS {
                let tones = [(row * (1.0 + off), row_dbov), (column * (1.0 + off), column_dbov)];
                let silence = vec![0; 8 * 103];
                let sound = [silence.clone(), sines(&tones, ms), silence].concat();
                let sound = mixed(&sound, &noise(noise_dbov, 0.0, sound.len() / 8));
                let heard = once(heard(&sound));
                let keys = heard.iter().filter(|event| matches!(event.sound, Sound::Key(_)));
                count += usize::from(keys.count() == 1);
            }
        }
        println!("{name:40} {:6} {count:11}", if wanted { "key" } else { "none" });
        wrong += if wanted { 16 - count } else { count };
    }
    wrong
}

/// Processor time of all detectors and the silence detector for a frame.
fn frame_time() {
    println!("\nprocessor time for a frame of 20 ms, all detectors together");
    let ring = [(440.0, -20.0), (480.0, -20.0)];
    let cases = [
        ("silence", vec![0; 160 * 1000]),
        ("noise", noise(-25.0, 0.5, 20_000)),
        ("ringback", sines(&ring, 20_000)),
        ("music", sounds::music(1, 20_000)),
    ];
    for (name, samples) in cases {
        let frames: Vec<Samples> =
            (0..samples.len() / FRAME_SAMPLES).map(|number| frame(&samples, number)).collect();
        let (mut detectors, mut silence) = (Detectors::default(), SilenceDetector::default());
        let rounds = 20;
        let before = machine::processor_seconds();
        let mut at_ms = 0;
        for frame in frames.iter().cycle().take(frames.len() * rounds) {
            silence.push(at_ms, frame);
            detectors.push(at_ms, frame);
            while detectors.poll_event().is_some() {}
            at_ms += 20;
        }
        let spent = machine::processor_seconds() - before;
        let each = spent * 1e6 / (frames.len() * rounds) as f64;
        println!("{name:16} {each:.2} µs");
    }
}
