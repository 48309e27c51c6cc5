//! Tones that sox made are told for what they are. Without sox a test says that it is skipped; with
//! `PHONEAI_REQUIRE_PEERS=1` that is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::process::{Command, Stdio};

use phoneai_media::{
    FRAME_SAMPLES, SILENCE,
    detect::{Detectors, Sound},
    wav,
};

fn installed() -> bool {
    let found = Command::new("sox").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        assert!(
            std::env::var("PHONEAI_REQUIRE_PEERS").as_deref() != Ok("1"),
            "sox is not installed (Debian package sox), and PHONEAI_REQUIRE_PEERS=1 asks for it"
        );
        println!("skipped: sox is not installed (Debian package sox)");
    }
    found
}

/// Two seconds of silence around what the arguments of `synth` make, at 8000 Hz.
fn synthesised(synth: &[&str], effects: &[&str]) -> Vec<i16> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tone.wav");
    let output = Command::new("sox")
        .args(["-D", "-n", "-r", "8000", "-b", "16", "-c", "1"])
        .arg(&file)
        .arg("synth")
        .args(synth)
        .args(["gain", "-n", "-12"])
        .args(effects)
        .args(["pad", "0.5", "1.5"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    wav::read(&file).unwrap().mono()
}

/// The sounds that are told, each once, by name and detail.
fn told(samples: &[i16]) -> Vec<String> {
    let mut detectors = Detectors::default();
    let mut told: Vec<String> = Vec::new();
    for (number, part) in samples.chunks(FRAME_SAMPLES).enumerate() {
        let mut frame = SILENCE;
        frame.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        detectors.push(number as u32 * 20, &frame);
        while let Some(event) = detectors.poll_event() {
            let detail = event.sound.detail().map(|detail| format!(" {detail}"));
            let name = format!("{}{}", event.sound.name(), detail.unwrap_or_default());
            if event.sound != Sound::ComfortNoise && !told.contains(&name) {
                told.push(name);
            }
        }
    }
    told
}

#[test]
fn cadences_of_sox_are_told_with_their_plan() {
    if !installed() {
        return;
    }
    // Two sines are two channels that are mixed to one.
    let cases: [(&str, &[&str], &[&str]); 5] = [
        ("ringback north_america", &["2", "sine", "440", "sine", "mix", "480"], &[]),
        ("busy north_america", &["0.5", "sine", "480", "sine", "mix", "620"], &["4"]),
        ("reorder north_america", &["0.25", "sine", "480", "sine", "mix", "620"], &["5"]),
        ("busy europe", &["0.5", "sine", "425"], &["4"]),
        ("reorder europe", &["0.25", "sine", "425"], &["5"]),
    ];
    for (expected, synth, repeats) in cases {
        let [length, ..] = synth else { panic!("{expected}") };
        let effects: Vec<&str> = match repeats {
            [times] => vec!["pad", "0", length, "repeat", times],
            _ => Vec::new(),
        };
        assert_eq!(told(&synthesised(synth, &effects)), [expected]);
    }
}

#[test]
fn keys_of_sox_are_told() {
    if !installed() {
        return;
    }
    for (key, row, column) in [("1", "697", "1209"), ("5", "770", "1336"), ("#", "941", "1477")] {
        let tone = synthesised(&["0.06", "sine", row, "sine", "mix", column], &[]);
        assert_eq!(told(&tone), [format!("key {key}")]);
    }
}

#[test]
fn a_fax_and_a_beep_of_sox_are_told() {
    if !installed() {
        return;
    }
    assert_eq!(told(&synthesised(&["3", "sine", "2100"], &[])), ["fax_answer"]);
    assert_eq!(told(&synthesised(&["0.4", "sine", "1000"], &[])), ["beep 1000 Hz"]);
}

#[test]
fn noise_of_sox_is_no_tone() {
    if !installed() {
        return;
    }
    for colour in ["whitenoise", "pinknoise", "brownnoise"] {
        assert_eq!(told(&synthesised(&["20", colour], &[])), [] as [&str; 0], "{colour}");
    }
}
