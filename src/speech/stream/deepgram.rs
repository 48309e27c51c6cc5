//! Deepgram: its messages over a WebSocket.
//!
//! All parameters stand in the address. Audio goes in as binary messages, `Results` come out; times
//! go on through the whole connection. `Finalize` asks for the words of what was sent so far, and is
//! answered by results with `from_finalize`; `CloseStream` ends the connection, and `Metadata` is
//! its last message. Without audio or `KeepAlive` for 10 s the service closes with `NET-0001`.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::{
    dialect::{Dialect, Fault, HeardWord, Outgoing, Phrase, Told, seconds_to_ms},
    watson::mu_law,
};

/// Deepgram's address.
pub const DEEPGRAM: &str = "https://api.deepgram.com/v1/listen";

/// How often it is told that the connection is still needed: the service advises 3 to 5 s.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// Silence that ends a phrase.
const ENDPOINTING_MS: u32 = 500;

/// How Deepgram is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct DeepgramSettings {
    /// The service's address; parameters that stand in it are kept, and go before ours.
    pub url: Url,
    /// The model, such as `nova-3`.
    pub model: String,
    /// The language, such as `en-US`.
    pub language: String,
}

impl DeepgramSettings {
    /// Where to connect.
    pub fn address(&self) -> Url {
        let mut url = self.url.clone();
        let endpointing = ENDPOINTING_MS.to_string();
        let parameters = [
            ("model", self.model.as_str()),
            ("language", &self.language),
            ("encoding", "mulaw"),
            ("sample_rate", "8000"),
            ("channels", "1"),
            ("interim_results", "true"),
            ("endpointing", &endpointing),
        ];
        for (key, value) in parameters {
            if !url.query_pairs().any(|(given, _)| given == key) {
                url.query_pairs_mut().append_pair(key, value);
            }
        }
        url
    }
}

/// Deepgram's messages.
#[derive(Debug)]
pub struct Deepgram;

fn command(kind: &str) -> Outgoing {
    Outgoing::Text(json!({"type": kind}).to_string())
}

impl Dialect for Deepgram {
    fn name(&self) -> &'static str {
        "Deepgram"
    }

    fn greeting(&self) -> Option<Outgoing> {
        None
    }

    fn audio(&self, samples: &[i16]) -> Vec<u8> {
        mu_law(samples)
    }

    fn flush(&self) -> Outgoing {
        command("Finalize")
    }

    fn finish(&self) -> Outgoing {
        command("CloseStream")
    }

    fn keep_alive(&self) -> Option<(Duration, Outgoing)> {
        Some((KEEP_ALIVE, command("KeepAlive")))
    }

    fn restarts(&self) -> bool {
        false
    }

    fn says_ready(&self) -> bool {
        false
    }

    fn phrase_silence_ms(&self) -> u32 {
        ENDPOINTING_MS
    }

    fn read(&self, text: &str) -> Result<Vec<Told>, Fault> {
        let message: Value = serde_json::from_str(text)
            .map_err(|e| Fault::passing(format!("a message that is no JSON ({e})")))?;
        let said = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default();
        Ok(match said("type") {
            "Results" => {
                let mut told = vec![Told::Phrase(phrase(&message))];
                if message.get("from_finalize") == Some(&Value::Bool(true)) {
                    told.push(Told::Ready);
                }
                told
            }
            // The last message of a connection.
            "Metadata" => vec![Told::Ready],
            "Error" => {
                let text = format!("{} {}", said("description"), said("message"));
                vec![Told::Fault(Fault::passing(text.trim()))]
            }
            "Warning" => vec![Told::Remark(format!("it warns: {}", said("description")))],
            // SpeechStarted, UtteranceEnd, and what is yet to come.
            _ => Vec::new(),
        })
    }
}

fn phrase(message: &Value) -> Phrase {
    let is_final = message.get("is_final").and_then(Value::as_bool).unwrap_or(false);
    let seconds = |value: &Value, key: &str| value.get(key).and_then(Value::as_f64);
    let end = seconds(message, "start").zip(seconds(message, "duration"));
    let best = message.pointer("/channel/alternatives/0").unwrap_or(&Value::Null);
    let overall = seconds(best, "confidence");
    let words = best.get("words").and_then(Value::as_array).into_iter().flatten();
    let words = words.filter_map(|word| {
        // The written form is there if punctuation or formatting was asked for.
        let text = word.get("punctuated_word").or_else(|| word.get("word"))?.as_str()?;
        let place = seconds(word, "start").zip(seconds(word, "end"));
        Some(HeardWord {
            text: text.to_owned(),
            place: place.map(|(from, to)| (seconds_to_ms(from), seconds_to_ms(to))),
            confidence: seconds(word, "confidence").or(overall).map(|c| c as f32),
        })
    });
    let until = end.filter(|_| is_final).map(|(from, length)| seconds_to_ms(from + length));
    Phrase { is_final, words: words.collect(), until_ms: until }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_says_what_audio_comes_and_keeps_what_the_operator_wrote() {
        let settings = DeepgramSettings {
            url: Url::parse("https://example.test/v1/listen?endpointing=300&numerals=true")
                .unwrap(),
            model: "nova-3".to_owned(),
            language: "en-US".to_owned(),
        };
        assert_eq!(
            settings.address().query().unwrap(),
            "endpointing=300&numerals=true&model=nova-3&language=en-US&encoding=mulaw\
             &sample_rate=8000&channels=1&interim_results=true"
        );
    }

    #[test]
    fn results_have_words_and_tell_how_far_they_are_final() {
        let text = r#"{"type":"Results","start":1.5,"duration":2.25,"is_final":true,
            "speech_final":true,"channel":{"alternatives":[{"transcript":"press one",
            "confidence":0.9,"words":[{"word":"press","start":1.6,"end":2.0,"confidence":0.99},
            {"word":"one","start":2.0,"end":2.4,"punctuated_word":"one."}]}]}}"#;
        let told = Deepgram.read(text).unwrap();
        let [Told::Phrase(phrase)] = &told[..] else { panic!("{told:?}") };
        assert_eq!((phrase.is_final, phrase.until_ms), (true, Some(3750)));
        assert_eq!(phrase.words[0].place, Some((1600, 2000)));
        assert_eq!(phrase.words[1].text, "one.");
        assert_eq!(phrase.words[1].confidence, Some(0.9));
    }

    #[test]
    fn a_finalized_stretch_and_the_end_say_that_all_was_recognised() {
        let finalized = r#"{"type":"Results","is_final":true,"from_finalize":true,
            "start":0,"duration":0,"channel":{"alternatives":[{"transcript":"","words":[]}]}}"#;
        assert!(matches!(Deepgram.read(finalized).unwrap()[..], [Told::Phrase(_), Told::Ready]));
        assert_eq!(Deepgram.read(r#"{"type":"Metadata"}"#).unwrap(), [Told::Ready]);
    }

    #[test]
    fn what_is_not_known_is_left_alone_and_what_is_no_json_is_a_fault() {
        assert_eq!(Deepgram.read(r#"{"type":"UtteranceEnd"}"#).unwrap(), []);
        assert_eq!(Deepgram.read("[]").unwrap(), []);
        assert!(Deepgram.read("nonsense").is_err());
        let error = Deepgram.read(r#"{"type":"Error","description":"too fast"}"#).unwrap();
        assert!(matches!(&error[..], [Told::Fault(fault)] if fault.text == "too fast"));
    }
}
