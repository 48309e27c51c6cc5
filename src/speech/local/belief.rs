//! What is believed of what the model wrote, and where its words lie on the call's clock.

use phoneai_whisper::Recognition;

use crate::speech::{Transcript, Word, cutter::Piece};

/// The words of a piece; none if it is not believed that anybody spoke.
pub fn transcript(piece: &Piece, found: Recognition) -> Transcript {
    if std::env::var("DBG").is_ok() {
        let t: Vec<_> = found.words.iter().map(|w| w.text.as_str()).collect();
        eprintln!(
            "piece {}-{} lp {:.2} ns {:.3} passes {} {}",
            piece.from_ms,
            piece.to_ms(),
            found.mean_log_probability,
            found.no_speech,
            found.passes,
            t.join(" ")
        );
    }
    let at = |ms: u32| piece.from_ms.saturating_add(ms).min(piece.to_ms());
    let words: Vec<Word> = found
        .words
        .into_iter()
        .map(|word| Word {
            start_ms: at(word.start_ms),
            end_ms: at(word.end_ms),
            confidence: word.confidence,
            text: word.text,
        })
        .collect();
    let total: f32 = words.iter().map(|word| word.confidence).sum();
    let confidence = if words.is_empty() { 0.0 } else { total / words.len() as f32 };
    Transcript { words, confidence }
}
