//! What an execution writes: its steps, and how its delivery ends.

use std::sync::Arc;
use std::time::Duration;

use super::submit::ClaimRequest;
use crate::dispatch::Claim;
use crate::event::EventBody;
use crate::id::TaskId;
use crate::message::NewMessage;
use crate::run::{AgentState, Termination, Usage, WaitReason};
use crate::ticket::{Decision, Ticket};

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
    /// Decisions that stand where nobody has given one in time: each closes its ticket if that is
    /// still open.
    pub by_default: Vec<Decision>,
    /// The run waits for these tickets, in memory, its claim held.
    pub suspend: Option<Suspend>,
    /// The run goes on after it was suspended.
    pub resume: bool,
    /// The run is about to start runs that report to it as tasks: once it has ended, those that are
    /// not done are cancelled. To be committed before the first of them is submitted.
    pub has_children: bool,
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
    pub output: Option<Arc<str>>,
    /// What went wrong, for people.
    pub error: Option<Arc<str>>,
}

impl RunResult {
    /// A natural end with `output`.
    pub fn natural_end(output: Option<String>) -> Self {
        Self { termination: Termination::NaturalEnd, output: output.map(Into::into), error: None }
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
