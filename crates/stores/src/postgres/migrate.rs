//! The schema: numbered migrations, run at start, one node at a time, each whole or not at all.
//!
//! A migration must leave a schema that the version before it can go on working with: nodes are
//! replaced one after the other. So columns and tables are added first, and taken away by a later
//! version, once nobody uses them any more.
//!
//! Nothing is prepared here: a pooler may have another connection ready for the next statement.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::error::{OpenError, said};
use super::queries::in_schema;

/// The migrations, in order. They are never edited after they landed.
pub(super) const MIGRATIONS: [(i64, &str); 5] = [
    (1, include_str!("migrations/0001_mailboxes.sql")),
    (2, include_str!("migrations/0002_reports.sql")),
    (3, include_str!("migrations/0003_retention.sql")),
    (4, include_str!("migrations/0004_tenants.sql")),
    (5, include_str!("migrations/0005_turns.sql")),
];

/// The newest migration that this version knows.
pub(super) const NEWEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// The oldest server that will do.
const OLDEST_SERVER: u32 = 14;

/// Names the lock under which nodes migrate: "post" and "room" as numbers.
const LOCK: (i32, i32) = (0x706f_7374, 0x726f_6f6d);

/// Brings `schema` to the newest migration. Nodes that start together take turns.
pub(super) async fn migrate(client: &mut Client, schema: &str) -> Result<(), OpenError> {
    check_server(client).await?;
    let unreachable = |error| OpenError::Unreachable { reason: said(&error) };
    let mut transaction = client.transaction().await.map_err(unreachable)?;
    // Held to the transaction's end: it works through a pooler too, and dies with the connection.
    let (high, low) = LOCK;
    let lock = format!("SELECT pg_advisory_xact_lock({high}, {low})");
    transaction.batch_execute(&lock).await.map_err(unreachable)?;
    // What goes through a large table takes longer than a statement of a node at work may.
    transaction.batch_execute("SET LOCAL statement_timeout = 0").await.map_err(unreachable)?;

    let done = done(&transaction, schema).await?;
    if done > NEWEST {
        return Err(OpenError::Newer { schema: schema.to_owned(), found: done, known: NEWEST });
    }
    for (number, sql) in MIGRATIONS.into_iter().filter(|(number, _)| *number > done) {
        let failed = |error| OpenError::Migration { number, reason: said(&error) };
        let step = transaction.transaction().await.map_err(failed)?;
        step.batch_execute(&in_schema(sql, schema)).await.map_err(failed)?;
        let note = in_schema(NOTE, schema);
        step.batch_execute(&note.replace("{number}", &number.to_string())).await.map_err(failed)?;
        step.commit().await.map_err(failed)?;
        tracing::info!(number, schema, "the database was migrated");
    }
    transaction.commit().await.map_err(unreachable)
}

/// The newest migration of `schema`, without doing any; 0 for none.
///
/// # Errors
/// Where the schema is somebody else's, or of a newer version.
pub(super) async fn found(client: &mut Client, schema: &str) -> Result<i64, OpenError> {
    let unreachable = |error| OpenError::Unreachable { reason: said(&error) };
    let transaction = client.transaction().await.map_err(unreachable)?;
    let found = done(&transaction, schema).await?;
    transaction.rollback().await.map_err(unreachable)?;
    if found > NEWEST {
        return Err(OpenError::Newer { schema: schema.to_owned(), found, known: NEWEST });
    }
    Ok(found)
}

/// Notes a migration; its table is made with the first.
const NOTE: &str = include_str!("migrations/note.sql");

/// Refuses a server that is too old.
pub(super) async fn check_server(client: &Client) -> Result<(), OpenError> {
    let unreachable = |error| OpenError::Unreachable { reason: said(&error) };
    let version = "SELECT current_setting('server_version_num')::int, version()";
    let row = client.query_typed_one(version, &[]).await.map_err(unreachable)?;
    let (number, found): (i32, String) = (row.get(0), row.get(1));
    if number < i32::try_from(OLDEST_SERVER).unwrap_or(i32::MAX) * 10_000 {
        return Err(OpenError::OldServer { found, oldest: OLDEST_SERVER });
    }
    Ok(())
}

/// The newest migration that was done; 0 for none.
async fn done(
    transaction: &tokio_postgres::Transaction<'_>,
    schema: &str,
) -> Result<i64, OpenError> {
    let unreachable = |error| OpenError::Unreachable { reason: said(&error) };
    let found = "SELECT count(*), count(*) FILTER (WHERE tablename = 'migrations') FROM pg_tables \
                 WHERE schemaname = $1";
    let row =
        transaction.query_typed_one(found, &[(&schema, Type::TEXT)]).await.map_err(unreachable)?;
    let (tables, ours): (i64, i64) = (row.get(0), row.get(1));
    if ours == 0 {
        return if tables == 0 {
            Ok(0)
        } else {
            Err(OpenError::Foreign { schema: schema.to_owned() })
        };
    }
    let newest = in_schema("SELECT max(number) FROM postroom.migrations", schema);
    let row = transaction.query_typed_one(&newest, &[]).await.map_err(unreachable)?;
    Ok(row.get::<_, Option<i64>>(0).unwrap_or_default())
}
