//! Taking up changes of agents, models and tools while the server runs.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use postroom_agent::Agents;
use tokio::signal::unix::{self, SignalKind};
use tokio::time::MissedTickBehavior;

use super::parts;
use super::settings::Settings;
use crate::config::{Config, Loaded};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Puts the agents in force that the configuration describes whenever its file changes, or SIGHUP
/// asks for it. A configuration that is wrong is refused, and what was in force stays.
pub(super) async fn keep_up(
    loaded: &Loaded,
    agents: &Agents,
    settings: &Settings,
) -> anyhow::Error {
    match follow(loaded, agents, settings).await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

async fn follow(
    loaded: &Loaded,
    agents: &Agents,
    settings: &Settings,
) -> anyhow::Result<Infallible> {
    let mut asked = unix::signal(SignalKind::hangup()).context("SIGHUP can't be listened to")?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = changed_at(loaded).await;
    let mut in_force = loaded.config.clone();
    loop {
        let is_asked = tokio::select! {
            biased;
            _ = asked.recv() => true,
            _ = look.tick() => false,
        };
        let now = changed_at(loaded).await;
        if !is_asked && now == seen {
            continue;
        }
        seen = now;
        if let Some(config) = take_up(loaded, agents, settings, &in_force) {
            in_force = config;
        }
    }
}

/// Reads the configuration again, and puts its agents in force if they changed.
fn take_up(
    loaded: &Loaded,
    agents: &Agents,
    settings: &Settings,
    in_force: &Config,
) -> Option<Config> {
    let read = loaded.read_again().and_then(|read| Ok((parts::registry(&read)?, read)));
    let (registry, read) = match read {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(
                "the changed configuration is not taken up, the old one stays: {error}"
            );
            return None;
        }
    };
    let config = &read.config;
    let rest = |config: &Config| Config {
        agents: in_force.agents.clone(),
        models: in_force.models.clone(),
        tools: in_force.tools.clone(),
        mcp: in_force.mcp.clone(),
        ..config.clone()
    };
    if rest(config) != *in_force {
        tracing::warn!("settings besides agents, models, tools and MCP servers take a restart");
    }
    if config == in_force {
        return None;
    }
    for problem in registry.problems() {
        tracing::warn!("{problem}");
    }
    agents.replace(registry.keeping_servers_of(&agents.current()));
    settings.take_up(&read);
    let file = loaded.file().display();
    tracing::info!(target: "postroom::audit", action = "config_reloaded", subject = %file, "audit");
    tracing::info!("the agents of the changed configuration are in force");
    Some(read.config)
}

/// When the file was changed last; `None` where it is not there.
async fn changed_at(loaded: &Loaded) -> Option<SystemTime> {
    tokio::fs::metadata(loaded.file()).await.ok()?.modified().ok()
}
