//! One plan for all calls that explore a number at the same time.
//!
//! Each call has a navigator of its own with its own copy of the tree. Before one decides, it takes
//! over what the others have learned since; what it learns is published; and what it is about to do
//! is reserved until it is done or the call ends. All of that is one [`Plan::decide`], during which
//! no other call decides, so that prompts get their numbers one after the other and no key is
//! explored twice.
//!
//! ```text
//!  call 1: navigator ─┐ decide: news in, changes out, goal reserved
//!  call 2: navigator ─┼──────────► Plan: tree, log of changes, who is about to do what
//!  call 3: navigator ─┘            │
//!                                  └─► the changes' places: the order in which they are stored
//! ```
//!
//! The plan does no I/O and has no lock. Each change has a *place*: it may be stored when all before
//! it are, or their calls are over; see [`Plan::is_turn`] and [`Plan::written`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    navigator::{Action, Goal, Known, Limits, Navigator},
    tree::{Change, NodeNo, Tree},
};

/// A call's place in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat(u32);

/// What the calls of one scan know together, and who is about to do what.
#[derive(Debug)]
pub struct Plan {
    known: Known,
    limits: Limits,
    /// What not all calls have taken over, or is not stored; from place `first` on.
    log: VecDeque<Entry>,
    first: u64,
    /// The place up to which everything is stored, and those stored beyond it.
    stored: u64,
    stored_beyond: BTreeSet<u64>,
    seats: BTreeMap<Seat, Sitting>,
    next_seat: u32,
}

#[derive(Debug)]
struct Entry {
    by: Seat,
    news: News,
}

/// What calls tell each other.
#[derive(Clone, Debug)]
enum News {
    Change(Box<Change>),
    /// Where the recording of a prompt is.
    Recorded(NodeNo, String),
}

#[derive(Debug)]
struct Sitting {
    /// The place up to which it has taken over what others learned.
    read: u64,
    goal: Option<Goal>,
}

impl Plan {
    /// For a scan of which `tree` is known.
    pub fn new(tree: Tree, limits: Limits) -> Self {
        Self {
            known: Known::new(tree),
            limits,
            log: VecDeque::new(),
            first: 0,
            stored: 0,
            stored_beyond: BTreeSet::new(),
            seats: BTreeMap::new(),
            next_seat: 0,
        }
    }

    /// A call begins, with a navigator that knows what is known now.
    pub fn join(&mut self, limits: Limits) -> (Seat, Navigator) {
        let seat = Seat(self.next_seat);
        self.next_seat = self.next_seat.wrapping_add(1);
        self.seats.insert(seat, Sitting { read: self.end(), goal: None });
        (seat, Navigator::new(self.known.tree().clone(), limits))
    }

    /// A call is over: what it had reserved is free, and nobody waits for what it did not store.
    pub fn leave(&mut self, seat: Seat) {
        self.seats.remove(&seat);
        let places = (self.first..).zip(&self.log);
        let unwritten: Vec<u64> =
            places.filter(|(_, entry)| entry.by == seat).map(|(place, _)| place).collect();
        for place in unwritten {
            self.written(place);
        }
    }

    /// Lets a call's navigator take in what `happens`, knowing all that the other calls know.
    /// Returns what it wants done; each [`Action::Store`] with its place.
    pub fn decide(
        &mut self,
        seat: Seat,
        navigator: &mut Navigator,
        happens: impl FnOnce(&mut Navigator),
    ) -> Vec<(Action, Option<u64>)> {
        self.catch_up(seat, navigator);
        navigator.leave_to_others(self.taken(seat));
        happens(navigator);
        let mut actions = Vec::new();
        while let Some(action) = navigator.poll_action() {
            let place = match &action {
                Action::Store(change) => {
                    // The navigator has applied it to the same tree: it fits.
                    self.known.apply(change.clone());
                    Some(self.publish(seat, News::Change(Box::new(change.clone()))))
                }
                Action::PromptBegan { .. }
                | Action::PromptOver(_)
                | Action::Press { .. }
                | Action::Flush
                | Action::HangUp(_) => None,
            };
            actions.push((action, place));
        }
        if let Some(sitting) = self.seats.get_mut(&seat) {
            sitting.goal = navigator.goal();
        }
        actions
    }

    /// Tells all calls where the recording of a prompt is.
    pub fn recorded(&mut self, seat: Seat, navigator: &mut Navigator, no: NodeNo, file: String) {
        self.catch_up(seat, navigator);
        navigator.recorded(no, file.clone());
        self.known.set_audio_file(no, file.clone());
        let place = self.publish(seat, News::Recorded(no, file));
        // It is stored with the prompt.
        self.written(place);
    }

    /// True if everything before this place is stored, so that it may be stored now.
    pub fn is_turn(&self, place: u64) -> bool {
        self.stored >= place
    }

    /// The place up to which everything is stored.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// What has this place is stored, or never will be.
    pub fn written(&mut self, place: u64) {
        if place >= self.stored {
            self.stored_beyond.insert(place);
        }
        while self.stored_beyond.remove(&self.stored) {
            self.stored += 1;
        }
        self.forget();
    }

    /// How many more calls would find something to do now.
    pub fn free_goals(&self) -> usize {
        let taken: BTreeSet<&Goal> = self.seats.values().filter_map(|s| s.goal.as_ref()).collect();
        let undecided = self.seats.values().filter(|s| s.goal.is_none()).count();
        let open = self.known.open_goals(&self.limits);
        open.iter().filter(|goal| !taken.contains(goal)).count().saturating_sub(undecided)
    }

    /// True if nothing is left to explore.
    pub fn is_complete(&self) -> bool {
        !self.known.tree().nodes().is_empty() && self.known.open_count(&self.limits) == 0
    }

    /// What is known.
    pub fn tree(&self) -> &Tree {
        self.known.tree()
    }

    /// What other calls are about to do.
    pub fn taken(&self, seat: Seat) -> BTreeSet<Goal> {
        let others = self.seats.iter().filter(|(other, _)| **other != seat);
        others.filter_map(|(_, sitting)| sitting.goal.clone()).collect()
    }

    fn end(&self) -> u64 {
        self.first + self.log.len() as u64
    }

    fn publish(&mut self, by: Seat, news: News) -> u64 {
        self.log.push_back(Entry { by, news });
        self.end() - 1
    }

    /// Has a navigator take over what others learned.
    fn catch_up(&mut self, seat: Seat, navigator: &mut Navigator) {
        let end = self.end();
        let Some(sitting) = self.seats.get_mut(&seat) else { return };
        let from = sitting.read.saturating_sub(self.first);
        sitting.read = end;
        let unread = self.log.iter().skip(usize::try_from(from).unwrap_or(usize::MAX));
        for entry in unread.filter(|entry| entry.by != seat) {
            match &entry.news {
                News::Change(change) => navigator.take_over((**change).clone()),
                News::Recorded(no, file) => navigator.recorded(*no, file.clone()),
            }
        }
        self.forget();
    }

    /// Drops from the log what everybody knows and what is stored.
    fn forget(&mut self) {
        let read = self.seats.values().map(|s| s.read).min().unwrap_or(u64::MAX);
        let done = read.min(self.stored);
        while self.first < done && self.log.pop_front().is_some() {
            self.first += 1;
        }
    }
}
