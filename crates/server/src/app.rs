//! What the server is made of.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use postroom_core::id::AgentId;
use postroom_service::Postroom;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{guard, routes};

/// What a server needs.
#[derive(Clone)]
pub struct Options {
    /// The service that it puts on the wire.
    pub postroom: Postroom,
    /// The agents that it shows: those in force when it is asked.
    pub agents: AgentList,
    /// The address that it is bound to: on loopback, only requests that name this machine are
    /// answered. See [`guard`].
    pub bound: SocketAddr,
    /// Cancelled when the server closes: event streams end, waits answer what there is.
    pub closing: CancellationToken,
}

/// Lists agents, as they are in force.
pub type AgentList = Arc<dyn Fn() -> Vec<AgentInfo> + Send + Sync>;

/// An agent as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentInfo {
    /// Its name.
    pub agent_id: AgentId,
    /// Names what it is resolved to now; a run keeps the one that it was begun with.
    pub version: String,
    /// The name of its model in the configuration.
    pub model: String,
    /// Who serves the model.
    pub provider: String,
    /// What it may call.
    pub tools: Vec<String>,
    /// What waits for a person.
    pub approve: Vec<String>,
    /// After how many steps a run is stopped.
    pub max_steps: u32,
}

/// What every handler is given.
#[derive(Clone)]
pub(crate) struct App(Arc<Options>);

impl App {
    pub(crate) fn postroom(&self) -> &Postroom {
        &self.0.postroom
    }

    pub(crate) fn agents(&self) -> Vec<AgentInfo> {
        (self.0.agents)()
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }
}

/// The API as a router.
pub fn router(options: Options) -> Router {
    let guard = guard::Guard::new(options.bound);
    let app = App(Arc::new(options));
    routes::all().layer(axum::middleware::from_fn_with_state(guard, guard::check)).with_state(app)
}
