//! A number's menu as nodes and edges, for who draws it.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::{Who, extract::Path, problem::Problem, rfc3339};
use crate::{
    api::Api,
    crawl::tree::{DeadEnd, Edge, PromptKind, Standing, Variant, confidence},
    speech::Transcript,
    store::{KeyRow, MenuRow, MenuText, ScanRow, Time},
};

/// A number and its newest scan that heard something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeView {
    /// The number.
    pub number: Option<String>,
    /// Whose number it is.
    pub business_name: Option<String>,
    /// Calls placed to it.
    pub attempt: i64,
    /// Whether nothing is left to explore.
    pub completed: bool,
    /// The scan; `null` when none heard anything.
    pub scan: Option<ScanView>,
    /// The prompts by number without holes; the first is what is heard first.
    pub nodes: Vec<NodeView>,
    /// The keys of all prompts, in the order of the prompts and in which they were said.
    pub edges: Vec<EdgeView>,
}

/// A scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanView {
    /// Its id.
    pub id: i64,
    /// Pending, Calling, Answered, Processed, Success or Failed.
    pub status: String,
    /// Whether nothing is left to explore.
    pub completed: bool,
    /// Why it ended, or why its latest call brought no news.
    pub reason: Option<String>,
    /// When it was asked for, RFC 3339.
    pub created_at: Option<String>,
    /// When something changed, RFC 3339.
    pub updated_at: Option<String>,
}

/// A prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its number within the scan.
    pub no: u32,
    /// Its id over all scans.
    pub id: i64,
    /// What kind of prompt it is.
    pub kind: PromptKind,
    /// What was said.
    pub text: String,
    /// Where it begins in its call, milliseconds.
    pub start_ms: u32,
    /// Where it ends in its call, milliseconds.
    pub end_ms: u32,
    /// Whether it is known of each of its keys where it leads.
    pub completed: bool,
    /// How sure the recogniser was of its words, 0 to 1; `null` without words.
    #[serde(default)]
    pub confidence: Option<f32>,
    /// How often it was heard.
    #[serde(default)]
    pub hearings: u32,
    /// When it was heard first, RFC 3339.
    #[serde(default)]
    pub first_heard: Option<String>,
    /// When it was heard last, RFC 3339.
    #[serde(default)]
    pub last_heard: Option<String>,
    /// What else was heard in its place.
    #[serde(default)]
    pub variants: Vec<VariantView>,
}

/// Another wording that was heard in a prompt's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantView {
    /// What it has to do with the prompt.
    pub standing: Standing,
    /// What kind of prompt it is.
    pub kind: PromptKind,
    /// What was said.
    pub text: String,
    /// When it was heard first, RFC 3339.
    pub first_heard: Option<String>,
    /// When it was heard last, RFC 3339.
    pub last_heard: Option<String>,
}

/// A key of a prompt and where it leads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeView {
    /// The number of the prompt that has the key.
    pub from: u32,
    /// What to press.
    pub keys: String,
    /// What it is for; empty when it was not offered.
    pub label: String,
    /// The words in which it was offered.
    pub said: String,
    /// Between 0 and 1.
    pub confidence: f32,
    /// Where it leads.
    #[serde(flatten)]
    pub leads: Leads,
}

/// Where a key leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Leads {
    /// Not pressed yet.
    Unexplored,
    /// Pressed without learning where it leads.
    Tried {
        /// How often.
        times: u32,
    },
    /// To a prompt that was first heard behind this key.
    Child {
        /// Its number.
        to: u32,
    },
    /// To a prompt that is known from elsewhere.
    Link {
        /// Its number.
        to: u32,
    },
    /// Nowhere.
    Dead {
        /// Why.
        why: DeadEnd,
    },
}

/// `GET /api/v2/numbers/{number}/tree`.
pub(super) async fn tree(
    State(api): State<Api>,
    _who: Who,
    Path(number): Path<String>,
) -> Result<Json<TreeView>, Problem> {
    let row =
        api.store().number(&number).await?.ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "this number was never asked for")
        })?;
    let tree = api.store().newest_tree(row.id).await?;
    let menus = tree.as_ref().map_or(&[][..], |tree| &tree.menus);
    Ok(Json(TreeView {
        number: row.number,
        business_name: row.business_name,
        attempt: row.attempt,
        completed: row.completed,
        scan: tree.as_ref().map(|tree| scan_view(&tree.scan)),
        nodes: menus.iter().map(node).collect(),
        edges: menus.iter().flat_map(|menu| menu.keys.iter().map(|key| edge(menu, key))).collect(),
    }))
}

fn scan_view(scan: &ScanRow) -> ScanView {
    ScanView {
        id: scan.id.0,
        status: scan.status.as_str().to_owned(),
        completed: scan.completed,
        reason: scan.reason.clone(),
        created_at: scan.created_at.and_then(rfc3339),
        updated_at: scan.updated_at.and_then(rfc3339),
    }
}

fn node(menu: &MenuRow) -> NodeView {
    let text = match &menu.text {
        MenuText::Heard(transcripts) => {
            let parts: Vec<String> =
                transcripts.iter().map(Transcript::text).filter(|t| !t.is_empty()).collect();
            parts.join(" ")
        }
        MenuText::Old { text, .. } => text.as_deref().unwrap_or("").trim().to_owned(),
    };
    NodeView {
        no: menu.no.0,
        id: menu.id.0,
        kind: menu.kind,
        text,
        start_ms: menu.start_ms,
        end_ms: menu.end_ms,
        completed: menu.completed,
        confidence: match &menu.text {
            MenuText::Heard(transcripts) => confidence(transcripts),
            MenuText::Old { .. } => None,
        },
        hearings: menu.hearings,
        first_heard: menu.first_heard.and_then(rfc3339),
        last_heard: menu.last_heard.and_then(rfc3339),
        variants: menu.variants.iter().map(variant).collect(),
    }
}

fn variant(variant: &Variant) -> VariantView {
    VariantView {
        standing: variant.standing,
        kind: variant.kind,
        text: variant.text(),
        first_heard: variant.first_heard.map(Time).and_then(rfc3339),
        last_heard: variant.last_heard.map(Time).and_then(rfc3339),
    }
}

fn edge(menu: &MenuRow, key: &KeyRow) -> EdgeView {
    EdgeView {
        from: menu.no.0,
        keys: key.keys.clone().unwrap_or_default(),
        label: key.label.clone(),
        said: key.said.clone().unwrap_or_default(),
        confidence: key.confidence,
        leads: match key.edge {
            None => Leads::Unexplored,
            Some(Edge::Tried(times)) => Leads::Tried { times },
            Some(Edge::Child(to)) => Leads::Child { to: to.0 },
            Some(Edge::Link(to)) => Leads::Link { to: to.0 },
            Some(Edge::Dead(why)) => Leads::Dead { why },
        },
    }
}
