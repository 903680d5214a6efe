//! Commands: all that can be asked of a mailbox, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dispatch::{Claim, Dispatch, Priority};
use crate::event::EventBody;
use crate::id::{
    AgentId, DedupeKey, DispatchId, Epoch, IdempotencyKey, InstanceId, MessageId, NodeId, RunId,
    TaskId, ThreadId,
};
use crate::message::{Content, LogMessage, Metadata, NewMessage};
use crate::pending::Delivery;
use crate::run::{AgentState, Origin, Run, RunSpec, Termination, Usage, WaitReason};
use crate::ticket::{Decision, Ticket};
use crate::time::Timestamp;

/// A command and the thread whose mailbox it is for.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Whose mailbox.
    pub thread_id: ThreadId,
    /// What to do.
    pub command: Command,
}

impl Envelope {
    /// `command` for the mailbox of `thread_id`.
    pub fn new(thread_id: ThreadId, command: Command) -> Self {
        Self { thread_id, command }
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
        /// The task; `None` stands for all of the run's tasks (their process died).
        task_id: Option<TaskId>,
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
        }
    }

    /// Whether the answer is a promise that must survive a power failure. What is not (a claim, a
    /// begin, a renewal) may be lost with the machine: the dispatch is then simply claimed again,
    /// under a larger claim number.
    pub fn is_promise(&self) -> bool {
        !matches!(
            self,
            Self::Claim(_)
                | Self::ClaimDispatch { .. }
                | Self::Begin { .. }
                | Self::ExtendLease { .. }
                | Self::RecordStart { .. }
                | Self::Release { .. }
        )
    }
}

/// A thread to create.
#[derive(Debug, Clone, Default)]
pub struct CreateThread {
    /// Free data.
    pub metadata: Metadata,
    /// The thread it is opened from.
    pub parent: Option<ThreadId>,
}

/// What happens when the thread already has work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Wait for its turn.
    #[default]
    Enqueue,
    /// Supersede what is queued; refused while a run executes.
    Interrupt,
    /// Join the executing run at its next step.
    Steer,
    /// Be refused.
    Reject,
    /// Interrupt, and hide the cancelled run's messages from later prompts.
    Rollback,
}

/// A submission. [`Submit::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct Submit {
    /// What happens when the thread already has work.
    pub mode: Mode,
    /// The messages; may be empty only if there are decisions.
    pub messages: Vec<NewMessage>,
    /// Decisions on the open run's tickets.
    pub decisions: Vec<Decision>,
    /// The agent; left out, that of the thread's previous run, else `default`.
    pub agent_id: Option<AgentId>,
    /// The run to continue, or the name of a new one.
    pub run_id: Option<RunId>,
    /// Refuse unless this is the thread's active, open or latest run.
    pub expected_run_id: Option<RunId>,
    /// The run that asks for this one.
    pub parent_run_id: Option<RunId>,
    /// Refuse while an unfinished dispatch of the thread has the same key.
    pub dedupe_key: Option<DedupeKey>,
    /// Repeating it returns the first answer.
    pub idempotency_key: Option<IdempotencyKey>,
    /// How urgent it is.
    pub priority: Priority,
    /// When it may start.
    pub start: Start,
    /// After how many failed attempts it is given up.
    pub max_attempts: u32,
    /// When and how a running agent takes the messages in.
    pub delivery: Delivery,
    /// What brought it about.
    pub origin: Origin,
    /// What the new run is asked to be.
    pub spec: Arc<RunSpec>,
    /// For a new thread: the thread it is opened from.
    pub parent_thread_id: Option<ThreadId>,
    /// For `rollback`: the run that was asked to stop before; hidden if it was cancelled.
    pub stopped_run_id: Option<RunId>,
    /// How much the thread may hold.
    pub limits: Limits,
    /// To claim the new dispatch at once, if nothing is in its way.
    pub claim: Option<ClaimRequest>,
}

impl Submit {
    /// `messages` in `mode`, everything else by default.
    pub fn new(mode: Mode, messages: Vec<NewMessage>) -> Self {
        Self {
            mode,
            messages,
            decisions: Vec::new(),
            agent_id: None,
            run_id: None,
            expected_run_id: None,
            parent_run_id: None,
            dedupe_key: None,
            idempotency_key: None,
            priority: Priority::default(),
            start: Start::Now,
            max_attempts: DEFAULT_MAX_ATTEMPTS,
            delivery: Delivery::default(),
            origin: Origin::User,
            spec: Arc::default(),
            parent_thread_id: None,
            stopped_run_id: None,
            limits: Limits::default(),
            claim: None,
        }
    }
}

/// How many attempts a dispatch has unless told otherwise.
pub const DEFAULT_MAX_ATTEMPTS: u32 = 5;

/// When a dispatch may start, in the store's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// At once.
    #[default]
    Now,
    /// After a while.
    In(Duration),
    /// At a moment.
    At(Timestamp),
}

impl Start {
    /// The moment, seen from `now`.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::In(delay) => now + delay,
            Self::At(moment) => moment,
        }
    }
}

/// How much a thread may hold; more is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Queued dispatches.
    pub max_queued: u64,
    /// Pending messages.
    pub max_pending: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_queued: 100_000, max_pending: 1_000 }
    }
}

/// A delivery of a run, without messages.
#[derive(Debug, Clone)]
pub struct Enqueue {
    /// The run; created if unknown.
    pub run_id: RunId,
    /// The dispatch's name; left out, a new one is made.
    pub dispatch_id: Option<DispatchId>,
    /// The agent of a run that is created.
    pub agent_id: Option<AgentId>,
    /// Refuse while an unfinished dispatch of the thread has the same key.
    pub dedupe_key: Option<DedupeKey>,
    /// How urgent it is.
    pub priority: Priority,
    /// When it may start.
    pub start: Start,
    /// After how many failed attempts it is given up.
    pub max_attempts: u32,
}

/// Who claims, for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The node.
    pub node: NodeId,
    /// How long the claim holds without renewal.
    pub lease: Duration,
    /// Whether the run begins in the same transaction.
    pub begin: bool,
    /// Agents that the node has no room for.
    pub except_agents: Arc<[AgentId]>,
}

/// What a run has done since its last commit. All of it may be empty.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Messages for the log.
    pub messages: Vec<NewMessage>,
    /// Events for the log, in order.
    pub events: Vec<EventBody>,
    /// The agent's own state, if it changed.
    pub state: Option<AgentState>,
    /// Tokens used since the last commit.
    pub usage: Usage,
    /// Steps made since the last commit.
    pub steps: u32,
    /// The agent version that the run was resolved with; kept from the first time on.
    pub agent_version: Option<String>,
    /// What is taken in of the pending messages.
    pub take: Take,
    /// The run waits for these tickets, in memory, its claim held.
    pub suspend: Option<Suspend>,
    /// The run goes on after it was suspended.
    pub resume: bool,
}

/// What a commit takes in of the pending messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Take {
    /// Nothing.
    #[default]
    Nothing,
    /// What may be taken in between two steps.
    NextStep,
    /// What may be taken in where the run would end.
    NaturalEnd,
}

/// A wait in memory: the claim is held, the lease is long.
#[derive(Debug, Clone)]
pub struct Suspend {
    /// Why.
    pub reason: WaitReason,
    /// What is asked.
    pub tickets: Vec<Ticket>,
    /// The lease while it waits, from now.
    pub lease: Duration,
}

/// The end of a delivery.
#[derive(Debug, Clone)]
pub struct Settle {
    /// The fence.
    pub claim: Claim,
    /// What the run has done since its last commit, in the same transaction.
    pub step: Step,
    /// How the delivery ended.
    pub outcome: Outcome,
    /// To claim the thread's next dispatch at once.
    pub next: Option<ClaimRequest>,
}

/// How a delivery ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Consumed: the run is done, well or not.
    Ack(RunResult),
    /// Failed for now.
    Nack {
        /// When to try again, from now.
        retry_in: Duration,
        /// What went wrong.
        error: String,
    },
    /// Failed for good.
    DeadLetter {
        /// Stable, for programs.
        code: String,
        /// What went wrong.
        error: String,
    },
    /// Consumed: the run waits.
    Wait(Wait),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunResult {
    /// How.
    pub termination: Termination,
    /// The final text.
    pub output: Option<String>,
    /// What went wrong, for people.
    pub error: Option<String>,
}

impl RunResult {
    /// A natural end with `output`.
    pub fn natural_end(output: Option<String>) -> Self {
        Self { termination: Termination::NaturalEnd, output, error: None }
    }

    /// The end of a run that was cancelled.
    pub fn cancelled() -> Self {
        Self { termination: Termination::Cancelled, output: None, error: None }
    }
}

/// What a run waits for once it has given up its executor.
#[derive(Debug, Clone)]
pub struct Wait {
    /// Why.
    pub reason: WaitReason,
    /// Tool calls that want a decision.
    pub tickets: Vec<Ticket>,
    /// Background tasks under way.
    pub tasks: Vec<TaskId>,
    /// When it goes on by itself, from now.
    pub resume_in: Option<Duration>,
}

impl Wait {
    /// A wait for `reason` alone.
    pub fn new(reason: WaitReason) -> Self {
        Self { reason, tickets: Vec::new(), tasks: Vec::new(), resume_in: None }
    }
}

/// What to cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelTarget {
    /// This delivery, and its run.
    Dispatch(DispatchId),
    /// This run.
    Run(RunId),
    /// The thread's executing run; else the head of its queue; else its waiting run.
    Thread,
}

/// What a mailbox answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To commands that only do: create, patch, delete, record, release, edit, retract, reorder.
    Done,
    /// To `submit` and `deliver`.
    Submitted(Submitted),
    /// To `enqueue` and `requeue`.
    Enqueued(Dispatch),
    /// To `claim` and `claim_dispatch`; `None` if there was nothing to claim.
    Claimed(Option<Box<Delivered>>),
    /// To `begin`.
    Begun(Begun),
    /// To `commit`.
    Committed(Committed),
    /// To `settle`.
    Settled(Box<Settled>),
    /// To `extend_lease`.
    Extended(Extended),
    /// To `cancel`.
    Cancelled(Cancelled),
    /// To `interrupt`.
    Interrupted(Interrupted),
    /// To `supersede_claimed`.
    Superseded(Dispatch),
    /// To `reclaim`; `None` if the lease had not expired.
    Reclaimed(Option<Dispatch>),
    /// To `decide`.
    Decided(Decided),
    /// To `finish_task`: the dispatch that continues the run, if it now does.
    TaskFinished(Option<DispatchId>),
}

/// Where a submission stands when it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubmittedStatus {
    /// Its run executes.
    Running,
    /// Its run waits for its turn.
    Queued,
    /// Its run waits for decisions; the messages are kept for its next step.
    Waiting,
    /// Its run has ended: the answer to a repeated submission.
    Done,
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    /// The thread.
    pub thread_id: ThreadId,
    /// The run that the messages are for.
    pub run_id: RunId,
    /// Its delivery, unless it waits for decisions.
    pub dispatch_id: Option<DispatchId>,
    /// Where it stands.
    pub status: SubmittedStatus,
    /// The ids of the messages, in order, given or made.
    pub message_ids: Vec<MessageId>,
    /// Whether this is the answer of an earlier, equal submission, and nothing was written.
    pub replayed: bool,
    /// `seq` of the thread's last event before this submission: following from here shows all of it.
    pub event_seq_before: u64,
    /// The claim, where the submission was to be claimed at once and could be.
    #[serde(skip)]
    pub claimed: Option<Box<Delivered>>,
}

/// A claimed dispatch, and what its executor needs if it has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    /// The dispatch, claimed.
    pub dispatch: Dispatch,
    /// What `begin` gave, if it was asked for in the same transaction.
    pub begun: Option<Begun>,
}

/// The answer to `begin`.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// The executor shall run this.
    Started(Box<Activation>),
    /// The executor must not start: the dispatch was superseded or cancelled, or its run has ended.
    NotStarted,
}

/// What an executor is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Activation {
    /// The fence of this attempt.
    pub claim: Claim,
    /// The thread's metadata.
    pub thread_metadata: Arc<Metadata>,
    /// The run as it stands.
    pub run: Run,
    /// The delivery.
    pub dispatch: Dispatch,
    /// The run's input, from the log.
    pub input: Vec<LogMessage>,
}

/// The answer to `commit`.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// The messages that were written, numbered.
    pub written: Vec<LogMessage>,
    /// The pending messages that were taken in, numbered: the run must read them.
    pub taken: Vec<LogMessage>,
    /// Somebody asked the run to stop.
    pub stop_requested: bool,
}

/// The answer to `settle`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The dispatch as it is now.
    pub dispatch: Dispatch,
    /// The run as it is now.
    pub run: Run,
    /// The dispatch that undelivered steering became.
    pub follow_up: Option<DispatchId>,
    /// The thread's next dispatch, claimed.
    pub next: Option<Box<Delivered>>,
    /// Whether more of the thread is due and was not claimed.
    pub more_due: bool,
}

/// The answer to `extend_lease`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    /// Whether the claim still holds.
    pub held: bool,
    /// Somebody asked the run to stop.
    pub stop_requested: bool,
}

/// The answer to `cancel`.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// A queued dispatch and its run.
    Dispatch(Box<Dispatch>),
    /// A waiting run.
    WaitingRun(RunId),
    /// It executes on this claim; whether it was asked to stop is as the command said.
    Executing {
        /// The run.
        run_id: RunId,
        /// Its delivery.
        dispatch_id: DispatchId,
        /// Who executes it.
        claim: Claim,
    },
}

/// The answer to `interrupt`.
#[derive(Debug, Clone, PartialEq)]
pub struct Interrupted {
    /// The new epoch.
    pub epoch: Epoch,
    /// What was queued.
    pub superseded: Vec<Dispatch>,
    /// What executes.
    pub active: Option<Dispatch>,
}

/// The answer to `decide`.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// How the decisions reach the run.
    pub via: DecidedVia,
    /// The resume dispatch, claimed, where it was to be claimed at once and could be.
    pub claimed: Option<Box<Delivered>>,
}

/// How decisions reach their run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedVia {
    /// It executes, suspended in memory: it will look.
    Live,
    /// A resume dispatch is queued.
    Queued(DispatchId),
    /// Other tickets are still open.
    Partly,
}
