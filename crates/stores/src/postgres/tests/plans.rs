//! What grows must not slow: no statement goes through a table, and what it touches does not grow.
//! Counted by the server in pages, which no noise moves; with statistics of a time when nothing was
//! queued, as an idle store's are.

use std::collections::BTreeMap;

use postroom_conformance::world::{beginning, said, thread};
use postroom_core::command::{Command, Envelope, Mode};
use postroom_core::ports::MailboxStore;
use serde_json::Value;
use tokio_postgres::types::Type;

use super::super::queries::{Query, Texts, in_schema};
use super::super::together::PARTS;
use super::*;

const SCHEMA: &str = "the plans";
const THREADS: usize = 20;
const GROWN: usize = 30_000;

/// Small by their nature: a row a node, a slot, a tenant and slot, a key, or a run that executes.
const SMALL_TABLES: [&str; 6] = ["nodes", "depth", "claims", "tenant_depth", "keys", "secrets"];

/// The sweep looks at all that executes, twice a minute: an index by the leases' ends would have to be
/// kept up with every renewal.
const LOOKS_AT_ALL: [Query; 1] = [Query::LockLeased];

/// They sort what they find, and find few, or give it whole: lists of what is unfinished, a prompt, a
/// batch's threads in the order in which they are locked.
const SORTED: [Query; 8] = [
    Query::RunsUnderWay,
    Query::DispatchesUnacked,
    Query::DispatchesUnackedOfTenant,
    Query::Prompt,
    Query::PendingRead,
    Query::LockThreads,
    Query::LockKnown,
    Query::LockLeased,
];

/// What each statement of a submission, a claim, a settlement and a sweep is asked for; and the
/// reads. Of what is not here only the plan is looked at: it writes what it is given and no more.
fn asked(query: Query) -> Option<&'static str> {
    Some(match query {
        Query::LockThreads | Query::LockKnown | Query::RunsPointed | Query::DispatchesClaimed => {
            "ARRAY['t1', 't2', 'deep']"
        }
        Query::Runs => "{runs}",
        Query::Dispatches => "{dispatches}",
        Query::DispatchesDue | Query::RunsDue | Query::InputsDue => {
            "ARRAY[{t1}, {t2}, {deep}], ARRAY[2, 2, 2]"
        }
        Query::DispatchesDelayed => "ARRAY[{t1}, {t2}, {deep}], 8000000000000, 2",
        Query::Threads | Query::Pending => "ARRAY[{t1}, {t2}, {deep}]",
        Query::MessageRuns => "ARRAY[{t1}, {deep}], ARRAY['unknown', 'unknown']",
        Query::MessagesRanges => "ARRAY[{t1}, {deep}], ARRAY[1, 1], ARRAY[2, 2]",
        Query::KeyHolders | Query::Submissions => "ARRAY[{t1}, {deep}], ARRAY['none', 'none']",
        Query::LockReady => "8",
        Query::LockReadyExcept => "8, ARRAY['busy']",
        Query::ReadyTenants => "'other', 8",
        Query::LockReadyOf => "ARRAY['other', 'few 3'], ARRAY[8, 8]",
        Query::LockReadyOfExcept => "ARRAY['other', 'few 3'], ARRAY[8, 8], ARRAY['busy']",
        Query::LockDue => "8000000000000, 8",
        Query::NextDue => "0",
        Query::LockLeased => "8000000000000, 8, false",
        Query::ThreadRead | Query::PendingRead => "'deep'",
        Query::ThreadsNewest | Query::RunsNewest | Query::RunsWaiting | Query::DispatchesNewest => {
            "30, 8"
        }
        Query::ThreadsLookedThrough => "30",
        Query::RunsOfThread | Query::DispatchesOfThread => "9000000000000000000, 8, 'deep'",
        Query::ThreadsMentioning | Query::RunsOfParent => "30, 8, 'none'",
        Query::ThreadsOfTenant | Query::RunsOfTenant | Query::DispatchesOfTenant => {
            "9000000000000000000, 8, 'other'"
        }
        Query::DispatchesUnackedOfTenant => {
            "9000000000000000000, 8, ARRAY['queued', 'dead_letter'], 'other'"
        }
        Query::DispatchesPurgeOfTenant => "'acked', 1, 8, 'other'",
        Query::RunsWaitingForTasks | Query::RunsOwingReports => "'none', 8",
        Query::OldRuns => "0, 8, 8000000000000",
        Query::QueuedThreadIds => "'t', 8",
        Query::MessagesRead | Query::EventsRead => "'deep', 0, 8",
        Query::DispatchesPurge | Query::DispatchesPurgeDefault => "'acked', 1, 8",
        Query::SubmissionsPurge => "1, 8",
        Query::SecretAdd => "'none', repeat('0', 64)",
        _ => return None,
    })
}

#[tokio::test]
async fn no_statement_touches_more_when_everything_has_grown() {
    let store = store(SCHEMA).await;
    let client = connection().await;
    // What the server knows is how it was while nothing was queued.
    queue(&store, vec!["deep".to_owned()], 1).await;
    grow(&client, "history", 3_000, 1_000_000, "acked").await;
    client.batch_execute("ANALYZE").await.unwrap();
    let threads = (0..THREADS).map(|number| format!("t{number}"));
    queue(&store, threads.chain(["deep".to_owned()]).collect(), THREADS / 4).await;
    make_ready(&client, "few", THREADS, 3_000_000).await;
    let texts = Texts::of(SCHEMA);
    for query in Query::ALL {
        let text = texts.get(*query);
        let types: Vec<&str> = text.types.iter().map(Type::name).map(spelled).collect();
        let types =
            if types.is_empty() { String::new() } else { format!("({})", types.join(", ")) };
        let prepare = format!("PREPARE {}{types} AS {}", query.name(), text.sql);
        client.batch_execute(&prepare).await.unwrap();
    }
    let before = explained(&client, &texts).await;

    grow(&client, "more", GROWN, 2_000_000, "queued, acked, dead_letter").await;
    make_ready(&client, "many", GROWN, 4_000_000).await;
    let after = explained(&client, &texts).await;

    for query in Query::ALL.iter().filter(|query| !LOOKS_AT_ALL.contains(query)) {
        let (before, after) = (before[query.name()], after[query.name()]);
        // An index may have grown by a level or two, for each row that is looked for in it.
        assert!(after <= before * 2 + 16, "{}: {before} pages, then {after}", query.name());
    }
}

/// What writes one row of each kind finds it by its key.
#[tokio::test]
async fn one_row_is_found_by_its_key() {
    const SCHEMA: &str = "the plans for one row";
    let _store = store(SCHEMA).await;
    let client = connection().await;
    let text = Texts::of(SCHEMA).together_of_one(&PARTS);
    let types: Vec<&str> = text.types.iter().map(Type::name).map(spelled).collect();
    let nothing = text.types.iter().map(nothing).collect::<Vec<_>>().join(", ");
    let prepare = format!("PREPARE of_one ({}) AS {}", types.join(", "), text.sql);
    client.batch_execute(&prepare).await.unwrap();
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE of_one ({nothing})");
    let rows = client.simple_query(&explain).await.unwrap();
    let text: String = rows.iter().filter_map(first_column).collect();
    let plan: Value = serde_json::from_str(&text).unwrap();
    check_nodes(Query::SaveTogether, &plan[0]["Plan"]);
}

async fn grow(client: &Client, name: &str, size: usize, first: usize, states: &str) {
    let sql = include_str!("grow.sql")
        .replace("$size", &size.to_string())
        .replace("$first", &first.to_string())
        .replace("$states", states)
        .replace("$name", name);
    client.batch_execute(&in_schema(&sql, SCHEMA)).await.unwrap();
}

async fn make_ready(client: &Client, name: &str, size: usize, first: usize) {
    let sql = include_str!("ready.sql")
        .replace("$size", &size.to_string())
        .replace("$first", &first.to_string())
        .replace("$name", name);
    client.batch_execute(&in_schema(&sql, SCHEMA)).await.unwrap();
}

/// Queues a run on each of the threads, and claims some.
async fn queue(store: &PostgresStore, threads: Vec<String>, claimed: usize) {
    let submit = |name: &String| {
        let submit = Command::Submit(Box::new(said(Mode::Enqueue, "hello")));
        Envelope::new(thread(name), submit)
    };
    for answer in store.apply(threads.iter().map(submit).collect()).await {
        answer.unwrap();
    }
    let claims = store.claim_ready(beginning("node"), claimed).await.unwrap();
    assert_eq!(claims.claimed.len(), claimed);
}

/// How many pages each statement touches. Nothing of what they do stays.
async fn explained(client: &Client, texts: &Texts) -> BTreeMap<&'static str, u64> {
    let mut pages = BTreeMap::new();
    for query in Query::ALL {
        let given = match asked(*query) {
            Some(given) => with_ids(client, given).await,
            None => texts.get(*query).types.iter().map(nothing).collect::<Vec<_>>().join(", "),
        };
        let given = if given.is_empty() { given } else { format!("({given})") };
        client.batch_execute("BEGIN").await.unwrap();
        let explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE";
        // Twice: the first fills the caches of the session and removes what is dead.
        let explain = format!("{explain} {}{given}", query.name());
        let mut plan = Value::Null;
        for _ in 0..2 {
            client.batch_execute("SAVEPOINT before").await.unwrap();
            let rows = client.simple_query(&explain).await;
            let rows = rows.unwrap_or_else(|error| panic!("{explain}: {error:?}"));
            let text: String = rows.iter().filter_map(first_column).collect();
            plan = serde_json::from_str(&text).unwrap();
            client.batch_execute("ROLLBACK TO before").await.unwrap();
        }
        client.batch_execute("ROLLBACK").await.unwrap();
        check_nodes(*query, &plan[0]["Plan"]);
        let of = |what: &str| plan[0]["Plan"][what].as_u64().unwrap_or(0);
        pages.insert(query.name(), of("Shared Hit Blocks") + of("Shared Read Blocks"));
    }
    pages
}

fn first_column(message: &tokio_postgres::SimpleQueryMessage) -> Option<String> {
    match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }
}

fn check_nodes(query: Query, node: &Value) {
    let kind = node["Node Type"].as_str().unwrap();
    let table = node["Relation Name"].as_str().unwrap_or_default();
    let is_small = SMALL_TABLES.contains(&table);
    assert!(kind != "Seq Scan" || is_small, "{} goes through {table}", query.name());
    assert!(!kind.starts_with("Hash Join"), "{}: {node:#}", query.name());
    let may_sort = SORTED.contains(&query);
    assert!(!kind.contains("Sort") || may_sort, "{}: {node:#}", query.name());
    for inner in node["Plans"].as_array().into_iter().flatten() {
        check_nodes(query, inner);
    }
}

/// Puts what is meant in place of the names in braces.
async fn with_ids(client: &Client, given: &str) -> String {
    let thread_no =
        |id: &str| format!("SELECT thread_no::text FROM postroom.threads WHERE id = '{id}'");
    let first = |table: &str, age: &str| {
        format!(
            "SELECT quote_literal(array_agg(id)::text)
             FROM (SELECT id FROM postroom.{table} ORDER BY {age} LIMIT 3) AS first"
        )
    };
    let mut given = given.to_owned();
    for (name, sql) in [
        ("{t1}", thread_no("t1")),
        ("{t2}", thread_no("t2")),
        ("{deep}", thread_no("deep")),
        ("{runs}", first("runs", "run_no")),
        ("{dispatches}", first("dispatches", "dispatch_no")),
    ] {
        if given.contains(name) {
            let row = client.query_one(&in_schema(&sql, SCHEMA), &[]).await.unwrap();
            given = given.replace(name, row.get(0));
        }
    }
    given
}

/// A value of this type with which a statement does nothing.
pub(super) fn nothing(of: &Type) -> String {
    match *of {
        Type::INT8 => "0".to_owned(),
        Type::TEXT => "'none'".to_owned(),
        Type::BOOL => "false".to_owned(),
        Type::UUID => "'00000000-0000-0000-0000-000000000000'".to_owned(),
        ref array if array.name().starts_with('_') => "'{}'".to_owned(),
        ref other => panic!("nothing of {other}"),
    }
}

/// PostgreSQL calls the array of `x` `_x`.
pub(super) fn spelled(name: &str) -> &str {
    match name {
        "int8" => "bigint",
        "bool" => "boolean",
        "_int8" => "bigint[]",
        "_text" => "text[]",
        "_bool" => "boolean[]",
        "_uuid" => "uuid[]",
        other => other,
    }
}
