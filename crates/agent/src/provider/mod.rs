//! Real models, all through one client: `OpenAI` and what speaks its API, Anthropic, Gemini,
//! Ollama, and the other providers that `genai` knows.
//!
//! Keys come from the named environment variable alone, are held here, and are cut out of every
//! error text.

mod error;
mod prompt;
mod stream;
mod tls;

pub use tls::client_tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use genai::adapter::AdapterKind;
use genai::chat::ChatOptions;
use genai::resolver::{AuthData, Endpoint, ProviderConfig};
use genai::{Client, ModelIden};

use crate::config::{ConfigError, ModelConfig};
use crate::model::{Model, ModelError, ModelRequest, ModelStream};
use crate::registry::Env;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a provider may be silent. Models that think first, or are loaded first, take minutes.
const SILENCE_TIMEOUT: Duration = Duration::from_mins(5);

/// Why a model can't be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("set the environment variable {variable}")]
    MissingKey { variable: String },
    #[error("{0}")]
    Unusable(String),
}

/// A model of a provider.
pub(crate) struct ProviderModel {
    name: String,
    client: Client,
    model: ModelIden,
    key: Option<Secret>,
}

/// A key, which no log shows.
#[derive(Clone)]
struct Secret(Arc<str>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// Checks what can be checked without the environment.
pub(crate) fn check(name: &str, config: &ModelConfig) -> Result<(), ConfigError> {
    if config.is_demo() {
        return Ok(());
    }
    let model = name.to_owned();
    if kind_of(&config.provider).is_none() {
        let provider = config.provider.clone();
        return Err(ConfigError::UnknownProvider { model, provider });
    }
    if config.model.as_deref().is_none_or(|name| name.trim().is_empty()) {
        let provider = config.provider.clone();
        return Err(ConfigError::ModelMissing { model, provider });
    }
    if let Some(url) = &config.base_url {
        check_url(url).map_err(|reason| ConfigError::BaseUrl { model: model.clone(), reason })?;
    }
    let looks_like_variable = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    // The value is not repeated in the error: it may be a key.
    match &config.api_key_env {
        Some(variable) if !looks_like_variable(variable) => Err(ConfigError::KeyVariable { model }),
        _ => Ok(()),
    }
}

fn check_url(url: &str) -> Result<(), String> {
    let parsed = reqwest::Url::parse(url)
        .map_err(|error| format!("it is not a URL ({error}): write http://HOST:PORT/PATH"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err("it must begin with http:// or https://".to_owned());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("it must not hold a password: use api_key_env".to_owned());
    }
    Ok(())
}

fn kind_of(provider: &str) -> Option<AdapterKind> {
    AdapterKind::from_lower_str(provider)
}

/// Builds the model that `config` describes, with its key from `env`.
pub(crate) fn build(config: &ModelConfig, env: &Env) -> Result<Arc<dyn Model>, BuildError> {
    let unknown = || BuildError::Unusable(format!("there is no provider `{}`", config.provider));
    let kind = kind_of(&config.provider).ok_or_else(unknown)?;
    let key = key_of(kind, config, env)?;
    let model = config.model.clone().unwrap_or_default();
    let http = tls::client_builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
        .map_err(|error| BuildError::Unusable(format!("no HTTP client: {error}")))?;
    // Some adapters insist on a key; a server that wants none ignores this one.
    let auth = AuthData::from_single(key.as_ref().map_or("none", |key| key.0.as_ref()));
    let endpoint = config.base_url.as_deref().map(|url| Endpoint::from_owned(endpoint(kind, url)));
    let client = Client::builder()
        .with_reqwest(http)
        .with_adapter_kind(kind)
        .append_provider_config(kind, ProviderConfig { endpoint, auth: Some(auth) })
        .build()
        .map_err(|error| BuildError::Unusable(error.to_string()))?;
    let name = format!("{}/{model}", config.provider);
    Ok(Arc::new(ProviderModel { name, client, model: ModelIden::new(kind, model), key }))
}

/// The key in the named variable, or in the provider's usual one. A server at an address of one's
/// own may want none; only a variable that was named must be there.
fn key_of(
    kind: AdapterKind,
    config: &ModelConfig,
    env: &Env,
) -> Result<Option<Secret>, BuildError> {
    let usual = kind.default_key_env_name();
    let Some(variable) = config.api_key_env.as_deref().or(usual) else { return Ok(None) };
    let key = env(variable).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    match key {
        Some(key) => Ok(Some(Secret(key.into()))),
        None if config.api_key_env.is_none() && config.base_url.is_some() => Ok(None),
        None => Err(BuildError::MissingKey { variable: variable.to_owned() }),
    }
}

/// The address as the adapters want it: with a slash at the end, and for Ollama without the `/v1`
/// of its `OpenAI` imitation, since its own API is spoken.
fn endpoint(kind: AdapterKind, url: &str) -> String {
    let url = url.trim().trim_end_matches('/');
    let url = match kind {
        AdapterKind::Ollama => url.strip_suffix("/v1").unwrap_or(url),
        _ => url,
    };
    format!("{url}/")
}

#[async_trait]
impl Model for ProviderModel {
    fn name(&self) -> &str {
        &self.name
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let options = ChatOptions::default()
            .with_capture_usage(true)
            .with_capture_tool_calls(true)
            .with_stream_header_timeout(SILENCE_TIMEOUT)
            .with_stream_read_timeout(SILENCE_TIMEOUT);
        let key = self.key.as_ref().map(|key| key.0.clone());
        let chat = prompt::chat_request(&request);
        let answer = self.client.exec_chat_stream(self.model.clone(), chat, Some(&options)).await;
        let answer = answer.map_err(|error| error::model_error(&error, key.as_deref()))?;
        Ok(stream::events(self.model.adapter_kind, answer.stream, key))
    }
}
