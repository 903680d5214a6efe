//! A server's tool, as a tool of ours.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rmcp::model;
use serde_json::Value;

use super::connection::CallError;
use super::content;
use super::server::Server;
use crate::tool::{Tool, ToolContext, ToolError, ToolLimits, read_arguments};

/// A tool of an MCP server.
pub(super) struct McpTool {
    server: Arc<Server>,
    /// `mcp:SERVER/TOOL`.
    name: String,
    tool: model::Tool,
}

impl McpTool {
    pub fn new(server: Arc<Server>, tool: model::Tool) -> Self {
        let name = format!("mcp:{}/{}", server.name(), tool.name);
        Self { server, name, tool }
    }

    /// Whether a call may be made twice, by what the server says.
    fn is_idempotent(&self) -> bool {
        self.tool.annotations.as_ref().is_some_and(|hints| {
            hints.read_only_hint == Some(true) || hints.idempotent_hint == Some(true)
        })
    }
}

#[async_trait]
impl Tool for McpTool {
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> &str {
        self.tool.description.as_deref().unwrap_or_default()
    }

    fn schema(&self) -> Value {
        Value::Object((*self.tool.input_schema).clone())
    }

    /// What a server says nothing of is repeated: the call's id and fence tell it that.
    fn repeatable(&self) -> bool {
        let says_no = |hints: &model::ToolAnnotations| {
            hints.idempotent_hint == Some(false) && hints.read_only_hint != Some(true)
        };
        !self.tool.annotations.as_ref().is_some_and(says_no)
    }

    fn limits(&self) -> ToolLimits {
        let time = Duration::from_millis(self.server.config().timeout_ms);
        ToolLimits { time: Some(time), output_bytes: None }
    }

    async fn call(&self, arguments: Value, context: ToolContext) -> Result<Value, ToolError> {
        let arguments: serde_json::Map<String, Value> = read_arguments(arguments)?;
        let mut once_more = self.is_idempotent();
        loop {
            let connection = self.server.connection().await;
            let connection = connection.map_err(|error| ToolError::Failed(error.to_string()))?;
            let error = match connection.call(&self.tool.name, arguments.clone(), &context).await {
                Ok(result) => {
                    self.server.answered().await;
                    return match result.is_error {
                        Some(true) => Err(ToolError::Failed(content::error(result))),
                        _ => Ok(content::value(result)),
                    };
                }
                Err(error) => error,
            };
            match error {
                CallError::Refused(reason) => return Err(ToolError::Failed(reason)),
                CallError::Cancelled => {
                    return Err(ToolError::Failed("the call was cancelled".to_owned()));
                }
                CallError::Lost(reason) => {
                    self.server.lost(&connection).await;
                    if !once_more {
                        return Err(ToolError::Failed(format!(
                            "MCP server `{}` was lost during the call ({reason}); what it did until then is not known",
                            self.server.name()
                        )));
                    }
                    once_more = false;
                }
            }
        }
    }
}
