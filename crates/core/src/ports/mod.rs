//! What the core needs from the world. Every implementation passes the conformance suite.

mod access;
mod clock;
mod executor;
mod feed;
mod live;
mod signals;
mod spawn;
mod store;
mod trace;

pub use access::AccessStore;
pub use clock::{Clock, IdSource, Ids};
pub use executor::{Cancel, CancelReason, ContextError, Executor, RunContext, RunOutcome};
pub use feed::{EventFeed, FeedHandler, FeedHint};
pub use live::{LiveControl, LiveHandler, Subscription};
pub use signals::{PulledSignal, SignalError, SignalReceipt, Signals};
pub use spawn::Spawner;
pub use store::{
    Applied, ClaimedReady, DepthByState, DispatchFilter, MailboxStore, OldRuns, Page, PurgedEvents,
    ReclaimScope, Reclaimed, RunFilter, StoreCapabilities, ThreadFilter,
};
pub use trace::{Attribute, Beginning, OpenSpan, Span, SpanKind, Tracer};
