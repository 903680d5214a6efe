//! Postroom's stores: memory, SQLite and PostgreSQL.

#[cfg(feature = "memory")]
pub mod memory;
#[cfg(any(feature = "memory", feature = "sqlite"))]
mod nodes;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "postgres")]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod system;
