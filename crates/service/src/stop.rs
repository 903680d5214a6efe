//! The wish that an execution stops.

use std::sync::atomic::{AtomicU8, Ordering};

use postroom_core::ports::CancelReason;
use tokio::sync::Notify;

/// Why an execution shall stop, once it shall. The first reason stays, but a lost lease outdoes the
/// others: nothing can be written any more then.
#[derive(Default)]
pub(crate) struct Stop {
    reason: AtomicU8,
    raised: Notify,
}

impl Stop {
    pub(crate) fn raise(&self, reason: CancelReason) {
        let changed = self.reason.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            let wanted = encode(reason);
            let overrides = now == NONE || (reason == CancelReason::LeaseLost && now != wanted);
            overrides.then_some(wanted)
        });
        if changed.is_ok() {
            self.raised.notify_waiters();
        }
    }

    pub(crate) fn reason(&self) -> Option<CancelReason> {
        decode(self.reason.load(Ordering::Acquire))
    }

    /// Resolves at the next change, or the next [`Stop::wake`]. Create it before looking.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + Send + '_ {
        self.raised.notified()
    }

    /// Lets whoever waits look again.
    pub(crate) fn wake(&self) {
        self.raised.notify_waiters();
    }

    /// Resolves once there is a reason.
    pub(crate) async fn raised(&self) -> CancelReason {
        loop {
            // `notify_waiters` reaches every future that was created before it: create, then look.
            let changed = self.raised.notified();
            if let Some(reason) = self.reason() {
                return reason;
            }
            changed.await;
        }
    }
}

const NONE: u8 = 0;

fn encode(reason: CancelReason) -> u8 {
    match reason {
        CancelReason::Requested => 1,
        CancelReason::Shutdown => 2,
        CancelReason::LeaseLost => 3,
    }
}

fn decode(code: u8) -> Option<CancelReason> {
    match code {
        NONE => None,
        1 => Some(CancelReason::Requested),
        2 => Some(CancelReason::Shutdown),
        _ => Some(CancelReason::LeaseLost),
    }
}
