//! The wiring: which implementation stands behind each port.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use postroom_agent::provider::client_tls;
use postroom_agent::{AgentExecutor, AgentRegistry, Agents, ConfigError, Env, Settings};
use postroom_automation::Automation;
use postroom_automation::webhook::{WebhookSecret, Webhooks};
use postroom_core::id::NodeId;
use postroom_core::ports::{
    AccessStore, Clock, EventFeed, IdSource, LiveControl, MailboxStore, Signals, Spawner, Tracer,
};
use postroom_server::Access;
use postroom_service::{Parts, Postroom, TokioSpawner};
use postroom_signals::fallback::Fallback;
use postroom_signals::nats::{self, Nats};
use postroom_signals::postgres::Bus;
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::postgres::PostgresStore;
use postroom_stores::sqlite::{Options, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};

use super::listen;
use crate::config::{Config, Invalid, Loaded, StoreUrl};

/// The store, as the ports and as what must be closed.
pub(crate) struct OpenStore {
    port: Arc<dyn MailboxStore>,
    access: Arc<dyn AccessStore>,
    sqlite: Option<Arc<SqliteStore>>,
}

impl OpenStore {
    pub(crate) async fn open(loaded: &Loaded) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdSource> = Arc::new(SystemIds::new());
        match loaded.store_url()? {
            StoreUrl::Memory => {
                let store = Arc::new(MemoryStore::new(clock, ids));
                Ok(Self { port: store.clone(), access: store, sqlite: None })
            }
            StoreUrl::Sqlite(path) => {
                let store = Arc::new(SqliteStore::open(Options::new(path, clock, ids))?);
                Ok(Self { port: store.clone(), access: store.clone(), sqlite: Some(store) })
            }
            StoreUrl::Postgres(url) => {
                let options = url.options(&loaded.config.store).context("store.url")?;
                let store = Arc::new(PostgresStore::open(options).await?);
                Ok(Self { port: store.clone(), access: store, sqlite: None })
            }
        }
    }

    /// Who may call.
    pub(crate) fn access(&self) -> &Arc<dyn AccessStore> {
        &self.access
    }

    /// Leaves a file that stands alone.
    pub(crate) fn close(&self) {
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
        let url = loaded.listening_url()?.unwrap_or(url);
        let bus = Bus::open(postroom_signals::postgres::Options {
            config: url.driver().parse()?,
            tls: Some(url.tls().context("how nodes listen to each other")?),
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
    registry_of(&loaded.config).map_err(|error| loaded.locate(&error))
}

/// The agents of a configuration, checked.
pub(in crate::commands) fn registry_of(config: &Config) -> Result<AgentRegistry, ConfigError> {
    let env: Env = Arc::new(|name| std::env::var(name).ok());
    AgentRegistry::builder(env, Arc::new(SystemClock))
        .models(config.models.clone())
        .agents(config.agents.clone())
        .http_fetch(config.tools.http_fetch.clone())
        .mcp(config.mcp.clone(), Arc::new(TokioSpawner))
        .build()
}

/// What posts the outcomes of runs; `None` where no secret is given to sign them with.
pub(super) fn webhooks(loaded: &Loaded) -> anyhow::Result<Option<Webhooks>> {
    let config = &loaded.config.webhooks;
    let (place, secret) = match &config.secret_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| loaded.invalid("webhooks.secret_file", error.to_string()))?;
            ("webhooks.secret_file", Some(text))
        }
        None => ("webhooks.secret_env", std::env::var(&config.secret_env).ok()),
    };
    let Some(secret) = secret.filter(|secret| !secret.trim().is_empty()) else { return Ok(None) };
    let secret = WebhookSecret::parse(&secret)
        .map_err(|invalid| loaded.invalid(place, invalid.to_string()))?;
    let webhooks = Webhooks::new(config, secret, Arc::new(postroom_server::shown));
    webhooks.map(Some).map_err(anyhow::Error::msg)
}

/// Who may call at `address`, and how much.
pub(super) async fn access(
    loaded: &Loaded,
    store: &OpenStore,
    address: SocketAddr,
) -> anyhow::Result<Access> {
    let open = |required| -> anyhow::Result<Access> {
        let clock = Arc::new(SystemClock);
        Ok(Access::new(store.access.clone(), clock, required, loaded.tenants()?))
    };
    let has_keys = open(true)?.has_keys().await?;
    let required = listen::check_keys(loaded, address, has_keys)?;
    if required && !has_keys {
        tracing::warn!(
            "keys are required and there are none: make one with `postroom keys create`"
        );
    }
    open(required)
}

/// A name for this process. New with each start: a claim of an earlier process is never taken for this
/// one's.
pub(super) fn new_node() -> NodeId {
    NodeId::from(SystemIds::new().new_uuid())
}

/// The service.
pub(super) async fn postroom(
    loaded: &Loaded,
    node: NodeId,
    agents: Arc<Agents>,
    store: &OpenStore,
    tracer: Option<Arc<dyn Tracer>>,
) -> anyhow::Result<Postroom> {
    let webhooks = webhooks(loaded)?;
    let traffic = Traffic::open(loaded).await?;
    let config = loaded.service();
    let suspended_lease = config.mailbox.suspended_lease();
    let settings = Settings { suspended_lease, ..Settings::default() };
    let parts = Parts {
        store: store.port.clone(),
        signals: traffic.signals,
        live: traffic.live,
        feed: traffic.feed,
        executor: Arc::new(Automation::new(
            Arc::new(AgentExecutor::new(agents, settings)),
            webhooks,
        )),
        ids: Arc::new(SystemIds::new()),
        spawner: Arc::new(TokioSpawner),
        tracer,
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
