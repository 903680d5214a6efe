//! Lists, newest first, a page at a time.
//!
//! A cursor is the number of the last row that was looked at. A page looks at [`LOOK_MAX`] rows at
//! most: where few of them are wanted it ends early, perhaps empty, with a cursor to go on from.

use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{TenantId, ThreadId};
use postroom_core::ports::{DispatchFilter, Page, RunFilter, ThreadFilter};
use postroom_core::run::{Run, RunState};
use postroom_core::thread::Thread;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::Fault;
use super::queries::Query;
use super::row::RowReader;
use super::session::Session;
use crate::sql::{Columns, Damaged, decode, is_written};

/// How many rows a page looks at.
const LOOK_MAX: usize = 10_000;
/// How many rows are asked for at once.
const CHUNK: usize = 500;

/// Where a page begins: below a row's number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Below(i64);

impl Below {
    /// Reads a cursor.
    pub(super) fn parse(cursor: Option<&str>) -> Result<Self, StoreError> {
        Ok(Self(number(cursor)?.unwrap_or(i64::MAX)))
    }
}

/// The number that a cursor is, where there is one.
pub(super) fn number(cursor: Option<&str>) -> Result<Option<i64>, StoreError> {
    let Some(cursor) = cursor else { return Ok(None) };
    let digits = !cursor.is_empty() && cursor.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = digits.then(|| i64::from_str_radix(cursor, 16).ok()).flatten();
    let reason = "the cursor is none that this store gave: begin without one";
    number.map(Some).ok_or(StoreError::Refused(Refusal::Invalid { reason }))
}

/// Gathers a page of the rows of `query`, of which `more` values pick; `read` gives a
/// row's number, and the item if it is wanted.
async fn page<T>(
    session: &Session,
    limit: usize,
    Below(mut below): Below,
    (query, more): (Query, &[&(dyn ToSql + Sync)]),
    read: impl Fn(&Row) -> Result<(i64, Option<T>), Fault>,
) -> Result<Page<T>, Fault> {
    let mut items = Vec::new();
    let mut looked_at = 0;
    let chunk = CHUNK.min(limit.saturating_add(1));
    let count = i64::try_from(chunk).unwrap_or(i64::MAX);
    loop {
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&below, &count];
        values.extend(more);
        let rows = session.query(query, &values).await?;
        for row in &rows {
            if items.len() == limit || looked_at == LOOK_MAX {
                let next_cursor = (looked_at > 0).then(|| format!("{below:x}"));
                return Ok(Page { items, next_cursor });
            }
            let (number, item) = read(row)?;
            items.extend(item);
            looked_at += 1;
            below = number;
        }
        if rows.len() < chunk {
            return Ok(Page { items, next_cursor: None });
        }
    }
}

/// The tenant whose rows have an index: the default one has none, and others' rows are passed over.
fn indexed(tenant: Option<&TenantId>) -> Option<String> {
    tenant.filter(|tenant| !tenant.is_default()).map(ToString::to_string)
}

pub(super) async fn threads(
    session: &Session,
    filter: &ThreadFilter,
    limit: usize,
    below: Below,
) -> Result<Page<Thread>, Fault> {
    let read = |row: &Row| wanted_thread(filter, row);
    if let Some(text) = &filter.text {
        return threads_mentioning(session, text, limit, below, read).await;
    }
    let tenant = indexed(filter.tenant.as_ref());
    let rows: (Query, &[&(dyn ToSql + Sync)]) = match &tenant {
        Some(tenant) => (Query::ThreadsOfTenant, &[tenant]),
        None => (Query::ThreadsNewest, &[]),
    };
    page(session, limit, below, rows, read).await
}

fn wanted_thread(filter: &ThreadFilter, row: &Row) -> Result<(i64, Option<Thread>), Fault> {
    let mut row = RowReader::of(row);
    row.skip(1);
    let (_, thread) = decode::thread(&mut row)?;
    let number = row.take()?;
    let wanted = filter.tenant.as_ref().is_none_or(|tenant| thread.tenant == *tenant)
        && filter.metadata.iter().all(|(key, text)| {
            thread.metadata.get(key).is_some_and(|value| is_written(value, text))
        });
    Ok((number, wanted.then_some(thread)))
}

/// The database looks for the text: rows without it do not travel. It looks at all tenants' threads;
/// those of others are passed over here.
async fn threads_mentioning(
    session: &Session,
    text: &str,
    limit: usize,
    Below(below): Below,
    read: impl Fn(&Row) -> Result<(i64, Option<Thread>), Fault>,
) -> Result<Page<Thread>, Fault> {
    // No text in a database has this character, and none may be asked for.
    if text.contains('\0') {
        return Ok(Page { items: Vec::new(), next_cursor: None });
    }
    let text = text.to_ascii_lowercase();
    let count = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let rows = session.query(Query::ThreadsMentioning, &[&below, &count, &text]).await?;
    let mut items = Vec::new();
    let mut last = None;
    for row in rows.iter().take(limit) {
        let (number, thread) = read(row)?;
        items.extend(thread);
        last = Some(number);
    }
    if rows.len() <= limit {
        let floor = session.query(Query::ThreadsLookedThrough, &[&below]).await?;
        last = floor.first().map(|row| RowReader::of(row).take()).transpose()?;
    }
    Ok(Page { items, next_cursor: last.map(|number: i64| format!("{number:x}")) })
}

pub(super) async fn runs(
    session: &Session,
    filter: &RunFilter,
    limit: usize,
    below: Below,
) -> Result<Page<Run>, Fault> {
    let text = |id: Option<String>| id.unwrap_or_default();
    let parent = text(filter.parent_run_id.as_ref().map(ToString::to_string));
    let thread = text(filter.thread_id.as_ref().map(ToString::to_string));
    let unfinished = match filter.state {
        Some(RunState::Waiting) => Some(Query::RunsWaiting),
        Some(RunState::Created | RunState::Running) => Some(Query::RunsUnderWay),
        Some(RunState::Done) | None => None,
    };
    // Along the index that leaves the fewest rows to pass over.
    let tenant = indexed(filter.tenant.as_ref());
    let rows: (Query, &[&(dyn ToSql + Sync)]) = if filter.parent_run_id.is_some() {
        (Query::RunsOfParent, &[&parent])
    } else if filter.thread_id.is_some() {
        (Query::RunsOfThread, &[&thread])
    } else if let Some(tenant) = &tenant {
        (Query::RunsOfTenant, &[tenant])
    } else if let Some(query) = unfinished {
        (query, &[])
    } else {
        (Query::RunsNewest, &[])
    };
    page(session, limit, below, rows, |row| {
        let (number, run) = numbered(row, decode::run)?;
        let wanted = filter.tenant.as_ref().is_none_or(|tenant| run.tenant == *tenant)
            && filter.thread_id.as_ref().is_none_or(|id| run.thread_id == *id)
            && filter.state.is_none_or(|state| run.run_state() == state)
            && filter.agent_id.as_ref().is_none_or(|id| run.agent_id == *id)
            && filter
                .parent_run_id
                .as_ref()
                .is_none_or(|id| run.parent_run_id.as_ref() == Some(id));
        Ok((number, wanted.then_some(run)))
    })
    .await
}

pub(super) async fn dispatches(
    session: &Session,
    filter: &DispatchFilter,
    limit: usize,
    below: Below,
) -> Result<Page<Dispatch>, Fault> {
    // Nearly all dispatches are acked: what is not has indexes of its own.
    let unacked = !filter.states.is_empty() && !filter.states.contains(&DispatchState::Acked);
    let thread = filter.thread_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
    let tenant = indexed(filter.tenant.as_ref());
    let rows: (Query, &[&(dyn ToSql + Sync)]) = match (&tenant, unacked) {
        _ if filter.thread_id.is_some() => (Query::DispatchesOfThread, &[&thread]),
        (Some(tenant), true) => (Query::DispatchesUnackedOfTenant, &[&states, tenant]),
        (Some(tenant), false) => (Query::DispatchesOfTenant, &[tenant]),
        (None, true) => (Query::DispatchesUnacked, &[&states]),
        (None, false) => (Query::DispatchesNewest, &[]),
    };
    page(session, limit, below, rows, |row| {
        let (number, dispatch) = numbered(row, decode::dispatch)?;
        let wanted = filter.tenant.as_ref().is_none_or(|tenant| dispatch.tenant == *tenant)
            && (filter.states.is_empty() || filter.states.contains(&dispatch.state()));
        Ok((number, wanted.then_some(dispatch)))
    })
    .await
}

/// A row below its number and its thread's id.
fn numbered<'r, T>(
    row: &'r Row,
    read: impl FnOnce(&mut RowReader<'r>, ThreadId) -> Result<T, Damaged>,
) -> Result<(i64, T), Fault> {
    let mut row = RowReader::of(row);
    let (number, thread_id) = (row.take()?, row.take()?);
    Ok((number, read(&mut row, thread_id)?))
}
