use super::*;
use crate::crawl::{menu_text, tree::Change};

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
        edges: std::collections::BTreeMap::new(),
        checks: 0,
        variants: Vec::new(),
    })
}

fn edge(from: u32, keys: &str, edge: Edge) -> Change {
    Change::Edge { from: NodeNo(from), keys: Keys::try_new(keys).unwrap(), edge }
}

fn lakeside() -> Tree {
    let mut tree = Tree::default();
    for change in [
        node(
            0,
            "Welcome to Lakeside. For tickets, press 1. For times, press 2. For news, press *.",
        ),
        node(1, "For groups, press 1. For the main menu, press 9. To repeat, press #."),
        node(2, "Groups ride on Sundays."),
        edge(0, "1", Edge::Child(NodeNo(1))),
        edge(0, "2", Edge::Dead(DeadEnd::HungUp)),
        edge(1, "1", Edge::Child(NodeNo(2))),
        edge(1, "9", Edge::Link(NodeNo(0))),
        edge(1, "#", Edge::Link(NodeNo(1))),
    ] {
        tree.apply(change).unwrap();
    }
    tree
}

#[test]
fn text_shows_keys_labels_kinds_and_links() {
    let expected = "\
[0] menu: Welcome to Lakeside. For tickets, press 1. For times, press 2. For news, press *.
├─ 1 tickets
│  [1] menu: For groups, press 1. For the main menu, press 9. To repeat, press #.
│  ├─ 1 groups
│  │  [2] announcement: Groups ride on Sundays.
│  ├─ 9 main menu → main menu (Welcome to Lakeside. For tickets, press 1. For times, press…)
│  └─ # repeat → this menu again (For groups, press 1. For the main menu, press 9. To repeat,…)
├─ 2 times ✗ hangs up
└─ * news ? not explored
";
    assert_eq!(text(&lakeside()), expected);
    assert_eq!(text(&Tree::default()), "nothing has been heard yet\n");
}

#[test]
fn diagrams_have_a_line_for_each_prompt_and_key() {
    let mermaid = mermaid(&lakeside());
    assert!(mermaid.starts_with("flowchart TD\n  n0[\"Welcome to Lakeside."));
    assert!(mermaid.contains("  n0 -->|\"1 tickets\"| n1\n"));
    assert!(mermaid.contains("  n1 -.->|\"9 main menu\"| n0\n"));
    assert!(mermaid.contains("  n0 --x|\"#42; news\"| d0_s[\"not explored\"]\n"));
    let dot = dot(&lakeside());
    assert!(dot.contains("  n0 -> n1 [label=\"1 tickets\"];\n"));
    assert!(dot.contains("  n1 -> n1 [label=\"# repeat\", style=dashed];\n"));
    assert!(dot.contains("  d0_2 [label=\"hangs up\", shape=plaintext];\n"));
    assert!(dot.ends_with("}\n"));
}

#[test]
fn json_names_prompts_by_number() {
    let json = json(&lakeside());
    assert_eq!(json["nodes"][1]["options"][1]["leads_to"], "known_prompt");
    assert_eq!(json["nodes"][1]["options"][1]["node"], 0);
    assert_eq!(json["nodes"][0]["options"][1]["leads_to"], "hung_up");
    assert_eq!(json["nodes"][0]["options"][2]["leads_to"], "unexplored");
    assert_eq!(json["nodes"][2]["kind"], "announcement");
}

#[test]
fn hostile_text_stays_text() {
    let mut tree = Tree::default();
    tree.apply(node(
        0,
        "\u{1b}[2J\"]; n9[\"<b>x</b>\" \\ \u{202e} `ls` |a| #quot; press 1 for \"sales\"\n",
    ))
    .unwrap();
    for form in [text(&tree), mermaid(&tree), dot(&tree)] {
        assert!(!form.contains(['\u{1b}', '\u{202e}']), "{form}");
    }
    let mermaid = mermaid(&tree);
    assert_eq!(mermaid.lines().count(), 3, "{mermaid}");
    assert!(!mermaid.contains(['<', '`', '\\']) && !mermaid.contains("#quot"), "{mermaid}");
    // In DOT each quotation mark of the text is escaped: an even number stands free.
    let free = dot(&tree).replace("\\\\", "").replace("\\\"", "").matches('"').count();
    assert_eq!(free, 6);
}

#[test]
fn a_tree_that_bites_its_tail_is_rendered_once() {
    let mut tree = lakeside();
    tree.apply(edge(1, "1", Edge::Child(NodeNo(0)))).unwrap();
    tree.apply(edge(0, "*", Edge::Child(NodeNo(99)))).unwrap();
    assert_eq!(text(&tree).matches("[0]").count(), 1);
    assert!(mermaid(&tree).contains("n99") && json(&tree)["nodes"].is_array());
}
