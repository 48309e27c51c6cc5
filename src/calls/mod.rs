//! A call: its signalling, its media, its life, its record.

pub mod live;
