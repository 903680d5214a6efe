//! The memory store: everything in maps behind one mutex, for tests, for the simulation and for
//! embedding. What it holds ends with the process; in everything else it is a store like any other.
//!
//! A command takes a few microseconds, so one mutex serves all: sharding it would cost every
//! listing and every claim across threads more than it saves.

mod access;
mod claim;
mod gradual;
mod list;
mod mailbox;
mod own;
mod save;
mod shelf;
mod states;
mod table;
mod tables;
mod view;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use postroom_core::command::{ClaimRequest, Envelope};
use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::error::StoreError;
use postroom_core::event::SharedEvent;
use postroom_core::id::{DispatchId, NodeId, RunId, TenantId, ThreadId};
use postroom_core::mailbox::Mailbox;
use postroom_core::message::LogMessage;
use postroom_core::node::{Heartbeat, NodeRecord};
use postroom_core::pending::Pending;
use postroom_core::ports::{
    Applied, ClaimedReady, Clock, DepthByState, DispatchFilter, IdSource, Ids, MailboxStore,
    OldRuns, Page, PurgedEvents, ReclaimScope, Reclaimed, RunFilter, StoreCapabilities,
    ThreadFilter,
};
use postroom_core::run::Run;
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;

use crate::nodes::NodeList;
use access::Access;
use tables::Tables;
use view::View;

/// Mailboxes in memory.
pub struct MemoryStore {
    tables: Mutex<Tables>,
    nodes: NodeList,
    access: Access,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self {
            tables: Mutex::default(),
            nodes: NodeList::default(),
            access: Access::default(),
            clock,
            ids,
        }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl Tables {
    /// Loads, lets the mailbox decide, and saves.
    fn apply(
        &mut self,
        envelope: Envelope,
        now: Timestamp,
        ids: Ids<'_>,
    ) -> Result<Applied, StoreError> {
        let mut view = View::new(self, &envelope.thread_id);
        let Ok(mailbox) = Mailbox::load(&mut view, &envelope, now);
        let Envelope { thread_id, command, .. } = envelope;
        let decision = mailbox.decide(command, now, ids)?;
        let events = self.save(&thread_id, decision.changes, now)?;
        Ok(Applied { reply: decision.reply, events })
    }
}

#[async_trait]
impl MailboxStore for MemoryStore {
    async fn apply(&self, commands: Vec<Envelope>) -> Vec<Result<Applied, StoreError>> {
        let mut tables = self.tables.lock();
        // Not collected: that would keep the commands' memory, far too large, for the answers.
        let mut answers = Vec::with_capacity(commands.len());
        for envelope in commands {
            answers.push(tables.apply(envelope, self.clock.now(), &*self.ids));
        }
        answers
    }

    async fn claim_ready(
        &self,
        request: ClaimRequest,
        limit: usize,
    ) -> Result<ClaimedReady, StoreError> {
        self.tables.lock().claim_ready(&request, limit, self.clock.now(), &*self.ids)
    }

    async fn reclaim(
        &self,
        scope: ReclaimScope,
        retry_in: Duration,
        limit: usize,
    ) -> Result<Reclaimed, StoreError> {
        self.tables.lock().reclaim(&scope, retry_in, limit, self.clock.now(), &*self.ids)
    }

    async fn purge_terminal(
        &self,
        tenant: Option<&TenantId>,
        state: Option<DispatchState>,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, StoreError> {
        Ok(self.tables.lock().purge_terminal(tenant, state, older_than, limit))
    }

    async fn purge_events(
        &self,
        older_than: Timestamp,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<PurgedEvents, StoreError> {
        self.tables.lock().purge_events(older_than, cursor, limit)
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.clock.now())
    }

    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities { name: "memory", exclusive: true }
    }

    async fn thread(&self, id: &ThreadId) -> Result<Option<Thread>, StoreError> {
        Ok(self.tables.lock().mailboxes.get(id).map(|here| (*here.thread).clone()))
    }

    async fn threads(
        &self,
        filter: &ThreadFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Thread>, StoreError> {
        self.tables.lock().threads(filter, limit, cursor)
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        Ok(self.tables.lock().shared.runs.get(id).map(|run| (**run).clone()))
    }

    async fn runs(
        &self,
        filter: &RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Run>, StoreError> {
        self.tables.lock().runs(filter, limit, cursor)
    }

    async fn runs_waiting_for_tasks(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        Ok(self.tables.lock().runs_waiting_for_tasks(after, limit))
    }

    async fn runs_owing_reports(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        Ok(self.tables.lock().runs_owing_reports(after, limit))
    }

    async fn old_runs(
        &self,
        ended_before: Timestamp,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<OldRuns, StoreError> {
        self.tables.lock().old_runs(ended_before, cursor, limit)
    }

    async fn dispatch(&self, id: DispatchId) -> Result<Option<Dispatch>, StoreError> {
        Ok(self.tables.lock().shared.dispatches.get(&id).map(|row| (**row).clone()))
    }

    async fn dispatches(
        &self,
        filter: &DispatchFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Dispatch>, StoreError> {
        self.tables.lock().dispatches(filter, limit, cursor)
    }

    async fn messages(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogMessage>, StoreError> {
        let tables = self.tables.lock();
        let Some(here) = tables.mailboxes.get(thread_id) else { return Ok(Vec::new()) };
        Ok(here.log.above(after_seq).take(limit).map(|(_, message)| message.clone()).collect())
    }

    async fn prompt(
        &self,
        thread_id: &ThreadId,
        run_id: &RunId,
    ) -> Result<Vec<LogMessage>, StoreError> {
        Ok(self.tables.lock().prompt(thread_id, run_id))
    }

    async fn events(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<SharedEvent>, StoreError> {
        let tables = self.tables.lock();
        let here = tables.mailboxes.get(thread_id);
        Ok(here.map(|here| here.events_after(after_seq, limit)).unwrap_or_default())
    }

    async fn pending(&self, thread_id: &ThreadId) -> Result<Vec<Pending>, StoreError> {
        let tables = self.tables.lock();
        Ok(tables.mailboxes.get(thread_id).map(|here| here.pending.clone()).unwrap_or_default())
    }

    async fn queued_thread_ids(
        &self,
        after: Option<&ThreadId>,
        limit: usize,
    ) -> Result<Vec<ThreadId>, StoreError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let tables = self.tables.lock();
        let queued = &tables.shared.threads.queued;
        let rest = queued.range((after.map_or(Unbounded, Excluded), Unbounded));
        Ok(rest.take(limit).cloned().collect())
    }

    async fn depth(&self) -> Result<DepthByState, StoreError> {
        let tables = self.tables.lock();
        let count = |state: DispatchState| tables.shared.dispatches.count(state as usize) as u64;
        Ok(DepthByState { counts: DispatchState::ALL.map(count) })
    }

    async fn depth_of(&self, tenant: &TenantId) -> Result<DepthByState, StoreError> {
        if tenant.is_default() {
            let all = self.depth().await?;
            let others = self.tables.lock().shared.tenants.depth();
            return Ok(all.without(DepthByState { counts: others }));
        }
        let tables = self.tables.lock();
        let counts = tables.shared.tenants.get(tenant).map(|rows| rows.depth);
        Ok(DepthByState { counts: counts.unwrap_or_default() })
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<(), StoreError> {
        self.nodes.heartbeat(beat, self.clock.now());
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        Ok(self.nodes.all())
    }

    async fn forget_node(&self, id: &NodeId) -> Result<(), StoreError> {
        self.nodes.forget(id);
        Ok(())
    }

    async fn forget_nodes(&self, unseen_since: Timestamp) -> Result<u64, StoreError> {
        Ok(self.nodes.forget_unseen(unseen_since))
    }
}
