//! Checking an agent's configuration against everything it names.

use std::collections::BTreeSet;

use postroom_core::id::AgentId;

use crate::abilities::{Ability, DELEGATE};
use crate::config::{AgentConfig, ConfigError, matches};
use crate::models::{DEMO, Models};
use crate::registry::mcp_server;
use crate::tool::ToolSet;

/// What an agent's configuration may name.
pub(crate) struct Known<'a> {
    pub models: &'a Models,
    pub tools: &'a ToolSet,
    pub agents: &'a BTreeSet<AgentId>,
    /// MCP servers.
    pub servers: Vec<&'a str>,
}

impl Known<'_> {
    pub fn check(&self, agent: &AgentId, config: &AgentConfig) -> Result<(), ConfigError> {
        self.check_model(agent, &config.model)?;
        for tool in &config.tools {
            self.check_tool(agent, tool)?;
        }
        check_approvals(agent, config)?;
        check_numbers(agent, config)
    }

    fn check_model(&self, agent: &AgentId, model: &str) -> Result<(), ConfigError> {
        if self.models.config(model).is_some() {
            return Ok(());
        }
        let mut known: Vec<String> = self.models.configured.keys().cloned().collect();
        known.push(DEMO.to_owned());
        Err(ConfigError::UnknownModel { agent: agent.clone(), model: model.to_owned(), known })
    }

    fn check_tool(&self, agent: &AgentId, tool: &str) -> Result<(), ConfigError> {
        if self.tools.names().any(|name| matches(tool, name)) {
            return Ok(());
        }
        if let Some(server) = mcp_server(tool) {
            return self.check_server(agent, tool, server);
        }
        if let Some(pattern) = tool.strip_prefix(DELEGATE) {
            return self.check_delegate(agent, pattern);
        }
        if Ability::named(tool).is_some() {
            return Ok(());
        }
        let fixed = Ability::fixed_names();
        let known = self.tools.names().chain(fixed).map(str::to_owned).collect();
        Err(ConfigError::UnknownTool { agent: agent.clone(), tool: tool.to_owned(), known })
    }

    /// What tools a server has is known only when it runs.
    fn check_server(&self, agent: &AgentId, tool: &str, server: &str) -> Result<(), ConfigError> {
        if self.servers.contains(&server) {
            return Ok(());
        }
        Err(ConfigError::UnknownServer {
            agent: agent.clone(),
            tool: tool.to_owned(),
            server: server.to_owned(),
            known: self.servers.iter().map(ToString::to_string).collect(),
        })
    }

    fn check_delegate(&self, agent: &AgentId, pattern: &str) -> Result<(), ConfigError> {
        if self.agents.iter().any(|known| known.with_str(|name| matches(pattern, name))) {
            return Ok(());
        }
        let known = self.agents.iter().map(ToString::to_string).collect();
        let (agent, to) = (agent.clone(), pattern.to_owned());
        Err(ConfigError::UnknownDelegate { agent, to, known })
    }
}

/// A pattern that fits none of the agent's tools is a slip of the pen, and a dangerous one.
fn check_approvals(agent: &AgentId, config: &AgentConfig) -> Result<(), ConfigError> {
    let own = |pattern: &str| config.tools.iter().any(|tool| overlap(pattern, tool));
    match config.approve.iter().find(|pattern| !own(pattern)) {
        None => Ok(()),
        Some(pattern) => Err(ConfigError::UnknownApproval {
            agent: agent.clone(),
            pattern: pattern.clone(),
            known: config.tools.clone(),
        }),
    }
}

/// Whether some name may fit both patterns.
fn overlap(a: &str, b: &str) -> bool {
    let start = |pattern: &str| pattern.trim_end_matches('*').to_owned();
    matches(a, &start(b)) || matches(b, &start(a))
}

fn check_numbers(agent: &AgentId, config: &AgentConfig) -> Result<(), ConfigError> {
    let limits = &config.limits;
    let zero = [
        ("limits.token_budget", limits.token_budget == Some(0)),
        ("limits.time_limit_ms", limits.time_limit_ms == Some(0)),
        ("limits.parallel_calls", limits.parallel_calls == 0),
        ("limits.tool_timeout_ms", limits.tool_timeout_ms == 0),
        ("limits.tool_output_bytes", limits.tool_output_bytes == 0),
    ];
    if config.max_steps == 0 {
        return Err(ConfigError::NoSteps { agent: agent.clone() });
    }
    if let Some((place, _)) = zero.iter().find(|(_, is_zero)| *is_zero) {
        return Err(ConfigError::TooSmall { agent: agent.clone(), place, least: 1 });
    }
    if limits.max_repeated_calls < 2 {
        let place = "limits.max_repeated_calls";
        return Err(ConfigError::TooSmall { agent: agent.clone(), place, least: 2 });
    }
    Ok(())
}
