//! What the server is made of.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::middleware::{from_fn, from_fn_with_state};
use postroom_core::id::AgentId;
use postroom_core::ports::Span;
use postroom_service::Postroom;
use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::auth::{self, Access, Caller};
use crate::bind::is_loopback;
use crate::compression::compression;
use crate::cors::{Origin, cors};
use crate::problem::{Problem, Result};
use crate::{guard, headers, routes, trace};

/// What a server needs.
#[derive(Clone)]
pub struct Options {
    /// The service that it puts on the wire.
    pub postroom: Postroom,
    /// The agents that it shows: those in force when it is asked.
    pub agents: AgentList,
    /// Whether outcomes can be posted: a submission that wants it is refused otherwise.
    pub posts_webhooks: bool,
    /// The settings that it shows: those in force when it is asked, secrets hidden.
    pub settings: SettingList,
    /// Who may call, and how much.
    pub access: Access,
    /// The address that it is bound to: on loopback, only requests that name this machine are
    /// answered. See [`guard`].
    pub bound: SocketAddr,
    /// Where web pages come from that may call, beside the dashboard's own.
    pub origins: Vec<Origin>,
    /// Cancelled when the server closes: event streams end, waits answer what there is.
    pub closing: CancellationToken,
}

/// Lists agents, as they are in force.
pub type AgentList = Arc<dyn Fn() -> Vec<AgentInfo> + Send + Sync>;

/// An agent as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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

/// Lists settings, as they are in force.
pub type SettingList = Arc<dyn Fn() -> Vec<SettingInfo> + Send + Sync>;

/// A setting as it is shown: never a secret.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SettingInfo {
    /// Its full name, such as `limits.drain_ms`.
    pub key: String,
    /// What is in force.
    pub value: serde_json::Value,
    /// The place where it was set; `None` where it is the default.
    pub origin: Option<String>,
}

/// What the server has, whoever calls. A handler takes [`App`], which is its caller's part of it;
/// only what is of no tenant (health, the node itself, sessions) looks here.
#[derive(Clone)]
pub(crate) struct House(Arc<Options>);

impl House {
    /// The service with all tenants' threads.
    pub(crate) fn unscoped(&self) -> &Postroom {
        &self.0.postroom
    }

    pub(crate) fn access(&self) -> &Access {
        &self.0.access
    }

    /// Whether only this machine can reach the server.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(self.0.bound)
    }
}

/// What a handler is given: the server as its caller sees it.
#[derive(Clone)]
pub(crate) struct App {
    house: House,
    caller: Caller,
    postroom: Postroom,
}

impl App {
    /// The caller's handle of the service: what is another tenant's is unknown to it.
    pub(crate) fn postroom(&self) -> &Postroom {
        &self.postroom
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(crate) fn house(&self) -> &House {
        &self.house
    }

    pub(crate) fn access(&self) -> &Access {
        self.house.access()
    }

    pub(crate) fn agents(&self) -> Vec<AgentInfo> {
        (self.house.0.agents)()
    }

    /// Refuses an address to post to where nothing could be posted.
    pub(crate) fn check_webhook(&self, webhook: Option<&str>) -> Result<()> {
        if webhook.is_none() || self.house.0.posts_webhooks {
            return Ok(());
        }
        Err(Problem::bad_request(
            "webhooks_not_configured",
            "webhook: this server has no secret to sign posts with: set POSTROOM_WEBHOOK_SECRET, as \
             `postroom serve --print-default-config` explains under [webhooks]",
        ))
    }

    pub(crate) fn settings(&self) -> Vec<SettingInfo> {
        (self.house.0.settings)()
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.house.0.closing
    }
}

impl FromRequestParts<House> for App {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, house: &House) -> Result<Self> {
        let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
            // A route that needs nothing has no caller, and so no threads.
            return Err(Problem::internal("a route that is open to all has asked for its caller"));
        };
        let mut postroom = house.unscoped().of_tenant(caller.tenant.clone());
        if let Some(trace) = parts.extensions.get().and_then(Span::place) {
            postroom = postroom.in_trace(trace);
        }
        Ok(Self { house: house.clone(), caller, postroom })
    }
}

/// The API as a router.
pub fn router(options: Options) -> Router {
    let guard = guard::Guard::new(options.bound, options.origins.clone());
    let cors = (!options.origins.is_empty()).then(|| cors(&options.origins));
    let access = options.access.clone();
    let tracer = options.postroom.tracer().cloned();
    let house = House(Arc::new(options));
    // The last one is the first to see a request.
    let checked = routes::all()
        .into_router()
        .fallback(routes::unknown_path)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(from_fn_with_state(access, auth::check))
        .layer(from_fn_with_state(guard, guard::check));
    let all = match tracer {
        Some(tracer) => checked.layer(from_fn_with_state(tracer, trace::trace)),
        None => checked,
    };
    // Where no other origin may call there is nothing to say about it, to nobody.
    let all = match cors {
        Some(cors) => all.layer(cors),
        None => all,
    };
    all.layer(compression()).layer(from_fn(headers::put_headers)).with_state(house)
}
