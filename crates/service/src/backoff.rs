//! Pauses between tries of the same thing.

use std::time::Duration;

/// Pauses that double up to a limit.
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        Self { next: first, max }
    }

    /// For a store that fails: soon again, and then more patiently.
    pub(crate) fn of_store() -> Self {
        Self::new(Duration::from_millis(20), Duration::from_secs(2))
    }

    /// The pause before the next try.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.max);
        pause
    }
}
