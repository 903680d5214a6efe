//! Do models have their keys, and does somebody answer where they are said to be?

use std::time::Duration;

use postroom_agent::{AgentRegistry, ModelConfig, ResolveError};
use reqwest::Url;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::finding::Findings;
use crate::config::Loaded;

/// How long a connection may take.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// Looks at every configured model. None is asked anything: that could cost money.
pub(super) async fn examine(
    loaded: &Loaded,
    registry: &AgentRegistry,
    findings: &mut Findings<'_>,
) {
    for (name, config) in &loaded.config.models {
        match registry.model(name) {
            Err(ResolveError::MissingApiKey { variable, .. }) => findings.broken(
                format!(
                    "model `{name}` has no key: the environment variable {variable} is not set"
                ),
                format!(
                    "set {variable} where the server is started, or name the right variable in \
                     models.{name}.api_key_env"
                ),
            ),
            Err(error) => {
                findings.broken(error.to_string(), format!("correct it in [models.{name}]"));
            }
            Ok(_) if config.base_url.is_some() => examine_address(name, config, findings).await,
            Ok(_) => findings.ok(format!("`{name}` has what it needs")),
        }
    }
    // The agent that is there without configuration has a model that is not configured either.
    if loaded.config.models.is_empty() {
        for problem in registry.problems() {
            findings.broken(problem, "set the variable where the server is started");
        }
    }
}

async fn examine_address(name: &str, config: &ModelConfig, findings: &mut Findings<'_>) {
    let url = config.base_url.as_deref().and_then(|url| Url::parse(url).ok());
    let Some((url, port)) = url.and_then(|url| Some((url.clone(), url.port_or_known_default()?)))
    else {
        return;
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let problem = match timeout(CONNECTS_WITHIN, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => return findings.ok(format!("`{name}`: {host}:{port} answers")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no connection within {} s", CONNECTS_WITHIN.as_secs()),
    };
    findings.broken(
        format!("model `{name}`: nobody answers at {host}:{port}: {problem}"),
        format!("start what serves it there, or correct models.{name}.base_url"),
    );
}
