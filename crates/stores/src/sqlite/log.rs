//! The write-ahead log: when it is brought into the database, and what is done about a sync of it
//! that failed.

use std::ffi::c_int;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode};

/// How many pages of 4 KiB the log may have before a commit brings it into the database. A page that
/// changes all the time is then written to the database once in thousands of changes, and the two
/// syncs of a checkpoint are spread over as many commits.
const PAGES: c_int = 8192;

/// A log that a long read has let grow is cut back to so many bytes.
const SIZE_LIMIT: u32 = 64 << 20;

/// A connection for writing, and whether its log is in doubt.
#[derive(Debug)]
pub(super) struct Writable {
    /// The connection.
    pub(super) connection: Connection,
    /// A checkpoint has failed: the log may not be on the disk, although a later sync of it succeeds.
    pub(super) in_doubt: Arc<AtomicBool>,
}

/// How the writer's connection treats the log.
pub(super) fn set_up(mut connection: Connection) -> rusqlite::Result<Writable> {
    connection.pragma_update(None, "journal_size_limit", SIZE_LIMIT)?;
    let in_doubt = Arc::new(AtomicBool::new(false));
    // Instead of SQLite's own, which says nothing of a checkpoint that failed: with
    // `synchronous = NORMAL` it syncs the log, and commits that nobody synced before may then be
    // missing on the disk below those that are synced after.
    let doubted = in_doubt.clone();
    connection.wal_hook(Some(move |log: &mut Wal, pages: c_int| {
        if pages >= PAGES && log.checkpoint().is_err_and(|error| is_of_disk(&error)) {
            doubted.store(true, Ordering::Release);
        }
        // The commit has taken place, whatever becomes of the log.
        Ok(())
    }))?;
    // Not by itself when the connection is given up: the log may not be on the disk.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(Writable { connection, in_doubt })
}

/// Whether the disk failed. Without room, or while another program is at it, the log stays as it is,
/// and a later checkpoint does it.
fn is_of_disk(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

/// Brings the whole log into the database and empties it.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    let mut busy = false;
    connection.pragma(None, "wal_checkpoint", "truncate", |row| {
        busy = row.get(0)?;
        Ok(())
    })?;
    if busy {
        let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(error, None));
    }
    Ok(())
}

/// Leaves the database without a log, so that it is one file again.
pub(super) fn close(connection: &Connection) -> rusqlite::Result<()> {
    checkpoint(connection)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

/// Writes the log's bytes over themselves and syncs them.
///
/// After a sync that failed, the system takes pages for written that are not, and a later sync passes
/// over them: the log would have a hole on the disk, and all that was promised behind it would be
/// lost with the power. Written again, the pages are synced again.
pub(super) fn write_again(log: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().read(true).write(true).open(log) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut piece = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        file.seek(SeekFrom::Start(at))?;
        let read = file.read(&mut piece)?;
        if read == 0 {
            return file.sync_all();
        }
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&piece[..read])?;
        at += read as u64;
    }
}
