//! Live control inside one process.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use postroom_core::id::{DispatchId, RunId, ThreadId};
use postroom_core::live::{LiveCommand, LiveReceipt, LiveTarget};
use postroom_core::ports::{LiveControl, LiveHandler, Subscription};

/// Delivers live commands to handlers of the same process. The receipt is what the handler says.
#[derive(Clone, Default)]
pub struct LocalLive {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    by_run: Mutex<HashMap<(ThreadId, RunId), Vec<Subscriber>>>,
    last_number: AtomicU64,
}

struct Subscriber {
    /// Names the subscription, so that its end takes away no other.
    number: u64,
    dispatch_id: Option<DispatchId>,
    handler: Arc<dyn LiveHandler>,
}

impl Subscriber {
    /// A command for one dispatch is not for an execution of another; a sender that does not know
    /// the dispatch means whatever executes the run.
    fn is_meant(&self, target: &LiveTarget) -> bool {
        target.dispatch_id.is_none() || target.dispatch_id == self.dispatch_id
    }
}

impl Shared {
    fn remove(&self, run: &(ThreadId, RunId), number: u64) {
        let mut by_run = self.by_run.lock();
        if let Some(subscribers) = by_run.get_mut(run) {
            subscribers.retain(|subscriber| subscriber.number != number);
            if subscribers.is_empty() {
                by_run.remove(run);
            }
        }
    }
}

/// Whether the handler takes the command. One that panics has dropped the receipt.
pub(crate) fn takes(handler: &dyn LiveHandler, command: LiveCommand) -> bool {
    let taken = catch_unwind(AssertUnwindSafe(|| handler.take(command)));
    taken.unwrap_or_else(|_| {
        tracing::error!(?command, "a handler of live commands panicked");
        false
    })
}

#[async_trait]
impl LiveControl for LocalLive {
    async fn deliver(
        &self,
        target: &LiveTarget,
        command: LiveCommand,
        _timeout: Duration,
    ) -> LiveReceipt {
        self.give(target, command)
    }

    async fn subscribe(&self, target: LiveTarget, handler: Arc<dyn LiveHandler>) -> Subscription {
        self.enter(target, handler)
    }
}

impl LocalLive {
    /// Gives the command to whoever it is for in this process.
    pub(crate) fn give(&self, target: &LiveTarget, command: LiveCommand) -> LiveReceipt {
        let run = (target.thread_id.clone(), target.run_id.clone());
        // Out of the lock before they are called: a handler may subscribe, or end a subscription.
        let meant: Vec<Arc<dyn LiveHandler>> = {
            let by_run = self.shared.by_run.lock();
            let subscribers = by_run.get(&run).map_or(&[][..], Vec::as_slice);
            // Newest first: an older one is a leftover.
            let meant = subscribers.iter().rev().filter(|subscriber| subscriber.is_meant(target));
            meant.map(|subscriber| subscriber.handler.clone()).collect()
        };
        if meant.iter().any(|handler| takes(&**handler, command)) {
            LiveReceipt::Delivered
        } else {
            LiveReceipt::NoSubscriber
        }
    }

    /// Enters who takes commands for `target` in this process.
    pub(crate) fn enter(&self, target: LiveTarget, handler: Arc<dyn LiveHandler>) -> Subscription {
        let number = self.shared.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let run = (target.thread_id, target.run_id);
        let subscriber = Subscriber { number, dispatch_id: target.dispatch_id, handler };
        self.shared.by_run.lock().entry(run.clone()).or_default().push(subscriber);
        let shared = self.shared.clone();
        Subscription::new(move || shared.remove(&run, number))
    }
}
