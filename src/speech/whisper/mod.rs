//! Whisper in pure Rust.

pub mod linear;
pub mod math;
