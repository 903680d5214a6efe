//! The memory store, with faults on demand.

use std::sync::Mutex;
use std::time::Duration;

use postroom_core::command::{ClaimRequest, Envelope};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::StoreError;
use postroom_core::id::{NodeId, TenantId};
use postroom_core::node::Heartbeat;
use postroom_core::ports::{
    Applied, ClaimedReady, PurgedEvents, ReclaimScope, Reclaimed, StoreCapabilities,
};
use postroom_core::time::Timestamp;
use postroom_stores::memory::MemoryStore;

pub struct FaultyStore {
    memory: MemoryStore,
    fault: Mutex<Option<StoreError>>,
}

impl FaultyStore {
    pub fn new(memory: MemoryStore) -> Self {
        Self { memory, fault: Mutex::default() }
    }

    /// From now on every call answers `fault`; with `None`, none does.
    pub fn fails(&self, fault: impl Into<Option<StoreError>>) {
        *self.fault.lock().unwrap() = fault.into();
    }

    fn check(&self) -> Result<(), StoreError> {
        self.fault.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    #[expect(clippy::unused_async, reason = "the reads that the macro writes await it")]
    async fn read<T>(
        &self,
        read: impl FnOnce(&MemoryStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.check()?;
        read(&self.memory)
    }
}

postroom_conformance::store_in_front! {
    impl MailboxStore for FaultyStore {
        async fn apply(&self, commands: Vec<Envelope>) -> Vec<Result<Applied, StoreError>> {
            match self.check() {
                Ok(()) => self.memory.apply(commands).await,
                Err(fault) => commands.iter().map(|_| Err(fault.clone())).collect(),
            }
        }

        async fn claim_ready(
            &self,
            request: ClaimRequest,
            limit: usize,
        ) -> Result<ClaimedReady, StoreError> {
            self.check()?;
            self.memory.claim_ready(request, limit).await
        }

        async fn reclaim(
            &self,
            scope: ReclaimScope,
            retry_in: Duration,
            limit: usize,
        ) -> Result<Reclaimed, StoreError> {
            self.check()?;
            self.memory.reclaim(scope, retry_in, limit).await
        }

        async fn purge_terminal(
            &self,
            tenant: Option<&TenantId>,
            state: Option<DispatchState>,
            older_than: Timestamp,
            limit: usize,
        ) -> Result<u64, StoreError> {
            self.check()?;
            self.memory.purge_terminal(tenant, state, older_than, limit).await
        }

        async fn purge_events(
            &self,
            older_than: Timestamp,
            cursor: Option<&str>,
            limit: usize,
        ) -> Result<PurgedEvents, StoreError> {
            self.check()?;
            self.memory.purge_events(older_than, cursor, limit).await
        }

        async fn heartbeat(&self, beat: Heartbeat) -> Result<(), StoreError> {
            self.check()?;
            self.memory.heartbeat(beat).await
        }

        async fn forget_node(&self, id: &NodeId) -> Result<(), StoreError> {
            self.check()?;
            self.memory.forget_node(id).await
        }

        async fn forget_nodes(&self, unseen_since: Timestamp) -> Result<u64, StoreError> {
            self.check()?;
            self.memory.forget_nodes(unseen_since).await
        }

        fn capabilities(&self) -> StoreCapabilities {
            self.memory.capabilities()
        }
    }
}
