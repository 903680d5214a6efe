//! Mailboxes in a PostgreSQL database, for any number of nodes.
//!
//! Commands travel in lanes (`lane`): while one transaction commits, the next ones gather. A
//! transaction (`transaction`) locks its mailboxes in the order of their ids, reads what its
//! commands need (`sheet`, `needs`) and this node does not know (`known`), lets the core decide, and
//! writes all of it set by set (`save`), in two round trips where it can, and in one where all is known
//! (`optimistic`). The server's clock, read after the locks, decides about leases.
//!
//! A promise is on the server's disk before it is answered. A claim, a begin or a renewal may be
//! lost with the server, which fences its owner.

mod access;
mod cache;
mod changes;
mod claim;
mod column;
mod drawn;
mod error;
mod examine;
mod jobs;
mod known;
mod lane;
mod list;
mod migrate;
mod needs;
mod nodes;
mod numbers;
mod optimistic;
mod partitions;
mod queries;
mod read;
mod row;
mod save;
mod sending;
mod server_time;
mod session;
mod shared;
mod sheet;
mod slot;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod together;
mod transaction;
mod weight;

pub use error::{OpenError, said};
pub use examine::{Examined, drop_schema, examine};

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
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
    Page, PurgedEvents, ReclaimScope, Reclaimed, RunFilter, Spawner, StoreCapabilities,
    ThreadFilter,
};
use postroom_core::run::Run;
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;
use tokio::sync::oneshot;

use cache::Cache;
use drawn::Draw;
use error::Fault;
use jobs::{Job, Jobs};
use lane::Lane;
use list::Below;
use numbers::Numbers;
use optimistic::Optimism;
use queries::Texts;
use save::Races;
use server_time::ServerTime;
use session::{Manager, Session, Sessions};
use shared::Shared;
use tls::Tls;

use crate::system::SystemIds;

/// How to open a [`PostgresStore`].
pub struct Options {
    /// The database: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with libpq's parameters.
    pub url: String,
    /// The schema its tables are in; made if it is not there.
    pub schema: String,
    /// What makes ids.
    pub ids: Arc<dyn IdSource>,
    /// What starts its tasks.
    pub spawner: Arc<dyn Spawner>,
    /// What tells the time instead of the server: for tests, that jump it. All nodes of a cluster
    /// must go by one clock, which is the server's.
    pub clock: Option<Arc<dyn Clock>>,
    /// With what connections are encrypted, where the address wants it.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// How many transactions of commands go on at once.
    pub lanes: usize,
    /// How many connections there are at most; lanes and reads share them.
    pub connections: usize,
    /// Whether statements are prepared. Not behind a pooler that gives each transaction another
    /// connection and knows nothing of prepared statements (`PgBouncer` before 1.21).
    pub prepares: bool,
    /// How long a round of statements may take, and who wants a connection may wait. A node that was
    /// frozen in a transaction holds its locks no longer than this.
    pub limit: Duration,
}

impl Options {
    /// The database at `url`, everything else by default.
    pub fn new(url: impl Into<String>, ids: Arc<dyn IdSource>, spawner: Arc<dyn Spawner>) -> Self {
        Self {
            url: url.into(),
            schema: "postroom".to_owned(),
            ids,
            spawner,
            clock: None,
            tls: None,
            lanes: 2,
            connections: 12,
            prepares: true,
            limit: Duration::from_secs(8),
        }
    }
}

/// Mailboxes in a PostgreSQL database.
pub struct PostgresStore {
    shared: Arc<Shared>,
    jobs: Arc<Jobs>,
    lanes: usize,
    schema: String,
}

impl PostgresStore {
    /// Connects, and brings the schema up to date.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let address = |error: tokio_postgres::Error| OpenError::Address { reason: said(&error) };
        let mut config: tokio_postgres::Config = options.url.parse().map_err(address)?;
        if config.get_application_name().is_none() {
            config.application_name("postroom");
        }
        config.connect_timeout(options.limit);
        config.keepalives_idle(options.limit);
        if options.prepares && config.get_options().is_none() {
            // A pooler would not know them.
            config.options(server_settings(options.limit));
        }
        let tls = Tls::of(options.tls);
        let unreachable =
            |error: tokio_postgres::Error| OpenError::Unreachable { reason: said(&error) };
        // Boxed: they are large, and done once.
        let connecting = Box::pin(tls.connect(&config, &*options.spawner));
        let mut client = connecting.await.map_err(unreachable)?;
        Box::pin(migrate::migrate(&mut client, &options.schema)).await?;
        drop(client);

        let manager = Manager {
            config,
            tls,
            texts: Arc::new(Texts::of(&options.schema)),
            prepares: options.prepares,
            spawner: options.spawner.clone(),
        };
        let sessions = Sessions::of(manager, options.connections, options.limit)
            .map_err(|reason| OpenError::Unreachable { reason })?;
        let shared = Arc::new(Shared {
            sessions,
            clock: options.clock,
            ids: Draw::from(options.ids),
            versions: SystemIds::new(),
            numbers: Numbers::default(),
            cache: Cache::default(),
            server_time: ServerTime::default(),
            versions_known: Optimism::default(),
            names: Optimism::default(),
            limit: options.limit,
        });
        let lanes = options.lanes.max(1);
        let jobs = Arc::new(Jobs::of_lanes(lanes));
        for _ in 0..lanes {
            options.spawner.spawn(Box::pin(lane::run(shared.clone(), Lane(jobs.clone()))));
        }
        let store = Self { shared, jobs, lanes, schema: options.schema };
        store
            .make_partitions()
            .await
            .map_err(|fault| OpenError::Unreachable { reason: fault.said() })?;
        Ok(store)
    }

    /// Makes the partitions of the coming days.
    async fn make_partitions(&self) -> Result<(), Fault> {
        let now = self.now().await.map_err(|error| Fault::NoConnection(error.to_string()))?;
        let session = self.shared.sessions.get().await?;
        self.shared.in_time(partitions::make(&session, &self.schema, now)).await
    }

    /// Which of as many parts as there are lanes a thread's commands belong to.
    fn part_of(&self, thread_id: &ThreadId) -> u64 {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(thread_id);
        hash % self.lanes as u64
    }

    /// Has something read on a connection of its own.
    async fn read<T>(
        &self,
        read: impl AsyncFnOnce(&Session) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let session = self.shared.sessions.get().await.map_err(|fault| fault.nothing_written())?;
        let read = self.shared.in_time(read(&session)).await;
        read.map_err(|fault| fault.nothing_written())
    }
}

/// What the server is told once a connection.
///
/// A node that was frozen or cut off in the middle of a transaction must not keep its locks. And
/// every statement goes by an index, whatever the server believes of the tables: one that was
/// planned while they were empty, or that statistics are missing for, would scan them for ever.
fn server_settings(limit: Duration) -> String {
    let limit = limit.as_millis();
    format!(
        "-c idle_in_transaction_session_timeout={limit} -c statement_timeout={limit} \
         -c tcp_keepalives_idle=10 -c jit=off -c plan_cache_mode=force_generic_plan \
         -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_sort=off"
    )
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // What was asked for is still carried out; then the lanes end.
        self.jobs.close();
    }
}

#[async_trait]
impl MailboxStore for PostgresStore {
    async fn apply(&self, commands: Vec<Envelope>) -> Vec<Result<Applied, StoreError>> {
        // Many commands are given to all lanes, each thread's to one.
        let mut parts = BTreeMap::<u64, (Vec<usize>, Vec<Envelope>)>::new();
        let count = commands.len();
        for (place, envelope) in commands.into_iter().enumerate() {
            let (places, envelopes) = parts.entry(self.part_of(&envelope.thread_id)).or_default();
            places.push(place);
            envelopes.push(envelope);
        }
        // All are sent before the first answer is awaited.
        let mut sent = Vec::with_capacity(parts.len());
        for (places, envelopes) in parts.into_values() {
            let (reply, outcomes) = oneshot::channel();
            let is_sent = self.jobs.put(Job { envelopes, reply });
            sent.push((places, is_sent.then_some(outcomes)));
        }
        let mut answers: Vec<_> = (0..count).map(|_| Err(closed())).collect();
        for (places, outcomes) in sent {
            let Some(outcomes) = outcomes else { continue };
            let outcomes =
                outcomes.await.unwrap_or_else(|_| places.iter().map(|_| Err(lost())).collect());
            for (place, outcome) in places.into_iter().zip(outcomes) {
                answers[place] = outcome;
            }
        }
        answers
    }

    async fn claim_ready(
        &self,
        request: ClaimRequest,
        limit: usize,
    ) -> Result<ClaimedReady, StoreError> {
        let session = self.shared.sessions.get().await.map_err(|fault| fault.nothing_written())?;
        let (ids, mut races) = (self.shared.ids.batch(), Races::default());
        loop {
            let tools = self.shared.tools(&session, &ids);
            let claimed = self.shared.in_time(claim::claim_ready(tools, &request, limit)).await;
            match self.shared.finish(&session, claimed).await {
                Err(failed) if races.go_on(&failed) => {}
                claimed => return claimed.map_err(|failed| failed.answer()),
            }
        }
    }

    async fn reclaim(
        &self,
        scope: ReclaimScope,
        retry_in: Duration,
        limit: usize,
    ) -> Result<Reclaimed, StoreError> {
        let session = self.shared.sessions.get().await.map_err(|fault| fault.nothing_written())?;
        let (ids, mut races) = (self.shared.ids.batch(), Races::default());
        loop {
            let tools = self.shared.tools(&session, &ids);
            let taken_back = claim::reclaim(tools, &scope, retry_in, limit);
            let reclaimed = self.shared.in_time(taken_back).await;
            match self.shared.finish(&session, reclaimed).await {
                Err(failed) if races.go_on(&failed) => {}
                reclaimed => return reclaimed.map_err(|failed| failed.answer()),
            }
        }
    }

    async fn purge_terminal(
        &self,
        tenant: Option<&TenantId>,
        state: Option<DispatchState>,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, StoreError> {
        if let Err(fault) = self.make_partitions().await {
            tracing::warn!(
                reason = fault.said(),
                "the partitions of the coming days were not made"
            );
        }
        self.read(async |session| read::purge(session, tenant, state, older_than, limit).await)
            .await
    }

    async fn purge_events(
        &self,
        older_than: Timestamp,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<PurgedEvents, StoreError> {
        let purge = async |session: &Session| {
            if cursor.is_none() {
                partitions::drop_old(session, &self.schema, older_than).await;
            }
            read::purge_events(session, older_than, limit).await
        };
        let deleted = self.read(purge).await?;
        // The rest is found as the first piece was.
        let next_cursor = (deleted == limit as u64).then(|| "rest".to_owned());
        Ok(PurgedEvents { deleted, next_cursor })
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        let time = self.shared.clock.as_ref().map(|clock| clock.now().0);
        self.read(async |session| read::now(session, time).await).await
    }

    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities { name: "postgres", exclusive: false }
    }

    async fn thread(&self, id: &ThreadId) -> Result<Option<Thread>, StoreError> {
        self.read(async |session| read::thread(session, id).await).await
    }

    async fn threads(
        &self,
        filter: &ThreadFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Thread>, StoreError> {
        let below = Below::parse(cursor)?;
        self.read(async |session| list::threads(session, filter, limit, below).await).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        self.read(async |session| read::run(session, id).await).await
    }

    async fn runs(
        &self,
        filter: &RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Run>, StoreError> {
        let below = Below::parse(cursor)?;
        self.read(async |session| list::runs(session, filter, limit, below).await).await
    }

    async fn runs_waiting_for_tasks(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        self.read(async |session| read::runs_waiting_for_tasks(session, after, limit).await).await
    }

    async fn runs_owing_reports(
        &self,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        self.read(async |session| read::runs_owing_reports(session, after, limit).await).await
    }

    async fn old_runs(
        &self,
        ended_before: Timestamp,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<OldRuns, StoreError> {
        let after = list::number(cursor)?.unwrap_or(0);
        self.read(async |session| read::old_runs(session, ended_before, after, limit).await).await
    }

    async fn dispatch(&self, id: DispatchId) -> Result<Option<Dispatch>, StoreError> {
        self.read(async |session| read::dispatch(session, id).await).await
    }

    async fn dispatches(
        &self,
        filter: &DispatchFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Dispatch>, StoreError> {
        let below = Below::parse(cursor)?;
        self.read(async |session| list::dispatches(session, filter, limit, below).await).await
    }

    async fn messages(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogMessage>, StoreError> {
        self.read(async |session| read::messages(session, thread_id, after_seq, limit).await).await
    }

    async fn prompt(
        &self,
        thread_id: &ThreadId,
        run_id: &RunId,
    ) -> Result<Vec<LogMessage>, StoreError> {
        self.read(async |session| read::prompt(session, thread_id, run_id).await).await
    }

    async fn events(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<SharedEvent>, StoreError> {
        self.read(async |session| read::events(session, thread_id, after_seq, limit).await).await
    }

    async fn pending(&self, thread_id: &ThreadId) -> Result<Vec<Pending>, StoreError> {
        self.read(async |session| read::pending(session, thread_id).await).await
    }

    async fn queued_thread_ids(
        &self,
        after: Option<&ThreadId>,
        limit: usize,
    ) -> Result<Vec<ThreadId>, StoreError> {
        self.read(async |session| read::queued_thread_ids(session, after, limit).await).await
    }

    async fn depth(&self) -> Result<DepthByState, StoreError> {
        self.read(async |session| read::depth(session).await).await
    }

    async fn depth_of(&self, tenant: &TenantId) -> Result<DepthByState, StoreError> {
        self.read(async |session| read::depth_of(session, tenant).await).await
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<(), StoreError> {
        let time = self.shared.clock.as_ref().map(|clock| clock.now().0);
        let count = self.read(async |session| nodes::heartbeat(session, &beat, time).await).await?;
        self.jobs.nodes_are(count);
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        self.read(async |session| nodes::all(session).await).await
    }

    async fn forget_node(&self, id: &NodeId) -> Result<(), StoreError> {
        self.read(async |session| nodes::forget(session, id).await).await
    }

    async fn forget_nodes(&self, unseen_since: Timestamp) -> Result<u64, StoreError> {
        self.read(async |session| nodes::forget_unseen(session, unseen_since).await).await
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable { reason: "the store is closed".to_owned() }
}

fn lost() -> StoreError {
    StoreError::OutcomeUnknown { reason: "the store went away before it answered".to_owned() }
}
