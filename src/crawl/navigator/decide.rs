//! What follows from what was heard.

use std::collections::VecDeque;

use super::{
    EndReason, Listening, Navigator, Place, PromptOver, State, Step,
    hearing::{Heard, Hearing},
};
use crate::{
    crawl::{
        compare::{self, Gist},
        menu_text,
        tree::{Change, DeadEnd, Edge, MenuOption, Node, NodeNo, PromptKind},
    },
    speech::{CallMs, Transcript},
};

/// A menu that starts again this soon after a key does so because of the key. Menus that start
/// again because nobody presses a key wait for at least three seconds.
const REACTION_MS: CallMs = 2500;
/// Fewest words by which a known prompt is recognised behind something else.
const MIN_KNOWN_WORDS: usize = 6;
/// Fewest words before a known prompt that are a message of their own; fewer are the rest of the
/// prompt before, or noise.
const MIN_NEWS_WORDS: usize = 4;
/// Fewest words by which a key's prompt is known for one that was heard before, while it is read.
const MIN_LINK_WORDS: usize = 8;
/// Least confidence of an option that is added to a prompt when it is heard again.
const MIN_ADDED_CONFIDENCE: f32 = 0.5;
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

    /// True if the next key of a known way is pressed while its prompt is read. When a way failed
    /// before, or a key on it had no effect, each key waits for the end of its prompt.
    fn presses_early(&self) -> bool {
        let State::Listening(listening) = &self.state else { return false };
        let Place::Expect { route, presses, .. } = &listening.place else { return false };
        let tried = |step: &Step| {
            let edge = self.known.node(step.from).and_then(|n| n.edges.get(&step.keys));
            matches!(edge, Some(Edge::Tried(_)))
        };
        let patient = *presses > 1 || route.back().is_some_and(tried);
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
        match self.known.plan(no, &self.limits, &self.given_up) {
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

    /// The prompt is over: decides what it was and what to do.
    pub(super) fn conclude(&mut self, now: CallMs) {
        let Some(Listening { place, hearing, .. }) = self.take_listening() else { return };
        let heard = hearing.heard();
        // Half a prompt is no prompt, and silence of a recogniser that is behind is no silence.
        let behind = hearing.is_behind() && !self.line_gone && heard.is_empty();
        if (hearing.uncertain || behind) && hearing.taken.is_none() {
            let reason = if self.line_gone { EndReason::LineHungUp } else { EndReason::Unheard };
            self.report(None, false, &heard);
            return self.end(reason);
        }
        match place {
            Place::First if heard.is_empty() && hearing.taken.is_none() => self.end(self.silence()),
            Place::First => {
                let no = self.learn(&heard, None);
                self.unfinished = hearing.is_behind().then_some(no);
                self.go_on(now, no, &heard, &hearing);
            }
            Place::Fresh { step, presses } => self.fresh(now, step, presses, heard, &hearing),
            Place::Expect { node, via, presses, route } => {
                self.expected(now, Expected { node, via, presses, route }, heard, &hearing);
            }
        }
    }

    /// Notes that the key in question could not be explored in this call.
    pub(super) fn give_up_place(&mut self) {
        let State::Listening(listening) = &self.state else { return };
        let step = match &listening.place {
            Place::First => None,
            Place::Fresh { step, .. } => Some(step.clone()),
            Place::Expect { route, .. } => route.back().cloned(),
        };
        if let Some(step) = step {
            self.tried(step, DeadEnd::NoEffect);
        }
    }

    /// Adds words that were recognised only after the prompt was thought to be over.
    pub(super) fn take_late(&mut self, late: Transcript) {
        let Some(node) = self.unfinished.and_then(|no| self.known.node(no)) else { return };
        if late.words.first().is_none_or(|w| w.start_ms < node.end_ms) {
            return;
        }
        let mut node = node.clone();
        node.end_ms = late.words.last().map_or(node.end_ms, |w| w.end_ms);
        node.transcripts.push(late);
        let understood = menu_text::understand(&node.transcripts);
        node.kind = understood.kind;
        node.options = understood.options;
        self.store(Change::Node(node));
    }

    fn take_listening(&mut self) -> Option<Listening> {
        match std::mem::replace(&mut self.state, State::Dialled) {
            State::Listening(listening) => Some(*listening),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// An unexplored key was pressed, and this was heard.
    fn fresh(&mut self, now: CallMs, step: Step, presses: u32, heard: Heard, hearing: &Hearing) {
        if heard.is_empty() && hearing.ignored && !self.line_gone {
            self.ignores_early_keys = true;
            return self.ignored(now, step, presses, &heard, hearing);
        }
        if heard.is_empty()
            && let Some((start_ms, end_ms)) = hearing.wordless_or_taken()
        {
            self.learn(&Heard { start_ms, end_ms, ..heard }, Some(step));
            return self.end(EndReason::BranchEnd);
        }
        if heard.is_empty() {
            // A key that was pressed while the line spoke may have been lost, and words may have
            // been: only silence that one can rely on, or a prompt reaction, is a dead end.
            let dead = if self.line_gone { DeadEnd::HungUp } else { DeadEnd::Silent };
            let prompt = self.line_gone && now.saturating_sub(hearing.since) <= REACTION_MS;
            if hearing.uncertain || (hearing.early && !prompt) {
                self.tried(step, dead);
            } else {
                self.edge(step, Edge::Dead(dead));
            }
            return self.end(self.silence());
        }
        let behind = self.known_behind(&heard, step.from);
        if heard.understanding.invalid || heard.understanding.kind == PromptKind::Invalid {
            self.report(None, false, &heard);
            let again = self.offers_the_same(&heard, step.from).then_some(step.from);
            self.edge(step, Edge::Dead(DeadEnd::Invalid));
            return match behind.map(|(no, _)| no).or(again) {
                Some(no) => self.go_on(now, no, &heard, hearing),
                None => self.end(self.branch_end()),
            };
        }
        let from = step.from;
        // A long menu hides the news that was read before it: both together are nearly the menu.
        let hides =
            |no: &NodeNo| behind.is_some_and(|(found, at)| found == *no && at >= MIN_NEWS_WORDS);
        match self.known.identify(&heard.gist).filter(|no| !hides(no)) {
            Some(no) if no == from => {
                self.report(Some(no), false, &heard);
                self.same_again(now, step, presses, &heard, hearing);
            }
            Some(no) => {
                self.report(Some(no), false, &heard);
                self.link(step, no);
                self.go_on(now, no, &heard, hearing);
            }
            None if hearing.early && self.is_rest_of(&heard, from) => {
                self.report(Some(from), false, &heard);
                self.ignores_early_keys |= hearing.early;
                self.ignored(now, step, presses, &heard, hearing);
            }
            None => match behind {
                Some((no, at)) => {
                    let (own, rest) = heard.split_at_word(at);
                    let rest = rest.unwrap_or_else(|| own.clone());
                    // The menu went on and was read again: nobody took notice of the key.
                    if hearing.early && self.is_rest_of(&own, from) {
                        self.report(Some(no), false, &rest);
                        self.ignores_early_keys = true;
                        return self.ignored(now, step, presses, &rest, hearing);
                    }
                    match self.known.identify(&own.gist) {
                        // "Sorry, I didn't get that", and the menu again.
                        None if own.understanding.kind == PromptKind::Invalid => {
                            self.edge(step, Edge::Dead(DeadEnd::Invalid));
                        }
                        Some(known) => self.link(step, known),
                        None if own.gist.len() < 2 => self.link(step, no),
                        None => {
                            self.learn(&own, Some(step));
                        }
                    }
                    self.report(Some(no), false, &rest);
                    self.go_on(now, no, &rest, hearing);
                }
                None => {
                    let no = self.learn(&heard, Some(step));
                    self.unfinished = hearing.is_behind().then_some(no);
                    self.go_on(now, no, &heard, hearing);
                }
            },
        }
    }

    /// The same prompt came again: because the key repeats it, or because the key was ignored.
    fn same_again(
        &mut self,
        now: CallMs,
        step: Step,
        presses: u32,
        heard: &Heard,
        hearing: &Hearing,
    ) {
        let option =
            self.known.node(step.from).and_then(|n| n.options.iter().find(|o| o.keys == step.keys));
        let repeats = option.is_some_and(|o| says_repeat(&o.label));
        let prompt = heard.start_ms.saturating_sub(hearing.since) <= REACTION_MS;
        if prompt && (repeats || presses >= self.limits.max_same_prompt) {
            let from = step.from;
            self.link(step, from);
            self.go_on(now, from, heard, hearing);
        } else {
            self.ignored(now, step, presses, heard, hearing);
        }
    }

    /// A key had no effect: once more, slower and when nobody speaks, then no more in this call.
    fn ignored(&mut self, now: CallMs, step: Step, presses: u32, heard: &Heard, hearing: &Hearing) {
        let from = step.from;
        if presses < self.limits.max_same_prompt && !self.line_gone && !heard.moved_on {
            self.press(now, VecDeque::from([step]), presses + 1, hearing, false);
        } else {
            self.tried(step, DeadEnd::NoEffect);
            self.go_on(now, from, heard, hearing);
        }
    }

    /// A known key was pressed, or the call has begun, and this was heard.
    fn expected(&mut self, now: CallMs, place: Expected, heard: Heard, hearing: &Hearing) {
        let Expected { node, via, presses, route } = place;
        let target = route.back().cloned();
        if let (true, true, Some(via)) = (heard.is_empty(), hearing.ignored, &via)
            && presses < self.limits.max_same_prompt
            && !self.line_gone
        {
            self.ignores_early_keys = true;
            let mut again = route;
            again.push_front(via.clone());
            return self.press(now, again, presses + 1, hearing, false);
        }
        if heard.is_empty() {
            self.mismatches += 1;
            if let Some(target) = target {
                self.tried(target, DeadEnd::NoEffect);
            }
            return self.end(self.silence());
        }
        // Words may be misheard differently each time; several options that no other prompt has
        // are proof enough.
        let options = &heard.understanding.options;
        let shown = options.len() > 1 && self.known.is_shown_by(node, options);
        if self.is_known_as(&heard, node) || shown {
            self.report(Some(node), false, &heard);
            self.improve(node, &heard);
            if self.line_gone || heard.moved_on {
                if let Some(target) = target {
                    self.tried(target, DeadEnd::NoEffect);
                }
                return self.end(self.lost(&heard));
            }
            return self.press(now, route, 1, hearing, false);
        }
        if let Some(via) = via.filter(|via| {
            self.is_known_as(&heard, via.from)
                || (hearing.early && self.is_rest_of(&heard, via.from))
        }) {
            self.ignores_early_keys |= hearing.early;
            self.report(Some(via.from), false, &heard);
            if presses < self.limits.max_same_prompt && !self.line_gone && !heard.moved_on {
                let mut again = route;
                again.push_front(via);
                return self.press(now, again, presses + 1, hearing, false);
            }
        }
        self.mismatches += 1;
        if let Some(target) = target {
            self.tried(target, DeadEnd::NoEffect);
        }
        match self.known.identify(&heard.gist) {
            Some(no) if no != node => {
                self.report(Some(no), false, &heard);
                self.go_on(now, no, &heard, hearing);
            }
            Some(_) | None => {
                self.report(None, false, &heard);
                let reason =
                    if self.line_gone { EndReason::LineHungUp } else { EndReason::WrongTurn };
                self.end(reason);
            }
        }
    }

    /// Presses the next key from a prompt at which the line waits, or ends the call.
    fn go_on(&mut self, now: CallMs, at: NodeNo, heard: &Heard, hearing: &Hearing) {
        if self.line_gone || heard.moved_on {
            return self.end(self.lost(heard));
        }
        match self.known.plan(at, &self.limits, &self.given_up) {
            Some(route) => self.press(now, route, 1, hearing, false),
            None => self.end(self.branch_end()),
        }
    }

    /// Stores a new prompt and the key that led to it.
    fn learn(&mut self, heard: &Heard, step: Option<Step>) -> NodeNo {
        let no = self.known.tree().next_no();
        self.report(Some(no), true, heard);
        self.store(Change::Node(Node {
            no,
            kind: heard.understanding.kind,
            transcripts: heard.transcripts.clone(),
            start_ms: heard.start_ms,
            end_ms: heard.end_ms,
            options: heard.understanding.options.clone(),
            audio_file: None,
            edges: std::collections::BTreeMap::new(),
        }));
        if let Some(step) = step {
            self.edge(step, Edge::Child(no));
        }
        if self.known.depth(no) >= self.limits.max_depth {
            for option in &heard.understanding.options {
                let too_deep = Step { from: no, keys: option.keys.clone() };
                self.edge(too_deep, Edge::Dead(DeadEnd::TooDeep));
            }
        }
        no
    }

    /// Adds options that were missed when the prompt was heard first.
    fn improve(&mut self, no: NodeNo, heard: &Heard) {
        let Some(node) = self.known.node(no) else { return };
        let missed: Vec<MenuOption> = heard
            .understanding
            .options
            .iter()
            .filter(|o| node.options.iter().all(|known| known.keys != o.keys))
            .filter(|o| o.confidence >= MIN_ADDED_CONFIDENCE && !o.label.is_empty())
            .cloned()
            .collect();
        // Only a prompt that was heard from its beginning to its end again replaces what is known.
        let longer = heard.gist.len() > self.known.gist(no).map_or(0, Gist::len);
        if missed.is_empty() || !longer {
            return;
        }
        let mut better = Node {
            transcripts: heard.transcripts.clone(),
            start_ms: heard.start_ms,
            end_ms: heard.end_ms,
            kind: heard.understanding.kind,
            options: heard.understanding.options.clone(),
            ..node.clone()
        };
        for option in &node.options {
            if better.options.iter().all(|o| o.keys != option.keys) {
                better.options.push(option.clone());
            }
        }
        self.store(Change::Node(better));
    }

    /// Stores that a key leads to a known prompt: a link, or a child if nothing leads there yet
    /// because the program was stopped between two changes.
    fn link(&mut self, step: Step, to: NodeNo) {
        let edge = if self.known.is_orphan(to) { Edge::Child(to) } else { Edge::Link(to) };
        self.edge(step, edge);
    }

    fn edge(&mut self, step: Step, edge: Edge) {
        self.store(Change::Edge { from: step.from, keys: step.keys, edge });
    }

    /// Counts an attempt that proved nothing; the last one that is allowed gives the key up, for
    /// the reason that it seemed to have.
    fn tried(&mut self, step: Step, seemed: DeadEnd) {
        let edge = self.known.node(step.from).and_then(|n| n.edges.get(&step.keys));
        let times = match edge {
            Some(Edge::Tried(times)) => times.saturating_add(1),
            None => 1,
            Some(Edge::Child(_) | Edge::Link(_) | Edge::Dead(_)) => return,
        };
        self.given_up.insert(step.clone());
        let given_up = times >= self.limits.max_tries;
        self.edge(step, if given_up { Edge::Dead(seemed) } else { Edge::Tried(times) });
    }

    /// True if what was heard is this known prompt, perhaps after something else.
    fn is_known_as(&self, heard: &Heard, no: NodeNo) -> bool {
        let Some(known) = self.known.gist(no) else { return false };
        if heard.gist.likeness(known).is_same() {
            return true;
        }
        let (_, likeness) = heard.gist.find_beginning_of(known);
        likeness.is_same() && likeness.words >= known.len().min(MIN_KNOWN_WORDS)
    }

    /// True if what was heard is the rest of this known prompt, which went on after a key.
    fn is_rest_of(&self, heard: &Heard, no: NodeNo) -> bool {
        let Some(known) = self.known.gist(no) else { return false };
        let (at, likeness) = known.find_beginning_of(&heard.gist);
        at > 0 && likeness.is_same() && likeness.words * 10 >= heard.gist.len() * 7
    }

    /// The known prompt with which what was heard ends, and the word at which it begins: a line
    /// that says something and then returns to a menu. Looked for on the way back to the first.
    fn known_behind(&self, heard: &Heard, from: NodeNo) -> Option<(NodeNo, usize)> {
        let candidates = self.known.way_up(from).into_iter().filter_map(|no| {
            let known = self.known.gist(no)?;
            let ends_with = |gist: &Gist| {
                let (at, likeness) = gist.find_beginning_of(known);
                let enough = likeness.words >= known.len().min(MIN_KNOWN_WORDS);
                (enough && likeness.is_same()).then_some((at, likeness.similarity))
            };
            let (mut at, similarity) = ends_with(&heard.gist)?;
            // The menu may have been read several times.
            while at > 0
                && let Some((earlier, _)) = ends_with(&heard.gist.first_words(at))
            {
                at = earlier;
            }
            (at > 0).then_some((no, at, similarity))
        });
        let best = candidates.reduce(|a, b| if b.2 > a.2 { b } else { a });
        best.map(|(no, at, _)| (no, at))
    }

    /// True if at least half of this prompt's options were heard again.
    fn offers_the_same(&self, heard: &Heard, no: NodeNo) -> bool {
        let Some(node) = self.known.node(no) else { return false };
        let again = |known: &&MenuOption| {
            let options = &heard.understanding.options;
            options
                .iter()
                .any(|o| o.keys == known.keys && compare::same_label(&o.label, &known.label))
        };
        !node.options.is_empty()
            && node.options.iter().filter(again).count() * 2 >= node.options.len()
    }

    fn report(&mut self, node: Option<NodeNo>, new: bool, heard: &Heard) {
        let text: Vec<String> = heard.transcripts.iter().map(Transcript::text).collect();
        let understood = &heard.understanding;
        self.unfinished = None;
        self.actions.push_back(super::Action::PromptOver(PromptOver {
            node,
            new,
            start_ms: heard.start_ms,
            end_ms: heard.end_ms,
            kind: understood.kind,
            text: text.join(" "),
            options: understood.options.iter().map(|o| (o.keys.clone(), o.label.clone())).collect(),
        }));
    }

    fn silence(&self) -> EndReason {
        if self.line_gone { EndReason::LineHungUp } else { EndReason::NoSpeech }
    }

    fn lost(&self, heard: &Heard) -> EndReason {
        if self.line_gone {
            EndReason::LineHungUp
        } else if heard.moved_on {
            EndReason::MovedOn
        } else {
            EndReason::BranchEnd
        }
    }

    fn branch_end(&self) -> EndReason {
        if self.line_gone {
            EndReason::LineHungUp
        } else if self.known.open_count(&self.limits) == 0 {
            EndReason::NothingLeft
        } else {
            EndReason::BranchEnd
        }
    }
}

/// A known place; see [`Place::Expect`].
struct Expected {
    node: NodeNo,
    via: Option<Step>,
    presses: u32,
    route: VecDeque<Step>,
}

/// True if a label promises that the same will be heard again.
fn says_repeat(label: &str) -> bool {
    ["repeat", "again", "hear these", "hear this", "replay", "repetir", "listen to this"]
        .iter()
        .any(|word| label.contains(word))
}
