//! What is decided while a prompt is still read: keys of a known way, and known prompts.

use super::{Listening, Navigator, Place, State, Step, decide::MIN_NEWS_WORDS};
use crate::{
    crawl::{
        compare::{self, Gist},
        menu_text,
        tree::{Edge, MenuOption, Node, NodeNo, Standing},
    },
    speech::CallMs,
};

/// Fewest words by which a key's prompt is known for one that was heard before, while it is read.
const MIN_LINK_WORDS: usize = 8;
/// How much of an expected prompt is recognised by itself if it makes no pause.
const LOOK_MS: CallMs = 6000;
/// How much of it if it does: three words and more.
const LOOK_SOUND_MS: CallMs = 1000;
/// How often that is done, if the words so far prove nothing.
const MAX_LOOKS: u32 = 4;

impl Navigator {
    /// Presses the next key of a known way as soon as its option has been heard where it was
    /// expected.
    pub(super) fn press_if_heard(&mut self, now: CallMs) {
        let State::Listening(listening) = &mut self.state else { return };
        let Place::Expect { node, route, .. } = &listening.place else { return };
        let (Some(step), Some(known)) = (route.front(), self.known.node(*node)) else { return };
        let Some(gist) = self.known.gist(*node) else { return };
        let so_far = listening.hearing.so_far();
        let heard = Gist::of(&so_far);
        if heard.len() >= gist.len() && heard.likeness(gist).is_same() {
            listening.hearing.is_complete();
        }
        let (node, step) = (*node, step.clone());
        if !self.presses_early() {
            return;
        }
        let understood = menu_text::understand(&so_far);
        let offered = |options: &[MenuOption]| {
            options.iter().find(|o| o.keys == step.keys).map(|o| o.label.clone())
        };
        let option_heard = match (offered(&understood.options), offered(&known.options)) {
            (Some(label), Some(expected)) => {
                let same = compare::same_label(&label, &expected);
                let here = heard.find_beginning_of(gist).1.is_same()
                    || understood.options.len() > 1
                        && self.known.is_shown_by(node, &understood.options);
                (same || label.is_empty() || expected.is_empty()) && here
            }
            (Some(_) | None, _) => false,
        };
        // Not at the mere beginning of a known prompt: a key in the middle of a sentence cuts what is
        // said there, and the words around the cut are misheard.
        if !option_heard {
            return;
        }
        let Some(Listening { place: Place::Expect { route, .. }, hearing, .. }) =
            self.take_listening()
        else {
            return;
        };
        let heard = hearing.heard();
        self.report(Some(node), false, &heard);
        self.press(now, route, 1, &hearing, true);
    }

    /// Presses the next key of a known way as soon as its prompt begins, if it may: not the last
    /// one, which is pressed where it was offered.
    pub(super) fn barge(&mut self, now: CallMs) {
        if !self.limits.barge_in || !self.presses_early() {
            return;
        }
        let State::Listening(listening) = &self.state else { return };
        let begun = listening.hearing.began.is_some();
        let Place::Expect { route, .. } = &listening.place else { return };
        if route.len() < 2 || !begun {
            return;
        }
        let Some(Listening { place: Place::Expect { route, .. }, hearing, .. }) =
            self.take_listening()
        else {
            return;
        };
        self.barged = true;
        self.press(now, route, 1, &hearing, true);
    }

    /// True if the next key of a known way is pressed while its prompt is read. When a way failed
    /// before, or a key on it had no effect, each key waits for the end of its prompt.
    fn presses_early(&self) -> bool {
        let State::Listening(listening) = &self.state else { return false };
        let Place::Expect { node, route, presses, .. } = &listening.place else { return false };
        let tried = |step: &Step| {
            let edge = self.known.node(step.from).and_then(|n| n.edges.get(&step.keys));
            matches!(edge, Some(Edge::Tried(_)))
        };
        // What was not understood well, or was another prompt the last time, is heard to its end.
        let suspected = |node: &Node| {
            node.variants.iter().any(|variant| variant.standing == Standing::Suspected)
        };
        let doubtful = self.known.is_doubtful(*node, &self.limits)
            || self.known.node(*node).is_some_and(suspected);
        let patient = *presses > 1 || doubtful || route.back().is_some_and(tried);
        !patient && self.limits.early_keys && !self.ignores_early_keys && !self.line_gone
    }

    /// When to ask the recogniser for the words so far of a prompt that is expected: they tell
    /// whether the next key may be pressed, long before the prompt pauses so long that they are
    /// recognised anyhow. Between two sentences nothing is cut; who makes no pause is cut.
    pub(super) fn look_due(&self) -> Option<CallMs> {
        let State::Listening(listening) = &self.state else { return None };
        let looks = listening.looks < MAX_LOOKS && self.presses_early();
        let since = listening.hearing.unlooked_since().filter(|_| looks)?;
        Some(since.saturating_add(LOOK_MS))
    }

    /// The prompt pauses: a good place to look.
    pub(super) fn look_in_pause(&mut self, now: CallMs) {
        if !self.presses_early() {
            return;
        }
        let State::Listening(listening) = &mut self.state else { return };
        if listening.looks < MAX_LOOKS && listening.hearing.look(now, LOOK_SOUND_MS) {
            listening.looks += 1;
            self.actions.push_back(super::Action::Flush);
        }
    }

    /// Goes on from a known prompt as soon as it is plain that an unexplored key led to it: its
    /// beginning was heard, and one of its options.
    pub(super) fn link_if_heard(&mut self, now: CallMs) {
        let State::Listening(listening) = &self.state else { return };
        let Listening { place: Place::Fresh { step, .. }, hearing, .. } = &**listening else {
            return;
        };
        let early = self.limits.early_keys && !self.ignores_early_keys;
        if !early || self.line_gone || !hearing.offers {
            return;
        }
        let so_far = hearing.so_far();
        let heard = Gist::of(&so_far);
        if heard.len() < MIN_LINK_WORDS {
            return;
        }
        let understood = menu_text::understand(&so_far);
        // Something may have been said before the prompt that is known.
        let head = heard.first_words(MIN_NEWS_WORDS);
        let is_it = |no: &NodeNo| {
            self.known.offers_too(*no, &understood.options)
                && self.known.begins_with(*no, &head)
                && self.known.is_begun(*no, &heard)
        };
        let mut known = self.known.tree().nodes().iter().map(|n| n.no);
        let known = known.find(|no| *no != step.from && is_it(no));
        let Some(no) = known else { return };
        let Some(Listening { place: Place::Fresh { step, .. }, hearing, .. }) =
            self.take_listening()
        else {
            return;
        };
        let heard = hearing.heard();
        self.report(Some(no), false, &heard);
        self.link(step, no);
        match self.plan(no) {
            Some(route) => self.press(now, route, 1, &hearing, true),
            None => self.end(self.branch_end()),
        }
    }

    /// Notices that the line took no notice of the last key: it has read the old prompt to its end.
    /// The next attempt has to come before it loses patience.
    pub(super) fn notice_ignored(&mut self) {
        let State::Listening(listening) = &mut self.state else { return };
        let from = match &listening.place {
            Place::Fresh { step, .. } => step.from,
            Place::Expect { via: Some(via), .. } => via.from,
            Place::First | Place::Expect { via: None, .. } => return,
        };
        let Some(known) = self.known.gist(from) else { return };
        let heard = Gist::of(&listening.hearing.so_far());
        let whole = heard.len() >= known.len() && heard.likeness(known).is_same();
        // The old prompt was read on to its last word.
        let rest = listening.hearing.early && {
            let old = Gist::of(&listening.hearing.with_tail());
            let (at, likeness) = known.find_beginning_of(&old);
            likeness.is_same() && at + old.len() >= known.len()
        };
        if whole || rest {
            listening.hearing.is_complete();
            listening.hearing.ignored = rest;
        }
    }
}
