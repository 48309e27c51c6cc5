//! Speech of known text, by programs that others wrote: flite and espeak-ng, made telephone audio by
//! sox.

use std::{error::Error, path::Path, process::Command};

use phoneai_media::wav;

/// Voices of flite, then voices of espeak-ng with `espeak:` before them.
pub const VOICES: [&str; 6] = ["slt", "rms", "awb", "kal16", "espeak:en-us", "espeak:en-gb"];

/// Which programs are missing; `None` if all are there.
pub fn missing() -> Option<String> {
    let there = |program: &&str| Command::new(program).arg("--version").output().is_ok();
    let missing: Vec<&str> =
        ["flite", "espeak-ng", "sox"].into_iter().filter(|program| !there(program)).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// Says a text: linear samples at 8000 Hz in a telephone's band, with the voice's own silence at
/// both ends.
pub fn say(voice: &str, text: &str, directory: &Path) -> Result<Vec<i16>, Box<dyn Error>> {
    let (raw, done) = (directory.join("raw.wav"), directory.join("said.wav"));
    let mut command = match voice.strip_prefix("espeak:") {
        Some(name) => {
            let mut espeak = Command::new("espeak-ng");
            espeak.args(["-v", name, "-s", "160", "-w"]).arg(&raw).arg("--").arg(text);
            espeak
        }
        None => {
            let mut flite = Command::new("flite");
            flite.args(["-voice", voice, "-t", text, "-o"]).arg(&raw);
            flite
        }
    };
    run(&mut command)?;
    let mut sox = Command::new("sox");
    sox.arg("-D").arg(&raw).args(["-r", "8000", "-c", "1", "-b", "16"]).arg(&done);
    // Dither is random and off, so that each run hears the same.
    run(sox.args(["gain", "-n", "-9", "sinc", "280-3450"]))?;
    Ok(wav::read(&done)?.mono())
}

/// A sound of speech as the voice names it.
pub struct SpokenSound {
    /// Its name; `pau` is silence.
    pub name: String,
    /// Where it begins.
    pub from_ms: u32,
    /// Where it ends.
    pub to_ms: u32,
}

/// The sounds of which a voice of flite makes a text, and where they are in what [`say`] gives.
pub fn sounds(voice: &str, text: &str) -> Result<Vec<SpokenSound>, Box<dyn Error>> {
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

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{:?} failed: {said}", command.get_program()).into())
}

/// A recording without the silence at its ends: from the first to the last 10 ms that are within
/// 35 dB of the loudest.
pub fn trimmed(samples: &[i16]) -> &[i16] {
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
