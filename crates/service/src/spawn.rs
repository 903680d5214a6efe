//! Starting tasks on tokio.

use std::future::Future;
use std::pin::Pin;

use postroom_core::ports::Spawner;

/// Starts tasks on the tokio runtime that it is called from.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioSpawner;

impl Spawner for TokioSpawner {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that others spawn through")]
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(task);
    }
}
