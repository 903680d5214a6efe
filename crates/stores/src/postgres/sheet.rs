//! What a transaction knows of its mailboxes: the rows it has read, and over them what its commands
//! have changed. The core looks rows up here; what is not here yet is noted, to be read in one go
//! with what other commands lack.

use std::collections::HashMap;
use std::sync::Arc;

use postroom_core::command::Submitted;
use postroom_core::dispatch::{Dispatch, DispatchState, DispatchStatus};
use postroom_core::id::{DedupeKey, DispatchId, IdempotencyKey, MessageId, RunId, ThreadId};
use postroom_core::mailbox::Rows;
use postroom_core::message::LogMessage;
use postroom_core::pending::Pending;
use postroom_core::run::{Run, SeqRange};
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;

use super::known::Known;
use super::needs::Needs;
use super::slot::{Slot, first};

/// A row that is needed was not read yet: it is among the [`Needs`].
#[derive(Debug)]
pub(super) struct Missing;

/// The rows of one transaction.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) threads: HashMap<ThreadId, Slot>,
    /// By the numbers that their rows carry.
    by_no: HashMap<i64, ThreadId>,
    pub(super) runs: HashMap<RunId, Option<Arc<Run>>>,
    pub(super) dispatches: HashMap<DispatchId, Option<Arc<Dispatch>>>,
    /// What is to be read.
    pub(super) needs: Needs,
    /// Whether what is most likely new is taken for it.
    pub(super) believes: bool,
}

impl Sheet {
    /// Takes a locked thread in.
    pub(super) fn take_thread(&mut self, no: i64, version: i64, thread: Thread) {
        self.by_no.insert(no, thread.id.clone());
        self.threads.insert(thread.id.clone(), Slot::of(no, version, Arc::new(thread)));
    }

    /// Takes a mailbox in that is as it was known.
    pub(super) fn take_known(&mut self, known: &Known) {
        let id = &known.thread.id;
        self.by_no.insert(known.no, id.clone());
        self.threads.insert(id.clone(), Slot::of_known(known));
        self.runs.extend(known.runs.iter().map(|run| (run.id.clone(), Some(run.clone()))));
        let dispatches = known.dispatches.iter();
        self.dispatches.extend(dispatches.map(|dispatch| (dispatch.id, Some(dispatch.clone()))));
    }

    /// Notes that there is no thread of this id; `no` is its number if it is created.
    pub(super) fn take_no_thread(&mut self, no: i64, id: ThreadId) {
        self.by_no.insert(no, id.clone());
        self.threads.insert(id, Slot::without_thread(no));
    }

    /// Takes a run in, unless a command has changed it already.
    pub(super) fn take_run(&mut self, run: Run) {
        let known = self.runs.entry(run.id.clone()).or_default();
        if known.is_none() {
            *known = Some(Arc::new(run));
        }
    }

    /// Takes a dispatch in, unless a command has changed it already.
    pub(super) fn take_dispatch(&mut self, dispatch: Dispatch) {
        let known = self.dispatches.entry(dispatch.id).or_default();
        if known.is_none() {
            if let Some(slot) = self.threads.get_mut(&dispatch.thread_id) {
                slot.dispatches.push(dispatch.id);
            }
            *known = Some(Arc::new(dispatch));
        }
    }

    /// The mailbox whose rows carry `no`.
    pub(super) fn slot_of(&mut self, no: i64) -> Option<&mut Slot> {
        self.threads.get_mut(self.by_no.get(&no)?)
    }

    /// The id of the thread whose rows carry `no`.
    pub(super) fn id_of(&self, no: i64) -> Option<ThreadId> {
        self.by_no.get(&no).cloned()
    }

    fn slot(&mut self, thread_id: &ThreadId) -> Result<&mut Slot, Missing> {
        // Every thread of the transaction was looked up when it was locked.
        self.threads.get_mut(thread_id).ok_or(Missing)
    }

    /// Whether so much of a thread's queue is known as a command looks at, with what the run of its
    /// head was given, if that is to be claimed.
    pub(super) fn knows_front(&self, slot: &Slot, claims: bool) -> bool {
        let Some(thread) = &slot.thread else { return true };
        let mut due = self.known(&thread.id, |dispatch| is_queued(dispatch, true));
        due.retain(|dispatch| slot.due.reaches(&dispatch.queue_key()));
        let is_long = due.len() >= COMMAND_FRONT || slot.due.is_whole();
        let head = first(due, 1, Dispatch::queue_key).pop().filter(|_| claims);
        let head = head.map(|head| self.runs.get(&head.run_id).and_then(Option::as_ref));
        let is_given =
            |run: &Arc<Run>| run.input.iter().all(|range| slot.log.range(*range).is_ok());
        is_long && slot.delayed.is_whole() && head.is_none_or(|run| run.is_some_and(is_given))
    }

    /// The thread's dispatches that are known, of which `wanted` picks.
    fn known(
        &self,
        thread_id: &ThreadId,
        wanted: impl Fn(&Dispatch) -> bool,
    ) -> Vec<Arc<Dispatch>> {
        let ids = self.threads.get(thread_id).map_or(&[][..], |slot| &slot.dispatches);
        let rows = ids.iter().filter_map(|id| self.dispatches.get(id)?.as_ref());
        rows.filter(|dispatch| wanted(dispatch)).cloned().collect()
    }
}

/// How much of a queue's front a command looks at.
const COMMAND_FRONT: usize = 2;

fn is_queued(dispatch: &Dispatch, due: bool) -> bool {
    dispatch.status == DispatchStatus::Queued { due }
}

impl Rows for Sheet {
    type Error = Missing;

    fn thread(&mut self, id: &ThreadId) -> Result<Option<Arc<Thread>>, Missing> {
        Ok(self.slot(id)?.thread.clone())
    }

    fn run(&mut self, id: &RunId) -> Result<Option<Arc<Run>>, Missing> {
        match self.runs.get(id) {
            Some(known) => Ok(known.clone()),
            None => {
                self.needs.runs.insert(id.clone());
                Err(Missing)
            }
        }
    }

    fn dispatch(&mut self, id: DispatchId) -> Result<Option<Arc<Dispatch>>, Missing> {
        match self.dispatches.get(&id) {
            Some(known) => Ok(known.clone()),
            None => {
                self.needs.dispatches.insert(id);
                Err(Missing)
            }
        }
    }

    fn due(&mut self, thread_id: &ThreadId, limit: usize) -> Result<Vec<Arc<Dispatch>>, Missing> {
        let mut found = self.known(thread_id, |dispatch| is_queued(dispatch, true));
        let slot = self.threads.get_mut(thread_id).ok_or(Missing)?;
        found.retain(|dispatch| slot.due.reaches(&dispatch.queue_key()));
        if found.len() < limit && !slot.due.is_whole() {
            self.needs.due.insert(slot.no, slot.due.read_more(limit));
            return Err(Missing);
        }
        Ok(first(found, limit, Dispatch::queue_key))
    }

    fn delayed(
        &mut self,
        thread_id: &ThreadId,
        now: Timestamp,
        beyond: usize,
    ) -> Result<Vec<Arc<Dispatch>>, Missing> {
        let key = |dispatch: &Dispatch| (dispatch.available_at, dispatch.ordinal);
        let mut found = self.known(thread_id, |dispatch| is_queued(dispatch, false));
        let slot = self.threads.get_mut(thread_id).ok_or(Missing)?;
        found.retain(|dispatch| slot.delayed.reaches(&key(dispatch)));
        let due = found.iter().filter(|dispatch| dispatch.available_at <= now).count();
        if found.len() - due < beyond && !slot.delayed.is_whole() {
            self.needs.delayed.insert(slot.no, slot.delayed.read_more(beyond));
            return Err(Missing);
        }
        Ok(first(found, due + beyond, key))
    }

    fn queued(&mut self, thread_id: &ThreadId) -> Result<Vec<Arc<Dispatch>>, Missing> {
        let slot = self.slot(thread_id)?;
        if !(slot.due.is_whole() && slot.delayed.is_whole()) {
            let no = slot.no;
            self.needs.queued.insert(no);
            return Err(Missing);
        }
        Ok(self.known(thread_id, |dispatch| dispatch.state() == DispatchState::Queued))
    }

    fn pending(&mut self, thread_id: &ThreadId) -> Result<Vec<Pending>, Missing> {
        let slot = self.slot(thread_id)?;
        match &slot.pending {
            Some(pending) => Ok(pending.clone()),
            None => {
                let no = slot.no;
                self.needs.pending.insert(no);
                Err(Missing)
            }
        }
    }

    fn pending_message(
        &mut self,
        thread_id: &ThreadId,
        id: &MessageId,
    ) -> Result<Option<Pending>, Missing> {
        let pending = self.pending(thread_id)?;
        Ok(pending.into_iter().find(|pending| pending.message.id == *id))
    }

    fn message_run(
        &mut self,
        thread_id: &ThreadId,
        id: &MessageId,
    ) -> Result<Option<RunId>, Missing> {
        let slot = self.slot(thread_id)?;
        match slot.message_runs.get(id) {
            Some(known) => Ok(known.clone()),
            None if slot.believed.messages.contains(id) => Ok(None),
            None => {
                let no = slot.no;
                self.needs.message_runs.insert((no, id.clone()));
                Err(Missing)
            }
        }
    }

    fn messages(
        &mut self,
        thread_id: &ThreadId,
        range: SeqRange,
    ) -> Result<Vec<LogMessage>, Missing> {
        let slot = self.slot(thread_id)?;
        match slot.log.range(range) {
            Ok(messages) => Ok(messages),
            Err(stored) => {
                let no = slot.no;
                self.needs.ranges.insert((no, stored.first, stored.last));
                Err(Missing)
            }
        }
    }

    fn key_holder(
        &mut self,
        thread_id: &ThreadId,
        key: &DedupeKey,
    ) -> Result<Option<DispatchId>, Missing> {
        let holds = |dispatch: &Dispatch| {
            dispatch.dedupe_key.as_ref() == Some(key) && !dispatch.state().is_terminal()
        };
        if let Some(holder) = self.known(thread_id, holds).first() {
            return Ok(Some(holder.id));
        }
        let slot = self.threads.get(thread_id).ok_or(Missing)?;
        match slot.key_holders.get(key) {
            // One that is known holds it no more.
            Some(Some(id)) if self.dispatches.contains_key(id) => Ok(None),
            Some(known) => Ok(*known),
            None => {
                self.needs.key_holders.insert((slot.no, key.clone()));
                Err(Missing)
            }
        }
    }

    fn submission(
        &mut self,
        thread_id: &ThreadId,
        key: &IdempotencyKey,
    ) -> Result<Option<Submitted>, Missing> {
        let slot = self.slot(thread_id)?;
        match slot.submissions.get(key) {
            Some(known) => Ok(known.clone()),
            None if slot.believed.keys.contains(key) => Ok(None),
            None => {
                let no = slot.no;
                self.needs.submissions.insert((no, key.clone()));
                Err(Missing)
            }
        }
    }
}
