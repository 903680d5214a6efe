//! What a mailbox is loaded from: the rows of one transaction.

use std::sync::Arc;

use postroom_core::command::Submitted;
use postroom_core::dispatch::Dispatch;
use postroom_core::id::{DedupeKey, DispatchId, IdempotencyKey, MessageId, RunId, ThreadId};
use postroom_core::mailbox::Rows;
use postroom_core::message::{LogMessage, Metadata};
use postroom_core::pending::Pending;
use postroom_core::run::{Run, SeqRange};
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;

use super::columns::{Columns, only, only_json};
use super::error::Fault;
use super::queries::{Query, Statements};
use crate::sql::{self, Columns as _, Damaged};

/// One thread's rows, to be read and then written in one transaction.
pub(super) struct MailboxRows<'t, 'c> {
    pub(super) statements: &'t mut Statements<'c>,
    /// Whose mailbox it is.
    thread_id: &'t ThreadId,
    thread_no: ThreadNo,
    /// The metadata as they were read: what is still the same is not written again.
    pub(super) metadata: Option<Arc<Metadata>>,
}

/// What is known of the number of the mailbox's thread.
#[derive(Clone, Copy)]
enum ThreadNo {
    /// Not yet looked up.
    Unknown,
    /// Looked up: the number, if the thread is there.
    Known(Option<i64>),
}

impl<'t, 'c> MailboxRows<'t, 'c> {
    /// The rows of `thread_id`, none of them read yet.
    pub(super) fn of(statements: &'t mut Statements<'c>, thread_id: &'t ThreadId) -> Self {
        Self { statements, thread_id, thread_no: ThreadNo::Unknown, metadata: None }
    }

    /// The number of the mailbox's thread.
    pub(super) fn own_no(&mut self) -> Result<Option<i64>, Fault> {
        self.no_of(self.thread_id)
    }

    /// Remembers the number that the mailbox's thread was inserted under.
    pub(super) fn inserted_as(&mut self, thread_no: i64) {
        self.thread_no = ThreadNo::Known(Some(thread_no));
    }

    fn no_of(&mut self, thread_id: &ThreadId) -> Result<Option<i64>, Fault> {
        let own = thread_id == self.thread_id;
        if own && let ThreadNo::Known(known) = self.thread_no {
            return Ok(known);
        }
        let no = self.statements.get(Query::ThreadNo)?.with(thread_id)?.one(only)?;
        if own {
            self.thread_no = ThreadNo::Known(no);
        }
        Ok(no)
    }

    /// The id of the thread that goes by `thread_no`, if it is not the mailbox's own.
    fn other_thread(&mut self, thread_no: i64) -> Result<Option<ThreadId>, Fault> {
        if let ThreadNo::Known(Some(own)) = self.thread_no
            && own == thread_no
        {
            return Ok(None);
        }
        self.statements.get(Query::ThreadId)?.with(&thread_no)?.one(only)
    }
}

/// The `thread_no` of a row that begins with its own number.
fn thread_no(row: &mut Columns<'_, '_>) -> Result<i64, Damaged> {
    row.skip(1);
    row.take()
}

impl Rows for MailboxRows<'_, '_> {
    type Error = Fault;

    fn thread(&mut self, id: &ThreadId) -> Result<Option<Arc<Thread>>, Fault> {
        let found =
            self.statements.get(Query::Thread)?.with(id)?.one(|row| sql::decode::thread(row))?;
        if id == self.thread_id {
            self.thread_no = ThreadNo::Known(found.as_ref().map(|(no, _)| *no));
            self.metadata = found.as_ref().map(|(_, thread)| thread.metadata.clone());
        }
        Ok(found.map(|(_, thread)| Arc::new(thread)))
    }

    fn run(&mut self, id: &RunId) -> Result<Option<Arc<Run>>, Fault> {
        let found = self.statements.get(Query::Run)?.with(id)?.one(|row| {
            let no = thread_no(row)?;
            Ok((no, sql::decode::run(row, self.thread_id.clone())?))
        })?;
        let Some((no, mut run)) = found else { return Ok(None) };
        if let Some(other) = self.other_thread(no)? {
            run.thread_id = other;
        }
        Ok(Some(Arc::new(run)))
    }

    fn dispatch(&mut self, id: DispatchId) -> Result<Option<Arc<Dispatch>>, Fault> {
        let found = self.statements.get(Query::Dispatch)?.with(&id)?.one(|row| {
            let no = thread_no(row)?;
            Ok((no, sql::decode::dispatch(row, self.thread_id.clone())?))
        })?;
        let Some((no, mut dispatch)) = found else { return Ok(None) };
        if let Some(other) = self.other_thread(no)? {
            dispatch.thread_id = other;
        }
        Ok(Some(Arc::new(dispatch)))
    }

    fn due(&mut self, thread_id: &ThreadId, limit: usize) -> Result<Vec<Arc<Dispatch>>, Fault> {
        let no = self.no_of(thread_id)?;
        let values = self.statements.get(Query::DispatchesDue)?.with(&no)?.with(&limit)?;
        values.all(|row| {
            row.skip(2);
            sql::decode::dispatch(row, thread_id.clone()).map(Arc::new)
        })
    }

    fn delayed(
        &mut self,
        thread_id: &ThreadId,
        now: Timestamp,
        beyond: usize,
    ) -> Result<Vec<Arc<Dispatch>>, Fault> {
        let no = self.no_of(thread_id)?;
        let mut found = Vec::new();
        let mut beyond = beyond;
        self.statements.get(Query::DispatchesDelayed)?.with(&no)?.each(|row| {
            row.skip(2);
            let dispatch = sql::decode::dispatch(row, thread_id.clone())?;
            if dispatch.available_at > now {
                let Some(fewer) = beyond.checked_sub(1) else { return Ok(false) };
                beyond = fewer;
            }
            found.push(Arc::new(dispatch));
            Ok(true)
        })?;
        Ok(found)
    }

    fn queued(&mut self, thread_id: &ThreadId) -> Result<Vec<Arc<Dispatch>>, Fault> {
        let no = self.no_of(thread_id)?;
        self.statements.get(Query::DispatchesQueued)?.with(&no)?.all(|row| {
            row.skip(2);
            sql::decode::dispatch(row, thread_id.clone()).map(Arc::new)
        })
    }

    fn pending(&mut self, thread_id: &ThreadId) -> Result<Vec<Pending>, Fault> {
        let no = self.no_of(thread_id)?;
        let mut all =
            self.statements.get(Query::Pending)?.with(&no)?.all(|row| sql::decode::pending(row))?;
        all.sort_by_key(|pending| pending.position);
        Ok(all)
    }

    fn pending_message(
        &mut self,
        thread_id: &ThreadId,
        id: &MessageId,
    ) -> Result<Option<Pending>, Fault> {
        let no = self.no_of(thread_id)?;
        self.statements
            .get(Query::PendingMessage)?
            .with(&no)?
            .with(id)?
            .one(|row| sql::decode::pending(row))
    }

    fn message_run(
        &mut self,
        thread_id: &ThreadId,
        id: &MessageId,
    ) -> Result<Option<RunId>, Fault> {
        let no = self.no_of(thread_id)?;
        self.statements.get(Query::MessageRun)?.with(&no)?.with(id)?.one(only)
    }

    fn messages(
        &mut self,
        thread_id: &ThreadId,
        range: SeqRange,
    ) -> Result<Vec<LogMessage>, Fault> {
        let no = self.no_of(thread_id)?;
        let values = self.statements.get(Query::MessagesRange)?.with(&no)?;
        values.with(&range.first)?.with(&range.last)?.all(|row| sql::decode::log_message(row))
    }

    fn key_holder(
        &mut self,
        thread_id: &ThreadId,
        key: &DedupeKey,
    ) -> Result<Option<DispatchId>, Fault> {
        let no = self.no_of(thread_id)?;
        self.statements.get(Query::KeyHolder)?.with(&no)?.with(key)?.one(only)
    }

    fn submission(
        &mut self,
        thread_id: &ThreadId,
        key: &IdempotencyKey,
    ) -> Result<Option<Submitted>, Fault> {
        let no = self.no_of(thread_id)?;
        let values = self.statements.get(Query::Submission)?.with(&no)?.with(key)?;
        Ok(values.one(only_json)?.flatten())
    }
}
