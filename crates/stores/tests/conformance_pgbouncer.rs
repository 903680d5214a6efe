//! PostgreSQL behind `PgBouncer` in transaction mode passes the suite, set up as the documentation says.
#![cfg(feature = "postgres")]

#[path = "support/schema.rs"]
mod schema;
mod support;

use std::sync::LazyLock;

use postroom_testbed::{PgBouncer, Postgres};
use schema::Schema;

/// What the store else sets with each connection.
const ROLE: &str = "ALTER ROLE postgres SET enable_seqscan = off;
    ALTER ROLE postgres SET enable_hashjoin = off;
    ALTER ROLE postgres SET enable_mergejoin = off;
    ALTER ROLE postgres SET enable_sort = off;
    ALTER ROLE postgres SET jit = off;
    ALTER ROLE postgres SET idle_in_transaction_session_timeout = '8s'";

fn behind_pgbouncer() -> Schema {
    static SERVERS: LazyLock<(PgBouncer, Postgres)> = LazyLock::new(|| {
        let postgres = Postgres::start().unwrap_or_else(|error| panic!("no PostgreSQL: {error}"));
        postgres.sql("postgres", ROLE).unwrap();
        let pooler = PgBouncer::start(&postgres).unwrap_or_else(|error| panic!("{error}"));
        (pooler, postgres)
    });
    Schema::new(SERVERS.0.url(), false)
}

postroom_conformance::suite!(behind_pgbouncer());
