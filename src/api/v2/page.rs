//! Pages of a list by cursor.

use crate::store::StoreError;

/// Rows of a page when the client does not say.
const DEFAULT_LIMIT: u32 = 100;
/// Rows of the largest page.
const MAX_LIMIT: u32 = 1_000;

/// Which part of a list.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The cursor: what `next` said in the answer before.
    pub(super) after: Option<String>,
    /// Rows of the page, 100 by itself; more than 1000 are cut to that.
    limit: Option<u32>,
}

impl Page {
    /// The rows of the page, and the cursor of the next if there is one. `read` reads so many rows.
    pub(super) async fn cut<T, C, F>(
        &self,
        read: impl FnOnce(u32) -> F,
        cursor: impl Fn(&T) -> C,
    ) -> Result<(Vec<T>, Option<C>), StoreError>
    where
        F: Future<Output = Result<Vec<T>, StoreError>>,
    {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
        // One more tells whether there is a next page.
        let mut rows = read(limit + 1).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(cursor);
        Ok((rows, next))
    }
}
