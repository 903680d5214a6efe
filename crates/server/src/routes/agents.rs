//! `/v1/agents`: the agents that runs can be given to.

use axum::Json as Answer;
use postroom_core::id::AgentId;

use crate::api::{Routes, about};
use crate::app::{AgentInfo, App};
use crate::extract::Path;
use crate::problem::{Problem, Result};
use crate::wire::PageView;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/v1/agents", list, about("list_agents", "The agents that runs can be given to."))
        .get("/v1/agents/{agent_id}", show, about("get_agent", "An agent."))
}

/// All of them: they come from the configuration, which is short.
async fn list(app: App) -> Answer<PageView<AgentInfo>> {
    Answer(PageView { items: app.agents(), next_cursor: None })
}

async fn show(app: App, Path(agent_id): Path<AgentId>) -> Result<Answer<AgentInfo>> {
    let agent = app.agents().into_iter().find(|agent| agent.agent_id == agent_id);
    agent.map(Answer).ok_or_else(|| {
        let detail = format!("there is no agent {agent_id}: GET /v1/agents lists those there are");
        Problem::not_found("unknown_agent", detail)
    })
}
