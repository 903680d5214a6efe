//! Throwaway servers for tests: each on a free port of loopback, with its data in a directory of its
//! own, and gone when it is dropped, or when the process that started it ends in any way.
//!
//! All of it is blocking and needs no runtime, so that plain tests and async ones can use it alike:
//! starting a server takes about a second.
//!
//! ```no_run
//! let postgres = postroom_testbed::Postgres::shared(); // one for all tests of this process
//! let own = postroom_testbed::Postgres::start()?; // one that this test may kill
//! assert_eq!(own.sql("postgres", "select 1")?, "1");
//! # Ok::<(), postroom_testbed::Error>(())
//! ```

mod account;
mod disk;
mod error;
mod nats;
mod patience;
mod pgbouncer;
pub mod port;
mod postgres;
mod process;
mod program;
mod proxy;
mod scratch;

pub use disk::Disk;
pub use error::Error;
pub use nats::Nats;
pub use patience::until;
pub use pgbouncer::PgBouncer;
pub use postgres::{Certificate, Durability, Postgres, Settings, Shutdown, Standby};
pub use process::{Process, Signal};
pub use program::Program;
pub use proxy::{LostReply, Proxy, Weather};
pub use scratch::Scratch;
