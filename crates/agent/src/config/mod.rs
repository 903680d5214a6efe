//! The configuration of agents and models, as written in `postroom.toml`.

mod agent;
mod error;
mod mcp;
mod model;

pub use agent::{AgentConfig, Approval, DEFAULT_MAX_STEPS, Limits, OnTimeout};
pub use error::ConfigError;
pub(crate) use error::listed;
pub(crate) use mcp::Endpoint;
pub use mcp::{EnvValues, McpConfig};
pub(crate) use model::POOL_PROVIDER;
pub use model::{DEMO_PROVIDER, ModelConfig};

/// Whether `name` is `pattern`, or begins with it where it ends in `*`.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}
