//! The simulated Watson's protocol: strict where IBM's documentation is.

use std::{collections::VecDeque, sync::Arc};

use phoneai_media::{FRAME_MS, codec::g711};
use serde_json::{Value, json};

use super::{
    desk::{Desk, Do, Opening, Refused, mean_confidence, seconds},
    iam::Issued,
};
use crate::speech::{
    CallMs, Transcript,
    activity::Level,
    cutter::{Activity as _, FRAME},
};

/// Least audio of a request, in bytes.
const LEAST_BYTES: u64 = 100;
/// Most audio of a request, in bytes.
const MOST_BYTES: u64 = 104_857_600;
/// Most bytes of a message.
const LARGEST_FRAME: usize = 4 << 20;
/// In each window of so many milliseconds …
const WINDOW_MS: u64 = 30_000;
/// … so much audio must come.
const LEAST_MS: u64 = 15_000;

/// Parameters of `start` that Watson knows.
const KNOWN: [&str; 26] = [
    "action",
    "audio_metrics",
    "background_audio_suppression",
    "character_insertion_bias",
    "content-type",
    "content_type",
    "customization_weight",
    "end_of_phrase_silence_time",
    "grammar_name",
    "inactivity_timeout",
    "interim_results",
    "low_latency",
    "max_alternatives",
    "parameter_set",
    "profanity_filter",
    "redaction",
    "sad_module",
    "smart_formatting",
    "smart_formatting_version",
    "speaker_labels",
    "speech_begin_event",
    "speech_detector_sensitivity",
    "speech_event_sensitivity",
    "split_transcript_at_phrase_end",
    "timestamps",
    "word_confidence",
];

/// One connection.
pub struct WatsonDesk {
    model: String,
    start: Option<Start>,
    /// Between a `stop` and the next audio nothing is counted.
    is_stopped: bool,
    /// Where the request begins, in milliseconds of the connection.
    base_ms: CallMs,
    heard_ms: CallMs,
    request_bytes: u64,
    /// When how many milliseconds of audio came, in the last window.
    recent: VecDeque<(u64, u64)>,
    window_from: u64,
    level: Level,
    frame: Vec<i16>,
    speechless_ms: u64,
    results: u64,
    /// Finals that wait for the end, if the client wants no interim results.
    kept: Vec<Value>,
}

#[derive(Clone, Copy, Debug)]
struct Start {
    interim: bool,
    timestamps: bool,
    word_confidence: bool,
    /// Milliseconds without speech that end the request.
    inactivity_ms: Option<u64>,
}

impl WatsonDesk {
    /// Lets a client in, or not: by a token in the header or in the address, and by the path.
    pub fn open(opening: &Opening<'_>, tokens: &Arc<Issued>) -> Result<Self, Refused> {
        if !opening.path.ends_with("/v1/recognize") {
            return Err(404);
        }
        let bearer = opening.authorization.and_then(|value| value.strip_prefix("Bearer "));
        let token = bearer
            .or_else(|| opening.parameter("access_token"))
            .or_else(|| opening.parameter("watson-token"));
        match token {
            None => return Err(401),
            Some(token) if !tokens.is_good(token) => return Err(403),
            Some(_) => {}
        }
        let model = opening.parameter("model").unwrap_or("en-US_BroadbandModel");
        // These were withdrawn in 2023.
        if model.ends_with("BandModel") || model.ends_with("bandModel") {
            return Err(404);
        }
        Ok(Self {
            model: model.to_owned(),
            start: None,
            is_stopped: false,
            base_ms: 0,
            heard_ms: 0,
            request_bytes: 0,
            recent: VecDeque::new(),
            window_from: 0,
            level: Level::new(),
            frame: Vec::new(),
            speechless_ms: 0,
            results: 0,
            kept: Vec::new(),
        })
    }

    fn start(&mut self, now_ms: u64, message: &Value) -> Vec<Do> {
        let content = message.get("content-type").or_else(|| message.get("content_type"));
        if content != Some(&json!("audio/mulaw;rate=8000")) {
            let text = format!(
                "unable to transcode data stream {} -> audio/x-float-array ",
                content.and_then(Value::as_str).unwrap_or("application/octet-stream")
            );
            return vec![Do::Say(self.error(&text)), Do::Close(1011, SEE_BEFORE)];
        }
        let is = |key: &str| message.get(key).and_then(Value::as_bool).unwrap_or(false);
        if is("low_latency") && !self.model.ends_with("_Telephony") && self.model != "en-US" {
            let text = format!("low_latency is not a supported feature for model {}", self.model);
            let error = json!({"code": 400, "code_description": "Bad Request", "error": text});
            return vec![Do::Say(pretty(&error)), Do::Close(1011, SEE_BEFORE)];
        }
        let inactivity = message.get("inactivity_timeout").and_then(Value::as_i64).unwrap_or(30);
        self.start = Some(Start {
            interim: is("interim_results"),
            timestamps: is("timestamps"),
            word_confidence: is("word_confidence"),
            inactivity_ms: u64::try_from(inactivity).ok().map(|seconds| seconds * 1_000),
        });
        self.begin(now_ms);
        let unknown: Vec<Value> = message
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
            .filter(|key| !KNOWN.contains(&key.as_str()))
            .map(|key| json!(format!("Unknown arguments: {key}.")))
            .collect();
        let mut listening = json!({"state": "listening"});
        if !unknown.is_empty() {
            listening["warnings"] = unknown.into();
        }
        vec![Do::Say(pretty(&listening))]
    }

    /// A request begins.
    fn begin(&mut self, now_ms: u64) {
        self.is_stopped = false;
        self.base_ms = self.heard_ms;
        self.request_bytes = 0;
        self.recent.clear();
        self.window_from = now_ms;
        self.speechless_ms = 0;
    }

    fn stop(&mut self) -> Vec<Do> {
        if self.request_bytes < LEAST_BYTES {
            let text = format!(
                "Stream was {} bytes but needs to be at least {LEAST_BYTES} bytes.",
                self.request_bytes
            );
            return vec![Do::Say(self.error(&text)), Do::Close(1011, SEE_BEFORE)];
        }
        self.is_stopped = true;
        vec![Do::Settle]
    }

    fn end_of(&self, text: &str) -> Vec<Do> {
        vec![Do::Say(self.error(text)), Do::Close(1011, SEE_BEFORE)]
    }
}

const SEE_BEFORE: &str = "see the previous message for the error details.";

impl Desk for WatsonDesk {
    fn text(&mut self, now_ms: u64, text: &str) -> Vec<Do> {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return vec![Do::Say(self.error("unable to parse the message")), Do::Close(1002, "")];
        };
        match message.get("action").and_then(Value::as_str) {
            Some("start") if self.start.is_some() && !self.is_stopped => {
                self.end_of("a start message came before the stop of the request before")
            }
            Some("start") => self.start(now_ms, &message),
            Some("stop") if self.start.is_some() => self.stop(),
            Some("no-op") => Vec::new(),
            _ => vec![Do::Say(self.error("expected a start message")), Do::Close(1002, "")],
        }
    }

    fn binary(&mut self, now_ms: u64, bytes: &[u8]) -> Vec<Do> {
        if bytes.len() > LARGEST_FRAME {
            return vec![Do::Close(1009, "")];
        }
        let Some(start) = self.start else {
            return vec![Do::Say(self.error("expected a start message")), Do::Close(1002, "")];
        };
        if bytes.is_empty() {
            return self.stop();
        }
        if self.is_stopped {
            return self.end_of("audio came before the answer to the stop");
        }
        self.request_bytes += bytes.len() as u64;
        if self.request_bytes > MOST_BYTES {
            return self.end_of(&format!(
                "Session closed. Reason: Payload exceeds the {MOST_BYTES} bytes limit."
            ));
        }
        let mut samples = vec![0; bytes.len()];
        g711::decode_ulaw(bytes, &mut samples);
        let ms = bytes.len() as u64 / 8;
        self.recent.push_back((now_ms, ms));
        self.heard_ms = self.heard_ms.saturating_add(ms as CallMs);
        for sample in &samples {
            self.frame.push(*sample);
            if self.frame.len() == FRAME {
                let is_speech = self.level.is_active(&self.frame);
                let silent = self.speechless_ms + u64::from(FRAME_MS);
                self.speechless_ms = if is_speech { 0 } else { silent };
                self.frame.clear();
            }
        }
        let mut all = vec![Do::Hear(samples)];
        if let Some(limit) = start.inactivity_ms.filter(|limit| self.speechless_ms >= *limit) {
            all.extend(self.end_of(&format!("No speech detected for {}s.", limit / 1_000)));
        }
        all
    }

    fn tick(&mut self, now_ms: u64) -> Vec<Do> {
        if self.is_stopped || self.start.is_none() {
            return Vec::new();
        }
        while self.recent.front().is_some_and(|(at, _)| at + WINDOW_MS <= now_ms) {
            self.recent.pop_front();
        }
        let audio: u64 = self.recent.iter().map(|(_, ms)| ms).sum();
        let is_full = now_ms >= self.window_from + WINDOW_MS;
        if is_full && audio < LEAST_MS {
            return self.end_of("Session timed out.");
        }
        Vec::new()
    }

    fn words(&mut self, transcript: &Transcript, is_final: bool) -> String {
        let Some(start) = self.start else { return String::new() };
        if !start.interim && !is_final {
            return String::new();
        }
        let at = |ms: CallMs| seconds(ms.saturating_sub(self.base_ms));
        let words = &transcript.words;
        let mut best = json!({"transcript": format!("{} ", transcript.text())});
        if start.timestamps {
            let places = words.iter().map(|w| json!([w.text, at(w.start_ms), at(w.end_ms)]));
            best["timestamps"] = places.collect();
        }
        if is_final {
            best["confidence"] = json!(mean_confidence(transcript));
            if start.word_confidence {
                let certain = words.iter().map(|w| json!([w.text, w.confidence]));
                best["word_confidence"] = certain.collect();
            }
        }
        let result = json!({"final": is_final, "alternatives": [best]});
        if !start.interim {
            self.kept.push(result);
            return String::new();
        }
        let message = json!({"results": [result], "result_index": self.results});
        self.results += u64::from(is_final);
        pretty(&message)
    }

    fn settled(&mut self, now_ms: u64, _heard_ms: CallMs) -> Vec<Do> {
        let mut all = Vec::new();
        let kept = std::mem::take(&mut self.kept);
        if self.start.is_some_and(|start| !start.interim) {
            all.push(Do::Say(pretty(&json!({"result_index": 0, "results": kept}))));
        }
        self.begin(now_ms);
        all.push(Do::Say(pretty(&json!({"state": "listening"}))));
        all
    }

    fn error(&self, text: &str) -> String {
        pretty(&json!({"error": text}))
    }
}

/// As the real service writes it.
fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"{"action":"start","content-type":"audio/mulaw;rate=8000",
        "interim_results":true,"timestamps":true,"word_confidence":true,"inactivity_timeout":-1}"#;

    fn desk() -> WatsonDesk {
        let tokens = Arc::new(Issued::default());
        let token = tokens.issue(3_600);
        let authorization = format!("Bearer {token}");
        let opening = Opening {
            path: "/v1/recognize",
            query: vec![("model".to_owned(), "en-US_Telephony".to_owned())],
            authorization: Some(&authorization),
        };
        WatsonDesk::open(&opening, &tokens).ok().unwrap()
    }

    fn says(all: &[Do], what: &str) -> bool {
        all.iter().any(|d| matches!(d, Do::Say(text) if text.contains(what)))
    }

    #[test]
    fn only_who_has_a_good_token_is_let_in() {
        let tokens = Arc::new(Issued::default());
        let (good, over) = (tokens.issue(3_600), tokens.issue(0));
        let open = |authorization: Option<&str>, query: &[(&str, &str)], path| {
            let query = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            WatsonDesk::open(&Opening { path, query, authorization }, &tokens).err()
        };
        let model = [("model", "en-US_Telephony")];
        let path = "/instances/x/v1/recognize";
        assert_eq!(open(Some(&format!("Bearer {good}")), &model, path), None);
        assert_eq!(open(None, &[model[0], ("access_token", &good)], path), None);
        assert_eq!(open(None, &[model[0], ("watson-token", &good)], path), None);
        assert_eq!(open(None, &model, path), Some(401));
        assert_eq!(open(Some(&format!("Bearer {over}")), &model, path), Some(403));
        assert_eq!(open(Some("Bearer the-api-key"), &model, path), Some(403));
        assert_eq!(open(Some(&format!("Bearer {good}")), &model, "/v2"), Some(404));
        let old = [("model", "en-US_NarrowbandModel")];
        assert_eq!(open(Some(&format!("Bearer {good}")), &old, path), Some(404));
    }

    #[test]
    fn messages_come_in_their_order() {
        assert!(matches!(desk().binary(0, &[0; 160])[..], [Do::Say(_), Do::Close(1002, _)]));
        assert!(matches!(desk().text(0, "{")[..], [Do::Say(_), Do::Close(1002, _)]));
        let mut desk = desk();
        assert!(says(&desk.text(0, START), "listening"));
        assert!(says(&desk.text(0, START), "before the stop"));
        assert!(says(&desk.binary(0, b""), "at least 100 bytes"));
        desk.binary(0, &[255; 160]);
        assert_eq!(desk.binary(0, b""), [Do::Settle], "an empty message is a stop");
        assert!(says(&desk.binary(1, &[255; 160]), "before the answer"));
        assert!(says(&desk.settled(2, 20), "listening"));
    }

    #[test]
    fn each_thirty_seconds_need_fifteen_seconds_of_audio() {
        let mut desk = desk();
        desk.text(0, START);
        for second in 0..60 {
            desk.binary(second * 1_000, &[255; 4_160]);
            assert_eq!(desk.tick(second * 1_000 + 999), [], "{second}");
        }
        for second in 60..100 {
            desk.binary(second * 1_000, &[255; 3_900]);
        }
        assert!(says(&desk.tick(100_000), "Session timed out."));
        desk.text(100_000, r#"{"action":"stop"}"#);
        assert_eq!(desk.tick(900_000), [], "not after a stop");
    }

    #[test]
    fn silence_ends_a_request_unless_that_was_turned_off() {
        let mut quiet = desk();
        quiet.text(0, &START.replace("-1", "2"));
        assert_eq!(quiet.binary(0, &[255; 15_000]).len(), 1);
        assert!(says(&quiet.binary(0, &[255; 2_000]), "No speech detected for 2s."));
    }

    #[test]
    fn wrong_parameters_are_refused_and_unknown_ones_only_noted() {
        let wav = START.replace("audio/mulaw;rate=8000", "audio/wav");
        assert!(says(&desk().text(0, &wav), "unable to transcode"));
        let unknown = START.replace("\"timestamps\"", "\"continuous\":true,\"timestamps\"");
        assert!(says(&desk().text(0, &unknown), "Unknown arguments: continuous."));
    }

    #[test]
    fn too_large_a_message_or_request_ends_it() {
        let mut large = desk();
        large.text(0, START);
        assert_eq!(large.binary(0, &vec![255; LARGEST_FRAME + 1]), [Do::Close(1009, "")]);
        large.request_bytes = MOST_BYTES;
        assert!(says(&large.binary(0, &[255; 160]), "Payload exceeds"));
    }
}
