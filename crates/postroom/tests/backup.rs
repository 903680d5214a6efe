//! `postroom backup`: a copy of one moment, made while the server works, from which it starts again.

mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::{Home, Server};

/// The ids of all runs that a server has.
async fn runs(server: &Server) -> BTreeSet<String> {
    let mut runs = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/v1/runs?limit=1000{cursor}")).await;
        for run in page["items"].as_array().unwrap() {
            runs.insert(run["run_id"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return runs,
        }
    }
}

fn files(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Submits without a pause until it is told to stop.
async fn submit_on(server: &Server, stop: &AtomicBool) -> u64 {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        server.submit(&format!("busy-{}", count % 7), "hello").await;
        count += 1;
    }
    count
}

#[tokio::test]
async fn what_was_accepted_before_a_backup_is_in_it() {
    let home = Home::new();
    let mut server = home.serve(&[]).await;
    let mut accepted = BTreeSet::new();
    for at in 0..20 {
        accepted.insert(server.submit(&format!("before-{at}"), "remember").await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let backups = async {
        let mut copies = Vec::new();
        for at in 0..5 {
            accepted.insert(server.submit("between", "and this").await);
            let name = format!("copy-{at}.db");
            let said = home.run(&["backup", &name, "--json"]).await.ok().json();
            assert_eq!(said["to"], name.as_str());
            copies.push((name, accepted.clone()));
        }
        stop.store(true, Ordering::Relaxed);
        copies
    };
    let (copies, submitted) = tokio::join!(backups, submit_on(&server, &stop));
    assert!(submitted > 0, "the server has worked meanwhile");
    server.kill().await;

    for (copy, accepted) in copies {
        let mode = std::fs::metadata(home.path(&copy)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
        let restored = Home::new();
        std::fs::copy(home.path(&copy), restored.path("postroom.db")).unwrap();
        let server = restored.serve(&[]).await;
        let missing: Vec<_> = accepted.difference(&runs(&server).await).cloned().collect();
        assert!(missing.is_empty(), "{copy} lacks {missing:?}");
        // And what was under way goes on to its end.
        let run = accepted.iter().next_back().unwrap();
        server.until(&format!("/v1/runs/{run}"), |run| run["status"] == "done").await;
    }
    let left: Vec<String> =
        files(&home.path("")).into_iter().filter(|name| name.contains("partial")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn nothing_is_overwritten_unless_it_is_said() {
    let home = Home::new();
    home.run(&["migrate"]).await.ok();
    std::fs::write(home.path("precious"), "a letter").unwrap();
    let line = home.run(&["backup", "precious"]).await.failed(1);
    assert!(line.starts_with("error: precious is there already: "), "{line}");
    assert_eq!(std::fs::read_to_string(home.path("precious")).unwrap(), "a letter");
    let said = home.run(&["backup", "precious", "--overwrite"]).await.ok();
    assert!(said.stdout.starts_with("postroom.db was copied to precious: "), "{said:?}");

    let line = home.run(&["backup", "./postroom.db", "--overwrite"]).await.failed(1);
    assert!(line.contains("is the database itself"), "{line}");
    let line = home.run(&["backup", "no/where/copy.db"]).await.failed(1);
    assert!(line.contains("can't be written to no/where/copy.db"), "{line}");
    let names = files(&home.path(""));
    let expected = ["postroom.db", "postroom.db.lock", "precious"];
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn what_can_not_be_copied_is_said() {
    let home = Home::new();
    let line = home.run(&["backup", "copy.db"]).await.failed(1);
    assert!(line.starts_with("error: postroom.db is not there"), "{line}");
    let line = home.run(&["backup", "copy.db", "--store", "memory:"]).await.failed(1);
    assert!(line.contains("nothing to copy"), "{line}");
    let line = home.run(&["backup", "copy.db", "--store", "postgres://u@h/d"]).await.failed(1);
    assert!(line.contains("pg_dump --schema=postroom"), "{line}");
    std::fs::write(home.path("postroom.db"), vec![7_u8; 4096]).unwrap();
    let line = home.run(&["backup", "copy.db"]).await.failed(1);
    assert!(line.contains("is not a database"), "{line}");
    assert!(!home.path("copy.db").exists());
}

/// A damaged database is not copied as if it were whole.
#[tokio::test]
async fn a_damaged_copy_is_not_kept() {
    use std::os::unix::fs::FileExt;
    let home = Home::new();
    home.run(&["migrate"]).await.ok();
    let file = std::fs::OpenOptions::new().write(true).open(home.path("postroom.db")).unwrap();
    file.write_all_at(&[0xa5; 4096], 4 * 4096).unwrap();
    let line = home.run(&["backup", "copy.db"]).await.failed(1);
    assert!(line.contains("damaged") || line.contains("malformed"), "{line}");
    assert!(!home.path("copy.db").exists());
}
