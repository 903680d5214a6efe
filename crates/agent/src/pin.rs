//! What a run keeps in its agent state: the definition it was begun with.

use postroom_core::run::{AgentState, Run};
use serde::{Deserialize, Serialize};

use crate::agent::{Agent, Definition};

/// The agent state of our runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// The version that `agent` has.
    pub version: String,
    /// What the run was begun with.
    pub agent: Definition,
    /// How often in a row the run gave way to a model's limit.
    #[serde(default)]
    pub rate_limited: u32,
}

impl Pin {
    /// Pins `agent`.
    pub fn new(agent: &Agent) -> Self {
        let definition = agent.definition.clone();
        Self { version: agent.version.clone(), agent: definition, rate_limited: 0 }
    }

    /// What the run itself has pinned. A new run inherits the state of the one before it, whose
    /// pin is none of its own: then the versions differ, or the run has none yet.
    pub fn of(run: &Run) -> Option<Self> {
        let version = run.agent_version.as_ref()?;
        let state = run.state.as_ref()?;
        let pin: Self = serde_json::from_str(state.as_json()).ok()?;
        (pin.version == *version).then_some(pin)
    }

    /// As the run's state.
    pub fn to_state(&self) -> Option<AgentState> {
        let json = serde_json::to_string(self).ok()?;
        AgentState::from_json(json).ok()
    }
}
