//! Direct calls: runs that call one tool and end with its result, without a model.

use postroom_core::id::ToolCallId;
use postroom_core::message::ToolCall;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A call to make instead of asking a model: `overrides.call` of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DirectCall {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Value,
}

impl DirectCall {
    /// The overrides of a run that makes the call.
    pub fn as_overrides(&self) -> Value {
        json!({"call": self})
    }

    /// The call, under an id that is the same in every attempt.
    pub fn call(&self, id: ToolCallId) -> ToolCall {
        ToolCall { id, name: self.tool.clone(), arguments: self.arguments.clone() }
    }
}
