//! Opening the database: whose it is, whether it is whole, and how it is set up.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::{Fault, OpenError};
use super::log::{self, Writable};
use super::migrate::{self, APPLICATION_ID, NEWEST};
use super::queries::Statements;

/// The first version in which a write-ahead log can't damage its database, and one more.
const VERSION_MIN: i32 = 3_051_004;

/// How long a statement waits for a lock that another program has on the file: somebody may look at
/// it with the `sqlite3` shell.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Locks the database for this process, until the file is dropped. The system lets go of the lock
/// when a process dies, however it does.
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let lock = beside(path, ".lock");
    let io = |error| OpenError::Io { path: lock.clone(), error };
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
    let file = file.map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned(), lock }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// The file whose name is that of `path` with `suffix` behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens the database for writing, for the first time in this process: looks whose it is, checks
/// that it is whole, and brings its schema up to date. The lock is held already.
pub(super) fn first(path: &Path, check: bool) -> Result<Writable, OpenError> {
    if rusqlite::version_number() < VERSION_MIN {
        return Err(OpenError::OldSqlite { found: rusqlite::version() });
    }
    inspect(path)?;
    // An earlier process may have ended after a sync that failed.
    write_log_again(path)?;
    // A new one is for this user alone, and so will its log be: it holds whole conversations.
    let database = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    let database = database.map_err(|error| OpenError::Io { path: path.to_owned(), error })?;
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    let mut connection = connect(path).map_err(failed)?;
    if check {
        quick_check(&connection, path)?;
    }
    let version = migrate::version(&connection).map_err(failed)?;
    if version > NEWEST {
        return Err(OpenError::Newer { path: path.to_owned(), found: version, known: NEWEST });
    }
    // A new file gets its schema before its write-ahead log: so its own header names its owner,
    // whatever happens to the log.
    migrate::migrate(&mut connection, version).map_err(failed)?;
    let writable = set_up(connection, Arc::new(database), path).map_err(failed)?;
    write_pages_again(&writable, path)?;
    Statements::of(&writable.connection).prepare_all().map_err(|fault| match fault {
        Fault::Sqlite(error) if error.sqlite_error_code() != Some(ErrorCode::Unknown) => {
            OpenError::of(path, &error)
        }
        fault => OpenError::Corrupt {
            path: path.to_owned(),
            reason: format!("its tables are not those of schema {NEWEST}: {fault:?}"),
        },
    })?;
    Ok(writable)
}

/// Opens the database for writing again, after an error that left the connection's view of the file
/// in doubt. The log is written anew, and what it holds is brought into the database.
pub(super) fn again(path: &Path, database: Arc<File>) -> Result<Writable, OpenError> {
    write_log_again(path)?;
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    let connection = connect(path).map_err(failed)?;
    let writable = set_up(connection, database, path).map_err(failed)?;
    write_pages_again(&writable, path)?;
    log::checkpoint(&writable.connection).map_err(failed)?;
    Ok(writable)
}

fn write_log_again(path: &Path) -> Result<(), OpenError> {
    let log = beside(path, "-wal");
    log::write_again(&log).map_err(|error| OpenError::Io { path: log, error })
}

fn write_pages_again(
    Writable { database, log, .. }: &Writable,
    path: &Path,
) -> Result<(), OpenError> {
    log::write_pages_again(database, log)
        .map_err(|error| OpenError::Io { path: path.to_owned(), error })
}

/// Opens the database for reading.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // 2 MiB: readers go after one another's pages, which the system's cache has.
    connection.pragma_update(None, "cache_size", -2048)?;
    Ok(connection)
}

/// Opens the database for reading, as a file that nobody changes: no other file is made or looked
/// at.
pub(super) fn frozen(path: &Path) -> rusqlite::Result<Connection> {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        // What has a meaning in a URI, and what is no text.
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            byte => uri.extend(format!("%{byte:02X}").chars()),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // One thread uses the connection, so SQLite needs no mutex.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// How the writer's connection works.
fn set_up(connection: Connection, database: Arc<File>, path: &Path) -> rusqlite::Result<Writable> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some("its file system does not allow a write-ahead log: use a local disk".to_owned()),
        ));
    }
    // 16 MiB hold the inner pages of every index and the rows that are at work; the system's cache
    // has the rest.
    connection.pragma_update(None, "cache_size", -16_384)?;
    // No memory mapping: a disk error would be a signal that ends the process, not an error.
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // The core keeps the rows consistent; the schema's CHECKs and unique indexes stand behind it.
    connection.pragma_update(None, "foreign_keys", false)?;
    let another = connect(path)?;
    Writable::new(connection, another, database, &beside(path, "-wal"))
}

/// Looks at the file's header, without SQLite, which would write to a foreign database's log.
pub(super) fn inspect(path: &Path) -> Result<(), OpenError> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let failed = |error| OpenError::Io { path: path.to_owned(), error };
    let mut header = Vec::with_capacity(100);
    match File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut header).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if header.is_empty() {
        return Ok(());
    }
    if header.len() < 100 || !header.starts_with(MAGIC) {
        return Err(OpenError::NotADatabase { path: path.to_owned() });
    }
    let number =
        |at: usize| header[at..].first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let (user_version, application_id) = (number(60), number(68));
    if application_id != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.to_owned(), application_id });
    }
    if user_version > NEWEST {
        let path = path.to_owned();
        return Err(OpenError::Newer { path, found: user_version, known: NEWEST });
    }
    Ok(())
}

/// Looks at the whole file for damage.
pub(super) fn quick_check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let mut found = Vec::new();
    let checked = connection.pragma_query(None, "quick_check", |row| {
        found.push(row.get::<_, String>(0)?);
        Ok(())
    });
    checked.map_err(|error| OpenError::of(path, &error))?;
    if found == ["ok"] {
        return Ok(());
    }
    found.truncate(3);
    Err(OpenError::Corrupt { path: path.to_owned(), reason: found.join("; ") })
}
