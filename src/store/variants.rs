//! What else was heard in a prompt's place, in the database.

use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    MenuId, ScanId, StoreError, Write,
    read::number_from,
    tree::{kind, kind_name, transcripts_text},
};
use crate::crawl::tree::{MAX_VARIANTS, NodeNo, Standing, Variant};

/// Stores all variants of a menu in the place of those that it has. Times that are not known yet are
/// those of now.
pub(super) async fn put(
    tx: &mut Write,
    menu: MenuId,
    variants: &[Variant],
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM variants WHERE menu_id = $1").bind(menu.0).execute(&mut **tx).await?;
    for (position, variant) in (0_i64..).zip(variants).take(MAX_VARIANTS) {
        sqlx::query(
            "INSERT INTO variants (menu_id, position, standing, kind, transcripts, start_ms, end_ms,
                                   audio_file, first_heard_at, last_heard_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(menu.0)
        .bind(position)
        .bind(standing_name(variant.standing))
        .bind(kind_name(variant.kind))
        .bind(transcripts_text(&variant.transcripts)?)
        .bind(i64::from(variant.start_ms))
        .bind(i64::from(variant.end_ms))
        .bind(&variant.audio_file)
        .bind(variant.first_heard.unwrap_or(now))
        .bind(variant.last_heard.unwrap_or(now))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// The variants of a scan's menus, each with the number of its menu, in their order.
pub(super) async fn of_scan(
    tx: &mut SqliteConnection,
    scan: ScanId,
) -> Result<Vec<(NodeNo, Variant)>, StoreError> {
    let rows = sqlx::query(
        "SELECT m.no AS menu_no, v.* FROM variants v JOIN menus m ON m.id = v.menu_id
         WHERE m.scan_id = $1 ORDER BY m.no, v.position",
    )
    .bind(scan.0)
    .fetch_all(&mut *tx)
    .await?;
    rows.iter().map(|row| Ok((NodeNo(number_from(row, "menu_no")?), variant(row)?))).collect()
}

fn variant(row: &SqliteRow) -> Result<Variant, StoreError> {
    let json: &str = row.try_get("transcripts")?;
    Ok(Variant {
        standing: standing(row.try_get("standing")?)?,
        kind: kind(row.try_get("kind")?)?,
        transcripts: serde_json::from_str(json).map_err(|e| {
            StoreError::Senseless(format!("the transcripts of a variant are not readable: {e}"))
        })?,
        start_ms: number_from(row, "start_ms")?,
        end_ms: number_from(row, "end_ms")?,
        audio_file: row.try_get("audio_file")?,
        first_heard: Some(row.try_get("first_heard_at")?),
        last_heard: Some(row.try_get("last_heard_at")?),
    })
}

fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Suspected => "suspected",
        Standing::AtTimes => "at_times",
        Standing::Former => "former",
    }
}

fn standing(name: &str) -> Result<Standing, StoreError> {
    [Standing::Suspected, Standing::AtTimes, Standing::Former]
        .into_iter()
        .find(|s| standing_name(*s) == name)
        .ok_or_else(|| StoreError::Senseless(format!("standing of a variant {name:?}")))
}
