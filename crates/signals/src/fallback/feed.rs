//! The event feed over either.

use std::sync::Arc;

use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use postroom_core::ports::{EventFeed, FeedHandler, Subscription};

use super::Fallback;
use crate::nats::NatsFeed;
use crate::postgres::PostgresFeed;

/// The event feed over NATS, and over PostgreSQL for those whom NATS does not reach. A node that is
/// reached by both hears twice, which changes nothing.
#[derive(Clone)]
pub struct FallbackFeed {
    pub(super) nats: NatsFeed,
    pub(super) postgres: PostgresFeed,
    pub(super) both: Fallback,
}

impl EventFeed for FallbackFeed {
    fn publish(&self, events: &[SharedEvent]) {
        self.nats.publish(events);
        if self.both.needs_postgres() {
            self.postgres.publish(events);
        }
    }

    fn subscribe(&self, thread_id: &ThreadId, handler: Arc<dyn FeedHandler>) -> Subscription {
        let over_postgres = self.postgres.subscribe(thread_id, handler.clone());
        let over_nats = self.nats.subscribe(thread_id, handler);
        Subscription::new(move || drop((over_postgres, over_nats)))
    }
}
