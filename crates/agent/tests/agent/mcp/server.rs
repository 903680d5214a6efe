//! An MCP server for the tests, over standard input and output or over HTTP.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ServerHandler, ServiceExt};
use serde_json::{Value, json};

/// Names the file in which the server notes what it does. Set, this test program is a server.
pub const LEDGER: &str = "POSTROOM_TEST_MCP_LEDGER";

/// The test that is a server when [`LEDGER`] is set.
pub const AS_A_PROCESS: &str = "mcp::server::as_a_process";

#[derive(Clone)]
pub struct TestServer {
    pub ledger: PathBuf,
    grown: Arc<AtomicBool>,
}

impl TestServer {
    pub fn new(ledger: PathBuf) -> Self {
        Self { ledger, grown: Arc::default() }
    }

    fn note(&self, line: &str) {
        let mut ledger = OpenOptions::new().create(true).append(true).open(&self.ledger).unwrap();
        writeln!(ledger, "{line}").unwrap();
    }

    fn noted(&self, line: &str) -> usize {
        let ledger = std::fs::read_to_string(&self.ledger).unwrap_or_default();
        ledger.lines().filter(|noted| *noted == line).count()
    }
}

#[test]
fn as_a_process() {
    let Some(ledger) = std::env::var_os(LEDGER) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = TestServer::new(ledger.into());
    server.note("started");
    eprintln!("this goes to the log");
    runtime.block_on(async {
        let running = server.clone().serve(rmcp::transport::stdio()).await.unwrap();
        running.waiting().await.unwrap();
    });
    server.note("ended");
    std::process::exit(0);
}

fn tool(name: &str, annotations: &Value) -> Tool {
    let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}});
    serde_json::from_value(json!({
        "name": name,
        "description": format!("Does {name}."),
        "inputSchema": schema,
        "annotations": annotations,
    }))
    .unwrap()
}

impl ServerHandler for TestServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build(),
        )
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.note("listed");
        let names = [
            "echo", "meta", "progress", "slow", "fail", "grow", "noise", "blocks", "env", "header",
            "refuse",
        ];
        let mut tools: Vec<Tool> = names.iter().map(|name| tool(name, &json!({}))).collect();
        tools.push(tool("crash", &json!({"idempotentHint": false})));
        tools.push(tool("crash_once", &json!({"idempotentHint": true})));
        if self.grown.load(Ordering::SeqCst) {
            tools.push(tool("grown", &json!({"readOnlyHint": true})));
        }
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.note(&request.name);
        let text = |text: &str| Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into());
        match request.name.as_ref() {
            "echo" => {
                let said = request.arguments.and_then(|mut arguments| arguments.remove("text"));
                text(said.unwrap_or_default().as_str().unwrap_or("nothing"))
            }
            "meta" => {
                let meta = serde_json::to_value(&context.meta).unwrap();
                Ok(CallToolResult::structured(meta).into())
            }
            "progress" => {
                let token = context.meta.get_progress_token().unwrap();
                for (done, message) in [(1.0, Some("one")), (2.0, None)] {
                    let mut notice =
                        ProgressNotificationParam::new(token.clone(), done).with_total(3.0);
                    notice.message = message.map(str::to_owned);
                    context.peer.notify_progress(notice).await.unwrap();
                }
                text("done")
            }
            "slow" => {
                context.ct.cancelled().await;
                self.note("cancelled");
                text("too late")
            }
            "crash" => std::process::exit(1),
            "crash_once" if self.noted("crash_once") == 1 => std::process::exit(1),
            "crash_once" => text("the second time"),
            "fail" => {
                Ok(CallToolResult::error(vec![ContentBlock::text("the disk is full")]).into())
            }
            "refuse" => Err(ErrorData::invalid_params("not like this", None)),
            "grow" => {
                self.grown.store(true, Ordering::SeqCst);
                context.peer.notify_tool_list_changed().await.unwrap();
                text("grown")
            }
            "noise" => {
                println!("this is no JSON");
                println!("{{\"neither\": \"is this what it should be\"}}");
                text("after the noise")
            }
            "blocks" => Ok(CallToolResult::success(vec![
                ContentBlock::text("a picture"),
                ContentBlock::image("AAAAAAAA", "image/png"),
                ContentBlock::embedded_text("note://1", "remember"),
            ])
            .into()),
            "env" => {
                let env: HashMap<String, String> = std::env::vars().collect();
                Ok(CallToolResult::structured(json!(env)).into())
            }
            "header" => {
                let request = context.extensions.get::<axum::http::request::Parts>().unwrap();
                text(request.headers["x-key"].to_str().unwrap())
            }
            other => panic!("there is no tool {other}"),
        }
    }
}
