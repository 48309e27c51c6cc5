//! Models: where they come from and how their files are read.

pub mod ctranslate2;
