//! PostgreSQL passes the suite.
#![cfg(feature = "postgres")]

#[path = "support/schema.rs"]
mod schema;
mod support;

use schema::Schema;

fn postgres() -> Schema {
    Schema::new(postroom_testbed::Postgres::shared().url(), true)
}

postroom_conformance::suite!(postgres());

/// Two nodes on one database, which know what they wrote last: any of them is asked.
mod two_nodes {
    use std::sync::Arc;

    use async_trait::async_trait;
    use postroom_conformance::{Backend, Cluster, ManualClock, SeededIds};
    use postroom_core::ports::MailboxStore;

    struct TwoNodes(crate::Schema);

    #[async_trait]
    impl Backend for TwoNodes {
        async fn open(
            &self,
            clock: Arc<ManualClock>,
            ids: Arc<SeededIds>,
        ) -> Arc<dyn MailboxStore> {
            let one = self.0.open(clock.clone(), ids.clone()).await;
            let other = self.0.store(clock, ids).await;
            Arc::new(Cluster::of(vec![one, other], 1))
        }

        async fn reopen(
            &self,
            store: Arc<dyn MailboxStore>,
            clock: Arc<ManualClock>,
            ids: Arc<SeededIds>,
        ) -> Option<Arc<dyn MailboxStore>> {
            drop(store);
            let one = self.0.store(clock.clone(), ids.clone()).await;
            let other = self.0.store(clock, ids).await;
            Some(Arc::new(Cluster::of(vec![one, other], 2)))
        }
    }

    postroom_conformance::suite!(TwoNodes(crate::postgres()));
}

postroom_conformance::access_suite! {{
    use std::sync::Arc;

    use postroom_conformance::{ManualClock, SeededIds};
    use postroom_core::ports::AccessStore;

    let (clock, ids) = (Arc::new(ManualClock::new()), Arc::new(SeededIds::new(1)));
    postgres().store(clock, ids).await as Arc<dyn AccessStore>
}}

/// Random commands are answered as the memory store answers them, and leave the same state.
#[cfg(feature = "memory")]
#[test]
fn random_commands_do_what_they_do_in_memory() {
    use std::sync::Arc;

    use async_trait::async_trait;
    use postroom_conformance::{Backend, ManualClock, SeededIds};
    use postroom_core::ports::MailboxStore;

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
        runtime.block_on(postroom_conformance::model::check(&postgres(), &Memory, seed, 300));
    }
}
