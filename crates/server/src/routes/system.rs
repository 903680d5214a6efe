//! `/v1/system` and `/metrics`: how the node is doing.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use postroom_core::dispatch::DispatchState;
use postroom_core::id::{NodeId, TenantId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::{Answers, Operation, Routes, about};
use crate::app::{App, House};
use crate::problem::Result;
use crate::wire::{Moment, NodeView, moment};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/v1/system", system, about("get_system", "How the installation is doing."))
        .get("/metrics", metrics, about("metrics", "Metrics of this node, for Prometheus."))
}

#[derive(Debug, Serialize, JsonSchema)]
struct System {
    version: &'static str,
    status: String,
    /// The store's time.
    at: Moment,
    /// The caller's tenant.
    tenant: TenantId,
    /// The tenant's dispatches by status; those of all tenants for who runs the installation.
    depth: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    installation: Option<Installation>,
}

/// What is of no tenant: for who runs the installation alone.
#[derive(Debug, Serialize, JsonSchema)]
struct Installation {
    node: NodeId,
    store: &'static str,
    active_runs: usize,
    /// All nodes that work on the store.
    nodes: Vec<NodeView>,
}

async fn system(app: App) -> Result<Answer<System>> {
    let (depth, installation) = if app.caller().is_operator() {
        let postroom = app.house().unscoped();
        let nodes = postroom.nodes().await?;
        let installation = Installation {
            node: postroom.node().clone(),
            store: postroom.store().capabilities().name,
            active_runs: postroom.active_runs(),
            nodes: nodes.into_iter().map(NodeView::from).collect(),
        };
        (postroom.depth().await?, Some(installation))
    } else {
        (app.postroom().depth().await?, None)
    };
    Ok(Answer(System {
        version: env!("CARGO_PKG_VERSION"),
        status: app.postroom().readiness().to_string(),
        at: moment(app.postroom().store().now().await?),
        tenant: app.caller().tenant.clone(),
        depth: DispatchState::ALL.iter().map(|state| (state.as_str(), depth.get(*state))).collect(),
        installation,
    }))
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The text is valid in the older format too, where what is new is a comment.
const PLAIN_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics as text, in one of two formats.
struct MetricsAnswer(Response);

impl IntoResponse for MetricsAnswer {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answers for MetricsAnswer {
    fn say(operation: &mut Operation<'_>) {
        operation.answers_text(StatusCode::OK, "text/plain");
        operation.answers_text(StatusCode::OK, "application/openmetrics-text");
    }
}

async fn metrics(State(house): State<House>, headers: HeaderMap) -> MetricsAnswer {
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let open = accepted.contains("application/openmetrics-text");
    let content_type = if open { OPEN_METRICS } else { PLAIN_TEXT };
    let text = house.unscoped().metrics_text().await;
    MetricsAnswer(([(CONTENT_TYPE, content_type)], text).into_response())
}
