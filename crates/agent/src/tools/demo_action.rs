//! Does nothing, but asks for a person's approval first.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::tool::{Tool, ToolContext, ToolError, read_arguments};

/// The `demo_action` tool: shows how an approval works. Every call waits for a person.
pub struct DemoAction;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    request: String,
}

#[async_trait]
impl Tool for DemoAction {
    fn name(&self) -> &'static str {
        "demo_action"
    }

    fn description(&self) -> &'static str {
        "A harmless action that a person must approve; for trying approvals out."
    }

    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "request": {"type": "string", "description": "What the person asked for."},
            },
            "required": ["request"],
            "additionalProperties": false,
        })
    }

    fn always_asks(&self) -> bool {
        true
    }

    async fn call(&self, arguments: Value, _context: ToolContext) -> Result<Value, ToolError> {
        let arguments: Arguments = read_arguments(arguments)?;
        Ok(json!({"done": true, "request": arguments.request}))
    }
}
