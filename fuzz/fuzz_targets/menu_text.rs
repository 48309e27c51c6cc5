//! The understanding of menus: any words with any times and confidences must give options that lie
//! within what was said, each key once, without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

use crate::{
    crawl::menu_text::{MAX_OPTIONS, understand, understand_text},
    speech::{Transcript, Word},
};

/// The grammar's own files. The crate `phoneai` brings a database and a web server along, which
/// take ten times as long to build with libFuzzer's instrumentation as all that is fuzzed.
#[allow(dead_code, reason = "the rest of the crawler uses the rest")]
#[path = "../../src/crawl"]
mod crawl {
    pub mod menu_text;
    pub mod tree;
}

/// What the grammar needs of `src/speech/mod.rs`. A field that is missing there or here does not
/// compile.
mod speech {
    pub type CallMs = u32;

    #[derive(Clone, Debug, PartialEq, serde::Serialize)]
    pub struct Word {
        pub text: String,
        pub start_ms: CallMs,
        pub end_ms: CallMs,
        pub confidence: f32,
    }

    #[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
    pub struct Transcript {
        pub words: Vec<Word>,
        pub confidence: f32,
    }

    impl Transcript {
        pub fn text(&self) -> String {
            let words: Vec<&str> = self.words.iter().map(|w| w.text.as_str()).collect();
            words.join(" ")
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _ = understand_text(&text);

    // The same words with times and confidences taken from their own bytes, cut at line ends.
    let mut at: u32 = 0;
    let transcripts: Vec<Transcript> = text
        .lines()
        .map(|line| {
            let words = line.split(' ').map(|word| {
                let noise =
                    word.bytes().fold(7u32, |a, b| a.wrapping_mul(31).wrapping_add(b.into()));
                let start_ms = at;
                at = at.wrapping_add(noise >> (noise % 32));
                Word {
                    text: word.to_owned(),
                    start_ms,
                    end_ms: at,
                    confidence: f32::from_bits(noise.rotate_left(9)),
                }
            });
            Transcript { words: words.collect(), confidence: 0.5 }
        })
        .collect();
    let understood = understand(&transcripts);
    assert!(understood.options.len() <= MAX_OPTIONS);
    for (i, option) in understood.options.iter().enumerate() {
        assert!(understood.options.iter().skip(i + 1).all(|o| o.keys != option.keys));
        assert!((0.0..=1.0).contains(&option.confidence));
    }
});
