//! Tickets: tool calls that wait for a person's or a system's decision.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{DecisionId, ToolCallId};

/// A tool call that waits for a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// The tool call it stands for.
    pub tool_call_id: ToolCallId,
    /// The tool.
    pub tool_name: String,
    /// The call's arguments.
    pub arguments: Value,
    /// What the person is asked.
    pub message: String,
    /// Whether it is decided.
    #[serde(flatten)]
    pub state: TicketState,
}

/// Where a ticket is in its life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TicketState {
    /// Waits for a decision.
    Open,
    /// Was decided.
    Decided {
        /// How.
        decision: Box<Decision>,
        /// Whether the run was executing then, suspended in memory.
        live: bool,
    },
    /// Its run ended before it was decided.
    Cancelled,
}

impl Ticket {
    /// An open ticket.
    pub fn open(
        tool_call_id: ToolCallId,
        tool_name: String,
        arguments: Value,
        message: String,
    ) -> Self {
        Self { tool_call_id, tool_name, arguments, message, state: TicketState::Open }
    }

    /// Whether it still waits.
    pub fn is_open(&self) -> bool {
        self.state == TicketState::Open
    }

    /// The decision, if there is one.
    pub fn decision(&self) -> Option<&Decision> {
        match &self.state {
            TicketState::Decided { decision, .. } => Some(decision),
            _ => None,
        }
    }
}

/// What shall become of a waiting tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DecisionAction {
    /// Go on: call the tool, or take the given result for its answer.
    Resume,
    /// Don't call it.
    Cancel,
}

/// A decision, bound to its ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Names the decision, so that sending it again is known for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<DecisionId>,
    /// The ticket's tool call.
    pub tool_call_id: ToolCallId,
    /// Go on, or not.
    pub action: DecisionAction,
    /// The answer to take for the tool's, if not null.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub result: Value,
    /// Call the tool with these arguments in place of the model's, if not null.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub arguments: Value,
    /// Why, for the model and the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Decision {
    /// `action` for the ticket of `tool_call_id`, nothing else said.
    pub fn new(tool_call_id: ToolCallId, action: DecisionAction) -> Self {
        Self {
            decision_id: None,
            tool_call_id,
            action,
            result: Value::Null,
            arguments: Value::Null,
            reason: None,
        }
    }

    /// Whether `other` is this decision sent again: the same id, or, where neither has one, the
    /// same content.
    pub fn is_repeated_by(&self, other: &Self) -> bool {
        match (&self.decision_id, &other.decision_id) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self == other,
            _ => false,
        }
    }
}
