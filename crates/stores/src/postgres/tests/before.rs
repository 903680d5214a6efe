//! Nodes are replaced one after the other: what the version before sends must do what it did, on a
//! schema that this version has migrated under its open connections.
//!
//! Its statements are in `before/`. When this version is out, those that it sends take their place.

use std::collections::HashMap;

use postroom_conformance::world::{beginning, said, thread};
use postroom_core::command::{Command, Envelope, Mode};
use postroom_core::id::TenantId;
use postroom_core::ports::MailboxStore;
use tokio_postgres::types::Type;

use super::super::migrate::MIGRATIONS;
use super::super::queries::{Text, in_schema, text, written_in};
use super::plans::{nothing, spelled};
use super::*;

const SCHEMA: &str = "the version before";

/// The newest migration that it knows.
const NEWEST_BEFORE: i64 = 3;

const FILES: [&str; 6] = [
    include_str!("before/columns.sql"),
    include_str!("before/load.sql"),
    include_str!("before/save.sql"),
    include_str!("before/claim.sql"),
    include_str!("before/read.sql"),
    include_str!("before/nodes.sql"),
];

/// The statements that write whole rows, and the tables that they write them to.
const INSERTS: [(&str, &str); 6] = [
    ("threads_insert", "threads"),
    ("runs_insert", "runs"),
    ("dispatches_insert", "dispatches"),
    ("messages_insert", "messages"),
    ("events_insert", "events"),
    ("submissions_insert", "submissions"),
];

/// Those that change rows, and what each finds its rows by.
const UPDATES: [(&str, &str); 3] =
    [("threads_update", "threads"), ("runs_update", "runs"), ("dispatches_update", "dispatches")];

/// The statements of the version before that are sent, by their names.
fn statements() -> Vec<(&'static str, Text)> {
    let parts: HashMap<&str, &str> = written_in(&FILES).collect();
    let whole: String = FILES.concat();
    let mut names: Vec<&str> = parts.keys().copied().collect();
    names.retain(|name| !whole.contains(&format!("{{{name}}}")));
    names.sort_unstable();
    names.into_iter().map(|name| (name, text(name, &parts, SCHEMA))).collect()
}

/// The schema as the version before leaves it, and one of its connections.
async fn node_before() -> Client {
    let client = connection().await;
    let make = in_schema("CREATE SCHEMA IF NOT EXISTS postroom;", SCHEMA);
    client.batch_execute(&make).await.unwrap();
    for (number, sql) in MIGRATIONS.iter().filter(|(number, _)| *number <= NEWEST_BEFORE) {
        client.batch_execute(&in_schema(sql, SCHEMA)).await.unwrap();
        let note = include_str!("../migrations/note.sql").replace("{number}", &number.to_string());
        client.batch_execute(&in_schema(&note, SCHEMA)).await.unwrap();
    }
    for (name, text) in statements() {
        let types: Vec<&str> = text.types.iter().map(Type::name).map(spelled).collect();
        let types =
            if types.is_empty() { String::new() } else { format!("({})", types.join(", ")) };
        let prepare = format!("PREPARE {name}{types} AS {}", text.sql);
        client.batch_execute(&prepare).await.unwrap();
    }
    client
}

/// Runs of the default tenant and of another one, in several states.
async fn fill(store: &PostgresStore) {
    let red = TenantId::parse("red").unwrap();
    for (name, caller) in [("done", None), ("ready", None), ("theirs", Some(red))] {
        let mut submit = said(Mode::Enqueue, "hello");
        submit.idempotency_key = "key".parse().ok();
        let command = Command::Submit(Box::new(submit));
        let envelope = Envelope::new(thread(name), command).on_behalf_of(caller);
        store.apply(vec![envelope]).await.remove(0).unwrap();
    }
    let claim = Envelope::new(thread("done"), Command::Claim(beginning("node")));
    store.apply(vec![claim]).await.remove(0).unwrap();
}

async fn execute(client: &Client, name: &str, values: &[String]) {
    let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
    let execute = format!("EXECUTE {name}{values}");
    let done = client.simple_query(&execute).await;
    done.unwrap_or_else(|error| panic!("{execute}: {error:?}"));
}

/// All of a table, whatever its columns.
async fn content(client: &Client, table: &str) -> String {
    let numbers = "row - 'created_no' - 'run_no' - 'dispatch_no' - 'queued_no'";
    let sql = format!(
        "SELECT coalesce(jsonb_agg({numbers} ORDER BY ({numbers})::text), '[]')::text
         FROM (SELECT to_jsonb(t) AS row FROM postroom.{table} AS t) AS rows"
    );
    client.query_one(&in_schema(&sql, SCHEMA), &[]).await.unwrap().get(0)
}

/// The values with which a statement writes the rows of a table that are picked, a column an array.
async fn values_of(client: &Client, name: &str, table: &str, picked: &str) -> Vec<String> {
    let statements = statements();
    let (_, text) = statements.iter().find(|(found, _)| *found == name).unwrap();
    // The columns are named behind the arrays; or, where all are taken, before the selection.
    let (_, named) = text
        .sql
        .split_once(") AS u (")
        .or_else(|| text.sql.split_once(&format!(".{table} (")))
        .unwrap_or_else(|| panic!("{name} names no columns"));
    let columns = named.split_once(')').unwrap().0;
    let mut values = Vec::new();
    for (column, of) in columns.split(',').map(str::trim).zip(&text.types) {
        let array = spelled(of.name());
        let element = array.trim_end_matches("[]");
        let sql = format!(
            "SELECT coalesce(quote_literal(array_agg({column}::{element} ORDER BY t.ctid)::text), \
             quote_literal('{{}}')) FROM postroom.{table} AS t WHERE {picked}"
        );
        let row = client.query_one(&in_schema(&sql, SCHEMA), &[]).await.unwrap();
        values.push(format!("{}::{array}", row.get::<_, String>(0)));
    }
    assert_eq!(values.len(), text.types.len(), "{name} takes other values than its columns");
    values
}

#[tokio::test]
async fn what_the_version_before_sends_does_what_it_did() {
    let before = node_before().await;
    // This migrates it, under the connection of the other one.
    let store = store(SCHEMA).await;
    fill(&store).await;

    for (name, text) in statements() {
        before.batch_execute("BEGIN").await.unwrap();
        let values: Vec<String> = text.types.iter().map(nothing).collect();
        execute(&before, name, &values).await;
        before.batch_execute("ROLLBACK").await.unwrap();
    }

    for (name, table) in INSERTS {
        let is_ours = if table == "threads" || table == "runs" || table == "dispatches" {
            "tenant IS NULL"
        } else {
            "true"
        };
        let rows = content(&before, table).await;
        assert_ne!(rows, "[]", "{table} is empty");
        let values = values_of(&before, name, table, is_ours).await;
        before.batch_execute("BEGIN").await.unwrap();
        let delete = format!("DELETE FROM postroom.{table} WHERE {is_ours}");
        before.batch_execute(&in_schema(&delete, SCHEMA)).await.unwrap();
        assert_ne!(content(&before, table).await, rows);
        execute(&before, name, &values).await;
        assert_eq!(content(&before, table).await, rows, "{name}");
        before.batch_execute("ROLLBACK").await.unwrap();
    }
    for (name, table) in UPDATES {
        let rows = content(&before, table).await;
        let values = values_of(&before, name, table, "true").await;
        execute(&before, name, &values).await;
        assert_eq!(content(&before, table).await, rows, "{name} leaves what it does not know");
    }

    let ready = before.simple_query("EXECUTE lock_ready(8)").await.unwrap();
    let found =
        ready.iter().filter(|line| matches!(line, tokio_postgres::SimpleQueryMessage::Row(_)));
    assert_eq!(found.count(), 2, "it finds what is ready, whoever's it is");
    let claimed = store.claim_ready(beginning("node"), 8).await.unwrap().claimed;
    assert_eq!(claimed.len(), 2, "so does this version, after what the other one wrote");
}
