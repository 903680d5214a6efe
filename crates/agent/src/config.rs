//! The configuration of agents and models, as written in `postroom.toml`.

use postroom_core::id::AgentId;
use serde::{Deserialize, Serialize};

/// The provider of the built-in model that needs no key.
pub const DEMO_PROVIDER: &str = "demo";

/// A model: `[models.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Who serves it: `openai`, `anthropic`, `gemini`, `ollama` …; `demo` needs no key.
    pub provider: String,
    /// The provider's name for it. Only `demo` needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Where it is served, if not at the provider's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The environment variable that holds the key, if not the provider's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
}

impl ModelConfig {
    /// The built-in demo model.
    pub fn demo() -> Self {
        Self { provider: DEMO_PROVIDER.into(), model: None, base_url: None, api_key_env: None }
    }

    /// Whether it is the built-in demo model.
    pub fn is_demo(&self) -> bool {
        self.provider == DEMO_PROVIDER
    }
}

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

/// What is wrong with a configuration; each names its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the nouns they are named after")]
pub enum ConfigError {
    #[error("agents.{agent}: the name is not an agent id: {reason}")]
    AgentName { agent: String, reason: String },
    #[error("agents.{agent}.model: there is no model `{model}`; {}", listed("models", .known))]
    UnknownModel { agent: AgentId, model: String, known: Vec<String> },
    #[error(
        "agents.{agent}.tools: `{tool}` is not available in this version yet ({feature}): take it out"
    )]
    ToolNotYet { agent: AgentId, tool: String, feature: &'static str },
    #[error("agents.{agent}.tools: there is no tool `{tool}`; {}", listed("tools", .known))]
    UnknownTool { agent: AgentId, tool: String, known: Vec<String> },
    #[error("agents.{agent}.approve: `{pattern}` is none of the agent's tools; {}", listed("tools", .known))]
    UnknownApproval { agent: AgentId, pattern: String, known: Vec<String> },
    #[error("agents.{agent}.max_steps: at least 1 is needed")]
    NoSteps { agent: AgentId },
    #[error(
        "models.{model}.provider: there is no provider `{provider}`; try openai, anthropic, gemini, ollama or demo"
    )]
    UnknownProvider { model: String, provider: String },
    #[error("models.{model}.model: say which model of `{provider}` it is")]
    ModelMissing { model: String, provider: String },
    #[error("models.{model}.base_url: {reason}")]
    BaseUrl { model: String, reason: String },
    #[error("models.{model}.api_key_env: name an environment variable, not the key itself")]
    KeyVariable { model: String },
    #[error("models.demo: the name is taken by the built-in demo model")]
    DemoTaken,
}

pub(crate) fn listed(noun: &str, names: &[String]) -> String {
    if names.is_empty() {
        return format!("there are no {noun}");
    }
    format!("the {noun} are: {}", names.join(", "))
}

/// Whether `name` is `pattern`, or begins with it where it ends in `*`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}
