//! The wiring: which implementation stands behind each port.

use std::sync::Arc;

use anyhow::Context;
use postroom_agent::provider::client_tls;
use postroom_agent::{AgentExecutor, AgentRegistry, Agents, Env, Settings};
use postroom_core::id::NodeId;
use postroom_core::ports::{
    Clock, EventFeed, IdSource, LiveControl, MailboxStore, Signals, Spawner,
};
use postroom_service::{Parts, Postroom, TokioSpawner};
use postroom_signals::fallback::Fallback;
use postroom_signals::nats::{self, Nats};
use postroom_signals::postgres::Bus;
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::postgres::{self, PostgresStore};
use postroom_stores::sqlite::{Options, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};

use crate::config::{Invalid, Loaded, StoreUrl};

/// The store, as the port and as what must be closed.
pub(super) struct OpenStore {
    port: Arc<dyn MailboxStore>,
    sqlite: Option<Arc<SqliteStore>>,
}

impl OpenStore {
    pub(super) async fn open(loaded: &Loaded) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdSource> = Arc::new(SystemIds::new());
        match loaded.store_url()? {
            StoreUrl::Memory => {
                Ok(Self { port: Arc::new(MemoryStore::new(clock, ids)), sqlite: None })
            }
            StoreUrl::Sqlite(path) => {
                let store = Arc::new(SqliteStore::open(Options::new(path, clock, ids))?);
                Ok(Self { port: store.clone(), sqlite: Some(store) })
            }
            StoreUrl::Postgres(url) => {
                let settings = &loaded.config.store;
                let mut options = postgres::Options::new(url, ids, Arc::new(TokioSpawner));
                options.schema.clone_from(&settings.schema);
                options.connections = settings.connections;
                options.prepares = settings.prepared_statements;
                options.tls = Some(Arc::new(client_tls()?));
                Ok(Self { port: Arc::new(PostgresStore::open(options).await?), sqlite: None })
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

/// How this node and others tell each other.
struct Traffic {
    signals: Arc<dyn Signals>,
    live: Arc<dyn LiveControl>,
    feed: Arc<dyn EventFeed>,
}

impl Traffic {
    async fn open(loaded: &Loaded) -> anyhow::Result<Self> {
        let StoreUrl::Postgres(url) = loaded.store_url()? else {
            return Ok(Self {
                signals: Arc::new(LocalSignals::default()),
                live: Arc::new(LocalLive::default()),
                feed: Arc::new(LocalFeed::default()),
            });
        };
        let ids: Arc<dyn IdSource> = Arc::new(SystemIds::new());
        let spawner: Arc<dyn Spawner> = Arc::new(TokioSpawner);
        let installation = loaded.config.store.schema.clone();
        let signals = &loaded.config.signals;
        let url = signals.postgres_url.clone().unwrap_or(url);
        let bus = Bus::open(postroom_signals::postgres::Options {
            config: url.parse()?,
            tls: Some(Arc::new(client_tls()?)),
            installation: installation.clone(),
            ids: ids.clone(),
            spawner: spawner.clone(),
        });
        let Some(url) = signals.nats_url.clone() else {
            return Ok(Self {
                signals: Arc::new(bus.signals()),
                live: Arc::new(bus.live()),
                feed: Arc::new(bus.feed()),
            });
        };
        let tls = Some(Arc::new(client_tls()?));
        let options = nats::Options { url, tls, installation, ids, spawner: spawner.clone() };
        let nats = Nats::connect(options).await.context("signals.nats_url")?;
        let both = Fallback::new(nats, bus, &*spawner);
        Ok(Self {
            signals: Arc::new(both.signals()),
            live: Arc::new(both.live()),
            feed: Arc::new(both.feed()),
        })
    }
}

/// The agents, checked; keys come from this process's environment.
pub(super) fn registry(loaded: &Loaded) -> Result<AgentRegistry, Invalid> {
    let env: Env = Arc::new(|name| std::env::var(name).ok());
    AgentRegistry::builder(env, Arc::new(SystemClock))
        .models(loaded.config.models.clone())
        .agents(loaded.config.agents.clone())
        .http_fetch(loaded.config.tools.http_fetch.clone())
        .mcp(loaded.config.mcp.clone(), Arc::new(TokioSpawner))
        .build()
        .map_err(|error| loaded.locate(&error))
}

/// The service.
pub(super) async fn postroom(
    loaded: &Loaded,
    agents: Arc<Agents>,
    store: &OpenStore,
) -> anyhow::Result<Postroom> {
    let traffic = Traffic::open(loaded).await?;
    let config = loaded.service();
    let suspended_lease = config.mailbox.suspended_lease();
    let settings = Settings { suspended_lease, ..Settings::default() };
    let ids = Arc::new(SystemIds::new());
    // New with each start: a claim of an earlier process is never taken for this one's.
    let node = NodeId::from(ids.new_uuid());
    let parts = Parts {
        store: store.port.clone(),
        signals: traffic.signals,
        live: traffic.live,
        feed: traffic.feed,
        executor: Arc::new(AgentExecutor::new(agents, settings)),
        ids,
        spawner: Arc::new(TokioSpawner),
        on_collect: None,
    };
    Ok(Postroom::new(parts, config, node))
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
