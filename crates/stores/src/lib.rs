//! Postroom's stores: memory, SQLite and PostgreSQL.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod depth;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(any(feature = "memory", feature = "sqlite"))]
mod nodes;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[cfg_attr(
    not(all(feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "what only one of them needs")
)]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod system;
mod turns;
