//! Presence: a node says from time to time that it lives and how it is, and says when it goes.
//!
//! Nothing depends on it but what others think of this node: a heartbeat that fails changes nothing
//! here, and the next one makes it good.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::error::StoreError;
use postroom_core::node::{Heartbeat, NodeRecord};
use tokio::time::Instant;

use crate::lifecycle::{Readiness, Stops};
use crate::node::Node;

/// How long a node that ends tries to say so. Where it can't, others see its silence.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// A node in the list of nodes, and how it is taken to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedNode {
    /// What it last said of itself.
    pub record: NodeRecord,
    /// How it is taken to be.
    pub state: NodeState,
}

/// How a node is taken to be, by what it last said and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// It works.
    Ready,
    /// It lets runs finish and begins no more.
    Draining,
    /// It was silent for longer than a lease: what it executed goes on elsewhere.
    Silent,
}

impl NodeState {
    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Silent => "silent",
        }
    }
}

/// What a node says of itself that does not change while it works.
pub(crate) struct Presence {
    began: Instant,
    address: Mutex<Option<String>>,
}

impl Presence {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), address: Mutex::default() }
    }

    pub(crate) fn set_address(&self, address: String) {
        *self.address.lock() = Some(address);
    }
}

/// Says that this node lives until it ends; at once when it begins, and when it begins to drain.
pub(crate) async fn keep_listed(node: Arc<Node>, stops: Stops) {
    let mut drains = false;
    loop {
        tokio::select! {
            biased;
            () = stops.all.cancelled() => return,
            () = beat(&node) => {}
        }
        tokio::select! {
            biased;
            () = stops.all.cancelled() => return,
            () = stops.claiming.cancelled(), if !drains => drains = true,
            () = tokio::time::sleep(node.heartbeat_interval()) => {}
        }
    }
}

async fn beat(node: &Node) {
    let said = node.store.heartbeat(node.how_it_is());
    match tokio::time::timeout(node.heartbeat_interval(), said).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a heartbeat failed"),
        Err(_) => tracing::debug!("a heartbeat was not answered"),
    }
}

/// Takes this node off the list.
pub(crate) async fn leave(node: &Node) {
    match tokio::time::timeout(LEAVE_WITHIN, node.store.forget_node(&node.id)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "this node stays in the list for a while"),
        Err(_) => tracing::debug!("this node stays in the list for a while"),
    }
}

/// The nodes that work on the store, and those that did of late.
pub(crate) async fn list(node: &Node) -> Result<Vec<ListedNode>, StoreError> {
    let records = node.store.nodes().await?;
    // After the list: nobody was silent for longer than it seems.
    let now = node.store.now().await?;
    let listed = |record: NodeRecord| {
        let state = if now.since(record.seen_at) > node.silence_of_the_dead() {
            NodeState::Silent
        } else if record.is_draining {
            NodeState::Draining
        } else {
            NodeState::Ready
        };
        ListedNode { record, state }
    };
    Ok(records.into_iter().map(listed).collect())
}

impl Node {
    fn how_it_is(&self) -> Heartbeat {
        Heartbeat {
            id: self.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: self.presence.address.lock().clone(),
            up_for: self.presence.began.elapsed(),
            active_runs: self.executions.len() as u64,
            max_concurrent_runs: self.config.limits.max_concurrent_runs as u64,
            is_draining: self.lifecycle.readiness() == Readiness::Draining,
        }
    }

    /// A few times a lease, so that one that is lost is not taken for a death.
    fn heartbeat_interval(&self) -> Duration {
        let config = &self.config.mailbox;
        config.heartbeat_interval().min(config.lease() / 3)
    }

    /// A node that was silent for longer is taken for dead: what it held leases of is over by then.
    pub(crate) fn silence_of_the_dead(&self) -> Duration {
        self.config.mailbox.lease() + self.config.mailbox.lease_margin()
    }
}
