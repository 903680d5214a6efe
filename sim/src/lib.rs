//! Seeded simulation of many Postroom nodes.
//!
//! Several service nodes work on one memory store, in one thread, with time that jumps and every
//! choice drawn from one seed: the same seed is the same run, to the last line of its trace. Fate
//! kills, freezes and cuts off nodes; calls of the store fail, lose their answers, come late and
//! overtake each other; signals and live commands are lost, doubled and late. Meanwhile senders,
//! a person, an operator and readers use the house, and after each write the design's nine
//! invariants are checked. Then all heals, and everything must come to its end.

pub mod chance;
mod check;
mod clients;
mod clock;
mod executor;
mod fate;
mod feed;
mod house;
mod ledger;
mod letters;
mod life;
mod live;
mod run;
mod shape;
mod signals;
mod store;
pub mod tally;
mod trace;
mod verdict;
mod weather;
mod world;

pub use run::{Failure, Fault, Options, Outcome, run};
pub use tally::Counts;
pub use verdict::Violation;
pub use world::StoreFault;
use world::World;
