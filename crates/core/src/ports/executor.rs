//! Executors: what runs a run.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::command::{Activation, Committed, RunResult, Step, Submit, Submitted, Suspend, Wait};
use crate::error::StoreError;
use crate::event::EventBody;
use crate::id::{RunId, TaskId, ThreadId, ToolCallId};
use crate::message::{LogMessage, NewMessage};
use crate::ports::Span;
use crate::run::Run;
use crate::ticket::Decision;
use crate::time::Timestamp;

/// Runs runs. An implementation may be called for the same run again after a crash, with the
/// state that was last committed.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    /// Runs `activation` to an outcome. It is dropped where it stands when its claim is lost or its
    /// run is cancelled and it does not end by itself.
    async fn run(&self, activation: Activation, context: Arc<dyn RunContext>) -> RunOutcome;
}

/// How an execution ended.
#[derive(Debug, Clone)]
pub enum RunOutcome {
    /// The delivery is consumed: the run is done, well or not. `last` is committed with it.
    Completed {
        /// What was not committed yet.
        last: Box<Step>,
        /// How the run ended.
        result: RunResult,
    },
    /// The delivery is consumed: the run waits. `last` is committed with it.
    Waiting {
        /// What was not committed yet.
        last: Box<Step>,
        /// What for.
        wait: Wait,
    },
    /// Try again later: storage or inference failed for now.
    TransientError {
        /// What went wrong.
        error: String,
    },
    /// Trying again can't help: unknown agent, configuration or input that can't be resolved.
    PermanentError {
        /// Stable, for programs.
        code: String,
        /// What went wrong.
        error: String,
    },
}

impl RunOutcome {
    /// A natural end with `output`, nothing left to commit.
    pub fn natural_end(output: Option<String>) -> Self {
        Self::Completed { last: Box::default(), result: RunResult::natural_end(output) }
    }

    /// The end of a run that saw that it was cancelled.
    pub fn cancelled() -> Self {
        Self::Completed { last: Box::default(), result: RunResult::cancelled() }
    }
}

/// Why an execution shall stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// Somebody asked for it: end as `cancelled`.
    Requested,
    /// The claim is lost, or about to be: nothing can be written any more.
    LeaseLost,
    /// The node is going down and the drain time is over: the claim is handed back.
    Shutdown,
}

/// A call of the context failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ContextError {
    /// The claim is lost: nothing was written and nothing can be. Return at once.
    #[error("the claim of this execution is lost")]
    ClaimLost,
    /// The execution is asked to stop.
    #[error("the execution is cancelled")]
    Cancelled(CancelReason),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

/// A future that resolves when the execution shall stop.
pub type Cancel<'a> = Pin<Box<dyn Future<Output = CancelReason> + Send + 'a>>;

/// What an executor can do with its run. Everything it writes is fenced by its claim.
#[async_trait]
pub trait RunContext: Send + Sync + 'static {
    /// Shows an event. Deltas are gathered and stored together, before any later commit.
    async fn emit(&self, event: EventBody) -> Result<(), ContextError>;

    /// Writes a step, fenced, and answers the messages to take in at this boundary.
    async fn commit(&self, step: Step) -> Result<Committed, ContextError>;

    /// Resolves when the execution shall stop.
    fn cancelled(&self) -> Cancel<'_>;

    /// Whether the execution shall stop.
    fn is_cancelled(&self) -> Option<CancelReason>;

    /// Waits in memory for tickets, its claim held under a long lease; writes `step` with it.
    /// Answers the decisions when all of the run's tickets are decided, and `None` if they are not
    /// within `patience`: the run then still waits, and the execution shall end as
    /// [`RunOutcome::Waiting`].
    async fn suspend(
        &self,
        step: Step,
        suspend: Suspend,
        patience: Duration,
    ) -> Result<Option<Vec<Decision>>, ContextError>;

    /// The decision on a ticket of this run, if there is one.
    async fn decision(&self, tool_call_id: &ToolCallId) -> Result<Option<Decision>, ContextError>;

    /// The attempt's span, for what is done in it.
    fn span(&self) -> Span {
        Span::NONE
    }

    /// Any run, as it stands in the store.
    async fn find_run(&self, id: &RunId) -> Result<Option<Run>, ContextError>;

    /// Submits to a thread, as anybody could from outside: durable when it answers, and carried
    /// through even if the call is dropped. It is not fenced: with ids that this run's own repetition
    /// gives again, it happens once.
    async fn submit(&self, thread_id: ThreadId, submit: Submit) -> Result<Submitted, ContextError>;

    /// The store's time, which all nodes agree on.
    async fn now(&self) -> Result<Timestamp, ContextError>;

    /// The thread's messages for a prompt, in order: those of earlier runs that were not rolled
    /// back, then those of this run. Messages of runs that have not started are left out.
    async fn prompt(&self) -> Result<Vec<LogMessage>, ContextError>;

    /// Starts a task that may outlive the run. When it ends, its message (internal) wakes the
    /// thread; a run that waits for it goes on.
    async fn spawn_background(
        &self,
        task: Pin<Box<dyn Future<Output = Option<NewMessage>> + Send>>,
    ) -> TaskId;
}
