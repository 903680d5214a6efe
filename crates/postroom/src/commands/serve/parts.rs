//! The wiring: which implementation stands behind each port.

use std::sync::Arc;

use postroom_agent::{AgentExecutor, AgentRegistry, Env, Settings, Wait};
use postroom_core::id::NodeId;
use postroom_core::ports::{Clock, IdSource, MailboxStore};
use postroom_service::{Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::sqlite::{OpenError, Options, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};

use crate::config::{Invalid, Loaded, StoreUrl};

/// The store, as the port and as what must be closed.
pub(super) struct OpenStore {
    port: Arc<dyn MailboxStore>,
    sqlite: Option<Arc<SqliteStore>>,
}

impl OpenStore {
    pub(super) fn open(url: &StoreUrl) -> Result<Self, OpenError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdSource> = Arc::new(SystemIds::new());
        match url {
            StoreUrl::Memory => {
                Ok(Self { port: Arc::new(MemoryStore::new(clock, ids)), sqlite: None })
            }
            StoreUrl::Sqlite(path) => {
                let store = Arc::new(SqliteStore::open(Options::new(path, clock, ids))?);
                Ok(Self { port: store.clone(), sqlite: Some(store) })
            }
        }
    }

    /// Leaves a file that stands alone.
    pub(super) fn close(&self) {
        if let Some(sqlite) = &self.sqlite {
            sqlite.close();
        }
    }
}

/// The agents, checked; keys come from this process's environment.
pub(super) fn registry(loaded: &Loaded) -> Result<Arc<AgentRegistry>, Invalid> {
    let env: Env = Arc::new(|name| std::env::var(name).ok());
    AgentRegistry::builder(env, Arc::new(SystemClock))
        .models(loaded.config.models.clone())
        .agents(loaded.config.agents.clone())
        .build()
        .map(Arc::new)
        .map_err(|error| loaded.locate(&error))
}

/// The service.
pub(super) fn postroom(
    loaded: &Loaded,
    registry: Arc<AgentRegistry>,
    store: &OpenStore,
) -> Postroom {
    let config = loaded.service();
    let wait = Wait::InMemory { lease: config.mailbox.suspended_lease() };
    let settings = Settings { wait, ..Settings::default() };
    let ids = Arc::new(SystemIds::new());
    // New with each start: a claim of an earlier process is never taken for this one's.
    let node = NodeId::from(ids.new_uuid());
    let parts = Parts {
        store: store.port.clone(),
        signals: Arc::new(LocalSignals::default()),
        live: Arc::new(LocalLive::default()),
        executor: Arc::new(AgentExecutor::new(registry, settings)),
        ids,
        spawner: Arc::new(TokioSpawner),
        on_collect: None,
    };
    Postroom::new(parts, config, node)
}

/// The agents as the API shows them.
pub(super) fn agents(registry: &AgentRegistry) -> Vec<postroom_server::AgentInfo> {
    let shown = |agent: postroom_agent::AgentInfo| postroom_server::AgentInfo {
        agent_id: agent.agent_id,
        version: agent.version,
        model: agent.model,
        provider: agent.provider,
        tools: agent.tools,
        approve: agent.approve,
        max_steps: agent.max_steps,
    };
    registry.agents().into_iter().map(shown).collect()
}
