//! Whether there may be work that nobody has claimed, and when there will be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What wakes the dispatcher. It is a hint: a look too many costs a query, and one too few is made
/// good by the sweep.
#[derive(Default)]
pub(crate) struct Ready {
    maybe: AtomicBool,
    /// When the next delayed dispatch is due, as far as this node knows.
    due: Mutex<Option<Instant>>,
    wake: Notify,
}

impl Ready {
    /// There may be work to claim now.
    pub(crate) fn mark(&self) {
        self.maybe.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// There may be work to claim after `delay`.
    pub(crate) fn mark_in(&self, delay: Duration) {
        // A delay beyond what the clock can name is as good as never.
        let Some(at) = Instant::now().checked_add(delay) else { return };
        let sooner = {
            let mut due = self.due.lock();
            let sooner = due.is_none_or(|known| at < known);
            if sooner {
                *due = Some(at);
            }
            sooner
        };
        if sooner {
            self.wake.notify_one();
        }
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.maybe.load(Ordering::Acquire)
    }

    /// Takes the mark away: to be done before the query, so that a mark that is set meanwhile stays.
    pub(crate) fn take(&self) {
        self.maybe.store(false, Ordering::Release);
    }

    /// Room became free: if there may be work for it, look.
    pub(crate) fn room(&self) {
        if self.is_marked() {
            self.wake.notify_one();
        }
    }

    /// Marks if the time of the next delayed dispatch has come; otherwise says when it will.
    pub(crate) fn check_due(&self) -> Option<Instant> {
        let mut due = self.due.lock();
        let at = (*due)?;
        if at > Instant::now() {
            return Some(at);
        }
        *due = None;
        self.maybe.store(true, Ordering::Release);
        None
    }

    /// Resolves at the next wake-up. One that came since the last wait counts.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}
