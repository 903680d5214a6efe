//! Nodes that tell each other through PostgreSQL: LISTEN and NOTIFY on one connection of their own.
//!
//! The connection takes no part in the store's transactions, because a NOTIFY in one takes a lock
//! that all commits would queue for. What a node says is gathered for a few milliseconds and said
//! with one statement. A connection that breaks is made anew; what was said meanwhile is lost, and
//! found in the store.
//!
//! LISTEN needs a session: behind a pooler in transaction mode it does not work, so the address is
//! one of PostgreSQL itself.

mod asked;
mod bus;
mod connection;
mod feed;
mod frame;
mod live;
mod outbox;
mod peers;
mod signals;
mod tls;

pub use bus::Bus;
pub use feed::PostgresFeed;
pub use live::PostgresLive;
pub use signals::PostgresSignals;

use std::sync::Arc;

use postroom_core::ports::{IdSource, Spawner};

/// How to reach PostgreSQL, and what the bus is made of.
pub struct Options {
    /// Where to.
    pub config: tokio_postgres::Config,
    /// What encrypts the connection, where the address asks for it.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Which installation this is: nodes hear each other if they are in the same database and name
    /// the same installation, as the store's schema does.
    pub installation: String,
    /// Names this node among the others: new with each process.
    pub ids: Arc<dyn IdSource>,
    /// Starts the bus's tasks.
    pub spawner: Arc<dyn Spawner>,
}
