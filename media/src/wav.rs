//! Reading WAV files: 16-bit linear, µ-law and A-law at 8 or 16 kHz, one or two channels.
//!
//! Recordings come from anywhere, so nothing in the header is believed without a look: a file that
//! was cut is read as far as it goes.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::codec::Codec;

/// Largest file that is read: four hours of mono at 8 kHz.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

/// Chunks before the audio that are skipped; more are no honest file.
const MAX_CHUNKS: usize = 64;

/// What a WAV file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Samples a second: 8000 or 16,000.
    pub sample_rate: u32,
    /// Linear samples of each channel, one or two, all of one length.
    pub channels: Vec<Vec<i16>>,
}

impl Audio {
    /// All channels as one: their mean.
    pub fn mono(&self) -> Vec<i16> {
        match &self.channels[..] {
            [left, right] => {
                let mean = |(&l, &r): (&i16, &i16)| ((i32::from(l) + i32::from(r)) / 2) as i16;
                left.iter().zip(right).map(mean).collect()
            }
            [one, ..] => one.clone(),
            [] => Vec::new(),
        }
    }
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct WavError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: WavProblem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum WavProblem {
    /// It cannot be opened or read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is longer than [`MAX_FILE_BYTES`].
    #[error("is longer than {} MB, the limit; cut it", MAX_FILE_BYTES >> 20)]
    TooLong,
    /// It is no WAV file.
    #[error("is no WAV file: it does not begin with RIFF and WAVE")]
    NotWav,
    /// It ends before the audio, or never has any.
    #[error("has no {0} chunk; the file is cut or damaged")]
    Missing(&'static str),
    /// Its form is one that we do not read.
    #[error(
        "is of format {format} with {bits} bits, {channels} channels, {rate} Hz; convert it to \
         16-bit linear or 8-bit mu-law, 8000 or 16000 Hz, mono or stereo"
    )]
    Unsupported {
        /// WAVE format tag: 1 is linear, 6 A-law, 7 µ-law.
        format: u16,
        /// Bits a sample.
        bits: u16,
        /// Channels.
        channels: u16,
        /// Samples a second.
        rate: u32,
    },
}

/// Reads a file.
pub fn read(path: &Path) -> Result<Audio, WavError> {
    let problem = |problem| WavError { path: path.to_owned(), problem };
    let bytes = read_bytes(path).map_err(problem)?;
    parse(&bytes).map_err(problem)
}

/// Reads the bytes of a file.
pub fn parse(bytes: &[u8]) -> Result<Audio, WavProblem> {
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return Err(WavProblem::NotWav);
    }
    let mut rest = bytes.get(12..).unwrap_or_default();
    let mut form = None;
    for _ in 0..MAX_CHUNKS {
        let Some((head, body)) = rest.split_first_chunk::<8>() else { break };
        let [a, b, c, d, l0, l1, l2, l3] = *head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        // The last chunk of a file that was cut is shorter than it says.
        let chunk = body.get(..length).unwrap_or(body);
        match &[a, b, c, d] {
            b"fmt " => form = Some(Form::parse(chunk)?),
            b"data" => {
                let form = form.ok_or(WavProblem::Missing("fmt"))?;
                return Ok(form.decode(chunk));
            }
            _ => {}
        }
        // Chunks begin at even places.
        rest = body.get(length.saturating_add(length & 1)..).unwrap_or_default();
    }
    Err(WavProblem::Missing(if form.is_some() { "data" } else { "fmt" }))
}

#[derive(Clone, Copy)]
struct Form {
    coding: Coding,
    channels: usize,
    sample_rate: u32,
}

#[derive(Clone, Copy)]
enum Coding {
    Linear,
    G711(Codec),
}

/// The true tag is in the extension: WAVE_FORMAT_EXTENSIBLE.
const EXTENSIBLE: u16 = 0xfffe;

impl Form {
    fn parse(chunk: &[u8]) -> Result<Self, WavProblem> {
        let half = |at: usize| {
            chunk.get(at..).and_then(|b| b.first_chunk()).map(|b| u16::from_le_bytes(*b))
        };
        let missing = WavProblem::Missing("fmt");
        let (Some(tag), Some(channels), Some(low), Some(high), Some(bits)) =
            (half(0), half(2), half(4), half(6), half(14))
        else {
            return Err(missing);
        };
        let rate = u32::from(low) | (u32::from(high) << 16);
        let format = if tag == EXTENSIBLE { half(24).unwrap_or(tag) } else { tag };
        let coding = match (format, bits) {
            (1, 16) => Some(Coding::Linear),
            (6, 8) => Some(Coding::G711(Codec::Pcma)),
            (7, 8) => Some(Coding::G711(Codec::Pcmu)),
            _ => None,
        };
        let known = matches!(channels, 1 | 2) && matches!(rate, 8000 | 16_000);
        match coding {
            Some(coding) if known => {
                Ok(Self { coding, channels: usize::from(channels), sample_rate: rate })
            }
            _ => Err(WavProblem::Unsupported { format, bits, channels, rate }),
        }
    }

    fn decode(self, data: &[u8]) -> Audio {
        let mixed: Vec<i16> = match self.coding {
            Coding::Linear => {
                data.as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b)).collect()
            }
            Coding::G711(codec) => {
                let mut samples = vec![0; data.len()];
                codec.decode(data, &mut samples);
                samples
            }
        };
        let whole = mixed.len() - mixed.len() % self.channels;
        let channel =
            |n| mixed.iter().take(whole).skip(n).step_by(self.channels).copied().collect();
        Audio { sample_rate: self.sample_rate, channels: (0..self.channels).map(channel).collect() }
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, WavProblem> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if read as u64 > MAX_FILE_BYTES { Err(WavProblem::TooLong) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(format: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut out = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        out.extend_from_slice(&format.to_le_bytes());
        out.extend_from_slice(&channels.to_le_bytes());
        out.extend_from_slice(&rate.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&bits.to_le_bytes());
        out.extend_from_slice(b"data");
        out.extend_from_slice(&(data.len() as u32).to_le_bytes());
        out.extend_from_slice(data);
        out
    }

    #[test]
    fn linear_stereo_and_both_laws_are_read() {
        let stereo = parse(&file(1, 2, 16_000, 16, &[1, 0, 2, 0, 3, 0, 4, 0])).unwrap();
        assert_eq!(stereo.channels, [[1, 3], [2, 4]]);
        assert_eq!((stereo.sample_rate, stereo.mono()), (16_000, vec![1, 3]));
        let ulaw = parse(&file(7, 1, 8000, 8, &[0xff, 0x00])).unwrap();
        assert_eq!(ulaw.channels, [[0, -32_124]]);
        let alaw = parse(&file(6, 1, 8000, 8, &[0xd5])).unwrap();
        assert_eq!(alaw.channels, [[8]]);
    }

    #[test]
    fn a_file_written_by_another_program_is_read() {
        let mut bytes = io::Cursor::new(Vec::new());
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for sample in [1i16, -1, i16::MAX, i16::MIN] {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        let audio = parse(bytes.get_ref()).unwrap();
        assert_eq!(audio.channels, [[1, i16::MAX], [-1, i16::MIN]]);
    }

    #[test]
    fn a_cut_file_is_read_as_far_as_it_goes() {
        let mut bytes = file(1, 2, 8000, 16, &[1, 0, 2, 0, 3, 0, 4, 0]);
        bytes.truncate(bytes.len() - 3);
        assert_eq!(parse(&bytes).unwrap().channels, [[1], [2]]);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let said = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        assert!(said(b"OggS").contains("no WAV"));
        assert!(said(b"RIFF\0\0\0\0WAVE").contains("no fmt"));
        assert!(said(&file(1, 1, 44_100, 16, &[])).contains("44100 Hz"));
        assert!(said(&file(3, 1, 8000, 32, &[])).contains("format 3"));
        let error = read(Path::new("/nonexistent.wav")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent.wav"));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(
            tail in proptest::collection::vec(any::<u8>(), 0..120),
            form in any::<(u16, u16, u16)>(),
        ) {
            let mut bytes = file(form.0 % 8, form.1 % 4, 8000, form.2 % 20, &tail);
            let _ = parse(&bytes);
            bytes.truncate(tail.len());
            let _ = parse(&bytes);
        }
    }
}
