//! Old events go by the day, with their partitions; and one by one where there is none.

use std::fmt::Write as _;

use postroom_conformance::world::{said, thread};
use postroom_core::command::{Command, Envelope, Mode};
use postroom_core::ports::MailboxStore;
use postroom_core::time::Timestamp;

use super::super::queries::in_schema;
use super::*;

const SCHEMA: &str = "retention \"of\" events";
const SCHEMA_ALONE: &str = "retention of their own";
const DAY: i64 = 86_400_000;

async fn days(client: &Client) -> Vec<String> {
    let sql = "SELECT c.relname::text FROM pg_class AS c
               JOIN pg_namespace AS n ON n.oid = c.relnamespace
               WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname ~ '^events_\\d+' ORDER BY 1";
    client.query(sql, &[&SCHEMA]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn count(client: &Client) -> i64 {
    let sql = in_schema("SELECT count(*) FROM postroom.events", SCHEMA);
    client.query_one(&sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn old_days_are_dropped_and_what_has_no_day_is_deleted() {
    let store = store(SCHEMA).await;
    let client = connection().await;
    let submit = Command::Submit(Box::new(said(Mode::Enqueue, "hello")));
    store.apply(vec![Envelope::new(thread("t"), submit)]).await.remove(0).unwrap();
    let today = days(&client).await;
    let now = store.now().await.unwrap();
    let new = count(&client).await;
    // As if nodes had been at work long ago: on two days that have partitions, and on one without.
    let mut old = String::new();
    for ago in [30, 20] {
        let day = now.0 / DAY - ago;
        let (from, to) = (day * DAY, (day + 1) * DAY);
        let _ = write!(
            old,
            "CREATE TABLE postroom.events_{day} PARTITION OF postroom.events
                 FOR VALUES FROM ({from}) TO ({to});
             INSERT INTO postroom.events (thread_no, last_seq, at, events)
                 VALUES (-1, {day}, {from}, '[]');"
        );
    }
    let _ = write!(
        old,
        "INSERT INTO postroom.events (thread_no, last_seq, at, events)
         SELECT -1, number, {}, '[]' FROM generate_series(1, 5) AS number;",
        now.0 - 10 * DAY
    );
    client.batch_execute(&in_schema(&old, SCHEMA)).await.unwrap();
    assert_eq!(days(&client).await.len(), today.len() + 2);

    // Somebody reads: what is in the way is left for the next time, and nothing fails.
    client.batch_execute("BEGIN").await.unwrap();
    assert_eq!(count(&client).await, new + 7);
    let keep = Timestamp(now.0 - 25 * DAY);
    store.purge_events(keep, None, 2).await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(count(&client).await, new + 7);

    store.purge_events(keep, None, 2).await.unwrap();
    assert_eq!(days(&client).await.len(), today.len() + 1);
    assert_eq!(count(&client).await, new + 6);
    let keep = Timestamp(now.0 - DAY);
    let mut deleted = Vec::new();
    let mut cursor = None;
    loop {
        let purged = store.purge_events(keep, cursor.as_deref(), 2).await.unwrap();
        deleted.push(purged.deleted);
        cursor = purged.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(deleted, [2, 2, 1]);
    assert_eq!(days(&client).await, today);
    assert_eq!(count(&client).await, new);
}

/// One day's events are dropped by one node at a time, but a database may have several stores.
#[tokio::test]
async fn whoever_drops_in_another_schema_is_not_waited_for() {
    const OTHER: &str = "retention elsewhere";
    let (store, _other) = (store(SCHEMA_ALONE).await, store(OTHER).await);
    let client = connection().await;
    let day = store.now().await.unwrap().0 / DAY - 30;
    let old = format!(
        "CREATE TABLE postroom.events_{day} PARTITION OF postroom.events
             FOR VALUES FROM ({}) TO ({})",
        day * DAY,
        (day + 1) * DAY
    );
    client.batch_execute(&in_schema(&old, SCHEMA_ALONE)).await.unwrap();

    let drop = include_str!("../queries/drop_days.sql").replace("{day}", "0");
    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute(&in_schema(&drop, OTHER)).await.unwrap();
    store.purge_events(Timestamp((day + 2) * DAY), None, 2).await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    let sql =
        in_schema(&format!("SELECT to_regclass('postroom.events_{day}')::text"), SCHEMA_ALONE);
    let left: Option<String> = client.query_one(&sql, &[]).await.unwrap().get(0);
    assert_eq!(left, None, "the day is gone");
}
