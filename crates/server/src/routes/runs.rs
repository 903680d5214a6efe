//! `/v1/runs`: listing, reading, cancelling and steering runs.

use axum::Json as Answer;
use postroom_core::id::{AgentId, RunId, ThreadId};
use postroom_core::ports::RunFilter;
use postroom_core::run::{Run, RunState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::page::{self, Limit};
use super::threads;
use crate::api::{Accepted, Routes, about};
use crate::app::App;
use crate::extract::{Json, Path, Query};
use crate::object::Object;
use crate::problem::Result;
use crate::wire::{DeliveryBody, Messages, PageView, RunView, SubmittedView, check_count};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/v1/runs", list, about("list_runs", "Runs, newest first."))
        .get(
            "/v1/threads/{thread_id}/runs",
            list_of_thread,
            about("list_thread_runs", "A thread's runs."),
        )
        .get("/v1/runs/{run_id}", show, about("get_run", "A run."))
        .post("/v1/runs/{run_id}/cancel", cancel, about("cancel_run", "Cancels a run."))
        .post(
            "/v1/runs/{run_id}/inputs",
            steer,
            about("steer_run", "Gives messages to exactly this run while it executes."),
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunsQuery {
    thread_id: Option<ThreadId>,
    status: Option<RunState>,
    agent_id: Option<AgentId>,
    parent_run_id: Option<RunId>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

pub(super) async fn list(
    app: App,
    Query(query): Query<RunsQuery>,
) -> Result<Answer<PageView<RunView>>> {
    let filter = RunFilter {
        tenant: None,
        thread_id: query.thread_id,
        state: query.status,
        agent_id: query.agent_id,
        parent_run_id: query.parent_run_id,
    };
    let (limit, cursor) = (query.limit.get(), query.cursor.as_deref());
    let runs = app.postroom().runs(filter, limit, cursor).await?;
    Ok(Answer(page::shown(runs)))
}

pub(super) async fn list_of_thread(
    app: App,
    Path(thread_id): Path<ThreadId>,
    Query(query): Query<RunsQuery>,
) -> Result<Answer<PageView<RunView>>> {
    threads::known_thread(&app, &thread_id).await?;
    list(app, Query(RunsQuery { thread_id: Some(thread_id), ..query })).await
}

/// The run, or `404`.
pub(super) async fn known_run(app: &App, run_id: &RunId) -> Result<Run> {
    Ok(app.postroom().run(run_id).await?)
}

async fn show(app: App, Path(run_id): Path<RunId>) -> Result<Answer<RunView>> {
    Ok(Answer(known_run(&app, &run_id).await?.into()))
}

#[derive(Debug, Serialize, JsonSchema)]
struct CancelView {
    cancelled: bool,
}

/// Queued and waiting runs are cancelled at once; one that executes is asked to stop, and is done
/// when it has.
async fn cancel(app: App, Path(run_id): Path<RunId>) -> Result<Accepted<CancelView>> {
    app.postroom().cancel_run(&run_id).await?;
    Ok(Accepted(CancelView { cancelled: true }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    messages: Messages,
    #[serde(default)]
    delivery: Option<Object<DeliveryBody>>,
}

async fn steer(
    app: App,
    Path(run_id): Path<RunId>,
    Json(inputs): Json<Inputs>,
) -> Result<Accepted<SubmittedView>> {
    let messages = inputs.messages.0;
    check_count(messages.len())?;
    let delivery = inputs.delivery.unwrap_or_default().0.into();
    let submitted = app.postroom().deliver(&run_id, messages, delivery).await?;
    Ok(Accepted(submitted.into()))
}
