//! The memory store passes the suite.

#![cfg(feature = "memory")]

use std::sync::Arc;

use async_trait::async_trait;
use postroom_conformance::{Backend, ManualClock, SeededIds};
use postroom_core::ports::{AccessStore, MailboxStore};
use postroom_stores::memory::MemoryStore;

struct Memory;

#[async_trait]
impl Backend for Memory {
    async fn open(&self, clock: Arc<ManualClock>, ids: Arc<SeededIds>) -> Arc<dyn MailboxStore> {
        Arc::new(MemoryStore::new(clock, ids))
    }
}

postroom_conformance::suite!(Memory);

postroom_conformance::access_suite! {{
    let (clock, ids) = (Arc::new(ManualClock::new()), Arc::new(SeededIds::new(1)));
    Arc::new(MemoryStore::new(clock, ids)) as Arc<dyn AccessStore>
}}

/// The store against itself: what remains are the invariants, under whatever commands come.
#[tokio::test]
async fn the_invariants_hold_under_random_commands() {
    for seed in 0..150 {
        postroom_conformance::model::check(&Memory, &Memory, seed, 400).await;
    }
}
