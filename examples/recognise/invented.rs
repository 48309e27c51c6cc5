//! Sounds in which nobody speaks, played to a call: every word is made up.

use std::{error::Error, sync::Arc};

use phoneai::speech::{
    Engine, SpeechEvent,
    local::{LocalEngine, LocalSettings},
};
use phoneai_whisper::Whisper;
use rand::Rng;

use super::{
    Options,
    sounds::{cadence, dice, mixed, music, noise},
};

/// Milliseconds of one sound before the next follows.
const SCENE_MS: usize = 30_000;

/// The ringing of three plans.
const RINGBACKS: [&[(&[f32], usize, usize)]; 3] = [
    &[(&[440.0, 480.0], 2000, 4000)],
    &[(&[400.0, 450.0], 400, 200), (&[400.0, 450.0], 400, 2000)],
    &[(&[425.0], 1000, 4000)],
];

/// Makes a scene of the kind, by its seed.
type Scene = fn(u64) -> Vec<i16>;

/// Plays each kind for so many minutes, and prints the words.
pub fn measure(model: &Arc<Whisper>, options: &Options) -> Result<(), Box<dyn Error>> {
    let kinds: [(&str, Scene); 5] = [
        ("silence", silence),
        ("noise", noises),
        ("ringback", ringing),
        ("music", playing),
        ("mixed", mixture),
    ];
    // Nothing may be dropped, however fast it comes.
    let settings = LocalSettings { max_queue_seconds: 36_000, ..options.settings.clone() };
    let engine = LocalEngine::start(Arc::clone(model), settings)?;
    let mut all = 0;
    for (kind, scene) in kinds {
        let scenes = u64::from(options.minutes) * 60_000 / SCENE_MS as u64;
        let mut call = engine.open(kind)?;
        let mut at_ms = 0;
        for seed in 0..scenes {
            for frame in scene(seed).chunks(160) {
                call.ear.push(at_ms, frame);
                at_ms += 20;
            }
        }
        call.ear.finish();
        let mut words = 0;
        while let Some(event) = call.events.blocking_recv() {
            match event {
                SpeechEvent::Interim(transcript) | SpeechEvent::Final(transcript)
                    if !transcript.words.is_empty() =>
                {
                    words += transcript.words.len();
                    let at = transcript.words.first().map_or(0, |word| word.start_ms);
                    println!("{kind}: at {} s: {:?}", at / 1000, transcript.text());
                }
                SpeechEvent::Dropped { .. } | SpeechEvent::Failed { .. } => {
                    return Err(format!("{kind}: {event:?}").into());
                }
                SpeechEvent::Interim(_) | SpeechEvent::Final(_) | SpeechEvent::HeardUntil(_) => {}
            }
        }
        println!("{kind:16} {} minutes, {words} words made up", at_ms / 60_000);
        all += words;
    }
    println!("made up          {all} words in all");
    if all > 0 { Err("words were made up where nobody speaks".into()) } else { Ok(()) }
}

fn silence(_: u64) -> Vec<i16> {
    vec![0; SCENE_MS * 8]
}

/// Noise of a level and colour that the seed chooses, now and then in bursts.
fn noises(seed: u64) -> Vec<i16> {
    let mut dice = dice(100 + seed);
    let (level, colour) = (dice.random_range(-70.0..-20.0), dice.random_range(0.0..0.95));
    let mut samples = noise(level, colour, SCENE_MS);
    if dice.random_bool(0.4) {
        let period = dice.random_range(4_000..40_000);
        let on = dice.random_range(1_000..period);
        let bursts = samples.iter_mut().enumerate().filter(|(n, _)| n % period > on);
        bursts.for_each(|(_, sample)| *sample = 0);
    }
    samples
}

fn ringing(seed: u64) -> Vec<i16> {
    let mut dice = dice(200 + seed);
    let plan = RINGBACKS[seed as usize % RINGBACKS.len()];
    let tones = cadence(plan, dice.random_range(-32.0..-14.0), SCENE_MS);
    mixed(&tones, &noise(dice.random_range(-70.0..-48.0), 0.0, SCENE_MS))
}

fn playing(seed: u64) -> Vec<i16> {
    let mut dice = dice(300 + seed);
    mixed(&music(seed, SCENE_MS), &noise(dice.random_range(-70.0..-50.0), 0.0, SCENE_MS))
}

/// Two or three kinds at once or behind each other.
fn mixture(seed: u64) -> Vec<i16> {
    let mut dice = dice(400 + seed);
    let kinds = [silence, noises, ringing, playing];
    let part = SCENE_MS * 8 / 3;
    let mut samples = Vec::new();
    for _ in 0..3 {
        let one = kinds[dice.random_range(0..kinds.len())](1000 + seed);
        let soft: Vec<i16> =
            kinds[dice.random_range(0..2)](2000 + seed).iter().map(|s| s / 4).collect();
        samples.extend_from_slice(&mixed(&one, &soft)[..part]);
    }
    samples
}
