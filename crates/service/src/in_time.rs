//! Patience with a store that lies beyond a network: a call that brings no answer in time has
//! failed, and whoever made it goes on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::command::{ClaimRequest, Envelope};
use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::error::StoreError;
use postroom_core::event::SharedEvent;
use postroom_core::id::{DispatchId, NodeId, RunId, TenantId, ThreadId};
use postroom_core::message::LogMessage;
use postroom_core::node::{Heartbeat, NodeRecord};
use postroom_core::pending::Pending;
use postroom_core::ports::{
    Applied, ClaimedReady, DepthByState, DispatchFilter, MailboxStore, OldRuns, Page, PurgedEvents,
    ReclaimScope, Reclaimed, RunFilter, StoreCapabilities, ThreadFilter,
};
use postroom_core::run::Run;
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;

/// A store whose calls end.
pub(crate) struct InTime {
    pub(crate) store: Arc<dyn MailboxStore>,
    pub(crate) limit: Duration,
}

impl InTime {
    /// A read that was not answered has not happened.
    async fn read<T>(
        &self,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let answer = tokio::time::timeout(self.limit, asked).await;
        answer.unwrap_or_else(|_| Err(StoreError::Unavailable { reason: self.silence() }))
    }

    /// A write that was not answered may have happened, or happen yet.
    async fn write<T>(
        &self,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let answer = tokio::time::timeout(self.limit, asked).await;
        answer.unwrap_or_else(|_| Err(StoreError::OutcomeUnknown { reason: self.silence() }))
    }

    fn silence(&self) -> String {
        format!("the store has not answered for {} ms", self.limit.as_millis())
    }
}

macro_rules! in_time {
    ($($kind:ident $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl MailboxStore for InTime {
            async fn apply(&self, commands: Vec<Envelope>) -> Vec<Result<Applied, StoreError>> {
                let count = commands.len();
                let answers = self.write(async { Ok(self.store.apply(commands).await) }).await;
                answers.unwrap_or_else(|silence| vec![Err(silence); count])
            }

            fn capabilities(&self) -> StoreCapabilities {
                self.store.capabilities()
            }

            $(async fn $name(&self $(, $argument: $type)*) -> Result<$answer, StoreError> {
                self.$kind(self.store.$name($($argument),*)).await
            })*
        }
    };
}

in_time! {
    write claim_ready(request: ClaimRequest, limit: usize) -> ClaimedReady;
    write reclaim(scope: ReclaimScope, retry_in: Duration, limit: usize) -> Reclaimed;
    write purge_terminal(tenant: Option<&TenantId>, state: Option<DispatchState>, older_than: Timestamp, limit: usize) -> u64;
    write purge_events(older_than: Timestamp, cursor: Option<&str>, limit: usize) -> PurgedEvents;
    write heartbeat(beat: Heartbeat) -> ();
    write forget_node(id: &NodeId) -> ();
    write forget_nodes(unseen_since: Timestamp) -> u64;
    read now() -> Timestamp;
    read thread(id: &ThreadId) -> Option<Thread>;
    read threads(filter: &ThreadFilter, limit: usize, cursor: Option<&str>) -> Page<Thread>;
    read run(id: &RunId) -> Option<Run>;
    read runs(filter: &RunFilter, limit: usize, cursor: Option<&str>) -> Page<Run>;
    read runs_waiting_for_tasks(after: Option<&RunId>, limit: usize) -> Vec<Run>;
    read runs_owing_reports(after: Option<&RunId>, limit: usize) -> Vec<Run>;
    read old_runs(ended_before: Timestamp, cursor: Option<&str>, limit: usize) -> OldRuns;
    read dispatch(id: DispatchId) -> Option<Dispatch>;
    read dispatches(filter: &DispatchFilter, limit: usize, cursor: Option<&str>) -> Page<Dispatch>;
    read messages(thread_id: &ThreadId, after_seq: u64, limit: usize) -> Vec<LogMessage>;
    read prompt(thread_id: &ThreadId, run_id: &RunId) -> Vec<LogMessage>;
    read events(thread_id: &ThreadId, after_seq: u64, limit: usize) -> Vec<SharedEvent>;
    read pending(thread_id: &ThreadId) -> Vec<Pending>;
    read queued_thread_ids(after: Option<&ThreadId>, limit: usize) -> Vec<ThreadId>;
    read depth() -> DepthByState;
    read depth_of(tenant: &TenantId) -> DepthByState;
    read nodes() -> Vec<NodeRecord>;
}
