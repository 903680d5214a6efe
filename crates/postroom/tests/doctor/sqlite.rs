//! Faults of the file.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};

use postroom_testbed::{Disk, Scratch};

use super::{broken, doctor, finds, is_well, warning};
use crate::support::{Home, Said, finish};

/// A home with an empty mailbox.
async fn home() -> Home {
    let home = Home::new();
    home.run(&["migrate"]).await.ok();
    home
}

async fn look(home: &Home) -> Said {
    finish(doctor(home, &[])).await
}

fn database(home: &Home) -> File {
    OpenOptions::new().read(true).write(true).open(home.path("postroom.db")).unwrap()
}

#[tokio::test]
async fn a_mailbox_that_is_well_is_left_as_it_is() {
    let home = home().await;
    let before = std::fs::read(home.path("postroom.db")).unwrap();
    is_well(&look(&home).await);
    assert_eq!(std::fs::read(home.path("postroom.db")).unwrap(), before);
    for suffix in ["-wal", "-shm"] {
        let beside = home.path(&format!("postroom.db{suffix}"));
        assert!(!beside.exists(), "the server's user could not open {}", beside.display());
    }
}

#[tokio::test]
async fn a_directory_that_is_missing() {
    let home = Home::new();
    let said = finish(doctor(&home, &["--store", "sqlite://nowhere/postroom.db"])).await;
    finds(&said, &broken("store", "the directory nowhere is not there", "mkdir -p nowhere"));
}

#[tokio::test]
async fn damage() {
    let home = home().await;
    database(&home).write_all_at(&[0xa5; 4096], 4 * 4096).unwrap();
    finds(
        &look(&home).await,
        &broken("store", "postroom.db is damaged", "restore it from a backup"),
    );
}

#[tokio::test]
async fn a_file_that_is_no_database() {
    let home = Home::new();
    std::fs::write(home.path("postroom.db"), "These are not the mails you are looking for.")
        .unwrap();
    finds(&look(&home).await, &broken("store", "is not a database", "correct store.url"));
}

#[tokio::test]
async fn another_programs_database() {
    let home = Home::new();
    let other = rusqlite::Connection::open(home.path("postroom.db")).unwrap();
    other.execute_batch("PRAGMA application_id = 7; CREATE TABLE birds (name TEXT)").unwrap();
    drop(other);
    finds(&look(&home).await, &broken("store", "belongs to another program", "Postroom's own"));
}

#[tokio::test]
async fn a_newer_versions_database() {
    let home = home().await;
    // The schema's number, at its place in SQLite's header.
    database(&home).write_all_at(&999_u32.to_be_bytes(), 60).unwrap();
    finds(&look(&home).await, &broken("store", "its schema is 999", "start that version"));
}

#[tokio::test]
async fn a_database_that_another_process_has() {
    let home = home().await;
    let lock = home.path("postroom.db.lock");
    let holder = File::open(&lock).unwrap();
    holder.lock().unwrap();
    let said = look(&home).await;
    finds(&said, &broken("store", "is in use by ", "stop that process"));
    let named = format!("process {}", std::process::id());
    assert!(
        said.stdout.contains(&named) || !std::path::Path::new("/proc/locks").exists(),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_log_that_has_grown() {
    let home = home().await;
    let log = File::create(home.path("postroom.db-wal")).unwrap();
    log.set_len(300 << 20).unwrap();
    finds(&look(&home).await, &warning("store", "has grown to 300 MiB", "restart the server"));
}

#[tokio::test]
async fn conversations_that_everybody_can_read() {
    let home = home().await;
    let path = home.path("postroom.db");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "it is made for its user alone: {mode:o}");
    std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    finds(
        &look(&home).await,
        &warning("store", "every user of this machine can read", "chmod o-rwx"),
    );
}

#[tokio::test]
async fn a_disk_that_is_nearly_full() {
    let scratch = Scratch::new("postroom-doctor-").unwrap();
    let disk = Disk::mount(&scratch, 16).expect("mounting takes root's rights");
    let home = Home::new();
    let store = format!("sqlite://{}/postroom.db", disk.path().display());
    let said = finish(doctor(&home, &["--store", &store])).await;
    finds(&said, &broken("store", "MiB left", "make room"));
}

#[tokio::test]
async fn a_clock_that_is_behind() {
    let home = home().await;
    let mut server = home.serve(&[]).await;
    home.client(&server, &["send", "hello"]).await.ok();
    server.signal("TERM").await;
    server.exit().await;
    let mut command = doctor(&home, &[]);
    super::server::two_hours_late(&mut command);
    let said = finish(command).await;
    finds(&said, &broken("clock", "this machine's clock is behind", "timedatectl"));
}
