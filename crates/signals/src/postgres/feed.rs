//! The event feed over notifications.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use postroom_core::ports::{EventFeed, FeedHandler, FeedHint, Subscription};

use super::bus::{Bus, Shared};
use super::frame::Frame;
use super::outbox::To;
use crate::hints::hints;
use crate::interest::IS_SAID_AFTER;

/// The event feed over notifications. A node says which threads it listens to, and is told of those
/// alone: where nobody listens, nothing is said.
#[derive(Clone)]
pub struct PostgresFeed {
    pub(super) bus: Bus,
}

impl EventFeed for PostgresFeed {
    fn publish(&self, events: &[SharedEvent]) {
        let shared = self.bus.shared();
        if !shared.interest.is_any() || !shared.is_connected() {
            return;
        }
        for (thread_id, hint) in hints(events) {
            for node in shared.interest.in_thread(thread_id) {
                let frame = match &hint {
                    FeedHint::Event(event) => Frame::event(event),
                    FeedHint::UpTo(seq) => Frame::UpTo(thread_id.clone(), *seq),
                    FeedHint::Look => continue,
                };
                shared.outbox.put(To::Node(node), frame);
            }
        }
    }

    fn subscribe(&self, thread_id: &ThreadId, handler: Arc<dyn FeedHandler>) -> Subscription {
        let shared = self.bus.shared();
        let (number, _) = shared.topics.enter(thread_id, handler);
        let is_said = Arc::new(AtomicBool::new(false));
        let saying = say_soon(shared.clone(), thread_id.clone(), number, is_said.clone());
        shared.spawner.spawn(Box::pin(saying));
        let (bus, thread_id) = (self.bus.clone(), thread_id.clone());
        Subscription::new(move || {
            let shared = bus.shared();
            // Where another's word for the thread stands, it is not repeated, and ends so.
            if shared.topics.leave(&thread_id, number) && is_said.load(Ordering::Acquire) {
                shared.outbox.put(To::All, Frame::Ended(thread_id));
            }
        })
    }
}

/// Says that this node listens to the thread, unless who listens has gone by then. Not only the first
/// of a thread says so: the echo tells each when it takes effect.
async fn say_soon(shared: Arc<Shared>, thread_id: ThreadId, number: u64, is_said: Arc<AtomicBool>) {
    tokio::time::sleep(IS_SAID_AFTER).await;
    if shared.topics.holds(&thread_id, number) {
        is_said.store(true, Ordering::Release);
        shared.outbox.put(To::All, Frame::Listens(vec![thread_id], true));
    }
}
