//! Anybody's own recogniser: audio out over a WebSocket, words in as JSON.
//!
//! The service connects to the configured address and sends
//!
//! * one text message `{"type": "start", "version": 1, "encoding": "pcm_s16le", "sample_rate": 8000}`;
//! * the sound of the call as binary messages: samples of 16 bits, signed, low byte first;
//! * `{"type": "flush"}` whenever something hangs on the words of what was sent so far;
//! * `{"type": "finish"}` when the call is over.
//!
//! The recogniser sends
//!
//! * `{"type": "words", "final": true, "words": [{"text": "press", "start": 0.51, "end": 0.92,
//!   "confidence": 0.98}]}` as often as it likes. Times are seconds from the first sample of the
//!   connection; `confidence` may be left out. Words with `"final": false` are replaced by those of
//!   the next message; final words come in the order in which they were said, and once;
//! * `{"type": "done"}` when it has sent the final words of all audio before a `flush` or `finish`;
//! * `{"type": "error", "message": "…", "retry": false}` if it cannot go on; with `"retry": true`
//!   the service connects again and sends again what had no final words.
//!
//! Members and types that are not known are left alone by both sides. A complete recogniser in
//! Python is in `examples/websocket_recogniser.py`.

use std::time::Duration;

use serde_json::{Value, json};

use super::dialect::{Dialect, Fault, HeardWord, Outgoing, Phrase, Told, seconds_to_ms};

/// Silence that is thought to end a phrase, since the protocol does not say.
const PHRASE_SILENCE_MS: u32 = 700;

/// The messages of the protocol above.
#[derive(Debug)]
pub struct Generic;

impl Dialect for Generic {
    fn name(&self) -> &'static str {
        "the recogniser"
    }

    fn greeting(&self) -> Option<Outgoing> {
        let start =
            json!({"type": "start", "version": 1, "encoding": "pcm_s16le", "sample_rate": 8000});
        Some(Outgoing::Text(start.to_string()))
    }

    fn audio(&self, samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    fn flush(&self) -> Outgoing {
        Outgoing::Text(json!({"type": "flush"}).to_string())
    }

    fn finish(&self) -> Outgoing {
        Outgoing::Text(json!({"type": "finish"}).to_string())
    }

    fn keep_alive(&self) -> Option<(Duration, Outgoing)> {
        None
    }

    fn restarts(&self) -> bool {
        false
    }

    fn says_ready(&self) -> bool {
        false
    }

    fn phrase_silence_ms(&self) -> u32 {
        PHRASE_SILENCE_MS
    }

    fn read(&self, text: &str) -> Result<Vec<Told>, Fault> {
        let message: Value = serde_json::from_str(text)
            .map_err(|e| Fault::passing(format!("a message that is no JSON ({e})")))?;
        Ok(match message.get("type").and_then(Value::as_str).unwrap_or_default() {
            "words" => {
                let is_final = message.get("final").and_then(Value::as_bool).unwrap_or(false);
                let words = message.get("words").and_then(Value::as_array);
                let words = words.into_iter().flatten().filter_map(word).collect();
                vec![Told::Phrase(Phrase { is_final, words, until_ms: None })]
            }
            "done" => vec![Told::Ready],
            "error" => {
                let text = message.get("message").and_then(Value::as_str).unwrap_or("an error");
                let fault = match message.get("retry").and_then(Value::as_bool).unwrap_or(true) {
                    true => Fault::passing(text),
                    false => Fault::lasting(text),
                };
                vec![Told::Fault(fault)]
            }
            _ => Vec::new(),
        })
    }
}

fn word(word: &Value) -> Option<HeardWord> {
    let text = word.get("text")?.as_str()?.trim();
    let number = |key: &str| word.get(key).and_then(Value::as_f64);
    let place = number("start").zip(number("end"));
    (!text.is_empty()).then(|| HeardWord {
        text: text.to_owned(),
        place: place.map(|(from, to)| (seconds_to_ms(from), seconds_to_ms(to))),
        confidence: number("confidence").map(|c| c as f32),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::stream::dialect::Remedy;

    #[test]
    fn words_come_as_they_are_written() {
        let told = Generic
            .read(
                r#"{"type": "words", "final": true, "words": [
                {"text": "press", "start": 0.5, "end": 0.9, "confidence": 0.7}, {"text": " "},
                {"text": "one"}, 7]}"#,
            )
            .unwrap();
        let [Told::Phrase(Phrase { is_final: true, words, .. })] = &told[..] else { panic!() };
        assert_eq!(words.len(), 2);
        assert_eq!((words[0].place, words[0].confidence), (Some((500, 900)), Some(0.7)));
        assert_eq!((words[1].place, words[1].confidence), (None, None));
    }

    #[test]
    fn an_error_says_whether_another_connection_helps() {
        for (text, remedy) in [
            (r#"{"type":"error","message":"busy","retry":true}"#, Remedy::Reconnect),
            (r#"{"type":"error","message":"no licence","retry":false}"#, Remedy::GiveUp),
            (r#"{"type":"error"}"#, Remedy::Reconnect),
        ] {
            let told = Generic.read(text).unwrap();
            assert!(matches!(&told[..], [Told::Fault(fault)] if fault.remedy == remedy), "{text}");
        }
    }

    #[test]
    fn audio_is_little_endian() {
        assert_eq!(Generic.audio(&[1, -2]), [1, 0, 254, 255]);
    }
}
