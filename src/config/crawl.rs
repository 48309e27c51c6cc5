//! The section about crawling: limits of a call, of a scan, and what else may be tried.

use super::{
    reader::Section,
    setting::{Setting, quoted},
};
use crate::{crawl::tree::Keys, policy::money::Money};

/// Keys with commas between them, each once: "0, *, #".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyList(Vec<Keys>);

impl KeyList {
    /// The keys, sorted.
    pub fn keys(&self) -> &[Keys] {
        &self.0
    }
}

impl Setting for KeyList {
    fn from_text(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let mut keys: Vec<Keys> = Vec::new();
        for part in parts {
            match Keys::try_new(part) {
                Some(key) if part.len() == 1 => keys.push(key),
                Some(_) | None => {
                    return Err("single keys with commas, like \"0, *, #\"".to_owned());
                }
            }
        }
        keys.sort();
        keys.dedup();
        Ok(Self(keys))
    }

    fn to_toml(&self) -> String {
        let keys: Vec<&str> = self.0.iter().map(Keys::as_str).collect();
        quoted(&keys.join(", "))
    }
}

/// `[crawl]`: how numbers are called and menus explored.
#[derive(Clone, Debug, PartialEq)]
pub struct Crawl {
    /// Silence after speech that ends a prompt, in milliseconds.
    pub silence_ms: u32,
    /// How long nothing may be said before a call is given up, in milliseconds.
    pub no_speech_ms: u32,
    /// Most keys on the way to a menu; what lies deeper is not explored.
    pub max_depth: u32,
    /// Calls without anything new after which a scan ends.
    pub max_attempt: u32,
    /// The longest that one call may take, in seconds from the answer.
    pub max_call_seconds: u32,
    /// Most key presses in one call.
    pub max_presses: u32,
    /// Calls in which a key may be pressed in vain before it is given up.
    pub max_tries: u32,
    /// How often the same prompt may come on one way before it counts as what is behind its key.
    pub max_same_prompt: u32,
    /// Below which confidence, in percent, a prompt is heard again before its scan is complete;
    /// 0 for never.
    pub confirm_below: u32,
    /// Keys that are tried at menus that do not mention them.
    pub try_unannounced: KeyList,
    /// Whether known keys are pressed as soon as a prompt begins.
    pub barge_in: bool,
    /// Most calls of one scan; 0 for no limit.
    pub max_scan_calls: u32,
    /// Most begun minutes of one scan's calls; 0 for no limit.
    pub max_scan_minutes: u32,
    /// What one scan's calls may cost; `None` for no limit.
    pub max_scan_cost: Option<Money>,
    /// Calls at a time, to all numbers.
    pub max_concurrent_calls: u32,
    /// Calls at a time to one number.
    pub parallel_calls: u32,
    /// The pause before an unfinished number is called again, in seconds; it doubles with each
    /// call without anything new.
    pub retry_first_seconds: u32,
    /// The longest that it grows to.
    pub retry_max_seconds: u32,
}

impl Default for Crawl {
    fn default() -> Self {
        Self {
            silence_ms: 5_000,
            no_speech_ms: 30_000,
            max_depth: 8,
            max_attempt: 10,
            max_call_seconds: 900,
            max_presses: 200,
            max_tries: 3,
            max_same_prompt: 2,
            confirm_below: 40,
            try_unannounced: KeyList::default(),
            barge_in: false,
            max_scan_calls: 500,
            max_scan_minutes: 1_500,
            max_scan_cost: None,
            max_concurrent_calls: 4,
            parallel_calls: 1,
            retry_first_seconds: 5,
            retry_max_seconds: 3_600,
        }
    }
}

impl Crawl {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let crawl = Self {
            silence_ms: s.read_in("silence_ms", default.silence_ms, 500..=60_000),
            no_speech_ms: s.read_in("no_speech_ms", default.no_speech_ms, 2_000..=300_000),
            max_depth: s.read_in("max_depth", default.max_depth, 1..=32),
            max_attempt: s.read_in("max_attempt", default.max_attempt, 1..=1_000),
            max_call_seconds: s.read_in("max_call_seconds", default.max_call_seconds, 30..=14_400),
            max_presses: s.read_in("max_presses", default.max_presses, 1..=10_000),
            max_tries: s.read_in("max_tries", default.max_tries, 1..=100),
            max_same_prompt: s.read_in("max_same_prompt", default.max_same_prompt, 1..=10),
            confirm_below: s.read_in("confirm_below", default.confirm_below, 0..=100),
            try_unannounced: s.read("try_unannounced", default.try_unannounced),
            barge_in: s.read("barge_in", default.barge_in),
            max_scan_calls: s.read_in("max_scan_calls", default.max_scan_calls, 0..=100_000),
            max_scan_minutes: s.read_in(
                "max_scan_minutes",
                default.max_scan_minutes,
                0..=1_000_000,
            ),
            max_scan_cost: s.read("max_scan_cost", default.max_scan_cost),
            max_concurrent_calls: s.read_in(
                "max_concurrent_calls",
                default.max_concurrent_calls,
                1..=1_000,
            ),
            parallel_calls: s.read_in("parallel_calls", default.parallel_calls, 1..=32),
            retry_first_seconds: s.read_in(
                "retry_first_seconds",
                default.retry_first_seconds,
                1..=86_400,
            ),
            retry_max_seconds: s.read_in(
                "retry_max_seconds",
                default.retry_max_seconds,
                1..=604_800,
            ),
        };
        if crawl.silence_ms >= crawl.no_speech_ms {
            let what = format!(
                "is {}, not less than crawl.no_speech_ms, which is {}",
                crawl.silence_ms, crawl.no_speech_ms
            );
            s.wrong(
                "silence_ms",
                what,
                "make it the smaller of the two, or no prompt ever ends before its call",
            );
        }
        if u64::from(crawl.max_call_seconds) * 1_000 <= u64::from(crawl.no_speech_ms) {
            let what = format!(
                "is {}, not longer than crawl.no_speech_ms, which is {} ms",
                crawl.max_call_seconds, crawl.no_speech_ms
            );
            s.wrong("max_call_seconds", what, "let a call take longer than that");
        }
        if crawl.retry_first_seconds > crawl.retry_max_seconds {
            let what = format!(
                "is {}, more than crawl.retry_max_seconds, which is {}",
                crawl.retry_first_seconds, crawl.retry_max_seconds
            );
            s.wrong("retry_first_seconds", what, "make the first pause the shorter one");
        }
        crawl
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_keys_reads_back_and_takes_single_keys_only() {
        let list = KeyList::from_text("0, *,#, 0").unwrap();
        let keys: Vec<&str> = list.keys().iter().map(Keys::as_str).collect();
        assert_eq!(keys, ["#", "*", "0"]);
        assert_eq!(KeyList::from_text(list.to_toml().trim_matches('"')), Ok(list));
        assert_eq!(KeyList::from_text(" "), Ok(KeyList::default()));
        for wrong in ["00", "a", "0 1"] {
            assert!(KeyList::from_text(wrong).is_err(), "{wrong}");
        }
    }
}
