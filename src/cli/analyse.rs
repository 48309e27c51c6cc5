//! `phoneai analyse`.

use std::{fs::File, io::BufWriter, path::PathBuf};

use phoneai_media::detect::Sound;

use super::{
    ConfigFile,
    output::{Failure, Output, complain, note},
    parts::{self, Channel, Recogniser},
};
use crate::{
    analyse::{self, Analysis, Span, What},
    calls::answer::{Evidence, Party, Verdict},
    speech::{CallMs, Word},
};

/// Says what is heard in recordings: speech, silence, tones, and who answered
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai analyse call.wav\n  \
    phoneai analyse --channel left --plot call.png call.wav\n  \
    phoneai analyse --no-words *.wav | grep '\"ringback\"'\n\n\
    One object a line. For each stretch, in order and without gaps:\n\
    {\"file\",\"from_ms\",\"to_ms\",\"what\",\"level_dbov\"}, the level being the mean power of the\n\
    stretch below full scale. \"what\", and what is added to the object:\n  \
    speech       sound that is none of the others; \"text\" if there are words\n  \
    silence      nothing louder than the noise of the line\n  \
    noise        the steady noise of an open line\n  \
    ringback, busy, reorder, dial_tone\n               \
                 \"plan\": north_america, united_kingdom or europe\n  \
    special      the three tones before an announcement; \"meaning\": intercept, vacant_code,\n               \
                 reorder, no_circuit or unspecified\n  \
    fax          \"direction\": answer (CED) or calling (CNG)\n  \
    modem        a modem answers\n  \
    beep         \"hz\"\n  \
    key          \"key\": 0 to 9, *, #, A to D\n  \
    music\n\n\
    Behind them one object for the file:\n\
    {\"file\",\"duration_ms\",\"answered_by\",\"evidence\",\"at_ms\",\"verdicts\"}. \"answered_by\" is menu,\n\
    person, voicemail, fax, announcement (of the network), busy or silence; \"evidence\" is tone, words\n\
    or rhythm; \"at_ms\" is when that was sure. \"verdicts\" lists all verdicts, as a later one may\n\
    correct an earlier one. The recording counts as begun when the call was answered, or as answered\n\
    when ringback ends with which it begins, and as followed by silence.\n\n\
    Words are those of the local recogniser, if its model is there (phoneai model fetch).\n\
    A file that cannot be read is reported and the others go on; the exit code is 1 then.")]
pub(super) struct Args {
    /// WAV files: 16-bit linear, mu-law or A-law, 8000 or 16000 Hz, one or two channels
    #[arg(required = true, value_name = "FILE.wav")]
    files: Vec<PathBuf>,
    /// Leave the words out, and with them what only words tell
    #[arg(long)]
    no_words: bool,
    /// What to take of two channels; recordings of calls have the far end on the left
    #[arg(long, value_enum, default_value_t = Channel::Both)]
    channel: Channel,
    /// Draw level, threshold, tones and words over time as a PNG picture; takes one FILE.wav
    #[arg(long, value_name = "FILE.png")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(serde::Serialize)]
struct Stretch<'a> {
    file: &'a str,
    from_ms: CallMs,
    to_ms: CallMs,
    what: &'static str,
    level_dbov: f32,
    #[serde(flatten)]
    detail: Detail,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
}

/// What there is to say beyond the name of a sound.
#[derive(Debug, Default, PartialEq, serde::Serialize)]
struct Detail {
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hz: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(serde::Serialize)]
struct Summary<'a> {
    file: &'a str,
    duration_ms: CallMs,
    answered_by: Option<Party>,
    evidence: Option<Evidence>,
    at_ms: Option<CallMs>,
    verdicts: &'a [Verdict],
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<(), Failure> {
    if args.plot.is_some() && args.files.len() > 1 {
        return Err(Failure::Usage("--plot draws one file; name only one FILE.wav".to_owned()));
    }
    let recogniser = if args.no_words { None } else { recogniser(&args.config)? };
    let mut failed = 0;
    for file in &args.files {
        let samples = match parts::read_recording(file, args.channel) {
            Ok(samples) => samples,
            Err(Failure::Failed(why)) => {
                failed += 1;
                complain(&why);
                continue;
            }
            Err(other) => return Err(other),
        };
        let (words, told) = match &recogniser {
            Some(recogniser) => (recogniser.words(&samples)?, recogniser.listen(&samples)?),
            None => (Vec::new(), Vec::new()),
        };
        let analysis = analyse::analyse(&samples, &told);
        let name = file.display().to_string();
        write_lines(&name, &analysis, &words, out)?;
        if let Some(picture) = &args.plot {
            let failed = |why: &dyn std::fmt::Display| {
                Failure::Failed(format!("{}: {why}", picture.display()))
            };
            let to = File::create(picture).map_err(|error| failed(&error))?;
            analyse::plot(&name, &analysis, &words, BufWriter::new(to))
                .map_err(|error| failed(&error))?;
        }
        // Whoever waits for a long list sees each file when it is done.
        out.flush()?;
    }
    match failed {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} of {} files failed", args.files.len()))),
    }
}

/// The recogniser, if its model is there: tones can be told without it.
fn recogniser(config: &ConfigFile) -> Result<Option<Recogniser>, Failure> {
    match Recogniser::load(&config.load()?.speech) {
        Ok(recogniser) => Ok(Some(recogniser)),
        Err(Failure::Failed(why)) => {
            note(&format!("no words: {why}"));
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

fn write_lines(
    file: &str,
    analysis: &Analysis,
    words: &[Word],
    out: &mut Output,
) -> Result<(), Failure> {
    for span in &analysis.spans {
        let stretch = stretch(file, span, words);
        out.line(&serde_json::to_string(&stretch).map_err(Failure::failed)?)?;
    }
    let last = analysis.verdicts.last();
    let summary = Summary {
        file,
        duration_ms: analysis.duration_ms,
        answered_by: last.map(|verdict| verdict.party),
        evidence: last.map(|verdict| verdict.evidence),
        at_ms: last.map(|verdict| verdict.at_ms),
        verdicts: &analysis.verdicts,
    };
    out.line(&serde_json::to_string(&summary).map_err(Failure::failed)?)
}

fn stretch<'a>(file: &'a str, span: &Span, words: &[Word]) -> Stretch<'a> {
    let Span { from_ms, to_ms, what, level_dbov } = *span;
    let (what, detail) = match what {
        What::Silence => ("silence", Detail::default()),
        What::Speech => ("speech", Detail::default()),
        What::Sound(sound) => named(&sound),
    };
    let text = match span.what {
        What::Speech => analyse::words_within(words, from_ms, to_ms),
        What::Silence | What::Sound(_) => String::new(),
    };
    // A tenth of a decibel is as much as anybody can use.
    let level_dbov = (level_dbov * 10.0).round() / 10.0;
    Stretch { file, from_ms, to_ms, what, level_dbov, detail, text }
}

fn named(sound: &Sound) -> (&'static str, Detail) {
    let none = Detail::default;
    match sound {
        Sound::Ringback(plan)
        | Sound::Busy(plan)
        | Sound::Reorder(plan)
        | Sound::DialTone(plan) => (sound.name(), Detail { plan: Some(plan.name()), ..none() }),
        Sound::Special(tone) => (sound.name(), Detail { meaning: Some(tone.name()), ..none() }),
        Sound::FaxAnswer => ("fax", Detail { direction: Some("answer"), ..none() }),
        Sound::FaxCalling => ("fax", Detail { direction: Some("calling"), ..none() }),
        Sound::ModemAnswer => ("modem", none()),
        Sound::Beep { hz } => (sound.name(), Detail { hz: Some(*hz as u32), ..none() }),
        Sound::Key(digit) => (sound.name(), Detail { key: Some(digit.to_string()), ..none() }),
        Sound::Music | Sound::ComfortNoise => (sound.name(), none()),
    }
}
