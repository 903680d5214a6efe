//! A disk that fails, and power that fails: what was accepted is there once, what was refused is not,
//! and the store goes on without a restart.
//!
//! Each story runs in a process of its own, on the disk that `sqlite_disk/disk.c` makes. What is left
//! of the files is then looked at twice: as the system saw them, which is what a killed process
//! leaves behind, and as they are on the disk, which is what a power failure leaves.
#![cfg(all(feature = "sqlite", target_os = "linux"))]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use postroom_conformance::world::beginning;
use postroom_core::command::{Command, Envelope, Mode, Submit};
use postroom_core::error::StoreError;
use postroom_core::id::ThreadId;
use postroom_core::message::NewMessage;
use postroom_core::ports::MailboxStore;
use postroom_stores::sqlite::{OpenError, Options, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};

/// How many submissions go on at once.
const AT_ONCE: usize = 16;

/// What the process says by ending so: the power was cut.
const CUT_STATUS: i32 = 77;

/// A place for one story: the files, the disk below them, and the ledger of what was answered.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("postroom-disk-{}-{number}", std::process::id());
        let place = Self(std::env::temp_dir().join(name));
        for folder in [place.files(), place.platter()] {
            fs::create_dir_all(folder).unwrap();
        }
        place
    }

    fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    fn platter(&self) -> PathBuf {
        self.0.join("platter")
    }

    fn ledger(&self) -> PathBuf {
        self.0.join("ledger")
    }

    /// Tells the story named `story` of this file on a disk with this plan, and says how it ended.
    fn tell(&self, story: &str, plan: &str) -> Option<i32> {
        self.told(story, &[("DISK_PLAN", plan)])
    }

    /// The same on a disk whose plan the story itself writes: `later`.
    fn tell_later(&self, story: &str, later: &str) -> Option<i32> {
        self.told(story, &[("LATER", later)])
    }

    /// The same; what the system writes before it is asked to comes from `seed`.
    fn tell_by_chance(&self, story: &str, seed: u64) -> Option<i32> {
        self.told(story, &[("DISK_SEED", &seed.to_string())])
    }

    fn told(&self, story: &str, settings: &[(&str, &str)]) -> Option<i32> {
        let told = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", story, "--nocapture"])
            .env("STORY", &self.0)
            .env("LD_PRELOAD", disk())
            .env("DISK_FILES", self.files())
            .env("DISK_PLATTER", self.platter())
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        let code = told.status.code();
        let said = String::from_utf8_lossy(&told.stdout);
        let told_well = told.status.success() || code == Some(CUT_STATUS);
        let wrong = String::from_utf8_lossy(&told.stderr);
        assert!(told_well, "{settings:?}: {}\n{said}\n{wrong}", told.status);
        code
    }

    /// Looks at what the files say and at what is on the disk; says how often what was answered.
    fn check(&self, plan: &str) -> BTreeMap<String, usize> {
        let answers = answers(&self.ledger());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for left in [self.files(), self.platter()] {
            // The index of the log is the system's, and gone with the power.
            let _ = fs::remove_file(left.join("mail.db-shm"));
            let store = try_to_open(&left).unwrap_or_else(|error| panic!("{plan}: {error}"));
            for (thread, answer) in &answers {
                let id = ThreadId::parse(thread).unwrap();
                let found = runtime.block_on(store.messages(&id, 0, 10)).unwrap().len();
                let right = match answer.as_str() {
                    "accepted" => found == 1,
                    "refused" => found == 0,
                    _ => found <= 1,
                };
                let place = left.display();
                assert!(right, "{plan}: {thread} was {answer}, and is {found} times in {place}");
            }
        }
        let mut counts = BTreeMap::new();
        for answer in answers.into_values() {
            *counts.entry(answer).or_default() += 1;
        }
        counts
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The last word about each thread.
fn answers(ledger: &Path) -> BTreeMap<String, String> {
    let ledger = fs::read_to_string(ledger).unwrap();
    let entries = ledger.lines().filter_map(|line| line.split_once(' '));
    entries.map(|(thread, answer)| (thread.to_owned(), answer.to_owned())).collect()
}

/// The library that is the disk, compiled once.
fn disk() -> &'static Path {
    static DISK: OnceLock<PathBuf> = OnceLock::new();
    DISK.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("disk.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sqlite_disk/disk.c");
        let mut cc = Process::new("cc");
        let built =
            cc.args(["-shared", "-fPIC", "-O1", "-pthread", "-o"]).arg(&library).arg(source);
        assert!(built.status().expect("a C compiler is there, as SQLite needed it").success());
        library
    })
}

fn open(folder: &Path) -> SqliteStore {
    try_to_open(folder).unwrap()
}

fn try_to_open(folder: &Path) -> Result<SqliteStore, OpenError> {
    let options =
        Options::new(folder.join("mail.db"), Arc::new(SystemClock), Arc::new(SystemIds::new()));
    SqliteStore::open(options)
}

/// The story's side: a store on the disk, and the ledger.
struct Teller {
    files: PathBuf,
    store: SqliteStore,
    ledger: Mutex<File>,
    next: AtomicU64,
}

impl Teller {
    /// The teller of this story, where this process is to tell one.
    fn here() -> Option<Arc<Self>> {
        let place = Place(PathBuf::from(std::env::var_os("STORY")?));
        let ledger = OpenOptions::new().create(true).append(true).open(place.ledger()).unwrap();
        let files = place.files();
        // The first failure may be met here already, and is then said.
        let store = try_to_open(&files).unwrap_or_else(|_| open(&files));
        std::mem::forget(place);
        Some(Arc::new(Self { files, store, ledger: Mutex::new(ledger), next: AtomicU64::new(0) }))
    }

    /// Goes on with a store that was closed and opened anew.
    fn go_on(self: Arc<Self>) -> Arc<Self> {
        let Self { files, store, ledger, next } = Arc::into_inner(self).unwrap();
        store.close();
        drop(store);
        Arc::new(Self { store: open(&files), files, ledger, next })
    }

    /// The line is written before anything that comes after it, even if the power is cut.
    fn note(&self, thread: &str, answer: &str) {
        writeln!(self.ledger.lock().unwrap(), "{thread} {answer}").unwrap();
    }

    /// Submits a message to a thread of its own, and notes what was answered.
    async fn submit(&self) -> Result<(), StoreError> {
        let thread = format!("t{}", self.next.fetch_add(1, Ordering::Relaxed));
        self.note(&thread, "open");
        // Larger than a page, so that there are always some to write.
        let submit = Submit::new(Mode::Enqueue, vec![NewMessage::user(&"x".repeat(5000))]);
        let command = Command::Submit(Box::new(submit));
        let envelope = Envelope::new(ThreadId::parse(&thread).unwrap(), command);
        let answer = self.store.apply(vec![envelope]).await.pop().unwrap();
        let word = match &answer {
            Ok(_) => "accepted",
            Err(StoreError::OutcomeUnknown { .. }) => "unknown",
            Err(_) => "refused",
        };
        self.note(&thread, word);
        answer.map(drop)
    }

    /// Many submissions at once; says which failed.
    async fn submit_some(self: &Arc<Self>) -> Vec<StoreError> {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let teller = self.clone();
            all.spawn(async move { teller.submit().await });
        }
        all.join_all().await.into_iter().filter_map(Result::err).collect()
    }

    /// Submits until the disk has failed, and then until it is well again.
    async fn go_through_a_failure(self: &Arc<Self>) {
        while self.submit_some().await.is_empty() {}
        // Well again at the latest once each of the planned failures was met.
        for _ in 0..1000 {
            if self.submit_some().await.is_empty() {
                return;
            }
        }
        panic!("the store does not go on");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A failure, and going on after it.
#[test]
fn a_failure_is_answered_with_no_success() {
    if let Some(teller) = Teller::here() {
        runtime().block_on(async {
            teller.go_through_a_failure().await;
            // As if the power was cut: nothing is tidied up.
            std::process::exit(CUT_STATUS);
        });
    }
    for (plan, answered) in [
        ("sync:-wal:12:1:EIO", "unknown"),
        ("sync:-wal:12:1:ENOSPC", "unknown"),
        ("sync:-wal:12:3:EIO", "unknown"),
        ("write:-wal:300:1:EIO", "unknown"),
        ("write:-wal:300:9:EIO", "unknown"),
        ("write:-wal:300:1:ENOSPC", "refused"),
        ("write:-wal:300:200:ENOSPC", "refused"),
        ("write:-wal:300:1:SHORT,write:-wal:300:1:ENOSPC", "refused"),
    ] {
        let place = Place::new();
        place.tell("a_failure_is_answered_with_no_success", plan);
        let counts = place.check(plan);
        assert!(counts.get(answered).is_some_and(|count| *count > 0), "{plan}: {counts:?}");
        assert!(counts["accepted"] >= 2 * AT_ONCE, "{plan}: {counts:?}");
    }
}

/// The log is brought into the database after a commit, which has taken place whatever becomes of
/// that.
#[test]
fn a_checkpoint_that_fails_takes_nothing_back() {
    if let Some(teller) = Teller::here() {
        runtime().block_on(async {
            fs::write(teller.files.join("plan"), std::env::var("LATER").unwrap()).unwrap();
            // More than the log may have.
            for _ in 0..500 {
                assert_eq!(teller.submit_some().await.len(), 0);
            }
        });
        return;
    }
    for later in ["write:.db:0:3:ENOSPC", "write:.db:0:1:EIO", "sync:.db:0:1:EIO"] {
        let place = Place::new();
        place.tell_later("a_checkpoint_that_fails_takes_nothing_back", later);
        let counts = place.check(later);
        assert_eq!(counts["accepted"], 500 * AT_ONCE, "{later}: {counts:?}");
    }
}

/// A write that is cut short is only finished.
#[test]
fn a_short_write_is_no_failure() {
    if let Some(teller) = Teller::here() {
        runtime().block_on(async {
            for _ in 0..30 {
                assert!(teller.submit_some().await.is_empty());
            }
        });
        return;
    }
    let (place, plan) = (Place::new(), "write:-wal:100:50:SHORT,write:.db:100:50:SHORT");
    assert_eq!(place.tell("a_short_write_is_no_failure", plan), Some(0));
    assert_eq!(place.check(plan)["accepted"], 30 * AT_ONCE);
}

/// The power is cut at one sync after another, also while a failure is being dealt with.
#[test]
fn what_was_accepted_survives_the_power_at_any_sync() {
    if let Some(teller) = Teller::here() {
        runtime().block_on(async {
            for _ in 0..40 {
                teller.submit_some().await;
            }
        });
        return;
    }
    let mut accepted = 0;
    for failure in ["", "sync:-wal:12:1:EIO,", "write:-wal:300:1:EIO,", "sync:.db:1:1:EIO,"] {
        for sync in 10..22 {
            let (place, plan) = (Place::new(), format!("{failure}sync::{sync}:1:CUT"));
            place.tell("what_was_accepted_survives_the_power_at_any_sync", &plan);
            accepted += place.check(&plan).get("accepted").copied().unwrap_or(0);
        }
    }
    assert!(accepted > 0);
}

/// A sync that failed has lost commits that nobody waited for, and the power is cut while the log is
/// brought into the database: what was promised before is whole.
#[test]
fn a_failed_sync_leaves_no_hole_in_the_log() {
    if let Some(teller) = Teller::here() {
        runtime().block_on(async {
            for _ in 0..4 {
                assert!(teller.submit_some().await.is_empty());
            }
            // The log is empty now, and the claims' pages are in none of it.
            let again = teller.go_on();
            let claimed = again.store.claim_ready(beginning("node"), 48).await.unwrap();
            assert_eq!(claimed.claimed.len(), 48);
            let plan = "sync:-wal:0:1:EIO,sync:.db:0:1:CUT";
            fs::write(again.files.join("plan"), plan).unwrap();
            for _ in 0..4 {
                again.submit_some().await;
            }
            panic!("the disk does not do as planned");
        });
    }
    for seed in 0..16 {
        let place = Place::new();
        let ended = place.tell_by_chance("a_failed_sync_leaves_no_hole_in_the_log", seed);
        assert_eq!(ended, Some(CUT_STATUS));
        place.check("a hole");
    }
}
