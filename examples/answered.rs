//! Measures the classifier that says who answered: persons, voicemails and menus as voices say them,
//! and the recordings of `sample_audio`, driven as a call would drive it.
//!
//! `cargo run --release --example answered` prints which verdict stood four seconds after the first
//! word, and how often person or voicemail was told from menu. What the recogniser tells is taken to
//! arrive `--delay MS` (500) after the sound. `--early-words` recognises the first phrases while they
//! are being said (see `LocalSettings::early_words`). `--verbose` shows each that was wrong. Exit code 1 if
//! less than 97 % are right.

#[path = "support/machine.rs"]
mod machine;
#[path = "support/voices.rs"]
mod voices;

use std::{collections::BTreeMap, error::Error, path::Path, process::ExitCode, sync::Arc};

use phoneai::{
    analyse::{What, analyse},
    calls::answer::Party,
    speech::{
        local::{LocalSettings, listen},
        model::{TINY_EN, default_directory, fetch},
    },
};
use phoneai_media::wav;
use phoneai_whisper::Whisper;

/// The verdict that counts stands so long after the first word.
const DECIDED_MS: u32 = 4_000;

/// Person or voicemail must be told from menu in this part of the calls.
const WANTED: f64 = 0.97;

const PERSONS: [&str; 20] = [
    "Hello?",
    "Hello, who is this?",
    "Yes?",
    "Hi, this is Mary.",
    "Hello, Mary speaking.",
    "Good morning, this is Robert.",
    "Good afternoon, Peter Miller.",
    "Hey, what's up?",
    "Yeah, hello?",
    "Speaking.",
    "Hello, Smith residence.",
    "Hi, how are you?",
    "Front desk, this is Anna, how can I help you?",
    "Reception, good morning.",
    "Kitchen.",
    "Hello, hello?",
    "Who's calling, please?",
    "This is David.",
    "Good evening, Elm Street Pizza, what can I get you?",
    "Hello, can I help you?",
];

const VOICEMAILS: [&str; 16] = [
    "Hi, you've reached Mary. I can't come to the phone right now. Please leave a message after the \
     tone.",
    "You have reached the voicemail of Robert Miller. Please leave a message after the beep.",
    "Hello, this is Peter. I'm not available at the moment. Leave your name and number, and I'll \
     call you back.",
    "The person you are trying to reach is not available. Please leave your message after the tone.",
    "Sorry I missed your call. Please leave me a message.",
    "Hey, it's Tom. Leave a message.",
    "Your call has been forwarded to an automated voice message system. Anna Brown is not available. \
     At the tone, please record your message.",
    "You've reached the Johnson family. We can't take your call right now. Please leave a message.",
    "Hi, this is Susan at the front office. I am away from my desk. Please leave a message and I will \
     return your call.",
    "I'm sorry, but the person you called has a voice mailbox that has not been set up yet.",
    "Please leave your message for five five five, oh one two three.",
    "Hello, no one is available to take your call. Please leave a message after the tone.",
    "Hi, I'm on vacation until Monday. Leave a message and I'll get back to you.",
    "This is the mailbox of Doctor Green. Please leave your name, your number and a short message.",
    "We are unable to come to the phone. Please leave your name and number after the beep.",
    "You have reached five five five, oh one nine nine. Nobody is here to answer. Leave a message.",
];

const MENUS: [&str; 22] = [
    "Thank you for calling Green Valley Bank. For account balances, press one. For loans, press two.",
    "Welcome to City Water. If this is an emergency, press one. For billing, press two.",
    "For English, press one. Para español, oprima dos.",
    "Your call may be recorded for quality. For sales, press one. For service, press two.",
    "Hello, and thank you for calling Doctor Brown's office. If you are a new patient, press one.",
    "Hi, you've reached Pine Tree Dental. To make an appointment, press one. For hours, press two.",
    "Please listen carefully, as our menu options have changed. For parts, press one.",
    "You have reached the offices of Hill and Stone. If you know your party's extension, dial it now.",
    "Thanks for calling Lakeside Apartments. For leasing, press one. For maintenance, press two.",
    "To speak with an agent, press zero. To hear your balance, press one.",
    "Good morning. You have reached the county clerk. For marriage licences, press one.",
    "If you are calling about an order, press one. For returns, press two. For anything else, stay on \
     the line.",
    "Main menu. For checking accounts, press one. For savings, press two.",
    "Northside Pharmacy. If you are a doctor, press one. To refill a prescription, press two.",
    "We are currently closed. Our office hours are nine to five. For directions, press two.",
    "You've reached the service desk. For password resets, press one. For everything else, press two.",
    "Please choose from the following options. For new service, press one.",
    "Hello. This is the school of music. For lessons, press one. For concerts, press two.",
    "Valley Transit. For bus times, press one. For lost property, press two.",
    "Press one for the showroom, press two for the workshop, or press zero for the office.",
    "All of our agents are busy. To keep your place in line, press one.",
    "Welcome. Please say or enter your account number, followed by the pound key.",
];

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Measure {
    model: Arc<Whisper>,
    settings: LocalSettings,
    delay_ms: u32,
    verbose: bool,
    /// Times by who it was and who it was taken for.
    table: BTreeMap<(&'static str, &'static str), usize>,
}

fn measure() -> Result<bool, Box<dyn Error>> {
    let directory = default_directory(TINY_EN.name).ok_or("no home directory")?;
    let model = Whisper::load(&fetch(&TINY_EN, &directory, &mut |_| ())?.directory)?;
    let mut measure = Measure {
        model: Arc::new(model),
        settings: LocalSettings::default(),
        delay_ms: 500,
        verbose: false,
        table: BTreeMap::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--delay" => {
                measure.delay_ms = arguments.next().ok_or("--delay needs a value")?.parse()?;
            }
            "--early-words" => measure.settings.early_words = true,
            "--verbose" => measure.verbose = true,
            other => return Err(format!("there is no option {other}").into()),
        }
    }
    println!("machine          {}", machine::machine());
    println!("load             {}", machine::load());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_audio");
    for folder in std::fs::read_dir(root)?.flatten().filter(|f| f.path().is_dir()) {
        // What a call to the business hears first.
        for first in ["main", "language"] {
            let file = folder.path().join(first).with_extension("wav");
            if file.exists() {
                let name = file.display().to_string();
                measure.call(Party::Menu, &name, &wav::read(&file)?.mono())?;
            }
        }
    }
    if let Some(missing) = voices::missing() {
        println!("voices are left out: these programs are missing: {missing}");
    } else {
        let directory = tempfile::tempdir()?;
        for voice in voices::VOICES {
            let said = |party, texts: &'static [&'static str]| {
                texts.iter().map(move |text| (party, *text))
            };
            let all = said(Party::Person, &PERSONS)
                .chain(said(Party::Voicemail, &VOICEMAILS))
                .chain(said(Party::Menu, &MENUS));
            for (party, text) in all {
                let samples = voices::say(voice, text, directory.path())?;
                let lead = vec![0; 8 * 400];
                measure.call(party, &format!("{voice}: {text}"), &[lead, samples].concat())?;
            }
        }
    }
    let right = measure.print();
    println!("processor time   {:.0} s", machine::processor_seconds());
    println!("load             {}", machine::load());
    Ok(right)
}

impl Measure {
    fn call(&mut self, party: Party, name: &str, samples: &[i16]) -> Result<(), Box<dyn Error>> {
        // Nothing that comes later can matter.
        let samples = samples.get(..8 * 15_000).unwrap_or(samples);
        let mut told = listen(&self.model, &self.settings, samples)?;
        told.iter_mut().for_each(|(at_ms, _)| *at_ms += self.delay_ms);
        let analysis = analyse(samples, &told);
        let first = analysis.spans.iter().find(|span| span.what == What::Speech);
        let until = first.map_or(0, |span| span.from_ms) + DECIDED_MS;
        let verdict = analysis.verdicts.iter().rev().find(|verdict| verdict.at_ms <= until);
        let found = verdict.map_or("nobody yet", |verdict| verdict.party.name());
        *self.table.entry((party.name(), found)).or_default() += 1;
        if self.verbose && found != party.name() {
            println!("{} taken for {found}: {name}", party.name());
            let verdicts = analysis.verdicts.iter();
            let verdicts = verdicts.map(|v| (v.party.name(), v.evidence.name(), v.at_ms));
            println!("  {:?} until {until}", verdicts.collect::<Vec<_>>());
        }
        Ok(())
    }

    /// Prints the tables; true if the share of right ones is as wanted.
    fn print(&self) -> bool {
        println!("\nwho answered     taken for, {DECIDED_MS} ms after the first word");
        for ((party, found), count) in &self.table {
            println!("{party:16} {found:16} {count:5}");
        }
        let menu = |name: &str| name == Party::Menu.name();
        let (mut all, mut right, mut exact) = (0, 0, 0);
        for ((party, found), count) in &self.table {
            let told = [Party::Menu, Party::Person, Party::Voicemail].iter();
            let told = told.map(|p| p.name()).any(|name| name == *found);
            all += count;
            right += if told && menu(party) == menu(found) { *count } else { 0 };
            exact += if party == found { *count } else { 0 };
        }
        let share = f64::from(right as u32) / f64::from((all as u32).max(1));
        println!(
            "person or voicemail against menu: {right} of {all} right ({:.1} %); the very party: \
             {exact}",
            100.0 * share
        );
        share >= WANTED
    }
}
