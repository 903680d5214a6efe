//! An MCP server over standard input and output that reads the files of one folder:
//! `files_server FOLDER`. The example `mcp` can be run with it where there is no other.

use std::path::{Path, PathBuf};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ServerHandler, ServiceExt};
use serde_json::json;

struct Files(PathBuf);

impl ServerHandler for Files {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tool = json!({
            "name": "read_text_file",
            "description": "Reads a text file.",
            "inputSchema": {
                "type": "object",
                "properties": {"path": {"type": "string"}},
                "required": ["path"],
            },
        });
        let tool = serde_json::from_value(tool);
        let tool = tool.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(ListToolsResult::with_all_items(vec![tool]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let path = request.arguments.as_ref().and_then(|arguments| arguments.get("path")?.as_str());
        let read = path.and_then(|path| inside(&self.0, path)).map(std::fs::read_to_string);
        Ok(match read {
            Some(Ok(text)) => CallToolResult::success(vec![ContentBlock::text(text)]),
            _ => CallToolResult::error(vec![ContentBlock::text("there is no such file here")]),
        }
        .into())
    }
}

/// The path, if it is of a file in the folder.
fn inside(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = folder.join(path).canonicalize().ok()?;
    path.starts_with(folder.canonicalize().ok()?).then_some(path)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: files_server FOLDER")?;
    let running = Files(folder.into()).serve(rmcp::transport::stdio()).await?;
    running.waiting().await?;
    Ok(())
}
