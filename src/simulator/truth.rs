//! The tree that a crawl of a sample menu should find, and how a found tree differs from it.

use std::collections::BTreeMap;

use super::menu::{Business, MenuNo, Target, Then};
use crate::crawl::tree::{DeadEnd, Edge, Keys, NodeNo, PromptKind, Tree};

/// What can be reached in a menu by pressing offered keys, as a graph. What is heard only by
/// those who press nothing is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// All prompts, first that of the answered call, then as they are found by pressing always
    /// the first unexplored key and going on below.
    pub nodes: Vec<TruthNode>,
}

/// A prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TruthNode {
    /// Its id in the description.
    pub menu: String,
    /// What kind of prompt it is.
    pub kind: PromptKind,
    /// What is said.
    pub text: String,
    /// What it offers, in the order of the description.
    pub options: Vec<TruthOption>,
}

/// An option of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TruthOption {
    /// What to press.
    pub keys: Keys,
    /// What it is for.
    pub label: String,
    /// Where it leads.
    pub to: Destination,
}

/// Where an option leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the prompt at this place in [`Truth::nodes`].
    Node(usize),
    /// To the answer that the key is not valid.
    Invalid,
}

/// How a found tree differs from the truth. Places are ids of menus.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// Nothing was found at all.
    #[error("the tree is empty")]
    Empty,
    /// A prompt was taken for another kind.
    #[error("{menu}: {found:?} instead of {expected:?}")]
    Kind {
        /// The prompt.
        menu: String,
        /// What it is.
        expected: PromptKind,
        /// What it was taken for.
        found: PromptKind,
    },
    /// An option was not found.
    #[error("{menu}: key {keys} ({label}) is missing")]
    Missing {
        /// The prompt that offers it.
        menu: String,
        /// What to press.
        keys: Keys,
        /// What it is for.
        label: String,
    },
    /// An option was found that is not offered.
    #[error("{menu}: key {keys} ({label}) is invented")]
    Invented {
        /// The prompt that does not offer it.
        menu: String,
        /// What to press.
        keys: Keys,
        /// What it was said to be for.
        label: String,
    },
    /// An option has another label. Case, punctuation and a leading article do not count.
    #[error("{menu}: key {keys} is {found:?} instead of {expected:?}")]
    Label {
        /// The prompt.
        menu: String,
        /// What to press.
        keys: Keys,
        /// What it is for.
        expected: String,
        /// What was understood.
        found: String,
    },
    /// A key leads elsewhere, or is not explored.
    #[error("{menu}: key {keys} leads to {found} instead of {expected}")]
    Leads {
        /// The prompt.
        menu: String,
        /// What to press.
        keys: Keys,
        /// Where it leads.
        expected: String,
        /// What the tree has.
        found: String,
    },
    /// The tree has prompts that no key of it leads to, or one prompt several times.
    #[error("the tree has {found} prompts instead of {expected}")]
    Count {
        /// How many there are.
        expected: usize,
        /// How many were found.
        found: usize,
    },
}

impl Business {
    /// What a complete crawl finds.
    pub fn truth(&self) -> Truth {
        let mut order = Vec::new();
        let mut open = vec![self.first];
        while let Some(no) = open.pop() {
            if order.contains(&no) {
                continue;
            }
            order.push(no);
            // The first key is explored first, so it is put on the stack last.
            open.extend(self.choices(no).rev().filter_map(|choice| match choice.to {
                Target::Menu(to) => Some(to),
                Target::InvalidEntry => None,
            }));
        }
        let place = |no: MenuNo| order.iter().position(|known| *known == no).unwrap_or_default();
        let nodes = order.iter().filter_map(|no| {
            let menu = self.menu(*no)?;
            let options = self.choices(*no).map(|choice| TruthOption {
                keys: choice.keys.clone(),
                label: choice.label.clone(),
                to: match choice.to {
                    Target::Menu(to) => Destination::Node(place(to)),
                    Target::InvalidEntry => Destination::Invalid,
                },
            });
            Some(TruthNode {
                menu: menu.prompt.id.clone(),
                kind: menu.kind,
                text: menu.prompt.text.clone(),
                options: options.collect(),
            })
        });
        Truth { nodes: nodes.collect() }
    }

    fn choices(&self, no: MenuNo) -> std::slice::Iter<'_, super::menu::Choice> {
        match self.menu(no).map(|menu| &menu.then) {
            Some(Then::Listen(listen)) => listen.options.iter(),
            Some(Then::End(_)) | None => [].iter(),
        }
    }
}

impl Truth {
    /// All differences, in the order of the truth; none if the tree is right. Both are walked
    /// from the first prompt along the keys; whether the tree calls a way a child or a link does
    /// not matter, because that depends on the order of the discovery.
    pub fn differences(&self, tree: &Tree) -> Vec<Difference> {
        self.walk(tree).0
    }

    /// The differences, and which prompt of the tree stands for which of the truth.
    pub(super) fn walk(&self, tree: &Tree) -> (Vec<Difference>, BTreeMap<usize, NodeNo>) {
        let mut found = Vec::new();
        if tree.nodes().is_empty() {
            return (vec![Difference::Empty], BTreeMap::new());
        }
        if tree.nodes().len() != self.nodes.len() {
            let (expected, found_len) = (self.nodes.len(), tree.nodes().len());
            found.push(Difference::Count { expected, found: found_len });
        }
        let mut stands_for = BTreeMap::from([(0, NodeNo(0))]);
        let mut open = vec![0];
        let mut next = 0;
        while let Some(at) = open.get(next).copied() {
            next += 1;
            let (Some(node), Some(heard)) =
                (self.nodes.get(at), stands_for.get(&at).and_then(|no| tree.node(*no)))
            else {
                continue;
            };
            let menu = || node.menu.clone();
            if node.kind != heard.kind {
                let (expected, kind) = (node.kind, heard.kind);
                found.push(Difference::Kind { menu: menu(), expected, found: kind });
            }
            for option in &node.options {
                let keys = || option.keys.clone();
                let Some(offered) = heard.options.iter().find(|o| o.keys == option.keys) else {
                    let label = option.label.clone();
                    found.push(Difference::Missing { menu: menu(), keys: keys(), label });
                    continue;
                };
                if !same_label(&offered.label, &option.label) {
                    found.push(Difference::Label {
                        menu: menu(),
                        keys: keys(),
                        expected: option.label.clone(),
                        found: offered.label.clone(),
                    });
                }
                let edge = heard.edges.get(&option.keys);
                let right = match (option.to, edge) {
                    (Destination::Node(to), Some(Edge::Child(no) | Edge::Link(no))) => {
                        let is_taken = stands_for.values().any(|taken| taken == no);
                        if !stands_for.contains_key(&to) && !is_taken {
                            stands_for.insert(to, *no);
                            open.push(to);
                        }
                        stands_for.get(&to) == Some(no)
                    }
                    (Destination::Invalid, Some(Edge::Dead(DeadEnd::Invalid))) => true,
                    (Destination::Node(_) | Destination::Invalid, _) => false,
                };
                if !right {
                    let expected = match option.to {
                        Destination::Node(to) => self.nodes.get(to).map(|n| n.menu.clone()),
                        Destination::Invalid => None,
                    };
                    found.push(Difference::Leads {
                        menu: menu(),
                        keys: keys(),
                        expected: expected.unwrap_or_else(|| "an invalid entry".to_owned()),
                        found: describe(edge, tree),
                    });
                }
            }
            for offered in &heard.options {
                if !node.options.iter().any(|o| o.keys == offered.keys) {
                    let (keys, label) = (offered.keys.clone(), offered.label.clone());
                    found.push(Difference::Invented { menu: menu(), keys, label });
                }
            }
        }
        (found, stands_for)
    }
}

fn describe(edge: Option<&Edge>, tree: &Tree) -> String {
    match edge {
        None => "nothing, it is unexplored".to_owned(),
        Some(Edge::Tried(times)) => format!("nothing after {times} tries"),
        Some(Edge::Dead(why)) => format!("a dead end ({why:?})"),
        Some(Edge::Child(no) | Edge::Link(no)) => match tree.node(*no) {
            Some(node) => format!("prompt {} ({:?})", no.0, node.text()),
            None => format!("prompt {}, which is missing", no.0),
        },
    }
}

/// True if two labels say the same: case, punctuation and a leading article do not count.
pub fn same_label(one: &str, other: &str) -> bool {
    plain(one) == plain(other)
}

/// A label's words as they are compared.
fn plain(label: &str) -> Vec<String> {
    let words = label.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .map(str::to_lowercase)
        .enumerate()
        .filter(|(i, word)| *i > 0 || !matches!(word.as_str(), "the" | "a" | "an"))
        .map(|(_, word)| word)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crawl::tree::{Change, MenuOption, Node},
        simulator::menu::Menus,
    };

    fn truth_of(name: &str) -> Truth {
        let menus = Menus::samples().unwrap();
        menus.businesses().find(|b| b.name == name).unwrap().truth()
    }

    /// The tree of a perfect crawl that calls every way a link.
    fn perfect(truth: &Truth) -> Tree {
        let mut tree = Tree::default();
        for (i, node) in truth.nodes.iter().enumerate() {
            let option = |o: &TruthOption| MenuOption {
                keys: o.keys.clone(),
                label: format!("The {}.", o.label.to_uppercase()),
                said: String::new(),
                start_ms: 0,
                end_ms: 0,
                confidence: 1.0,
            };
            let edge = |o: &TruthOption| match o.to {
                Destination::Node(to) => Edge::Link(NodeNo(to as u32)),
                Destination::Invalid => Edge::Dead(DeadEnd::Invalid),
            };
            let node = Node {
                no: NodeNo(i as u32),
                kind: node.kind,
                transcripts: Vec::new(),
                start_ms: 0,
                end_ms: 0,
                options: node.options.iter().map(option).collect(),
                audio_file: None,
                edges: node.options.iter().map(|o| (o.keys.clone(), edge(o))).collect(),
                checks: 0,
                variants: Vec::new(),
            };
            tree.apply(Change::Node(node)).unwrap();
        }
        tree
    }

    fn change(tree: &mut Tree, no: u32, how: impl FnOnce(&mut Node)) {
        let mut node = tree.node(NodeNo(no)).unwrap().clone();
        how(&mut node);
        tree.apply(Change::Node(node)).unwrap();
    }

    #[test]
    fn the_largest_menu_has_three_levels_of_menus_in_order_of_discovery() {
        let truth = truth_of("Harbor Light Electric");
        let menus: Vec<&str> = truth.nodes.iter().map(|n| n.menu.as_str()).collect();
        let expected = [
            "main", "billing", "balance", "payment", "card", "bank", "outage", "news", "danger",
            "service", "start", "stop", "operator",
        ];
        assert_eq!(menus, expected);
        assert_eq!(truth.nodes[3].options[2].to, Destination::Node(1));
    }

    #[test]
    fn a_perfect_crawl_of_any_sample_differs_in_nothing() {
        for business in Menus::samples().unwrap().businesses() {
            let truth = business.truth();
            assert_eq!(truth.nodes.len(), business.menus().len(), "all can be reached by keys");
            assert_eq!(truth.differences(&perfect(&truth)), []);
            assert_eq!(truth.score(&perfect(&truth)).distance, 0);
        }
    }

    #[test]
    fn each_difference_is_told() {
        let truth = truth_of("Maple County Library");
        assert_eq!(truth.differences(&Tree::default()), [Difference::Empty]);
        let key = |keys| Keys::try_new(keys).unwrap();
        let mut tree = perfect(&truth);
        change(&mut tree, 0, |node| {
            node.kind = PromptKind::Announcement;
            node.options[0].label = "our opening hours".to_owned();
            node.options[1].keys = key("8");
            node.edges.remove(&key("9"));
            node.edges.insert(key("5"), Edge::Child(NodeNo(2)));
        });
        let told: Vec<String> = truth.differences(&tree).iter().map(ToString::to_string).collect();
        for expected in [
            "main: Announcement instead of Menu",
            "main: key 1 is \"our opening hours\" instead of \"hear when we are open\"",
            "main: key 2 (renew a book) is missing",
            "main: key 8 (The RENEW A BOOK.) is invented",
            "main: key 9 leads to nothing, it is unexplored instead of main",
            "branches: key 1 (downtown branch) is missing",
        ] {
            assert!(told.iter().any(|t| t == expected), "{expected}: {told:#?}");
        }
    }

    #[test]
    fn each_edit_counts_one_in_the_distance() {
        let truth = truth_of("Maple County Library");
        let mut tree = perfect(&truth);
        change(&mut tree, 0, |node| node.kind = PromptKind::Announcement);
        assert_eq!(truth.score(&tree).distance, 1);
        change(&mut tree, 0, |node| node.options[0].label = "our opening hours".to_owned());
        assert_eq!(truth.score(&tree).distance, 2);
        // A link to the main menu is lost.
        change(&mut tree, 0, |node| node.edges.retain(|keys, _| keys.as_str() != "9"));
        let score = truth.score(&tree);
        assert_eq!((score.distance, score.mislabelled, score.wrong_kind), (3, 1, 1));
        // A prompt that does not exist.
        let no = tree.next_no();
        let extra = Node { no, ..tree.node(NodeNo(1)).unwrap().clone() };
        let options = extra.options.len();
        tree.apply(Change::Node(extra)).unwrap();
        let score = truth.score(&tree);
        assert_eq!((score.distance, score.invented), (4, options));
    }

    #[test]
    fn a_prompt_that_stands_for_two_is_told() {
        let truth = truth_of("Maple County Library");
        let mut tree = perfect(&truth);
        let branches = truth.nodes.iter().position(|n| n.menu == "branches").unwrap() as u32;
        change(&mut tree, branches, |node| {
            let first = node.edges.values().next().unwrap().clone();
            node.edges.insert(Keys::try_new("2").unwrap(), first);
        });
        assert!(!truth.differences(&tree).is_empty());
    }
}
