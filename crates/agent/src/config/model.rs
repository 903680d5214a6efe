//! Models in the configuration: `[models.NAME]`.

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
