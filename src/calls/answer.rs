//! What answered a call: a menu, a person, a voicemail, a fax, the network, a busy line, or nobody.
//!
//! [`Answer`] is fed what the detectors and the recogniser tell, and says who it is as soon as it is
//! sure. Tones are sure at once. People say a word or two and wait; machines talk on; the words say
//! which machine. Stronger evidence may correct a verdict: a beep makes a voicemail of what sounded
//! like a person.
//!
//! ```text
//! answered ─ special tone, busy, fax, beep ────────────────▶ at once
//!          ├ short phrase, then PERSON_WAITS_MS of silence ─▶ person, unless the words say otherwise
//!          ├ words of a menu, voicemail, network ───────────▶ when heard
//!          ├ MACHINE_TALKS_MS since the first word ─────────▶ menu: people pause
//!          └ SILENT_MS without anything ────────────────────▶ silence
//! ```

use phoneai_media::detect::{Sound, SoundEvent};

use crate::speech::{CallMs, SpeechEvent, Transcript};

/// A first phrase of a person is no longer than this: "hello, this is Mary speaking, how can I help
/// you" takes 3 s.
const PERSON_SAYS_MS: u32 = 3200;

/// Silence behind it in which a person waits for the caller. Machines pause for less.
const PERSON_WAITS_MS: u32 = 900;

/// Who has talked for so long since the first word is a machine. The words have said which, or
/// it is a menu: of the two it is the commoner by far.
const MACHINE_TALKS_MS: u32 = 3900;

/// Silence after the answer that is an answer too.
const SILENT_MS: u32 = 8000;

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// A machine that offers keys, or talks as those that do.
    Menu,
    /// Somebody who waits for us to speak.
    Person,
    /// A machine that takes a message.
    Voicemail,
    /// A fax or a modem.
    Fax,
    /// The network says why the call failed.
    Announcement,
    /// The line is busy, or there is none.
    Busy,
    /// Nobody says anything.
    Silence,
}

impl Party {
    /// A short name in lower case, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Menu => "menu",
            Self::Person => "person",
            Self::Voicemail => "voicemail",
            Self::Fax => "fax",
            Self::Announcement => "announcement",
            Self::Busy => "busy",
            Self::Silence => "silence",
        }
    }
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A tone that only this party sends.
    Tone,
    /// What was said.
    Words,
    /// How long it was talked and waited.
    Rhythm,
}

impl Evidence {
    /// A short name in lower case, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tone => "tone",
            Self::Words => "words",
            Self::Rhythm => "rhythm",
        }
    }
}

/// Who answered, and when that was sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// Who.
    pub party: Party,
    /// Why.
    pub evidence: Evidence,
    /// When it was sure, on the call's clock.
    pub at_ms: CallMs,
}

/// Finds out who answered. Owned by the call's task and gone with it.
#[derive(Debug, Default)]
pub struct Answer {
    answered: Option<CallMs>,
    first_speech: Option<CallMs>,
    /// The stretch of speech that goes on, or the last one.
    speech: Option<(CallMs, Option<CallMs>)>,
    /// Words that will not change, then those that may.
    settled: String,
    interim: String,
    verdict: Option<Verdict>,
    told: Option<Verdict>,
}

impl Answer {
    /// The call was answered at `now`; before, only what the network sends counts.
    pub fn handle_answered(&mut self, now: CallMs) {
        self.answered.get_or_insert(now);
    }

    /// A detector told something at `now`.
    pub fn handle_sound(&mut self, now: CallMs, event: &SoundEvent) {
        let party = match event.sound {
            Sound::Special(_) => Party::Announcement,
            Sound::Busy(_) | Sound::Reorder(_) => Party::Busy,
            Sound::FaxAnswer | Sound::ModemAnswer => Party::Fax,
            // Without a greeting it is a signal of the line.
            Sound::Beep { .. } if self.first_speech.is_some() => Party::Voicemail,
            Sound::Beep { .. }
            | Sound::Ringback(_)
            | Sound::DialTone(_)
            | Sound::FaxCalling
            | Sound::Key(_)
            | Sound::Music
            | Sound::ComfortNoise => return,
        };
        // A menu that was understood may beep at the caller.
        let understood =
            self.verdict.is_some_and(|v| v.party == Party::Menu && v.evidence == Evidence::Words);
        if party != Party::Voicemail || !understood {
            self.decide(now, party, Evidence::Tone);
        }
    }

    /// Sound that may be speech began at `at`. Sound during a tone of the network is to be left out.
    pub fn handle_speech_started(&mut self, now: CallMs, at: CallMs) {
        if self.answered.is_none() {
            return;
        }
        self.first_speech.get_or_insert(at);
        self.speech = Some((at, None));
        self.handle_timeout(now);
    }

    /// It ended at `at`.
    pub fn handle_speech_ended(&mut self, now: CallMs, at: CallMs) {
        if let Some((_, end)) = &mut self.speech {
            *end = Some(at);
        }
        self.handle_timeout(now);
    }

    /// The recogniser told something at `now`.
    pub fn handle_speech(&mut self, now: CallMs, event: &SpeechEvent) {
        match event {
            SpeechEvent::Interim(transcript) => self.interim = lower(transcript),
            SpeechEvent::Final(transcript) => {
                self.interim.clear();
                if self.settled.len() < MAX_TEXT {
                    self.settled.push_str(&lower(transcript));
                }
            }
            SpeechEvent::HeardUntil(_)
            | SpeechEvent::Dropped { .. }
            | SpeechEvent::Failed { .. } => return,
        }
        if let Some(party) = party_of(&format!("{}{}", self.settled, self.interim)) {
            self.decide(now, party, Evidence::Words);
        }
    }

    /// The time of [`Answer::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: CallMs) {
        if self.verdict.is_some() || self.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        let party = match (self.first_speech, self.speech) {
            (Some(first), Some((_, Some(end)))) if end <= first.saturating_add(PERSON_SAYS_MS) => {
                Party::Person
            }
            // Businesses do not speak of themselves as "I".
            (Some(_), _) if says_i(&self.settled) || says_i(&self.interim) => Party::Voicemail,
            (Some(_), _) => Party::Menu,
            (None, _) => Party::Silence,
        };
        self.decide(now, party, Evidence::Rhythm);
    }

    /// When [`Answer::handle_timeout`] is to be called, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<CallMs> {
        if self.verdict.is_some() {
            return None;
        }
        let answered = self.answered?;
        let Some(first) = self.first_speech else {
            return Some(answered.saturating_add(SILENT_MS));
        };
        let talked = first.saturating_add(MACHINE_TALKS_MS);
        let waits = self.speech.and_then(|(_, end)| end).and_then(|end| {
            let person = end <= first.saturating_add(PERSON_SAYS_MS);
            person.then(|| end.saturating_add(PERSON_WAITS_MS))
        });
        Some(waits.unwrap_or(talked))
    }

    /// The verdict, if there is a new one. A later one corrects it.
    pub fn poll_verdict(&mut self) -> Option<Verdict> {
        let new = self.verdict.filter(|verdict| {
            self.told
                .is_none_or(|told| (told.party, told.evidence) != (verdict.party, verdict.evidence))
        })?;
        self.told = Some(new);
        Some(new)
    }

    /// The verdict so far.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    fn decide(&mut self, at_ms: CallMs, party: Party, evidence: Evidence) {
        let stronger = self.verdict.is_none_or(|old| match (old.evidence, evidence) {
            (Evidence::Rhythm, Evidence::Words | Evidence::Tone) => true,
            // The first words decide among words, and so do the first tones; a beep tells what
            // takes the message from what it said.
            (Evidence::Words, Evidence::Tone) => true,
            (Evidence::Words, Evidence::Words) => old.party == Party::Person,
            (Evidence::Tone | Evidence::Words | Evidence::Rhythm, _) => false,
        });
        if stronger {
            self.verdict = Some(Verdict { party, evidence, at_ms });
        }
    }
}

/// Text that is looked at; who has said so much is known.
const MAX_TEXT: usize = 4000;

/// What only a voicemail says, without punctuation.
const VOICEMAIL: [&str; 25] = [
    "leave me a message",
    "leave your message",
    "leave your name",
    "leave us a message",
    "after the tone",
    "after the beep",
    "at the tone",
    "voicemail of",
    "voice mail of",
    "voicemail box",
    "mailbox of",
    "you've reached the voicemail",
    "can't take your call",
    "cannot take your call",
    "come to the phone",
    "sorry i missed your call",
    "leave a message",
    "not available",
    "away from my",
    "trying to reach",
    "get back to you",
    "call you back",
    "return your call",
    "voice mailbox",
    "voice message system",
];

/// What only the network says.
const NETWORK: [&str; 7] = [
    "cannot be completed as dialed",
    "call cannot be completed",
    "has been disconnected",
    "no longer in service",
    "not in service",
    "check the number and",
    "all circuits are busy",
];

/// What only a menu says, or a business whose menu follows.
const MENU: [&str; 22] = [
    "press ",
    "thank you for calling",
    "thanks for calling",
    "welcome to",
    "main menu",
    "following options",
    "menu options",
    "listen carefully",
    "our options have changed",
    "para espanol",
    "para español",
    "for english",
    "business hours",
    "office hours",
    "our office is",
    "may be recorded",
    "will be recorded",
    "automated",
    "dial by name",
    "extension of the person",
    "please hold",
    "is important to us",
];

/// Whether a text of words in lower case, each followed by a blank, has somebody speak of himself.
fn says_i(text: &str) -> bool {
    text.split(' ').any(|word| matches!(word, "i" | "i'm" | "i'll" | "i've" | "my" | "me"))
}

fn party_of(text: &str) -> Option<Party> {
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    // A voicemail may offer keys behind its greeting, so it is looked for first.
    if says(&VOICEMAIL) {
        Some(Party::Voicemail)
    } else if says(&NETWORK) {
        Some(Party::Announcement)
    } else if says(&MENU) {
        Some(Party::Menu)
    } else {
        None
    }
}

/// Words in lower case without punctuation, each followed by a blank.
fn lower(transcript: &Transcript) -> String {
    let mut text = String::new();
    for word in &transcript.words {
        let letters = word.text.chars().filter(|c| c.is_alphanumeric() || *c == '\'');
        text.extend(letters.flat_map(char::to_lowercase));
        text.push(' ');
    }
    text
}

#[cfg(test)]
mod tests {
    use phoneai_media::detect::progress::Plan;

    use super::*;
    use crate::speech::Word;

    fn said(text: &str) -> SpeechEvent {
        let word = |text: &str| Word { text: text.into(), start_ms: 0, end_ms: 0, confidence: 1.0 };
        let words = text.split(' ').map(word).collect();
        SpeechEvent::Final(Transcript { words, confidence: 1.0 })
    }

    fn sound(sound: Sound) -> SoundEvent {
        SoundEvent { sound, from_ms: 0, to_ms: None, dbov: -20.0 }
    }

    fn answered() -> Answer {
        let mut answer = Answer::default();
        answer.handle_answered(1000);
        answer
    }

    fn party(answer: &Answer) -> Option<(Party, CallMs)> {
        answer.verdict().map(|verdict| (verdict.party, verdict.at_ms))
    }

    #[test]
    fn a_hello_and_a_pause_are_a_person() {
        let mut answer = answered();
        answer.handle_speech_started(1560, 1500);
        answer.handle_speech_ended(2300, 2000);
        assert_eq!(answer.poll_timeout(), Some(2900));
        answer.handle_timeout(2899);
        assert_eq!(party(&answer), None);
        answer.handle_timeout(2900);
        assert_eq!(party(&answer), Some((Party::Person, 2900)));
        assert!(answer.poll_verdict().is_some() && answer.poll_verdict().is_none());
    }

    #[test]
    fn who_talks_on_is_a_menu_unless_the_words_say_otherwise() {
        let mut answer = answered();
        answer.handle_speech_started(1560, 1500);
        answer.handle_timeout(5400);
        assert_eq!(party(&answer), Some((Party::Menu, 5400)));
        answer.handle_speech(6000, &said("Hi, please leave a message after the tone."));
        assert_eq!(party(&answer), Some((Party::Voicemail, 6000)));
        assert_eq!(answer.poll_verdict().map(|v| v.evidence), Some(Evidence::Words));
    }

    #[test]
    fn who_talks_on_and_speaks_of_himself_is_a_voicemail() {
        let mut answer = answered();
        answer.handle_speech_started(1560, 1500);
        let SpeechEvent::Final(words) = said("Hi, this is Susan at the office. I will be") else {
            panic!("said gives final words")
        };
        answer.handle_speech(4900, &SpeechEvent::Interim(words));
        assert_eq!(party(&answer), None);
        answer.handle_timeout(5400);
        assert_eq!(party(&answer), Some((Party::Voicemail, 5400)));
    }

    #[test]
    fn the_first_words_of_a_business_are_a_menu_though_it_pauses() {
        let mut answer = answered();
        answer.handle_speech_started(1560, 1500);
        answer.handle_speech_ended(3300, 3000);
        answer.handle_speech(3600, &said("Thank you for calling Pine Road."));
        answer.handle_timeout(3900);
        assert_eq!(party(&answer), Some((Party::Menu, 3600)));
        let beep = Sound::Beep { hz: 1000.0 };
        answer.handle_sound(9000, &sound(beep));
        assert_eq!(party(&answer), Some((Party::Menu, 3600)));
    }

    #[test]
    fn a_beep_after_a_greeting_is_a_voicemail() {
        let mut answer = answered();
        answer.handle_sound(1200, &sound(Sound::Beep { hz: 1000.0 }));
        assert_eq!(party(&answer), None);
        answer.handle_speech_started(1560, 1500);
        answer.handle_speech_ended(2300, 2000);
        answer.handle_timeout(2900);
        answer.handle_sound(3500, &sound(Sound::Beep { hz: 1000.0 }));
        assert_eq!(party(&answer), Some((Party::Voicemail, 3500)));
    }

    #[test]
    fn tones_of_the_network_are_sure_at_once_and_ringback_is_nothing() {
        let cases = [
            (Sound::Busy(Plan::Europe), Party::Busy),
            (Sound::Reorder(Plan::NorthAmerica), Party::Busy),
            (Sound::FaxAnswer, Party::Fax),
            (Sound::ModemAnswer, Party::Fax),
        ];
        for (tone, expected) in cases {
            let mut answer = Answer::default();
            answer.handle_sound(500, &sound(Sound::Ringback(Plan::Europe)));
            assert_eq!(party(&answer), None);
            answer.handle_sound(700, &sound(tone));
            assert_eq!(party(&answer), Some((expected, 700)));
        }
    }

    #[test]
    fn nothing_for_a_while_is_silence() {
        let mut answer = answered();
        assert_eq!(answer.poll_timeout(), Some(9000));
        answer.handle_timeout(9000);
        assert_eq!(party(&answer), Some((Party::Silence, 9000)));
        answer.handle_speech(9500, &said("Your call cannot be completed as dialed."));
        assert_eq!(party(&answer), Some((Party::Announcement, 9500)));
    }
}
