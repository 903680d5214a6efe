//! Events as the API sends them.

use serde::Deserialize;
use serde_json::Value;

/// One event. What this version does not know of is kept as it is.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its place in its thread.
    pub seq: u64,
    /// The event as it came.
    pub json: Value,
    /// What happened, as far as the commands care.
    pub body: EventBody,
}

/// What happened, as far as the commands care; the API describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum EventBody {
    RunWaiting {
        reason: String,
    },
    RunFinished {
        termination: Value,
        output: Option<String>,
        error: Option<String>,
    },
    AttemptReset {},
    DispatchRetried {
        error: Option<String>,
    },
    MessageCommitted {
        message_id: String,
    },
    MessagePending {
        message_id: String,
    },
    StepFinished {},
    TextDelta {
        text: String,
    },
    ReasoningDelta {
        text: String,
    },
    ToolCallReady {
        tool_name: String,
        #[serde(default)]
        arguments: Value,
    },
    ToolCallFinished {
        #[serde(default)]
        output: Value,
        #[serde(default)]
        is_error: bool,
    },
    ToolCallResumed {
        tool_call_id: String,
    },
    /// Anything else, also what later versions add.
    #[serde(skip)]
    Other,
}

impl Event {
    /// Reads an event's JSON; `None` where it is not one.
    pub fn read(text: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(text).ok()?;
        let seq = json.get("seq")?.as_u64()?;
        let body = EventBody::deserialize(&json).unwrap_or(EventBody::Other);
        Some(Self { seq, json, body })
    }

    /// A text in the event, such as its `type`.
    pub fn text(&self, key: &str) -> &str {
        self.json.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}
