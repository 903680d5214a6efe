//! Several nodes that tell each other.

use std::sync::Arc;

use async_trait::async_trait;

/// Nodes that share one queue of signals, one live control or one feed.
#[async_trait]
pub trait Network<P: ?Sized>: Send + Sync {
    /// One more node. It knows the others, and they know it.
    async fn node(&self) -> Arc<P>;

    /// Breaks what the nodes are connected by, and loses what is under way there. They recover from
    /// it by themselves. Inside one process there is nothing to break.
    async fn disturb(&self) {}
}

/// As the cases take it.
pub type Nodes<P> = Arc<dyn Network<P>>;
