//! What the API reads: numbers, scans by page, trees.

use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    MenuId, NumberId, ScanId, Store, StoreError, Time,
    queue::ScanStatus,
    tree::{dead_end, kind},
    variants,
};
use crate::{
    crawl::tree::{Edge, Keys, MenuOption, Node, NodeNo, PromptKind, Variant},
    speech::{CallMs, Transcript, Word},
};

/// A number as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberRow {
    /// Its id.
    pub id: NumberId,
    /// The number as it was first written; `None` only in rows of an older service.
    pub number: Option<String>,
    /// Whose number it is.
    pub business_name: Option<String>,
    /// Whether calls are placed without being asked for.
    pub retry_auto: bool,
    /// Calls placed.
    pub attempt: i64,
    /// Whether nothing is left to explore.
    pub completed: bool,
    /// When it was first asked for.
    pub created_at: Time,
    /// When something changed.
    pub updated_at: Time,
}

/// Where a menu is, and how far it was explored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberOfMenu {
    /// Its number.
    pub number: Option<String>,
    /// Whether nothing is left to explore there.
    pub completed: bool,
}

/// A scan with what clients want to know of its number.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanRow {
    /// Its id.
    pub id: ScanId,
    /// The number.
    pub number: Option<String>,
    /// Whose number it is.
    pub business_name: Option<String>,
    /// Whether nothing is left to explore at the number.
    pub number_completed: bool,
    /// Where it stands.
    pub status: ScanStatus,
    /// The number's attempt when the scan's latest call was placed.
    pub attempt: i64,
    /// Whether nothing is left to explore in this scan.
    pub completed: bool,
    /// Why it ended, or why its latest call brought no news.
    pub reason: Option<String>,
    /// When it was asked for; `None` only in rows of an older service.
    pub created_at: Option<Time>,
    /// When something changed.
    pub updated_at: Option<Time>,
}

/// Which scans are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanFilter {
    /// Only those of this number, compared exactly.
    pub number: Option<String>,
}

/// A number's newest scan that heard something, with its menus in the order of their numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanTree {
    /// The scan.
    pub scan: ScanRow,
    /// Its menus; the first is the root.
    pub menus: Vec<MenuRow>,
}

/// A menu as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct MenuRow {
    /// Its id.
    pub id: MenuId,
    /// Its number within the scan.
    pub no: NodeNo,
    /// What kind of prompt it is.
    pub kind: PromptKind,
    /// What was said.
    pub text: MenuText,
    /// Where it begins on the clock of the call in which it was heard.
    pub start_ms: CallMs,
    /// Where it ends.
    pub end_ms: CallMs,
    /// Its recording, relative to the data directory.
    pub audio_file: Option<String>,
    /// Whether it is known of each of its keys where it leads.
    pub completed: bool,
    /// Its keys in the order in which they were said.
    pub keys: Vec<KeyRow>,
    /// When it was heard first; `None` only in rows of an older service.
    pub first_heard: Option<Time>,
    /// When it was heard last; `None` in rows from before this was kept.
    pub last_heard: Option<Time>,
    /// How often it was heard.
    pub hearings: u32,
    /// How often it was heard again because it was not understood well.
    pub checks: u32,
    /// What else was heard in its place.
    pub variants: Vec<Variant>,
}

/// What was said in a menu.
#[derive(Clone, Debug, PartialEq)]
pub enum MenuText {
    /// As we heard it.
    Heard(Vec<Transcript>),
    /// As an older service kept it.
    Old {
        /// The text with its leading blank.
        text: Option<String>,
        /// The recogniser's answer, JSON if all went well.
        debug: Option<String>,
    },
}

/// A key of a menu.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRow {
    /// What to press; `None` only in rows of an older service, which may also have an empty text.
    pub keys: Option<String>,
    /// False for a key that was tried without having been offered.
    pub offered: bool,
    /// What it is for.
    pub label: String,
    /// The words in which it was offered; `None` only in rows of an older service.
    pub said: Option<String>,
    /// Where these words begin.
    pub start_ms: CallMs,
    /// Where they end.
    pub end_ms: CallMs,
    /// Between 0 and 1.
    pub confidence: f32,
    /// What is known of it; `None` is unexplored.
    pub edge: Option<Edge>,
}

impl KeyRow {
    /// The prompt that it leads to.
    pub fn target(&self) -> Option<NodeNo> {
        match self.edge {
            Some(Edge::Child(no) | Edge::Link(no)) => Some(no),
            Some(Edge::Tried(_) | Edge::Dead(_)) | None => None,
        }
    }
}

/// What a [`ScanRow`] is read from.
pub(super) const SCAN_COLUMNS: &str =
    "SELECT s.id, s.status, s.attempt, s.completed, s.reason, s.created_at,
        s.updated_at, n.number, n.business_name, n.completed AS number_completed
 FROM scans s JOIN numbers n ON n.id = s.number_id";

impl Store {
    /// The number that is written exactly so.
    pub async fn number(&self, number: &str) -> Result<Option<NumberRow>, StoreError> {
        if unstorable(number) {
            return Ok(None);
        }
        let row = sqlx::query("SELECT * FROM numbers WHERE number = $1 AND duplicate_of IS NULL")
            .bind(number)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(number_row).transpose()
    }

    /// What a call to a menu must know of it; `None` if there is no such menu.
    pub async fn number_of_menu(&self, menu: MenuId) -> Result<Option<NumberOfMenu>, StoreError> {
        let row = sqlx::query(
            "SELECT n.number, m.completed FROM menus m JOIN scans s ON s.id = m.scan_id
             JOIN numbers n ON n.id = s.number_id WHERE m.id = $1",
        )
        .bind(menu.0)
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(NumberOfMenu {
            number: row.try_get("number")?,
            completed: row.try_get("completed")?,
        }))
    }

    /// How many scans there are in all, and `limit` of them from `offset` on, the newest first.
    pub async fn scans(
        &self,
        filter: &ScanFilter,
        limit: u32,
        offset: u64,
    ) -> Result<(u64, Vec<ScanRow>), StoreError> {
        if filter.number.as_deref().is_some_and(unstorable) {
            return Ok((0, Vec::new()));
        }
        const OF_ALL: &str = "SELECT last FROM counters WHERE name = 'scan_rows'";
        // An older service may hold a number twice.
        const OF_NUMBER: &str =
            "SELECT CAST(COALESCE(SUM(scans), 0) AS BIGINT) FROM numbers WHERE number = $1";
        let (count, page) = match filter.number {
            None => (OF_ALL, format!("{SCAN_COLUMNS} ORDER BY s.id DESC LIMIT $1 OFFSET $2")),
            Some(_) => (
                OF_NUMBER,
                format!("{SCAN_COLUMNS} WHERE n.number = $3 ORDER BY s.id DESC LIMIT $1 OFFSET $2"),
            ),
        };
        // Of two statements the count comes first: a scan that comes between them is on a page that
        // says one too few, and not missing from one that counts it.
        let mut query = sqlx::query_scalar::<_, i64>(count);
        if let Some(number) = &filter.number {
            query = query.bind(number);
        }
        let count = query.fetch_one(&self.readers).await?;
        let count = u64::try_from(count).unwrap_or(0);
        if offset >= count {
            return Ok((count, Vec::new()));
        }
        // Safe: put together from constants.
        let mut query = sqlx::query(sqlx::AssertSqlSafe(page))
            .bind(i64::from(limit))
            .bind(i64::try_from(offset).unwrap_or(i64::MAX));
        if let Some(number) = &filter.number {
            query = query.bind(number);
        }
        let rows = query.fetch_all(&self.readers).await?;
        Ok((count, rows.iter().map(scan_row).collect::<Result<_, _>>()?))
    }

    /// A scan.
    pub async fn scan(&self, scan: ScanId) -> Result<Option<ScanRow>, StoreError> {
        let mut tx = self.begin_read().await?;
        find_scan(&mut tx, scan).await
    }

    /// The newest scan of a number that has a menu, with its tree; `None` when there is none.
    pub async fn newest_tree(&self, number: NumberId) -> Result<Option<ScanTree>, StoreError> {
        let mut tx = self.begin_read().await?;
        let id: Option<i64> = sqlx::query_scalar(
            "SELECT s.id FROM scans s
             WHERE s.number_id = $1 AND EXISTS (SELECT 1 FROM menus m WHERE m.scan_id = s.id)
             ORDER BY s.id DESC LIMIT 1",
        )
        .bind(number.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(id) = id.map(ScanId) else { return Ok(None) };
        let Some(scan) = find_scan(&mut tx, id).await? else { return Ok(None) };
        Ok(Some(ScanTree { scan, menus: menus(&mut tx, id).await? }))
    }

    /// A scan with its menus, of which there may be none.
    pub async fn scan_tree(&self, scan: ScanId) -> Result<Option<ScanTree>, StoreError> {
        let mut tx = self.begin_read().await?;
        let Some(row) = find_scan(&mut tx, scan).await? else { return Ok(None) };
        Ok(Some(ScanTree { scan: row, menus: menus(&mut tx, scan).await? }))
    }

    /// The scans of a number that have a menu and came before this one, at most `limit`, the newest
    /// first.
    pub async fn scans_with_menus(
        &self,
        number: NumberId,
        before: ScanId,
        limit: u32,
    ) -> Result<Vec<ScanId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT s.id FROM scans s
             WHERE s.number_id = $1 AND s.id < $2
               AND EXISTS (SELECT 1 FROM menus m WHERE m.scan_id = s.id)
             ORDER BY s.id DESC LIMIT $3",
        )
        .bind(number.0)
        .bind(before.0)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        Ok(ids.into_iter().map(ScanId).collect())
    }

    /// The recording of a menu, relative to the data directory; `None` if there is no such menu, or
    /// none of it.
    pub async fn menu_recording(&self, menu: MenuId) -> Result<Option<String>, StoreError> {
        let file: Option<Option<String>> =
            sqlx::query_scalar("SELECT audio_file FROM menus WHERE id = $1")
                .bind(menu.0)
                .fetch_optional(&self.readers)
                .await?;
        Ok(file.flatten())
    }

    /// The menus of a scan in the order of their numbers.
    pub(super) async fn menus(&self, scan: ScanId) -> Result<Vec<MenuRow>, StoreError> {
        let mut tx = self.begin_read().await?;
        menus(&mut tx, scan).await
    }
}

/// A number from its row.
pub(super) fn number_row(row: &SqliteRow) -> Result<NumberRow, StoreError> {
    Ok(NumberRow {
        id: NumberId(row.try_get("id")?),
        number: row.try_get("number")?,
        business_name: row.try_get("business_name")?,
        retry_auto: row.try_get("retry_auto")?,
        attempt: row.try_get("attempt")?,
        completed: row.try_get("completed")?,
        created_at: Time(row.try_get("created_at")?),
        updated_at: Time(row.try_get("updated_at")?),
    })
}

/// No row holds a NUL, and PostgreSQL refuses even to look for one.
fn unstorable(text: &str) -> bool {
    text.contains('\0')
}

async fn find_scan(tx: &mut SqliteConnection, scan: ScanId) -> Result<Option<ScanRow>, StoreError> {
    // Safe: put together from constants.
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{SCAN_COLUMNS} WHERE s.id = $1")))
        .bind(scan.0)
        .fetch_optional(&mut *tx)
        .await?;
    row.as_ref().map(scan_row).transpose()
}

/// A scan from its row.
pub(super) fn scan_row(row: &SqliteRow) -> Result<ScanRow, StoreError> {
    let status: i64 = row.try_get("status")?;
    Ok(ScanRow {
        id: ScanId(row.try_get("id")?),
        number: row.try_get("number")?,
        business_name: row.try_get("business_name")?,
        number_completed: row.try_get("number_completed")?,
        status: ScanStatus::from_code(status)
            .ok_or_else(|| StoreError::Senseless(format!("status {status} of a scan")))?,
        attempt: row.try_get("attempt")?,
        completed: row.try_get("completed")?,
        reason: row.try_get("reason")?,
        created_at: row.try_get::<Option<i64>, _>("created_at")?.map(Time),
        updated_at: row.try_get::<Option<i64>, _>("updated_at")?.map(Time),
    })
}

async fn menus(tx: &mut SqliteConnection, scan: ScanId) -> Result<Vec<MenuRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM menus WHERE scan_id = $1 ORDER BY no")
        .bind(scan.0)
        .fetch_all(&mut *tx)
        .await?;
    let mut menus = rows.iter().map(menu_row).collect::<Result<Vec<_>, _>>()?;
    let rows = sqlx::query(
        "SELECT m.no AS menu_no, k.* FROM keys k JOIN menus m ON m.id = k.menu_id
         WHERE m.scan_id = $1 ORDER BY m.no, k.position",
    )
    .bind(scan.0)
    .fetch_all(&mut *tx)
    .await?;
    for row in &rows {
        let no = number_from(row, "menu_no")?;
        // Numbers have no holes, so that a menu's number is its place.
        if let Some(menu) = menus.get_mut(no as usize).filter(|m| m.no.0 == no) {
            menu.keys.push(key_row(row)?);
        }
    }
    for (no, variant) in variants::of_scan(tx, scan).await? {
        if let Some(menu) = menus.get_mut(no.0 as usize).filter(|m| m.no == no) {
            menu.variants.push(variant);
        }
    }
    Ok(menus)
}

pub(super) fn number_from(row: &SqliteRow, column: &str) -> Result<u32, StoreError> {
    let value: i64 = row.try_get(column)?;
    u32::try_from(value).map_err(|_| StoreError::Senseless(format!("{column} {value}")))
}

fn menu_row(row: &SqliteRow) -> Result<MenuRow, StoreError> {
    let id: i64 = row.try_get("id")?;
    let text = match row.try_get::<Option<&str>, _>("transcripts")? {
        Some(json) => MenuText::Heard(serde_json::from_str(json).map_err(|e| {
            StoreError::Senseless(format!("the transcripts of menu {id} are not readable: {e}"))
        })?),
        None => MenuText::Old { text: row.try_get("old_text")?, debug: row.try_get("old_debug")? },
    };
    Ok(MenuRow {
        id: MenuId(id),
        no: NodeNo(number_from(row, "no")?),
        kind: kind(row.try_get("kind")?)?,
        text,
        start_ms: number_from(row, "start_ms")?,
        end_ms: number_from(row, "end_ms")?,
        audio_file: row.try_get("audio_file")?,
        completed: row.try_get("completed")?,
        keys: Vec::new(),
        first_heard: row.try_get::<Option<i64>, _>("created_at")?.map(Time),
        last_heard: row.try_get::<Option<i64>, _>("heard_at")?.map(Time),
        hearings: number_from(row, "hearings")?,
        checks: number_from(row, "checks")?,
        variants: Vec::new(),
    })
}

fn key_row(row: &SqliteRow) -> Result<KeyRow, StoreError> {
    let edge = match row.try_get::<Option<&str>, _>("edge")? {
        None => None,
        Some("tried") => Some(Edge::Tried(number_from(row, "tried")?)),
        Some("child") => Some(Edge::Child(NodeNo(number_from(row, "target_no")?))),
        Some("link") => Some(Edge::Link(NodeNo(number_from(row, "target_no")?))),
        Some("dead") => Some(Edge::Dead(dead_end(row.try_get("dead_end")?)?)),
        Some(other) => return Err(StoreError::Senseless(format!("edge {other:?}"))),
    };
    Ok(KeyRow {
        keys: row.try_get("keys")?,
        offered: row.try_get("offered")?,
        label: row.try_get("label")?,
        said: row.try_get("said")?,
        start_ms: number_from(row, "start_ms")?,
        end_ms: number_from(row, "end_ms")?,
        // Stored from an f32, so that nothing is lost.
        confidence: row.try_get::<f64, _>("confidence")? as f32,
        edge,
    })
}

impl MenuRow {
    /// The menu as the crawl knows it. Of an older service's row it takes what it can: keys that
    /// no telephone has are left out, and so is a recogniser's answer that is not readable.
    pub(super) fn node(self) -> Result<Node, StoreError> {
        let transcripts = match self.text {
            MenuText::Heard(transcripts) => transcripts,
            MenuText::Old { debug, .. } => {
                debug.as_deref().map(old_transcripts).unwrap_or_default()
            }
        };
        let mut node = Node {
            no: self.no,
            kind: self.kind,
            transcripts,
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            options: Vec::new(),
            audio_file: self.audio_file,
            edges: std::collections::BTreeMap::new(),
            checks: self.checks,
            variants: self.variants,
        };
        for row in self.keys {
            let Some(keys) = row.keys.as_deref().and_then(Keys::try_new) else { continue };
            if let Some(edge) = row.edge {
                node.edges.insert(keys.clone(), edge);
            }
            if row.offered {
                node.options.push(MenuOption {
                    keys,
                    label: row.label,
                    said: row.said.unwrap_or_default(),
                    start_ms: row.start_ms,
                    end_ms: row.end_ms,
                    confidence: row.confidence,
                });
            }
        }
        Ok(node)
    }
}

/// A result of an older service's recogniser: its transcript, confidence, and words with times.
#[derive(serde::Deserialize)]
struct OldResult {
    confidence: f32,
    #[serde(default)]
    timestamps: Vec<(String, f64, f64)>,
}

fn old_transcripts(debug: &str) -> Vec<Transcript> {
    let results: Vec<OldResult> = serde_json::from_str(debug).unwrap_or_default();
    // A cast from a float saturates: nothing from outside can go wrong here.
    let ms = |seconds: f64| (seconds * 1000.0).round() as CallMs;
    let transcript = |result: OldResult| Transcript {
        words: result
            .timestamps
            .into_iter()
            .map(|(text, start, end)| Word {
                text,
                start_ms: ms(start),
                end_ms: ms(end),
                confidence: result.confidence,
            })
            .collect(),
        confidence: result.confidence,
    };
    results.into_iter().map(transcript).collect()
}
