//! Whisper (Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022)
//! in safe Rust: telephone audio in, words with times and confidence out.
//!
//! Any size of the model serves, for English or for many languages. [`Whisper`] is loaded once
//! and shared; each thread that recognises keeps a [`Workspace`] of its own.

mod align;
mod decoder;
mod encoder;
mod greedy;
mod linear;
mod math;
mod mel;
mod recognise;
mod vocabulary;
mod weights;

pub use linear::Scratch;
pub use recognise::{Recognition, Request, SpokenWord};
pub use vocabulary::{Token, VocabularyError};

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use crate::speech::model::ctranslate2::{Checkpoint, FormatError};

use decoder::Head;
use mel::LogMel;
use vocabulary::Vocabulary;
use weights::{Decoder, Dimensions, Encoder};

/// Bytes of a `vocabulary.txt` or `config.json`; the real ones have below half a megabyte.
const MAX_TEXT_BYTES: u64 = 8 << 20;

/// Tokens in a list of the configuration, and heads in its list.
const MAX_LIST: usize = 4096;

/// Why a model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}; `phoneai model fetch` fetches the model anew")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The weights cannot be used.
    #[error("{path}: {source}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FormatError,
    },
    /// The vocabulary cannot be used.
    #[error("{path}: {source}")]
    Vocabulary {
        /// The file.
        path: PathBuf,
        /// Why.
        source: VocabularyError,
    },
    /// The configuration cannot be used, or does not fit the weights.
    #[error("{path}: {reason}")]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A loaded model. It does not change; threads share it.
pub struct Whisper {
    size: Dimensions,
    encoder: Encoder,
    decoder: Decoder,
    vocabulary: Vocabulary,
    mel: LogMel,
    rules: Rules,
}

/// Working memory of one thread that recognises.
#[derive(Default)]
pub struct Workspace {
    scratch: Scratch,
}

/// What `config.json` says.
#[derive(Debug, Default, serde::Deserialize)]
struct Rules {
    /// Heads of the cross-attention that look at the sound of the next token.
    #[serde(default)]
    alignment_heads: Vec<Head>,
    /// Tokens that are no speech: brackets, notes, tasks.
    #[serde(default)]
    suppress_ids: Vec<Token>,
    /// Tokens that may not come first: a blank, the end.
    #[serde(default)]
    suppress_ids_begin: Vec<Token>,
}

impl Whisper {
    /// Loads `model.bin`, `vocabulary.txt` and `config.json` of a directory.
    pub fn load(directory: &Path) -> Result<Self, LoadError> {
        let path = directory.join("model.bin");
        let io = |path: &Path| {
            let path = path.to_owned();
            |source| LoadError::Io { path, source }
        };
        let file = File::open(&path).map_err(io(&path))?;
        let length = file.metadata().map_err(io(&path))?.len();
        let format = |source| LoadError::Format { path: path.clone(), source };
        let mut checkpoint = Checkpoint::read(BufReader::new(file), length).map_err(format)?;
        let (size, encoder, decoder) = weights::load(&mut checkpoint).map_err(format)?;

        let path = directory.join("vocabulary.txt");
        let text = read_text(&path).map_err(io(&path))?;
        let vocabulary = Vocabulary::parse(&text)
            .map_err(|source| LoadError::Vocabulary { path: path.clone(), source })?;

        let path = directory.join("config.json");
        let text = read_text(&path).map_err(io(&path))?;
        let config = |reason| LoadError::Config { path: path.clone(), reason };
        let rules: Rules = serde_json::from_str(&text).map_err(|e| config(e.to_string()))?;
        let mel = LogMel::new(size.mels);
        let mut whisper = Self { size, encoder, decoder, vocabulary, mel, rules };
        whisper.check().map_err(config)?;
        Ok(whisper)
    }

    /// Whether the model knows more languages than English.
    pub fn is_multilingual(&self) -> bool {
        // The models for English alone have one token less: they end before a blank's own.
        self.size.tokens >= 51_865
    }

    /// The tokens of a hint, as many of its last ones as fit.
    pub fn hint(&self, text: &str) -> Vec<Token> {
        let text = text.trim();
        if text.is_empty() {
            return Vec::new();
        }
        let tokens = self.vocabulary.encode(&format!(" {text}"));
        self.fit_hint(&tokens).to_vec()
    }

    /// The last tokens of a hint, as many as fit beside a text: half of the decoder's positions.
    pub fn fit_hint<'a>(&self, tokens: &'a [Token]) -> &'a [Token] {
        let room = (self.size.text_positions / 2).saturating_sub(1);
        &tokens[tokens.len().saturating_sub(room)..]
    }

    /// Codes of the languages that may be asked for; `en` alone if the model knows only English.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        let all = self.vocabulary.special().languages.iter();
        all.map(|(code, _)| code.as_str()).filter(|code| *code == "en" || self.is_multilingual())
    }

    /// Checks that the three files belong together.
    fn check(&mut self) -> Result<(), String> {
        let Dimensions { tokens, decoder_heads, .. } = self.size;
        if self.vocabulary.size() > tokens {
            return Err(format!(
                "the vocabulary has {} tokens, but the weights only {tokens}; the files are of \
                 different models",
                self.vocabulary.size()
            ));
        }
        let rules = &mut self.rules;
        if rules.alignment_heads.len().max(rules.suppress_ids.len()) > MAX_LIST {
            return Err(format!("a list has more than {MAX_LIST} entries"));
        }
        let layers = self.decoder.layers.len();
        if rules.alignment_heads.is_empty() {
            // What the reference implementation falls back to.
            let later = layers / 2..layers;
            rules.alignment_heads =
                later.flat_map(|layer| (0..decoder_heads).map(move |head| (layer, head))).collect();
        }
        match rules.alignment_heads.iter().find(|h| h.0 >= layers || h.1 >= decoder_heads) {
            Some(head) => Err(format!("the model has no head {head:?}")),
            None => Ok(()),
        }
    }
}

fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_TEXT_BYTES).read_to_string(&mut text)?;
    if read as u64 == MAX_TEXT_BYTES {
        return Err(std::io::Error::other("the file is too large to be what it should be"));
    }
    Ok(text)
}
