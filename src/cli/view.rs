//! The tree of a number as the API shows it, turned back into a tree.

use crate::{
    api::v2::tree::{EdgeView, Leads, NodeView, TreeView, VariantView},
    crawl::tree::{Change, Edge, Keys, MenuOption, Node, NodeNo, Tree, Variant},
    speech::{Transcript, Word},
};

/// Why what the API shows is no tree.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTree {
    /// A number is left out.
    #[error("the prompts have a hole: {0}")]
    Hole(#[from] crate::crawl::tree::Hole),
    /// A key is none.
    #[error("{0:?} is not a key")]
    Keys(String),
}

/// The tree that a view shows. A view has no times of words: each word gets those of its prompt,
/// and so do the words of an option.
pub(super) fn tree(view: &TreeView) -> Result<Tree, NoTree> {
    let mut tree = Tree::default();
    for node in &view.nodes {
        let edges = || view.edges.iter().filter(|edge| edge.from == node.no);
        let mut options = Vec::new();
        // A key that was pressed without being offered has no words.
        for edge in edges().filter(|edge| !edge.said.is_empty() || !edge.label.is_empty()) {
            options.push(option(node, edge)?);
        }
        tree.apply(Change::Node(Node {
            no: NodeNo(node.no),
            kind: node.kind,
            transcripts: vec![transcript(node)],
            start_ms: node.start_ms,
            end_ms: node.end_ms,
            options,
            audio_file: None,
            edges: std::collections::BTreeMap::new(),
            checks: 0,
            variants: node.variants.iter().map(|v| variant(node, v)).collect(),
        }))?;
        for view in edges() {
            let edge = match view.leads {
                Leads::Unexplored => continue,
                Leads::Tried { times } => Edge::Tried(times),
                Leads::Child { to } => Edge::Child(NodeNo(to)),
                Leads::Link { to } => Edge::Link(NodeNo(to)),
                Leads::Dead { why } => Edge::Dead(why),
            };
            tree.apply(Change::Edge { from: NodeNo(node.no), keys: keys(view)?, edge })?;
        }
    }
    Ok(tree)
}

fn keys(edge: &EdgeView) -> Result<Keys, NoTree> {
    Keys::try_new(&edge.keys).ok_or_else(|| NoTree::Keys(edge.keys.clone()))
}

fn option(node: &NodeView, edge: &EdgeView) -> Result<MenuOption, NoTree> {
    Ok(MenuOption {
        keys: keys(edge)?,
        label: edge.label.clone(),
        said: edge.said.clone(),
        start_ms: node.start_ms,
        end_ms: node.end_ms,
        confidence: edge.confidence,
    })
}

/// The times at which it was heard are left out: the view has them as text.
fn variant(node: &NodeView, view: &VariantView) -> Variant {
    Variant {
        standing: view.standing,
        kind: view.kind,
        transcripts: vec![words(&view.text, node)],
        start_ms: node.start_ms,
        end_ms: node.end_ms,
        audio_file: None,
        first_heard: None,
        last_heard: None,
    }
}

fn transcript(node: &NodeView) -> Transcript {
    words(&node.text, node)
}

fn words(text: &str, node: &NodeView) -> Transcript {
    let word = |text: &str| Word {
        text: text.to_owned(),
        start_ms: node.start_ms,
        end_ms: node.end_ms,
        confidence: 0.0,
    };
    Transcript { words: text.split_whitespace().map(word).collect(), confidence: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl::tree::{DeadEnd, PromptKind};

    fn view(text: &str) -> TreeView {
        serde_json::from_str(text).unwrap()
    }

    const VIEW: &str = r#"{"number":"+12025550123","business_name":null,"attempt":2,
        "completed":true,"scan":null,
        "nodes":[
          {"no":0,"id":7,"kind":"menu","text":"for sales press one","start_ms":100,"end_ms":900,
           "completed":true},
          {"no":1,"id":8,"kind":"voicemail","text":"","start_ms":0,"end_ms":5,"completed":true}],
        "edges":[
          {"from":0,"keys":"1","label":"sales","said":"for sales press one","confidence":0.5,
           "state":"child","to":1},
          {"from":0,"keys":"2","label":"again","said":"two","confidence":0.5,"state":"link","to":0},
          {"from":0,"keys":"3","label":"x","said":"x","confidence":0.5,"state":"unexplored"},
          {"from":0,"keys":"4","label":"x","said":"x","confidence":0.5,"state":"tried","times":2},
          {"from":0,"keys":"9","label":"","said":"","confidence":0.0,"state":"dead",
           "why":"invalid"}]}"#;

    #[test]
    fn a_view_reads_as_the_tree_that_it_shows() {
        let tree = tree(&view(VIEW)).unwrap();
        let root = tree.node(NodeNo(0)).unwrap();
        assert_eq!((root.kind, root.text().as_str()), (PromptKind::Menu, "for sales press one"));
        let offered: Vec<&str> = root.options.iter().map(|o| o.keys.as_str()).collect();
        assert_eq!(offered, ["1", "2", "3", "4"]);
        let edges: Vec<(&str, &Edge)> = root.edges.iter().map(|(k, e)| (k.as_str(), e)).collect();
        assert_eq!(
            edges,
            [
                ("1", &Edge::Child(NodeNo(1))),
                ("2", &Edge::Link(NodeNo(0))),
                ("4", &Edge::Tried(2)),
                ("9", &Edge::Dead(DeadEnd::Invalid)),
            ]
        );
        assert_eq!(tree.node(NodeNo(1)).unwrap().text(), "");
    }

    #[test]
    fn a_view_with_a_hole_or_a_wrong_key_is_refused() {
        let hole = VIEW.replace("\"no\":1", "\"no\":2");
        assert!(matches!(tree(&view(&hole)), Err(NoTree::Hole(_))));
        let key = VIEW.replace("\"keys\":\"9\"", "\"keys\":\"nine\"");
        assert!(matches!(tree(&view(&key)), Err(NoTree::Keys(k)) if k == "nine"));
    }
}
