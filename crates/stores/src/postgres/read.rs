//! Reading one thread's things, and what is small.

use futures::join;
use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::event::SharedEvent;
use postroom_core::id::{DispatchId, RunId, TenantId, ThreadId};
use postroom_core::message::LogMessage;
use postroom_core::pending::Pending;
use postroom_core::ports::{DepthByState, OldRuns};
use postroom_core::run::Run;
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::Fault;
use super::needs::{self, number};
use super::queries::Query;
use super::row::RowReader;
use super::session::Session;
use crate::depth::Depth;
use crate::sql::{Columns, decode, old_runs};

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
    rows.first().map(|row| Ok(needs::thread(row)?.2)).transpose()
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

pub(super) async fn old_runs(
    session: &Session,
    ended_before: Timestamp,
    after: i64,
    limit: usize,
) -> Result<OldRuns, Fault> {
    let values: &[&(dyn ToSql + Sync)] = &[&after, &count(limit), &ended_before.0];
    let rows = session.query(Query::OldRuns, values).await?;
    let looked = rows.iter().map(|row| old_runs::looked(&mut RowReader::of(row)));
    Ok(old_runs::gathered(looked.collect::<Result<_, _>>()?, ended_before, limit))
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
    counted(&rows)
}

/// The default tenant has what the others leave. Each count may be of another moment.
pub(super) async fn depth_of(session: &Session, tenant: &TenantId) -> Result<DepthByState, Fault> {
    if !tenant.is_default() {
        return counted(&session.query(Query::TenantDepth, &[&tenant.to_string()]).await?);
    }
    let (all, others) = join!(depth(session), session.query(Query::TenantsDepth, &[]));
    Ok(all?.without(counted(&others?)?))
}

fn counted(rows: &[Row]) -> Result<DepthByState, Fault> {
    let depth = rows.first().map(|row| decode::depth(&mut RowReader::of(row))).transpose()?;
    Ok(depth.unwrap_or_default())
}

/// Deletes up to `limit` dispatches of `tenant`, or of all, that are in `state` since before `older_than`; without one, in
/// any terminal state, and as many answers to submissions that are as old. Says how many dispatches.
pub(super) async fn purge(
    session: &Session,
    tenant: Option<&TenantId>,
    state: Option<DispatchState>,
    older_than: Timestamp,
    limit: usize,
) -> Result<u64, Fault> {
    session.begin(false).await?;
    let purged = purge_all(session, tenant, state, older_than, limit).await;
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
    tenant: Option<&TenantId>,
    state: Option<DispatchState>,
    older_than: Timestamp,
    limit: usize,
) -> Result<u64, Fault> {
    let states: Vec<DispatchState> = match state {
        Some(state) if !state.is_terminal() => return Ok(0),
        Some(state) => vec![state],
        None => DispatchState::TERMINAL.to_vec(),
    };
    let name = tenant.map(ToString::to_string).unwrap_or_default();
    let mut depth = Depth::default();
    let mut left = limit;
    for terminal in states {
        let (word, most) = (terminal.as_str(), count(left));
        let of_all: [&(dyn ToSql + Sync); 3] = [&word, &older_than.0, &most];
        let gone = match tenant {
            None => session.query(Query::DispatchesPurge, &of_all).await?,
            Some(tenant) if tenant.is_default() => {
                session.query(Query::DispatchesPurgeDefault, &of_all).await?
            }
            Some(_) => {
                let of_tenant = [of_all[0], of_all[1], of_all[2], &name];
                session.query(Query::DispatchesPurgeOfTenant, &of_tenant).await?
            }
        };
        for row in &gone {
            depth.gone(&RowReader::of(row).take()?, terminal);
        }
        left -= gone.len().min(left);
    }
    if state.is_none() && tenant.is_none() {
        session.execute(Query::SubmissionsPurge, &[&older_than.0, &count(limit)]).await?;
    }
    if !depth.is_empty() {
        session.add_depth(&depth.total).await?;
    }
    if !depth.tenants.is_empty() {
        session.add_tenant_depth(&depth).await?;
    }
    Ok((limit - left) as u64)
}
