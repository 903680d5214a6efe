//! Do MCP servers start, answer, and have the tools that agents name?

use std::path::Path;
use std::sync::Arc;

use postroom_agent::config::matches;
use postroom_agent::mcp::{McpError, McpServers};
use postroom_agent::{Env, McpConfig};
use postroom_core::ports::Spawner;
use postroom_service::TokioSpawner;

use super::finding::Report;
use crate::config::Loaded;

/// Starts each, and asks it for its tools.
pub(super) async fn examine(loaded: &Loaded, report: &mut Report) {
    let configs = &loaded.config.mcp;
    let env: Env = Arc::new(|name| std::env::var(name).ok());
    let spawner: Arc<dyn Spawner> = Arc::new(TokioSpawner);
    let Ok(servers) = McpServers::new(configs.clone(), &env, &spawner) else { return };
    for (name, config) in configs {
        if let Some(program) = missing_program(config) {
            report.of("mcp").broken(
                format!("MCP server `{name}`: there is no program `{program}`"),
                format!("install it, or write its full path in mcp.{name}.command"),
            );
            continue;
        }
        match servers.tools(name).await {
            Ok(tools) => {
                let tools: Vec<&str> = tools.iter().map(|tool| tool.name()).collect();
                report.of("mcp").ok(format!("`{name}` answers; it has {} tools", tools.len()));
                examine_names(loaded, name, &tools, report);
            }
            Err(error) => report.of("mcp").broken(said(&error), remedy(name, config)),
        }
    }
    servers.stop().await;
}

fn said(error: &McpError) -> String {
    match error {
        McpError::Waiting { server, reason, .. } => {
            format!("MCP server `{server}` can't be started: {reason}")
        }
        error => error.to_string(),
    }
}

fn remedy(name: &str, config: &McpConfig) -> String {
    match (&config.command, &config.url) {
        (Some(command), _) => {
            let command = command.join(" ");
            format!("run `{command}` by hand and see what it says; then correct [mcp.{name}]")
        }
        (None, _) => {
            format!("start it, or correct mcp.{name}.url and the variables of its headers")
        }
    }
}

/// The program of a server that is nowhere to be found.
fn missing_program(config: &McpConfig) -> Option<&str> {
    let program = config.command.as_ref()?.first()?;
    let found = if program.contains('/') {
        config.cwd.as_deref().unwrap_or(Path::new("")).join(program).exists()
            || Path::new(program).exists()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    };
    (!found).then_some(program)
}

/// A name that fits no tool makes every run of its agent fail.
fn examine_names(loaded: &Loaded, server: &str, tools: &[&str], report: &mut Report) {
    let prefix = format!("mcp:{server}/");
    for (agent, config) in &loaded.config.agents {
        let patterns = config.tools.iter().filter(|tool| tool.starts_with(&prefix));
        for pattern in patterns.filter(|pattern| !tools.iter().any(|tool| matches(pattern, tool))) {
            report.of("agents").broken(
                format!("`{agent}`: `{pattern}` fits none of the tools of MCP server `{server}`"),
                format!("correct agents.{agent}.tools; there are: {}", tools.join(", ")),
            );
        }
    }
}
