//! Are models, tools and agents named as they are configured?

use postroom_agent::{AgentConfig, AgentRegistry, ModelConfig};

use super::finding::Report;
use crate::commands::serve;
use crate::config::Loaded;

/// Stands for what is wrong, so that the rest can be looked at too.
const DEMO: &str = "demo";

/// Checks all of them; `None` where too much is wrong to look further.
pub(super) fn examine(loaded: &Loaded, report: &mut Report) -> Option<AgentRegistry> {
    let mut mended = loaded.config.clone();
    // Each turn mends one; more than there are would be for nothing.
    for _ in 0..=mended.agents.len() + mended.models.len() {
        let error = match serve::registry_of(&mended) {
            Ok(registry) => {
                for agent in registry.agents() {
                    let (id, model, provider) = (&agent.agent_id, &agent.model, &agent.provider);
                    report.of("agents").ok(format!("`{id}` on model `{model}` ({provider})"));
                }
                return Some(registry);
            }
            Err(error) => error,
        };
        let key = error.to_string();
        let mut parts = key.split(['.', ':']);
        let (section, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let area = match section {
            "models" => "models",
            "mcp" => "mcp",
            "tools" => "tools",
            _ => "agents",
        };
        let remedy = format!("correct it in {}", loaded.file().display());
        report.of(area).broken(loaded.locate(&error).to_string(), remedy);
        match section {
            "agents" => {
                mended.agents.insert(name.to_owned(), AgentConfig::new(DEMO))?;
            }
            "models" if name != DEMO => {
                mended.models.insert(name.to_owned(), ModelConfig::demo())?;
            }
            _ => return None,
        }
    }
    None
}
