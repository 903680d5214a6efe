//! The mailbox: one thread's view, and the one place that says what a command does to it.
//!
//! A store [loads](Mailbox::load) the rows that a command touches, lets the mailbox
//! [decide](Mailbox::decide), and saves the [changes](Changes). One file per verb.

mod begin;
mod cancel;
mod changes;
mod claim;
mod collect;
mod commit;
mod decision;
mod interrupt;
mod lease;
mod load;
mod pending;
mod queue;
mod reclaim;
mod record;
mod report;
mod rows;
mod run;
mod settle;
mod submit;
mod task;
mod thread;
mod tracked;
mod work;

pub use changes::{Changes, Decision, DepthDelta, PendingWrite, Write};
pub use rows::Rows;

use std::sync::Arc;

use crate::command::{Command, Submitted};
use crate::dispatch::Dispatch;
use crate::error::Refusal;
use crate::id::{DispatchId, MessageId, RunId, TenantId, ThreadId};
use crate::message::LogMessage;
use crate::pending::Pending;
use crate::ports::Ids;
use crate::run::Run;
use crate::thread::Thread;
use crate::time::Timestamp;
use tracked::Tracked;
use work::Work;

/// One thread's view: the rows that a command touches.
#[derive(Debug)]
pub struct Mailbox {
    thread_id: ThreadId,
    /// On whose behalf the command comes.
    caller: Option<TenantId>,
    thread: Option<Arc<Thread>>,
    /// The claimed dispatch, the front of the queue (or all of it), and those the command names.
    dispatches: Tracked<Dispatch>,
    /// The runs of those dispatches that the command may change, and those it names.
    runs: Tracked<Run>,
    pending: Vec<Pending>,
    /// The inputs of runs that may begin.
    log: Vec<LogMessage>,
    /// Messages that the command names and the log holds, with the runs they belong to.
    known: Vec<(MessageId, RunId)>,
    /// The unfinished dispatch that has the command's dedupe key.
    key_holder: Option<DispatchId>,
    /// The answer to an earlier submission with the command's idempotency key.
    submission: Option<Submitted>,
}

impl Mailbox {
    /// Says what `command` does to this mailbox, or why it does nothing.
    ///
    /// # Errors
    /// [`Refusal`], which names what stands in the way.
    pub fn decide(
        self,
        command: Command,
        now: Timestamp,
        ids: Ids<'_>,
    ) -> Result<Decision, Refusal> {
        if self.is_anothers() {
            return Err(Refusal::UnknownThread { thread_id: self.thread_id });
        }
        let mut work = Work::new(self, command.name(), now, ids);
        let reply = match command {
            Command::CreateThread(create) => work.create_thread(create)?,
            Command::PatchThread { metadata } => work.patch_thread(metadata)?,
            Command::DeleteThread => work.delete_thread()?,
            Command::Submit(submit) => work.submit(*submit)?,
            Command::Enqueue(enqueue) => work.enqueue(*enqueue)?,
            Command::Claim(request) => work.claim_head(&request)?,
            Command::ClaimDispatch { dispatch_id, request } => {
                work.claim_dispatch(dispatch_id, &request)?
            }
            Command::Begin { claim, instance_id } => work.begin(&claim, instance_id)?,
            Command::Commit { claim, step } => work.commit(&claim, *step)?,
            Command::Settle(settle) => work.settle(*settle)?,
            Command::RecordStart { claim, instance_id } => {
                work.record_start(&claim, instance_id)?
            }
            Command::RecordResult { claim, result } => work.record_result(&claim, &result)?,
            Command::ExtendLease { claim, lease } => work.extend_lease(&claim, lease)?,
            Command::Release { claim } => work.release(&claim)?,
            Command::Cancel { target, stop_executing } => work.cancel(&target, stop_executing)?,
            Command::Interrupt => work.interrupt()?,
            Command::SupersedeClaimed { claim } => work.supersede_claimed(&claim)?,
            Command::Reclaim { force, retry_in } => work.reclaim(force, retry_in)?,
            Command::Requeue { dispatch_id, max_attempts } => {
                work.requeue(dispatch_id, max_attempts)?
            }
            Command::Deliver { run_id, messages, delivery, max_pending } => {
                work.deliver(&run_id, messages, delivery, max_pending)?
            }
            Command::EditPending { message_id, content } => {
                work.edit_pending(&message_id, content)?
            }
            Command::RetractPending { message_id } => work.retract_pending(&message_id)?,
            Command::ReorderPending { message_ids } => work.reorder_pending(&message_ids)?,
            Command::Decide { run_id, decisions, claim } => {
                work.decide_tickets(&run_id, decisions, claim.as_ref())?
            }
            Command::FinishTask { run_id, task_id } => {
                work.finish_task(&run_id, task_id.as_ref())?
            }
            Command::Reported { run_id, report } => work.reported(&run_id, report)?,
            Command::CollectRun { run_id, ended_before } => {
                work.collect_run(&run_id, ended_before)?
            }
        };
        Ok(work.finish(reply))
    }

    /// Whether the thread is there, and is not the caller's. This is the one place where tenants are
    /// kept apart: whatever the command, the thread is unknown then.
    fn is_anothers(&self) -> bool {
        match (&self.caller, &self.thread) {
            (Some(caller), Some(thread)) => thread.tenant != *caller,
            _ => false,
        }
    }
}
