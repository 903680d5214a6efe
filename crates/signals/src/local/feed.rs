//! The feed between nodes of one process.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use postroom_core::ports::{EventFeed, FeedHandler, Subscription};

use crate::hints::hints;

/// One node's end of a feed inside the process. Clones are the same node's; another node takes
/// [`another_node`](LocalFeed::another_node).
#[derive(Clone, Default)]
pub struct LocalFeed {
    exchange: Arc<Exchange>,
    node: Arc<Node>,
}

#[derive(Default)]
struct Node {
    /// How many of the listeners are its own.
    listeners: AtomicUsize,
}

#[derive(Default)]
struct Exchange {
    by_thread: Mutex<HashMap<ThreadId, Vec<Listener>>>,
    listeners: AtomicUsize,
    last_number: AtomicU64,
}

struct Listener {
    /// Names the subscription, so that its end takes away no other.
    number: u64,
    node: Arc<Node>,
    handler: Arc<dyn FeedHandler>,
}

impl LocalFeed {
    /// The end of one more node at the same feed.
    pub fn another_node(&self) -> Self {
        Self { exchange: self.exchange.clone(), node: Arc::default() }
    }

    fn somebody_else_listens(&self) -> bool {
        let own = self.node.listeners.load(Ordering::Acquire);
        self.exchange.listeners.load(Ordering::Acquire) > own
    }

    fn end(&self, thread_id: &ThreadId, number: u64) {
        let mut by_thread = self.exchange.by_thread.lock();
        let Some(listeners) = by_thread.get_mut(thread_id) else { return };
        listeners.retain(|listener| listener.number != number);
        if listeners.is_empty() {
            by_thread.remove(thread_id);
        }
        drop(by_thread);
        self.exchange.listeners.fetch_sub(1, Ordering::AcqRel);
        self.node.listeners.fetch_sub(1, Ordering::AcqRel);
    }
}

impl EventFeed for LocalFeed {
    fn publish(&self, events: &[SharedEvent]) {
        if !self.somebody_else_listens() {
            return;
        }
        for (thread_id, hint) in hints(events) {
            // Out of the lock before they are called: a handler may subscribe, or end a
            // subscription.
            let handlers: Vec<Arc<dyn FeedHandler>> = {
                let by_thread = self.exchange.by_thread.lock();
                let listeners = by_thread.get(thread_id).map_or(&[][..], Vec::as_slice);
                let others = listeners.iter().filter(|it| !Arc::ptr_eq(&it.node, &self.node));
                others.map(|listener| listener.handler.clone()).collect()
            };
            for handler in handlers {
                handler.hear(hint.clone());
            }
        }
    }

    fn subscribe(&self, thread_id: &ThreadId, handler: Arc<dyn FeedHandler>) -> Subscription {
        let number = self.exchange.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let listener = Listener { number, node: self.node.clone(), handler };
        self.exchange.by_thread.lock().entry(thread_id.clone()).or_default().push(listener);
        self.node.listeners.fetch_add(1, Ordering::AcqRel);
        self.exchange.listeners.fetch_add(1, Ordering::AcqRel);
        let (this, thread_id) = (self.clone(), thread_id.clone());
        Subscription::new(move || this.end(&thread_id, number))
    }
}
