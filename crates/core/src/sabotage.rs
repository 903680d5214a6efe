//! Deliberate faults, to prove that the simulation notices them, and a process that dies just where it
//! is told to, to prove that nothing is lost by it. Without the test-only feature `sabotage` nothing can
//! commit one: [`committed`] is then a constant, and [`passing`] does nothing.

#[cfg(feature = "sabotage")]
use std::cell::Cell;
#[cfg(feature = "sabotage")]
use std::sync::OnceLock;
#[cfg(feature = "sabotage")]
use std::sync::atomic::{AtomicU64, Ordering};

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

/// A moment at which a process can be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Commands are about to be given to the store.
    BeforeWrite,
    /// The store has carried commands out, and nobody has heard so.
    AfterWrite,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::BeforeWrite, Self::AfterWrite];

    /// The one of this name, which is that of its variant.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|moment| format!("{moment:?}") == name)
    }
}

/// When the process dies, and how often it passes such a moment alive.
#[cfg(feature = "sabotage")]
static DEATH: OnceLock<(Moment, AtomicU64)> = OnceLock::new();

/// Has the process die, as from SIGKILL, once it has passed `moment` so often. Only the first call
/// counts.
#[cfg(feature = "sabotage")]
pub fn die(moment: Moment, after: u64) {
    DEATH.get_or_init(|| (moment, AtomicU64::new(after)));
}

/// The process passes a moment, if it is not its last.
#[cfg(feature = "sabotage")]
pub fn passing(moment: Moment) {
    if let Some((last, left)) = DEATH.get()
        && *last == moment
        && left.fetch_sub(1, Ordering::SeqCst) == 0
    {
        std::process::abort();
    }
}

/// The process passes a moment: nothing happens.
#[cfg(not(feature = "sabotage"))]
#[inline]
pub const fn passing(_moment: Moment) {}
