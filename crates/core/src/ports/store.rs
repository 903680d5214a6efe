//! Stores: they load, let the core decide, and save.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::command::{ClaimRequest, Delivered, Envelope, Reply};
use crate::dispatch::{Dispatch, DispatchState};
use crate::error::StoreError;
use crate::event::SharedEvent;
use crate::id::{AgentId, DispatchId, NodeId, RunId, TenantId, ThreadId};
use crate::message::LogMessage;
use crate::node::{Heartbeat, NodeRecord};
use crate::pending::Pending;
use crate::run::{Run, RunState};
use crate::thread::Thread;
use crate::time::Timestamp;

/// A command that was carried out: durable, if it was a promise.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The answer.
    pub reply: Reply,
    /// What happened, in order.
    pub events: Vec<SharedEvent>,
}

/// What `claim_ready` brought.
#[derive(Debug, Clone, Default)]
pub struct ClaimedReady {
    /// The claimed heads, of different threads.
    pub claimed: Vec<Delivered>,
    /// What happened.
    pub events: Vec<SharedEvent>,
    /// How long until the first delayed dispatch of an idle thread is due, where one is delayed.
    pub next_due_in: Option<Duration>,
}

/// Which claims to take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReclaimScope {
    /// Those whose lease has expired.
    Expired,
    /// All: their nodes are known to be dead. Only a store that one process has to itself allows it.
    All,
}

/// What `reclaim_expired_leases` brought.
#[derive(Debug, Clone, Default)]
pub struct Reclaimed {
    /// The dispatches as they are now.
    pub dispatches: Vec<Arc<Dispatch>>,
    /// What happened.
    pub events: Vec<SharedEvent>,
}

/// Which runs to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of this thread.
    pub thread_id: Option<ThreadId>,
    /// In this state.
    pub state: Option<RunState>,
    /// Of this agent.
    pub agent_id: Option<AgentId>,
    /// Asked for by this run.
    pub parent_run_id: Option<RunId>,
}

/// Which dispatches to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct DispatchFilter {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of this thread.
    pub thread_id: Option<ThreadId>,
    /// In one of these states; empty stands for all.
    pub states: Vec<DispatchState>,
}

/// Which threads to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct ThreadFilter {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// With these metadata: each key's value, as JSON text or as plain text, equals.
    pub metadata: Vec<(String, String)>,
    /// With this text somewhere in its id, or in its metadata as JSON text; ASCII letters in any
    /// case. For people who look for a thread: it is looked through newest first, and a page may end
    /// early, even empty, with a cursor to go on from.
    pub text: Option<String>,
}

impl ThreadFilter {
    /// Whether a thread with this id and these metadata, as JSON text, has the text that is wanted.
    pub fn is_mentioned(&self, id: &str, metadata: Option<&str>) -> bool {
        let Some(text) = &self.text else { return true };
        let text = text.to_ascii_lowercase();
        let has = |place: &str| place.to_ascii_lowercase().contains(&text);
        has(id) || metadata.is_some_and(has)
    }
}

/// A page of a list. The cursor names a place among the rows, not an offset: rows that come and go
/// neither hide nor repeat others.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one. Opaque.
    pub next_cursor: Option<String>,
}

/// A piece of a purge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgedEvents {
    /// How many rows were deleted one by one. Those of whole days are not counted.
    pub deleted: u64,
    /// Where the next piece begins, if there is one. Opaque.
    pub next_cursor: Option<String>,
}

/// A piece of a look for runs that may be collected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OldRuns {
    /// The runs, each with its thread, in the order in which they were made.
    pub runs: Vec<(ThreadId, RunId)>,
    /// Where the next piece begins, if anything that was made before the moment asked about may be
    /// left. Opaque.
    pub next_cursor: Option<String>,
}

/// How many dispatches are in each state: kept, not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DepthByState {
    /// By the order of [`DispatchState::ALL`].
    pub counts: [u64; 6],
}

impl DepthByState {
    /// How many are in `state`.
    pub fn get(&self, state: DispatchState) -> u64 {
        self.counts[state as usize]
    }

    /// What is left without `others`.
    pub fn without(mut self, others: Self) -> Self {
        for (count, others) in self.counts.iter_mut().zip(others.counts) {
            *count = count.saturating_sub(others);
        }
        self
    }
}

/// What a store is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreCapabilities {
    /// For people: `memory`, `sqlite`, `postgres`.
    pub name: &'static str,
    /// One process has it to itself: at start every claim is a dead one's.
    pub exclusive: bool,
}

/// Where mailboxes are kept.
#[async_trait]
pub trait MailboxStore: Send + Sync + 'static {
    /// Carries the commands out, each atomic on its own, and makes them durable together. Answers
    /// in their order. Commands of one caller to one thread are carried out in their order.
    async fn apply(&self, commands: Vec<Envelope>) -> Vec<Result<Applied, StoreError>>;

    /// Claims the heads of up to `limit` different ready threads.
    async fn claim_ready(
        &self,
        request: ClaimRequest,
        limit: usize,
    ) -> Result<ClaimedReady, StoreError>;

    /// Takes back up to `limit` claims; each counts a failed attempt. `retry_in` delays the next.
    async fn reclaim(
        &self,
        scope: ReclaimScope,
        retry_in: Duration,
        limit: usize,
    ) -> Result<Reclaimed, StoreError>;

    /// Deletes up to `limit` dispatches of `tenant` (`None`: of all) that are in `state` (`None`: in
    /// any terminal state; one that is not terminal deletes nothing) since before `older_than`, never
    /// their runs or messages; says how many. Where both are `None`, answers to submissions that are
    /// as old go with them.
    async fn purge_terminal(
        &self,
        tenant: Option<&TenantId>,
        state: Option<DispatchState>,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, StoreError>;

    /// Deletes events from before `older_than`, the oldest of each thread first; one that keeps them
    /// by the day may keep those of a day until all of it is as old. It does a bounded piece, of at
    /// most `limit` threads or so many rows of one, and is to be asked again with the cursor that it
    /// gives until it gives none. Nothing else is changed: numbers go on as they would have.
    async fn purge_events(
        &self,
        older_than: Timestamp,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<PurgedEvents, StoreError>;

    /// The store's time, which decides about leases.
    async fn now(&self) -> Result<Timestamp, StoreError>;

    /// What it is like.
    fn capabilities(&self) -> StoreCapabilities;

    /// A thread.
    async fn thread(&self, id: &ThreadId) -> Result<Option<Thread>, StoreError>;

    /// Threads, newest first.
    async fn threads(
        &self,
        filter: &ThreadFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Thread>, StoreError>;

    /// A run.
    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError>;

    /// Runs, newest first.
    async fn runs(
        &self,
        filter: &RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Run>, StoreError>;

    /// Runs that wait for background tasks, oldest first, after `after`.
    async fn runs_waiting_for_tasks(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError>;

    /// Runs whose end is owed a report, oldest first, after `after`.
    async fn runs_owing_reports(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError>;

    /// Runs that ended before `ended_before` and that nothing needs any more, as far as can be told
    /// without their mailboxes: [`Command::CollectRun`](crate::command::Command::CollectRun) decides.
    /// None whose thread points at it, that is hidden or owes a report, that has a dispatch, or whose
    /// parent or one of whose children is unfinished. It looks at a bounded piece, of at most `limit`
    /// runs in the order in which they were made, those that stay included.
    async fn old_runs(
        &self,
        ended_before: Timestamp,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<OldRuns, StoreError>;

    /// A dispatch.
    async fn dispatch(&self, id: DispatchId) -> Result<Option<Dispatch>, StoreError>;

    /// Dispatches, newest first.
    async fn dispatches(
        &self,
        filter: &DispatchFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Dispatch>, StoreError>;

    /// A thread's messages after `after_seq`, in order.
    async fn messages(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogMessage>, StoreError>;

    /// A thread's messages for a prompt of `run_id`: see [`crate::ports::RunContext::prompt`].
    async fn prompt(
        &self,
        thread_id: &ThreadId,
        run_id: &RunId,
    ) -> Result<Vec<LogMessage>, StoreError>;

    /// A thread's events after `after_seq`, in order.
    async fn events(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<SharedEvent>, StoreError>;

    /// A thread's pending messages, in order.
    async fn pending(&self, thread_id: &ThreadId) -> Result<Vec<Pending>, StoreError>;

    /// Threads with queued work, in order of id, after `after`.
    async fn queued_thread_ids(
        &self,
        after: Option<&ThreadId>,
        limit: usize,
    ) -> Result<Vec<ThreadId>, StoreError>;

    /// How many dispatches are in each state.
    async fn depth(&self) -> Result<DepthByState, StoreError>;

    /// The same of one tenant: as exact, and as little counted.
    async fn depth_of(&self, tenant: &TenantId) -> Result<DepthByState, StoreError>;

    /// Puts a node in the list of nodes, or what it says now in the place of what it said before:
    /// seen at the store's time, started when it first said. One that was forgotten is there again.
    /// Need not survive the store's own restart, nor wait for a disk: it is said again soon.
    async fn heartbeat(&self, beat: Heartbeat) -> Result<(), StoreError>;

    /// The list of nodes, by id: all that said something and were not forgotten since, the dead too.
    async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError>;

    /// Takes a node that ends off the list. One that is not there is no error.
    async fn forget_node(&self, id: &NodeId) -> Result<(), StoreError>;

    /// Takes the nodes off the list that were last seen before `unseen_since`; says how many.
    async fn forget_nodes(&self, unseen_since: Timestamp) -> Result<u64, StoreError>;
}
