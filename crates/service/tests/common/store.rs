//! The memory store, with faults that a test switches on.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::command::{ClaimRequest, Command, Envelope};
use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::error::StoreError;
use postroom_core::event::SharedEvent;
use postroom_core::id::{DispatchId, RunId, ThreadId};
use postroom_core::message::LogMessage;
use postroom_core::pending::Pending;
use postroom_core::ports::{
    Applied, ClaimedReady, DepthByState, DispatchFilter, MailboxStore, Page, ReclaimScope,
    Reclaimed, RunFilter, StoreCapabilities, ThreadFilter,
};
use postroom_core::run::Run;
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;
use postroom_stores::memory::MemoryStore;

pub struct TestStore {
    pub inner: MemoryStore,
    exclusive: bool,
    /// Renewals fail.
    pub no_renewals: AtomicBool,
    /// Everything fails.
    pub down: AtomicBool,
    /// So many answers to submissions are lost after they were carried out.
    pub lose_submits: AtomicU32,
    /// So many answers to settles are lost.
    pub lose_settles: AtomicU32,
    /// So many answers to commits are lost.
    pub lose_commits: AtomicU32,
    /// How often claims were reclaimed without regard to their lease.
    pub reclaims_of_all: AtomicU32,
    /// How many renewals were asked for.
    pub renewals: AtomicU32,
}

impl TestStore {
    pub fn new(inner: MemoryStore, exclusive: bool) -> Self {
        Self {
            inner,
            exclusive,
            no_renewals: AtomicBool::new(false),
            down: AtomicBool::new(false),
            lose_submits: AtomicU32::new(0),
            lose_settles: AtomicU32::new(0),
            lose_commits: AtomicU32::new(0),
            reclaims_of_all: AtomicU32::new(0),
            renewals: AtomicU32::new(0),
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) { Err(unavailable()) } else { Ok(()) }
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
        self.check()?;
        if matches!(envelope.command, Command::ExtendLease { .. }) {
            self.renewals.fetch_add(1, Ordering::SeqCst);
            if self.no_renewals.load(Ordering::SeqCst) {
                return Err(unavailable());
            }
        }
        let loses = self.loses(&envelope.command);
        let answer = self.inner.apply(vec![envelope]).await.remove(0);
        if loses && answer.is_ok() {
            return Err(StoreError::OutcomeUnknown { reason: "a test lost it".to_owned() });
        }
        answer
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { reason: "a test says so".to_owned() }
}

#[async_trait]
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
        self.check()?;
        self.inner.claim_ready(request, limit).await
    }

    async fn reclaim(
        &self,
        scope: ReclaimScope,
        retry_in: Duration,
        limit: usize,
    ) -> Result<Reclaimed, StoreError> {
        self.check()?;
        if scope == ReclaimScope::All {
            self.reclaims_of_all.fetch_add(1, Ordering::SeqCst);
        }
        self.inner.reclaim(scope, retry_in, limit).await
    }

    async fn purge_terminal(
        &self,
        state: Option<DispatchState>,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, StoreError> {
        self.check()?;
        self.inner.purge_terminal(state, older_than, limit).await
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.inner.now().await
    }

    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities { name: "test", exclusive: self.exclusive }
    }

    async fn thread(&self, id: &ThreadId) -> Result<Option<Thread>, StoreError> {
        self.check()?;
        self.inner.thread(id).await
    }

    async fn threads(
        &self,
        filter: &ThreadFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Thread>, StoreError> {
        self.inner.threads(filter, limit, cursor).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        self.check()?;
        self.inner.run(id).await
    }

    async fn runs(
        &self,
        filter: &RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Run>, StoreError> {
        self.inner.runs(filter, limit, cursor).await
    }

    async fn runs_waiting_for_tasks(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        self.inner.runs_waiting_for_tasks(after, limit).await
    }

    async fn dispatch(&self, id: DispatchId) -> Result<Option<Dispatch>, StoreError> {
        self.check()?;
        self.inner.dispatch(id).await
    }

    async fn dispatches(
        &self,
        filter: &DispatchFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Dispatch>, StoreError> {
        self.inner.dispatches(filter, limit, cursor).await
    }

    async fn messages(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogMessage>, StoreError> {
        self.inner.messages(thread_id, after_seq, limit).await
    }

    async fn prompt(
        &self,
        thread_id: &ThreadId,
        run_id: &RunId,
    ) -> Result<Vec<LogMessage>, StoreError> {
        self.inner.prompt(thread_id, run_id).await
    }

    async fn events(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<SharedEvent>, StoreError> {
        self.inner.events(thread_id, after_seq, limit).await
    }

    async fn pending(&self, thread_id: &ThreadId) -> Result<Vec<Pending>, StoreError> {
        self.inner.pending(thread_id).await
    }

    async fn queued_thread_ids(
        &self,
        after: Option<&ThreadId>,
        limit: usize,
    ) -> Result<Vec<ThreadId>, StoreError> {
        self.inner.queued_thread_ids(after, limit).await
    }

    async fn depth(&self) -> Result<DepthByState, StoreError> {
        self.inner.depth().await
    }
}
