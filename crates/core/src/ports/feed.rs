//! The feed: what a node has written, told to the nodes where somebody follows it.

use std::sync::Arc;

use crate::event::SharedEvent;
use crate::id::ThreadId;
use crate::ports::Subscription;

/// What a node hears of a thread that another node has written to. Any of these may come twice,
/// late, in another order, or never.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedHint {
    /// This, among other things perhaps. Whole, so that it needs no read.
    Event(SharedEvent),
    /// The thread has events up to this `seq`: the store has them.
    UpTo(u64),
    /// Something may have been missed: the store knows.
    Look,
}

/// Hears of one thread. It never waits: what it is given it passes on or drops.
pub trait FeedHandler: Send + Sync + 'static {
    /// Takes a hint.
    fn hear(&self, hint: FeedHint);
}

/// Tells nodes of each other's events. A short cut: who hears nothing finds the events in the
/// store, later.
pub trait EventFeed: Send + Sync + 'static {
    /// Tells other nodes what this one has written: deltas whole, of the rest only that it is
    /// there. Never waits, may lose, and costs next to nothing where nobody listens elsewhere.
    fn publish(&self, events: &[SharedEvent]);

    /// Hears of a thread until the subscription is dropped. Takes effect soon; then, and whenever
    /// something may have been missed, the handler hears [`FeedHint::Look`]. What this node itself
    /// publishes it does not hear. Neither this call nor the subscription's end calls a handler.
    fn subscribe(&self, thread_id: &ThreadId, handler: Arc<dyn FeedHandler>) -> Subscription;
}
