//! Every route, asked for with whatever comes to mind: seen from outside, the answer is a success
//! or a clear problem, and what is refused has changed nothing.

mod answer;
mod bodies;
mod full_house;
mod panics;
mod request;
pub mod routes;
mod words;

use std::cell::RefCell;
use std::sync::Arc;

use postroom_conformance::invariants::check_invariants;
use postroom_core::id::ThreadId;
use postroom_core::ports::MailboxStore;
use postroom_stores::memory::MemoryStore;
use postroom_stores::sqlite::{Options, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};
use proptest::collection::vec;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::Value;

use answer::answered;
use full_house::FullHouse;
use request::{Drawn, request};

/// `PROPTEST_RNG_SEED` draws others, and `PROPTEST_CASES` more.
const SEED: u64 = 8321;

#[test]
fn whatever_is_sent_is_answered_well_and_what_is_refused_changes_nothing() {
    try_all(300, || MemoryStore::new(Arc::new(SystemClock), Arc::new(SystemIds::new())));
}

/// The same where numbers and texts go through columns and rows.
#[test]
fn it_is_so_with_a_database_too() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut files = 0;
    try_all(60, || {
        files += 1;
        let path = dir.path().join(format!("{files}.db"));
        let options = Options::new(path, Arc::new(SystemClock), Arc::new(SystemIds::new()));
        SqliteStore::open(options).unwrap()
    });
}

/// Draws `cases` stories of requests and sends each to a house of its own.
fn try_all<S: MailboxStore + 'static>(cases: u32, store: impl FnMut() -> S) {
    let given = Config::default();
    let seed = match given.rng_seed {
        RngSeed::Random => SEED,
        RngSeed::Fixed(seed) => seed,
    };
    let config = Config {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { cases },
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..given
    };
    let store = RefCell::new(store);
    let sent = TestRunner::new(config).run(&vec(request(), 1..40), |requests| {
        panics::count();
        let store = (store.borrow_mut())();
        // All of it on this thread, where panics are counted; dropped, nothing of it goes on.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(send_all(store, &requests));
        Ok(())
    });
    sent.unwrap_or_else(|error| panic!("PROPTEST_RNG_SEED={seed}: {error}"));
}

async fn send_all<S: MailboxStore + 'static>(store: S, requests: &[Drawn]) {
    let full = FullHouse::open(store).await;
    let mut before = full.contents().await;
    for drawn in requests {
        let drawn = full.addressed(drawn);
        let status = answered(&full.house, &drawn).await;
        let after = full.contents().await;
        let may_write = status < 300 && !matches!(drawn.method, "GET" | "HEAD");
        assert!(may_write || after == before, "{drawn:?}: {before:#}\nbecame\n{after:#}");
        assert_eq!(panics::seen(), 0, "{drawn:?}");
        before = after;
    }
    full.house.get("/health/ready").await.ok(200);
    let threads: Vec<ThreadId> = ids(&before[0], "thread_id");
    let broken = check_invariants(&*full.house.store, &threads).await.unwrap();
    assert!(broken.is_empty(), "{broken:#?}");
}

fn ids(items: &Value, name: &str) -> Vec<ThreadId> {
    let ids = items.as_array().into_iter().flatten();
    ids.map(|item| ThreadId::parse(item[name].as_str().unwrap()).unwrap()).collect()
}
