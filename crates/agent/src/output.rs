//! The answers of tool calls that no tool gave, and the messages that carry answers.

use postroom_core::message::{Block, Content, Metadata, NewMessage, Role, ToolCall};
use postroom_core::ticket::Decision;
use serde_json::{Value, json};

use crate::invoke::Output;
use crate::prompt::STEP;

impl Output {
    pub(crate) fn well(value: Value) -> Self {
        Self { value, is_error: false }
    }

    /// What the model is told of a call that a person did not allow.
    pub(crate) fn denied(decision: &Decision) -> Self {
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
