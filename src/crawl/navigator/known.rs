//! The tree as the navigator looks at it: which prompt is this, what is unexplored, which way.

use std::{
    collections::{BTreeSet, BinaryHeap, VecDeque},
    iter::repeat,
};

use super::Limits;
use crate::{
    crawl::{
        compare::{self, Gist},
        tree::{Change, Edge, Keys, MenuOption, Node, NodeNo, PromptKind, Standing, Tree},
    },
    speech::CallMs,
};

/// What a key press costs beside listening to its option: the tones, and the line's reaction.
const PRESS_COST_MS: u64 = 2000;
/// Prompts that share fewer words than this are not compared word by word.
const MIN_OVERLAP: f32 = 0.4;
/// Prompts that are compared word by word, the likeliest first.
const MAX_COMPARED: usize = 16;

/// Fewest words by which the beginning of a prompt is told from that of others.
const MIN_BEGINNING: usize = 5;

/// Part of the words heard that a prompt must have before it is compared word by word.
const MIN_SHARE: f32 = 0.5;

/// A key of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// The prompt that offers the key.
    pub from: NodeNo,
    /// The key.
    pub keys: Keys,
}

/// What a call goes for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// To learn where a key leads.
    Explore(Step),
    /// To hear a prompt again that was not understood well.
    Hear(NodeNo),
}

/// How often a prompt is heard again at most, because it was not understood well.
const MAX_CHECKS: u32 = 2;

/// A tree with what is derived from it.
#[derive(Debug, Default)]
pub(in crate::crawl) struct Known {
    tree: Tree,
    gists: Vec<Gist>,
    /// The other wordings of each prompt that are no mere suspicion.
    wordings: Vec<Vec<Gist>>,
    /// The prompt above each, by its first [`Edge::Child`]; none for the first and for one whose
    /// edge was not stored before a crash.
    parents: Vec<Option<NodeNo>>,
}

impl Known {
    pub fn new(tree: Tree) -> Self {
        let gists: Vec<Gist> = tree.nodes().iter().map(|n| Gist::of(&n.transcripts)).collect();
        let wordings = tree.nodes().iter().map(wordings).collect();
        let mut parents = vec![None; gists.len()];
        for node in tree.nodes() {
            for edge in node.edges.values() {
                if let Edge::Child(child) = edge
                    && let Some(slot) = parents.get_mut(child.0 as usize)
                {
                    *slot = Some(node.no);
                }
            }
        }
        Self { tree, gists, wordings, parents }
    }

    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    pub fn into_tree(self) -> Tree {
        self.tree
    }

    pub fn node(&self, no: NodeNo) -> Option<&Node> {
        self.tree.node(no)
    }

    pub fn gist(&self, no: NodeNo) -> Option<&Gist> {
        self.gists.get(no.0 as usize)
    }

    /// Makes a change; false if it would leave a hole, which the navigator never asks for.
    pub fn apply(&mut self, change: Change) -> bool {
        let changed = match &change {
            Change::Node(node) => Some(node.no),
            Change::Edge { from, keys, edge } => {
                let before = self.tree.node(*from).and_then(|node| node.edges.get(keys));
                for (edge, parent) in [(before, None), (Some(edge), Some(*from))] {
                    if let Some(Edge::Child(child)) = edge
                        && let Some(slot) = self.parents.get_mut(child.0 as usize)
                    {
                        *slot = parent;
                    }
                }
                None
            }
            Change::Heard(_) => None,
        };
        if self.tree.apply(change).is_err() {
            return false;
        }
        let Some(node) = changed.and_then(|no| self.tree.node(no)) else { return true };
        let at = node.no.0 as usize;
        let (gist, others) = (Gist::of(&node.transcripts), wordings(node));
        match (self.gists.get_mut(at), self.wordings.get_mut(at)) {
            (Some(known), Some(known_others)) => {
                *known = gist;
                *known_others = others;
                // Its keys may lead elsewhere now.
                for (child, parent) in (0..).zip(&mut self.parents) {
                    let leads = node.edges.values().any(|e| *e == Edge::Child(NodeNo(child)));
                    if leads {
                        *parent = Some(node.no);
                    } else if *parent == Some(node.no) {
                        *parent = None;
                    }
                }
            }
            (None, _) | (_, None) => {
                self.gists.push(gist);
                self.wordings.push(others);
                self.parents.push(None);
            }
        }
        true
    }

    pub fn set_audio_file(&mut self, no: NodeNo, file: String) {
        if let Some(node) = self.tree.node(no) {
            let node = Node { audio_file: Some(file), ..node.clone() };
            // The node exists, so the change fits.
            let _ = self.tree.apply(Change::Node(node));
        }
    }

    /// Keys from the first prompt to this one.
    pub fn depth(&self, no: NodeNo) -> u32 {
        let (mut depth, mut at) = (0, no);
        while let Some(Some(parent)) = self.parents.get(at.0 as usize) {
            depth += 1;
            at = *parent;
            if depth as usize > self.parents.len() {
                break;
            }
        }
        depth
    }

    /// This prompt and those above it, up to the first, which comes last and always.
    pub fn way_up(&self, no: NodeNo) -> Vec<NodeNo> {
        let mut way = vec![no];
        let mut at = no;
        while let Some(Some(parent)) = self.parents.get(at.0 as usize) {
            if way.contains(parent) {
                break;
            }
            way.push(*parent);
            at = *parent;
        }
        if way.last() != Some(&NodeNo(0)) {
            way.push(NodeNo(0));
        }
        way
    }

    /// True if no key is known to lead to this prompt, although it is not the first.
    pub fn is_orphan(&self, no: NodeNo) -> bool {
        no != NodeNo(0) && self.parents.get(no.0 as usize) == Some(&None)
    }

    /// The known prompt that this is, if it is one: the most similar.
    pub fn identify(&self, heard: &Gist) -> Option<NodeNo> {
        let others = self.wordings.iter().zip(0..).flat_map(|(of, no)| of.iter().zip(repeat(no)));
        let mut likely: Vec<(f32, u32, &Gist)> = self
            .gists
            .iter()
            .zip(0..)
            .chain(others)
            .map(|(gist, no)| (heard.overlap(gist), no, gist))
            .filter(|(overlap, ..)| *overlap >= MIN_OVERLAP)
            .collect();
        likely.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        likely
            .iter()
            .take(MAX_COMPARED)
            .map(|(_, no, gist)| (heard.likeness(gist), NodeNo(*no)))
            .filter(|(likeness, _)| likeness.is_same())
            .reduce(|a, b| if b.0.similarity > a.0.similarity { b } else { a })
            .map(|(_, no)| no)
    }

    /// True if this prompt is being read: what was heard is its beginning, and that of no other. The
    /// last word may have been cut in the middle.
    pub fn is_begun(&self, no: NodeNo, heard: &Gist) -> bool {
        let Some(known) = self.gist(no) else { return false };
        if heard.len() < MIN_BEGINNING.min(known.len().max(1)) {
            return false;
        }
        let without_last = heard.first_words(heard.len() - 1);
        let begins = |known: &Gist| {
            [heard, &without_last].iter().any(|h| h.likeness_to_beginning_of(known).is_same())
        };
        let others = self
            .gists
            .iter()
            .zip(0..)
            .filter(|(gist, other)| *other != no.0 && heard.share_in(gist) >= MIN_SHARE);
        begins(known) && !others.map(|(gist, _)| gist).any(begins)
    }

    /// True if a prompt offers all of these options, labels as far as they were heard.
    pub fn offers_too(&self, no: NodeNo, options: &[MenuOption]) -> bool {
        let Some(node) = self.node(no) else { return false };
        let known = |option: &MenuOption| {
            let same = node.options.iter().find(|o| o.keys == option.keys);
            same.is_some_and(|o| compare::same_label(&o.label, &option.label))
        };
        !options.is_empty() && options.iter().all(known)
    }

    /// True if a prompt begins with these words.
    pub fn begins_with(&self, no: NodeNo, words: &Gist) -> bool {
        self.gist(no).is_some_and(|known| words.likeness_to_beginning_of(known).is_same())
    }

    /// True if these options were heard of this prompt: it offers all of them, and no other does.
    pub fn is_shown_by(&self, no: NodeNo, options: &[MenuOption]) -> bool {
        let mut others = self.tree.nodes().iter().map(|n| n.no).filter(|other| *other != no);
        self.offers_too(no, options) && !others.any(|other| self.offers_too(other, options))
    }

    /// True if keys of this prompt may be pressed at all: nobody is disturbed in a queue, and no
    /// message is left.
    pub fn may_press(&self, node: &Node, limits: &Limits) -> bool {
        let offers = match node.kind {
            PromptKind::Menu
            | PromptKind::Language
            | PromptKind::Input
            | PromptKind::Invalid
            | PromptKind::Announcement => true,
            PromptKind::Transfer
            | PromptKind::Queue
            | PromptKind::Voicemail
            | PromptKind::Person => false,
        };
        offers && self.depth(node.no) < limits.max_depth
    }

    /// True if a prompt that is no person's was not understood well and may be heard again.
    pub fn is_doubtful(&self, no: NodeNo, limits: &Limits) -> bool {
        self.node(no).is_some_and(|node| {
            let unsure = node.confidence().is_some_and(|sure| sure < limits.confirm_below);
            let machine = match node.kind {
                PromptKind::Menu
                | PromptKind::Language
                | PromptKind::Input
                | PromptKind::Invalid
                | PromptKind::Announcement => true,
                PromptKind::Transfer
                | PromptKind::Queue
                | PromptKind::Voicemail
                | PromptKind::Person => false,
            };
            unsure && machine && node.checks < MAX_CHECKS
        })
    }

    /// True if what was heard is another wording of this prompt that is known.
    pub fn is_wording_of(&self, no: NodeNo, heard: &Gist) -> bool {
        let wordings = self.wordings.get(no.0 as usize);
        wordings.is_some_and(|all| all.iter().any(|known| heard.likeness(known).is_same()))
    }

    /// The unexplored keys of a prompt in the order in which they are offered, with how often each
    /// was tried; those that it does not mention come last, as if tried often.
    pub fn open_keys<'a>(
        &'a self,
        node: &'a Node,
        limits: &'a Limits,
    ) -> impl Iterator<Item = (&'a Keys, u32)> {
        let may_press = self.may_press(node, limits);
        let options = if may_press { node.options.as_slice() } else { &[] };
        let offered = options.iter().map(|option| (&option.keys, 0));
        let others = if options.is_empty() { &[] } else { limits.unannounced.as_slice() };
        let others = others.iter().filter(|keys| !is_offered(node, keys));
        let others = others.map(|keys| (keys, limits.max_tries));
        offered.chain(others).filter_map(move |(keys, reluctance)| match node.edges.get(keys) {
            None => Some((keys, reluctance)),
            Some(Edge::Tried(times)) if *times < limits.max_tries => {
                Some((keys, reluctance + *times))
            }
            Some(Edge::Tried(_) | Edge::Child(_) | Edge::Link(_) | Edge::Dead(_)) => None,
        })
    }

    /// The known keys of a prompt that may be pressed, and where they lead.
    fn ways<'a>(
        &self,
        node: &'a Node,
        limits: &'a Limits,
    ) -> impl Iterator<Item = (&'a Keys, NodeNo)> {
        node.edges.iter().filter_map(|(keys, edge)| match edge {
            Edge::Child(next) | Edge::Link(next) => {
                let pressed = is_offered(node, keys) || limits.unannounced.contains(keys);
                pressed.then_some((keys, *next))
            }
            Edge::Tried(_) | Edge::Dead(_) => None,
        })
    }

    /// Everything that is still to be done: unexplored keys and prompts to be heard again, as far
    /// as keys lead there. What lay behind keys that lead elsewhere now is out of reach.
    pub fn open_goals(&self, limits: &Limits) -> Vec<Goal> {
        let mut goals = Vec::new();
        let mut seen = vec![false; self.gists.len()];
        let mut left = vec![NodeNo(0)];
        while let Some(no) = left.pop() {
            let Some(seen) = seen.get_mut(no.0 as usize).filter(|seen| !**seen) else { continue };
            *seen = true;
            let Some(node) = self.node(no) else { continue };
            if self.is_doubtful(no, limits) {
                goals.push(Goal::Hear(no));
            }
            let open = self.open_keys(node, limits);
            goals
                .extend(open.map(|(keys, _)| Goal::Explore(Step { from: no, keys: keys.clone() })));
            left.extend(self.ways(node, limits).map(|(_, next)| next));
        }
        goals
    }

    /// How many goals are left.
    pub fn open_count(&self, limits: &Limits) -> usize {
        self.open_goals(limits).len()
    }

    /// The keys from one prompt to the nearest unexplored key, which is the last of them, or to the
    /// nearest prompt that is to be heard again, which the last of them leads to. A key that was not
    /// tried yet goes before one that was, and all keys before prompts; then the seconds decide that
    /// pass until it can be pressed. `skipped` goals are not for this call.
    pub fn plan(
        &self,
        from: NodeNo,
        limits: &Limits,
        skipped: &BTreeSet<Goal>,
    ) -> Option<VecDeque<Step>> {
        // Dijkstra's search; a prompt's entry says which step reached it cheapest.
        let mut reached: Vec<Option<(u64, Option<Step>)>> = vec![None; self.gists.len()];
        let mut queue = BinaryHeap::new();
        *reached.get_mut(from.0 as usize)? = Some((0, None));
        queue.push(std::cmp::Reverse((0_u64, from)));
        let mut best: Option<(u32, u64, Goal)> = None;
        while let Some(std::cmp::Reverse((cost, no))) = queue.pop() {
            let settled = reached.get(no.0 as usize).and_then(Option::as_ref);
            if settled.is_some_and(|(known, _)| *known < cost) {
                continue;
            }
            if best.as_ref().is_some_and(|(tries, found, _)| *tries == 0 && *found <= cost) {
                break;
            }
            let Some(node) = self.node(no) else { continue };
            for (keys, tries) in self.open_keys(node, limits) {
                let goal = Goal::Explore(Step { from: no, keys: keys.clone() });
                // Where we are already, the menu's own order; elsewhere its seconds.
                let seconds = if no == from { 0 } else { cost + press_cost(node, keys) };
                let better = best.as_ref().is_none_or(|(t, c, _)| (tries, seconds) < (*t, *c));
                if better && !skipped.contains(&goal) {
                    best = Some((tries, seconds, goal));
                }
            }
            // It was heard just now where we are.
            if no != from && best.is_none() && self.is_doubtful(no, limits) {
                let goal = Goal::Hear(no);
                if !skipped.contains(&goal) {
                    best = Some((u32::MAX, cost, goal));
                }
            }
            for (keys, next) in self.ways(node, limits) {
                let Some(slot) = reached.get_mut(next.0 as usize) else { continue };
                let sum = cost + press_cost(node, keys);
                if slot.as_ref().is_none_or(|(known, _)| sum < *known) {
                    *slot = Some((sum, Some(Step { from: no, keys: keys.clone() })));
                    queue.push(std::cmp::Reverse((sum, next)));
                }
            }
        }
        let (mut way, mut at) = match best?.2 {
            Goal::Explore(target) => (VecDeque::from([target.clone()]), target.from),
            Goal::Hear(no) => (VecDeque::new(), no),
        };
        while at != from {
            let (_, step) = reached.get(at.0 as usize)?.as_ref()?;
            let step = step.clone()?;
            at = step.from;
            way.push_front(step);
        }
        Some(way)
    }
}

fn is_offered(node: &Node, keys: &Keys) -> bool {
    node.options.iter().any(|o| o.keys == *keys)
}

/// The gists of a prompt's other wordings; a mere suspicion is none.
fn wordings(node: &Node) -> Vec<Gist> {
    let sure = node.variants.iter().filter(|v| v.standing != Standing::Suspected);
    sure.map(|v| Gist::of(&v.transcripts)).collect()
}

/// Milliseconds from a prompt's beginning until this key's option has been said and pressed.
fn press_cost(node: &Node, keys: &Keys) -> u64 {
    let option = node.options.iter().find(|o| o.keys == *keys);
    let end: CallMs = option.map_or(node.end_ms, |o| o.end_ms);
    PRESS_COST_MS + u64::from(end.saturating_sub(node.start_ms))
}
