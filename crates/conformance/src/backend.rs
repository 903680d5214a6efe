//! What a store's author provides.

use std::sync::Arc;

use async_trait::async_trait;
use postroom_core::ports::MailboxStore;

use crate::clock::ManualClock;
use crate::ids::SeededIds;

/// Opens stores of one kind. Each case has a backend of its own.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Opens an empty store that takes its time and ids from these.
    async fn open(&self, clock: Arc<ManualClock>, ids: Arc<SeededIds>) -> Arc<dyn MailboxStore>;

    /// Closes `store`, which nobody else holds, and opens what it has kept; `None` if it keeps
    /// nothing beyond the process.
    async fn reopen(
        &self,
        store: Arc<dyn MailboxStore>,
        clock: Arc<ManualClock>,
        ids: Arc<SeededIds>,
    ) -> Option<Arc<dyn MailboxStore>> {
        let _ = (store, clock, ids);
        None
    }
}
