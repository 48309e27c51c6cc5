//! Lists by page, the newest row first.
//!
//! A page begins behind the last row of the page before, named by its time and id, and not at a
//! count of rows: that costs the same however far the client has read, and rows that come meanwhile
//! shift nothing.

use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::{
    CallRecord, CallState, DidRow, ExtensionId, ExtensionRow, NumberRow, ScanId, ScanRow,
    ScanStatus, ScheduleRow, SmsRow, SmsState, Store, StoreError, Time,
    read::{number_row, scan_row},
};

/// A row's place in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The row's time.
    pub at: Time,
    /// The row's id.
    pub id: i64,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Behind this row; `None` from the newest on.
    pub after: Option<Place>,
    /// So many rows at most.
    pub limit: u32,
}

/// A time from `since` until before `until`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub since: Option<Time>,
    /// The first moment that is no more in it.
    pub until: Option<Time>,
}

/// Which calls are meant: those that fit all that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// To this number, compared exactly.
    pub number: Option<String>,
    /// In this state.
    pub state: Option<CallState>,
    /// Of this scan.
    pub scan: Option<ScanId>,
    /// Placed then.
    pub placed: Span,
}

/// Which numbers are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberFilter {
    /// This one, compared exactly.
    pub number: Option<String>,
    /// Those at which nothing, or something, is left to explore.
    pub completed: Option<bool>,
    /// First asked for then.
    pub created: Span,
}

/// Which scans are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScansOf {
    /// Of this number, compared exactly.
    pub number: Option<String>,
    /// With this status.
    pub status: Option<ScanStatus>,
    /// Asked for then.
    pub created: Span,
}

/// Which messages are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmsFilter {
    /// To this number, compared exactly.
    pub number: Option<String>,
    /// In this state.
    pub state: Option<SmsState>,
    /// Accepted then.
    pub created: Span,
}

/// Which numbers of ours are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DidFilter {
    /// This one, compared exactly.
    pub number: Option<String>,
    /// Those that lead to this extension.
    pub extension: Option<ExtensionId>,
}

/// Rows with their places.
type Page<T> = Result<Vec<(Place, T)>, StoreError>;

impl Store {
    /// Calls, the newest first.
    pub async fn list_calls(&self, filter: &CallFilter, slice: Slice) -> Page<CallRecord> {
        let mut query = Listing::of("SELECT c.* FROM calls c", "c.started_at", "c.id");
        query.text("c.number", filter.number.as_deref());
        let is_narrow = filter.number.is_some() || filter.scan.is_some();
        query.text(
            unless(is_narrow, "c.state", "c.state || ''"),
            filter.state.map(CallState::as_str),
        );
        query.number("c.scan_id", filter.scan.map(|scan| scan.0));
        query.page(filter.placed, slice);
        self.rows(query, "started_at", super::calls::record).await
    }

    /// Numbers that were asked for, the newest first.
    pub async fn list_numbers(&self, filter: &NumberFilter, slice: Slice) -> Page<NumberRow> {
        let mut query = Listing::of(
            "SELECT n.* FROM numbers n WHERE n.duplicate_of IS NULL",
            "n.created_at",
            "n.id",
        );
        query.text("n.number", filter.number.as_deref());
        if let Some(completed) = filter.completed {
            query.query.push(" AND n.completed = ").push_bind(completed);
        }
        query.page(filter.created, slice);
        self.rows(query, "created_at", number_row).await
    }

    /// Scans, the newest first.
    pub async fn list_scans(&self, filter: &ScansOf, slice: Slice) -> Page<ScanRow> {
        let mut query = Listing::of(super::read::SCAN_COLUMNS, "COALESCE(s.created_at, 0)", "s.id");
        query.text("n.number", filter.number.as_deref());
        let status = unless(filter.number.is_some(), "s.status", "s.status + 0");
        query.number(status, filter.status.map(ScanStatus::code));
        query.page(filter.created, slice);
        self.rows(query, "created_at", scan_row).await
    }

    /// Messages that were to be sent, the newest first.
    pub async fn list_sms(&self, filter: &SmsFilter, slice: Slice) -> Page<SmsRow> {
        let mut query = Listing::of("SELECT m.* FROM sms m", "m.created_at", "m.id");
        query.text("m.sms_to", filter.number.as_deref());
        let state = unless(filter.number.is_some(), "m.state", "m.state || ''");
        query.text(state, filter.state.map(SmsState::as_str));
        query.page(filter.created, slice);
        self.rows(query, "created_at", super::sms::read).await
    }

    /// Extensions, the newest first; with a name only the one that is called exactly so.
    pub async fn list_extensions(
        &self,
        sip_username: Option<&str>,
        slice: Slice,
    ) -> Page<ExtensionRow> {
        let mut query = Listing::of(super::extensions::COLUMNS, "e.created_at", "e.id");
        query.text("e.sip_username", sip_username);
        query.page(Span::default(), slice);
        self.rows(query, "created_at", |row| self.extension_row(row)).await
    }

    /// Numbers of ours, the newest first.
    pub async fn list_dids(&self, filter: &DidFilter, slice: Slice) -> Page<DidRow> {
        let mut query = Listing::of(super::dids::COLUMNS, "n.created_at", "n.id");
        query.text("n.phonenumber", filter.number.as_deref());
        query.number("n.extension_id", filter.extension.map(|extension| extension.0));
        query.page(Span::default(), slice);
        self.rows(query, "created_at", super::dids::did_row).await
    }

    /// Schedules, the newest first.
    pub async fn list_schedules(&self, number: Option<&str>, slice: Slice) -> Page<ScheduleRow> {
        let mut query = Listing::of("SELECT p.* FROM schedules p", "p.created_at", "p.id");
        query.text("p.number", number);
        query.page(Span::default(), slice);
        self.rows(query, "created_at", super::schedules::schedule_row).await
    }

    async fn rows<T>(
        &self,
        mut listing: Listing,
        at: &str,
        read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Page<T> {
        let rows = listing.query.build().fetch_all(&self.readers).await?;
        let placed = |row: &SqliteRow| {
            let at = Time(row.try_get::<Option<i64>, _>(at)?.unwrap_or(0));
            Ok((Place { at, id: row.try_get("id")? }, read(row)?))
        };
        rows.iter().map(placed).collect()
    }
}

/// A column, or the same as an expression that no index has: of two conditions the one on few rows
/// must choose the index, and without statistics a database cannot know which that is.
fn unless(is_narrow: bool, column: &'static str, expression: &'static str) -> &'static str {
    if is_narrow { expression } else { column }
}

/// A query that grows: only what a client asked for stands in it, so that the database can choose
/// the index for that.
struct Listing {
    query: QueryBuilder<Sqlite>,
    at: &'static str,
    id: &'static str,
}

impl Listing {
    /// The rows of `select`, ordered by these two columns.
    fn of(select: &str, at: &'static str, id: &'static str) -> Self {
        let condition = if select.contains(" WHERE ") { "" } else { " WHERE 1 = 1" };
        Self { query: QueryBuilder::new(format!("{select}{condition}")), at, id }
    }

    fn text(&mut self, column: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        // No row holds a NUL, and PostgreSQL refuses even to look for one.
        let value = value.split('\0').next().filter(|part| part.len() == value.len());
        self.query.push(format!(" AND {column} = ")).push_bind(value.map(str::to_owned));
    }

    fn number(&mut self, column: &str, value: Option<i64>) {
        let Some(value) = value else { return };
        self.query.push(format!(" AND {column} = ")).push_bind(value);
    }

    fn page(&mut self, span: Span, slice: Slice) {
        let Self { query, at, id } = self;
        if let Some(since) = span.since {
            query.push(format!(" AND {at} >= ")).push_bind(since.0);
        }
        if let Some(until) = span.until {
            query.push(format!(" AND {at} < ")).push_bind(until.0);
        }
        if let Some(Place { at: last, id: last_id }) = slice.after {
            // Said twice: SQLite finds the beginning in an index of an expression by this only.
            query.push(format!(" AND {at} <= ")).push_bind(last.0);
            query.push(format!(" AND ({at}, {id}) < (")).push_bind(last.0);
            query.push(", ").push_bind(last_id).push(")");
        }
        query.push(format!(" ORDER BY {at} DESC, {id} DESC LIMIT "));
        query.push_bind(i64::from(slice.limit));
    }
}
