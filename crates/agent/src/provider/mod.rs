//! Real models, all through one client: `OpenAI` (chat completions and responses) and what speaks
//! its API, Anthropic, Gemini, Ollama, and the other providers that `genai` knows.
//!
//! Keys come from the named environment variable or file alone, are held here, and are cut out of
//! everything that a provider says.
//!
//! A provider is not trusted with more than an answer: redirects are not followed, and an answer
//! has limits of length and of silence.

mod attachment;
mod calls;
mod continuation;
mod error;
mod names;
mod options;
mod prompt;
mod protocol;
mod retry;
mod secret;
mod stream;
mod tap;
mod tls;
mod window;

pub use tls::client_tls;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use genai::adapter::AdapterKind;
use genai::resolver::{AuthData, Endpoint, ProviderConfig};
use genai::{Client, ModelIden};

use crate::config::{ConfigError, ModelConfig};
use crate::model::{Model, ModelError, ModelOptions, ModelRequest, ModelStream};
use crate::registry::Env;
use names::WireNames;
use options::Target;
use prompt::Writer;
use protocol::Protocol;
use secret::{Secret, key_of};
use stream::Reader;
use tap::Tap;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a provider may be silent. Models that think first, or are loaded first, take minutes.
const SILENCE_TIMEOUT: Duration = Duration::from_mins(5);
/// The smallest window that a model can be said to have, in tokens.
const WINDOW_MIN: u64 = 1000;

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
    protocol: Protocol,
    key: Option<Secret>,
    defaults: ModelOptions,
    window: Option<u64>,
}

/// Checks what can be checked without the environment.
pub(crate) fn check(name: &str, config: &ModelConfig) -> Result<(), ConfigError> {
    let model = name.to_owned();
    config
        .options
        .check()
        .map_err(|error| ConfigError::ModelOption { model: model.clone(), error })?;
    if config.context_window.is_some_and(|window| window < WINDOW_MIN) {
        return Err(ConfigError::SmallWindow { model });
    }
    if !config.members.is_empty() {
        let reason = "its members are named in `pool`, not in `members`".to_owned();
        return Err(ConfigError::Pool { model, reason });
    }
    // What a pool is made of is checked with the other models at hand.
    if config.is_demo() || config.is_pool() {
        return Ok(());
    }
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
    if config.api_key_env.is_some() && config.api_key_file.is_some() {
        return Err(ConfigError::TwoKeys { model });
    }
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
    let auth = AuthData::from_single(key.as_ref().map_or("none", Secret::reveal));
    let endpoint = config.base_url.as_deref().map(|url| Endpoint::from_owned(endpoint(kind, url)));
    let client = Client::builder()
        .with_reqwest(http)
        .with_adapter_kind(kind)
        .append_provider_config(kind, ProviderConfig { endpoint, auth: Some(auth) })
        .build()
        .map_err(|error| BuildError::Unusable(error.to_string()))?;
    Ok(Arc::new(ProviderModel {
        name: format!("{}/{model}", config.provider),
        client,
        protocol: Protocol::of(kind),
        key,
        defaults: config.options.clone(),
        window: config.context_window.or_else(|| window::of_well_known(&model)),
        model: ModelIden::new(kind, model),
    }))
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

    fn context_window(&self) -> Option<u64> {
        self.window
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let options = request.options.over(&self.defaults);
        let request = ModelRequest { options, ..request };
        let target = Target {
            kind: self.model.adapter_kind,
            protocol: self.protocol,
            model: &self.model.model_name,
        };
        let names = WireNames::new(&request);
        let tap = Arc::new(Tap::new(self.protocol));
        let options =
            options::chat_options(target, &request.options, &request.tools, &names, tap.clone())?;
        let chat = Writer { target, names: &names, asked: &self.name }.chat_request(&request);
        let answer = self.client.exec_chat_stream(self.model.clone(), chat, Some(&options)).await;
        let answer = answer.map_err(|error| error::model_error(&error, self.key.as_ref()))?;
        let (name, key) = (self.name.clone(), self.key.clone());
        Ok(Reader::new(target.kind, name, names, key, tap, answer.stream).events())
    }
}
