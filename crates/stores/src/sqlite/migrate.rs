//! The schema: numbered migrations, each applied whole or not at all.

use rusqlite::Connection;

/// Names a file as Postroom's: "post", at its place in SQLite's header.
pub(super) const APPLICATION_ID: u32 = 0x706f_7374;

/// The migrations, in order. They are never edited after they landed.
const MIGRATIONS: [(u32, &str); NEWEST as usize] = [
    (1, include_str!("migrations/0001_mailboxes.sql")),
    (2, include_str!("migrations/0002_reports.sql")),
    (3, include_str!("migrations/0003_tenants.sql")),
    (4, include_str!("migrations/0004_turns.sql")),
];

/// The schema that this version knows.
pub(super) const NEWEST: u32 = 4;

/// The number of the file's schema; 0 for none.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the schema from `version` to [`NEWEST`].
pub(super) fn migrate(connection: &mut Connection, version: u32) -> rusqlite::Result<()> {
    for (number, sql) in MIGRATIONS.into_iter().filter(|(number, _)| *number > version) {
        let transaction = connection.transaction()?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
        tracing::info!(number, "the database was migrated");
    }
    Ok(())
}
