//! Lists, newest first, a page at a time.

use std::sync::Arc;

use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{RunId, TenantId, ThreadId};
use postroom_core::message::LogMessage;
use postroom_core::ports::{DispatchFilter, OldRuns, Page, RunFilter, ThreadFilter};
use postroom_core::report::Report;
use postroom_core::run::{Run, RunState, WaitReason};
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;
use serde_json::Value;

use super::tables::Tables;

impl Tables {
    pub(super) fn runs(
        &self,
        filter: &RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Run>, StoreError> {
        let below = below(cursor)?;
        let wanted = |run: &Run| {
            filter.tenant.as_ref().is_none_or(|tenant| run.tenant == *tenant)
                && filter.thread_id.as_ref().is_none_or(|id| run.thread_id == *id)
                && filter.state.is_none_or(|state| run.run_state() == state)
                && filter.agent_id.as_ref().is_none_or(|id| run.agent_id == *id)
                && filter
                    .parent_run_id
                    .as_ref()
                    .is_none_or(|id| run.parent_run_id.as_ref() == Some(id))
        };
        let table = &self.shared.runs;
        let list = |numbers: &mut dyn Iterator<Item = u64>| {
            let runs = numbers.filter_map(|number| Some((number, table.at(number)?)));
            page(runs.filter(|(_, run)| wanted(run)), limit)
        };
        if let Some(parent) = &filter.parent_run_id {
            let children = self.shared.children.get(parent).into_iter().flatten().rev();
            return Ok(list(&mut children.copied().skip_while(|number| *number >= below)));
        }
        if let Some(thread_id) = &filter.thread_id {
            let here = self.mailboxes.get(thread_id);
            return Ok(list(&mut here.into_iter().flat_map(|here| here.runs.newest_first(below))));
        }
        if let Some(tenant) = indexed(filter.tenant.as_ref()) {
            let rows = self.shared.tenants.get(tenant);
            let newest = rows.into_iter().flat_map(|rows| rows.runs.range(..below).rev());
            return Ok(list(&mut newest.copied()));
        }
        let states: Vec<usize> = match filter.state {
            Some(state) => vec![state as usize],
            None => RunState::ALL.into_iter().map(|state| state as usize).collect(),
        };
        let runs = table.newest_first(&states, below);
        Ok(page(runs.filter(|(_, run)| wanted(run)), limit))
    }

    pub(super) fn runs_waiting_for_tasks(&self, after: Option<&RunId>, limit: usize) -> Vec<Run> {
        // A run that is gone since leaves its place unknown: beginning again repeats, but skips none.
        let after = after.and_then(|id| self.shared.runs.number(id)).unwrap_or(0);
        let waiting = self.shared.runs.oldest_first(RunState::Waiting as usize, after);
        let runs = waiting.map(|(_, run)| run);
        let for_tasks = |run: &&Arc<Run>| run.wait_reason() == Some(WaitReason::BackgroundTasks);
        runs.filter(for_tasks).take(limit).map(|run| (**run).clone()).collect()
    }

    pub(super) fn runs_owing_reports(&self, after: Option<&RunId>, limit: usize) -> Vec<Run> {
        let after = after.and_then(|id| self.shared.runs.number(id)).unwrap_or(0);
        let owing = self.shared.owing.range(after.saturating_add(1)..).take(limit);
        owing.filter_map(|number| self.shared.runs.at(*number).map(|run| (**run).clone())).collect()
    }

    pub(super) fn old_runs(
        &self,
        ended_before: Timestamp,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<OldRuns, StoreError> {
        let after = cursor.map_or(Ok(0), number)?;
        let done = self.shared.runs.oldest_first(RunState::Done as usize, after);
        let looked_at: Vec<(u64, &Arc<Run>)> =
            done.take_while(|(_, run)| run.created_at < ended_before).take(limit).collect();
        let last = looked_at.last().filter(|_| looked_at.len() == limit).map(|(number, _)| *number);
        let goes = |run: &&Arc<Run>| {
            run.finished_at().is_some_and(|at| at < ended_before) && !self.is_needed(run)
        };
        let runs = looked_at.into_iter().map(|(_, run)| run).filter(goes);
        Ok(OldRuns {
            runs: runs.map(|run| (run.thread_id.clone(), run.id.clone())).collect(),
            next_cursor: last.map(|number| format!("{number:x}")),
        })
    }

    /// Whether something needs a run that has ended.
    fn is_needed(&self, run: &Run) -> bool {
        let is_under_way = |run: &Arc<Run>| !run.is_done();
        let parent = run.parent_run_id.as_ref().and_then(|id| self.shared.runs.get(id));
        let children = self.shared.children.get(&run.id).into_iter().flatten();
        let mut children = children.filter_map(|number| self.shared.runs.at(*number));
        let is_pointed_at = self.mailboxes.get(&run.thread_id).is_some_and(|here| {
            let thread = &here.thread;
            let open = [&thread.active_run_id, &thread.open_run_id];
            let last = [&thread.latest_run_id, &thread.ended_run_id];
            open.into_iter().chain(last).any(|id| id.as_ref() == Some(&run.id))
        });
        is_pointed_at
            || run.hidden
            || run.report == Report::Owed
            || run.dispatch_id.is_some_and(|id| self.shared.dispatches.get(&id).is_some())
            || parent.is_some_and(is_under_way)
            || children.any(is_under_way)
    }

    pub(super) fn dispatches(
        &self,
        filter: &DispatchFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Dispatch>, StoreError> {
        let below = below(cursor)?;
        let states: &[DispatchState] =
            if filter.states.is_empty() { &DispatchState::ALL } else { &filter.states };
        let mut states: Vec<usize> = states.iter().map(|state| *state as usize).collect();
        states.sort_unstable();
        states.dedup();
        let table = &self.shared.dispatches;
        let is_theirs =
            |row: &Dispatch| filter.tenant.as_ref().is_none_or(|tenant| row.tenant == *tenant);
        let wanted = |row: &Dispatch| states.contains(&(row.state() as usize)) && is_theirs(row);
        let Some(thread_id) = &filter.thread_id else {
            if let Some(tenant) = indexed(filter.tenant.as_ref()) {
                let rows = self.shared.tenants.get(tenant);
                let newest = rows.into_iter().flat_map(|rows| rows.dispatches.range(..below).rev());
                let found = newest.filter_map(|number| Some((*number, table.at(*number)?)));
                return Ok(page(found.filter(|(_, row)| wanted(row)), limit));
            }
            let found = table.newest_first(&states, below);
            return Ok(page(found.filter(|(_, row)| is_theirs(row)), limit));
        };
        let Some(here) = self.mailboxes.get(thread_id) else {
            return Ok(page(std::iter::empty(), limit));
        };
        // The shorter way: through the thread, or through the states.
        let in_states: usize = states.iter().map(|state| table.count(*state)).sum();
        if in_states < here.dispatches.len() {
            let dispatches = table.newest_first(&states, below);
            let of_thread = |row: &Dispatch| row.thread_id == *thread_id && is_theirs(row);
            return Ok(page(dispatches.filter(|(_, row)| of_thread(row)), limit));
        }
        let dispatches = here.dispatches.newest_first(below);
        let dispatches = dispatches.filter_map(|number| Some((number, table.at(number)?)));
        Ok(page(dispatches.filter(|(_, row)| wanted(row)), limit))
    }

    pub(super) fn threads(
        &self,
        filter: &ThreadFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Thread>, StoreError> {
        let below = below(cursor)?;
        let by_number = &self.shared.threads.by_number;
        let row =
            |(number, id): (&u64, &ThreadId)| Some((*number, &self.mailboxes.get(id)?.thread));
        let wanted = |(_, thread): &(u64, &Arc<Thread>)| {
            filter.tenant.as_ref().is_none_or(|tenant| thread.tenant == *tenant)
                && filter.metadata.iter().all(|(key, value)| {
                    thread.metadata.get(key).is_some_and(|held| is_written(held, value))
                })
                && is_mentioned(filter, thread)
        };
        if let Some(tenant) = indexed(filter.tenant.as_ref()) {
            let rows = self.shared.tenants.get(tenant);
            let newest = rows.into_iter().flat_map(|rows| rows.threads.range(..below).rev());
            let newest = newest.filter_map(|number| by_number.get_key_value(number));
            return Ok(page(newest.filter_map(row).filter(wanted), limit));
        }
        let newest = by_number.range(..below).rev();
        Ok(page(newest.filter_map(row).filter(wanted), limit))
    }

    pub(super) fn prompt(&self, thread_id: &ThreadId, run_id: &RunId) -> Vec<LogMessage> {
        let Some(here) = self.mailboxes.get(thread_id) else { return Vec::new() };
        // One that was collected had ended, and was not hidden.
        let shown = |id: &RunId| {
            let run = self.shared.runs.get(id).filter(|run| run.thread_id == *thread_id);
            run.is_none_or(|run| !run.hidden && run.run_state() != RunState::Created)
        };
        let all = usize::try_from(here.log.newest()).unwrap_or_default();
        let (mut earlier, mut own) = (Vec::with_capacity(all), Vec::new());
        // Messages of one run mostly stand together: ask once for all of them.
        let mut last: Option<(&RunId, bool)> = None;
        for (_, message) in here.log.above(0) {
            let is_shown = match last {
                Some((id, is_shown)) if *id == message.run_id => is_shown,
                _ => shown(&message.run_id),
            };
            last = Some((&message.run_id, is_shown));
            if is_shown {
                let part = if message.run_id == *run_id { &mut own } else { &mut earlier };
                part.push(message.clone());
            }
        }
        earlier.append(&mut own);
        earlier
    }
}

fn is_mentioned(filter: &ThreadFilter, thread: &Thread) -> bool {
    // A search is rare, and most threads have no metadata: their text is made when it is asked for.
    let written = || serde_json::to_string(&thread.metadata).ok();
    let metadata = (filter.text.is_some() && !thread.metadata.is_empty()).then(written).flatten();
    thread.id.with_str(|id| filter.is_mentioned(id, metadata.as_deref()))
}

/// Whether `text` is how somebody would write the value: as JSON, or, for a string, as it is.
fn is_written(value: &Value, text: &str) -> bool {
    value.as_str() == Some(text) || serde_json::from_str::<Value>(text).is_ok_and(|v| v == *value)
}

/// The tenant whose rows are listed by itself: the default one has what the others leave.
fn indexed(tenant: Option<&TenantId>) -> Option<&TenantId> {
    tenant.filter(|tenant| !tenant.is_default())
}

/// The number that a page stays below.
fn below(cursor: Option<&str>) -> Result<u64, StoreError> {
    cursor.map_or(Ok(u64::MAX), number)
}

/// The number that a cursor of this store is.
pub(super) fn number(cursor: &str) -> Result<u64, StoreError> {
    let digits = !cursor.is_empty() && cursor.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = digits.then(|| u64::from_str_radix(cursor, 16).ok()).flatten();
    let reason = "the cursor is none that this store gave: begin without one";
    number.ok_or(StoreError::Refused(Refusal::Invalid { reason }))
}

/// The first `limit` rows, and where the next page begins.
fn page<'r, T: Clone + 'r>(
    mut rows: impl Iterator<Item = (u64, &'r Arc<T>)>,
    limit: usize,
) -> Page<T> {
    let mut items = Vec::new();
    let mut last = None;
    for (number, row) in rows.by_ref().take(limit) {
        items.push((**row).clone());
        last = Some(number);
    }
    let next_cursor = last.filter(|_| rows.next().is_some()).map(|number| format!("{number:x}"));
    Page { items, next_cursor }
}
