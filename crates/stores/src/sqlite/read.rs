//! Reading one thing, or one thread's things.

use postroom_core::dispatch::Dispatch;
use postroom_core::event::SharedEvent;
use postroom_core::id::{DispatchId, RunId, TenantId, ThreadId};
use postroom_core::message::LogMessage;
use postroom_core::pending::Pending;
use postroom_core::ports::{DepthByState, OldRuns};
use postroom_core::run::Run;
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;

use super::columns::{Columns, only};
use super::decode;
use super::error::Fault;
use super::queries::{Query, Statements};
use crate::sql::{self, Columns as _, Damaged, old_runs};

/// A run's row below its thread's id.
pub(super) fn run_row(row: &mut Columns<'_, '_>) -> Result<Run, Damaged> {
    let thread_id = row.take()?;
    row.skip(2);
    sql::decode::run(row, thread_id)
}

/// A dispatch's row below its thread's id.
pub(super) fn dispatch_row(row: &mut Columns<'_, '_>) -> Result<Dispatch, Damaged> {
    let thread_id = row.take()?;
    row.skip(2);
    sql::decode::dispatch(row, thread_id)
}

pub(super) fn thread(
    statements: &mut Statements<'_>,
    id: &ThreadId,
) -> Result<Option<Thread>, Fault> {
    let found = statements.get(Query::Thread)?.with(id)?.one(|row| sql::decode::thread(row))?;
    Ok(found.map(|(_, thread)| thread))
}

pub(super) fn run(statements: &mut Statements<'_>, id: &RunId) -> Result<Option<Run>, Fault> {
    statements.get(Query::RunRead)?.with(id)?.one(run_row)
}

pub(super) fn runs_waiting_for_tasks(
    statements: &mut Statements<'_>,
    after: Option<&RunId>,
    limit: usize,
) -> Result<Vec<Run>, Fault> {
    statements.get(Query::RunsWaitingForTasks)?.with(&after)?.with(&limit)?.all(run_row)
}

pub(super) fn runs_owing_reports(
    statements: &mut Statements<'_>,
    after: Option<&RunId>,
    limit: usize,
) -> Result<Vec<Run>, Fault> {
    statements.get(Query::RunsOwingReports)?.with(&after)?.with(&limit)?.all(run_row)
}

pub(super) fn old_runs(
    statements: &mut Statements<'_>,
    ended_before: Timestamp,
    after: i64,
    limit: usize,
) -> Result<OldRuns, Fault> {
    let values = statements.get(Query::OldRuns)?.with(&after)?.with(&limit)?;
    let looked = values.with(&ended_before)?.all(|row| old_runs::looked(row))?;
    Ok(old_runs::gathered(looked, ended_before, limit))
}

pub(super) fn dispatch(
    statements: &mut Statements<'_>,
    id: DispatchId,
) -> Result<Option<Dispatch>, Fault> {
    statements.get(Query::DispatchRead)?.with(&id)?.one(dispatch_row)
}

pub(super) fn messages(
    statements: &mut Statements<'_>,
    thread_id: &ThreadId,
    after_seq: u64,
    limit: usize,
) -> Result<Vec<LogMessage>, Fault> {
    let values = statements.get(Query::MessagesRead)?.with(thread_id)?;
    values.with(&place(after_seq))?.with(&limit)?.all(|row| sql::decode::log_message(row))
}

/// A place in a log, as SQLite counts; nothing is beyond its last number.
fn place(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// The messages of runs that have started and are not hidden: those of other runs, then those of
/// `run_id`.
pub(super) fn prompt(
    statements: &mut Statements<'_>,
    thread_id: &ThreadId,
    run_id: &RunId,
) -> Result<Vec<LogMessage>, Fault> {
    let all =
        statements.get(Query::Prompt)?.with(thread_id)?.all(|row| sql::decode::log_message(row))?;
    let (mut own, mut prompt): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|message| message.run_id == *run_id);
    prompt.append(&mut own);
    Ok(prompt)
}

pub(super) fn events(
    statements: &mut Statements<'_>,
    thread_id: &ThreadId,
    after_seq: u64,
    limit: usize,
) -> Result<Vec<SharedEvent>, Fault> {
    let values = statements.get(Query::EventsRead)?.with(thread_id)?;
    values.with(&place(after_seq))?.with(&limit)?.all(|row| decode::event(row, thread_id))
}

pub(super) fn pending(
    statements: &mut Statements<'_>,
    thread_id: &ThreadId,
) -> Result<Vec<Pending>, Fault> {
    let mut all = statements
        .get(Query::PendingRead)?
        .with(thread_id)?
        .all(|row| sql::decode::pending(row))?;
    all.sort_by_key(|pending| pending.position);
    Ok(all)
}

pub(super) fn queued_thread_ids(
    statements: &mut Statements<'_>,
    after: Option<&ThreadId>,
    limit: usize,
) -> Result<Vec<ThreadId>, Fault> {
    let values = statements.get(Query::QueuedThreadIds)?;
    let values = match after {
        Some(after) => values.with(after)?,
        None => values.with("")?,
    };
    values.with(&limit)?.all(only)
}

pub(super) fn depth(statements: &mut Statements<'_>) -> Result<DepthByState, Fault> {
    let depth = statements.get(Query::Depth)?.one(|row| sql::decode::depth(row))?;
    depth.ok_or_else(|| Fault::Damaged("the row of counters is not there".to_owned()))
}

/// The default tenant has what the others leave.
pub(super) fn depth_of(
    statements: &mut Statements<'_>,
    tenant: &TenantId,
) -> Result<DepthByState, Fault> {
    if !tenant.is_default() {
        let depth =
            statements.get(Query::TenantDepth)?.with(tenant)?.one(|row| sql::decode::depth(row))?;
        return Ok(depth.unwrap_or_default());
    }
    let others = statements.get(Query::TenantsDepth)?.one(|row| sql::decode::depth(row))?;
    Ok(depth(statements)?.without(others.unwrap_or_default()))
}
