//! Who listens to which thread in this process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use postroom_core::id::ThreadId;
use postroom_core::ports::{FeedHandler, FeedHint};

#[derive(Default)]
pub(crate) struct Topics {
    by_thread: Mutex<BTreeMap<ThreadId, Vec<Listener>>>,
    last_number: AtomicU64,
}

struct Listener {
    /// Names the subscription, so that its end takes away no other.
    number: u64,
    handler: Arc<dyn FeedHandler>,
}

impl Topics {
    /// Enters a handler; answers its number, and whether it is the thread's first.
    pub(crate) fn enter(&self, thread_id: &ThreadId, handler: Arc<dyn FeedHandler>) -> (u64, bool) {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let mut by_thread = self.by_thread.lock();
        let listeners = by_thread.entry(thread_id.clone()).or_default();
        listeners.push(Listener { number, handler });
        (number, listeners.len() == 1)
    }

    /// Takes a handler away; `true` if it was the thread's last.
    pub(crate) fn leave(&self, thread_id: &ThreadId, number: u64) -> bool {
        let mut by_thread = self.by_thread.lock();
        let Some(listeners) = by_thread.get_mut(thread_id) else { return false };
        listeners.retain(|listener| listener.number != number);
        let is_last = listeners.is_empty();
        if is_last {
            by_thread.remove(thread_id);
        }
        is_last
    }

    /// Whether the handler of this number is still there.
    #[cfg(feature = "postgres")]
    pub(crate) fn holds(&self, thread_id: &ThreadId, number: u64) -> bool {
        let by_thread = self.by_thread.lock();
        let mut listeners = by_thread.get(thread_id).into_iter().flatten();
        listeners.any(|listener| listener.number == number)
    }

    /// Passes a hint on to who listens to the thread.
    pub(crate) fn tell(&self, thread_id: &ThreadId, hint: &FeedHint) {
        for handler in self.handlers(thread_id) {
            handler.hear(hint.clone());
        }
    }

    /// The threads that somebody listens to.
    pub(crate) fn threads(&self) -> Vec<ThreadId> {
        self.by_thread.lock().keys().cloned().collect()
    }

    /// Out of the lock before they are called: a handler may subscribe, or end a subscription.
    fn handlers(&self, thread_id: &ThreadId) -> Vec<Arc<dyn FeedHandler>> {
        let by_thread = self.by_thread.lock();
        let listeners = by_thread.get(thread_id).map_or(&[][..], Vec::as_slice);
        listeners.iter().map(|listener| listener.handler.clone()).collect()
    }
}
