//! A configured server: started when it is needed, and again when it has ended.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::ports::Spawner;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::connection::Connection;
use super::error::McpError;
use super::tool::McpTool;
use crate::config::{Endpoint, McpConfig};
use crate::registry::Env;
use crate::tool::Tool;

/// The pause after the second failure in a row; each further one doubles it.
const PAUSE_FIRST: Duration = Duration::from_millis(500);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A configured server.
pub(super) struct Server {
    name: String,
    config: McpConfig,
    endpoint: Endpoint,
    env: Env,
    spawner: Arc<dyn Spawner>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// Failures since it last answered.
    failures: u32,
    /// Not to be started before this, and why.
    pause: Option<(Instant, String)>,
    stopped: bool,
    /// The tools of the connection's last list.
    tools: Option<Tools>,
}

/// Tools, and what they were made from.
struct Tools {
    listed: Arc<[rmcp::model::Tool]>,
    tools: Vec<Arc<dyn Tool>>,
}

impl Server {
    pub fn new(
        name: String,
        config: McpConfig,
        endpoint: Endpoint,
        env: Env,
        spawner: Arc<dyn Spawner>,
    ) -> Self {
        Self { name, config, endpoint, env, spawner, state: Mutex::default() }
    }

    /// Whether the other is configured the same.
    pub fn is_like(&self, other: &Self) -> bool {
        self.config == other.config
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn config(&self) -> &McpConfig {
        &self.config
    }

    /// The connection, made now if there is none. Who comes meanwhile waits for the same start.
    pub async fn connection(&self) -> Result<Arc<Connection>, McpError> {
        let mut state = self.state.lock().await;
        if state.stopped {
            return Err(McpError::Stopped { server: self.name.clone() });
        }
        if let Some(connection) = &state.connection {
            if !connection.is_closed() {
                return Ok(connection.clone());
            }
            state.failed("it ended");
        }
        if let Some((until, reason)) = &state.pause {
            let wait = until.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                let (server, reason) = (self.name.clone(), reason.clone());
                return Err(McpError::Waiting { server, reason, wait });
            }
        }
        let opening = Connection::open(
            &self.name,
            &self.endpoint,
            &self.config,
            &self.env,
            self.spawner.clone(),
        );
        let reason = match timeout(self.start_timeout(), opening).await {
            Ok(Ok(connection)) => {
                let connection = Arc::new(connection);
                state.connection = Some(connection.clone());
                return Ok(connection);
            }
            Ok(Err(reason)) => reason,
            Err(_) => format!("it did not answer within {} ms", self.config.start_timeout_ms),
        };
        state.failed(&reason);
        tracing::warn!(server = self.name, reason, "an MCP server can't be started");
        Err(McpError::Start { server: self.name.clone(), reason })
    }

    /// The server's tools. As long as its list is the same, so are they.
    pub async fn tools(self: &Arc<Self>) -> Result<Vec<Arc<dyn Tool>>, McpError> {
        let connection = self.connection().await?;
        let failed = |reason: String| McpError::List { server: self.name.clone(), reason };
        let listed = match timeout(self.start_timeout(), connection.tools()).await {
            Ok(Ok(listed)) => listed,
            Ok(Err(reason)) => return Err(failed(reason)),
            Err(_) => {
                let reason = format!("no answer within {} ms", self.config.start_timeout_ms);
                return Err(failed(reason));
            }
        };
        let mut state = self.state.lock().await;
        if let Some(known) = state.tools.as_ref().filter(|known| known.listed == listed) {
            return Ok(known.tools.clone());
        }
        let tool = |tool: &rmcp::model::Tool| -> Arc<dyn Tool> {
            Arc::new(McpTool::new(self.clone(), tool.clone()))
        };
        let tools: Vec<_> = listed.iter().map(tool).collect();
        state.tools = Some(Tools { listed, tools: tools.clone() });
        Ok(tools)
    }

    /// It works: what failed before is forgotten.
    pub async fn answered(&self) {
        let mut state = self.state.lock().await;
        state.failures = 0;
        state.pause = None;
    }

    /// `connection` is of no use any more; the next call makes another one.
    pub async fn lost(&self, connection: &Arc<Connection>) {
        let mut state = self.state.lock().await;
        if state.connection.as_ref().is_some_and(|known| Arc::ptr_eq(known, connection)) {
            tracing::warn!(server = self.name, "an MCP server was lost during a call");
            state.failed("it was lost during a call");
        }
    }

    /// Stops it for ever, and waits until it has ended.
    pub async fn stop(&self) {
        let mut state = self.state.lock().await;
        state.stopped = true;
        // They hold this server.
        state.tools = None;
        if let Some(connection) = state.connection.take() {
            connection.stop().await;
        }
    }

    fn start_timeout(&self) -> Duration {
        Duration::from_millis(self.config.start_timeout_ms)
    }
}

impl State {
    /// Counts a failure. The first is made good at once, those that follow it after a pause.
    fn failed(&mut self, reason: &str) {
        self.connection = None;
        self.failures = self.failures.saturating_add(1);
        if self.failures > 1 {
            let doublings = (self.failures - 2).min(16);
            let pause = (PAUSE_FIRST * 2_u32.pow(doublings)).min(PAUSE_MAX);
            self.pause = Some((Instant::now() + pause, reason.to_owned()));
        }
    }
}
