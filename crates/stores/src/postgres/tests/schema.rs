//! The schema that the migrations make, written down: so that a review sees what one has done.

use super::*;

/// What is written down. `POSTROOM_BLESS=1` writes it anew.
const WRITTEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/postgres/migrations/schema.txt");

#[tokio::test]
async fn the_migrations_make_the_schema_that_is_written_down() {
    let name = "the schema";
    drop(store(name).await);
    let rows = connection().await.query(include_str!("schema.sql"), &[&name]).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let found = lines.join("\n") + "\n";
    if std::env::var_os("POSTROOM_BLESS").is_some() {
        std::fs::write(WRITTEN, &found).unwrap();
    }
    let written = std::fs::read_to_string(WRITTEN).unwrap();
    assert_eq!(
        found.lines().collect::<Vec<_>>(),
        written.lines().collect::<Vec<_>>(),
        "where this is meant, POSTROOM_BLESS=1 writes it down"
    );
}
