//! Sound files, made and looked at.

use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

const RATE: u32 = 8000;
/// Samples of 20 ms.
const FRAME: usize = 160;
/// A frame with a sample beyond this is not silent.
const LOUD: u16 = 1000;

/// Writes a prompt of `sample_audio` with silence around it, and tells how many of its frames are
/// loud.
pub fn prompt(directory: &Path, name: &str, before_ms: u32, after_ms: u32) -> (PathBuf, usize) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_audio").join(name);
    let mut reader = WavReader::open(from).expect("a prompt");
    let spec = WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    assert_eq!(reader.spec(), spec);
    let silence = |ms: u32| std::iter::repeat_n(0, ms as usize * RATE as usize / 1000);
    let prompt: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
    let path = directory.join("played.wav");
    let mut writer = WavWriter::create(&path, spec).expect("a file");
    for sample in silence(before_ms).chain(prompt.iter().copied()).chain(silence(after_ms)) {
        writer.write_sample(sample).expect("room for a sample");
    }
    writer.finalize().expect("a whole file");
    (path, loud_frames(&prompt))
}

/// The recording of a call.
pub struct Recorded {
    pub heard: Vec<i16>,
    pub sent: Vec<i16>,
}

impl Recorded {
    /// Reads the recording of the call `id` below `data`.
    pub fn of(data: &Path, id: &str) -> Self {
        let path = data.join("recordings").join(id).join("call.wav");
        let mut reader = WavReader::open(path).expect("a recording");
        let spec = reader.spec();
        assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, RATE, 16));
        let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
        let channel = |n: usize| samples.chunks_exact(2).map(|pair| pair[n]).collect();
        Self { heard: channel(0), sent: channel(1) }
    }

    pub fn seconds(&self) -> f64 {
        self.heard.len() as f64 / f64::from(RATE)
    }
}

/// How many of the frames have sound.
pub fn loud_frames(samples: &[i16]) -> usize {
    let loud = |frame: &&[i16]| frame.iter().any(|sample| sample.unsigned_abs() > LOUD);
    samples.chunks(FRAME).filter(loud).count()
}
