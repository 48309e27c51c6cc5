//! Taking back what an earlier life, or a worker that is gone, had leased.

use sqlx::Row as _;

use super::{CallOutcome, Recovered, ScanStatus, end_call, parse_uuid};
use crate::store::{ScanId, Store, StoreError, Time, Write, calls, idempotency};

impl Store {
    /// Takes back what `owner` had leased in an earlier life, and all leases that ran out. To be
    /// called at start, before anything is leased.
    pub async fn recover(&self, owner: &str) -> Result<Recovered, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let mut recovered = release(&mut tx, Leases::Of(owner), now).await?;
        let ended = release(&mut tx, Leases::EndedBy(now), now).await?;
        // Calls that served no scan have no lease; with the directory to ourselves, whoever placed
        // them is gone.
        let stray = sqlx::query(
            "UPDATE calls SET state = 'aborted', ended_at = $1, reason = $2
             WHERE ended_at IS NULL AND scan_id IS NULL",
        )
        .bind(now.0)
        .bind(ABORTED)
        .execute(&mut *tx)
        .await?;
        recovered.scans += ended.scans;
        recovered.calls += ended.calls + stray.rows_affected();
        idempotency::interrupt(&mut tx).await?;
        tx.commit().await?;
        Ok(recovered)
    }
}

const ABORTED: &str = "the service stopped during the call";

/// Which leases are taken back.
pub(super) enum Leases<'a> {
    /// All of this owner.
    Of(&'a str),
    /// All that were not renewed in time.
    EndedBy(Time),
}

/// Takes leases back. Their calls are over, without an outcome: news is what the tree got since the
/// call began, so that a call which ends the service each time is given up like any other.
pub(super) async fn release(
    tx: &mut Write,
    leases: Leases<'_>,
    now: Time,
) -> Result<Recovered, StoreError> {
    let (owner, until) = match leases {
        Leases::Of(owner) => (Some(owner), None),
        Leases::EndedBy(time) => (None, Some(time.0)),
    };
    let rows = sqlx::query(
        "SELECT s.id, s.call_uuid, c.id AS call_id,
                EXISTS (SELECT 1 FROM menus m
                        WHERE m.scan_id = s.id AND m.updated_at >= c.started_at) AS news
         FROM scans s LEFT JOIN calls c ON c.uuid = s.call_uuid
         WHERE s.lease_owner = $1 OR s.lease_until <= $2",
    )
    .bind(owner)
    .bind(until)
    .fetch_all(&mut **tx)
    .await?;
    let mut recovered = Recovered::default();
    for row in rows {
        let scan = ScanId(row.try_get("id")?);
        recovered.scans += 1;
        if row.try_get::<Option<i64>, _>("call_id")?.is_some() {
            let outcome = CallOutcome {
                news: row.try_get("news")?,
                reason: ABORTED.to_owned(),
                ..CallOutcome::default()
            };
            let uuid = parse_uuid(row.try_get("call_uuid")?)?;
            calls::abort(tx, uuid, ABORTED, now).await?;
            calls::abort_helpers(tx, scan, ABORTED, now).await?;
            recovered.calls += 1;
            end_call(tx, scan, &outcome, Some(now), now).await?;
        } else {
            // The call had not begun: it is still due, under the id that was given out, unless a
            // newer scan took the number over.
            sqlx::query(
                "UPDATE scans SET lease_owner = NULL, lease_until = NULL, status = $1,
                     next_call_at = CASE WHEN EXISTS (
                         SELECT 1 FROM scans o WHERE o.number_id = scans.number_id
                                                 AND o.id > scans.id)
                         THEN NULL ELSE next_call_at END
                 WHERE id = $2",
            )
            .bind(ScanStatus::Pending.code())
            .bind(scan.0)
            .execute(&mut **tx)
            .await?;
        }
    }
    Ok(recovered)
}
