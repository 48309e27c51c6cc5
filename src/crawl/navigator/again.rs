//! A known prompt is heard again: what the second hearing is worth.

use super::{Navigator, Step, decide::MIN_NEWS_WORDS, hearing::Heard, way::add_variant};
use crate::{
    crawl::{
        compare,
        tree::{Change, MenuOption, Node, NodeNo, Standing, confidence},
    },
    speech::CallMs,
};

/// Least confidence of an option that only one of two hearings has.
const MIN_ADDED_CONFIDENCE: f32 = 0.5;

impl Navigator {
    /// Takes from another hearing of a prompt what is better: the surer words if it is in doubt, or
    /// options that were missed. It settles a suspicion, and may be another wording.
    pub(super) fn heard_again(&mut self, no: NodeNo, heard: &Heard, at_beginning: bool) {
        let (Some(known), Some(gist)) = (self.known.node(no), self.known.gist(no)) else { return };
        let whole = heard.gist.likeness(gist).is_same();
        let mut node = known.clone();
        for variant in &mut node.variants {
            // No key had been pressed that might have been lost: it was said here.
            if variant.standing == Standing::Suspected && at_beginning {
                variant.standing = Standing::AtTimes;
            }
        }
        node.variants.retain(|v| v.standing != Standing::Suspected);
        let doubtful = self.known.is_doubtful(no, &self.limits);
        let (before, _) = heard.gist.find_beginning_of(gist);
        let reworded = !whole && (before >= MIN_NEWS_WORDS || self.offers_all(heard, no));
        let mut kept = false;
        if doubtful {
            node.checks = node.checks.saturating_add(1);
            kept = whole && self.take_surer(&mut node, heard);
        } else if let Some(better) = improved(&node, heard, heard.gist.len() > gist.len()) {
            (node, kept) = (better, true);
        } else if reworded && !self.line_gone && !self.known.is_wording_of(no, &heard.gist) {
            add_variant(&mut node, Standing::AtTimes, heard);
        }
        self.report_kept(Some(no), false, kept, heard);
        self.note(Change::Heard(no));
        if kept {
            node.audio_file = None;
        }
        if self.known.node(no) == Some(&node) {
            return;
        }
        let news = doubtful || kept;
        if news {
            self.store(Change::Node(node));
        } else {
            self.note(Change::Node(node));
        }
    }

    /// True if a prompt offers this key.
    pub(super) fn is_offered(&self, step: &Step) -> bool {
        let node = self.known.node(step.from);
        node.is_some_and(|node| node.options.iter().any(|o| o.keys == step.keys))
    }

    /// Of two hearings takes the surer one, and of each option the label of the surer. True if that
    /// is the new one.
    fn take_surer(&self, node: &mut Node, heard: &Heard) -> bool {
        let surer = confidence(&heard.transcripts) > node.confidence();
        let (mut mine, start) = (heard.understanding.options.clone(), heard.start_ms);
        if surer {
            std::mem::swap(&mut node.options, &mut mine);
            node.transcripts.clone_from(&heard.transcripts);
            node.kind = heard.understanding.kind;
            (node.start_ms, node.end_ms) = (start, heard.end_ms);
        }
        // Now these are the options of the hearing that is less sure.
        for mut option in mine {
            match node.options.iter_mut().find(|o| o.keys == option.keys) {
                Some(known) if known.confidence < option.confidence => {
                    (known.label, known.said) = (option.label, option.said);
                    known.confidence = option.confidence;
                }
                Some(_) => {}
                None => {
                    let explored = node.edges.contains_key(&option.keys);
                    let clear = option.confidence >= MIN_ADDED_CONFIDENCE;
                    if explored || (clear && !option.label.is_empty()) {
                        // Its times are of another call; it ends somewhere in the prompt.
                        (option.start_ms, option.end_ms) = (node.start_ms, node.end_ms);
                        node.options.push(option);
                    }
                }
            }
        }
        surer
    }

    /// True if all of this prompt's options were heard again, and there are several.
    fn offers_all(&self, heard: &Heard, no: NodeNo) -> bool {
        let Some(node) = self.known.node(no) else { return false };
        let again = |known: &MenuOption| {
            let options = &heard.understanding.options;
            options
                .iter()
                .any(|o| o.keys == known.keys && compare::same_label(&o.label, &known.label))
        };
        node.options.len() > 1 && node.options.iter().all(again)
    }
}

/// A prompt with options that were missed when it was heard first; none if there are none, or if
/// this hearing is not longer: only a prompt that was heard from its beginning to its end again
/// replaces what is known.
fn improved(node: &Node, heard: &Heard, longer: bool) -> Option<Node> {
    let missed = heard
        .understanding
        .options
        .iter()
        .filter(|o| node.options.iter().all(|known| known.keys != o.keys))
        .any(|o| o.confidence >= MIN_ADDED_CONFIDENCE && !o.label.is_empty());
    if !missed || !longer {
        return None;
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
            let (start_ms, end_ms): (CallMs, CallMs) = (heard.start_ms, heard.end_ms);
            better.options.push(MenuOption { start_ms, end_ms, ..option.clone() });
        }
    }
    Some(better)
}
