//! A mailbox inside a program of one's own, wired with what every machine has.

use std::sync::Arc;

use postroom_agent::{AgentRegistry, Builder, Env};
use postroom_core::id::NodeId;
use postroom_core::ports::{Executor, IdSource, MailboxStore};
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::system::{SystemClock, SystemIds};

/// A store in memory, on this machine's clock: what it holds is gone with the program.
pub fn memory_store() -> Arc<dyn MailboxStore> {
    Arc::new(MemoryStore::new(Arc::new(SystemClock), Arc::new(SystemIds::new())))
}

/// A mailbox on `store` that one process has to itself, whose runs `executor` runs; to be started.
/// Who shares a store between processes puts the [`Parts`] together himself.
pub fn embedded(store: Arc<dyn MailboxStore>, executor: Arc<dyn Executor>) -> Postroom {
    let ids = Arc::new(SystemIds::new());
    let node = NodeId::from(ids.new_uuid());
    let parts = Parts {
        store,
        signals: Arc::new(LocalSignals::default()),
        live: Arc::new(LocalLive::default()),
        feed: Arc::new(LocalFeed::default()),
        executor,
        ids,
        spawner: Arc::new(TokioSpawner),
        tracer: None,
        on_collect: None,
    };
    Postroom::new(parts, Config::default(), node)
}

/// Begins a registry of agents whose keys are in this process's environment.
pub fn agents() -> Builder {
    let env: Env = Arc::new(|name| std::env::var(name).ok());
    AgentRegistry::builder(env, Arc::new(SystemClock))
}
