//! `GET /v1/runs/{run_id}/wait`: the run, once it is done or waits.

use std::time::Duration;

use axum::Json as Answer;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postroom_core::dispatch::DispatchState;
use postroom_core::id::RunId;
use postroom_core::run::{Run, RunState};
use postroom_service::Error;
use schemars::JsonSchema;
use serde::Deserialize;

use super::runs;
use crate::api::{Answers, Operation, Routes, about};
use crate::app::App;
use crate::extract::{Path, Query};
use crate::problem::Result;
use crate::run_events::known;
use crate::wire::RunView;

const TIMEOUT_MS_DEFAULT: u64 = 60_000;
/// Whoever waits longer asks again: connections are not held for ever.
const TIMEOUT_MS_MAX: u64 = 3_600_000;

pub(super) fn routes() -> Routes {
    Routes::new().get(
        "/v1/runs/{run_id}/wait",
        wait_for_run,
        about("wait_for_run", "The run, once it is done or waits."),
    )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WaitQuery {
    timeout_ms: Option<u64>,
}

/// How long to wait where the client asks for `timeout_ms`.
pub(super) fn timeout(timeout_ms: Option<u64>) -> Duration {
    Duration::from_millis(timeout_ms.unwrap_or(TIMEOUT_MS_DEFAULT).min(TIMEOUT_MS_MAX))
}

/// The run: `200` where nothing will come by itself, `202` where the time was over before.
pub(super) struct WaitAnswer {
    rests: bool,
    run: RunView,
}

impl IntoResponse for WaitAnswer {
    fn into_response(self) -> Response {
        let status = if self.rests { StatusCode::OK } else { StatusCode::ACCEPTED };
        (status, Answer(self.run)).into_response()
    }
}

impl Answers for WaitAnswer {
    fn say(operation: &mut Operation<'_>) {
        operation.answers_json::<RunView>(StatusCode::OK);
        operation.answers_json::<RunView>(StatusCode::ACCEPTED);
    }
}

async fn wait_for_run(
    app: App,
    Path(run_id): Path<RunId>,
    Query(query): Query<WaitQuery>,
) -> Result<WaitAnswer> {
    wait(&app, &run_id, timeout(query.timeout_ms)).await
}

/// `200` and the run once it is done or waits; `202` and the run so far when the time is over, or
/// when the server closes.
pub(super) async fn wait(app: &App, run_id: &RunId, timeout: Duration) -> Result<WaitAnswer> {
    let run = tokio::select! {
        run = app.postroom().wait(run_id, timeout) => run?,
        () = app.closing().cancelled() => runs::known_run(app, run_id).await?,
    };
    Ok(WaitAnswer { rests: rests(app, &run).await?, run: run.into() })
}

/// Whether the run is done, or waits for somebody: one that waits and is queued goes on by itself.
async fn rests(app: &App, run: &Run) -> Result<bool, Error> {
    match (run.run_state(), run.dispatch_id) {
        (RunState::Done, _) | (RunState::Waiting, None) => Ok(true),
        (RunState::Waiting, Some(id)) => {
            let dispatch = known(app.postroom().dispatch(id).await)?;
            Ok(dispatch.is_none_or(|dispatch| dispatch.state() != DispatchState::Queued))
        }
        (RunState::Created | RunState::Running, _) => Ok(false),
    }
}
