//! What is heard between two key presses, and when it is over.

use super::{
    Limits,
    leave::{Taken, is_a_person},
};
use crate::{
    crawl::{
        compare::Gist,
        menu_text::{self, Understanding},
        tree::PromptKind,
    },
    speech::{CallMs, SpeechEvent, Transcript, Word},
};

/// Words of one prompt that are kept; more than anybody listens to.
pub const MAX_HEARD_WORDS: usize = 2000;
/// After keys were sent while the line spoke, the old prompt may go on this long: the line has to
/// recognise the tone and its sound has to travel.
const TAIL_MS: CallMs = 500;
/// Words closer to each other than this are of one breath.
const BREATH_MS: CallMs = 150;
/// Words this shortly before music was told say that it was a voice.
const SPOKEN_MS: CallMs = 1500;
/// A beep is told about this long after its end at most.
const BEEP_MS: CallMs = 300;
/// Quiet after which a prompt is over that says nothing can follow it.
const LEAVE_MS: CallMs = 1500;
/// Quiet after which a request for digits or words is over: what is asked for is not given, and
/// another offer would have followed.
const INPUT_MS: CallMs = 2500;
/// Quiet after which a prompt is over whose options were all read twice.
const TWICE_MS: CallMs = 1000;
/// Quiet after the last word of a prompt whose words are known; as long as a breath, because a line
/// that ignores keys while it speaks needs some time to notice that it has stopped.
const COMPLETE_MS: CallMs = 700;
/// Quiet after an old prompt's end that shows that the line waits for keys: it would have reacted
/// to those that were pressed before, and has not lost patience yet.
const NO_REACTION_MS: CallMs = 2000;
/// More sound than this without a word is a prompt that the recogniser does not understand.
const WORDLESS_MS: CallMs = 1500;
/// A menu that waits at least this long has stopped to read its options: what is said then
/// without offering anything is no part of it.
const TIMEOUT_GAP_MS: CallMs = 2000;

/// What is heard since keys were pressed or the call was answered.
#[derive(Debug)]
pub(super) struct Hearing {
    /// When the line could begin to react.
    pub since: CallMs,
    /// Words that begin earlier belong to what was heard before.
    fence: CallMs,
    /// Keys were sent while the line spoke.
    pub early: bool,
    /// End of the last word that was left out as the old prompt's tail.
    tail_end: Option<CallMs>,
    /// Words that were left out.
    tail: Vec<Word>,
    /// The old prompt was read to its end: the keys were ignored.
    pub ignored: bool,
    transcripts: Vec<Transcript>,
    interim: Option<Transcript>,
    words: usize,
    speaking: bool,
    /// When speech was first noticed.
    pub began: Option<CallMs>,
    /// When the sound began that goes on, and how much there was before it since `began`.
    sound_since: Option<CallMs>,
    sound_ms: CallMs,
    /// Up to where, and to how much sound, the recogniser was asked for the words before a pause.
    looked_at: CallMs,
    looked_sound_ms: CallMs,
    quiet_since: CallMs,
    last_word_end: CallMs,
    heard_until: CallMs,
    /// The recogniser failed or lost audio: that nothing was heard proves nothing.
    pub uncertain: bool,
    /// How much quiet ends the prompt, from what was said so far.
    quiet_ms: CallMs,
    /// It repeats itself from its beginning: it is over.
    restarted: bool,
    /// It says that nothing follows that is for us.
    leaves: bool,
    /// It has offered options.
    pub offers: bool,
    /// These are the words of somebody who takes a telephone.
    pub person: bool,
    sounds_like_person: bool,
    /// Whoever speaks has stopped as if it were our turn.
    waits: bool,
    /// When a beep was over that nothing has followed.
    beeped_at: Option<CallMs>,
    /// Where what sounds like music began, and when that was told.
    music: Option<(CallMs, CallMs)>,
    /// The network announces why the call failed.
    announces: bool,
    /// It says that it records.
    pub records: bool,
    /// Why we left before it was over.
    pub taken: Option<Taken>,
    /// Where ringing or music began: words that are heard there were made up.
    tone_from: Option<CallMs>,
}

/// One prompt, complete, without what does not belong to it.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub transcripts: Vec<Transcript>,
    pub start_ms: CallMs,
    pub end_ms: CallMs,
    pub understanding: Understanding,
    pub gist: Gist,
    /// The line gave up waiting for a key and went elsewhere.
    pub moved_on: bool,
}

impl Heard {
    fn new(transcripts: Vec<Transcript>, from: CallMs) -> Self {
        let words = || transcripts.iter().flat_map(|t| &t.words);
        Self {
            start_ms: words().next().map_or(from, |w| w.start_ms),
            end_ms: words().last().map_or(from, |w| w.end_ms),
            understanding: menu_text::understand(&transcripts),
            gist: Gist::of(&transcripts),
            transcripts,
            moved_on: false,
        }
    }

    /// True if no word was heard.
    pub fn is_empty(&self) -> bool {
        self.gist.is_empty()
    }

    /// Splits at the word of the gist with this index.
    pub fn split_at_word(self, index: usize) -> (Self, Option<Self>) {
        let Some(at) = self.gist.start_of(index) else { return (self, None) };
        let moved_on = self.moved_on;
        let (before, after) = split(&self.transcripts, at);
        let (mut before, mut after) = (Self::new(before, self.start_ms), Self::new(after, at));
        before.moved_on = moved_on;
        after.moved_on = moved_on;
        (before, Some(after))
    }
}

impl Hearing {
    /// Begins to listen at `now`, when keys are pressed after `previous`, whose words are not ours.
    pub fn new(now: CallMs, previous: Option<&Self>, limits: &Limits) -> Self {
        let speaking = previous.is_some_and(|p| p.speaking);
        Self {
            since: now,
            fence: if previous.is_some() { now } else { 0 },
            early: speaking,
            tail_end: previous.map(|p| p.last_word_end),
            tail: Vec::new(),
            ignored: false,
            transcripts: Vec::new(),
            interim: None,
            words: 0,
            speaking,
            began: None,
            sound_since: None,
            sound_ms: 0,
            looked_at: 0,
            looked_sound_ms: 0,
            quiet_since: now,
            last_word_end: now,
            heard_until: previous.map_or(0, |p| p.heard_until),
            uncertain: false,
            quiet_ms: limits.silence_ms,
            restarted: false,
            leaves: false,
            offers: false,
            person: false,
            sounds_like_person: false,
            waits: false,
            beeped_at: None,
            music: None,
            announces: false,
            records: false,
            taken: None,
            tone_from: None,
        }
    }

    /// Since when there has been sound at whose words nobody looked.
    pub fn unlooked_since(&self) -> Option<CallMs> {
        self.sound_since.map(|since| since.max(self.looked_at))
    }

    /// Notes at `now` that all words so far are looked at, if there was so much sound since the last
    /// time.
    pub fn look(&mut self, now: CallMs, least_ms: CallMs) -> bool {
        let enough = self.sound_ms >= self.looked_sound_ms.saturating_add(least_ms);
        if enough {
            self.looked_sound_ms = self.sound_ms;
            self.looked_at = now;
        }
        enough
    }

    /// True for what is heard before the call's first key.
    pub fn is_first(&self) -> bool {
        self.tail_end.is_none()
    }

    /// A beep was over at `now`.
    pub fn beeped(&mut self, now: CallMs) {
        self.beeped_at = Some(now);
    }

    /// When a beep was over that nothing has followed, once it is quiet; none as soon as we left.
    pub fn beeped_at(&self) -> Option<CallMs> {
        self.beeped_at.filter(|_| !self.speaking && self.taken.is_none())
    }

    /// What began at `from` sounds like music, which was told at `now`.
    pub fn plays(&mut self, from: CallMs, now: CallMs) {
        self.music = Some((from, now));
    }

    /// When music was told, and whether the recogniser has heard it; none if somebody spoke just
    /// then, or as soon as we left.
    pub fn music(&self) -> Option<(CallMs, bool)> {
        let (from, told) = self.music.filter(|_| self.taken.is_none())?;
        let spoken = told.saturating_sub(SPOKEN_MS).max(from);
        let words = self.transcripts.iter().flat_map(|t| &t.words).any(|w| w.end_ms > spoken);
        (!words).then_some((told, self.heard_until.saturating_add(SPOKEN_MS / 2) >= told))
    }

    /// It is music: no words are said from its beginning on.
    pub fn is_music(&mut self) {
        if let Some((from, _)) = self.music {
            self.no_words_from(from);
        }
    }

    /// The tones before an announcement of the network were heard: nothing follows its words.
    pub fn announces(&mut self) {
        self.announces = true;
    }

    /// Whoever speaks waits for an answer, by the rhythm of it. Words of a person mean one then.
    pub fn waits_for_us(&mut self) {
        self.waits = true;
        self.person |= self.sounds_like_person;
    }

    /// A tone began at `at` and goes on: no words are said from there on.
    pub fn no_words_from(&mut self, at: CallMs) {
        self.tone_from = Some(self.tone_from.map_or(at, |known| known.min(at)));
        for transcript in &mut self.transcripts {
            let before = transcript.words.len();
            transcript.words.retain(|w| w.start_ms < at);
            self.words = self.words.saturating_sub(before - transcript.words.len());
        }
        self.transcripts.retain(|t| !t.words.is_empty());
    }

    /// The keys have left.
    pub fn keys_sent(&mut self, at: CallMs) {
        self.since = self.since.max(at);
        if self.early {
            self.fence = self.fence.max(at);
        }
    }

    pub fn speech_started(&mut self, at: CallMs) {
        self.speaking = true;
        self.beeped_at = None;
        if at >= self.fence {
            self.began.get_or_insert(at);
            self.sound_since = Some(at);
        }
    }

    pub fn speech_ended(&mut self, at: CallMs) {
        self.speaking = false;
        // Who has talked on after a beep was not recording.
        self.beeped_at = self.beeped_at.filter(|beep| at <= beep.saturating_add(BEEP_MS));
        self.quiet_since = self.quiet_since.max(at);
        if let Some(since) = self.sound_since.take() {
            self.sound_ms = self.sound_ms.saturating_add(at.saturating_sub(since));
        }
    }

    /// Where something was said of which not a word was understood, such as a prompt in another
    /// language; `None` for what may be a click or a cough, and where words may have been lost.
    pub fn wordless(&self) -> Option<(CallMs, CallMs)> {
        let began = self.began.filter(|_| self.words == 0 && !self.uncertain)?;
        (self.sound_ms >= WORDLESS_MS && !self.is_behind()).then_some((began, self.quiet_since))
    }

    /// As [`Hearing::wordless`]; a prompt that was left at once is kept too.
    pub fn wordless_or_taken(&self) -> Option<(CallMs, CallMs)> {
        let taken = || self.taken.map(|_| (self.since, self.quiet_since.max(self.since)));
        self.wordless().or_else(taken)
    }

    /// A machine that records or faxes: nothing more will be said.
    pub fn tone(&mut self, at: CallMs) {
        self.speech_ended(at);
        self.quiet_ms = self.quiet_ms.min(LEAVE_MS);
    }

    /// Takes what the recogniser says; returns words that belong to what was heard before.
    pub fn take(&mut self, event: SpeechEvent, limits: &Limits) -> Option<Transcript> {
        match event {
            SpeechEvent::Interim(transcript) => {
                if let Some(last) = transcript.words.last() {
                    self.quiet_since = self.quiet_since.max(last.end_ms);
                }
                self.interim = Some(transcript);
                None
            }
            SpeechEvent::Final(transcript) => {
                self.interim = None;
                let (late, mine) = self.divide(transcript);
                if let (Some(first), Some(last)) = (mine.words.first(), mine.words.last()) {
                    self.began.get_or_insert(first.start_ms);
                    self.last_word_end = self.last_word_end.max(last.end_ms);
                    self.quiet_since = self.quiet_since.max(last.end_ms);
                    self.words += mine.words.len();
                    self.transcripts.push(mine);
                    self.judge(limits);
                }
                (!late.words.is_empty()).then_some(late)
            }
            SpeechEvent::HeardUntil(at) => {
                self.heard_until = self.heard_until.max(at);
                None
            }
            SpeechEvent::Dropped { to_ms, .. } => {
                self.uncertain |= to_ms > self.fence;
                None
            }
            SpeechEvent::Failed { .. } => {
                self.uncertain = true;
                self.heard_until = CallMs::MAX;
                None
            }
        }
    }

    /// Parts words that were said before the keys from those after.
    fn divide(&mut self, transcript: Transcript) -> (Transcript, Transcript) {
        let confidence = transcript.confidence;
        let (mut late, mut mine) = (Vec::new(), Vec::new());
        let said =
            |w: &Word| w.text.contains(|c: char| c.is_alphanumeric() || c == '*' || c == '#');
        let tone_from = self.tone_from.unwrap_or(CallMs::MAX);
        let said = |w: &Word| said(w) && w.start_ms < tone_from;
        for word in transcript.words.into_iter().filter(said) {
            let in_one_breath =
                self.tail_end.is_some_and(|end| word.start_ms.saturating_sub(end) < BREATH_MS);
            // A recogniser lets words begin where the last one ended: what ends after the detector
            // heard something begin is of that.
            let new = self.began.is_some_and(|began| word.end_ms > began);
            let in_tail = word.start_ms < self.fence.saturating_add(TAIL_MS);
            let tail = self.early && in_one_breath && in_tail && !new;
            if word.start_ms < self.fence || (tail && mine.is_empty() && self.words == 0) {
                self.tail_end = Some(word.end_ms);
                if self.tail.len() < MAX_HEARD_WORDS {
                    self.tail.push(word.clone());
                }
                late.push(word);
            } else if self.words + mine.len() < MAX_HEARD_WORDS {
                mine.push(word);
            }
        }
        (Transcript { words: late, confidence }, Transcript { words: mine, confidence })
    }

    /// Learns from the words so far how much quiet will end the prompt.
    fn judge(&mut self, limits: &Limits) {
        let understood = menu_text::understand(&self.transcripts);
        let behind_a_key = self.tail_end.is_some();
        // At the beginning of a call a menu often follows "your call is important to us".
        self.offers = !understood.options.is_empty();
        self.records = understood.kind == PromptKind::Voicemail;
        let words: Vec<&Word> = self.transcripts.iter().flat_map(|t| &t.words).collect();
        let person = understood.kind == PromptKind::Person || (!self.offers && is_a_person(&words));
        // A recorded greeting may begin with "hello" too: the call's first words get a moment.
        self.sounds_like_person = person;
        self.person = person && (behind_a_key || self.waits);
        self.leaves = match understood.kind {
            PromptKind::Transfer | PromptKind::Voicemail | PromptKind::Person => true,
            PromptKind::Queue => behind_a_key,
            PromptKind::Menu
            | PromptKind::Language
            | PromptKind::Input
            | PromptKind::Invalid
            | PromptKind::Announcement => person || (self.announces && !self.offers),
        };
        let closes = behind_a_key && !self.offers && understood.goodbye;
        let asks = behind_a_key && !self.offers && understood.kind == PromptKind::Input;
        let quiet_ms = if self.leaves || closes {
            LEAVE_MS.min(limits.silence_ms)
        } else if asks && !is_cut_short(&words) {
            INPUT_MS.min(limits.silence_ms)
        } else if understood.said_twice {
            TWICE_MS.min(limits.silence_ms)
        } else {
            let longest = limits.silence_ms.saturating_mul(2);
            match is_cut_short(&words) {
                true => longest,
                // A menu that pauses so long between its options may do so once more.
                false if self.offers => {
                    let pause = longest_pause(&words);
                    limits.silence_ms.max(pause.saturating_add(pause / 2)).min(longest)
                }
                false => limits.silence_ms,
            }
        };
        self.quiet_ms = quiet_ms;
        self.restarted = Gist::of(&self.transcripts).restart().is_some();
    }

    /// When the prompt is over if nothing more happens.
    pub fn due(&self, limits: &Limits, line_gone: bool) -> CallMs {
        let silent = self.since.saturating_add(limits.no_speech_ms);
        if line_gone {
            // What was said last is still being recognised.
            let recognised = self.heard_until >= self.quiet_since;
            let patience = if recognised { 0 } else { limits.patience_ms };
            return self.quiet_since.saturating_add(patience);
        }
        if self.words == 0 {
            // Something was said whose words are still to come.
            let behind = self.is_behind() || (self.speaking && self.heard_until < silent);
            let silent = match behind {
                true => silent.max(self.quiet_since).saturating_add(limits.patience_ms),
                false => silent,
            };
            // A line that took the keys would have spoken by now.
            let no_reaction = self.quiet_since.saturating_add(NO_REACTION_MS);
            let known = self.ignored && !self.speaking && self.heard_until >= self.quiet_since;
            return if known { no_reaction.min(silent) } else { silent };
        }
        if self.restarted || self.words >= MAX_HEARD_WORDS {
            return self.last_word_end;
        }
        if self.speaking {
            // Music, or a detector that is deceived: the words decide.
            let quiet = if self.leaves { self.quiet_ms } else { 2 * limits.silence_ms };
            let by_words = self.last_word_end.saturating_add(quiet);
            let silent = limits.no_speech_ms.max(2 * limits.silence_ms);
            return if self.heard_until >= by_words {
                by_words
            } else {
                // Sound without words is recognised by then, unless the recogniser is behind.
                let silent = self.last_word_end.saturating_add(silent);
                silent.saturating_add(limits.patience_ms)
            };
        }
        let quiet = self.quiet_since.saturating_add(self.quiet_ms);
        let recognised = self.heard_until >= self.quiet_since;
        if recognised { quiet } else { quiet.saturating_add(limits.patience_ms) }
    }

    /// True if the prompt was over because it had started again: the line goes on speaking.
    pub fn is_restarted(&self) -> bool {
        self.restarted
    }

    /// True if words are still missing that the recogniser has not come to yet.
    pub fn is_behind(&self) -> bool {
        let sound = self.began.is_some() || self.speaking;
        sound && !self.restarted && self.heard_until < self.quiet_since
    }

    /// When the recogniser should be asked to hurry, if it is behind.
    pub fn flush_due(&self) -> Option<CallMs> {
        let behind = !self.speaking && self.heard_until < self.quiet_since;
        (behind && self.began.is_some()).then(|| self.quiet_since.saturating_add(TWICE_MS))
    }

    /// What was heard so far, for a look before it is over.
    pub fn so_far(&self) -> Vec<Transcript> {
        self.transcripts.iter().chain(&self.interim).cloned().collect()
    }

    /// The old prompt's words that came after the keys, and the words since.
    pub fn with_tail(&self) -> Vec<Transcript> {
        let tail = Transcript { words: self.tail.clone(), confidence: 1.0 };
        std::iter::once(tail).chain(self.so_far()).collect()
    }

    /// The line hung up: what it said may still be on its way through the recogniser.
    pub fn line_gone(&mut self, now: CallMs) {
        if let Some(since) = self.sound_since.take() {
            self.sound_ms = self.sound_ms.saturating_add(now.saturating_sub(since));
        }
        if self.speaking || self.words == 0 {
            self.quiet_since = self.quiet_since.max(now);
        }
        self.speaking = false;
    }

    /// All of a known prompt has been heard: a short quiet is enough.
    pub fn is_complete(&mut self) {
        self.quiet_ms = self.quiet_ms.min(COMPLETE_MS);
    }

    /// The whole prompt, without its second reading and without what the line says when nobody
    /// presses a key.
    pub fn heard(&self) -> Heard {
        let all = Heard::new(self.transcripts.clone(), self.since);
        let once = match all.gist.restart() {
            Some(index) => all.split_at_word(index).0,
            None => all,
        };
        let mut heard = without_timeout(once);
        if let Some(taken) = self.taken {
            heard.understanding.kind = taken.kind(&heard.understanding);
        }
        heard
    }
}

/// The longest pause between two words.
fn longest_pause(words: &[&Word]) -> CallMs {
    let pauses = words.windows(2).filter_map(|pair| match pair {
        [a, b] => Some(b.start_ms.saturating_sub(a.end_ms)),
        _ => None,
    });
    pauses.max().unwrap_or(0)
}

/// True if the last word promises another: "for billing, press".
fn is_cut_short(words: &[&Word]) -> bool {
    let last = words.last().map(|w| w.text.to_lowercase());
    matches!(last.as_deref(), Some("press" | "press," | "or" | "and" | "dial" | "or," | "and,"))
}

/// Cuts off what a menu says after it has waited in vain.
fn without_timeout(heard: Heard) -> Heard {
    let words: Vec<&Word> = heard.transcripts.iter().flat_map(|t| &t.words).collect();
    let gaps = words.windows(2).filter_map(|pair| match pair {
        [a, b] if b.start_ms.saturating_sub(a.end_ms) >= TIMEOUT_GAP_MS => Some(b.start_ms),
        _ => None,
    });
    // The last few gaps are enough: what follows the one in question has no options.
    let gaps: Vec<CallMs> = gaps.collect();
    for at in gaps.iter().rev().take(3).rev() {
        let (before, after) = split(&heard.transcripts, *at);
        let after = menu_text::understand(&after);
        let elsewhere = match after.kind {
            PromptKind::Transfer
            | PromptKind::Queue
            | PromptKind::Voicemail
            | PromptKind::Person => true,
            PromptKind::Invalid => after.options.is_empty(),
            PromptKind::Menu
            | PromptKind::Language
            | PromptKind::Input
            | PromptKind::Announcement => after.goodbye && after.options.is_empty(),
        };
        if !(elsewhere || after.no_input) {
            continue;
        }
        let mut menu = Heard::new(before, heard.start_ms);
        if !menu.understanding.options.is_empty() {
            menu.moved_on = elsewhere;
            return menu;
        }
    }
    heard
}

fn split(transcripts: &[Transcript], at: CallMs) -> (Vec<Transcript>, Vec<Transcript>) {
    let part = |keep: &dyn Fn(&Word) -> bool| {
        let parts = transcripts.iter().map(|t| Transcript {
            words: t.words.iter().filter(|w| keep(w)).cloned().collect(),
            confidence: t.confidence,
        });
        parts.filter(|t| !t.words.is_empty()).collect()
    };
    (part(&|w| w.start_ms < at), part(&|w| w.start_ms >= at))
}
