//! All configured servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use postroom_core::ports::Spawner;

use super::error::McpError;
use super::server::Server;
use crate::config::{ConfigError, McpConfig};
use crate::registry::Env;
use crate::tool::Tool;

/// The MCP servers of a configuration: `[mcp.*]`. Each is started when it is first needed.
pub struct McpServers(BTreeMap<String, Arc<Server>>);

impl McpServers {
    /// Checks the configuration; nothing is started yet. `env` has the values of headers and of
    /// inherited variables.
    ///
    /// # Errors
    /// The first server whose configuration is wrong, and what about it is.
    pub fn new(
        configs: BTreeMap<String, McpConfig>,
        env: &Env,
        spawner: &Arc<dyn Spawner>,
    ) -> Result<Self, ConfigError> {
        let mut servers = BTreeMap::new();
        for (name, config) in configs {
            let endpoint = config.endpoint(&name)?;
            let server = Server::new(name.clone(), config, endpoint, env.clone(), spawner.clone());
            servers.insert(name, Arc::new(server));
        }
        Ok(Self(servers))
    }

    /// These servers, but in place of each that `others` have with the same configuration, theirs:
    /// it may run already.
    pub fn keeping(mut self, others: &Self) -> Self {
        for (name, server) in &mut self.0 {
            if let Some(other) = others.0.get(name).filter(|other| other.is_like(server)) {
                *server = other.clone();
            }
        }
        self
    }

    /// The names of all servers, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The tools of a server, called `mcp:SERVER/TOOL`. As long as it does not say that they
    /// changed and does not end, it is asked once.
    ///
    /// # Errors
    /// Why they can't be had now.
    pub async fn tools(&self, server: &str) -> Result<Vec<Arc<dyn Tool>>, McpError> {
        let known = self.0.get(server);
        known.ok_or_else(|| McpError::Unknown { server: server.to_owned() })?.tools().await
    }

    /// Stops all servers, and waits until their programs have ended. They can't be used again.
    pub async fn stop(&self) {
        join_all(self.0.values().map(|server| server.stop())).await;
    }
}
