//! What the tests of PostgreSQL share.

use std::pin::Pin;

use postroom_core::ports::Spawner;

/// Starts tasks on the test's runtime.
pub struct OnTokio;

impl Spawner for OnTokio {
    #[expect(clippy::disallowed_methods, reason = "this is the test's spawner")]
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(task);
    }
}
