//! The write-ahead log: how a connection treats it, and what is done about a sync of it that failed.

use std::collections::BTreeSet;
use std::ffi::c_int;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;

/// A log that a long read has let grow is cut back to so many bytes.
const SIZE_LIMIT: u32 = 96 << 20;

/// A connection for writing, and its log.
#[derive(Debug)]
pub(super) struct Writable {
    /// The connection. It commits without a sync.
    pub(super) connection: Connection,
    /// The database itself, see [`write_pages_again`].
    pub(super) database: Arc<File>,
    /// The log, to sync it.
    pub(super) log: Arc<File>,
    /// A connection that brings the log into the database while the other one writes.
    pub(super) beside: Connection,
    /// How many pages of 4 KiB the log has.
    pub(super) pages: Arc<AtomicI32>,
}

impl Writable {
    /// Sets up how `connection` treats its log, which is at `path`. `beside` is another to the same
    /// database.
    pub(super) fn new(
        mut connection: Connection,
        beside: Connection,
        database: Arc<File>,
        path: &Path,
    ) -> rusqlite::Result<Self> {
        connection.pragma_update(None, "journal_size_limit", SIZE_LIMIT)?;
        for each in [&connection, &beside] {
            // What was promised is synced by the store, see `Horizon`. The log itself is begun anew, and
            // brought into the database, with the syncs that this needs.
            each.pragma_update(None, "synchronous", "NORMAL")?;
            // Not by itself when the connection is given up: the log may not be on the disk.
            each.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            // SQLite makes the log when it first reads.
            each.pragma_query_value(None, "schema_version", |_| Ok(()))?;
        }
        let pages = Arc::new(AtomicI32::new(0));
        let counted = pages.clone();
        // Instead of SQLite's own, which would make a checkpoint inside of the commit.
        connection.wal_hook(Some(move |_: &mut Wal, pages: c_int| {
            counted.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        let log = File::open(path).map_err(|error| {
            let cannot_open = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
            rusqlite::Error::SqliteFailure(cannot_open, Some(format!("its log: {error}")))
        })?;
        Ok(Self { connection, database, log: Arc::new(log), beside, pages })
    }
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
    let log = match OpenOptions::new().read(true).write(true).open(log) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut piece = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let read = log.read_at(&mut piece, at)?;
        if read == 0 {
            return log.sync_all();
        }
        log.write_all_at(&piece[..read], at)?;
        at += read as u64;
    }
}

/// Does the same to those pages of the database that are also in the log.
///
/// SQLite syncs the database only with the pass that brings in the last of the log, and takes what
/// earlier passes have brought in for done, also if that sync fails.
///
/// The database must be a file that stays open as long as the process has connections to it: when any
/// other is closed, the system lets go of all of their locks (<https://sqlite.org/howtocorrupt.html>).
///
/// Source of the format: <https://sqlite.org/fileformat2.html#the_write_ahead_log>.
pub(super) fn write_pages_again(database: &File, log: &File) -> io::Result<()> {
    const LOG_HEADER: u64 = 32;
    const FRAME_HEADER: u64 = 24;
    let number_at = |at| -> io::Result<Option<u32>> {
        let mut number = [0; 4];
        let read = log.read_at(&mut number, at)?;
        Ok((read == number.len()).then(|| u32::from_be_bytes(number)))
    };
    let Some(page_size) = number_at(8)?.filter(|size| (512..=65536).contains(size)) else {
        return Ok(());
    };
    let mut pages = BTreeSet::new();
    let mut at = LOG_HEADER;
    while let Some(page) = number_at(at)? {
        pages.insert(page);
        at += FRAME_HEADER + u64::from(page_size);
    }
    let mut content = vec![0; page_size as usize];
    // They are numbered from 1. What is beyond the end was never brought in.
    for before in pages.into_iter().filter_map(|page| page.checked_sub(1)) {
        let at = u64::from(before) * u64::from(page_size);
        let read = database.read_at(&mut content, at)?;
        database.write_all_at(&content[..read], at)?;
    }
    database.sync_all()
}
