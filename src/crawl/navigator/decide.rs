//! What follows from what was heard.

use std::collections::VecDeque;

use super::{
    EndReason, Goal, Listening, Navigator, Place, PromptOver, State, Step,
    hearing::{Heard, Hearing},
    way::Expected,
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
pub(super) const MIN_KNOWN_WORDS: usize = 6;
/// Fewest words before a known prompt that are a message of their own; fewer are the rest of the
/// prompt before, or noise.
pub(super) const MIN_NEWS_WORDS: usize = 4;
impl Navigator {
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
        let goal = match &listening.place {
            Place::First => return,
            Place::Fresh { step, .. } => Goal::Explore(step.clone()),
            Place::Expect { node, route, .. } => self.goal_of(*node, route),
        };
        self.missed(goal);
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

    pub(super) fn take_listening(&mut self) -> Option<Listening> {
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
            if self.line_gone && !prompt && !self.is_offered(&step) {
                // It lost patience: a key that nobody mentions had no effect.
                self.edge(step, Edge::Dead(DeadEnd::NoEffect));
            } else if hearing.uncertain || (hearing.early && !prompt) {
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
            if self.is_offered(&step) {
                self.tried(step, DeadEnd::NoEffect);
            } else {
                // Most menus ignore keys that they do not mention: once is enough.
                self.edge(step, Edge::Dead(DeadEnd::NoEffect));
            }
            self.go_on(now, from, heard, hearing);
        }
    }

    /// Presses the next key from a prompt at which the line waits, or ends the call.
    pub(super) fn go_on(&mut self, now: CallMs, at: NodeNo, heard: &Heard, hearing: &Hearing) {
        if self.line_gone || heard.moved_on {
            return self.end(self.lost(heard));
        }
        match self.plan(at) {
            Some(route) => self.press(now, route, 1, hearing, false),
            None => self.end(self.branch_end()),
        }
    }

    /// Stores a new prompt and the key that led to it.
    pub(super) fn learn(&mut self, heard: &Heard, step: Option<Step>) -> NodeNo {
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
            checks: 0,
            variants: Vec::new(),
        }));
        if let Some(step) = step {
            self.edge(step, Edge::Child(no));
        }
        self.mark_too_deep(no);
        no
    }

    /// Notes that the keys of a prompt are not followed, if it lies at the depth limit.
    pub(super) fn mark_too_deep(&mut self, no: NodeNo) {
        if self.known.depth(no) < self.limits.max_depth {
            return;
        }
        let options = self.known.node(no).map(|node| node.options.clone()).unwrap_or_default();
        for option in options {
            self.edge(Step { from: no, keys: option.keys }, Edge::Dead(DeadEnd::TooDeep));
        }
    }

    /// Stores that a key leads to a known prompt: a link, or a child if nothing leads there yet
    /// because the program was stopped between two changes.
    pub(super) fn link(&mut self, step: Step, to: NodeNo) {
        let edge = if self.known.is_orphan(to) { Edge::Child(to) } else { Edge::Link(to) };
        self.edge(step, edge);
    }

    pub(super) fn edge(&mut self, step: Step, edge: Edge) {
        self.store(Change::Edge { from: step.from, keys: step.keys, edge });
    }

    /// Counts an attempt that proved nothing; the last one that is allowed gives the key up, for
    /// the reason that it seemed to have.
    pub(super) fn tried(&mut self, step: Step, seemed: DeadEnd) {
        let edge = self.known.node(step.from).and_then(|n| n.edges.get(&step.keys));
        let times = match edge {
            Some(Edge::Tried(times)) => times.saturating_add(1),
            None => 1,
            Some(Edge::Child(_) | Edge::Link(_) | Edge::Dead(_)) => return,
        };
        self.given_up.insert(Goal::Explore(step.clone()));
        let given_up = times >= self.limits.max_tries;
        self.edge(step, if given_up { Edge::Dead(seemed) } else { Edge::Tried(times) });
    }

    /// True if what was heard is this known prompt, perhaps after something else.
    pub(super) fn is_known_as(&self, heard: &Heard, no: NodeNo) -> bool {
        let Some(known) = self.known.gist(no) else { return false };
        if heard.gist.likeness(known).is_same() {
            return true;
        }
        let (_, likeness) = heard.gist.find_beginning_of(known);
        likeness.is_same() && likeness.words >= known.len().min(MIN_KNOWN_WORDS)
    }

    /// True if what was heard is the rest of this known prompt, which went on after a key.
    pub(super) fn is_rest_of(&self, heard: &Heard, no: NodeNo) -> bool {
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

    pub(super) fn report(&mut self, node: Option<NodeNo>, new: bool, heard: &Heard) {
        self.report_kept(node, new, new, heard);
        if let (Some(no), false) = (node, new) {
            self.note(Change::Heard(no));
        }
    }

    pub(super) fn report_kept(
        &mut self,
        node: Option<NodeNo>,
        new: bool,
        kept: bool,
        heard: &Heard,
    ) {
        let text: Vec<String> = heard.transcripts.iter().map(Transcript::text).collect();
        let understood = &heard.understanding;
        self.unfinished = None;
        self.actions.push_back(super::Action::PromptOver(PromptOver {
            node,
            new,
            kept,
            start_ms: heard.start_ms,
            end_ms: heard.end_ms,
            kind: understood.kind,
            text: text.join(" "),
            options: understood.options.iter().map(|o| (o.keys.clone(), o.label.clone())).collect(),
        }));
    }

    pub(super) fn silence(&self) -> EndReason {
        if self.line_gone { EndReason::LineHungUp } else { EndReason::NoSpeech }
    }

    pub(super) fn lost(&self, heard: &Heard) -> EndReason {
        if self.line_gone {
            EndReason::LineHungUp
        } else if heard.moved_on {
            EndReason::MovedOn
        } else {
            EndReason::BranchEnd
        }
    }

    pub(super) fn branch_end(&self) -> EndReason {
        if self.line_gone {
            EndReason::LineHungUp
        } else if self.known.open_count(&self.limits) == 0 {
            EndReason::NothingLeft
        } else {
            EndReason::BranchEnd
        }
    }
}

/// True if a label promises that the same will be heard again.
fn says_repeat(label: &str) -> bool {
    ["repeat", "again", "hear these", "hear this", "replay", "repetir", "listen to this"]
        .iter()
        .any(|word| label.contains(word))
}
