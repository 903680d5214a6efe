//! Runs.

use std::sync::Arc;

use postroom_core::id::{AgentId, RunId, ThreadId, ToolCallId};
use postroom_core::message::Metadata;
use postroom_core::run::{Origin, Reason, Run, RunState, Termination, Usage, WaitReason};
use postroom_core::ticket::Ticket;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::time::{Moment, moment};

/// A run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RunView {
    run_id: RunId,
    thread_id: ThreadId,
    agent_id: AgentId,
    agent_version: Option<String>,
    parent_run_id: Option<RunId>,
    origin: Origin,
    status: RunState,
    waiting: Option<WaitingView>,
    termination: Option<TerminationView>,
    output: Option<Arc<str>>,
    error: Option<Arc<str>>,
    usage: Usage,
    steps: u32,
    attempt: u32,
    metadata: Metadata,
    created_at: Moment,
    started_at: Option<Moment>,
    finished_at: Option<Moment>,
}

/// The run as JSON, as the API shows it.
pub fn shown(run: &Run) -> Value {
    // Its fields are all of JSON's own kinds: nothing in it can fail.
    serde_json::to_value(RunView::from(run.clone())).unwrap_or_default()
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct WaitingView {
    reason: WaitReason,
    /// Those that still want a decision.
    tickets: Vec<TicketView>,
}

/// A tool call that waits for a decision.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TicketView {
    tool_call_id: ToolCallId,
    tool_name: String,
    arguments: Value,
    message: String,
}

impl From<&Ticket> for TicketView {
    fn from(ticket: &Ticket) -> Self {
        Self {
            tool_call_id: ticket.tool_call_id.clone(),
            tool_name: ticket.tool_name.clone(),
            arguments: ticket.arguments.clone(),
            message: ticket.message.clone(),
        }
    }
}

/// As [`Termination`], but every kind has every field, so that clients need not ask which are there.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct TerminationView {
    r#type: &'static str,
    code: Option<String>,
    message: Option<String>,
}

impl From<&Termination> for TerminationView {
    fn from(termination: &Termination) -> Self {
        let reason = termination.reason().cloned();
        let (code, message) = reason.map(|Reason { code, message }| (code, message)).unzip();
        Self { r#type: termination.as_str(), code, message }
    }
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        let waiting = run.wait_reason().map(|reason| WaitingView {
            reason,
            tickets: run.tickets.iter().filter(|ticket| ticket.is_open()).map(Into::into).collect(),
        });
        Self {
            status: run.run_state(),
            waiting,
            termination: run.termination().map(Into::into),
            finished_at: run.finished_at().map(moment),
            metadata: run.spec.metadata.clone(),
            run_id: run.id,
            thread_id: run.thread_id,
            agent_id: run.agent_id,
            agent_version: run.agent_version,
            parent_run_id: run.parent_run_id,
            origin: run.origin,
            output: run.output,
            error: run.error,
            usage: run.usage,
            steps: run.steps,
            attempt: run.attempt,
            created_at: moment(run.created_at),
            started_at: run.started_at.map(moment),
        }
    }
}
