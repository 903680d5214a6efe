//! What a mailbox is loaded from.

use std::sync::Arc;

use crate::command::Submitted;
use crate::dispatch::Dispatch;
use crate::id::{DedupeKey, DispatchId, IdempotencyKey, MessageId, RunId, ThreadId};
use crate::message::LogMessage;
use crate::pending::Pending;
use crate::run::{Run, SeqRange};
use crate::thread::Thread;
use crate::time::Timestamp;

/// The rows of a store, as one transaction sees them: plain look-ups by key, no rules. Which of
/// them a command needs is decided once, in [`crate::mailbox::Mailbox::load`].
pub trait Rows {
    /// What a look-up fails with.
    type Error;

    /// A thread.
    fn thread(&mut self, id: &ThreadId) -> Result<Option<Arc<Thread>>, Self::Error>;

    /// A run, of any thread.
    fn run(&mut self, id: &RunId) -> Result<Option<Arc<Run>>, Self::Error>;

    /// A dispatch, of any thread.
    fn dispatch(&mut self, id: DispatchId) -> Result<Option<Arc<Dispatch>>, Self::Error>;

    /// The first `limit` dispatches of the thread that are `Queued { due: true }`, by priority and
    /// ordinal.
    fn due(
        &mut self,
        thread_id: &ThreadId,
        limit: usize,
    ) -> Result<Vec<Arc<Dispatch>>, Self::Error>;

    /// The dispatches of the thread that are `Queued { due: false }`, by `available_at`: all that
    /// are due by `now` and the first `beyond` after them.
    fn delayed(
        &mut self,
        thread_id: &ThreadId,
        now: Timestamp,
        beyond: usize,
    ) -> Result<Vec<Arc<Dispatch>>, Self::Error>;

    /// All queued dispatches of the thread, due or not, in any order.
    fn queued(&mut self, thread_id: &ThreadId) -> Result<Vec<Arc<Dispatch>>, Self::Error>;

    /// The thread's pending messages, by position.
    fn pending(&mut self, thread_id: &ThreadId) -> Result<Vec<Pending>, Self::Error>;

    /// One pending message of the thread.
    fn pending_message(
        &mut self,
        thread_id: &ThreadId,
        id: &MessageId,
    ) -> Result<Option<Pending>, Self::Error>;

    /// The run that a message in the thread's log belongs to.
    fn message_run(
        &mut self,
        thread_id: &ThreadId,
        id: &MessageId,
    ) -> Result<Option<RunId>, Self::Error>;

    /// A range of the thread's log, in order.
    fn messages(
        &mut self,
        thread_id: &ThreadId,
        range: SeqRange,
    ) -> Result<Vec<LogMessage>, Self::Error>;

    /// The queued or claimed dispatch of the thread that has this dedupe key.
    fn key_holder(
        &mut self,
        thread_id: &ThreadId,
        key: &DedupeKey,
    ) -> Result<Option<DispatchId>, Self::Error>;

    /// The answer to an earlier submission to the thread with this idempotency key.
    fn submission(
        &mut self,
        thread_id: &ThreadId,
        key: &IdempotencyKey,
    ) -> Result<Option<Submitted>, Self::Error>;
}
