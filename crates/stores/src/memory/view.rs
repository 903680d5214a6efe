//! The rows as a mailbox is loaded from them.

use std::convert::Infallible;
use std::sync::Arc;

use postroom_core::command::Submitted;
use postroom_core::dispatch::Dispatch;
use postroom_core::id::{DedupeKey, DispatchId, IdempotencyKey, MessageId, RunId, ThreadId};
use postroom_core::mailbox::Rows;
use postroom_core::message::LogMessage;
use postroom_core::pending::Pending;
use postroom_core::run::{Run, SeqRange};
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;

use super::mailbox::MailboxRows;
use super::tables::{Shared, Tables};

/// The rows that one command sees. Its thread is looked up once.
pub(super) struct View<'t> {
    here: Option<&'t MailboxRows>,
    shared: &'t Shared,
}

impl<'t> View<'t> {
    pub(super) fn new(tables: &'t Tables, thread_id: &ThreadId) -> Self {
        Self { here: tables.mailboxes.get(thread_id).map(Box::as_ref), shared: &tables.shared }
    }

    /// The thread's rows. A mailbox asks for no other thread than its own.
    fn of(&self, thread_id: &ThreadId) -> Option<&'t MailboxRows> {
        let here = self.here?;
        debug_assert_eq!(here.thread.id, *thread_id, "a mailbox looks into another");
        Some(here)
    }

    fn all(&self, numbers: impl Iterator<Item = u64>) -> Vec<Arc<Dispatch>> {
        numbers.filter_map(|number| self.shared.dispatches.at(number).cloned()).collect()
    }
}

impl Rows for View<'_> {
    type Error = Infallible;

    fn thread(&mut self, id: &ThreadId) -> Result<Option<Arc<Thread>>, Infallible> {
        Ok(self.of(id).map(|here| here.thread.clone()))
    }

    fn run(&mut self, id: &RunId) -> Result<Option<Arc<Run>>, Infallible> {
        let likely = self.here.map(MailboxRows::likely_runs).unwrap_or_default();
        let number = self.shared.runs.number_of(likely, id);
        Ok(number.and_then(|number| self.shared.runs.at(number)).cloned())
    }

    fn dispatch(&mut self, id: DispatchId) -> Result<Option<Arc<Dispatch>>, Infallible> {
        let likely = self.here.map(MailboxRows::likely_dispatches).unwrap_or_default();
        let number = self.shared.dispatches.number_of(likely, &id);
        Ok(number.and_then(|number| self.shared.dispatches.at(number)).cloned())
    }

    fn due(
        &mut self,
        thread_id: &ThreadId,
        limit: usize,
    ) -> Result<Vec<Arc<Dispatch>>, Infallible> {
        let due = self.of(thread_id).into_iter().flat_map(|here| here.due.values());
        Ok(self.all(due.take(limit).map(|due| due.dispatch)))
    }

    fn delayed(
        &mut self,
        thread_id: &ThreadId,
        now: Timestamp,
        beyond: usize,
    ) -> Result<Vec<Arc<Dispatch>>, Infallible> {
        let Some(here) = self.of(thread_id) else { return Ok(Vec::new()) };
        let mut later = 0;
        let delayed = here.delayed.iter().take_while(|((available_at, _, _), _)| {
            later += usize::from(*available_at > now);
            later <= beyond
        });
        Ok(self.all(delayed.map(|(_, number)| *number)))
    }

    fn queued(&mut self, thread_id: &ThreadId) -> Result<Vec<Arc<Dispatch>>, Infallible> {
        let Some(here) = self.of(thread_id) else { return Ok(Vec::new()) };
        let due = here.due.values().map(|due| due.dispatch);
        Ok(self.all(due.chain(here.delayed.values().copied())))
    }

    fn pending(&mut self, thread_id: &ThreadId) -> Result<Vec<Pending>, Infallible> {
        Ok(self.of(thread_id).map(|here| here.pending.clone()).unwrap_or_default())
    }

    fn pending_message(
        &mut self,
        thread_id: &ThreadId,
        id: &MessageId,
    ) -> Result<Option<Pending>, Infallible> {
        let mut pending = self.of(thread_id).into_iter().flat_map(|here| &here.pending);
        Ok(pending.find(|pending| pending.message.id == *id).cloned())
    }

    fn message_run(
        &mut self,
        thread_id: &ThreadId,
        id: &MessageId,
    ) -> Result<Option<RunId>, Infallible> {
        let Some(here) = self.of(thread_id) else { return Ok(None) };
        let seq = here.seqs.get(id).copied();
        let message = seq.and_then(|seq| here.log.get(seq));
        Ok(message.map(|message| message.run_id.clone()))
    }

    fn messages(
        &mut self,
        thread_id: &ThreadId,
        range: SeqRange,
    ) -> Result<Vec<LogMessage>, Infallible> {
        let Some(here) = self.of(thread_id) else { return Ok(Vec::new()) };
        let range = range.first..=range.last.min(here.log.newest());
        Ok(range.filter_map(|seq| here.log.get(seq).cloned()).collect())
    }

    fn key_holder(
        &mut self,
        thread_id: &ThreadId,
        key: &DedupeKey,
    ) -> Result<Option<DispatchId>, Infallible> {
        Ok(self.of(thread_id).and_then(|here| here.key_holders.get(key).copied()))
    }

    fn submission(
        &mut self,
        thread_id: &ThreadId,
        key: &IdempotencyKey,
    ) -> Result<Option<Submitted>, Infallible> {
        let answer = self.of(thread_id).and_then(|here| here.answers.get(key));
        Ok(answer.map(|answer| answer.submitted.clone()))
    }
}
