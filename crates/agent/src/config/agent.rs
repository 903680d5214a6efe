//! Agents in the configuration: `[agents.NAME]`.

use serde::{Deserialize, Serialize};

use crate::model::ModelOptions;
use crate::policy::Rule;
use crate::window::Policy;

/// An agent: `[agents.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The name of its model among the configured ones, or `demo`.
    pub model: String,
    /// What it is told before every conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The tools it may call; a `*` at the end stands for any ending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// The tools whose calls wait for a person; a `*` at the end stands for any ending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approve: Vec<String>,
    /// What is allowed, denied or asked, by tool and arguments: the first rule that fits decides,
    /// before `approve`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// After how many steps a run is stopped.
    #[serde(default = "default_max_steps")]
    pub max_steps: u32,
    /// What else bounds a run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// How its model answers, over the model's own options.
    #[serde(default, skip_serializing_if = "ModelOptions::is_empty")]
    pub options: ModelOptions,
    /// What becomes of a conversation that outgrows the model's window: `drop` or `summarise`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub context: Policy,
    /// How it waits for people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub approval: Approval,
}

impl AgentConfig {
    /// An agent on `model`, everything else by default: no tools, no system prompt.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            system: None,
            tools: Vec::new(),
            approve: Vec::new(),
            rules: Vec::new(),
            max_steps: DEFAULT_MAX_STEPS,
            limits: Limits::default(),
            options: ModelOptions::default(),
            context: Policy::default(),
            approval: Approval::default(),
        }
    }
}

/// [`AgentConfig::max_steps`] unless told otherwise.
pub const DEFAULT_MAX_STEPS: u32 = 20;

fn default_max_steps() -> u32 {
    DEFAULT_MAX_STEPS
}

/// What bounds a run besides its steps: `[agents.NAME.limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Tokens that a run may take and give, over all its steps; left out, as many as it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_budget: Option<u64>,
    /// How long a run may work, in milliseconds; the time that it waits does not count. Left out,
    /// as long as it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit_ms: Option<u64>,
    /// A run that asks for the same calls with the same arguments this often in a row is stopped.
    pub max_repeated_calls: u32,
    /// How many calls of one step are made at once.
    pub parallel_calls: usize,
    /// How long a call of a tool may take, in milliseconds, where the tool itself says nothing.
    pub tool_timeout_ms: u64,
    /// The longest output of a tool that the model is shown, in bytes of JSON.
    pub tool_output_bytes: usize,
    /// How deep agents may delegate to agents below this one.
    pub max_depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            token_budget: None,
            time_limit_ms: None,
            max_repeated_calls: 5,
            parallel_calls: 8,
            tool_timeout_ms: 120_000,
            tool_output_bytes: 256 * 1024,
            max_depth: 5,
        }
    }
}

/// How an agent waits for people: `[agents.NAME.approval]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approval {
    /// How long a run waits in memory, ready to go on at once, before it parks, in milliseconds.
    pub patience_ms: u64,
    /// How long a call waits for a decision, in milliseconds; left out, for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What holds when nobody has decided in time.
    pub on_timeout: OnTimeout,
}

impl Default for Approval {
    fn default() -> Self {
        Self { patience_ms: 30_000, timeout_ms: None, on_timeout: OnTimeout::Deny }
    }
}

/// What holds when nobody has decided in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// The call is not made.
    #[default]
    Deny,
    /// The call is made.
    Approve,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
