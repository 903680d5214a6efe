//! PostgreSQL passes the suite.
#![cfg(feature = "postgres")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use postroom_conformance::{Backend, ManualClock, SeededIds};
use postroom_core::ports::MailboxStore;
use postroom_stores::postgres::{Options, PostgresStore};
use support::OnTokio;

/// A schema of a case's own in the test process's server, and how many stores were opened.
struct Postgres {
    number: u64,
    opened: AtomicU64,
}

impl Postgres {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { number, opened: AtomicU64::new(0) }
    }

    async fn store(&self, clock: Arc<ManualClock>, ids: Arc<SeededIds>) -> Arc<dyn MailboxStore> {
        let url = postroom_testbed::Postgres::shared().url();
        let mut options = Options::new(url, ids, Arc::new(OnTokio));
        let opened = self.opened.load(Ordering::Relaxed);
        options.schema = format!("case {}-{}-{opened}", std::process::id(), self.number);
        options.clock = Some(clock);
        options.connections = 6;
        // One lane, so that the order among threads is that of the commands.
        options.lanes = 1;
        Arc::new(PostgresStore::open(options).await.unwrap())
    }
}

#[async_trait]
impl Backend for Postgres {
    async fn open(&self, clock: Arc<ManualClock>, ids: Arc<SeededIds>) -> Arc<dyn MailboxStore> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.store(clock, ids).await
    }

    async fn reopen(
        &self,
        store: Arc<dyn MailboxStore>,
        clock: Arc<ManualClock>,
        ids: Arc<SeededIds>,
    ) -> Option<Arc<dyn MailboxStore>> {
        drop(store);
        Some(self.store(clock, ids).await)
    }
}

postroom_conformance::suite!(Postgres::new());

/// Random commands are answered as the memory store answers them, and leave the same state.
#[cfg(feature = "memory")]
#[test]
fn random_commands_do_what_they_do_in_memory() {
    struct Memory;

    #[async_trait]
    impl Backend for Memory {
        async fn open(
            &self,
            clock: Arc<ManualClock>,
            ids: Arc<SeededIds>,
        ) -> Arc<dyn MailboxStore> {
            Arc::new(postroom_stores::memory::MemoryStore::new(clock, ids))
        }
    }

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in 0..8 {
        let postgres = Postgres::new();
        runtime.block_on(postroom_conformance::model::check(&postgres, &Memory, seed, 300));
    }
}
