//! A scan's tree in the database: written change by change, read back exactly as it was.

use super::{MenuId, ScanId, Store, StoreError, Write, next_id, variants};
use crate::{
    crawl::tree::{Change, DeadEnd, Edge, Hole, Keys, MenuOption, Node, NodeNo, PromptKind, Tree},
    speech::Transcript,
};

impl Store {
    /// Makes a change to a scan's tree. When this returns, the change is on disk.
    ///
    /// # Errors
    /// [`StoreError::Hole`] for a change that [`Tree::apply`] refuses too.
    pub async fn apply_change(&self, scan: ScanId, change: &Change) -> Result<(), StoreError> {
        let now = self.now().0;
        let mut tx = self.begin_write().await?;
        let menu = match change {
            Change::Node(node) => put_node(&mut tx, scan, node, now).await?,
            Change::Edge { from, keys, edge } => {
                let menu = menu_id(&mut tx, scan, *from).await?.ok_or(Hole(*from))?;
                put_edge(&mut tx, menu, keys, edge).await?;
                menu
            }
            Change::Heard(no) => {
                let menu = menu_id(&mut tx, scan, *no).await?.ok_or(Hole(*no))?;
                // No news: `updated_at` stays.
                sqlx::query(
                    "UPDATE menus SET heard_at = $1, hearings = hearings + 1 WHERE id = $2",
                )
                .bind(now)
                .bind(menu.0)
                .execute(&mut *tx)
                .await?;
                tx.commit().await?;
                return Ok(());
            }
        };
        sqlx::query(
            "UPDATE menus SET updated_at = $1, completed = NOT EXISTS (
                 SELECT 1 FROM keys k
                 WHERE k.menu_id = menus.id AND (k.edge IS NULL OR k.edge = 'tried'))
             WHERE id = $2",
        )
        .bind(now)
        .bind(menu.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The tree that all changes to a scan made; empty for a scan that heard nothing.
    ///
    /// # Errors
    /// [`StoreError::Senseless`] names the row that cannot be read.
    pub async fn load_tree(&self, scan: ScanId) -> Result<Tree, StoreError> {
        let mut tree = Tree::default();
        for menu in self.menus(scan).await? {
            tree.apply(Change::Node(menu.node()?))?;
        }
        Ok(tree)
    }
}

async fn menu_id(tx: &mut Write, scan: ScanId, no: NodeNo) -> Result<Option<MenuId>, StoreError> {
    let id: Option<i64> = sqlx::query_scalar("SELECT id FROM menus WHERE scan_id = $1 AND no = $2")
        .bind(scan.0)
        .bind(i64::from(no.0))
        .fetch_optional(&mut **tx)
        .await?;
    Ok(id.map(MenuId))
}

/// Stores a new prompt, or a better hearing in the place of an older one, with all its keys.
async fn put_node(
    tx: &mut Write,
    scan: ScanId,
    node: &Node,
    now: i64,
) -> Result<MenuId, StoreError> {
    let known = menu_id(tx, scan, node.no).await?;
    let id = match known {
        Some(id) => id,
        None => {
            let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM menus WHERE scan_id = $1")
                .bind(scan.0)
                .fetch_one(&mut **tx)
                .await?;
            if count != i64::from(node.no.0) {
                return Err(Hole(node.no).into());
            }
            MenuId(next_id(tx, "menus").await?)
        }
    };
    // On a better hearing the time of discovery stays.
    sqlx::query(
        "INSERT INTO menus (id, scan_id, no, kind, transcripts, start_ms, end_ms, audio_file,
                            completed, checks, created_at, updated_at, heard_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, FALSE, $10, $9, $9, $9)
         ON CONFLICT (id) DO UPDATE
         SET kind = excluded.kind, transcripts = excluded.transcripts, old_text = NULL,
             old_debug = NULL, start_ms = excluded.start_ms, end_ms = excluded.end_ms,
             audio_file = excluded.audio_file, checks = excluded.checks",
    )
    .bind(id.0)
    .bind(scan.0)
    .bind(i64::from(node.no.0))
    .bind(kind_name(node.kind))
    .bind(transcripts_text(&node.transcripts)?)
    .bind(i64::from(node.start_ms))
    .bind(i64::from(node.end_ms))
    .bind(&node.audio_file)
    .bind(now)
    .bind(i64::from(node.checks))
    .execute(&mut **tx)
    .await?;
    variants::put(tx, id, &node.variants, now).await?;
    sqlx::query("DELETE FROM keys WHERE menu_id = $1").bind(id.0).execute(&mut **tx).await?;
    for (position, option) in (0_i64..).zip(&node.options) {
        insert_key(tx, id, position, &option.keys, Some(option)).await?;
    }
    for (keys, edge) in &node.edges {
        put_edge(tx, id, keys, edge).await?;
    }
    Ok(id)
}

async fn insert_key(
    tx: &mut Write,
    menu: MenuId,
    position: i64,
    keys: &Keys,
    option: Option<&MenuOption>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO keys (menu_id, position, keys, offered, label, said, start_ms, end_ms,
                           confidence)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(menu.0)
    .bind(position)
    .bind(keys.as_str())
    .bind(option.is_some())
    .bind(option.map_or("", |o| &o.label))
    .bind(option.map_or("", |o| &o.said))
    .bind(option.map_or(0, |o| i64::from(o.start_ms)))
    .bind(option.map_or(0, |o| i64::from(o.end_ms)))
    .bind(option.map_or(0.0, |o| f64::from(finite(o.confidence))))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores what is known of a key. A key that was offered twice has it on both rows; one that was
/// not offered gets a row of its own.
async fn put_edge(
    tx: &mut Write,
    menu: MenuId,
    keys: &Keys,
    edge: &Edge,
) -> Result<(), StoreError> {
    let (name, tried, target, dead_end) = match edge {
        Edge::Tried(times) => ("tried", Some(i64::from(*times)), None, None),
        Edge::Child(no) => ("child", None, Some(i64::from(no.0)), None),
        Edge::Link(no) => ("link", None, Some(i64::from(no.0)), None),
        Edge::Dead(why) => ("dead", None, None, Some(dead_end_name(*why))),
    };
    let update = || {
        sqlx::query(
            "UPDATE keys SET edge = $1, tried = $2, target_no = $3, dead_end = $4
             WHERE menu_id = $5 AND keys = $6",
        )
        .bind(name)
        .bind(tried)
        .bind(target)
        .bind(dead_end)
        .bind(menu.0)
        .bind(keys.as_str())
    };
    if update().execute(&mut **tx).await?.rows_affected() == 0 {
        let position: i64 = sqlx::query_scalar(
            "SELECT COALESCE(MAX(position), -1) + 1 FROM keys WHERE menu_id = $1",
        )
        .bind(menu.0)
        .fetch_one(&mut **tx)
        .await?;
        insert_key(tx, menu, position, keys, None).await?;
        update().execute(&mut **tx).await?;
    }
    Ok(())
}

/// Transcripts as they are stored. What is not a number would become `null` and never be read
/// again.
pub(super) fn transcripts_text(transcripts: &[Transcript]) -> Result<String, StoreError> {
    let mut transcripts = transcripts.to_vec();
    for transcript in &mut transcripts {
        transcript.confidence = finite(transcript.confidence);
        for word in &mut transcript.words {
            word.confidence = finite(word.confidence);
        }
    }
    serde_json::to_string(&transcripts).map_err(|e| StoreError::Senseless(e.to_string()))
}

fn finite(confidence: f32) -> f32 {
    if confidence.is_finite() { confidence } else { 0.0 }
}

/// A kind as it is stored, and as clients of the API read it.
pub(super) fn kind_name(kind: PromptKind) -> &'static str {
    match kind {
        PromptKind::Menu => "menu",
        PromptKind::Language => "language",
        PromptKind::Input => "input",
        PromptKind::Transfer => "transfer",
        PromptKind::Queue => "queue",
        PromptKind::Voicemail => "voicemail",
        PromptKind::Person => "person",
        PromptKind::Invalid => "invalid",
        PromptKind::Announcement => "announcement",
    }
}

/// The kind with this name.
pub(super) fn kind(name: &str) -> Result<PromptKind, StoreError> {
    [
        PromptKind::Menu,
        PromptKind::Language,
        PromptKind::Input,
        PromptKind::Transfer,
        PromptKind::Queue,
        PromptKind::Voicemail,
        PromptKind::Person,
        PromptKind::Invalid,
        PromptKind::Announcement,
    ]
    .into_iter()
    .find(|k| kind_name(*k) == name)
    .ok_or_else(|| StoreError::Senseless(format!("kind of prompt {name:?}")))
}

fn dead_end_name(why: DeadEnd) -> &'static str {
    match why {
        DeadEnd::HungUp => "hung_up",
        DeadEnd::Invalid => "invalid",
        DeadEnd::Silent => "silent",
        DeadEnd::NoEffect => "no_effect",
        DeadEnd::TooDeep => "too_deep",
    }
}

/// The reason with this name.
pub(super) fn dead_end(name: &str) -> Result<DeadEnd, StoreError> {
    [DeadEnd::HungUp, DeadEnd::Invalid, DeadEnd::Silent, DeadEnd::NoEffect, DeadEnd::TooDeep]
        .into_iter()
        .find(|w| dead_end_name(*w) == name)
        .ok_or_else(|| StoreError::Senseless(format!("dead end {name:?}")))
}
