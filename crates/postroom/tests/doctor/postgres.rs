//! Faults of the database server.

use std::sync::LazyLock;

use postroom_testbed::{PgBouncer, Postgres, Settings, port};

use super::{broken, doctor, finds, is_well, warning};
use crate::support::{Home, Said, finish};

/// As durable as PostgreSQL is by default, unlike the one that other tests share.
static DURABLE: LazyLock<Postgres> =
    LazyLock::new(|| Postgres::with(Settings::durable()).expect("no PostgreSQL for the tests"));

/// A database of its own on it.
fn database(name: &str) -> String {
    DURABLE.sql("postgres", &format!("CREATE DATABASE {name}")).unwrap();
    DURABLE.url_of(name)
}

async fn look(url: &str, more: &[&str]) -> Said {
    let home = Home::new();
    let mut command = doctor(&home, &["--store", url]);
    command.args(more);
    finish(command).await
}

#[tokio::test]
async fn a_database_that_is_well() {
    let url = database("well");
    let said = look(&url, &[]).await;
    is_well(&said);
    assert!(said.stdout.contains("is made at the first start"), "{said:?}");
    let tables =
        DURABLE.sql("well", "SELECT count(*) FROM pg_tables WHERE schemaname = 'postroom'");
    assert_eq!(tables.unwrap(), "0", "it changes nothing");
    Home::new().run(&["migrate", "--store", &url]).await.ok();
    let said = look(&url, &[]).await;
    is_well(&said);
    assert!(said.stdout.contains("schema postroom is at 5"), "{said:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let url = format!("postgres://u:canary@127.0.0.1:{}/d", port::free().unwrap());
    let said = look(&url, &[]).await;
    finds(&said, &broken("store", "can't be reached", "start PostgreSQL there"));
    assert!(!said.stdout.contains("canary"), "{said:?}");
}

#[tokio::test]
async fn commits_that_may_be_lost() {
    // The server that tests share does not sync.
    let said = look(&Postgres::shared().url(), &[]).await;
    finds(&said, &broken("store", "fsync = off", "set fsync = on"));
    finds(&said, &warning("store", "full_page_writes = off", "full_page_writes = on"));

    let url = database("careless");
    DURABLE.sql("careless", "ALTER DATABASE careless SET synchronous_commit = off").unwrap();
    let wanted = broken("store", "synchronous_commit = off", "SET synchronous_commit = on");
    finds(&look(&url, &[]).await, &wanted);
}

#[tokio::test]
async fn too_few_connections() {
    let small = Postgres::with(Settings::durable().with("max_connections", "10")).unwrap();
    let wanted =
        broken("store", "takes up to 14 connections, and the server allows 7", "max_connections");
    finds(&look(&small.url(), &[]).await, &wanted);
}

#[tokio::test]
async fn somebody_elses_schema_and_a_newer_one() {
    let url = database("foreign_tables");
    let sql = "CREATE SCHEMA postroom; CREATE TABLE postroom.birds (name text)";
    DURABLE.sql("foreign_tables", sql).unwrap();
    finds(&look(&url, &[]).await, &broken("store", "that are not Postroom's", "store.schema"));

    let url = database("newer");
    Home::new().run(&["migrate", "--store", &url]).await.ok();
    let columns = "SELECT string_agg(column_name, ',' ORDER BY ordinal_position) FROM \
                   information_schema.columns WHERE table_schema = 'postroom' AND table_name = 'migrations'";
    assert!(DURABLE.sql("newer", columns).unwrap().starts_with("number"));
    DURABLE.sql("newer", "UPDATE postroom.migrations SET number = 999 WHERE number = 3").unwrap();
    finds(&look(&url, &[]).await, &broken("store", "999", "start that version"));
}

#[tokio::test]
async fn a_user_without_rights() {
    database("closed");
    DURABLE.sql("closed", "CREATE ROLE guest LOGIN").unwrap();
    let url = DURABLE.url_of("closed").replace("postgres@", "guest@");
    finds(&look(&url, &[]).await, &broken("store", "may not make schema postroom", "GRANT CREATE"));
}

#[tokio::test]
async fn a_pooler_that_nobody_was_told_of() {
    let pooler = PgBouncer::start(&DURABLE).unwrap();
    let url = pooler.url();
    let said = look(&url, &[]).await;
    finds(
        &said,
        &broken("store", "a pooler in transaction mode is between", "signals.postgres_url"),
    );
    finds(
        &said,
        &broken("store", "does not take a session's settings", "store.prepared_statements = false"),
    );

    let told = ["--set", "store.prepared_statements=false", "--set"];
    let past = format!("signals.postgres_url={}", DURABLE.url());
    let said = look(&url, &[told[0], told[1], told[2], &past]).await;
    is_well(&said);
    finds(&said, &warning("store", "statements may scan whole tables", "SET enable_seqscan = off"));

    let again = format!("signals.postgres_url={url}");
    let said = look(&url, &[told[0], told[1], told[2], &again]).await;
    finds(
        &said,
        &broken("signals", "is a pooler in transaction mode itself", "name the PostgreSQL server"),
    );
}

#[tokio::test]
async fn clocks_that_differ() {
    let url = database("clocks");
    let home = Home::new();
    let mut command = doctor(&home, &["--store", &url]);
    super::server::two_hours_late(&mut command);
    let said = finish(command).await;
    finds(&said, &warning("clock", " s behind the database's", "timedatectl"));
}
