//! Agents in the configuration: `[agents.NAME]`.

use serde::{Deserialize, Serialize};

/// An agent: `[agents.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The name of its model among the configured ones, or `demo`.
    pub model: String,
    /// What it is told before every conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The tools it may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// The tools whose calls wait for a person; a `*` at the end stands for any ending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approve: Vec<String>,
    /// After how many steps a run is stopped.
    #[serde(default = "default_max_steps")]
    pub max_steps: u32,
}

/// [`AgentConfig::max_steps`] unless told otherwise.
pub const DEFAULT_MAX_STEPS: u32 = 20;

fn default_max_steps() -> u32 {
    DEFAULT_MAX_STEPS
}
