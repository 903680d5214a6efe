//! The commands, a file each.

pub mod agents;
pub mod completions;
pub mod dead_letters;
pub mod dispatches;
mod list;
pub mod migrate;
pub mod nodes;
pub mod runs;
pub mod send;
pub mod serve;
pub mod session;
pub mod tail;
pub mod threads;
mod watch;
