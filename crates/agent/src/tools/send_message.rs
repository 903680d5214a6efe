//! Sends a message to another thread.

use async_trait::async_trait;
use postroom_core::command::{Mode, Submit};
use postroom_core::id::{AgentId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::run::Origin;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sender::{derived, sender};
use crate::tool::{Tool, ToolContext, ToolError, read_arguments};

/// The `send_message` tool: a durable message to another thread, where it becomes a run. The same
/// call made again after a crash sends it once.
pub struct SendMessage;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    thread_id: String,
    text: String,
    agent: Option<String>,
}

#[async_trait]
impl Tool for SendMessage {
    fn name(&self) -> &'static str {
        "send_message"
    }

    fn description(&self) -> &'static str {
        "Sends a message to another conversation. Its agent will read it and act on it; no answer \
         comes back here."
    }

    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "thread_id": {"type": "string", "description": "The conversation's id."},
                "text": {"type": "string", "description": "What to say."},
                "agent": {
                    "type": "string",
                    "description": "The agent that shall read it. Left out: that conversation's own.",
                },
            },
            "required": ["thread_id", "text"],
            "additionalProperties": false,
        })
    }

    async fn call(&self, arguments: Value, context: ToolContext) -> Result<Value, ToolError> {
        let arguments: Arguments = read_arguments(arguments)?;
        let wrong = |error: &dyn ToString| ToolError::InvalidArguments(error.to_string());
        let to = ThreadId::parse(&arguments.thread_id).map_err(|error| wrong(&error))?;
        let agent_id = arguments.agent.as_deref().map(AgentId::parse).transpose();
        let agent_id = agent_id.map_err(|error| wrong(&error))?;
        if to == context.thread_id {
            return Err(wrong(&"that is this conversation: just say it"));
        }
        let message = NewMessage {
            id: Some(derived("message", &context.run_id, &context.call_id).into()),
            metadata: sender(&context.agent_id, &context.thread_id, &context.run_id),
            ..NewMessage::user(&arguments.text)
        };
        let submit =
            Submit { agent_id, origin: Origin::A2a, ..Submit::new(Mode::Enqueue, vec![message]) };
        let sent = context.run.submit(to, submit).await;
        let sent = sent.map_err(|error| ToolError::Failed(format!("it was not sent: {error}")))?;
        Ok(json!({"sent": true, "thread_id": sent.thread_id, "run_id": sent.run_id}))
    }
}
