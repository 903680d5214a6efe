//! Looking at a database without changing anything, for those who look after it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use postroom_core::time::Timestamp;
use rusqlite::Connection;

use super::error::OpenError;
use super::migrate::{self, NEWEST};
use super::open;

/// What a database looks like from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The number of its schema.
    pub schema: u32,
    /// The newest that this version knows; what is older is brought there when it is opened.
    pub newest: u32,
    /// How large the file is.
    pub bytes: u64,
    /// How large the write-ahead log beside it is.
    pub log_bytes: u64,
    /// When a thread was changed last, by the clock of the machine that did it.
    pub changed_at: Option<Timestamp>,
}

/// Looks at the database at `path`; `None` where there is none yet. `check` looks at all of it for
/// damage. Nothing is written, and a process that works on it is not disturbed.
///
/// # Errors
/// [`OpenError`] says why the database can't be used, and what to do.
pub fn examine(path: &Path, check: bool) -> Result<Option<Examined>, OpenError> {
    let io = |error| OpenError::Io { path: path.to_owned(), error };
    let bytes = match fs::metadata(path) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let log_bytes = fs::metadata(log_of(path)).map_or(0, |file| file.len());
    open::inspect(path)?;
    let mut found = Examined { schema: 0, newest: NEWEST, bytes, log_bytes, changed_at: None };
    if bytes == 0 {
        return Ok(Some(found));
    }
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    let onlooker = Onlooker::of(path).map_err(failed)?;
    let connection = &onlooker.connection;
    if check {
        open::quick_check(connection, path)?;
    }
    found.schema = migrate::version(connection).map_err(failed)?;
    let newest = "SELECT max(updated_at) FROM (SELECT updated_at FROM threads \
                  ORDER BY thread_no DESC LIMIT 1000)";
    let changed_at = connection.query_row(newest, [], |row| row.get::<_, Option<i64>>(0));
    found.changed_at = changed_at.ok().flatten().map(Timestamp);
    Ok(Some(found))
}

/// Whether a process has locked the database for itself, as each does that opens it.
///
/// # Errors
/// Where the lock can't be looked at.
pub fn is_in_use(path: &Path) -> io::Result<bool> {
    match Onlooker::lock(path) {
        Ok(_) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The file that a process locks which has the database at `path`.
pub fn lock_of(path: &Path) -> PathBuf {
    open::beside(path, ".lock")
}

/// The write-ahead log of the database at `path`.
pub fn log_of(path: &Path) -> PathBuf {
    open::beside(path, "-wal")
}

/// A connection that can only read, and what keeps others from what it can't see.
pub(super) struct Onlooker {
    pub(super) connection: Connection,
    /// Held where the file is read alone: who would change it must wait.
    _lock: Option<File>,
}

impl Onlooker {
    /// Where nobody is at work and there is no log, the file alone says all: then none of the files
    /// are made that SQLite needs to share a log. They would belong to whoever looks, and the
    /// server, which may be another user, could not open them.
    pub(super) fn of(path: &Path) -> rusqlite::Result<Self> {
        let has_log = || fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0);
        match Self::lock(path) {
            Ok(lock) if !has_log() => Ok(Self { connection: open::frozen(path)?, _lock: lock }),
            _ => Ok(Self { connection: open::reader(path)?, _lock: None }),
        }
    }

    /// `None` where nobody has ever opened the database here, an error where somebody has it open.
    fn lock(path: &Path) -> Result<Option<File>, TryLockError> {
        match File::open(lock_of(path)) {
            Ok(lock) => lock.try_lock_shared().map(|()| Some(lock)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(TryLockError::Error(error)),
        }
    }
}
