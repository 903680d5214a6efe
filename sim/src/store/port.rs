//! The port, call by call. Writes are looked at by [`crate::check`].

use std::time::Duration;

use async_trait::async_trait;
use postroom_core::command::ClaimRequest;
use postroom_core::command::Envelope;
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

use super::reads::at_once;
use super::{Kind, StoreLine};
use crate::check;

#[async_trait]
impl MailboxStore for StoreLine {
    async fn apply(&self, commands: Vec<Envelope>) -> Vec<Result<Applied, StoreError>> {
        let count = commands.len();
        let carry_out = move |world: &crate::World, who: &str| {
            commands.into_iter().map(|envelope| check::apply(world, who, envelope)).collect()
        };
        self.call(Kind::Write, carry_out, move |error| vec![Err(error); count]).await
    }

    async fn claim_ready(
        &self,
        request: ClaimRequest,
        limit: usize,
    ) -> Result<ClaimedReady, StoreError> {
        let carry_out =
            move |world: &crate::World, who: &str| check::claim_ready(world, who, request, limit);
        self.call(Kind::Write, carry_out, Err).await
    }

    async fn reclaim(
        &self,
        scope: ReclaimScope,
        retry_in: Duration,
        limit: usize,
    ) -> Result<Reclaimed, StoreError> {
        let carry_out = move |world: &crate::World, who: &str| {
            check::reclaim(world, who, scope, retry_in, limit)
        };
        self.call(Kind::Write, carry_out, Err).await
    }

    async fn purge_terminal(
        &self,
        state: Option<DispatchState>,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, StoreError> {
        let carry_out = move |world: &crate::World, _: &str| {
            // What is to go is looked at once more.
            check::look_at_all(world);
            at_once(world.store.purge_terminal(state, older_than, limit))
        };
        self.call(Kind::Write, carry_out, Err).await
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.read(|world| at_once(world.store.now())).await
    }

    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities { name: "simulated", exclusive: self.world.shape.single }
    }

    async fn thread(&self, id: &ThreadId) -> Result<Option<Thread>, StoreError> {
        let id = id.clone();
        self.read(move |world| at_once(world.store.thread(&id))).await
    }

    async fn threads(
        &self,
        filter: &ThreadFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Thread>, StoreError> {
        let (filter, cursor) = (filter.clone(), cursor.map(str::to_owned));
        self.read(move |world| at_once(world.store.threads(&filter, limit, cursor.as_deref())))
            .await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        let id = id.clone();
        self.read(move |world| at_once(world.store.run(&id))).await
    }

    async fn runs(
        &self,
        filter: &RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Run>, StoreError> {
        let (filter, cursor) = (filter.clone(), cursor.map(str::to_owned));
        self.read(move |world| at_once(world.store.runs(&filter, limit, cursor.as_deref()))).await
    }

    async fn runs_waiting_for_tasks(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        let after = after.cloned();
        self.read(move |world| at_once(world.store.runs_waiting_for_tasks(after.as_ref(), limit)))
            .await
    }

    async fn dispatch(&self, id: DispatchId) -> Result<Option<Dispatch>, StoreError> {
        self.read(move |world| at_once(world.store.dispatch(id))).await
    }

    async fn dispatches(
        &self,
        filter: &DispatchFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Dispatch>, StoreError> {
        let (filter, cursor) = (filter.clone(), cursor.map(str::to_owned));
        self.read(move |world| at_once(world.store.dispatches(&filter, limit, cursor.as_deref())))
            .await
    }

    async fn messages(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogMessage>, StoreError> {
        let id = thread_id.clone();
        self.read(move |world| at_once(world.store.messages(&id, after_seq, limit))).await
    }

    async fn prompt(
        &self,
        thread_id: &ThreadId,
        run_id: &RunId,
    ) -> Result<Vec<LogMessage>, StoreError> {
        let (thread_id, run_id) = (thread_id.clone(), run_id.clone());
        self.read(move |world| at_once(world.store.prompt(&thread_id, &run_id))).await
    }

    async fn events(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<SharedEvent>, StoreError> {
        let id = thread_id.clone();
        self.read(move |world| at_once(world.store.events(&id, after_seq, limit))).await
    }

    async fn pending(&self, thread_id: &ThreadId) -> Result<Vec<Pending>, StoreError> {
        let id = thread_id.clone();
        self.read(move |world| at_once(world.store.pending(&id))).await
    }

    async fn queued_thread_ids(
        &self,
        after: Option<&ThreadId>,
        limit: usize,
    ) -> Result<Vec<ThreadId>, StoreError> {
        let after = after.cloned();
        self.read(move |world| at_once(world.store.queued_thread_ids(after.as_ref(), limit))).await
    }

    async fn depth(&self) -> Result<DepthByState, StoreError> {
        self.read(|world| at_once(world.store.depth())).await
    }
}
