//! MCP servers: real ones, as a process and over HTTP.

mod server;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use postroom_agent::invoke::{CallLimits, Output, invoke};
use postroom_agent::mcp::{McpError, McpServers};
use postroom_agent::tool::ToolEntry;
use postroom_agent::{ConfigError, McpConfig};
use postroom_core::event::EventBody;
use postroom_core::message::ToolCall;
use postroom_core::ports::{Attribute, Beginning, CancelReason, OpenSpan, Span, Spawner};
use postroom_core::time::Timestamp;
use postroom_core::trace::TraceParent;
use rmcp::transport::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::server::{AS_A_PROCESS, LEDGER, TestServer};
use crate::fake::{Fake, env};
use crate::invoke::{call, context, error};

struct OnTokio;

impl Spawner for OnTokio {
    #[expect(clippy::disallowed_methods, reason = "the adapter that the others go through")]
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(task);
    }
}

/// Servers of a test, and the ledger of the one that is called `t`.
struct Servers {
    servers: McpServers,
    directory: TempDir,
}

fn config(value: Value) -> McpConfig {
    serde_json::from_value(value).unwrap()
}

fn checked(configs: Value, variables: &[(&str, &str)]) -> Result<McpServers, ConfigError> {
    let configs: BTreeMap<String, McpConfig> = serde_json::from_value(configs).unwrap();
    let spawner: Arc<dyn Spawner> = Arc::new(OnTokio);
    McpServers::new(configs, &env(variables), &spawner)
}

/// The test server as a process, and more of its configuration.
fn as_a_process(more: &Value) -> Servers {
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("ledger");
    let program = std::env::current_exe().unwrap();
    let mut t = json!({
        "command": [program, AS_A_PROCESS, "--exact", "--nocapture"],
        "env": {LEDGER: ledger, "GREETING": "hello"},
    });
    t.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let variables = [("PATH", "/usr/bin:/bin"), ("KEY", "canary"), ("OTHER_KEY", "secret")];
    let servers = checked(json!({"t": t}), &variables).unwrap();
    Servers { servers, directory }
}

impl Servers {
    fn ledger(&self) -> PathBuf {
        self.directory.path().join("ledger")
    }

    async fn tool(&self, name: &str) -> ToolEntry {
        let tools = self.servers.tools("t").await.unwrap();
        let name = format!("mcp:t/{name}");
        let tool = tools.into_iter().find(|tool| tool.name() == name);
        tool.unwrap_or_else(|| panic!("there is no {name}")).into()
    }

    async fn call(&self, name: &str, arguments: Value) -> Output {
        call(&Fake::new(&["go"]), &self.tool(name).await, arguments).await
    }

    fn noted(&self, line: &str) -> usize {
        let ledger = std::fs::read_to_string(self.ledger()).unwrap_or_default();
        ledger.lines().filter(|noted| *noted == line).count()
    }

    async fn until_noted(&self, line: &str) {
        let noted = async {
            while self.noted(line) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), noted).await.expect(line);
    }
}

fn deltas(fake: &Fake) -> Vec<String> {
    let delta = |event: &EventBody| match event {
        EventBody::ToolCallOutputDelta { delta, .. } => Some(delta.clone()),
        _ => None,
    };
    fake.events.lock().iter().filter_map(delta).collect()
}

#[tokio::test]
async fn a_servers_tools_are_called() {
    let servers = as_a_process(&json!({}));
    let echo = servers.tool("echo").await;
    assert_eq!(echo.description(), "Does echo.");
    assert_eq!(echo.schema()["properties"]["text"]["type"], "string");

    let output = servers.call("echo", json!({"text": "hello"})).await;
    assert_eq!(output, Output { value: json!("hello"), is_error: false });
    let output = servers.call("echo", json!({"text": 7})).await;
    assert!(error(&output).contains("text: 7 is not of type"), "{output:?}");

    let output = servers.call("fail", json!({})).await;
    assert_eq!(error(&output), "the disk is full");
    let output = servers.call("refuse", json!({})).await;
    assert!(error(&output).contains("not like this"));
    let output = servers.call("noise", json!({})).await;
    assert_eq!(output.value, "after the noise");
    let output = servers.call("blocks", json!({})).await;
    assert_eq!(
        output.value,
        json!([
            {"type": "text", "text": "a picture"},
            {"type": "image", "media_type": "image/png", "bytes": 6},
            {"type": "resource", "uri": "note://1", "media_type": "text/plain", "text": "remember"},
        ])
    );
    // One process, asked for its tools once.
    assert_eq!((servers.noted("started"), servers.noted("listed")), (1, 1));

    servers.servers.stop().await;
    assert_eq!(servers.noted("ended"), 1);
    let stopped = McpError::Stopped { server: "t".into() };
    assert_eq!(servers.servers.tools("t").await.err(), Some(stopped));
}

#[tokio::test]
async fn a_call_says_who_makes_it() {
    let servers = as_a_process(&json!({}));
    let meta = servers.call("meta", json!({})).await.value;
    assert_eq!(meta["postroom/tool_call_id"], "c1");
    assert_eq!(meta["postroom/fence"], crate::invoke::FENCE);
    assert_eq!(meta["postroom/run_id"], "run");
    assert_eq!(meta["postroom/thread_id"], "thread");
}

#[tokio::test]
async fn a_call_names_its_span() {
    let servers = as_a_process(&json!({}));
    assert!(servers.call("meta", json!({})).await.value.get("traceparent").is_none());
    let tool = servers.tool("meta").await;
    let place = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let span = Span::of(Arc::new(Placed(TraceParent::parse(place).unwrap())));
    let context = context(&Fake::new(&["go"])).within(span);
    let call = ToolCall {
        id: context.call_id.clone(),
        name: tool.name().to_owned(),
        arguments: json!({}),
    };
    let meta = invoke(&tool, &call, context, &CallLimits::default()).await.value;
    assert_eq!(meta["traceparent"], place);
}

/// A span that only has a place.
struct Placed(TraceParent);

impl OpenSpan for Placed {
    fn place(&self) -> TraceParent {
        self.0
    }

    fn begin(&self, _: Beginning) -> Span {
        Span::NONE
    }

    fn set(&self, _: &'static str, _: Attribute) {}

    fn fail(&self, _: &str) {}

    fn end(&self, _: Option<Timestamp>) {}
}

#[tokio::test]
async fn progress_is_shown() {
    let servers = as_a_process(&json!({}));
    let tool = servers.tool("progress").await;
    for _ in 0..3 {
        let fake = Fake::new(&["go"]);
        assert_eq!(call(&fake, &tool, json!({})).await.value, "done");
        let mut shown = deltas(&fake);
        shown.sort();
        assert_eq!(shown, ["2 of 3\n", "one\n"]);
    }
}

#[tokio::test]
async fn a_call_takes_no_longer_than_it_may_and_the_server_is_told() {
    let servers = as_a_process(&json!({"timeout_ms": 100}));
    let output = servers.call("slow", json!({})).await;
    assert!(error(&output).contains("within its time limit of 100 ms"));
    servers.until_noted("cancelled").await;
    assert_eq!(servers.call("echo", json!({"text": "hello"})).await.value, "hello");
    assert_eq!(servers.noted("started"), 1);
}

#[tokio::test]
async fn cancellation_is_passed_on() {
    let servers = as_a_process(&json!({}));
    let slow = servers.tool("slow").await;
    let fake = Fake::new(&["go"]);
    let cancels = async {
        servers.until_noted("slow").await;
        fake.cancel(CancelReason::Requested);
    };
    let (output, ()) = tokio::join!(call(&fake, &slow, json!({})), cancels);
    assert!(error(&output).contains("cancelled"));
    servers.until_noted("cancelled").await;

    // Also if the call is dropped where it stands.
    std::fs::write(servers.ledger(), "").unwrap();
    let fake = Fake::new(&["go"]);
    tokio::select! {
        biased;
        _ = call(&fake, &slow, json!({})) => panic!("it answered"),
        () = servers.until_noted("slow") => {}
    }
    servers.until_noted("cancelled").await;
}

#[tokio::test]
async fn a_server_that_dies_is_started_again() {
    let servers = as_a_process(&json!({}));
    let (crash, echo) = (servers.tool("crash").await, servers.tool("echo").await);
    assert!(echo.repeatable() && !crash.repeatable());
    let fake = Fake::new(&["go"]);
    let output = call(&fake, &crash, json!({})).await;
    assert!(error(&output).contains("was lost during the call"), "{output:?}");
    // A tool that was handed out before the crash finds the new server.
    assert_eq!(call(&fake, &echo, json!({"text": "again"})).await.value, "again");
    assert_eq!((servers.noted("started"), servers.noted("crash")), (2, 1));

    // A call that may be made twice is made again at once.
    let output = servers.call("crash_once", json!({})).await;
    assert_eq!(output.value, "the second time");
    assert_eq!((servers.noted("started"), servers.noted("crash_once")), (3, 2));
}

#[tokio::test]
async fn new_tools_are_seen() {
    let servers = as_a_process(&json!({}));
    let names = async || {
        let tools = servers.servers.tools("t").await.unwrap();
        tools.iter().map(|tool| tool.name().to_owned()).collect::<Vec<_>>()
    };
    assert!(!names().await.contains(&"mcp:t/grown".to_owned()));
    servers.call("grow", json!({})).await;
    let seen = async {
        while !names().await.contains(&"mcp:t/grown".to_owned()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen).await.unwrap();
    assert_eq!(servers.noted("listed"), 2);
}

#[tokio::test]
async fn a_server_gets_the_environment_that_is_meant_for_it() {
    let servers = as_a_process(&json!({"inherit_env": ["KEY"]}));
    let env = servers.call("env", json!({})).await.value;
    let env = env.as_object().unwrap();
    assert_eq!(env["KEY"], "canary");
    assert_eq!(env["GREETING"], "hello");
    assert!(env.contains_key("PATH"));
    assert!(!env.contains_key("OTHER_KEY") && !env.contains_key("CARGO_PKG_NAME"));

    let config = config(json!({"command": ["x"], "env": {"TOKEN": "canary"}}));
    assert!(!format!("{config:?}").contains("canary"));
}

#[tokio::test]
async fn a_server_that_does_not_start_is_not_tried_all_the_time() {
    let missing = json!({"t": {"command": ["/nowhere/at-all"]}});
    let servers = checked(missing, &[]).unwrap();
    let start = |error: Option<McpError>| match error {
        Some(McpError::Start { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(start(servers.tools("t").await.err()).contains("/nowhere/at-all"));
    start(servers.tools("t").await.err());
    let error = servers.tools("t").await.err().unwrap();
    assert!(matches!(error, McpError::Waiting { wait, .. } if wait <= Duration::from_millis(500)));
    assert!(error.to_string().contains("/nowhere/at-all"));
    let unknown = McpError::Unknown { server: "u".into() };
    assert_eq!(servers.tools("u").await.err(), Some(unknown));

    for (command, timeout_ms, expected) in [
        (json!(["sleep", "1000"]), 200, "did not answer within 200 ms"),
        // It ends when it has been spoken to.
        (json!(["sh", "-c", "read line"]), 30_000, "closed"),
    ] {
        let configs = json!({"t": {"command": command, "start_timeout_ms": timeout_ms}});
        let servers = checked(configs, &[("PATH", "/usr/bin:/bin")]).unwrap();
        let reason = start(servers.tools("t").await.err());
        assert!(reason.contains(expected), "{reason}");
    }
}

/// The test server over HTTP, on a port of its own.
struct OverHttp {
    url: String,
    directory: TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for OverHttp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl OverHttp {
    #[expect(clippy::disallowed_methods, reason = "a test's own server lives as long as the test")]
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = TestServer::new(directory.path().join("ledger"));
        let sessions = Arc::new(LocalSessionManager::default());
        let service = StreamableHttpService::new(
            move || Ok(server.clone()),
            sessions,
            rmcp::transport::StreamableHttpServerConfig::default(),
        );
        let router = axum::Router::new().nest_service("/mcp", service);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, directory, task }
    }
}

#[tokio::test]
async fn a_server_is_reached_over_http() {
    let remote = OverHttp::start().await;
    let configs = json!({"t": {
        "url": remote.url,
        "headers_env": {"x-key": "KEY"},
        "timeout_ms": 2_000,
    }});
    let servers = checked(configs.clone(), &[("KEY", "canary")]).unwrap();
    let servers = Servers { servers, directory: tempfile::tempdir().unwrap() };
    assert_eq!(servers.call("echo", json!({"text": "hello"})).await.value, "hello");
    assert_eq!(servers.call("header", json!({})).await.value, "canary");
    let meta = servers.call("meta", json!({})).await.value;
    assert_eq!(meta["postroom/tool_call_id"], "c1");

    let fake = Fake::new(&["go"]);
    let progress = servers.tool("progress").await;
    assert_eq!(call(&fake, &progress, json!({})).await.value, "done");
    let mut shown = deltas(&fake);
    shown.sort();
    assert_eq!(shown, ["2 of 3\n", "one\n"]);

    let slow = servers.tool("slow").await;
    let context = context(&fake);
    let id = context.call_id.clone();
    let call = ToolCall { id, name: slow.name().to_owned(), arguments: json!({}) };
    let ledger = remote.directory.path().join("ledger");
    let noted = async |line: &str| {
        while !std::fs::read_to_string(&ledger).unwrap().contains(line) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let cancels = async {
        noted("slow").await;
        fake.cancel(CancelReason::Requested);
    };
    let limits = CallLimits::default();
    let (output, ()) = tokio::join!(invoke(&slow, &call, context, &limits), cancels);
    assert!(error(&output).contains("cancelled"));
    tokio::time::timeout(Duration::from_secs(30), noted("cancelled")).await.unwrap();
    servers.servers.stop().await;

    let servers = checked(configs, &[]).unwrap();
    let error = servers.tools("t").await.err().unwrap().to_string();
    assert!(error.contains("set the environment variable KEY"), "{error}");
}

#[tokio::test]
async fn an_http_server_that_is_gone_is_an_error_without_secrets() {
    let configs = json!({"t": {
        "url": "http://127.0.0.1:1/mcp?key=canary",
        "headers_env": {"authorization": "KEY"},
    }});
    let servers = checked(configs, &[("KEY", "Bearer canary")]).unwrap();
    let error = servers.tools("t").await.err().unwrap().to_string();
    assert!(error.contains("can't be started") && !error.contains("canary"), "{error}");
}

#[test]
fn bad_configurations_are_refused() {
    for (bad, expected) in [
        (json!({"t": {}}), "mcp.t: give a `command`"),
        (json!({"t": {"command": ["x"], "url": "http://x"}}), "not both"),
        (json!({"t": {"command": []}}), "names no program"),
        (json!({"t": {"command": ["x"], "headers_env": {"a": "B"}}}), "belongs to a `url`"),
        (json!({"t": {"url": "http://x", "env": {"a": "B"}}}), "belong to a `command`"),
        (json!({"t": {"url": "ftp://x"}}), "http:// or https://"),
        (json!({"t": {"url": "http://a:canary@x"}}), "keep passwords in the environment"),
        (json!({"a/b": {"command": ["x"]}}), "a name has letters"),
    ] {
        let error = checked(bad, &[]).err().unwrap().to_string();
        assert!(error.contains(expected) && !error.contains("canary"), "{error}");
    }
    assert!(serde_json::from_value::<McpConfig>(json!({"comand": ["x"]})).is_err());
}
