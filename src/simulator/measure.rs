//! How good a crawl was: how far the found tree is from the truth, and the least seconds of calls
//! in which the truth could have been found.

use std::{collections::BTreeMap, time::Duration};

use super::{
    line::PAUSE_BEFORE_WORDS,
    menu::{Business, Listen, MenuNo, Target, Then},
    truth::{Difference, Truth},
};
use crate::crawl::tree::Tree;

/// The shortest key that every receiver takes, and the pause after it: 40 ms each
/// (ITU-T Q.24, Table 1).
const KEY: Duration = Duration::from_millis(80);

/// A found tree beside the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Score {
    /// The edit distance to the truth; zero if the tree is exactly right.
    pub distance: usize,
    /// Options of the truth.
    pub options: usize,
    /// Options that were not found, those of prompts that were not found included.
    pub missed: usize,
    /// Options that nobody offers, those of prompts that do not exist included.
    pub invented: usize,
    /// Options with another label.
    pub mislabelled: usize,
    /// Prompts taken for another kind.
    pub wrong_kind: usize,
}

impl Truth {
    /// Compares a found tree with the truth.
    ///
    /// The edit distance is the number of edits of these kinds that make the found tree right: add
    /// or remove a prompt, change its kind, add or remove an option, change its label, change where
    /// it leads. Prompts are paired by walking both from the first one along the keys, not by the
    /// cheapest of all pairings, so the number is an upper bound of the least; it is zero for equal
    /// trees only. Options of prompts that are added or removed come and go with them.
    pub fn score(&self, tree: &Tree) -> Score {
        let (differences, pairs) = self.walk(tree);
        let mut score =
            Score { options: self.nodes.iter().map(|n| n.options.len()).sum(), ..Score::default() };
        for difference in &differences {
            score.distance += match difference {
                Difference::Empty => self.nodes.len(),
                Difference::Count { .. } => 0,
                Difference::Kind { .. }
                | Difference::Missing { .. }
                | Difference::Invented { .. }
                | Difference::Label { .. }
                | Difference::Leads { .. } => 1,
            };
            match difference {
                Difference::Kind { .. } => score.wrong_kind += 1,
                Difference::Missing { .. } => score.missed += 1,
                Difference::Invented { .. } => score.invented += 1,
                Difference::Label { .. } => score.mislabelled += 1,
                Difference::Empty | Difference::Count { .. } | Difference::Leads { .. } => {}
            }
        }
        let unknown = self.nodes.iter().enumerate().filter(|(at, _)| !pairs.contains_key(at));
        for (_, node) in unknown {
            score.missed += node.options.len();
        }
        let extra = tree.nodes().iter().filter(|node| !pairs.values().any(|no| *no == node.no));
        for node in extra {
            score.invented += node.options.len();
            score.distance += 1;
        }
        if !tree.nodes().is_empty() {
            score.distance += self.nodes.len() - pairs.len();
        }
        score
    }
}

impl Business {
    /// The least seconds of answered calls in which everything can be heard, as a lower bound:
    ///
    /// ```text
    ///   Σ prompts         the length of its recording, heard once
    /// + Σ dead options    a key, and the answer that it is not valid
    /// + Σ calls           the pause before the first word
    /// + Σ calls Σ way     a key for each menu on the way, and its prompt again if it is deaf to
    ///                     early keys
    /// - Σ deaf menus      one of these prompts, which is the one counted above
    /// ```
    ///
    /// A call is needed for each prompt after which nothing can be pressed, and for each that only
    /// asks for a number; its way is the cheapest one there.
    pub fn least_seconds(&self) -> Duration {
        let ways = self.ways();
        let deaf = |no: &MenuNo| self.listen(*no).filter(|listen| !listen.barge_in);
        let said = |no: MenuNo| self.menu(no).map_or(Duration::ZERO, |m| m.prompt.duration());
        let mut least = Duration::ZERO;
        let mut calls = 0;
        let mut passed = Vec::new();
        for (no, way) in &ways {
            least += said(*no);
            let leads_on = self.listen(*no).is_some_and(|listen| !listen.options.is_empty());
            if leads_on {
                let listen = self.listen(*no).into_iter().flat_map(|listen| &listen.options);
                let dead = listen.filter(|option| option.to == Target::InvalidEntry).count();
                least += (KEY + self.invalid.duration()) * dead as u32;
                continue;
            }
            calls += 1;
            for menu in way {
                least += KEY;
                if deaf(menu).is_some() {
                    least += said(*menu);
                    if !passed.contains(menu) {
                        passed.push(*menu);
                    }
                }
            }
        }
        let counted_twice: Duration = passed.into_iter().map(said).sum();
        least + PAUSE_BEFORE_WORDS * calls.max(1) - counted_twice
    }

    fn listen(&self, no: MenuNo) -> Option<&Listen> {
        match &self.menu(no)?.then {
            Then::Listen(listen) => Some(listen),
            Then::End(_) => None,
        }
    }

    /// The menus on the cheapest way to each prompt that keys lead to, by the sum of keys and of
    /// prompts that have to be heard out.
    fn ways(&self) -> BTreeMap<MenuNo, Vec<MenuNo>> {
        let mut ways: BTreeMap<MenuNo, (Duration, Vec<MenuNo>)> = BTreeMap::new();
        ways.insert(self.first, (Duration::ZERO, Vec::new()));
        // Bellman and Ford: menus are few, and a round without news ends it.
        let mut news = true;
        while news {
            news = false;
            for (no, (cost, way)) in ways.clone() {
                let Some(listen) = self.listen(no) else { continue };
                let heard_out = self.menu(no).filter(|_| !listen.barge_in);
                let cost = cost + KEY + heard_out.map_or(Duration::ZERO, |m| m.prompt.duration());
                for option in &listen.options {
                    let Target::Menu(to) = option.to else { continue };
                    if ways.get(&to).is_none_or(|(known, _)| *known > cost) {
                        let way = way.iter().copied().chain([no]).collect();
                        ways.insert(to, (cost, way));
                        news = true;
                    }
                }
            }
        }
        ways.into_iter().map(|(no, (_, way))| (no, way)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::menu::Menus;

    #[test]
    fn an_empty_tree_is_as_far_away_as_there_are_prompts() {
        for business in Menus::samples().unwrap().businesses() {
            let truth = business.truth();
            let score = truth.score(&Tree::default());
            assert_eq!(score.distance, truth.nodes.len());
            assert_eq!((score.missed, score.invented), (score.options, 0));
        }
    }

    #[test]
    fn the_least_of_a_menu_is_more_than_its_prompts_and_less_than_hearing_all_on_each_way() {
        for business in Menus::samples().unwrap().businesses() {
            let prompts: Duration = business.menus().iter().map(|m| m.prompt.duration()).sum();
            let least = business.least_seconds();
            assert!(least > prompts, "{}", business.name);
            assert!(least < prompts * business.menus().len() as u32, "{}", business.name);
        }
    }

    #[test]
    fn the_least_follows_the_formula_where_all_menus_take_early_keys() {
        let menus = Menus::samples().unwrap();
        let business = menus.businesses().find(|b| b.name == "Pine Road Auto Repair").unwrap();
        // Ends: book and ready (one key), summer and winter (two keys).
        let prompts: Duration = business.menus().iter().map(|m| m.prompt.duration()).sum();
        assert_eq!(business.least_seconds(), prompts + PAUSE_BEFORE_WORDS * 4 + KEY * 6);
    }
}
