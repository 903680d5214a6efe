//! `POST /v1/runs/{run_id}/decisions`: what shall become of waiting tool calls.

use postroom_core::command::DecidedVia;
use postroom_core::id::RunId;
use postroom_core::ticket::Decision;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::{Accepted, Routes, about};
use crate::app::App;
use crate::extract::{JsonList, Path};
use crate::problem::Result;

pub(super) fn routes() -> Routes {
    Routes::new().post(
        "/v1/runs/{run_id}/decisions",
        decide,
        about("decide", "Decides what becomes of tool calls that wait."),
    )
}

#[derive(Debug, Serialize, JsonSchema)]
struct DecidedView {
    delivered: &'static str,
}

async fn decide(
    app: App,
    Path(run_id): Path<RunId>,
    JsonList(decisions): JsonList<Decision>,
) -> Result<Accepted<DecidedView>> {
    let decided = app.postroom().decide(&run_id, decisions).await?;
    let delivered = match decided.via {
        DecidedVia::Live => "live",
        // With tickets still open, what was decided is kept until the last one is.
        DecidedVia::Queued(_) | DecidedVia::Partly => "queued",
    };
    Ok(Accepted(DecidedView { delivered }))
}
