use super::{
    dtmf::{COLUMNS_HZ, ROWS_HZ},
    progress::Plan,
    special::SpecialTone,
    *,
};
use crate::{SAMPLE_RATE, dtmf::DtmfDigit, noise::NoiseSource};

/// A piece of sound: sines of one level each in dBov, for so many milliseconds.
#[derive(Clone, Copy)]
struct Piece<'a>(&'a [(f32, f32)], u32);

fn synthesise(pieces: &[Piece<'_>], noise_dbov: f32) -> Vec<i16> {
    let mut samples: Vec<f32> = Vec::new();
    for Piece(sines, ms) in pieces {
        for n in 0..ms * 8 {
            let t = n as f32 / SAMPLE_RATE as f32;
            let wave = sines.iter().map(|(hz, dbov)| {
                let peak = 32768.0 * 2f32.sqrt() * 10f32.powf(dbov / 20.0);
                peak * (std::f32::consts::TAU * hz * t).sin()
            });
            samples.push(wave.sum());
        }
    }
    let mut noise = vec![0; samples.len()];
    NoiseSource::default().fill(noise_dbov, &mut noise);
    samples.iter().zip(noise).map(|(s, n)| (s + f32::from(n)) as i16).collect()
}

fn heard(samples: &[i16]) -> Vec<SoundEvent> {
    let (mut detectors, mut events) = (Detectors::default(), Vec::new());
    let silence = vec![0; 8 * FRAME_SAMPLES];
    let whole = [samples, &silence].concat();
    for (at_ms, part) in (0..).step_by(20).zip(whole.chunks_exact(FRAME_SAMPLES)) {
        detectors.push(at_ms, &Samples::try_from(part).unwrap());
        events.extend(std::iter::from_fn(|| detectors.poll_event()));
    }
    events.retain(|event| event.sound != Sound::ComfortNoise);
    events
}

fn begun(samples: &[i16]) -> Vec<Sound> {
    let mut sounds: Vec<Sound> = Vec::new();
    for event in heard(samples) {
        if event.to_ms.is_none() || matches!(event.sound, Sound::Special(_) | Sound::FaxCalling) {
            sounds.push(event.sound);
        }
    }
    sounds
}

const L: f32 = -22.0;

#[test]
fn the_cadences_of_each_plan_are_told_apart() {
    let both = |a, b| [(a, L), (b, L)];
    let (ring, busy, dial) = (both(440.0, 480.0), both(480.0, 620.0), both(350.0, 440.0));
    let (uk, single, uk_busy) = (both(400.0, 450.0), [(425.0, L)], [(400.0, L)]);
    let cases: [(Sound, Vec<Piece<'_>>); 10] = [
        (Sound::Ringback(Plan::NorthAmerica), vec![Piece(&ring, 2000), Piece(&[], 4000)]),
        (Sound::Busy(Plan::NorthAmerica), vec![Piece(&busy, 500), Piece(&[], 500)]),
        (Sound::Reorder(Plan::NorthAmerica), vec![Piece(&busy, 250), Piece(&[], 250)]),
        (Sound::DialTone(Plan::NorthAmerica), vec![Piece(&dial, 2000)]),
        (
            Sound::Ringback(Plan::UnitedKingdom),
            vec![Piece(&uk, 400), Piece(&[], 200), Piece(&uk, 400), Piece(&[], 2000)],
        ),
        (Sound::Busy(Plan::UnitedKingdom), vec![Piece(&uk_busy, 375), Piece(&[], 375)]),
        (
            Sound::Reorder(Plan::UnitedKingdom),
            vec![Piece(&uk_busy, 400), Piece(&[], 350), Piece(&uk_busy, 225), Piece(&[], 525)],
        ),
        (Sound::Ringback(Plan::Europe), vec![Piece(&single, 1000), Piece(&[], 4000)]),
        (Sound::Busy(Plan::Europe), vec![Piece(&single, 500), Piece(&[], 500)]),
        (Sound::Reorder(Plan::Europe), vec![Piece(&single, 250), Piece(&[], 250)]),
    ];
    for (sound, cadence) in cases {
        let pieces: Vec<Piece<'_>> =
            std::iter::once(Piece(&[], 510)).chain([cadence.as_slice(); 4].concat()).collect();
        for noise_dbov in [-96.0, -45.0] {
            assert_eq!(begun(&synthesise(&pieces, noise_dbov)), [sound], "noise {noise_dbov}");
        }
    }
    let lasting = synthesise(&[Piece(&single, 5000)], -96.0);
    assert_eq!(begun(&lasting), [Sound::DialTone(Plan::Europe)]);
}

#[test]
fn noise_in_the_pauses_does_not_end_a_cadence() {
    let busy = [(400.0, L)];
    let pieces: Vec<Piece<'_>> = std::iter::once(Piece(&[], 500))
        .chain([Piece(&busy, 375), Piece(&[], 375)].repeat(8))
        .collect();
    for below in [60.0, 20.0, 15.0] {
        let events = heard(&synthesise(&pieces, L - below));
        // It was told when it was sure, and goes on when the sound ends.
        assert!(matches!(events[..], [SoundEvent { to_ms: None, .. }]), "{below}: {events:?}");
    }
}

#[test]
fn a_ring_is_placed_where_it_sounds() {
    let ring = [(440.0, L), (480.0, L)];
    let pieces = [Piece(&[], 1000), Piece(&ring, 2000), Piece(&[], 7000)];
    let events = heard(&synthesise(&pieces, -60.0));
    let places: Vec<_> = events.iter().map(|e| (e.from_ms, e.to_ms)).collect();
    let [(from, None), (_, Some(to))] = places[..] else { panic!("{events:?}") };
    assert!(from.abs_diff(1000) <= 40 && to.abs_diff(3000) <= 40, "{from} to {to}");
    assert!((events[0].dbov - (L + 3.0)).abs() < 1.5, "{events:?}");
}

#[test]
fn special_information_tones_say_why() {
    let cases = [
        (SpecialTone::Intercept, (913.8, 276), (1370.6, 276)),
        (SpecialTone::VacantCode, (985.2, 380), (1370.6, 276)),
        (SpecialTone::Reorder, (913.8, 276), (1428.5, 380)),
        (SpecialTone::Reorder, (985.2, 276), (1370.6, 380)),
        (SpecialTone::NoCircuit, (985.2, 380), (1428.5, 380)),
        (SpecialTone::Unspecified, (950.0, 330), (1400.0, 330)),
    ];
    for (meaning, (first, first_ms), (second, second_ms)) in cases {
        for gap in [0, 30] {
            for begin in [300, 307, 313] {
                let third = if meaning == SpecialTone::Unspecified { 330 } else { 380 };
                let (one, two, three) = ([(first, L)], [(second, L)], [(1776.7, L)]);
                let pieces = [
                    Piece(&[], begin),
                    Piece(&one, first_ms),
                    Piece(&[], gap),
                    Piece(&two, second_ms),
                    Piece(&[], gap),
                    Piece(&three, third),
                    Piece(&[], 500),
                ];
                let sounds = begun(&synthesise(&pieces, -60.0));
                assert_eq!(sounds, [Sound::Special(meaning)], "gap {gap}, begin {begin}");
            }
        }
    }
}

#[test]
fn a_fax_and_a_modem_answer_differently() {
    let (ced, cng, bell) = ([(2100.0, L)], [(1100.0, L)], [(2225.0, L)]);
    let fax = synthesise(&[Piece(&[], 300), Piece(&ced, 3000), Piece(&[], 400)], -50.0);
    assert_eq!(begun(&fax), [Sound::FaxAnswer]);
    // Each piece starts its sine anew, and 455 ms are 955.5 periods: the phase turns by 180°.
    let pieces: Vec<Piece<'_>> =
        std::iter::once(Piece(&[], 300)).chain(std::iter::repeat_n(Piece(&ced, 455), 6)).collect();
    for noise_dbov in [-96.0, -45.0] {
        assert_eq!(begun(&synthesise(&pieces, noise_dbov)), [Sound::ModemAnswer]);
    }
    let bell = synthesise(&[Piece(&[], 300), Piece(&bell, 1500), Piece(&[], 400)], -50.0);
    assert_eq!(begun(&bell), [Sound::ModemAnswer]);
    let calling = [Piece(&cng, 500), Piece(&[], 3000), Piece(&cng, 500), Piece(&[], 600)];
    assert_eq!(begun(&synthesise(&calling, -60.0)), [Sound::FaxCalling]);
    let alone = [Piece(&[], 500), Piece(&cng, 500), Piece(&[], 4000)];
    let events = heard(&synthesise(&alone, -60.0));
    assert!(matches!(events[..], [SoundEvent { sound: Sound::Beep { .. }, .. }]), "{events:?}");
}

#[test]
fn a_beep_is_one_tone_by_itself() {
    for hz in [425.0, 440.0, 800.0, 1000.0, 1400.0, 2000.0] {
        for length in [120, 250, 500, 1500] {
            let tone = [(hz, L)];
            // 425 Hz of that length is a ring.
            if length == 1500 && hz < 500.0 {
                continue;
            }
            // So short and low is speech.
            if length == 120 && hz < 600.0 {
                let pieces = [Piece(&[], 500), Piece(&tone, length), Piece(&[], 2000)];
                assert_eq!(heard(&synthesise(&pieces, -55.0)), []);
                continue;
            }
            let pieces = [Piece(&[], 500), Piece(&tone, length), Piece(&[], 2000)];
            let events = heard(&synthesise(&pieces, -55.0));
            let [event] = &events[..] else { panic!("{hz} Hz, {length} ms: {events:?}") };
            let Sound::Beep { hz: found } = event.sound else { panic!("{events:?}") };
            let place = (event.from_ms, event.to_ms.unwrap());
            assert!((found - hz).abs() < 3.0, "{hz} Hz: {found}");
            assert!(place.0.abs_diff(500) <= 40 && place.1.abs_diff(500 + length) <= 40);
        }
    }
}

/// What the keys detector makes of tones off by a part, with levels, of a length, after `lead` ms.
fn keys(off: f32, row_dbov: f32, column_dbov: f32, length: u32, noise: f32) -> Vec<usize> {
    let mut counts = Vec::new();
    for (row, column) in [(697.0, 1209.0), (941.0, 1336.0), (941.0, 1633.0), (770.0, 1477.0)] {
        for lead in [100, 103, 107] {
            let tones = [(row * (1.0 + off), row_dbov), (column * (1.0 + off), column_dbov)];
            let pieces = [Piece(&[], lead), Piece(&tones, length), Piece(&[], 100)];
            let samples = synthesise(&pieces, noise);
            let events = heard(&samples);
            let is_key = |e: &&SoundEvent| matches!(e.sound, Sound::Key(_)) && e.to_ms.is_some();
            counts.push(events.iter().filter(is_key).count());
        }
    }
    counts.sort_unstable();
    counts.dedup();
    counts
}

#[test]
fn q24_limits_of_keys_are_kept() {
    let (one, none) = (vec![1], vec![0]);
    assert_eq!(keys(0.0, L, L, 40, -96.0), one, "the shortest key");
    assert_eq!(keys(0.0, L, L, 23, -96.0), none, "too short for a key");
    let all = (ROWS_HZ, COLUMNS_HZ);
    for (row, column) in all.0.iter().flat_map(|row| all.1.map(|column| (*row, column))) {
        let tones = [(row * 1.015, L), (column * 1.015, L)];
        let pieces = [Piece(&[], 103), Piece(&tones, 60), Piece(&[], 100)];
        let events = heard(&synthesise(&pieces, -96.0));
        assert_eq!(events.len(), 2, "{row} and {column} Hz, 1.5 % too high: {events:?}");
    }
    assert_eq!(keys(0.015, L, L, 60, -96.0), one, "1.5 % too high");
    assert_eq!(keys(-0.015, L, L, 60, -96.0), one, "1.5 % too low");
    assert_eq!(keys(0.036, L, L, 60, -96.0), none, "3.5 % too high");
    assert_eq!(keys(-0.036, L, L, 60, -96.0), none, "3.5 % too low");
    assert_eq!(keys(0.0, L, L - 8.0, 60, -96.0), one, "twist of 8 dB");
    assert_eq!(keys(0.0, L - 4.0, L, 60, -96.0), one, "reverse twist of 4 dB");
    assert_eq!(keys(0.0, L, L - 12.0, 60, -96.0), none, "twist of 12 dB");
    assert_eq!(keys(0.0, L - 10.0, L, 60, -96.0), none, "reverse twist of 10 dB");
    assert_eq!(keys(0.0, -31.0, -31.0, 60, -96.0), one, "-25 dBm0");
    assert_eq!(keys(0.0, -6.2, -6.2, 60, -96.0), one, "0 dBm0");
    assert_eq!(keys(0.0, L, L, 60, L + 3.0 - 15.0), one, "noise 15 dB below");
}

#[test]
fn an_interruption_of_10_ms_is_bridged_and_a_pause_of_40_ms_is_not() {
    let five = [(770.0, L), (1336.0, L)];
    let count = |pause| {
        let pieces = [Piece(&five, 60), Piece(&[], pause), Piece(&five, 60), Piece(&[], 100)];
        let events = heard(&synthesise(&pieces, -96.0));
        let digit = Sound::Key(DtmfDigit::from_char('5').unwrap());
        events.iter().filter(|e| e.sound == digit && e.to_ms.is_some()).count()
    };
    assert_eq!((count(10), count(40)), (1, 2));
}

#[test]
fn chords_are_music_and_noise_is_noise() {
    let chords = [[262.0f32, 330.0, 392.0], [294.0, 370.0, 440.0], [247.0, 311.0, 370.0]];
    let notes: Vec<[(f32, f32); 3]> = chords.map(|c| c.map(|hz| (hz, L))).to_vec();
    let pieces: Vec<Piece<'_>> =
        std::iter::repeat_n(&notes, 6).flatten().map(|n| Piece(n, 400)).collect();
    assert_eq!(begun(&synthesise(&pieces, -60.0)), [Sound::Music]);
    let noise = synthesise(&[Piece(&[], 3000)], -55.0);
    let (mut detectors, mut sounds) = (Detectors::default(), Vec::new());
    for (at_ms, part) in (0..).step_by(20).zip(noise.chunks_exact(FRAME_SAMPLES)) {
        detectors.push(at_ms, &Samples::try_from(part).unwrap());
        sounds.extend(std::iter::from_fn(|| detectors.poll_event()).map(|e| e.sound));
    }
    assert_eq!(sounds, [Sound::ComfortNoise]);
}

#[test]
fn a_recording_is_told_apart_into_tones_and_the_rest() {
    let tone = [(440.0, L), (480.0, L)];
    let pieces = [Piece(&[], 300), Piece(&tone, 1000), Piece(&[], 300), Piece(&tone, 500)];
    let found = tones(&synthesise(&pieces, -60.0));
    let [(a, b), (c, d)] = found[..] else { panic!("{found:?}") };
    assert!([(a, 300), (b, 1300), (c, 1600), (d, 2100)].iter().all(|(x, y)| x.abs_diff(*y) <= 40));
}

#[test]
fn a_beep_soon_after_a_greeting_is_heard() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../sample_audio");
    let mut tried = 0;
    for name in ["cedar_clinic/main", "maple_library/main", "oak_hotel/book", "pine_auto/main"] {
        let path = std::path::PathBuf::from(format!("{root}/{name}.wav"));
        let Ok(audio) = crate::wav::read(&path) else { continue };
        tried += 1;
        for pause in [250, 500, 800] {
            for length in [150, 400, 1000] {
                let beep = synthesise(
                    &[Piece(&[], pause), Piece(&[(1000.0, L)], length), Piece(&[], 500)],
                    -60.0,
                );
                let begun = heard(&[audio.mono(), beep].concat());
                let [SoundEvent { sound: Sound::Beep { hz }, .. }] = begun[..] else {
                    panic!("{name}, {length} ms after {pause} ms: {begun:?}")
                };
                assert!((hz - 1000.0).abs() < 10.0);
            }
        }
    }
    assert!(tried >= 3);
}

/// No prompt of the sample menus has a tone in it.
#[test]
fn speech_of_the_sample_menus_is_no_tone() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../sample_audio");
    let (mut files, mut alarms) = (0, Vec::new());
    for directory in std::fs::read_dir(root).unwrap().flatten().filter(|d| d.path().is_dir()) {
        for file in std::fs::read_dir(directory.path()).unwrap().flatten() {
            let samples = crate::wav::read(&file.path()).unwrap().mono();
            let found = heard(&samples);
            alarms.extend(found.into_iter().map(|event| (file.file_name(), event)));
            files += 1;
        }
    }
    assert!(files > 20);
    assert!(alarms.is_empty(), "{alarms:#?}");
}
