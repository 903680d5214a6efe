//! `/v1/system` and `/metrics`: how the node is doing.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json as Answer, Router};
use postroom_core::dispatch::DispatchState;
use postroom_core::id::NodeId;
use serde::Serialize;

use crate::app::App;
use crate::problem::Result;
use crate::wire::NodeView;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/system", get(system)).route("/metrics", get(metrics))
}

#[derive(Debug, Serialize)]
struct System {
    version: &'static str,
    node: NodeId,
    store: &'static str,
    status: String,
    /// Dispatches by status.
    depth: BTreeMap<&'static str, u64>,
    active_runs: usize,
    /// All nodes that work on the store.
    nodes: Vec<NodeView>,
}

async fn system(State(app): State<App>) -> Result<Answer<System>> {
    let postroom = app.postroom();
    let depth = postroom.store().depth().await?;
    let nodes = postroom.nodes().await?;
    Ok(Answer(System {
        version: env!("CARGO_PKG_VERSION"),
        node: postroom.node().clone(),
        store: postroom.store().capabilities().name,
        status: postroom.readiness().to_string(),
        depth: DispatchState::ALL.iter().map(|state| (state.as_str(), depth.get(*state))).collect(),
        active_runs: postroom.active_runs(),
        nodes: nodes.into_iter().map(NodeView::from).collect(),
    }))
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The text is valid in the older format too, where what is new is a comment.
const PLAIN_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let open = accepted.contains("application/openmetrics-text");
    let content_type = if open { OPEN_METRICS } else { PLAIN_TEXT };
    ([(CONTENT_TYPE, content_type)], app.postroom().metrics_text().await).into_response()
}
