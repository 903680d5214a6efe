//! What the server works with and does not own: a model's provider, an MCP server, and the ledger that
//! both keep; and the directory that the server lives in.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::routing::post;
use axum::{Json, Router};
use futures::{Stream, stream};
use parking_lot::Mutex;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{ErrorData as Refused, ServerHandler};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::Home;

/// A call of the tool, as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub what: String,
    pub id: String,
    pub fence: u64,
}

/// What was asked of the provider and of the tool, in order.
#[derive(Debug, Default)]
pub struct Ledger {
    /// For each inference, how many answers the conversation had before it.
    pub asked: Vec<usize>,
    pub called: Vec<Call>,
}

/// What the provider and the tool share.
#[derive(Clone)]
pub struct Desk {
    ledger: Arc<Mutex<Ledger>>,
    /// Whether the work in the background may come to its end: it shall outlive the run that began it.
    may_end: watch::Sender<bool>,
}

impl Desk {
    fn new() -> Self {
        Self { ledger: Arc::default(), may_end: watch::channel(false).0 }
    }

    pub fn read<T>(&self, f: impl FnOnce(&Ledger) -> T) -> T {
        f(&self.ledger.lock())
    }

    /// The run that began the work in the background is over.
    pub fn let_end(&self) {
        self.may_end.send_replace(true);
    }
}

/// The directory, the ledger, and the task that serves both sides.
pub struct House {
    pub home: Home,
    pub desk: Desk,
    serving: JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl House {
    #[expect(clippy::disallowed_methods, reason = "a test's own server lives as long as the test")]
    pub async fn open() -> Self {
        let desk = Desk::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tool = Tool(desk.clone());
        let mcp = StreamableHttpService::new(
            move || Ok(tool.clone()),
            Arc::new(LocalSessionManager::default()),
            rmcp::transport::StreamableHttpServerConfig::default(),
        );
        let router = Router::new()
            .route("/v1/chat/completions", post(infer))
            .with_state(desk.clone())
            .nest_service("/mcp", mcp);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { home: Home::with_config(&config(&address.to_string())), desk, serving }
    }
}

fn config(address: &str) -> String {
    format!(
        r#"
[mailbox]
default_retry_delay_ms = 10

[models.planner]
provider = "openai"
model = "planner"
base_url = "http://{address}/v1"
api_key_env = "PLANNER_KEY"

[mcp.ledger]
url = "http://{address}/mcp"

[agents.default]
model = "planner"
tools = ["mcp:ledger/*", "start_background"]

[agents.default.approval]
patience_ms = 50

[[agents.default.rules]]
tool = "mcp:ledger/work"
arguments = {{ what = "c" }}
action = "ask"
"#
    )
}

/// A provider that plans: its answer depends on the conversation alone.
async fn infer(
    State(desk): State<Desk>,
    Json(request): Json<Value>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let messages = request["messages"].as_array().unwrap();
    let answers = messages.iter().filter(|message| message["role"] == "assistant").count();
    desk.ledger.lock().asked.push(answers);
    // A provider takes names of its own spelling.
    let tools = request["tools"].as_array().unwrap();
    let names = tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap());
    let name = |part: &str| names.clone().find(|name| name.contains(part)).unwrap().to_owned();
    let work = |what: &str| (what.to_owned(), name("work"), json!({"what": what}));
    let dig = json!({"tool": "mcp:ledger/work", "arguments": {"what": "dig"}});
    let calls = match answers {
        0 => vec![work("a"), work("b")],
        1 => vec![work("c"), ("bg".to_owned(), name("background"), dig)],
        _ => Vec::new(),
    };
    let delta = if calls.is_empty() {
        json!({"role": "assistant", "content": format!("Answer {answers}.")})
    } else {
        let calls = calls.iter().enumerate().map(|(index, (id, name, arguments))| {
            json!({"index": index, "id": id, "type": "function",
                "function": {"name": name, "arguments": arguments.to_string()}})
        });
        json!({"role": "assistant", "content": null, "tool_calls": calls.collect::<Vec<_>>()})
    };
    let reason = if calls.is_empty() { "stop" } else { "tool_calls" };
    let chunk = |delta: Value, reason: Option<&str>| {
        json!({"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "planner",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
        .to_string()
    };
    let frames = [chunk(delta, None), chunk(json!({}), Some(reason)), "[DONE]".to_owned()];
    Sse::new(stream::iter(frames.map(|frame| Ok(Event::default().data(frame)))))
}

/// An MCP server with one tool.
#[derive(Clone)]
struct Tool(Desk);

impl ServerHandler for Tool {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tool = json!({
            "name": "work",
            "description": "Works.",
            "inputSchema": {
                "type": "object",
                "properties": {"what": {"type": "string"}},
                "required": ["what"],
            },
            // Made again after a crash without asking anybody.
            "annotations": {"idempotentHint": true},
        });
        let tool = serde_json::from_value(tool);
        let tool = tool.map_err(|error| Refused::internal_error(error.to_string(), None))?;
        Ok(ListToolsResult::with_all_items(vec![tool]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let what = request.arguments.unwrap_or_default()["what"].as_str().unwrap().to_owned();
        let meta = serde_json::to_value(&context.meta).unwrap();
        let id = meta["postroom/tool_call_id"].as_str().unwrap().to_owned();
        let fence = meta["postroom/fence"].as_u64().unwrap();
        let text = format!("did {what}");
        let is_background = what == "dig";
        self.0.ledger.lock().called.push(Call { what, id, fence });
        if is_background {
            let mut may_end = self.0.may_end.subscribe();
            may_end.wait_for(|may| *may).await.expect("the desk stays");
        }
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}
