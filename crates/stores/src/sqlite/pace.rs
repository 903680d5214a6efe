//! How long things take here: nothing is decided by it but when to begin.

use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "the disk's time is real")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// How long one of something takes, as it was lately.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace(Duration);

impl Pace {
    /// Learns that `count` took so long.
    pub(super) fn took(&mut self, duration: Duration, count: usize) {
        let one = duration / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        self.0 = if self.0.is_zero() { one } else { (self.0 * 3 + one) / 4 };
    }

    /// How long `count` will take.
    pub(super) fn of(self, count: usize) -> Duration {
        self.0.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
    }
}
