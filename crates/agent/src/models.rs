//! The models that agents can use: configured, given by the embedder, or the demo model.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::{ConfigError, ModelConfig, POOL_PROVIDER, listed};
use crate::demo::DemoModel;
use crate::model::Model;
use crate::pool::Pool;
use crate::provider::{self, BuildError};
use crate::registry::{AgentRegistry, Env, ResolveError};

/// The name under which the demo model is always there.
pub(crate) const DEMO: &str = "demo";

/// All models, by the names that agents call them.
pub(crate) struct Models {
    pub configured: BTreeMap<String, ModelConfig>,
    pub given: HashMap<String, Arc<dyn Model>>,
    pub env: Env,
    pub demo_word_pause: Duration,
    built: Mutex<HashMap<String, Arc<dyn Model>>>,
}

impl Models {
    pub fn new(
        configured: BTreeMap<String, ModelConfig>,
        given: HashMap<String, Arc<dyn Model>>,
        env: Env,
        demo_word_pause: Duration,
    ) -> Self {
        Self { configured, given, env, demo_word_pause, built: Mutex::default() }
    }

    /// Checks what pools are made of: models that are there, each once, and no pools.
    pub fn check_pools(&self) -> Result<(), ConfigError> {
        for (name, config) in self.configured.iter().filter(|(_, config)| config.is_pool()) {
            if let Some(reason) = self.wrong_with(config) {
                return Err(ConfigError::Pool { model: name.clone(), reason });
            }
        }
        Ok(())
    }

    fn wrong_with(&self, config: &ModelConfig) -> Option<String> {
        let ModelConfig { provider, model, base_url, api_key_env, api_key_file, .. } = config;
        let has_key = api_key_env.is_some() || api_key_file.is_some();
        if !provider.is_empty() || model.is_some() || base_url.is_some() || has_key {
            return Some("a pool has no provider, model, address or key of its own".to_owned());
        }
        for (at, member) in config.pool.iter().enumerate() {
            match self.config(member) {
                None => {
                    let known: Vec<String> = self.names().cloned().collect();
                    return Some(format!(
                        "there is no model `{member}`; {}",
                        listed("models", &known)
                    ));
                }
                Some(found) if found.is_pool() => {
                    return Some(format!("`{member}` is a pool too: name its models"));
                }
                Some(_) if config.pool[..at].contains(member) => {
                    return Some(format!("`{member}` is there twice"));
                }
                Some(_) => {}
            }
        }
        None
    }

    /// What `name` stands for now; of a pool, all that its members stand for too, so that a run
    /// keeps what it began with.
    pub fn config(&self, name: &str) -> Option<ModelConfig> {
        let mut config = self.own_config(name)?;
        if config.is_pool() {
            config.provider = POOL_PROVIDER.into();
            config.members =
                config.pool.iter().filter_map(|member| self.own_config(member)).collect();
        }
        Some(config)
    }

    fn own_config(&self, name: &str) -> Option<ModelConfig> {
        if self.given.contains_key(name) {
            let provider = "given".to_owned();
            return Some(ModelConfig { provider, ..ModelConfig::demo() });
        }
        let configured = self.configured.get(name).cloned();
        configured.or_else(|| (name == DEMO).then(ModelConfig::demo))
    }

    /// All names but the demo model's.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.configured.keys().chain(self.given.keys())
    }

    /// The model, built once for each configuration, so that its connections are shared.
    pub fn get(&self, name: &str, config: &ModelConfig) -> Result<Arc<dyn Model>, ResolveError> {
        if let Some(given) = self.given.get(name) {
            return Ok(given.clone());
        }
        if config.is_demo() {
            return Ok(Arc::new(DemoModel::default().with_word_pause(self.demo_word_pause)));
        }
        let key = format!("{name} {}", serde_json::to_string(config).unwrap_or_default());
        if let Some(built) = self.built.lock().get(&key) {
            return Ok(built.clone());
        }
        let model = if config.is_pool() {
            self.build_pool(name, config)?
        } else {
            self.build(name, config)?
        };
        self.built.lock().insert(key, model.clone());
        Ok(model)
    }

    fn build(&self, name: &str, config: &ModelConfig) -> Result<Arc<dyn Model>, ResolveError> {
        provider::build(config, &self.env).map_err(|error| match error {
            BuildError::MissingKey { variable } => {
                ResolveError::MissingApiKey { model: name.to_owned(), variable }
            }
            BuildError::Unusable(reason) => {
                ResolveError::UnusableModel { model: name.to_owned(), reason }
            }
        })
    }

    fn build_pool(&self, name: &str, config: &ModelConfig) -> Result<Arc<dyn Model>, ResolveError> {
        let members = config.pool.iter().zip(&config.members);
        let models = members.map(|(member, config)| self.get(member, config));
        let models = models.collect::<Result<Vec<_>, _>>()?;
        let (options, window) = (config.options.clone(), config.context_window);
        Ok(Arc::new(Pool::new(name.to_owned(), models, options, window)))
    }
}

impl AgentRegistry {
    /// A model by the name that agents call it, to be asked directly.
    ///
    /// # Errors
    /// There is no such model, or it can't be used as it is configured.
    pub fn model(&self, name: &str) -> Result<Arc<dyn Model>, ResolveError> {
        let config = self.models.config(name).ok_or_else(|| ResolveError::UnknownModel {
            model: name.to_owned(),
            known: self.models.names().cloned().collect(),
        })?;
        self.models.get(name, &config)
    }
}
