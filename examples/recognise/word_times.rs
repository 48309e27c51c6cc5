//! Words of known place, in two ways. Sentences: flite says where each of its sounds ends, and so
//! where each word does. Put together: each word is spoken by itself, trimmed to its sound, and put
//! behind the others with a short pause.

use std::{error::Error, path::Path, process::Command, sync::Arc};

use phoneai::speech::{Word, local::transcribe};
use phoneai_whisper::Whisper;
use rand::{Rng, rngs::StdRng};

use super::{
    Options,
    score::{compare, plain},
    sounds::{dice, mixed, noise},
    voices::{self, VOICES},
};

/// What is said.
const SENTENCES: [&str; 16] = [
    "thank you for calling the river valley health center",
    "for appointments with a doctor press one",
    "for billing questions and payments press two",
    "to hear our opening hours and directions press three",
    "to speak with a nurse about a prescription press four",
    "please enter your account number followed by the pound key",
    "our office is closed today please call again tomorrow morning",
    "if you know the extension of the person dial it now",
    "to leave a message for the manager press seven",
    "all of our agents are helping other customers right now",
    "your call may be recorded for quality and training",
    "you can also visit our web site to check the status of your order",
    "if this is an emergency hang up and dial nine one one",
    "parking is behind the building and the entrance is on main street",
    "we will call you back as soon as somebody is free",
    "to repeat these options press nine or press star to go back",
];

/// Pauses between words, in milliseconds.
const PAUSE_MS: std::ops::Range<usize> = 30..140;

/// Within so many milliseconds a word is well placed.
const NEAR_MS: u32 = 200;

#[derive(Default)]
struct Tally {
    said: usize,
    heard: usize,
    starts: usize,
    ends: usize,
    both: usize,
    /// Milliseconds by which words begin too late.
    off: Vec<i64>,
}

impl Tally {
    fn add(&mut self, mut other: Self) {
        self.said += other.said;
        self.heard += other.heard;
        self.starts += other.starts;
        self.ends += other.ends;
        self.both += other.both;
        self.off.append(&mut other.off);
    }

    fn print(&self, name: &str) {
        let share = |count: usize| 100.0 * count as f64 / self.heard.max(1) as f64;
        let mut off = self.off.clone();
        off.sort_unstable();
        let middle = off.get(off.len() / 2).copied().unwrap_or_default();
        off.sort_unstable_by_key(|off| off.abs());
        let most = off.get(off.len() * 95 / 100).copied().unwrap_or_default();
        println!(
            "{name:16} {} of {} words heard; begin within {NEAR_MS} ms {:.1} %, end {:.1} %, both \
             {:.1} %; beginnings late by {middle} ms (median), off by {} ms (95 of 100)",
            self.heard,
            self.said,
            share(self.starts),
            share(self.ends),
            share(self.both),
            most.abs(),
        );
    }
}

/// A recording and where its words are.
struct Known {
    samples: Vec<i16>,
    /// Begin and end of each word in milliseconds.
    truth: Vec<(u32, u32)>,
}

/// Makes the recordings, recognises them, and prints the figures.
pub fn measure(model: &Arc<Whisper>, options: &Options) -> Result<(), Box<dyn Error>> {
    if let Some(missing) = voices::missing() {
        println!("word times       not measured: these programs are missing: {missing}");
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let directory = directory.path();
    let mut dice = dice(1);
    for whole in [true, false] {
        println!("{}", if whole { "sentences" } else { "words put together" });
        let mut all = Tally::default();
        for voice in VOICES {
            let mut tally = Tally::default();
            for sentence in SENTENCES {
                let known = if whole {
                    spoken(voice, sentence, directory)?
                } else {
                    Some(put_together(voice, sentence, directory, &mut dice)?)
                };
                let Some(known) = known else { continue };
                find(model, options, voice, sentence, &known, &mut tally)?;
            }
            if tally.said > 0 {
                tally.print(voice);
            }
            all.add(tally);
        }
        all.print("all");
    }
    Ok(())
}

/// A sentence of a voice of flite; `None` for other voices, or if the sounds of the sentence are not
/// those of its words.
fn spoken(voice: &str, sentence: &str, directory: &Path) -> Result<Option<Known>, Box<dyn Error>> {
    if voice.contains(':') {
        return Ok(None);
    }
    let mut sounds = sounds_of(voice, sentence)?.into_iter().filter(|s| s.name != "pau");
    let mut truth = Vec::new();
    for word in sentence.split(' ') {
        let mut place: Option<(u32, u32)> = None;
        for expected in sounds_of(voice, word)?.iter().filter(|s| s.name != "pau") {
            let Some(sound) = sounds.next().filter(|sound| sound.name == expected.name) else {
                return Ok(None);
            };
            place = Some((place.map_or(sound.from_ms, |(from, _)| from), sound.to_ms));
        }
        truth.extend(place);
    }
    let samples = voices::say(voice, sentence, directory)?;
    Ok(sounds.next().is_none().then_some(Known { samples, truth }))
}

fn put_together(
    voice: &str,
    sentence: &str,
    directory: &Path,
    dice: &mut StdRng,
) -> Result<Known, Box<dyn Error>> {
    let mut samples = vec![0; 8 * dice.random_range(300..900)];
    let mut truth = Vec::new();
    for word in sentence.split(' ') {
        let said = voices::say(voice, word, directory)?;
        let from = samples.len() / 8;
        samples.extend_from_slice(trimmed(&said));
        truth.push((from as u32, (samples.len() / 8) as u32));
        samples.resize(samples.len() + 8 * dice.random_range(PAUSE_MS), 0);
    }
    samples.resize(samples.len() + 4000, 0);
    Ok(Known { samples, truth })
}

/// Recognises a recording and counts the words that are where they should be.
fn find(
    model: &Arc<Whisper>,
    options: &Options,
    voice: &str,
    sentence: &str,
    known: &Known,
    tally: &mut Tally,
) -> Result<(), Box<dyn Error>> {
    let samples = mixed(&known.samples, &noise(-60.0, 0.0, known.samples.len() / 8));
    let heard: Vec<Word> = transcribe(model, &options.settings, &samples)?
        .into_iter()
        .flat_map(|transcript| transcript.words)
        .collect();
    let said = plain(sentence.split(' '));
    let found = plain(heard.iter().map(|word| word.text.as_str()));
    tally.said += known.truth.len();
    let same = compare(&said, &found).same;
    for (index, word) in heard.iter().enumerate() {
        // A number written in figures is one word with the place of all its digits.
        let parts = found.iter().zip(&same).filter(|(part, _)| part.from == index);
        let places: Option<Vec<(usize, usize)>> = parts.map(|(_, same)| *same).collect();
        let places = places.unwrap_or_default();
        let (Some((first, _)), Some((_, last))) = (places.first(), places.last()) else { continue };
        let (from, to) = (known.truth[said[*first].from].0, known.truth[said[*last].from].1);
        let start = word.start_ms.abs_diff(from) <= NEAR_MS;
        let end = word.end_ms.abs_diff(to) <= NEAR_MS;
        tally.heard += 1;
        tally.starts += usize::from(start);
        tally.ends += usize::from(end);
        tally.both += usize::from(start && end);
        tally.off.push(i64::from(word.start_ms) - i64::from(from));
        if options.verbose && !(start && end) {
            println!(
                "{voice}: {:?} is at {from} to {to}, found at {} to {}",
                word.text, word.start_ms, word.end_ms
            );
        }
    }
    Ok(())
}

/// A sound of speech as the voice names it.
struct SpokenSound {
    /// Its name; `pau` is silence.
    name: String,
    /// Where it begins.
    from_ms: u32,
    /// Where it ends.
    to_ms: u32,
}

/// The sounds of which a voice of flite makes a text, and where they are in what [`voices::say`] gives.
fn sounds_of(voice: &str, text: &str) -> Result<Vec<SpokenSound>, Box<dyn Error>> {
    let mut flite = Command::new("flite");
    let output = flite.args(["-psdur", "-voice", voice, "-t", text, "-o", "none"]).output()?;
    let mut from_ms = 0;
    let mut sounds = Vec::new();
    for field in String::from_utf8(output.stdout)?.split_whitespace() {
        let (name, end) = field.split_once(':').ok_or("flite did not say where a sound ends")?;
        let to_ms = (end.parse::<f32>()? * 1000.0) as u32;
        sounds.push(SpokenSound { name: name.to_owned(), from_ms, to_ms });
        from_ms = to_ms;
    }
    Ok(sounds)
}

/// A recording without the silence at its ends: from the first to the last 10 ms that are within
/// 35 dB of the loudest.
fn trimmed(samples: &[i16]) -> &[i16] {
    const STEP: usize = 80;
    let energy = |part: &[i16]| part.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>();
    let energies: Vec<f32> = samples.chunks(STEP).map(energy).collect();
    let loudest = energies.iter().copied().fold(0.0, f32::max);
    let loud = |energy: &f32| *energy > loudest * 10f32.powf(-3.5);
    let (Some(first), Some(last)) =
        (energies.iter().position(loud), energies.iter().rposition(loud))
    else {
        return &[];
    };
    &samples[first * STEP..((last + 1) * STEP).min(samples.len())]
}
