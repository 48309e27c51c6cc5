//! What is heard in the frames of a call. Each detector is a plain struct that takes frames in order
//! with their time; those for tones and the voicemail beep will stand beside the one for silence.

pub mod silence;
