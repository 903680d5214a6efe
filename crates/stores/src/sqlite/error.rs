//! What can go wrong: when the file is opened, and with a statement.

use std::io;
use std::path::PathBuf;

use postroom_core::error::StoreError;
use rusqlite::ErrorCode;

use crate::sql::Damaged;

/// Why a database was not opened. It was not changed, and nothing was made in its place.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "{} is in use by another process, which holds {}: stop that process, or give this one a \
         database of its own",
        .path.display(), .lock.display()
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// The lock that tells.
        lock: PathBuf,
    },
    /// The file, or its lock, can't be read or written.
    #[error(
        "{} can't be opened: {error}; check that its directory exists, that this user may write \
         there, and that there is room",
        .path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is no SQLite database.
    #[error(
        "{} is not a database: give another path, or move the file away; if it was Postroom's, \
         restore it from a backup",
        .path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// It is a SQLite database of another program.
    #[error(
        "{} belongs to another program (its application id is {application_id:#010x}): give a path \
         of Postroom's own",
        .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it says it is; 0 for nobody's.
        application_id: u32,
    },
    /// A newer version of Postroom has written it.
    #[error(
        "{} was written by a newer version (its schema is {found}, this version knows {known}): \
         start that version, or restore a backup from before the upgrade",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The number of its schema.
        found: u32,
        /// The newest that this version knows.
        known: u32,
    },
    /// It is damaged.
    #[error(
        "{} is damaged ({reason}): restore it from a backup, or keep it aside, save what is \
         readable with `sqlite3 FILE .recover`, and start with a new one",
        .path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The library is too old to be trusted with a write-ahead log.
    #[error("SQLite {found} can damage a database: build with a version newer than 3.51.3")]
    OldSqlite {
        /// The version that was linked.
        found: &'static str,
    },
    /// SQLite failed otherwise.
    #[error("{} can't be opened: {reason}", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
}

impl OpenError {
    /// What SQLite said about the file at `path`, told apart by what to do about it.
    pub(super) fn of(path: &std::path::Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, reason: error.to_string() },
            _ => Self::Sqlite { path, reason: error.to_string() },
        }
    }
}

/// Why a statement, or the command it was for, failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite said so.
    Sqlite(rusqlite::Error),
    /// A row is not what this version writes, or can't be written.
    Damaged(String),
    /// The code failed.
    Panicked(&'static str),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Damaged> for Fault {
    fn from(Damaged(reason): Damaged) -> Self {
        Self::Damaged(reason)
    }
}

impl Fault {
    /// Whether the disk or the system failed, so that what the connection believes and what is in
    /// the file may differ.
    pub(super) fn is_io(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::SystemIoFailure
                        | ErrorCode::CannotOpen
                        | ErrorCode::NotADatabase
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::FileLockingProtocolFailed
                )
            ),
            Self::Damaged(_) | Self::Panicked(_) => false,
        }
    }

    /// The answer to a caller whose command wrote nothing because of it.
    pub(super) fn nothing_written(&self) -> StoreError {
        match self {
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
                    StoreError::Corrupt {
                        reason: format!(
                            "what was to be written contradicts what is there, and was not \
                             written: {error}; please report it"
                        ),
                    }
                }
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt {
                    reason: format!("{error}; stop the server and restore the database"),
                },
                Some(ErrorCode::DiskFull) => {
                    StoreError::Unavailable { reason: format!("{error}: make room on the disk") }
                }
                _ => StoreError::Unavailable { reason: error.to_string() },
            },
            Self::Damaged(reason) => StoreError::Corrupt { reason: reason.clone() },
            Self::Panicked(command) => StoreError::Corrupt {
                reason: format!("{command} failed on a defect and wrote nothing; please report it"),
            },
        }
    }
}
