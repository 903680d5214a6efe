//! Signals and live control inside one process.
//!
//! What a node needs that works on its store alone, and what tests of several nodes in one process
//! share between them.

mod live;
mod signals;

pub use live::LocalLive;
pub use signals::LocalSignals;
