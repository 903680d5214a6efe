//! What the server's clock says, between two looks at it.

use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::time::Timestamp;
use tokio::time::Instant;

/// How long a look at it is good for: two clocks do not drift apart by much in it.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// The server's time when it was last heard of, and when that was.
#[derive(Debug, Default)]
pub(super) struct ServerTime(Mutex<Option<(Timestamp, Instant)>>);

impl ServerTime {
    /// Notes what the server has just said.
    pub(super) fn was(&self, time: Timestamp) {
        *self.0.lock() = Some((time, Instant::now()));
    }

    /// What its clock says now: a little less, by the way that the answer took.
    pub(super) fn about(&self) -> Option<Timestamp> {
        let (time, at) = (*self.0.lock())?;
        let since = at.elapsed();
        (since <= GOOD_FOR).then(|| time + since)
    }
}
