//! What a run keeps in its agent state: the definition it was begun with, and what its next attempt
//! must know that the log does not say.

use std::collections::BTreeSet;

use postroom_core::id::ToolCallId;
use postroom_core::run::{AgentState, Run};
use postroom_core::time::Timestamp;
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
    /// Calls of the present step that were begun and must not be made twice.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub started: BTreeSet<ToolCallId>,
    /// Until when the tickets of the present step wait for a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_until: Option<Timestamp>,
    /// What stands for the beginning of the conversation, where that was too long for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// How long the run has worked, in milliseconds, where that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked_ms: Option<u64>,
}

/// A summary of a thread's log up to some message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The last message that it stands for.
    pub through_seq: u64,
    pub text: String,
}

impl Pin {
    /// Pins `agent` for a run that begins. It inherits the summary of the thread so far.
    pub fn new(agent: &Agent, run: &Run) -> Self {
        let inherited = run.state.as_ref();
        let inherited =
            inherited.and_then(|state| serde_json::from_str::<Inherited>(state.as_json()).ok());
        Self {
            version: agent.version.clone(),
            agent: agent.definition.clone(),
            rate_limited: 0,
            started: BTreeSet::new(),
            ask_until: None,
            summary: inherited.and_then(|inherited| inherited.summary),
            worked_ms: None,
        }
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

/// What a run takes over of the state of the one before it.
#[derive(Deserialize)]
struct Inherited {
    #[serde(default)]
    summary: Option<Summary>,
}
