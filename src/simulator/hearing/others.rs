//! The simulated Deepgram's protocol, and that of anybody's own recogniser.

use phoneai_media::codec::g711;
use serde_json::{Value, json};

use super::desk::{Desk, Do, Opening, Refused, mean_confidence, seconds};
use crate::speech::{CallMs, Transcript};

/// Without audio or `KeepAlive` for so long Deepgram closes, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// A connection to the simulated Deepgram.
pub struct DeepgramDesk {
    last_ms: u64,
    is_closing: bool,
}

impl DeepgramDesk {
    /// Lets a client in that has the key and says what audio it sends.
    pub fn open(opening: &Opening<'_>, key: &str) -> Result<Self, Refused> {
        if opening.authorization != Some(format!("Token {key}").as_str()) {
            return Err(401);
        }
        let audio = (opening.parameter("encoding"), opening.parameter("sample_rate"));
        if opening.path != "/v1/listen" || audio != (Some("mulaw"), Some("8000")) {
            return Err(400);
        }
        Ok(Self { last_ms: 0, is_closing: false })
    }
}

impl Desk for DeepgramDesk {
    fn text(&mut self, now_ms: u64, text: &str) -> Vec<Do> {
        self.last_ms = now_ms;
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message.get("type").and_then(Value::as_str) {
            Some("KeepAlive") => Vec::new(),
            Some("Finalize") => vec![Do::Settle],
            Some("CloseStream") => {
                self.is_closing = true;
                vec![Do::SettleAndClose]
            }
            _ => vec![Do::Say(self.error("unknown message")), Do::Close(1008, "DATA-0000")],
        }
    }

    fn binary(&mut self, now_ms: u64, bytes: &[u8]) -> Vec<Do> {
        self.last_ms = now_ms;
        let mut samples = vec![0; bytes.len()];
        g711::decode_ulaw(bytes, &mut samples);
        vec![Do::Hear(samples)]
    }

    fn tick(&mut self, now_ms: u64) -> Vec<Do> {
        let is_late = now_ms >= self.last_ms + PATIENCE_MS && !self.is_closing;
        if is_late { vec![Do::Close(1011, "NET-0001")] } else { Vec::new() }
    }

    fn words(&mut self, transcript: &Transcript, is_final: bool) -> String {
        let words: Vec<Value> = transcript
            .words
            .iter()
            .map(|w| {
                json!({"word": w.text, "start": seconds(w.start_ms), "end": seconds(w.end_ms),
                    "confidence": w.confidence})
            })
            .collect();
        let from = transcript.words.first().map_or(0, |w| w.start_ms);
        let to = transcript.words.last().map_or(from, |w| w.end_ms);
        let best = json!({"transcript": transcript.text(), "words": words,
            "confidence": mean_confidence(transcript)});
        json!({"type": "Results", "start": seconds(from), "duration": seconds(to - from),
            "is_final": is_final, "speech_final": is_final, "channel": {"alternatives": [best]}})
        .to_string()
    }

    fn settled(&mut self, _now_ms: u64, heard_ms: CallMs) -> Vec<Do> {
        if self.is_closing {
            return vec![Do::Say(json!({"type": "Metadata", "channels": 1}).to_string())];
        }
        let best = json!({"transcript": "", "words": [], "confidence": 0.0});
        let message = json!({"type": "Results", "start": seconds(heard_ms), "duration": 0.0,
            "is_final": true, "from_finalize": true, "channel": {"alternatives": [best]}});
        vec![Do::Say(message.to_string())]
    }

    fn error(&self, text: &str) -> String {
        json!({"type": "Error", "description": text}).to_string()
    }
}

/// A connection to the simulated recogniser of anybody's own.
pub struct GenericDesk {
    is_started: bool,
    is_closing: bool,
}

impl GenericDesk {
    /// Lets a client in that has the key.
    pub fn open(opening: &Opening<'_>, key: &str) -> Result<Self, Refused> {
        match opening.authorization == Some(format!("Bearer {key}").as_str()) {
            true => Ok(Self { is_started: false, is_closing: false }),
            false => Err(401),
        }
    }
}

impl Desk for GenericDesk {
    fn text(&mut self, _now_ms: u64, text: &str) -> Vec<Do> {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        let is = |key: &str, value: Value| message.get(key) == Some(&value);
        match message.get("type").and_then(Value::as_str) {
            Some("start")
                if is("encoding", "pcm_s16le".into()) && is("sample_rate", 8000.into()) =>
            {
                self.is_started = true;
                Vec::new()
            }
            Some("flush") if self.is_started => vec![Do::Settle],
            Some("finish") if self.is_started => {
                self.is_closing = true;
                vec![Do::SettleAndClose]
            }
            _ => vec![Do::Say(self.error("unexpected message")), Do::Close(1008, "")],
        }
    }

    fn binary(&mut self, _now_ms: u64, bytes: &[u8]) -> Vec<Do> {
        if !self.is_started || !bytes.len().is_multiple_of(2) {
            return vec![Do::Say(self.error("unexpected audio")), Do::Close(1008, "")];
        }
        let pairs = bytes.chunks_exact(2);
        vec![Do::Hear(
            pairs.filter_map(|two| Some(i16::from_le_bytes(two.try_into().ok()?))).collect(),
        )]
    }

    fn words(&mut self, transcript: &Transcript, is_final: bool) -> String {
        let words: Vec<Value> = transcript
            .words
            .iter()
            .map(|w| {
                json!({"text": w.text, "start": seconds(w.start_ms), "end": seconds(w.end_ms),
                    "confidence": w.confidence})
            })
            .collect();
        json!({"type": "words", "final": is_final, "words": words}).to_string()
    }

    fn settled(&mut self, _now_ms: u64, _heard_ms: CallMs) -> Vec<Do> {
        vec![Do::Say(json!({"type": "done"}).to_string())]
    }

    fn error(&self, text: &str) -> String {
        json!({"type": "error", "message": text, "retry": false}).to_string()
    }
}
