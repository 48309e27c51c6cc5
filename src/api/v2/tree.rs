//! A menu as nodes and edges, as a table, or drawn.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Who, accept,
    extract::{Path, Query},
    numbers,
    problem::{Problem, ProblemBody},
    rfc3339, scans,
};
use crate::{
    api::Api,
    crawl::{
        render,
        tree::{DeadEnd, Edge, PromptKind, Standing, Tree, Variant, confidence},
    },
    speech::Transcript,
    store::{KeyRow, MenuRow, MenuText, NumberRow, ScanId, ScanRow, ScanTree, Time},
};

/// A number and its newest scan that heard something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
    /// Where its recording is.
    #[serde(default)]
    pub recording: Option<String>,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// The forms in which a tree is to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// Nodes and edges.
    Json,
    /// A flow chart of Mermaid.
    Mermaid,
    /// A graph of Graphviz.
    Dot,
    /// A line for each option.
    Csv,
    /// For a terminal.
    Text,
}

impl Format {
    const ALL: [Self; 5] = [Self::Json, Self::Mermaid, Self::Dot, Self::Csv, Self::Text];
    /// The media type of each, in the same order.
    const TYPES: [&str; 5] =
        ["application/json", "text/vnd.mermaid", "text/vnd.graphviz", "text/csv", "text/plain"];

    /// The form that a client wants: what its query says, else its `Accept` header.
    fn wanted(asked: Option<Self>, headers: &HeaderMap) -> Result<Self, Problem> {
        let chosen = accept::choose(headers, &Self::TYPES).and_then(|at| Self::ALL.get(at));
        asked.or(chosen.copied()).ok_or_else(|| accept::refused(&Self::TYPES))
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Mermaid => "text/vnd.mermaid; charset=utf-8",
            Self::Dot => "text/vnd.graphviz; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Mermaid => "mermaid",
            Self::Dot => "dot",
            Self::Csv => "csv",
            Self::Text => "text",
        }
    }
}

/// In which form.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Form {
    /// Goes before the `Accept` header.
    #[param(inline)]
    format: Option<Format>,
}

/// The menu of a number: that of its newest scan that heard something.
#[utoipa::path(get, path = "/api/v2/numbers/{number}/tree", tag = "v2",
    params(("number" = String, Path), Form),
    responses((status = 200, content((TreeView = "application/json"), (String = "text/vnd.mermaid"),
            (String = "text/vnd.graphviz"), (String = "text/csv"), (String = "text/plain"))),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn of_number(
    State(api): State<Api>,
    _who: Who,
    Path(number): Path<String>,
    Query(Form { format }): Query<Form>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = Format::wanted(format, &headers)?;
    let generation = api.store().generation();
    let key = format!("{} of number {number}", format.name());
    if let Some(text) = api.0.trees_v2.get(&key, generation) {
        return Ok(answer(format, text));
    }
    let row = numbers::find(&api, &number).await?;
    let tree = api.store().newest_tree(row.id).await?;
    let text = written(&api, format, row, tree).await?;
    api.0.trees_v2.put(&key, generation, text.clone());
    Ok(answer(format, text))
}

/// The menu that a scan found.
#[utoipa::path(get, path = "/api/v2/scans/{id}/tree", tag = "v2", params(("id" = i64, Path), Form),
    responses((status = 200, content((TreeView = "application/json"), (String = "text/vnd.mermaid"),
            (String = "text/vnd.graphviz"), (String = "text/csv"), (String = "text/plain"))),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn of_scan(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
    Query(Form { format }): Query<Form>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = Format::wanted(format, &headers)?;
    let id = id.parse().map(ScanId).map_err(|_| scans::missing())?;
    let generation = api.store().generation();
    let key = format!("{} of scan {id}", format.name());
    if let Some(text) = api.0.trees_v2.get(&key, generation) {
        return Ok(answer(format, text));
    }
    let tree = api.store().scan_tree(id).await?.ok_or_else(scans::missing)?;
    let number = tree.scan.number.as_deref().unwrap_or_default();
    let row = numbers::find(&api, number).await?;
    let text = written(&api, format, row, Some(tree)).await?;
    api.0.trees_v2.put(&key, generation, text.clone());
    Ok(answer(format, text))
}

fn answer(format: Format, text: Bytes) -> Response {
    let mut response = Body::from(text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

async fn written(
    api: &Api,
    format: Format,
    row: NumberRow,
    tree: Option<ScanTree>,
) -> Result<Bytes, Problem> {
    let draw: fn(&Tree) -> String = match format {
        Format::Json => {
            let view = view(row, tree.as_ref());
            let text = serde_json::to_vec(&view).map_err(|error| Problem::internal(&error))?;
            return Ok(text.into());
        }
        Format::Mermaid => render::mermaid,
        Format::Dot => render::dot,
        Format::Csv => render::csv,
        Format::Text => render::text,
    };
    let tree = match tree {
        Some(tree) => api.store().load_tree(tree.scan.id).await?,
        None => Tree::default(),
    };
    Ok(draw(&tree).into())
}

fn view(row: NumberRow, tree: Option<&ScanTree>) -> TreeView {
    let menus = tree.map_or(&[][..], |tree| &tree.menus);
    TreeView {
        number: row.number,
        business_name: row.business_name,
        attempt: row.attempt,
        completed: row.completed,
        scan: tree.map(|tree| scan_view(&tree.scan)),
        nodes: menus.iter().map(node).collect(),
        edges: menus.iter().flat_map(|menu| menu.keys.iter().map(|key| edge(menu, key))).collect(),
    }
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
        recording: menu
            .audio_file
            .as_ref()
            .map(|_| format!("/api/v2/prompts/{}/recording", menu.id)),
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
