//! An agent as a run uses it: what it was resolved to.

use std::sync::Arc;

use postroom_core::id::AgentId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::{ModelConfig, matches};
use crate::model::Model;
use crate::tool::ToolSet;

/// All that decides how an agent behaves, without secrets. It is kept with the run, so that a
/// retry after a change of the configuration replays what the run began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub agent_id: AgentId,
    /// The model's name in the configuration.
    pub model_name: String,
    pub model: ModelConfig,
    pub system: Option<String>,
    pub tools: Vec<String>,
    pub approve: Vec<String>,
    pub max_steps: u32,
}

impl Definition {
    /// Names the content: two definitions that differ have different versions.
    pub fn version(&self) -> String {
        // A struct of texts and numbers always has a JSON form; its field order is fixed.
        let json = serde_json::to_string(self).unwrap_or_default();
        let digest = Sha256::digest(json.as_bytes());
        let start = digest.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        format!("{start:016x}")
    }
}

/// An agent, ready to run.
#[derive(Clone)]
pub(crate) struct Agent {
    pub definition: Definition,
    pub version: String,
    pub model: Arc<dyn Model>,
    pub tools: ToolSet,
}

impl Agent {
    /// Whether a call of the tool waits for a person.
    pub fn asks_before(&self, tool: &str) -> bool {
        let Some(known) = self.tools.get(tool) else {
            // There is nothing to approve: the call will be answered with an error.
            return false;
        };
        let patterns = &self.definition.approve;
        known.always_asks() || patterns.iter().any(|pattern| matches(pattern, tool))
    }
}
