//! IBM Watson Speech to Text: its messages over a WebSocket.
//!
//! Facts are from IBM's documentation of the WebSocket interface and from its public clients. One
//! connection carries several requests: a text message `start`, binary audio, a text message `stop`,
//! after which the service sends the rest of its results and `{"state": "listening"}`. The
//! parameters of `start` stay in force for the requests that follow, whose times begin at 0 again.
//!
//! | what the service does                     | what we do                                       |
//! |-------------------------------------------|--------------------------------------------------|
//! | answers 401 or 403 instead of a WebSocket | get a new token, try once more, then give up     |
//! | answers another 4xx                       | give up: the address or the model is wrong       |
//! | answers 408, 429 or 5xx                   | connect again later                              |
//! | `No speech detected for …`                | connect again; nothing was said in what was sent |
//! | `Session timed out.` and 1011             | connect again; send again what has no words yet  |
//! | `unable to transcode …`                   | give up: `content-type` is wrong                 |
//! | `… exceeds the … bytes limit.`            | connect again                                    |
//! | an error with `code` 400                  | give up: a parameter is wrong                    |
//! | any other `error`                         | connect again later                              |
//! | `warnings`                                | log them                                         |
//! | closes: 1000, 1001, 1006, 1009, 1011, …   | connect again later                              |
//! | closes: 1002, 1003, 1007, 1008            | connect again later; with the limit on attempts  |
//! | a binary message, or one that is no JSON  | connect again later                              |
//!
//! *Later* means after a pause that doubles, with jitter; what *give up* means is said at
//! [`super`].

use phoneai_media::codec::g711;
use serde_json::{Map, Value, json};
use url::Url;

use super::dialect::{Dialect, Fault, HeardWord, Outgoing, Phrase, Remedy, Told, seconds_to_ms};

/// How Watson is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct WatsonSettings {
    /// The address of the service's instance, as IBM's console shows it.
    pub url: Url,
    /// The model, such as `en-US_Telephony`.
    pub model: String,
    /// The id of a customised language model.
    pub customization_id: Option<String>,
    /// True if IBM may not keep what was said.
    pub learning_opt_out: bool,
    /// With which customer IBM shall associate the data.
    pub customer_id: Option<String>,
    /// Further parameters of `start`, and others than ours.
    pub parameters: Map<String, Value>,
}

/// Parameters of `start` with which no results come while somebody speaks.
const NO_INTERIM: [&str; 2] = ["redaction", "smart_formatting_version"];

/// Parameters of `start` that are ours: the audio is what it is, and words are needed as they come.
const OURS: [&str; 5] =
    ["action", "content-type", "interim_results", "timestamps", "word_confidence"];

impl WatsonSettings {
    /// Reads a JSON object of parameters. The error completes "… ".
    pub fn parameters(text: &str) -> Result<Map<String, Value>, String> {
        if text.trim().is_empty() {
            return Ok(Map::new());
        }
        let read: Result<Map<String, Value>, _> = serde_json::from_str(text);
        let map = read.map_err(|e| format!("is not a JSON object: {e}"))?;
        for key in map.keys() {
            if OURS.contains(&key.as_str()) {
                return Err(format!("has {key:?}, which this program sets"));
            }
            if NO_INTERIM.contains(&key.as_str()) {
                return Err(format!(
                    "has {key:?}, with which Watson tells no words before the call's end"
                ));
            }
        }
        Ok(map)
    }

    /// Where to connect, with the parameters that belong to a connection.
    pub fn address(&self) -> Url {
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        let path = match base.ends_with("/v1/recognize") {
            true => base,
            false => format!("{base}/v1/recognize"),
        };
        url.set_path(&path);
        let mut query = url.query_pairs_mut();
        query.append_pair("model", &current_model(&self.model));
        if let Some(id) = &self.customization_id {
            query.append_pair("language_customization_id", id);
        }
        if self.learning_opt_out {
            query.append_pair("x-watson-learning-opt-out", "true");
        }
        if let Some(id) = &self.customer_id {
            query.append_pair("x-watson-metadata", &format!("customer_id={id}"));
        }
        drop(query);
        url
    }
}

/// IBM withdrew the narrowband and broadband models in August 2023; what came in their place.
pub fn current_model(model: &str) -> String {
    for (old, new) in [
        ("_ShortForm_NarrowbandModel", "_Telephony"),
        ("_NarrowbandModel", "_Telephony"),
        ("_BroadbandModel", "_Multimedia"),
    ] {
        if let Some(language) = model.strip_suffix(old) {
            return format!("{language}{new}");
        }
    }
    model.to_owned()
}

/// Watson's messages.
#[derive(Debug)]
pub struct Watson {
    start: Value,
    phrase_silence_ms: u32,
}

impl Watson {
    /// The messages for these settings.
    pub fn new(settings: &WatsonSettings) -> Self {
        let model = current_model(&settings.model);
        let mut start = json!({
            "action": "start",
            "content-type": "audio/mulaw;rate=8000",
            "interim_results": true,
            "timestamps": true,
            "word_confidence": true,
            // Music and silence may be long, and are sent; the call's own limits end it.
            "inactivity_timeout": -1,
            "end_of_phrase_silence_time": 0.8,
        });
        // Others than these refuse it.
        if model.ends_with("_Telephony") {
            start["low_latency"] = true.into();
        }
        for (key, value) in &settings.parameters {
            start[key] = value.clone();
        }
        let silence = start["end_of_phrase_silence_time"].as_f64().unwrap_or_default();
        // 0 stands for the service's default.
        let silence = if silence > 0.0 { silence } else { 0.8 };
        Self { start, phrase_silence_ms: seconds_to_ms(silence) }
    }
}

impl Dialect for Watson {
    fn name(&self) -> &'static str {
        "Watson"
    }

    fn greeting(&self) -> Option<Outgoing> {
        Some(Outgoing::Text(self.start.to_string()))
    }

    fn audio(&self, samples: &[i16]) -> Vec<u8> {
        mu_law(samples)
    }

    fn flush(&self) -> Outgoing {
        Outgoing::Text(json!({"action": "stop"}).to_string())
    }

    fn finish(&self) -> Outgoing {
        self.flush()
    }

    fn keep_alive(&self) -> Option<(std::time::Duration, Outgoing)> {
        // Only audio counts, and a call always has some.
        None
    }

    fn restarts(&self) -> bool {
        true
    }

    fn says_ready(&self) -> bool {
        true
    }

    fn phrase_silence_ms(&self) -> u32 {
        self.phrase_silence_ms
    }

    fn read(&self, text: &str) -> Result<Vec<Told>, Fault> {
        let message: Value = serde_json::from_str(text)
            .map_err(|e| Fault::passing(format!("a message that is no JSON ({e})")))?;
        let mut told = Vec::new();
        let warnings = message.get("warnings").and_then(Value::as_array);
        for warning in warnings.into_iter().flatten() {
            told.push(Told::Remark(format!("it warns: {}", plain(warning))));
        }
        for result in message.get("results").and_then(Value::as_array).into_iter().flatten() {
            told.extend(phrase(result).map(Told::Phrase));
        }
        if let Some(error) = message.get("error") {
            told.push(Told::Fault(fault(&plain(error), message.get("code"))));
        }
        match message.get("state").and_then(Value::as_str) {
            Some("listening") => told.push(Told::Ready),
            Some(other) => told.push(Told::Remark(format!("it is in the state {other:?}"))),
            None => {}
        }
        Ok(told)
    }
}

/// Text as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn fault(text: &str, code: Option<&Value>) -> Fault {
    let lower = text.to_lowercase();
    let remedy = if lower.starts_with("no speech detected") {
        Remedy::ReconnectAfterSilence
    } else if lower.contains("unable to transcode") || code.and_then(Value::as_i64) == Some(400) {
        Remedy::GiveUp
    } else {
        Remedy::Reconnect
    };
    Fault { text: text.to_owned(), remedy }
}

/// The words of a result; `None` for one that has none to tell, such as the event that somebody
/// began to speak.
fn phrase(result: &Value) -> Option<Phrase> {
    let is_final = result.get("final").and_then(Value::as_bool).unwrap_or(false);
    let best = result.get("alternatives")?.as_array()?.first()?;
    let overall = best.get("confidence").and_then(Value::as_f64).map(|c| c as f32);
    let certain: Vec<Option<f32>> = best
        .get("word_confidence")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|pair| pair.get(1).and_then(Value::as_f64).map(|c| c as f32))
        .collect();
    let word = |n: usize, text: &str, place| HeardWord {
        text: text.to_owned(),
        place,
        confidence: certain.get(n).copied().flatten().or(overall),
    };
    let places = best.get("timestamps").and_then(Value::as_array).filter(|all| !all.is_empty());
    let words: Vec<HeardWord> = match places {
        Some(places) => places
            .iter()
            .enumerate()
            .filter_map(|(n, entry)| {
                let text = entry.get(0)?.as_str()?;
                let at = |n: usize| entry.get(n).and_then(Value::as_f64).map(seconds_to_ms);
                Some(word(n, text, at(1).zip(at(2))))
            })
            .collect(),
        None => {
            let text = best.get("transcript").and_then(Value::as_str).unwrap_or_default();
            text.split_whitespace().enumerate().map(|(n, text)| word(n, text, None)).collect()
        }
    };
    // Older models write hesitations so.
    let words = words.into_iter().filter(|word| word.text != "%HESITATION").collect();
    Some(Phrase { is_final, words, until_ms: None })
}

/// Linear samples in G.711 µ-law, a byte each.
pub(super) fn mu_law(samples: &[i16]) -> Vec<u8> {
    let mut payload = vec![0; samples.len()];
    g711::encode_ulaw(samples, &mut payload);
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> WatsonSettings {
        WatsonSettings {
            url: Url::parse("https://api.eu-de.example.test/instances/6bba").unwrap(),
            model: "en-US_Telephony".to_owned(),
            customization_id: None,
            learning_opt_out: false,
            customer_id: None,
            parameters: Map::new(),
        }
    }

    fn read(text: &str) -> Vec<Told> {
        Watson::new(&settings()).read(text).unwrap()
    }

    /// Text, place and confidence.
    type Heard = (String, Option<(u32, u32)>, Option<f32>);

    fn words(told: &[Told]) -> Vec<Heard> {
        let phrases = told.iter().filter_map(|told| match told {
            Told::Phrase(phrase) => Some(phrase),
            Told::Ready | Told::Remark(_) | Told::Fault(_) => None,
        });
        phrases
            .flat_map(|phrase| &phrase.words)
            .map(|word| (word.text.clone(), word.place, word.confidence))
            .collect()
    }

    #[test]
    fn the_address_has_the_model_and_what_else_belongs_to_a_connection() {
        let base = "https://api.eu-de.example.test/instances/6bba/v1/recognize";
        assert_eq!(settings().address().as_str(), format!("{base}?model=en-US_Telephony"));
        let all = WatsonSettings {
            url: Url::parse(&format!("{base}/")).unwrap(),
            model: "en-US_NarrowbandModel".to_owned(),
            customization_id: Some("a-b".to_owned()),
            learning_opt_out: true,
            customer_id: Some("my customer".to_owned()),
            ..settings()
        };
        assert_eq!(
            all.address().query().unwrap(),
            "model=en-US_Telephony&language_customization_id=a-b&x-watson-learning-opt-out=true\
             &x-watson-metadata=customer_id%3Dmy+customer"
        );
    }

    #[test]
    fn withdrawn_models_are_replaced_by_what_came_after_them() {
        for (old, new) in [
            ("en-US_NarrowbandModel", "en-US_Telephony"),
            ("en-US_ShortForm_NarrowbandModel", "en-US_Telephony"),
            ("de-DE_BroadbandModel", "de-DE_Multimedia"),
            ("en-US", "en-US"),
        ] {
            assert_eq!(current_model(old), new);
        }
    }

    #[test]
    fn the_start_message_asks_for_words_with_times_as_they_come() {
        let Some(Outgoing::Text(text)) = Watson::new(&settings()).greeting() else { panic!() };
        let start: Value = serde_json::from_str(&text).unwrap();
        for (key, value) in [
            ("action", json!("start")),
            ("content-type", json!("audio/mulaw;rate=8000")),
            ("interim_results", json!(true)),
            ("timestamps", json!(true)),
            ("word_confidence", json!(true)),
            ("inactivity_timeout", json!(-1)),
            ("low_latency", json!(true)),
        ] {
            assert_eq!(start[key], value, "{key}");
        }
    }

    #[test]
    fn every_parameter_of_the_start_message_can_be_set_but_those_that_must_be() {
        let parameters = WatsonSettings::parameters(
            r#"{"sad_module": 2, "low_latency": false, "end_of_phrase_silence_time": 1.5}"#,
        );
        let watson = Watson::new(&WatsonSettings { parameters: parameters.unwrap(), ..settings() });
        assert_eq!(watson.start["sad_module"], 2);
        assert_eq!(watson.start["low_latency"], false);
        assert_eq!(watson.phrase_silence_ms(), 1500);
        for (bad, why) in [
            ("[]", "not a JSON object"),
            (r#"{"timestamps": false}"#, "which this program sets"),
            (r#"{"redaction": true}"#, "no words before the call's end"),
        ] {
            assert!(WatsonSettings::parameters(bad).unwrap_err().contains(why), "{bad}");
        }
        let large = Watson::new(&WatsonSettings { model: "en-GB".to_owned(), ..settings() });
        assert!(large.start.get("low_latency").is_none(), "it would be refused");
    }

    #[test]
    fn results_have_words_with_times_and_confidence_in_any_layout() {
        let told = read(
            r#"{
               "results": [ { "final": true, "alternatives": [ {
                  "transcript": "press one ",
                  "confidence": 0.91,
                  "timestamps": [ ["press", 0.51, 0.92], ["one", 0.92, 1.3] ],
                  "word_confidence": [ ["press", 0.98], ["one", 0.5] ] } ] } ],
               "result_index": 3
            }"#,
        );
        assert_eq!(
            words(&told),
            [
                ("press".to_owned(), Some((510, 920)), Some(0.98)),
                ("one".to_owned(), Some((920, 1300)), Some(0.5)),
            ]
        );
    }

    #[test]
    fn what_a_result_may_leave_out_is_not_missed() {
        let told = read(r#"{"results":[{"alternatives":[{"transcript":"%HESITATION hello "}]}]}"#);
        assert_eq!(words(&told), [("hello".to_owned(), None, None)]);
        assert!(matches!(&told[..], [Told::Phrase(Phrase { is_final: false, .. })]));
        let event = r#"{"result_index":0,"results":[{"speech_begin_event":{"begin":2.5}}]}"#;
        assert_eq!(read(event), []);
        assert_eq!(read(r#"{"result_index": 0, "results": []}"#), []);
        assert_eq!(read(r#"{"speaker_labels": [{"from": 0.1}]}"#), []);
        assert_eq!(
            words(&read(r#"{"results":[{"alternatives":[{"timestamps":[["a"],7]}]}]}"#)),
            [("a".to_owned(), None, None)]
        );
    }

    #[test]
    fn it_is_ready_when_it_listens_whatever_the_layout() {
        assert_eq!(read("{\n   \"state\": \"listening\"\n}"), [Told::Ready]);
    }

    #[test]
    fn each_documented_error_has_its_reaction() {
        for (text, remedy) in [
            (r#"{"error": "No speech detected for 30s."}"#, Remedy::ReconnectAfterSilence),
            (r#"{"error": "Session timed out."}"#, Remedy::Reconnect),
            (
                r#"{"error": "Session timed out, no data received in the last 30 seconds."}"#,
                Remedy::Reconnect,
            ),
            (
                r#"{"error": "unable to transcode data stream audio/wav -> audio/x-float-array "}"#,
                Remedy::GiveUp,
            ),
            (
                r#"{"error": "Session closed. Reason: Payload exceeds the 104857600 bytes limit."}"#,
                Remedy::Reconnect,
            ),
            (
                r#"{"code": 400, "code_description": "Bad Request",
                    "error": "low_latency is not a supported feature for model en-GB"}"#,
                Remedy::GiveUp,
            ),
            (r#"{"error": {"odd": true}}"#, Remedy::Reconnect),
        ] {
            let told = read(text);
            assert!(
                matches!(&told[..], [Told::Fault(f)] if f.remedy == remedy),
                "{text}: {told:?}"
            );
        }
        let watson = Watson::new(&settings());
        for (status, remedy) in [
            (401, Remedy::NewCredentials),
            (403, Remedy::NewCredentials),
            (404, Remedy::GiveUp),
            (429, Remedy::Reconnect),
            (503, Remedy::Reconnect),
        ] {
            assert_eq!(watson.refused(status).remedy, remedy, "{status}");
        }
        for code in [1000, 1001, 1002, 1006, 1009, 1011] {
            assert_eq!(watson.closed(code, "").remedy, Remedy::Reconnect);
        }
        assert_eq!(watson.read("{").unwrap_err().remedy, Remedy::Reconnect);
    }

    #[test]
    fn unknown_arguments_are_told_to_the_log() {
        let told = read(r#"{"warnings": ["Unknown arguments: x."], "state": "listening"}"#);
        assert!(matches!(&told[..], [Told::Remark(text), Told::Ready] if text.contains("x.")));
    }
}
