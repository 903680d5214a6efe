//! Events: what happened, in order, gapless per thread, replayable. The set of types is closed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{AgentId, DispatchId, Epoch, MessageId, RunId, ThreadId, ToolCallId};
use crate::message::Role;
use crate::pending::Boundary;
use crate::run::{Termination, Usage, WaitReason};
use crate::ticket::Decision;
use crate::time::Timestamp;

/// One thing that happened in a thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place among the thread's events: 1, 2, 3 … without a gap.
    pub seq: u64,
    /// The thread.
    pub thread_id: ThreadId,
    /// The run it is about, if it is about one.
    pub run_id: Option<RunId>,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened, with the data of each type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the nouns they are named after")]
pub enum EventBody {
    /// A dispatch of the run was queued.
    RunQueued {
        dispatch_id: DispatchId,
        agent_id: AgentId,
        epoch: Epoch,
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::time::shown"))]
        available_at: Timestamp,
    },
    /// An executor has started the run; `attempt` counts from 1.
    RunStarted { dispatch_id: DispatchId, attempt: u32 },
    /// The run gave up its executor, or holds it while it waits (`live`).
    RunWaiting { reason: WaitReason, tickets: Vec<ToolCallId>, live: bool },
    /// A run that waited goes on.
    RunResumed { dispatch_id: DispatchId },
    /// The thread was interrupted: all that was queued below `epoch` is superseded.
    RunInterrupted { epoch: Epoch, superseded: u64 },
    /// The run ended; nothing of this run follows.
    RunFinished {
        termination: Termination,
        output: Option<Arc<str>>,
        error: Option<Arc<str>>,
        usage: Usage,
        steps: u32,
    },
    /// The attempt died: drop what it has shown but not committed. `attempt` counts from 1.
    AttemptReset { dispatch_id: DispatchId, attempt: u32 },
    /// The dispatch is queued again.
    DispatchRetried {
        dispatch_id: DispatchId,
        attempt_count: u32,
        #[cfg_attr(feature = "schema", schemars(schema_with = "crate::time::shown"))]
        available_at: Timestamp,
        error: Option<String>,
    },
    /// The dispatch was given up.
    DispatchDeadLettered { dispatch_id: DispatchId, attempt_count: u32, error: String },
    /// A message is in the log.
    MessageCommitted { message_seq: u64, message_id: MessageId, role: Role },
    /// A message waits to be read: new, edited or moved.
    MessagePending { message_id: MessageId, position: u64, boundary: Boundary },
    /// A pending message was taken back.
    MessageRetracted { message_id: MessageId },
    /// A step of the agent began.
    StepStarted { step: u32 },
    /// A step of the agent is committed.
    StepFinished { step: u32 },
    /// The model wrote text.
    TextDelta { text: String },
    /// The model thought aloud.
    ReasoningDelta { text: String },
    /// The model began a tool call.
    ToolCallStarted { tool_call_id: ToolCallId, tool_name: String },
    /// The model wrote more of a tool call's arguments.
    ToolCallArgumentsDelta { tool_call_id: ToolCallId, delta: String },
    /// The tool call is complete.
    ToolCallReady { tool_call_id: ToolCallId, tool_name: String, arguments: Value },
    /// The tool wrote some of its output.
    ToolCallOutputDelta { tool_call_id: ToolCallId, delta: String },
    /// The tool is done.
    ToolCallFinished { tool_call_id: ToolCallId, output: Value, is_error: bool },
    /// A waiting tool call was decided.
    ToolCallResumed { tool_call_id: ToolCallId, decision: Box<Decision> },
    /// A model has answered.
    InferenceFinished { model: String, usage: Usage, duration_ms: u64 },
    /// The agent's state, or a part of it, changed.
    StateChanged { state: Value },
    /// Something failed that did not end the run.
    Error { code: String, message: String },
}

impl EventBody {
    /// The word for the type, as on the wire: one of a closed set, without line breaks.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::RunQueued { .. } => "run_queued",
            Self::RunStarted { .. } => "run_started",
            Self::RunWaiting { .. } => "run_waiting",
            Self::RunResumed { .. } => "run_resumed",
            Self::RunInterrupted { .. } => "run_interrupted",
            Self::RunFinished { .. } => "run_finished",
            Self::AttemptReset { .. } => "attempt_reset",
            Self::DispatchRetried { .. } => "dispatch_retried",
            Self::DispatchDeadLettered { .. } => "dispatch_dead_lettered",
            Self::MessageCommitted { .. } => "message_committed",
            Self::MessagePending { .. } => "message_pending",
            Self::MessageRetracted { .. } => "message_retracted",
            Self::StepStarted { .. } => "step_started",
            Self::StepFinished { .. } => "step_finished",
            Self::TextDelta { .. } => "text_delta",
            Self::ReasoningDelta { .. } => "reasoning_delta",
            Self::ToolCallStarted { .. } => "tool_call_started",
            Self::ToolCallArgumentsDelta { .. } => "tool_call_arguments_delta",
            Self::ToolCallReady { .. } => "tool_call_ready",
            Self::ToolCallOutputDelta { .. } => "tool_call_output_delta",
            Self::ToolCallFinished { .. } => "tool_call_finished",
            Self::ToolCallResumed { .. } => "tool_call_resumed",
            Self::InferenceFinished { .. } => "inference_finished",
            Self::StateChanged { .. } => "state_changed",
            Self::Error { .. } => "error",
        }
    }

    /// Whether it is a part of something that is still being written: many of them come, quickly.
    pub fn is_delta(&self) -> bool {
        matches!(
            self,
            Self::TextDelta { .. }
                | Self::ReasoningDelta { .. }
                | Self::ToolCallArgumentsDelta { .. }
                | Self::ToolCallOutputDelta { .. }
        )
    }

    /// The event's data as JSON text, for a store's column; [`EventBody::from_parts`] reads it.
    ///
    /// # Errors
    /// Where a value in it has no JSON form.
    pub fn data_json(&self) -> Result<String, serde_json::Error> {
        // The whole is `{"type":"…","data":…}`, in that order and without spaces; cutting the frame off
        // is a third of the cost of parsing it again.
        let mut json = serde_json::to_string(self)?;
        let frame = r#"{"type":"","data":"#.len() + self.type_name().len();
        json.pop();
        json.drain(..frame);
        Ok(json)
    }

    /// The event of a type's name and its data as JSON text.
    ///
    /// # Errors
    /// Where the type is unknown or the data is not of its form.
    pub fn from_parts(type_name: &str, data_json: &str) -> Result<Self, serde_json::Error> {
        let type_json = serde_json::to_string(type_name)?;
        serde_json::from_str(&format!(r#"{{"type":{type_json},"data":{data_json}}}"#))
    }
}

/// An event as it is shared by the log, the hub and every subscriber.
pub type SharedEvent = Arc<Event>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_what_stands_in_the_frame() {
        let body = EventBody::TextDelta { text: "a \"quoted\" word".to_owned() };
        let data = body.data_json().unwrap();
        assert_eq!(data, r#"{"text":"a \"quoted\" word"}"#);
        assert_eq!(EventBody::from_parts(body.type_name(), &data).unwrap(), body);
    }
}
