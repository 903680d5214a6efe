//! What came of a tool call, as the model and the log get it.

use postroom_core::message::{Block, Content, Metadata, NewMessage, Role, ToolCall};
use postroom_core::ticket::Decision;
use serde_json::{Value, json};

use crate::prompt::STEP;

/// What came of a tool call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub value: Value,
    pub is_error: bool,
}

impl Output {
    pub fn well(value: Value) -> Self {
        Self { value, is_error: false }
    }

    pub fn failed(error: &str) -> Self {
        Self { value: json!({"error": error}), is_error: true }
    }

    /// What the model is told of a call that a person did not allow.
    pub fn denied(decision: &Decision) -> Self {
        let mut value = json!({"error": "a person did not allow this call", "denied": true});
        if let Some(reason) = &decision.reason {
            value["reason"] = reason.as_str().into();
        }
        Self { value, is_error: true }
    }
}

/// The message that answers `call`.
pub(crate) fn result_message(call: &ToolCall, output: Output, step: u32) -> NewMessage {
    let block = Block::ToolResult {
        tool_call_id: call.id.clone(),
        output: output.value,
        is_error: output.is_error,
    };
    let mut metadata = Metadata::new();
    metadata.insert(STEP.into(), step.into());
    NewMessage {
        content: Content::Blocks(vec![block]),
        metadata,
        ..NewMessage::text(Role::Tool, "")
    }
}
