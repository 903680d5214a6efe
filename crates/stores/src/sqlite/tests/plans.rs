//! What grows must not slow: no statement goes through a table, or sorts what it finds.

use super::*;
use crate::sqlite::queries::Query;

/// How SQLite goes about `query`, a line a step.
fn plan(connection: &Connection, query: Query) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", query.sql())).unwrap();
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>(3).unwrap());
    }
    steps
}

#[test]
fn every_statement_searches_by_a_key() {
    let place = Place::new();
    drop(place.open());
    let connection = open::reader(&place.path()).unwrap();
    let transactions = [Query::Begin, Query::Commit, Query::Rollback];
    for query in Query::ALL.iter().filter(|query| !transactions.contains(query)) {
        for step in plan(&connection, *query) {
            assert!(!step.contains("SCAN"), "{}: {step}", query.name());
            assert!(!step.contains("TEMP B-TREE"), "{}: {step}", query.name());
            assert!(!step.contains("AUTOMATIC"), "{}: {step}", query.name());
        }
    }
}

#[test]
fn the_hot_statements_use_the_indexes_that_were_made_for_them() {
    let place = Place::new();
    drop(place.open());
    let connection = open::reader(&place.path()).unwrap();
    for (query, index) in [
        (Query::DispatchesDue, "dispatches_due"),
        (Query::DispatchesDelayed, "dispatches_delayed"),
        (Query::DispatchesQueued, "dispatches_due"),
        (Query::DispatchesQueued, "dispatches_delayed"),
        (Query::KeyHolder, "dispatches_keyed"),
        (Query::DispatchesPurge, "dispatches_terminal"),
        (Query::DispatchesOfThread, "dispatches_of_thread"),
        (Query::DispatchesUnacked, "dispatches_unacked"),
        (Query::ThreadsOfTenant, "threads_of_tenant"),
        (Query::RunsOfTenant, "runs_of_tenant"),
        (Query::DispatchesOfTenant, "dispatches_of_tenant"),
        (Query::DispatchesUnackedOfTenant, "dispatches_unacked_of_tenant"),
        (Query::DispatchesPurgeOfTenant, "dispatches_terminal_of_tenant"),
        (Query::DispatchesPurgeDefault, "dispatches_terminal"),
        (Query::LeasedThreads, "dispatches_leased"),
        (Query::ReadyTenant, "threads_ready"),
        (Query::ReadyAgent, "threads_ready"),
        (Query::ReadyThreads, "threads_ready"),
        (Query::DueThreads, "threads_delayed"),
        (Query::NextDue, "threads_delayed"),
        (Query::QueuedThreadIds, "threads_queued"),
        (Query::RunsOfThread, "runs_of_thread"),
        (Query::RunsOfAgent, "runs_of_agent"),
        (Query::RunsOfParent, "runs_of_parent"),
        (Query::RunsUnfinished, "runs_unfinished"),
        (Query::RunsWaitingForTasks, "runs_unfinished"),
        (Query::RunsOwingReports, "runs_owing"),
        (Query::SubmissionsPurge, "submissions_by_age"),
    ] {
        let steps = plan(&connection, query);
        let used = steps.iter().any(|step| step.contains(&format!("INDEX {index} ")));
        assert!(used, "{}: {steps:#?}", query.name());
    }
}
