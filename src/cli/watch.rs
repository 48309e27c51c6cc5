//! A crawl as somebody watches it: what has happened so far, and each event as a line.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::output::printable;
use crate::{
    calls::live::{LiveEvent, What},
    crawl::tree::PromptKind,
    speech::CallMs,
};

/// What has happened so far in the calls of one number.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The calls in the order in which they began, each with the time of its last event.
    calls: Vec<(Uuid, CallMs)>,
    /// Options of each prompt that was stored.
    options: BTreeMap<u32, usize>,
    /// What is being heard or done now.
    now: String,
}

impl Tally {
    /// Takes an event in, and tells it as a line if it is worth one: interim words are not.
    pub(super) fn note(&mut self, event: &LiveEvent) -> Option<String> {
        let call = self.call_no(event);
        let said = self.tell(&event.what)?;
        Some(match &event.what {
            What::ScanEnded { .. } | What::PutOff { .. } => said,
            _ => format!("call {call}  {:>6}  {said}", seconds(event.at_ms)),
        })
    }

    /// Calls that were begun.
    pub(super) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Everything in one line.
    pub(super) fn summary(&self) -> String {
        let heard: u64 = self.calls.iter().map(|(_, ms)| u64::from(*ms)).sum();
        let options: usize = self.options.values().sum();
        format!(
            "{}, {} s of audio, {}, {}",
            count(self.calls.len(), "call"),
            heard / 1_000,
            count(self.options.len(), "prompt"),
            count(options, "option"),
        )
    }

    /// [`Tally::summary`], and what is being heard now.
    pub(super) fn status(&self) -> String {
        match self.now.as_str() {
            "" => self.summary(),
            now => format!("{} · {now}", self.summary()),
        }
    }

    /// The number of the event's call from 1, and the call's length brought up to date.
    fn call_no(&mut self, event: &LiveEvent) -> usize {
        // These belong to a scan, and to no call of their own.
        if matches!(event.what, What::ScanEnded { .. } | What::PutOff { .. }) {
            return self.calls.len();
        }
        match self.calls.iter_mut().enumerate().find(|(_, (id, _))| *id == event.call) {
            Some((at, (_, last))) => {
                *last = event.at_ms.max(*last);
                at + 1
            }
            None => {
                self.calls.push((event.call, event.at_ms));
                self.calls.len()
            }
        }
    }

    fn tell(&mut self, what: &What) -> Option<String> {
        let line = match what {
            What::Dialling => "dialling".to_owned(),
            What::Progress { status } => match status {
                180 => "ringing".to_owned(),
                183 => "early media".to_owned(),
                status => format!("progress {status}"),
            },
            What::Answered => "answered".to_owned(),
            What::Words { text, is_final } => {
                let text = printable(text);
                self.now = format!("“{}”", last_words(&text));
                return (*is_final && !text.is_empty()).then(|| format!("heard “{text}”"));
            }
            What::Prompt { node, kind, options, new, .. } => {
                if let Some(node) = node {
                    self.options.insert(*node, options.len());
                }
                let offered: Vec<String> = options
                    .iter()
                    .map(|(keys, label)| format!("{} {}", printable(keys), printable(label)))
                    .collect();
                let known = if *new { "" } else { ", known" };
                match offered.as_slice() {
                    [] => format!("{}{known}", kind_name(*kind)),
                    offered => format!("{}{known}: {}", kind_name(*kind), offered.join(", ")),
                }
            }
            What::Pressed { keys } => format!("pressed {}", printable(keys)),
            What::Ended { reason, status: None } => format!("over: {}", printable(reason)),
            What::Ended { reason, status: Some(status) } => {
                format!("failed with {status}: {}", printable(reason))
            }
            What::PutOff { reason, in_seconds } => {
                format!("put off for {}: {}", wait(*in_seconds), printable(reason))
            }
            What::ScanEnded { complete: true, .. } => {
                "complete: nothing is left to explore".to_owned()
            }
            What::ScanEnded { complete: false, reason } => {
                format!("ended without a complete tree: {}", printable(reason))
            }
        };
        self.now.clone_from(&line);
        Some(line)
    }
}

/// A kind of prompt in words.
pub(super) fn kind_name(kind: PromptKind) -> &'static str {
    match kind {
        PromptKind::Menu => "menu",
        PromptKind::Language => "choice of language",
        PromptKind::Input => "request for input",
        PromptKind::Transfer => "transfer to a person",
        PromptKind::Queue => "queue",
        PromptKind::Voicemail => "voicemail",
        PromptKind::Invalid => "answer to an invalid key",
        PromptKind::Person => "a person",
        PromptKind::Announcement => "announcement",
    }
}

/// The end of what is being said, for a line that must stay short.
fn last_words(text: &str) -> String {
    const SHOWN: usize = 60;
    let length = text.chars().count();
    if length <= SHOWN {
        return text.to_owned();
    }
    let tail: String = text.chars().skip(length - SHOWN).collect();
    let from_word = tail.split_once(' ').map_or(tail.as_str(), |(_, rest)| rest);
    format!("… {from_word}")
}

/// A wait in the largest fitting unit, rounded up.
fn wait(seconds: u64) -> String {
    match seconds {
        0..=119 => count(seconds as usize, "second"),
        120..=7_199 => count(seconds.div_ceil(60) as usize, "minute"),
        _ => count(seconds.div_ceil(3_600) as usize, "hour"),
    }
}

fn seconds(ms: CallMs) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

/// "1 call", "2 calls".
pub(super) fn count(of: usize, what: &str) -> String {
    format!("{of} {what}{}", if of == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(call: u128, at_ms: CallMs, what: What) -> LiveEvent {
        let call = Uuid::from_u128(call);
        LiveEvent { call, number: "+12025550100".to_owned(), scan: Some(1), at_ms, what }
    }

    fn menu(node: u32, options: &[(&str, &str)], new: bool) -> What {
        What::Prompt {
            node: Some(node),
            kind: PromptKind::Menu,
            text: "for sales press one".to_owned(),
            options: options.iter().map(|(k, l)| ((*k).to_owned(), (*l).to_owned())).collect(),
            new,
        }
    }

    #[test]
    fn a_crawl_reads_as_lines_and_sums() {
        let mut tally = Tally::default();
        let over = || What::Ended { reason: "hung up".to_owned(), status: None };
        let events = [
            event(7, 0, What::Dialling),
            event(7, 0, What::Progress { status: 180 }),
            event(7, 100, What::Answered),
            event(7, 900, What::Words { text: "for".to_owned(), is_final: false }),
            event(7, 2_450, What::Words { text: "for sales press one".to_owned(), is_final: true }),
            event(7, 7_500, menu(0, &[("1", "sales"), ("2", "support")], true)),
            event(7, 7_510, What::Pressed { keys: "1".to_owned() }),
            event(7, 12_000, over()),
            event(8, 0, What::Dialling),
            event(8, 3_000, menu(0, &[("1", "sales"), ("2", "support")], false)),
            event(8, 4_000, What::Ended { reason: "Busy Here".to_owned(), status: Some(486) }),
            event(9, 0, What::PutOff { reason: "too early".to_owned(), in_seconds: 7_300 }),
            event(9, 0, What::ScanEnded { complete: true, reason: String::new() }),
        ];
        let lines: Vec<String> = events.iter().filter_map(|e| tally.note(e)).collect();
        assert_eq!(
            lines,
            [
                "call 1   0.0 s  dialling",
                "call 1   0.0 s  ringing",
                "call 1   0.1 s  answered",
                "call 1   2.4 s  heard “for sales press one”",
                "call 1   7.5 s  menu: 1 sales, 2 support",
                "call 1   7.5 s  pressed 1",
                "call 1  12.0 s  over: hung up",
                "call 2   0.0 s  dialling",
                "call 2   3.0 s  menu, known: 1 sales, 2 support",
                "call 2   4.0 s  failed with 486: Busy Here",
                "put off for 3 hours: too early",
                "complete: nothing is left to explore",
            ]
        );
        assert_eq!(tally.summary(), "2 calls, 16 s of audio, 1 prompt, 2 options");
        assert_eq!(tally.calls(), 2);
    }

    #[test]
    fn what_is_heard_now_is_in_the_status_and_stays_short() {
        let mut tally = Tally::default();
        let text = "word ".repeat(40);
        tally.note(&event(1, 500, What::Words { text, is_final: false }));
        let status = tally.status();
        assert!(status.contains("“… word"), "{status}");
        assert!(status.chars().count() < 140, "{status}");
    }

    #[test]
    fn a_call_cannot_write_escape_sequences_to_the_terminal() {
        let mut tally = Tally::default();
        let hostile = || "\u{1b}]0;x\u{7}".to_owned();
        for what in [
            What::Words { text: hostile(), is_final: true },
            What::Ended { reason: hostile(), status: None },
            What::Pressed { keys: hostile() },
            menu(1, &[("1", "\u{1b}[2J")], true),
        ] {
            let line = tally.note(&event(1, 0, what)).unwrap();
            assert!(!line.contains('\u{1b}') && !tally.status().contains('\u{1b}'), "{line:?}");
        }
    }

    #[test]
    fn events_read_back_from_their_json() {
        let sent = event(3, 1_234, menu(0, &[("1", "sales")], true));
        let json = serde_json::to_string(&sent).unwrap();
        let read: LiveEvent = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
    }
}
