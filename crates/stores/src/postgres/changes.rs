//! What a transaction's commands have changed: put over what was read, and noted to be written.

use std::collections::{BTreeMap, BTreeSet};

use postroom_core::event::SharedEvent;
use postroom_core::id::{DispatchId, MessageId, RunId, ThreadId};
use postroom_core::mailbox::{Changes, PendingWrite, Write};
use postroom_core::pending::Pending;
use postroom_core::time::Timestamp;

use super::column::Rows;
use super::error::Fault;
use super::queries::Query;
use super::sheet::Sheet;
use crate::depth::Depth;
use crate::sql::encode::Row;

/// What is to be written, by what it is found by: a row that is changed twice is written once.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) threads: BTreeSet<ThreadId>,
    /// Threads to remove.
    pub(super) deleted: Vec<i64>,
    pub(super) runs: Marked<RunId>,
    /// Runs to take away.
    pub(super) collected_runs: Vec<RunId>,
    pub(super) dispatches: Marked<DispatchId>,
    /// What takes the place of each; nothing: it is taken away.
    pub(super) pending: BTreeMap<(i64, MessageId), Option<Pending>>,
    messages: Rows,
    events: Rows,
    submissions: Rows,
    /// How the number of dispatches in each state changes.
    pub(super) depth: Depth,
}

/// Rows that are new, in the order in which they were made, and rows that were changed.
#[derive(Debug)]
pub(super) struct Marked<K> {
    pub(super) new: Vec<K>,
    pub(super) changed: BTreeSet<K>,
}

impl<K> Default for Marked<K> {
    fn default() -> Self {
        Self { new: Vec::new(), changed: BTreeSet::new() }
    }
}

impl<K: Ord> Marked<K> {
    fn mark<T>(&mut self, key: K, write: &Write<T>) {
        match write {
            Write::Insert(_) => self.new.push(key),
            Write::Update(_) if self.new.contains(&key) => {}
            Write::Update(_) => {
                self.changed.insert(key);
            }
        }
    }

    /// Whether the row is to be written.
    pub(super) fn contains(&self, key: &K) -> bool {
        self.changed.contains(key) || self.new.contains(key)
    }
}

impl Dirty {
    /// Whether somebody who follows a thread will see that this was committed.
    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The rows that are only ever added, by statement.
    pub(super) fn appended(&self) -> impl Iterator<Item = (Query, &Rows)> {
        let all = [
            (Query::MessagesInsert, &self.messages),
            (Query::EventsInsert, &self.events),
            (Query::SubmissionsInsert, &self.submissions),
        ];
        all.into_iter().filter(|(_, rows)| !rows.is_empty())
    }
}

impl Sheet {
    /// Puts a decision's changes over what was read, and notes them to be written.
    pub(super) fn change(
        &mut self,
        dirty: &mut Dirty,
        thread_id: &ThreadId,
        changes: &Changes,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if changes.is_empty() {
            return Ok(());
        }
        let missing = || Fault::Damaged("the thread to change was not looked up".to_owned());
        let slot = self.threads.get_mut(thread_id).ok_or_else(missing)?;
        let no = slot.no;
        // Where a dispatch changes its state, its thread changes its counters or pointers.
        let tenant = changes.thread.as_ref().map(|write| write.row().tenant.clone());
        dirty.depth.add(&tenant.unwrap_or_default(), changes.depth.0);
        if changes.delete_thread {
            dirty.deleted.push(no);
            slot.thread = None;
            return Ok(());
        }
        dirty.threads.insert(thread_id.clone());
        if let Some(thread) = &changes.thread {
            slot.thread = Some(thread.row().clone());
        }
        for message in &changes.messages {
            Row::into(dirty.messages.row()).with(&no)?.with_log_message(message)?;
            slot.message_runs.insert(message.message.id.clone(), Some(message.run_id.clone()));
            slot.log.take(message.clone());
        }
        for write in &changes.pending {
            let (id, put) = match write {
                PendingWrite::Put(put) => (&put.message.id, Some(put.clone())),
                PendingWrite::Remove(id) => (id, None),
            };
            slot.put_pending(id, put.clone());
            dirty.pending.insert((no, id.clone()), put);
        }
        let alike = |one: &SharedEvent, next: &SharedEvent| {
            (&one.run_id, one.at) == (&next.run_id, next.at)
        };
        for events in changes.events.chunk_by(alike) {
            Row::into(dirty.events.row()).with(&no)?.with_events(events)?;
        }
        if let Some((key, answer)) = &changes.submission {
            let row = Row::into(dirty.submissions.row()).with(&no)?.with(key)?;
            row.with_json(Some(answer))?.with(&now)?;
            slot.submissions.insert(key.clone(), Some(answer.clone()));
        }
        for write in &changes.dispatches {
            let dispatch = write.row();
            let known = self.dispatches.insert(dispatch.id, Some(dispatch.clone()));
            if known.flatten().is_none() {
                slot.dispatches.push(dispatch.id);
            }
            dirty.dispatches.mark(dispatch.id, write);
        }
        for write in &changes.runs {
            let run = write.row();
            self.runs.insert(run.id.clone(), Some(run.clone()));
            dirty.runs.mark(run.id.clone(), write);
        }
        for run_id in &changes.collected_runs {
            self.runs.insert(run_id.clone(), None);
            dirty.collected_runs.push(run_id.clone());
        }
        Ok(())
    }
}
