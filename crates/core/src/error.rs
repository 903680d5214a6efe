//! Errors, split by what the caller does next.

use crate::dispatch::{Claim, DispatchState};
use crate::id::{DispatchId, MessageId, RunId, ThreadId, ToolCallId};
use crate::run::RunState;

/// The mailbox says no. Nothing was written; asking again changes nothing unless the mailbox does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the nouns they are named after")]
pub enum Refusal {
    #[error("thread {thread_id} is unknown")]
    UnknownThread { thread_id: ThreadId },
    #[error("thread {thread_id} exists already")]
    ThreadExists { thread_id: ThreadId },
    #[error("run {run_id} is unknown")]
    UnknownRun { run_id: RunId },
    #[error("dispatch {dispatch_id} is unknown")]
    UnknownDispatch { dispatch_id: DispatchId },
    #[error("message {message_id} is unknown")]
    UnknownMessage { message_id: MessageId },
    #[error("run {run_id} has no ticket for tool call {tool_call_id}")]
    UnknownTicket { run_id: RunId, tool_call_id: ToolCallId },
    #[error(
        "the ticket of tool call {tool_call_id} is closed: it was decided otherwise, or its run ended"
    )]
    TicketClosed { run_id: RunId, tool_call_id: ToolCallId },
    /// The claim is not the thread's current one: this attempt is over, and has written nothing.
    #[error("claim {claim} is stale: {command} changed nothing")]
    StaleClaim { claim: Claim, command: &'static str },
    /// A run executes; asked again once it has ended, the command may succeed.
    #[error("the thread has an active run, {run_id}: wait for its end, or cancel it")]
    ActiveRun { run_id: RunId, dispatch_id: DispatchId },
    #[error("the thread has work: {queued} queued, {}", if *.executing { "one executing" } else { "none executing" })]
    ThreadBusy { queued: u64, executing: bool },
    #[error("dispatch {dispatch_id} is {state}: {command} does not apply to it")]
    IllegalDispatch { dispatch_id: DispatchId, state: DispatchState, command: &'static str },
    #[error("dispatch {dispatch_id} is claimed but has not begun: begin it before {command}")]
    NotBegun { dispatch_id: DispatchId, command: &'static str },
    #[error("run {run_id} is {state}: {command} does not apply to it")]
    IllegalRun { run_id: RunId, state: RunState, command: &'static str },
    #[error("run {run_id} is not active: it neither executes nor waits")]
    RunNotActive { run_id: RunId },
    #[error("run {run_id} belongs to another thread")]
    RunElsewhere { run_id: RunId },
    #[error("the thread's current run is {}, not {expected}", .actual.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string))]
    UnexpectedRun { expected: RunId, actual: Option<RunId> },
    #[error("thread {thread_id} has nothing to cancel")]
    NothingToCancel { thread_id: ThreadId },
    #[error("dispatch {existing} is known already")]
    DuplicateDispatch { existing: DispatchId },
    #[error("the dedupe key is in use by dispatch {existing}")]
    DuplicateKey { existing: DispatchId },
    #[error("dead letter {dispatch_id} was requeued already, as {requeued_as}")]
    AlreadyRequeued { dispatch_id: DispatchId, requeued_as: DispatchId },
    #[error("message {message_id} has been read already")]
    AlreadyConsumed { message_id: MessageId },
    #[error("the order would let a message overtake the barrier {barrier}")]
    BarrierOvertaken { barrier: MessageId },
    #[error("the thread has {queued} queued dispatches, and {limit} are allowed: try again later")]
    QueueFull { queued: u64, limit: u64 },
    #[error("the thread has {pending} pending messages, and {limit} are allowed: try again later")]
    PendingFull { pending: u64, limit: u64 },
    #[error(
        "run {run_id} has its end to report: cancel it if it waits, and try again once it is reported"
    )]
    ReportOwed { run_id: RunId },
    #[error("the events up to {purged} were purged: begin after them")]
    EventsPurged { purged: u64 },
    #[error("{reason}")]
    Invalid { reason: &'static str },
}

impl Refusal {
    /// A stable word for programs; the API's `code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownThread { .. } => "unknown_thread",
            Self::ThreadExists { .. } => "thread_exists",
            Self::UnknownRun { .. } => "unknown_run",
            Self::UnknownDispatch { .. } => "unknown_dispatch",
            Self::UnknownMessage { .. } => "unknown_message",
            Self::UnknownTicket { .. } => "unknown_ticket",
            Self::TicketClosed { .. } => "ticket_closed",
            Self::StaleClaim { .. } => "stale_claim",
            Self::ActiveRun { .. } => "active_run",
            Self::ThreadBusy { .. } => "thread_busy",
            Self::IllegalDispatch { .. } => "illegal_dispatch_state",
            Self::NotBegun { .. } => "not_begun",
            Self::IllegalRun { .. } => "illegal_run_state",
            Self::RunNotActive { .. } => "run_not_active",
            Self::RunElsewhere { .. } => "run_belongs_to_another_thread",
            Self::UnexpectedRun { .. } => "unexpected_run",
            Self::NothingToCancel { .. } => "nothing_to_cancel",
            Self::DuplicateDispatch { .. } => "duplicate_dispatch",
            Self::DuplicateKey { .. } => "duplicate_key",
            Self::AlreadyRequeued { .. } => "already_requeued",
            Self::AlreadyConsumed { .. } => "already_consumed",
            Self::BarrierOvertaken { .. } => "barrier_overtaken",
            Self::QueueFull { .. } => "queue_full",
            Self::PendingFull { .. } => "pending_full",
            Self::ReportOwed { .. } => "report_owed",
            Self::EventsPurged { .. } => "events_purged",
            Self::Invalid { .. } => "invalid",
        }
    }
}

/// Why a store did not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The mailbox refused; nothing was written.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store can't be reached or can't write just now. Nothing was written; try again.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What it said.
        reason: String,
    },
    /// The answer was lost: the command was carried out whole, or not at all. Read before retrying
    /// what is not idempotent.
    #[error("the store's answer was lost: {reason}")]
    OutcomeUnknown {
        /// What happened.
        reason: String,
    },
    /// What the store holds contradicts itself, or is not what this version wrote.
    #[error("the store is damaged: {reason}")]
    Corrupt {
        /// What was found, and what to do.
        reason: String,
    },
}

impl StoreError {
    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether asking again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::OutcomeUnknown { .. })
    }
}
