//! The database: what was asked for, what was called, what was heard. All SQL is in this module.
//!
//! One [`Store`] has one data directory for itself. What a method returned `Ok` for is on disk:
//! it survives the end of the process at any moment, and of the machine's power too
//! (`synchronous=FULL`; in WAL mode `NORMAL` would survive a killed process, but a power cut could
//! take back the last commits. A commit costs one fsync; commits come at the pace at which a menu
//! is spoken, and what was heard cost a phone call).
//!
//! The SQL is in one dialect that SQLite and PostgreSQL both accept, with `$1` placeholders.
//! What differs is in this file: how a connection is opened, and how a transaction that will write
//! begins.

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize,
            serde::Deserialize,
        )]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

mod audit;
mod calls;
mod deliveries;
mod dids;
mod error;
mod extensions;
mod halt;
mod idempotency;
mod import;
mod lists;
mod opt_outs;
mod purchases;
mod queue;
mod read;
mod registrations;
mod schedules;
mod sms;
mod tokens;
mod tree;
mod users;
mod variants;
mod vault;

#[cfg(test)]
mod tests;

use std::{
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use phoneai_clock::Clock;
use sqlx::{
    Connection as _, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Notify;

pub use self::{
    audit::{AuditId, AuditRow, MAX_AUDIT, Verdict},
    calls::{CallEnd, CallRecord, CallState, CallStep, NewCall},
    deliveries::{Delivery, DeliveryId, DeliveryOutcome, MAX_SPOOL},
    dids::{DidChange, DidRow},
    error::StoreError,
    extensions::{ExtensionChange, ExtensionRow, SipAccount, Unique},
    halt::Halt,
    idempotency::{KeptAnswer, KeyClaim, KeyedRequest, MAX_KEYS_OF_USER},
    import::{
        Import, OldDid, OldDomain, OldExtension, OldIncoming, OldKey, OldMenu, OldNumber,
        OldProvider, OldScan, OldSipUser, OldSms, OldUser,
    },
    lists::{CallFilter, DidFilter, NumberFilter, Place, ScansOf, Slice, SmsFilter, Span},
    opt_outs::{MAX_OPT_OUTS, OptOut},
    purchases::{PurchaseId, PurchaseRow, PurchaseState},
    queue::{
        AfterCall, CallOutcome, CrawlAnswer, CrawlRequest, New, Recovered, ScanJob, ScanStatus,
    },
    read::{KeyRow, MenuRow, MenuText, NumberOfMenu, NumberRow, ScanFilter, ScanRow, ScanTree},
    registrations::{AccountsMark, SealedAccount, StoredBinding},
    schedules::{EndedScan, MAX_SCHEDULES, NewSchedule, ScheduleId, ScheduleRow},
    sms::{
        IncomingId, NewIncoming, NewReceipt, NewSms, SmsId, SmsOutcome, SmsRow, SmsState,
        TakenIncoming,
    },
    tokens::{Authenticated, TokenCheck},
    users::{NewSession, Session, UserChange, UserRow},
};

/// Connections that only read.
const READERS: u32 = 4;
/// So long another program may hold the database before we give up.
const BUSY_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 1000 } else { 5000 });
/// The database in the data directory.
const DATABASE_FILE: &str = "phoneai.db";
/// Held locked as long as a store is open.
const LOCK_FILE: &str = "phoneai.lock";

row_id!(
    /// A user, who owns tokens.
    UserId
);
row_id!(
    /// A number that was asked for.
    NumberId
);
row_id!(
    /// One crawl of a number.
    ScanId
);
row_id!(
    /// A prompt of a scan's tree, unique over all scans.
    MenuId
);
row_id!(
    /// A softphone's account.
    ExtensionId
);
row_id!(
    /// A telephone number of ours.
    DidId
);

/// A moment, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    /// The moment `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long it is from `earlier` until this moment; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The database of one data directory; copies share it. The directory is free for another process
/// when the last copy is dropped or the process ends, however it ends.
#[derive(Clone, Debug)]
pub struct Store {
    /// One connection, so that writers queue here and not in the database.
    writer: SqlitePool,
    readers: SqlitePool,
    clock: Clock,
    max_attempt: u32,
    vault: vault::Vault,
    dir: Arc<Path>,
    /// See [`Store::generation`].
    changes: Arc<AtomicU64>,
    /// See [`Store::deliveries`].
    deliveries: Arc<Notify>,
    /// None in a store that has joined another process.
    _lock: Option<Arc<File>>,
}

impl Store {
    /// Opens the database in `dir`, makes both if they are not there, and brings the tables up to
    /// date.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process, or another store of this one, has the directory;
    /// otherwise what is wrong with the directory or the file and what to do.
    pub async fn open(dir: &Path, clock: Clock) -> Result<Self, StoreError> {
        let lock = lock(dir)?;
        let store = Self::connect(dir, clock, Some(lock)).await?;
        sqlx::migrate!("src/store/migrations").run(&store.writer).await?;
        Ok(store)
    }

    /// As [`Store::open`], but joins the process that has the directory, if one has. For commands
    /// that are done at once, such as making a token, beside a running service. The tables are
    /// those of the process that runs.
    ///
    /// # Errors
    /// What is wrong with the directory or the file and what to do.
    pub async fn join(dir: &Path, clock: Clock) -> Result<Self, StoreError> {
        match Self::open(dir, clock).await {
            Err(StoreError::InUse { .. }) => Self::connect(dir, clock, None).await,
            opened => opened,
        }
    }

    async fn connect(dir: &Path, clock: Clock, lock: Option<File>) -> Result<Self, StoreError> {
        let file = dir.join(DATABASE_FILE);
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(lock.is_some())
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY_TIMEOUT * 2)
            // A full disk makes SQLite end a transaction by itself, which leaves the driver in the
            // belief that it is in one: such a connection would refuse every later transaction.
            .before_acquire(|connection, _| {
                Box::pin(async move { Ok(!connection.is_in_transaction()) })
            })
            .connect_with(options.clone())
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT * 2)
            .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
            .await?;
        let max_attempt = queue::MAX_ATTEMPT;
        let vault = vault::Vault::open(dir)?;
        Ok(Self {
            writer,
            readers,
            clock,
            max_attempt,
            vault,
            dir: dir.into(),
            changes: Arc::default(),
            deliveries: Arc::default(),
            _lock: lock.map(Arc::new),
        })
    }

    /// The same store; numbers that are new to it allow so many calls in a row without news.
    #[must_use]
    pub fn with_max_attempt(self, max_attempt: u32) -> Self {
        Self { max_attempt, ..self }
    }

    /// Waits for what is being written and closes the file. Not needed for safety: it only saves
    /// the next start the reading of the write-ahead log.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Notified when webhooks were queued, for the one who sends them.
    pub fn deliveries(&self) -> Arc<Notify> {
        self.deliveries.clone()
    }

    /// The store's present.
    pub fn now(&self) -> Time {
        Time(self.clock.wall_micros())
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT last FROM counters WHERE name = 'users'")
            .fetch_one(&self.readers)
            .await?;
        Ok(())
    }

    /// A transaction that will write. It takes the write lock at once: one that took it later could
    /// find that its snapshot is old and fail half-way.
    async fn begin_write(&self) -> Result<Write, StoreError> {
        let tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Write { tx, _changed: Changed(self.changes.clone()) })
    }

    /// A number that is another one after each change of what was asked for and heard: what was made
    /// of the database before is the same as now while this is the same. It tells nothing of other
    /// processes, which only make users and tokens.
    pub fn generation(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// A transaction that sees one state of the database however long it reads.
    async fn begin_read(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.readers.begin().await?)
    }
}

/// A transaction that writes; dropped before `commit`, it never was.
struct Write {
    tx: Transaction<'static, Sqlite>,
    _changed: Changed,
}

impl Write {
    async fn commit(self) -> Result<(), sqlx::Error> {
        // What is dropped when this ends, after the commit, is the notice of the change.
        let Self { tx, _changed } = self;
        tx.commit().await
    }
}

impl Deref for Write {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.tx
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.tx
    }
}

/// Begins another generation when it is dropped: after a commit, or one that may have been.
struct Changed(Arc<AtomicU64>);

impl Drop for Changed {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Counts a scan that is inserted in this transaction.
async fn count_scan(tx: &mut Write, number: i64) -> Result<(), StoreError> {
    for (query, id) in [
        ("UPDATE counters SET last = last + $1 WHERE name = 'scan_rows'", 1),
        ("UPDATE numbers SET scans = scans + 1 WHERE id = $1", number),
    ] {
        sqlx::query(query).bind(id).execute(&mut **tx).await?;
    }
    Ok(())
}

/// The next id of a table, in the transaction that inserts the row.
async fn next_id(tx: &mut Write, table: &'static str) -> Result<i64, StoreError> {
    let id =
        sqlx::query_scalar("UPDATE counters SET last = last + 1 WHERE name = $1 RETURNING last")
            .bind(table)
            .fetch_one(&mut **tx)
            .await?;
    Ok(id)
}

/// Takes the data directory for this store. The system frees it when the process ends.
fn lock(dir: &Path) -> Result<File, StoreError> {
    let directory = |source| StoreError::Directory { dir: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(directory)?;
    let path: PathBuf = dir.join(LOCK_FILE);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(directory)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Only for the message: what cannot be read is left out.
            let _ = (&mut file).take(20).read_to_string(&mut text);
            return Err(StoreError::InUse { dir: dir.to_owned(), pid: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(source)) => return Err(directory(source)),
    }
    let write_pid = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write_pid(&mut file).map_err(directory)?;
    Ok(file)
}
