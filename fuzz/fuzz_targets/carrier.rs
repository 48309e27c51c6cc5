//! What carriers send to us: any JSON must be read or refused without a panic, and the webhook that
//! tells of a message must be ASCII, and the same JSON when it is read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

#[allow(dead_code, reason = "the service uses the rest")]
#[path = "../../src/carrier/inbound.rs"]
mod inbound;

/// What the file needs of the API.
mod api {
    #[path = "../../../src/api/v1/json_text.rs"]
    mod json_text;

    pub fn json_text(value: &serde_json::Value) -> String {
        json_text::text(value, None)
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    let _ = inbound::read_receipt(&body);
    if let Some(message) = inbound::read_inbound(&body) {
        let webhook = inbound::webhook_body(&message);
        assert!(webhook.is_ascii());
        let told: Value = serde_json::from_str(&webhook).unwrap();
        assert_eq!(told, json!({"from": message.from, "to": message.to, "text": message.body}));
    }
});
