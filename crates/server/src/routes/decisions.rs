//! `POST /v1/runs/{run_id}/decisions`: what shall become of waiting tool calls.

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json as Answer, Router};
use postroom_core::command::DecidedVia;
use postroom_core::id::RunId;
use postroom_core::ticket::Decision;
use serde::Serialize;

use crate::app::{App, House};
use crate::extract::{JsonList, Path};
use crate::problem::Result;

pub(super) fn routes() -> Router<House> {
    Router::new().route("/v1/runs/{run_id}/decisions", post(decide))
}

#[derive(Debug, Serialize)]
struct DecidedView {
    delivered: &'static str,
}

async fn decide(
    app: App,
    Path(run_id): Path<RunId>,
    JsonList(decisions): JsonList<Decision>,
) -> Result<(StatusCode, Answer<DecidedView>)> {
    let decided = app.postroom().decide(&run_id, decisions).await?;
    let delivered = match decided.via {
        DecidedVia::Live => "live",
        // With tickets still open, what was decided is kept until the last one is.
        DecidedVia::Queued(_) | DecidedVia::Partly => "queued",
    };
    Ok((StatusCode::ACCEPTED, Answer(DecidedView { delivered })))
}
