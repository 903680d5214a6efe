//! Time and identity, injected so that a test jumps time and a seed repeats a run.

use uuid::Uuid;

use crate::time::Timestamp;

/// The wall clock.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// Makes new ids. Within one source, each is larger than the one before.
pub trait IdSource: Send + Sync + 'static {
    /// A new UUID v7.
    fn new_uuid(&self) -> Uuid;

    /// Random bits, for jitter; nothing secret is made of them.
    fn random(&self) -> u64;
}

/// A source of ids as the mailbox takes it.
pub type Ids<'a> = &'a dyn IdSource;
