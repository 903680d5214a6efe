//! What can be wrong with a configuration.

use postroom_core::id::AgentId;

use crate::model::OptionError;

/// What is wrong with a configuration; each names its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the nouns they are named after")]
pub enum ConfigError {
    #[error("agents.{agent}: the name is not an agent id: {reason}")]
    AgentName { agent: String, reason: String },
    #[error("agents.{agent}.model: there is no model `{model}`; {}", listed("models", .known))]
    UnknownModel { agent: AgentId, model: String, known: Vec<String> },
    #[error("agents.{agent}.tools: there is no tool `{tool}`; {}", listed("tools", .known))]
    UnknownTool { agent: AgentId, tool: String, known: Vec<String> },
    #[error("agents.{agent}.tools: `delegate:{to}` names no agent; {}", listed("agents", .known))]
    UnknownDelegate { agent: AgentId, to: String, known: Vec<String> },
    #[error("agents.{agent}.{place}: at least {least} is needed")]
    TooSmall { agent: AgentId, place: &'static str, least: u32 },
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
    #[error("models.{model}: api_key_env and api_key_file are both there: keep one")]
    TwoKeys { model: String },
    #[error("models.{model}.options.{error}")]
    ModelOption { model: String, error: OptionError },
    #[error("models.{model}.context_window: at least 1000 tokens are needed")]
    SmallWindow { model: String },
    #[error("models.{model}.pool: {reason}")]
    Pool { model: String, reason: String },
    #[error("tools.http_fetch: {reason}")]
    HttpFetch { reason: String },
    #[error("agents.{agent}.tools: `{tool}`: there is no MCP server `{server}`; {}", listed("servers", .known))]
    UnknownServer { agent: AgentId, tool: String, server: String, known: Vec<String> },
    #[error("mcp.{server}: {reason}")]
    Mcp { server: String, reason: String },
    #[error("models.demo: the name is taken by the built-in demo model")]
    DemoTaken,
}

pub(crate) fn listed(noun: &str, names: &[String]) -> String {
    if names.is_empty() {
        return format!("there are no {noun}");
    }
    format!("the {noun} are: {}", names.join(", "))
}
