//! A clock that goes when it is told to.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use postroom_core::ports::Clock;
use postroom_core::time::Timestamp;

/// Where a [`ManualClock`] begins: a moment in 2023, so that no arithmetic on it is near an end.
pub const BEGINNING: Timestamp = Timestamp(1_700_000_000_000);

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock at [`BEGINNING`].
    pub fn new() -> Self {
        Self(AtomicI64::new(BEGINNING.0))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// Sets the time, back too.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}
