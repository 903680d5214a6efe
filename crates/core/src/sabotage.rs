//! Deliberate faults, to prove that the simulation notices them. Without the test-only feature
//! `sabotage` nothing can commit one: [`committed`] is then a constant.

#[cfg(feature = "sabotage")]
use std::cell::Cell;
#[cfg(feature = "sabotage")]
use std::sync::OnceLock;

/// A way in which the machine can be made wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A stale claim is taken for the current one.
    NoFence,
    /// A dispatch is claimed although another of the thread is.
    ClaimWhileBusy,
    /// Steering that no run took in is forgotten when its run ends.
    SettleDropsSteering,
    /// An interrupt begins a new epoch but leaves the queue.
    InterruptKeepsQueue,
    /// A failed attempt is not counted.
    AttemptsNotCounted,
    /// A dispatch of an epoch that is over is tried again, and started.
    OldEpochStarts,
    /// A message that the thread has already is appended again.
    MessagesTwice,
    /// An event's number is left out.
    EventGap,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::NoFence,
        Self::ClaimWhileBusy,
        Self::SettleDropsSteering,
        Self::InterruptKeepsQueue,
        Self::AttemptsNotCounted,
        Self::OldEpochStarts,
        Self::MessagesTwice,
        Self::EventGap,
    ];

    /// The one of this name, which is that of its variant.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| format!("{fault:?}") == name)
    }
}

#[cfg(feature = "sabotage")]
thread_local! {
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
}

#[cfg(feature = "sabotage")]
static EVERYWHERE: OnceLock<Fault> = OnceLock::new();

/// Makes every thread's machine wrong, for the rest of the process. Only the first call counts.
#[cfg(feature = "sabotage")]
pub fn commit_everywhere(fault: Fault) {
    EVERYWHERE.get_or_init(|| fault);
}

/// Makes this thread's machine wrong, or right again.
#[cfg(feature = "sabotage")]
pub fn commit(fault: Option<Fault>) {
    FAULT.set(fault);
}

/// Whether this thread's machine is wrong in this way.
#[cfg(feature = "sabotage")]
pub fn committed(fault: Fault) -> bool {
    FAULT.get() == Some(fault) || EVERYWHERE.get() == Some(&fault)
}

/// Whether this thread's machine is wrong in this way: never.
#[cfg(not(feature = "sabotage"))]
#[inline]
pub const fn committed(_fault: Fault) -> bool {
    false
}
