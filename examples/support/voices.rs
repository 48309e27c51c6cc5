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

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{:?} failed: {said}", command.get_program()).into())
}
