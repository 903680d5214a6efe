//! The executor: takes a run, resolves its agent, drives its turn.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::command::Activation;
use postroom_core::ports::{Executor, RunContext, RunOutcome};
use postroom_core::run::Run;

use crate::agent::Agent;
use crate::pin::Pin;
use crate::prompt::Prompt;
use crate::registry::{AgentRegistry, ResolveError};
use crate::turn::{Ended, Turn};

/// How a run waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// In memory, its claim held under this lease: it goes on the moment the decision is there.
    InMemory {
        /// The lease, renewed while it waits.
        lease: Duration,
    },
    /// It gives up its executor; the decision makes a new dispatch. Costs nothing while it waits.
    Durably,
}

/// The numbers of the turn loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How approvals wait.
    pub wait: Wait,
    /// The longest output of a tool that a model is shown, in bytes of JSON.
    pub tool_output_bytes_max: usize,
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
            wait: Wait::InMemory { lease: Duration::from_mins(10) },
            tool_output_bytes_max: 256 * 1024,
            rate_limit_in_place_max: Duration::from_secs(5),
            rate_limit_waits_max: 20,
            rate_limit_wait_max: Duration::from_hours(1),
        }
    }
}

/// Runs agents.
pub struct AgentExecutor {
    registry: Arc<AgentRegistry>,
    settings: Arc<Settings>,
}

impl AgentExecutor {
    /// Runs the agents of `registry`.
    pub fn new(registry: Arc<AgentRegistry>, settings: Settings) -> Self {
        Self { registry, settings: settings.into() }
    }

    /// The agent that the run was begun with, or the one that it names if it begins now.
    fn agent_of(&self, run: &Run) -> Result<Agent, ResolveError> {
        let current = self.registry.resolve(&run.agent_id, &run.spec.overrides);
        let Some(version) = &run.agent_version else { return current };
        if let Ok(agent) = &current
            && agent.version == *version
        {
            return current;
        }
        match Pin::of(run) {
            Some(pin) => self.registry.replay(pin.agent),
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
        let agent = match self.agent_of(&activation.run) {
            Ok(agent) => agent,
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
        let run = Arc::unwrap_or_clone(activation.run);
        let fence = activation.claim.number;
        let turn = Turn::new(agent, run, fence, prompt, context, self.settings.clone());
        turn.drive().await
    }
}
