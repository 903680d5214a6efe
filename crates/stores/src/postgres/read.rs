//! Reading one thread's things, and what is small.

use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::event::SharedEvent;
use postroom_core::id::{DispatchId, RunId, ThreadId};
use postroom_core::message::LogMessage;
use postroom_core::pending::Pending;
use postroom_core::ports::DepthByState;
use postroom_core::run::Run;
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;
use tokio_postgres::Row;

use super::error::Fault;
use super::needs::{self, number};
use super::queries::Query;
use super::row::RowReader;
use super::session::Session;
use crate::sql::{Columns, decode};

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) async fn now(session: &Session, time: Option<i64>) -> Result<Timestamp, Fault> {
    let rows = session.query(Query::Now, &[&time]).await?;
    let now = rows.first().map(|row| RowReader::of(row).take()).transpose()?;
    now.ok_or_else(|| Fault::Damaged("the server told no time".to_owned()))
}

pub(super) async fn thread(session: &Session, id: &ThreadId) -> Result<Option<Thread>, Fault> {
    let rows = session.query(Query::ThreadRead, &[&id.to_string()]).await?;
    let thread = |row: &Row| Ok(decode::thread(&mut RowReader::of(row))?.1);
    rows.first().map(thread).transpose()
}

pub(super) async fn run(session: &Session, id: &RunId) -> Result<Option<Run>, Fault> {
    let rows = session.query(Query::Runs, &[&vec![id.to_string()]]).await?;
    rows.first().map(needs::run).transpose()
}

pub(super) async fn runs_waiting_for_tasks(
    session: &Session,
    after: Option<&RunId>,
    limit: usize,
) -> Result<Vec<Run>, Fault> {
    let after = after.map(ToString::to_string);
    let rows = session.query(Query::RunsWaitingForTasks, &[&after, &count(limit)]).await?;
    rows.iter().map(needs::run).collect()
}

pub(super) async fn runs_owing_reports(
    session: &Session,
    after: Option<&RunId>,
    limit: usize,
) -> Result<Vec<Run>, Fault> {
    let after = after.map(ToString::to_string);
    let rows = session.query(Query::RunsOwingReports, &[&after, &count(limit)]).await?;
    rows.iter().map(needs::run).collect()
}

pub(super) async fn dispatch(session: &Session, id: DispatchId) -> Result<Option<Dispatch>, Fault> {
    let rows = session.query(Query::Dispatches, &[&vec![id.uuid()]]).await?;
    rows.first().map(needs::dispatch).transpose()
}

pub(super) async fn messages(
    session: &Session,
    thread_id: &ThreadId,
    after_seq: u64,
    limit: usize,
) -> Result<Vec<LogMessage>, Fault> {
    let id = thread_id.to_string();
    let rows =
        session.query(Query::MessagesRead, &[&id, &number(after_seq), &count(limit)]).await?;
    log_messages(&rows)
}

/// The messages of runs that have started and are not hidden: those of other runs, then those of
/// `run_id`.
pub(super) async fn prompt(
    session: &Session,
    thread_id: &ThreadId,
    run_id: &RunId,
) -> Result<Vec<LogMessage>, Fault> {
    let rows = session.query(Query::Prompt, &[&thread_id.to_string()]).await?;
    let (mut own, mut prompt): (Vec<_>, Vec<_>) =
        log_messages(&rows)?.into_iter().partition(|message| message.run_id == *run_id);
    prompt.append(&mut own);
    Ok(prompt)
}

fn log_messages(rows: &[Row]) -> Result<Vec<LogMessage>, Fault> {
    rows.iter().map(|row| Ok(decode::log_message(&mut RowReader::of(row))?)).collect()
}

pub(super) async fn events(
    session: &Session,
    thread_id: &ThreadId,
    after_seq: u64,
    limit: usize,
) -> Result<Vec<SharedEvent>, Fault> {
    let id = thread_id.to_string();
    // A row holds at least one that is wanted.
    let rows = session.query(Query::EventsRead, &[&id, &number(after_seq), &count(limit)]).await?;
    let mut events = Vec::new();
    for row in &rows {
        events.extend(decode::events(&mut RowReader::of(row), thread_id)?);
    }
    events.retain(|event| event.seq > after_seq);
    events.truncate(limit);
    Ok(events)
}

pub(super) async fn pending(
    session: &Session,
    thread_id: &ThreadId,
) -> Result<Vec<Pending>, Fault> {
    let rows = session.query(Query::PendingRead, &[&thread_id.to_string()]).await?;
    rows.iter().map(|row| Ok(decode::pending(&mut RowReader::of(row))?)).collect()
}

pub(super) async fn queued_thread_ids(
    session: &Session,
    after: Option<&ThreadId>,
    limit: usize,
) -> Result<Vec<ThreadId>, Fault> {
    let after = after.map(ToString::to_string).unwrap_or_default();
    let rows = session.query(Query::QueuedThreadIds, &[&after, &count(limit)]).await?;
    rows.iter().map(|row| Ok(RowReader::of(row).take()?)).collect()
}

pub(super) async fn depth(session: &Session) -> Result<DepthByState, Fault> {
    let rows = session.query(Query::Depth, &[]).await?;
    let mut depth = DepthByState::default();
    if let Some(row) = rows.first() {
        let mut row = RowReader::of(row);
        for count in &mut depth.counts {
            *count = row.take()?;
        }
    }
    Ok(depth)
}

/// Deletes up to `limit` dispatches that are in `state` since before `older_than`; without one, in
/// any terminal state, and as many answers to submissions that are as old. Says how many dispatches.
pub(super) async fn purge(
    session: &Session,
    state: Option<DispatchState>,
    older_than: Timestamp,
    limit: usize,
) -> Result<u64, Fault> {
    session.begin(false).await?;
    let purged = purge_all(session, state, older_than, limit).await;
    match purged {
        Ok(purged) => session.commit().await.map(|()| purged),
        Err(fault) => {
            session.roll_back().await;
            Err(fault)
        }
    }
}

/// Deletes up to `limit` rows of events that are older and in no day's partition; says how many.
pub(super) async fn purge_events(
    session: &Session,
    older_than: Timestamp,
    limit: usize,
) -> Result<u64, Fault> {
    session.execute(Query::EventsPurge, &[&older_than.0, &count(limit)]).await
}

async fn purge_all(
    session: &Session,
    state: Option<DispatchState>,
    older_than: Timestamp,
    limit: usize,
) -> Result<u64, Fault> {
    let states: Vec<DispatchState> = match state {
        Some(state) if !state.is_terminal() => return Ok(0),
        Some(state) => vec![state],
        None => DispatchState::TERMINAL.to_vec(),
    };
    let mut depth = [0_i64; 6];
    let mut left = count(limit);
    for terminal in states {
        let word = terminal.as_str();
        let gone = session.execute(Query::DispatchesPurge, &[&word, &older_than.0, &left]).await?;
        let gone = i64::try_from(gone).unwrap_or(i64::MAX);
        depth[terminal as usize] -= gone;
        left -= gone;
    }
    if state.is_none() {
        session.execute(Query::SubmissionsPurge, &[&older_than.0, &count(limit)]).await?;
    }
    if depth != [0; 6] {
        session.add_depth(&depth).await?;
    }
    Ok(depth.iter().sum::<i64>().unsigned_abs())
}
