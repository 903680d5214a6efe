//! The models that agents can use: configured, given by the embedder, or the demo model.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::ModelConfig;
use crate::demo::DemoModel;
use crate::model::Model;
use crate::provider::{self, BuildError};
use crate::registry::{Env, ResolveError};

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

    /// What `name` stands for now.
    pub fn config(&self, name: &str) -> Option<ModelConfig> {
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
        let model = provider::build(config, &self.env).map_err(|error| match error {
            BuildError::MissingKey { variable } => {
                ResolveError::MissingApiKey { model: name.to_owned(), variable }
            }
            BuildError::Unusable(reason) => {
                ResolveError::UnusableModel { model: name.to_owned(), reason }
            }
        })?;
        self.built.lock().insert(key, model.clone());
        Ok(model)
    }
}
