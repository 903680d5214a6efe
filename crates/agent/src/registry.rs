//! The agents that runs can be given to, and how they are resolved.

use std::collections::BTreeMap;
use std::sync::Arc;

use postroom_core::id::AgentId;
use postroom_core::ports::Clock;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::abilities::{Abilities, Ability};
use crate::agent::{Agent, Definition};
use crate::builder::Builder;
use crate::config::{AgentConfig, listed, matches};
use crate::demo::WORD_PAUSE;
use crate::direct::DirectCall;
use crate::mcp::{McpError, McpServers};
use crate::model::ModelOptions;
use crate::models::Models;
use crate::tool::{ToolEntry, ToolSet};
use crate::tools::{ClockTool, DemoAction, SendMessage};

/// Looks an environment variable up; given, so that a test has its own environment.
pub type Env = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The tool that the demo model needs to show an approval.
const DEMO_ACTION: &str = "demo_action";

/// Why a run's agent can't be resolved. Trying again changes nothing unless the configuration does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the nouns they are named after")]
pub enum ResolveError {
    #[error("there is no agent `{agent_id}`; {}", listed("agents", .known))]
    UnknownAgent { agent_id: AgentId, known: Vec<String> },
    #[error("overrides.model: there is no model `{model}`; {}", listed("models", .known))]
    UnknownModel { model: String, known: Vec<String> },
    #[error("overrides: {reason}")]
    InvalidOverrides { reason: String },
    #[error("model `{model}` has no key: set the environment variable {variable}")]
    MissingApiKey { model: String, variable: String },
    #[error("model `{model}` can't be used: {reason}")]
    UnusableModel { model: String, reason: String },
    #[error("the run was begun with tool `{tool}`, which is not there any more")]
    ToolGone { tool: String },
    #[error(
        "the run was begun with version {version} of agent `{agent_id}`, which is not known any more"
    )]
    VersionGone { agent_id: AgentId, version: String },
    #[error(transparent)]
    Mcp(#[from] McpError),
}

impl ResolveError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Mcp(error) if !matches!(error, McpError::Unknown { .. }))
    }

    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownAgent { .. } => "unknown_agent",
            Self::UnknownModel { .. } => "unknown_model",
            Self::InvalidOverrides { .. } => "invalid_overrides",
            Self::MissingApiKey { .. } => "missing_api_key",
            Self::UnusableModel { .. } => "unusable_model",
            Self::ToolGone { .. } => "tool_gone",
            Self::VersionGone { .. } => "agent_version_gone",
            Self::Mcp(_) => "mcp_unavailable",
        }
    }
}

/// An agent as it is shown to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentInfo {
    /// Its name.
    pub agent_id: AgentId,
    /// Names what it is resolved to now; a run keeps the one that it was begun with.
    pub version: String,
    /// The name of its model in the configuration.
    pub model: String,
    /// Who serves the model.
    pub provider: String,
    /// What it may call.
    pub tools: Vec<String>,
    /// What waits for a person.
    pub approve: Vec<String>,
    /// After how many steps a run is stopped.
    pub max_steps: u32,
}

/// All agents and models, checked.
pub struct AgentRegistry {
    pub(crate) agents: BTreeMap<AgentId, AgentConfig>,
    pub(crate) models: Models,
    pub(crate) tools: ToolSet,
    pub(crate) mcp: Option<McpServers>,
}

impl AgentRegistry {
    /// Begins a registry with the built-in tools and the demo model.
    pub fn builder(env: Env, clock: Arc<dyn Clock>) -> Builder {
        let mut tools = ToolSet::default();
        tools.insert(Arc::new(ClockTool::new(clock)));
        tools.insert(Arc::new(DemoAction));
        tools.insert(Arc::new(SendMessage));
        Builder::new(env, tools, WORD_PAUSE)
    }

    /// All agents, in order.
    pub fn agents(&self) -> Vec<AgentInfo> {
        self.agents.keys().filter_map(|id| self.agent(id)).collect()
    }

    /// One agent.
    pub fn agent(&self, id: &AgentId) -> Option<AgentInfo> {
        let definition = self.define(id, &Value::Null).ok()?;
        Some(AgentInfo {
            agent_id: id.clone(),
            version: definition.version(),
            model: definition.model_name,
            provider: definition.model.provider,
            tools: definition.tools,
            approve: definition.approve,
            max_steps: definition.max_steps,
        })
    }

    /// What keeps agents from running: missing keys and the like, for people.
    pub fn problems(&self) -> Vec<String> {
        let problem = |id: &AgentId| {
            let definition = self.define(id, &Value::Null).ok()?;
            let error = self.models.get(&definition.model_name, &definition.model).err()?;
            Some(format!("agent `{id}`: {error}"))
        };
        self.agents.keys().filter_map(problem).collect()
    }

    /// The agent that a new run shall have.
    pub(crate) async fn resolve(
        &self,
        id: &AgentId,
        overrides: &Value,
    ) -> Result<Agent, ResolveError> {
        let agent = self.assemble(self.define(id, overrides)?).await?;
        Ok(Agent { direct: Overrides::read(overrides)?.call, ..agent })
    }

    /// The agent that a run was begun with.
    pub(crate) async fn replay(
        &self,
        definition: Definition,
        overrides: &Value,
    ) -> Result<Agent, ResolveError> {
        let agent = self.assemble(definition).await?;
        Ok(Agent { direct: Overrides::read(overrides)?.call, ..agent })
    }

    fn define(&self, id: &AgentId, overrides: &Value) -> Result<Definition, ResolveError> {
        let config = self.agents.get(id).ok_or_else(|| ResolveError::UnknownAgent {
            agent_id: id.clone(),
            known: self.agents.keys().map(ToString::to_string).collect(),
        })?;
        let overrides = Overrides::read(overrides)?;
        let model_name = overrides.model.clone().unwrap_or_else(|| config.model.clone());
        let Some(model) = self.models.config(&model_name) else {
            return Err(ResolveError::UnknownModel {
                model: model_name,
                known: self.models.names().cloned().collect(),
            });
        };
        let mut tools = config.tools.clone();
        if model.is_demo() && !tools.iter().any(|tool| tool == DEMO_ACTION) {
            tools.push(DEMO_ACTION.to_owned());
        }
        Ok(Definition {
            agent_id: id.clone(),
            model_name,
            model,
            system: config.system.clone(),
            tools,
            approve: config.approve.clone(),
            rules: config.rules.clone(),
            max_steps: config.max_steps,
            limits: config.limits.clone(),
            approval: config.approval.clone(),
            options: overrides.options.over(&config.options),
            context: config.context,
        })
    }

    /// Takes over the MCP servers of `other` that are configured the same here: a reload must not
    /// restart them.
    pub fn keeping_servers_of(self, other: &Self) -> Self {
        let mcp = match (self.mcp, &other.mcp) {
            (Some(own), Some(others)) => Some(own.keeping(others)),
            (own, _) => own,
        };
        Self { mcp, ..self }
    }

    /// Stops the programs of MCP servers, and waits until they have ended.
    pub async fn stop(&self) {
        if let Some(mcp) = &self.mcp {
            mcp.stop().await;
        }
    }

    /// The tools of an MCP server that fit the pattern; it is started if it does not run.
    async fn mcp_tools(&self, server: &str, pattern: &str) -> Result<Vec<ToolEntry>, ResolveError> {
        let unknown = || McpError::Unknown { server: server.to_owned() };
        let tools = self.mcp.as_ref().ok_or_else(unknown)?.tools(server).await?;
        let fitting: Vec<ToolEntry> = tools
            .into_iter()
            .filter(|tool| matches(pattern, tool.name()))
            .map(Into::into)
            .collect();
        if fitting.is_empty() {
            return Err(ResolveError::ToolGone { tool: pattern.to_owned() });
        }
        Ok(fitting)
    }

    async fn assemble(&self, definition: Definition) -> Result<Agent, ResolveError> {
        let (mut tools, mut abilities) = (ToolSet::default(), Abilities::default());
        for pattern in &definition.tools {
            if let Some(server) = mcp_server(pattern) {
                self.mcp_tools(server, pattern)
                    .await?
                    .into_iter()
                    .for_each(|tool| tools.insert(tool));
                continue;
            }
            let fitting = self.tools.fitting(pattern);
            let own = Ability::fitting(pattern, self.agents.keys(), &definition.agent_id);
            if fitting.is_empty() && own.is_empty() {
                return Err(ResolveError::ToolGone { tool: pattern.clone() });
            }
            fitting.into_iter().for_each(|tool| tools.insert(tool));
            own.into_iter().for_each(|(name, ability)| abilities.insert(name, ability));
        }
        let model = self.models.get(&definition.model_name, &definition.model)?;
        Ok(Agent {
            version: definition.version(),
            definition,
            model,
            tools,
            abilities,
            direct: None,
        })
    }
}

/// The server whose tools the pattern names, if it names tools of one.
pub(crate) fn mcp_server(pattern: &str) -> Option<&str> {
    let (server, _) = pattern.strip_prefix("mcp:")?.split_once('/')?;
    Some(server)
}

/// Settings of one run, from its submission: a model, a direct call, and options of the model.
#[derive(Default)]
pub(crate) struct Overrides {
    /// The model to use in place of the agent's.
    pub model: Option<String>,
    /// A call to make in place of asking a model.
    pub call: Option<DirectCall>,
    /// How the model answers, over the agent's options.
    pub options: ModelOptions,
}

impl Overrides {
    pub fn read(value: &Value) -> Result<Self, ResolveError> {
        let invalid = |reason: String| ResolveError::InvalidOverrides { reason };
        let mut rest = match value {
            Value::Null => return Ok(Self::default()),
            Value::Object(fields) => fields.clone(),
            _ => return Err(invalid("they must be an object".to_owned())),
        };
        let model = rest.remove("model").unwrap_or_default();
        let call = rest.remove("call").unwrap_or_default();
        let model =
            Option::deserialize(model).map_err(|error| invalid(format!("model: {error}")))?;
        let call = Option::deserialize(call).map_err(|error| invalid(format!("call: {error}")))?;
        let options = ModelOptions::deserialize(Value::Object(rest))
            .map_err(|error| invalid(error.to_string()))?;
        options.check().map_err(|error| invalid(error.to_string()))?;
        Ok(Self { model, call, options })
    }
}
