//! The suite that every store, signal queue, live control and event feed of Postroom must pass.
//!
//! A crate that implements a port says in one of its tests how to open one, and gets a named test
//! for everything that the port promises:
//!
//! ```text
//! postroom_conformance::suite!(MyBackend::new());
//! ```
//!
//! [`model`] drives random commands through a store and through another, and compares every answer
//! and all state; [`invariants`] says what must hold of any store at any moment.
//!
//! This is test code in a library's place: it panics where a store breaks its word.

pub mod access;
pub mod backend;
pub mod cases;
pub mod clock;
pub mod cluster;
pub mod feed;
pub mod front;
pub mod ids;
pub mod invariants;
pub mod live;
pub mod model;
pub mod network;
mod pages;
pub mod signals;
pub mod snapshot;
pub mod store;
mod suite;
pub mod world;

pub use backend::Backend;
pub use clock::ManualClock;
pub use cluster::Cluster;
use cluster::cluster_reads;
pub use ids::SeededIds;
pub use network::{Network, Nodes};
pub use suite::{Time, run_port, run_store};
pub use world::World;

/// The cases by port, as the macros name them.
#[doc(hidden)]
pub mod port {
    pub use crate::{access, feed, live, signals};
}
