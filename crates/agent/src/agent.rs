//! An agent as a run uses it: what it was resolved to.

use std::sync::Arc;

use postroom_core::id::AgentId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::abilities::Abilities;
use crate::config::{Approval, Limits, ModelConfig, matches};
use crate::direct::DirectCall;
use crate::model::{Model, ModelOptions};
use crate::policy::{Action, Rule};
use crate::tool::ToolSet;
use crate::window::Policy;

/// All that decides how an agent behaves, without secrets. It is kept with the run, so that a
/// retry after a change of the configuration replays what the run began with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub agent_id: AgentId,
    /// The model's name in the configuration.
    pub model_name: String,
    pub model: ModelConfig,
    pub system: Option<String>,
    pub tools: Vec<String>,
    pub approve: Vec<String>,
    #[serde(default)]
    pub rules: Vec<Rule>,
    pub max_steps: u32,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub approval: Approval,
    #[serde(default, skip_serializing_if = "ModelOptions::is_empty")]
    pub options: ModelOptions,
    #[serde(default)]
    pub context: Policy,
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
    pub abilities: Abilities,
    /// The one call that the run is about, where no model is asked.
    pub direct: Option<DirectCall>,
}

/// What the agent's policy says about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub action: Action,
    pub reason: Option<String>,
}

impl Agent {
    /// What holds for a call: the first rule that fits, else what `approve` and the tool itself say.
    pub fn verdict(&self, tool: &str, arguments: &Value) -> Verdict {
        let rules = &self.definition.rules;
        if let Some(rule) = rules.iter().find(|rule| rule.fits(tool, arguments)) {
            return Verdict { action: rule.action, reason: rule.reason.clone() };
        }
        let asks = self.definition.approve.iter().any(|pattern| matches(pattern, tool))
            || self.tools.get(tool).is_some_and(|tool| tool.always_asks());
        Verdict { action: if asks { Action::Ask } else { Action::Allow }, reason: None }
    }
}
