//! What follows from what was heard on a known way: on we go, or a wrong turn, or the number has
//! changed.
//!
//! A call may take a wrong turn: a key is lost, a line is crossed. So what was heard once in a
//! prompt's place is only noted, as a suspicion, and the call ends. When a later call hears the
//! same there, the number has changed: the new wording takes the prompt's place, the old one is
//! kept as a variant, and its keys are explored anew.

use std::collections::{BTreeMap, VecDeque};

use super::{
    EndReason, Goal, Navigator, Step,
    decide::MIN_NEWS_WORDS,
    hearing::{Heard, Hearing},
};
use crate::{
    crawl::{
        compare::{self, Gist},
        tree::{Change, DeadEnd, Edge, MAX_VARIANTS, Node, NodeNo, PromptKind, Standing, Variant},
    },
    speech::CallMs,
};

/// A known place; see [`super::Place::Expect`].
pub(super) struct Expected {
    pub node: NodeNo,
    pub via: Option<Step>,
    pub presses: u32,
    pub route: VecDeque<Step>,
}

impl Navigator {
    /// What a call goes for that is at a known prompt and has these keys to press.
    pub(super) fn goal_of(&self, node: NodeNo, route: &VecDeque<Step>) -> Goal {
        let Some(last) = route.back() else { return Goal::Hear(node) };
        match self.known.node(last.from).and_then(|n| n.edges.get(&last.keys)) {
            Some(Edge::Child(no) | Edge::Link(no)) => Goal::Hear(*no),
            Some(Edge::Tried(_) | Edge::Dead(_)) | None => Goal::Explore(last.clone()),
        }
    }

    /// Counts that the call did not get to its goal.
    pub(super) fn missed(&mut self, goal: Goal) {
        match goal {
            Goal::Explore(step) => self.tried(step, DeadEnd::NoEffect),
            Goal::Hear(no) => {
                self.given_up.insert(goal);
                if let Some(node) = self.known.node(no)
                    && self.known.is_doubtful(no, &self.limits)
                {
                    let checks = node.checks.saturating_add(1);
                    self.note(Change::Node(Node { checks, ..node.clone() }));
                }
            }
        }
    }

    /// A known key was pressed, or the call has begun, and this was heard.
    pub(super) fn expected(
        &mut self,
        now: CallMs,
        place: Expected,
        heard: Heard,
        hearing: &Hearing,
    ) {
        let Expected { node, via, presses, route } = place;
        let goal = self.goal_of(node, &route);
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
            self.missed(goal);
            return self.end(self.silence());
        }
        // Words may be misheard differently each time; several options that no other prompt has
        // are proof enough.
        let options = &heard.understanding.options;
        let shown = options.len() > 1 && self.known.is_shown_by(node, options);
        if self.is_known_as(&heard, node) || shown {
            self.heard_again(node, &heard, via.is_none());
            if self.line_gone || heard.moved_on {
                self.missed(goal);
                return self.end(self.lost(&heard));
            }
            return self.on_the_way(now, node, route, &heard, hearing);
        }
        if let Some(via) = via.clone().filter(|via| {
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
        if self.known.is_wording_of(node, &heard.gist) {
            return self.other_wording(now, node, route, &heard, hearing);
        }
        self.mismatches += 1;
        let elsewhere = self.known.identify(&heard.gist).filter(|no| *no != node);
        if self.barged {
            // A key at the beginning of a prompt was lost, or taken by another prompt.
            self.ignores_early_keys = true;
        } else if self.is_proof(node, &heard) {
            return self.changed(now, node, via, elsewhere, &heard, hearing);
        } else if elsewhere.is_none() || via.is_some() {
            self.suspect(node, &heard);
        }
        self.missed(goal);
        self.report(elsewhere, false, &heard);
        match elsewhere {
            Some(no) => self.go_on(now, no, &heard, hearing),
            None if self.line_gone => self.end(EndReason::LineHungUp),
            None => self.end(EndReason::WrongTurn),
        }
    }

    /// The expected prompt was heard: presses the next key, or goes on from here if it was to be
    /// heard again.
    fn on_the_way(
        &mut self,
        now: CallMs,
        at: NodeNo,
        route: VecDeque<Step>,
        heard: &Heard,
        hearing: &Hearing,
    ) {
        if route.is_empty() {
            self.go_on(now, at, heard, hearing);
        } else {
            self.press(now, route, 1, hearing, false);
        }
    }

    /// A prompt was read in another of its wordings: the way goes on if it offers the key for the
    /// same thing. If not, the wording may be another next time.
    fn other_wording(
        &mut self,
        now: CallMs,
        no: NodeNo,
        route: VecDeque<Step>,
        heard: &Heard,
        hearing: &Hearing,
    ) {
        self.report(Some(no), false, heard);
        if let Some(node) = self.known.node(no) {
            let mut node = node.clone();
            let same = |v: &&mut Variant| Gist::of(&v.transcripts).likeness(&heard.gist).is_same();
            if let Some(variant) = node.variants.iter_mut().find(same) {
                variant.last_heard = None;
                self.note(Change::Node(node));
            }
        }
        let Some(step) = route.front() else {
            self.missed(Goal::Hear(no));
            return self.end(EndReason::OtherWording);
        };
        let known = self.known.node(step.from).map_or(&[][..], |node| &node.options);
        let label = known.iter().find(|o| o.keys == step.keys).map(|o| o.label.as_str());
        let offered = heard.understanding.options.iter().any(|o| {
            o.keys == step.keys && label.is_some_and(|label| compare::same_label(label, &o.label))
        });
        if offered && !self.line_gone && !heard.moved_on {
            self.press(now, route, 1, hearing, false);
        } else {
            self.end(EndReason::OtherWording);
        }
    }

    /// True if an earlier call has heard the same in this prompt's place.
    fn is_proof(&self, no: NodeNo, heard: &Heard) -> bool {
        let suspected = |v: &Variant| {
            v.standing == Standing::Suspected
                && Gist::of(&v.transcripts).likeness(&heard.gist).is_same()
        };
        let variants = self.known.node(no).map_or(&[][..], |node| &node.variants);
        !self.left && !self.suspected.contains(&no) && variants.iter().any(suspected)
    }

    /// Notes what was heard in a prompt's place; one suspicion at a time.
    fn suspect(&mut self, no: NodeNo, heard: &Heard) {
        let Some(node) = self.known.node(no) else { return };
        if self.left || heard.gist.len() < MIN_NEWS_WORDS {
            return;
        }
        let mut node = node.clone();
        node.variants.retain(|v| v.standing != Standing::Suspected);
        add_variant(&mut node, Standing::Suspected, heard);
        self.suspected.insert(no);
        self.note(Change::Node(node));
    }

    /// It is proved that something else is heard where this prompt was.
    fn changed(
        &mut self,
        now: CallMs,
        no: NodeNo,
        via: Option<Step>,
        elsewhere: Option<NodeNo>,
        heard: &Heard,
        hearing: &Hearing,
    ) {
        let edge = |via: &Step| self.known.node(via.from).and_then(|n| n.edges.get(&via.keys));
        let was_link = via.as_ref().is_some_and(|v| matches!(edge(v), Some(Edge::Link(_))));
        let at = match (via, elsewhere) {
            // The key leads to another known prompt now.
            (Some(via), Some(other)) => {
                self.report(Some(other), false, heard);
                self.forget_suspicion(no);
                self.link(via, other);
                other
            }
            // What is known from elsewhere is still there; this key leads to something new.
            (Some(via), None) if was_link => {
                self.forget_suspicion(no);
                self.learn(heard, Some(via))
            }
            (_, None) | (None, Some(_)) => {
                self.replace(no, heard);
                no
            }
        };
        self.go_on(now, at, heard, hearing);
    }

    fn forget_suspicion(&mut self, no: NodeNo) {
        let Some(node) = self.known.node(no) else { return };
        let mut node = node.clone();
        node.variants.retain(|v| v.standing != Standing::Suspected);
        self.note(Change::Node(node));
    }

    /// What was heard takes the prompt's place; the prompt becomes a variant of it.
    fn replace(&mut self, no: NodeNo, heard: &Heard) {
        let Some(old) = self.known.node(no).cloned() else { return };
        self.report_kept(Some(no), true, true, heard);
        let mut variants = old.variants.clone();
        variants.retain(|v| v.standing != Standing::Suspected);
        let former = Variant {
            standing: Standing::Former,
            kind: old.kind,
            transcripts: old.transcripts.clone(),
            start_ms: old.start_ms,
            end_ms: old.end_ms,
            audio_file: old.audio_file.clone(),
            first_heard: None,
            last_heard: None,
        };
        // What was there last is worth more than what was there before it.
        variants.insert(0, former);
        variants.truncate(MAX_VARIANTS);
        // Nobody is bothered twice for the same.
        let leads_to_somebody = |edge: &Edge| match edge {
            Edge::Child(to) | Edge::Link(to) => {
                self.known.node(*to).is_some_and(|node| is_somebody(node.kind))
            }
            Edge::Tried(_) | Edge::Dead(_) => false,
        };
        let same = |keys, label: &str| {
            let now = heard.understanding.options.iter().find(|o| o.keys == keys);
            now.is_some_and(|o| compare::same_label(&o.label, label))
        };
        let edges: BTreeMap<_, _> = old
            .options
            .iter()
            .filter(|o| same(o.keys.clone(), &o.label))
            .filter_map(|o| Some((o.keys.clone(), old.edges.get(&o.keys)?.clone())))
            .filter(|(_, edge)| leads_to_somebody(edge))
            .collect();
        self.given_up.retain(|goal| !matches!(goal, Goal::Explore(step) if step.from == no));
        self.store(Change::Node(Node {
            no,
            kind: heard.understanding.kind,
            transcripts: heard.transcripts.clone(),
            start_ms: heard.start_ms,
            end_ms: heard.end_ms,
            options: heard.understanding.options.clone(),
            audio_file: None,
            edges,
            checks: 0,
            variants,
        }));
        self.mark_too_deep(no);
    }
}

/// Adds what was heard as a variant, if there is room.
pub(super) fn add_variant(node: &mut Node, standing: Standing, heard: &Heard) {
    if node.variants.len() >= MAX_VARIANTS {
        return;
    }
    node.variants.push(Variant {
        standing,
        kind: heard.understanding.kind,
        transcripts: heard.transcripts.clone(),
        start_ms: heard.start_ms,
        end_ms: heard.end_ms,
        audio_file: None,
        first_heard: None,
        last_heard: None,
    });
}

fn is_somebody(kind: PromptKind) -> bool {
    match kind {
        PromptKind::Transfer | PromptKind::Queue | PromptKind::Voicemail | PromptKind::Person => {
            true
        }
        PromptKind::Menu
        | PromptKind::Language
        | PromptKind::Input
        | PromptKind::Invalid
        | PromptKind::Announcement => false,
    }
}
