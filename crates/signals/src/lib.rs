//! How nodes tell each other: signals, live control and the event feed.
//!
//! All of it is hints. What is lost here costs latency; the store has the truth.

#[cfg(all(feature = "nats", feature = "postgres"))]
pub mod fallback;
mod hints;
#[cfg(any(feature = "postgres", feature = "nats"))]
mod interest;
mod local;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
mod queue;
#[cfg(any(feature = "postgres", feature = "nats"))]
mod topics;

pub use local::{LocalFeed, LocalLive, LocalSignals};
