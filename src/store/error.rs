//! What can go wrong with the database, in words for the person who runs it.

use std::path::PathBuf;

use crate::crawl::tree::Hole;

/// Why the store could not do what was asked. Nothing was changed, unless the text says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process works on this data directory.
    #[error(
        "the data directory {} is in use by another phoneai{}; stop that one, or give this one \
         another directory", .dir.display(), with_pid(.pid)
    )]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// The other process as it wrote it into the lock file.
        pid: Option<u32>,
    },
    /// The data directory cannot be made, or its lock file cannot be opened.
    #[error("cannot use the data directory {}: {source}; check that it exists and that this user \
             may write there", .dir.display())]
    Directory {
        /// The data directory.
        dir: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk, or the quota, has no room left.
    #[error("the disk with the database is full; free some space, the service goes on by itself")]
    Full,
    /// The system could not read or write the file: a quota, a limit on file sizes or a bad disk.
    #[error(
        "the database cannot be read or written ({0}); check the disk, the quota and the limit on \
             file sizes (ulimit -f); nothing that was stored is lost, and what failed is tried again"
    )]
    Io(String),
    /// Another program holds the database longer than we wait.
    #[error(
        "the database is locked by another program; close what has it open (a database shell, \
             a backup) and try again"
    )]
    Busy,
    /// The file or its file system does not accept writes.
    #[error(
        "the database cannot be written; check the file's permissions and that its file system \
             is not mounted read-only"
    )]
    ReadOnly,
    /// The file is damaged, or is no database.
    #[error("the database is damaged: {0}; stop the service and restore a backup")]
    Damaged(String),
    /// The database was made by a newer version of this program.
    #[error(
        "the database was made by another version of phoneai (migration {0} is not known \
             here); run that version, or a newer one"
    )]
    OtherVersion(i64),
    /// A row has a value that no version of this program writes.
    #[error("the database has a row that makes no sense: {0}; restore a backup, or report it")]
    Senseless(String),
    /// The file with the key of secrets cannot be used.
    #[error(
        "cannot use the key file {}: {source}; restore it from a backup, without it no stored \
         password can be read", .file.display()
    )]
    KeyFile {
        /// The key file.
        file: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// A stored secret does not open.
    #[error(
        "the secret of {what} was sealed with another key than that in {}; restore the key file \
         that belongs to this database, or set the secret anew", .file.display()
    )]
    Sealed {
        /// Whose secret it is.
        what: String,
        /// The key file.
        file: PathBuf,
    },
    /// What was asked for is not there.
    #[error("there is no {0}")]
    Missing(&'static str),
    /// A list has no room left. Nothing of what went over it was entered.
    #[error("no more than {most} {what} are kept")]
    TooMany {
        /// What is listed.
        what: &'static str,
        /// How many at most.
        most: i64,
    },
    /// The lease on a scan is over and somebody else may have it.
    #[error("the lease on scan {0} is over; another worker may have taken it")]
    LeaseLost(i64),
    /// A change does not fit the stored tree.
    #[error("the change does not fit the stored tree: {0}")]
    Hole(#[from] Hole),
    /// Anything else that the database says.
    #[error("the database failed: {0}")]
    Database(#[source] sqlx::Error),
}

fn with_pid(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// SQLite's primary result codes that have a remedy: <https://www.sqlite.org/rescode.html>.
mod code {
    pub const BUSY: i32 = 5;
    pub const LOCKED: i32 = 6;
    pub const READONLY: i32 = 8;
    pub const IOERR: i32 = 10;
    pub const CORRUPT: i32 = 11;
    pub const FULL: i32 = 13;
    pub const CANTOPEN: i32 = 14;
    pub const NOTADB: i32 = 26;
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::PoolTimedOut => Self::Busy,
                other => Self::Database(other),
            };
        };
        // The low byte is the primary code, the rest tells the circumstances.
        let code = database.code().and_then(|c| c.parse::<i32>().ok()).map_or(0, |c| c & 0xff);
        match code {
            code::FULL => Self::Full,
            code::IOERR => Self::Io(database.message().to_owned()),
            code::BUSY | code::LOCKED => Self::Busy,
            code::READONLY | code::CANTOPEN => Self::ReadOnly,
            code::CORRUPT | code::NOTADB => Self::Damaged(database.message().to_owned()),
            _ => Self::Database(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError as M;
        match error {
            M::Execute(e) | M::ExecuteMigration(e, _) => e.into(),
            M::VersionMissing(v) | M::VersionMismatch(v) | M::Dirty(v) => Self::OtherVersion(v),
            other => Self::Database(sqlx::Error::Migrate(Box::new(other))),
        }
    }
}
