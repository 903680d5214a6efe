//! Models in the configuration: `[models.NAME]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::ModelOptions;

/// The provider of the built-in model that needs no key.
pub const DEMO_PROVIDER: &str = "demo";

/// The provider of a model that is several, asked one after the other.
pub(crate) const POOL_PROVIDER: &str = "pool";

/// A model, or a pool of models: `[models.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Who serves it: `openai`, `openai_resp` (its responses API), `anthropic`, `gemini`, `ollama`
    /// …; `demo` needs no key. Only a pool has none.
    #[serde(default)]
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
    /// The file that holds the key, instead of a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// How it answers unless a run's agent or the run itself says otherwise.
    #[serde(default, skip_serializing_if = "ModelOptions::is_empty")]
    pub options: ModelOptions,
    /// How many tokens a conversation and its answer may have together, where that is not known
    /// by the model's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// The models that are asked one after the other until one answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pool: Vec<String>,
    /// What the names in `pool` stand for: written where a run keeps what it began with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<ModelConfig>,
}

impl ModelConfig {
    /// The built-in demo model.
    pub fn demo() -> Self {
        Self { provider: DEMO_PROVIDER.into(), ..Self::default() }
    }

    /// Whether it is the built-in demo model.
    pub fn is_demo(&self) -> bool {
        self.provider == DEMO_PROVIDER
    }

    /// Whether it is a pool.
    pub fn is_pool(&self) -> bool {
        !self.pool.is_empty()
    }
}
