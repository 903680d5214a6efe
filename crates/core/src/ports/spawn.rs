//! Starting tasks, injected so that the simulation can freeze and kill a node's.

use std::future::Future;
use std::pin::Pin;

/// Starts tasks. Each runs to its end, or as long as what it belongs to lives.
pub trait Spawner: Send + Sync + 'static {
    /// Starts `task`.
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>);
}
