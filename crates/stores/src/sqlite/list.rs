//! Lists, newest first, a page at a time.
//!
//! A cursor is the number of the last row that was looked at. A page looks at [`LOOK_MAX`] rows at
//! most: where few of them are wanted it ends early, perhaps empty, with a cursor to go on from.

use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::TenantId;
use postroom_core::ports::{DispatchFilter, Page, RunFilter, ThreadFilter};
use postroom_core::run::{Run, RunState};
use postroom_core::thread::Thread;
use serde_json::Value;

use super::columns::{Columns, Values};
use super::error::Fault;
use super::queries::{Query, Statements};
use super::read;
use crate::sql::{self, Damaged};

/// How many rows a page looks at.
const LOOK_MAX: usize = 10_000;
/// How many a page looks at for a text in them: of these rows only that is read.
const LOOK_THROUGH_MAX: usize = 100_000;

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

/// Gathers a page: `read` gives a row's number, and the item if it is wanted.
fn page<T>(
    values: Values<'_, '_>,
    limit: usize,
    look_max: usize,
    mut read: impl FnMut(&mut Columns<'_, '_>) -> Result<(i64, Option<T>), Damaged>,
) -> Result<Page<T>, Fault> {
    let mut items = Vec::new();
    let (mut looked_at, mut last, mut more) = (0, None, false);
    values.each(|row| {
        if items.len() == limit || looked_at == look_max {
            more = true;
            return Ok(false);
        }
        let (number, item) = read(row)?;
        items.extend(item);
        looked_at += 1;
        last = Some(number);
        Ok(true)
    })?;
    let next_cursor = last.filter(|_| more).map(|number| format!("{number:x}"));
    Ok(Page { items, next_cursor })
}

/// The tenant whose rows have an index: the default one has none, and others' rows are passed over.
fn indexed(tenant: Option<&TenantId>) -> Option<&TenantId> {
    tenant.filter(|tenant| !tenant.is_default())
}

pub(super) fn threads(
    statements: &mut Statements<'_>,
    filter: &ThreadFilter,
    limit: usize,
    below: Below,
) -> Result<Page<Thread>, Fault> {
    let values = match indexed(filter.tenant.as_ref()) {
        Some(tenant) => statements.get(Query::ThreadsOfTenant)?.with(&below.0)?.with(tenant)?,
        None => statements.get(Query::ThreadsNewest)?.with(&below.0)?,
    };
    let look_max = if filter.text.is_some() { LOOK_THROUGH_MAX } else { LOOK_MAX };
    page(values, limit, look_max, |row| {
        if !is_mentioned(filter, row)? {
            return Ok((row.peek(0)?, None));
        }
        let (number, thread) = sql::decode::thread(row)?;
        let wanted = filter.tenant.as_ref().is_none_or(|tenant| thread.tenant == *tenant)
            && filter.metadata.iter().all(|(key, text)| {
                thread.metadata.get(key).is_some_and(|value| is_written(value, text))
            });
        Ok((number, wanted.then_some(thread)))
    })
}

/// Looks at the id and the metadata of a row, and reads nothing else of it.
fn is_mentioned(filter: &ThreadFilter, row: &Columns<'_, '_>) -> Result<bool, Damaged> {
    if filter.text.is_none() {
        return Ok(true);
    }
    let (id, metadata): (String, Option<String>) = (row.peek(1)?, row.peek(4)?);
    Ok(filter.is_mentioned(&id, metadata.as_deref()))
}

/// Whether `text` is how somebody would write the value: as JSON, or, for a string, as it is.
fn is_written(value: &Value, text: &str) -> bool {
    value.as_str() == Some(text) || serde_json::from_str::<Value>(text).is_ok_and(|v| v == *value)
}

pub(super) fn runs(
    statements: &mut Statements<'_>,
    filter: &RunFilter,
    limit: usize,
    below: Below,
) -> Result<Page<Run>, Fault> {
    let unfinished = filter.state.filter(|state| *state != RunState::Done);
    // Along the index that leaves the fewest rows to pass over.
    let values = if let Some(parent) = &filter.parent_run_id {
        statements.get(Query::RunsOfParent)?.with(&below.0)?.with(parent)?
    } else if let Some(thread_id) = &filter.thread_id {
        statements.get(Query::RunsOfThread)?.with(&below.0)?.with(thread_id)?
    } else if let Some(tenant) = indexed(filter.tenant.as_ref()) {
        statements.get(Query::RunsOfTenant)?.with(&below.0)?.with(tenant)?
    } else if let Some(state) = &unfinished {
        statements.get(Query::RunsUnfinished)?.with(&below.0)?.with(state)?
    } else if let Some(agent_id) = &filter.agent_id {
        statements.get(Query::RunsOfAgent)?.with(&below.0)?.with(agent_id)?
    } else {
        statements.get(Query::RunsNewest)?.with(&below.0)?
    };
    page(values, limit, LOOK_MAX, |row| {
        let (number, run) = (row.peek(1)?, read::run_row(row)?);
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
}

pub(super) fn dispatches(
    statements: &mut Statements<'_>,
    filter: &DispatchFilter,
    limit: usize,
    below: Below,
) -> Result<Page<Dispatch>, Fault> {
    // Nearly all dispatches are acked: what is not has an index of its own.
    let unacked = !filter.states.is_empty() && !filter.states.contains(&DispatchState::Acked);
    let values = if let Some(thread_id) = &filter.thread_id {
        statements.get(Query::DispatchesOfThread)?.with(&below.0)?.with(thread_id)?
    } else if let Some(tenant) = indexed(filter.tenant.as_ref()) {
        let of_tenant =
            if unacked { Query::DispatchesUnackedOfTenant } else { Query::DispatchesOfTenant };
        statements.get(of_tenant)?.with(&below.0)?.with(tenant)?
    } else if unacked {
        statements.get(Query::DispatchesUnacked)?.with(&below.0)?
    } else {
        statements.get(Query::DispatchesNewest)?.with(&below.0)?
    };
    page(values, limit, LOOK_MAX, |row| {
        let (number, dispatch) = (row.peek(1)?, read::dispatch_row(row)?);
        let wanted = filter.tenant.as_ref().is_none_or(|tenant| dispatch.tenant == *tenant)
            && (filter.states.is_empty() || filter.states.contains(&dispatch.state()));
        Ok((number, wanted.then_some(dispatch)))
    })
}
