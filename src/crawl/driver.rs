//! A crawl's navigator as the pilot of a call, and the plan that it shares with other calls.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use phoneai_media::detect::{Sound, SoundEvent};
use tokio::sync::watch;

use super::{
    navigator::{Action, EndReason, Input, Limits, Navigator, Outcome, PromptOver, Tone, is_news},
    plan::{Plan, Seat},
    tree::{NodeNo, Tree},
};
use crate::{
    calls::{
        answer::Party,
        live::What,
        pilot::{Act, Heard, Pilot, Turn},
    },
    speech::{CallMs, SpeechEvent},
};

/// A plan that the calls of one scan share; copies are the same plan.
///
/// Its lock is held while one call decides, which takes no time and waits for nothing; no other lock
/// is taken meanwhile.
#[derive(Clone, Debug)]
pub struct SharedPlan {
    plan: Arc<Mutex<Plan>>,
    stored: watch::Sender<u64>,
    changed: watch::Sender<()>,
}

impl SharedPlan {
    /// For a scan of which `tree` is known.
    pub fn new(tree: Tree, limits: Limits) -> Self {
        Self {
            plan: Arc::new(Mutex::new(Plan::new(tree, limits))),
            stored: watch::Sender::new(0),
            changed: watch::Sender::new(()),
        }
    }

    /// How many more calls would find something to do now.
    pub fn free_goals(&self) -> usize {
        self.lock().free_goals()
    }

    /// True if nothing is left to explore.
    pub fn is_complete(&self) -> bool {
        self.lock().is_complete()
    }

    /// Tells whenever a call has learned something, decided, or ended.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        // Who panicked while deciding has left the plan as it was, or with a change more.
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait how far everything is stored.
    fn tell(&self, plan: MutexGuard<'_, Plan>) {
        let stored = plan.stored();
        drop(plan);
        self.stored.send_if_modified(|known| std::mem::replace(known, stored) != stored);
        self.changed.send_replace(());
    }
}

/// Flies one call by a navigator's decisions.
#[derive(Debug)]
pub struct Crawler {
    navigator: Navigator,
    plan: SharedPlan,
    seat: Seat,
    /// What the navigator wants done, and the places of what is to be stored.
    actions: VecDeque<(Action, Option<u64>)>,
    /// Acts that an action of the navigator came to, beyond the first.
    more: VecDeque<Act>,
    /// The place of what is being stored.
    storing: Option<u64>,
    news: bool,
}

impl Crawler {
    /// For one more call of a plan.
    pub fn new(plan: &SharedPlan, limits: Limits) -> Self {
        let (seat, navigator) = plan.lock().join(limits);
        let plan = plan.clone();
        let (actions, more) = (VecDeque::new(), VecDeque::new());
        Self { navigator, plan, seat, actions, more, storing: None, news: false }
    }

    /// What the call has brought; `None` if it was cut off before the navigator was through.
    pub fn outcome(&self) -> Option<Outcome> {
        self.navigator.outcome()
    }

    /// True if the call taught something, also if it was cut off after that.
    pub fn has_news(&self) -> bool {
        self.outcome().map_or(self.news, |outcome| outcome.news)
    }

    fn decide(&mut self, happens: impl FnOnce(&mut Navigator)) {
        let mut plan = self.plan.lock();
        let actions = plan.decide(self.seat, &mut self.navigator, happens);
        self.actions.extend(actions);
        self.plan.tell(plan);
    }
}

impl Drop for Crawler {
    fn drop(&mut self) {
        let mut plan = self.plan.lock();
        plan.leave(self.seat);
        self.plan.tell(plan);
    }
}

impl Pilot for Crawler {
    fn handle(&mut self, now: CallMs, heard: Heard) {
        if let Some(input) = input(heard) {
            self.decide(|navigator| navigator.handle(now, input));
        }
    }

    fn handle_timeout(&mut self, now: CallMs) {
        self.decide(|navigator| navigator.handle_timeout(now));
    }

    fn poll(&mut self) -> Option<Act> {
        if let Some(place) = self.storing.take() {
            // Acts are done completely before the next is asked for.
            let mut plan = self.plan.lock();
            plan.written(place);
            self.plan.tell(plan);
        }
        if let Some(act) = self.more.pop_front() {
            return Some(act);
        }
        let (action, place) = self.actions.pop_front()?;
        if let Some(place) = place.filter(|place| !self.plan.lock().is_turn(*place)) {
            self.actions.push_front((action, Some(place)));
            return Some(Act::Wait(Turn::new(place, self.plan.stored.subscribe())));
        }
        Some(match action {
            Action::PromptBegan { at } => Act::BeginPrompt { at },
            Action::PromptOver(prompt) => {
                let node = prompt.node.filter(|_| prompt.kept);
                self.more.push_back(Act::Tell(understood(prompt)));
                Act::EndPrompt { node }
            }
            Action::Store(change) => {
                self.news |= is_news(&change);
                self.storing = place;
                Act::Store(change)
            }
            Action::Press { keys, slow } => Act::Press { keys, slow },
            Action::Flush => Act::Flush,
            Action::HangUp(reason) => Act::HangUp(in_words(reason).to_owned()),
        })
    }

    fn poll_timeout(&self) -> Option<CallMs> {
        self.navigator.poll_timeout()
    }

    fn recorded(&mut self, node: NodeNo, file: String) {
        let mut plan = self.plan.lock();
        plan.recorded(self.seat, &mut self.navigator, node, file);
        self.plan.tell(plan);
    }
}

/// What a navigator is told of what a pilot hears; `None` if that is nothing.
pub(crate) fn input(heard: Heard) -> Option<Input> {
    Some(match heard {
        Heard::Answered => Input::Answered,
        Heard::SpeechStarted { at } => Input::SpeechStarted { at },
        Heard::SpeechEnded { at } => Input::SpeechEnded { at },
        Heard::Speech(event) => Input::Speech(event),
        Heard::KeysSent { keys, at } => Input::KeysSent { keys, at },
        Heard::HungUp => Input::HungUp,
        Heard::Sound(event) => Input::Tone { tone: tone_of(&event)?, at: event.from_ms },
        Heard::Party(verdict) if verdict.party == Party::Person => {
            Input::Person { at: verdict.at_ms }
        }
        // Tones and words tell the navigator of all others.
        Heard::Party(_) => return None,
        Heard::Closed => Input::Speech(SpeechEvent::HeardUntil(CallMs::MAX)),
    })
}

/// The tone that decides something, once it is sure: what lasts as soon as it is recognised, a beep
/// when it is over, because the beginning of music or of a ring is a beep too.
fn tone_of(event: &SoundEvent) -> Option<Tone> {
    let goes_on = event.to_ms.is_none();
    match event.sound {
        Sound::Ringback(_) if goes_on => Some(Tone::Ringback),
        Sound::Busy(_) | Sound::Reorder(_) if goes_on => Some(Tone::Busy),
        // Its three tones are short: they are told when all are over.
        Sound::Special(_) => Some(Tone::SpecialInformation),
        Sound::FaxAnswer | Sound::ModemAnswer if goes_on => Some(Tone::Fax),
        Sound::Music if goes_on => Some(Tone::Music),
        Sound::Beep { .. } if !goes_on => Some(Tone::Beep),
        Sound::Ringback(_)
        | Sound::Busy(_)
        | Sound::Reorder(_)
        | Sound::FaxAnswer
        | Sound::ModemAnswer
        | Sound::Music
        | Sound::Beep { .. }
        | Sound::DialTone(_)
        | Sound::FaxCalling
        | Sound::Key(_)
        | Sound::ComfortNoise => None,
    }
}

/// A prompt as it is told to whoever watches.
pub(crate) fn understood(prompt: PromptOver) -> What {
    let options = prompt.options.into_iter().map(|(keys, label)| (keys.to_string(), label));
    What::Prompt {
        node: prompt.node.map(|node| node.0),
        kind: prompt.kind,
        text: prompt.text,
        options: options.collect(),
        new: prompt.new,
    }
}

/// Why a call ended, for its record and for people.
pub(crate) fn in_words(reason: EndReason) -> &'static str {
    match reason {
        EndReason::BranchEnd => "the branch ends here",
        EndReason::NothingLeft => "nothing is left to explore from here",
        EndReason::NoSpeech => "nothing was said",
        EndReason::LineHungUp => "the line hung up",
        EndReason::MovedOn => "the menu went on without a key",
        EndReason::WrongTurn => "something else was heard than expected",
        EndReason::OtherWording => "the menu was read in another wording, without the way",
        EndReason::CallTooLong => "the call took too long",
        EndReason::TooManyKeys => "too many keys were pressed",
        EndReason::NotAnswered => "nobody answered",
        EndReason::Unheard => "words were lost: recognition failed or fell behind",
        EndReason::Taken => "a person, a queue or a recorder took the call",
    }
}

#[cfg(test)]
mod tests {
    use phoneai_media::detect::progress::Plan;

    use super::*;

    fn tone(sound: Sound, to_ms: Option<u32>) -> Option<Tone> {
        tone_of(&SoundEvent { sound, from_ms: 100, to_ms, dbov: -20.0 })
    }

    #[test]
    fn what_lasts_is_told_when_it_is_sure_and_a_beep_when_it_is_over() {
        for (sound, expected) in [
            (Sound::Ringback(Plan::Europe), Tone::Ringback),
            (Sound::Busy(Plan::NorthAmerica), Tone::Busy),
            (Sound::Reorder(Plan::NorthAmerica), Tone::Busy),
            (Sound::FaxAnswer, Tone::Fax),
            (Sound::Music, Tone::Music),
        ] {
            assert_eq!((tone(sound, None), tone(sound, Some(900))), (Some(expected), None));
        }
        let beep = Sound::Beep { hz: 1000.0 };
        assert_eq!((tone(beep, None), tone(beep, Some(500))), (None, Some(Tone::Beep)));
        assert_eq!(tone(Sound::ComfortNoise, None), None);
    }
}
