//! Postroom's stores: memory and SQLite.

#[cfg(feature = "memory")]
pub mod memory;
pub mod system;
