//! What the tests over servers share.

#![allow(dead_code, reason = "each test file uses its part")]

#[cfg(feature = "postgres")]
pub mod database;
#[cfg(feature = "nats")]
pub mod nats;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use postroom_conformance::SeededIds;
use postroom_core::event::{Event, EventBody, SharedEvent};
use postroom_core::id::ThreadId;
use postroom_core::ports::{IdSource, Spawner};
use postroom_core::time::Timestamp;

/// Starts tasks on the test's runtime.
pub struct OnRuntime;

impl Spawner for OnRuntime {
    #[expect(clippy::disallowed_methods, reason = "the adapter of the tests")]
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(task);
    }
}

/// Ids of a node of its own.
pub fn ids() -> Arc<dyn IdSource> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    Arc::new(SeededIds::new(number << 32 | u64::from(std::process::id())))
}

/// A name that no other test of this process uses.
pub fn unique(what: &str) -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("{what}_{}_{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

/// An event that is told whole.
pub fn delta(thread_id: &ThreadId, seq: u64) -> SharedEvent {
    Arc::new(Event {
        seq,
        thread_id: thread_id.clone(),
        run_id: None,
        at: Timestamp(1_700_000_000_000),
        body: EventBody::TextDelta { text: format!("word {seq} ") },
    })
}

/// Threads of different names.
pub fn threads(count: usize) -> Vec<ThreadId> {
    (0..count).map(|n| ThreadId::parse(&format!("t{n}")).expect("a name")).collect()
}

/// Runs a test on a runtime of one thread, in real time.
pub fn on_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test);
}
