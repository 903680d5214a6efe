//! The store's clock: tokio's paused time, and jumps.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use postroom_conformance::clock::BEGINNING;
use postroom_core::ports::Clock;
use postroom_core::time::Timestamp;
use tokio::time::Instant;

/// A wall clock that follows the runtime's time, except where it is set.
#[derive(Debug)]
pub struct JumpingClock {
    began: Instant,
    offset_ms: AtomicI64,
}

impl JumpingClock {
    /// A clock that begins now. To be made inside the runtime.
    pub fn new() -> Self {
        Self { began: Instant::now(), offset_ms: AtomicI64::new(0) }
    }

    /// How long the run has lasted, whatever the clock says.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Sets the clock forward, or back.
    pub fn jump(&self, by_ms: i64) {
        self.offset_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Default for JumpingClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        let now = BEGINNING + self.elapsed();
        Timestamp(now.0 + self.offset_ms.load(Ordering::SeqCst))
    }
}
