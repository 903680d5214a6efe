//! Postroom as a service inside a process.
//!
//! A [`Postroom`] takes submissions, delivers each to the [`Executor`] when it should be, keeps the
//! leases of what executes, recovers what died, and lets any number of subscribers follow. What it
//! knows it knows from the store; what it holds in memory is only what executes here and who
//! listens here.
//!
//! [`Executor`]: postroom_core::ports::Executor

mod admission;
mod background;
mod backoff;
mod collect;
pub mod config;
mod context;
mod delivery;
mod dispatcher;
mod error;
mod events;
mod execution;
mod follow;
mod in_time;
mod journal;
mod lease;
mod lifecycle;
mod lost;
mod node;
mod nudge;
mod observe;
mod orphans;
mod postroom;
mod presence;
mod ready;
mod recent;
mod recovery;
mod report;
mod settle;
mod shown;
mod signals;
mod spawn;
mod stop;
mod trace;
mod upkeep;
mod verbs;

pub use config::Config;
pub use error::Error;
pub use follow::EventStream;
pub use lifecycle::Readiness;
pub use observe::Observer;
pub use postroom::{OnCollect, Parts, Postroom};
pub use presence::{ListedNode, NodeState};
pub use recent::{RecentNumbers, SPAN as RECENT_SPAN, Span, Spread};
pub use spawn::TokioSpawner;
