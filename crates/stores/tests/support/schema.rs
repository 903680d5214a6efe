//! A schema of a case's own in a server that cases share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use postroom_conformance::{Backend, ManualClock, SeededIds};
use postroom_core::ports::MailboxStore;
use postroom_stores::postgres::{Options, PostgresStore};

use crate::support::OnTokio;

/// A schema, and how many stores were opened in it.
pub struct Schema {
    url: String,
    prepares: bool,
    number: u64,
    opened: AtomicU64,
}

impl Schema {
    /// One at the server with this address.
    pub fn new(url: String, prepares: bool) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { url, prepares, number, opened: AtomicU64::new(0) }
    }

    /// A store in it.
    pub async fn store(&self, clock: Arc<ManualClock>, ids: Arc<SeededIds>) -> Arc<PostgresStore> {
        let mut options = Options::new(&self.url, ids, Arc::new(OnTokio));
        let opened = self.opened.load(Ordering::Relaxed);
        options.schema = format!("case {}-{}-{opened}", std::process::id(), self.number);
        options.clock = Some(clock);
        options.connections = 6;
        // One lane, so that the order among threads is that of the commands.
        options.lanes = 1;
        options.prepares = self.prepares;
        Arc::new(PostgresStore::open(options).await.unwrap())
    }
}

#[async_trait]
impl Backend for Schema {
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
