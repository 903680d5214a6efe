//! Inside one process: what a node needs that works on its store alone, and what several nodes in
//! one process share between them.

mod feed;
mod live;
mod signals;

pub use feed::LocalFeed;
pub use live::LocalLive;
#[cfg(feature = "nats")]
pub(crate) use live::takes;
pub use signals::LocalSignals;
