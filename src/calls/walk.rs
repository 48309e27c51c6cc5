//! A call that walks to one menu of a known tree and stops there: what `makecall_submenu` is for.
//!
//! The crawl's navigator finds the way and presses the keys, each when its option was heard. It is
//! given a tree in which nothing is unexplored but the last key of the way, so that this is where it
//! goes; what it would explore behind that is not done, and nothing that it learns is stored.
//!
//! ```text
//!   Walking ── the menu was heard, or a person took the call there ──► Arrived
//!      │
//!      └── something else was heard, the line hung up, a limit ──► Lost
//! ```
//!
//! Arrived is the place where a person is joined: whoever places the call looks at [`Walk::place`]
//! then. Until two calls can be joined, the walk hangs up.

use std::collections::{BTreeMap, VecDeque};

use super::pilot::{Act, Heard, Pilot};
use crate::{
    crawl::{
        compare::Gist,
        driver::{in_words, input, understood},
        navigator::{Action, EndReason, Limits, Navigator, Step},
        tree::{Change, DeadEnd, Edge, Node, NodeNo, PromptKind, Tree},
    },
    speech::CallMs,
};

/// Why a call that arrived is over.
pub const ARRIVED: &str = "the menu was reached, and nobody is there to be joined";

/// Where a walk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the way.
    Walking,
    /// At the menu.
    Arrived {
        /// Since then, on the call's clock.
        at: CallMs,
    },
    /// The call is over, and the menu was not reached.
    Lost(EndReason),
}

/// There is no way to this menu: no keys that are known lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no keys are known that lead to this menu")]
pub struct NoWay;

/// The pilot of a call that walks to a menu.
#[derive(Debug)]
pub struct Walk {
    navigator: Navigator,
    target: NodeNo,
    /// What is heard there, if it is the first prompt of all.
    first: Option<Gist>,
    /// What kind of prompt it is.
    kind: PromptKind,
    /// The last key of the way; none to the first prompt.
    last: Option<Step>,
    /// The prompt that was heard last.
    heard: Option<NodeNo>,
    has_pressed_last: bool,
    line_gone: bool,
    place: Place,
    acts: VecDeque<Act>,
    now: CallMs,
}

impl Walk {
    /// A walk to a menu of this tree.
    ///
    /// # Errors
    /// [`NoWay`] if the tree has no such menu, or no keys that lead there.
    pub fn new(tree: &Tree, target: NodeNo, limits: Limits) -> Result<Self, NoWay> {
        let node = tree.node(target).ok_or(NoWay)?;
        // Nothing else is looked for on the way.
        let limits = Limits { confirm_below: 0.0, unannounced: Vec::new(), ..limits };
        let last = way(tree, target).ok_or(NoWay)?.pop();
        let known = match &last {
            Some(step) => only_towards(tree, step),
            // Whoever answers is heard out.
            None => Tree::default(),
        };
        Ok(Self {
            navigator: Navigator::new(known, limits),
            target,
            first: last.is_none().then(|| Gist::of(&node.transcripts)),
            kind: node.kind,
            last,
            heard: None,
            has_pressed_last: false,
            line_gone: false,
            place: Place::Walking,
            acts: VecDeque::new(),
            now: 0,
        })
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        self.place
    }

    fn arrive(&mut self) {
        if self.line_gone {
            // It was the menu, but nobody can be joined to a call that is over.
            self.place = Place::Lost(EndReason::LineHungUp);
            return;
        }
        self.place = Place::Arrived { at: self.now };
        // The seam: here the person is joined.
        self.acts.push_back(Act::HangUp(ARRIVED.to_owned()));
    }

    fn lose(&mut self, reason: EndReason) {
        self.place = Place::Lost(reason);
        self.acts.push_back(Act::HangUp(format!("the menu was not reached: {}", in_words(reason))));
    }

    /// Does what the navigator wants, as far as it serves the walk.
    fn take(&mut self, action: Action) {
        match action {
            Action::PromptOver(prompt) => {
                self.heard = prompt.node;
                let is_first = self.first.as_ref().map(|known| {
                    let heard = Gist::of_text(&prompt.text);
                    heard.likeness(known).is_same()
                        || known.likeness_to_beginning_of(&heard).is_same()
                });
                let (node, new) = (prompt.node, prompt.new);
                self.acts.push_back(Act::Tell(understood(prompt)));
                match is_first {
                    Some(true) => self.arrive(),
                    Some(false) => self.lose(EndReason::WrongTurn),
                    None if node == Some(self.target) => self.arrive(),
                    // Behind the last key is something that nobody has heard there.
                    None if new => self.lose(EndReason::WrongTurn),
                    None => {}
                }
            }
            Action::Press { keys, slow } => {
                let is_last = |step: &Step| self.heard == Some(step.from) && step.keys == keys;
                self.has_pressed_last |= self.last.as_ref().is_some_and(is_last);
                self.acts.push_back(Act::Press { keys, slow });
            }
            Action::Flush => self.acts.push_back(Act::Flush),
            Action::HangUp(EndReason::Taken)
                if self.has_pressed_last && self.is_answered_there() =>
            {
                self.arrive();
            }
            Action::HangUp(reason) => self.lose(reason),
            // Nothing is recorded or learned on a walk.
            Action::PromptBegan { .. } | Action::Store(_) => {}
        }
    }

    /// Whether somebody, or a queue, takes the call where the way ends.
    fn is_answered_there(&self) -> bool {
        match self.kind {
            PromptKind::Transfer
            | PromptKind::Queue
            | PromptKind::Voicemail
            | PromptKind::Person => true,
            PromptKind::Menu
            | PromptKind::Language
            | PromptKind::Input
            | PromptKind::Invalid
            | PromptKind::Announcement => false,
        }
    }

    /// Takes what the navigator decided.
    fn follow(&mut self) {
        while self.place == Place::Walking
            && let Some(action) = self.navigator.poll_action()
        {
            self.take(action);
        }
        // A line that hung up needs no hanging up.
        if self.place == Place::Walking
            && let Some(outcome) = self.navigator.outcome()
        {
            self.place = Place::Lost(outcome.reason);
        }
    }
}

impl Pilot for Walk {
    fn handle(&mut self, now: CallMs, heard: Heard) {
        self.now = now;
        self.line_gone |= heard == Heard::HungUp;
        if self.place == Place::Walking
            && let Some(input) = input(heard)
        {
            self.navigator.handle(now, input);
            self.follow();
        }
    }

    fn handle_timeout(&mut self, now: CallMs) {
        self.now = now;
        if self.place == Place::Walking {
            self.navigator.handle_timeout(now);
            self.follow();
        }
    }

    fn poll(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    fn poll_timeout(&self) -> Option<CallMs> {
        self.navigator.poll_timeout().filter(|_| self.place == Place::Walking)
    }
}

/// The keys from the first prompt to this one, by the fewest of them.
fn way(tree: &Tree, target: NodeNo) -> Option<Vec<Step>> {
    let mut reached: BTreeMap<NodeNo, Option<Step>> = BTreeMap::from([(NodeNo(0), None)]);
    let mut open = VecDeque::from([NodeNo(0)]);
    while let Some(no) = open.pop_front() {
        let Some(node) = tree.node(no).filter(|_| no != target) else { continue };
        for option in &node.options {
            let next = match node.edges.get(&option.keys) {
                Some(Edge::Child(next) | Edge::Link(next)) => *next,
                Some(Edge::Tried(_) | Edge::Dead(_)) | None => continue,
            };
            if let std::collections::btree_map::Entry::Vacant(slot) = reached.entry(next) {
                slot.insert(Some(Step { from: no, keys: option.keys.clone() }));
                open.push_back(next);
            }
        }
    }
    let mut way = Vec::new();
    let mut at = target;
    while let Some(step) = reached.get(&at)? {
        at = step.from;
        way.push(step.clone());
    }
    way.reverse();
    Some(way)
}

/// The same tree, in which nothing is unexplored but this key.
fn only_towards(tree: &Tree, last: &Step) -> Tree {
    let mut known = Tree::default();
    for node in tree.nodes() {
        let mut node: Node = node.clone();
        for option in &node.options {
            let is_open = match node.edges.get(&option.keys) {
                None | Some(Edge::Tried(_)) => true,
                Some(Edge::Child(_) | Edge::Link(_) | Edge::Dead(_)) => false,
            };
            if is_open {
                node.edges.insert(option.keys.clone(), Edge::Dead(DeadEnd::TooDeep));
            }
        }
        if node.no == last.from {
            node.edges.remove(&last.keys);
        }
        // The numbers are those of a tree, so that there is no hole.
        let _ = known.apply(Change::Node(node));
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crawl::{menu_text, tree::Keys},
        speech::SpeechEvent,
    };

    fn node(no: u32, text: &str) -> Change {
        let heard = menu_text::transcript_of(text);
        let understood = menu_text::understand(std::slice::from_ref(&heard));
        Change::Node(Node {
            no: NodeNo(no),
            kind: understood.kind,
            transcripts: vec![heard],
            start_ms: 0,
            end_ms: 1000,
            options: understood.options,
            audio_file: None,
            edges: BTreeMap::new(),
            checks: 0,
            variants: Vec::new(),
        })
    }

    fn keys(text: &str) -> Keys {
        Keys::try_new(text).unwrap()
    }

    fn edge(from: u32, key: &str, edge: Edge) -> Change {
        Change::Edge { from: NodeNo(from), keys: keys(key), edge }
    }

    const FRONT: &str = "Welcome to the Lakeside theatre and its gardens. For tickets and season \
                         passes, press 1. For opening times, press 2.";
    const TICKETS: &str = "You have reached the ticket office of the theatre. For groups of ten and \
                           more, press 1. For a refund of your tickets, press 2.";
    const GROUPS: &str = "Groups of ten and more pay half of the price on Sundays in the summer.";

    fn lakeside() -> Tree {
        let mut tree = Tree::default();
        for change in [
            node(0, FRONT),
            node(1, TICKETS),
            node(2, GROUPS),
            node(3, "Nobody knows how to come here."),
            edge(0, "1", Edge::Child(NodeNo(1))),
            edge(1, "1", Edge::Child(NodeNo(2))),
            edge(2, "9", Edge::Link(NodeNo(0))),
        ] {
            tree.apply(change).unwrap();
        }
        tree
    }

    /// A line that says a text from `start` on and then waits.
    fn say(walk: &mut Walk, start: CallMs, text: &str) -> Vec<Act> {
        let mut heard = menu_text::transcript_of(text);
        for word in &mut heard.words {
            word.start_ms += start;
            word.end_ms += start;
        }
        let end = heard.words.last().map_or(start, |word| word.end_ms);
        walk.handle(start, Heard::SpeechStarted { at: start });
        walk.handle(end, Heard::Speech(SpeechEvent::Final(heard)));
        walk.handle(end + 500, Heard::SpeechEnded { at: end });
        walk.handle(end + 500, Heard::Speech(SpeechEvent::HeardUntil(end + 500)));
        let mut acts: Vec<Act> = std::iter::from_fn(|| walk.poll()).collect();
        for _ in 0..20 {
            let is_done = |act: &Act| matches!(act, Act::Press { .. } | Act::HangUp(_));
            let Some(due) = walk.poll_timeout().filter(|_| !acts.iter().any(is_done)) else {
                break;
            };
            walk.handle(due, Heard::Speech(SpeechEvent::HeardUntil(due)));
            walk.handle_timeout(due);
            acts.extend(std::iter::from_fn(|| walk.poll()));
        }
        acts
    }

    fn pressed(acts: &[Act]) -> Vec<&str> {
        let keys = acts.iter().filter_map(|act| match act {
            Act::Press { keys, .. } => Some(keys.as_str()),
            _ => None,
        });
        keys.collect()
    }

    fn sent(walk: &mut Walk, key: &str, at: CallMs) {
        walk.handle(at, Heard::KeysSent { keys: keys(key), at });
    }

    #[test]
    fn the_way_is_pressed_and_the_walk_stops_at_the_menu() {
        let mut walk = Walk::new(&lakeside(), NodeNo(1), Limits::default()).unwrap();
        walk.handle(0, Heard::Answered);
        assert_eq!(pressed(&say(&mut walk, 100, FRONT)), ["1"]);
        sent(&mut walk, "1", 40_000);
        let acts = say(&mut walk, 41_000, TICKETS);
        assert!(matches!(walk.place(), Place::Arrived { .. }), "{:?} {acts:?}", walk.place());
        assert!(pressed(&acts).is_empty(), "{acts:?}");
        assert!(acts.contains(&Act::HangUp(ARRIVED.to_owned())), "{acts:?}");
        assert_eq!(walk.poll_timeout(), None);
    }

    #[test]
    fn a_way_of_two_keys_ends_at_an_announcement() {
        let mut walk = Walk::new(&lakeside(), NodeNo(2), Limits::default()).unwrap();
        walk.handle(0, Heard::Answered);
        assert_eq!(pressed(&say(&mut walk, 100, FRONT)), ["1"]);
        sent(&mut walk, "1", 40_000);
        assert_eq!(pressed(&say(&mut walk, 41_000, TICKETS)), ["1"]);
        assert_eq!(walk.place(), Place::Walking);
        sent(&mut walk, "1", 90_000);
        say(&mut walk, 91_000, GROUPS);
        assert!(matches!(walk.place(), Place::Arrived { .. }), "{:?}", walk.place());
    }

    #[test]
    fn the_first_menu_is_reached_without_a_key() {
        let mut walk = Walk::new(&lakeside(), NodeNo(0), Limits::default()).unwrap();
        walk.handle(0, Heard::Answered);
        assert!(pressed(&say(&mut walk, 100, FRONT)).is_empty());
        assert!(matches!(walk.place(), Place::Arrived { .. }), "{:?}", walk.place());
    }

    #[test]
    fn a_line_that_says_something_else_is_left() {
        for target in [0, 1] {
            let mut walk = Walk::new(&lakeside(), NodeNo(target), Limits::default()).unwrap();
            walk.handle(0, Heard::Answered);
            let other =
                "This is the fire brigade of the town of Springfield, please hold the line.";
            let acts = say(&mut walk, 100, other);
            assert!(matches!(walk.place(), Place::Lost(_)), "{:?} {acts:?}", walk.place());
            assert!(pressed(&acts).is_empty(), "{acts:?}");
        }
    }

    #[test]
    fn another_prompt_behind_the_last_key_is_not_the_menu() {
        let mut walk = Walk::new(&lakeside(), NodeNo(1), Limits::default()).unwrap();
        walk.handle(0, Heard::Answered);
        say(&mut walk, 100, FRONT);
        sent(&mut walk, "1", 40_000);
        say(
            &mut walk,
            41_000,
            "The office is closed today because of a burst pipe. Come back soon.",
        );
        assert!(matches!(walk.place(), Place::Lost(_)), "{:?}", walk.place());
    }

    #[test]
    fn there_is_no_way_to_a_menu_to_which_no_keys_lead() {
        for target in [3, 99] {
            let walk = Walk::new(&lakeside(), NodeNo(target), Limits::default());
            assert_eq!(walk.err(), Some(NoWay), "{target}");
        }
    }

    #[test]
    fn a_menu_that_is_understood_after_the_line_hung_up_is_not_reached() {
        let mut walk = Walk::new(&lakeside(), NodeNo(1), Limits::default()).unwrap();
        walk.handle(0, Heard::Answered);
        say(&mut walk, 100, FRONT);
        sent(&mut walk, "1", 40_000);
        walk.handle(41_000, Heard::HungUp);
        let acts = say(&mut walk, 41_000, TICKETS);
        assert_eq!(walk.place(), Place::Lost(EndReason::LineHungUp), "{acts:?}");
    }

    #[test]
    fn a_line_that_hangs_up_on_the_way_is_lost() {
        let mut walk = Walk::new(&lakeside(), NodeNo(1), Limits::default()).unwrap();
        walk.handle(0, Heard::Answered);
        walk.handle(100, Heard::HungUp);
        walk.handle(200, Heard::Closed);
        assert!(matches!(walk.place(), Place::Lost(_)), "{:?}", walk.place());
    }
}
