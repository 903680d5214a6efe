//! What is to be read before commands can go on: gathered over all of them, and read in one go.

use std::collections::{BTreeMap, BTreeSet};

use futures::try_join;
use postroom_core::dispatch::{Dispatch, Priority};
use postroom_core::id::{DedupeKey, DispatchId, IdempotencyKey, MessageId, RunId, ThreadId};
use postroom_core::run::{Run, SeqRange};
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::Fault;
use super::queries::Query;
use super::row::RowReader;
use super::session::Session;
use super::sheet::Sheet;
use crate::sql::{Columns, decode};

/// What is to be read. Threads go by their numbers.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Those that are locked, and of which it is not known how they are.
    pub(super) threads: BTreeSet<i64>,
    pub(super) runs: BTreeSet<RunId>,
    pub(super) dispatches: BTreeSet<DispatchId>,
    /// Fronts of queues, and how many rows of each.
    pub(super) due: BTreeMap<i64, usize>,
    pub(super) delayed: BTreeMap<i64, usize>,
    /// The runs and inputs of the first in queues, and of how many.
    pub(super) heads: BTreeMap<i64, usize>,
    /// Whole queues with their runs.
    pub(super) queued: BTreeSet<i64>,
    pub(super) pending: BTreeSet<i64>,
    pub(super) message_runs: BTreeSet<(i64, MessageId)>,
    /// First and last `seq`.
    pub(super) ranges: BTreeSet<(i64, u64, u64)>,
    pub(super) key_holders: BTreeSet<(i64, DedupeKey)>,
    pub(super) submissions: BTreeSet<(i64, IdempotencyKey)>,
}

impl Needs {
    /// Whether nothing is to be read.
    pub(super) fn is_empty(&self) -> bool {
        self.threads.is_empty()
            && self.runs.is_empty()
            && self.dispatches.is_empty()
            && self.due.is_empty()
            && self.delayed.is_empty()
            && self.heads.is_empty()
            && self.queued.is_empty()
            && self.pending.is_empty()
            && self.message_runs.is_empty()
            && self.ranges.is_empty()
            && self.key_holders.is_empty()
            && self.submissions.is_empty()
    }
}

/// Asks, unless nothing is asked for.
pub(super) async fn ask<const N: usize>(
    session: &Session,
    query: Query,
    wanted: usize,
    values: [&(dyn ToSql + Sync); N],
) -> Result<Vec<Row>, Fault> {
    if wanted == 0 { Ok(Vec::new()) } else { session.query(query, &values).await }
}

impl Sheet {
    /// Reads all that is needed, in one round trip.
    pub(super) async fn read_needs(
        &mut self,
        session: &Session,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let needs = std::mem::take(&mut self.needs);
        let runs = texts(&needs.runs);
        let dispatches: Vec<uuid::Uuid> = needs.dispatches.iter().map(|id| id.uuid()).collect();
        let threads: Vec<i64> = needs.threads.iter().copied().collect();
        let (due, due_limits) = fronts(&needs.due);
        let (delayed, delayed_limits) = fronts(&needs.delayed);
        let delayed_limit = delayed_limits.into_iter().max().unwrap_or_default();
        let (heads, heads_limits) = fronts(&needs.heads);
        let queued: Vec<i64> = needs.queued.iter().copied().collect();
        let pending: Vec<i64> = needs.pending.iter().copied().collect();
        let (message_nos, message_ids) = pairs(&needs.message_runs);
        let (key_nos, keys) = pairs(&needs.key_holders);
        let (submission_nos, submission_keys) = pairs(&needs.submissions);
        let range_nos: Vec<i64> = needs.ranges.iter().map(|(no, ..)| *no).collect();
        let firsts: Vec<i64> = needs.ranges.iter().map(|(_, first, _)| number(*first)).collect();
        let lasts: Vec<i64> = needs.ranges.iter().map(|(.., last)| number(*last)).collect();

        let rows = try_join!(
            ask(session, Query::Threads, threads.len(), [&threads]),
            ask(session, Query::Runs, runs.len(), [&runs]),
            ask(session, Query::RunsDue, heads.len(), [&heads, &heads_limits]),
            ask(session, Query::RunsQueued, queued.len(), [&queued]),
            ask(session, Query::Dispatches, dispatches.len(), [&dispatches]),
            ask(session, Query::DispatchesDue, due.len(), [&due, &due_limits]),
            ask(
                session,
                Query::DispatchesDelayed,
                delayed.len(),
                [&delayed, &now.0, &delayed_limit]
            ),
            ask(session, Query::DispatchesQueued, queued.len(), [&queued]),
            ask(session, Query::Pending, pending.len(), [&pending]),
            ask(session, Query::MessageRuns, message_nos.len(), [&message_nos, &message_ids]),
            ask(session, Query::MessagesRanges, range_nos.len(), [&range_nos, &firsts, &lasts]),
            ask(session, Query::InputsDue, heads.len(), [&heads, &heads_limits]),
            ask(session, Query::KeyHolders, key_nos.len(), [&key_nos, &keys]),
            ask(
                session,
                Query::Submissions,
                submission_nos.len(),
                [&submission_nos, &submission_keys]
            ),
        )?;
        let (
            threads_rows,
            runs_rows,
            heads_runs,
            queued_runs,
            dispatches_rows,
            due_rows,
            delayed_rows,
            queued_rows,
            pending_rows,
            message_runs,
            ranges,
            inputs,
            key_holders,
            submissions,
        ) = rows;

        for row in &threads_rows {
            let (no, version, thread) = thread(row)?;
            self.take_thread(no, version, thread);
        }
        for row in runs_rows.iter().chain(&heads_runs).chain(&queued_runs) {
            self.take_run(run(row)?);
        }
        for row in dispatches_rows.iter().chain(&queued_rows) {
            self.take_dispatch(dispatch(row)?);
        }
        for id in needs.runs {
            self.runs.entry(id).or_default();
        }
        for id in needs.dispatches {
            self.dispatches.entry(id).or_default();
        }
        self.take_due(&needs.due, &due_rows)?;
        self.take_delayed(&needs.delayed, now, delayed_limit, &delayed_rows)?;
        self.take_whole_queues(&needs.queued);
        self.take_pending(&needs.pending, &pending_rows)?;
        self.take_messages(ranges.iter().chain(&inputs))?;
        self.note_ranges(&needs.ranges, &heads_runs)?;
        self.take_message_runs(needs.message_runs, &message_runs)?;
        self.take_key_holders(needs.key_holders, &key_holders)?;
        self.take_submissions(needs.submissions, &submissions)
    }

    fn take_due(&mut self, wanted: &BTreeMap<i64, usize>, rows: &[Row]) -> Result<(), Fault> {
        let mut read = BTreeMap::<ThreadId, (usize, Option<(Priority, u64)>)>::new();
        for row in rows {
            let dispatch = dispatch(row)?;
            let (count, last) = read.entry(dispatch.thread_id.clone()).or_default();
            *count += 1;
            *last = (*last).max(Some(dispatch.queue_key()));
            self.take_dispatch(dispatch);
        }
        for (no, limit) in wanted {
            let Some(id) = self.id_of(*no) else { continue };
            let (count, last) = read.get(&id).copied().unwrap_or_default();
            if let Some(slot) = self.threads.get_mut(&id) {
                slot.due.was_read(*limit, count, last);
            }
        }
        Ok(())
    }

    fn take_delayed(
        &mut self,
        wanted: &BTreeMap<i64, usize>,
        now: Timestamp,
        limit: i64,
        rows: &[Row],
    ) -> Result<(), Fault> {
        let mut beyond = BTreeMap::<ThreadId, (usize, Option<(Timestamp, u64)>)>::new();
        for row in rows {
            let dispatch = dispatch(row)?;
            let (count, last) = beyond.entry(dispatch.thread_id.clone()).or_default();
            *count += usize::from(dispatch.available_at > now);
            *last = (*last).max(Some((dispatch.available_at, dispatch.ordinal)));
            self.take_dispatch(dispatch);
        }
        for id in wanted.keys().filter_map(|no| self.id_of(*no)).collect::<Vec<_>>() {
            let (count, last) = beyond.get(&id).copied().unwrap_or_default();
            if let Some(slot) = self.threads.get_mut(&id) {
                slot.delayed.was_read(usize::try_from(limit).unwrap_or(usize::MAX), count, last);
            }
        }
        Ok(())
    }

    fn take_whole_queues(&mut self, wanted: &BTreeSet<i64>) {
        for no in wanted {
            if let Some(slot) = self.slot_of(*no) {
                slot.was_read_whole();
            }
        }
    }

    fn take_pending(&mut self, wanted: &BTreeSet<i64>, rows: &[Row]) -> Result<(), Fault> {
        let mut by_no: BTreeMap<i64, Vec<_>> = wanted.iter().map(|no| (*no, Vec::new())).collect();
        for row in rows {
            let no: i64 = RowReader::of(row).take()?;
            by_no.entry(no).or_default().push(decode::pending(&mut RowReader::of(row))?);
        }
        for (no, mut pending) in by_no {
            pending.sort_by_key(|pending| pending.position);
            if let Some(slot) = self.slot_of(no) {
                slot.pending_was_read(pending);
            }
        }
        Ok(())
    }

    fn take_messages<'r>(&mut self, rows: impl Iterator<Item = &'r Row>) -> Result<(), Fault> {
        for row in rows {
            let no: i64 = RowReader::of(row).take()?;
            let message = decode::log_message(&mut RowReader::of(row))?;
            if let Some(slot) = self.slot_of(no) {
                slot.log.take(message);
            }
        }
        Ok(())
    }

    /// Of the runs of queues' heads the first range of the input came with them.
    fn note_ranges(
        &mut self,
        wanted: &BTreeSet<(i64, u64, u64)>,
        heads: &[Row],
    ) -> Result<(), Fault> {
        for (no, first, last) in wanted {
            if let Some(slot) = self.slot_of(*no) {
                slot.log.was_read(SeqRange { first: *first, last: *last });
            }
        }
        for row in heads {
            let run = run(row)?;
            if let (Some(range), Some(slot)) =
                (run.input.first(), self.threads.get_mut(&run.thread_id))
            {
                slot.log.was_read(*range);
            }
        }
        Ok(())
    }

    fn take_message_runs(
        &mut self,
        wanted: BTreeSet<(i64, MessageId)>,
        rows: &[Row],
    ) -> Result<(), Fault> {
        for (no, id) in wanted {
            if let Some(slot) = self.slot_of(no) {
                slot.message_runs.entry(id).or_default();
            }
        }
        for row in rows {
            let mut row = RowReader::of(row);
            let (no, id, run_id) = (row.take()?, row.take()?, row.take()?);
            if let Some(slot) = self.slot_of(no) {
                slot.message_runs.insert(id, Some(run_id));
            }
        }
        Ok(())
    }

    fn take_key_holders(
        &mut self,
        wanted: BTreeSet<(i64, DedupeKey)>,
        rows: &[Row],
    ) -> Result<(), Fault> {
        for (no, key) in wanted {
            if let Some(slot) = self.slot_of(no) {
                slot.key_holders.entry(key).or_default();
            }
        }
        for row in rows {
            let mut row = RowReader::of(row);
            let (no, key, id) = (row.take()?, row.take()?, row.take()?);
            if let Some(slot) = self.slot_of(no) {
                slot.key_holders.insert(key, Some(id));
            }
        }
        Ok(())
    }

    fn take_submissions(
        &mut self,
        wanted: BTreeSet<(i64, IdempotencyKey)>,
        rows: &[Row],
    ) -> Result<(), Fault> {
        for (no, key) in wanted {
            if let Some(slot) = self.slot_of(no) {
                slot.submissions.entry(key).or_default();
            }
        }
        for row in rows {
            let mut row = RowReader::of(row);
            let (no, key, answer) = (row.take()?, row.take()?, row.take_json()?);
            if let Some(slot) = self.slot_of(no) {
                slot.submissions.insert(key, answer);
            }
        }
        Ok(())
    }
}

/// A thread's row: its number, its version, and the thread.
pub(super) fn thread(row: &Row) -> Result<(i64, i64, Thread), Fault> {
    let mut row = RowReader::of(row);
    let version = row.take()?;
    let (no, thread) = decode::thread(&mut row)?;
    Ok((no, version, thread))
}

/// A run's row below its thread's id.
pub(super) fn run(row: &Row) -> Result<Run, Fault> {
    let mut row = RowReader::of(row);
    let thread_id = row.take()?;
    Ok(decode::run(&mut row, thread_id)?)
}

/// A dispatch's row below its thread's id.
pub(super) fn dispatch(row: &Row) -> Result<Dispatch, Fault> {
    let mut row = RowReader::of(row);
    let thread_id = row.take()?;
    Ok(decode::dispatch(&mut row, thread_id)?)
}

fn texts<T: ToString>(ids: impl IntoIterator<Item = T>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

fn pairs<'a, T: ToString + 'a>(
    wanted: impl IntoIterator<Item = &'a (i64, T)>,
) -> (Vec<i64>, Vec<String>) {
    wanted.into_iter().map(|(no, id)| (*no, id.to_string())).unzip()
}

/// The threads, and how many rows of each.
fn fronts(wanted: &BTreeMap<i64, usize>) -> (Vec<i64>, Vec<i64>) {
    wanted.iter().map(|(no, most)| (*no, i64::try_from(*most).unwrap_or(i64::MAX))).unzip()
}

/// A `seq` as PostgreSQL counts; nothing is beyond its last number.
pub(super) fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
