//! What Postroom does by itself, as runs of its own mailbox: so it is as durable as everything else, is
//! done once on any number of nodes, and is seen where all work is seen.
//!
//! - A **schedule** is a thread with one run that submits at its times and waits in between.
//! - A **webhook**'s post is a run that tries, and waits in between.

mod executor;
pub mod schedule;
pub mod webhook;

pub use executor::Automation;
pub use postroom_core::reserved::RESERVED;
