//! Which threads other nodes listen to: only those are worth telling of.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::id::ThreadId;
use tokio::time::Instant;

/// How often a node repeats what it listens to.
pub(crate) const REPEAT_EVERY: Duration = Duration::from_secs(10);
/// How long somebody must have listened before it is said: who waits for one short run has gone by
/// then, and nobody needs to know.
pub(crate) const IS_SAID_AFTER: Duration = Duration::from_millis(10);
/// How long after a node began to listen it looks for what was written before the others knew.
pub(crate) const IS_KNOWN_AFTER: Duration = Duration::from_millis(20);
/// What was not repeated for so long has ended.
const ENDS_AFTER: Duration = Duration::from_secs(25);

#[derive(Default)]
pub(crate) struct Interest {
    by_thread: Mutex<HashMap<ThreadId, BTreeMap<u64, Instant>>>,
    /// How many threads there are, so that telling nobody costs one load.
    threads: AtomicUsize,
}

impl Interest {
    /// Whether any other node listens to anything.
    pub(crate) fn is_any(&self) -> bool {
        self.threads.load(Ordering::Acquire) > 0
    }

    pub(crate) fn heard(&self, node: u64, threads: Vec<ThreadId>) {
        let until = Instant::now() + ENDS_AFTER;
        let mut by_thread = self.by_thread.lock();
        for thread_id in threads {
            by_thread.entry(thread_id).or_default().insert(node, until);
        }
        self.threads.store(by_thread.len(), Ordering::Release);
    }

    pub(crate) fn ended(&self, node: u64, thread_id: &ThreadId) {
        let mut by_thread = self.by_thread.lock();
        if let Some(nodes) = by_thread.get_mut(thread_id) {
            nodes.remove(&node);
            if nodes.is_empty() {
                by_thread.remove(thread_id);
            }
        }
        self.threads.store(by_thread.len(), Ordering::Release);
    }

    /// Forgets all of a node that is going.
    pub(crate) fn gone(&self, node: u64) {
        self.retain(|other, _| other != node);
    }

    /// Forgets what was not repeated.
    pub(crate) fn forget_the_silent(&self) {
        let now = Instant::now();
        self.retain(|_, until| until > now);
    }

    /// Which nodes listen to the thread.
    pub(crate) fn in_thread(&self, thread_id: &ThreadId) -> Vec<u64> {
        let by_thread = self.by_thread.lock();
        by_thread.get(thread_id).map_or_else(Vec::new, |nodes| nodes.keys().copied().collect())
    }

    fn retain(&self, stays: impl Fn(u64, Instant) -> bool) {
        let mut by_thread = self.by_thread.lock();
        by_thread.retain(|_, nodes| {
            nodes.retain(|node, until| stays(*node, *until));
            !nodes.is_empty()
        });
        self.threads.store(by_thread.len(), Ordering::Release);
    }
}
