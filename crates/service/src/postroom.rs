//! The handle: what the outside holds.

use std::sync::Arc;

use postroom_core::command::{Command, Envelope};
use postroom_core::id::{NodeId, TenantId, ThreadId};
use postroom_core::ports::{
    EventFeed, Executor, IdSource, LiveControl, MailboxStore, Signals, Spawner, Tracer,
};
use postroom_core::trace::TraceParent;

use uuid::Uuid;

use crate::config::Config;
use crate::error::Error;
use crate::lifecycle::{self, Readiness};
use crate::node::Node;
use crate::observe::{Looked, Observer};

/// What a service is made of.
pub struct Parts {
    /// Where mailboxes are kept.
    pub store: Arc<dyn MailboxStore>,
    /// Wakes nodes up.
    pub signals: Arc<dyn Signals>,
    /// Reaches runs that execute now.
    pub live: Arc<dyn LiveControl>,
    /// Tells nodes of each other's events. Not used on a store that one process has to itself.
    pub feed: Arc<dyn EventFeed>,
    /// Runs runs.
    pub executor: Arc<dyn Executor>,
    /// Makes ids, and randomness for jitter.
    pub ids: Arc<dyn IdSource>,
    /// Starts every task of the service.
    pub spawner: Arc<dyn Spawner>,
    /// Traces what is done, if anything does.
    pub tracer: Option<Arc<dyn Tracer>>,
    /// Called after each collection.
    pub on_collect: Option<OnCollect>,
}

/// Called after each collection with the number of dispatches that were deleted.
pub type OnCollect = Arc<dyn Fn(u64) + Send + Sync>;

/// A mailbox service. Clones are handles on the same one; dropping them changes nothing: only
/// [`shutdown`](Postroom::shutdown) ends it.
///
/// A verb's future may be dropped at any time: what it began is carried through.
///
/// A handle sees the threads of all tenants, and what it creates is the default tenant's, until it
/// is made [one of a tenant](Postroom::of_tenant).
#[derive(Clone)]
pub struct Postroom {
    pub(crate) inner: Arc<Node>,
    /// On whose behalf it is used; `None` for who has no tenants.
    pub(crate) caller: Option<TenantId>,
    /// The span that it is used in, if that is traced.
    pub(crate) trace: Option<TraceParent>,
}

impl Postroom {
    /// A service that has not started yet. `node` names this process: it must be new with each.
    pub fn new(parts: Parts, config: Config, node: NodeId) -> Self {
        Self { inner: Arc::new(Node::new(parts, config, node)), caller: None, trace: None }
    }

    /// A handle on the same service that is `tenant`'s: what it creates is theirs, and whatever is
    /// another's is unknown to it, in all that it is asked to do or to read. Only
    /// [`store`](Postroom::store) knows no tenants.
    pub fn of_tenant(&self, tenant: TenantId) -> Self {
        Self { caller: Some(tenant), ..self.clone() }
    }

    /// A handle on the same service whose submissions are part of a trace.
    pub fn in_trace(&self, trace: TraceParent) -> Self {
        Self { trace: Some(trace), ..self.clone() }
    }

    /// What traces, if anything does.
    pub fn tracer(&self) -> Option<&Arc<dyn Tracer>> {
        self.inner.tracer.as_ref()
    }

    /// Whose handle it is, if it is a tenant's.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.caller.as_ref()
    }

    /// `command` to a thread, on behalf of whose handle this is.
    pub(crate) fn envelope(&self, thread_id: ThreadId, command: Command) -> Envelope {
        Envelope::new(thread_id, command).on_behalf_of(self.caller.clone())
    }

    /// Recovers and begins to work; returns when the service is ready. Starting what has started
    /// changes nothing, concurrent starts recover once, and a service that was shut down starts
    /// again. While the store is unavailable it keeps trying.
    ///
    /// # Errors
    /// Where the store is damaged, or the service was shut down meanwhile.
    pub async fn start(&self) -> Result<(), Error> {
        lifecycle::start(&self.inner).await
    }

    /// Stops claiming, lets runs finish within the drain time, hands back the claims of those that
    /// don't, and returns when everything is quiet.
    pub async fn shutdown(&self) {
        lifecycle::shutdown(&self.inner).await;
    }

    /// Where the service is in its life.
    pub fn readiness(&self) -> Readiness {
        self.inner.lifecycle.readiness()
    }

    /// The store, for reads. It has what is of all tenants, whose handle this may be.
    pub fn store(&self) -> &Arc<dyn MailboxStore> {
        &self.inner.store
    }

    /// A new id, from where all others come.
    pub fn new_id(&self) -> Uuid {
        self.inner.ids.new_uuid()
    }

    /// This node's name.
    pub fn node(&self) -> &NodeId {
        &self.inner.id
    }

    /// Says under which address others reach this node, for the list of nodes.
    pub fn set_address(&self, address: impl Into<String>) {
        self.inner.presence.set_address(address.into());
    }

    /// How many runs execute here.
    pub fn active_runs(&self) -> usize {
        self.inner.executions.len()
    }

    /// The numbers it works with.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Its counters and histograms.
    pub fn observer(&self) -> &Arc<Observer> {
        &self.inner.observer
    }

    /// All metrics in Prometheus' text format.
    pub async fn metrics_text(&self) -> String {
        // A scrape must answer even while the store does not: the depths are left out then.
        let depth = self.inner.store.depth().await.ok();
        self.inner.observer.render(&Looked {
            depth,
            active_runs: self.active_runs(),
            max_concurrent_runs: self.config().limits.max_concurrent_runs,
            is_ready: self.readiness() == Readiness::Ready,
        })
    }
}
