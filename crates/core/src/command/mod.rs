//! Commands: all that can be asked of a mailbox, and what it answers.

mod reply;
mod settle;
mod submit;

pub use reply::{
    Activation, Begun, Cancelled, Committed, Decided, DecidedVia, Delivered, Extended, Interrupted,
    Reply, Settled, Submitted, SubmittedStatus,
};
pub use settle::{Outcome, RunResult, Settle, Step, Suspend, Take, Wait};
pub use submit::{
    CancelTarget, ClaimRequest, CreateThread, DEFAULT_MAX_ATTEMPTS, Enqueue, Limits, Mode, Start,
    Submit, TenantRooms,
};

use std::time::Duration;

use crate::dispatch::Claim;
use crate::id::{DispatchId, InstanceId, MessageId, RunId, TaskId, TenantId, ThreadId};
use crate::message::{Content, Metadata, NewMessage};
use crate::pending::Delivery;
use crate::report::ReportId;
use crate::ticket::Decision;
use crate::time::Timestamp;

/// A command and the thread whose mailbox it is for.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Whose mailbox.
    pub thread_id: ThreadId,
    /// What to do.
    pub command: Command,
    /// On whose behalf: another's thread is then unknown, and a new one is theirs. `None` is Postroom
    /// itself, which has to do with all of them, or somebody who has no tenants.
    pub caller: Option<TenantId>,
}

impl Envelope {
    /// `command` for the mailbox of `thread_id`, by Postroom itself.
    pub fn new(thread_id: ThreadId, command: Command) -> Self {
        Self { thread_id, command, caller: None }
    }

    /// The same on behalf of a tenant.
    pub fn on_behalf_of(self, caller: Option<TenantId>) -> Self {
        Self { caller, ..self }
    }
}

/// All that can be asked of a mailbox. Each is atomic.
#[derive(Debug, Clone)]
pub enum Command {
    /// Create the thread without work.
    CreateThread(CreateThread),
    /// Replace keys of the thread's metadata; a null takes a key away.
    PatchThread {
        /// The keys to replace.
        metadata: Metadata,
    },
    /// Remove an idle thread with all that belongs to it.
    DeleteThread,
    /// Messages become a run, or join one.
    Submit(Box<Submit>),
    /// Queue a delivery of a run without messages of its own.
    Enqueue(Box<Enqueue>),
    /// Claim the head of the queue.
    Claim(ClaimRequest),
    /// Claim one known dispatch, whatever its `available_at`.
    ClaimDispatch {
        /// Which.
        dispatch_id: DispatchId,
        /// For whom.
        request: ClaimRequest,
    },
    /// Start the claimed dispatch's run.
    Begin {
        /// The fence.
        claim: Claim,
        /// Names the attempt; left out, a new id is made.
        instance_id: Option<InstanceId>,
    },
    /// A step boundary: write what the run has done, and take in what is pending.
    Commit {
        /// The fence.
        claim: Claim,
        /// What to write.
        step: Box<Step>,
    },
    /// The delivery is over.
    Settle(Box<Settle>),
    /// Record the attempt's start on the dispatch alone.
    RecordStart {
        /// The fence.
        claim: Claim,
        /// Names the attempt.
        instance_id: InstanceId,
    },
    /// Record the attempt's result on the dispatch alone.
    RecordResult {
        /// The fence.
        claim: Claim,
        /// How the run ended in this attempt.
        result: RunResult,
    },
    /// Renew the lease.
    ExtendLease {
        /// The fence.
        claim: Claim,
        /// From now.
        lease: Duration,
    },
    /// Hand the claim back; no attempt is lost.
    Release {
        /// The fence.
        claim: Claim,
    },
    /// Cancel queued or waiting work, and ask executing work to stop if wanted.
    Cancel {
        /// What.
        target: CancelTarget,
        /// Whether an executing run is asked to stop, durably; otherwise it is left alone.
        stop_executing: bool,
    },
    /// Epoch + 1: all that is queued is superseded.
    Interrupt,
    /// Give up a claim because its epoch is over; its run is cancelled.
    SupersedeClaimed {
        /// The fence.
        claim: Claim,
    },
    /// Take the claim from a node that let its lease expire.
    Reclaim {
        /// Even if the lease has not expired: the node that holds it is known to be dead.
        force: bool,
        /// When the dispatch may be claimed again, from now.
        retry_in: Duration,
    },
    /// Make a new dispatch of a dead letter's run.
    Requeue {
        /// The dead letter.
        dispatch_id: DispatchId,
        /// The new attempt budget; left out, that of the dead letter.
        max_attempts: Option<u32>,
    },
    /// Messages for exactly this run, taken in at its boundary.
    Deliver {
        /// The run.
        run_id: RunId,
        /// What to deliver.
        messages: Vec<NewMessage>,
        /// When and how it is taken in.
        delivery: Delivery,
        /// How many messages may be pending in the thread.
        max_pending: u64,
    },
    /// Replace a pending message's content or delivery.
    EditPending {
        /// Which.
        message_id: MessageId,
        /// The new content.
        content: Content,
    },
    /// Take a pending message back.
    RetractPending {
        /// Which.
        message_id: MessageId,
    },
    /// Put the pending messages in this order.
    ReorderPending {
        /// All of them, in the wanted order.
        message_ids: Vec<MessageId>,
    },
    /// Decide tickets of a waiting run.
    Decide {
        /// The run.
        run_id: RunId,
        /// The decisions.
        decisions: Vec<Decision>,
        /// To claim a resume dispatch at once.
        claim: Option<ClaimRequest>,
    },
    /// A background task ended: its run need not wait for it any longer.
    FinishTask {
        /// The run that waits for it.
        run_id: RunId,
        /// The task; `None` stands for all that some process has held for the run (it died), which
        /// runs of their own are not.
        task_id: Option<TaskId>,
    },
    /// What a run owed was made good. Repeating it changes nothing.
    Reported {
        /// The run.
        run_id: RunId,
        /// Which of its reports was made: it may owe another since.
        report: ReportId,
    },
    /// Forget a run that ended long ago, if nothing needs it any more: its thread points at another,
    /// its dispatches are purged, and its end was reported. Its messages stay in the log.
    CollectRun {
        /// The run.
        run_id: RunId,
        /// Not if it ended at or after this moment.
        ended_before: Timestamp,
    },
}

impl Command {
    /// The word for it, in refusals, metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateThread(_) => "create_thread",
            Self::PatchThread { .. } => "patch_thread",
            Self::DeleteThread => "delete_thread",
            Self::Submit(_) => "submit",
            Self::Enqueue(_) => "enqueue",
            Self::Claim(_) => "claim",
            Self::ClaimDispatch { .. } => "claim_dispatch",
            Self::Begin { .. } => "begin",
            Self::Commit { .. } => "commit",
            Self::Settle(_) => "settle",
            Self::RecordStart { .. } => "record_dispatch_start",
            Self::RecordResult { .. } => "record_run_result",
            Self::ExtendLease { .. } => "extend_lease",
            Self::Release { .. } => "release",
            Self::Cancel { .. } => "cancel",
            Self::Interrupt => "interrupt",
            Self::SupersedeClaimed { .. } => "supersede_claimed",
            Self::Reclaim { .. } => "reclaim",
            Self::Requeue { .. } => "requeue",
            Self::Deliver { .. } => "deliver",
            Self::EditPending { .. } => "edit_pending",
            Self::RetractPending { .. } => "retract_pending",
            Self::ReorderPending { .. } => "reorder_pending",
            Self::Decide { .. } => "decide",
            Self::FinishTask { .. } => "finish_task",
            Self::Reported { .. } => "reported",
            Self::CollectRun { .. } => "collect_run",
        }
    }

    /// Whether the answer is a promise that must survive a power failure. What is not (a claim, a
    /// begin, a renewal) may be lost with the machine: the dispatch is then simply claimed again,
    /// under a larger claim number. A run that was collected is then there again, and collected again.
    pub fn is_promise(&self) -> bool {
        !matches!(
            self,
            Self::Claim(_)
                | Self::ClaimDispatch { .. }
                | Self::Begin { .. }
                | Self::ExtendLease { .. }
                | Self::RecordStart { .. }
                | Self::Release { .. }
                | Self::CollectRun { .. }
        )
    }
}
