//! Postroom's stores: memory and SQLite.

#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod system;
