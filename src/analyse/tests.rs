use phoneai_media::{detect::progress::Plan, noise::NoiseSource};

use super::*;
use crate::{
    calls::answer::{Evidence, Party},
    speech::Transcript,
};

/// Sines of one level each in dBov, for so many milliseconds, over the noise of a line.
fn sound(parts: &[(&[(f32, f32)], u32)]) -> Vec<i16> {
    let mut samples = Vec::new();
    for (sines, ms) in parts {
        for n in 0..ms * 8 {
            let time = n as f32 / 8000.0;
            let wave = sines.iter().map(|(hz, dbov)| {
                let peak = 32_768.0 * 2f32.sqrt() * 10f32.powf(dbov / 20.0);
                peak * (std::f32::consts::TAU * hz * time).sin()
            });
            samples.push(wave.sum::<f32>());
        }
    }
    let mut noise = vec![0; samples.len()];
    NoiseSource::default().fill(-62.0, &mut noise);
    samples.iter().zip(noise).map(|(s, n)| (s + f32::from(n)) as i16).collect()
}

/// A sound that no detector of tones knows: many sines that come and go.
fn babble(ms: u32) -> Vec<i16> {
    let parts: Vec<i16> = (0..ms / 40)
        .flat_map(|n| {
            let hz = 300.0 + (n * 37 % 11) as f32 * 45.0;
            sound(&[(&[(hz, -22.0), (hz * 2.3, -24.0), (hz * 3.7, -26.0)], 40)])
        })
        .collect();
    parts
}

const QUIET: &[(f32, f32)] = &[];
const RING: &[(f32, f32)] = &[(440.0, -20.0), (480.0, -20.0)];

fn names(analysis: &Analysis) -> Vec<(&'static str, CallMs, CallMs)> {
    let name = |what: &What| match what {
        What::Silence => "silence",
        What::Speech => "speech",
        What::Sound(sound) => sound.name(),
    };
    analysis.spans.iter().map(|s| (name(&s.what), s.from_ms, s.to_ms)).collect()
}

#[test]
fn a_timeline_has_neither_gaps_nor_overlaps() {
    let ring = sound(&[(QUIET, 500), (RING, 2000), (QUIET, 4000), (RING, 2000), (QUIET, 700)]);
    let samples = [ring, babble(1200), sound(&[(QUIET, 801)])].concat();
    let analysis = analyse(&samples, &[]);
    assert_eq!(analysis.duration_ms, 11_201);
    assert_eq!(analysis.levels.len(), 561);
    let ends = analysis.spans.iter().fold(0, |at, span| {
        assert_eq!(span.from_ms, at, "{:?}", names(&analysis));
        span.to_ms
    });
    assert_eq!(ends, 11_201);
}

#[test]
fn ringing_then_talk_are_told_apart_with_their_places_and_levels() {
    let ring = sound(&[(QUIET, 500), (RING, 2000), (QUIET, 4000), (RING, 2000), (QUIET, 700)]);
    let samples = [ring, babble(1200), sound(&[(QUIET, 800)])].concat();
    let analysis = analyse(&samples, &[]);
    let names = names(&analysis);
    let [_, ("ringback", from, to), _, ("speech", talk_from, talk_to), _] = names[..] else {
        panic!("{names:?}")
    };
    for (found, truth) in [(from, 500), (to, 8500), (talk_from, 9200), (talk_to, 10_400)] {
        assert!(found.abs_diff(truth) <= 60, "{names:?}");
    }
    // 4 of 8 seconds at -17 dBov.
    assert!((analysis.spans[1].level_dbov + 20.0).abs() < 1.0, "{:?}", analysis.spans);
    assert!(analysis.spans[0].level_dbov < -55.0);
    // The ring before the answer is no talk: somebody said a word and waits.
    let verdict = analysis.verdicts.last().unwrap();
    assert_eq!((verdict.party, verdict.evidence), (Party::Person, Evidence::Rhythm));
    assert!((11_200..=11_500).contains(&verdict.at_ms), "{verdict:?}");
}

#[test]
fn a_key_during_ringback_is_a_key() {
    let key: &[(f32, f32)] = &[(770.0, -12.0), (1336.0, -12.0)];
    let samples = sound(&[(QUIET, 300), (RING, 2000), (QUIET, 1000), (key, 100), (QUIET, 900)]);
    let names = names(&analyse(&samples, &[]));
    assert!(names.iter().any(|(name, from, _)| *name == "key" && from.abs_diff(3300) <= 20));
    assert!(names.iter().all(|(name, ..)| *name != "speech"), "{names:?}");
}

#[test]
fn words_correct_what_the_rhythm_said() {
    let words = "Please leave a message after the tone.".split(' ');
    let words = words.map(|text| Word {
        text: text.to_owned(),
        start_ms: 600,
        end_ms: 900,
        confidence: 1.0,
    });
    let said = Transcript { words: words.collect(), confidence: 1.0 };
    let samples = [sound(&[(QUIET, 500)]), babble(5000), sound(&[(QUIET, 2000)])].concat();
    let told = [(6200, SpeechEvent::Final(said))];
    let verdicts = analyse(&samples, &told).verdicts;
    let parties: Vec<_> = verdicts.iter().map(|v| (v.party, v.at_ms)).collect();
    let [(Party::Menu, first), (Party::Voicemail, 6200)] = parties[..] else {
        panic!("{verdicts:?}")
    };
    assert!(first.abs_diff(4400) <= 60, "{verdicts:?}");
}

#[test]
fn nothing_at_all_is_silence() {
    let analysis = analyse(&[], &[]);
    assert!(analysis.spans.is_empty() && analysis.levels.is_empty());
    assert_eq!(analysis.verdicts.last().map(|v| v.party), Some(Party::Silence));
    let ringing = analyse(&sound(&[(RING, 1000)]), &[]);
    assert_eq!(names(&ringing).len(), 1);
    assert!(matches!(ringing.spans[0].what, What::Sound(Sound::Ringback(Plan::NorthAmerica))));
}

#[test]
fn words_belong_to_the_stretch_of_their_middle() {
    let word = |text: &str, start_ms, end_ms| Word {
        text: text.to_owned(),
        start_ms,
        end_ms,
        confidence: 1.0,
    };
    let words = [word("one", 0, 400), word("two", 380, 900), word("three", 900, 1300)];
    assert_eq!(words_within(&words, 0, 500), "one");
    assert_eq!(words_within(&words, 500, 1300), "two three");
}

#[test]
fn a_plot_is_a_picture_of_bounded_size_whatever_the_length() {
    for seconds in [0u32, 3, 25, 3000] {
        let levels = vec![Level { dbov: -30.0, threshold_dbov: -43.0 }; seconds as usize * 50];
        let what = What::Sound(Sound::Ringback(Plan::Europe));
        let span = Span { from_ms: 0, to_ms: seconds * 1000, what, level_dbov: -30.0 };
        let analysis = Analysis {
            duration_ms: seconds * 1000,
            spans: vec![span],
            levels,
            verdicts: Vec::new(),
        };
        let word = Word { text: "word".to_owned(), start_ms: 0, end_ms: 0, confidence: 1.0 };
        let mut file = Vec::new();
        plot("a.wav", &analysis, &[word], &mut file).unwrap();
        let reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let info = reader.info();
        assert_eq!(info.width, 1572);
        assert!(info.height < 10_000, "{}", info.height);
    }
}
