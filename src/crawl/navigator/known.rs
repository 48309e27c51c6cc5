//! The tree as the navigator looks at it: which prompt is this, what is unexplored, which way.

use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use super::Limits;
use crate::{
    crawl::{
        compare::{self, Gist},
        tree::{Change, Edge, Keys, MenuOption, Node, NodeNo, PromptKind, Tree},
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

/// A tree with what is derived from it.
#[derive(Debug, Default)]
pub(super) struct Known {
    tree: Tree,
    gists: Vec<Gist>,
    /// The prompt above each, by its first [`Edge::Child`]; none for the first and for one whose
    /// edge was not stored before a crash.
    parents: Vec<Option<NodeNo>>,
}

impl Known {
    pub fn new(tree: Tree) -> Self {
        let gists: Vec<Gist> = tree.nodes().iter().map(|n| Gist::of(&n.transcripts)).collect();
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
        Self { tree, gists, parents }
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
        let gist = match &change {
            Change::Node(node) => Some((node.no, Gist::of(&node.transcripts))),
            Change::Edge { from, edge: Edge::Child(child), .. } => {
                if let Some(slot) = self.parents.get_mut(child.0 as usize) {
                    *slot = Some(*from);
                }
                None
            }
            Change::Edge { .. } => None,
        };
        if self.tree.apply(change).is_err() {
            return false;
        }
        if let Some((no, gist)) = gist {
            match self.gists.get_mut(no.0 as usize) {
                Some(known) => *known = gist,
                None => {
                    self.gists.push(gist);
                    self.parents.push(None);
                }
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
        let mut likely: Vec<(f32, u32)> = self
            .gists
            .iter()
            .zip(0..)
            .map(|(gist, no)| (heard.overlap(gist), no))
            .filter(|(overlap, _)| *overlap >= MIN_OVERLAP)
            .collect();
        likely.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        likely
            .iter()
            .take(MAX_COMPARED)
            .filter_map(|(_, no)| Some((heard.likeness(self.gist(NodeNo(*no))?), NodeNo(*no))))
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

    /// The unexplored keys of a prompt in the order in which they are offered, with how often each
    /// was tried.
    pub fn open_keys<'a>(
        &'a self,
        node: &'a Node,
        limits: &'a Limits,
    ) -> impl Iterator<Item = (&'a Keys, u32)> {
        let may_press = self.may_press(node, limits);
        let options = if may_press { node.options.as_slice() } else { &[] };
        options.iter().filter_map(move |option| match node.edges.get(&option.keys) {
            None => Some((&option.keys, 0)),
            Some(Edge::Tried(times)) if *times < limits.max_tries => Some((&option.keys, *times)),
            Some(Edge::Tried(_) | Edge::Child(_) | Edge::Link(_) | Edge::Dead(_)) => None,
        })
    }

    /// Unexplored keys in the whole tree.
    pub fn open_count(&self, limits: &Limits) -> usize {
        self.tree.nodes().iter().map(|node| self.open_keys(node, limits).count()).sum()
    }

    /// The keys from one prompt to the nearest unexplored key, which is the last of them. A key
    /// that was not tried yet goes before one that was; then the seconds decide that pass until it
    /// can be pressed.
    pub fn plan(
        &self,
        from: NodeNo,
        limits: &Limits,
        given_up: &BTreeSet<Step>,
    ) -> Option<VecDeque<Step>> {
        // Dijkstra's search; a prompt's entry says which step reached it cheapest.
        let mut reached: Vec<Option<(u64, Option<Step>)>> = vec![None; self.gists.len()];
        let mut queue = BinaryHeap::new();
        *reached.get_mut(from.0 as usize)? = Some((0, None));
        queue.push(std::cmp::Reverse((0_u64, from)));
        let mut best: Option<(u32, u64, Step)> = None;
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
                let step = Step { from: no, keys: keys.clone() };
                // Where we are already, the menu's own order; elsewhere its seconds.
                let seconds = if no == from { 0 } else { cost + press_cost(node, keys) };
                let better = best.as_ref().is_none_or(|(t, c, _)| (tries, seconds) < (*t, *c));
                if better && !given_up.contains(&step) {
                    best = Some((tries, seconds, step));
                }
            }
            for (keys, edge) in &node.edges {
                let next = match edge {
                    Edge::Child(next) | Edge::Link(next) => *next,
                    Edge::Tried(_) | Edge::Dead(_) => continue,
                };
                let offered = node.options.iter().any(|o| o.keys == *keys);
                let Some(slot) = reached.get_mut(next.0 as usize).filter(|_| offered) else {
                    continue;
                };
                let sum = cost + press_cost(node, keys);
                if slot.as_ref().is_none_or(|(known, _)| sum < *known) {
                    *slot = Some((sum, Some(Step { from: no, keys: keys.clone() })));
                    queue.push(std::cmp::Reverse((sum, next)));
                }
            }
        }
        let (_, _, target) = best?;
        let mut way = VecDeque::from([target.clone()]);
        let mut at = target.from;
        while at != from {
            let (_, step) = reached.get(at.0 as usize)?.as_ref()?;
            let step = step.clone()?;
            at = step.from;
            way.push_front(step);
        }
        Some(way)
    }
}

/// Milliseconds from a prompt's beginning until this key's option has been said and pressed.
fn press_cost(node: &Node, keys: &Keys) -> u64 {
    let option = node.options.iter().find(|o| o.keys == *keys);
    let end: CallMs = option.map_or(node.end_ms, |o| o.end_ms);
    PRESS_COST_MS + u64::from(end.saturating_sub(node.start_ms))
}
