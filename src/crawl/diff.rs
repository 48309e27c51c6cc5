//! What changed between two scans of a number: options added, removed, moved, reworded.
//!
//! Prompts have no names that last, so both trees are walked at the same time from their first
//! prompts. Of two prompts that correspond, an option is paired with the one that
//!
//! 1. has the same keys and the same label: nothing changed;
//! 2. has the same label under other keys: it was moved;
//! 3. has the same keys and leads to the same prompt, or shares a word with it: it was reworded.
//!
//! The prompts behind paired options correspond. What is left of both trees is then compared as a
//! whole: an option that is gone from one place, and appeared with its label at another one, was
//! moved; the rest was removed, and added. Ways back, such as "main menu", are in many menus, and
//! that of one is not that of another.
//!
//! A scan need not know all of its menu. What lies behind a key that one of the scans did not
//! explore is in neither list: nothing is known of it. Labels are what a recogniser heard, and are
//! compared as loosely as elsewhere ([`compare::same_label`]).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    compare::{self, Gist},
    tree::{Edge, Keys, MenuOption, Node, NodeNo, Tree},
};

/// Changes between two trees, each list in the order of the trees.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Diff {
    /// Options that only the new tree has.
    pub added: Vec<Choice>,
    /// Options that only the old tree has.
    pub removed: Vec<Choice>,
    /// Options that are under other keys, or in another menu.
    pub moved: Vec<Change>,
    /// Options that are announced by other words.
    pub reworded: Vec<Change>,
}

/// An option and where it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Choice)]
pub struct Choice {
    /// What is pressed from the first menu to the one that offers it, key by key.
    #[schema(value_type = Vec<String>)]
    pub way: Vec<Keys>,
    /// Its keys.
    #[schema(value_type = String)]
    pub keys: Keys,
    /// What it is for.
    pub label: String,
    /// The words in which it was offered.
    pub said: String,
}

/// An option that both trees have.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = ChangedChoice)]
pub struct Change {
    /// In the old tree.
    pub from: Choice,
    /// In the new one.
    pub to: Choice,
}

impl Diff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        let Self { added, removed, moved, reworded } = self;
        added.is_empty() && removed.is_empty() && moved.is_empty() && reworded.is_empty()
    }
}

/// What changed from `old` to `new`. A tree without prompts knows nothing: then nothing did.
pub fn diff(old: &Tree, new: &Tree) -> Diff {
    let mut walk = Walk {
        old: Side::of(old),
        new: Side::of(new),
        diff: Diff::default(),
        gone: Vec::new(),
        came: Vec::new(),
    };
    if let (Some(_), Some(_)) = (old.node(NodeNo(0)), new.node(NodeNo(0))) {
        walk.pair(NodeNo(0), NodeNo(0), Vec::new(), Vec::new());
    }
    walk.settle()
}

/// One of the trees.
struct Side<'a> {
    tree: &'a Tree,
    /// Prompts that were walked through.
    seen: BTreeSet<NodeNo>,
}

/// An option of one tree that has no partner yet.
struct Left<'a> {
    way: Vec<Keys>,
    option: &'a MenuOption,
    /// Whether it leads to what is known from elsewhere.
    is_way_back: bool,
}

struct Walk<'a> {
    old: Side<'a>,
    new: Side<'a>,
    diff: Diff,
    gone: Vec<Left<'a>>,
    came: Vec<Left<'a>>,
}

impl<'a> Side<'a> {
    fn of(tree: &'a Tree) -> Self {
        Self { tree, seen: BTreeSet::new() }
    }

    /// The options of a prompt, each key once.
    fn options(&self, no: NodeNo) -> Vec<&'a MenuOption> {
        let mut keys = BTreeSet::new();
        let options = self.tree.node(no).map_or(&[][..], |node| &node.options);
        options.iter().filter(|option| keys.insert(&option.keys)).collect()
    }

    fn target(&self, no: NodeNo, keys: &Keys) -> Option<NodeNo> {
        match self.tree.node(no)?.edges.get(keys)? {
            Edge::Child(to) | Edge::Link(to) => Some(*to),
            Edge::Tried(_) | Edge::Dead(_) => None,
        }
    }

    /// Whether it is known where a key leads.
    fn is_explored(&self, no: NodeNo, keys: &Keys) -> bool {
        let edge = self.tree.node(no).and_then(|node| node.edges.get(keys));
        match edge {
            Some(Edge::Child(_) | Edge::Link(_) | Edge::Dead(_)) => true,
            Some(Edge::Tried(_)) | None => false,
        }
    }

    /// An option and all below it, as far as it was first heard there.
    fn below(&mut self, no: NodeNo, way: &[Keys], option: &'a MenuOption, out: &mut Vec<Left<'a>>) {
        let mut open = vec![(no, way.to_vec(), option)];
        while let Some((no, way, option)) = open.pop() {
            let edge = self.tree.node(no).and_then(|node| node.edges.get(&option.keys));
            if let Some(Edge::Child(child)) = edge
                && self.seen.insert(*child)
            {
                let below: Vec<Keys> = way.iter().chain([&option.keys]).cloned().collect();
                let options = self.options(*child);
                open.extend(options.into_iter().rev().map(|o| (*child, below.clone(), o)));
            }
            out.push(Left { way, option, is_way_back: matches!(edge, Some(Edge::Link(_))) });
        }
    }
}

impl<'a> Walk<'a> {
    /// Walks two trees from prompts that correspond.
    fn pair(&mut self, old: NodeNo, new: NodeNo, old_way: Vec<Keys>, new_way: Vec<Keys>) {
        let mut open = vec![(old, new, old_way, new_way)];
        while let Some((old, new, old_way, new_way)) = open.pop() {
            if !self.old.seen.insert(old) | !self.new.seen.insert(new) {
                continue;
            }
            let mut next = Vec::new();
            for (from, to) in self.options(old, new, &old_way, &new_way) {
                let targets = (self.old.target(old, &from.keys), self.new.target(new, &to.keys));
                match targets {
                    (Some(old_next), Some(new_next)) => {
                        let old_way = old_way.iter().chain([&from.keys]).cloned().collect();
                        let new_way = new_way.iter().chain([&to.keys]).cloned().collect();
                        next.push((old_next, new_next, old_way, new_way));
                    }
                    (Some(_), None) if self.new.is_explored(new, &to.keys) => {
                        self.dead(old, &old_way, from, true);
                    }
                    (None, Some(_)) if self.old.is_explored(old, &from.keys) => {
                        self.dead(new, &new_way, to, false);
                    }
                    (Some(_) | None, Some(_) | None) => {}
                }
            }
            open.extend(next.into_iter().rev());
        }
    }

    /// What lies behind a key in one tree, which leads nowhere in the other.
    fn dead(&mut self, no: NodeNo, way: &[Keys], option: &'a MenuOption, is_old: bool) {
        let (side, out) = match is_old {
            true => (&mut self.old, &mut self.gone),
            false => (&mut self.new, &mut self.came),
        };
        let before = out.len();
        side.below(no, way, option, out);
        // The option itself is in both trees.
        out.remove(before);
    }

    /// The pairs of options of two prompts that correspond; what has no partner is left over.
    fn options(
        &mut self,
        old: NodeNo,
        new: NodeNo,
        old_way: &[Keys],
        new_way: &[Keys],
    ) -> Vec<(&'a MenuOption, &'a MenuOption)> {
        let (mut olds, mut news) = (self.old.options(old), self.new.options(new));
        let mut pairs = Vec::new();
        take(&mut olds, &mut news, |from, to| {
            from.keys == to.keys && compare::same_label(&from.label, &to.label)
        })
        .into_iter()
        .for_each(|pair| pairs.push(pair));
        let renamed = take(&mut olds, &mut news, |from, to| {
            !from.label.is_empty() && compare::same_label(&from.label, &to.label)
        });
        for (from, to) in renamed {
            self.diff.moved.push(Change { from: choice(old_way, from), to: choice(new_way, to) });
            pairs.push((from, to));
        }
        let reworded = take(&mut olds, &mut news, |from, to| {
            from.keys == to.keys && (self.same_target(old, new, from, to) || share_a_word(from, to))
        });
        for (from, to) in reworded {
            let change = Change { from: choice(old_way, from), to: choice(new_way, to) };
            self.diff.reworded.push(change);
            pairs.push((from, to));
        }
        for option in olds {
            self.old.below(old, old_way, option, &mut self.gone);
        }
        for option in news {
            self.new.below(new, new_way, option, &mut self.came);
        }
        pairs
    }

    fn same_target(&self, old: NodeNo, new: NodeNo, from: &MenuOption, to: &MenuOption) -> bool {
        let old = self.old.target(old, &from.keys).and_then(|no| self.old.tree.node(no));
        let new = self.new.target(new, &to.keys).and_then(|no| self.new.tree.node(no));
        matches!((old, new), (Some(old), Some(new)) if sounds_like(old, new))
    }

    /// Finds what was moved from one menu to another among what is left over.
    fn settle(self) -> Diff {
        let Self { mut diff, gone, came, .. } = self;
        let mut by_label: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, left) in came.iter().enumerate().rev().filter(|(_, left)| !left.is_way_back) {
            by_label.entry(plain(&left.option.label)).or_default().push(at);
        }
        let mut taken = BTreeSet::new();
        for left in gone {
            let from = choice(&left.way, left.option);
            let label = plain(&from.label);
            let partner =
                by_label.get_mut(&label).filter(|_| !label.is_empty() && !left.is_way_back);
            match partner.and_then(Vec::pop) {
                Some(at) => {
                    taken.insert(at);
                    if let Some(to) = came.get(at).map(|left| choice(&left.way, left.option)) {
                        // Below an option that was moved, nothing but the way is another.
                        if from.keys != to.keys || !follows(&diff.moved, &from, &to) {
                            diff.moved.push(Change { from, to });
                        }
                    }
                }
                None => diff.removed.push(from),
            }
        }
        let added = came.iter().enumerate().filter(|(at, _)| !taken.contains(at));
        diff.added.extend(added.map(|(_, left)| choice(&left.way, left.option)));
        diff
    }
}

/// Whether an option stands where it stood, below one that was moved.
fn follows(moved: &[Change], from: &Choice, to: &Choice) -> bool {
    let below = |choice: &Choice, way: &[Keys]| {
        let parent = choice.way.iter().chain([&choice.keys]).cloned();
        parent.eq(way.iter().cloned())
    };
    let stands = |change: &Change| below(&change.from, &from.way) && below(&change.to, &to.way);
    // Deeper below, its parent follows too: then the ways end alike.
    let follows_far = |change: &Change| {
        let (old, new) = (change.from.way.len() + 1, change.to.way.len() + 1);
        let starts = |choice: &Choice, way: &[Keys], len: usize| {
            way.get(..len).is_some_and(|start| below(choice, start))
        };
        starts(&change.from, &from.way, old)
            && starts(&change.to, &to.way, new)
            && from.way.get(old..) == to.way.get(new..)
    };
    moved.iter().any(|change| stands(change) || follows_far(change))
}

/// Takes pairs out of both lists, the first that fits.
fn take<'a>(
    olds: &mut Vec<&'a MenuOption>,
    news: &mut Vec<&'a MenuOption>,
    fits: impl Fn(&MenuOption, &MenuOption) -> bool,
) -> Vec<(&'a MenuOption, &'a MenuOption)> {
    let mut pairs = Vec::new();
    olds.retain(|old| {
        let Some(at) = news.iter().position(|new| fits(old, new)) else { return true };
        pairs.push((*old, news.remove(at)));
        false
    });
    pairs
}

fn choice(way: &[Keys], option: &MenuOption) -> Choice {
    Choice {
        way: way.to_vec(),
        keys: option.keys.clone(),
        label: option.label.clone(),
        said: option.said.clone(),
    }
}

fn sounds_like(old: &Node, new: &Node) -> bool {
    Gist::of(&old.transcripts).likeness(&Gist::of(&new.transcripts)).is_same()
}

/// Whether two labels have a word in common that says something.
fn share_a_word(old: &MenuOption, new: &MenuOption) -> bool {
    let (old, new) = (plain(&old.label), plain(&new.label));
    let words: BTreeSet<&str> = old.split(' ').filter(|word| word.chars().count() > 3).collect();
    new.split(' ').any(|word| words.contains(word))
}

/// A label without capitals and marks.
fn plain(label: &str) -> String {
    let letters: String = label
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .flat_map(char::to_lowercase)
        .collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl::{
        menu_text,
        tree::{Change as Step, DeadEnd},
    };

    fn node(no: u32, text: &str) -> Step {
        let heard = menu_text::transcript_of(text);
        let understood = menu_text::understand(std::slice::from_ref(&heard));
        Step::Node(Node {
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

    fn edge(from: u32, keys: &str, edge: Edge) -> Step {
        Step::Edge { from: NodeNo(from), keys: Keys::try_new(keys).unwrap(), edge }
    }

    fn child(from: u32, keys: &str, to: u32) -> Step {
        edge(from, keys, Edge::Child(NodeNo(to)))
    }

    fn tree(steps: Vec<Step>) -> Tree {
        let mut tree = Tree::default();
        steps.into_iter().for_each(|step| tree.apply(step).unwrap());
        tree
    }

    /// "1/2 label" for key 2 in the menu behind key 1.
    fn shown(choice: &Choice) -> String {
        let way: Vec<&str> = choice.way.iter().chain([&choice.keys]).map(Keys::as_str).collect();
        format!("{} {}", way.join("/"), choice.label)
    }

    fn told(diff: &Diff) -> Vec<String> {
        let one = |mark: &'static str| move |choice: &Choice| format!("{mark} {}", shown(choice));
        let two = |mark: &'static str| {
            move |change: &Change| {
                format!("{mark} {} -> {}", shown(&change.from), shown(&change.to))
            }
        };
        let added = diff.added.iter().map(one("+"));
        let removed = diff.removed.iter().map(one("-"));
        let moved = diff.moved.iter().map(two("m"));
        added.chain(removed).chain(moved).chain(diff.reworded.iter().map(two("w"))).collect()
    }

    const FRONT: &str = "For tickets, press 1. For opening times, press 2.";

    #[test]
    fn a_tree_does_not_differ_from_itself_and_nothing_is_said_of_what_is_unknown() {
        let whole = tree(vec![
            node(0, FRONT),
            node(1, "For groups, press 1. For families, press 2."),
            child(0, "1", 1),
            edge(0, "2", Edge::Dead(DeadEnd::HungUp)),
            edge(1, "1", Edge::Link(NodeNo(0))),
        ]);
        assert!(diff(&whole, &whole).is_empty());
        let unexplored = tree(vec![node(0, FRONT)]);
        assert!(diff(&whole, &unexplored).is_empty());
        assert!(diff(&unexplored, &whole).is_empty());
        assert!(diff(&Tree::default(), &whole).is_empty());
    }

    #[test]
    fn options_are_added_and_removed_with_all_that_is_behind_them() {
        let old = tree(vec![node(0, FRONT)]);
        let new = tree(vec![
            node(0, "For tickets, press 1. For opening times, press 2. For jobs, press 3."),
            node(1, "For drivers, press 1. For kitchen staff, press 2."),
            child(0, "3", 1),
        ]);
        let expected = ["+ 3 jobs", "+ 3/1 drivers", "+ 3/2 kitchen staff"];
        assert_eq!(told(&diff(&old, &new)), expected);
        let expected = expected.map(|line| line.replace('+', "-"));
        assert_eq!(told(&diff(&new, &old)), expected);
    }

    #[test]
    fn an_option_under_another_key_was_moved_and_what_is_behind_it_is_still_compared() {
        let old = tree(vec![
            node(0, FRONT),
            node(1, "For groups, press 1. For families, press 2."),
            child(0, "1", 1),
        ]);
        let new = tree(vec![
            node(0, "For opening times, press 1. For tickets, press 2."),
            node(1, "For groups, press 1. For schools, press 2."),
            child(0, "2", 1),
        ]);
        let expected = [
            "+ 2/2 schools",
            "- 1/2 families",
            "m 1 tickets -> 2 tickets",
            "m 2 opening times -> 1 opening times",
        ];
        assert_eq!(told(&diff(&old, &new)), expected);
    }

    #[test]
    fn an_option_in_another_menu_was_moved_with_what_is_behind_it() {
        let old = tree(vec![
            node(0, "For tickets, press 1. For lost property, press 2."),
            node(1, "For umbrellas, press 1. For keys, press 2."),
            node(2, "For groups, press 1."),
            child(0, "2", 1),
            child(0, "1", 2),
        ]);
        let new = tree(vec![
            node(0, "For tickets, press 1."),
            node(1, "For groups, press 1. For lost property, press 5."),
            node(2, "For umbrellas, press 1. For keys, press 2."),
            child(0, "1", 1),
            child(1, "5", 2),
        ]);
        assert_eq!(told(&diff(&old, &new)), ["m 2 lost property -> 1/5 lost property"]);
    }

    #[test]
    fn the_way_back_of_one_menu_is_not_that_of_another() {
        let with = |label: &str, behind: &str| {
            let front = format!("For tickets, press 1. For {label}, press 2.");
            tree(vec![
                node(0, &front),
                node(1, &format!("For {behind}, press 1. For the main menu, press 9.")),
                child(0, "2", 1),
                edge(1, "9", Edge::Link(NodeNo(0))),
            ])
        };
        let (old, new) = (with("parking", "lost cards"), with("refunds", "broken seats"));
        let expected = [
            "+ 2 refunds",
            "+ 2/1 broken seats",
            "+ 2/9 main menu",
            "- 2 parking",
            "- 2/1 lost cards",
            "- 2/9 main menu",
        ];
        assert_eq!(told(&diff(&old, &new)), expected);
    }

    #[test]
    fn an_option_that_leads_to_the_same_place_by_other_words_was_reworded() {
        let behind = "Our season begins in May and ends in October. Thank you for calling.";
        let old =
            tree(vec![node(0, "For opening times, press 2."), node(1, behind), child(0, "2", 1)]);
        let new = tree(vec![
            node(0, "To hear when we are here, press 2."),
            node(1, behind),
            child(0, "2", 1),
        ]);
        let diff = diff(&old, &new);
        assert_eq!((diff.reworded.len(), diff.added.len(), diff.removed.len()), (1, 0, 0));
        assert_eq!(diff.reworded[0].from.label, "opening times");
    }

    #[test]
    fn another_thing_under_the_same_key_is_one_removed_and_one_added() {
        let old = tree(vec![node(0, "For tickets, press 1. For parking, press 2.")]);
        let new = tree(vec![node(0, "For tickets, press 1. For refunds, press 2.")]);
        assert_eq!(told(&diff(&old, &new)), ["+ 2 refunds", "- 2 parking"]);
    }

    #[test]
    fn trees_that_bite_their_tails_come_to_an_end() {
        let looped = |first: &str| {
            tree(vec![
                node(0, first),
                node(1, "For groups, press 1. For the main menu, press 9."),
                child(0, "1", 1),
                child(1, "1", 0),
                child(1, "9", 1),
            ])
        };
        let (old, new) = (looped(FRONT), looped("For sausages, press 4."));
        assert!(!diff(&old, &new).is_empty() && !diff(&new, &old).is_empty());
    }
}
