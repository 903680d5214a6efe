//! Is the file there, whole, ours, and is there room for more?

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use postroom_core::ports::Clock;
use postroom_stores::sqlite::{self, Examined, OpenError, is_in_use, lock_of, log_of};
use postroom_stores::system::SystemClock;
use rustix::fs::{Access, access, statvfs};

use super::finding::{Findings, Report};
use super::listen::Running;

const MIB: u64 = 1 << 20;
/// With less room than this the next checkpoint may not find any.
const ROOM_MIN: u64 = 64 * MIB;
/// With less room than this it is time to look after it.
const ROOM_LOW: u64 = 1024 * MIB;
/// A log that is larger has not been brought into the database for long.
const LOG_MAX: u64 = 256 * MIB;
/// Changes that are so far in the future were made by another clock.
const CLOCK_SLACK_MS: i64 = 60_000;

/// Looks at the database at `path`.
pub(super) fn examine(path: &Path, running: Running, report: &mut Report) {
    let mut findings = report.of("store");
    let directory = directory_of(path);
    if !examine_directory(&directory, &mut findings) {
        return;
    }
    examine_room(&directory, &mut findings);
    if !path.exists() {
        let path = path.display();
        findings.ok(format!("{path} is not there yet: the first start creates it"));
        return;
    }
    examine_permissions(path, &mut findings);
    examine_lock(path, running, &mut findings);
    match sqlite::examine(path, true) {
        Ok(Some(found)) => {
            examine_content(path, &found, &mut findings);
            examine_clock(&found, &mut report.of("clock"));
        }
        Ok(None) => {}
        Err(error) => {
            let (what, remedy) = explained(&error);
            findings.broken(what, remedy);
        }
    }
}

fn directory_of(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

fn examine_directory(directory: &Path, findings: &mut Findings<'_>) -> bool {
    let shown = directory.display();
    if !directory.is_dir() {
        findings.broken(
            format!("the directory {shown} is not there"),
            format!("mkdir -p {shown}, or correct store.url"),
        );
        return false;
    }
    if access(directory, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        findings.broken(
            format!("this user may not write to the directory {shown}"),
            format!("chown it to the server's user: chown USER {shown}"),
        );
    }
    true
}

fn examine_room(directory: &Path, findings: &mut Findings<'_>) {
    let Ok(disk) = statvfs(directory) else { return };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let shown = directory.display();
    let left = format!("the disk of {shown} has {} MiB left", free / MIB);
    let remedy = "make room: delete or move other files, or keep events for less time \
                  (mailbox.event_retention_ms)";
    if free < ROOM_MIN {
        findings.broken(left, remedy);
    } else if free < ROOM_LOW {
        findings.warning(left, remedy);
    } else {
        findings.ok(left);
    }
}

fn examine_permissions(path: &Path, findings: &mut Findings<'_>) {
    let shown = path.display();
    if access(path, Access::READ_OK | Access::WRITE_OK).is_err() {
        findings.broken(
            format!("this user may not read and write {shown}"),
            format!("run this as the server's user, or chown USER {shown}*"),
        );
    }
    let Ok(file) = fs::metadata(path) else { return };
    if file.permissions().mode() & 0o007 != 0 {
        findings.warning(
            format!("every user of this machine can read {shown}, and so all conversations"),
            format!("chmod o-rwx {shown}*"),
        );
    }
}

fn examine_lock(path: &Path, running: Running, findings: &mut Findings<'_>) {
    let shown = path.display();
    match (is_in_use(path), running) {
        (Ok(false), _) => {}
        (Ok(true), Running::Yes) => findings.ok(format!("the running server has {shown}")),
        (Ok(true), Running::No) => {
            let lock = lock_of(path);
            let holder = match holder_of(&lock) {
                Some(pid) => format!("process {pid}"),
                None => "another process".to_owned(),
            };
            findings.broken(
                format!("{shown} is in use by {holder}, which holds {}", lock.display()),
                "stop that process, or give this server a database of its own with store.url",
            );
        }
        (Err(error), _) => findings.broken(
            format!("the lock {} can't be looked at: {error}", lock_of(path).display()),
            "make it readable for this user",
        ),
    }
}

/// The process that holds a lock on the file, where the system tells.
fn holder_of(lock: &Path) -> Option<String> {
    let inode = fs::metadata(lock).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let of = words.get(5)?.rsplit(':').next()?.parse::<u64>().ok()?;
        (of == inode).then(|| words[4].to_owned())
    })
}

fn examine_content(path: &Path, found: &Examined, findings: &mut Findings<'_>) {
    let Examined { schema, newest, bytes, log_bytes, .. } = found;
    let (shown, size) = (path.display(), bytes.div_ceil(MIB));
    if schema < newest {
        findings.ok(format!(
            "{shown} is whole, {size} MiB; the next start brings schema {schema} to {newest} (back it \
             up before: postroom backup FILE)"
        ));
    } else {
        findings.ok(format!("{shown} is whole, {size} MiB, schema {schema}"));
    }
    if *log_bytes > LOG_MAX {
        findings.warning(
            format!("its log {} has grown to {} MiB", log_of(path).display(), log_bytes / MIB),
            "end whatever reads the file for long (a sqlite3 shell, a backup); then restart the \
             server, which brings the log in",
        );
    }
}

fn examine_clock(found: &Examined, findings: &mut Findings<'_>) {
    let Some(changed_at) = found.changed_at else { return };
    let ahead = changed_at.0 - SystemClock.now().0;
    if ahead > CLOCK_SLACK_MS {
        findings.broken(
            format!(
                "this machine's clock is behind: the store was last changed {} s in its future",
                ahead / 1000
            ),
            "set the clock: timedatectl set-ntp true; until then delays and leases take that much \
             longer",
        );
    } else {
        findings.ok("it is not behind the newest change in the store");
    }
}

/// What is wrong, and what to do.
fn explained(error: &OpenError) -> (String, String) {
    let (what, remedy) = match error {
        OpenError::NotADatabase { path } => (
            format!("{} is not a database", path.display()),
            "correct store.url; if it was Postroom's, restore it from a backup",
        ),
        OpenError::Foreign { path, application_id } => (
            format!(
                "{} belongs to another program (its application id is {application_id:#010x})",
                path.display()
            ),
            "give a path of Postroom's own in store.url",
        ),
        OpenError::Newer { path, found, known } => (
            format!(
                "{} was written by a newer version: its schema is {found}, this version knows {known}",
                path.display()
            ),
            "start that version, or restore a backup from before the upgrade",
        ),
        OpenError::Corrupt { path, reason } => (
            format!("{} is damaged: {reason}", path.display()),
            "restore it from a backup; without one, keep it aside, save what is readable with \
             `sqlite3 FILE .recover`, and start with a new one",
        ),
        OpenError::Io { .. }
        | OpenError::InUse { .. }
        | OpenError::OldSqlite { .. }
        | OpenError::Sqlite { .. } => {
            (error.to_string(), "mend what the system says, and look again")
        }
    };
    (what, remedy.to_owned())
}
