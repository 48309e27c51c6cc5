//! RTP, codecs, telephone-events, detectors and recording: samples and time in, samples and events
//! out. Sockets and threads are in one module.
//!
//! Everything here works in frames of 20 ms: [`FRAME_SAMPLES`] linear 16-bit samples at
//! [`SAMPLE_RATE`]. Times are milliseconds since the stream was opened ([`StreamMs`]), levels are
//! dBov (0 dBov is the mean square of a full-scale square wave, so a full-scale sine is −3 dBov).
//!
//! From the wire inwards: [`socket`] drives one [`stream`] per call on the media threads; a stream
//! keeps strangers out ([`peer`]), puts packets in order ([`jitter`]), decodes them ([`codec`]),
//! fills what is missing ([`conceal`]) and sends and receives digits ([`dtmf`]). [`detect`] says
//! what is heard in the frames, [`recorder`] keeps them.

pub mod codec;
pub mod conceal;
pub mod detect;
pub mod dtmf;
mod exercise;
pub mod impair;
pub mod jitter;
pub mod noise;
pub mod peer;
pub mod reception;
pub mod recorder;
pub mod rtcp;
pub mod rtp;
pub mod socket;
pub mod stream;
pub mod wav;

#[doc(hidden)]
pub use exercise::exercise;

/// Samples in a second of everything that is heard and sent.
pub const SAMPLE_RATE: u32 = 8000;

/// Milliseconds in a frame.
pub const FRAME_MS: u32 = 20;

/// Samples in a frame.
pub const FRAME_SAMPLES: usize = 160;

/// Samples in a millisecond.
pub(crate) const SAMPLES_PER_MS: u32 = SAMPLE_RATE / 1000;

/// Milliseconds since a stream was opened.
pub type StreamMs = u32;

/// One frame of linear audio.
pub type Samples = [i16; FRAME_SAMPLES];

/// A frame of digital silence.
pub const SILENCE: Samples = [0; FRAME_SAMPLES];
