//! Stores, services and submissions as the benchmarks use them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use postroom_core::command::{Activation, Mode, Submit};
use postroom_core::id::{NodeId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::ports::{Executor, IdSource, MailboxStore, RunContext, RunOutcome};
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::sqlite::{Options, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};

/// Ends every run at once, and counts them.
#[derive(Default)]
pub struct Nothing(AtomicU64);

impl Nothing {
    /// How many runs it has ended.
    pub fn ended(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Executor for Nothing {
    async fn run(&self, _activation: Activation, _context: Arc<dyn RunContext>) -> RunOutcome {
        self.0.fetch_add(1, Ordering::Relaxed);
        RunOutcome::natural_end(None)
    }
}

pub fn ids() -> Arc<dyn IdSource> {
    Arc::new(SystemIds::new())
}

pub fn memory() -> Arc<dyn MailboxStore> {
    Arc::new(MemoryStore::new(Arc::new(SystemClock), ids()))
}

pub fn sqlite(directory: &Path) -> anyhow::Result<Arc<dyn MailboxStore>> {
    let path = directory.join("bench.db");
    let options = Options::new(path, Arc::new(SystemClock), ids());
    Ok(Arc::new(SqliteStore::open(options)?))
}

pub async fn service(
    store: Arc<dyn MailboxStore>,
    executor: Arc<dyn Executor>,
) -> anyhow::Result<Postroom> {
    service_for(store, executor, 256).await
}

/// The same, for so many runs at once.
pub async fn service_for(
    store: Arc<dyn MailboxStore>,
    executor: Arc<dyn Executor>,
    runs_at_once: usize,
) -> anyhow::Result<Postroom> {
    let mut config = Config::default();
    config.limits.max_concurrent_runs = runs_at_once;
    let parts = Parts {
        store,
        signals: Arc::new(LocalSignals::default()),
        live: Arc::new(LocalLive::default()),
        feed: Arc::new(LocalFeed::default()),
        executor,
        ids: ids(),
        spawner: Arc::new(TokioSpawner),
        tracer: None,
        on_collect: None,
    };
    let postroom = Postroom::new(parts, config, NodeId::parse("bench")?);
    postroom.start().await?;
    Ok(postroom)
}

pub fn thread(number: u64) -> ThreadId {
    ThreadId::parse(&format!("thread-{number}")).expect("a short name is an id")
}

/// A submission of one message, as a client would send it.
pub fn submission() -> Submit {
    Submit::new(Mode::Enqueue, vec![NewMessage::user("What is the time in Lisbon?")])
}
