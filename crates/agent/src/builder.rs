//! Building a registry: the configuration is checked as a whole before anything runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use postroom_core::id::AgentId;
use postroom_core::ports::Spawner;

use crate::check::Known;
use crate::config::{AgentConfig, ConfigError, McpConfig, ModelConfig};
use crate::mcp::McpServers;
use crate::model::Model;
use crate::models::{DEMO, Models};
use crate::provider;
use crate::registry::{AgentRegistry, Env};
use crate::tool::{Tool, ToolSet};
use crate::tools::{HttpFetch, HttpFetchConfig};

/// Without configuration the default agent uses the first of these whose key is there.
const PROVIDERS_BY_KEY: [(&str, &str, &str); 5] = [
    ("OPENAI_API_KEY", "openai", "gpt-5-mini"),
    ("ANTHROPIC_API_KEY", "anthropic", "claude-haiku-4-5"),
    ("GEMINI_API_KEY", "gemini", "gemini-flash-latest"),
    ("MISTRAL_API_KEY", "mistral", "mistral-small-latest"),
    ("DEEPSEEK_API_KEY", "deepseek", "deepseek-chat"),
];

/// Gathers what a registry holds.
pub struct Builder {
    agents: BTreeMap<String, AgentConfig>,
    models: BTreeMap<String, ModelConfig>,
    given: HashMap<String, Arc<dyn Model>>,
    tools: ToolSet,
    env: Env,
    demo_word_pause: Duration,
    http_fetch: HttpFetchConfig,
    mcp: Option<(BTreeMap<String, McpConfig>, Arc<dyn Spawner>)>,
}

impl Builder {
    pub(crate) fn new(env: Env, tools: ToolSet, demo_word_pause: Duration) -> Self {
        Self {
            agents: BTreeMap::new(),
            models: BTreeMap::new(),
            given: HashMap::new(),
            tools,
            env,
            demo_word_pause,
            http_fetch: HttpFetchConfig::default(),
            mcp: None,
        }
    }

    /// The configured agents: `[agents.*]`.
    pub fn agents(self, agents: BTreeMap<String, AgentConfig>) -> Self {
        Self { agents, ..self }
    }

    /// One more agent, under its name.
    pub fn agent(mut self, name: &str, config: AgentConfig) -> Self {
        self.agents.insert(name.to_owned(), config);
        self
    }

    /// The configured models: `[models.*]`.
    pub fn models(self, models: BTreeMap<String, ModelConfig>) -> Self {
        Self { models, ..self }
    }

    /// A model of the embedder's own, under a name that agents can use.
    pub fn model(mut self, name: &str, model: Arc<dyn Model>) -> Self {
        self.given.insert(name.to_owned(), model);
        self
    }

    /// A tool of the embedder's own.
    pub fn tool(mut self, tool: Arc<dyn Tool>) -> Self {
        self.tools.insert(tool);
        self
    }

    /// What `http_fetch` may do: `[tools.http_fetch]`.
    pub fn http_fetch(self, http_fetch: HttpFetchConfig) -> Self {
        Self { http_fetch, ..self }
    }

    /// The configured MCP servers: `[mcp.*]`. Their programs and connections are looked after by
    /// tasks that `spawner` starts.
    pub fn mcp(self, servers: BTreeMap<String, McpConfig>, spawner: Arc<dyn Spawner>) -> Self {
        Self { mcp: Some((servers, spawner)), ..self }
    }

    /// The demo model's pause before each word.
    pub fn demo_word_pause(self, demo_word_pause: Duration) -> Self {
        Self { demo_word_pause, ..self }
    }

    /// Checks it all.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn build(self) -> Result<AgentRegistry, ConfigError> {
        if self.models.get(DEMO).is_some_and(|model| !model.is_demo()) {
            return Err(ConfigError::DemoTaken);
        }
        for (name, model) in &self.models {
            provider::check(name, model)?;
        }
        let mut tools = self.tools;
        let http_fetch = HttpFetch::new(self.http_fetch);
        tools.insert(Arc::new(http_fetch.map_err(|reason| ConfigError::HttpFetch { reason })?));
        let mcp = self.mcp.map(|(servers, spawner)| McpServers::new(servers, &self.env, &spawner));
        let mcp = mcp.transpose()?;
        let models = Models::new(self.models, self.given, self.env, self.demo_word_pause);
        models.check_pools()?;
        let mut registry = AgentRegistry { agents: BTreeMap::new(), models, tools, mcp };
        for (name, config) in self.agents {
            let id = AgentId::parse(&name).map_err(|error| ConfigError::AgentName {
                agent: name,
                reason: error.to_string(),
            })?;
            registry.agents.insert(id, config);
        }
        registry.check()?;
        if registry.agents.is_empty() {
            let config = registry.default_agent();
            registry.agents.insert(AgentId::default_agent(), config);
        }
        Ok(registry)
    }
}

impl AgentRegistry {
    /// Checks every agent against all that it names.
    fn check(&self) -> Result<(), ConfigError> {
        let agents = self.agents.keys().cloned().collect();
        let servers = self.mcp.iter().flat_map(McpServers::names).collect();
        let known = Known { models: &self.models, tools: &self.tools, agents: &agents, servers };
        self.agents.iter().try_for_each(|(id, config)| known.check(id, config))
    }

    /// The agent that is there without configuration: on the only model that is configured, or the
    /// provider whose key is in the environment, or the demo model.
    fn default_agent(&mut self) -> AgentConfig {
        let only = || {
            let mut names = self.models.names();
            names.next().filter(|_| names.next().is_none()).cloned()
        };
        let has_key =
            |variable: &str| (self.models.env)(variable).is_some_and(|key| !key.trim().is_empty());
        let model = match only() {
            Some(name) => name,
            None => match PROVIDERS_BY_KEY.iter().find(|(variable, ..)| has_key(variable)) {
                Some((variable, provider, model)) => {
                    let config = ModelConfig {
                        provider: (*provider).to_owned(),
                        model: Some((*model).to_owned()),
                        api_key_env: Some((*variable).to_owned()),
                        ..ModelConfig::default()
                    };
                    self.models.configured.entry((*provider).to_owned()).or_insert(config);
                    (*provider).to_owned()
                }
                None => DEMO.to_owned(),
            },
        };
        AgentConfig { tools: vec!["clock".to_owned()], ..AgentConfig::new(model) }
    }
}
