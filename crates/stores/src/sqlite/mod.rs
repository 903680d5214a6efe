//! Mailboxes in one SQLite file, for one process.
//!
//! One thread writes: commands arrive at it by a channel, and all that has arrived while it was
//! at work is its next transaction (`writer`, `session`). A few threads read beside it
//! (`readers`). Nothing is answered before the disk has what it rests on (`horizon`). What a command
//! does is the core's to say; here it is loaded (`rows`, `decode`) and saved (`save`).
//!
//! A promise is on the disk before it is answered. A claim, a begin or a renewal may be lost with
//! the machine's power, never with the process.

mod access;
mod backup;
mod checkpoint;
mod claim;
mod columns;
mod decode;
mod error;
mod examine;
mod horizon;
mod list;
mod log;
mod migrate;
mod open;
mod pace;
mod purge;
mod queries;
mod read;
mod readers;
mod rows;
mod save;
mod session;
#[cfg(test)]
mod tests;
mod work;
mod writer;

pub use backup::{BackupError, Copied, backup};
pub use error::OpenError;
pub use examine::{Examined, examine, is_in_use, lock_of, log_of};

use std::fs::File;
use std::path::PathBuf;
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
    Applied, ClaimedReady, Clock, DepthByState, DispatchFilter, IdSource, MailboxStore, OldRuns,
    Page, PurgedEvents, ReclaimScope, Reclaimed, RunFilter, StoreCapabilities, ThreadFilter,
};
use postroom_core::run::Run;
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;

use crate::nodes::NodeList;
use horizon::Horizon;
use list::Below;
use readers::Readers;
use work::{Answer, Outcome, Unit};
use writer::Writer;

/// How to open a [`SqliteStore`].
pub struct Options {
    /// The database file; created if it is not there. Beside it stand `…-wal` and `…-shm` while it
    /// is open, and `….lock`.
    pub path: PathBuf,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// What makes ids.
    pub ids: Arc<dyn IdSource>,
    /// How many reads go on at once.
    pub readers: usize,
    /// Whether the whole file is looked at for damage before it is used; takes about a second a
    /// gigabyte.
    pub check: bool,
}

impl Options {
    /// The file at `path`, everything else by default.
    pub fn new(path: impl Into<PathBuf>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self { path: path.into(), clock, ids, readers: 4, check: true }
    }
}

/// Mailboxes in a SQLite file. Dropping it waits until what it was asked to do is done.
pub struct SqliteStore {
    // In the order in which they are to end: a reader that is left would keep the log alive, the file
    // stays open longer than any connection to it, and the lock is let go last.
    readers: Readers,
    writer: Writer,
    _database: Arc<File>,
    _lock: File,
    nodes: NodeList,
    clock: Arc<dyn Clock>,
}

impl SqliteStore {
    /// Opens the database, and creates it if it is not there. It blocks, for as long as the check
    /// takes.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do. A file that can't be used is left as it is.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let Options { path, clock, ids, readers, check } = options;
        let lock = open::lock(&path)?;
        let writable = open::first(&path, check)?;
        let database = writable.database.clone();
        let connections: rusqlite::Result<Vec<_>> =
            (0..readers.max(1)).map(|_| open::reader(&path)).collect();
        let connections = connections.map_err(|error| OpenError::of(&path, &error))?;
        let io = |error| OpenError::Io { path: path.clone(), error };
        let horizon = Arc::<Horizon>::default();
        let readers = Readers::start(connections, horizon.clone()).map_err(io)?;
        let writer =
            Writer::start(writable, horizon, path.clone(), clock.clone(), ids).map_err(io)?;
        let nodes = NodeList::default();
        Ok(Self { readers, writer, _database: database, _lock: lock, nodes, clock })
    }

    /// Ends the store while others still hold it: what was asked of it before is done, what is
    /// asked after is refused. The file stands alone when this returns, and is free once the store
    /// is dropped. It blocks.
    pub fn close(&self) {
        self.readers.close();
        self.writer.close();
    }

    async fn carry_out_one(&self, unit: Unit) -> Outcome {
        let reason = "the writer gave no answer".to_owned();
        let none = Err(StoreError::OutcomeUnknown { reason });
        self.writer.carry_out(vec![unit]).await.pop().unwrap_or(none)
    }
}

/// The answer to another question than the one that was asked.
fn mismatch<T>() -> Result<T, StoreError> {
    Err(StoreError::OutcomeUnknown { reason: "the writer answered another question".to_owned() })
}

#[async_trait]
impl MailboxStore for SqliteStore {
    async fn apply(&self, commands: Vec<Envelope>) -> Vec<Result<Applied, StoreError>> {
        if commands.is_empty() {
            return Vec::new();
        }
        let units = commands.into_iter().map(Unit::Command).collect();
        let outcomes = self.writer.carry_out(units).await.into_iter();
        let applied = |outcome: Outcome| match outcome? {
            Answer::Applied(applied) => Ok(applied),
            _ => mismatch(),
        };
        outcomes.map(applied).collect()
    }

    async fn claim_ready(
        &self,
        request: ClaimRequest,
        limit: usize,
    ) -> Result<ClaimedReady, StoreError> {
        match self.carry_out_one(Unit::ClaimReady { request, limit }).await? {
            Answer::Claimed(claimed) => Ok(claimed),
            _ => mismatch(),
        }
    }

    async fn reclaim(
        &self,
        scope: ReclaimScope,
        retry_in: Duration,
        limit: usize,
    ) -> Result<Reclaimed, StoreError> {
        match self.carry_out_one(Unit::Reclaim { scope, retry_in, limit }).await? {
            Answer::Reclaimed(reclaimed) => Ok(reclaimed),
            _ => mismatch(),
        }
    }

    async fn purge_terminal(
        &self,
        tenant: Option<&TenantId>,
        state: Option<DispatchState>,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, StoreError> {
        let tenant = tenant.cloned();
        match self.carry_out_one(Unit::Purge { tenant, state, older_than, limit }).await? {
            Answer::Purged(count) => Ok(count),
            _ => mismatch(),
        }
    }

    async fn purge_events(
        &self,
        older_than: Timestamp,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<PurgedEvents, StoreError> {
        let from = list::number(cursor)?.unwrap_or(0);
        match self.carry_out_one(Unit::PurgeEvents { older_than, from, limit }).await? {
            Answer::PurgedEvents(purged) => Ok(purged),
            _ => mismatch(),
        }
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.clock.now())
    }

    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities { name: "sqlite", exclusive: true }
    }

    async fn thread(&self, id: &ThreadId) -> Result<Option<Thread>, StoreError> {
        let id = id.clone();
        self.readers.read(move |statements| read::thread(statements, &id)).await
    }

    async fn threads(
        &self,
        filter: &ThreadFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Thread>, StoreError> {
        let (filter, below) = (filter.clone(), Below::parse(cursor)?);
        self.readers.read(move |statements| list::threads(statements, &filter, limit, below)).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        let id = id.clone();
        self.readers.read(move |statements| read::run(statements, &id)).await
    }

    async fn runs(
        &self,
        filter: &RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Run>, StoreError> {
        let (filter, below) = (filter.clone(), Below::parse(cursor)?);
        self.readers.read(move |statements| list::runs(statements, &filter, limit, below)).await
    }

    async fn runs_waiting_for_tasks(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        let after = after.cloned();
        self.readers
            .read(move |statements| read::runs_waiting_for_tasks(statements, after.as_ref(), limit))
            .await
    }

    async fn runs_owing_reports(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        let after = after.cloned();
        self.readers
            .read(move |statements| read::runs_owing_reports(statements, after.as_ref(), limit))
            .await
    }

    async fn old_runs(
        &self,
        ended_before: Timestamp,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<OldRuns, StoreError> {
        let after = list::number(cursor)?.unwrap_or(0);
        self.readers
            .read(move |statements| read::old_runs(statements, ended_before, after, limit))
            .await
    }

    async fn dispatch(&self, id: DispatchId) -> Result<Option<Dispatch>, StoreError> {
        self.readers.read(move |statements| read::dispatch(statements, id)).await
    }

    async fn dispatches(
        &self,
        filter: &DispatchFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Dispatch>, StoreError> {
        let (filter, below) = (filter.clone(), Below::parse(cursor)?);
        self.readers
            .read(move |statements| list::dispatches(statements, &filter, limit, below))
            .await
    }

    async fn messages(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogMessage>, StoreError> {
        let id = thread_id.clone();
        self.readers.read(move |statements| read::messages(statements, &id, after_seq, limit)).await
    }

    async fn prompt(
        &self,
        thread_id: &ThreadId,
        run_id: &RunId,
    ) -> Result<Vec<LogMessage>, StoreError> {
        let (thread_id, run_id) = (thread_id.clone(), run_id.clone());
        self.readers.read(move |statements| read::prompt(statements, &thread_id, &run_id)).await
    }

    async fn events(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<SharedEvent>, StoreError> {
        let id = thread_id.clone();
        self.readers.read(move |statements| read::events(statements, &id, after_seq, limit)).await
    }

    async fn pending(&self, thread_id: &ThreadId) -> Result<Vec<Pending>, StoreError> {
        let id = thread_id.clone();
        self.readers.read(move |statements| read::pending(statements, &id)).await
    }

    async fn queued_thread_ids(
        &self,
        after: Option<&ThreadId>,
        limit: usize,
    ) -> Result<Vec<ThreadId>, StoreError> {
        let after = after.cloned();
        self.readers
            .read(move |statements| read::queued_thread_ids(statements, after.as_ref(), limit))
            .await
    }

    async fn depth(&self) -> Result<DepthByState, StoreError> {
        self.readers.read(read::depth).await
    }

    async fn depth_of(&self, tenant: &TenantId) -> Result<DepthByState, StoreError> {
        let tenant = tenant.clone();
        self.readers.read(move |statements| read::depth_of(statements, &tenant)).await
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
