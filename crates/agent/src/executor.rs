//! The executor: takes a run, resolves its agent, drives its turn.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::command::Activation;
use postroom_core::ports::{Executor, RunContext, RunOutcome};
use postroom_core::run::Run;

use crate::agent::Agent;
use crate::agents::Agents;
use crate::frontend;
use crate::model::ToolSpec;
use crate::pin::Pin;
use crate::prompt::Prompt;
use crate::registry::ResolveError;
use crate::turn::{Ended, Turn};

/// The numbers of the turn loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The lease of a run that waits in memory for a person, renewed while it waits.
    pub suspended_lease: Duration,
    /// A provider's limit of up to this long is waited out in place.
    pub rate_limit_in_place_max: Duration,
    /// How often in a row a run gives way to a provider's longer limit before that counts as a
    /// failed attempt.
    pub rate_limit_waits_max: u32,
    /// The longest that a run gives way at once, whatever the provider asks for.
    pub rate_limit_wait_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            suspended_lease: Duration::from_mins(10),
            rate_limit_in_place_max: Duration::from_secs(5),
            rate_limit_waits_max: 20,
            rate_limit_wait_max: Duration::from_hours(1),
        }
    }
}

/// Runs agents.
pub struct AgentExecutor {
    agents: Arc<Agents>,
    settings: Arc<Settings>,
}

impl AgentExecutor {
    /// Runs `agents`, those that are in force when a run begins.
    pub fn new(agents: Arc<Agents>, settings: Settings) -> Self {
        Self { agents, settings: settings.into() }
    }

    /// The agent that the run was begun with, or the one that it names if it begins now.
    async fn agent_of(&self, run: &Run) -> Result<Agent, ResolveError> {
        let registry = self.agents.current();
        let current = registry.resolve(&run.agent_id, &run.spec.overrides).await;
        let Some(version) = &run.agent_version else { return current };
        if let Ok(agent) = &current
            && agent.version == *version
        {
            return current;
        }
        match Pin::of(run) {
            Some(pin) => registry.replay(pin.agent, &run.spec.overrides).await,
            None => Err(ResolveError::VersionGone {
                agent_id: run.agent_id.clone(),
                version: version.clone(),
            }),
        }
    }
}

#[async_trait]
impl Executor for AgentExecutor {
    async fn run(&self, activation: Activation, context: Arc<dyn RunContext>) -> RunOutcome {
        let agent = match self.agent_of(&activation.run).await {
            Ok(agent) => agent,
            Err(error) if error.is_transient() => {
                return RunOutcome::TransientError { error: error.to_string() };
            }
            Err(error) => {
                let code = error.code().to_owned();
                return RunOutcome::PermanentError { code, error: error.to_string() };
            }
        };
        let prompt = match context.prompt().await {
            Ok(messages) => Prompt::new(messages),
            Err(error) => return Ended::from(error).into_outcome(),
        };
        if prompt.is_empty() {
            return RunOutcome::PermanentError {
                code: "no_input".to_owned(),
                error: "the run has no messages: there is nothing to answer".to_owned(),
            };
        }
        let frontend = match frontend_tools(&activation.run, &agent) {
            Ok(frontend) => frontend,
            Err(error) => {
                let code = "invalid_frontend_tools".to_owned();
                return RunOutcome::PermanentError { code, error };
            }
        };
        let settings = self.settings.clone();
        Turn::new(agent, activation, frontend, prompt, context, settings).drive().await
    }
}

/// The tools that the client executes; one of the agent's own can't be among them.
fn frontend_tools(run: &Run, agent: &Agent) -> Result<Vec<ToolSpec>, String> {
    let tools = frontend::read(&run.spec.frontend_tools)?;
    let is_own =
        |name: &str| agent.tools.get(name).is_some() || agent.abilities.get(name).is_some();
    match tools.iter().find(|tool| is_own(&tool.name)) {
        Some(tool) => Err(format!(
            "frontend_tools: agent `{}` has a tool `{}` of its own: give yours another name",
            run.agent_id, tool.name
        )),
        None => Ok(tools),
    }
}
