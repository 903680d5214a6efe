//! The memory store, with faults on demand.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::command::{ClaimRequest, Envelope};
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
}

macro_rules! checked {
    ($(async fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $answer:ty;)*) => {
        #[async_trait]
        impl MailboxStore for FaultyStore {
            async fn apply(&self, commands: Vec<Envelope>) -> Vec<Result<Applied, StoreError>> {
                match self.check() {
                    Ok(()) => self.memory.apply(commands).await,
                    Err(fault) => commands.iter().map(|_| Err(fault.clone())).collect(),
                }
            }

            fn capabilities(&self) -> StoreCapabilities {
                self.memory.capabilities()
            }

            $(async fn $name(&self $(, $argument: $type)*) -> Result<$answer, StoreError> {
                self.check()?;
                self.memory.$name($($argument),*).await
            })*
        }
    };
}

checked! {
    async fn claim_ready(&self, request: ClaimRequest, limit: usize) -> ClaimedReady;
    async fn reclaim(&self, scope: ReclaimScope, retry_in: Duration, limit: usize) -> Reclaimed;
    async fn purge_terminal(&self, state: Option<DispatchState>, older_than: Timestamp, limit: usize) -> u64;
    async fn now(&self) -> Timestamp;
    async fn thread(&self, id: &ThreadId) -> Option<Thread>;
    async fn threads(&self, filter: &ThreadFilter, limit: usize, cursor: Option<&str>) -> Page<Thread>;
    async fn run(&self, id: &RunId) -> Option<Run>;
    async fn runs(&self, filter: &RunFilter, limit: usize, cursor: Option<&str>) -> Page<Run>;
    async fn runs_waiting_for_tasks(&self, after: Option<&RunId>, limit: usize) -> Vec<Run>;
    async fn dispatch(&self, id: DispatchId) -> Option<Dispatch>;
    async fn dispatches(&self, filter: &DispatchFilter, limit: usize, cursor: Option<&str>) -> Page<Dispatch>;
    async fn messages(&self, thread_id: &ThreadId, after_seq: u64, limit: usize) -> Vec<LogMessage>;
    async fn prompt(&self, thread_id: &ThreadId, run_id: &RunId) -> Vec<LogMessage>;
    async fn events(&self, thread_id: &ThreadId, after_seq: u64, limit: usize) -> Vec<SharedEvent>;
    async fn pending(&self, thread_id: &ThreadId) -> Vec<Pending>;
    async fn queued_thread_ids(&self, after: Option<&ThreadId>, limit: usize) -> Vec<ThreadId>;
    async fn depth(&self) -> DepthByState;
}
