//! The commands, a file each.

pub mod agents;
pub mod backup;
pub mod bench;
pub mod completions;
pub mod dead_letters;
pub mod dispatches;
pub mod doctor;
pub mod health;
pub mod keys;
mod list;
pub mod man;
pub mod migrate;
pub mod nodes;
pub mod openapi;
pub mod runs;
pub mod schedules;
pub mod send;
pub mod serve;
pub mod session;
pub mod tail;
pub mod threads;
mod watch;
