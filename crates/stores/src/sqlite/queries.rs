//! The statements: written in `queries/*.sql`, known by their names, prepared once a connection.

use std::sync::LazyLock;

use rusqlite::{Connection, Statement};

use super::columns::Values;
use super::error::Fault;

/// Where the statements are written: each below a line `-- name: …`.
const FILES: [&str; 10] = [
    include_str!("queries/transaction.sql"),
    include_str!("queries/threads.sql"),
    include_str!("queries/runs.sql"),
    include_str!("queries/dispatches.sql"),
    include_str!("queries/log.sql"),
    include_str!("queries/pending.sql"),
    include_str!("queries/submissions.sql"),
    include_str!("queries/claim.sql"),
    include_str!("queries/depth.sql"),
    include_str!("queries/access.sql"),
];

macro_rules! queries {
    ($($name:ident = $word:literal,)*) => {
        /// A statement.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Query {
            $($name,)*
        }

        impl Query {
            /// All of them, in the order of their numbers.
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in the files.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

queries! {
    Begin = "begin",
    Commit = "commit",
    Rollback = "rollback",

    Thread = "thread",
    ThreadNo = "thread_no",
    ThreadId = "thread_id",
    ThreadInsert = "thread_insert",
    ThreadUpdate = "thread_update",
    ThreadUpdateMetadata = "thread_update_metadata",
    ThreadDelete = "thread_delete",
    ThreadsNewest = "threads_newest",
    ThreadsOfTenant = "threads_of_tenant",
    QueuedThreadIds = "queued_thread_ids",

    Run = "run",
    RunInsert = "run_insert",
    RunUpdate = "run_update",
    RunsDelete = "runs_delete",
    RunDelete = "run_delete",
    OldRuns = "old_runs",
    RunRead = "run_read",
    RunsNewest = "runs_newest",
    RunsOfTenant = "runs_of_tenant",
    RunsOfThread = "runs_of_thread",
    RunsOfAgent = "runs_of_agent",
    RunsOfParent = "runs_of_parent",
    RunsUnfinished = "runs_unfinished",
    RunsWaitingForTasks = "runs_waiting_for_tasks",
    RunsOwingReports = "runs_owing_reports",

    Dispatch = "dispatch",
    DispatchesDue = "dispatches_due",
    DispatchesDelayed = "dispatches_delayed",
    DispatchesQueued = "dispatches_queued",
    KeyHolder = "key_holder",
    DispatchInsert = "dispatch_insert",
    DispatchUpdate = "dispatch_update",
    DispatchesDelete = "dispatches_delete",
    DispatchesPurge = "dispatches_purge",
    DispatchesPurgeDefault = "dispatches_purge_default",
    DispatchesPurgeOfTenant = "dispatches_purge_of_tenant",
    DispatchRead = "dispatch_read",
    DispatchesNewest = "dispatches_newest",
    DispatchesOfTenant = "dispatches_of_tenant",
    DispatchesUnackedOfTenant = "dispatches_unacked_of_tenant",
    DispatchesOfThread = "dispatches_of_thread",
    DispatchesUnacked = "dispatches_unacked",

    MessagesRange = "messages_range",
    MessageRun = "message_run",
    MessageInsert = "message_insert",
    MessagesDelete = "messages_delete",
    MessagesRead = "messages_read",
    Prompt = "prompt",
    EventInsert = "event_insert",
    EventsDelete = "events_delete",
    EventsRead = "events_read",
    EventsThreads = "events_threads",
    EventsOldest = "events_oldest",
    EventsPurge = "events_purge",

    Pending = "pending",
    PendingMessage = "pending_message",
    PendingPut = "pending_put",
    PendingRemove = "pending_remove",
    PendingDelete = "pending_delete",
    PendingRead = "pending_read",

    Submission = "submission",
    SubmissionInsert = "submission_insert",
    SubmissionsDelete = "submissions_delete",
    SubmissionsPurge = "submissions_purge",

    ReadyTenant = "ready_tenant",
    ReadyAgent = "ready_agent",
    ReadyThreads = "ready_threads",
    DueThreads = "due_threads",
    NextDue = "next_due",
    LeasedThreads = "leased_threads",

    Depth = "depth",
    DepthAdd = "depth_add",
    TenantDepth = "tenant_depth",
    TenantsDepth = "tenants_depth",
    TenantDepthSeen = "tenant_depth_seen",
    TenantDepthAdd = "tenant_depth_add",

    KeyAdd = "key_add",
    Key = "key",
    Keys = "keys",
    KeyRevoke = "key_revoke",
    KeyUsed = "key_used",
    Secret = "secret",
    SecretAdd = "secret_add",
}

impl Query {
    /// Its text; empty if no file has it, which a test forbids.
    pub(super) fn sql(self) -> &'static str {
        static TEXTS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
            let texts: Vec<(&str, &str)> = written().collect();
            let text = |query: &Query| texts.iter().find(|(name, _)| *name == query.name());
            Query::ALL.iter().map(|query| text(query).map_or("", |(_, sql)| sql)).collect()
        });
        TEXTS[self as usize]
    }
}

/// The names and texts of all statements in the files.
pub(super) fn written() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.into_iter().flat_map(|file| {
        file.split("-- name: ").skip(1).filter_map(|part| {
            let (name, rest) = part.split_once('\n')?;
            // What follows the last `;` is a comment on the next statement.
            let (sql, _) = rest.rsplit_once(';')?;
            Some((name.trim(), sql))
        })
    })
}

/// A connection's statements, prepared when they are first used and kept as long as it lives:
/// asking for one costs an index, not a look-up by its text.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    prepared: Vec<Option<Statement<'c>>>,
}

impl<'c> Statements<'c> {
    /// None of them prepared yet.
    pub(super) fn of(connection: &'c Connection) -> Self {
        Self { connection, prepared: Query::ALL.iter().map(|_| None).collect() }
    }

    /// Prepares all of them: a database that lacks a table or a column is found out here.
    pub(super) fn prepare_all(&mut self) -> Result<(), Fault> {
        Query::ALL.iter().try_for_each(|query| self.get(*query).map(drop))
    }

    /// A statement whose values are still to be given, in order.
    pub(super) fn get(&mut self, query: Query) -> Result<Values<'_, 'c>, Fault> {
        let slot = &mut self.prepared[query as usize];
        let statement = match slot {
            Some(statement) => statement,
            None => slot.insert(self.connection.prepare(query.sql())?),
        };
        Ok(Values::of(statement))
    }

    /// The connection itself.
    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_is_written_once_and_every_written_one_is_used() {
        for query in Query::ALL {
            let found = written().filter(|(name, _)| *name == query.name()).count();
            assert_eq!(found, 1, "{}", query.name());
        }
        assert_eq!(written().count(), Query::ALL.len());
    }
}
