//! Copies of a database, also while a server works on it.
//!
//! A write-ahead log lets other processes read while one writes. The copy is made in one read
//! transaction, page by page, so it is the database of one moment, and the server goes on meanwhile;
//! its log grows until the copy is done, and is then brought in as always.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;

use super::error::OpenError;
use super::examine::{Onlooker, examine};
use super::open;

/// How many pages of 4 KiB are copied between two reports of progress.
const STEP: std::ffi::c_int = 1024;

/// Why there is no backup. What was at its place before is there still.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no database to copy.
    #[error("{} is not there: nothing has been stored yet, or the store is elsewhere", .path.display())]
    NoDatabase {
        /// Where it should be.
        path: PathBuf,
    },
    /// Something is at the backup's place already.
    #[error("{} is there already: give another name, or say that it may be overwritten", .path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// The backup's place is the database's own.
    #[error("{} is the database itself: give the backup a place of its own", .path.display())]
    Itself {
        /// The place.
        path: PathBuf,
    },
    /// The database can't be read.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// The copy can't be written.
    #[error("the backup can't be written to {}: {error}; check that its directory exists and has room", .path.display())]
    Io {
        /// Where to.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// SQLite failed while it copied.
    #[error("the backup to {} failed: {reason}", .path.display())]
    Failed {
        /// Where to.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The copy is damaged, so it was not kept: so is the database, or one of the disks is failing.
    #[error(
        "the copy is damaged ({reason}), and was not kept: check the database with `postroom doctor`, \
         and the disks"
    )]
    Damaged {
        /// What was found.
        reason: String,
    },
}

/// A copy that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The number of its schema.
    pub schema: u32,
    /// How large it is.
    pub bytes: u64,
}

/// Copies the database at `path` to the file `to`, and checks the copy from end to end before it
/// takes its name. `progress` is told how many pages are done, and of how many. It blocks.
///
/// # Errors
/// [`BackupError`]; then nothing is at `to` that was not there before.
pub fn backup(
    path: &Path,
    to: &Path,
    overwrite: bool,
    mut progress: impl FnMut(u64, u64),
) -> Result<Copied, BackupError> {
    let io = |error| BackupError::Io { path: to.to_owned(), error };
    if is_same(path, to) {
        return Err(BackupError::Itself { path: to.to_owned() });
    }
    if !overwrite && to.try_exists().map_err(io)? {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    // Also says whose the database is, and whether it is one.
    let Some(found) = examine(path, false)? else {
        return Err(BackupError::NoDatabase { path: path.to_owned() });
    };
    let partial = Partial::create(to).map_err(io)?;
    copy(path, &partial.path, &mut progress).map_err(|error| failed(path, to, &error))?;
    check(&partial.path)?;
    let file = File::open(&partial.path).map_err(io)?;
    file.sync_all().map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    partial.name(to, overwrite)?;
    Ok(Copied { schema: found.schema, bytes })
}

fn copy(path: &Path, partial: &Path, progress: &mut impl FnMut(u64, u64)) -> rusqlite::Result<()> {
    let onlooker = Onlooker::of(path)?;
    let source = &onlooker.connection;
    // This may be the last connection, if the server ends meanwhile: its log is not ours to bring in.
    source.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Held to the end: all steps copy the same moment.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut copy = Connection::open(partial)?;
    copy.pragma_update(None, "synchronous", "OFF")?;
    {
        let backup = Backup::new(source, &mut copy)?;
        loop {
            let step = backup.step(STEP)?;
            let state = backup.progress();
            let (total, left) = (count(state.pagecount), count(state.remaining));
            progress(total.saturating_sub(left), total);
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => {
                    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                    return Err(rusqlite::Error::SqliteFailure(busy, None));
                }
            }
        }
    }
    // The copy stands alone: it has no log, and needs none to be read. The store gives it one again.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    copy.close().map_err(|(_, error)| error)
}

fn count(pages: std::ffi::c_int) -> u64 {
    u64::try_from(pages).unwrap_or_default()
}

/// Reads all of the copy.
fn check(partial: &Path) -> Result<(), BackupError> {
    let damaged = |reason: String| BackupError::Damaged { reason };
    let copy = open::frozen(partial).map_err(|error| damaged(error.to_string()))?;
    let mut found = Vec::new();
    let checked = copy.pragma_query(None, "integrity_check", |row| {
        found.push(row.get::<_, String>(0)?);
        Ok(())
    });
    checked.map_err(|error| damaged(error.to_string()))?;
    if found == ["ok"] {
        return Ok(());
    }
    found.truncate(3);
    // SQLite writes some of it in several lines.
    Err(damaged(found.join("; ").replace('\n', " ")))
}

fn failed(path: &Path, to: &Path, error: &rusqlite::Error) -> BackupError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            BackupError::Source(OpenError::of(path, error))
        }
        _ => BackupError::Failed { path: to.to_owned(), reason: error.to_string() },
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// The copy until it is whole: beside its place, and gone if it is given up.
struct Partial {
    path: PathBuf,
}

impl Partial {
    /// For this user alone: it holds whole conversations.
    fn create(to: &Path) -> io::Result<Self> {
        let path = open::beside(to, &format!(".partial-{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        drop(file);
        Ok(Self { path })
    }

    /// Gives the copy its name, and has the disk keep that.
    fn name(self, to: &Path, overwrite: bool) -> Result<(), BackupError> {
        let io = |error| BackupError::Io { path: to.to_owned(), error };
        if overwrite {
            fs::rename(&self.path, to).map_err(io)?;
        } else {
            // Unlike a renaming, this fails where something is there by now.
            fs::hard_link(&self.path, to).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => BackupError::Exists { path: to.to_owned() },
                _ => io(error),
            })?;
        }
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = File::open(parent.unwrap_or(Path::new("."))).map_err(io)?;
        directory.sync_all().map_err(io)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Named or given up: either way nothing is to be left beside it.
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(open::beside(&self.path, suffix));
        }
    }
}
