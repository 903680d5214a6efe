//! The memory store, with faults that a test switches on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use postroom_core::command::{ClaimRequest, Command, Envelope};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::StoreError;
use postroom_core::id::{NodeId, TenantId};
use postroom_core::node::Heartbeat;
use postroom_core::ports::{
    Applied, ClaimedReady, MailboxStore, PurgedEvents, ReclaimScope, Reclaimed, StoreCapabilities,
};
use postroom_core::time::Timestamp;
use postroom_stores::memory::MemoryStore;

pub struct TestStore {
    inner: Arc<MemoryStore>,
    exclusive: bool,
    /// Renewals fail.
    pub no_renewals: AtomicBool,
    /// Everything fails.
    pub down: AtomicBool,
    /// Nothing is answered, nor carried out.
    pub silent: AtomicBool,
    /// Heartbeats fail.
    pub no_heartbeats: AtomicBool,
    /// So many answers to submissions are lost after they were carried out.
    pub lose_submits: AtomicU32,
    /// So many answers to settles are lost.
    pub lose_settles: AtomicU32,
    /// Everything fails once an answer to a settle was lost.
    pub cut_after_settle: AtomicBool,
    /// So many answers to commits are lost.
    pub lose_commits: AtomicU32,
    /// How often claims were reclaimed without regard to their lease.
    pub reclaims_of_all: AtomicU32,
    /// How many renewals were asked for.
    pub renewals: AtomicU32,
}

impl TestStore {
    pub fn new(inner: Arc<MemoryStore>, exclusive: bool) -> Self {
        Self {
            inner,
            exclusive,
            no_renewals: AtomicBool::new(false),
            down: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            no_heartbeats: AtomicBool::new(false),
            lose_submits: AtomicU32::new(0),
            lose_settles: AtomicU32::new(0),
            cut_after_settle: AtomicBool::new(false),
            lose_commits: AtomicU32::new(0),
            reclaims_of_all: AtomicU32::new(0),
            renewals: AtomicU32::new(0),
        }
    }

    /// Another way to the same store, with faults of its own.
    pub fn another_line(&self) -> Self {
        Self::new(self.inner.clone(), self.exclusive)
    }

    async fn check(&self) -> Result<(), StoreError> {
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.down.load(Ordering::SeqCst) { Err(unavailable()) } else { Ok(()) }
    }

    async fn read<T>(
        &self,
        read: impl FnOnce(&MemoryStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.check().await?;
        read(&self.inner)
    }

    fn loses(&self, command: &Command) -> bool {
        let left = match command {
            Command::Submit(_) => &self.lose_submits,
            Command::Settle(_) => &self.lose_settles,
            Command::Commit { .. } => &self.lose_commits,
            _ => return false,
        };
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    async fn apply_one(&self, envelope: Envelope) -> Result<Applied, StoreError> {
        self.check().await?;
        if matches!(envelope.command, Command::ExtendLease { .. }) {
            self.renewals.fetch_add(1, Ordering::SeqCst);
            if self.no_renewals.load(Ordering::SeqCst) {
                return Err(unavailable());
            }
        }
        let loses = self.loses(&envelope.command);
        let settles = matches!(envelope.command, Command::Settle(_));
        let answer = self.inner.apply(vec![envelope]).await.remove(0);
        if loses && answer.is_ok() {
            if settles && self.cut_after_settle.load(Ordering::SeqCst) {
                self.down.store(true, Ordering::SeqCst);
            }
            return Err(StoreError::OutcomeUnknown { reason: "a test lost it".to_owned() });
        }
        answer
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { reason: "a test says so".to_owned() }
}

postroom_conformance::store_in_front! {
    impl MailboxStore for TestStore {
        async fn apply(&self, commands: Vec<Envelope>) -> Vec<Result<Applied, StoreError>> {
            let mut answers = Vec::new();
            for envelope in commands {
                answers.push(self.apply_one(envelope).await);
            }
            // A real store takes a moment, and others run meanwhile.
            tokio::task::yield_now().await;
            answers
        }

        async fn claim_ready(
            &self,
            request: ClaimRequest,
            limit: usize,
        ) -> Result<ClaimedReady, StoreError> {
            self.check().await?;
            self.inner.claim_ready(request, limit).await
        }

        async fn reclaim(
            &self,
            scope: ReclaimScope,
            retry_in: Duration,
            limit: usize,
        ) -> Result<Reclaimed, StoreError> {
            self.check().await?;
            if scope == ReclaimScope::All {
                self.reclaims_of_all.fetch_add(1, Ordering::SeqCst);
            }
            self.inner.reclaim(scope, retry_in, limit).await
        }

        async fn purge_terminal(
            &self,
            tenant: Option<&TenantId>,
            state: Option<DispatchState>,
            older_than: Timestamp,
            limit: usize,
        ) -> Result<u64, StoreError> {
            self.check().await?;
            self.inner.purge_terminal(tenant, state, older_than, limit).await
        }

        async fn purge_events(
            &self,
            older_than: Timestamp,
            cursor: Option<&str>,
            limit: usize,
        ) -> Result<PurgedEvents, StoreError> {
            self.check().await?;
            self.inner.purge_events(older_than, cursor, limit).await
        }

        async fn heartbeat(&self, beat: Heartbeat) -> Result<(), StoreError> {
            self.check().await?;
            if self.no_heartbeats.load(Ordering::SeqCst) {
                return Err(unavailable());
            }
            self.inner.heartbeat(beat).await
        }

        async fn forget_node(&self, id: &NodeId) -> Result<(), StoreError> {
            self.check().await?;
            self.inner.forget_node(id).await
        }

        async fn forget_nodes(&self, unseen_since: Timestamp) -> Result<u64, StoreError> {
            self.check().await?;
            self.inner.forget_nodes(unseen_since).await
        }

        fn capabilities(&self) -> StoreCapabilities {
            StoreCapabilities { name: "test", exclusive: self.exclusive }
        }
    }
}
